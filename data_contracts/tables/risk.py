"""Tables of schema `risk`: models, scores, reasons, quality.

Belongs here: what training and scoring write; these are records and outlive a rebuild. Does not belong here: marts.
"""

from __future__ import annotations

from data_contracts.schema import Table
from data_contracts.tables import table

MODEL = table(
    "risk.model",
    "Trained models and which of them is champion",
    grain="one row per model",
    key="model_id",
    spec="model_id trained_at state:model_state feature_contract_hash n_count n_events_count",
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
    "is_too_early course_base_share* model_id* code_version",
)
REASON = table(
    "risk.reason",
    "Why the risk is what it is, from exact TreeSHAP, for enrolments from the alert floor's probability on",
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

RISK_TABLES: tuple[Table, ...] = (MODEL, PREDICTION, SCORE, REASON, QUALITY, FAIRNESS)
