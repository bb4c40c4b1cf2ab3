-- Since when a job is cancelled, which the worker is to be told that held it: it is remembered for a day from then. Until now that day began with the
-- job, which may have waited longer than that; now that owners cancel jobs, its worker would not be told.
ALTER TABLE training_job ADD COLUMN cancelled_at INTEGER;
UPDATE training_job SET cancelled_at = created_at WHERE state = 'cancelled';

-- Cancelled jobs are found by that time, and are in nobody's way who looks for one that is to be done.
CREATE INDEX training_job_cancelled ON training_job (cancelled_at) WHERE cancelled_at IS NOT NULL;
DROP INDEX training_job_unfinished;
CREATE INDEX training_job_unfinished ON training_job (state, id) WHERE state = 'queued' OR state = 'leased';
