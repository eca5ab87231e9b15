"""Dagster's side: the daemon, the schedules, and how the last runs ended.

Belongs here: reading Dagster's instance of the home. Does not belong here: running anything (`pipelines.launch`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipelines.doctor.finding import Finding, Patient, age, listed
from pipelines.doctor.stores import is_held
from pipelines.ending import last_beat
from pipelines.home import now, told_instant
from pipelines.launch import NIGHTLY, prepare_dagster

if TYPE_CHECKING:
    from dagster import DagsterInstance

_LATEST_RUNS = 20


@contextmanager
def _instance(patient: Patient) -> Iterator[DagsterInstance | None]:
    """Dagster's instance of the home; None where nothing has ever run, since asking would make one."""
    folder = patient.home.dagster
    if not ((folder / "history" / "runs.db").exists() and (folder / "schedules" / "schedules.db").exists()):
        yield None
        return
    prepare_dagster(patient.home)
    import dagster as dg  # noqa: PLC0415 - DAGSTER_HOME must be set before

    with dg.DagsterInstance.get() as instance:
        yield instance


def daemon(patient: Patient) -> Iterator[Finding]:
    """Whether the daemon is alive, and whether its schedules are on."""
    with _instance(patient) as instance:
        if instance is None:
            yield Finding.warn("daemon", "has never run", "`handrail ui` runs it; or let cron start `handrail run`")
            return
        statuses = instance.get_daemon_statuses()
        beats = [status.last_heartbeat for status in statuses.values() if status.last_heartbeat]
        silent = sorted(
            str(name).lower() for name, status in statuses.items() if status.required and not status.healthy
        )
        broken = sorted(
            str(name).lower()
            for name, status in statuses.items()
            if status.healthy and status.last_heartbeat and status.last_heartbeat.errors
        )
        stopped = sorted(
            state.instigator_name for state in instance.all_instigator_state() if state.status.value == "STOPPED"
        )
    if not beats:
        told, way_out = (
            "has never run: schedules do not tick",
            "`handrail ui` runs it; or let cron start `handrail run`",
        )
        yield Finding.warn("daemon", told, way_out)
        return
    if silent:
        last = datetime.fromtimestamp(max(beat.timestamp for beat in beats), UTC)
        told = f"silent ({listed(silent)}), last heard {told_instant(last)}: schedules do not tick"
        yield Finding.warn("daemon", told, "start `handrail ui`, or let cron start `handrail run`")
    elif broken:
        yield Finding.warn("daemon", f"alive, with errors in {listed(broken)}", "the UI tells them under Deployment")
    else:
        yield Finding.ok("daemon", "alive")
    if NIGHTLY + "_schedule" in stopped:
        yield Finding.warn("schedules", f"off: {listed(stopped)}", "turn them on in the UI under Automation")
    else:
        yield Finding.ok("schedules", f"on, but for {listed(stopped)}" if stopped else "on")


def history(patient: Patient) -> Iterator[Finding]:
    """How the last night ended, and runs that were killed."""
    with _instance(patient) as instance:
        if instance is None:
            return
        runs = instance.get_run_records(limit=_LATEST_RUNS)
    states = [(record.dagster_run.job_name, record.dagster_run.status.value, record) for record in runs]
    at_work = [record for _, state, record in states if state in {"STARTED", "CANCELING"}]
    if at_work and not is_held(patient.home.lock_file):
        told = f"killed: {listed([record.dagster_run.run_id[:8] for record in at_work])} still stand as started"
        yield Finding.warn("runs", told, "the next run closes them, and does what they did not")
    ended = [
        (state, record)
        for job, state, record in states
        if job == NIGHTLY and state in {"SUCCESS", "FAILURE", "CANCELED"}
    ]
    if ended:
        state, record = ended[0]
        at = datetime.fromtimestamp(record.end_time or record.create_timestamp.timestamp(), UTC)
        told = f"{record.dagster_run.run_id[:8]} ended {told_instant(at)} ({age((now() - at).total_seconds() / 3600)})"
        beat = last_beat(patient.home)
        if beat.get("run_id") != record.dagster_run.run_id:
            beat = {}
        yield _last_night(told, state, beat)


def _last_night(told: str, state: str, beat: Mapping[str, Any]) -> Finding:
    """How the last night ended, with what its heartbeat adds to Dagster's word."""
    if state == "SUCCESS":
        refused = "; exit code 3: rows were refused, or a source failed (data_quality says which)"
        return Finding.ok("last night", told + (refused if beat.get("exit_code") == 3 else ""))
    if checks := [str(name) for name in beat.get("failed_checks") or ()]:
        way_out = "reports/data-docs says which rows; mend what sends them, and run again: docs/checks.md"
        return Finding.fail("last night", f"{told}: a gate kept the marts before it: {listed(checks)}", way_out)
    return Finding.fail("last night", f"{told}: {state.lower()}", "`handrail ui`, Runs: the log says why; run again")
