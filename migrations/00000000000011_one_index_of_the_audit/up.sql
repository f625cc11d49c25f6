-- Whoever reads the audit is an administrator, and says how far back: one index in the order of time, which also tells whom an entry
-- concerns, is read for that. An index in the order of users wrote a page of its own for each entry.

DROP INDEX audit_user;
DROP INDEX audit_client;
DROP INDEX audit_time;
CREATE INDEX audit_time ON audit (at, user_id, client_id);
