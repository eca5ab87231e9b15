"""Alerts as they stood at past instants; nights of 1, 2 and 3 March."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from pipelines import alert_replay

A, B = "aaaaaaaa11", "aaaaaaaa22"


def instant(text):
    return datetime.fromisoformat(f"2024-03-{text}")


def happened(house, alert_id, number, kind, at, known=None, **more):
    house.add(
        "alerts.event",
        alert_id=alert_id,
        event_number=number,
        participation_id=f"p of {alert_id}",
        learner_id=f"l of {alert_id}",
        kind="risk",
        event_kind=kind,
        happened_at=instant(at),
        observed_at=instant(known or at),
        **more,
    )


def told(house, alert_id, night, probability):
    house.add(
        "alerts.alert",
        alert_id=alert_id,
        observed_at=instant(night),
        state="of that night",
        abandonment_probability_28d=probability,
    )


@pytest.fixture
def nights(house):
    """a opens on the 1st, b on the 2nd; a was read on the 2nd at noon, which was told on the 3rd, and ends then."""
    happened(house, A, 1, "opened", "01")
    happened(house, B, 1, "opened", "02")
    happened(house, A, 2, "reviewed", "02 12:00", known="03")
    happened(house, A, 3, "resolved", "03", resolution="back")
    for alert_id, night, probability in (
        (A, "01", 0.3),
        (A, "02", 0.4),
        (A, "03", 0.1),
        (B, "02", 0.5),
        (B, "03", 0.6),
    ):
        told(house, alert_id, night, probability)
    house.add("ops.run", run_id="r", state="published", observed_at=instant("04"))
    return house


def shown(house, at):
    rows = alert_replay.replay(house.warehouse, instant(at))
    return rows.select("alert_id", "state", "abandonment_probability_28d", "observed_at").rows()


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("01", [(A, "new", 0.3, "01")]),
        ("01 23:59", [(A, "new", 0.3, "01")]),
        ("02", [(A, "new", 0.4, "02"), (B, "new", 0.5, "02")]),
        ("02 18:00", [(A, "new", 0.4, "02"), (B, "new", 0.5, "02")]),
        ("03", [(A, "resolved", 0.1, "03"), (B, "new", 0.6, "03")]),
    ],
)
def test_alerts_stand_as_the_house_knew_them_then(nights, at, expected):
    assert shown(nights, at) == [(name, state, p, instant(night)) for name, state, p, night in expected]


def test_between_two_nights_the_content_is_the_earlier_ones_and_the_state_what_was_said_since(nights):
    happened(nights, B, 2, "acted", "03 10:00")
    assert shown(nights, "03 09:59")[1][1:3] == ("new", 0.6)
    assert shown(nights, "03 10:00")[1][1:3] == ("acted", 0.6)
    assert alert_replay.latest(nights.warehouse) == instant("04")
    assert alert_replay.night_before(nights.warehouse, instant("03 10:00")) == instant("03")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.datetimes(instant("01"), instant("04")), wait=st.timedeltas(timedelta(microseconds=1), timedelta(days=3)))
def test_what_comes_to_be_known_later_changes_no_earlier_replay(nights, at, wait):
    def replayed():
        return alert_replay.replay(nights.warehouse, at)

    before, later = replayed(), (at + wait).strftime("%d %H:%M:%S.%f")
    nights.warehouse.execute("BEGIN")
    happened(nights, A, 9, "dismissed", "01 00:00:01", known=later)
    told(nights, A, later, 0.9)
    after = replayed()
    nights.warehouse.execute("ROLLBACK")
    assert after.equals(before)
    assert not before.is_empty()


def test_before_the_first_night_it_is_said_when_that_was(nights, house):
    with pytest.raises(UsageError, match=r"no night by 2024-02-28 .*first was that of 2024-03-01"):
        alert_replay.night_before(nights.warehouse, datetime.fromisoformat("2024-02-28"))


def test_a_house_without_nights_has_no_alerts(house):
    with pytest.raises(UsageError, match="no night has been here yet"):
        alert_replay.night_before(house.warehouse, instant("01"))


@pytest.mark.parametrize(
    ("begins", "why"),
    [("aaaaaaaa", f"several alerts .*{A}, {B}"), ("aaaaaaaa1x", "there is no alert"), ("aaaa", "too short")],
)
def test_an_id_that_is_not_one_alerts_is_refused_with_the_way_out(nights, begins, why):
    with pytest.raises(UsageError, match=why):
        alert_replay.found(nights.warehouse, begins)


def test_a_beginning_of_eight_characters_is_enough_where_it_is_one_alerts(nights):
    assert alert_replay.found(nights.warehouse, A[:9]) == A
    assert alert_replay.found(nights.warehouse, B) == B


def test_the_life_of_an_alert_is_told_in_the_order_in_which_it_happened(nights):
    def kinds(at):
        return alert_replay.events_of(nights.warehouse, A, instant(at))["event_kind"].to_list()

    assert kinds("03") == ["opened", "reviewed", "resolved"]
    assert kinds("02 23:00") == ["opened"]
