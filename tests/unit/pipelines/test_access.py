from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines import access
from pipelines.warehouse import Warehouse

PIPELINES = Path(access.__file__).parent


@pytest.fixture
def warehouse(tmp_path):
    with Warehouse(tmp_path / "w.duckdb", tmp_path / "i.duckdb", threads=1, memory_limit="1GB") as opened:
        yield opened


def test_a_read_is_told_with_who_called_and_whom_it_was_about(warehouse, monkeypatch):
    monkeypatch.setenv("USER", "somebody-else")
    access.log_access(warehouse, "alerts", 3, ["b", "a", "b"])
    access.log_access(warehouse, "alerts", 1, ["b"])
    access.log_access(warehouse, "erase", 7)
    told = warehouse.rows("SELECT access_number, caller, command, row_count FROM ops.access_log ORDER BY 1")
    assert told == [
        (1, access.caller(), "alerts", 3),
        (2, access.caller(), "alerts", 1),
        (3, access.caller(), "erase", 7),
    ]
    assert access.caller() != "somebody-else"
    about_b = access.reads_about(warehouse, {"b", "another id of theirs"})
    assert about_b.select("access_number", "learner_id").rows() == [(1, "b"), (2, "b")]
    assert access.reads_about(warehouse, {"c"}).is_empty()


def test_nothing_but_the_one_insert_and_a_migration_names_the_tables_in_a_changing_statement():
    changing = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM|TRUNCATE|DROP TABLE|REPLACE TABLE)\s+ops\.access_\w+", re.I)
    found = {
        str(file.relative_to(PIPELINES)): changing.findall(file.read_text("utf-8"))
        for file in [*PIPELINES.rglob("*.py"), *PIPELINES.rglob("*.sql")]
    }
    assert {name: words for name, words in found.items() if words} == {
        "access.py": ["INSERT INTO", "INSERT INTO"],
        "migrations/0003_access_subjects.sql": ["UPDATE"],
    }
