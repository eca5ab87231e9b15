"""What the model must beat: logistic regression and the field's rule.

Belongs here: the two reference estimators that stand beside the model in every report. Does not belong here:
the model itself (`train.py`).
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from data_contracts.features import BY_NAME
from data_contracts.schema import Kind

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

INACTIVE_DAYS = 7
MAXIMUM_ROWS = 100_000
"""Rows a logistic regression is fitted on at most: it has few parameters, and more rows only cost time."""


class LogisticBaseline:
    """Logistic regression: median imputation with missing indicators, log1p of counts, standard scores.

    Medians, means and deviations are those of the rows it is fitted on and of no other. With one outcome only it
    says the base rate for everyone.
    """

    def __init__(self, feature_names: tuple[str, ...], *, seed: int) -> None:
        self._is_skewed = np.array([_is_skewed(name) for name in feature_names])
        self._seed = seed
        self._pipeline: Pipeline | None = None
        self._base_rate = float("nan")

    def fit(self, features: Matrix, outcome: Vector) -> Self:
        """Fit on rows x features (nan where unknown) and their outcomes (0 or 1)."""
        if outcome.size > MAXIMUM_ROWS:
            chosen = np.sort(np.random.default_rng(self._seed).choice(outcome.size, MAXIMUM_ROWS, replace=False))
            features, outcome = features[chosen], outcome[chosen]
        self._base_rate = float(outcome.mean())
        if 0 < self._base_rate < 1:
            self._pipeline = make_pipeline(
                SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
                StandardScaler(),
                LogisticRegression(C=0.1, max_iter=500),
            ).fit(self._unskewed(features), outcome)
        return self

    def probability(self, features: Matrix) -> Vector:
        """Probability of the event for each row."""
        if self._pipeline is None:
            return np.full(features.shape[0], self._base_rate)
        return np.asarray(self._pipeline.predict_proba(self._unskewed(features))[:, 1], dtype=np.float64)

    def _unskewed(self, features: Matrix) -> npt.NDArray[np.float64]:
        values = features.astype(np.float64)
        values[:, self._is_skewed] = np.log1p(np.maximum(values[:, self._is_skewed], 0))
        return values


def inactive_7d_rule(frame: pl.DataFrame) -> Vector:
    """The field's rule: 1 where nothing happened for 7 days or more, else 0; unknown counts as 0."""
    is_inactive = frame["days_since_activity"].fill_null(0) >= INACTIVE_DAYS
    return is_inactive.cast(pl.Float64).to_numpy()


def _is_skewed(name: str) -> bool:
    """Whether a feature is an amount without an upper limit (counts, minutes, days)."""
    field = BY_NAME[name].field
    return field.kind in (Kind.INTEGER, Kind.NUMBER) and field.minimum == 0 and field.maximum is None
