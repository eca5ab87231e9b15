"""Rows judged one by one and counts of violations judged in one statement come to the same verdict."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.expectations import expectations_of, judge_rows, judge_summary, summary_sql
from data_contracts.schema import Column, Field, Kind, Table

COLUMNS = (
    Column("id", Field("id", Kind.TEXT, "Key"), is_required=True),
    Column("day", Field("day", Kind.INTEGER, "Second part of the key"), is_required=True),
    Column("score", Field("score", Kind.NUMBER, "Open above", minimum=0), is_required=True),
    Column("share", Field("share", Kind.NUMBER, "Closed", minimum=0, maximum=1), is_required=False),
    Column("times", Field("times", Kind.INTEGER, "Count", minimum=0), is_required=False),
    Column("band", Field("band", Kind.TEXT, "One of three", values=("low", "middle", "it's high")), is_required=False),
    Column("known_at", Field("known_at", Kind.INSTANT, "Instant"), is_required=True),
    Column("ended_on", Field("ended_on", Kind.DATE, "Date"), is_required=False),
    Column("is_open", Field("is_open", Kind.BOOLEAN, "Boolean"), is_required=True),
)
TABLE = Table("core", "thing", "A thing", "one row per thing and day", ("id", "day"), COLUMNS)
BY_ID = Table("core", "thing", "A thing", "one row per thing", ("id",), COLUMNS)
VERSIONED = Table("core", "thing", "A thing", "one row per version", ("id", "day"), COLUMNS, is_versioned=True)

GOOD = {
    "id": "a",
    "day": 1,
    "score": 3.5,
    "share": 0.5,
    "times": 2,
    "band": "it's high",
    "known_at": "2024-03-01 12:00:00",
    "ended_on": "2024-03-01",
    "is_open": True,
}


def both(table, rows, *changes):
    """The verdicts of both ways on rows (what is not said of a row is good), after SQL changes to the table."""
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE thing ({table.ddl()})")
        for row in rows:
            con.execute(f"INSERT INTO thing VALUES ({', '.join('?' for _ in COLUMNS)})", list((GOOD | row).values()))
        for change in changes:
            con.execute(change)
        by_row = judge_rows(table, con.sql("FROM thing").df())
        counts = con.sql(summary_sql(table, "thing")).df()
        return by_row, judge_summary(table, counts, con.sql("FROM thing LIMIT 0").columns)


def agreed(table, rows, *changes):
    by_row, by_count = both(table, rows, *changes)
    assert by_row == by_count
    assert by_row.is_passed is (not by_row.violations)
    return dict(by_row.violations)


@pytest.mark.parametrize("table", [TABLE, BY_ID, VERSIONED])
def test_a_table_that_holds_its_contract_passes_both_ways(table):
    empty = dict.fromkeys(("share", "times", "band", "ended_on"))
    assert agreed(table, []) == {}
    assert agreed(table, [{}]) == {}
    assert (
        agreed(
            table, [{}, {"id": "b"} | empty, {"id": "c", "share": 0, "times": 0, "score": 0}, {"id": "d", "share": 1}]
        )
        == {}
    )


OTHER = {"id": "b"}


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        ({"score": None}, "score is given"),
        ({"score": float("nan")}, "score is given"),
        ({"known_at": None}, "known_at is given"),
        ({"is_open": None}, "is_open is given"),
        ({"day": None}, "day is given"),
        ({"score": -0.001}, "score lies within its limits"),
        ({"score": float("-inf")}, "score lies within its limits"),
        ({"share": 1.000001}, "share lies within its limits"),
        ({"share": -1e-9}, "share lies within its limits"),
        ({"share": float("inf")}, "share lies within its limits"),
        ({"times": -1}, "times lies within its limits"),
        ({"band": "High"}, "band is one of its values"),
        ({"band": ""}, "band is one of its values"),
    ],
)
def test_a_planted_fault_is_found_by_both_ways_and_counted_alike(fault, broken):
    assert agreed(TABLE, [{}, OTHER | fault, {"id": "c"} | fault]) == {broken: 2}


def test_an_optional_number_that_is_nan_was_not_given():
    assert agreed(TABLE, [{}, OTHER | {"share": float("nan")}]) == {}


@pytest.mark.parametrize(("table", "rows", "repeated"), [
    (TABLE, [{}, {}, {"day": 2}], 2),
    (TABLE, [{}, {}, {}, {"id": "b"}, {"id": "b"}], 5),
    (BY_ID, [{}, {"day": 2}, {"id": "b"}], 2),
])  # fmt: skip
def test_a_repeated_key_is_found_and_its_rows_counted(table, rows, repeated):
    assert agreed(table, rows) == {"the key is unique": repeated}


def test_where_versions_are_kept_a_key_may_repeat():
    assert agreed(VERSIONED, [{}, {}]) == {}


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE thing ADD COLUMN more INTEGER",
        "CREATE OR REPLACE TABLE thing AS SELECT is_open, * EXCLUDE (is_open) FROM thing",
    ],
)
def test_columns_that_are_not_the_contracts_are_found(change):
    assert agreed(TABLE, [{}], change) == {"the columns are the contract's": 1}


def test_a_missing_column_does_not_pass_as_rows():
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE thing ({TABLE.ddl()}); ALTER TABLE thing DROP COLUMN share")
        told = judge_rows(TABLE, con.sql("FROM thing").df())
    assert "the columns are the contract's" in told.violations


def test_every_broken_rule_is_told_and_no_other():
    worst = {"id": "b", "score": -1, "share": 2, "times": -3, "band": "odd", "known_at": None}
    assert agreed(TABLE, [{}, worst, worst]) == {
        "score lies within its limits": 2,
        "share lies within its limits": 2,
        "times lies within its limits": 2,
        "band is one of its values": 2,
        "known_at is given": 2,
        "the key is unique": 2,
    }


def test_a_contract_of_no_rules_passes():
    free = Table(
        "core",
        "thing",
        "A thing",
        "one row per thing",
        (),
        (Column("note", Field("note", Kind.TEXT, "Free"), is_required=False),),
    )
    with duckdb.connect() as con:
        con.execute("CREATE TABLE thing (note VARCHAR)")
        assert judge_rows(free, con.sql("FROM thing").df()).is_passed
        assert judge_summary(free, con.sql(summary_sql(free, "thing")).df(), ["note"]).is_passed
    assert expectations_of(free) == []


NUMBERS = st.none() | st.floats(width=32) | st.sampled_from([0.0, 1.0, -0.0, 0.5])
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "b", "c"]) | st.none(),
        "day": st.integers(0, 2) | st.none(),
        "score": NUMBERS,
        "share": NUMBERS,
        "times": st.none() | st.integers(-2, 2),
        "band": st.none() | st.sampled_from(["low", "middle", "it's high", "LOW", ""]),
        "known_at": st.none() | st.just("2024-03-01 12:00:00"),
        "is_open": st.none() | st.booleans(),
    },
)


@settings(max_examples=25, deadline=None)
@given(st.lists(ROWS, max_size=4))
def test_both_ways_agree_on_any_rows(rows):
    by_row, by_count = both(TABLE, rows)
    assert by_row == by_count
