"""Contacts because of an alert, from what mentors say; tonight is 2024-03-13."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from pipelines.contacts import contacts_by_alert


def day(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.fixture
def alerted(house):
    """ana in two courses of p, one of which she left, and ben; an alert of each was opened on 1 March."""
    for enrolment_id, learner_id, ended in (("e1", "ana", None), ("e2", "ana", "2024-03-04"), ("e3", "ben", None)):
        house.add(
            "core.enrolment",
            enrolment_id=enrolment_id,
            learner_id=learner_id,
            participation_id=f"p|{learner_id}",
            enrolled_epoch_day=day("2024-01-01"),
            course_end_epoch_day=day("2024-06-30"),
            ended_epoch_day=ended and day(ended),
            timezone="America/Bogota",
        )
    for learner_id in ("ana", "ben"):
        house.add(
            "alerts.event",
            alert_id=f"alert of {learner_id}",
            event_number=1,
            participation_id=f"p|{learner_id}",
            learner_id=learner_id,
            event_kind="opened",
            happened_at="2024-03-01",
            observed_at="2024-03-01",
        )
    return house


def said(house, alert_id, at, state="acted", contacted_at=None):
    known = datetime.fromisoformat(at)
    house.add(
        "raw.alert_feedback",
        alert_id=alert_id,
        at=known,
        known_at=known,
        state=state,
        by_id="m",
        contacted_at=contacted_at and datetime.fromisoformat(contacted_at),
    )


def found(house):
    return contacts_by_alert(house.night).rows()


def test_feedback_tells_the_day_of_contact_in_the_learners_zone_for_every_course_active_then(alerted):
    said(alerted, "alert of ana", "2024-03-06 12:00", "reviewed", contacted_at="2024-03-04 15:00")
    said(alerted, "alert of ben", "2024-03-06 02:00")
    assert found(alerted) == [("e1", day("2024-03-04")), ("e2", day("2024-03-04")), ("e3", day("2024-03-05"))]


def test_a_course_that_was_over_by_then_has_no_contact(alerted):
    said(alerted, "alert of ana", "2024-03-06 12:00")
    assert found(alerted) == [("e1", day("2024-03-06"))]


@pytest.mark.parametrize(
    ("alert_id", "at", "state", "contacted_at"),
    [
        ("alert of ana", "2024-03-05 12:00", "reviewed", None),
        ("alert of ana", "2024-03-05 12:00", "dismissed", None),
        ("alert of ana", "2024-03-13 00:00", "acted", None),
        ("alert of ana", "2024-03-05 12:00", "acted", "2024-02-20 12:00"),
        ("no such alert", "2024-03-05 12:00", "acted", None),
    ],
    ids=["read", "dismissed", "not known yet", "before the alert", "of no alert"],
)
def test_what_is_no_contact_because_of_an_alert_is_left_out(alerted, alert_id, at, state, contacted_at):
    said(alerted, alert_id, at, state, contacted_at)
    assert found(alerted) == []


def test_a_corrected_feedback_counts_as_corrected(alerted):
    said(alerted, "alert of ben", "2024-03-06 12:00")
    said(alerted, "alert of ben", "2024-03-06 12:00", "dismissed")
    assert found(alerted) == []


@pytest.mark.parametrize(
    ("is_routed", "at", "count"),
    [
        (False, "2024-03-06 12:00", 0),
        (False, "2024-03-01 12:00", 1),
        (False, "2024-03-10 00:00", 1),
        (True, "2024-03-06 12:00", 1),
    ],
    ids=["held out", "before the lot", "the lot binds no more", "not held out"],
)
def test_a_held_out_learner_is_not_contacted_because_of_the_alert_while_the_lot_binds(alerted, is_routed, at, count):
    alerted.add(
        "alerts.lottery",
        alert_id="alert of ben",
        pair_id="x",
        observed_at="2024-03-03",
        is_routed=is_routed,
        held_until_on=date(2024, 3, 10),
    )
    said(alerted, "alert of ben", at)
    assert len(found(alerted)) == count
