-- A recovery code is kept as a keyed hash, which nothing is made from but with the master key. Of the codes that were kept as
-- argon2id hashes beside a part in clear no keyed hash can be made: these sets are void, and their owners make new ones.

DELETE FROM credentials WHERE kind = 'recovery';
DROP TABLE recovery_codes;
CREATE TABLE recovery_codes (
    credential_id TEXT   NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    code_hash     TEXT   NOT NULL,
    spent_at      BIGINT,
    PRIMARY KEY (credential_id, code_hash)
);

-- At which costs passwords are stored, and when the last was set at each: a PHC string without its hash and its salt.

CREATE INDEX credentials_cost ON credentials ((CASE WHEN kind = 'pwd' THEN rtrim(rtrim(rtrim(rtrim(secret, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'), '$'), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'), '$') END), enrolled_at);

-- Failed sign-ins of an account since its last sign-in, and those that were told then. Names that nobody has share a few rows, so that
-- the work for them is the same; therefore this references no user.

CREATE TABLE failed_sign_ins (
    about        TEXT   PRIMARY KEY NOT NULL,
    failures     BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    told         BIGINT NOT NULL,
    told_last_at BIGINT NOT NULL
);
