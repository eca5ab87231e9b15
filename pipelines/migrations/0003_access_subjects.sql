-- A read is told with who called and whom it was about; of those before only when, what and how many rows are known.
ALTER TABLE ops.access_log ADD COLUMN IF NOT EXISTS access_number BIGINT;
ALTER TABLE ops.access_log ADD COLUMN IF NOT EXISTS caller VARCHAR;
UPDATE ops.access_log SET access_number = rowid + 1 WHERE access_number IS NULL;
CREATE TABLE IF NOT EXISTS ops.access_subject (access_number BIGINT, learner_id VARCHAR);
