"""The compact state."""

from __future__ import annotations

import polars as pl

from data_contracts.tables.core import ENROLMENT_DAY
from features.enrolment_day import enrolment_days

ROW = {
    "enrolment_id": "e",
    "epoch_day": 10,
    "known_epoch_day": 10,
    "strand": "formal",
    "activity_kind": "quiz",
    "event_count": 1,
    "minutes": 1.5,
    "object_iri": "https://example.org/a",
    "scaled_score": None,
    "first_second": 100,
}
TYPES = {"enrolment_id": pl.String, "object_iri": pl.String, "scaled_score": pl.Float64}


def summed(on_both, *rows):
    return on_both(enrolment_days, pl.DataFrame([ROW | row for row in rows], schema_overrides=TYPES))


def test_a_day_sums_its_statements(on_both, keeps_contract):
    found = summed(
        on_both,
        {"first_second": 500, "event_count": 4},
        {"first_second": 300, "scaled_score": 0.5, "object_iri": "https://example.org/b"},
        {"first_second": 900, "object_iri": "https://example.org/b", "scaled_score": -1.0},
        {"object_iri": None, "first_second": 700},
    )
    keeps_contract(found, ENROLMENT_DAY)
    assert found.rows(named=True) == [
        {
            "enrolment_id": "e",
            "epoch_day": 10,
            "known_epoch_day": 10,
            "strand": "formal",
            "activity_kind": "quiz",
            "events_count": 7,
            "minutes": 6.0,
            "distinct_activities_count": 2,
            "scored_count": 2,
            "first_second": 300,
            "last_second": 900,
        }
    ]


def test_objects_that_are_no_activity_count_as_none(on_both):
    assert summed(on_both, {"object_iri": None}, {"object_iri": None})["distinct_activities_count"].to_list() == [0]


def test_days_known_strands_and_kinds_stand_apart(on_both):
    found = summed(
        on_both,
        {},
        {"epoch_day": 11, "known_epoch_day": 11},
        {"known_epoch_day": 12},
        {"strand": "social"},
        {"activity_kind": "forum"},
        {"enrolment_id": "f"},
    )
    assert found["events_count"].to_list() == [1] * 6


def test_statements_of_no_enrolment_are_left_out(on_both):
    assert summed(on_both, {"enrolment_id": None}, {})["events_count"].to_list() == [1]
