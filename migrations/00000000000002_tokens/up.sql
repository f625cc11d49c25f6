-- Refresh tokens, each used once; the grant is their family. Access tokens that were revoked one by one.

ALTER TABLE grants ADD COLUMN offline BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE refresh_tokens (
    token_hash TEXT   PRIMARY KEY NOT NULL,
    grant_id   TEXT   NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE UNIQUE INDEX refresh_tokens_family ON refresh_tokens (grant_id, generation);

CREATE TABLE revoked_tokens (
    jti        TEXT   PRIMARY KEY NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);
