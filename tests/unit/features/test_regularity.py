"""Whether hours and weekdays are kept, before each landmark."""

from __future__ import annotations

from math import log2

import numpy as np
import polars as pl
import pytest

from data_contracts.features import BY_NAME
from data_contracts.tables.features import FAMILY_TABLES
from features.regularity import regularity_features

MINUTE, HOUR = 60, 3600
MONDAY = 4  # 1970-01-05


def at(on_polars, observed, *days, seconds=MINUTE):
    """The features of one enrolment at each day; an active day is (day, first second) or (day, first second, known)."""
    rows = [
        {
            "enrolment_id": "e",
            "epoch_day": day,
            "known_epoch_day": known[0] if known else day,
            "first_second": second,
            "last_second": second + seconds,
        }
        for day, second, *known in days
    ]
    frame = pl.DataFrame(
        rows,
        schema=dict.fromkeys(["enrolment_id"], pl.String)
        | dict.fromkeys(["epoch_day", "known_epoch_day", "first_second", "last_second"], pl.Int64),
    )
    observed_days = pl.DataFrame({"enrolment_id": "e", "observed_epoch_day": observed})
    return on_polars(regularity_features, observed_days, frame).rows(named=True)


def peak(size, *counts):
    shares = np.array(counts) / sum(counts)
    return pytest.approx((log2(size) + (shares * np.log2(shares)).sum()) * shares.max(), abs=1e-6)


def test_a_world_has_a_row_a_landmark_that_keeps_the_contract(world, on_both, keeps_contract):
    computed = on_both(regularity_features, world["landmarks"], world["enrolment_days"])
    keeps_contract(computed, FAMILY_TABLES["regularity"])
    assert len(computed) == len(world["landmarks"])
    assert computed["hour_peak_28d"].null_count() > 20


def test_the_same_hour_and_weekday_each_week_is_as_regular_as_can_be(on_polars):
    (row,) = at(on_polars, [MONDAY + 28], *((MONDAY + 7 * week, 19 * HOUR) for week in range(4)))
    assert row["hour_peak_28d"] == peak(24, 4)
    assert row["weekday_peak_28d"] == peak(7, 4)
    assert row["weekday_overlap_28d_share"] == 1.0
    for name in ("hour_peak_28d", "weekday_peak_28d"):
        assert row[name] == BY_NAME[name].field.maximum


def test_hours_and_weekdays_that_scatter_have_no_peak(on_polars):
    days = [(MONDAY + day, (day * 5 % 24) * HOUR) for day in range(7)]
    (row,) = at(on_polars, [MONDAY + 28], *days)
    assert row["hour_peak_28d"] == peak(24, *[1] * 7)
    assert row["weekday_peak_28d"] == 0.0


def test_weeks_are_compared_pair_by_pair_those_without_any_activity_only_once(on_polars):
    # Weeks, the latest first: Monday and Tuesday; Monday; none; none.
    days = [(MONDAY + 21, 0), (MONDAY + 22, 0), (MONDAY + 14, 0)]
    (few,) = at(on_polars, [MONDAY + 28], *days)
    assert few["weekday_overlap_28d_share"] is None
    (row,) = at(on_polars, [MONDAY + 28], *days, (MONDAY + 15, 0), (MONDAY + 16, 0))
    # {Mo, Tu} and {Mo, Tu, We} share two of three; each has nothing in common with the two empty weeks.
    assert row["weekday_overlap_28d_share"] == pytest.approx(2 / 3 / 5, abs=1e-6)


def test_under_four_active_days_nothing_is_said(on_polars):
    three = [(MONDAY + day, 9 * HOUR) for day in (20, 22, 24)]
    (few,) = at(on_polars, [MONDAY + 28], *three, (MONDAY + 24, 15 * HOUR), (MONDAY - 1, 9 * HOUR))
    assert {few[name] for name in FAMILY_TABLES["regularity"].column_names[2:]} == {None}
    (enough,) = at(on_polars, [MONDAY + 28], *three, (MONDAY, 9 * HOUR))
    assert enough["hour_peak_28d"] == peak(24, 4)


def test_a_day_counts_once_a_weekday_and_once_an_hour_in_which_something_began(on_polars):
    days = [(MONDAY + day, 9 * HOUR + extra) for day in range(4) for extra in (0, 5, HOUR)]
    (row,) = at(on_polars, [MONDAY + 28], *days)
    assert row["hour_peak_28d"] == peak(24, 4, 4)
    assert row["weekday_peak_28d"] == peak(7, 1, 1, 1, 1)


@pytest.mark.parametrize("hour", [0, 7, 8, 15, 16, 23])
def test_every_hour_is_told_from_its_neighbours(on_polars, hour):
    days = [(MONDAY + day, (hour if day < 20 else (hour + 1) % 24) * HOUR) for day in range(28)]
    (row,) = at(on_polars, [MONDAY + 28], *days)
    assert row["hour_peak_28d"] == peak(24, 20, 8)


def test_days_without_times_have_weekdays_and_no_hours(on_polars):
    (row,) = at(on_polars, [MONDAY + 28], *((MONDAY + day, 12 * HOUR) for day in range(4)), seconds=0)
    assert row["hour_peak_28d"] is None
    assert row["weekday_peak_28d"] == peak(7, 1, 1, 1, 1)


def test_a_day_counts_from_when_it_is_known_where_it_happened(on_polars):
    days = [(MONDAY + 7 * week, 9 * HOUR, MONDAY + 30) for week in range(4)]
    before, after, later = at(on_polars, [MONDAY + 28, MONDAY + 35, MONDAY + 42], *days, (MONDAY + 28, 9 * HOUR))
    assert before["weekday_peak_28d"] is None
    assert after["weekday_peak_28d"] == peak(7, 4)
    assert later["weekday_peak_28d"] is None
