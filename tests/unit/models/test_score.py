import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from models.score import is_too_early, score, with_bands


def test_each_row_has_raw_scores_and_the_probabilities_they_stand_for(trained, landmarks):
    rows = landmarks.filter(pl.col("is_scoring"))
    scored = score(trained.model, rows)
    assert scored.columns == [
        "enrolment_id",
        "observed_epoch_day",
        "risk_score_7d",
        "risk_score_28d",
        "abandonment_probability_7d",
        "abandonment_probability_28d",
    ]
    assert scored["enrolment_id"].equals(rows["enrolment_id"])
    expected = {}
    for horizon, one in trained.model.horizons.items():
        raw = scored[f"risk_score_{horizon}"].to_numpy()
        offset = rows["course_id"].replace_strict(one.calibrator.offsets, default=0.0).to_numpy()
        expected[horizon] = expit(one.calibrator.slope * raw + one.calibrator.intercept + offset)
    assert scored["abandonment_probability_28d"].to_numpy() == pytest.approx(expected["28d"])
    assert scored["abandonment_probability_7d"].to_numpy() == pytest.approx(np.minimum(expected["7d"], expected["28d"]))


def test_a_score_does_not_depend_on_who_else_is_scored(trained, landmarks):
    rows = landmarks.head(50)
    assert score(trained.model, rows.tail(1)).equals(score(trained.model, rows).tail(1))


def test_nobody_to_score_gives_no_rows(trained, landmarks):
    assert score(trained.model, landmarks.clear()).height == 0


def test_who_was_long_away_has_the_higher_risk(trained, landmarks):
    rows = landmarks.with_columns(score(trained.model, landmarks)["abandonment_probability_28d"])
    away = rows.filter(pl.col("days_since_activity") >= 8)["abandonment_probability_28d"].mean()
    here = rows.filter(pl.col("days_since_activity") <= 2)["abandonment_probability_28d"].mean()
    assert away > 2 * here


def test_bands_begin_at_their_limits_and_ranks_count_within_course_and_day():
    frame = pl.DataFrame(
        {
            "course_id": ["a", "a", "a", "b", None, "a"],
            "observed_epoch_day": [1, 1, 1, 1, 1, 2],
            "abandonment_probability_28d": [0.0999, 0.30, 0.30, 0.10, None, 0.2999],
        }
    )
    banded = with_bands(frame)
    assert banded["risk_band"].to_list() == ["low", "high", "high", "middle", None, "middle"]
    assert banded["risk_rank"].to_list() == [3, 1, 1, 1, None, 1]


def test_limits_of_bands_are_settings():
    frame = pl.DataFrame(
        {
            "course_id": ["a"],
            "observed_epoch_day": [1],
            "abandonment_probability_28d": [0.15],
        }
    )
    assert with_bands(frame, low=0.2, high=0.5)["risk_band"].item() == "low"


def test_it_is_too_early_in_the_first_week_after_the_first_possible_activity():
    frame = pl.DataFrame(
        {
            "observed": [106, 107, 107, 107],
            "start": [100, 100, 90, None],
            "enrolled": [80, 80, 101, 100],
        }
    )
    assert _too_early(frame.with_columns(first_due=pl.lit(None, pl.Int64))) == [True, False, True, False]


def test_where_work_is_due_it_is_too_early_until_a_week_after_the_first_is_but_a_late_one_is_not_waited_for():
    frame = pl.DataFrame(
        {
            "observed": [109, 110, 113, 114, 107, 106],
            "start": 100,
            "enrolled": 80,
            "first_due": [103, 103, 160, 160, 90, 90],
        }
    )
    assert _too_early(frame) == [True, False, True, False, False, True]


@given(
    start=st.integers(0, 50), enrolled=st.integers(0, 50), due=st.none() | st.integers(0, 90), later=st.integers(0, 60)
)
def test_who_is_out_of_the_first_days_never_falls_back_into_them(start, enrolled, due, later):
    observed = max(start, enrolled) + 1 + later
    frame = pl.DataFrame(
        {"observed": [observed, observed + 1], "start": start, "enrolled": enrolled, "first_due": due},
        schema_overrides={"first_due": pl.Int64},
    )
    now, tomorrow = _too_early(frame)
    assert now or not tomorrow
    assert now == tomorrow or observed + 1 - max(start, enrolled) in range(7, 15)


def _too_early(frame):
    found = frame.select(
        is_too_early(
            observed=pl.col("observed"),
            course_start=pl.col("start"),
            enrolled=pl.col("enrolled"),
            first_due=pl.col("first_due"),
        )
    )
    return found["is_too_early"].to_list()


def test_unknown_features_still_give_a_probability(trained, landmarks):
    blank = landmarks.head(3).with_columns(pl.lit(None).alias(name) for name in trained.model.feature_names)
    probability = score(trained.model, blank)["abandonment_probability_28d"].to_numpy()
    assert np.isfinite(probability).all()
