-- The common subset of SQLite and PostgreSQL. Times are microseconds since 1970 (UTC), ids UUIDv7 text, secrets SHA-256
-- in base64url, JSON is TEXT. Columns that reference rows are fully indexed: a cascade does not use a partial index.

CREATE TABLE users (
    id            TEXT   PRIMARY KEY NOT NULL,
    username      TEXT   NOT NULL,
    claims        TEXT   NOT NULL,
    second_factor TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    disabled_at   BIGINT
);

CREATE TABLE login_names (
    name        TEXT   PRIMARY KEY NOT NULL,
    user_id     TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind        TEXT   NOT NULL,
    verified_at BIGINT
);
CREATE INDEX login_names_user ON login_names (user_id);

CREATE TABLE credentials (
    id          TEXT   PRIMARY KEY NOT NULL,
    user_id     TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind        TEXT   NOT NULL,
    secret      TEXT   NOT NULL,
    last_step   BIGINT NOT NULL,
    enrolled_at BIGINT NOT NULL
);
CREATE INDEX credentials_user ON credentials (user_id);
CREATE UNIQUE INDEX credentials_single ON credentials (user_id, kind) WHERE kind IN ('pwd', 'otp');

CREATE TABLE clients (
    id          TEXT   PRIMARY KEY NOT NULL,
    version     BIGINT NOT NULL,
    metadata    TEXT   NOT NULL,
    secret_hash TEXT,
    resource    TEXT   UNIQUE,
    created_at  BIGINT NOT NULL,
    disabled_at BIGINT
);

CREATE TABLE browsers (
    id          TEXT   PRIMARY KEY NOT NULL,
    secret_hash TEXT   NOT NULL UNIQUE,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX browsers_expiry ON browsers (expires_at);

CREATE TABLE sessions (
    id         TEXT   PRIMARY KEY NOT NULL,
    browser_id TEXT   NOT NULL REFERENCES browsers (id) ON DELETE CASCADE,
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at   BIGINT
);
CREATE UNIQUE INDEX sessions_live ON sessions (browser_id, user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_browser ON sessions (browser_id);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE events (
    id                 TEXT    PRIMARY KEY NOT NULL,
    session_id         TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    method             TEXT    NOT NULL,
    at                 BIGINT  NOT NULL,
    interaction_id     TEXT    NOT NULL,
    credential_id      TEXT    NOT NULL,
    uv                 BOOLEAN NOT NULL,
    device_bound       BOOLEAN NOT NULL,
    attested           BOOLEAN NOT NULL,
    factor_enrolled_at BIGINT  NOT NULL,
    voided_at          BIGINT
);
CREATE INDEX events_session ON events (session_id);
CREATE INDEX events_credential ON events (credential_id);

CREATE TABLE session_clients (
    session_id  TEXT   NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    client_id   TEXT   NOT NULL,
    answered_at BIGINT NOT NULL,
    PRIMARY KEY (session_id, client_id)
);

CREATE TABLE interactions (
    id          TEXT   PRIMARY KEY NOT NULL,
    browser_id  TEXT   NOT NULL REFERENCES browsers (id) ON DELETE CASCADE,
    source      TEXT,
    need        TEXT   NOT NULL,
    then_kind   TEXT   NOT NULL,
    then_body   TEXT   NOT NULL,
    progress    TEXT   NOT NULL,
    step        BIGINT NOT NULL,
    asked_at    BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX interactions_browser ON interactions (browser_id);
CREATE INDEX interactions_expiry ON interactions (expires_at);
CREATE INDEX interactions_source ON interactions (source, expires_at);

CREATE TABLE grants (
    id              TEXT   PRIMARY KEY NOT NULL,
    code_hash       TEXT   NOT NULL UNIQUE,
    client_id       TEXT   NOT NULL,
    user_id         TEXT   NOT NULL,
    session_id      TEXT   NOT NULL,
    scope           TEXT   NOT NULL,
    request         TEXT   NOT NULL,
    assurance       TEXT   NOT NULL,
    granted_at      BIGINT NOT NULL,
    code_expires_at BIGINT NOT NULL,
    redeemed_at     BIGINT,
    revoked_at      BIGINT,
    revoked_for     TEXT,
    expires_at      BIGINT NOT NULL
);
CREATE INDEX grants_user ON grants (user_id) WHERE revoked_at IS NULL;
CREATE INDEX grants_session ON grants (session_id) WHERE revoked_at IS NULL;
CREATE INDEX grants_expiry ON grants (expires_at);

-- Which keys this database has been used with: a folder that lacks one is the wrong folder.
CREATE TABLE keys (
    id          TEXT   PRIMARY KEY NOT NULL,
    kind        TEXT   NOT NULL,
    recorded_at BIGINT NOT NULL
);
