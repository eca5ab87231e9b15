"""Processes that share the work change nothing but the time; they end with the run, and their failures are told."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import closing
from itertools import islice

import pytest

from data_contracts.errors import PermanentError, TransientError
from pipelines.statements import workers
from pipelines.statements.blocks import Block, FileNotReadyError, FilePart
from pipelines.statements.identity import Pseudonyms
from pipelines.statements.workers import take_blocks

PSEUDONYMS = Pseudonyms(bytes(range(32)))


def line(number):
    if number % 50 == 7:
        return b'{"actor":"secret"}'
    return (
        b'{"id":"7d4f3c70-1e79-4243-9b7d-%012d","actor":{"mbox":"mailto:p%d@lms.test"},'
        b'"verb":{"id":"https://lms.test/verb"},"object":{"id":"https://lms.test/page"},"timestamp":"2024-03-01T12:00:00Z"}'
        % (number, number % 9)
    )


def blocks(count=12, lines=100):
    for number in range(count):
        first = number * lines
        yield Block(b"".join(line(n) + b"\n" for n in range(first, first + lines)))


def taken(count):
    batches = list(take_blocks(blocks(), PSEUDONYMS, workers=count, alone_bytes=0))
    rows = [row for batch in batches for row in batch.frame().rows()]
    identities = {key: given for batch in batches for key, given in batch.identities.items()}
    return rows, identities, [fault for batch in batches for fault in batch.faults]


@pytest.fixture
def started(monkeypatch):
    """The processes that are started, by what they were started with."""
    found = []

    class Recorded(subprocess.Popen):
        def __init__(self, words, **options):
            found.append((self, words, options))
            super().__init__(words, **options)

    monkeypatch.setattr(workers.subprocess, "Popen", Recorded)
    return found


def test_any_number_of_processes_brings_the_same_rows_in_the_same_order(started):
    alone = taken(1)
    assert started == []
    assert taken(2) == alone == taken(3)
    assert len(started) == 5
    assert len(alone[0]) == 1176
    assert [fault.line_number for fault in alone[2]] == list(range(8, 1201, 50))


def test_small_files_start_no_process(started):
    batches = list(take_blocks(blocks(), PSEUDONYMS, workers=2))
    assert sum(batch.frame().height for batch in batches) == 1176
    assert started == []


def test_the_key_stands_in_no_argument_and_no_environment(started, monkeypatch):
    monkeypatch.setenv("HANDRAIL_LRS_ONE_PASSWORD", "a credential")
    taken(2)
    for _, words, options in started:
        told = repr((words, options["env"]))
        assert PSEUDONYMS.key.hex() not in told
        assert "credential" not in told


def test_processes_end_with_the_work(started):
    taken(2)
    assert [process.poll() for process, _, _ in started] == [0, 0]


def test_processes_end_when_nobody_wants_the_rest(started, monkeypatch):
    monkeypatch.setattr(workers, "BATCH_ROWS", 10)
    with closing(take_blocks(blocks(1000), PSEUDONYMS, workers=2, alone_bytes=0)) as batches:
        assert len(list(islice(batches, 3))) == 3
    assert all(process.poll() is not None for process, _, _ in started)


def test_a_process_killed_from_outside_is_told_and_may_be_tried_again(started, monkeypatch):
    monkeypatch.setattr(workers, "BATCH_ROWS", 10)
    batches = take_blocks(blocks(1000), PSEUDONYMS, workers=2, alone_bytes=0)
    next(batches)
    next(batches)
    os.kill(started[0][0].pid, signal.SIGKILL)
    with pytest.raises(TransientError, match=r"exit code -9.*threads = 1"):
        list(batches)
    assert all(process.poll() is not None for process, _, _ in started)


def test_a_process_that_fails_tells_where_and_nothing_of_what_it_read(monkeypatch):
    # Bytes that are no block make the process fail in the middle of its work.
    monkeypatch.setattr(workers, "_BYTES", b"?")
    with pytest.raises(
        PermanentError, match=r"failed at UnpicklingError in \w+\.py, line \d+, of a block of 6 bytes"
    ) as failed:
        list(take_blocks([Block(b"secret")] * 3, PSEUDONYMS, workers=2, alone_bytes=0))
    assert "secret" not in str(failed.value)


def test_a_part_of_a_file_brings_what_its_bytes_bring_and_one_that_is_gone_waits(tmp_path):
    file = tmp_path / "statements.ndjson"
    content = b"".join(line(number) + b"\n" for number in range(1, 600))
    file.write_bytes(content)
    cut = content.index(b"\n", len(content) // 2) + 1
    parts = [FilePart(file, 0, cut), FilePart(file, cut, len(content))]

    def brought(blocks, count):
        batches = list(take_blocks(blocks, PSEUDONYMS, workers=count, alone_bytes=0))
        return (
            [row for batch in batches for row in batch.frame().rows()],
            [fault for batch in batches for fault in batch.faults],
        )

    assert brought(parts, 2) == brought(parts, 1) == brought([Block(content)], 2)
    assert brought(parts, 2)[1]
    file.unlink()
    with pytest.raises(FileNotReadyError, match="No such file"):
        brought(parts, 2)


def test_an_interrupt_of_the_terminal_is_the_runs_and_not_the_processes(started):
    batches = take_blocks(blocks(30), PSEUDONYMS, workers=2, alone_bytes=0)
    with closing(batches):
        crew = workers._Crew(PSEUDONYMS, 1)
        with crew:
            assert len(list(crew.take(blocks(1)))) == 1
            os.kill(started[0][0].pid, signal.SIGINT)
            time.sleep(0.1)
            assert len(list(crew.take(blocks(1)))) == 1
