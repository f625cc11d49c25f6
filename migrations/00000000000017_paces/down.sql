ALTER TABLE refresh_tokens DROP COLUMN paid_until;
ALTER TABLE session_clients DROP COLUMN paid_until;
