"""Sensors called as the daemon calls them, on an instance and a home of their own."""

from __future__ import annotations

import json
from datetime import timedelta

import dagster as dg
import pytest

from pipelines import launch, sensors
from pipelines.home import Home, now
from pipelines.launch import NIGHTLY, TOLD, Outcome
from pipelines.lock import run_lock
from pipelines.sources import inbox


@pytest.fixture
def home(tmp_path, monkeypatch):
    found = Home(tmp_path / "home")
    found.create()
    monkeypatch.setenv("HANDRAIL_HOME", str(found.path))
    return found


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def later(monkeypatch):
    """The inbox's clock a while after everything was written."""
    monkeypatch.setattr(inbox, "now", lambda: now() + timedelta(minutes=5))


@dg.op
def work():
    pass


@dg.job(name=NIGHTLY)
def night():
    work()


@dg.job(name="broken_night")
def broken():
    @dg.op
    def breaks():
        message = "ana@example.org"
        raise ValueError(message)

    breaks()


def deliver(home, name, content="{}\n"):
    file = home.inbox / "xapi" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content, "utf-8")
    return file


def look(instance, cursor=None):
    """(run requests, cursor, reason of skipping) of one tick."""
    context = dg.build_sensor_context(instance, cursor=cursor)
    told = sensors.inbox_sensor(night)(context)
    if isinstance(told, dg.SkipReason):
        return [], cursor, told.skip_message
    return told.run_requests or [], told.cursor, told.skip_reason and told.skip_reason.skip_message


def test_a_new_file_starts_one_night_and_no_second(home, instance, later):
    assert look(instance)[0] == []
    deliver(home, "a.json")
    (request,), cursor, _ = look(instance)
    assert request.tags == {"handrail/new_files": "1"}
    assert look(instance, cursor)[0] == []
    deliver(home, "b.json")
    (second,), cursor, _ = look(instance, cursor)
    assert second.run_key != request.run_key
    deliver(home, "a.json", "[{}]\n")
    assert len(look(instance, cursor)[0]) == 1


def test_a_file_that_was_opened_again_but_not_written_asks_for_the_same_night(home, instance, later):
    """The daemon starts no second run for one key."""
    file = deliver(home, "a.json")
    (first,), cursor, _ = look(instance)
    with file.open("a", encoding="utf-8"):
        _, cursor, _ = look(instance, cursor)
    assert {request.run_key for request in look(instance, cursor)[0]} <= {first.run_key}


def test_a_file_that_is_young_or_open_for_writing_waits(home, instance, monkeypatch):
    file = deliver(home, "a.json")
    assert look(instance)[0] == []
    monkeypatch.setattr(inbox, "now", lambda: now() + timedelta(minutes=5))
    with file.open("a", encoding="utf-8"):
        waits = look(instance)[0] == []
    assert waits or inbox.is_being_written(file) is None
    assert len(look(instance)[0]) == 1


def test_unfinished_names_and_other_sources_start_nothing(home, instance, later):
    deliver(home, "a.json.part")
    assert look(instance)[0] == []
    deliver(home, "a.json")
    home.settings_file.write_text('source = "simulated"\n', "utf-8")
    assert look(instance)[2] == "The source is simulated, not the inbox."


def test_settings_that_err_are_the_reason_of_skipping_and_no_failed_tick(home, instance):
    home.settings_file.write_text("sorce = 1\n", "utf-8")
    assert "did you mean 'source'" in look(instance)[2]


def told_by_sensor(instance, job, *, tags=None):
    """Run a job that ends badly or well, then the sensor for it; returns the run as it is afterwards."""
    result = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    run = instance.get_run_by_id(result.run_id)
    failed, succeeded = sensors.ending_sensors([])
    kind = dg.DagsterEventType.RUN_SUCCESS if result.success else dg.DagsterEventType.RUN_FAILURE
    (event,) = [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=kind)]
    sensor = succeeded if result.success else failed
    context = dg.build_run_status_sensor_context(sensor.name, event, instance, run)
    sensor(context if result.success else context.for_run_failure())
    return instance.get_run_by_id(run.run_id)


def test_a_failed_run_is_told_once_without_what_its_error_says(home, instance, monkeypatch):
    alarms = []
    monkeypatch.setattr("pipelines.sinks.alarm.post", lambda _, key, told: alarms.append((key, told)))
    run = told_by_sensor(instance, broken)
    ((key, told),) = alarms
    assert key == told["run_id"] == run.run_id
    assert (told["state"], told["error_class"], told["reason"]) == ("failed", "ValueError", None)
    assert "ana@example.org" not in json.dumps(told)
    assert run.tags[TOLD] == "sensor"
    assert json.loads(home.heartbeat_file.read_text("utf-8")) == told
    told_by_sensor(instance, broken, tags={TOLD: "command line"})
    assert len(alarms) == 1


def test_a_night_that_the_daemon_ran_is_told_to_the_monitor_by_its_tags(home, instance, monkeypatch):
    pings = []
    monkeypatch.setattr("pipelines.sinks.heartbeat.ping", lambda _: pings.append(1))
    told_by_sensor(instance, night, tags={"handrail/state": "published", "handrail/newly_quarantined": "2"})
    beat = json.loads(home.heartbeat_file.read_text("utf-8"))
    assert (beat["state"], beat["exit_code"], len(pings)) == ("published", 3, 1)


def test_who_finds_the_lock_taken_raises_no_alarm(home, instance, monkeypatch):
    monkeypatch.setattr(sensors, "outcome_of", lambda _, run_id: Outcome(run_id, error="x", error_class="LockedError"))
    monkeypatch.setattr(sensors, "tell", lambda *_: pytest.fail("told"))
    assert told_by_sensor(instance, broken).tags[TOLD] == "sensor"


@pytest.fixture
def killed(instance):
    """A run that stands as started."""
    run = instance.create_run_for_job(night, status=dg.DagsterRunStatus.STARTING)
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, NIGHTLY), run.run_id)
    return run.run_id


def status(instance, run_id):
    return instance.get_run_by_id(run_id).status


def test_a_run_that_was_killed_is_closed_once_nobody_can_be_about_to_take_the_lock(home, instance, killed, monkeypatch):
    assert status(instance, killed) is dg.DagsterRunStatus.STARTED
    assert sensors.close_killed(home, instance) == "No run stands as started for long."
    monkeypatch.setattr(sensors, "now", lambda: now() + timedelta(minutes=6))
    assert sensors.close_killed(home, instance) == f"Closed {killed}."
    assert status(instance, killed) is dg.DagsterRunStatus.FAILURE
    assert launch.outcome_of(instance, killed).is_success is False


def test_a_long_run_that_holds_the_lock_is_left_alone(home, instance, killed, monkeypatch):
    monkeypatch.setattr(sensors, "now", lambda: now() + timedelta(hours=3))
    with run_lock(home.lock_file, run="night", since="now"):
        monkeypatch.setattr("pipelines.lock._held", set())
        assert sensors.close_killed(home, instance) == "A run is at work."
    assert status(instance, killed) is dg.DagsterRunStatus.STARTED
