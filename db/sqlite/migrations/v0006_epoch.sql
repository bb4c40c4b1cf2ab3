-- Tells this life of the database from every other: entity tags are made of it, and a restore puts another one here, so that what is changed after a
-- backup was put back is not taken for what was there before.
CREATE TABLE epoch (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    value BLOB NOT NULL CHECK (length(value) = 16)
) STRICT;

INSERT INTO epoch (id, value) VALUES (1, randomblob(16));
