from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from data_contracts.features import MODELLED_NAMES
from data_contracts.tables.risk import PREDICTION
from models.contacted import with_contacts
from models.lookahead import examples_of
from models.split import closed, forward_folds, given_fold, is_closed
from models.store import model_id
from models.train import (
    LABELS,
    FeatureFrameError,
    TooLittleHistory,
    TrainedModel,
    TrainingSettings,
    feature_matrix,
    out_of_sample,
    train,
)

HORIZONS = {"abandons_7d": "7d", "abandons_28d": "28d"}


def _examples(landmarks, tonight, labels=LABELS):
    """The rows of history, sorted, and their examples."""
    rows = landmarks.filter(~pl.col("is_scoring")).sort("observed_epoch_day", "enrolment_id")
    known = {name: rows.select(is_closed(name, tonight)).to_series().to_numpy() for name in labels}
    return rows, examples_of(rows, labels, known)


def _contacted(landmarks, enrolments, day):
    told = {"enrolment_id": list(enrolments), "contact_epoch_day": [day] * len(enrolments)}
    return with_contacts(
        landmarks, pl.DataFrame(told, schema={"enrolment_id": pl.String, "contact_epoch_day": pl.Int64})
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
    _, examples = _examples(landmarks, tonight)
    begins = examples.observed_on[forward_folds(examples, horizon_days=28).test].min()
    for horizon, days in (("7d", 7), ("28d", 28)):
        observed = trained.predictions.filter(pl.col("horizon") == horizon)["observed_epoch_day"]
        assert (observed.min(), observed.max()) == (begins, tonight - days)


def test_training_twice_on_the_same_rows_in_any_order_gives_the_same_model_to_the_byte(
    trained, landmarks, tonight, settings
):
    again = train(landmarks.sample(fraction=1, shuffle=True, seed=1), tonight_epoch_day=tonight, settings=settings)
    assert model_id(again.model) == model_id(trained.model)
    assert again.model.estimator == trained.model.estimator
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
    assert again.model.estimator == trained.model.estimator
    assert trained.model.estimator.booster.feature_name() == [*MODELLED_NAMES, "days_ahead"]


def test_test_rows_do_not_change_their_own_predictions_outcomes(landmarks, tonight, settings):
    rows, examples = _examples(landmarks, tonight)
    fold = forward_folds(examples, horizon_days=28)
    turned = replace(examples, outcome=np.where(fold.test, 1 - examples.outcome, examples.outcome))
    told, again = (
        out_of_sample(rows, one, fold, horizons=HORIZONS, settings=settings)[0] for one in (examples, turned)
    )
    assert told["probability"].equals(again["probability"])
    assert (told["outcome_value"] + again["outcome_value"] == 1).all()


def test_the_model_is_the_mean_of_its_halves_and_either_alone_ranks_worse_or_alike(trained, landmarks):
    features = feature_matrix(landmarks)
    trees, line = trained.model.estimator.halves(features, 28, threads=1)
    assert trained.model.raw_score(features, "28d") == pytest.approx((trees + line) / 2)
    assert np.corrcoef(trees, line)[0, 1] > 0.5


def test_a_longer_look_ahead_never_holds_a_smaller_risk_of_the_trees(trained, landmarks):
    features = feature_matrix(landmarks)
    week, month = (trained.model.estimator.halves(features, days, threads=1)[0] for days in (7, 28))
    assert (week <= month + 1e-12).all()


def test_an_administrative_batch_teaches_nothing(trained, landmarks, tonight, settings):
    first_weeks = pl.col("week_index") < 2
    noise = landmarks.with_columns(is_batch_end=first_weeks & (pl.col("abandons_28d") == 1))
    again = train(noise, tonight_epoch_day=tonight, settings=settings)
    dropped = train(
        landmarks.filter(~(first_weeks & (pl.col("abandons_28d") == 1)).fill_null(value=False)),
        tonight_epoch_day=tonight,
        settings=settings,
    )
    assert again.model.estimator != trained.model.estimator
    events = [one.model.horizons["28d"].n_events_count for one in (trained, again, dropped)]
    assert events[0] == events[1] > events[2]


def test_probabilities_of_the_fold_are_near_the_share_of_events(trained):
    part = trained.predictions.filter((pl.col("estimator") == "model") & (pl.col("horizon") == "28d"))
    assert part["probability"].mean() == pytest.approx(part["outcome_value"].mean(), rel=0.35)


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
    rows, examples = _examples(landmarks, tonight)
    fold = forward_folds(examples, horizon_days=28)
    quiet = replace(examples, outcome=np.where(fold.past, 0.0, examples.outcome))
    predictions, _, _ = out_of_sample(rows, quiet, fold, horizons=HORIZONS, settings=settings)
    assert predictions["probability"].is_finite().all()


def test_an_evaluation_may_give_its_own_masks_and_target(landmarks, settings):
    rows = landmarks.sort("observed_epoch_day", "enrolment_id").with_columns(
        abandons_end=(pl.col("events_28d").fill_null(0) < 30).cast(pl.Int64), rest_days=100 - 7 * pl.col("week_index")
    )
    examples = examples_of(rows, {"abandons_end": "rest_days"}, {"abandons_end": np.ones(rows.height, dtype=bool)})
    is_test = (rows["course_id"] == "run-2").to_numpy()[examples.row]
    fold = given_fold(examples, is_past=~is_test, is_test=is_test, horizon_days=28)
    predictions, _, _ = out_of_sample(rows, examples, fold, horizons={"abandons_end": "end"}, settings=settings)
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


def test_where_nobody_was_contacted_the_model_is_the_same_to_the_byte(trained, landmarks, tonight, settings):
    marked = _contacted(landmarks, [], tonight)
    assert model_id(train(marked, tonight_epoch_day=tonight, settings=settings).model) == model_id(trained.model)


def test_what_became_of_contacted_learners_teaches_nothing_and_is_still_judged(trained, landmarks, tonight, settings):
    day = tonight - 56
    helped = landmarks.filter(observed_epoch_day=day, abandons_28d=1)["enrolment_id"]
    marked = _contacted(landmarks, helped, day)
    window = pl.col("is_contacted_28d")
    assert helped.len() > 10
    stay = marked.with_columns(pl.when(~window).then("abandons_28d").otherwise(pl.col("abandons_28d") * 0))
    without = train(marked, tonight_epoch_day=tonight, settings=settings)
    changed = train(stay, tonight_epoch_day=tonight, settings=settings)
    assert without.model.estimator.text == changed.model.estimator.text != trained.model.estimator.text
    keys = ("enrolment_id", "observed_epoch_day", "horizon", "estimator")
    assert without.predictions.select(keys).equals(trained.predictions.select(keys))


def test_abandonments_of_contacted_learners_do_not_count_as_history(landmarks, tonight, settings):
    everybody = _contacted(landmarks, landmarks["enrolment_id"].unique().to_list(), tonight - 60)
    few = train(everybody, tonight_epoch_day=tonight, settings=replace(settings, minimum_abandonments=10_000))
    some = train(landmarks, tonight_epoch_day=tonight, settings=replace(settings, minimum_abandonments=10_000))
    assert few.abandonments_found < some.abandonments_found


def test_where_all_that_would_calibrate_were_contacted_there_is_no_model_and_no_error(landmarks, tonight, settings):
    _, examples = _examples(landmarks, tonight)
    days = np.unique(examples.observed_on[forward_folds(examples, horizon_days=28).calibration])
    told = landmarks.select("enrolment_id").unique().join(pl.DataFrame({"contact_epoch_day": days}), how="cross")
    few = replace(settings, minimum_abandonments=20)
    lacking = train(with_contacts(landmarks, told), tonight_epoch_day=tonight, settings=few)
    assert isinstance(lacking, TooLittleHistory)
    assert "were all contacted because of an alert" in lacking.sentence
