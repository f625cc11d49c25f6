-- Passkeys and security keys beside passwords and codes; ceremonies that are under way; recovery codes; which accounts were
-- used in a browser, which proves nothing.

-- A passkey's credential id: nobody else can have it.
ALTER TABLE credentials ADD COLUMN lookup TEXT;
ALTER TABLE credentials ADD COLUMN label TEXT;
ALTER TABLE credentials ADD COLUMN detail TEXT;
ALTER TABLE credentials ADD COLUMN last_used_at BIGINT;
CREATE UNIQUE INDEX credentials_lookup ON credentials (lookup);
CREATE UNIQUE INDEX credentials_recovery ON credentials (user_id, kind) WHERE kind = 'recovery';

CREATE TABLE ceremonies (
    id         TEXT   PRIMARY KEY NOT NULL,
    owner      TEXT   NOT NULL,
    purpose    TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX ceremonies_owner ON ceremonies (owner);
CREATE INDEX ceremonies_expiry ON ceremonies (expires_at);

CREATE TABLE recovery_codes (
    id            TEXT   PRIMARY KEY NOT NULL,
    credential_id TEXT   NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    selector      TEXT   NOT NULL,
    secret        TEXT   NOT NULL,
    spent_at      BIGINT
);
CREATE UNIQUE INDEX recovery_codes_selector ON recovery_codes (credential_id, selector);

CREATE TABLE remembered_accounts (
    browser_id TEXT   NOT NULL REFERENCES browsers (id) ON DELETE CASCADE,
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    used_at    BIGINT NOT NULL,
    PRIMARY KEY (browser_id, user_id)
);
CREATE INDEX remembered_accounts_user ON remembered_accounts (user_id);
