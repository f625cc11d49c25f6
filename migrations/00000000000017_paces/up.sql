-- Until when the answers of a session to a client are paid for, and the refreshes of a family: each moves it on by a second.
ALTER TABLE session_clients ADD COLUMN paid_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE refresh_tokens ADD COLUMN paid_until BIGINT NOT NULL DEFAULT 0;
