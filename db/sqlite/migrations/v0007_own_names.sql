-- What clients' own programs call their items and label them with, and how many items an account has.

-- Both columns stand at the end of a row, where one that has neither takes no byte more than before. What they may hold the domain has checked: a
-- CHECK here would walk through all rows to look at nothing.
ALTER TABLE pikzonality ADD COLUMN external_id TEXT;
-- Each label in turn: the length of its key in one byte, that of its value in two, the lower one first, the key, the value; by the order of the
-- keys' bytes, so that equal labels are equal bytes. NULL for none.
ALTER TABLE pikzonality ADD COLUMN metadata BLOB;

-- The uniqueness of the clients' ids, and what finds an item by its own. Items without one take no room in it.
CREATE UNIQUE INDEX pikzonality_by_external_id ON pikzonality (account_id, mode, external_id) WHERE external_id IS NOT NULL;

-- What lists find labelled items by: an entry for each label, none for an item without labels.
CREATE TABLE metadata_entry (
    pikzonality_id BLOB NOT NULL REFERENCES pikzonality (id) ON DELETE CASCADE,
    -- The beginning of a SHA-256 of account, mode, key and value: entries of the same label of one account and mode lie together, and all are of one
    -- size however long the label is.
    tag BLOB NOT NULL CHECK (length(tag) = 16),
    -- Copies of what lists are sorted by.
    created_at INTEGER NOT NULL,
    name_key TEXT NOT NULL,
    PRIMARY KEY (pikzonality_id, tag)
) STRICT, WITHOUT ROWID;

-- The walks of lists; the key, which every index of this table ends with, breaks ties.
CREATE INDEX metadata_entry_by_time ON metadata_entry (tag, created_at);
CREATE INDEX metadata_entry_by_name ON metadata_entry (tag, name_key);

-- How many items there are, so that to tell it takes as long of ten as of ten million.
CREATE TABLE item_count (
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    mode TEXT NOT NULL CHECK (mode IN ('persona', 'style')),
    status TEXT NOT NULL CHECK (status IN ('processing', 'completed', 'failed')),
    -- Not checked, so that a count which came to be wrong stands in the way of no write; `personas check` finds it.
    count INTEGER NOT NULL,
    PRIMARY KEY (account_id, mode, status)
) STRICT, WITHOUT ROWID;

-- One pass over an index that has all three columns in this order: less than a second for a million items.
INSERT INTO item_count (account_id, mode, status, count)
SELECT account_id, mode, status, count(*) FROM pikzonality GROUP BY account_id, mode, status;

-- The counts follow the items by themselves, whatever writes them, in the same transaction.
CREATE TRIGGER pikzonality_counted AFTER INSERT ON pikzonality BEGIN
    INSERT INTO item_count (account_id, mode, status, count) VALUES (new.account_id, new.mode, new.status, 1)
    ON CONFLICT (account_id, mode, status) DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER pikzonality_recounted AFTER UPDATE OF status ON pikzonality WHEN new.status <> old.status BEGIN
    UPDATE item_count SET count = count - 1 WHERE account_id = old.account_id AND mode = old.mode AND status = old.status;
    INSERT INTO item_count (account_id, mode, status, count) VALUES (new.account_id, new.mode, new.status, 1)
    ON CONFLICT (account_id, mode, status) DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER pikzonality_discounted AFTER DELETE ON pikzonality BEGIN
    UPDATE item_count SET count = count - 1 WHERE account_id = old.account_id AND mode = old.mode AND status = old.status;
END;
