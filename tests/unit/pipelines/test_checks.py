"""What a check tells of faults planted in a table: counts, what was found, examples; and nothing of a person."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from data_contracts.schema import Column, Field, Kind, Table
from data_contracts.tables.marts import MARTS
from pipelines import runs
from pipelines.checks import contract_check, judge
from pipelines.faults import Fault, faults_of
from pipelines.resources import Night

PERSON = "f00dfeed" * 8
COLUMNS = (
    Column("programme_id", Field("programme_id", Kind.TEXT, "Programme"), is_required=True),
    Column("learner_id", Field("learner_id", Kind.TEXT, "Learner"), is_required=True),
    Column("share", Field("share", Kind.NUMBER, "Share", minimum=0, maximum=1), is_required=False),
    Column("band", Field("band", Kind.TEXT, "Band", values=("low", "high")), is_required=False),
)


def table(level="aggregate", key=("programme_id",), columns=COLUMNS):
    return Table("core", "thing", "A thing", "one row per thing", key, columns, level)


@pytest.fixture
def things(house):
    """Fill core.thing, judge it, and look at what is broken."""

    def look(contract, *rows, relation="core.thing", change=""):
        house.warehouse.execute(f"CREATE OR REPLACE TABLE core.thing ({contract.ddl()})")
        for row in rows:
            house.warehouse.execute("INSERT INTO core.thing VALUES (?, ?, ?, ?)", row)
        if change:
            house.warehouse.execute(change)
        return faults_of(house.warehouse, contract, relation, judge(house.night, contract, relation))

    return look


def test_a_table_without_faults_has_none(things):
    assert things(table(), ("p", PERSON, 0.5, "low")) == []


def test_of_an_aggregate_keys_and_wrong_values_are_told_the_most_rows_first(things):
    rows = [("p", "x", 2.0, "LOW"), ("q", "x", -1.0, "odd"), ("r", "x", 0.5, "odd"), ("s", None, None, None)]
    assert things(table(), *rows) == [
        Fault("band is one of its values", 3, "LOW, odd", "programme_id p; programme_id q; programme_id r"),
        Fault("share lies within its limits", 2, "-1 to 2", "programme_id p; programme_id q"),
        Fault("learner_id is given", 1, "no value", "programme_id s"),
    ]


def test_of_persons_only_numbers_ranges_and_the_programmes_of_most_rows_are_told_and_few_are_not_counted(things):
    contract = table("learner", ("learner_id",))
    rows = [("p", PERSON, 2.0, PERSON), ("p", PERSON, 2.0, "low"), ("q", "other", 2.0, "low")]
    many = [("p", str(number), 3.0, "low") for number in range(8)]
    found = things(contract, *rows, *many)
    assert found == [
        Fault("share lies within its limits", 11, "2 to 3", "programme_id p (10 rows); programme_id q (under 10 rows)"),
        Fault("the key is unique", 2, "1 keys stand more than once", "programme_id p (under 10 rows)"),
        Fault("band is one of its values", 1, "another value", "programme_id p (under 10 rows)"),
    ]
    assert PERSON not in str(found)


def test_of_persons_of_no_programme_no_row_is_shown(things):
    contract = table("mentor", ("learner_id",), COLUMNS[1:])
    found = things(contract, change=f"INSERT INTO core.thing VALUES ('{PERSON}', 2.0, 'low')")
    assert found == [Fault("share lies within its limits", 1, "2", "rows of persons are not shown")]


def test_missing_and_unknown_columns_are_named_and_break_nothing(things):
    assert things(table(), change="ALTER TABLE core.thing RENAME COLUMN learner_id TO person") == [
        Fault("learner_id is given", 1, "no such column", ""),
        Fault("the columns are the contract's", 1, "missing: learner_id; unknown: person", ""),
    ]
    without_key = things(
        table(), ("p", "x", 0.5, "low"), change="ALTER TABLE core.thing RENAME COLUMN programme_id TO p"
    )
    assert [fault.found for fault in without_key if fault.expectation == "the key is unique"] == ["no such column"]
    swapped = "CREATE OR REPLACE TABLE core.thing AS SELECT band, * EXCLUDE (band) FROM core.thing"
    (found,) = things(table(), change=swapped)
    assert found.found == "another order"


def test_a_long_key_is_cut(things):
    (found,) = things(table(), ("p" * 500, "x", 2.0, "low"))
    assert len(found.examples) < 100


@dataclass(frozen=True)
class Opened:
    """Stands in for the resource of an open night."""

    night: Night


def evaluated(house, contract):
    """What the contract's check tells Dagster."""
    return contract_check("thing", contract)(night=Opened(house.night))


@pytest.fixture
def judged(house):
    """A night that has begun, over a table of two rows of which one breaks the contract."""
    runs.begin(house.warehouse, house.night.run_id, "inbox", house.night.observed_at)
    contract = table("learner", ("learner_id",))
    house.warehouse.execute(f"CREATE TABLE core.thing ({contract.ddl()})")
    house.warehouse.execute(f"INSERT INTO core.thing VALUES ('p', 'a', 2.0, 'low'), ('p', '{PERSON}', 0.5, 'low')")
    return house, contract


def test_a_check_tells_counts_that_plot_a_table_and_its_page(judged):
    house, contract = judged
    told = evaluated(house, contract)
    assert told.passed is False
    assert told.description == "1 of 6 expectations do not hold for 2 rows: share lies within its limits (1)."
    numbers = {name: value.value for name, value in told.metadata.items() if name not in {"faults", "data_docs"}}
    assert numbers == {"expectations": 6, "broken_expectations": 1, "rows": 2, "violations": 1}
    (record,) = told.metadata["faults"].records
    assert record.data == {
        "expectation": "share lies within its limits",
        "rows": 1,
        "share_percent": 50.0,
        "found": "2",
        "examples": "programme_id p (under 10 rows)",
    }
    assert told.metadata["data_docs"].url == f"{house.night.settings.reports_url}/data-docs/core.thing.html"
    house.warehouse.execute("UPDATE core.thing SET share = 1")
    mended = evaluated(house, contract)
    assert (mended.passed, mended.description) == (True, "2 rows hold all 6 expectations.")
    assert "faults" not in mended.metadata


def test_data_docs_say_what_great_expectations_expects_and_what_broke_without_reaching_out(judged):
    house, contract = judged
    evaluated(house, contract)
    page = (house.night.home.data_docs / "core.thing.html").read_text("utf-8")
    assert "core.thing does not hold its contract" in page
    assert "share values must be greater than or equal to 0.0 and less than or equal to 1.0." in page
    assert "learner_id values must be unique." in page
    index = (house.night.home.data_docs / "index.html").read_text("utf-8")
    assert re.search(r'<a href="core.thing.html">core.thing</a>: does not hold, 1 expectations broken, 2 rows', index)
    assert "0 of 1 tables hold" in index
    for text in (page, index):
        assert "://" not in text
        assert "default-src 'none'" in text
        assert PERSON not in text
    assert [path.name for path in house.night.home.data_docs.iterdir() if path.name.endswith(".partial")] == []


def test_the_index_keeps_each_table_s_latest_verdict_the_broken_first(judged):
    house, contract = judged
    add = "INSERT INTO ops.check_result VALUES ('run-0', ?, 'contract', true, 0, 7)"
    house.warehouse.execute(
        "INSERT INTO ops.run (run_id, observed_at, started_at) VALUES ('run-0', '2024-03-12', '2024-03-12')"
    )
    for name in ("core.another", "core.thing"):
        house.warehouse.execute(add, [name])
    evaluated(house, contract)
    index = (house.night.home.data_docs / "index.html").read_text("utf-8")
    assert index.index("core.thing.html") < index.index("core.another.html")
    assert "core.another</a>: holds, 7 rows, as of 2024-03-12 00:00 UTC" in index
    page = (house.night.home.data_docs / "core.thing.html").read_text("utf-8")
    assert page.index(">2024-03-13 00:00 UTC<") < page.index(">2024-03-12 00:00 UTC<")


def test_every_mart_about_persons_is_marked_so_that_its_rows_stay_hidden():
    of_persons = {"learner_id", "mentor_id", "alert_id", "enrolment_id", "participation_id"}
    keyed = {name for name, mart in MARTS.items() if of_persons & set(mart.key)}
    assert keyed
    assert [name for name in keyed if MARTS[name].level == "aggregate"] == []
