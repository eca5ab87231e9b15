"""ops.run: a row a run, from its beginning to what became of it.

Belongs here: writing and reading that table. Does not belong here: Dagster's own run history (`launch`).
Runs come one after another under the lock, so rows stand in their order; `started_at` is for people, since a clock may
be set back between two nights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.home import now
from pipelines.warehouse import Warehouse

_TAG = "handrail/"


@dataclass(frozen=True, slots=True)
class RunRow:
    """What ops.run says of a run: its state, what it published, rows newly refused, a message, sources that failed."""

    state: str
    publication_id: str | None
    new_quarantined_count: int
    message: str
    failed_sources: str = ""


def begin(warehouse: Warehouse, run_id: str, source: str, observed_at: datetime) -> None:
    """Write the run down; a run that still stands as running was killed, since we hold the lock.

    Quarantine counts as new since the last publication: what a killed or gated run refused was told to nobody.
    """
    warehouse.execute("UPDATE ops.run SET state = 'killed' WHERE state = 'running'")
    warehouse.execute(
        "INSERT INTO ops.run BY NAME SELECT ? AS run_id, ? AS source, ? AS observed_at, ? AS started_at, "
        "'running' AS state, coalesce((SELECT arg_max(quarantined_after, rowid) FROM ops.run "
        "WHERE state = 'published'), 0) AS quarantined_before",
        [run_id, source, observed_at.astimezone(UTC).replace(tzinfo=None), now().replace(tzinfo=None)],
    )


def end(warehouse: Warehouse, run_id: str) -> None:
    """Close the run's row; one that published keeps that state."""
    warehouse.execute(
        "UPDATE ops.run SET state = CASE state WHEN 'running' THEN 'ended' ELSE state END, ended_at = ?, "
        "quarantined_after = (SELECT count(*) FROM raw.quarantine) WHERE run_id = ?",
        [now().replace(tzinfo=None), run_id],
    )


def note(warehouse: Warehouse, run_id: str, message: str) -> None:
    """Write down what a person should hear of the run, though it is no error."""
    warehouse.execute(
        "UPDATE ops.run SET message = concat_ws(chr(10), nullif(message, ''), ?) WHERE run_id = ?", [message, run_id]
    )


def source_failed(warehouse: Warehouse, run_id: str, source_name: str, message: str) -> None:
    """Write down that a source failed; the others and the night go on."""
    warehouse.execute(
        "UPDATE ops.run SET failed_sources = concat_ws(',', nullif(failed_sources, ''), ?) WHERE run_id = ?",
        [source_name, run_id],
    )
    note(warehouse, run_id, f"{source_name} failed: {message}")


def conclude(warehouse: Warehouse, run_id: str, exit_code: int, message: str) -> None:
    """Write down the exit code and, where it failed, why."""
    warehouse.execute(
        "UPDATE ops.run SET exit_code = ?, message = coalesce(nullif(?, ''), message), "
        "state = CASE WHEN state = 'ended' AND ? <> 0 THEN 'failed' ELSE state END WHERE run_id = ?",
        [exit_code, message, exit_code, run_id],
    )


def delivered(warehouse: Warehouse, run_id: str) -> None:
    """Write down that all was done to deliver what the run published."""
    warehouse.execute("UPDATE ops.run SET delivered_at = ? WHERE run_id = ?", [now().replace(tzinfo=None), run_id])


def last_delivered(warehouse: Warehouse, before: datetime) -> tuple[datetime | None, bool]:
    """The latest observed_at before an instant (UTC, no zone) of a night that was delivered; whether a later one was."""
    found = warehouse.rows(
        "SELECT max(observed_at) FILTER (observed_at < ?), count(*) FILTER (observed_at > ?) FROM ops.run "
        "WHERE delivered_at IS NOT NULL",
        [before, before],
    )
    return found[0][0], bool(found[0][1])


def row_of(warehouse: Warehouse, run_id: str) -> RunRow:
    """What became of a run; a run that was never begun has state 'unknown'."""
    found = warehouse.rows(
        "SELECT state, publication_id, greatest(coalesce(quarantined_after - quarantined_before, 0), 0), coalesce(message, ''), "
        "coalesce(failed_sources, '') FROM ops.run WHERE run_id = ?",
        [run_id],
    )
    return RunRow(*found[0]) if found else RunRow("unknown", None, 0, "")


def tags(warehouse: Warehouse, run_id: str) -> dict[str, str]:
    """What the run's page in the UI, and whoever may not open the warehouse, should know of it; see `row_told_by`."""
    row = row_of(warehouse, run_id)
    told = {
        "state": row.state,
        "publication": row.publication_id or "",
        "newly_quarantined": str(row.new_quarantined_count),
        "failed_sources": row.failed_sources,
    }
    return {f"{_TAG}{name}": value for name, value in told.items() if value}


def row_told_by(tags: Mapping[str, str]) -> RunRow:
    """A run's row as far as its tags tell it; a run that was never begun has state 'unknown'."""
    return RunRow(
        tags.get(f"{_TAG}state", "unknown"),
        tags.get(f"{_TAG}publication"),
        int(tags.get(f"{_TAG}newly_quarantined", "0")),
        "",
        tags.get(f"{_TAG}failed_sources", ""),
    )


def is_settled(warehouse: Warehouse, *, is_posting: bool) -> bool:
    """Whether a run would deliver nothing of what the latest run published: it was not killed before, and no post waits."""
    told = "SELECT arg_max(delivered_at IS NOT NULL, rowid) FROM ops.run WHERE state = 'published'"
    waiting = "SELECT count(*) FROM alerts.delivery WHERE delivery_state = 'pending' AND sink = 'webhook'"
    return bool(warehouse.scalar(told)) and not (is_posting and warehouse.scalar(waiting))


def last_published(warehouse: Warehouse) -> str | None:
    """publication_id of the latest run that published."""
    found = warehouse.scalar("SELECT arg_max(publication_id, rowid) FROM ops.run WHERE state = 'published'")
    return None if found is None else str(found)


def last_observed_at(warehouse: Warehouse) -> str:
    """observed_at of the latest run, as `--as-of` reads it; empty where there was none."""
    found = warehouse.scalar("SELECT arg_max(observed_at, rowid) FROM ops.run")
    return "" if found is None else f"{found.isoformat()}Z"
