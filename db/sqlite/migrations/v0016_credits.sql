-- Credits: what accounts pay for trainings with, as a ledger that only grows.

-- How each ledger stands. Its writer keeps this beside the entries, in their transaction; `check` compares both.
CREATE TABLE credit_ledger (
    account_id BLOB NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    -- The sum of the entries.
    balance INTEGER NOT NULL CHECK (balance >= 0),
    -- How many there are.
    entry_count INTEGER NOT NULL CHECK (entry_count >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE credit_entry (
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- Counts the entries of the account, from 1, without a gap.
    number INTEGER NOT NULL CHECK (number >= 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('grant', 'charge', 'refund', 'top_up', 'revoke')),
    amount INTEGER NOT NULL CHECK (CASE WHEN kind IN ('charge', 'revoke') THEN amount < 0 ELSE amount > 0 END),
    balance_after INTEGER NOT NULL CHECK (balance_after >= 0),
    -- Of a charge and a refund: whose training it is about. No reference, because entries outlive items.
    item_id BLOB CHECK (length(item_id) = 16),
    note TEXT,
    at INTEGER NOT NULL,
    -- Of a refund: the number of the charge that it gives back.
    charge_number INTEGER,
    PRIMARY KEY (account_id, number),
    CHECK ((kind IN ('charge', 'refund')) = (item_id IS NOT NULL)),
    CHECK ((kind = 'refund') = (charge_number IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- No charge is given back twice, whatever the program believes.
CREATE UNIQUE INDEX credit_entry_refunding ON credit_entry (account_id, charge_number) WHERE charge_number IS NOT NULL;

-- Nor does an entry ever change, or go before its account.
CREATE TRIGGER credit_entry_changed BEFORE UPDATE ON credit_entry
BEGIN
    SELECT RAISE(ABORT, 'the entries of a ledger never change');
END;

CREATE TRIGGER credit_entry_deleted BEFORE DELETE ON credit_entry WHEN EXISTS (SELECT 1 FROM account WHERE id = OLD.account_id)
BEGIN
    SELECT RAISE(ABORT, 'the entries of a ledger stay as long as its account');
END;

-- The charge of each training that has not ended: with the end the row goes, and where that is no good one, its amount is given back.
CREATE TABLE open_charge (
    item_id BLOB NOT NULL PRIMARY KEY CHECK (length(item_id) = 16),
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    charge_number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX open_charge_by_account ON open_charge (account_id);
