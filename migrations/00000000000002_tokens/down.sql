DROP TABLE revoked_tokens;
DROP TABLE refresh_tokens;
ALTER TABLE grants DROP COLUMN offline;
