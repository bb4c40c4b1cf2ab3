-- How far imports have come, and what became of each of their lines, so that whoever sends an archive again under the same key has the rest of it done.

CREATE TABLE import (
    number INTEGER NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- NULL once the key means nothing any more, and may stand for another archive while these rows are cleared away.
    idempotency_key TEXT,
    -- SHA-256 of the archive, which tells another under the same key apart.
    archive_digest BLOB NOT NULL CHECK (length(archive_digest) = 32),
    begun_at INTEGER NOT NULL,
    -- Lines of the archive that are done, from the first on; each has a row below.
    lines_done INTEGER NOT NULL CHECK (lines_done >= 0)
) STRICT;

CREATE UNIQUE INDEX import_by_key ON import (account_id, idempotency_key);
CREATE INDEX import_by_time ON import (begun_at);

-- Written in the transaction that creates the item. The item may be gone since.
CREATE TABLE import_line (
    import_number INTEGER NOT NULL REFERENCES import (number) ON DELETE CASCADE,
    line INTEGER NOT NULL CHECK (line >= 1),
    item_id BLOB CHECK (length(item_id) = 16),
    -- Why there is no item, as JSON of the domain's.
    failure TEXT,
    CHECK ((item_id IS NULL) <> (failure IS NULL)),
    PRIMARY KEY (import_number, line)
) STRICT, WITHOUT ROWID;
