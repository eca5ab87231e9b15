"""The risk model judged on a whole presentation that it has not seen: targets, folds and figures.

Belongs here: from rows with features and outcomes to predictions and their metrics, beside both baselines. Does
not belong here: which rows there are (`pipelines.evaluation`), the model itself (`train.py`), single metrics
(`metrics.py`).

A row is an enrolment at the end of a presentation's day 0, 7, 14 ... A presentation is a set of course runs that
start together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from models.metrics import METRICS, arrays, precision_at, recall_at
from models.split import Fold, given_fold
from models.train import TrainingSettings, out_of_sample

TARGETS: Mapping[str, int | None] = MappingProxyType(
    {"withdraw_7d": 7, "withdraw_28d": 28, "withdraw_end": None, "withdraw_or_fail": None}
)
"""Columns of outcomes, and within how many days they are asked for; None is by the end of the presentation."""

SPANS: Mapping[str, tuple[str, int, int]] = MappingProxyType(
    {"withdraw_7d": ("weeks_0_to_9", 0, 63), "withdraw_28d": ("days_28_to_168", 28, 168)}
)
"""The stretch of days, first and last included, that is pooled besides: the one a target is compared by."""

_METRICS = METRICS | {
    "recall_at_20_percent": partial(recall_at, share=0.2),
    "precision_at_20_percent": partial(precision_at, share=0.2),
}
_GAP_DAYS = 28
_DECIMALS = 6

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """A target's predictions on the test presentation, and what the model behind them was trained on.

    `predictions` has the rows' key (enrolment_id, code_module, code_presentation, id_student, day), estimator,
    outcome_value (0 or 1) and probability.
    """

    predictions: pl.DataFrame
    training: Mapping[str, int]


def forward(rows: pl.DataFrame, target: str, *, test_presentation: str, settings: TrainingSettings) -> Judged:
    """Predict a target on one presentation by a model and both baselines of all earlier ones.

    Args:
        rows: the key, `observed_epoch_day`, `week_index`, `course_id`, the features and `target`, which is null where
            a row takes no part; every other presentation in it starts before the test presentation.
        target: one of `TARGETS`.
        test_presentation: the value of code_presentation to test on.
        settings: how to train.

    Raises `SplitError` where the past rows do not reach over two parts, `FeatureFrameError` where a feature is
    missing.
    """
    known = rows.filter(pl.col(target).is_not_null()).sort("observed_epoch_day", "enrolment_id")
    fold = _fold(known, test_presentation, TARGETS[target] or _GAP_DAYS)
    predictions, _, shape = out_of_sample(known, fold, label=target, horizon=target, settings=settings)
    key = known.select("enrolment_id", "observed_epoch_day", "code_module", "code_presentation", "id_student", "day")
    trained_on = known.filter(pl.Series(fold.past))
    return Judged(
        key.join(
            predictions.select("enrolment_id", "observed_epoch_day", "estimator", "outcome_value", "probability"),
            on=("enrolment_id", "observed_epoch_day"),
        )
        .drop("observed_epoch_day")
        .sort("estimator", "code_module", "day", "id_student"),
        {
            "n_count": trained_on.height,
            "n_events_count": int(trained_on[target].sum()),
            "leaves_count": shape.leaves,
            "rounds_count": shape.rounds,
        },
    )


def _fold(rows: pl.DataFrame, test_presentation: str, gap_days: int) -> Fold:
    """Calibrate on the latest past presentation by a model of those before; on late rows where only one is past.

    The score's scale slips from one presentation to the next, which only rows of a presentation that the model has not
    seen can show.
    """
    is_test = (rows["code_presentation"] == test_presentation).to_numpy()
    starts = (
        rows.filter(pl.Series(~is_test))
        .group_by("code_presentation")
        .agg(start=(pl.col("observed_epoch_day") - pl.col("day")).min())
        .sort("start")["code_presentation"]
    )
    if starts.len() < 2:
        return given_fold(rows, is_past=~is_test, is_test=is_test, horizon_days=gap_days)
    is_latest = (rows["code_presentation"] == starts[-1]).to_numpy()
    return Fold(train=~is_test & ~is_latest, calibration=is_latest, past=~is_test, test=is_test)


def figures(predictions: pl.DataFrame, target: str) -> dict[str, Figures]:
    """Judge predictions: by estimator `pooled`, the target's span of `SPANS`, `by_day` and `by_module`.

    Each holds n_count, n_events_count and every metric with its value and 95 % interval; null where the rows cannot
    support it. Intervals count enrolments, not rows.
    """
    found: dict[str, Figures] = {}
    for (estimator,), part in predictions.group_by("estimator", maintain_order=True):
        one: Figures = {"pooled": _judged(part)}
        if target in SPANS:
            name, first, last = SPANS[target]
            within = part.filter(pl.col("day").is_between(first, last))
            one |= {name: _judged(within)} if within.height else {}
        one["by_day"] = dict(_by(part, "day"))
        one["by_module"] = dict(_by(part, "code_module"))
        found[str(estimator)] = one
    return found


def _by(part: pl.DataFrame, column: str) -> Iterator[tuple[str, Figures]]:
    for (value,), rows in part.sort(column, maintain_order=True).group_by(column, maintain_order=True):
        yield str(value), _judged(rows)


def _judged(rows: pl.DataFrame) -> Figures:
    outcome, probability, cluster = arrays(rows)
    judged: Figures = {"n_count": rows.height, "n_events_count": int(outcome.sum())}
    for name, metric in _METRICS.items():
        estimate = metric(outcome, probability, cluster)
        judged[name] = {
            end: None if value is None or not np.isfinite(value) else round(value, _DECIMALS)
            for end, value in (("value", estimate.value), ("low", estimate.low), ("high", estimate.high))
        }
    return judged
