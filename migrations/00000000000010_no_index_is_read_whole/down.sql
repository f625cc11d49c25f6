DROP INDEX grants_user;
CREATE INDEX grants_user ON grants (user_id, session_id) WHERE revoked_at IS NULL;
DROP INDEX interactions_source;
CREATE INDEX interactions_source ON interactions (source) WHERE finished_at IS NULL;
