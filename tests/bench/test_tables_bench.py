"""A table's file from bytes to schema raw, beside DuckDB's bare read of it: a ratio of one run.

Figures of absolute speed belong to a machine and stand in docs/benchmarks.md.
"""

from __future__ import annotations

import time

import polars as pl
import pytest

from pipelines.commands.console import show
from pipelines.sources import inbox
from pipelines.sources.record import Recorder
from pipelines.sources.tables import take_table
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

MESSAGES = 100_000
MOST_TIMES_READING = 60
"""A check against collapse, not a target: judging, pseudonyms, versions and the archive cost a multiple of reading."""


@pytest.fixture
def folder(tmp_path):
    """An inbox with messages of two thousand mentors, and none of their content."""
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
    file = tmp_path / "inbox" / "mentoring_message" / "messages.csv"
    file.parent.mkdir(parents=True)
    frame.write_csv(file)
    return tmp_path


def test_taking_messages_in_beside_reading_them(folder):
    with Warehouse(folder / "w.duckdb", folder / "i.duckdb", threads=2, memory_limit="2GB") as warehouse:
        file = next((folder / "inbox").glob("*/*.csv"))
        started = time.perf_counter()
        warehouse.execute(f"CREATE TEMP TABLE bare AS FROM read_csv('{file}', all_varchar = true)")
        reading = time.perf_counter() - started
        files = inbox.scan(folder / "inbox", ("mentoring_message",))
        started = time.perf_counter()
        take_table("mentoring_message", files, warehouse, Pseudonyms(b"k" * 32), Recorder(warehouse))
        taking = time.perf_counter() - started
        taken = warehouse.scalar("SELECT count(*) FROM raw.mentoring_message")
    show(f"\n{MESSAGES:,} messages of a CSV: bare read {reading:.2f} s, taken in {taking:.2f} s")
    assert taken == MESSAGES
    assert taking < MOST_TIMES_READING * max(reading, 0.05)
