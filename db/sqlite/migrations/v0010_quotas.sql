-- How much an account may have, and how much it has.

-- NULL for any number. The table has a row for each account, of which there are few, so that the CHECK costs nothing.
ALTER TABLE account ADD COLUMN items_max INTEGER CHECK (items_max >= 0);
ALTER TABLE account ADD COLUMN stored_bytes_max INTEGER CHECK (stored_bytes_max >= 0);

-- The bytes of the images that an account's items were created with; how many items there are, `item_count` says. An image counts for each item
-- that has it, so that what an item takes and gives back does not depend on others. Portraits, which trainers make, do not count.
-- Apart from the account, because every create writes it.
CREATE TABLE stored_bytes (
    account_id BLOB NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    -- Not checked, so that a count which came to be wrong stands in the way of no write; `personas check` finds it.
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is there already is counted after this, some items at a time: it takes a look at each image's row, and those lie all over the table.

-- The counts follow the images by themselves, whatever writes them, in the same transaction.
CREATE TRIGGER image_link_counted AFTER INSERT ON image_link WHEN new.position >= 0 BEGIN
    INSERT INTO stored_bytes (account_id, count)
    SELECT account_id, byte_count FROM pikzonality, media WHERE id = new.pikzonality_id AND digest = new.digest
    ON CONFLICT (account_id) DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER image_link_discounted AFTER DELETE ON image_link WHEN old.position >= 0 BEGIN
    UPDATE stored_bytes SET count = count - (SELECT byte_count FROM media WHERE digest = old.digest)
    WHERE account_id = (SELECT account_id FROM pikzonality WHERE id = old.pikzonality_id);
END;

-- The links of an item go after it, when nothing tells any more whose they were. So what they count for goes before it.
CREATE TRIGGER pikzonality_bytes_discounted BEFORE DELETE ON pikzonality BEGIN
    UPDATE stored_bytes SET count = count - (
        SELECT coalesce(sum(byte_count), 0) FROM image_link JOIN media USING (digest)
        WHERE pikzonality_id = old.id AND position >= 0
    ) WHERE account_id = old.account_id;
END;
