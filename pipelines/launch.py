"""Runs a job in this process, under Dagster's instance of the home; the one user of Dagster's internals.

Belongs here: from a job's name to its events and outcome. Does not belong here: what to do about an outcome
(`pipelines.commands`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.errors import GateError, HandrailError, LockedError
from pipelines.home import Home

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.remote_origin import RemoteJobOrigin

NIGHTLY = "nightly"
TRAINING = "weekly_training"
REBUILD = "rebuild"
# Not "publication": that is an asset, and Dagster wants names of jobs and of assets' steps to differ.
PUBLISH = "publish"

# On runs whose end the command itself has told: the sensors pass them over.
TOLD = "handrail/told_by"

# The console tells steps in our own words; everything else stands in the run's log in the UI.
_QUIET: Mapping[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(slots=True)
class Outcome:
    """How a run ended: what it materialised, which checks failed, and the first error in words."""

    run_id: str
    is_success: bool = False
    materialised: int = 0
    failed_checks: list[str] = field(default_factory=list)
    error_class: str = ""
    error: str = ""
    trace: str = ""

    @property
    def is_expected(self) -> bool:
        """Whether the error is one that Handrail raises on purpose, whose message says what to do."""
        return self.error_class in {kind.__name__ for kind in _kinds(HandrailError)}

    @property
    def is_gated(self) -> bool:
        """Whether a gate kept yesterday's marts: a blocking check failed or publication refused."""
        return bool(self.failed_checks) or self.error_class == GateError.__name__

    @property
    def is_locked(self) -> bool:
        """Whether another run holds the lock."""
        return self.error_class == LockedError.__name__

    def note(self, event: dg.DagsterEvent) -> None:
        """Take one event of the run into account; of errors the first counts."""
        kind = event.event_type_value
        if kind == "ASSET_MATERIALIZATION":
            self.materialised += 1
        elif kind == "ASSET_CHECK_EVALUATION" and _stops(event.asset_check_evaluation_data):
            self.failed_checks.append(event.asset_check_evaluation_data.check_name)
        elif kind in {"STEP_FAILURE", "PIPELINE_FAILURE", "RESOURCE_INIT_FAILURE"} and not self.error:
            _note_error(self, event)
        elif kind == "PIPELINE_SUCCESS":
            self.is_success = True


def _kinds(base: type[Exception]) -> list[type[Exception]]:
    return [base, *(kind for direct in base.__subclasses__() for kind in _kinds(direct))]


def prepare_dagster(home: Home) -> None:
    """Set DAGSTER_HOME and bring the repository's dagster.yaml there; call before Dagster is imported."""
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    os.environ["HANDRAIL_HOME"] = str(home.path)
    source, target = REPOSITORY / "dagster.yaml", home.dagster / "dagster.yaml"
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)


def run_job(
    job_name: str, night: Mapping[str, Any], *, timezone: str, on_step: Callable[[str, int, int], None]
) -> Outcome:
    """Run a job with a configured night and report each step that ends.

    The run stands in the instance as one of the UI's code location would: on its timeline, its job's page and its assets'.

    Args:
        job_name: as `pipelines.build` names it.
        night: configuration of `NightResource`.
        timezone: the organisation's.
        on_step: told the step's name, how many steps have ended, and how many there are.
    """
    import dagster as dg  # noqa: PLC0415 - DAGSTER_HOME must be set before
    from dagster._core.definitions.job_base import InMemoryJob  # noqa: PLC0415
    from dagster._core.execution.api import create_execution_plan, execute_run_iterator  # noqa: PLC0415

    from pipelines.build import build_defs  # noqa: PLC0415

    repository = build_defs(timezone=timezone).get_repository_def()
    job = repository.get_job(job_name)
    # Written down with the run, so that one executed again from the UI is the same run.
    config = {**_QUIET, "resources": {"night": {"config": dict(night)}}}
    with dg.DagsterInstance.get() as instance:
        plan = create_execution_plan(InMemoryJob(job), run_config=config)
        run = instance.create_run_for_job(
            job, execution_plan=plan, run_config=config, remote_job_origin=_origin(repository.name, job_name)
        )
        outcome, ended, total = Outcome(run.run_id), 0, len(plan.step_keys_to_execute)
        for event in execute_run_iterator(InMemoryJob(job), run, instance):
            kind = event.event_type_value
            if kind in {"STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED"}:
                ended += 1
                on_step(str(event.step_key), ended, total)
            outcome.note(event)
        instance.add_run_tags(run.run_id, {TOLD: "command line"})
    return outcome


def outcome_of(instance: dg.DagsterInstance, run_id: str) -> Outcome:
    """How a run of the instance ended, from its events."""
    outcome = Outcome(run_id)
    for entry in instance.all_logs(run_id):
        if entry.dagster_event is not None:
            outcome.note(entry.dagster_event)
    return outcome


def _origin(repository_name: str, job_name: str) -> RemoteJobOrigin:
    """Where the UI's workspace has a job from; it finds runs by this."""
    from dagster._core.remote_origin import RemoteRepositoryOrigin  # noqa: PLC0415
    from dagster._core.workspace.load import location_origins_from_yaml_paths  # noqa: PLC0415

    (location,) = location_origins_from_yaml_paths([str(REPOSITORY / "workspace.yaml")])
    return RemoteRepositoryOrigin(location, repository_name).get_job_origin(job_name)


def close_orphans(
    instance: dg.DagsterInstance | None, run_id: str = "", *, started_before: datetime | None = None
) -> list[str]:
    """Report runs failed that still stand as started; call under the home's lock. Returns their ids.

    Only one run can be at work, and we hold its lock: another that stands as started was killed, would count as running
    for ever, and hold back every run that the daemon queues. One that has just started takes the lock a moment later, so
    whoever is no run itself says `started_before`.
    """
    import dagster as dg  # noqa: PLC0415 - DAGSTER_HOME must be set before

    if instance is None:
        return []
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    orphans = [
        record.dagster_run
        for record in instance.get_run_records(started)
        if record.dagster_run.run_id != run_id
        and (started_before is None or (record.start_time or 0) < started_before.timestamp())
    ]
    for run in orphans:
        instance.report_run_failed(run, "The run was killed before it could say how it ended; a later run closed it.")
    return [run.run_id for run in orphans]


def _stops(evaluation: Any) -> bool:  # noqa: ANN401 - Dagster's evaluation
    """Whether a check failed that keeps the marts back; others are for people to look at."""
    return bool(evaluation.blocking) and not evaluation.passed


def _note_error(outcome: Outcome, event: Any) -> None:  # noqa: ANN401 - Dagster's event
    data = event.event_specific_data
    error = getattr(data, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    if error is not None:
        outcome.error_class = error.cls_name or ""
        outcome.error = error.message.strip().rpartition(f"{error.cls_name}: ")[2]
        outcome.trace = "".join(error.stack)
