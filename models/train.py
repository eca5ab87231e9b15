"""From landmarks with closed labels to a risk model, or to the plain statement that there is too little history.

Belongs here: what is fitted on which rows, and with which settings. Does not belong here: examples (`lookahead.py`), the
masks (`split.py`), the line (`logistic.py`), calibration (`calibrate.py`), judging (`metrics.py`), keeping (`store.py`).

The score is the mean of two log odds, of LightGBM's trees and of a logistic regression, both asked for so many days ahead
with the days as a feature. Trees find what depends on what, the line keeps its head where a course differs from all before;
their mean beat both on every presentation tried (docs/benchmarks.md).

A model is built as a ladder of three fits, each calibrated by rows that it has not seen:

1. a model of the train rows gives the scores of the calibration rows, and these the first calibrators; how large its
   trees are and how many, is what predicts the calibration rows best (`Shape`), and the later rungs keep it;
2. a model of all rows before the test gives the scores of the test rows. With the first calibrators these are the
   out-of-sample predictions, by which the procedure is judged. The same scores give the second calibrators, so they
   are fitted on the latest closed fold;
3. the model that scores tonight is fitted on all closed rows and takes the second calibrators.

So what is judged is what is used, one rung down: a model of all that was known then, calibrated on the fold before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import lightgbm
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import expit

from data_contracts.errors import PermanentError
from data_contracts.features import BY_NAME, MODELLED_NAMES, contract_hash
from data_contracts.schema import Kind
from models.baseline import inactive_7d_rule
from models.calibrate import Calibrator, course_offsets, fit_calibrator
from models.contacted import MARKS
from models.logistic import LogisticLine, fit_line
from models.lookahead import Examples, examples_of
from models.split import HORIZONS, Fold, closed, forward_folds, is_closed, past_folds

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

LONGEST = max(HORIZONS, key=HORIZONS.__getitem__)
DAYS_AHEAD = "days_ahead"
"""The last input of both halves of the model: for how many days ahead it is asked."""

LABELS: Mapping[str, int] = {f"abandons_{horizon}": days for horizon, days in HORIZONS.items()}
_INPUTS = (*MODELLED_NAMES, DAYS_AHEAD)


class FeatureFrameError(PermanentError):
    """A frame of landmarks lacks columns of the feature contract."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a model is trained; part of the model's identity."""

    seed: int = 20
    threads: int = 2
    rounds: int = 200
    leaves: tuple[int, ...] = (4, 15)
    patience: int = 20
    maximum_examples: int = 400_000
    minimum_abandonments: int = 200
    minimum_past_folds: int = 2

    def lightgbm_parameters(self) -> dict[str, object]:
        """Parameters of LightGBM: deterministic, and cautious, because courses differ from run to run."""
        return {
            "objective": "binary",
            "learning_rate": 0.1,
            "min_child_samples": 150,
            "feature_fraction": 0.6,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
            "max_bin": 127,
            # A longer look-ahead never holds a smaller risk.
            "monotone_constraints": [0] * len(MODELLED_NAMES) + [1],
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "seed": self.seed,
            "verbosity": -1,
        }


@dataclass(frozen=True, slots=True)
class Shape:
    """Leaves a tree has at most, and how many trees: small histories bear small trees."""

    leaves: int
    rounds: int


@dataclass(frozen=True)
class Estimator:
    """What gives a score before calibration: LightGBM's own text, and the line."""

    text: str
    line: LogisticLine

    @cached_property
    def booster(self) -> lightgbm.Booster:
        """The trees, read from the text, so that a stored model and a fresh one score alike."""
        return lightgbm.Booster(model_str=self.text)

    def raw_score(self, features: Matrix, days: float | Vector, *, threads: int) -> Vector:
        """Log odds for each row, so many days ahead; an empty matrix gives an empty vector."""
        trees, line = self.halves(features, days, threads=threads)
        return (trees + line) / 2

    def halves(self, features: Matrix, days: float | Vector, *, threads: int) -> tuple[Vector, Vector]:
        """Log odds of the trees and of the line, whose mean is the score."""
        if features.shape[0] == 0:
            return np.empty(0), np.empty(0)
        inputs = _inputs(features, days)
        trees = np.asarray(self.booster.predict(inputs, raw_score=True, num_threads=threads), dtype=np.float64)
        return trees, self.line.raw_score(inputs)

    def contributions(self, features: Matrix, days: float, *, threads: int) -> npt.NDArray[np.float64]:
        """What each feature adds to the score, exactly: a column a feature, then the baseline.

        Each row adds up to its raw score. Of the trees by TreeSHAP, of the line the weight times the distance from the
        mean; what the days ahead add is the same question for all and part of the baseline.
        """
        inputs = _inputs(features, days)
        trees = np.asarray(self.booster.predict(inputs, pred_contrib=True, num_threads=threads), dtype=np.float64)
        line = self.line.contributions(inputs)
        count = len(MODELLED_NAMES)
        baseline = trees[:, count:].sum(axis=1) + line[:, count:].sum(axis=1) + self.line.intercept
        return np.column_stack([trees[:, :count] + line[:, :count], baseline]) / 2


@dataclass(frozen=True, slots=True)
class HorizonModel:
    """What belongs to one horizon: its calibrator and what it was trained on.

    `base_rate` is the share of events (0..1) among the `n_count` rows of the final fit whose label is closed.
    """

    calibrator: Calibrator
    base_rate: float
    n_count: int
    n_events_count: int


@dataclass(frozen=True, slots=True)
class RiskModel:
    """An estimator, its horizons, and what must agree before it may score."""

    estimator: Estimator
    horizons: Mapping[str, HorizonModel]
    settings: TrainingSettings
    trained_epoch_day: int
    feature_names: tuple[str, ...] = MODELLED_NAMES
    feature_contract_hash: str = contract_hash()

    def raw_score(self, features: Matrix, horizon: str) -> Vector:
        """Raw output in log odds for each row."""
        return self.estimator.raw_score(features, HORIZONS[horizon], threads=self.settings.threads)

    def contributions(self, features: Matrix, horizon: str) -> npt.NDArray[np.float64]:
        """What each feature adds to the raw score: a column a feature, then the baseline."""
        return self.estimator.contributions(features, HORIZONS[horizon], threads=self.settings.threads)


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model and how it did: out-of-sample predictions on the latest closed fold.

    `predictions` has the columns of risk.prediction but model_id, for the model and both baselines.
    """

    model: RiskModel
    predictions: pl.DataFrame


@dataclass(frozen=True, slots=True)
class TooLittleHistory:
    """Why there is no model, and how far away one is. Rule alerts stand alone until then.

    An abandonment is an enrolment abandoned within 28 days of one of its closed landmarks. A past fold is a part
    of the closed landmarks that ended 28 days before the next begins. `runs_found` counts their course runs.
    """

    abandonments_found: int
    abandonments_needed: int
    past_folds_found: int
    past_folds_needed: int
    runs_found: int

    @property
    def is_so(self) -> bool:
        """Whether something is lacking indeed."""
        return self.abandonments_found < self.abandonments_needed or self.past_folds_found < self.past_folds_needed

    @property
    def sentence(self) -> str:
        """How far away a model is, for people."""
        days = max(self.past_folds_needed - self.past_folds_found, 0) * HORIZONS[LONGEST]
        waits = f", at least {days} more days" if days else ""
        if not self.is_so:
            waits = ", but the learners to train or calibrate it on were all contacted because of an alert"
        return (
            f"No risk model yet: {self.abandonments_found} of {self.abandonments_needed} abandonments and "
            f"{self.past_folds_found} of {self.past_folds_needed} past folds of {HORIZONS[LONGEST]} days are closed, "
            f"in {self.runs_found} course run{'' if self.runs_found == 1 else 's'}{waits}; "
            "alerts come from rules alone."
        )


def train(
    landmarks: pl.DataFrame, *, tonight_epoch_day: int, settings: TrainingSettings | None = None
) -> TrainedModel | TooLittleHistory:
    """Train the models of both horizons on every label whose window was over by tonight.

    Args:
        landmarks: features.enrolment_week joined with features.label; rows of tonight are left out. With the marks of
            `contacted.with_contacts`, marked windows teach nothing; the fold that judges keeps them.
        tonight_epoch_day: local day that begins at observed_at.
        settings: how to train.

    The order of the rows does not matter: they are sorted by day and enrolment.
    Raises `FeatureFrameError` where a feature column is missing.
    """
    settings = settings or TrainingSettings()
    history = landmarks.filter(~pl.col("is_scoring")).sort("observed_epoch_day", "enrolment_id")
    settled = closed(history, f"abandons_{LONGEST}", tonight_epoch_day)
    taught = settled.filter(~pl.col(MARKS[LONGEST])) if MARKS[LONGEST] in settled else settled
    history_so_far = _counted(taught, settings)
    if history_so_far.is_so:
        return history_so_far
    known = {name: history.select(is_closed(name, tonight_epoch_day)).to_series().to_numpy() for name in LABELS}
    contacted = {f"abandons_{horizon}": history[mark].to_numpy() for horizon, mark in MARKS.items() if mark in history}
    examples = examples_of(history, LABELS, known, is_batch=history["is_batch_end"].to_numpy(), is_contacted=contacted)
    fold = forward_folds(examples, horizon_days=HORIZONS[LONGEST])
    if not (examples.teaches[fold.train].any() and examples.teaches[fold.calibration].any()):
        return history_so_far
    predictions, calibrators, shape = out_of_sample(
        history,
        examples,
        fold,
        horizons={f"abandons_{horizon}": horizon for horizon in HORIZONS},
        settings=settings,
    )
    estimator = fit_estimator(feature_matrix(history), examples, settings, shape)
    horizons = {}
    for horizon in HORIZONS:
        outcome = examples.outcome[examples.of(f"abandons_{horizon}")]
        horizons[horizon] = HorizonModel(
            calibrator=calibrators[f"abandons_{horizon}"],
            base_rate=float(outcome.mean()),
            n_count=outcome.size,
            n_events_count=int(outcome.sum()),
        )
    return TrainedModel(RiskModel(estimator, horizons, settings, tonight_epoch_day), predictions)


def out_of_sample(
    rows: pl.DataFrame, examples: Examples, fold: Fold, *, horizons: Mapping[str, str], settings: TrainingSettings
) -> tuple[pl.DataFrame, dict[str, Calibrator], Shape]:
    """Predict the fold's test examples by the model and both baselines, none of which has seen them.

    Args:
        rows: landmarks sorted by day and enrolment.
        examples: of these rows.
        fold: masks over the examples.
        horizons: the labels to judge, and what risk.prediction calls each: 7d, 28d or end.
        settings: how to train.

    Returns the columns of risk.prediction but model_id, a calibrator for each label fitted on the test examples'
    scores, and the shape that the calibration examples chose.
    """
    features = feature_matrix(rows)
    early, shape = chosen_shape(features, examples, fold, settings)
    late = fit_estimator(features, examples.where(fold.past), settings, shape)
    judges, tested = examples.where(fold.calibration), examples.where(fold.test)
    scored = early.raw_score(features[judges.row], judges.days, threads=settings.threads)
    first = calibrators_of(scored, judges, rows["course_id"])
    trees, line = late.halves(features[tested.row], tested.days, threads=settings.threads)
    score = (trees + line) / 2
    predictions = []
    for label, horizon in horizons.items():
        asked = tested.of(label)
        test = rows[tested.row[asked]]
        probability = first[label].probability(score[asked], test["course_id"])
        predictions.append(judged_rows(test, horizon, tested.outcome[asked], probability, expit(line[asked])))
    return pl.concat(predictions), calibrators_of(score, tested, rows["course_id"]), shape


def calibrators_of(raw: Vector, examples: Examples, courses: pl.Series) -> dict[str, Calibrator]:
    """A calibrator for each label, fitted on those examples that the estimator has not seen and that teach.

    A course's offset is that of its shortest windows, for all labels: they close first, so they tell the running rate.

    Args:
        raw: the estimator's score of each example, in log odds.
        examples: with their outcomes.
        courses: course_id of each row that the examples count.
    """
    found: dict[str, Calibrator] = {}
    offsets: dict[str, float] = {}
    for label in examples.labels:
        is_asked = examples.of(label) & examples.teaches
        score, part = raw[is_asked], examples.where(is_asked)
        line = fit_calibrator(score, part.outcome)
        if not found:
            offsets = course_offsets(line.log_odds(score), part.outcome, courses[part.row])
        found[label] = replace(line, offsets=offsets)
    return found


def judged_rows(test: pl.DataFrame, horizon: str, outcome: Vector, model: Vector, line: Vector) -> pl.DataFrame:
    """Predictions of some landmarks by the model and both baselines, in the columns of risk.prediction but model_id.

    `model` and `line` are probabilities; the line by itself is the baseline of logistic regression.
    """
    probabilities = {"model": model, "logistic_regression": line, "inactive_7d_rule": inactive_7d_rule(test)}
    return pl.concat(
        test.select(
            "enrolment_id",
            "course_id",
            "observed_epoch_day",
            "week_index",
            pl.lit(horizon).alias("horizon"),
            pl.lit(estimator).alias("estimator"),
            pl.Series("outcome_value", outcome),
            pl.Series("probability", probability),
        )
        for estimator, probability in probabilities.items()
    )


def feature_matrix(frame: pl.DataFrame) -> Matrix:
    """Rows x features in the contract's order, nan where a feature is null.

    Raises `FeatureFrameError` where a feature column is missing.
    """
    missing = [name for name in MODELLED_NAMES if name not in frame.columns]
    if missing:
        message = (
            f"landmarks lack the feature columns {', '.join(missing)}; join features.enrolment_week in full, "
            "and rebuild the features where the contract has grown"
        )
        raise FeatureFrameError(message)
    return frame.select(pl.col(MODELLED_NAMES).cast(pl.Float32).fill_null(float("nan"))).to_numpy()


def fit_estimator(features: Matrix, examples: Examples, settings: TrainingSettings, shape: Shape) -> Estimator:
    """Fit both halves on what `Examples.drawn` leaves; `features` are of all the rows that the examples count."""
    drawn = examples.drawn(settings.seed, most=settings.maximum_examples)
    inputs = _inputs(features[drawn.row], drawn.days)
    parameters = settings.lightgbm_parameters() | {"num_leaves": shape.leaves}
    booster = lightgbm.train(parameters, _dataset(inputs, drawn.outcome, parameters), num_boost_round=shape.rounds)
    return Estimator(booster.model_to_string(), _line(inputs, drawn.outcome, settings))


def chosen_shape(
    features: Matrix, examples: Examples, fold: Fold, settings: TrainingSettings
) -> tuple[Estimator, Shape]:
    """The model of the train examples, its trees in the shape with the least log loss on the calibration examples."""
    drawn = examples.where(fold.train).drawn(settings.seed, most=settings.maximum_examples)
    inputs = _inputs(features[drawn.row], drawn.days)
    judges = examples.where(fold.calibration).drawn(settings.seed, most=settings.maximum_examples)
    judging = _inputs(features[judges.row], judges.days)
    found: list[tuple[float, lightgbm.Booster, Shape]] = []
    for leaves in settings.leaves:
        parameters = settings.lightgbm_parameters() | {"num_leaves": leaves, "metric": "binary_logloss"}
        train_rows = _dataset(inputs, drawn.outcome, parameters)
        booster = lightgbm.train(
            parameters,
            train_rows,
            num_boost_round=settings.rounds,
            valid_sets=[lightgbm.Dataset(judging, judges.outcome, reference=train_rows)],
            callbacks=[lightgbm.early_stopping(settings.patience, verbose=False)],
        )
        loss = float(booster.best_score["valid_0"]["binary_logloss"])
        found.append((loss, booster, Shape(leaves, max(booster.best_iteration, 1))))
    _, early, shape = min(found, key=lambda one: one[0])
    text = early.model_to_string(num_iteration=shape.rounds)
    return Estimator(text, _line(inputs, drawn.outcome, settings)), shape


def _inputs(features: Matrix, days: float | Vector) -> Matrix:
    ahead = np.broadcast_to(np.asarray(days, dtype=np.float32), features.shape[0])
    return np.column_stack([features, ahead])


def _dataset(inputs: Matrix, outcome: Vector, parameters: dict[str, object]) -> lightgbm.Dataset:
    return lightgbm.Dataset(inputs, label=outcome, feature_name=list(_INPUTS), params=parameters)


def _line(inputs: Matrix, outcome: Vector, settings: TrainingSettings) -> LogisticLine:
    return fit_line(inputs, outcome, _INPUTS, is_amount=_IS_AMOUNT, seed=settings.seed)


def _is_amount(name: str) -> bool:
    """Whether a feature has no upper limit (counts, minutes, days), so that its logarithm tells more."""
    field = BY_NAME[name].field
    return field.kind in (Kind.INTEGER, Kind.NUMBER) and field.minimum == 0 and field.maximum is None


_IS_AMOUNT = {DAYS_AHEAD: True} | {name: _is_amount(name) for name in MODELLED_NAMES}


def _counted(closed_rows: pl.DataFrame, settings: TrainingSettings) -> TooLittleHistory:
    """What there is, beside what a model needs."""
    return TooLittleHistory(
        abandonments_found=closed_rows.filter(pl.col(f"abandons_{LONGEST}") == 1)["enrolment_id"].n_unique(),
        abandonments_needed=settings.minimum_abandonments,
        past_folds_found=past_folds(closed_rows, horizon_days=HORIZONS[LONGEST]),
        past_folds_needed=settings.minimum_past_folds,
        runs_found=closed_rows["course_id"].drop_nulls().n_unique(),
    )
