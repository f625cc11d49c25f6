-- Failures in a row, by what they are counted for; several instances share them.

CREATE TABLE throttles (
    key        TEXT   PRIMARY KEY NOT NULL,
    failures   BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX throttles_expiry ON throttles (expires_at);
