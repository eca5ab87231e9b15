"""The compact state."""

from __future__ import annotations

import numpy as np
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


def test_a_thousand_statements_agree_with_sql(on_both, sql):
    random = np.random.default_rng(1)
    rows = 1000
    statements = pl.DataFrame(
        {
            "enrolment_id": random.choice(["e", "f"], rows),
            "epoch_day": random.integers(-3, 3, rows),
            "strand": random.choice(["formal", "social"], rows),
            "activity_kind": random.choice(["quiz", "forum"], rows),
            "event_count": random.integers(1, 4, rows),
            "minutes": random.integers(0, 90, rows) / 4,
            "object_iri": random.choice(["a", "b", "c", "-"], rows),
            "first_second": random.integers(0, 86400, rows),
            "scaled_score": random.choice([0.25, 9.0], rows),
            "delay": random.integers(0, 2, rows),
        }
    ).with_columns(
        known_epoch_day=pl.col("epoch_day") + pl.col("delay"),
        object_iri=pl.when(pl.col("object_iri") != "-").then("object_iri"),
        scaled_score=pl.when(pl.col("scaled_score") < 1).then("scaled_score"),
    )
    oracle = sql(
        """
        SELECT enrolment_id, epoch_day, known_epoch_day, strand, activity_kind, sum(event_count)::BIGINT, sum(minutes),
               count(DISTINCT object_iri), count(scaled_score), min(first_second), max(first_second)
        FROM statements GROUP BY ALL ORDER BY ALL
        """,
        {"statements": statements},
    )
    assert on_both(enrolment_days, statements).rows() == oracle.rows()
