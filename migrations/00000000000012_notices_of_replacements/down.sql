UPDATE throttles SET key = (
    SELECT c.kind || ' account ' || c.user_id FROM credentials c
    WHERE throttles.key = 'factor ' || c.user_id || ' ' || c.id
) WHERE EXISTS (
    SELECT 1 FROM credentials c WHERE throttles.key = 'factor ' || c.user_id || ' ' || c.id
);
DELETE FROM throttles WHERE key LIKE 'factor %';
DROP TABLE mail_codes;
ALTER TABLE mails DROP COLUMN recovery_id;
-- What nobody was told of yet does not come into effect.
DELETE FROM recoveries WHERE due_at IS NULL OR told = 0 OR lost_id NOT IN (SELECT id FROM credentials);
CREATE TABLE recoveries_before (
    id          TEXT   PRIMARY KEY NOT NULL,
    user_id     TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    lost_id     TEXT   NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    replacement TEXT   NOT NULL,
    cancel_hash TEXT   NOT NULL,
    due_at      BIGINT NOT NULL
);
INSERT INTO recoveries_before SELECT id, user_id, lost_id, replacement, cancel_hash, due_at FROM recoveries;
DROP TABLE recoveries;
ALTER TABLE recoveries_before RENAME TO recoveries;
CREATE UNIQUE INDEX recoveries_user ON recoveries (user_id);
CREATE UNIQUE INDEX recoveries_cancel ON recoveries (cancel_hash);
CREATE INDEX recoveries_lost ON recoveries (lost_id);
CREATE INDEX recoveries_due ON recoveries (due_at);
