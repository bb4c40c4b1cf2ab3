-- The whole schema, with the tables and columns of the SQLite one, so that one text of SQL serves both engines.
--
-- Times are milliseconds since 1970 in UTC. Identifiers and tokens are `uuid`, time-ordered where rows made together are to lie together; digests,
-- hashes and bodies are bytes. Flags are 0 or 1, because SQLite knows nothing else. Texts are compared and ordered by their bytes (COLLATE "C"), as
-- SQLite and the program do, and so that no index depends on the locale of a machine. Every constraint has a name, by which the program knows what
-- stood against it.
--
-- Transactions run at READ COMMITTED, many at once. One that changes something of an account holds the account's lock from its beginning, so what
-- triggers count for an account below is never counted by two at once, and two accounts never wait for each other. Rows that accounts share are those
-- of images (`media`, `media_removal`), which are to be written in the order of their digests, and the one of `generation`, which is written at the
-- end of a commit.

-- Where a text stands in another, counted from 1; 0 where it does not. SQLite's word for it.
CREATE FUNCTION instr(whole text, part text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN strpos(whole, part);

-- What a trigger says that lets nothing be done; its words are the trigger's argument.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- Accounts, keys, and what operators set.

CREATE TABLE account (
    id uuid NOT NULL CONSTRAINT account_key PRIMARY KEY,
    name text COLLATE "C" NOT NULL CONSTRAINT account_by_name UNIQUE,
    is_suspended smallint NOT NULL CONSTRAINT account_is_suspended CHECK (is_suspended IN (0, 1)),
    has_api_access smallint NOT NULL CONSTRAINT account_has_api_access CHECK (has_api_access IN (0, 1)),
    created_at bigint NOT NULL,
    -- NULL for any number.
    items_max bigint CONSTRAINT account_items_max CHECK (items_max >= 0),
    stored_bytes_max bigint CONSTRAINT account_stored_bytes_max CHECK (stored_bytes_max >= 0)
);

-- A key outlives its account as a tombstone, so that its user is told why it stopped working: hence no foreign key.
CREATE TABLE api_key (
    id uuid NOT NULL CONSTRAINT api_key_key PRIMARY KEY,
    account_id uuid NOT NULL,
    -- SHA-256 of the secret, which itself is stored nowhere.
    secret_hash bytea NOT NULL CONSTRAINT api_key_by_secret UNIQUE CONSTRAINT api_key_secret_hash CHECK (length(secret_hash) = 32),
    prefix text COLLATE "C" NOT NULL,
    label text COLLATE "C",
    -- Words separated by commas.
    scopes text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CONSTRAINT api_key_state CHECK (state IN ('active', 'disabled', 'deleted')),
    created_at bigint NOT NULL,
    -- It ends by itself, if somebody said when.
    expires_at bigint,
    -- The secret before the last rotation, which is good until its end. It stays when that has come, so that whoever still presents it is told so.
    previous_secret_hash bytea
        CONSTRAINT api_key_previous_secret_hash CHECK (length(previous_secret_hash) = 32 AND previous_secret_hash <> secret_hash),
    previous_secret_expires_at bigint,
    -- In whole minutes, written some time after the use. That of the previous secret counts from the rotation on, and tells whether anybody has yet
    -- to be given the new one.
    last_used_at bigint,
    previous_secret_last_used_at bigint,
    CONSTRAINT api_key_previous_secret_ends CHECK ((previous_secret_expires_at IS NULL) = (previous_secret_hash IS NULL)),
    CONSTRAINT api_key_previous_secret_used CHECK (previous_secret_last_used_at IS NULL OR previous_secret_hash IS NOT NULL)
);

CREATE INDEX api_key_by_account ON api_key (account_id, id);
CREATE UNIQUE INDEX api_key_by_previous_secret ON api_key (previous_secret_hash) WHERE previous_secret_hash IS NOT NULL;

-- Secrets before the previous one, which have ended with the rotation that put them here.
CREATE TABLE api_key_older_secret (
    key_id uuid NOT NULL CONSTRAINT api_key_older_secret_api_key REFERENCES api_key (id) ON DELETE CASCADE,
    secret_hash bytea NOT NULL CONSTRAINT api_key_older_secret_by_secret UNIQUE
        CONSTRAINT api_key_older_secret_secret_hash CHECK (length(secret_hash) = 32),
    CONSTRAINT api_key_older_secret_key PRIMARY KEY (key_id, secret_hash)
);

-- A secret leads to one key, whether that has it or had it. Of two transactions at once that give the same one neither sees the other, but secrets
-- are drawn at random: what this finds is a secret that was copied.
CREATE FUNCTION api_key_secret_given() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM api_key WHERE previous_secret_hash = NEW.secret_hash)
        OR EXISTS (SELECT 1 FROM api_key_older_secret WHERE secret_hash = NEW.secret_hash)
    THEN
        RAISE EXCEPTION 'a secret was given twice' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER api_key_inserted BEFORE INSERT ON api_key FOR EACH ROW EXECUTE FUNCTION api_key_secret_given();
CREATE TRIGGER api_key_rotated BEFORE UPDATE OF secret_hash ON api_key FOR EACH ROW EXECUTE FUNCTION api_key_secret_given();

CREATE TABLE reserved_name (
    -- The name in lower case, as names are compared.
    name_key text COLLATE "C" NOT NULL CONSTRAINT reserved_name_key PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE blocked_term (
    -- In lower case, as texts are searched.
    term text COLLATE "C" NOT NULL CONSTRAINT blocked_term_key PRIMARY KEY
);

CREATE TABLE maintenance (
    id smallint NOT NULL CONSTRAINT maintenance_key PRIMARY KEY CONSTRAINT maintenance_single CHECK (id = 1),
    is_on smallint NOT NULL CONSTRAINT maintenance_is_on CHECK (is_on IN (0, 1)),
    retry_after_seconds bigint NOT NULL CONSTRAINT maintenance_retry_after_seconds CHECK (retry_after_seconds >= 1)
);

INSERT INTO maintenance (id, is_on, retry_after_seconds) VALUES (1, 0, 60);

-- Tells this life of the database from every other: entity tags are made of it, and whoever puts an older state back gives it another.
CREATE TABLE epoch (
    id smallint NOT NULL CONSTRAINT epoch_key PRIMARY KEY CONSTRAINT epoch_single CHECK (id = 1),
    value uuid NOT NULL
);

INSERT INTO epoch (id, value) VALUES (1, gen_random_uuid());

-- What operators changed: written in the transaction of the change, and never changed itself.
CREATE TABLE audit (
    -- No number is given twice. Of two transactions at once the one with the lower number may be the later to commit.
    number bigint GENERATED BY DEFAULT AS IDENTITY CONSTRAINT audit_key PRIMARY KEY,
    at bigint NOT NULL,
    -- A word of the domain.
    action text COLLATE "C" NOT NULL CONSTRAINT audit_action CHECK (action <> ''),
    -- What it was done to; empty where there is nothing to name.
    target text COLLATE "C" NOT NULL,
    -- The user of the machine.
    uid bigint NOT NULL CONSTRAINT audit_uid CHECK (uid BETWEEN 0 AND 4294967295)
);

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION refuse('an entry of the audit was to be changed');

-- What replicas hold in memory.

-- Raised by every change to what replicas answer from memory, in its transaction: who sees another number here reads all of that anew.
CREATE TABLE generation (
    id smallint NOT NULL CONSTRAINT generation_key PRIMARY KEY CONSTRAINT generation_single CHECK (id = 1),
    number bigint NOT NULL
) WITH (fillfactor = 10);

INSERT INTO generation (id, number) VALUES (1, 1);

-- All that raise it wait for each other from the raise to the end of their commits, so the triggers that call this are deferred: it is the last thing
-- that a transaction does, however long it was, and takes no lock before another. It is done once a transaction, however many rows that changes. A
-- sequence would have nobody wait, but shows its number before what it tells of can be seen, so that a replica may read the old state for the new
-- one.
CREATE FUNCTION generation_raised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('personas.generation_is_raised', true) IS DISTINCT FROM 'yes' THEN
        PERFORM set_config('personas.generation_is_raised', 'yes', true);
        UPDATE generation SET number = number + 1 WHERE id = 1;
    END IF;
    RETURN NULL;
END $$;

-- No memory holds what is not there, so new keys and accounts are none of its business. Nor is when a key was used last, which is saved all the time.
CREATE CONSTRAINT TRIGGER api_key_raises AFTER UPDATE ON api_key DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN ((OLD.account_id, OLD.secret_hash, OLD.prefix, OLD.label, OLD.scopes, OLD.state, OLD.expires_at, OLD.previous_secret_hash,
    OLD.previous_secret_expires_at)
    IS DISTINCT FROM (NEW.account_id, NEW.secret_hash, NEW.prefix, NEW.label, NEW.scopes, NEW.state, NEW.expires_at, NEW.previous_secret_hash,
    NEW.previous_secret_expires_at))
EXECUTE FUNCTION generation_raised();
CREATE CONSTRAINT TRIGGER api_key_removal_raises AFTER DELETE ON api_key DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION generation_raised();
CREATE CONSTRAINT TRIGGER api_key_older_secret_raises AFTER INSERT OR DELETE ON api_key_older_secret DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION generation_raised();
-- Quotas are read each time.
CREATE CONSTRAINT TRIGGER account_raises AFTER UPDATE ON account DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN ((OLD.name, OLD.is_suspended, OLD.has_api_access) IS DISTINCT FROM (NEW.name, NEW.is_suspended, NEW.has_api_access))
EXECUTE FUNCTION generation_raised();
CREATE CONSTRAINT TRIGGER account_removal_raises AFTER DELETE ON account DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION generation_raised();
CREATE CONSTRAINT TRIGGER reserved_name_raises AFTER INSERT OR UPDATE OR DELETE ON reserved_name DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION generation_raised();
CREATE CONSTRAINT TRIGGER blocked_term_raises AFTER INSERT OR UPDATE OR DELETE ON blocked_term DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION generation_raised();
CREATE CONSTRAINT TRIGGER maintenance_raises AFTER INSERT OR UPDATE OR DELETE ON maintenance DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION generation_raised();
CREATE CONSTRAINT TRIGGER epoch_raises AFTER UPDATE ON epoch DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION generation_raised();

-- Processes that serve, each of which writes its row with every pulse. Good for seconds, so it needs no log: after a crash of the server the next
-- pulse of each brings it back.
CREATE UNLOGGED TABLE replica (
    id uuid NOT NULL CONSTRAINT replica_key PRIMARY KEY,
    -- By the server's clock. One that was not seen for a while is gone, and its row goes with the next that looks.
    seen_at bigint NOT NULL,
    version text COLLATE "C" NOT NULL,
    -- Where it listens; empty until it does.
    address text COLLATE "C" NOT NULL
) WITH (fillfactor = 50);

-- What keys have used of their rate limits at each replica. A replica writes with each pulse the rows of those keys that were used since the one
-- before, and reads those that others wrote since then. The numbers only grow, so that a pulse which comes late or never takes nothing away: a reader
-- takes from its bucket what a row has more than when it saw it last, and of one that it never saw all if that began since its last look, else
-- nothing. A row whose key was left alone for longer than a bucket takes to fill is deleted by its replica, or by any other where that is gone, and
-- begins anew at 0. Needs no log and no reference for the same reason as above.
CREATE UNLOGGED TABLE rate_use (
    replica_id uuid NOT NULL,
    key_id uuid NOT NULL,
    -- By the server's clock.
    begun_at bigint NOT NULL,
    used_at bigint NOT NULL,
    -- Permits taken since it began.
    reads bigint NOT NULL,
    writes bigint NOT NULL,
    CONSTRAINT rate_use_key PRIMARY KEY (replica_id, key_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- What is new since a look, and what is over.
CREATE INDEX rate_use_by_time ON rate_use (used_at);

-- Requests under an idempotency key: first the claim of the one that runs, then its answer, written in the transaction of the effect that it tells
-- of.
CREATE TABLE idempotency_record (
    account_id uuid NOT NULL CONSTRAINT idempotency_record_account REFERENCES account (id) ON DELETE CASCADE,
    -- Method and path template: a key counts per account and route.
    route text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL CONSTRAINT idempotency_record_idempotency_key CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    -- SHA-256 of the request that runs or was answered.
    fingerprint bytea NOT NULL CONSTRAINT idempotency_record_fingerprint CHECK (length(fingerprint) = 32),
    answer bytea CONSTRAINT idempotency_record_answer CHECK (length(answer) > 0),
    -- Whose request it is while that runs. Another may take the row over once the claim is over; an effect that then finds another claim here is
    -- undone.
    claim uuid,
    claimed_until bigint,
    -- An answer counts for a day from then. Of a claim that was never answered, when it was made: it is forgotten in the same way.
    kept_at bigint NOT NULL,
    CONSTRAINT idempotency_record_key PRIMARY KEY (account_id, route, idempotency_key),
    CONSTRAINT idempotency_record_answered_or_claimed CHECK ((answer IS NULL) = (claim IS NOT NULL)),
    CONSTRAINT idempotency_record_claim_ends CHECK ((claim IS NULL) = (claimed_until IS NULL))
) WITH (fillfactor = 70);

-- What is to be forgotten.
CREATE INDEX idempotency_record_by_time ON idempotency_record (kept_at);

-- Images.

-- What is known of each image, and under which id its bytes lie in the bucket. No id is ever used twice: bytes that go and come again have another,
-- so that a late removal of the former hurts nobody.
CREATE TABLE media (
    object uuid NOT NULL CONSTRAINT media_key PRIMARY KEY,
    digest bytea NOT NULL CONSTRAINT media_by_digest UNIQUE CONSTRAINT media_digest CHECK (length(digest) = 32),
    format text COLLATE "C" NOT NULL CONSTRAINT media_format CHECK (format IN ('jpeg', 'png', 'webp', 'gif')),
    width integer NOT NULL CONSTRAINT media_width CHECK (width > 0),
    height integer NOT NULL CONSTRAINT media_height CHECK (height > 0),
    byte_count bigint NOT NULL CONSTRAINT media_byte_count CHECK (byte_count > 0),
    -- Whether the bytes are known to be in the bucket: set with the first link.
    is_stored smallint NOT NULL DEFAULT 0 CONSTRAINT media_is_stored CHECK (is_stored IN (0, 1)),
    -- Until then nobody removes it, because somebody is about to link it.
    held_until bigint NOT NULL DEFAULT 0,
    -- What links refer to.
    CONSTRAINT media_by_digest_and_object UNIQUE (digest, object)
) WITH (fillfactor = 90);

-- What came to nothing once its hold is over is among these, which are few. The end of the hold is not in the index, so that to prolong it writes none.
CREATE INDEX media_unstored ON media (digest) WHERE is_stored = 0;

-- Digests that may have lost their last link. Written with the deletion, cleared once that was looked at, so that no crash forgets one.
CREATE TABLE media_removal (
    digest bytea NOT NULL CONSTRAINT media_removal_key PRIMARY KEY CONSTRAINT media_removal_digest CHECK (length(digest) = 32),
    queued_at bigint NOT NULL
);

-- Objects whose rows are gone and whose bytes are still to be deleted. Written with the deletion of the row, cleared once the bucket has them no
-- more.
CREATE TABLE object_removal (
    object uuid NOT NULL CONSTRAINT object_removal_key PRIMARY KEY,
    digest bytea NOT NULL CONSTRAINT object_removal_digest CHECK (length(digest) = 32),
    queued_at bigint NOT NULL
);

-- Items.

CREATE TABLE pikzonality (
    id uuid NOT NULL CONSTRAINT pikzonality_key PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT pikzonality_account REFERENCES account (id),
    mode text COLLATE "C" NOT NULL CONSTRAINT pikzonality_mode CHECK (mode IN ('persona', 'style')),
    name text COLLATE "C" NOT NULL CONSTRAINT pikzonality_name CHECK (length(name) BETWEEN 1 AND 25),
    -- The name in lower case: names that differ only in case are one.
    name_key text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL CONSTRAINT pikzonality_status CHECK (status IN ('processing', 'completed', 'failed')),
    progress smallint NOT NULL CONSTRAINT pikzonality_progress CHECK (progress BETWEEN 0 AND 100),
    special_instructions text COLLATE "C",
    -- The tokens of the reference images in their order, 16 bytes each: a copy of image_link, so that a page of items is read without a join.
    reference_tokens bytea NOT NULL CONSTRAINT pikzonality_reference_tokens CHECK (length(reference_tokens) % 16 = 0),
    portrait_token uuid,
    error_code text COLLATE "C",
    error_message text COLLATE "C",
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    -- Counts every change that a client can see; entity tags are made of it.
    version bigint NOT NULL CONSTRAINT pikzonality_version CHECK (version >= 1),
    -- What its owner's own program calls it.
    external_id text COLLATE "C",
    -- Each label in turn: the length of its key in one byte, that of its value in two, the lower one first, the key, the value; by the order of the
    -- keys' bytes, so that equal labels are equal bytes. NULL for none.
    metadata bytea,
    -- What a client has asked for while it was in training: 'deleted' or 'trash'. NULL, as nearly always, for nothing.
    settles_to text COLLATE "C",
    -- The present state of what an owner sets: its number among all states, since when it is so, and the request that brought it about. NULL for an
    -- item that was never changed: its state is the first, and as old as the item.
    revision bigint,
    revised_at bigint,
    revision_request_id text COLLATE "C",
    CONSTRAINT pikzonality_progress_of_completed CHECK ((progress = 100) = (status = 'completed')),
    CONSTRAINT pikzonality_portrait_of_completed CHECK ((portrait_token IS NOT NULL) = (status = 'completed')),
    CONSTRAINT pikzonality_error_code_of_failed CHECK ((error_code IS NOT NULL) = (status = 'failed')),
    CONSTRAINT pikzonality_error_message_of_failed CHECK ((error_message IS NOT NULL) = (status = 'failed'))
) WITH (fillfactor = 90);

-- The uniqueness of names, and the walk of lists sorted by name.
CREATE UNIQUE INDEX pikzonality_by_name ON pikzonality (account_id, mode, name_key);
-- The other walks of lists. The id, which breaks ties, is spelled out, as in all indexes below.
CREATE INDEX pikzonality_by_time ON pikzonality (account_id, mode, created_at, id);
CREATE INDEX pikzonality_by_status_and_time ON pikzonality (account_id, mode, status, created_at, id);
CREATE INDEX pikzonality_by_status_and_name ON pikzonality (account_id, mode, status, name_key, id);
-- The uniqueness of the clients' ids, and what finds an item by its own. Items without one take no room in it.
CREATE UNIQUE INDEX pikzonality_by_external_id ON pikzonality (account_id, mode, external_id) WHERE external_id IS NOT NULL;

-- Searches find names by their parts of three characters, in one index of all accounts:
--
--     SELECT … FROM (
--         SELECT … FROM pikzonality WHERE name_words(account_id, mode, name_key) @@ name_words_of_text($1, $2, $3) LIMIT $4) AS found
--     WHERE account_id = $1 AND mode = $2 AND instr(name_key, $3) > 0
--
-- where $3 is the text in lower case. A name that has all words may still have them elsewhere, and two accounts may share a prefix, so what is found is to be
-- looked at, as the outer conditions do. They stand outside, because beside the words a plan may prefer them, and walk through all names of an account.

-- The words of a name: its parts of three characters from each character on, which are shorter at its end. Before each stand 48 of the random bits of the
-- account's id, and a letter for the mode, so that those of one account and mode lie together. Short, because most words are in the index for one name.
--
-- It is told to cost much, so that no plan works it out for each row of a table in the place of asking the index. Names of its own it must not use: it also runs
-- where PostgreSQL maintains the index, with no search path.
CREATE FUNCTION name_words(account_id uuid, mode text, name_key text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 10000 AS $$
DECLARE
    prefix text := encode(substr(uuid_send(account_id), 11), 'base64') || left(mode, 1);
    words text[] := '{}';
BEGIN
    FOR start IN 1..length(name_key) LOOP
        words := words || (prefix || substr(name_key, start, 3));
    END LOOP;
    RETURN array_to_tsvector(words);
END $$;

-- What the words of a name are asked for that holds a text: of one or two characters a word that begins with it, of any other every third of its parts of three
-- and the last, which hold each of its characters.
CREATE FUNCTION name_words_of_text(account_id uuid, mode text, part text) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    prefix text := encode(substr(uuid_send(account_id), 11), 'base64') || left(mode, 1);
    wanted text;
BEGIN
    SELECT string_agg(
        '''' || prefix || replace(replace(substr(part, least(start, greatest(1, length(part) - 2)), 3), '\', '\\'), '''', '''''') || ''''
            || CASE WHEN length(part) < 3 THEN ':*' ELSE '' END, ' & ')
    INTO wanted FROM generate_series(1, length(part), 3) AS start;
    RETURN wanted::tsquery;
END $$;

-- What is new waits in a list of the index, which each search reads and which is worked in when it is full: kept short, because the create that fills it does so.
CREATE INDEX pikzonality_by_name_words ON pikzonality USING gin (name_words(account_id, mode, name_key)) WITH (gin_pending_list_limit = 512);

-- What media URLs lead to. Positions count the reference images from 0; the portrait stands at -1.
CREATE TABLE image_link (
    pikzonality_id uuid NOT NULL CONSTRAINT image_link_pikzonality REFERENCES pikzonality (id) ON DELETE CASCADE,
    position smallint NOT NULL CONSTRAINT image_link_position CHECK (position >= -1),
    token uuid NOT NULL CONSTRAINT image_link_by_token UNIQUE,
    digest bytea NOT NULL,
    object uuid NOT NULL,
    CONSTRAINT image_link_key PRIMARY KEY (pikzonality_id, position),
    -- Broken where the image was removed since it was stored: then it is to be stored again.
    CONSTRAINT image_link_object FOREIGN KEY (digest, object) REFERENCES media (digest, object)
);

-- Whether anything still needs an image.
CREATE INDEX image_link_by_digest ON image_link (digest);

-- What lists find labelled items by: an entry for each label, none for an item without labels.
CREATE TABLE metadata_entry (
    pikzonality_id uuid NOT NULL CONSTRAINT metadata_entry_pikzonality REFERENCES pikzonality (id) ON DELETE CASCADE,
    -- The beginning of a SHA-256 of account, mode, key and value: entries of the same label of one account and mode lie together, and all are of one
    -- size however long the label is.
    tag bytea NOT NULL CONSTRAINT metadata_entry_tag CHECK (length(tag) = 16),
    -- Copies of what lists are sorted by.
    created_at bigint NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    CONSTRAINT metadata_entry_key PRIMARY KEY (pikzonality_id, tag)
);

-- The walks of lists.
CREATE INDEX metadata_entry_by_time ON metadata_entry (tag, created_at, pikzonality_id);
CREATE INDEX metadata_entry_by_name ON metadata_entry (tag, name_key, pikzonality_id);

-- The states before the present one. Of no table's rows, because an item has two places to be in; triggers take them away with it.
CREATE TABLE revision (
    item_id uuid NOT NULL,
    number bigint NOT NULL CONSTRAINT revision_number CHECK (number >= 1),
    changed_at bigint NOT NULL,
    request_id text COLLATE "C",
    name text COLLATE "C" NOT NULL,
    special_instructions text COLLATE "C",
    external_id text COLLATE "C",
    metadata bytea,
    CONSTRAINT revision_key PRIMARY KEY (item_id, number)
);

-- An item in the trash: its row in `pikzonality`, by the same names, so that it comes back as it was. In a table of its own, so that no list, search,
-- name or count ever has to pass over it.
CREATE TABLE trash_item (
    id uuid NOT NULL CONSTRAINT trash_item_key PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT trash_item_account REFERENCES account (id),
    mode text COLLATE "C" NOT NULL CONSTRAINT trash_item_mode CHECK (mode IN ('persona', 'style')),
    -- No job may work for what is in the trash.
    status text COLLATE "C" NOT NULL CONSTRAINT trash_item_status CHECK (status IN ('completed', 'failed')),
    progress smallint NOT NULL,
    reference_tokens bytea NOT NULL,
    portrait_token uuid,
    error_code text COLLATE "C",
    error_message text COLLATE "C",
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    version bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    special_instructions text COLLATE "C",
    external_id text COLLATE "C",
    metadata bytea,
    settles_to text COLLATE "C",
    revision bigint,
    revised_at bigint,
    revision_request_id text COLLATE "C",
    -- Its ended training job, which belongs to no item meanwhile.
    job_id uuid,
    trashed_at bigint NOT NULL,
    -- From then on it is gone for good, whatever the setting says by then.
    purge_at bigint NOT NULL
);

-- What an account has in its trash, newest first.
CREATE INDEX trash_item_by_time ON trash_item (account_id, mode, trashed_at, id);
-- The same of all accounts, for operators.
CREATE INDEX trash_item_by_time_of_all ON trash_item (mode, trashed_at, id);
-- What has to go next.
CREATE INDEX trash_item_by_end ON trash_item (purge_at);

-- What the media URLs of items in the trash lead to once they are back. Nobody looks an image up by these.
CREATE TABLE trash_link (
    item_id uuid NOT NULL CONSTRAINT trash_link_item REFERENCES trash_item (id) ON DELETE CASCADE,
    position smallint NOT NULL CONSTRAINT trash_link_position CHECK (position >= -1),
    token uuid NOT NULL CONSTRAINT trash_link_by_token UNIQUE,
    digest bytea NOT NULL,
    object uuid NOT NULL,
    CONSTRAINT trash_link_key PRIMARY KEY (item_id, position),
    CONSTRAINT trash_link_object FOREIGN KEY (digest, object) REFERENCES media (digest, object)
);

-- Whether anything still needs an image.
CREATE INDEX trash_link_by_digest ON trash_link (digest);

-- What was in neither place any more has no earlier states either. One that moves is in its new place before it leaves the old one.
CREATE FUNCTION revisions_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pikzonality WHERE id = OLD.id) AND NOT EXISTS (SELECT 1 FROM trash_item WHERE id = OLD.id) THEN
        DELETE FROM revision WHERE item_id = OLD.id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER pikzonality_revisions_removed AFTER DELETE ON pikzonality FOR EACH ROW EXECUTE FUNCTION revisions_removed();
CREATE TRIGGER trash_item_revisions_removed AFTER DELETE ON trash_item FOR EACH ROW EXECUTE FUNCTION revisions_removed();

-- Counts. They follow what they count by triggers, whatever writes it, in the same transaction; none is checked, so that one which came to be wrong
-- stands in the way of no write, and `personas check` finds it. Where a statement may change very many rows they are counted once for all of them,
-- because a row that is changed again and again within one transaction leaves a version behind each time, which every further change passes over.
-- What an item's images count for is taken away item by item, so whoever removes very many items of an account removes its row in `stored_bytes`
-- first.

-- How many items there are, so that to tell it takes as long of ten as of ten million.
CREATE TABLE item_count (
    account_id uuid NOT NULL CONSTRAINT item_count_account REFERENCES account (id) ON DELETE CASCADE,
    mode text COLLATE "C" NOT NULL CONSTRAINT item_count_mode CHECK (mode IN ('persona', 'style')),
    status text COLLATE "C" NOT NULL CONSTRAINT item_count_status CHECK (status IN ('processing', 'completed', 'failed')),
    count bigint NOT NULL,
    CONSTRAINT item_count_key PRIMARY KEY (account_id, mode, status)
) WITH (fillfactor = 50);

CREATE FUNCTION pikzonality_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO item_count (account_id, mode, status, count)
    SELECT account_id, mode, status, count(*) FROM made GROUP BY account_id, mode, status ORDER BY account_id, mode, status
    ON CONFLICT (account_id, mode, status) DO UPDATE SET count = item_count.count + excluded.count;
    RETURN NULL;
END $$;

CREATE FUNCTION pikzonality_recounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE item_count SET count = count - 1 WHERE account_id = OLD.account_id AND mode = OLD.mode AND status = OLD.status;
    INSERT INTO item_count (account_id, mode, status, count) VALUES (NEW.account_id, NEW.mode, NEW.status, 1)
    ON CONFLICT (account_id, mode, status) DO UPDATE SET count = item_count.count + 1;
    RETURN NULL;
END $$;

CREATE FUNCTION pikzonality_discounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE item_count SET count = item_count.count - less.count
    FROM (SELECT account_id, mode, status, count(*) AS count FROM gone GROUP BY account_id, mode, status) AS less
    WHERE item_count.account_id = less.account_id AND item_count.mode = less.mode AND item_count.status = less.status;
    RETURN NULL;
END $$;

CREATE TRIGGER pikzonality_counted AFTER INSERT ON pikzonality REFERENCING NEW TABLE AS made
FOR EACH STATEMENT EXECUTE FUNCTION pikzonality_counted();
CREATE TRIGGER pikzonality_recounted AFTER UPDATE OF status ON pikzonality FOR EACH ROW WHEN (NEW.status <> OLD.status)
EXECUTE FUNCTION pikzonality_recounted();
CREATE TRIGGER pikzonality_discounted AFTER DELETE ON pikzonality REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION pikzonality_discounted();

-- How many items are in the trash.
CREATE TABLE trash_count (
    account_id uuid NOT NULL CONSTRAINT trash_count_account REFERENCES account (id) ON DELETE CASCADE,
    mode text COLLATE "C" NOT NULL CONSTRAINT trash_count_mode CHECK (mode IN ('persona', 'style')),
    count bigint NOT NULL,
    CONSTRAINT trash_count_key PRIMARY KEY (account_id, mode)
) WITH (fillfactor = 50);

CREATE FUNCTION trash_item_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trash_count (account_id, mode, count)
    SELECT account_id, mode, count(*) FROM made GROUP BY account_id, mode ORDER BY account_id, mode
    ON CONFLICT (account_id, mode) DO UPDATE SET count = trash_count.count + excluded.count;
    RETURN NULL;
END $$;

CREATE FUNCTION trash_item_discounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE trash_count SET count = trash_count.count - less.count
    FROM (SELECT account_id, mode, count(*) AS count FROM gone GROUP BY account_id, mode) AS less
    WHERE trash_count.account_id = less.account_id AND trash_count.mode = less.mode;
    RETURN NULL;
END $$;

CREATE TRIGGER trash_item_counted AFTER INSERT ON trash_item REFERENCING NEW TABLE AS made
FOR EACH STATEMENT EXECUTE FUNCTION trash_item_counted();
CREATE TRIGGER trash_item_discounted AFTER DELETE ON trash_item REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION trash_item_discounted();

-- The bytes of the images that an account's items were created with, be they in the trash. An image counts for each item that has it, so that what an
-- item takes and gives back does not depend on others. Portraits, which trainers make, do not count.
CREATE TABLE stored_bytes (
    account_id uuid NOT NULL CONSTRAINT stored_bytes_key PRIMARY KEY CONSTRAINT stored_bytes_account REFERENCES account (id) ON DELETE CASCADE,
    count bigint NOT NULL
) WITH (fillfactor = 20);

CREATE FUNCTION image_link_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stored_bytes (account_id, count)
    SELECT pikzonality.account_id, CAST(sum(media.byte_count) AS bigint)
    FROM made JOIN pikzonality ON pikzonality.id = made.pikzonality_id JOIN media ON media.digest = made.digest
    WHERE made.position >= 0 GROUP BY pikzonality.account_id ORDER BY pikzonality.account_id
    ON CONFLICT (account_id) DO UPDATE SET count = stored_bytes.count + excluded.count;
    RETURN NULL;
END $$;

-- Links that go behind their item find nothing here any more: what they count for went before it.
CREATE FUNCTION image_link_discounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE stored_bytes SET count = stored_bytes.count - less.count
    FROM (
        SELECT pikzonality.account_id, CAST(sum(media.byte_count) AS bigint) AS count
        FROM gone JOIN pikzonality ON pikzonality.id = gone.pikzonality_id JOIN media ON media.digest = gone.digest
        WHERE gone.position >= 0 GROUP BY pikzonality.account_id
    ) AS less
    WHERE stored_bytes.account_id = less.account_id;
    RETURN NULL;
END $$;

CREATE FUNCTION pikzonality_bytes_discounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE stored_bytes SET count = count - (
        SELECT CAST(coalesce(sum(media.byte_count), 0) AS bigint) FROM image_link JOIN media ON media.digest = image_link.digest
        WHERE image_link.pikzonality_id = OLD.id AND image_link.position >= 0
    ) WHERE account_id = OLD.account_id;
    RETURN OLD;
END $$;

CREATE TRIGGER image_link_counted AFTER INSERT ON image_link REFERENCING NEW TABLE AS made
FOR EACH STATEMENT EXECUTE FUNCTION image_link_counted();
CREATE TRIGGER image_link_discounted AFTER DELETE ON image_link REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION image_link_discounted();
CREATE TRIGGER pikzonality_bytes_discounted BEFORE DELETE ON pikzonality FOR EACH ROW EXECUTE FUNCTION pikzonality_bytes_discounted();

CREATE FUNCTION trash_link_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stored_bytes (account_id, count)
    SELECT trash_item.account_id, CAST(sum(media.byte_count) AS bigint)
    FROM made JOIN trash_item ON trash_item.id = made.item_id JOIN media ON media.digest = made.digest
    WHERE made.position >= 0 GROUP BY trash_item.account_id ORDER BY trash_item.account_id
    ON CONFLICT (account_id) DO UPDATE SET count = stored_bytes.count + excluded.count;
    RETURN NULL;
END $$;

CREATE FUNCTION trash_item_bytes_discounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE stored_bytes SET count = count - (
        SELECT CAST(coalesce(sum(media.byte_count), 0) AS bigint) FROM trash_link JOIN media ON media.digest = trash_link.digest
        WHERE trash_link.item_id = OLD.id AND trash_link.position >= 0
    ) WHERE account_id = OLD.account_id;
    RETURN OLD;
END $$;

CREATE TRIGGER trash_link_counted AFTER INSERT ON trash_link REFERENCING NEW TABLE AS made
FOR EACH STATEMENT EXECUTE FUNCTION trash_link_counted();
CREATE TRIGGER trash_item_bytes_discounted BEFORE DELETE ON trash_item FOR EACH ROW EXECUTE FUNCTION trash_item_bytes_discounted();

-- Training.

CREATE TABLE training_job (
    id uuid NOT NULL CONSTRAINT training_job_key PRIMARY KEY,
    -- Null once the item went away under a running job, whose worker is still to be told.
    pikzonality_id uuid CONSTRAINT training_job_pikzonality REFERENCES pikzonality (id) ON DELETE SET NULL,
    state text COLLATE "C" NOT NULL CONSTRAINT training_job_state CHECK (state IN ('queued', 'leased', 'completed', 'failed', 'cancelled')),
    attempts bigint NOT NULL CONSTRAINT training_job_attempts CHECK (attempts >= 0),
    progress smallint NOT NULL CONSTRAINT training_job_progress CHECK (progress BETWEEN 0 AND 100),
    lease_token uuid,
    lease_expires_at bigint,
    error_code text COLLATE "C",
    error_message text COLLATE "C",
    created_at bigint NOT NULL,
    -- Since when it is cancelled, which the worker is to be told that held it: it is remembered for a day from then.
    cancelled_at bigint,
    -- Whose it is, so that accounts have their turns without a look at all that waits.
    account_id uuid,
    CONSTRAINT training_job_leased_has_lease CHECK (state <> 'leased' OR (lease_token IS NOT NULL AND lease_expires_at IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

CREATE INDEX training_job_by_pikzonality ON training_job (pikzonality_id, id) WHERE pikzonality_id IS NOT NULL;
-- The queue, for all and in turn, and what is leased: few, however many jobs have ended. A query finds them by the state as a literal, which a
-- parameter would hide from the plan. Leases have no index by their ends, which would be written with every heartbeat.
CREATE INDEX training_job_queued ON training_job (id) WHERE state = 'queued';
CREATE INDEX training_job_queued_by_account ON training_job (account_id, id) WHERE state = 'queued';
CREATE INDEX training_job_leased ON training_job (id) WHERE state = 'leased';
-- Cancelled jobs are found by that time, and are in nobody's way who looks for one that is to be done.
CREATE INDEX training_job_cancelled ON training_job (cancelled_at) WHERE cancelled_at IS NOT NULL;

-- What was given to fal, so that nothing is ever given twice that may have cost money once.
CREATE TABLE fal_request (
    -- No reference: what is to be called off outlives its job.
    job_id uuid NOT NULL CONSTRAINT fal_request_key PRIMARY KEY,
    -- Stands in the address of its webhook, by which a request is found whose id never came.
    token uuid NOT NULL CONSTRAINT fal_request_by_token UNIQUE,
    state text COLLATE "C" NOT NULL
        CONSTRAINT fal_request_state CHECK (state IN ('waiting', 'intended', 'submitted', 'reported', 'closing', 'ended')),
    -- When it was first about to be sent.
    intended_at bigint NOT NULL,
    -- From when on it is to be sent, or called off.
    due_at bigint,
    attempts bigint NOT NULL CONSTRAINT fal_request_attempts CHECK (attempts >= 0),
    -- How it is found at fal.
    request_id text COLLATE "C",
    status_url text COLLATE "C",
    response_url text COLLATE "C",
    cancel_url text COLLATE "C",
    -- What has come of it: an address, or words of fal.
    outcome text COLLATE "C" CONSTRAINT fal_request_outcome CHECK (outcome IN ('portrait', 'rejected', 'failed', 'overdue')),
    outcome_text text COLLATE "C",
    CONSTRAINT fal_request_due CHECK ((due_at IS NOT NULL) = (state IN ('waiting', 'closing'))),
    CONSTRAINT fal_request_has_urls CHECK ((request_id IS NULL) = (status_url IS NULL) AND (request_id IS NULL) = (response_url IS NULL)),
    CONSTRAINT fal_request_has_cancel_url CHECK ((request_id IS NULL) = (cancel_url IS NULL)),
    CONSTRAINT fal_request_submitted_has_id CHECK (state <> 'submitted' OR request_id IS NOT NULL),
    CONSTRAINT fal_request_reported_has_outcome CHECK (state <> 'reported' OR outcome IS NOT NULL),
    CONSTRAINT fal_request_outcome_has_text CHECK ((outcome IS NULL) = (outcome_text IS NULL))
);

-- What fal is to be told of.
CREATE INDEX fal_request_closing ON fal_request (due_at) WHERE state = 'closing';
-- What may be forgotten.
CREATE INDEX fal_request_ended ON fal_request (intended_at) WHERE state = 'ended';

-- A job ends in many ways, with its item, with its account or by itself, and its request follows in the same transaction: what fal may still work on
-- is closed, with everything else there is nothing left to do. One statement, so that a request which is changed at the same time is taken for what
-- it has become.
CREATE FUNCTION fal_request_follows_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE fal_request SET
        state = CASE WHEN state IN ('intended', 'submitted') THEN 'closing' ELSE 'ended' END,
        due_at = CASE WHEN state IN ('intended', 'submitted') THEN 0 END,
        attempts = CASE WHEN state IN ('intended', 'submitted') THEN 0 ELSE attempts END
    WHERE job_id = NEW.id AND state IN ('waiting', 'intended', 'submitted', 'reported');
    RETURN NULL;
END $$;

CREATE TRIGGER fal_request_follows_job AFTER UPDATE OF state ON training_job FOR EACH ROW
WHEN (NEW.state IN ('completed', 'failed', 'cancelled')) EXECUTE FUNCTION fal_request_follows_job();

-- Events.

-- One row for each change that a client can see, written in its transaction: an event is there if and only if its change is.
CREATE TABLE event (
    -- About the order in which they were written, of all accounts together, so that new rows go to the table's end and old ones are found at its
    -- beginning. Of transactions at once the one with the lower number may be the later to commit; within an account the order is that of `sequence`.
    number bigint GENERATED BY DEFAULT AS IDENTITY CONSTRAINT event_key PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT event_account REFERENCES account (id) ON DELETE CASCADE,
    -- Counts the events of the account. No number is given twice, and holes come only of what has expired.
    sequence bigint NOT NULL CONSTRAINT event_sequence CHECK (sequence >= 1),
    event_id uuid NOT NULL,
    -- A word of the domain; with the mode it is the event's type.
    kind text COLLATE "C" NOT NULL CONSTRAINT event_kind CHECK (kind <> ''),
    at bigint NOT NULL,
    -- Names of the members of the representation that are others than before, separated by commas.
    changed text COLLATE "C" NOT NULL,
    request_id text COLLATE "C",
    -- The item, and how it was after the change: columns of `pikzonality` by their names there. Of an item that is gone id and mode alone are left.
    item_id uuid,
    mode text COLLATE "C" CONSTRAINT event_mode CHECK (mode IN ('persona', 'style')),
    status text COLLATE "C",
    progress smallint,
    reference_tokens bytea,
    portrait_token uuid,
    error_code text COLLATE "C",
    error_message text COLLATE "C",
    created_at bigint,
    updated_at bigint,
    version bigint,
    name text COLLATE "C",
    special_instructions text COLLATE "C",
    external_id text COLLATE "C",
    metadata bytea,
    settles_to text COLLATE "C",
    -- What the event tells of that is no item, as JSON: an endpoint of webhooks, an entry of a ledger.
    subject text COLLATE "C",
    CONSTRAINT event_item_has_mode CHECK ((item_id IS NULL) = (mode IS NULL)),
    CONSTRAINT event_has_subject CHECK (item_id IS NOT NULL OR subject IS NOT NULL)
);

CREATE UNIQUE INDEX event_by_sequence ON event (account_id, sequence);
CREATE INDEX event_by_item ON event (item_id, sequence) WHERE item_id IS NOT NULL;
-- Progress is kept for a shorter time than all else.
CREATE INDEX event_of_progress ON event (number) WHERE kind = 'progress';

CREATE TABLE event_counter (
    account_id uuid NOT NULL CONSTRAINT event_counter_key PRIMARY KEY CONSTRAINT event_counter_account REFERENCES account (id) ON DELETE CASCADE,
    -- The last sequence that was given.
    last_sequence bigint NOT NULL CONSTRAINT event_counter_last_sequence CHECK (last_sequence >= 1),
    -- That of the last event that has expired, progress aside: who knows less has missed something.
    expired_sequence bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Items that are gone for good and whose events still hold what they were like. Nobody is shown that from when there is a row here, which is written
-- in the transaction that removes the item; it goes when the events hold it no more, some of them at a time.
CREATE TABLE event_reduction (
    item_id uuid NOT NULL CONSTRAINT event_reduction_key PRIMARY KEY,
    -- Up to which of its events that is done.
    sequence bigint NOT NULL DEFAULT 0
);

-- Endpoints that are told of events, and what became of each event on its way to each of them.

CREATE TABLE webhook (
    id uuid NOT NULL CONSTRAINT webhook_key PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT webhook_account REFERENCES account (id) ON DELETE CASCADE,
    url text COLLATE "C" NOT NULL CONSTRAINT webhook_url CHECK (url <> ''),
    description text COLLATE "C",
    -- What its owner named, separated by commas.
    events text COLLATE "C" NOT NULL CONSTRAINT webhook_events CHECK (events <> ''),
    -- NULL while it is enabled.
    disabled_reason text COLLATE "C",
    -- Sealed. The one before is good until its end.
    secret bytea NOT NULL,
    previous_secret bytea,
    previous_secret_expires_at bigint,
    -- How attempts at it have gone lately.
    failures_in_row bigint NOT NULL DEFAULT 0,
    failing_since bigint,
    last_failure_at bigint,
    slowed_until bigint,
    -- Counts how often its queue was cancelled. Deliveries that were queued under an earlier number are cancelled from that moment on, whatever their
    -- own rows say until some of them at a time are brought in line: so that disabling costs the same however many wait.
    generation bigint NOT NULL DEFAULT 1,
    cancelled_at bigint,
    has_stale_deliveries smallint NOT NULL DEFAULT 0 CONSTRAINT webhook_has_stale_deliveries CHECK (has_stale_deliveries IN (0, 1)),
    -- Counts of its deliveries, kept by the triggers below.
    pending bigint NOT NULL DEFAULT 0 CONSTRAINT webhook_pending CHECK (pending >= 0),
    missing bigint NOT NULL DEFAULT 0 CONSTRAINT webhook_missing CHECK (missing >= 0),
    -- The delivery at which an attempt was made last.
    last_delivery_number bigint,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    version bigint NOT NULL DEFAULT 1 CONSTRAINT webhook_version CHECK (version >= 1),
    CONSTRAINT webhook_previous_secret_ends CHECK ((previous_secret IS NULL) = (previous_secret_expires_at IS NULL))
) WITH (fillfactor = 50);

-- Lists, and whom an event of an account concerns.
CREATE INDEX webhook_by_account ON webhook (account_id, created_at, id);
-- What somebody waits for.
CREATE INDEX webhook_with_pending ON webhook (id) WHERE pending > 0 AND disabled_reason IS NULL;
CREATE INDEX webhook_with_stale ON webhook (id) WHERE has_stale_deliveries = 1;
-- Previous secrets, which are wiped when they are over.
CREATE INDEX webhook_with_previous ON webhook (previous_secret_expires_at) WHERE previous_secret_expires_at IS NOT NULL;

-- One row for each endpoint and event that match, written in the transaction of the event; 'cancelled' from the beginning where the endpoint is
-- disabled then. It goes with its event.
CREATE TABLE webhook_delivery (
    -- About the order in which they were written; see `event`.
    number bigint GENERATED BY DEFAULT AS IDENTITY CONSTRAINT webhook_delivery_key PRIMARY KEY,
    id uuid NOT NULL CONSTRAINT webhook_delivery_by_id UNIQUE,
    -- No reference: the deliveries of an endpoint that was deleted go some at a time.
    webhook_id uuid NOT NULL,
    event_number bigint NOT NULL CONSTRAINT webhook_delivery_event REFERENCES event (number) ON DELETE CASCADE,
    event_id uuid NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    -- The item that the event tells of; NULL for none.
    item_id uuid,
    status text COLLATE "C" NOT NULL CONSTRAINT webhook_delivery_status CHECK (status IN ('pending', 'succeeded', 'failed', 'cancelled')),
    -- That of the endpoint when it was queued last.
    generation bigint NOT NULL,
    -- How often it was queued, by which an attempt is told that began before the last time.
    times_queued bigint NOT NULL DEFAULT 1,
    -- Attempts of its whole life, which number their rows, and those since it was queued last, by which the schedule goes.
    attempts bigint NOT NULL DEFAULT 0,
    attempts_since_queued bigint NOT NULL DEFAULT 0,
    next_attempt_at bigint,
    created_at bigint NOT NULL,
    finished_at bigint,
    CONSTRAINT webhook_delivery_pending_is_due CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT webhook_delivery_pending_is_unfinished CHECK ((status = 'pending') = (finished_at IS NULL))
) WITH (autovacuum_vacuum_scale_factor = 0.05);

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
    delivery_number bigint NOT NULL CONSTRAINT webhook_attempt_delivery REFERENCES webhook_delivery (number) ON DELETE CASCADE,
    number bigint NOT NULL CONSTRAINT webhook_attempt_number CHECK (number >= 1),
    at bigint NOT NULL,
    url text COLLATE "C" NOT NULL,
    duration_milliseconds bigint NOT NULL,
    http_status bigint,
    error text COLLATE "C",
    response_body text COLLATE "C",
    CONSTRAINT webhook_attempt_key PRIMARY KEY (delivery_number, number)
);

-- Endpoints that are gone and whose deliveries are still there.
CREATE TABLE webhook_removal (
    webhook_id uuid NOT NULL CONSTRAINT webhook_removal_key PRIMARY KEY
);

CREATE FUNCTION webhook_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_removal (webhook_id) VALUES (OLD.id);
    RETURN NULL;
END $$;

CREATE TRIGGER webhook_deleted AFTER DELETE ON webhook FOR EACH ROW EXECUTE FUNCTION webhook_deleted();

-- The counts of an endpoint are changed by whoever holds the lock of its account, so what a delivery is beside the present generation stays true
-- meanwhile.

CREATE FUNCTION webhook_delivery_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE webhook SET pending = pending + CAST(NEW.status = 'pending' AS integer), missing = missing + CAST(NEW.status = 'cancelled' AS integer),
        version = version + 1
    WHERE id = NEW.webhook_id;
    RETURN NULL;
END $$;

-- Bringing in line a row that was cancelled by its generation changes nothing that anybody sees.
CREATE FUNCTION webhook_delivery_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE webhook SET
        pending = pending - CAST(OLD.status = 'pending' AND OLD.generation = generation AS integer)
            + CAST(NEW.status = 'pending' AND NEW.generation = generation AS integer),
        missing = missing - CAST(OLD.status = 'cancelled' OR OLD.status = 'pending' AND OLD.generation <> generation AS integer)
            + CAST(NEW.status = 'cancelled' OR NEW.status = 'pending' AND NEW.generation <> generation AS integer),
        version = version + CAST(NOT (OLD.status = 'pending' AND OLD.generation <> generation AND NEW.status = 'cancelled') AS integer)
    WHERE id = NEW.webhook_id;
    RETURN NULL;
END $$;

CREATE FUNCTION webhook_delivery_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE webhook SET
        pending = pending - CAST(OLD.status = 'pending' AND OLD.generation = generation AS integer),
        missing = missing - CAST(OLD.status = 'cancelled' OR OLD.status = 'pending' AND OLD.generation <> generation AS integer),
        last_delivery_number = nullif(last_delivery_number, OLD.number),
        version = version + 1
    WHERE id = OLD.webhook_id;
    RETURN NULL;
END $$;

CREATE TRIGGER webhook_delivery_inserted AFTER INSERT ON webhook_delivery FOR EACH ROW EXECUTE FUNCTION webhook_delivery_inserted();
CREATE TRIGGER webhook_delivery_updated AFTER UPDATE OF status, generation ON webhook_delivery FOR EACH ROW
EXECUTE FUNCTION webhook_delivery_updated();
CREATE TRIGGER webhook_delivery_deleted AFTER DELETE ON webhook_delivery FOR EACH ROW EXECUTE FUNCTION webhook_delivery_deleted();

-- How far imports have come, and what became of each of their lines, so that whoever sends an archive again under the same key has the rest of it
-- done.

CREATE TABLE import (
    number bigint GENERATED BY DEFAULT AS IDENTITY CONSTRAINT import_key PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT import_account REFERENCES account (id) ON DELETE CASCADE,
    -- NULL once the key means nothing any more, and may stand for another archive while these rows are cleared away.
    idempotency_key text COLLATE "C",
    -- SHA-256 of the archive, which tells another under the same key apart.
    archive_digest bytea NOT NULL CONSTRAINT import_archive_digest CHECK (length(archive_digest) = 32),
    begun_at bigint NOT NULL,
    -- Lines of the archive that are done, from the first on; each has a row below.
    lines_done bigint NOT NULL CONSTRAINT import_lines_done CHECK (lines_done >= 0)
);

CREATE UNIQUE INDEX import_by_key ON import (account_id, idempotency_key);
CREATE INDEX import_by_time ON import (begun_at);

-- Written in the transaction that creates the item. The item may be gone since.
CREATE TABLE import_line (
    import_number bigint NOT NULL CONSTRAINT import_line_import REFERENCES import (number) ON DELETE CASCADE,
    line bigint NOT NULL CONSTRAINT import_line_line CHECK (line >= 1),
    item_id uuid,
    -- Why there is no item, as JSON of the domain's.
    failure text COLLATE "C",
    CONSTRAINT import_line_item_or_failure CHECK ((item_id IS NULL) <> (failure IS NULL)),
    CONSTRAINT import_line_key PRIMARY KEY (import_number, line)
);

-- Credits: what accounts pay for trainings with, as a ledger that only grows.

-- How each ledger stands. Its writer keeps this beside the entries, in their transaction; `check` compares both.
CREATE TABLE credit_ledger (
    account_id uuid NOT NULL CONSTRAINT credit_ledger_key PRIMARY KEY CONSTRAINT credit_ledger_account REFERENCES account (id) ON DELETE CASCADE,
    -- The sum of the entries.
    balance bigint NOT NULL CONSTRAINT credit_ledger_balance CHECK (balance >= 0),
    -- How many there are.
    entry_count bigint NOT NULL CONSTRAINT credit_ledger_entry_count CHECK (entry_count >= 1)
) WITH (fillfactor = 50);

CREATE TABLE credit_entry (
    account_id uuid NOT NULL CONSTRAINT credit_entry_account REFERENCES account (id) ON DELETE CASCADE,
    -- Counts the entries of the account, from 1, without a gap.
    number bigint NOT NULL CONSTRAINT credit_entry_number CHECK (number >= 1),
    id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CONSTRAINT credit_entry_kind CHECK (kind IN ('grant', 'charge', 'refund', 'top_up', 'revoke')),
    amount bigint NOT NULL CONSTRAINT credit_entry_amount CHECK (CASE WHEN kind IN ('charge', 'revoke') THEN amount < 0 ELSE amount > 0 END),
    balance_after bigint NOT NULL CONSTRAINT credit_entry_balance_after CHECK (balance_after >= 0),
    -- Of a charge and a refund: whose training it is about. No reference, because entries outlive items.
    item_id uuid,
    note text COLLATE "C",
    at bigint NOT NULL,
    -- Of a refund: the number of the charge that it gives back.
    charge_number bigint,
    -- Of what was bought: the top-up that was paid.
    top_up_id uuid CONSTRAINT credit_entry_paid_has_top_up CHECK ((kind = 'top_up') = (top_up_id IS NOT NULL)),
    CONSTRAINT credit_entry_key PRIMARY KEY (account_id, number),
    CONSTRAINT credit_entry_training_has_item CHECK ((kind IN ('charge', 'refund')) = (item_id IS NOT NULL)),
    CONSTRAINT credit_entry_refund_has_charge CHECK ((kind = 'refund') = (charge_number IS NOT NULL))
);

-- No charge is given back twice, and what was paid stands in the ledger once, whatever the program believes.
CREATE UNIQUE INDEX credit_entry_refunding ON credit_entry (account_id, charge_number) WHERE charge_number IS NOT NULL;
CREATE UNIQUE INDEX credit_entry_of_top_up ON credit_entry (top_up_id) WHERE top_up_id IS NOT NULL;

-- Nor does an entry ever change, or go before its account.
CREATE TRIGGER credit_entry_changed BEFORE UPDATE ON credit_entry FOR EACH ROW EXECUTE FUNCTION refuse('the entries of a ledger never change');

CREATE FUNCTION credit_entry_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM account WHERE id = OLD.account_id) THEN
        RAISE EXCEPTION 'the entries of a ledger stay as long as its account' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER credit_entry_deleted BEFORE DELETE ON credit_entry FOR EACH ROW EXECUTE FUNCTION credit_entry_deleted();

-- The charge of each training that has not ended: with the end the row goes, and where that is no good one, its amount is given back.
CREATE TABLE open_charge (
    item_id uuid NOT NULL CONSTRAINT open_charge_key PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT open_charge_account REFERENCES account (id) ON DELETE CASCADE,
    charge_number bigint NOT NULL
);

CREATE INDEX open_charge_by_account ON open_charge (account_id);

-- What somebody who pays has asked for: credits that are bought for an account whenever it has few.
CREATE TABLE smart_balance (
    account_id uuid NOT NULL CONSTRAINT smart_balance_key PRIMARY KEY CONSTRAINT smart_balance_account REFERENCES account (id) ON DELETE CASCADE,
    -- A balance below this one is few.
    threshold bigint NOT NULL CONSTRAINT smart_balance_threshold CHECK (threshold >= 1),
    -- How many are bought at a time.
    amount bigint NOT NULL CONSTRAINT smart_balance_amount CHECK (amount >= 1),
    -- Why nothing is bought at present; NULL while it is.
    paused_reason text COLLATE "C" CONSTRAINT smart_balance_paused_reason CHECK (paused_reason <> '')
);

-- Credits that the payment service is asked to have paid for: there before it is asked for the first time, and open until it has said what came of
-- it.
CREATE TABLE top_up (
    -- What the payment service knows it by.
    id uuid NOT NULL CONSTRAINT top_up_key PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT top_up_account REFERENCES account (id) ON DELETE CASCADE,
    amount bigint NOT NULL CONSTRAINT top_up_amount CHECK (amount >= 1),
    -- The balance as it was asked for.
    balance bigint NOT NULL CONSTRAINT top_up_balance CHECK (balance >= 0),
    requested_at bigint NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'open' CONSTRAINT top_up_status CHECK (status IN ('open', 'paid', 'declined')),
    -- How often the payment service was asked.
    attempts bigint NOT NULL DEFAULT 0,
    next_attempt_at bigint,
    finished_at bigint,
    CONSTRAINT top_up_open_is_due CHECK ((status = 'open') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT top_up_open_is_unfinished CHECK ((status = 'open') = (finished_at IS NULL))
);

-- An account has one at a time, whatever the program believes.
CREATE UNIQUE INDEX top_up_open ON top_up (account_id) WHERE status = 'open';
CREATE INDEX top_up_by_account ON top_up (account_id);
-- What is to be asked for: those that were asked for before apart from the others.
CREATE INDEX top_up_due ON top_up ((attempts > 0), next_attempt_at) WHERE status = 'open';

-- Top-ups whose accounts were deleted before anybody knew what came of them. They go once the operator was told.
CREATE TABLE abandoned_top_up (
    id uuid NOT NULL CONSTRAINT abandoned_top_up_key PRIMARY KEY,
    account_id uuid NOT NULL
);

CREATE FUNCTION top_up_abandoned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO abandoned_top_up (id, account_id) VALUES (OLD.id, OLD.account_id);
    RETURN NULL;
END $$;

CREATE TRIGGER top_up_abandoned AFTER DELETE ON top_up FOR EACH ROW WHEN (OLD.status = 'open') EXECUTE FUNCTION top_up_abandoned();
