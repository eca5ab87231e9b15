"""Features made night after night are those of a rebuild, and only landmarks are computed that something touched."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.tables.features import FEATURE_TABLES
from pipelines import feature_changes, feature_tables
from pipelines.core import changes
from pipelines.core.agreements import build_commitments, build_goal_updates, build_goals
from pipelines.core.coverage import build_opened_activities
from pipelines.core.days import build_days, build_submissions
from pipelines.core.enrolments import build_enrolments
from pipelines.core.identities import link_identities
from pipelines.core.mentoring import build_matches, build_mentoring_events
from pipelines.core.presence import build_away_days
from pipelines.core.statements import attribute_statements

STEPS = (
    *(link_identities, attribute_statements, build_days, build_submissions, build_enrolments, build_opened_activities),
    *(build_matches, build_mentoring_events, build_goals, build_goal_updates, build_commitments, build_away_days),
    *(feature_tables.build_all, feature_tables.build_labels),
)
COURSE, ESSAY, PAGE = (f"https://lms.test/{name}" for name in ("course", "essay", "page"))
EMPTIED = (
    *("statement", "enrolment", "learner", "goal", "goal_update", "support_ticket", "absence"),
    *("mentoring_match", "mentoring_session", "mentoring_message"),
)
LEARNERS = ("ana", "ben", "dan")
FIRST = date(2024, 2, 6)

WHO, BACK = st.sampled_from(LEARNERS), st.sampled_from([0, 0, 1, 9])
AN_EVENT = st.tuples(
    st.sampled_from(
        ["page", "forum", "essay", "session", "message", "goal", "measure", "ticket", "leave", "end", "match"]
    ),
    WHO,
    BACK,
)


@pytest.fixture
def school(house, monkeypatch):
    """Three learners in one course, two of them with one mentor; however much is touched, only that is computed."""
    monkeypatch.setattr(changes, "MOST_TOUCHED_SHARE", 2)
    monkeypatch.setattr(feature_changes, "MOST_TOUCHED_SHARE", 2)
    house.add("raw.programme", programme_id="p", name="A programme")
    house.add("raw.course", course_id="c", activity_iri=COURSE, title="A", starts_on="2024-01-08", ends_on="2024-06-30")
    house.add("raw.activity", activity_iri=ESSAY, course_id="c", is_assessment=True, due_on="2024-02-20", weight=20.0)
    house.add("raw.activity", activity_iri=PAGE, course_id="c", available_on="2024-01-20")
    return house


def empty(school):
    for table in EMPTIED:
        school.warehouse.execute(f"DELETE FROM raw.{table}")
    school.warehouse.execute("DELETE FROM identity.main.identifier_link; DELETE FROM ops.basis")
    for hours, learner in enumerate(LEARNERS):
        school.add("raw.learner", learner_id=learner)
        school.warehouse.execute(f"INSERT INTO identity.main.identifier_link VALUES ('i-{learner}', '{learner}')")
        enrol(school, learner, status="active", recorded_at="2024-01-02 10:00:00")
        moment = {name: at - timedelta(hours=hours) for name, at in on(1).items()}
        school.add(
            "raw.statement", statement_id=f"old {learner}", identity_id=f"i-{learner}", object_iri=PAGE, **moment
        )
        if learner != "dan":
            match(school, learner)


def on(day, back=0):
    """A day and when it was known: `back` days before FIRST + day, known then."""
    known = datetime.combine(FIRST, datetime.min.time()) + timedelta(days=day, hours=12)
    return {"happened_at": known - timedelta(days=back), "known_at": known}


def enrol(school, learner, **values):
    given_ = {"enrolment_id": f"e-{learner}", "learner_id": learner, "programme_id": "p", "course_id": "c"}
    school.add("raw.enrolment", **given_, enrolled_on="2024-01-02", **values)


def match(school, learner, mentor="meg", **values):
    told = {"matched_on": "2024-01-10", "agreed_sessions_per_week": 1.0, "known_at": "2024-01-10"} | values
    school.add(
        "raw.mentoring_match", match_id=f"m-{learner}", mentor_id=mentor, learner_id=learner, programme_id="p", **told
    )


def tell(school, number, kind, learner, day, back):
    """One thing that came in on a day."""
    name, moment = f"{kind} {number}", on(day, back)
    happened, known = moment["happened_at"], moment["known_at"]
    if kind in {"page", "forum", "essay"}:
        told = {"object_iri": ESSAY if kind == "essay" else PAGE, "scaled_score": 0.5 if kind == "essay" else None}
        verb = {
            "essay": "http://adlnet.gov/expapi/verbs/completed",
            "forum": "http://adlnet.gov/expapi/verbs/commented",
        }
        verb_iri = verb.get(kind, "http://adlnet.gov/expapi/verbs/experienced")
        school.add("raw.statement", statement_id=name, identity_id=f"i-{learner}", verb_iri=verb_iri, **told, **moment)
    elif kind == "session":
        row = {
            "session_id": name,
            "match_id": f"m-{learner}",
            "held_at": happened,
            "outcome": "held",
            "known_at": known,
        }
        school.add("raw.mentoring_session", **row, duration_minutes=30, channel="video")
    elif kind == "message":
        sender = "mentor" if number % 2 else "learner"
        row = {"message_id": name, "match_id": f"m-{learner}", "sent_at": happened, "known_at": known}
        school.add("raw.mentoring_message", **row, sender=sender, channel="chat")
    elif kind == "goal":
        row = {"match_id": f"m-{learner}", "agreed_on": happened.date(), "due_on": "2024-04-01", "kind": "skill"}
        school.add("raw.goal", goal_id=f"g-{learner}", known_at=known, **row)
    elif kind == "measure":
        row = {"goal_id": f"g-{learner}", "recorded_on": happened.date(), "attained_share": 0.5, "status": "open"}
        school.add("raw.goal_update", known_at=known, **row)
    elif kind == "ticket":
        row = {"ticket_id": f"t-{learner}", "learner_id": learner, "kind": "access", "known_at": known}
        school.add("raw.support_ticket", **row, opened_at="2024-02-01 08:00:00", resolved_at=happened if back else None)
    elif kind == "leave":
        row = {"learner_id": learner, "from_on": happened.date(), "to_on": known.date(), "known_at": known}
        school.add("raw.absence", **row)
    elif kind == "end":
        enrol(school, learner, status="abandoned", status_on=happened.date(), recorded_at=known, known_at=known)
    else:
        match(school, learner, mentor="moe", known_at=known, ended_on=known.date() if back else None)


def build(school):
    for step in STEPS:
        step(school.night)


def features(house):
    return {table.name: house.rows(f"FROM {table.qualified_name} ORDER BY ALL") for table in FEATURE_TABLES}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(evenings=st.lists(st.tuples(st.integers(1, 8), st.lists(AN_EVENT, max_size=6)), min_size=2, max_size=4))
def test_night_after_night_gives_the_features_of_a_rebuild(school, evenings):
    empty(school)
    day = number = 0
    for days, events in evenings:
        for kind, learner, back in events:
            number += 1
            tell(school, number, kind, learner, day, back)
        day += days
        house = school.observed(str(FIRST + timedelta(days=day)))
        build(house)
    by_night = features(house)
    house.warehouse.execute("DELETE FROM ops.basis")
    build(house)
    again = features(house)
    for name, rows in by_night.items():
        assert rows == again[name], name


def weeks(house):
    """What became of features.enrolment_week in a night like any other."""
    for step in STEPS[:-2]:
        step(house.night)
    feature_tables.build_landmarks(house.night)
    for family in feature_tables.REGISTRY.values():
        feature_tables.build_family(house.night, family)
    return feature_tables.build_enrolment_weeks(house.night)[1]


def test_a_night_computes_tonights_landmarks_and_those_that_late_data_touched(school):
    empty(school)
    first = school.observed("2024-02-12")
    assert weeks(first) == {"new_landmarks": 18, "restated_landmarks": 0}
    assert weeks(first) == {"new_landmarks": 0, "restated_landmarks": 0}
    # Nothing new: the weekly landmark of 13 February is a week away from the last, tonight's takes last night's place.
    assert weeks(school.observed("2024-02-13")) == {"new_landmarks": 3, "restated_landmarks": 0}
    # Done on 26 January and known on the 28th: it counts from the landmark of the 30th on, for the three of the cohort.
    late = {"happened_at": "2024-01-26 10:00:00", "known_at": "2024-01-28 10:00:00"}
    school.add("raw.statement", statement_id="late", identity_id="i-ana", object_iri=PAGE, **late)
    told = weeks(school.observed("2024-02-13"))
    assert told["new_landmarks"] == 0
    assert 3 <= told["restated_landmarks"] <= 9
    house = school.observed("2024-02-13")
    assert house.rows("SELECT count(*) FROM features.landmark_anew") == [(0,)]


@pytest.mark.parametrize("tables_made", [0, 2])
def test_a_night_killed_between_two_tables_is_finished_by_the_next(school, tables_made):
    empty(school)
    weeks(school.observed("2024-02-12"))
    school.add("raw.statement", statement_id="late", identity_id="i-ana", object_iri=PAGE, **on(-10))
    house = school.observed("2024-02-13")
    for step in STEPS[:-2]:
        step(house.night)
    feature_tables.build_landmarks(house.night)
    for family in list(feature_tables.REGISTRY.values())[:tables_made]:
        feature_tables.build_family(house.night, family)
    # The tables have different landmarks to make up for now, and last night's are gone from some of them only.
    school.add("raw.statement", statement_id="later", identity_id="i-ben", object_iri=ESSAY, **on(-3))
    house = school.observed("2024-02-14")
    build(house)
    by_night = features(house)
    house.warehouse.execute("DELETE FROM ops.basis")
    build(house)
    assert features(house) == by_night
