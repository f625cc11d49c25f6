DROP INDEX interactions_user;
ALTER TABLE interactions DROP COLUMN user_id;
