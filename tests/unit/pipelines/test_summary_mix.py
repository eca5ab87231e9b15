"""The learning mix as the summary says it: by minutes, by events where none are known, with coverage."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from data_contracts.tables.marts import MARTS
from pipelines.commands.summary import _mix


@pytest.fixture
def marts():
    with duckdb.connect() as con:
        for name in ("learning_mix", "dim_programme"):
            con.execute(f"CREATE TABLE {name} ({MARTS[name].ddl()})")
        yield con


def month(con, programme_id, strand, minutes, events, number=1, target=None, coverage=None):
    values = (programme_id, "all", strand, date(2024, number, 1), minutes, events, target, coverage)
    con.execute(
        "INSERT INTO learning_mix (programme_id, course_id, strand, month_starts_on, minutes, events_count, target_share, "
        "coverage_share) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def line(con):
    return " ".join(_mix(con).splitlines()[1].split())


def test_minutes_of_all_months_are_split_beside_target_and_coverage(marts):
    for number, minutes in ((1, 20.0), (2, 30.0)):
        month(marts, "P", "formal", minutes, 9, number, 0.1, 0.8)
        month(marts, "P", "social", 25.0, 9, number, 0.2, 0.5)
        month(marts, "P", "experiential", 50.0, 9, number, 0.7, 0.3)
    assert line(marts) == "P 25% : 25% : 50% target 10% : 20% : 70% coverage 80% : 50% : 30%"


def test_minutes_that_no_log_tells_are_a_question_and_withheld_ones_leave_the_other_months(marts):
    month(marts, "P", "formal", 30.0, 9)
    month(marts, "P", "formal", None, None, 2)
    month(marts, "P", "social", 10.0, 3)
    month(marts, "P", "experiential", None, 4)
    month(marts, "P", "experiential", 0.0, 0, 2)
    assert line(marts) == "P 75% : 25% : ?"


def test_where_no_minutes_are_known_the_split_is_of_events(marts):
    month(marts, "P", "formal", None, 900)
    month(marts, "P", "social", None, 300)
    month(marts, "P", "experiential", None, 0)
    month(marts, "Q", "formal", None, 900)
    month(marts, "Q", "social", None, 300)
    month(marts, "Q", "experiential", 0.0, 0)
    assert line(marts) == "P 75% : 25% : ? of 1,200 events, minutes unknown"
    assert "75% : 25% : 0% of 1,200 events" in _mix(marts).splitlines()[2]


def test_where_all_is_withheld_nothing_is_split(marts):
    for strand in ("formal", "social", "experiential"):
        month(marts, "P", strand, None, None)
    assert line(marts) == "P withheld: few people"
