-- Whether a form of it was ever taken: what nobody has answered has a bound of its own, and the oldest of it goes.

ALTER TABLE interactions ADD COLUMN posted BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE interactions SET posted = TRUE WHERE step > 0;
DROP INDEX interactions_source;
CREATE INDEX interactions_source ON interactions (source, posted, id) WHERE finished_at IS NULL AND source IS NOT NULL;
DROP INDEX interactions_browser;
-- Whole, since a browser takes its interactions along; and it answers which are the oldest without a look at their rows, which are long.
CREATE INDEX interactions_browser ON interactions (browser_id, posted, finished_at, id);

-- The oldest of one person's sessions and browsers are found where they are in order.
DROP INDEX sessions_user;
CREATE INDEX sessions_user ON sessions (user_id, id);
DROP INDEX remembered_accounts_user;
CREATE INDEX remembered_accounts_user ON remembered_accounts (user_id, used_at);
