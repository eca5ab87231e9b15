"""A table's file from bytes to schema raw, beside DuckDB's bare read of it: a ratio of one run.

Figures of absolute speed belong to a machine and stand in docs/benchmarks.md; `BENCH=long` takes a million messages.
"""

from __future__ import annotations

import os
import resource
import time

import polars as pl
import pytest

from pipelines.commands.console import show
from pipelines.sources import inbox
from pipelines.sources.record import Recorder
from pipelines.sources.tables import take_table
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

MESSAGES = 1_000_000 if os.environ.get("BENCH") == "long" else 100_000
MOST_TIMES_READING = 60
"""A check against collapse, not a target: judging, pseudonyms, versions and the archive cost a multiple of reading."""


@pytest.fixture(params=["csv", "parquet"])
def file(request, tmp_path):
    """An inbox's file of messages of two thousand mentors, and none of their content."""
    number = pl.int_range(MESSAGES, eager=True)
    pairs = (number % 40_000).cast(pl.String)
    frame = pl.DataFrame(
        {
            "message_id": "msg-" + number.cast(pl.String),
            "match_id": "m" + pairs,
            "mentor_key": "mentor-" + (number % 2000).cast(pl.String),
            "learner_key": "learner-" + pairs,
            "sent_at": pl.from_epoch(1_767_225_600 + number * 17).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "sender": pl.Series(["mentor", "learner"] * (MESSAGES // 2)),
            "channel": pl.repeat("chat", MESSAGES, eager=True),
            "length_chars": 20 + number % 900,
        }
    )
    path = tmp_path / "inbox" / "mentoring_message" / f"messages.{request.param}"
    path.parent.mkdir(parents=True)
    if request.param == "csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return path


def test_taking_messages_in_beside_reading_them(file, tmp_path):
    read = f"read_csv('{file}', all_varchar = true)" if file.suffix == ".csv" else f"read_parquet('{file}')"
    with Warehouse(tmp_path / "w.duckdb", tmp_path / "i.duckdb", threads=2, memory_limit="2GB") as warehouse:
        started = time.perf_counter()
        warehouse.execute(f"CREATE TEMP TABLE bare AS FROM {read}")
        reading = time.perf_counter() - started
        files = inbox.scan(tmp_path / "inbox", ("mentoring_message",))
        started = time.perf_counter()
        take_table("mentoring_message", files, warehouse, Pseudonyms(b"k" * 32), Recorder(warehouse))
        taking = time.perf_counter() - started
        taken = warehouse.scalar("SELECT count(*) FROM raw.mentoring_message")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    show(
        f"\n{MESSAGES:,} messages, {file.suffix[1:]}: bare read {reading:.2f} s, taken in {taking:.2f} s; peak {peak:.1f} GB"
    )
    assert taken == MESSAGES
    assert taking < MOST_TIMES_READING * max(reading, 0.1)
