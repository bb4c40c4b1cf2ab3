-- Times are milliseconds since 1970 in UTC. Identifiers are 16-byte UUIDs, time-ordered, so that rows made together lie together;
-- tables keyed by them have no rowid, because every look-up goes by the key.

CREATE TABLE account (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL UNIQUE,
    is_suspended INTEGER NOT NULL CHECK (is_suspended IN (0, 1)),
    has_api_access INTEGER NOT NULL CHECK (has_api_access IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A key outlives its account as a tombstone, so that its user is told why it stopped working: hence no foreign key.
CREATE TABLE api_key (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    -- SHA-256 of the secret, which itself is stored nowhere.
    secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    prefix TEXT NOT NULL,
    label TEXT,
    -- Words separated by commas.
    scopes TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'deleted')),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX api_key_by_account ON api_key (account_id);

CREATE TABLE reserved_name (
    -- The name in lower case, as names are compared.
    name_key TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE blocked_term (
    -- In lower case, as texts are searched.
    term TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE maintenance (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    is_on INTEGER NOT NULL CHECK (is_on IN (0, 1)),
    retry_after_seconds INTEGER NOT NULL CHECK (retry_after_seconds >= 1)
) STRICT;

INSERT INTO maintenance (id, is_on, retry_after_seconds) VALUES (1, 0, 60);

-- What lies in the media folder; a file is durable before its row is written.
CREATE TABLE media (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    format TEXT NOT NULL CHECK (format IN ('jpeg', 'png', 'webp', 'gif')),
    width INTEGER NOT NULL CHECK (width > 0),
    height INTEGER NOT NULL CHECK (height > 0),
    byte_count INTEGER NOT NULL CHECK (byte_count > 0)
) STRICT, WITHOUT ROWID;

-- Digests that may have lost their last link. Written with the deletion, cleared once the file is gone, so that no crash forgets one.
CREATE TABLE media_removal (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    queued_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pikzonality (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account_id BLOB NOT NULL REFERENCES account (id),
    mode TEXT NOT NULL CHECK (mode IN ('persona', 'style')),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 25),
    -- The name in lower case: names that differ only in case are one.
    name_key TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('processing', 'completed', 'failed')),
    progress INTEGER NOT NULL CHECK (progress BETWEEN 0 AND 100),
    special_instructions TEXT,
    -- The tokens of the reference images in their order, 16 bytes each: a copy of image_link, so that a page of items is read without a join.
    reference_tokens BLOB NOT NULL CHECK (length(reference_tokens) % 16 = 0),
    portrait_token BLOB CHECK (length(portrait_token) = 16),
    error_code TEXT,
    error_message TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Counts every change that a client can see; entity tags are made of it.
    version INTEGER NOT NULL CHECK (version >= 1),
    CHECK ((progress = 100) = (status = 'completed')),
    CHECK ((portrait_token IS NOT NULL) = (status = 'completed')),
    CHECK ((error_code IS NOT NULL) = (status = 'failed')),
    CHECK ((error_message IS NOT NULL) = (status = 'failed'))
) STRICT, WITHOUT ROWID;

-- The uniqueness of names, and the walk of lists sorted by name.
CREATE UNIQUE INDEX pikzonality_by_name ON pikzonality (account_id, mode, name_key);
-- The other walks of lists. The name at the end lets a search pass over an item without reading its row.
CREATE INDEX pikzonality_by_time ON pikzonality (account_id, mode, created_at, id, name_key);
CREATE INDEX pikzonality_by_status_and_time ON pikzonality (account_id, mode, status, created_at, id, name_key);
CREATE INDEX pikzonality_by_status_and_name ON pikzonality (account_id, mode, status, name_key);

-- What media URLs lead to. Positions count the reference images from 0; the portrait stands at -1.
CREATE TABLE image_link (
    pikzonality_id BLOB NOT NULL REFERENCES pikzonality (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= -1),
    token BLOB NOT NULL UNIQUE CHECK (length(token) = 16),
    digest BLOB NOT NULL REFERENCES media (digest),
    PRIMARY KEY (pikzonality_id, position)
) STRICT, WITHOUT ROWID;

-- Whether anything still needs a file.
CREATE INDEX image_link_by_digest ON image_link (digest);

CREATE TABLE training_job (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- Null once the item went away under a running job, whose worker is still to be told.
    pikzonality_id BLOB REFERENCES pikzonality (id) ON DELETE SET NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'completed', 'failed', 'cancelled')),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    progress INTEGER NOT NULL CHECK (progress BETWEEN 0 AND 100),
    lease_token BLOB CHECK (length(lease_token) = 16),
    lease_expires_at INTEGER,
    error_code TEXT,
    error_message TEXT,
    created_at INTEGER NOT NULL,
    CHECK (state <> 'leased' OR (lease_token IS NOT NULL AND lease_expires_at IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX training_job_by_pikzonality ON training_job (pikzonality_id);
-- The queue: only jobs that have not ended, which stay few however many items there are. The states are spelled out with OR because SQLite
-- does not see that `state = 'queued'` lies within an IN list, and would walk the whole table instead.
CREATE INDEX training_job_unfinished ON training_job (state, id) WHERE state = 'queued' OR state = 'leased' OR state = 'cancelled';
