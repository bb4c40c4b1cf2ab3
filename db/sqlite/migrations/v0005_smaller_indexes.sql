-- A search that walks through a list by time looks at rows of names that come soon, or it would not walk. So the indexes by time need no copies of
-- the names any more; the key, which every index of this table ends with, is no longer spelled out.
DROP INDEX pikzonality_by_time;
CREATE INDEX pikzonality_by_time ON pikzonality (account_id, mode, created_at);

DROP INDEX pikzonality_by_status_and_time;
CREATE INDEX pikzonality_by_status_and_time ON pikzonality (account_id, mode, status, created_at);
