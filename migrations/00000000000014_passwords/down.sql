DROP TABLE failed_sign_ins;
DROP INDEX credentials_cost;
DELETE FROM credentials WHERE kind = 'recovery';
DROP TABLE recovery_codes;
CREATE TABLE recovery_codes (
    id            TEXT   PRIMARY KEY NOT NULL,
    credential_id TEXT   NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    selector      TEXT   NOT NULL,
    secret        TEXT   NOT NULL,
    spent_at      BIGINT
);
CREATE UNIQUE INDEX recovery_codes_selector ON recovery_codes (credential_id, selector);
