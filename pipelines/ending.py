"""How a run ended, and who is told of it: the file `log/heartbeat.json`, a monitor, an alarm.

Belongs here: the ending's state and exit code, and that telling it never harms the run. Does not belong here: HTTP
(`sinks.alarm`, `sinks.heartbeat`), when it is told (`commands.run` for runs of the command, `sensors` for the others).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import duckdb

from data_contracts.errors import HandrailError, UsageError
from pipelines import __version__
from pipelines.home import Home, now
from pipelines.launch import NIGHTLY, PUBLISH, Outcome
from pipelines.runs import RunRow
from pipelines.settings import Settings
from pipelines.sinks import alarm, heartbeat
from pipelines.sinks.webhook import AwayError

DONE, FAILED, USAGE, QUARANTINED, GATED, LOCKED = 0, 1, 2, 3, 4, 75

State = Literal["published", "unchanged", "done", "gated", "failed"]
_PUBLISHING = (NIGHTLY, PUBLISH)


@dataclass(frozen=True, slots=True)
class Ending:
    """How one run ended. `reason` is empty where the error is not one whose message was written for people."""

    job: str
    state: State
    exit_code: int
    ended_at: datetime
    run_id: str = ""
    failed_checks: tuple[str, ...] = ()
    error_class: str = ""
    reason: str = ""

    @classmethod
    def of(cls, job: str, outcome: Outcome, row: RunRow, ended_at: datetime | None = None) -> Ending:
        """The ending of a run that Dagster executed, from its events and its row in ops.run."""
        code = exit_code(outcome, row) if job in _PUBLISHING else (DONE if outcome.is_success else FAILED)
        state: State = "failed"
        if row.state == "published":
            state = "published"
        elif code == GATED:
            state = "gated"
        elif code == DONE:
            state = "done"
        reason = outcome.error if outcome.is_expected else ""
        checks = tuple(outcome.failed_checks)
        return cls(job, state, code, ended_at or now(), outcome.run_id, checks, outcome.error_class, reason)

    @classmethod
    def of_error(cls, job: str, error: Exception) -> Ending:
        """The ending of a run that did not get as far as Dagster."""
        code, name = USAGE if isinstance(error, UsageError) else FAILED, type(error).__name__
        reason = str(error) if isinstance(error, HandrailError) else ""
        return cls(job, "failed", code, now(), error_class=name, reason=reason)

    @property
    def is_good(self) -> bool:
        """Whether nobody needs to be woken: rows in quarantine, or a source that failed, wait for the morning."""
        return self.exit_code in {DONE, QUARANTINED}


def exit_code(outcome: Outcome, row: RunRow) -> int:
    """What a run that publishes exits with."""
    if outcome.is_locked:
        return LOCKED
    if row.state == "published":
        if outcome.error:
            return FAILED
        return QUARANTINED if row.new_quarantined_count or row.failed_sources else DONE
    return GATED if outcome.is_gated else FAILED


def tell(home: Home, settings: Settings, ending: Ending) -> list[str]:
    """Write the heartbeat; then tell the monitor of a good night, or raise the alarm. Returns what could not be told.

    Whatever goes wrong here is a line in the result: the run ended as it did.
    """
    failures = []
    told = _told(home, ending)
    try:
        _write(home, told)
    except OSError as error:
        failures.append(f"log/heartbeat.json was not written: {(error.strerror or 'unknown error').lower()}")
    try:
        if not ending.is_good:
            alarm.post(settings, ending.run_id or f"{ending.ended_at:%Y%m%dT%H%M%S}", told)
        elif ending.job == NIGHTLY:
            heartbeat.ping(settings)
    except (AwayError, UsageError) as error:
        failures.append(str(error))
    return failures


def last_beat(home: Home) -> dict[str, Any]:
    """What the heartbeat's file says; nothing where there is none that can be read."""
    with suppress(OSError, ValueError):
        told = json.loads(home.heartbeat_file.read_text("utf-8"))
        return told if isinstance(told, dict) else {}
    return {}


def _told(home: Home, ending: Ending) -> dict[str, Any]:
    """The heartbeat's content, which is the alarm's too: nothing from any row, and of errors only what we wrote ourselves."""
    is_night = ending.is_good and ending.job == NIGHTLY
    return {
        "job": ending.job,
        "state": ending.state,
        "exit_code": ending.exit_code,
        "run_id": ending.run_id or None,
        "ended_at": _instant(ending.ended_at),
        "succeeded_at": _instant(ending.ended_at) if is_night else last_beat(home).get("succeeded_at"),
        **_publication(home),
        "failed_checks": list(ending.failed_checks),
        "error_class": ending.error_class or None,
        "reason": ending.reason.replace(str(home.path), "HOME") or None,
        "code_version": __version__,
    }


def _publication(home: Home) -> Mapping[str, str | None]:
    """Of the publication that stands: its id and its instants."""
    row: tuple[Any, ...] = (None, None, None)
    with suppress(duckdb.Error, OSError):
        if home.marts_file.exists():
            with duckdb.connect(str(home.marts_file), read_only=True) as marts:
                found = marts.execute("SELECT publication_id, observed_at, published_at FROM publication").fetchall()
            row = found[0] if found else row
    publication_id, observed_at, published_at = row
    return {
        "publication_id": publication_id,
        "observed_at": observed_at and _instant(observed_at),
        "published_at": published_at and _instant(published_at),
    }


def _write(home: Home, told: Mapping[str, Any]) -> None:
    """In one step, so that no monitor reads half; an ending that is told late does not replace a later one.

    One that lies in the future was written before the clock was set back, and is replaced.
    """
    if told["ended_at"] < str(last_beat(home).get("ended_at") or "") <= _instant(now()):
        return
    aside = home.heartbeat_file.with_name(".heartbeat.json.building")
    aside.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    os.replace(aside, home.heartbeat_file)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
