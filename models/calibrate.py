"""From a raw score to a probability that means what it says.

Belongs here: Platt scaling and the logistic line behind it. Does not belong here: on which rows it is fitted
(`train.py`) and whether it holds (`metrics.py`).

Source: Platt 1999, "Probabilistic outputs for support vector machines"; the prior towards the identity stands in
for his smoothed targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Vector = npt.NDArray[np.float64]

PRIOR_SLOPE_SD = 0.5
MINIMUM_EVENTS_FOR_INTERCEPT = 10
MINIMUM_EVENTS_FOR_SLOPE = 50
_MAXIMUM_STEPS = 50
_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Calibrator:
    """probability = 1 / (1 + exp(-(slope x raw + intercept))), raw in log odds; slope is never negative."""

    slope: float
    intercept: float

    def probability(self, raw: Vector) -> Vector:
        """Calibrated probabilities (0..1) of raw scores, in the same order."""
        return np.asarray(expit(self.slope * raw + self.intercept), dtype=np.float64)


IDENTITY = Calibrator(1.0, 0.0)


def fit_calibrator(raw: Vector, outcome: Vector) -> Calibrator:
    """Fit slope and intercept of the log odds, with a Gaussian prior of the slope around 1.

    Args:
        raw: scores in log odds of rows the scoring model has not seen.
        outcome: 0 or 1 for each.

    With fewer than 50 events (or non-events) only the intercept is fitted, with fewer than 10 the scores stay as
    they are. A slope below zero would turn the ranking round; it becomes 0, which says that the score is worth
    nothing and the base rate is all there is to say.
    """
    events = int(min(outcome.sum(), outcome.size - outcome.sum()))
    if events < MINIMUM_EVENTS_FOR_INTERCEPT:
        return IDENTITY
    if events < MINIMUM_EVENTS_FOR_SLOPE:
        return Calibrator(1.0, logistic_intercept(raw, outcome))
    slope, intercept = logistic_line(raw, outcome, prior_slope_sd=PRIOR_SLOPE_SD)
    if slope < 0:
        return Calibrator(0.0, logistic_intercept(np.zeros_like(raw), outcome))
    return Calibrator(slope, intercept)


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
