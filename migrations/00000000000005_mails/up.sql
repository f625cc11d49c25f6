-- Mails that wait to be sent, written in the transaction of what they tell. A deleted user is still told, so nothing references
-- users. A mail that was sent has no row; one that was given up has lost its text.

CREATE TABLE mails (
    id          TEXT   PRIMARY KEY NOT NULL,
    user_id     TEXT,
    recipient   TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    body        TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    tries       BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    failed_at   BIGINT
);
CREATE INDEX mails_waiting ON mails (failed_at, next_try_at);
