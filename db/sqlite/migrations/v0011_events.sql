-- What became of items, told once and in order, and what becomes of an item when its training ends.

-- What a client has asked for while its item was in training: 'deleted' or 'trash'. NULL, as nearly always, for nothing; it takes no byte then.
ALTER TABLE pikzonality ADD COLUMN settles_to TEXT;

-- One row for each change that a client can see, written in its transaction: an event is there if and only if its change is.
CREATE TABLE event (
    -- The order in which they were written, of all accounts together, so that new rows go to the table's end and old ones are found at its beginning.
    number INTEGER NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- Counts the events of the account. No number is given twice, and holes come only of what has expired.
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    event_id BLOB NOT NULL CHECK (length(event_id) = 16),
    -- A word of the domain; with the mode it is the event's type.
    kind TEXT NOT NULL CHECK (kind <> ''),
    at INTEGER NOT NULL,
    -- Names of the members of the representation that are others than before, separated by commas.
    changed TEXT NOT NULL,
    request_id TEXT,
    -- The item, and how it was after the change: columns of `pikzonality` by their names there. Of an item that is gone id and mode alone are left.
    item_id BLOB CHECK (length(item_id) = 16),
    mode TEXT CHECK (mode IN ('persona', 'style')),
    status TEXT,
    progress INTEGER,
    reference_tokens BLOB,
    portrait_token BLOB,
    error_code TEXT,
    error_message TEXT,
    created_at INTEGER,
    updated_at INTEGER,
    version INTEGER,
    name TEXT,
    special_instructions TEXT,
    external_id TEXT,
    metadata BLOB,
    settles_to TEXT,
    -- What the event tells of that is no item, as JSON: an endpoint of webhooks.
    subject TEXT,
    CHECK ((item_id IS NULL) = (mode IS NULL)),
    CHECK (item_id IS NOT NULL OR subject IS NOT NULL)
) STRICT;

CREATE UNIQUE INDEX event_by_sequence ON event (account_id, sequence);
CREATE INDEX event_by_item ON event (item_id, sequence) WHERE item_id IS NOT NULL;
-- Progress is kept for a shorter time than all else.
CREATE INDEX event_of_progress ON event (number) WHERE kind = 'progress';

CREATE TABLE event_counter (
    account_id BLOB NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    -- The last sequence that was given.
    last_sequence INTEGER NOT NULL CHECK (last_sequence >= 1),
    -- That of the last event that has expired, progress aside: who knows less has missed something.
    expired_sequence INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Items that are gone for good and whose events still hold what they were like. Nobody is shown that from when there is a row here, which is written
-- in the transaction that removes the item; it goes when the events hold it no more, some of them at a time.
CREATE TABLE event_reduction (
    item_id BLOB NOT NULL PRIMARY KEY CHECK (length(item_id) = 16),
    -- Up to which of its events that is done.
    sequence INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
