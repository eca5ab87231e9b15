"""Whether some groups of learners are served worse by the model than others.

Belongs here: the rows of risk.fairness. Does not belong here: metrics over all learners (`metrics.py`), how groups
compare (`groups.py`), how far they may differ (`gate.py`). The attributes are for this audit alone and never features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from models.groups import MINIMUM_GROUP_ENROLMENTS, NO_ROW, NOT_STATED, TOO_SMALL, Gap, attribute_names, audited_rows
from models.metrics import UNKNOWN, Codes, Estimate, Vector, arrays, expected_over_observed, ratio

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


def fairness_rows(
    predictions: pl.DataFrame, audit_attributes: pl.DataFrame | None, gaps: Sequence[Gap] = ()
) -> pl.DataFrame:
    """Audit the model's 28-day predictions by group: the columns of risk.fairness but model_id.

    Args:
        predictions: columns of risk.prediction but model_id.
        audit_attributes: enrolment_id and one text column an attribute; an enrolment that is missing, or has no
            value, is in the group "not stated". None, or no attribute column, means that there are none.
        gaps: of the same rows; each becomes a row too, ABROCA with two more for what chance alone would give.

    Metrics at the alert budget, the 10 % of rows with the highest probabilities:
    alert_rate = alerted / rows; recall = alerted events / events; false_positive_rate = alerted non-events /
    non-events; base_rate = events / rows. All 0..1, with 95 % intervals by enrolment. Over all rows of the group:
    expected_over_observed = sum of probabilities / events, from 0, 1 is right.
    A group of fewer than 100 enrolments is "not audited", and so is a metric without a denominator. There is no
    "pass": a figure is shown and judged by people.
    """
    rows = audited_rows(predictions)
    attributes = attribute_names(audit_attributes)
    if audit_attributes is None or not attributes:
        events = int(rows["outcome_value"].sum())
        return pl.DataFrame(
            [("all", "all", "all", None, None, None, rows.height, events, "not audited", "no attributes")],
            schema=_SCHEMA,
            orient="row",
        )
    rows = rows.join(audit_attributes, on="enrolment_id", how="left", validate="m:1", maintain_order="left")
    found: list[dict[str, object]] = []
    for attribute in attributes:
        grouped = rows.with_columns(pl.col(attribute).cast(pl.String).fill_null(NOT_STATED)).sort(
            attribute, "observed_epoch_day", "enrolment_id"
        )
        for (group,), part in grouped.group_by(attribute, maintain_order=True):
            found += [{"attribute_name": attribute, "group_name": group, **row} for row in _group_rows(part)]
    found += [row for gap in gaps for row in _gap_rows(gap)]
    return pl.DataFrame(found, schema=_SCHEMA)


def _gap_rows(gap: Gap) -> Iterator[dict[str, object]]:
    row = {
        "attribute_name": gap.attribute,
        "group_name": gap.group,
        "n_count": gap.n_count,
        "n_events_count": gap.n_events_count,
        "audit_verdict": "audited" if gap.withheld is None else "not audited",
        "audit_reason": gap.withheld,
    }
    estimate = gap.estimate
    yield row | {
        "metric_name": gap.name,
        "metric_value": estimate.value,
        "metric_low": estimate.low,
        "metric_high": estimate.high,
    }
    if gap.metric == "abroca" and gap.withheld is None:
        yield row | {"metric_name": f"{gap.name}_null_mean", "metric_value": gap.null_mean}
        yield row | {"metric_name": f"{gap.name}_null_deviation", "metric_value": gap.deviation}


def _group_rows(part: pl.DataFrame) -> Iterator[dict[str, object]]:
    outcome, probability, cluster = arrays(part)
    is_small = int(cluster.max()) + 1 < MINIMUM_GROUP_ENROLMENTS
    judged = {
        name: _audited(numerator, denominator, cluster, is_small=is_small)
        for name, (numerator, denominator) in _shares(outcome, part["alerted"].to_numpy()).items()
    }
    calibration = UNKNOWN if is_small else expected_over_observed(outcome, probability, cluster, share=1)
    why = TOO_SMALL if is_small else NO_ROW if calibration.value is None else None
    judged["expected_over_observed"] = calibration, why
    for name, (estimate, reason) in judged.items():
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
        return UNKNOWN, TOO_SMALL
    if denominator.sum() == 0:
        return UNKNOWN, NO_ROW
    return ratio(numerator, denominator, cluster), None
