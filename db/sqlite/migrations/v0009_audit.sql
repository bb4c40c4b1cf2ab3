-- What operators changed: written in the transaction of the change, and never changed itself.
-- If it is there already, then because a backup from before this migration was restored, whose audit begins with that.
CREATE TABLE IF NOT EXISTS audit (
    -- The order in which entries were written, whatever the clock did. No number is given twice.
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    -- A word of the domain.
    action TEXT NOT NULL CHECK (action <> ''),
    -- What it was done to; empty where there is nothing to name.
    target TEXT NOT NULL,
    -- The user of the machine.
    uid INTEGER NOT NULL CHECK (uid BETWEEN 0 AND 4294967295)
) STRICT;

CREATE TRIGGER IF NOT EXISTS audit_stays BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'an entry of the audit was to be changed');
END;
