-- Items that their owners have put away and may still have back, and how items were before they were changed.

-- The present state of what an owner sets: its number among all states, since when it is so, and the request that brought it about. NULL for an item that
-- was never changed: its state is the first, and as old as the item.
ALTER TABLE pikzonality ADD COLUMN revision INTEGER;
ALTER TABLE pikzonality ADD COLUMN revised_at INTEGER;
ALTER TABLE pikzonality ADD COLUMN revision_request_id TEXT;

-- The states before the present one. Of no table's rows, because an item has two places to be in; triggers take them away with it.
CREATE TABLE revision (
    item_id BLOB NOT NULL CHECK (length(item_id) = 16),
    number INTEGER NOT NULL CHECK (number >= 1),
    changed_at INTEGER NOT NULL,
    request_id TEXT,
    name TEXT NOT NULL,
    special_instructions TEXT,
    external_id TEXT,
    metadata BLOB,
    PRIMARY KEY (item_id, number)
) STRICT, WITHOUT ROWID;

-- An item in the trash: its row in `pikzonality`, by the same names, so that it comes back as it was. In a table of its own, so that no list, search,
-- name or count ever has to pass over it.
CREATE TABLE trash_item (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account_id BLOB NOT NULL REFERENCES account (id),
    mode TEXT NOT NULL CHECK (mode IN ('persona', 'style')),
    -- No job may work for what is in the trash.
    status TEXT NOT NULL CHECK (status IN ('completed', 'failed')),
    progress INTEGER NOT NULL,
    reference_tokens BLOB NOT NULL,
    portrait_token BLOB,
    error_code TEXT,
    error_message TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    special_instructions TEXT,
    external_id TEXT,
    metadata BLOB,
    settles_to TEXT,
    revision INTEGER,
    revised_at INTEGER,
    revision_request_id TEXT,
    -- Its ended training job, which belongs to no item meanwhile.
    job_id BLOB CHECK (length(job_id) = 16),
    trashed_at INTEGER NOT NULL,
    -- From then on it is gone for good, whatever the setting says by then.
    purge_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What an account has in its trash, newest first, which ends with the key as every index of this table.
CREATE INDEX trash_item_by_time ON trash_item (account_id, mode, trashed_at);
-- The same of all accounts, for operators.
CREATE INDEX trash_item_by_time_of_all ON trash_item (mode, trashed_at);
-- What has to go next.
CREATE INDEX trash_item_by_end ON trash_item (purge_at);

-- What the media URLs of items in the trash lead to once they are back. Nobody looks an image up by these.
CREATE TABLE trash_link (
    item_id BLOB NOT NULL REFERENCES trash_item (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= -1),
    token BLOB NOT NULL UNIQUE CHECK (length(token) = 16),
    digest BLOB NOT NULL REFERENCES media (digest),
    PRIMARY KEY (item_id, position)
) STRICT, WITHOUT ROWID;

-- Whether anything still needs a file.
CREATE INDEX trash_link_by_digest ON trash_link (digest);

-- How many items are in the trash, as `item_count` says it of the others.
CREATE TABLE trash_count (
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    mode TEXT NOT NULL CHECK (mode IN ('persona', 'style')),
    -- Not checked, so that a count which came to be wrong stands in the way of no write; `personas check` finds it.
    count INTEGER NOT NULL,
    PRIMARY KEY (account_id, mode)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER trash_item_counted AFTER INSERT ON trash_item BEGIN
    INSERT INTO trash_count (account_id, mode, count) VALUES (new.account_id, new.mode, 1)
    ON CONFLICT (account_id, mode) DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER trash_item_discounted AFTER DELETE ON trash_item BEGIN
    UPDATE trash_count SET count = count - 1 WHERE account_id = old.account_id AND mode = old.mode;
END;

-- What lies in the trash lies on the disk, and counts there as before.
CREATE TRIGGER trash_link_counted AFTER INSERT ON trash_link WHEN new.position >= 0 BEGIN
    INSERT INTO stored_bytes (account_id, count)
    SELECT account_id, byte_count FROM trash_item, media WHERE id = new.item_id AND digest = new.digest
    ON CONFLICT (account_id) DO UPDATE SET count = count + excluded.count;
END;

-- The links of an item go after it, when nothing tells any more whose they were.
CREATE TRIGGER trash_item_bytes_discounted BEFORE DELETE ON trash_item BEGIN
    UPDATE stored_bytes SET count = count - (
        SELECT coalesce(sum(byte_count), 0) FROM trash_link JOIN media USING (digest) WHERE item_id = old.id AND position >= 0
    ) WHERE account_id = old.account_id;
END;

-- What an item was like before goes with it. One that moves is in its new place before it leaves the old one.
CREATE TRIGGER pikzonality_revisions_removed AFTER DELETE ON pikzonality WHEN NOT EXISTS (SELECT 1 FROM trash_item WHERE id = old.id) BEGIN
    DELETE FROM revision WHERE item_id = old.id;
END;

CREATE TRIGGER trash_item_revisions_removed AFTER DELETE ON trash_item WHEN NOT EXISTS (SELECT 1 FROM pikzonality WHERE id = old.id) BEGIN
    DELETE FROM revision WHERE item_id = old.id;
END;
