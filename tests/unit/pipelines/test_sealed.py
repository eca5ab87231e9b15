"""Sealed storage: what was taken leaves the inbox only when it can be given back as it was; whenever it is killed."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data_contracts.errors import BadInputError, PermanentError
from pipelines.home import now
from pipelines.sources import inbox, sealed
from pipelines.statements.blocks import FileNotReadyError
from pipelines.warehouse import Warehouse

ROOT = Path(__file__).resolve().parents[3]
SETTLE = 60
COURSES = "course_id,activity_iri,title\nc1,https://lms.test/c1,One\n"


@pytest.fixture
def taken(house):
    """Two files, taken in and committed."""
    house.deliver("xapi", "a.ndjson", b'{"id": 5}\n')
    house.deliver("course", "a.csv", COURSES)
    house.take("xapi", "course")
    return house


def consume(house):
    sealed.put_back(house.inbox)
    files = inbox.look(house.inbox, settle_seconds=SETTLE).files
    return sealed.consume(house.warehouse, house.inbox, files, settle_seconds=SETTLE)


def entries(house):
    return sorted(str(path.relative_to(house.inbox)) for path in house.inbox.rglob("*") if not path.is_dir())


def contents(house):
    """Everything in sealed storage, by table."""
    held = house.rows("SELECT DISTINCT table_name, file_hash FROM identity.sealed.file ORDER BY ALL")
    return [(table, b"".join(sealed.read_sealed(house.warehouse, content, table))) for table, content in held]


BOTH = [("course", COURSES.encode()), ("xapi", b'{"id": 5}\n')]


def test_what_is_taken_leaves_the_inbox_and_can_be_read_as_it_was_received(taken):
    assert consume(taken) == sealed.Consumed(2, [])
    assert entries(taken) == []
    assert contents(taken) == BOTH
    assert taken.rows("SELECT file_name, part, codec FROM identity.sealed.file ORDER BY ALL") == [
        ("a.csv", 0, "zstd"),
        ("a.ndjson", 0, "zstd"),
    ]
    assert taken.take("xapi", "course")["new_files"] == 0


def test_what_is_not_taken_stays(taken):
    taken.deliver("course", "b.csv", COURSES.replace("One", "Two"))
    taken.deliver("xapi", "b.ndjson", COURSES)
    assert consume(taken).file_count == 2
    assert entries(taken) == ["course/b.csv", "xapi/b.ndjson"]


def test_a_file_that_several_tables_read_stays_until_all_of_them_have_it(taken):
    (file,) = inbox.scan(taken.inbox, ["course"])
    both = [file, replace(file, table="activity")]
    assert sealed.consume(taken.warehouse, taken.inbox, both, settle_seconds=SETTLE) == sealed.Consumed(0, [])
    taken.add("raw.file", file_hash=file.content_hash, table_name="activity")
    assert sealed.consume(taken.warehouse, taken.inbox, both, settle_seconds=SETTLE) == sealed.Consumed(1, [])
    assert contents(taken) == BOTH[:1]


def test_the_same_content_again_under_whatever_name_leaves_again_and_is_sealed_once(taken):
    taken.deliver("xapi", "copy.ndjson", b'{"id": 5}\n')
    assert consume(taken).file_count == 3
    taken.deliver("xapi", "a.ndjson", b'{"id": 5}\n')
    assert consume(taken).file_count == 1
    assert contents(taken) == BOTH
    assert taken.warehouse.scalar("SELECT count(*) FROM identity.sealed.file") == 2


def test_a_folder_that_is_read_in_place_is_never_touched(taken, tmp_path):
    elsewhere = shutil.copytree(taken.inbox, tmp_path / "elsewhere")
    files = inbox.scan(elsewhere)
    assert sealed.consume(taken.warehouse, taken.inbox, files, settle_seconds=SETTLE) == sealed.Consumed(0, [])
    assert len(list(elsewhere.rglob("*.*"))) == 2
    assert contents(taken) == []


def test_of_a_link_the_content_is_sealed_and_the_link_alone_removed(taken, tmp_path):
    target = tmp_path / "export.ndjson"
    target.write_bytes(b'{"id": 5}\n')
    (taken.inbox / "xapi" / "link.ndjson").symlink_to(target)
    assert consume(taken).file_count == 3
    assert (entries(taken), target.exists()) == ([], True)


@pytest.mark.parametrize("codec", ["zstd", "none"])
def test_a_file_larger_than_a_part_is_cut_into_parts_and_given_back_whole(house, codec, monkeypatch):
    monkeypatch.setattr(sealed, "PART_BYTES", {"zstd": 999, "none": 999})
    monkeypatch.setattr(sealed, "_WRITE_BYTES", 3000)
    content = random.Random(3).randbytes(1000) * 10  # noqa: S311 - no secret
    content = gzip.compress(content, 0) if codec == "none" else content
    house.deliver("xapi", "a.ndjson", content)
    (file,) = inbox.scan(house.inbox)
    sealed.seal(house.warehouse, file)
    parts = house.rows("SELECT part, is_last, codec FROM identity.sealed.file ORDER BY ALL")
    assert parts == [(part, part == 10, codec) for part in range(11)]
    assert contents(house) == [("xapi", content)]
    sealed.seal(house.warehouse, file)
    assert house.warehouse.scalar("SELECT count(*) FROM identity.sealed.file") == 11


def test_an_empty_file_is_sealed_too(house):
    house.deliver("xapi", "a.ndjson", b"")
    house.take("xapi")
    assert consume(house).file_count == 1
    assert contents(house) == [("xapi", b"")]


def test_a_file_that_cannot_be_removed_stays_sealed_and_is_named(taken, monkeypatch):
    def failing(path, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", failing)
    assert consume(taken).kept == [
        (name, "cannot be sealed and removed: permission denied") for name in ("xapi/a.ndjson", "course/a.csv")
    ]
    assert len(entries(taken)) == 2


# --- somebody writes meanwhile ------------------------------------------------------------------------------------


def at_the_moment(monkeypatch, name, change):
    original = getattr(sealed, name)

    def moment(*arguments, **named):
        told = original(*arguments, **named)
        change()
        return told

    monkeypatch.setattr(sealed, name, moment)


def add(file):
    with file.open("ab") as stream:
        stream.write(b'{"id": 6}\n')


@pytest.mark.parametrize("moment", ["_ensure_settled", "_write_rows", "_write", "_digests", "_ensure_given_back"])
def test_a_file_written_into_at_any_moment_stays_with_all_of_it(taken, monkeypatch, moment):
    file = taken.inbox / "xapi" / "a.ndjson"
    done = []
    at_the_moment(monkeypatch, moment, lambda: done or (done.append(1), add(file)))
    assert consume(taken).kept[0][0] == "xapi/a.ndjson"
    assert file.read_bytes() == b'{"id": 5}\n{"id": 6}\n'
    assert taken.take("xapi")["new_files"] == 1
    assert consume(taken).file_count == 1
    assert ("xapi", b'{"id": 5}\n{"id": 6}\n') in contents(taken)


def test_a_file_put_in_its_place_at_the_last_moment_stays(taken, monkeypatch):
    file = taken.inbox / "xapi" / "a.ndjson"
    original = Path.rename

    def racing(path, target):
        if path == file:
            other = file.with_name(".other")
            other.write_bytes(b'{"id": 7}\n')
            other.replace(file)
        return original(path, target)

    monkeypatch.setattr(Path, "rename", racing)
    assert "at the last moment" in consume(taken).kept[0][1]
    assert entries(taken) == ["xapi/a.ndjson"]
    assert file.read_bytes() == b'{"id": 7}\n'


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open for writing")
def test_a_file_that_a_program_has_open_stays_until_it_is_closed(taken):
    files = inbox.scan(taken.inbox)
    with (taken.inbox / "xapi" / "a.ndjson").open("ab"):
        told = sealed.consume(taken.warehouse, taken.inbox, files, settle_seconds=SETTLE)
        assert [name for name, _ in told.kept] == ["xapi/a.ndjson"]
        assert entries(taken) == ["xapi/a.ndjson"]
    assert consume(taken).file_count == 1


def test_where_the_system_does_not_tell_who_writes_a_young_file_stays_for_the_next_run(taken, monkeypatch):
    monkeypatch.setattr(inbox, "is_being_written", lambda _: None)
    monkeypatch.setattr(sealed, "is_being_written", lambda _: None)
    assert [name for name, _ in consume(taken).kept] == ["xapi/a.ndjson", "course/a.csv"]
    monkeypatch.setattr(inbox, "now", lambda: datetime.now(UTC) + timedelta(seconds=2 * SETTLE))
    assert consume(taken).file_count == 2


def test_storage_that_does_not_give_back_what_was_written_keeps_the_file_and_is_written_anew(taken, monkeypatch):
    monkeypatch.setattr(sealed, "_unpacked", lambda content: content)
    kept = consume(taken).kept
    assert len(kept) == len(entries(taken)) == 2
    assert all("the file stays in the inbox" in why for _, why in kept)
    monkeypatch.undo()
    assert consume(taken).file_count == 2
    assert contents(taken) == BOTH


def test_parts_of_a_file_whose_sealing_was_killed_are_written_anew(taken, monkeypatch):
    monkeypatch.setattr(sealed, "PART_BYTES", {"zstd": 4, "none": 4})
    for lost in ("part = 2", "part = 1"):
        sealed.seal(taken.warehouse, inbox.scan(taken.inbox, ["xapi"])[0])
        taken.warehouse.execute(f"DELETE FROM identity.sealed.file WHERE {lost}")
        sealed.seal(taken.warehouse, inbox.scan(taken.inbox, ["xapi"])[0])
        assert contents(taken) == BOTH[1:]


def test_a_file_that_is_not_what_its_hash_says_is_not_sealed(taken):
    path = taken.inbox / "xapi" / "a.ndjson"
    with pytest.raises(FileNotReadyError):
        sealed.seal(taken.warehouse, inbox.InboxFile("xapi", path, "0" * 64))
    assert contents(taken) == []


# --- reading, forgetting ------------------------------------------------------------------------------------------


def test_what_is_not_there_or_in_part_only_says_so(taken, monkeypatch):
    (file,) = inbox.scan(taken.inbox, ["xapi"])
    with pytest.raises(BadInputError, match="past its retention"):
        list(sealed.read_sealed(taken.warehouse, file.content_hash, "xapi"))
    monkeypatch.setattr(sealed, "PART_BYTES", {"zstd": 4, "none": 4})
    sealed.seal(taken.warehouse, file)
    taken.warehouse.execute("DELETE FROM identity.sealed.file WHERE part = 1")
    with pytest.raises(PermanentError, match="in part only"):
        list(sealed.read_sealed(taken.warehouse, file.content_hash, "xapi"))


def test_files_past_their_retention_are_forgotten_and_others_stay(taken):
    consume(taken)
    taken.warehouse.execute(
        "UPDATE identity.sealed.file SET sealed_at = TIMESTAMP '2024-01-01' WHERE table_name = 'xapi'"
    )
    assert sealed.forget(taken.warehouse, datetime(2024, 1, 1, tzinfo=UTC)) == 0
    assert sealed.forget(taken.warehouse, now() - timedelta(days=90)) == 1
    assert contents(taken) == BOTH[:1]


# --- killed -------------------------------------------------------------------------------------------------------

# Consumes, and dies by kill -9 before or after the so-many-th call of a function.
KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.home import Home
from pipelines.sources import inbox, sealed
from pipelines.warehouse import Warehouse

home, when, name, times = Home(Path(sys.argv[1])), sys.argv[2], sys.argv[3], int(sys.argv[4])
sealed.PART_BYTES = {"zstd": 8, "none": 8}
sealed._WRITE_BYTES = 20
owner = Path if name in {"rename", "unlink"} else sealed
original = getattr(owner, name)

def killing(*arguments, **named):
    global times
    times -= 1
    if not times and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    told = original(*arguments, **named)
    if not times:
        os.kill(os.getpid(), signal.SIGKILL)
    return told

setattr(owner, name, killing)
with Warehouse(home.warehouse_file, home.identity_file, threads=1, memory_limit="1GB") as warehouse:
    sealed.put_back(home.inbox)
    files = inbox.look(home.inbox, settle_seconds=60).files
    sealed.consume(warehouse, home.inbox, files, settle_seconds=60)
"""

STEPS = [
    *(("before", "_write", 1), ("before", "_write_rows", 1), ("after", "_write_rows", 1), ("after", "_write_rows", 2)),
    *(("before", "_digests", 1), ("after", "_digests", 1), ("before", "rename", 1), ("after", "rename", 1)),
    *(("before", "unlink", 1), ("after", "unlink", 1), ("after", "sync", 1), ("after", "_write_rows", 4)),
    *(("after", "rename", 2), ("after", "unlink", 2)),
]


def killed(home, *step):
    told = subprocess.run(
        [sys.executable, "-c", KILLED, home, *map(str, step)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert told.returncode == -signal.SIGKILL, told.stderr


@pytest.mark.parametrize("step", STEPS, ids=lambda step: " ".join(map(str, step)))
def test_killed_at_any_step_and_run_again_nothing_is_lost_and_nothing_left(taken, step):
    home, warehouse = taken.night.home, taken.warehouse
    warehouse.__exit__(None, None, None)
    killed(home.path, *step)
    with Warehouse(home.warehouse_file, home.identity_file, threads=1, memory_limit="1GB") as again:
        sealed.put_back(home.inbox)
        files = inbox.look(home.inbox, settle_seconds=SETTLE).files
        gone = {"xapi", "course"} - {file.table for file in files}
        for file in files:
            assert file.path.read_bytes() == dict(BOTH)[file.table]
        held = {
            table: b"".join(sealed.read_sealed(again, content, table))
            for table, content in again.rows("SELECT DISTINCT table_name, file_hash FROM identity.sealed.file")
            if table in gone
        }
        assert held == {table: dict(BOTH)[table] for table in gone}
        assert sealed.consume(again, home.inbox, files, settle_seconds=SETTLE) == sealed.Consumed(len(files), [])
        assert entries(taken) == []
        parts = again.rows("SELECT table_name, part FROM identity.sealed.file ORDER BY ALL")
        assert len(parts) == len(set(parts))
        for table, content in again.rows("SELECT DISTINCT table_name, file_hash FROM identity.sealed.file"):
            assert b"".join(sealed.read_sealed(again, content, table)) == dict(BOTH)[table]
        assert again.scalar("SELECT count(*) FROM raw.file") == 2


def test_a_newer_file_of_the_name_stands_beside_one_that_was_put_back(taken):
    folder = taken.inbox / "xapi"
    (folder / "a.ndjson").rename(folder / ".leaving-a.ndjson")
    taken.deliver("xapi", "a.ndjson", b'{"id": 8}\n')
    sealed.put_back(taken.inbox)
    assert sorted(path.name for path in folder.iterdir()) == ["1-a.ndjson", "a.ndjson"]
    assert (folder / "1-a.ndjson").read_bytes() == b'{"id": 5}\n'
