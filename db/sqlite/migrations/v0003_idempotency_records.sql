-- The answer to a POST with an idempotency key is no more taken apart into columns: the database keeps it as bytes, and only what speaks the
-- protocol knows what is in them.
CREATE TABLE idempotency_record (
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- Method and path template: a key counts per account and route.
    route TEXT NOT NULL,
    idempotency_key TEXT NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    -- SHA-256 of the request that was answered.
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    -- Written in the transaction of the effect that it tells of.
    answer BLOB NOT NULL CHECK (length(answer) > 0),
    -- Counts for a day from then.
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, route, idempotency_key)
) STRICT, WITHOUT ROWID;

-- Answers kept until now are put into the form in which they are made from now on: lines with a name and a value each, an empty line, the body.
-- What is put together with || is text, whatever its parts are, and has their bytes.
INSERT INTO idempotency_record (account_id, route, idempotency_key, fingerprint, answer, kept_at)
SELECT account_id, route, idempotency_key, fingerprint,
    CAST(
        'status: ' || status || char(10) || 'request-id: ' || request_id || char(10)
        || coalesce('location: ' || location || char(10), '') || coalesce('etag: ' || entity_tag || char(10), '')
        || char(10) || CAST(body AS TEXT)
        AS BLOB),
    kept_at
FROM kept_answer;

DROP TABLE kept_answer;

-- What is to be forgotten.
CREATE INDEX idempotency_record_by_time ON idempotency_record (kept_at);
