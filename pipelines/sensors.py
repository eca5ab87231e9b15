"""Sensors: what the daemon does between nights. New files, how runs ended, runs that were killed.

Belongs here: when to look, and what was seen before. Does not belong here: how a file is judged (`sources.inbox`), what
is told of an ending (`ending`). Nothing here opens the warehouse: a night may hold it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from data_contracts.errors import HandrailError, LockedError
from pipelines import runs
from pipelines.ending import Ending, tell
from pipelines.home import Home, now
from pipelines.launch import TOLD, close_orphans, outcome_of
from pipelines.lock import run_lock
from pipelines.settings import load_settings
from pipelines.sources import locate
from pipelines.sources.inbox import settled

# A run takes the home's lock within seconds of its start.
_UNLOCKED = timedelta(minutes=5)

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob


def inbox_sensor(nightly: AssetJob) -> dg.SensorDefinition:
    """Starts a night when new files lie in the inbox; off until somebody switches it on."""

    @dg.sensor(
        name="inbox_sensor",
        job=nightly,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Starts a night when files lie in the inbox that nobody writes any more. Each file starts one only once.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        home = Home.find()
        try:
            settings = load_settings(home.settings_file)
            if settings.source != "inbox":
                return dg.SkipReason(f"The source is {settings.source}, not the inbox.")
            folder, _ = locate(home, settings)
            files = settled(folder, settle_seconds=settings.inbox_settle_seconds)
        except HandrailError as error:
            return dg.SkipReason(str(error))
        marks = {_mark(str(path), *stamp) for path, stamp in files.items()}
        before = set(json.loads(context.cursor or "[]"))
        cursor = json.dumps(sorted(marks))
        new = sorted(marks - before)
        if not new:
            return dg.SensorResult(skip_reason="No new file that is whole.", cursor=cursor)
        request = dg.RunRequest(run_key=_mark(*new), tags={"handrail/new_files": str(len(new))})
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return sensor


def _mark(*parts: object) -> str:
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:16]


def ending_sensors(jobs: Sequence[AssetJob]) -> list[dg.SensorDefinition]:
    """Write the heartbeat and raise the alarm for runs of the daemon and the UI; the command tells of its own."""
    about = "Writes log/heartbeat.json"

    @dg.run_failure_sensor(
        name="run_failed",
        monitored_jobs=jobs,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"{about} and posts to alarm_url where a run failed or a gate kept yesterday's marts.",
    )
    def failed(context: dg.RunFailureSensorContext) -> None:
        _tell(context)

    @dg.run_status_sensor(
        name="run_succeeded",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=jobs,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"{about} and asks heartbeat_url after a good night.",
    )
    def succeeded(context: dg.RunStatusSensorContext) -> None:
        _tell(context)

    return [failed, succeeded]


def _tell(context: dg.RunStatusSensorContext) -> None:
    run, instance, home = context.dagster_run, context.instance, Home.find()
    record = instance.get_run_record_by_id(run.run_id)
    # As it is now: the command may have told of it since.
    if record is None or TOLD in record.dagster_run.tags:
        return
    outcome, row = outcome_of(instance, run.run_id), runs.row_told_by(record.dagster_run.tags)
    ended_at = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else now()
    if not outcome.is_locked:
        for line in tell(home, load_settings(home.settings_file), Ending.of(run.job_name, outcome, row, ended_at)):
            context.log.warning(line)
    instance.add_run_tags(run.run_id, {TOLD: "sensor"})


def orphan_sensor() -> dg.SensorDefinition:
    """Closes runs that were killed, which else would hold back every run that waits in the daemon's queue."""

    @dg.sensor(
        name="orphan_sensor",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports runs failed that stand as started though nobody holds the lock: they were killed.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return dg.SkipReason(close_killed(Home.find(), context.instance))

    return sensor


def close_killed(home: Home, instance: dg.DagsterInstance) -> str:
    """Close what was killed, unless a run is at work; returns what was found, in words.

    The lock is only tried where a run stands as started for minutes, so that no night that begins meets us holding it.
    """
    before = now() - _UNLOCKED
    at_work = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    if all((run.start_time or 0) >= before.timestamp() for run in instance.get_run_records(at_work)):
        return "No run stands as started for long."
    try:
        with run_lock(home.lock_file, run="closing killed runs", since=f"{now():%Y-%m-%dT%H:%M:%SZ}"):
            closed = close_orphans(instance, started_before=before)
    except LockedError:
        return "A run is at work."
    return f"Closed {', '.join(closed)}."
