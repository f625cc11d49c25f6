-- What users approved, what was done and refused, what may be presented once, and which origins may read our answers.

CREATE TABLE consents (
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  TEXT   NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    scope      TEXT   NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id, scope)
);
CREATE INDEX consents_client ON consents (client_id);

CREATE TABLE audit (
    id          TEXT   PRIMARY KEY NOT NULL,
    at          BIGINT NOT NULL,
    actor       TEXT   NOT NULL,
    what        TEXT   NOT NULL,
    outcome     TEXT   NOT NULL,
    user_id     TEXT,
    client_id   TEXT,
    session_id  TEXT,
    source      TEXT,
    acr         TEXT,
    session_aal TEXT,
    account_aal TEXT,
    reason      TEXT
);
CREATE INDEX audit_time ON audit (at);
CREATE INDEX audit_user ON audit (user_id, at);
CREATE INDEX audit_client ON audit (client_id, at);

CREATE TABLE replays (
    key        TEXT   PRIMARY KEY NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX replays_expiry ON replays (expires_at);

CREATE TABLE client_origins (
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    origin    TEXT NOT NULL,
    PRIMARY KEY (client_id, origin)
);
CREATE INDEX client_origins_origin ON client_origins (origin);
