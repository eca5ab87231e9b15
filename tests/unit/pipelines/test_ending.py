from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from data_contracts.errors import BadInputError, UsageError
from pipelines import ending as module
from pipelines.ending import Ending, tell
from pipelines.home import Home
from pipelines.launch import NIGHTLY, TRAINING, Outcome
from pipelines.runs import RunRow
from pipelines.settings import Settings
from pipelines.sinks.webhook import AwayError

AT = datetime(2026, 2, 2, 4, tzinfo=UTC)
PUBLISHED, ENDED = RunRow("published", "p1", 0, ""), RunRow("ended", None, 0, "")


@pytest.fixture
def home(tmp_path):
    found = Home(tmp_path)
    found.create()
    return found


@pytest.fixture
def heard(monkeypatch):
    """What monitor and alarm are told, in place of telling it."""
    calls = []
    monkeypatch.setattr(module.heartbeat, "ping", lambda _: calls.append("ping"))
    monkeypatch.setattr(module.alarm, "post", lambda _, key, told: calls.append((key, told["state"])))
    return calls


def beat(home):
    return json.loads(home.heartbeat_file.read_text("utf-8"))


@pytest.mark.parametrize(
    ("outcome", "row", "state", "code"),
    [
        (Outcome("r"), PUBLISHED, "published", 0),
        (Outcome("r"), RunRow("published", "p1", 2, ""), "published", 3),
        (Outcome("r"), RunRow("published", "p1", 0, "", "lrs-a"), "published", 3),
        (Outcome("r", error="disk full", error_class="OSError"), PUBLISHED, "published", 1),
        (Outcome("r", failed_checks=["contract"]), ENDED, "gated", 4),
        (Outcome("r", error="not published", error_class="GateError"), ENDED, "gated", 4),
        (Outcome("r", error="x", error_class="OSError"), ENDED, "failed", 1),
        (Outcome("r", error="x", error_class="UsageError"), RunRow("unknown", None, 0, ""), "failed", 1),
    ],
)
def test_a_night_s_state_and_exit_code_come_from_its_events_and_its_row(outcome, row, state, code):
    found = Ending.of(NIGHTLY, outcome, row, AT)
    assert (found.state, found.exit_code) == (state, code)
    assert found.is_good == (code in {0, 3})


@pytest.mark.parametrize(("is_success", "state", "code"), [(True, "done", 0), (False, "failed", 1)])
def test_a_training_publishes_nothing_and_is_done_all_the_same(is_success, state, code):
    found = Ending.of(TRAINING, Outcome("r", is_success=is_success), ENDED, AT)
    assert (found.state, found.exit_code) == (state, code)


def test_an_unforeseen_error_tells_its_class_alone_since_its_message_may_hold_anything():
    known = Ending.of(NIGHTLY, Outcome("r", error="mend the file", error_class="BadInputError"), ENDED, AT)
    other = Ending.of(NIGHTLY, Outcome("r", error="ana@example.org", error_class="ConversionException"), ENDED, AT)
    assert (known.reason, other.reason, other.error_class) == ("mend the file", "", "ConversionException")
    assert Ending.of_error(NIGHTLY, BadInputError("mend the file")).reason == "mend the file"
    assert Ending.of_error(NIGHTLY, UsageError("no folder")).exit_code == 2
    assert Ending.of_error(NIGHTLY, ValueError("ana@example.org")).reason == ""


def test_a_good_night_is_told_to_the_monitor_and_a_bad_one_raises_the_alarm(home, heard):
    assert tell(home, Settings(), Ending(NIGHTLY, "published", 3, AT, "r1")) == []
    assert beat(home)["succeeded_at"] == "2026-02-02T04:00:00Z"
    tell(
        home,
        Settings(),
        Ending(NIGHTLY, "gated", 4, AT + timedelta(days=1), "r2", ("contract",), reason=f"{home.path}/x"),
    )
    told = beat(home)
    assert heard == ["ping", ("r2", "gated")]
    assert (told["state"], told["exit_code"], told["failed_checks"]) == ("gated", 4, ["contract"])
    assert (told["ended_at"], told["succeeded_at"]) == ("2026-02-03T04:00:00Z", "2026-02-02T04:00:00Z")
    assert told["reason"] == "HOME/x"
    assert told["publication_id"] is None


def test_a_training_that_went_well_is_no_night_that_did(home, heard):
    tell(home, Settings(), Ending(TRAINING, "done", 0, AT))
    assert beat(home)["succeeded_at"] is None
    assert heard == []


def test_an_ending_told_late_raises_its_alarm_but_leaves_the_later_heartbeat(home, heard):
    tell(home, Settings(), Ending(NIGHTLY, "published", 0, AT, "r2"))
    tell(home, Settings(), Ending(NIGHTLY, "failed", 1, AT - timedelta(hours=1), "r1"))
    assert beat(home)["run_id"] == "r2"
    assert heard == ["ping", ("r1", "failed")]


def test_whatever_cannot_be_told_is_a_line_and_no_error(home, monkeypatch):
    def away(*_):
        message = "the alarm was not delivered"
        raise AwayError(message, is_final=True)

    monkeypatch.setattr(module.alarm, "post", away)
    home.heartbeat_file.mkdir()
    lines = tell(home, Settings(), Ending(NIGHTLY, "failed", 1, AT))
    assert [line.partition(":")[0] for line in lines] == [
        "log/heartbeat.json was not written",
        "the alarm was not delivered",
    ]


def test_a_heartbeat_that_is_damaged_or_a_marts_file_that_is_none_are_written_over(home, heard):
    home.heartbeat_file.write_text("[", "utf-8")
    home.marts_file.write_text("no database", "utf-8")
    assert tell(home, Settings(), Ending(NIGHTLY, "published", 0, AT)) == []
    assert beat(home)["published_at"] is None
    assert heard == ["ping"]


def test_a_heartbeat_from_before_the_clock_was_set_back_is_replaced(home, heard, monkeypatch):
    tell(home, Settings(), Ending(NIGHTLY, "published", 0, AT, "r1"))
    monkeypatch.setattr(module, "now", lambda: AT - timedelta(days=1))
    tell(home, Settings(), Ending(NIGHTLY, "published", 0, AT - timedelta(days=1), "r2"))
    assert beat(home)["run_id"] == "r2"
