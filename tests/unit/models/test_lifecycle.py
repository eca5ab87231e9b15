"""The life of an alert: one that is opened, goes on, is answered, escalated, resolved; and what its events add up to."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.alerts import ALERT, CANDIDATE, EVENT
from models.alerts import OPEN_STATES, AlertSettings
from models.contract import schema_of
from models.lifecycle import feedback_events, state_as_of, tonight

MONDAY = datetime(2026, 3, 2, 3, 30)  # noqa: DTZ001 - instants are UTC without a zone
FACTS: dict[str, Any] = {
    "participation_id": pl.String,
    "is_opted_out": pl.Boolean,
    "is_on_leave": pl.Boolean,
    "has_mentor": pl.Boolean,
    "active_days_7d": pl.Int64,
    "last_contact_at": pl.Datetime("us"),
}
FEEDBACK: dict[str, Any] = {
    "alert_id": pl.String,
    "state": pl.String,
    "by_id": pl.String,
    "at": pl.Datetime("us"),
    "verdict": pl.String,
    "contacted_at": pl.Datetime("us"),
}


def at(days: float) -> datetime:
    return MONDAY + timedelta(days=days)


def candidate(days: float, learner: str = "a", **given: object) -> dict[str, object]:
    return {
        "participation_id": f"p:{learner}",
        "observed_at": at(days),
        "learner_id": learner,
        "programme_id": "p",
        "enrolment_id": f"e{learner}",
        "kind": "risk",
        "abandonment_probability_28d": 0.4,
        "risk_band": "high",
        "is_too_early": False,
        "reason_1_family": "recency",
        "reason_1_text": "no activity for 9 days",
        "level": "methodological",
        "channel": "asynchronous",
        "expected_minutes": 20,
    } | given


def rule(days: float, name: str = "ticket_open", **given: object) -> dict[str, object]:
    return candidate(days, kind="rule", rule=name, **given)


class World:
    """Nights one after the other: what is remembered between them is what the warehouse would keep."""

    def __init__(self, **settings: object) -> None:
        self.settings = AlertSettings(**settings)  # type: ignore[arg-type]
        self.rows = pl.DataFrame(schema=schema_of(ALERT))
        self.events = pl.DataFrame(schema=schema_of(EVENT))

    def night(
        self,
        days: float,
        *candidates: dict[str, object],
        learners: str = "a",
        closed_on: tuple[date, ...] = (),
        is_served: bool = True,
        **fact: object,
    ) -> list[dict[str, Any]]:
        """One night; all alerts are served by m unless told otherwise. Returns tonight's rows."""
        observed_at = at(days)
        facts = [
            {
                "participation_id": f"p:{learner}",
                "is_opted_out": False,
                "is_on_leave": False,
                "has_mentor": True,
                "active_days_7d": 0,
                "last_contact_at": None,
            }
            | fact
            for learner in learners
        ]
        served = self.rows.filter(pl.col("is_served") & (pl.col("observed_at") < observed_at))
        since = served.group_by("alert_id").agg(served_since=pl.col("observed_at").min())
        past = self.rows.filter(pl.col("observed_at") < observed_at).sort("observed_at")
        history = pl.concat(
            [
                past.unique("alert_id", keep="last", maintain_order=True),
                self.rows.filter(pl.col("observed_at") == observed_at),
            ]
        ).join(since, on="alert_id", how="left")
        told = tonight(
            pl.DataFrame(list(candidates), schema=schema_of(CANDIDATE)),
            pl.DataFrame(facts, schema=FACTS),
            history,
            self.events,
            observed_at=observed_at,
            closed_on=closed_on,
            settings=self.settings,
        )
        routed = told.alerts.with_columns(is_served=pl.lit(is_served), mentor_id=pl.lit("m"))
        self.rows = pl.concat([self.rows.filter(pl.col("observed_at") != observed_at), routed])
        self.events = pl.concat([self.events, told.events])
        return routed.to_dicts()

    def says(self, days: float, state: str, alert_id: str, **given: object) -> None:
        """A person's feedback, written down when it is given."""
        said = {"alert_id": alert_id, "state": state, "by_id": "m", "at": at(days)} | given
        new = feedback_events(pl.DataFrame([said], schema=FEEDBACK), self.events, observed_at=at(days))
        self.events = pl.concat([self.events, new])

    def told(self) -> list[tuple[str, str | None]]:
        return [(row["event_kind"], row["resolution"]) for row in self.events.iter_rows(named=True)]

    def standing(self, days: float | None = None) -> dict[str, str]:
        found = state_as_of(self.events, None if days is None else at(days))
        return dict(found.select("alert_id", "state").iter_rows())


def test_a_first_alert_is_new_and_its_id_is_a_content_hash() -> None:
    world = World()
    (row,) = world.night(0, candidate(0))
    assert row["alert_id"] == sha256(b"p:a|2026-03-02T03:30:00").hexdigest()[:32]
    assert (row["state"], row["opened_at"], row["state_at"], row["due_minutes"]) == ("new", at(0), at(0), 20)
    assert world.told() == [("opened", None)]
    assert dict(world.rows.schema) == schema_of(ALERT)


def test_an_open_alert_goes_on_under_its_id_with_tonights_content_and_says_nothing_new() -> None:
    world = World()
    (first,) = world.night(0, candidate(0))
    (second,) = world.night(1, rule(1))
    assert second["alert_id"] == first["alert_id"]
    assert (second["kind"], second["rule"], second["opened_at"], second["mentor_id"]) == (
        "rule",
        "ticket_open",
        at(0),
        "m",
    )
    assert world.told() == [("opened", None)]


def test_a_risk_under_the_floor_keeps_the_reasons_it_was_told_with_until_the_learner_is_back() -> None:
    world = World()
    world.night(0, candidate(0))
    (row,) = world.night(
        1,
        candidate(
            1, abandonment_probability_28d=0.07, reason_1_family=None, reason_1_text=None, level="methodological"
        ),
    )
    assert (row["abandonment_probability_28d"], row["reason_1_text"]) == (0.07, "no activity for 9 days")


@pytest.mark.parametrize(
    ("first", "fact", "resolution"),
    [
        (candidate(0), {}, "back"),
        (rule(0), {}, "cause_gone"),
        (candidate(0), {"is_on_leave": True}, "on_leave"),
        (candidate(0), {"is_opted_out": True}, "opted_out"),
        (candidate(0), {"learners": ""}, "ended"),
    ],
)
def test_an_alert_is_resolved_with_its_reason(first: dict[str, object], fact: dict[str, Any], resolution: str) -> None:
    world = World(has_good_news=False)
    (before,) = world.night(0, first)
    (row,) = world.night(1, **fact)
    assert (row["state"], row["resolution"], row["state_at"], row["due_minutes"]) == ("resolved", resolution, at(1), 0)
    assert row["alert_id"] == before["alert_id"]
    assert world.told() == [("opened", None), ("resolved", resolution)]
    assert world.night(2) == []


def test_after_a_resolution_the_participation_cools_down_but_not_after_leave() -> None:
    world = World(has_good_news=False)
    world.night(0, candidate(0))
    world.night(1)
    assert world.night(14, candidate(14)) == []
    assert [row["opened_at"] for row in world.night(15, candidate(15))] == [at(15)]
    other = World()
    other.night(0, candidate(0))
    other.night(1, is_on_leave=True)
    assert [row["state"] for row in other.night(2, candidate(2))] == ["new"]


def test_never_started_breaks_the_cooldown_unless_a_mentor_dismissed() -> None:
    world = World(has_good_news=False)
    world.night(0, candidate(0))
    world.night(1)
    assert [row["rule"] for row in world.night(2, rule(2, "never_started"))] == ["never_started"]
    other = World()
    (row,) = other.night(0, candidate(0))
    other.says(0.5, "dismissed", row["alert_id"], verdict="wrong")
    assert other.night(1, rule(1, "never_started")) == []


def test_feedback_moves_the_state_and_a_closed_alert_stays_closed() -> None:
    world = World()
    (row,) = world.night(0, candidate(0))
    name = row["alert_id"]
    world.says(0.2, "reviewed", name)
    assert world.standing() == {name: "reviewed"}
    world.says(0.4, "acted", name, contacted_at=at(0.3))
    world.says(0.5, "reviewed", name)
    (row,) = world.night(1, candidate(1))
    assert (row["state"], row["state_at"], row["last_contact_at"], row["due_minutes"]) == ("acted", at(0.4), at(0.3), 0)
    world.says(1.5, "dismissed", name)
    world.says(1.6, "acted", name)
    assert world.standing() == {name: "dismissed"}
    assert world.standing(0.3) == {name: "reviewed"}
    assert world.standing(0.1) == {name: "new"}
    assert world.night(2, candidate(2)) == []


def test_a_contact_told_with_a_review_takes_no_more_minutes() -> None:
    world = World()
    (row,) = world.night(0, candidate(0))
    world.says(0.4, "reviewed", row["alert_id"], contacted_at=at(0.3))
    (row,) = world.night(1, candidate(1))
    assert (row["state"], row["last_contact_at"], row["due_minutes"]) == ("reviewed", at(0.3), 0)


def test_feedback_is_one_event_however_often_it_is_said_and_waits_for_its_alert() -> None:
    world = World()
    world.says(0, "acted", "unknown")
    assert world.events.is_empty()
    (row,) = world.night(0, candidate(0))
    for _ in range(2):
        world.says(0.5, "acted", row["alert_id"])
    world.says(-3, "reviewed", row["alert_id"])
    assert world.events.filter(pl.col("event_kind") == "acted").height == 1
    assert world.events.filter(pl.col("event_kind") == "reviewed")["happened_at"].to_list() == [at(0)]


def test_a_contact_that_the_logs_know_of_is_written_down_once_and_takes_no_more_minutes_for_a_while() -> None:
    world = World()
    world.night(0, candidate(0))
    (row,) = world.night(1, candidate(1), last_contact_at=at(-1))
    assert row["due_minutes"] == 20
    (row,) = world.night(2, candidate(2), last_contact_at=at(1.5))
    assert (row["state"], row["due_minutes"], row["last_contact_at"]) == ("new", 0, at(1.5))
    world.night(3, candidate(3), last_contact_at=at(1.5))
    assert world.told() == [("opened", None), ("contacted", None)]
    (row,) = world.night(16, candidate(16), last_contact_at=at(1.5))
    assert row["due_minutes"] == 20


def test_an_alert_that_nobody_reviews_is_escalated_once_after_five_working_days() -> None:
    world = World()
    for day in range(12):
        (row,) = world.night(day, candidate(day))
        assert (row["escalated_at"] is not None) == (day >= 7), day
    assert [kind for kind, _ in world.told()] == ["opened", "escalated"]
    closed = World()
    for day in range(12):
        (row,) = closed.night(day, candidate(day), closed_on=(at(3).date(),))
        assert (row["escalated_at"] is not None) == (day >= 8), day


@pytest.mark.parametrize("answer", ["reviewed", "contact", "unserved"])
def test_what_was_reviewed_or_contacted_or_never_served_is_not_escalated(answer: str) -> None:
    world = World()
    (row,) = world.night(0, candidate(0), is_served=answer != "unserved")
    if answer == "reviewed":
        world.says(1, "reviewed", row["alert_id"])
    for day in range(1, 12):
        contact = {"last_contact_at": at(0.5)} if answer == "contact" else {}
        (row,) = world.night(day, candidate(day), is_served=answer != "unserved", **contact)
    assert row["escalated_at"] is None


def test_a_learner_who_is_back_is_good_news_for_a_week_unless_at_risk_again() -> None:
    world = World()
    world.night(0, candidate(0))
    resolved, good = sorted(world.night(1, active_days_7d=3), key=lambda row: row["kind"], reverse=True)
    assert (resolved["state"], good["kind"], good["rule"]) == ("resolved", "good_news", "back_on_track")
    assert (good["reason_1_text"], good["due_minutes"]) == ("active again, on 3 of the last 7 days", 0)
    for day in range(2, 8):
        assert [row["kind"] for row in world.night(day)] == ["good_news"]
    assert [(row["state"], row["resolution"]) for row in world.night(8)] == [("resolved", "told")]
    assert not any(row["kind"] == "good_news" for row in world.night(16, candidate(16)))


def test_good_news_ends_with_the_match_that_it_was_told_to() -> None:
    world = World()
    world.night(0, candidate(0))
    world.night(1, active_days_7d=3)
    assert [row["resolution"] for row in world.night(2, has_mentor=False)] == ["told"]


def test_there_is_no_good_news_without_a_mentor_to_tell() -> None:
    world = World()
    world.night(0, candidate(0))
    assert [row["state"] for row in world.night(1, active_days_7d=3, has_mentor=False)] == ["resolved"]


def test_a_rerun_of_a_night_says_nothing_twice() -> None:
    world = World()
    world.night(0, candidate(0))
    first = world.night(1, active_days_7d=3)
    told = world.events
    assert world.night(1, active_days_7d=3) == first
    assert world.events.equals(told)


def test_corrected_data_end_what_they_no_longer_say_and_no_event_is_taken_back() -> None:
    world = World()
    world.night(0, candidate(0), candidate(0, "b"), learners="ab")
    told = world.events
    rows = world.night(0, candidate(0), learners="ab")
    assert [(row["learner_id"], row["state"], row["resolution"]) for row in rows] == [
        ("a", "new", None),
        ("b", "resolved", "corrected"),
    ]
    assert world.events.head(told.height).equals(told)
    other = World()
    (row,) = other.night(0, candidate(0))
    other.says(0.5, "acted", row["alert_id"])
    other.night(1)
    (row,) = (row for row in other.night(1, candidate(1)) if row["kind"] == "risk")
    assert row["state"] == "acted"
    assert other.standing()[row["alert_id"]] == "acted"


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["risk", "never_started", "ticket_open", "none"]),
            st.sampled_from(["", "leave", "ended", "contact"]),
            st.sampled_from(["", "reviewed", "acted", "dismissed"]),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_whatever_happens_a_participation_has_at_most_one_open_alert_and_history_stays(
    days: list[tuple[str, str, str, bool]],
) -> None:
    world = World()
    for day, (kind, fact, feedback, is_twice) in enumerate(days):
        found = [] if kind == "none" else [candidate(day) if kind == "risk" else rule(day, kind)]
        if fact == "ended":
            found = []
        facts: dict[str, Any] = {
            "leave": {"is_on_leave": True},
            "ended": {"learners": ""},
            "contact": {"last_contact_at": at(day - 0.5)},
        }.get(fact, {})
        if fact == "leave":
            found = []
        before = world.events
        rows = world.night(day, *found, **facts)
        if is_twice:
            assert world.night(day, *found, **facts) == rows
        assert world.events.head(before.height).equals(before)
        open_rows = [row for row in rows if row["state"] in OPEN_STATES]
        assert len(open_rows) <= 1
        standing = world.standing()
        assert sorted(row["alert_id"] for row in open_rows) == sorted(
            name for name, state in standing.items() if state in OPEN_STATES
        )
        assert all(standing[row["alert_id"]] == row["state"] for row in rows)
        assert not world.events.select("alert_id", "event_number").is_duplicated().any()
        if feedback and open_rows:
            world.says(day + 0.5, feedback, open_rows[0]["alert_id"])
