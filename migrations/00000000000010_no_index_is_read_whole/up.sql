-- PostgreSQL reads a partial index as a whole where a statement meets its condition, if the index was small when the statement was
-- planned. So the condition has to name what only the statements look for that the index is for, and grants have a whole index.

DROP INDEX interactions_source;
CREATE INDEX interactions_source ON interactions (source) WHERE finished_at IS NULL AND source IS NOT NULL;
DROP INDEX grants_user;
CREATE INDEX grants_user ON grants (user_id, session_id);
