"""Logistic regression on the features: one half of the risk model, and by itself the baseline beside it.

Belongs here: what is done to a feature before the line (log1p of amounts, medians for the unknown, standard scores), the
fit, and the line as plain numbers. Does not belong here: the trees and how both become one score (`train.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

PENALTY = 0.1
"""C of scikit-learn's LogisticRegression: the weights of standard scores are held near 0."""

MAXIMUM_ROWS = 200_000
"""Rows that are looked at at most: a line has few parameters, and more rows only cost time."""

_BATCH_ROWS = 4_096
"""Rows that are scored at a time: what is in between stays in the processor's cache, however many there are."""


@dataclass(frozen=True)
class LogisticLine:
    """log odds = intercept + sum of weight x (value - mean) / deviation, and of weight_of_unknown where it is unknown.

    A value is its feature's, as log1p where `is_amount`, the median of the training rows where it is unknown. Everything
    is of the training rows and in the order of `names`.
    """

    names: tuple[str, ...]
    is_amount: tuple[bool, ...]
    median: tuple[float, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    weight: tuple[float, ...]
    weight_of_unknown: tuple[float, ...]
    intercept: float

    def raw_score(self, values: Matrix) -> Vector:
        """Log odds of each row of features in the order of `names`, nan where unknown."""
        score = np.full(values.shape[0], self.intercept)
        for start in range(0, score.size, _BATCH_ROWS):
            batch = slice(start, start + _BATCH_ROWS)
            # Column by column: how numpy sums a row hangs on how many rows there are, and a score must not.
            for part in self.contributions(values[batch]).T:
                score[batch] += part
        return score

    def contributions(self, values: Matrix) -> npt.NDArray[np.float64]:
        """What each feature adds to the log odds beyond the intercept: rows x features."""
        shown, is_unknown = self._prepared(values)
        mean, deviation, weight, of_unknown = self._arrays
        return np.asarray((shown - mean) / deviation * weight + is_unknown * of_unknown)

    def _prepared(self, values: Matrix) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        return _filled(_unskewed(values, np.array(self.is_amount)), np.array(self.median))

    @cached_property
    def _arrays(self) -> tuple[Vector, Vector, Vector, Vector]:
        return (
            np.array(self.mean),
            np.array(self.deviation),
            np.array(self.weight),
            np.array(self.weight_of_unknown),
        )


def fit_line(
    values: Matrix, outcome: Vector, names: Sequence[str], *, is_amount: Mapping[str, bool], seed: int
) -> LogisticLine:
    """Fit on rows x features (nan where unknown) and their outcomes (0 or 1).

    With one outcome only, or without any feature that varies, the line is level at the (clipped) base rate.
    """
    if outcome.size > MAXIMUM_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(outcome.size, MAXIMUM_ROWS, replace=False))
        values, outcome = values[chosen], outcome[chosen]
    amount = np.array([is_amount.get(name, False) for name in names])
    shown = _unskewed(values, amount)
    known = ~np.isnan(shown)
    median = np.array(
        [np.median(column[told]) if told.any() else 0.0 for column, told in zip(shown.T, known.T, strict=True)]
    )
    shown, is_unknown = _filled(shown, median)
    mean, deviation = shown.mean(axis=0), shown.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    share = is_unknown.mean(axis=0)
    has_unknown = (share > 0) & (share < 1)
    weight, of_unknown = np.zeros(len(names)), np.zeros(len(names))
    base = float(np.clip(outcome.mean(), 1e-6, 1 - 1e-6))
    intercept = float(np.log(base / (1 - base)))
    if 0 < outcome.mean() < 1:
        spread = np.sqrt(share * (1 - share))[has_unknown]
        design = np.hstack([(shown - mean) / deviation, (is_unknown[:, has_unknown] - share[has_unknown]) / spread])
        # One thread: sums in another order would be another model.
        with threadpool_limits(1):
            fitted = LogisticRegression(C=PENALTY, solver="newton-cholesky", max_iter=100).fit(design, outcome)
        coefficients = fitted.coef_[0]
        weight = coefficients[: len(names)]
        of_unknown[has_unknown] = coefficients[len(names) :] / spread
        intercept = float(fitted.intercept_[0] - (of_unknown * share).sum())
    return LogisticLine(
        names=tuple(names),
        is_amount=tuple(bool(one) for one in amount),
        intercept=intercept,
        **{
            name: tuple(float(one) for one in numbers)
            for name, numbers in (
                ("median", median),
                ("mean", mean),
                ("deviation", deviation),
                ("weight", weight),
                ("weight_of_unknown", of_unknown),
            )
        },
    )


def _unskewed(values: Matrix, amount: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    shown = values.astype(np.float64)
    shown[:, amount] = np.log1p(np.maximum(shown[:, amount], 0))
    return shown


def _filled(shown: npt.NDArray[np.float64], median: Vector) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    is_unknown = np.isnan(shown)
    return np.where(is_unknown, median, shown), is_unknown
