-- Smart Balance: credits that are bought for accounts whenever they have few.

-- What somebody who pays has asked for.
CREATE TABLE smart_balance (
    account_id BLOB NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    -- A balance below this one is few.
    threshold INTEGER NOT NULL CHECK (threshold >= 1),
    -- How many are bought at a time.
    amount INTEGER NOT NULL CHECK (amount >= 1),
    -- Why nothing is bought at present; NULL while it is.
    paused_reason TEXT CHECK (paused_reason <> '')
) STRICT, WITHOUT ROWID;

-- Credits that the payment service is asked to have paid for: there before it is asked for the first time, and open until it has said what came of it.
CREATE TABLE top_up (
    -- What the payment service knows it by.
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    amount INTEGER NOT NULL CHECK (amount >= 1),
    -- The balance as it was asked for.
    balance INTEGER NOT NULL CHECK (balance >= 0),
    requested_at INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'paid', 'declined')),
    -- How often the payment service was asked.
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER,
    finished_at INTEGER,
    CHECK ((status = 'open') = (next_attempt_at IS NOT NULL)),
    CHECK ((status = 'open') = (finished_at IS NULL))
) STRICT, WITHOUT ROWID;

-- An account has one at a time, whatever the program believes.
CREATE UNIQUE INDEX top_up_open ON top_up (account_id) WHERE status = 'open';
CREATE INDEX top_up_by_account ON top_up (account_id);
-- What is to be asked for: those that were asked for before apart from the others.
CREATE INDEX top_up_due ON top_up (attempts > 0, next_attempt_at) WHERE status = 'open';

-- What was paid stands in the ledger once, whatever the program believes.
ALTER TABLE credit_entry ADD COLUMN top_up_id BLOB CHECK ((kind = 'top_up') = (top_up_id IS NOT NULL));
CREATE UNIQUE INDEX credit_entry_of_top_up ON credit_entry (top_up_id) WHERE top_up_id IS NOT NULL;

-- Top-ups whose accounts were deleted before anybody knew what came of them. They go once the operator was told.
CREATE TABLE abandoned_top_up (
    id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER top_up_abandoned AFTER DELETE ON top_up WHEN OLD.status = 'open'
BEGIN
    INSERT INTO abandoned_top_up (id, account_id) VALUES (OLD.id, OLD.account_id);
END;
