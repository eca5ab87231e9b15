"""Feedback given at the command line; the alert was opened on 1 March, the latest night is that of 13 March."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from data_contracts.errors import UsageError
from pipelines import alert_replay, feedback
from pipelines.feedback import Given

ALERT = "a" * 32
MOMENT = timedelta(microseconds=1)


def instant(text):
    return datetime.fromisoformat(f"2024-03-{text}")


@pytest.fixture
def alerted(house, monkeypatch):
    monkeypatch.setattr(feedback, "now", lambda: house.night.observed_at + timedelta(days=2))
    house.add("ops.run", run_id="r", state="published", observed_at=instant("13"))
    house.add(
        "alerts.event",
        alert_id=ALERT,
        event_number=1,
        participation_id="p|ana",
        learner_id="ana",
        kind="risk",
        event_kind="opened",
        happened_at=instant("01"),
        observed_at=instant("01"),
    )
    return house


def word(**changed):
    return Given(**({"alert_id": ALERT, "state": "acted", "by": "M-1", "at": instant("14 09:30:00.123456")} | changed))


def give(house, **changed):
    return feedback.take(house.night.home, house.warehouse, house.night.pseudonyms, word(**changed))


def events(house):
    return house.rows(
        "SELECT event_kind, happened_at, observed_at, by_id, verdict, contacted_at FROM alerts.event "
        "WHERE event_number > 1 ORDER BY event_number"
    )


def test_feedback_becomes_an_event_at_once_under_a_pseudonym_and_leaves_no_file(alerted):
    taken = give(alerted, verdict="useful", contacted_at=instant("14 08:00"))
    at, me = instant("14 09:30:00.123456"), alerted.night.pseudonyms.person("M-1")
    assert (taken.events, taken.refused, taken.unknown, taken.future) == (1, 0, 0, 0)
    assert events(alerted) == [("acted", at, at + MOMENT, me, "useful", instant("14 08:00"))]
    assert alerted.rows("SELECT by_id, state FROM raw.alert_feedback") == [(me, "acted")]
    assert list((alerted.night.home.inbox / "alert_feedback").iterdir()) == []
    assert len(list(alerted.night.home.archive.rglob("*.parquet"))) >= 1


def test_the_same_feedback_twice_is_one_event(alerted):
    assert (give(alerted).events, give(alerted).events) == (1, 0)
    assert len(events(alerted)) == 1


def test_feedback_about_a_day_before_the_latest_night_is_known_after_it(alerted):
    give(alerted, at=instant("05 10:00"))
    assert events(alerted)[0][1:3] == (instant("05 10:00"), instant("13") + MOMENT)
    assert alert_replay.replay(alerted.warehouse, instant("13")).is_empty()
    assert alert_replay.latest(alerted.warehouse) == instant("13") + MOMENT


def test_who_says_the_same_again_without_a_time_has_said_it_before(alerted):
    give(alerted)
    pseudonyms = alerted.night.pseudonyms
    later = {"at": instant("15")}
    assert feedback.said_before(alerted.warehouse, word(**later), pseudonyms) == instant("14 09:30:00.123456")
    for other in ({"by": "M-2"}, {"state": "dismissed"}, {"verdict": "wrong"}, {"contacted_at": instant("14")}):
        assert feedback.said_before(alerted.warehouse, word(**later, **other), pseudonyms) is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"at": datetime.fromisoformat("2024-02-29")}, r"--at 2024-02-29 .*before the alert opened \(2024-03-01"),
        ({"at": instant("15 00:01")}, "lies in the future; leave --at out"),
        ({"contacted_at": instant("14 10:00")}, "after the feedback itself.*give --at too"),
        ({"contacted_at": datetime.fromisoformat("2024-02-20")}, "before the alert opened .*not because of it"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(alerted, changed, why):
    with pytest.raises(UsageError, match=why):
        feedback.check(alerted.warehouse, word(**changed))


def test_what_can_be_is_let_pass(alerted):
    feedback.check(alerted.warehouse, word(contacted_at=instant("14")))
    feedback.check(alerted.warehouse, word(at=instant("01")))


HEADER = "alert_id,state,by,at,verdict,contacted_at\n"


def test_a_file_gives_many_and_each_is_known_from_its_own_time(alerted, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(
        f"{HEADER}{ALERT},reviewed,M-1,2024-03-14T08:00:00Z,,\n"
        f"{ALERT},acted,M-1,2024-03-14T10:00:00+01:00,useful,\n"
        f"{ALERT},forgotten,M-1,2024-03-14T10:00:00Z,,\n"
        f"{'b' * 32},acted,M-1,2024-03-14T10:00:00Z,,\n"
        f"{ALERT},dismissed,M-1,2024-03-20T10:00:00Z,,\n"
    )
    taken = feedback.take_file(alerted.warehouse, alerted.night.pseudonyms, file)
    assert (taken.events, taken.refused, taken.unknown, taken.future) == (2, 1, 1, 1)
    assert [row[:3] for row in sorted(events(alerted), key=lambda row: row[1])] == [
        ("reviewed", instant("14 08:00"), instant("14 08:00") + MOMENT),
        ("acted", instant("14 09:00"), instant("14 09:00") + MOMENT),
    ]
    assert alerted.faults() == [("alert_feedback", 4, "state", "unknown_value")]
    assert file.exists()
    assert feedback.take_file(alerted.warehouse, alerted.night.pseudonyms, file).events == 0


def test_no_file_is_a_usage_error(alerted, tmp_path):
    with pytest.raises(UsageError, match=r"there is no file .*missing\.csv"):
        feedback.take_file(alerted.warehouse, alerted.night.pseudonyms, tmp_path / "missing.csv")


def test_a_mentor_is_known_by_match_and_a_coordinator_by_programme(alerted):
    alerted.add("raw.mentoring_match", match_id="m", mentor_id="x")
    alerted.add("raw.programme", programme_id="p", coordinator_id="y")
    assert [feedback.is_known(alerted.warehouse, person) for person in "xyz"] == [True, True, False]
