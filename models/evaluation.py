"""The risk model judged on a whole presentation that it has not seen: targets, folds and figures.

Belongs here: from rows with features and outcomes to predictions and their metrics, beside both baselines. Does
not belong here: which rows there are (`pipelines.evaluation`), the model itself (`train.py`), single metrics
(`metrics.py`).

A row is an enrolment at the end of a presentation's day 0, 7, 14 ... A presentation is a set of course runs that
start together.

Two modes. *Forward*: one model of all presentations that started before. *Prequential*: as the nightly lives it. On each
landmark day of the tested presentation the model is trained anew on every window that has closed by that calendar day,
those of the running presentation included, and each course has an offset that follows its running rate. Nothing that
happens on that day or later is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit

from models.calibrate import IDENTITY, course_offsets
from models.lookahead import Examples, Mask, Vector, examples_of, together
from models.metrics import METRICS, UNKNOWN, Z_95, Estimate, arrays, lead_days
from models.split import Fold, given_fold
from models.train import (
    Shape,
    TrainingSettings,
    calibrators_of,
    chosen_shape,
    feature_matrix,
    fit_estimator,
    judged_rows,
    out_of_sample,
)

TARGETS: Mapping[str, int | None] = MappingProxyType(
    {"withdraw_7d": 7, "withdraw_28d": 28, "withdraw_end": None, "withdraw_or_fail": None}
)
"""Columns of outcomes, and within how many days they are asked for; None is by the end of the presentation."""

REST = "rest_days"
"""Column of the days that are left of the presentation."""

ASKED: Sequence[Mapping[str, int | str]] = (
    {"withdraw_7d": 7, "withdraw_28d": 28},
    {"withdraw_end": REST},
    {"withdraw_or_fail": REST},
)
"""Labels that one model learns together, with their look-ahead."""

SPANS: Mapping[str, tuple[str, int, int]] = MappingProxyType(
    {"withdraw_7d": ("weeks_0_to_9", 0, 63), "withdraw_28d": ("days_28_to_168", 28, 168)}
)
"""The stretch of days, first and last included, that is pooled besides: the one a target is compared by."""

_GAP_DAYS = 28
_DECIMALS = 6
_KEY = ("enrolment_id", "code_module", "code_presentation", "id_student", "day")

Figures = dict[str, Any]
OnDay = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions on the test presentation, and what the model behind them was trained on.

    `predictions` has the rows' key (enrolment_id, code_module, code_presentation, id_student, day), observed_epoch_day,
    ended_epoch_day, target, estimator, outcome_value (0 or 1), probability, is_batch_end, whether the row's event is
    one of an administrative batch, and is_new_learner, whether the learner is seen in no presentation that began before.
    """

    predictions: pl.DataFrame
    training: Mapping[str, int]


def forward(
    rows: pl.DataFrame, labels: Mapping[str, int | str], *, test_presentation: str, settings: TrainingSettings
) -> Judged:
    """Predict on one presentation by a model and both baselines of all earlier ones.

    Args:
        rows: the key, `observed_epoch_day`, `ended_epoch_day`, `week_index`, `course_id`, `rest_days`, `is_batch_end`, the
            features, and the columns of `labels`, which are null where a row takes no part; every other presentation in it
            starts before the test presentation.
        labels: one of `ASKED`.
        test_presentation: the value of code_presentation to test on.
        settings: how to train.

    Raises `SplitError` where the past rows do not reach over two parts, `FeatureFrameError` where a feature is
    missing.
    """
    known, examples = _examples(rows, labels)
    fold = _fold(known, examples, test_presentation)
    predictions, _, shape = out_of_sample(
        known, examples, fold, horizons={name: name for name in labels}, settings=settings
    )
    return Judged(_keyed(known, predictions), _told(examples.where(fold.past), shape))


def prequential(
    rows: pl.DataFrame,
    labels: Mapping[str, int | str],
    *,
    test_presentation: str,
    settings: TrainingSettings,
    on_day: OnDay = lambda _day, _of: None,
) -> Judged:
    """Predict each landmark day of a presentation by what was known on its morning; arguments as for `forward`.

    `on_day` is told how many landmark days are done, and of how many.
    """
    known, examples = _examples(rows, labels)
    features = feature_matrix(known)
    is_test = (known["code_presentation"] == test_presentation).to_numpy()[examples.row]
    days = np.unique(examples.observed_on[is_test])
    past = examples.where(~is_test & (examples.closes_on <= days[0]))
    fold = _past_fold(known, past)
    early, shape = chosen_shape(features, past, fold, settings)
    judges = past.where(fold.calibration)
    raw = early.raw_score(features[judges.row], judges.days, threads=settings.threads)
    start = calibrators_of(raw, judges, known["course_id"])
    estimator, seen = early, 0
    found: list[pl.DataFrame] = []
    shortest = next(iter(labels))
    scored: list[tuple[Examples, Vector]] = []
    for number, day in enumerate(days, 1):
        closed = examples.where((examples.closes_on <= day) & (examples.observed_on < day))
        if closed.size != seen:
            estimator, seen = fit_estimator(features, closed, settings, shape), closed.size
        offsets = _running_offsets(scored, known, int(day))
        for name in labels:
            asked = examples.where(is_test & examples.of(name) & (examples.observed_on == day))
            trees, line = estimator.halves(features[asked.row], asked.days, threads=settings.threads)
            test = known[asked.row]
            calibrated = replace(start[name], offsets={}).log_odds((trees + line) / 2)
            if name == shortest:
                scored.append((asked, calibrated))
            probability = replace(IDENTITY, offsets=offsets).probability(calibrated, test["course_id"])
            found.append(judged_rows(test, name, asked.outcome, probability, expit(line)))
        on_day(number, days.size)
    return Judged(_keyed(known, pl.concat(found)), _told(past, shape))


def _running_offsets(scored: list[tuple[Examples, Vector]], rows: pl.DataFrame, day: int) -> dict[str, float]:
    """What the shortest windows that have closed by a day say of each course, beside what was predicted for them."""
    counts = [(asked.closes_on <= day) & asked.teaches for asked, _ in scored]
    if not any(one.any() for one in counts):
        return {}
    closed = together([asked.where(one) for (asked, _), one in zip(scored, counts, strict=True)])
    log_odds = np.concatenate([odds[one] for (_, odds), one in zip(scored, counts, strict=True)])
    return course_offsets(log_odds, closed.outcome, rows["course_id"][closed.row])


def _examples(rows: pl.DataFrame, labels: Mapping[str, int | str]) -> tuple[pl.DataFrame, Examples]:
    known = rows.sort("observed_epoch_day", "enrolment_id")
    is_known = {name: known[name].is_not_null().to_numpy() for name in labels}
    return known, examples_of(known, labels, is_known, is_batch=known["is_batch_end"].to_numpy())


def _keyed(rows: pl.DataFrame, predictions: pl.DataFrame) -> pl.DataFrame:
    """Predictions with the rows' key."""
    first = pl.col("code_presentation").min_by("observed_epoch_day").over("id_student")
    key = rows.select(
        *_KEY,
        "observed_epoch_day",
        "ended_epoch_day",
        "is_batch_end",
        is_new_learner=first == pl.col("code_presentation"),
    )
    kept = predictions.select(
        "enrolment_id", "observed_epoch_day", "estimator", "outcome_value", "probability", target="horizon"
    )
    return (
        key.join(kept, on=("enrolment_id", "observed_epoch_day"))
        .with_columns(pl.col("is_batch_end") & (pl.col("outcome_value") == 1))
        .sort("target", "estimator", "code_module", "day", "id_student")
    )


def _told(examples: Examples, shape: Shape) -> dict[str, int]:
    longest = examples.where(examples.of(examples.labels[-1]))
    return {
        "n_count": longest.size,
        "n_events_count": int(longest.outcome.sum()),
        "leaves_count": shape.leaves,
        "rounds_count": shape.rounds,
    }


def _fold(rows: pl.DataFrame, examples: Examples, test_presentation: str) -> Fold:
    """Test on one presentation; of the others, calibrate as `_past_fold` says."""
    is_test = (rows["code_presentation"] == test_presentation).to_numpy()[examples.row]
    past = _past_fold(rows, examples.where(~is_test))
    return Fold(
        train=_widened(past.train, ~is_test),
        calibration=_widened(past.calibration, ~is_test),
        past=~is_test,
        test=is_test,
    )


def _past_fold(rows: pl.DataFrame, past: Examples) -> Fold:
    """Calibrate on the latest past presentation by a model of those before; on late examples where only one is past.

    The score's scale slips from one presentation to the next, which only rows of a presentation that the model has not
    seen can show.
    """
    starts = (
        rows[np.unique(past.row)]
        .group_by("code_presentation")
        .agg(start=(pl.col("observed_epoch_day") - pl.col("day")).min())
        .sort("start")["code_presentation"]
    )
    everything, nothing = np.ones(past.size, dtype=bool), np.zeros(past.size, dtype=bool)
    if starts.len() < 2:
        return given_fold(past, is_past=everything, is_test=nothing, horizon_days=_GAP_DAYS)
    is_latest = (rows["code_presentation"] == starts[-1]).to_numpy()[past.row]
    return Fold(train=~is_latest, calibration=is_latest, past=everything, test=nothing)


def _widened(mask: Mask, where: Mask) -> Mask:
    """A mask over the examples for which `where` is true, as one over all of them."""
    wide = np.zeros(where.size, dtype=bool)
    wide[where] = mask
    return wide


def figures(predictions: pl.DataFrame, target: str) -> dict[str, Figures]:
    """Judge predictions of a target: by estimator `pooled`, the target's span of `SPANS`, `by_day` and `by_module`.

    Each holds n_count, n_events_count and every metric with its value and 95 % interval; null where the rows cannot
    support it. Intervals count enrolments, not rows. `pooled` and the span have roc_auc_within_module and
    lead_days_median too, and stand without administrative batches, and for the learners of no earlier presentation alone,
    where there are others.
    """
    found: dict[str, Figures] = {}
    for (estimator,), part in predictions.filter(pl.col("target") == target).group_by("estimator", maintain_order=True):
        spans = {"pooled": part}
        if target in SPANS:
            name, first, last = SPANS[target]
            spans[name] = part.filter(pl.col("day").is_between(first, last))
        one: Figures = {}
        for name, rows in spans.items():
            cuts = {
                name: rows,
                f"{name}_without_batches": rows.filter(~pl.col("is_batch_end")),
                f"{name}_new_learners": rows.filter("is_new_learner"),
            }
            one |= {
                cut: _pooled(left)
                for cut, left in cuts.items()
                if left.height and (left is rows or left.height < rows.height)
            }
        one["by_day"] = dict(_by(part, "day"))
        one["by_module"] = dict(_by(part, "code_module"))
        found[str(estimator)] = one
    return found


def _by(part: pl.DataFrame, column: str) -> Iterator[tuple[str, Figures]]:
    for (value,), rows in part.sort(column, maintain_order=True).group_by(column, maintain_order=True):
        yield str(value), _judged(rows)


def _pooled(rows: pl.DataFrame) -> Figures:
    return _judged(rows) | {
        "roc_auc_within_module": _told_of(_within(rows)),
        "lead_days_median": _told_of(lead_days(rows)),
    }


def _within(rows: pl.DataFrame) -> Estimate:
    """Area under the curve over pairs of the same module: the mean over modules, weighted by their pairs.

    Pooled ranking can be good by knowing modules; a tutor has one. Modules are taken as independent.
    """
    found = []
    for _, part in rows.group_by("code_module", maintain_order=True):
        outcome, probability, cluster = arrays(part)
        estimate = METRICS["roc_auc"](outcome, probability, cluster)
        if estimate.value is not None and estimate.low is not None:
            pairs = outcome.sum() * (outcome.size - outcome.sum())
            found.append((pairs, estimate.value, (estimate.value - estimate.low) / Z_95))
    if not found:
        return UNKNOWN
    weight, value, deviation = np.array(found).T
    weight = weight / weight.sum()
    mean, spread = float(weight @ value), float(np.sqrt((weight**2) @ (deviation**2)))
    return Estimate(mean, max(mean - Z_95 * spread, 0.0), min(mean + Z_95 * spread, 1.0))


def _judged(rows: pl.DataFrame) -> Figures:
    outcome, probability, cluster = arrays(rows)
    judged: Figures = {"n_count": rows.height, "n_events_count": int(outcome.sum())}
    return judged | {name: _told_of(metric(outcome, probability, cluster)) for name, metric in METRICS.items()}


def _told_of(estimate: Estimate) -> Figures:
    return {
        end: None if value is None or not np.isfinite(value) else round(value, _DECIMALS)
        for end, value in (("value", estimate.value), ("low", estimate.low), ("high", estimate.high))
    }
