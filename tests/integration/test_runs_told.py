"""Nights of the command as others see them: on the UI's timeline, in the heartbeat, in alarms; and the jobs of the UI."""

from __future__ import annotations

import json
import os
from unittest import mock

import dagster as dg
import duckdb
import pytest
from dagster._core.workspace.load import location_origins_from_yaml_paths

from data_contracts.errors import PermanentError
from pipelines.build import build_defs
from pipelines.launch import PUBLISH, REPOSITORY, TOLD, run_job
from tests.hook_server import SECRET, Receiver

NIGHT = ("--source", "inbox", "--as-of", "2026-02-02")


@pytest.fixture
def runs(environment):
    """The runs of a home's instance, newest first."""

    def read(home):
        with (
            mock.patch.dict(os.environ, {**environment, "DAGSTER_HOME": str(home / "dagster")}, clear=True),
            dg.DagsterInstance.get() as instance,
        ):
            return instance.get_runs()

    return read


@pytest.fixture
def receiver(environment, monkeypatch):
    with Receiver() as running:
        monkeypatch.setitem(environment, "HANDRAIL_ALARM_URL", running.url)
        monkeypatch.setitem(environment, "HANDRAIL_WEBHOOK_SECRET", SECRET)
        yield running


def rows(home, sql):
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.execute(sql).fetchall()


def beat(home):
    return json.loads((home / "log" / "heartbeat.json").read_text("utf-8"))


def refuse(*_):
    message = "the disk is full: make room"
    raise PermanentError(message)


def publish_again(home, environment):
    """The job of the UI, in this process."""
    with mock.patch.dict(os.environ, {**environment, "DAGSTER_HOME": str(home / "dagster")}, clear=True):
        return run_job(PUBLISH, {"home": str(home), "takes_in": False}, timezone="UTC", on_step=lambda *_: None)


def test_a_night_stands_on_the_timeline_and_in_the_heartbeat_and_what_fails_raises_the_alarm(
    home, small_world, handrail, runs, receiver, monkeypatch, environment
):
    command = ("run", *NIGHT, "--data", small_world, "--home", home)
    told = handrail(*command[:-3], small_world / "gone", "--home", home)
    assert told.code == 2
    (early,) = receiver.requests
    assert (early.told["state"], early.told["exit_code"], early.told["run_id"]) == ("failed", 2, None)
    assert early.told["reason"] == f"there is no folder {small_world / 'gone'}; check --data"
    assert beat(home)["succeeded_at"] is None

    with monkeypatch.context() as broken:
        broken.setattr("pipelines.assets.raw.take_in", refuse)
        receiver.then(503, 503, 503)
        told = handrail(*command)
    assert told.code == 1
    assert "the alarm was not delivered" in told.err
    _, *tries = receiver.requests
    assert {request.key for request in tries} == {f"alarm-{beat(home)['run_id']}"}
    assert tries[0].told["reason"] == "the disk is full: make room"
    assert "in-the-address" not in told.err + told.out

    told = handrail(*command)
    assert told.code in {0, 3}, told.err
    assert len(receiver.requests) == 1 + len(tries)
    good, failed = runs(home)
    assert (failed.status, good.status) == (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS)
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        publication_id, observed_at = marts.execute("SELECT publication_id, observed_at FROM publication").fetchall()[0]
    assert good.tags["handrail/publication"] == publication_id == beat(home)["publication_id"]
    assert (beat(home)["state"], beat(home)["run_id"]) == ("published", good.run_id)
    assert beat(home)["observed_at"] == f"{observed_at:%Y-%m-%dT%H:%M:%SZ}"
    # Where the workspace has its jobs from: by this, and by the job's snapshot, its pages find runs.
    (location,) = location_origins_from_yaml_paths([str(REPOSITORY / "workspace.yaml")])
    repository = build_defs().get_repository_def()
    for run in (good, failed):
        assert run.tags[TOLD] == "command line"
        assert run.remote_job_origin.repository_origin.code_location_origin == location
        assert run.tags_for_storage()[".dagster/repository"] == f"{repository.name}@handrail"
        assert run.job_snapshot_id == repository.get_job("nightly").get_job_snapshot_id()
        assert run.run_config["resources"]["night"]["config"]["data"] == str(small_world)

    again = handrail(*command)
    assert "Nothing new" in again.err
    assert (beat(home)["state"], beat(home)["publication_id"]) == ("unchanged", publication_id)
    assert beat(home)["succeeded_at"] == beat(home)["ended_at"]

    # The job that publishes what stands takes nothing in, whatever lies in the inbox, and is as of the last run.
    (home / "inbox" / "enrolment").mkdir()
    (home / "inbox" / "enrolment" / "a.csv").write_text("learner_key\n", "utf-8")
    before = rows(home, "SELECT file_hash FROM raw.file ORDER BY ALL")
    outcome = publish_again(home, environment)
    assert outcome.is_success, outcome.error
    assert rows(home, "SELECT file_hash FROM raw.file ORDER BY ALL") == before
    *_, night, published = rows(home, "SELECT state, publication_id, observed_at FROM ops.run ORDER BY started_at")
    assert night == published == ("published", publication_id, observed_at)


def test_the_jobs_sensors_and_schedules_can_be_loaded_together():
    """A workspace refuses a job that is called like an asset; definitions alone do not say so."""
    repository = build_defs().get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs()} - {"__ASSET_JOB"}
    assert jobs == {"nightly", "weekly_training", "rebuild", "publish"}
    states = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    assert states.pop("inbox_sensor") is dg.DefaultSensorStatus.STOPPED
    assert states == dict.fromkeys(("run_failed", "run_succeeded", "orphan_sensor"), dg.DefaultSensorStatus.RUNNING)
    publish = repository.get_job(PUBLISH).asset_layer.executable_asset_keys
    assert not any(key.to_user_string().startswith("raw_") for key in publish)
    assert {"core_statement", "publication"} <= {key.to_user_string() for key in publish}


def test_what_a_night_must_renew_goes_amber_after_a_late_night_and_red_after_a_missing_one():
    watched = {
        spec.key.to_user_string(): spec.freshness_policy
        for spec in build_defs().resolve_all_asset_specs()
        if spec.freshness_policy is not None
    }
    assert set(watched) == {"raw_statement", "risk_score", "alert_current", "publication"}
    assert {
        (
            policy.warn_window.to_timedelta().total_seconds() / 3600,
            policy.fail_window.to_timedelta().total_seconds() / 3600,
        )
        for policy in watched.values()
    } == {(26, 50)}
