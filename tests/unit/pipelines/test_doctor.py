"""The doctor finds what was broken on purpose, names the way out, and keeps to itself what is secret."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._daemon.types import DaemonHeartbeat

from data_contracts.tables.inputs import INPUTS, MINIMUM
from data_contracts.tables.without import WITHOUT
from pipelines import __version__, doctor
from pipelines.doctor import delivery, intake, machine, schedules, stores
from pipelines.doctor.finding import Patient
from pipelines.home import Home, now
from pipelines.launch import prepare_dagster
from pipelines.lock import run_lock
from pipelines.publish import BUILD_NAME
from pipelines.settings import Settings
from tests.lrs_server import PASSWORD, USERNAME, Lrs, hang, statement, status

ROOT = Path(__file__).resolve().parents[3]
SECRET = "not-for-anybodys-eyes"  # noqa: S105


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.create()
    made.path.chmod(0o700)
    return made


def of(probe, home, **settings):
    return list(probe(Patient(home, Settings(**settings))))


def one(probe, home, **settings):
    (found,) = of(probe, home, **settings)
    return found


def put(home, name, content="x"):
    file = home.path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, "utf-8")
    return file


def publish(home, hours=1, **columns):
    row = {
        "publication_id": "p1",
        "published_at": (now() - timedelta(hours=hours)).replace(tzinfo=None),
        "observed_at": now().replace(tzinfo=None),
        "failed_sources": "",
        "code_version": __version__,
        "model_id": None,
        **columns,
    }
    (home.marts / "current").mkdir(exist_ok=True)
    pl.DataFrame([row]).write_parquet(home.marts / "current" / "publication.parquet")


def test_a_home_that_is_not_there_is_looked_at_and_not_made(tmp_path):
    home = Home(tmp_path / "none")
    found = list(doctor.examine(home))
    assert not home.path.exists()
    assert {"warn"} >= {one.state for one in found if one.name in {"home", "key", "data", "tables", "publication"}}
    assert not [one for one in found if one.state == "fail"]
    assert all(one.way_out for one in found if one.state != "ok")


def test_a_probe_that_breaks_is_a_finding_and_stops_no_other(home):
    def broken(_):
        raise ValueError(SECRET)

    found = list(doctor.examine(home, [broken, stores.lock]))
    assert [(one.name, one.state) for one in found] == [("settings", "ok"), ("broken", "fail"), ("lock", "ok")]
    assert SECRET not in str(found)


def test_settings_that_cannot_be_read_are_told_and_the_rest_is_still_looked_at(home):
    home.settings_file.write_text("sauce = 1\n", "utf-8")
    found = {one.name: one for one in doctor.examine(home)}
    assert found["settings"].state == "fail"
    assert "did you mean 'source'" in found["settings"].told
    assert found["lock"].state == "ok"
    assert "data" not in found


def test_packages_are_held_against_the_pins_of_the_lock(tmp_path, home):
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "polars==0.0.1 \\\n    --hash=sha256:0\nno-such-thing==1 \\\nelse-where==2 ; sys_platform == 'win32'\n"
    )
    missing, other = machine.packages(Patient(home, None), lock)
    assert (missing.state, missing.told) == ("fail", "not installed: no-such-thing")
    assert (other.state, "polars" in other.told, "pinned 0.0.1" in other.told) == ("warn", True, True)


def test_a_package_pinned_once_for_each_python_is_as_pinned(tmp_path, home):
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"polars==0.0.1 ; python_version < '3'\npolars=={pl.__version__} ; python_version >= '3'\n")
    assert [found.state for found in machine.packages(Patient(home, None), lock)] == ["ok"]


@pytest.mark.parametrize(("free", "state"), [(10**12, "ok"), (600_000_000, "warn"), (10**8, "fail")])
def test_room_is_held_against_what_a_night_may_need(home, monkeypatch, free, state):
    with home.warehouse_file.open("wb") as stream:
        stream.truncate(200_000_000)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert one(machine.disk, home).state == state


def test_a_home_open_to_others_is_told_and_a_key_open_to_others_fails(home):
    put(home, "key").chmod(0o600)
    assert one(machine.permissions, home).state == "ok"
    home.path.chmod(0o755)
    assert one(machine.permissions, home).state == "warn"
    home.key_file.chmod(0o644)
    found = one(machine.permissions, home)
    assert (found.state, found.told) == ("fail", "open to others: key")
    assert found.way_out == f"chmod -R go-rwx {home.path}"


def test_a_key_that_is_gone_or_damaged_fails_only_where_pseudonyms_were_made(home):
    assert one(stores.key, home).state == "warn"
    put(home, "identity.duckdb")
    put(home, "archive/enrolment/1.parquet")
    assert one(stores.key, home).state == "fail"
    put(home, "key", SECRET)
    damaged = one(stores.key, home)
    assert damaged.state == "fail"
    assert SECRET not in str(damaged)
    put(home, "key", "ab" * 32)
    assert one(stores.key, home).state == "ok"


def test_a_lock_is_held_only_while_its_process_holds_it(home):
    script = (
        "import sys, pathlib; from pipelines.lock import run_lock\n"
        "with run_lock(pathlib.Path(sys.argv[1]), run='handrail run', since='2024-01-01T00:00:00+00:00'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, home.lock_file],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        holder.stdout.readline()
        found = one(stores.lock, home)
        assert (found.state, f"pid {holder.pid}" in found.told) == ("warn", True), "it has been held for years"
        holder.stdin.close()
    assert one(stores.lock, home).told == "free"
    # The number of another process that lives, and holds nothing.
    home.lock_file.write_text(json.dumps({"pid": os.getpid(), "run": "old", "since": "then"}), "utf-8")
    assert one(stores.lock, home).told == "free"


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"pid": "x"}', '{"pid": 999999999999}'])
def test_a_lock_file_that_says_nothing_is_free(home, content):
    home.lock_file.write_text(content, "utf-8")
    assert one(stores.lock, home).told == "free"


def test_what_a_killed_run_left_half_built_is_told(home):
    put(home, BUILD_NAME)
    found = one(stores.lock, home)
    assert (found.state, "killed" in found.told) == ("warn", True)


@pytest.mark.parametrize(("hours", "state"), [(1, "ok"), (25.9, "ok"), (27, "warn"), (73, "warn"), (75, "fail")])
def test_a_publication_grows_old_by_the_night_but_not_in_a_demo(home, hours, state):
    publish(home, hours)
    assert one(stores.freshness, home, source="inbox").state == state
    assert one(stores.freshness, home, source="simulated").state == "ok"


def test_sources_that_failed_and_other_code_are_told_with_the_publication(home):
    publish(home, failed_sources="lrs:campus", code_version="0.0.0")
    assert [(found.name, found.state) for found in of(stores.freshness, home)] == [
        ("publication", "ok"),
        ("sources", "warn"),
        ("version", "warn"),
    ]


def test_marts_that_are_gone_damaged_or_written_to_fail(home):
    assert of(stores.marts, home) == []
    publish(home)
    assert one(stores.marts, home).told == "marts.duckdb is gone"
    put(home, "marts.duckdb", "no database")
    assert "does not open" in one(stores.marts, home).told
    put(home, "marts.duckdb.wal")
    found = one(stores.marts, home)
    assert (found.state, "another program wrote" in found.told) == ("fail", True)


def test_every_input_is_needed_or_has_its_line_of_what_is_off_without_it():
    named = [name for names in WITHOUT for name in names]
    assert sorted(named) == sorted(set(INPUTS) - set(MINIMUM))


def test_the_page_of_inputs_says_what_the_doctor_says():
    page = (ROOT / "docs" / "inputs.md").read_text("utf-8")
    rows = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \| (.+) \|$", page.partition("| tables | without them |")[2], re.MULTILINE
    )
    plain = {
        tuple(re.findall(r"\w+", names)): re.sub(r" \(\[.*?\]\(.*?\)\)", "", told).replace("`", "")
        for names, told in rows[: len(WITHOUT)]
    }
    assert plain == dict(WITHOUT)


def test_nothing_given_is_one_line_and_a_part_given_says_what_is_off(home):
    assert one(intake.tables, home).told.startswith("nothing was given yet")
    put(home, "inbox/xapi/a.ndjson")
    put(home, "inbox/goal/a.csv")
    told = {found.told for found in of(intake.tables, home)}
    assert "no enrolment: nobody is scored, and every mart of learners is empty" in told
    assert "no absence: learners on leave are alerted too" in told
    assert "no goal_update, only goal; without both: no goal progress" in told


def test_what_was_taken_in_counts_as_given_though_it_left_the_inbox(home):
    (home.archive / "file").mkdir()
    for number, name in enumerate([*INPUTS, "statement"]):
        pl.DataFrame({"table_name": [name]}).write_parquet(home.archive / "file" / f"{number}.parquet")
    assert one(intake.tables, home).told == f"all {len(INPUTS)} are given"


def test_what_waits_in_the_inbox_is_counted_and_what_is_never_read_is_named(home, monkeypatch):
    put(home, "inbox/enrolment/a.csv")
    put(home, "inbox/enrolment/b.pdf")
    put(home, "inbox/enrollment/a.csv")
    waiting, ending, unknown = of(intake.data_folder, home)
    assert (waiting.state, waiting.told.startswith("waiting: 1 files")) == ("ok", True)
    assert (ending.state, "enrolment/b.pdf" in ending.told) == ("warn", True)
    assert (unknown.state, "enrollment" in unknown.told) == ("warn", True)
    later = now() + timedelta(hours=49)
    monkeypatch.setattr(intake, "now", lambda: later)
    assert of(intake.data_folder, home)[0].state == "warn"


def test_a_data_folder_that_is_not_there_fails(home, tmp_path):
    found = one(intake.data_folder, home, data=str(tmp_path / "nowhere"))
    assert (found.state, "there is no folder" in found.told) == ("fail", True)


@pytest.fixture
def lrs():
    with Lrs() as server:
        yield server.add(*(statement(number) for number in range(3)))


def asked(home, store, monkeypatch, password=PASSWORD):
    monkeypatch.setenv("HANDRAIL_LRS_MAIN_USERNAME", USERNAME)
    monkeypatch.setenv("HANDRAIL_LRS_MAIN_PASSWORD", password)
    return one(intake.record_stores, home, lrs=({"name": "main", "endpoint": store.endpoint},))


def test_a_store_that_answers_is_asked_once_for_one_statement(home, lrs, monkeypatch):
    found = asked(home, lrs, monkeypatch)
    assert (found.name, found.state, "answers in xAPI 1.0.3" in found.told) == ("lrs:main", "ok", True)
    (question,) = lrs.asked()
    assert question["limit"] == "1"


def test_a_store_that_refuses_or_breaks_fails_and_its_password_is_not_told(home, lrs, monkeypatch):
    refused = asked(home, lrs, monkeypatch, password=SECRET)
    assert (refused.state, "refuses our credentials" in refused.told) == ("fail", True)
    assert SECRET not in str(refused)
    lrs.then(status(503))
    broken = asked(home, lrs, monkeypatch)
    assert (broken.state, broken.told) == ("fail", "LRS 'main' answers 503")
    monkeypatch.delenv("HANDRAIL_LRS_MAIN_PASSWORD")
    lrs_settings = ({"name": "main", "endpoint": lrs.endpoint},)
    assert "HANDRAIL_LRS_MAIN_PASSWORD" in one(intake.record_stores, home, lrs=lrs_settings).told


def test_a_store_that_says_nothing_is_not_waited_for(home, lrs, monkeypatch):
    monkeypatch.setattr(intake, "LRS_SECONDS", 0.3)
    lrs.then(hang(5))
    before = time.monotonic()
    found = asked(home, lrs, monkeypatch)
    assert found.state == "fail"
    assert time.monotonic() - before < 3


def test_the_outbox_tells_the_last_day_s_digests(home):
    assert one(delivery.outbox, home).told == "no digests yet"
    for name in ("2024-03-04/a.html", "2024-03-11/a.html", "2024-03-11/b.html", "2024-03-11/b.csv", "notes/c.html"):
        put(home, f"outbox/{name}")
    assert one(delivery.outbox, home).told == "2 digests of 2024-03-11; 2 days are kept"
    assert one(delivery.outbox, home, digests=False).told == "digests are off"


@pytest.mark.parametrize(("setting", "name"), [("webhook_url", "webhook"), ("alarm_url", "alarm")])
def test_an_address_without_a_secret_fails_and_one_with_it_tells_its_host_alone(home, monkeypatch, setting, name):
    given = {setting: f"https://hooks.example.org/{SECRET}", "source": "simulated"}
    unsigned = one(delivery.alarms, home, **given)
    assert (unsigned.name, unsigned.state) == (name, "fail")
    monkeypatch.setenv("HANDRAIL_WEBHOOK_SECRET", SECRET)
    found = one(delivery.alarms, home, **given)
    assert (found.name, found.state, "https://hooks.example.org" in found.told) == (name, "ok", True)
    assert SECRET not in str((unsigned, found))


def test_that_nobody_hears_of_a_failed_night_is_told_but_not_in_a_demo(home):
    assert one(delivery.alarms, home, source="inbox").state == "warn"
    assert of(delivery.alarms, home, source="inbox", heartbeat_url="https://watch.example.org") == []
    assert of(delivery.alarms, home, source="simulated") == []


def test_a_monitor_s_address_that_a_night_would_refuse_fails_and_is_not_told(home):
    found = one(delivery.alarms, home, source="simulated", heartbeat_url=f"http://watch.example.org/{SECRET}")
    assert (found.name, found.state) == ("heartbeat", "fail")
    assert SECRET not in str(found)


def test_a_model_that_scores_without_a_card_is_told(home):
    publish(home, model_id="m1")
    assert one(delivery.reports, home).state == "warn"
    put(home, "reports/model-cards/m1.html")
    assert one(delivery.reports, home).state == "ok"


@pytest.fixture
def dagster_home(home, monkeypatch):
    """A home whose Dagster instance has stood for a while."""
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    monkeypatch.setenv("HANDRAIL_HOME", str(home.path))
    prepare_dagster(home)
    with dg.DagsterInstance.get() as instance:
        instance.get_runs(limit=1)
        instance.get_daemon_heartbeats()
        yield home, instance


def beat(instance, at, errors=()):
    for daemon_type in instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), daemon_type, "d", list(errors)))


def test_a_daemon_that_fell_silent_is_told_from_one_that_is_alive(dagster_home):
    home, instance = dagster_home
    assert "has never run" in one(schedules.daemon, home).told
    beat(instance, now() - timedelta(hours=2))
    assert "silent" in of(schedules.daemon, home)[0].told
    beat(instance, now())
    assert [(found.name, found.state) for found in of(schedules.daemon, home)] == [
        ("daemon", "ok"),
        ("schedules", "ok"),
    ]


def test_a_run_that_stands_as_started_without_a_lock_was_killed(dagster_home):
    home, instance = dagster_home
    assert of(schedules.history, home) == []
    run = instance.create_run_for_job(dg.GraphDefinition("nightly").to_job(), status=dg.DagsterRunStatus.STARTED)
    assert run.run_id[:8] in one(schedules.history, home).told
    with run_lock(home.lock_file, run="handrail run", since="2024-03-13T00:00:00Z"):
        assert of(schedules.history, home) == []
    instance.report_run_failed(run)
    found = one(schedules.history, home)
    assert (found.name, found.state) == ("last night", "fail")


def test_a_night_s_heartbeat_says_what_was_refused_but_not_another_run_s(dagster_home):
    home, instance = dagster_home
    run = instance.create_run_for_job(dg.GraphDefinition("nightly").to_job(), status=dg.DagsterRunStatus.SUCCESS)
    assert "exit code 3" not in one(schedules.history, home).told
    put(home, "log/heartbeat.json", json.dumps({"exit_code": 3, "run_id": run.run_id}))
    found = one(schedules.history, home)
    assert (found.state, "exit code 3" in found.told) == ("ok", True)
    put(home, "log/heartbeat.json", json.dumps({"exit_code": 3, "run_id": "another"}))
    assert "exit code 3" not in one(schedules.history, home).told


def test_a_gate_names_its_checks(dagster_home):
    home, instance = dagster_home
    run = instance.create_run_for_job(dg.GraphDefinition("nightly").to_job(), status=dg.DagsterRunStatus.FAILURE)
    beat = {"exit_code": 4, "run_id": run.run_id, "failed_checks": ["learner_risk_contract"]}
    put(home, "log/heartbeat.json", json.dumps(beat))
    found = one(schedules.history, home)
    assert (found.state, "kept the marts before it: learner_risk_contract" in found.told) == ("fail", True)
