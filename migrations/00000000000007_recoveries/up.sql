-- A replacement for a lost factor, which waits before it takes its place so that its owner can say no.

CREATE TABLE recoveries (
    id          TEXT   PRIMARY KEY NOT NULL,
    user_id     TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    lost_id     TEXT   NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    replacement TEXT   NOT NULL,
    cancel_hash TEXT   NOT NULL,
    due_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX recoveries_user ON recoveries (user_id);
CREATE UNIQUE INDEX recoveries_cancel ON recoveries (cancel_hash);
CREATE INDEX recoveries_lost ON recoveries (lost_id);
CREATE INDEX recoveries_due ON recoveries (due_at);
