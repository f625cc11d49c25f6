-- When a password was hashed, which may be long after it was set: so which cost is of which settings.
ALTER TABLE credentials ADD COLUMN hashed_at BIGINT NOT NULL DEFAULT 0;
UPDATE credentials SET hashed_at = enrolled_at WHERE kind = 'pwd';
DROP INDEX credentials_cost;
CREATE INDEX credentials_cost ON credentials ((CASE WHEN kind = 'pwd' THEN rtrim(rtrim(rtrim(rtrim(secret, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'), '$'), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'), '$') END), hashed_at);
