"""What a look into the inbox takes, what waits for the next run, and what is passed over with its reason."""

from __future__ import annotations

import gzip
import os
import sys
import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from pipelines.sources import inbox
from pipelines.sources.lines import DamagedFileError
from pipelines.statements.blocks import FileNotReadyError

SETTLE = 60
WHOLE = b'{"a":1}\n{"b":2}\n'
knows_writers = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open for writing")


@pytest.fixture
def deliver(tmp_path):
    def write(place, content=WHOLE):
        file = tmp_path / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    return write


def names(look):
    return [f"{file.table}/{file.path.name}" for file in look.files]


def reasons(look):
    return {f"{entry.table}/{entry.name}": entry.reason for entry in look.passed_over}


@pytest.fixture
def later(monkeypatch):
    """The clock a while after everything was written."""
    monkeypatch.setattr(inbox, "now", lambda: datetime.now(UTC) + timedelta(seconds=2 * SETTLE))


def test_files_are_taken_by_table_then_name_and_everything_else_is_named_with_its_reason(deliver, tmp_path):
    for name in ("b.ndjson", "a.json.gz", "C.JSON", "d.jsonl.zst", "e.parquet", "notes.txt", "f.csv"):
        deliver(f"xapi/{name}")
    deliver("course/a.csv")
    deliver("course/a.docx")
    (tmp_path / "xapi" / "folder.json").mkdir()
    (tmp_path / "xapi" / "nowhere.json").symlink_to(tmp_path / "gone")
    (tmp_path / "xapi" / "loop.json").symlink_to(tmp_path / "xapi" / "loop.json")
    (tmp_path / "xapi" / "link.json").symlink_to(tmp_path / "xapi" / "b.ndjson")
    os.mkfifo(tmp_path / "xapi" / "pipe.json")
    found = inbox.look(tmp_path, settle_seconds=SETTLE)
    assert names(found) == [
        *("xapi/C.JSON", "xapi/a.json.gz", "xapi/b.ndjson", "xapi/d.jsonl.zst", "xapi/e.parquet", "xapi/link.json"),
        "course/a.csv",
    ]
    assert reasons(found) == {
        "xapi/f.csv": "unknown_format",
        "xapi/folder.json": "no_file",
        "xapi/loop.json": "no_file",
        "xapi/notes.txt": "unknown_format",
        "xapi/nowhere.json": "no_file",
        "xapi/pipe.json": "no_file",
        "course/a.docx": "unknown_format",
    }


@pytest.mark.parametrize(
    "name",
    [".a.ndjson", "~a.ndjson", ".a.ndjson.Xy12Z", "a.ndjson.part", "a.ndjson.filepart", "a.json.crdownload", "a.json~"],
)
def test_what_is_still_called_something_else_is_not_there_yet(deliver, tmp_path, name):
    deliver(f"xapi/{name}")
    assert inbox.look(tmp_path) == inbox.Look([], [])


def test_a_file_that_may_not_be_read_is_passed_over_and_the_others_are_taken(deliver, tmp_path, monkeypatch):
    deliver("xapi/a.ndjson")
    deliver("xapi/b.ndjson")
    hashed = inbox.file_hash

    def failing(path):
        if path.name == "a.ndjson":
            raise PermissionError(13, "Permission denied")
        return hashed(path)

    monkeypatch.setattr(inbox, "file_hash", failing)
    found = inbox.look(tmp_path)
    assert names(found) == ["xapi/b.ndjson"]
    assert found.passed_over == [
        inbox.PassedOver("xapi", "a.ndjson", "unreadable", "cannot be read: permission denied; check who may read it")
    ]


def test_a_folder_that_may_not_be_read_is_passed_over(deliver, tmp_path, monkeypatch):
    deliver("xapi/a.ndjson")
    deliver("course/a.csv")
    listed = type(tmp_path).iterdir

    def failing(path):
        if path.name == "xapi":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(type(tmp_path), "iterdir", failing)
    found = inbox.look(tmp_path)
    assert (names(found), reasons(found)) == (["course/a.csv"], {"xapi/": "unreadable"})


# --- half-written files -------------------------------------------------------------------------------------------

HALVES = {
    "xapi/a.ndjson": b'{"a":1}\n{"b":',
    "xapi/a.json": b'[{"a":1},{"b":2}',
    "xapi/a.ndjson.gz": gzip.compress(WHOLE * 100)[:-9],
    "xapi/b.json.zst": pa.compress(WHOLE * 100, codec="zstd", asbytes=True)[:-9],
    "xapi/a.parquet": b"PAR1 and so on",
    "xapi/empty.json.gz": b"",
    "course/a.csv": b"course_id,activity_iri,title\nc1,https://lms.test/c1,One\nc2,htt",
    "course/a.parquet": b"PAR1 and so on",
    "course/a.ndjson": b'{"a":1}\n{"b":',
}
WHOLES = {
    "xapi/a.ndjson": b'{"a":1}\n{"b":1}',
    "xapi/b.ndjson": b'{"a":1}\nnope\n',
    "xapi/a.json": b'[{"a":1},{"b":2}]',
    "xapi/c.json": b"",
    "xapi/a.ndjson.gz": gzip.compress(b'{"a":1}\n{"b":'),
    "course/a.csv": b"course_id,activity_iri,title\nc1,https://lms.test/c1,One",
    "course/b.csv": b"",
    "course/a.ndjson": b'{"a":1}\n{"b":1}',
}


@pytest.mark.parametrize("place", HALVES)
def test_a_young_file_that_ends_in_the_middle_waits(deliver, tmp_path, place):
    deliver(place, HALVES[place])
    found = inbox.look(tmp_path, settle_seconds=SETTLE)
    assert (names(found), reasons(found)) == ([], {place: "waiting"})
    assert "ends in the middle; it waits for the next run" in found.passed_over[0].detail


@pytest.mark.parametrize("place", HALVES)
def test_one_that_nobody_finished_is_taken_as_it_is(deliver, tmp_path, place, later):
    deliver(place, HALVES[place])
    assert names(inbox.look(tmp_path, settle_seconds=SETTLE)) == [place]


@pytest.mark.parametrize("place", HALVES)
def test_a_folder_that_is_read_in_place_is_read_as_it_is(deliver, tmp_path, place):
    deliver(place, HALVES[place])
    assert names(inbox.look(tmp_path)) == [place]
    assert [file.path.name for file in inbox.scan(tmp_path)] == [place.split("/")[1]]


@pytest.mark.parametrize("place", WHOLES)
def test_a_file_written_just_now_is_taken_at_once_where_it_ends_well(deliver, tmp_path, place):
    deliver(place, WHOLES[place])
    assert names(inbox.look(tmp_path, settle_seconds=SETTLE)) == [place]


def test_an_old_time_that_a_copying_program_restores_does_not_make_a_file_old(deliver, tmp_path):
    os.utime(deliver("xapi/a.ndjson", b'{"a":'), (0, 0))
    assert reasons(inbox.look(tmp_path, settle_seconds=SETTLE)) == {"xapi/a.ndjson": "waiting"}


@knows_writers
def test_a_file_that_a_program_has_open_for_writing_waits_however_it_ends(deliver, tmp_path, later):
    file = deliver("xapi/a.ndjson")
    with file.open("ab"):
        assert reasons(inbox.look(tmp_path, settle_seconds=SETTLE)) == {"xapi/a.ndjson": "waiting"}
        assert names(inbox.look(tmp_path)) == ["xapi/a.ndjson"]
    with file.open("rb"):
        assert names(inbox.look(tmp_path, settle_seconds=SETTLE)) == ["xapi/a.ndjson"]


# --- what was hashed is what is read ------------------------------------------------------------------------------


def test_a_file_that_changes_while_its_hash_is_taken_waits(deliver, tmp_path, monkeypatch):
    file = deliver("xapi/a.ndjson")
    hashed = inbox.file_hash

    def racing(path):
        told = hashed(path)
        file.write_bytes(WHOLE + b'{"c":3}\n')
        return told

    monkeypatch.setattr(inbox, "file_hash", racing)
    found = inbox.look(tmp_path)
    assert (names(found), reasons(found)) == ([], {"xapi/a.ndjson": "waiting"})


def append(file):
    with file.open("ab") as stream:
        stream.write(b'{"c":3}\n')


def replace(file):
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)


def overwrite(file):
    before = file.stat()
    time.sleep(0.02)
    file.write_bytes(file.read_bytes().replace(b"1", b"9"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [append, replace, overwrite, lambda file: file.unlink()])
def test_a_file_that_changes_between_its_hash_and_its_last_line_does_not_count(deliver, tmp_path, change):
    path = deliver("xapi/a.ndjson")
    (file,) = inbox.scan(tmp_path)
    change(path)
    with pytest.raises(FileNotReadyError):
        list(inbox.unchanged(file, inbox.lines_of(file.path)))


def test_one_cut_short_meanwhile_is_not_called_damaged(deliver, tmp_path):
    path = deliver("xapi/a.ndjson.gz", gzip.compress(WHOLE))
    (file,) = inbox.scan(tmp_path)
    path.write_bytes(gzip.compress(WHOLE)[:-9])
    with pytest.raises(FileNotReadyError):
        list(inbox.unchanged(file, inbox.lines_of(file.path)))


def test_an_unchanged_file_gives_its_statements_and_its_damage(deliver, tmp_path):
    deliver("xapi/a.ndjson")
    deliver("xapi/b.json", b'[{"a":1},')
    whole, cut = inbox.scan(tmp_path)
    assert list(inbox.unchanged(whole, inbox.lines_of(whole.path))) == [(1, b'{"a":1}'), (2, b'{"b":2}')]
    with pytest.raises(DamagedFileError):
        list(inbox.unchanged(cut, inbox.lines_of(cut.path)))
    damage = []
    assert list(inbox.until_damage(inbox.unchanged(cut, inbox.lines_of(cut.path)), damage)) == [(1, b'{"a":1}')]
    assert [(fault.reason, fault.detail) for fault in damage] == [
        ("file_damaged", "the file ends after statement 1; deliver it again, whole")
    ]
