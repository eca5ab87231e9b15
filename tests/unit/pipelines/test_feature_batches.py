"""Features made some course runs at a time are those made at once, and what is many is read once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from data_contracts.tables.features import FEATURE_TABLES
from features.enrolment_day import enrolment_days
from features.registry import REGISTRY
from features.sessions import with_minutes
from pipelines import feature_tables
from pipelines.core.coverage import build_opened_activities
from pipelines.core.days import build_days, build_submissions
from pipelines.core.enrolments import build_enrolments
from pipelines.core.identities import link_identities
from pipelines.core.mentoring import build_matches, build_mentoring_events
from pipelines.core.statements import attribute_statements

STEPS = (
    *(link_identities, attribute_statements, build_days, build_submissions, build_enrolments, build_opened_activities),
    *(build_matches, build_mentoring_events),
)
MORNING = datetime.fromisoformat("2024-01-09 09:00")
COURSES, LEARNERS = ("a", "b", "c"), ("ana", "ben", "dan", "eve")
READ_DAYS = [name for name, family in REGISTRY.items() if "enrolment_days" in family.reads]


@pytest.fixture
def courses(house):
    """Four learners of one mentor in three courses, each learner in two of them, who come every few days."""
    house.add("raw.programme", programme_id="p", name="A programme")
    for course in COURSES:
        iri = f"https://lms.test/{course}"
        house.add("raw.course", course_id=course, activity_iri=iri, starts_on="2024-01-08", ends_on="2024-06-30")
        essay = {"activity_iri": f"{iri}/essay", "due_on": "2024-02-05", "weight": 20.0}
        house.add("raw.activity", course_id=course, is_assessment=True, **essay)
    for number, learner in enumerate(LEARNERS):
        house.add("raw.learner", learner_id=learner)
        house.warehouse.execute(f"INSERT INTO identity.main.identifier_link VALUES ('i-{learner}', '{learner}')")
        match = {"match_id": f"m-{learner}", "mentor_id": "meg", "learner_id": learner, "programme_id": "p"}
        house.add("raw.mentoring_match", matched_on="2024-01-10", agreed_sessions_per_week=1.0, **match)
        for course in (COURSES[number % 3], COURSES[(number + 1) % 3]):
            row = {
                "enrolment_id": f"{course}-{learner}",
                "learner_id": learner,
                "programme_id": "p",
                "course_id": course,
            }
            house.add("raw.enrolment", **row, enrolled_on="2024-01-02", status="active")
            come(house, learner, course, range(0, 40, number + 2))
    return house


def come(house, learner, course, days):
    for day in days:
        at = MORNING + timedelta(days=day)
        what = {"object_iri": f"https://lms.test/{course}" + ("/essay" if day == 20 else f"/{day % 4}")}
        told = {"context_iris": f"https://lms.test/{course}", "happened_at": at, "known_at": at, "duration_seconds": 61}
        name = f"{learner} {course} {day}"
        house.add("raw.statement", statement_id=name, identity_id=f"i-{learner}", **what, **told)


def build(house):
    for step in (*STEPS, feature_tables.build_all):
        step(house.night)


def features(house):
    return {table.name: house.rows(f"FROM {table.qualified_name} ORDER BY ALL") for table in FEATURE_TABLES}


def test_features_by_batches_are_those_made_at_once(courses, monkeypatch):
    build(courses)
    at_once = features(courses)
    assert len(at_once["enrolment_week"]) > 50
    courses.warehouse.execute("DELETE FROM ops.basis")
    monkeypatch.setattr(feature_tables, "BATCH_LANDMARKS", 1)
    asked = spied(courses, monkeypatch)
    build(courses)
    assert features(courses) == at_once
    assert sum("FROM core.enrolment_day" in sql for sql in asked) == len(READ_DAYS) * len(COURSES)


def test_a_later_night_by_batches_gives_the_features_of_a_rebuild(courses, monkeypatch):
    monkeypatch.setattr(feature_tables, "BATCH_LANDMARKS", 1)
    monkeypatch.setattr("pipelines.feature_changes.MOST_TOUCHED_SHARE", 2)
    build(courses)
    come(courses, "ana", "a", [43, 44])
    come(courses, "ben", "b", [45])
    later = courses.observed("2024-03-15")
    build(later)
    by_night = features(later)
    monkeypatch.undo()
    later.warehouse.execute("DELETE FROM ops.basis")
    build(later)
    assert features(later) == by_night


def spied(house, monkeypatch):
    """What is asked of the warehouse from here on as frames."""
    asked, frame = [], type(house.warehouse).frame
    monkeypatch.setattr(type(house.warehouse), "frame", lambda self, sql: (asked.append(sql), frame(self, sql))[1])
    return asked


def test_features_need_no_statements_and_each_family_reads_the_days_once(courses, monkeypatch):
    for step in STEPS:
        step(courses.night)
    courses.warehouse.execute("DROP TABLE core.statement; DROP TABLE raw.statement")
    asked = spied(courses, monkeypatch)
    feature_tables.build_all(courses.night)
    assert sum("core.enrolment_day" in sql for sql in asked) == len(READ_DAYS)


def test_the_days_are_made_in_one_scan_of_the_statements(courses):
    for step in STEPS[:2]:
        step(courses.night)
    acts = courses.warehouse.relation("SELECT *, epoch(happened_at)::BIGINT AS happened_second FROM core.statement")
    plan = enrolment_days(with_minutes(acts, gap_seconds=1800)).to_native().explain()
    assert plan.count("Seq Scan") == 1, plan
