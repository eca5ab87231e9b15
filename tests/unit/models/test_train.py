from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from data_contracts.features import MODELLED_NAMES
from data_contracts.tables.risk import PREDICTION
from models.split import closed, forward_folds, given_fold
from models.store import model_id
from models.train import (
    FeatureFrameError,
    TooLittleHistory,
    TrainedModel,
    TrainingSettings,
    feature_matrix,
    out_of_sample,
    train,
)


def _auc(predictions, estimator, horizon):
    part = predictions.filter((pl.col("estimator") == estimator) & (pl.col("horizon") == horizon))
    return roc_auc_score(part["outcome_value"], part["probability"])


def test_the_model_finds_what_drives_abandonment(trained):
    assert isinstance(trained, TrainedModel)
    for horizon in ("7d", "28d"):
        assert 0.68 < _auc(trained.predictions, "model", horizon) < 0.9
        assert _auc(trained.predictions, "logistic_regression", horizon) > 0.68


def test_shuffled_labels_leave_nothing_to_find(landmarks_of, tonight, settings):
    shuffled = landmarks_of(is_shuffled=True)
    predictions = train(shuffled, tonight_epoch_day=tonight, settings=settings).predictions
    part = predictions.filter((pl.col("estimator") == "model") & (pl.col("horizon") == "28d"))
    events = part["outcome_value"].sum()
    others = part.height - events
    chance_deviation = ((part.height + 1) / (12 * events * others)) ** 0.5
    assert _auc(predictions, "model", "28d") == pytest.approx(0.5, abs=4 * chance_deviation)


def test_predictions_are_the_contracts_columns_for_every_estimator_on_one_set_of_rows(trained):
    predictions = trained.predictions
    assert predictions.columns == [name for name in PREDICTION.column_names if name != "model_id"]
    assert predictions.null_count().sum_horizontal().item() == 0
    assert predictions["probability"].is_between(0, 1).all()
    keys = predictions.group_by("horizon", "estimator").agg(
        pl.concat_str("enrolment_id", "observed_epoch_day").sort().hash().sum().alias("rows")
    )
    assert keys.height == 6
    assert keys["rows"].n_unique() == 2


def test_predictions_lie_in_the_latest_closed_fold(trained, landmarks, tonight):
    rows = closed(landmarks, "abandons_28d", tonight)
    fold = forward_folds(rows, horizon_days=28)
    days = trained.predictions.filter(pl.col("horizon") == "28d")["observed_epoch_day"]
    assert days.min() == rows.filter(pl.Series(fold.test))["observed_epoch_day"].min()
    assert days.max() == tonight - 28


def test_training_twice_on_the_same_rows_in_any_order_gives_the_same_model_to_the_byte(
    trained, landmarks, tonight, settings
):
    again = train(landmarks.sample(fraction=1, shuffle=True, seed=1), tonight_epoch_day=tonight, settings=settings)
    assert model_id(again.model) == model_id(trained.model)
    assert again.model.horizons["28d"].text == trained.model.horizons["28d"].text
    assert again.predictions.equals(trained.predictions)


def test_another_seed_is_another_model(trained, landmarks, tonight, settings):
    other = train(landmarks, tonight_epoch_day=tonight, settings=replace(settings, seed=21))
    assert model_id(other.model) != model_id(trained.model)


def test_open_windows_and_tonights_rows_teach_nothing(trained, landmarks, tonight, settings):
    is_open = pl.col("is_scoring") | (pl.col("observed_epoch_day") + 7 > tonight)
    disturbed = landmarks.with_columns(
        pl.when(is_open).then(pl.lit(99.0)).otherwise(pl.col(name)).alias(name) for name in MODELLED_NAMES
    )
    assert model_id(train(disturbed, tonight_epoch_day=tonight, settings=settings).model) == model_id(trained.model)


def test_the_course_and_the_learner_are_no_features(trained, landmarks, tonight, settings):
    renamed = landmarks.with_columns(pl.lit("another").alias("course_id"))
    again = train(renamed, tonight_epoch_day=tonight, settings=settings)
    assert again.model.horizons["28d"].text == trained.model.horizons["28d"].text
    assert trained.model.horizons["28d"].booster.feature_name() == list(MODELLED_NAMES)


def test_test_rows_do_not_change_their_own_predictions_outcomes(landmarks, tonight, settings):
    rows = closed(landmarks, "abandons_28d", tonight).sort("observed_epoch_day", "enrolment_id")
    fold = forward_folds(rows, horizon_days=28)
    flipped = rows.with_columns(
        pl.when(pl.Series(fold.test))
        .then(1 - pl.col("abandons_28d"))
        .otherwise(pl.col("abandons_28d"))
        .alias("abandons_28d")
    )
    told, turned = (
        out_of_sample(frame, fold, label="abandons_28d", horizon="28d", settings=settings)[0]
        for frame in (rows, flipped)
    )
    assert told["probability"].equals(turned["probability"])
    assert (told["outcome_value"] + turned["outcome_value"] == 1).all()


def test_probabilities_of_the_fold_are_near_the_share_of_events(trained):
    part = trained.predictions.filter((pl.col("estimator") == "model") & (pl.col("horizon") == "28d"))
    assert part["probability"].mean() == pytest.approx(part["outcome_value"].mean(), rel=0.2)


def test_too_few_abandonments_are_a_result_with_a_sentence(landmarks, tonight):
    found = train(landmarks.filter(pl.col("enrolment_id") < "e00100"), tonight_epoch_day=tonight)
    assert isinstance(found, TooLittleHistory)
    expected = (
        closed(landmarks, "abandons_28d", tonight)
        .filter((pl.col("enrolment_id") < "e00100") & (pl.col("abandons_28d") == 1))["enrolment_id"]
        .n_unique()
    )
    assert (found.abandonments_found, found.abandonments_needed, found.runs_found) == (expected, 200, 2)
    assert f"{expected} of 200 abandonments" in found.sentence


def test_too_short_a_past_is_a_result_that_says_how_many_days_are_missing(landmarks, tonight):
    recent = landmarks.filter(pl.col("observed_epoch_day") > tonight - 70)
    found = train(recent, tonight_epoch_day=tonight)
    assert isinstance(found, TooLittleHistory)
    assert (found.past_folds_found, found.past_folds_needed) == (1, 2)
    assert "at least 28 more days" in found.sentence


def test_no_history_at_all_is_too_little(landmarks, tonight):
    found = train(landmarks.clear(), tonight_epoch_day=tonight)
    assert isinstance(found, TooLittleHistory)
    assert (found.abandonments_found, found.past_folds_found, found.runs_found) == (0, 0, 0)


def test_a_fold_whose_train_rows_hold_no_event_does_not_stop_the_night(landmarks, tonight, settings):
    rows = closed(landmarks, "abandons_28d", tonight).sort("observed_epoch_day", "enrolment_id")
    fold = forward_folds(rows, horizon_days=28)
    quiet = rows.with_columns(
        pl.when(pl.Series(fold.past)).then(0).otherwise(pl.col("abandons_28d")).alias("abandons_28d")
    )
    predictions, _, _ = out_of_sample(quiet, fold, label="abandons_28d", horizon="28d", settings=settings)
    assert predictions["probability"].is_between(0, 1).all()


def test_an_evaluation_may_give_its_own_masks_and_target(landmarks, settings):
    rows = landmarks.with_columns((pl.col("events_28d").fill_null(0) < 30).cast(pl.Int64).alias("abandons_end"))
    rows = rows.sort("observed_epoch_day", "enrolment_id")
    is_test = (rows["course_id"] == "run-2").to_numpy()
    fold = given_fold(rows, is_past=~is_test, is_test=is_test, horizon_days=28)
    predictions, _, _ = out_of_sample(rows, fold, label="abandons_end", horizon="end", settings=settings)
    assert set(predictions["course_id"]) == {"run-2"}
    assert _auc(predictions, "model", "end") > 0.95


def test_a_null_feature_stays_unknown_and_a_missing_column_is_named(landmarks):
    matrix = feature_matrix(landmarks)
    assert np.isnan(matrix[:, MODELLED_NAMES.index("is_matched")]).all()
    with pytest.raises(FeatureFrameError, match="events_28d, is_matched"):
        feature_matrix(landmarks.drop("events_28d", "is_matched"))


def test_threads_and_seed_are_fixed_in_the_parameters():
    parameters = TrainingSettings().lightgbm_parameters()
    assert (parameters["deterministic"], parameters["force_row_wise"]) == (True, True)
    assert (parameters["num_threads"], parameters["seed"]) == (2, 20)
