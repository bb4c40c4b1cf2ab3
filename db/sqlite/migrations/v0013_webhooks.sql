-- Endpoints that are told of events, and what became of each event on its way to each of them.

CREATE TABLE webhook (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    url TEXT NOT NULL CHECK (url <> ''),
    description TEXT,
    -- What its owner named, separated by commas.
    events TEXT NOT NULL CHECK (events <> ''),
    -- NULL while it is enabled.
    disabled_reason TEXT,
    -- Sealed. The one before is good until its end.
    secret BLOB NOT NULL,
    previous_secret BLOB,
    previous_secret_expires_at INTEGER,
    -- How attempts at it have gone lately.
    failures_in_row INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    last_failure_at INTEGER,
    slowed_until INTEGER,
    -- Counts how often its queue was cancelled. Deliveries that were queued under an earlier number are cancelled from that moment on, whatever their own
    -- rows say until some of them at a time are brought in line: so that disabling costs the same however many wait.
    generation INTEGER NOT NULL DEFAULT 1,
    cancelled_at INTEGER,
    has_stale_deliveries INTEGER NOT NULL DEFAULT 0 CHECK (has_stale_deliveries IN (0, 1)),
    -- Counts of its deliveries, kept by the triggers below.
    pending INTEGER NOT NULL DEFAULT 0 CHECK (pending >= 0),
    missing INTEGER NOT NULL DEFAULT 0 CHECK (missing >= 0),
    -- The delivery at which an attempt was made last.
    last_delivery_number INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
    CHECK ((previous_secret IS NULL) = (previous_secret_expires_at IS NULL))
) STRICT, WITHOUT ROWID;

-- Lists, and whom an event of an account concerns.
CREATE INDEX webhook_by_account ON webhook (account_id, created_at, id);
-- What somebody waits for.
CREATE INDEX webhook_with_pending ON webhook (id) WHERE pending > 0 AND disabled_reason IS NULL;
CREATE INDEX webhook_with_stale ON webhook (id) WHERE has_stale_deliveries = 1;

-- Previous secrets, which are wiped when they are over.
CREATE INDEX webhook_with_previous ON webhook (previous_secret_expires_at) WHERE previous_secret_expires_at IS NOT NULL;

-- One row for each endpoint and event that match, written in the transaction of the event; 'cancelled' from the beginning where the endpoint is disabled
-- then. It goes with its event.
CREATE TABLE webhook_delivery (
    -- The order in which they were written.
    number INTEGER NOT NULL PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    -- No reference: the deliveries of an endpoint that was deleted go some at a time.
    webhook_id BLOB NOT NULL CHECK (length(webhook_id) = 16),
    event_number INTEGER NOT NULL REFERENCES event (number) ON DELETE CASCADE,
    event_id BLOB NOT NULL CHECK (length(event_id) = 16),
    event_type TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    -- The item that the event tells of; NULL for none.
    item_id BLOB,
    status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'cancelled')),
    -- That of the endpoint when it was queued last.
    generation INTEGER NOT NULL,
    -- How often it was queued, by which an attempt is told that began before the last time.
    times_queued INTEGER NOT NULL DEFAULT 1,
    -- Attempts of its whole life, which number their rows, and those since it was queued last, by which the schedule goes.
    attempts INTEGER NOT NULL DEFAULT 0,
    attempts_since_queued INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
    CHECK ((status = 'pending') = (finished_at IS NULL))
) STRICT;

-- One delivery of an event to an endpoint; and what goes with an event.
CREATE UNIQUE INDEX webhook_delivery_by_event ON webhook_delivery (event_number, webhook_id);
CREATE INDEX webhook_delivery_by_event_id ON webhook_delivery (webhook_id, event_id);
-- The log, newest first, and its parts by status.
CREATE INDEX webhook_delivery_by_time ON webhook_delivery (webhook_id, created_at, sequence);
CREATE INDEX webhook_delivery_by_status ON webhook_delivery (webhook_id, status, created_at, sequence);
-- What is due to an endpoint; the number of the queue stands before the moment, so that what is cancelled is never passed over.
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, generation, next_attempt_at, sequence) WHERE status = 'pending';
-- What waits of one item, in the order of its events.
CREATE INDEX webhook_delivery_of_item ON webhook_delivery (webhook_id, item_id, sequence) WHERE status = 'pending';

CREATE TABLE webhook_attempt (
    delivery_number INTEGER NOT NULL REFERENCES webhook_delivery (number) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 1),
    at INTEGER NOT NULL,
    url TEXT NOT NULL,
    duration_milliseconds INTEGER NOT NULL,
    http_status INTEGER,
    error TEXT,
    response_body TEXT,
    PRIMARY KEY (delivery_number, number)
) STRICT, WITHOUT ROWID;

-- Endpoints that are gone and whose deliveries are still there.
CREATE TABLE webhook_removal (
    webhook_id BLOB NOT NULL PRIMARY KEY CHECK (length(webhook_id) = 16)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER webhook_deleted AFTER DELETE ON webhook
BEGIN
    INSERT INTO webhook_removal (webhook_id) VALUES (OLD.id);
END;

CREATE TRIGGER webhook_delivery_inserted AFTER INSERT ON webhook_delivery
BEGIN
    UPDATE webhook SET pending = pending + (NEW.status = 'pending'), missing = missing + (NEW.status = 'cancelled'), version = version + 1
    WHERE id = NEW.webhook_id;
END;

-- Bringing in line a row that was cancelled by its generation changes nothing that anybody sees.
CREATE TRIGGER webhook_delivery_updated AFTER UPDATE OF status, generation ON webhook_delivery
BEGIN
    UPDATE webhook SET
        pending = pending - (OLD.status = 'pending' AND OLD.generation = generation) + (NEW.status = 'pending' AND NEW.generation = generation),
        missing = missing - (OLD.status = 'cancelled' OR OLD.status = 'pending' AND OLD.generation <> generation)
            + (NEW.status = 'cancelled' OR NEW.status = 'pending' AND NEW.generation <> generation),
        version = version + (NOT (OLD.status = 'pending' AND OLD.generation <> generation AND NEW.status = 'cancelled'))
    WHERE id = NEW.webhook_id;
END;

CREATE TRIGGER webhook_delivery_deleted AFTER DELETE ON webhook_delivery
BEGIN
    UPDATE webhook SET
        pending = pending - (OLD.status = 'pending' AND OLD.generation = generation),
        missing = missing - (OLD.status = 'cancelled' OR OLD.status = 'pending' AND OLD.generation <> generation),
        last_delivery_number = nullif(last_delivery_number, OLD.number),
        version = version + 1
    WHERE id = OLD.webhook_id;
END;
