DROP INDEX audit_time;
CREATE INDEX audit_time ON audit (at);
CREATE INDEX audit_client ON audit (client_id, at);
CREATE INDEX audit_user ON audit (user_id, at);
