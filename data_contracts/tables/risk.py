"""Tables of schema `risk`: models, scores, reasons, quality.

Belongs here: what training and scoring write; these are records and outlive a rebuild. Does not belong here: marts.
"""

from __future__ import annotations

from data_contracts.schema import Table
from data_contracts.tables import table
from data_contracts.tables.effects import EFFECT_TABLES

MODEL = table(
    "risk.model",
    "Trained models, what they were trained on, what the gate said and which of them is champion",
    grain="one row per model",
    key="model_id",
    spec="model_id trained_at state:model_state feature_contract_hash n_count n_events_count trained_through_on* "
    "data_mark* code_version* gate_verdict* promoted_by* promoted_at*",
)
PROMOTION = table(
    "risk.promotion",
    "Every change of champion, by the gate or by hand; the latest as of a night says whose scores it has",
    grain="one row per change",
    key="promotion_number",
    spec="promotion_number promotion_kind model_id previous_model_id* promoted_at promoted_by promotion_reason "
    "decided_at:promotion_decided_at*",
)
GATE = table(
    "risk.gate",
    "What the gate checked of each model before it could become champion",
    grain="one row per model, check, horizon and subject",
    key="model_id check_name horizon subject",
    spec="model_id check_kind check_name horizon subject:check_subject metric_value* metric_low* metric_high* "
    "limit_low* limit_high* n_count n_events_count is_passed* is_blocking reason:check_reason",
)
REFERENCE = table(
    "risk.reference",
    "How features and scores were distributed in the training rows of each model",
    grain="one row per model, feature or score, and bin",
    key="model_id subject bin_index",
    spec="model_id subject:check_subject bin_index upper_edge* expected_share",
)
DRIFT = table(
    "risk.drift",
    "How far each night's features, scores and lateness are from those of the training",
    grain="one row per night and subject",
    key="observed_at drift_kind subject",
    spec="observed_at model_id drift_kind subject:check_subject metric_name metric_value* limit_high* n_count "
    "drift_verdict",
)
PREDICTION = table(
    "risk.prediction",
    "Out-of-sample predictions on the latest closed fold, of the model and both baselines",
    grain="one row per model, landmark, horizon and estimator",
    key="model_id enrolment_id observed_epoch_day horizon estimator",
    level="learner",
    spec="model_id enrolment_id course_id* observed_epoch_day week_index horizon estimator outcome_value:metric_value "
    "probability:abandonment_probability_28d",
)
SCORE = table(
    "risk.score",
    "Tonight's scores, one history row a night",
    grain="one row per enrolment and observed_at",
    key="enrolment_id observed_at",
    level="learner",
    spec="enrolment_id learner_id programme_id course_id* participation_id observed_at risk_score_7d* risk_score_28d* "
    "abandonment_probability_7d* abandonment_probability_28d* risk_band* risk_rank* probability_change_7d* "
    "is_too_early course_base_share* model_id* code_version publication_id*",
)
REASON = table(
    "risk.reason",
    "Why the risk is what it is, from exact contributions, for enrolments from the alert floor's probability on",
    grain="one row per enrolment and observed_at",
    key="enrolment_id observed_at",
    level="learner",
    spec="enrolment_id observed_at reason_1_family* reason_1_text* reason_2_family* reason_2_text* reason_3_family* "
    "reason_3_text* level*",
)
QUALITY = table(
    "risk.quality",
    "Metrics on the latest closed fold",
    grain="one row per model, estimator, horizon, slice and metric",
    key="model_id estimator horizon slice_kind slice_value metric_name",
    spec="model_id estimator horizon slice_kind slice_value metric_name metric_value* metric_low* metric_high* n_count "
    "n_events_count fold_starts_on* fold_ends_on*",
)
FAIRNESS = table(
    "risk.fairness",
    "Metrics by audit group on the latest closed fold",
    grain="one row per model, attribute, group and metric",
    key="model_id attribute_name group_name metric_name",
    spec="model_id attribute_name group_name metric_name metric_value* metric_low* metric_high* n_count "
    "n_events_count audit_verdict audit_reason*",
)

RISK_TABLES: tuple[Table, ...] = (
    MODEL,
    PROMOTION,
    GATE,
    REFERENCE,
    DRIFT,
    PREDICTION,
    SCORE,
    REASON,
    QUALITY,
    FAIRNESS,
    *EFFECT_TABLES,
)
