"""Who has read about whom through our commands, written down at the time and never changed.

Belongs here: the log of reads about learners. Does not belong here: deliveries to mentors (`alerts.delivery` has them), what
a run does (`logs`), readers of the marts, whom the operator's own database or dashboard knows.

A read is one row of `ops.access_log` and one of `ops.access_subject` for each learner in it. Rows are only ever added;
an erasure takes its learner's rows of the second table away, so that the read stays and whom it was about is gone.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable

import polars as pl

from pipelines.home import now
from pipelines.warehouse import Warehouse


def caller() -> str:
    """The operating system's account of this process, as the system knows it and not as the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def log_access(warehouse: Warehouse, command: str, rows: int, learner_ids: Iterable[str] = ()) -> None:
    """Write down that rows about persons were shown, given out or erased.

    Args:
        warehouse: the home's, open under its lock, outside a transaction.
        command: what was called.
        rows: how many rows it showed, gave out or changed.
        learner_ids: pseudonyms of those they are about; none for an erasure, which must not name anybody.
    """
    subjects = sorted(set(learner_ids))
    with warehouse.transaction():
        number = warehouse.scalar("SELECT coalesce(max(access_number), 0) + 1 FROM ops.access_log")
        warehouse.execute(
            "INSERT INTO ops.access_log (access_number, accessed_at, caller, command, row_count) VALUES (?, ?, ?, ?, ?)",
            [number, now().replace(tzinfo=None), caller(), command, rows],
        )
        if subjects:
            warehouse.execute("INSERT INTO ops.access_subject SELECT ?, unnest(?)", [number, subjects])


def reads_about(warehouse: Warehouse, ids: Iterable[str]) -> pl.DataFrame:
    """The reads that were about a person.

    Args:
        warehouse: the home's.
        ids: all pseudonyms of the person.

    Returns:
        access_number, accessed_at (UTC), caller, command, learner_id; in the order of the reads.
    """
    reads: pl.DataFrame = warehouse.con.sql(
        "SELECT access_number, l.accessed_at, l.caller, l.command, s.learner_id FROM ops.access_log AS l "
        "JOIN ops.access_subject AS s USING (access_number) WHERE s.learner_id IN (SELECT unnest(?)) "
        "ORDER BY access_number, s.learner_id",
        params=[sorted(ids)],
    ).pl()
    return reads
