"""Mentoring and support before each landmark."""

from __future__ import annotations

import polars as pl
import pytest

from data_contracts.tables.features import MENTORING
from features.mentoring import mentoring_features

ORACLE = """
WITH own AS (
    SELECT l.enrolment_id, l.observed_epoch_day AS d, event_kind AS kind, epoch_day AS day,
        epoch_day >= d - 28 AS recent
    FROM landmarks l JOIN events e
      ON e.learner_id = l.learner_id AND coalesce(e.programme_id = l.programme_id, true)
     AND epoch_day < l.observed_epoch_day AND known_epoch_day < l.observed_epoch_day
), counted AS (
    SELECT enrolment_id, d, d - 1 - max(day) FILTER (kind IN ('held', 'message_by_mentor')) AS days_since_contact,
        count(*) FILTER (recent AND kind = 'held') AS sessions_held_28d,
        count(*) FILTER (recent AND kind = 'missed_by_learner') AS sessions_missed_by_learner_28d,
        count(*) FILTER (recent AND kind = 'missed_by_mentor') AS sessions_missed_by_mentor_28d,
        count(*) FILTER (recent AND kind = 'message_by_mentor') AS messages_by_mentor_28d,
        count(*) FILTER (recent AND kind = 'message_by_learner') AS messages_by_learner_28d
    FROM own GROUP BY enrolment_id, d
), matched AS (
    SELECT l.enrolment_id, l.observed_epoch_day AS d,
        sum(agreed_sessions_per_week * least(28, d - 1 - matched_epoch_day) / 7) AS agreed
    FROM landmarks l JOIN matches m
      ON m.learner_id = l.learner_id AND m.programme_id = l.programme_id AND matched_epoch_day < l.observed_epoch_day
     AND coalesce(match_ended_epoch_day >= l.observed_epoch_day, true)
    GROUP BY ALL
)
SELECT l.enrolment_id, l.observed_epoch_day, m.d IS NOT NULL AS is_matched, days_since_contact,
    CASE WHEN agreed > 0 THEN least(1, coalesce(sessions_held_28d, 0) / agreed) END AS held_over_agreed_28d_share,
    coalesce(COLUMNS('_28d$'), 0),
    (SELECT count(*) FROM tickets t WHERE t.learner_id = l.learner_id AND opened_epoch_day < l.observed_epoch_day
        AND coalesce(resolved_epoch_day >= l.observed_epoch_day, true)) AS open_tickets_count
FROM landmarks l
LEFT JOIN counted c ON c.enrolment_id = l.enrolment_id AND c.d = l.observed_epoch_day
LEFT JOIN matched m ON m.enrolment_id = l.enrolment_id AND m.d = l.observed_epoch_day
"""
MATCHES = {
    "learner_id": pl.String,
    "programme_id": pl.String,
    "matched_epoch_day": pl.Int64,
    "match_ended_epoch_day": pl.Int64,
    "agreed_sessions_per_week": pl.Float64,
}
EVENTS = {
    "learner_id": pl.String,
    "programme_id": pl.String,
    "event_kind": pl.String,
    "epoch_day": pl.Int64,
    "known_epoch_day": pl.Int64,
}
TICKETS = {"learner_id": pl.String, "opened_epoch_day": pl.Int64, "resolved_epoch_day": pl.Int64}


def at(on_both, observed, matches=(), events=(), tickets=()):
    """The features of learner l in programme p; an event is (programme, kind, day, day known)."""
    landmarks = pl.DataFrame(
        {
            "enrolment_id": "e",
            "learner_id": "l",
            "programme_id": "p",
            "observed_epoch_day": observed,
        }
    )
    return on_both(
        mentoring_features,
        landmarks,
        pl.DataFrame([("l", "p", *match) for match in matches], MATCHES, orient="row"),
        pl.DataFrame([("l", *event) for event in events], EVENTS, orient="row"),
        pl.DataFrame([("l", *ticket) for ticket in tickets], TICKETS, orient="row"),
    ).rows(named=True)


def test_every_feature_of_a_world_agrees_with_the_definition_in_sql(
    world, on_both, sql, matches_oracle, keeps_contract
):
    names = ("landmarks", "matches", "events", "tickets")
    computed = on_both(mentoring_features, *(world[name] for name in names))
    keeps_contract(computed, MENTORING)
    matches_oracle(computed, sql(ORACLE, world))
    for name in computed.columns:
        assert computed[name].n_unique() > 1, name


def test_a_learner_without_a_mentor_keeps_a_row(on_both):
    (row,) = at(on_both, [100])
    assert (row["is_matched"], row["sessions_held_28d"], row["open_tickets_count"]) == (0, 0, 0)
    assert (row["days_since_contact"], row["held_over_agreed_28d_share"]) == (None, None)


def test_a_match_stands_from_the_day_after_it_to_the_day_it_ends(on_both):
    rows = at(on_both, [100, 101, 110, 111], matches=[(100, 110, None)])
    assert [row["is_matched"] for row in rows] == [0, 1, 1, 0]


def test_the_cadence_is_measured_since_the_match(on_both):
    held = [("p", "held", day, day) for day in (102, 106)]
    rows = at(on_both, [101, 108, 115, 150], matches=[(100, None, 3.0)], events=held)
    shares = [row["held_over_agreed_28d_share"] for row in rows]
    assert shares == [None, pytest.approx(2 / 3, abs=1e-6), pytest.approx(2 / 6, abs=1e-6), 0.0]


def test_more_sessions_than_agreed_is_one(on_both):
    held = [("p", "held", day, day) for day in (101, 102, 103, 104)]
    (row,) = at(on_both, [108], matches=[(100, None, 1.0)], events=held)
    assert row["held_over_agreed_28d_share"] == 1.0


def test_what_a_learner_starts_is_no_contact(on_both):
    events = [("p", "message_by_learner", 99, 99), ("p", "missed_by_learner", 98, 98), ("p", "planned", 97, 97)]
    (row,) = at(on_both, [100], events=events)
    assert row["days_since_contact"] is None
    assert (row["messages_by_learner_28d"], row["sessions_missed_by_learner_28d"]) == (1, 1)
    (row,) = at(on_both, [100], events=[*events, ("p", "message_by_mentor", 90, 90)])
    assert row["days_since_contact"] == 9.0


def test_events_of_another_programme_are_not_this_ones_and_of_none_are(on_both):
    (row,) = at(on_both, [100], events=[("q", "held", 99, 99), (None, "held", 95, 95), ("p", "held", 90, 90)])
    assert (row["sessions_held_28d"], row["days_since_contact"]) == (2, 4.0)


def test_a_session_recorded_late_counts_from_then_on(on_both):
    rows = at(on_both, [100, 107], events=[("p", "held", 98, 103)])
    assert [row["sessions_held_28d"] for row in rows] == [0, 1]
    assert [row["days_since_contact"] for row in rows] == [None, 8.0]


def test_a_ticket_is_open_until_the_day_after_it_is_resolved(on_both):
    rows = at(on_both, [100, 101, 110, 111], tickets=[(100, 110), (105, None)])
    assert [row["open_tickets_count"] for row in rows] == [0, 1, 2, 1]
