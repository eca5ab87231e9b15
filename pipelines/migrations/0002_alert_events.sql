-- Alerts have a life of events; what they take of a mentor's week and why they ended stands beside them.
CREATE OR REPLACE TABLE alerts.alert AS
SELECT alert_id, participation_id, observed_at, learner_id, programme_id, course_id, enrolment_id, mentor_id, kind, rule,
    state, opened_at, state_at, CASE WHEN state = 'resolved' THEN 'cause_gone' END AS resolution,
    CAST(NULL AS TIMESTAMP) AS escalated_at, CAST(NULL AS TIMESTAMP) AS last_contact_at, abandonment_probability_28d,
    risk_band, probability_change_7d, is_too_early, reason_1_family, reason_1_text, reason_2_family, reason_2_text,
    reason_3_family, reason_3_text, level, channel, expected_minutes, expected_minutes AS due_minutes, next_step,
    is_served, unserved_reason, route_kind, CAST(NULL AS VARCHAR) AS ranked_by, CAST(NULL AS DOUBLE) AS routing_value,
    model_id
FROM alerts.alert;
CREATE OR REPLACE TABLE alerts.capacity AS
SELECT mentor_id, observed_at, week_starts_on, available_minutes, planned_minutes, used_minutes,
    CAST(0 AS DOUBLE) AS alert_minutes, is_capacity_assumed
FROM alerts.capacity;
CREATE TABLE alerts.event (
    alert_id VARCHAR, event_number BIGINT, participation_id VARCHAR, learner_id VARCHAR, event_kind VARCHAR,
    happened_at TIMESTAMP, observed_at TIMESTAMP, kind VARCHAR, rule VARCHAR, by_id VARCHAR, verdict VARCHAR,
    contacted_at TIMESTAMP, resolution VARCHAR);
-- Until now a night wrote an alert's state; nobody but the night changed it.
INSERT INTO alerts.event BY NAME
SELECT alert_id, 1 AS event_number, any_value(participation_id) AS participation_id, any_value(learner_id) AS learner_id,
    'opened' AS event_kind, any_value(opened_at) AS happened_at, any_value(opened_at) AS observed_at,
    arg_min({'kind': kind, 'rule': rule}, observed_at).kind AS kind,
    arg_min({'kind': kind, 'rule': rule}, observed_at).rule AS rule
FROM alerts.alert GROUP BY alert_id ORDER BY alert_id;
INSERT INTO alerts.event BY NAME
SELECT alert_id, 2 AS event_number, participation_id, learner_id, 'resolved' AS event_kind, state_at AS happened_at,
    observed_at, kind, rule, resolution
FROM alerts.alert WHERE state = 'resolved'
QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY observed_at) = 1 ORDER BY alert_id;
