"""How much of the course is opened before each landmark."""

from __future__ import annotations

import polars as pl

from data_contracts.tables.features import FAMILY_TABLES
from features.coverage import coverage_features


def at(on_both, observed, openings=(), activities=()):
    """The features of one enrolment; an opening is (known, available, count), an activity (available, count)."""
    days = pl.DataFrame({"enrolment_id": "e", "course_id": "c", "observed_epoch_day": observed})
    opened = pl.DataFrame(
        [("e", *opening) for opening in openings],
        {"enrolment_id": pl.String}
        | dict.fromkeys(("known_epoch_day", "available_epoch_day", "opened_count"), pl.Int64),
        orient="row",
    )
    offered = pl.DataFrame(
        [("c", *activity) for activity in activities] + [("d", 0, 50)],
        {"course_id": pl.String} | dict.fromkeys(("available_epoch_day", "activities_count"), pl.Int64),
        orient="row",
    )
    return on_both(coverage_features, days, opened, offered).rows(named=True)


def test_a_world_has_a_row_a_landmark_that_keeps_the_contract(world, on_both, keeps_contract):
    computed = on_both(coverage_features, world["landmarks"], world["openings"], world["activities"])
    keeps_contract(computed, FAMILY_TABLES["coverage"])
    assert len(computed) == len(world["landmarks"])
    assert computed["opened_released_share"].null_count() > 20


def test_the_share_is_of_what_was_released_before_the_day(on_both):
    rows = at(on_both, [100, 101, 108], [(99, 0, 3), (100, 0, 1)], [(0, 8), (100, 2), (107, 10)])
    assert [row["opened_activities_to_date"] for row in rows] == [3, 4, 4]
    assert [row["opened_released_share"] for row in rows] == [3 / 8, 4 / 10, 4 / 20]


def test_what_is_opened_before_its_release_counts_from_the_release_on(on_both):
    rows = at(on_both, [100, 107, 114], [(90, 105, 1)], [(0, 1), (105, 1)])
    assert [row["opened_activities_to_date"] for row in rows] == [0, 1, 1]
    assert [row["opened_released_share"] for row in rows] == [0.0, 0.5, 0.5]


def test_the_new_are_those_of_the_last_four_weeks(on_both):
    rows = at(on_both, [100, 121, 128], [(99, 0, 3), (120, 0, 2)], [(0, 10)])
    assert [row["newly_opened_activities_28d"] for row in rows] == [3, 5, 2]


def test_a_course_that_lists_nothing_has_counts_and_no_share(on_both):
    (row,) = at(on_both, [100])
    assert (row["opened_activities_to_date"], row["newly_opened_activities_28d"]) == (0, 0)
    assert row["opened_released_share"] is None
