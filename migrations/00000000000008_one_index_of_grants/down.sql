DROP INDEX grants_user;
CREATE INDEX grants_user ON grants (user_id) WHERE revoked_at IS NULL;
CREATE INDEX grants_session ON grants (session_id) WHERE revoked_at IS NULL;
