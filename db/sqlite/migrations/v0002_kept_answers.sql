-- Answers to POSTs with an idempotency key, written in the transaction of the effect that they acknowledge, and forgotten after a day.
CREATE TABLE kept_answer (
    account_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- Method and path template: a key counts per account and route.
    route TEXT NOT NULL,
    idempotency_key TEXT NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    -- SHA-256 of the request that was answered.
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    request_id TEXT NOT NULL,
    status INTEGER NOT NULL CHECK (status BETWEEN 200 AND 499),
    location TEXT,
    entity_tag TEXT,
    body BLOB NOT NULL,
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, route, idempotency_key)
) STRICT, WITHOUT ROWID;

-- What is to be forgotten.
CREATE INDEX kept_answer_by_time ON kept_answer (kept_at);
