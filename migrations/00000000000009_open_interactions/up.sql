-- A source's open interactions are counted before it may open another. What it has finished is not looked through for that.

DROP INDEX interactions_source;
CREATE INDEX interactions_source ON interactions (source) WHERE finished_at IS NULL;
