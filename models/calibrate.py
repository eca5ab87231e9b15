"""From a raw score to a probability that means what it says.

Belongs here: Platt scaling, the logistic line behind it, and a course's own offset. Does not belong here: on which rows
it is fitted (`train.py`) and whether it holds (`metrics.py`).

Source: Platt 1999, "Probabilistic outputs for support vector machines"; the prior towards the identity stands in
for his smoothed targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import expit

Vector = npt.NDArray[np.float64]

PRIOR_SLOPE_SD = 0.5
PRIOR_OFFSET_SD = 0.2
MINIMUM_EVENTS_FOR_INTERCEPT = 10
MINIMUM_EVENTS_FOR_SLOPE = 50
_MAXIMUM_STEPS = 50
_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Calibrator:
    """probability = 1 / (1 + exp(-(slope x raw + intercept + offset of the course))), raw in log odds.

    The slope is never negative. A course without an offset has 0: it has shown no rate of its own yet.
    """

    slope: float
    intercept: float
    offsets: Mapping[str, float] = field(default_factory=dict)

    def probability(self, raw: Vector, courses: pl.Series | None = None) -> Vector:
        """Calibrated probabilities (0..1) of raw scores, in the same order; `courses` tells each row's course_id."""
        return np.asarray(expit(self.log_odds(raw, courses)), dtype=np.float64)

    def log_odds(self, raw: Vector, courses: pl.Series | None = None) -> Vector:
        """Calibrated log odds of raw scores."""
        line = self.slope * raw + self.intercept
        if courses is None or not self.offsets:
            return np.asarray(line, dtype=np.float64)
        offset = courses.replace_strict(self.offsets, default=0.0, return_dtype=pl.Float64)
        return np.asarray(line + offset.to_numpy(), dtype=np.float64)


IDENTITY = Calibrator(1.0, 0.0)


def fit_calibrator(raw: Vector, outcome: Vector) -> Calibrator:
    """Fit slope and intercept of the log odds, and go half of the way from the identity there.

    Args:
        raw: scores in log odds of rows the scoring model has not seen.
        outcome: 0 or 1 for each.

    The line is the likelihood's, with a Gaussian prior of the slope around 1. One fold's line is not the next one's: from
    fold to fold slopes differ by as much as they differ from 1 (docs/benchmarks.md), so the best guess lies half way.
    With fewer than 50 events (or non-events) only the intercept is fitted, with fewer than 10 the scores stay as
    they are. A slope below zero would turn the ranking round; it becomes 0, which says that the score is worth
    nothing and the base rate is all there is to say.
    """
    events = int(min(outcome.sum(), outcome.size - outcome.sum()))
    if events < MINIMUM_EVENTS_FOR_INTERCEPT:
        return IDENTITY
    if events < MINIMUM_EVENTS_FOR_SLOPE:
        return Calibrator(1.0, logistic_intercept(raw, outcome) / 2)
    slope, intercept = logistic_line(raw, outcome, prior_slope_sd=PRIOR_SLOPE_SD)
    if slope < 0:
        return Calibrator(0.0, logistic_intercept(np.zeros_like(raw), outcome))
    return Calibrator((1 + slope) / 2, intercept / 2)


def course_offsets(log_odds: Vector, outcome: Vector, courses: pl.Series) -> dict[str, float]:
    """How far each course's rate lies from what the scores say, in log odds, drawn towards 0 where it has said little.

    The maximum of the likelihood of offset + log odds with the prior offset ~ N(0, `PRIOR_OFFSET_SD` squared), one Newton
    step at a time; a course of a few events hardly moves. Rows without a course have none.
    """
    frame = pl.DataFrame({"course": courses, "log_odds": log_odds, "outcome": outcome}).filter(
        pl.col("course").is_not_null()
    )
    found: dict[str, float] = {}
    for (course,), rows in frame.group_by("course", maintain_order=True):
        odds, events = rows["log_odds"].to_numpy(), float(rows["outcome"].sum())
        offset = 0.0
        for _ in range(_MAXIMUM_STEPS):
            fitted = expit(odds + offset)
            slope = events - fitted.sum() - offset / PRIOR_OFFSET_SD**2
            step = float(slope / ((fitted * (1 - fitted)).sum() + PRIOR_OFFSET_SD**-2))
            offset += step
            if abs(step) < _TOLERANCE:
                break
        found[str(course)] = offset
    return dict(sorted(found.items()))


def logistic_line(score: Vector, outcome: Vector, *, prior_slope_sd: float = np.inf) -> tuple[float, float]:
    """Slope and intercept that maximise the likelihood of `outcome` given log odds slope x score + intercept.

    With a finite `prior_slope_sd` the slope has the prior N(1, sd^2). Newton's method. (nan, nan) where the line
    does not exist, as when the scores separate the outcomes.
    """
    precision = 0.0 if np.isinf(prior_slope_sd) else prior_slope_sd**-2
    slope, intercept = 1.0, logistic_intercept(score, outcome)
    loss = _loss(slope, intercept, score, outcome, precision)
    for _ in range(_MAXIMUM_STEPS):
        fitted = expit(slope * score + intercept)
        weight = fitted * (1 - fitted)
        gradient = np.array([((fitted - outcome) * score).sum() + precision * (slope - 1), (fitted - outcome).sum()])
        weighted = (weight * score).sum()
        information = np.array([[(weight * score**2).sum() + precision, weighted], [weighted, weight.sum()]])
        if not np.isfinite(information).all() or np.linalg.cond(information) > 1 / np.finfo(float).eps:
            break
        step = np.linalg.solve(information, gradient)
        length = 1.0
        while length > _TOLERANCE:  # halve the step until the likelihood is no worse
            new = slope - length * step[0], intercept - length * step[1]
            new_loss = _loss(*new, score, outcome, precision)
            if new_loss <= loss:
                break
            length /= 2
        if length <= _TOLERANCE or np.abs(length * step).max() < _TOLERANCE:
            return float(slope), float(intercept)
        (slope, intercept), loss = new, new_loss
    return float("nan"), float("nan")


def logistic_intercept(score: Vector, outcome: Vector) -> float:
    """Intercept that makes the expected number of events equal to the observed one, the slope being 1.

    Needs at least one event and one non-event. The sum of probabilities rises in the intercept, so bisection
    between bounds that enclose it always ends.
    """
    base = np.log(outcome.mean() / (1 - outcome.mean()))
    low, high = float(base - score.max()), float(base - score.min())
    while high - low > _TOLERANCE * max(1.0, abs(high)):
        middle = (low + high) / 2
        if expit(score + middle).sum() < outcome.sum():
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _loss(slope: float, intercept: float, score: Vector, outcome: Vector, precision: float) -> float:
    """Minus the log likelihood, with the prior's penalty."""
    odds = slope * score + intercept
    return float((np.logaddexp(0, odds) - outcome * odds).sum() + precision * (slope - 1) ** 2 / 2)
