-- A key ends by itself, if somebody said when.
ALTER TABLE api_key ADD COLUMN expires_at INTEGER;

-- The secret before the last rotation, which is good until its end. It stays when that has come, so that whoever still presents it is told so.
ALTER TABLE api_key ADD COLUMN previous_secret_hash BLOB
    CHECK (length(previous_secret_hash) = 32 AND previous_secret_hash <> secret_hash);
ALTER TABLE api_key ADD COLUMN previous_secret_expires_at INTEGER
    CHECK ((previous_secret_expires_at IS NULL) = (previous_secret_hash IS NULL));

-- In whole minutes, written some time after the use. That of the previous secret counts from the rotation on, and tells whether anybody has yet to be
-- given the new one.
ALTER TABLE api_key ADD COLUMN last_used_at INTEGER;
ALTER TABLE api_key ADD COLUMN previous_secret_last_used_at INTEGER
    CHECK (previous_secret_last_used_at IS NULL OR previous_secret_hash IS NOT NULL);

CREATE UNIQUE INDEX api_key_by_previous_secret ON api_key (previous_secret_hash) WHERE previous_secret_hash IS NOT NULL;

-- Secrets before the previous one, which have ended with the rotation that put them here.
CREATE TABLE api_key_older_secret (
    key_id BLOB NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
    secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    PRIMARY KEY (key_id, secret_hash)
) STRICT, WITHOUT ROWID;

-- A secret leads to one key, whether that has it or had it.
CREATE TRIGGER api_key_inserted BEFORE INSERT ON api_key
WHEN EXISTS (SELECT 1 FROM api_key WHERE previous_secret_hash = NEW.secret_hash)
    OR EXISTS (SELECT 1 FROM api_key_older_secret WHERE secret_hash = NEW.secret_hash)
BEGIN
    SELECT RAISE(ABORT, 'a secret was given twice');
END;

CREATE TRIGGER api_key_rotated BEFORE UPDATE OF secret_hash ON api_key
WHEN EXISTS (SELECT 1 FROM api_key WHERE previous_secret_hash = NEW.secret_hash)
    OR EXISTS (SELECT 1 FROM api_key_older_secret WHERE secret_hash = NEW.secret_hash)
BEGIN
    SELECT RAISE(ABORT, 'a secret was given twice');
END;
