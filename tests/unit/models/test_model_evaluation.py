import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.evaluation import REST, _examples, _fold, figures, forward, prequential
from models.split import SplitError

KEY = ["enrolment_id", "code_module", "code_presentation", "id_student", "day"]


@pytest.fixture(scope="module")
def rows(landmarks_of):
    """Three presentations of 200 enrolments and 20 weeks, a hundred days apart."""
    number = pl.col("enrolment_id").str.slice(1).cast(pl.Int64)
    place = number % 3
    return landmarks_of().select(
        pl.all().exclude("observed_epoch_day", "abandons_7d", "abandons_28d"),
        observed_epoch_day=10_001 + 100 * place + 7 * pl.col("week_index"),
        day=7 * pl.col("week_index"),
        id_student=number,
        code_module=pl.when(number % 2 == 1).then(pl.lit("BBB")).otherwise(pl.lit("AAA")),
        ended_epoch_day=pl.lit(None, pl.Int64),
        code_presentation=pl.lit(pl.Series(["2013B", "2013J", "2014B"])).gather(place),
        withdraw_7d=(pl.col("days_since_activity") > 13).cast(pl.Int64),
        withdraw_28d=(pl.col("days_since_activity") > 11).cast(pl.Int64),
    )


LABELS = {"withdraw_7d": 7, "withdraw_28d": 28}


def _held(rows, examples, mask):
    return set(rows["code_presentation"].to_numpy()[examples.row[mask]])


def test_the_latest_past_presentation_calibrates_a_model_of_those_before(rows):
    known, examples = _examples(rows, LABELS)
    fold = _fold(known, examples, "2014B")
    parts = (fold.train, fold.calibration, fold.past, fold.test)
    assert [_held(known, examples, part) for part in parts] == [{"2013B"}, {"2013J"}, {"2013B", "2013J"}, {"2014B"}]
    assert fold.past.sum() + fold.test.sum() == examples.size


def test_the_latest_is_the_one_that_starts_last_whatever_its_rows(rows):
    late = rows.filter((pl.col("code_presentation") != "2013B") | (pl.col("day") > 105))
    known, examples = _examples(late, LABELS)
    assert _held(known, examples, _fold(known, examples, "2014B").calibration) == {"2013J"}


def test_one_past_presentation_is_split_by_day_with_a_gap(rows):
    known, examples = _examples(rows.filter(pl.col("code_presentation") != "2014B"), LABELS)
    fold = _fold(known, examples, "2013J")
    assert _held(known, examples, fold.past) == {"2013B"}
    assert examples.observed_on[fold.calibration].min() - examples.observed_on[fold.train].max() == 28


def test_no_past_presentation_is_an_error(rows):
    known, examples = _examples(rows.filter(pl.col("code_presentation") == "2013B"), LABELS)
    with pytest.raises(SplitError):
        _fold(known, examples, "2013B")


def test_predictions_are_of_the_test_rows_and_do_not_depend_on_their_outcomes(rows, settings):
    judged = forward(rows, LABELS, test_presentation="2014B", settings=settings)
    tested = rows.filter(pl.col("code_presentation") == "2014B")
    for _, part in judged.predictions.group_by("estimator", "target"):
        assert_frame_equal(part.select(KEY), tested.select(KEY), check_row_order=False)
    assert judged.training["n_count"] == rows.height - tested.height

    is_test = pl.col("code_presentation") == "2014B"
    turned = rows.with_columns(pl.when(is_test).then(1 - pl.col(name)).otherwise(name).alias(name) for name in LABELS)
    again = forward(turned, LABELS, test_presentation="2014B", settings=settings)
    assert again.predictions["probability"].equals(judged.predictions["probability"])
    assert again.predictions["outcome_value"].equals(1 - judged.predictions["outcome_value"])


def test_rows_without_the_target_take_no_part(rows, settings):
    open_late = rows.with_columns(withdraw_28d=pl.when(pl.col("day") <= 105).then("withdraw_28d"))
    judged = forward(open_late, LABELS, test_presentation="2014B", settings=settings)
    month = judged.predictions.filter(pl.col("target") == "withdraw_28d")
    assert month["day"].max() == 105
    assert judged.training["n_count"] == open_late["withdraw_28d"].count() * 2 // 3


def test_what_is_asked_to_the_end_learns_from_presentations_that_have_ended(rows, settings):
    whole = rows.with_columns(withdraw_end="withdraw_28d", rest_days=140 - pl.col("day"))
    labels = {"withdraw_end": REST}
    lived = prequential(whole, labels, test_presentation="2014B", settings=settings)
    assert set(lived.predictions["target"]) == {"withdraw_end"}
    # 2013B has ended when 2014B begins, 2013J has not: it started 100 days before and has 140.
    assert lived.training["n_count"] == rows.filter(pl.col("code_presentation") == "2013B").height


def _lived(rows, settings, presentation="2014B"):
    return prequential(rows, LABELS, test_presentation=presentation, settings=settings).predictions


@pytest.fixture(scope="module")
def short(rows):
    """The first nine weeks of each presentation."""
    return rows.filter(pl.col("day") < 63)


def test_the_running_presentation_teaches_and_calibrates_once_its_windows_have_closed(short, settings):
    lived = _lived(short, settings)
    once = forward(short, LABELS, test_presentation="2014B", settings=settings).predictions
    assert_frame_equal(lived.select(*KEY, "target"), once.select(*KEY, "target"))
    both = lived.join(once, on=[*KEY, "target", "estimator"], suffix="_once").filter(estimator="model")
    assert (both.filter(pl.col("day") > 28)["probability"] != both.filter(pl.col("day") > 28)["probability_once"]).any()


def test_nothing_of_a_landmark_day_or_later_moves_a_prequential_prediction(short, settings):
    """Features of that day's other learners and later days, and every label still open then, are changed."""
    day = 35
    tested = pl.col("code_presentation") == "2014B"
    told = _lived(short, settings).filter(pl.col("day") <= day)
    disturbed = short.with_columns(
        *(
            pl.when(tested & (pl.col("day") + days > day)).then(1 - pl.col(name)).otherwise(name).alias(name)
            for name, days in LABELS.items()
        ),
        *(
            pl.when(tested & (pl.col("day") > day)).then(99.0).otherwise(pl.col(name)).alias(name)
            for name in ("days_since_activity", "events_28d", "score_mean_share")
        ),
    )
    again = _lived(disturbed, settings).filter(pl.col("day") <= day)
    assert told["probability"].equals(again["probability"])
    assert not told["outcome_value"].equals(again["outcome_value"])


def test_a_window_that_closes_on_the_landmarks_morning_counts_and_one_that_closes_later_does_not(short, settings):
    tested = pl.col("code_presentation") == "2014B"

    def week_of(day):
        flipped = short.with_columns(
            withdraw_7d=pl.when(tested & (pl.col("day") == day))
            .then(1 - pl.col("withdraw_7d"))
            .otherwise("withdraw_7d")
        )
        return _lived(flipped, settings).filter(pl.col("day") == 28, pl.col("estimator") == "model")["probability"]

    plain = _lived(short, settings).filter(pl.col("day") == 28, pl.col("estimator") == "model")["probability"]
    assert not week_of(21).equals(plain)
    assert week_of(28).equals(plain)


@pytest.fixture(scope="module")
def judged():
    """Ten enrolments on days 0, 28 and 175; on day 28 the three events are at ranks 1, 2 and 4."""
    probability = np.linspace(0.95, 0.05, 10)
    outcomes = {0: [0] * 9 + [1], 28: [1, 1, 0, 1] + [0] * 6, 175: [0] * 10}
    return pl.DataFrame(
        {
            "enrolment_id": [f"e{number}" for number in range(10)] * 3,
            "code_module": ["AAA", "BBB"] * 15,
            "day": np.repeat(list(outcomes), 10),
            "target": "withdraw_28d",
            "estimator": "model",
            "is_batch_end": False,
            "is_new_learner": True,
            "observed_epoch_day": 1 + np.repeat(list(outcomes), 10),
            "ended_epoch_day": 40,
            "outcome_value": np.array(list(outcomes.values()), dtype=float).ravel(),
            "probability": np.tile(probability, 3),
        }
    )


def test_figures_are_pooled_by_day_by_module_and_over_the_targets_span(judged):
    found = figures(judged, "withdraw_28d")["model"]
    assert list(found) == ["pooled", "days_28_to_168", "by_day", "by_module"]
    assert list(found["by_day"]) == ["0", "28", "175"]
    assert {name: one["n_count"] for name, one in found["by_module"].items()} == {"AAA": 15, "BBB": 15}
    assert (found["pooled"]["n_count"], found["pooled"]["n_events_count"]) == (30, 4)
    within = ("roc_auc_within_module", "lead_days_median")
    assert {k: v for k, v in found["days_28_to_168"].items() if k not in within} == found["by_day"]["28"]
    assert "weeks_0_to_9" in figures(judged.with_columns(target=pl.lit("withdraw_7d")), "withdraw_7d")["model"]
    ends = judged.with_columns(target=pl.lit("withdraw_end"))
    assert set(figures(ends, "withdraw_end")["model"]) == {"pooled", "by_day", "by_module"}


def test_a_span_is_judged_without_administrative_batches_too(judged):
    first = (pl.col("day") == 28) & (pl.col("enrolment_id") == "e0")
    found = figures(judged.with_columns(is_batch_end=first), "withdraw_28d")["model"]
    assert (found["days_28_to_168"]["n_events_count"], found["days_28_to_168_without_batches"]["n_events_count"]) == (
        3,
        2,
    )
    assert found["days_28_to_168_without_batches"]["n_count"] == 9


def test_figures_are_those_counted_by_hand(judged):
    day = figures(judged, "withdraw_28d")["model"]["by_day"]["28"]
    assert day["roc_auc"]["value"] == pytest.approx(20 / 21, abs=1e-6)
    assert day["recall_at_10_percent"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert day["recall_at_20_percent"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert day["precision_at_20_percent"]["value"] == 1
    assert day["pr_auc"]["value"] == pytest.approx((1 + 1 + 3 / 4) / 3, abs=1e-6)
    assert 0 < day["recall_at_20_percent"]["low"] < 2 / 3 < day["recall_at_20_percent"]["high"] < 1


def test_learners_of_earlier_presentations_are_told_apart(rows, settings, judged):
    again = rows.with_columns(id_student=pl.when(pl.col("id_student") < 30).then(0).otherwise("id_student"))
    found = forward(again, LABELS, test_presentation="2014B", settings=settings).predictions
    assert set(found.filter(~pl.col("is_new_learner"))["id_student"]) == {0}
    half = judged.with_columns(is_new_learner=pl.col("enrolment_id") < "e5")
    one = figures(half, "withdraw_28d")["model"]["days_28_to_168_new_learners"]
    assert (one["n_count"], one["n_events_count"]) == (5, 3)


def test_ranking_within_modules_counts_pairs_of_one_module_and_lead_days_go_to_the_end(judged):
    day = figures(judged, "withdraw_28d")["model"]["days_28_to_168"]
    # AAA: event at rank 1, then four others; BBB: events at ranks 1 and 2, then three others.
    assert day["roc_auc_within_module"]["value"] == 1
    assert day["lead_days_median"]["value"] == 40 - 29


def test_a_day_without_events_has_counts_and_no_figures(judged):
    day = figures(judged, "withdraw_28d")["model"]["by_day"]["175"]
    assert (day["n_count"], day["n_events_count"]) == (10, 0)
    assert day["roc_auc"] == day["calibration_slope"] == {"value": None, "low": None, "high": None}
