"""Alerts' events in the warehouse: feedback becomes events, and the view says what the log adds up to."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.tables.alerts import EVENT
from models.contract import schema_of
from models.lifecycle import state_as_of
from pipelines import alert_events
from tests.unit.pipelines.marts_rows import OBSERVED, add


def happened(warehouse, number, kind, hours=0, alert_id="x", **values):
    at = OBSERVED + timedelta(hours=hours)
    given = {"participation_id": "P:l1", "learner_id": "l1", "kind": "risk", "happened_at": at, "observed_at": at}
    add(warehouse, "alerts.event", alert_id=alert_id, event_number=number, event_kind=kind, **(given | values))


def test_feedback_known_by_then_becomes_an_event_once_and_of_an_unknown_alert_none(house):
    warehouse = house.warehouse
    happened(warehouse, 1, "opened", -48)
    said = {"state": "acted", "by_id": "m1", "at": OBSERVED - timedelta(hours=5), "verdict": "useful"}
    add(warehouse, "raw.alert_feedback", alert_id="x", known_at=OBSERVED - timedelta(hours=1), **said)
    add(warehouse, "raw.alert_feedback", alert_id="nobody's", known_at=OBSERVED - timedelta(hours=1), **said)
    assert alert_events.record_feedback(warehouse, OBSERVED - timedelta(hours=2)) == 0
    assert [alert_events.record_feedback(warehouse, OBSERVED) for _ in range(2)] == [1, 0]
    assert house.rows("SELECT event_number, event_kind, by_id, verdict, happened_at FROM alerts.event ORDER BY 1") == [
        (1, "opened", None, None, OBSERVED - timedelta(hours=48)),
        (2, "acted", "m1", "useful", OBSERVED - timedelta(hours=5)),
    ]
    assert house.rows("SELECT state, state_at FROM alerts.current") == [("acted", OBSERVED - timedelta(hours=5))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["reviewed", "acted", "dismissed", "resolved", "contacted", "escalated"]), st.integers(0, 9)
        ),
        max_size=8,
    )
)
def test_the_view_says_what_the_events_add_up_to(house, told):
    warehouse = house.warehouse
    warehouse.execute("DELETE FROM alerts.event")
    happened(warehouse, 1, "opened")
    for number, (kind, hours) in enumerate(told, 2):
        happened(warehouse, number, kind, hours)
    folded = state_as_of(warehouse.frame(f"FROM {EVENT.qualified_name}").select(schema_of(EVENT).keys()))
    seen = warehouse.frame("FROM alerts.current")
    names = ["alert_id", "state", "state_at", "opened_at", "participation_id", "kind"]
    assert seen.select(names).rows() == folded.select(names).rows()


def test_history_tells_of_open_alerts_only_and_since_when_a_mentor_has_them(house):
    warehouse = house.warehouse
    row = {"participation_id": "P:l1", "learner_id": "l1", "kind": "risk", "state": "new", "mentor_id": "m1"}
    for name in ("open", "gone"):
        happened(warehouse, 1, "opened", -72, alert_id=name)
        for hours, is_served in ((-72, False), (-48, True), (-24, True)):
            at = OBSERVED + timedelta(hours=hours)
            add(warehouse, "alerts.alert", alert_id=name, observed_at=at, is_served=is_served, **row)
    happened(warehouse, 2, "resolved", -24, alert_id="gone")
    past = alert_events.history(warehouse, alert_events.log(warehouse), OBSERVED)
    assert past.select("alert_id", "observed_at", "served_since").rows() == [
        ("open", OBSERVED - timedelta(hours=24), OBSERVED - timedelta(hours=48))
    ]
    assert not alert_events.is_past(warehouse, OBSERVED - timedelta(hours=24))
    assert alert_events.is_past(warehouse, OBSERVED - timedelta(hours=25))
