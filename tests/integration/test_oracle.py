"""The warehouse's feature tables beside their definitions in SQL: a simulated night, and a slice of the Open University.

The tables of core feed the definitions, which `tests/oracle` holds; the rows come from the real command.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from data_contracts.tables.core import ENROLMENT_DAY
from data_contracts.tables.features import FEATURE_TABLES
from tests.oracle import KEY, TABLES, ask, hold, in_the_warehouse

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "oulad"


@contextmanager
def opened(home: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
    """The warehouse with the oracle's tables beside its own, and its last night's day."""
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        observed = marts.execute("SELECT observed_at FROM publication").fetchall()[0][0]
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        for name, query in in_the_warehouse(f"TIMESTAMP '{observed}'").items():
            con.execute(f"CREATE TEMP TABLE {name} AS {query}")
        yield con, (observed.date() - date(1970, 1, 1)).days


def hold_table(con: duckdb.DuckDBPyConnection, name: str, tonight: int, **settings: int) -> pl.DataFrame:
    """Hold a table to its oracle; returns its rows."""
    rows = pl.DataFrame(con.sql(f"FROM {TABLES[name].qualified_name}").to_arrow_table())
    hold(rows, ask(con, name, tonight, **settings), ENROLMENT_DAY.key if name == "enrolment_day" else KEY)
    return rows


@pytest.fixture(scope="module")
def demo_warehouse(demo):
    with opened(demo.home) as warehouse:
        yield warehouse


@pytest.mark.parametrize("name", TABLES)
def test_a_simulated_night_has_the_features_that_their_definitions_say(demo_warehouse, name):
    con, tonight = demo_warehouse
    rows = hold_table(con, name, tonight)
    assert len(rows) > 1000
    if name not in {"landmark", "label", "enrolment_day"}:
        assert [column for column in rows.columns if rows[column].null_count() == len(rows)] == []


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/oulad is not here")
def test_a_slice_of_the_open_university_has_the_features_that_their_definitions_say(tmp_path, handrail):
    folder = tmp_path / "module"
    folder.mkdir()
    for file in REAL.glob("*.parquet"):
        table = pl.scan_parquet(file)
        if "code_module" in table.collect_schema():
            table = table.filter(pl.col("code_module") == "AAA")
        table.sink_parquet(folder / file.name)
    told = handrail("run", "--source", "oulad", "--data", folder, "--home", tmp_path / "home")
    assert told.code == 0, told.err
    with opened(tmp_path / "home") as (con, tonight):
        for table in FEATURE_TABLES:
            assert len(hold_table(con, table.name, tonight)) > 5_000, table.name
        # This data has no times of day, hence no minutes.
        hold_table(con, "enrolment_day", tonight, gap_seconds=0)
