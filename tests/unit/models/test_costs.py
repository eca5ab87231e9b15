"""Time that is costed by the hour."""

from __future__ import annotations

import polars as pl

from models.costs import with_time_costs
from tests.unit.models.returns_world import (
    BOOKED,
    COSTS,
    COURSES,
    EVIDENCE,
    FEBRUARY,
    IN_PERSON,
    JANUARY,
    MARCH,
    MINUTES,
    ONLINE,
    PROGRAMME,
    TIMED,
    frame,
)

SOME = frame(EVIDENCE, ("p", "c", JANUARY, 600.0, "formal"))


def test_time_is_charged_by_minutes_and_rates_where_no_time_row_is_given() -> None:
    added = TIMED.filter("is_priced")
    columns = ("course_id", "period_on", "cost_kind", "strand", "delivery", "amount")
    assert sorted(added.select(columns).rows(), key=str) == sorted(
        [
            ("c", JANUARY, "learner_time", "formal", ONLINE, 200.0),
            (None, FEBRUARY, "learner_time", "social", None, 100.0),
            (None, FEBRUARY, "mentor_time", "social", "online_synchronous", 40.0),
            (None, FEBRUARY, "mentor_time", "social", IN_PERSON, 20.0),
        ],
        key=str,
    )
    assert TIMED["amount"].sum() == 1860.0


def test_a_given_time_row_wins() -> None:
    own = frame(COSTS, ("p", None, MARCH, "learner_time", "formal", ONLINE, 5.0, "EUR", False, False))
    given = pl.concat([BOOKED, own])
    assert with_time_costs(given, SOME, frame(MINUTES), PROGRAMME, frame(COURSES)).height == given.height


def test_time_alone_makes_no_cost() -> None:
    assert with_time_costs(frame(COSTS), SOME, frame(MINUTES), PROGRAMME, frame(COURSES)).is_empty()


def test_time_without_a_rate_has_no_price() -> None:
    unpriced = PROGRAMME.with_columns(learner_hour_amount=pl.lit(None, pl.Float64))
    assert with_time_costs(BOOKED, SOME, frame(MINUTES), unpriced, frame(COURSES)).height == BOOKED.height
