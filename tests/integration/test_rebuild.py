"""`handrail rebuild` on the demo home: the archive alone gives back what the night made of statements and tables."""

from __future__ import annotations

import shutil

import duckdb
import pytest

from data_contracts.tables.core import CORE_TABLES
from data_contracts.tables.features import FEATURE_TABLES
from data_contracts.tables.inputs import RAW_TABLES

DERIVED = (*RAW_TABLES, *CORE_TABLES, *FEATURE_TABLES)


def stable(table):
    names = ", ".join(f'"{name}"' for name in table.stable_names)
    return f"SELECT {names} FROM {table.qualified_name} ORDER BY ALL"


def derived_rows(home):
    """Every derived table's rows, in one order."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        return {table.qualified_name: warehouse.execute(stable(table)).fetchall() for table in DERIVED}


@pytest.fixture
def home(demo, tmp_path):
    """The demo's home without the files it was made from."""
    folder = shutil.copytree(demo.home, tmp_path / "home", symlinks=True)
    shutil.rmtree(folder / "simulated")
    return folder


def assert_rebuilt(handrail, home, wanted):
    told = handrail("rebuild", "--home", home)
    assert told.code == 0, told.err
    found = derived_rows(home)
    assert [name for name in wanted if found[name] != wanted[name]] == []
    return told


def test_a_rebuild_from_the_archive_alone_gives_the_same_raw_core_and_features(demo, home, handrail):
    wanted = derived_rows(demo.home)
    assert all(wanted[f"core.{name}"] for name in ("statement", "enrolment_day", "participation"))
    told = assert_rebuilt(handrail, home, wanted)
    assert f"{len(wanted['raw.statement']):,}  raw.statement" in told.out
    assert "exit code 0" in told.err


def test_a_damaged_derived_table_is_mended_by_a_rebuild(demo, home, handrail):
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute("DELETE FROM raw.statement; DELETE FROM core.enrolment_day; DROP TABLE raw.enrolment")
    assert_rebuilt(handrail, home, derived_rows(demo.home))


def test_a_home_without_an_archive_is_told_what_to_do(tmp_path, handrail):
    told = handrail("rebuild", "--home", tmp_path / "nowhere")
    assert told.code == 2
    assert "there is no archive in" in told.err


def test_a_home_in_which_nothing_ever_ran_needs_an_observation_time(home, tmp_path, handrail):
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    shutil.copyfile(home / "key", fresh / "key")
    shutil.copytree(home / "archive", fresh / "archive")
    told = handrail("rebuild", "--home", fresh)
    assert told.code == 2
    assert "say it with --as-of" in told.err
