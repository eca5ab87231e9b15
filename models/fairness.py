"""Whether some groups of learners are served worse by the model than others.

Belongs here: the rows of risk.fairness. Does not belong here: metrics over all learners (`metrics.py`). The
attributes are for this audit alone and never features.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from models.metrics import BUDGET_SHARE, UNKNOWN, Codes, Estimate, Vector, arrays, ratio, top_share

MINIMUM_GROUP_ENROLMENTS = 100
NOT_STATED = "not stated"

_SCHEMA = pl.Schema(
    {
        "attribute_name": pl.String,
        "group_name": pl.String,
        "metric_name": pl.String,
        "metric_value": pl.Float64,
        "metric_low": pl.Float64,
        "metric_high": pl.Float64,
        "n_count": pl.Int64,
        "n_events_count": pl.Int64,
        "audit_verdict": pl.String,
        "audit_reason": pl.String,
    }
)


def fairness_rows(predictions: pl.DataFrame, audit_attributes: pl.DataFrame | None) -> pl.DataFrame:
    """Audit the model's 28-day predictions by group: the columns of risk.fairness but model_id.

    Args:
        predictions: columns of risk.prediction but model_id.
        audit_attributes: enrolment_id and one text column an attribute; an enrolment that is missing, or has no
            value, is in the group "not stated". None, or no attribute column, means that there are none.

    Metrics at the alert budget, the 10 % of rows with the highest probabilities:
    alert_rate = alerted / rows; recall = alerted events / events; false_positive_rate = alerted non-events /
    non-events; base_rate = events / rows. All 0..1, with 95 % intervals by enrolment.
    A group of fewer than 100 enrolments is "not audited", and so is a metric without a denominator. There is no
    "pass": a figure is shown and judged by people.
    """
    rows = predictions.filter((pl.col("estimator") == "model") & (pl.col("horizon") == "28d"))
    attributes = [] if audit_attributes is None else [c for c in audit_attributes.columns if c != "enrolment_id"]
    if audit_attributes is None or not attributes:
        events = int(rows["outcome_value"].sum())
        return pl.DataFrame(
            [("all", "all", "all", None, None, None, rows.height, events, "not audited", "no attributes")],
            schema=_SCHEMA,
            orient="row",
        )
    # the budget is spent over everyone, before groups are looked at
    rows = rows.with_columns(pl.Series("alerted", top_share(rows["probability"].to_numpy(), BUDGET_SHARE)))
    rows = rows.join(audit_attributes, on="enrolment_id", how="left", validate="m:1", maintain_order="left")
    found: list[dict[str, object]] = []
    for attribute in attributes:
        grouped = rows.with_columns(pl.col(attribute).cast(pl.String).fill_null(NOT_STATED)).sort(
            attribute, "observed_epoch_day", "enrolment_id"
        )
        for (group,), part in grouped.group_by(attribute, maintain_order=True):
            found += [{"attribute_name": attribute, "group_name": group, **row} for row in _group_rows(part)]
    return pl.DataFrame(found, schema=_SCHEMA)


def _group_rows(part: pl.DataFrame) -> Iterator[dict[str, object]]:
    outcome, _, cluster = arrays(part)
    is_small = int(cluster.max()) + 1 < MINIMUM_GROUP_ENROLMENTS
    for name, (numerator, denominator) in _shares(outcome, part["alerted"].to_numpy()).items():
        estimate, reason = _audited(numerator, denominator, cluster, is_small=is_small)
        yield {
            "metric_name": name,
            "metric_value": estimate.value,
            "metric_low": estimate.low,
            "metric_high": estimate.high,
            "n_count": outcome.size,
            "n_events_count": int(outcome.sum()),
            "audit_verdict": "audited" if reason is None else "not audited",
            "audit_reason": reason,
        }


def _shares(outcome: Vector, alerted: Vector) -> dict[str, tuple[Vector, Vector]]:
    """Numerator and denominator of each metric, by row."""
    everyone = np.ones_like(outcome)
    return {
        "recall": (alerted * outcome, outcome),
        "false_positive_rate": (alerted * (1 - outcome), 1 - outcome),
        "alert_rate": (alerted, everyone),
        "base_rate": (outcome, everyone),
    }


def _audited(numerator: Vector, denominator: Vector, cluster: Codes, *, is_small: bool) -> tuple[Estimate, str | None]:
    if is_small:
        return UNKNOWN, f"n below {MINIMUM_GROUP_ENROLMENTS}"
    if denominator.sum() == 0:
        return UNKNOWN, "no row to judge it by"
    return ratio(numerator, denominator, cluster), None
