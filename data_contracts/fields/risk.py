"""Fields about landmarks, labels, scores and model quality.

Belongs here: what the risk model reads (besides features) and writes. Does not belong here: features, which
`features/` names and describes itself and `tables/features.py` collects.
"""

from __future__ import annotations

from data_contracts.schema import count, date, flag, instant, integer, number, share, text

BANDS = ("low", "middle", "high")

FIELDS = (
    integer("observed_epoch_day", "Local day that begins at observed_at; features see days before it", "days"),
    integer("week_index", "Weeks since the grid's first landmark", "weeks"),
    flag("is_scoring", "Whether the row is tonight's landmark rather than one of the training history"),
    integer("abandons_7d", "1 if the enrolment is abandoned within 7 days, 0 if not, null if not yet known"),
    integer("abandons_28d", "1 if the enrolment is abandoned within 28 days, 0 if not, null if not yet known"),
    integer("abandons_end", "1 if the enrolment is abandoned before the course ends, 0 if not, null if not yet known"),
    integer("fails_or_abandons_end", "1 if abandoned or failed by the end of the course, 0 if not, null if not known"),
    number("risk_score_7d", "Raw model output for 7 days, before calibration", "log odds"),
    number("risk_score_28d", "Raw model output for 28 days, before calibration", "log odds"),
    share("abandonment_probability_7d", "Calibrated probability of abandonment within 7 days"),
    share("abandonment_probability_28d", "Calibrated probability of abandonment within 28 days"),
    text("risk_band", "Band of the 28-day probability: low under .10, high from .30", *BANDS),
    count("risk_rank", "Rank within the course, 1 is the highest risk", "rank"),
    number("probability_change_7d", "28-day probability less that of a week ago", "probability"),
    flag("is_too_early", "Whether history is too short for the score to mean much"),
    text("model_id", "Content hash of the model, null where rules alone apply"),
    text("reason_1_family", "Feature family of the first reason"),
    text("reason_2_family", "Feature family of the second reason"),
    text("reason_3_family", "Feature family of the third reason"),
    text("reason_1_text", "First reason, in words"),
    text("reason_2_text", "Second reason, in words"),
    text("reason_3_text", "Third reason, in words"),
    text("slice_kind", "What the slice is cut by", "all", "week", "course", "group"),
    text("slice_value", "Which part of the slice"),
    text("metric_name", "Name of the metric"),
    number("metric_value", "Value of the metric; null where it cannot be said"),
    number("metric_low", "Lower end of the 95 % interval"),
    number("metric_high", "Upper end of the 95 % interval"),
    text("estimator", "What made the prediction", "model", "logistic_regression", "inactive_7d_rule"),
    text("horizon", "Prediction horizon", "7d", "28d", "end"),
    count("n_count", "Rows behind the figure", "rows"),
    count("n_events_count", "Events behind the figure", "events"),
    text("attribute_name", "Audit attribute"),
    text("group_name", "Group of the attribute"),
    text("audit_verdict", "What the audit says", "audited", "not audited"),
    text("audit_reason", "Why it was not audited"),
    instant("trained_at", "Observation time of the training data"),
    date("fold_starts_on", "First day of the test fold"),
    date("fold_ends_on", "Last day of the test fold"),
    text("model_state", "How the model stands", "champion", "former"),
    text("feature_contract_hash", "Hash of the feature contract the model was trained on"),
)
