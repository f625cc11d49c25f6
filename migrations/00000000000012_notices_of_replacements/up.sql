-- A replacement begins to wait once its notices are settled: until then it is due at no time. It is ended where it is found that
-- what was lost is gone, and not by a cascade, which tells nobody.

CREATE TABLE recoveries_told (
    id          TEXT   PRIMARY KEY NOT NULL,
    user_id     TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    lost_id     TEXT   NOT NULL,
    replacement TEXT   NOT NULL,
    cancel_hash TEXT   NOT NULL,
    delay       BIGINT NOT NULL DEFAULT 0,
    unsettled   BIGINT NOT NULL DEFAULT 0,
    told        BIGINT NOT NULL DEFAULT 1,
    due_at      BIGINT
);
INSERT INTO recoveries_told (id, user_id, lost_id, replacement, cancel_hash, due_at)
    SELECT id, user_id, lost_id, replacement, cancel_hash, due_at FROM recoveries;
DROP TABLE recoveries;
ALTER TABLE recoveries_told RENAME TO recoveries;
CREATE UNIQUE INDEX recoveries_user ON recoveries (user_id);
CREATE UNIQUE INDEX recoveries_cancel ON recoveries (cancel_hash);
CREATE INDEX recoveries_due ON recoveries (due_at);

ALTER TABLE mails ADD COLUMN recovery_id TEXT;

-- The newest code that was mailed to each user.

CREATE TABLE mail_codes (
    user_id        TEXT   PRIMARY KEY NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    interaction_id TEXT   NOT NULL,
    mail           BIGINT NOT NULL
);

-- What locks a factor is counted for that factor, and no longer for all that its user ever has of its kind.

UPDATE throttles SET key = (
    SELECT 'factor ' || c.user_id || ' ' || c.id FROM credentials c
    WHERE c.kind IN ('otp', 'recovery') AND throttles.key = c.kind || ' account ' || c.user_id
) WHERE EXISTS (
    SELECT 1 FROM credentials c
    WHERE c.kind IN ('otp', 'recovery') AND throttles.key = c.kind || ' account ' || c.user_id
);
DELETE FROM throttles WHERE key LIKE 'otp account %' OR key LIKE 'recovery account %';
