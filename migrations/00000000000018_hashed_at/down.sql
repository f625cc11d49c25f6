DROP INDEX credentials_cost;
CREATE INDEX credentials_cost ON credentials ((CASE WHEN kind = 'pwd' THEN rtrim(rtrim(rtrim(rtrim(secret, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'), '$'), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'), '$') END), enrolled_at);
ALTER TABLE credentials DROP COLUMN hashed_at;
