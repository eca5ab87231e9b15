"""Support tickets open at each landmark."""

from __future__ import annotations

import polars as pl

from features.support import support_features

TICKETS = {
    "learner_id": pl.String,
    "opened_epoch_day": pl.Int64,
    "opened_known_epoch_day": pl.Int64,
    "resolved_known_epoch_day": pl.Int64,
}


def at(on_polars, observed, *tickets):
    """What stands of learner ana; a ticket is (day opened, day known, day its resolution is known)."""
    landmarks = pl.DataFrame({"enrolment_id": "e", "learner_id": "ana", "observed_epoch_day": observed})
    frame = pl.DataFrame([("ana", *ticket) for ticket in tickets] or None, TICKETS, orient="row")
    found = on_polars(support_features, landmarks, frame)
    return list(zip(found["open_tickets_count"], found["days_since_ticket"], strict=True))


def test_a_ticket_is_open_from_the_day_after_it_is_known_until_its_resolution_is(on_polars):
    assert at(on_polars, [100, 101, 110, 111], (100, 100, 110)) == [(0, None), (1, 0), (1, 9), (0, None)]
    assert at(on_polars, [101, 103, 104], (100, 103, None)) == [(0, None), (0, None), (1, 3)]


def test_the_oldest_open_ticket_tells_the_days(on_polars):
    assert at(on_polars, [108, 120], (100, 100, 115), (105, 105, None)) == [(2, 7), (1, 14)]


def test_who_has_no_ticket_keeps_a_row(on_polars):
    assert at(on_polars, [100]) == [(0, None)]
