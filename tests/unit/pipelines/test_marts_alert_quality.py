"""Alerts whose 28 days are over on 2024-03-13: those first served by 14 February."""

from __future__ import annotations

from datetime import date

import pytest

from data_contracts.tables.marts import MARTS
from models.alert_quality import alert_quality
from pipelines.marts.alert_quality import judged_alerts, mentor_weeks
from tests.unit.pipelines.marts_rows import CONTEXT, acted, add, at, enrol, epoch


def alert(warehouse, night=(2, 10), alert_id="a", **values):
    """One night's row of an alert of l1, served by m1."""
    ordinary = {
        "participation_id": "P:l1",
        "learner_id": "l1",
        "programme_id": "P",
        "mentor_id": "m1",
        "kind": "risk",
        "level": "social",
        "channel": "synchronous",
        "is_served": True,
        "opened_at": at(2, 10, 0),
        "state": "new",
    }
    add(warehouse, "alerts.alert", alert_id=alert_id, observed_at=at(*night, 0), **(ordinary | values))


def happened(warehouse, *kinds, alert_id="a", **values):
    """Events of an alert, in that order: (kind, month, day, more)."""
    for number, (kind, month, day, *more) in enumerate(kinds, 1):
        add(
            warehouse,
            "alerts.event",
            alert_id=alert_id,
            event_number=number,
            participation_id="P:l1",
            learner_id="l1",
            kind="risk",
            event_kind=kind,
            happened_at=at(month, day, 0),
            observed_at=at(month, day, 0),
            **(more[0] if more else {}),
        )


def took_part(warehouse, status="active", ended_on=None, **values):
    add(
        warehouse,
        "core.participation",
        participation_id="P:l1",
        learner_id="l1",
        programme_id="P",
        status=status,
        ended_on=ended_on,
    )
    enrol(warehouse, "e1", "l1", **({"has_recorded_outcome": True} | values))


def judged(warehouse, *names, context=CONTEXT):
    frame = warehouse.frame(judged_alerts(context, abandon_after_days=28))
    return frame.select(names).rows() if names else frame.rows(named=True)


def test_an_alert_is_judged_when_28_days_from_its_first_serving_are_over(warehouse):
    took_part(warehouse)
    happened(warehouse, ("opened", 2, 10))
    for night in ((2, 10), (2, 13)):
        alert(warehouse, night, is_served=False, mentor_id=None)
    alert(warehouse, (2, 14), level="educational")
    alert(warehouse, (2, 20))
    assert judged(warehouse, "is_served", "level", "served_by") == [(True, "educational", "m1")]
    warehouse.execute("UPDATE alerts.alert SET is_served = false WHERE observed_at < '2024-02-15'")
    assert judged(warehouse) == []


def test_one_that_nobody_had_minutes_for_is_judged_from_its_first_night(warehouse):
    took_part(warehouse)
    happened(warehouse, ("opened", 2, 14))
    alert(warehouse, (2, 14), is_served=False, mentor_id=None)
    assert judged(warehouse, "is_served", "served_by") == [(False, None)]


@pytest.mark.parametrize(
    ("status", "ended_on", "is_abandoned", "days"),
    [
        ("abandoned", date(2024, 3, 8), True, 27),
        ("abandoned", date(2024, 3, 9), False, 28),
        ("abandoned", date(2024, 2, 1), True, -9),
        ("ended", date(2024, 2, 20), False, None),
        ("completed", date(2024, 2, 20), False, None),
        ("active", None, False, None),
    ],
)
def test_abandoned_is_a_participation_that_was_within_28_days(warehouse, status, ended_on, is_abandoned, days):
    took_part(warehouse, status, ended_on)
    happened(warehouse, ("opened", 2, 10))
    alert(warehouse)
    assert judged(warehouse, "is_abandoned", "days_to_abandonment") == [(is_abandoned, days)]


def test_where_silence_tells_ends_an_alert_waits_until_it_could(warehouse):
    took_part(warehouse, has_recorded_outcome=False)
    for alert_id, night in (("early", (1, 17)), ("late", (1, 18))):
        happened(warehouse, ("opened", *night), alert_id=alert_id)
        alert(warehouse, night, alert_id, opened_at=at(*night, 0))
    add(warehouse, "alerts.capacity", mentor_id="m1", observed_at=at(1, 17, 0), week_starts_on=date(2024, 1, 15))
    add(warehouse, "alerts.capacity", mentor_id="m1", observed_at=at(1, 22, 0), week_starts_on=date(2024, 1, 22))
    assert judged(warehouse, "alert_id") == [("early",)]
    assert warehouse.scalar(mentor_weeks(CONTEXT, abandon_after_days=28)) == 1


def test_the_last_day_of_learning_is_counted_from_the_opening(warehouse):
    took_part(warehouse, "abandoned", date(2024, 2, 25))
    happened(warehouse, ("opened", 2, 10))
    alert(warehouse)
    acted(warehouse, "e1", epoch(2, 8))
    assert judged(warehouse, "days_to_last_activity") == [(-2,)]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([], (False, False, False, None, None)),
        ([("reviewed", 2, 12)], (False, False, False, None, 2.0)),
        ([("reviewed", 2, 12, {"contacted_at": at(2, 11)})], (True, False, False, None, 2.0)),
        ([("contacted", 2, 12), ("resolved", 2, 15, {"resolution": "back"})], (False, False, False, None, None)),
        ([("resolved", 2, 15, {"resolution": "back"})], (False, False, True, None, None)),
        ([("resolved", 2, 15, {"resolution": "ended"})], (False, False, False, None, None)),
        (
            [("escalated", 2, 17), ("acted", 2, 18, {"verdict": "wrong"}), ("reviewed", 2, 19, {"verdict": "useful"})],
            (True, True, False, "useful", 8.0),
        ),
        ([("acted", 3, 14)], (False, False, False, None, None)),
    ],
    ids=[
        "nothing",
        "read",
        "read and contacted",
        "a logged contact",
        "back by itself",
        "ended",
        "late",
        "not known yet",
    ],
)
def test_what_became_of_an_alert_is_what_its_events_say(warehouse, events, told):
    took_part(warehouse)
    happened(warehouse, ("opened", 2, 10), *events)
    alert(warehouse)
    names = ("is_acted", "is_escalated", "is_resolved_by_itself", "verdict", "days_to_review")
    assert judged(warehouse, *names) == [told]


def test_an_alert_that_corrected_data_took_back_is_left_out_unless_it_was_opened_again(warehouse):
    took_part(warehouse)
    alert(warehouse)
    happened(warehouse, ("opened", 2, 10), ("resolved", 2, 10, {"resolution": "corrected"}))
    assert judged(warehouse) == []
    add(
        warehouse,
        "alerts.event",
        alert_id="a",
        event_number=3,
        event_kind="reopened",
        happened_at=at(2, 10, 0),
        observed_at=at(2, 10, 0),
    )
    assert len(judged(warehouse)) == 1


@pytest.mark.parametrize(
    ("available", "planned", "used", "load"),
    [(100, 20, 29, "under 0.5"), (100, 20, 30, "0.5 to 1"), (100, 60, 40, "1 and over"), (0, 0, 0, "1 and over")],
)
def test_a_mentors_load_is_that_of_the_week_in_which_the_alert_was_first_served(
    warehouse, available, planned, used, load
):
    took_part(warehouse)
    happened(warehouse, ("opened", 2, 10))
    alert(warehouse)
    for night, minutes in (((2, 10), used), ((2, 12), 500)):
        add(
            warehouse,
            "alerts.capacity",
            mentor_id="m1",
            observed_at=at(*night, 0),
            week_starts_on=date(2024, 2, 5),
            available_minutes=available,
            planned_minutes=planned,
            used_minutes=minutes,
        )
    assert judged(warehouse, "mentor_load") == [(load,)]


def test_who_serves_without_a_week_of_their_own_has_no_load_and_is_the_coordinator(warehouse):
    took_part(warehouse)
    happened(warehouse, ("opened", 2, 10))
    alert(warehouse, mentor_id=None)
    assert judged(warehouse, "mentor_load", "served_by") == [(None, "coordinator of P")]


def test_the_mart_has_its_rows_where_there_has_been_no_alert(warehouse):
    frame = warehouse.frame(judged_alerts(CONTEXT, abandon_after_days=28))
    told = alert_quality(frame, mentor_weeks=warehouse.scalar(mentor_weeks(CONTEXT, abandon_after_days=28)))
    assert set(told.columns) == set(MARTS["alert_quality"].column_names) - {"publication_id"}
    assert told["slice_kind"].unique().to_list() == ["all"]
    assert told["metric_value"].null_count() == told.height > 10
