DROP INDEX remembered_accounts_user;
CREATE INDEX remembered_accounts_user ON remembered_accounts (user_id);
DROP INDEX sessions_user;
CREATE INDEX sessions_user ON sessions (user_id);
DROP INDEX interactions_browser;
CREATE INDEX interactions_browser ON interactions (browser_id);
DROP INDEX interactions_source;
CREATE INDEX interactions_source ON interactions (source) WHERE finished_at IS NULL AND source IS NOT NULL;
ALTER TABLE interactions DROP COLUMN posted;
