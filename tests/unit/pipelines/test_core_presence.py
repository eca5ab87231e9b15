"""When learners are not expected, and what minutes mentors have, by their own weeks."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from data_contracts.tables.core import AWAY_DAY, MENTOR_WEEK, REGISTRATION
from pipelines.core.mentoring import build_matches, build_mentoring_events
from pipelines.core.presence import build_away_days, build_mentor_weeks
from pipelines.core.registrations import build_registrations


def epoch(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.fixture
def pair(house):
    """Meg mentors Ana in programme p since Thursday 1 February; observed on Wednesday 13 March."""
    house.add("raw.programme", programme_id="p", name="A programme")
    house.add("raw.learner", learner_id="ana", org_unit="north")
    match(house, "m1")
    return house


def match(house, name, **values):
    given = {"mentor_id": "meg", "learner_id": "ana", "programme_id": "p", "matched_on": "2024-02-01"}
    house.add("raw.mentoring_match", match_id=name, **(given | values))


def away(house):
    build_matches(house.night)
    build_away_days(house.night)
    found = house.rows("SELECT learner_id, epoch_day, away_kind, known_epoch_day FROM core.away_day ORDER BY ALL")
    start = date(1970, 1, 1)
    return [
        (who, f"{start + timedelta(day):%m-%d}", kind, f"{start + timedelta(known):%m-%d}")
        for who, day, kind, known in found
    ]


def test_leave_and_closed_days_of_the_own_unit_and_of_all_units_are_days_away(pair):
    pair.add("raw.absence", learner_id="ana", from_on="2024-03-04", to_on="2024-03-05")
    pair.add("raw.calendar", org_unit="north", closed_on="2024-03-05")
    pair.add("raw.calendar", org_unit="north", closed_on="2024-03-08")
    pair.add("raw.calendar", org_unit="south", closed_on="2024-03-09")
    pair.add("raw.calendar", org_unit=None, closed_on="2024-03-11")
    pair.add("raw.calendar", org_unit=None, closed_on="2024-01-01")
    assert away(pair) == [
        ("ana", "03-04", "leave", "03-04"),
        ("ana", "03-05", "leave", "03-05"),
        ("ana", "03-08", "closed", "03-08"),
        ("ana", "03-11", "closed", "03-11"),
    ]


def test_leave_told_afterwards_is_known_from_then(pair):
    pair.add("raw.absence", learner_id="ana", from_on="2024-03-04", to_on="2024-03-04", known_at="2024-03-07 09:00:00")
    assert away(pair) == [("ana", "03-04", "leave", "03-07")]


def test_leave_without_end_reaches_four_weeks_ahead_and_no_further(pair):
    pair.add("raw.absence", learner_id="ana", from_on="2024-03-01", to_on="2099-12-31")
    days = [day for _, day, _, _ in away(pair)]
    assert (days[0], days[-1]) == ("03-01", "04-10")


def weeks(house, *columns):
    build_matches(house.night)
    build_mentoring_events(house.night)
    build_mentor_weeks(house.night)
    found = house.rows(
        f"SELECT mentor_id, strftime(week_starts_on, '%m-%d'), {', '.join(columns)} FROM core.mentor_week ORDER BY ALL"
    )
    return {(who, week): rest[0] if len(rest) == 1 else tuple(rest) for who, week, *rest in found}


def test_weeks_run_from_the_first_match_to_the_week_after_tonights(pair):
    found = [week for _, week in weeks(pair, "learners_count")]
    assert (found[0], found[-1], len(found)) == ("01-29", "03-18", 8)


def test_minutes_come_from_the_days_availability_begun_last_then_the_mentor_then_the_default(pair):
    pair.add("raw.mentor", mentor_id="max", capacity_minutes_per_week=90)
    match(pair, "m2", mentor_id="max", learner_id="ben")
    for from_on, to_on, minutes in (("2024-02-05", "2024-02-25", 140), ("2024-02-15", "2024-02-18", 0)):
        pair.add("raw.mentor_availability", mentor_id="max", from_on=from_on, to_on=to_on, minutes_per_week=minutes)
    found = weeks(pair, "available_minutes", "is_capacity_assumed")
    assert [found["max", week] for week in ("01-29", "02-05", "02-12", "02-19", "02-26")] == [
        (90.0, False),
        (140.0, False),
        (60.0, False),
        (140.0, False),
        (90.0, False),
    ]
    assert found["meg", "02-12"] == (60.0, True)


def session(house, name, at, **values):
    house.add("raw.mentoring_session", **({"session_id": name, "match_id": "m1", "held_at": at} | values))


def test_a_groups_meeting_counts_once_and_the_agreed_length_stands_in_for_a_missing_one(pair):
    match(pair, "m2", learner_id="ben", agreed_minutes=45)
    for number, learner_match in enumerate(("m1", "m2")):
        session(pair, f"s{number}", "2024-03-05 10:00:00", match_id=learner_match, group_id="g", duration_minutes=30)
    session(pair, "alone", "2024-03-06 10:00:00", match_id="m2")
    session(pair, "untold", "2024-03-06 12:00:00")
    found = weeks(pair, "held_minutes", "meetings_held_count", "learners_count", "programmes_count")
    assert found["meg", "03-04"] == (30.0 + 45.0, 3, 2, 1)


def test_planned_meetings_count_from_the_mentors_tonight_on(pair):
    for number, at in enumerate(("2024-03-12 10:00:00", "2024-03-14 10:00:00", "2024-03-19 10:00:00")):
        session(pair, f"s{number}", None, scheduled_at=at, duration_minutes=20 + number)
    found = weeks(pair, "planned_minutes")
    assert (found["meg", "03-11"], found["meg", "03-18"]) == (21.0, 22.0)


def test_a_mentors_week_begins_on_the_mentors_own_monday(pair):
    pair.add("raw.mentor", mentor_id="meg", timezone="America/Los_Angeles")
    session(pair, "s1", "2024-03-04 05:00:00", duration_minutes=30)
    found = weeks(pair, "held_minutes")
    assert (found["meg", "02-26"], found["meg", "03-04"]) == (30.0, 0.0)


def test_one_capacity_serves_all_programmes(pair):
    match(pair, "m2", programme_id="q", learner_id="ben")
    match(pair, "m3", programme_id="q", learner_id="ana", matched_on="2024-03-01")
    found = weeks(pair, "learners_count", "programmes_count")
    assert found["meg", "03-04"] == (2, 2)


def registered(house, **values):
    house.add("raw.registration", **({"programme_id": "p", "route": "self_registered"} | values))


def test_demand_is_told_learner_by_learner_and_a_match_shows_what_was_decided(pair):
    registered(pair, learner_id="ana", invited_at="2024-01-10 09:00:00", registered_at="2024-01-12 09:00:00")
    registered(pair, learner_id="ben", invited_at="2024-01-10 09:00:00")
    registered(
        pair,
        learner_id="cleo",
        registered_at="2024-01-12 09:00:00",
        decision="waiting",
        decided_at="2024-01-20 09:00:00",
    )
    registered(
        pair, learner_id="dan", registered_at="2024-01-12 09:00:00", decision="declined", decided_at="2024-04-01"
    )
    build_matches(pair.night)
    build_registrations(pair.night)
    found = pair.rows(
        "SELECT learner_id, invited_epoch_day, registered_epoch_day, decision, first_matched_epoch_day FROM core.registration"
    )
    invited, told = epoch("2024-01-10"), epoch("2024-01-12")
    assert found == [
        ("ana", invited, told, "matched", epoch("2024-02-01")),
        ("ben", invited, None, None, None),
        ("cleo", None, told, "waiting", None),
        ("dan", None, told, None, None),
    ]


def test_presence_and_demand_hold_their_contracts(pair):
    from data_contracts.expectations import judge_rows  # noqa: PLC0415 - seconds to import

    pair.add("raw.absence", learner_id="ana", from_on="2024-03-04", to_on="2024-03-05")
    registered(pair, learner_id="ana", registered_at="2024-01-12 09:00:00")
    session(pair, "s1", "2024-03-05 10:00:00")
    weeks(pair, "held_minutes")
    build_away_days(pair.night)
    build_registrations(pair.night)
    for table in (AWAY_DAY, MENTOR_WEEK, REGISTRATION):
        told = judge_rows(table, pair.warehouse.con.sql(f"FROM {table.qualified_name}").df())
        assert told.is_passed, told.violations
