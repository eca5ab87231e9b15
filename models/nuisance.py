"""What a trial's covariates say of treatment and of the outcome: the design matrix and the learners fitted on it.

Belongs here: from covariates to a matrix of numbers, and models that turn it into probabilities. Does not belong here:
folds, scores and intervals (`models.aipw`).

The first learner is a logistic regression with the squares of what matters most, since a mentor may seek both those who
struggle and those who shine. The others are there to disagree: a sparse one with all products, and few small trees. Deep
or long boosting follows single rows, which cross-fitting pays for in width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from types import MappingProxyType

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]

NUMBER, CATEGORY = "x_", "c_"
# Squares of these stand in every design; the sparse learner also has their products.
KEY_COVARIATES = (
    "x_log_events_1w",
    "x_log_events_2w",
    "x_log_events_4w",
    "x_active_days_4w",
    "x_silence_days",
    "x_submitted_share",
    "x_studied_credits",
    "x_previous_attempts",
    "x_days_since_match",
)
_LEAST_OF_CATEGORY = 20
_ROUNDS = 60
_THREADS = 1
# Threads share the random numbers of liblinear, and with them the order in which it descends.
_ONE_BY_ONE = Lock()


@dataclass(frozen=True, slots=True)
class Design:
    """Covariates as columns of mean 0 and standard deviation 1.

    `linear` has one column a covariate and category, named in `names`; `squares` those of `KEY_COVARIATES` beside.
    """

    names: tuple[str, ...]
    linear: Floats
    squares: Floats

    @property
    def products(self) -> Floats:
        """Products of pairs of `KEY_COVARIATES`, made when asked for: of many trials they take much room."""
        key = [self.linear[:, self.names.index(name)] for name in KEY_COVARIATES if name in self.names]
        pairs = (one * other for place, one in enumerate(key) for other in key[place + 1 :])
        return _stack([_standard(pair) for pair in pairs if np.ptp(pair) > 0], len(self.linear))

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Design:
        """Those columns of some rows that differ among them."""
        linear = self.linear[chosen]
        varies = np.ptp(linear, axis=0) > 0
        names = tuple(name for name, kept in zip(self.names, varies, strict=True) if kept)
        return Design(names, linear[:, varies], self.squares[chosen])


def design(trials: pl.DataFrame) -> Design:
    """Design of trials: columns `x_*` as numbers, `c_*` as categories; constants and categories under 20 rows go.

    Args:
        trials: with covariates that are never null.
    """
    numbers = [name for name in trials.columns if name.startswith(NUMBER)]
    columns = {name: trials[name].cast(pl.Float64).to_numpy() for name in numbers}
    for name in (name for name in trials.columns if name.startswith(CATEGORY)):
        texts = trials[name]
        counts = texts.value_counts().sort(["count", name], descending=[True, False])
        enough = counts.filter(pl.col("count") >= _LEAST_OF_CATEGORY)[name].to_list()
        # The largest is what the others are told apart from.
        for value in sorted(enough[1:]):
            columns[f"{name}={value}"] = (texts == value).to_numpy().astype(np.float64)
    linear = {name: _standard(values) for name, values in columns.items() if values.size and np.ptp(values) > 0}
    key = [linear[name] for name in KEY_COVARIATES if name in linear]
    squares = [_standard(one**2) for one in key if np.unique(one).size > 2]
    size = trials.height
    return Design(tuple(linear), _stack(list(linear.values()), size), _stack(squares, size))


def _standard(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))


def _stack(columns: list[Floats], size: int) -> Floats:
    return np.column_stack(columns) if columns else np.empty((size, 0))


Predict = Callable[[npt.NDArray[np.bool_]], Floats]
Learner = Callable[[Design, Floats, npt.NDArray[np.bool_], Floats | None], Floats]
"""(design, target 0 or 1, rows to fit on, weights of all rows or None) -> probability of every row."""


def logistic(covariates: Design, target: Floats, fitted: npt.NDArray[np.bool_], weight: Floats | None) -> Floats:
    """Logistic regression on covariates and squares, a little shrunk (L2, C = .1 on standardised columns).

    The penalty does not grow with the trials, so it matters where they are few: there it keeps single covariates from
    telling treated and controls apart by chance, which would cost most of the controls.
    """
    matrix = np.column_stack([covariates.linear, covariates.squares])
    return _regression(LogisticRegression(C=0.1, solver="newton-cholesky"), matrix, target, fitted, weight)


def l1_quadratic(covariates: Design, target: Floats, fitted: npt.NDArray[np.bool_], weight: Floats | None) -> Floats:
    """Sparse logistic regression (L1) on covariates, squares and products."""
    matrix = np.column_stack([covariates.linear, covariates.squares, covariates.products])
    model = LogisticRegression(C=0.1, l1_ratio=1.0, solver="liblinear", tol=0.01, max_iter=1000, random_state=0)
    with _ONE_BY_ONE:
        return _regression(model, matrix, target, fitted, weight)


def small_boosting(covariates: Design, target: Floats, fitted: npt.NDArray[np.bool_], weight: Floats | None) -> Floats:
    """Sixty trees of four leaves each, learning slowly.

    LightGBM has one number of threads for the whole process, which each of its calls sets. Fits run side by side here, and a
    dataset whose buffers were laid out for one thread is filled by two where another call sets two in between: it writes
    past them. So every call says the same number, predicting too.
    """
    constant = _constant(target, fitted, weight)
    if constant is not None:
        return constant
    data = lgb.Dataset(
        covariates.linear[fitted], target[fitted], weight=None if weight is None else weight[fitted], free_raw_data=True
    )
    settings = {
        "objective": "binary",
        "num_leaves": 4,
        "learning_rate": 0.08,
        "min_data_in_leaf": 40,
        "lambda_l2": 5.0,
        "verbose": -1,
        "num_threads": _THREADS,
        "seed": 0,
        "deterministic": True,
        "force_row_wise": True,
    }
    booster = lgb.train(settings, data, _ROUNDS)
    return np.asarray(booster.predict(covariates.linear, num_threads=_THREADS), dtype=np.float64)


LEARNERS: Mapping[str, Learner] = MappingProxyType(
    {"logistic": logistic, "l1_quadratic": l1_quadratic, "small_boosting": small_boosting}
)
"""By name; the first is the one whose estimate stands."""


def _regression(
    model: LogisticRegression,
    matrix: Floats,
    target: Floats,
    fitted: npt.NDArray[np.bool_],
    weight: Floats | None,
) -> Floats:
    constant = _constant(target, fitted, weight)
    if constant is not None:
        return constant
    model.fit(matrix[fitted], target[fitted] > 0, sample_weight=None if weight is None else weight[fitted])
    return np.asarray(model.predict_proba(matrix)[:, 1], dtype=np.float64)


def _constant(target: Floats, fitted: npt.NDArray[np.bool_], weight: Floats | None) -> Floats | None:
    """The share itself where all rows to fit on say the same, or there is none."""
    counted = fitted if weight is None else fitted & (weight > 0)
    said = target[counted]
    if said.size and said.min() < said.max():
        return None
    return np.full(target.size, float(said[0]) if said.size else 0.0)
