"""Statements made compact, and assessed work, as the warehouse feeds them to the features' own functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.days import build_days, build_submissions

QUIZ = "https://lms.test/quiz"


def epoch(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def state(house, statement_id, clock, **values):
    """A statement of enrolment e1 on 1 March 2024, placed and attributed already."""
    hour, minute = (int(part) for part in clock.split(":"))
    given = {
        "learner_id": "ana",
        "enrolment_id": "e1",
        "strand": "formal",
        "activity_kind": "page",
        "verb_kind": "engaged",
        "is_act": True,
        "object_iri": "https://lms.test/page",
        "event_count": 1,
        "happened_at": f"2024-03-01 {clock}:00",
        "first_second": hour * 3600 + minute * 60,
        "epoch_day": epoch("2024-03-01"),
        "known_epoch_day": epoch("2024-03-01"),
    }
    house.add("core.statement", statement_id=statement_id, **(given | values))


def test_a_day_has_its_events_minutes_and_times(house):
    for number, clock in enumerate(["10:00", "10:20", "11:00", "11:30"]):
        state(
            house,
            f"s{number}",
            clock,
            object_iri=f"https://lms.test/{number % 2}",
            scaled_score=0.5 if number else None,
        )
    # Gaps of 20 and 30 minutes count, the one of 40 ends the session: 50 minutes.
    assert build_days(house.night)[0] == 1
    assert house.rows(
        "SELECT enrolment_id, epoch_day, events_count, minutes, distinct_activities_count, scored_count, first_second, "
        "last_second FROM core.enrolment_day"
    ) == [("e1", epoch("2024-03-01"), 4, 50.0, 2, 3, 36_000, 41_400)]


def test_the_gap_that_ends_a_session_is_the_operators(house):
    state(house, "s1", "10:00")
    state(house, "s2", "10:40")
    longer = house.night.settings.model_copy(update={"session_gap_minutes": 45})
    build_days(replace(house.night, settings=longer))
    assert house.rows("SELECT minutes FROM core.enrolment_day") == [(40.0,)]


def test_a_source_that_knows_days_alone_gives_no_minutes(house):
    for number in range(3):
        state(house, f"s{number}", "23:59", duration_seconds=None)
    build_days(house.night)
    assert house.rows("SELECT events_count, minutes FROM core.enrolment_day") == [(3, 0.0)]


def test_activity_of_no_enrolment_is_the_learners_and_activity_of_nobody_is_nowhere(house):
    state(house, "s1", "10:00")
    state(house, "s2", "10:05", enrolment_id=None, strand="social", activity_kind="forum")
    state(house, "s3", "10:10", enrolment_id=None, learner_id=None)
    build_days(house.night)
    assert house.rows("SELECT learner_id, strand, activity_kind, events_count FROM core.learner_activity") == [
        ("ana", "social", "forum", 1)
    ]
    assert house.rows("SELECT sum(events_count) FROM core.enrolment_day") == [(1,)]


def test_what_is_no_act_of_the_learner_makes_no_active_day(house):
    state(house, "s1", "10:00", verb_kind="administrative", is_act=False)
    state(house, "s2", "10:05", verb_kind="graded", is_act=False, enrolment_id=None)
    assert build_days(house.night)[0] == 0
    assert house.warehouse.scalar("SELECT count(*) FROM core.learner_activity") == 0


def test_what_a_group_did_counts_in_the_day_of_each_member(house):
    state(house, "s1", "10:00")
    state(house, "s1", "10:00", learner_id="bo", enrolment_id="e2")
    state(house, "s2", "10:10")
    build_days(house.night)
    assert house.rows("SELECT enrolment_id, events_count, minutes FROM core.enrolment_day ORDER BY 1") == [
        ("e1", 2, 10.0),
        ("e2", 1, 0.0),
    ]


def submission(house):
    build_submissions(house.night)
    return house.rows(
        "SELECT enrolment_id, due_epoch_day, submitted_epoch_day, known_epoch_day, score_share FROM core.submission"
    )


@pytest.fixture
def assessed(house):
    house.add(
        "raw.enrolment", enrolment_id="e1", learner_id="ana", course_id="c1", enrolled_on="2024-01-08", status="active"
    )
    house.add("raw.activity", activity_iri=QUIZ, course_id="c1", due_on="2024-03-05", is_assessment=True)
    house.add("raw.activity", activity_iri="https://lms.test/page", course_id="c1", is_assessment=False)
    return house


def hand_in(house, statement_id, day, **values):
    given = {"object_iri": QUIZ, "activity_kind": "assessment", "verb_kind": "submitted", "epoch_day": epoch(day)}
    days = {"known_epoch_day": epoch(day), "happened_at": f"{day} 10:00:00"}
    state(house, statement_id, "10:00", **(given | days | values))


def test_assessed_work_that_was_not_handed_in_stands_with_its_due_day(assessed):
    assert submission(assessed) == [("e1", epoch("2024-03-05"), None, None, None)]


def test_the_first_handing_in_counts_and_the_first_score(assessed):
    hand_in(assessed, "s1", "2024-03-03")
    hand_in(assessed, "s2", "2024-03-04", scaled_score=0.4)
    hand_in(assessed, "s3", "2024-03-06", scaled_score=0.9)
    assert submission(assessed) == [("e1", epoch("2024-03-05"), epoch("2024-03-03"), epoch("2024-03-03"), 0.4)]


def test_a_grade_tells_the_score_and_not_the_day_where_the_handing_in_is_told(assessed):
    hand_in(assessed, "s1", "2024-03-03")
    hand_in(assessed, "s2", "2024-03-09", verb_kind="graded", is_act=False, scaled_score=0.8)
    assert submission(assessed) == [("e1", epoch("2024-03-05"), epoch("2024-03-03"), epoch("2024-03-03"), 0.8)]


def test_a_grade_alone_proves_that_the_work_was_handed_in(assessed):
    hand_in(assessed, "s1", "2024-03-09", verb_kind="graded", is_act=False, scaled_score=0.8)
    assert submission(assessed) == [("e1", epoch("2024-03-05"), epoch("2024-03-09"), epoch("2024-03-09"), 0.8)]


def test_a_score_under_zero_is_a_share_of_nothing(assessed):
    hand_in(assessed, "s1", "2024-03-03", scaled_score=-0.5)
    assert submission(assessed)[0][-1] == 0.0


@pytest.mark.parametrize(
    "other", [{"verb_kind": "engaged"}, {"activity_kind": "page"}, {"enrolment_id": None}, {"object_iri": "x:y"}]
)
def test_only_assessed_work_handed_in_by_the_enrolment_counts(assessed, other):
    hand_in(assessed, "s1", "2024-03-03", **other)
    assert submission(assessed) == [("e1", epoch("2024-03-05"), None, None, None)]


# --- from night to night ------------------------------------------------------------------------------------------

FIRST_SECOND = epoch("2024-03-01") * 86_400
# Two learners; times close to midnights; a statement may be attributed to either enrolment or to none.
A_STATEMENT = st.tuples(
    st.integers(0, 25),
    st.sampled_from(["ana", "ben"]),
    st.sampled_from(["e1", "e2", None]),
    st.integers(0, 5),
    st.integers(-3000, 3000),
    st.integers(0, 2),
    st.sampled_from([None, 90.0]),
)


def put(house, statements):
    """Let core.statement be these and no others, one an id, and tell what that changes."""
    house.warehouse.execute("CREATE OR REPLACE TEMP TABLE last_night AS FROM core.statement")
    house.warehouse.execute("DELETE FROM core.statement")
    for number, learner, enrolment, day, seconds, late, duration in {one[0]: one for one in statements}.values():
        happened = FIRST_SECOND + 86_400 * (1 + day) + seconds
        state(
            house,
            f"s{number}",
            "00:00",
            learner_id=learner,
            enrolment_id=enrolment and f"{enrolment}-{learner}",
            happened_at=datetime.fromtimestamp(happened, UTC).replace(tzinfo=None),
            epoch_day=happened // 86_400,
            known_epoch_day=happened // 86_400 + late,
            first_second=happened % 86_400,
            duration_seconds=duration,
        )
    restate(house, "(FROM last_night EXCEPT FROM core.statement) UNION (FROM core.statement EXCEPT FROM last_night)")


def restate(house, statements):
    house.warehouse.execute(
        "INSERT INTO core.restated BY NAME "
        f"SELECT DISTINCT 'day' AS restated_kind, learner_id, enrolment_id, epoch_day FROM ({statements})"
    )


def days_of(house):
    tables = ("core.enrolment_day", "core.learner_activity", "core.day_state")
    return [house.rows(f"FROM {table} ORDER BY ALL") for table in tables]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    nights=st.lists(st.lists(A_STATEMENT, max_size=25), min_size=2, max_size=4),
    usual=st.lists(A_STATEMENT, min_size=40),
)
def test_night_after_night_gives_the_days_of_a_rebuild_whatever_came_went_or_moved(house, nights, usual):
    house.warehouse.execute("DELETE FROM ops.basis; DELETE FROM core.restated")
    kept = [(100 + place, *one[1:]) for place, one in enumerate(usual)]
    for statements in nights:
        put(house, [*kept, *statements])
        build_days(house.night)
    by_night = days_of(house)
    house.warehouse.execute("DELETE FROM ops.basis")
    build_days(house.night)
    assert days_of(house) == by_night


def test_only_days_whose_statements_changed_are_made_anew(house):
    for day in range(1, 21):
        clock = "09:00" if day == 1 else "10:00"
        state(house, f"s{day}", clock, happened_at=f"2024-03-{day:02} {clock}", epoch_day=epoch(f"2024-03-{day:02}"))
    assert build_days(house.night) == (20, {"restated_days": 20})
    assert build_days(house.night) == (20, {"restated_days": 0})
    house.warehouse.execute("UPDATE core.enrolment_day SET minutes = 77")
    restate(house, "FROM core.statement WHERE statement_id = 's5'")
    house.warehouse.execute("DELETE FROM core.statement WHERE statement_id = 's5'")
    state(house, "late", "10:10", happened_at="2024-03-09 10:10:00", epoch_day=epoch("2024-03-09"))
    restate(house, "FROM core.statement WHERE statement_id = 'late'")
    assert build_days(house.night) == (19, {"restated_days": 2})
    # The day before a touched one may end in another gap now; the others stay as they were.
    anew = house.rows("SELECT epoch_day FROM core.enrolment_day WHERE minutes <> 77 ORDER BY 1")
    assert [day - epoch("2024-03-01") + 1 for (day,) in anew] == [4, 8, 9]
    assert house.rows("SELECT minutes FROM core.enrolment_day WHERE epoch_day = ?", epoch("2024-03-09")) == [(10.0,)]


def test_another_session_gap_makes_all_days_anew(house):
    state(house, "s1", "10:00")
    state(house, "s2", "10:40")
    build_days(house.night)
    longer = house.night.settings.model_copy(update={"session_gap_minutes": 45})
    assert build_days(replace(house.night, settings=longer)) == (1, {"restated_days": 1})
    assert house.rows("SELECT minutes FROM core.enrolment_day") == [(40.0,)]
