DROP TABLE remembered_accounts;
DROP TABLE recovery_codes;
DROP TABLE ceremonies;
DROP INDEX credentials_recovery;
DROP INDEX credentials_lookup;
ALTER TABLE credentials DROP COLUMN last_used_at;
ALTER TABLE credentials DROP COLUMN detail;
ALTER TABLE credentials DROP COLUMN label;
ALTER TABLE credentials DROP COLUMN lookup;
