"""From landmarks with closed labels to a risk model, or to the plain statement that there is too little history.

Belongs here: what is fitted on which rows, and with which settings. Does not belong here: the masks (`split.py`),
calibration (`calibrate.py`), judging (`metrics.py`), keeping (`store.py`).

A model is built as a ladder of three fits, each calibrated by rows that it has not seen:

1. a model of the train rows gives the scores of the calibration rows, and these the first calibrator; how large its
   trees are and how many, is what predicts the calibration rows best (`Shape`), and the later rungs keep it;
2. a model of all rows before the test gives the scores of the test rows. With the first calibrator these are the
   out-of-sample predictions, by which the procedure is judged. The same scores give the second calibrator, so it
   is fitted on the latest closed fold;
3. the model that scores tonight is fitted on all closed rows and takes the second calibrator.

So what is judged is what is used, one rung down: a model of all that was known then, calibrated on the fold before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import lightgbm
import numpy as np
import numpy.typing as npt
import polars as pl

from data_contracts.errors import PermanentError
from data_contracts.features import MODELLED_NAMES, contract_hash
from models.baseline import LogisticBaseline, inactive_7d_rule
from models.calibrate import Calibrator, fit_calibrator
from models.split import HORIZONS, Fold, closed, forward_folds, past_folds

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

LONGEST = max(HORIZONS, key=HORIZONS.__getitem__)


class FeatureFrameError(PermanentError):
    """A frame of landmarks lacks columns of the feature contract."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a model is trained; part of the model's identity."""

    seed: int = 20
    threads: int = 2
    rounds: int = 300
    leaves: tuple[int, ...] = (4, 15)
    patience: int = 30
    minimum_abandonments: int = 200
    minimum_past_folds: int = 2

    def lightgbm_parameters(self) -> dict[str, object]:
        """Parameters of LightGBM: deterministic, and cautious, because courses differ from run to run."""
        return {
            "objective": "binary",
            "learning_rate": 0.05,
            "min_child_samples": 150,
            "feature_fraction": 0.6,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
            "max_bin": 127,
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
class HorizonModel:
    """The model of one horizon: LightGBM's own text, its calibrator and what it was trained on.

    `base_rate` is the share of events (0..1) among the `n_count` rows of the final fit.
    """

    text: str
    calibrator: Calibrator
    base_rate: float
    n_count: int
    n_events_count: int

    @cached_property
    def booster(self) -> lightgbm.Booster:
        """The trees, read from the text, so that a stored model and a fresh one score alike."""
        return lightgbm.Booster(model_str=self.text)


@dataclass(frozen=True, slots=True)
class RiskModel:
    """A model for each horizon, and what must agree before it may score."""

    horizons: Mapping[str, HorizonModel]
    settings: TrainingSettings
    trained_epoch_day: int
    feature_names: tuple[str, ...] = MODELLED_NAMES
    feature_contract_hash: str = contract_hash()

    def raw_score(self, features: Matrix, horizon: str) -> Vector:
        """Raw output in log odds for each row."""
        return raw_score(self.horizons[horizon].booster, features, threads=self.settings.threads)


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
    def sentence(self) -> str:
        """How far away a model is, for people."""
        days = max(self.past_folds_needed - self.past_folds_found, 0) * HORIZONS[LONGEST]
        waits = f", at least {days} more days" if days else ""
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
        landmarks: features.enrolment_week joined with features.label; rows of tonight are left out.
        tonight_epoch_day: local day that begins at observed_at.
        settings: how to train.

    The order of the rows does not matter: they are sorted by day and enrolment.
    Raises `FeatureFrameError` where a feature column is missing.
    """
    settings = settings or TrainingSettings()
    history = landmarks.filter(~pl.col("is_scoring")).sort("observed_epoch_day", "enrolment_id")
    lacking = _lacking(closed(history, f"abandons_{LONGEST}", tonight_epoch_day), settings)
    if lacking is not None:
        return lacking
    models, predictions = {}, []
    for horizon, days in HORIZONS.items():
        label = f"abandons_{horizon}"
        rows = closed(history, label, tonight_epoch_day)
        judged, calibrator, shape = out_of_sample(
            rows, forward_folds(rows, horizon_days=days), label=label, horizon=horizon, settings=settings
        )
        predictions.append(judged)
        outcome = _outcome(rows, label)
        models[horizon] = HorizonModel(
            text=_fit(feature_matrix(rows), outcome, settings, shape).model_to_string(),
            calibrator=calibrator,
            base_rate=float(outcome.mean()),
            n_count=outcome.size,
            n_events_count=int(outcome.sum()),
        )
    return TrainedModel(RiskModel(models, settings, tonight_epoch_day), pl.concat(predictions))


def out_of_sample(
    rows: pl.DataFrame, fold: Fold, *, label: str, horizon: str, settings: TrainingSettings
) -> tuple[pl.DataFrame, Calibrator, Shape]:
    """Predict the fold's test rows by the model and both baselines, none of which has seen them.

    Args:
        rows: landmarks sorted by day and enrolment, with `label` known in each.
        fold: masks over `rows`.
        label: column of the outcome, 0 or 1.
        horizon: what risk.prediction calls it: 7d, 28d or end.
        settings: how to train.

    Returns the columns of risk.prediction but model_id, a calibrator fitted on the test rows' scores, and the shape
    that the calibration rows chose.
    """
    features, outcome = feature_matrix(rows), _outcome(rows, label)
    early, shape = _chosen(features, outcome, fold, settings)
    calibration_score = raw_score(early, features[fold.calibration], threads=settings.threads)
    calibrator = fit_calibrator(calibration_score, outcome[fold.calibration])

    late = _fit(features[fold.past], outcome[fold.past], settings, shape)
    test_score = raw_score(late, features[fold.test], threads=settings.threads)
    logistic = LogisticBaseline(MODELLED_NAMES, seed=settings.seed).fit(features[fold.past], outcome[fold.past])
    test = rows.filter(pl.Series(fold.test))
    probabilities = {
        "model": calibrator.probability(test_score),
        "logistic_regression": logistic.probability(features[fold.test]),
        "inactive_7d_rule": inactive_7d_rule(test),
    }
    predictions = pl.concat(
        test.select(
            "enrolment_id",
            "course_id",
            "observed_epoch_day",
            "week_index",
            pl.lit(horizon).alias("horizon"),
            pl.lit(estimator).alias("estimator"),
            pl.col(label).cast(pl.Float64).alias("outcome_value"),
            pl.Series("probability", probability),
        )
        for estimator, probability in probabilities.items()
    )
    return predictions, fit_calibrator(test_score, outcome[fold.test]), shape


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


def raw_score(booster: lightgbm.Booster, features: Matrix, *, threads: int) -> Vector:
    """Raw output of the trees in log odds; an empty matrix gives an empty vector."""
    if features.shape[0] == 0:
        return np.empty(0)
    return np.asarray(booster.predict(features, raw_score=True, num_threads=threads), dtype=np.float64)


def _dataset(features: Matrix, outcome: Vector, parameters: dict[str, object]) -> lightgbm.Dataset:
    return lightgbm.Dataset(features, label=outcome, feature_name=list(MODELLED_NAMES), params=parameters)


def _fit(features: Matrix, outcome: Vector, settings: TrainingSettings, shape: Shape) -> lightgbm.Booster:
    parameters = settings.lightgbm_parameters() | {"num_leaves": shape.leaves}
    return lightgbm.train(parameters, _dataset(features, outcome, parameters), num_boost_round=shape.rounds)


def _chosen(
    features: Matrix, outcome: Vector, fold: Fold, settings: TrainingSettings
) -> tuple[lightgbm.Booster, Shape]:
    """The model of the train rows, in the shape with the least log loss on the calibration rows."""
    found: list[tuple[float, lightgbm.Booster, Shape]] = []
    for leaves in settings.leaves:
        parameters = settings.lightgbm_parameters() | {"num_leaves": leaves, "metric": "binary_logloss"}
        train_rows = _dataset(features[fold.train], outcome[fold.train], parameters)
        booster = lightgbm.train(
            parameters,
            train_rows,
            num_boost_round=settings.rounds,
            valid_sets=[lightgbm.Dataset(features[fold.calibration], outcome[fold.calibration], reference=train_rows)],
            callbacks=[lightgbm.early_stopping(settings.patience, verbose=False)],
        )
        loss = float(booster.best_score["valid_0"]["binary_logloss"])
        found.append((loss, booster, Shape(leaves, max(booster.best_iteration, 1))))
    _, early, shape = min(found, key=lambda one: one[0])
    return early, shape


def _lacking(closed_rows: pl.DataFrame, settings: TrainingSettings) -> TooLittleHistory | None:
    """What is missing for a model; None where nothing is."""
    abandonments = closed_rows.filter(pl.col(f"abandons_{LONGEST}") == 1)["enrolment_id"].n_unique()
    folds = past_folds(closed_rows, horizon_days=HORIZONS[LONGEST])
    if abandonments >= settings.minimum_abandonments and folds >= settings.minimum_past_folds:
        return None
    return TooLittleHistory(
        abandonments_found=abandonments,
        abandonments_needed=settings.minimum_abandonments,
        past_folds_found=folds,
        past_folds_needed=settings.minimum_past_folds,
        runs_found=closed_rows["course_id"].drop_nulls().n_unique(),
    )


def _outcome(rows: pl.DataFrame, label: str) -> Vector:
    return rows[label].cast(pl.Float64).to_numpy()
