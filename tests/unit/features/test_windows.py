"""Landmarks: who is observed when."""

from __future__ import annotations

import polars as pl

from data_contracts.tables.features import LANDMARK
from features.windows import landmarks, last_four_weeks

WEEKS = pl.DataFrame({"week_index": range(10)})


def enrolment(**given):
    row = {
        "enrolment_id": "e",
        "learner_id": "l",
        "programme_id": "p",
        "course_id": "c",
        "enrolled_epoch_day": 90,
        "course_start_epoch_day": 100,
        "course_end_epoch_day": 130,
        "ended_epoch_day": None,
        "ended_known_epoch_day": None,
        "ended_kind": None,
    }
    texts = {"course_id", "ended_kind"}
    return pl.DataFrame(
        [row | given],
        schema_overrides={
            name: pl.String if name in texts else pl.Int64
            for name in (*texts, "ended_epoch_day", "ended_known_epoch_day")
        },
    )


def days(on_both, tonight, training=True, **given):
    found = on_both(landmarks, enrolment(**given), WEEKS, tonight_epoch_day=tonight, training=training)
    return list(zip(found["observed_epoch_day"], found["week_index"], found["is_scoring"], strict=True))


def test_course_weeks_end_with_the_course_and_count_from_its_start(on_both):
    history = [(101, 0, False), (108, 1, False), (115, 2, False), (122, 3, False), (129, 4, False)]
    assert days(on_both, 200) == history
    assert days(on_both, 200, course_id=None) == history


def test_tonight_is_one_more_landmark_of_its_own_phase(on_both):
    assert days(on_both, 112) == [(101, 0, False), (108, 1, False), (112, 1, True)]


def test_tonight_on_a_course_week_is_one_row_and_scores(on_both):
    assert days(on_both, 108) == [(101, 0, False), (108, 1, True)]


def test_without_training_tonight_stands_alone(on_both):
    assert days(on_both, 112, training=False) == [(112, 1, True)]


def test_before_the_start_the_week_is_negative(on_both):
    assert days(on_both, 95) == [(95, -1, True)]
    assert days(on_both, 93) == [(93, -1, True)]
    assert days(on_both, 92) == [(92, -2, True)]


def test_the_last_day_of_the_course_is_observed_and_the_day_after_is_not(on_both):
    assert days(on_both, 130, training=False) == [(130, 4, True)]
    assert days(on_both, 131, training=False) == []


def test_an_enrolment_of_today_is_seen_tomorrow(on_both):
    assert days(on_both, 108, training=False, enrolled_epoch_day=108) == []
    assert days(on_both, 109, training=False, enrolled_epoch_day=108) == [(109, 1, True)]


def test_a_learner_gone_is_no_prediction(on_both):
    gone = {"ended_epoch_day": 108, "ended_known_epoch_day": 108, "ended_kind": "abandoned"}
    assert days(on_both, 112, **gone) == [(101, 0, False), (108, 1, False)]


def test_an_end_that_nobody_knows_yet_hides_nobody(on_both):
    late = {"ended_epoch_day": 104, "ended_known_epoch_day": 112, "ended_kind": "abandoned"}
    assert days(on_both, 112, **late) == [(101, 0, False), (108, 1, False), (112, 1, True)]
    assert days(on_both, 113, **late) == [(101, 0, False)]


def test_an_end_without_a_known_day_was_known_on_its_own(on_both):
    ended = {"ended_epoch_day": 104, "ended_kind": "completed"}
    assert days(on_both, 104, training=False, **ended) == [(104, 0, True)]
    assert days(on_both, 105, training=False, **ended) == []


def test_landmarks_of_a_world_keep_the_contract(world, on_both, keeps_contract, tonight):
    found = on_both(landmarks, world["enrolments"], world["weeks"], tonight_epoch_day=tonight)
    keeps_contract(found, LANDMARK)
    assert found.filter("is_scoring").height > 5
    assert found.filter(~pl.col("is_scoring")).height > 100


def test_a_row_stands_beside_each_landmark_that_sees_it_in_four_weeks(on_both):
    observed = pl.DataFrame({"enrolment_id": "e", "observed_epoch_day": [100, 107, 114]})
    rows = pl.DataFrame({"enrolment_id": "e", "epoch_day": [72, 86, 99, 100], "known_epoch_day": [72, 86, 108, 100]})
    found = on_both(last_four_weeks, rows, observed)
    beside = {
        day: sorted(seen for (seen,) in found.filter(pl.col("epoch_day") == day).select("observed_epoch_day").rows())
        for day in rows["epoch_day"]
    }
    assert beside == {72: [79, 86, 93, 100], 86: [93, 100, 107, 114], 99: [114, 121], 100: [107, 114, 121, 128]}
