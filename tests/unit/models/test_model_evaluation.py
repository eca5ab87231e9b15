import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.evaluation import _fold, figures, forward
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
        code_presentation=pl.lit(pl.Series(["2013B", "2013J", "2014B"])).gather(place),
        withdraw_28d=(pl.col("days_since_activity") > 11).cast(pl.Int64),
    )


def _held(rows, mask):
    return set(rows.filter(pl.Series(mask))["code_presentation"])


def test_the_latest_past_presentation_calibrates_a_model_of_those_before(rows):
    fold = _fold(rows, "2014B", 28)
    parts = (fold.train, fold.calibration, fold.past, fold.test)
    assert [_held(rows, part) for part in parts] == [{"2013B"}, {"2013J"}, {"2013B", "2013J"}, {"2014B"}]
    assert fold.past.sum() + fold.test.sum() == rows.height


def test_the_latest_is_the_one_that_starts_last_whatever_its_rows(rows):
    late = rows.filter((pl.col("code_presentation") != "2013B") | (pl.col("day") > 105))
    assert _held(late, _fold(late, "2014B", 28).calibration) == {"2013J"}


def test_one_past_presentation_is_split_by_day_with_a_gap(rows):
    early = rows.filter(pl.col("code_presentation") != "2014B")
    fold = _fold(early, "2013J", 28)
    days = early["day"].to_numpy()
    assert _held(early, fold.past) == {"2013B"}
    assert days[fold.calibration].min() - days[fold.train].max() == 28


def test_no_past_presentation_is_an_error(rows):
    with pytest.raises(SplitError):
        _fold(rows.filter(pl.col("code_presentation") == "2013B"), "2013B", 28)


def test_predictions_are_of_the_test_rows_and_do_not_depend_on_their_outcomes(rows, settings):
    judged = forward(rows, "withdraw_28d", test_presentation="2014B", settings=settings)
    tested = rows.filter(pl.col("code_presentation") == "2014B")
    for _, part in judged.predictions.group_by("estimator"):
        assert_frame_equal(part.select(KEY), tested.select(KEY), check_row_order=False)
    assert judged.training["n_count"] == rows.height - tested.height

    is_test = pl.col("code_presentation") == "2014B"
    turned = rows.with_columns(withdraw_28d=pl.when(is_test).then(1 - pl.col("withdraw_28d")).otherwise("withdraw_28d"))
    again = forward(turned, "withdraw_28d", test_presentation="2014B", settings=settings)
    assert again.predictions["probability"].equals(judged.predictions["probability"])
    assert again.predictions["outcome_value"].equals(1 - judged.predictions["outcome_value"])


def test_rows_without_the_target_take_no_part(rows, settings):
    open_late = rows.with_columns(withdraw_28d=pl.when(pl.col("day") <= 105).then("withdraw_28d"))
    judged = forward(open_late, "withdraw_28d", test_presentation="2014B", settings=settings)
    assert judged.predictions["day"].max() == 105
    assert judged.training["n_count"] == open_late["withdraw_28d"].count() * 2 // 3


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
            "estimator": "model",
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
    assert found["days_28_to_168"] == found["by_day"]["28"]
    assert "weeks_0_to_9" in figures(judged, "withdraw_7d")["model"]
    assert set(figures(judged, "withdraw_end")["model"]) == {"pooled", "by_day", "by_module"}


def test_figures_are_those_counted_by_hand(judged):
    day = figures(judged, "withdraw_28d")["model"]["by_day"]["28"]
    assert day["roc_auc"]["value"] == pytest.approx(20 / 21, abs=1e-6)
    assert day["recall_at_10_percent"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert day["recall_at_20_percent"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert day["precision_at_20_percent"]["value"] == 1
    assert day["pr_auc"]["value"] == pytest.approx((1 + 1 + 3 / 4) / 3, abs=1e-6)
    assert 0 < day["recall_at_20_percent"]["low"] < 2 / 3 < day["recall_at_20_percent"]["high"] < 1


def test_a_day_without_events_has_counts_and_no_figures(judged):
    day = figures(judged, "withdraw_28d")["model"]["by_day"]["175"]
    assert (day["n_count"], day["n_events_count"]) == (10, 0)
    assert day["roc_auc"] == day["calibration_slope"] == {"value": None, "low": None, "high": None}
