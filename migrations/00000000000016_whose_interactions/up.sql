-- Whom an interaction is about, so that what is open about somebody ends in every browser by one statement. Those that are open
-- say so at the beginning of their progress.
ALTER TABLE interactions ADD COLUMN user_id TEXT;
UPDATE interactions SET user_id = substr(progress, 20, 36)
    WHERE finished_at IS NULL AND progress LIKE '{"person":{"user":"%';
CREATE INDEX interactions_user ON interactions (user_id) WHERE finished_at IS NULL AND user_id IS NOT NULL;
