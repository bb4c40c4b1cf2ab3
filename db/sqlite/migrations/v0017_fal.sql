-- What was given to fal, so that nothing is ever given twice that may have cost money once.

CREATE TABLE fal_request (
    -- No reference: what is to be called off outlives its job.
    job_id BLOB NOT NULL PRIMARY KEY CHECK (length(job_id) = 16),
    -- Stands in the address of its webhook, by which a request is found whose id never came.
    token BLOB NOT NULL UNIQUE CHECK (length(token) = 16),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'intended', 'submitted', 'reported', 'closing', 'ended')),
    -- When it was first about to be sent.
    intended_at INTEGER NOT NULL,
    -- From when on it is to be sent, or called off.
    due_at INTEGER,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    -- How it is found at fal.
    request_id TEXT,
    status_url TEXT,
    response_url TEXT,
    cancel_url TEXT,
    -- What has come of it: an address, or words of fal.
    outcome TEXT CHECK (outcome IN ('portrait', 'rejected', 'failed', 'overdue')),
    outcome_text TEXT,
    CHECK ((due_at IS NOT NULL) = (state IN ('waiting', 'closing'))),
    CHECK ((request_id IS NULL) = (status_url IS NULL) AND (request_id IS NULL) = (response_url IS NULL)),
    CHECK ((request_id IS NULL) = (cancel_url IS NULL)),
    CHECK (state <> 'submitted' OR request_id IS NOT NULL),
    CHECK (state <> 'reported' OR outcome IS NOT NULL),
    CHECK ((outcome IS NULL) = (outcome_text IS NULL))
) STRICT, WITHOUT ROWID;

-- What fal is to be told of.
CREATE INDEX fal_request_closing ON fal_request (due_at) WHERE state = 'closing';
-- What may be forgotten.
CREATE INDEX fal_request_ended ON fal_request (intended_at) WHERE state = 'ended';

-- A job ends in many ways, with its item, with its account or by itself, and its request follows in the same transaction: what fal may still work on is
-- closed, with everything else there is nothing left to do.
CREATE TRIGGER fal_request_follows_job AFTER UPDATE OF state ON training_job WHEN new.state IN ('completed', 'failed', 'cancelled') BEGIN
    UPDATE fal_request SET state = 'closing', due_at = 0, attempts = 0 WHERE job_id = new.id AND state IN ('intended', 'submitted');
    UPDATE fal_request SET state = 'ended', due_at = NULL WHERE job_id = new.id AND state IN ('waiting', 'reported');
END;

-- Whose job it is, so that accounts have their turns without a look at all that waits. Jobs that have ended have no turn.
ALTER TABLE training_job ADD COLUMN account_id BLOB CHECK (length(account_id) = 16);
UPDATE training_job SET account_id = (SELECT account_id FROM pikzonality WHERE pikzonality.id = pikzonality_id)
WHERE state = 'queued' OR state = 'leased';
CREATE INDEX training_job_queued_by_account ON training_job (account_id, id) WHERE state = 'queued';
