-- Models say what they were trained on and what the gate said of them; every change of champion is a row.
ALTER TABLE risk.model ADD COLUMN trained_through_on DATE;
ALTER TABLE risk.model ADD COLUMN data_mark VARCHAR;
ALTER TABLE risk.model ADD COLUMN code_version VARCHAR;
ALTER TABLE risk.model ADD COLUMN gate_verdict VARCHAR;
ALTER TABLE risk.model ADD COLUMN promoted_by VARCHAR;
ALTER TABLE risk.model ADD COLUMN promoted_at TIMESTAMP;
ALTER TABLE risk.score ADD COLUMN publication_id VARCHAR;
CREATE TABLE risk.promotion (
    promotion_number BIGINT, promotion_kind VARCHAR, model_id VARCHAR, previous_model_id VARCHAR,
    promoted_at TIMESTAMP, promoted_by VARCHAR, promotion_reason VARCHAR, decided_at TIMESTAMP);
-- Before there was a gate, each model was champion from its training until the next one's.
UPDATE risk.model SET promoted_by = 'newest', promoted_at = trained_at;
INSERT INTO risk.promotion
SELECT row_number() OVER history, 'promotion', model_id, lag(model_id) OVER history, trained_at, 'newest',
    'the newest model was champion before there was a gate', NULL
FROM risk.model
WINDOW history AS (ORDER BY trained_at, state = 'champion', model_id);
