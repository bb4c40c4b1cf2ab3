-- Searches find names by their parts of three characters. A document of the index is the name of one item, and the upper bits of its number say
-- whose: a search looks at the documents of one account and mode alone, which lie together, so that it does not matter how many others have.

-- The items of one account and mode.
CREATE TABLE name_list (
    -- The upper bits of the numbers of its documents.
    number INTEGER NOT NULL PRIMARY KEY CHECK (number BETWEEN 1 AND 0x7FFFFE),
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    mode TEXT NOT NULL CHECK (mode IN ('persona', 'style')),
    UNIQUE (account_id, mode)
) STRICT;

-- Whose name a document is. The lower 40 bits of its number count within the list.
CREATE TABLE name_document (
    number INTEGER NOT NULL PRIMARY KEY,
    pikzonality_id BLOB NOT NULL UNIQUE CHECK (length(pikzonality_id) = 16)
) STRICT;

-- Three characters from each character of a name on, fewer at its end: the words of its document. A dot, which no name has, stands for a space,
-- at which words end. Not stored, but worked out where the index needs it.
ALTER TABLE pikzonality ADD COLUMN name_parts TEXT GENERATED ALWAYS AS (
    replace(
        substr(name_key, 1, 3) || '/' || substr(name_key, 2, 3) || '/' || substr(name_key, 3, 3) || '/' || substr(name_key, 4, 3) || '/' || substr(name_key, 5, 3) || '/' ||
        substr(name_key, 6, 3) || '/' || substr(name_key, 7, 3) || '/' || substr(name_key, 8, 3) || '/' || substr(name_key, 9, 3) || '/' || substr(name_key, 10, 3) || '/' ||
        substr(name_key, 11, 3) || '/' || substr(name_key, 12, 3) || '/' || substr(name_key, 13, 3) || '/' || substr(name_key, 14, 3) || '/' || substr(name_key, 15, 3) || '/' ||
        substr(name_key, 16, 3) || '/' || substr(name_key, 17, 3) || '/' || substr(name_key, 18, 3) || '/' || substr(name_key, 19, 3) || '/' || substr(name_key, 20, 3) || '/' ||
        substr(name_key, 21, 3) || '/' || substr(name_key, 22, 3) || '/' || substr(name_key, 23, 3) || '/' || substr(name_key, 24, 3) || '/' || substr(name_key, 25, 3),
        ' ', '.')
) VIRTUAL;

-- Which documents have a word, and nothing else: neither where nor how often, nor the words themselves once more. The prefixes answer for texts of
-- one and two characters, as the words at a name's end are so short.
CREATE VIRTUAL TABLE name_index USING fts5 (
    words, content = '', columnsize = 0, detail = none, prefix = '1 2', tokenize = "ascii tokenchars '._-'"
);

-- The one way into the index, for new items and for those that were there before it.
CREATE VIEW name_entry AS SELECT id, account_id, mode, name_parts FROM pikzonality;

CREATE TRIGGER name_entry_made INSTEAD OF INSERT ON name_entry BEGIN
    INSERT INTO name_list (account_id, mode) VALUES (new.account_id, new.mode) ON CONFLICT (account_id, mode) DO NOTHING;
    INSERT INTO name_document (number, pikzonality_id)
    SELECT 1 + coalesce(
        (SELECT max(number) FROM name_document WHERE number BETWEEN list.number << 40 AND (list.number << 40) + 0xFFFFFFFFFF),
        list.number << 40), new.id
    FROM name_list AS list WHERE list.account_id = new.account_id AND list.mode = new.mode;
    INSERT INTO name_index (rowid, words) SELECT number, new.name_parts FROM name_document WHERE pikzonality_id = new.id;
END;

-- The index follows the items by itself, whatever writes them.
CREATE TRIGGER pikzonality_made AFTER INSERT ON pikzonality BEGIN
    INSERT INTO name_entry (id, account_id, mode, name_parts) VALUES (new.id, new.account_id, new.mode, new.name_parts);
END;

-- An item without a document is one that the migration has not come to yet.
CREATE TRIGGER pikzonality_renamed AFTER UPDATE OF name_key ON pikzonality WHEN new.name_key <> old.name_key BEGIN
    INSERT INTO name_index (name_index, rowid, words)
    SELECT 'delete', number, old.name_parts FROM name_document WHERE pikzonality_id = old.id;
    INSERT INTO name_index (rowid, words) SELECT number, new.name_parts FROM name_document WHERE pikzonality_id = old.id;
END;

CREATE TRIGGER pikzonality_removed AFTER DELETE ON pikzonality BEGIN
    INSERT INTO name_index (name_index, rowid, words)
    SELECT 'delete', number, old.name_parts FROM name_document WHERE pikzonality_id = old.id;
    DELETE FROM name_document WHERE pikzonality_id = old.id;
END;
