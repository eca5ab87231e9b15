from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.tables.inputs import RAW_FILE, RAW_STATEMENT, RAW_TABLES
from pipelines.archive import Archive, NoArchive
from pipelines.sources.record import Recorder

FIRST = datetime(2024, 1, 15)  # noqa: DTZ001 - the warehouse's instants have no zone


def statements(*stored):
    """Rows of raw.statement stored at the given days after the first one; None: not stored by any LRS."""
    rows = [
        {
            "statement_id": f"s{number}",
            "actor_kind": "agent",
            "verb_iri": "v",
            "object_kind": "activity",
            "event_count": 1,
            "happened_at": FIRST,
            "stored_at": None if day is None else FIRST + timedelta(days=day),
            "content_hash": f"c{number}",
        }
        for number, day in enumerate(stored)
    ]
    kinds = {
        "VARCHAR": pl.String,
        "DOUBLE": pl.Float64,
        "BOOLEAN": pl.Boolean,
        "BIGINT": pl.Int64,
        "TIMESTAMP": pl.Datetime("us"),
    }
    return pl.DataFrame(rows, schema={column.name: kinds[column.sql_type] for column in RAW_STATEMENT.columns})


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "archive")


def read(archive):
    return sorted(pl.read_parquet(archive.parts("statement"))["statement_id"]) if archive.parts("statement") else []


def test_statements_lie_by_the_month_they_were_stored_in_else_happened_in(archive):
    archive.write(7, "statement", statements(0, 1, 40, None))
    archive.commit(7)
    assert [str(part.relative_to(archive.folder)) for part in archive.parts("statement")] == [
        "statement/2024-01/0000000007-0000.parquet",
        "statement/2024-02/0000000007-0000.parquet",
    ]
    assert read(archive) == ["s0", "s1", "s2", "s3"]


def test_what_is_thrown_away_is_not_even_read_for_the_archive(tmp_path):
    archive, frames = NoArchive(tmp_path / "archive"), iter([statements(0), statements(0)])
    archive.write_all(1, "statement", frames)
    archive.write(1, "statement", next(frames))
    archive.commit(1)
    assert len(list(frames)) == 1
    assert not list(tmp_path.rglob("*.parquet"))


def test_no_part_stands_in_place_before_its_unit_is_committed(archive):
    archive.write(1, "statement", statements(0))
    assert archive.parts("statement") == []
    archive.settle(set())
    assert (archive.parts("statement"), list(archive.folder.rglob("*.parquet"))) == ([], [])


def test_parts_of_a_committed_unit_that_were_not_yet_moved_are_moved_at_the_next_start(archive):
    archive.write(1, "statement", statements(0, 40))
    archive.write(2, "statement", statements(0))
    archive.settle({1})
    assert read(archive) == ["s0", "s1"]
    assert archive.last_unit() == 1


def test_an_archive_in_which_nothing_was_written_has_no_table_and_no_unit(archive):
    assert (list(archive.tables()), archive.last_unit()) == ([], 0)


def test_what_a_unit_wrote_before_an_error_stays_neither_in_the_warehouse_nor_in_the_archive(house, recorder):
    def fail():
        recorder.append(RAW_STATEMENT, statements(0).with_columns(known_at="happened_at", is_known_at_assumed=False))
        raise KeyError

    with pytest.raises(KeyError), recorder.unit():
        fail()
    assert house.warehouse.count(RAW_STATEMENT) == 0
    assert list(house.warehouse.archive.folder.rglob("*.parquet")) == []


def test_a_kill_between_the_commit_and_the_move_loses_nothing(house, recorder, monkeypatch):
    def die(*_):
        raise SystemExit

    monkeypatch.setattr(Archive, "commit", die)
    with pytest.raises(SystemExit), recorder.unit():
        recorder.file("h", "f", "statement", 1, 0)
    monkeypatch.undo()
    archive = house.warehouse.archive
    assert archive.parts("file") == []
    archive.settle({unit for (unit,) in house.rows("SELECT unit FROM ops.archive_unit")})
    assert pl.read_parquet(archive.parts("file"))["file_hash"].to_list() == ["h"]


def test_a_lost_warehouse_goes_on_numbering_after_its_archive(house, recorder):
    with recorder.unit():
        recorder.file("h", "f", "statement", 1, 0)
    house.warehouse.execute("DELETE FROM ops.archive_unit")
    with recorder.unit():
        recorder.file("i", "f", "statement", 1, 0)
    assert [part.name[:10] for part in house.warehouse.archive.parts("file")] == ["0000000001", "0000000002"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 70)), max_size=6), max_size=5))
def test_a_replay_gives_the_same_raw_rows_in_the_same_order(house, units):
    """Statements in any order with any repetition: the archive holds each once, and the rows come back as they were."""
    for table in RAW_TABLES:
        house.warehouse.execute(f"DELETE FROM {table.qualified_name}")
    archive = house.warehouse.archive
    for part in archive.folder.rglob("*.parquet"):
        part.unlink()
    recorder = Recorder(house.warehouse)
    for number, unit in enumerate(units):
        with recorder.unit():
            rows = [statements(day).with_columns(statement_id=pl.lit(f"s{name}")) for name, day in unit]
            if rows:
                recorder.statements(pl.concat(rows).select(_TAKEN), source_name="inbox", content_hash=str(number))
            recorder.file(str(number), "f", "statement", len(rows), 0)
    wanted = {name: house.rows(f"FROM raw.{name} ORDER BY ALL") for name in ("statement", "file")}
    given = {(f"s{name}", FIRST + timedelta(days=day)) for unit in units for name, day in unit}
    assert {(row[0], row[RAW_STATEMENT.column_names.index("stored_at")]) for row in wanted["statement"]} == given
    assert len(wanted["statement"]) == len(given)
    files = house.rows("SELECT file_hash FROM raw.file ORDER BY rowid")
    house.warehouse.replay()
    assert {name: house.rows(f"FROM raw.{name} ORDER BY ALL") for name in ("statement", "file")} == wanted
    assert house.rows("SELECT file_hash FROM raw.file ORDER BY rowid") == files
    assert house.warehouse.count(RAW_FILE) == len(units)


_TAKEN = [
    name
    for name in RAW_STATEMENT.column_names
    if name not in {"known_at", "is_known_at_assumed", "source_name", "file_hash"}
]
