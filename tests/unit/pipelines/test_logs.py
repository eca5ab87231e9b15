import json
import logging
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from data_contracts.errors import PermanentError
from pipelines import logs
from pipelines.home import Home, now

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.create()
    return made


def lines(home):
    return [json.loads(line) for line in home.journal_file.read_text("utf-8").splitlines()]


def test_a_command_tells_its_beginning_and_how_it_ended(home):
    with logs.command(home, "run") as told:
        told["exit_code"] = 3
    began, ended = lines(home)
    assert (began["event"], ended["event"], ended["exit_code"]) == ("command_began", "command_ended", 3)
    assert began["command"] == "run"
    assert ended["seconds"] >= 0
    assert began["at"].endswith("Z")


def test_of_an_error_only_the_class_is_told_unless_handrail_wrote_its_message(home):
    with pytest.raises(ValueError, match="somebody"), logs.command(home, "run"):
        raise ValueError("somebody@example.org")  # noqa: EM101 - what another library might say
    with pytest.raises(PermanentError), logs.command(home, "run"):
        raise PermanentError("inbox/learner/a.csv: column learner_key is missing")  # noqa: EM101
    _, ours, _, written = lines(home)
    assert "somebody" not in home.journal_file.read_text("utf-8")
    assert ours["error_class"] == "ValueError"
    assert "reason" not in ours
    assert written["reason"].endswith("learner_key is missing")


def test_a_run_inside_a_command_adds_its_id_for_as_long_as_it_lasts(home):
    with logs.command(home, "run"):
        with logs.journal(home, run_id="r-1"):
            logs.event("run_began")
        logs.event("after")
    assert [(line["event"], line.get("run_id"), line["command"]) for line in lines(home)] == [
        ("command_began", None, "run"),
        ("run_began", "r-1", "run"),
        ("after", None, "run"),
        ("command_ended", None, "run"),
    ]


def test_progress_of_modules_is_in_the_journal_too(home):
    with logs.journal(home, command="run"):
        logging.getLogger("pipelines.sources.lrs").info("%d pages", 7)
    (line,) = lines(home)
    assert (line["event"], line["text"], line["module"]) == ("progress", "7 pages", "pipelines.sources.lrs")


def test_nothing_is_left_listening_and_a_home_that_is_not_there_is_not_made(home, tmp_path):
    before = list(logging.getLogger("pipelines").handlers)
    nowhere = Home(tmp_path / "nowhere")
    with logs.command(home, "run"), logs.journal(nowhere):
        logs.event("heard")
    assert logging.getLogger("pipelines").handlers == before
    assert not nowhere.path.exists()


def test_a_command_that_fails_where_no_home_is_prints_nothing_of_the_journal(tmp_path, environment):
    code = "from pathlib import Path; from pipelines import logs; from pipelines.home import Home\n"
    code += "with logs.command(Home(Path('nowhere')), 'run'): raise SystemExit(0)"
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert told.stderr == b""


def test_the_journal_is_its_owners_alone_and_one_event_is_one_line(home):
    with logs.journal(home):
        logs.event("table_made", table="raw.learner\ninjected", rows=2)
    assert stat.S_IMODE(home.journal_file.stat().st_mode) == 0o600
    assert lines(home)[0]["table"] == "raw.learner\ninjected"


def test_a_journal_that_is_too_large_is_put_aside_and_old_ones_go(home, monkeypatch):
    with logs.journal(home):
        logs.event("one")
        logs.rotate(home, most_megabytes=1, days=30)
        assert home.journal_file.exists()
        logs.rotate(home, most_megabytes=1e-6, days=30)
        assert not home.journal_file.exists()
        logs.event("two")
    (aside,) = home.log.glob("handrail-*.jsonl")
    assert json.loads(aside.read_text("utf-8"))["event"] == "one"
    assert lines(home)[0]["event"] == "two"
    later = now() + timedelta(days=31)
    monkeypatch.setattr(logs, "now", lambda: later)
    logs.rotate(home, most_megabytes=1, days=30)
    assert not aside.exists()


def test_a_journal_of_last_month_is_put_aside(home, monkeypatch):
    with logs.journal(home):
        logs.event("one")
    later = now() + timedelta(days=40)
    monkeypatch.setattr(logs, "now", lambda: later)
    logs.rotate(home, most_megabytes=1, days=300)
    assert len(list(home.log.glob("handrail-*.jsonl"))) == 1


def test_a_log_folder_that_cannot_be_written_stops_nothing(home):
    home.journal_file.mkdir()
    with logs.command(home, "run") as told:
        told["exit_code"] = 0
