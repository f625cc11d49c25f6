DROP INDEX interactions_source;
CREATE INDEX interactions_source ON interactions (source, expires_at);
