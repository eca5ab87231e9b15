"""Over real HTTP: the alarm and the monitor's request, and what is said where nobody takes them."""

from __future__ import annotations

import pytest

from data_contracts.errors import UsageError
from pipelines.settings import Settings
from pipelines.sinks import alarm, heartbeat
from pipelines.sinks.webhook import SECRET as SECRET_NAME
from pipelines.sinks.webhook import AwayError, Patience
from tests.hook_server import SECRET, Receiver, documented

TOLD = {"state": "failed", "exit_code": 1}


@pytest.fixture
def receiver(monkeypatch):
    monkeypatch.setenv(SECRET_NAME, SECRET)
    monkeypatch.setattr(alarm, "_PATIENCE", Patience(0.01, 0.05, 5))
    with Receiver() as running:
        yield running


def test_an_alarm_is_signed_as_alerts_are_and_bears_the_run_as_its_key(receiver):
    receiver.then(503)
    alarm.post(Settings(alarm_url=receiver.url), "r1", TOLD)
    first, again = receiver.requests
    assert first.key == again.key == "alarm-r1"
    assert first.body == again.body
    assert again.told == {"kind": "alarm", **TOLD}
    assert documented()["is_genuine"](SECRET.encode(), again.headers, again.body)


@pytest.mark.parametrize(
    ("answers", "said"), [((500,) * 9, "answers 500"), ((401,), "answers 401"), ((422,), "refused")]
)
def test_an_alarm_that_nobody_takes_is_given_up_in_words_without_the_address(receiver, answers, said):
    receiver.then(*answers)
    with pytest.raises(AwayError, match=f"the alarm was not delivered.*{said}") as told:
        alarm.post(Settings(alarm_url=receiver.url), "r1", TOLD)
    assert len(receiver.requests) == min(len(answers), 3)
    assert "in-the-address" not in str(told.value)
    assert "waits" not in str(told.value)


def test_without_an_address_nobody_is_asked(receiver):
    alarm.post(Settings(), "r1", TOLD)
    heartbeat.ping(Settings())
    assert receiver.requests == []


def test_a_setting_that_cannot_be_used_is_named_and_the_address_is_not(monkeypatch):
    monkeypatch.delenv(SECRET_NAME, raising=False)
    with pytest.raises(UsageError, match="alarm_url is set, but no secret"):
        alarm.receiver(Settings(alarm_url="https://example.org/abc"))
    with pytest.raises(UsageError, match="heartbeat_url is without TLS") as told:
        heartbeat.ensure_usable(Settings(heartbeat_url="http://example.org/abc"))
    assert "abc" not in str(told.value)


def test_a_monitor_is_asked_once_and_a_failure_is_told_without_the_address(receiver):
    """The receiver answers 405 to a GET."""
    with pytest.raises(AwayError, match=r"heartbeat_url was not told: it answers 405$"):
        heartbeat.ping(Settings(heartbeat_url=receiver.url))
    assert [request.path for request in receiver.requests] == ["/alerts?token=in-the-address"]
    with pytest.raises(AwayError, match=r"cannot be reached \(ConnectionError\)$"):
        heartbeat.ping(Settings(heartbeat_url="http://127.0.0.1:9/abc"))


def test_addresses_of_alarm_and_monitor_are_never_published():
    told = Settings(alarm_url="https://example.org/abc", heartbeat_url="https://example.org/def").public_json()
    assert "example.org" not in told
    assert told == Settings().public_json()
