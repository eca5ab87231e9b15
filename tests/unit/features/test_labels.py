"""What became of each landmark."""

from __future__ import annotations

import polars as pl
import pytest

from data_contracts.tables.features import LABEL
from features.labels import labels


def label(on_both, tonight, observed=100, **given):
    """(abandons_7d, abandons_28d, abandons_end, fails_or_abandons_end) of one landmark."""
    row = {
        "enrolment_id": "e",
        "course_id": "c",
        "course_start_epoch_day": 30,
        "course_end_epoch_day": 200,
        "ended_epoch_day": None,
        "ended_known_epoch_day": None,
        "ended_kind": None,
        "has_recorded_outcome": True,
    } | given
    row["ended_known_epoch_day"] = row["ended_known_epoch_day"] or row["ended_epoch_day"]
    types = {"ended_epoch_day": pl.Int64, "ended_known_epoch_day": pl.Int64, "ended_kind": pl.String}
    landmarks = pl.DataFrame({"enrolment_id": ["e"], "observed_epoch_day": [observed]})
    found = on_both(labels, landmarks, pl.DataFrame([row], schema_overrides=types), tonight_epoch_day=tonight)
    return found.row(0)[2:6]


def test_labels_of_a_world_take_every_value_within_the_contract(world, on_both, keeps_contract, tonight):
    computed = on_both(labels, world["landmarks"], world["enrolments"], tonight_epoch_day=tonight)
    keeps_contract(computed, LABEL)
    for name in ("abandons_7d", "abandons_28d", "abandons_end", "fails_or_abandons_end"):
        assert set(computed[name]) == {0, 1, None}


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (100, (1, 1, 1, 1)),
        (106, (1, 1, 1, 1)),
        (107, (0, 1, 1, 1)),
        (127, (0, 1, 1, 1)),
        (128, (0, 0, 1, 1)),
    ],
)
def test_an_abandonment_counts_from_the_observed_day_to_the_windows_last(on_both, ended, expected):
    assert label(on_both, 150, ended_epoch_day=ended, ended_kind="abandoned") == expected


def test_a_competing_end_is_no_abandonment(on_both):
    assert label(on_both, 104, ended_epoch_day=103, ended_kind="completed") == (0, 0, 0, 0)
    assert label(on_both, 104, ended_epoch_day=103, ended_kind="failed") == (0, 0, 0, 1)


def test_follow_up_too_short_is_not_known(on_both):
    assert label(on_both, 106) == (None, None, None, None)
    assert label(on_both, 107) == (0, None, None, None)
    assert label(on_both, 127) == (0, None, None, None)
    assert label(on_both, 128) == (0, 0, None, None)


def test_an_end_counts_once_it_is_known(on_both):
    late = {"ended_epoch_day": 103, "ended_known_epoch_day": 105, "ended_kind": "abandoned"}
    assert label(on_both, 105, **late) == (None, None, None, None)
    assert label(on_both, 106, **late) == (1, 1, 1, 1)


def test_a_course_that_is_over_settles_every_label(on_both):
    assert label(on_both, 102, course_end_epoch_day=102) == (None, None, None, None)
    assert label(on_both, 103, course_end_epoch_day=102) == (0, 0, 0, 0)


def test_silence_is_judged_when_it_has_lasted(on_both):
    silent = {"has_recorded_outcome": False}
    assert label(on_both, 107, **silent) == (None, None, None, None)
    assert label(on_both, 134, **silent) == (None, None, None, None)
    assert label(on_both, 135, **silent) == (0, None, None, None)
    assert label(on_both, 132, ended_epoch_day=102, ended_known_epoch_day=131, ended_kind="abandoned", **silent) == (
        1,
        1,
        1,
        1,
    )
    assert label(on_both, 130, course_end_epoch_day=102, **silent) == (None, None, None, None)
    assert label(on_both, 131, course_end_epoch_day=102, **silent) == (0, 0, 0, 0)


def batches(on_both, ends, tonight=150):
    """Ids of the enrolments that count as ended in a batch; `ends` are (course, day, kind) of one enrolment each."""
    enrolments = pl.DataFrame(
        [
            {
                "enrolment_id": f"e{number:03}",
                "course_id": course,
                "course_start_epoch_day": 94 if course == "a course of six days" else 30,
                "course_end_epoch_day": 200,
                "ended_epoch_day": day,
                "ended_known_epoch_day": day,
                "ended_kind": kind,
                "has_recorded_outcome": True,
            }
            for number, (course, day, kind) in enumerate(ends)
        ],
        schema_overrides={"ended_epoch_day": pl.Int64, "ended_known_epoch_day": pl.Int64, "ended_kind": pl.String},
    )
    landmarks = enrolments.select("enrolment_id", observed_epoch_day=pl.lit(50, pl.Int64))
    found = on_both(labels, landmarks, enrolments, tonight_epoch_day=tonight)
    return found.filter("is_batch_end").sort("enrolment_id")["enrolment_id"].to_list()


def test_a_batch_is_ten_on_one_day_and_eight_times_a_usual_day_of_the_four_weeks_before(on_both):
    """Courses are scenarios: each is judged by its own."""
    month = [day for day in range(72, 100) for _ in range(2)]
    scenarios = {
        "ten of a quiet month": [100] * 10,
        "nine": [100] * 9,
        "sixteen beside two a day": [*month, *[100] * 16],
        "fifteen beside two a day": [*month, *[100] * 15],
        "what was 29 days before is no part of usual": [*[71] * 9, *[100] * 10],
        "what comes later hides none": [*[100] * 10, *[101] * 9],
        "a course of six days": [*[100] * 10, *[101] * 10],
    }
    ends = [(course, day, "abandoned") for course, days in scenarios.items() for day in days]
    ends += [("nine", 100, "completed")] * 40 + [(None, 100, "abandoned")] * 10
    found = batches(on_both, ends)
    courses = [ends[int(one[1:])][0] for one in found]
    assert {course: courses.count(course) for course in scenarios} == {
        "ten of a quiet month": 10,
        "nine": 0,
        "sixteen beside two a day": 16,
        "fifteen beside two a day": 0,
        "what was 29 days before is no part of usual": 10,
        "what comes later hides none": 10,
        "a course of six days": 0,
    }
    assert None not in courses


def test_a_batch_counts_only_ends_that_are_known(on_both):
    assert batches(on_both, [("c", 100, "abandoned")] * 10, tonight=100) == []
