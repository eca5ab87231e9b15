"""What each mentor has minutes for, week by week; tonight is Wednesday of the week from 11 March."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.pipelines.marts_rows import (
    OBSERVED,
    WEEK_9,
    WEEK_10,
    WEEK_11,
    add,
    asked,
    at,
    epoch,
    matched,
    met,
    on,
    rows,
    worked,
)


def load(warehouse, *names):
    return rows(warehouse, "mentor_load", *names)


def routed(warehouse, night, week, *alerts, used_minutes=50.0, alert_minutes=20.0):
    """A night's capacity of m1 and its alerts, as (alert_id, learner_id, kind, is_served)."""
    add(
        warehouse,
        "alerts.capacity",
        mentor_id="m1",
        observed_at=night,
        week_starts_on=week,
        available_minutes=100.0,
        planned_minutes=40.0,
        used_minutes=used_minutes,
        alert_minutes=alert_minutes,
        is_capacity_assumed=True,
    )
    for alert_id, learner_id, kind, is_served in alerts:
        add(
            warehouse,
            "alerts.alert",
            alert_id=alert_id,
            learner_id=learner_id,
            mentor_id="m1",
            observed_at=night,
            is_served=is_served,
            kind=kind,
        )


def test_minutes_of_tonights_week_are_routings_and_of_past_weeks_the_logs_and_their_last_night(warehouse):
    worked(warehouse, WEEK_9)
    worked(warehouse, WEEK_10, available_minutes=120.0, held_minutes=30.0)
    worked(warehouse, WEEK_11, available_minutes=1.0, held_minutes=2.0, planned_minutes=3.0)
    worked(warehouse, WEEK_11 + timedelta(days=7), planned_minutes=20.0)
    open_alerts = (("a", "l1", "risk", True), ("a2", "l1", "rule", True), ("b", "l2", "risk", True))
    routed(warehouse, at(3, 5, 0), WEEK_10, *open_alerts, alert_minutes=70.0)
    routed(warehouse, at(3, 6, 0), WEEK_10, *open_alerts, ("c", "l3", "risk", False), alert_minutes=30.0)
    news = ("d", "l4", "good_news", True)
    routed(warehouse, OBSERVED, WEEK_11, *open_alerts, ("c", "l3", "risk", True), news)
    names = (
        "week_starts_on",
        "available_minutes",
        "planned_minutes",
        "used_minutes",
        "is_capacity_assumed",
        "alerts_count",
    )
    assert load(warehouse, *names) == [
        (WEEK_9, 60.0, 0.0, 0.0, False, 0),
        (WEEK_10, 120.0, 0.0, 60.0, False, 3),
        (WEEK_11, 100.0, 40.0, 50.0, True, 1),
    ]


def test_load_is_planned_and_used_over_available_and_null_without_minutes(warehouse):
    worked(warehouse, WEEK_10, available_minutes=60.0, held_minutes=75.0)
    worked(warehouse, WEEK_11, available_minutes=0.0, held_minutes=75.0, planned_minutes=15.0)
    worked(warehouse, WEEK_11, available_minutes=60.0, held_minutes=75.0, planned_minutes=15.0, mentor_id="m2")
    assert load(warehouse, "mentor_id", "load_ratio") == [("m1", 1.25), ("m1", None), ("m2", 1.5)]


def test_more_learners_than_agreed_at_most_are_too_many(warehouse):
    for mentor_id, max_learners in (("m1", 2), ("m2", 3), ("m3", None)):
        add(warehouse, "raw.mentor", mentor_id=mentor_id, kind="peer", max_learners=max_learners)
        worked(warehouse, WEEK_11, mentor_id=mentor_id, learners_count=3, programmes_count=2, meetings_held_count=1)
    names = ("learners_count", "max_learners", "is_over_max_learners", "programmes_count", "meetings_held_count")
    assert load(warehouse, *names) == [(3, 2, True, 2, 1), (3, 3, False, 2, 1), (3, None, None, 2, 1)]


def test_the_units_reached_are_those_of_learners_with_a_match_in_the_week(warehouse):
    for week in (WEEK_9, WEEK_10, WEEK_11):
        worked(warehouse, week)
    for number, (unit, begun, ended) in enumerate(
        (
            ("north", epoch(2, 28), epoch(3, 5)),
            ("south", epoch(3, 5), None),
            ("south", epoch(3, 11), None),
            (None, epoch(3, 11), None),
        )
    ):
        matched(warehouse, f"M{number}", org_unit=unit, matched_epoch_day=begun, match_ended_epoch_day=ended)
    assert load(warehouse, "org_units_reached_count") == [1, 2, 1]


def test_answers_are_of_the_28_days_to_the_weeks_end_over_all_the_mentors_matches(warehouse):
    for week in (on(2, 12), WEEK_9, WEEK_10, WEEK_11):
        worked(warehouse, week)
    matched(warehouse)
    matched(warehouse, "N", learner_id="l2")
    asked(warehouse, "q1", at(2, 12), at(2, 13, 12))
    asked(warehouse, "q2", at(2, 28), at(3, 1, 12), match_id="N", learner_id="l2")
    asked(warehouse, "q3", at(3, 1))
    asked(warehouse, "q4", at(3, 8), at(3, 11, 12))
    asked(warehouse, "another mentor's", at(3, 1), mentor_id="m2")
    met(warehouse, "asked by the mentor", "message_by_mentor", at(3, 1), answered_at=at(3, 12))
    names = ("week_starts_on", "response_hours_median", "unanswered_messages_count")
    assert load(warehouse, *names) == [
        (on(2, 12), 24.0, 0),
        (WEEK_9, 36.0, 0),
        (WEEK_10, 36.0, 1),
        (WEEK_11, 60.0, 1),
    ]


def test_ratings_show_as_means_of_at_least_five_in_84_days(warehouse):
    weeks = (on(1, 1), on(1, 8), WEEK_10, WEEK_11)
    for week in weeks:
        worked(warehouse, week)
    for number, (day, rating) in enumerate(
        ((at(1, 2), 1), (at(1, 2), 2), (at(1, 2), 2), (at(1, 9), 3), (at(1, 9), 4), (at(3, 11), 5), (at(3, 11), None))
    ):
        met(warehouse, f"s{number}", "held", day, learner_rating=rating)
    met(warehouse, "missed", "missed_by_learner", at(1, 2), learner_rating=5)
    assert load(warehouse, "learner_rating_mean") == [None, 2.4, 2.4, 2.833333]


def test_ratings_older_than_84_days_are_gone(warehouse):
    worked(warehouse, WEEK_11)
    for number in range(5):
        met(warehouse, f"s{number}", "held", at(3, 12) - timedelta(days=84), learner_rating=3)
    assert load(warehouse, "learner_rating_mean") == [None]


def test_a_mentor_is_trained_from_the_week_of_the_training(warehouse):
    worked(warehouse, WEEK_10)
    worked(warehouse, WEEK_11)
    worked(warehouse, WEEK_11, mentor_id="m2")
    add(warehouse, "raw.mentor", mentor_id="m1", kind="peer", trained_on=on(3, 11))
    assert load(warehouse, "is_mentor_trained") == [False, True, False]
