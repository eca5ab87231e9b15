"""Night after night gives what a rebuild gives, whatever came late, was voided, linked or moved, in any order.

Each example lives through some nights; what stands after the last is held to what a rebuild makes of the same rows.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from data_contracts.tables.core import (
    ENROLMENT_DAY,
    HEARD_TERM,
    LEARNER_ACTIVITY,
    STATEMENT,
    STATEMENT_FINDING,
    STATEMENT_TALLY,
    SUBMISSION,
    UNKNOWN_TERM,
)
from pipelines.core import changes, statements
from pipelines.core.basis import forget_basis
from pipelines.core.days import build_days, build_submissions
from pipelines.core.identities import link_identities
from pipelines.core.statements import attribute_statements

COURSES = ("https://lms.test/course/1", "https://lms.test/course/2")
QUIZ = "https://lms.test/quiz"
LEARNERS = ("ana", "ben")
MADE = (
    *(STATEMENT, HEARD_TERM, UNKNOWN_TERM, STATEMENT_TALLY, STATEMENT_FINDING),
    *(ENROLMENT_DAY, LEARNER_ACTIVITY, SUBMISSION),
)
FIRST = datetime(2024, 3, 1)  # noqa: DTZ001 - as the warehouse stores instants

IDENTITIES = st.sampled_from(["i-ana", "i-ben", "i-phone", "i-x"])
A_STATEMENT = st.fixed_dictionaries(
    {
        "statement_id": st.integers(0, 11).map(lambda number: f"s{number}"),
        "identity_id": IDENTITIES,
        "members": st.sampled_from([None, None, [], ["i-ana", "i-ben"], ["i-phone", "i-ana"]]),
        "verb_iri": st.sampled_from(["http://adlnet.gov/expapi/verbs/answered", "https://x.test/pondered"]),
        "activity_type_iri": st.sampled_from([None, "urn:x:riddle"]),
        "object_iri": st.sampled_from([QUIZ, "https://lms.test/page", *COURSES]),
        "context_iris": st.sampled_from([None, *COURSES]),
        "registration": st.sampled_from([None, "r1", "r2", "e-ana-c1"]),
        "scaled_score": st.sampled_from([None, 0.5, 0.9]),
        "voids_statement_id": st.sampled_from([None, None, None, "s1", "s2", "s3"]),
        "happened": st.integers(0, 4 * 24 * 3),
        "late": st.sampled_from([0, 0, 1, 30]),
    }
)
AN_ENROLMENT = st.tuples(
    st.sampled_from(LEARNERS),
    st.sampled_from(["c1", "c2"]),
    st.sampled_from(["2024-02-01", "2024-03-02", "2024-03-04"]),
)
AN_EVENING = st.fixed_dictionaries(
    {
        "statements": st.lists(A_STATEMENT, min_size=3, max_size=12),
        "enrolments": st.lists(AN_ENROLMENT, max_size=1),
        "links": st.lists(st.tuples(IDENTITIES, st.sampled_from(LEARNERS)), max_size=1),
        "zones": st.lists(st.tuples(st.sampled_from(LEARNERS), st.sampled_from(["UTC", "Asia/Tokyo"])), max_size=1),
        "days": st.integers(0, 3),
    }
)


@pytest.fixture
def school(house, monkeypatch):
    """Two courses that share a quiz; however much is touched, only that is made anew."""
    monkeypatch.setattr(changes, "MOST_TOUCHED_SHARE", 2)
    for number, iri in enumerate(COURSES, 1):
        house.add("raw.course", course_id=f"c{number}", activity_iri=iri, title="A course", ends_on="2024-06-30")
        house.add("raw.activity", activity_iri=QUIZ, course_id=f"c{number}", is_assessment=True)
    return house


def empty(school):
    school.warehouse.execute(
        "DELETE FROM raw.statement; DELETE FROM raw.enrolment; DELETE FROM raw.learner; DELETE FROM raw.quarantine"
    )
    school.warehouse.execute("DELETE FROM identity.main.identifier_link")
    forget_basis(school.warehouse, changes.AREA, "days", "submissions")


def put(school, evening):
    """What an evening brings."""
    for told in evening["statements"]:
        row = dict(told)
        members, happened, late = row.pop("members"), row.pop("happened"), row.pop("late")
        if members is not None:
            row |= {"identity_id": None, "actor_kind": "group", "member_identity_ids": " ".join(members) or None}
        at = FIRST + timedelta(minutes=20 * happened)
        row |= {"happened_at": at, "known_at": at + timedelta(hours=late), "stored_at": at + timedelta(hours=late)}
        school.add("raw.statement", content_hash=repr(sorted(told.items(), key=str)), **row)
    for learner, course, day in evening["enrolments"]:
        row = {"learner_id": learner, "course_id": course, "enrolled_on": day, "status": "active"}
        school.add("raw.enrolment", enrolment_id=f"e-{learner}-{course}", **row)
    for identity, learner in evening["links"]:
        school.warehouse.execute("INSERT INTO identity.main.identifier_link VALUES (?, ?)", [identity, learner])
    for learner, timezone in evening["zones"]:
        school.add("raw.learner", learner_id=learner, timezone=timezone)


def build(school):
    link_identities(school.night)
    attribute_statements(school.night)
    build_days(school.night)
    build_submissions(school.night)


def made(school):
    tables = {table.name: school.rows(f"FROM {table.qualified_name} ORDER BY ALL") for table in MADE}
    conflicts = school.rows("SELECT fault_id, source_name, file_hash FROM raw.quarantine ORDER BY ALL")
    return tables | {"conflicts": conflicts}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(evenings=st.lists(AN_EVENING, min_size=2, max_size=4))
def test_night_after_night_gives_what_a_rebuild_gives(school, evenings):
    empty(school)
    day = FIRST + timedelta(days=2)
    for evening in evenings:
        put(school, evening)
        day += timedelta(days=evening["days"])
        house = school.observed(day.isoformat())
        build(house)
    by_night = made(house)
    forget_basis(house.warehouse, changes.AREA, "days", "submissions")
    build(house)
    assert made(house) == by_night
    event(f"{len(evenings)} nights, {len(by_night['statement'])} rows")


# --- one thing at a time ------------------------------------------------------------------------------------------------


def lived(school):
    """A school after a night with three statements of Ana's."""
    empty(school)
    link = ("i-ana", "ana")
    put(school, {"statements": [], "enrolments": [("ana", "c1", "2024-02-01")], "links": [link], "zones": []})
    for number in range(3):
        school.add("raw.statement", statement_id=f"s{number}", happened_at=FIRST + timedelta(hours=number))
    build(school)
    school.warehouse.execute("UPDATE core.statement SET event_count = 77")
    return school


def left_alone(school):
    return school.rows("SELECT statement_id FROM core.statement WHERE event_count = 77 ORDER BY 1")


def test_only_statements_that_came_or_are_voided_are_made_anew(school):
    lived(school)
    school.add("raw.statement", statement_id="new", happened_at=FIRST)
    school.add("raw.statement", statement_id="void", voids_statement_id="s1", happened_at=FIRST)
    build(school)
    assert left_alone(school) == [("s0",), ("s2",)]
    assert school.rows("SELECT statement_id FROM core.statement ORDER BY 1") == [("new",), ("s0",), ("s2",)]


def test_a_statement_of_tomorrow_is_heard_once_when_its_day_has_come(school):
    lived(school)
    tomorrow = {"happened_at": FIRST + timedelta(days=1), "known_at": FIRST + timedelta(days=1)}
    school.add("raw.statement", statement_id="odd", verb_iri="https://x.test/pondered", **tomorrow)
    heard = []
    for day in ("2024-03-02", "2024-03-03", "2024-03-04"):
        house = school.observed(day)
        build(house)
        heard += [house.rows("SELECT term, statements_count FROM core.unknown_term")]
    assert heard == [[], [("https://x.test/pondered", 1)], [("https://x.test/pondered", 1)]]


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO identity.main.identifier_link VALUES ('i-ana', 'ben')",
        "UPDATE raw.enrolment SET enrolled_on = '2024-02-02'",
        "INSERT INTO raw.learner (learner_id, timezone, known_at) VALUES ('ana', 'Asia/Tokyo', '1970-01-01')",
        "INSERT INTO raw.course (course_id, title, known_at) VALUES ('c3', 'A course', '1970-01-01')",
        "DELETE FROM raw.statement WHERE statement_id = 's2'",
        "INSERT INTO identity.main.tombstone VALUES ('somebody')",
        "DELETE FROM ops.basis WHERE area = 'statements'",
    ],
)
def test_what_statements_hang_on_makes_all_it_touches_anew(school, change):
    lived(school)
    school.warehouse.execute(change)
    build(school)
    assert left_alone(school) == []


def test_a_source_that_turns_out_to_be_migrated_makes_all_anew(school):
    lived(school)
    school.add("raw.statement", statement_id="moved", happened_at=FIRST, stored_at=FIRST + timedelta(days=31))
    build(school)
    assert left_alone(school) == []


def test_a_night_that_dies_leaves_what_the_last_one_made_and_the_next_one_makes_up_for_it(school, monkeypatch):
    lived(school)
    school.add("raw.statement", statement_id="new", happened_at=FIRST)
    before = made(school)

    def die(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(statements, "count_findings", die)
    with pytest.raises(KeyboardInterrupt):
        attribute_statements(school.night)
    assert made(school) == before
    monkeypatch.undo()
    build(school)
    assert ("new",) in school.rows("SELECT statement_id FROM core.statement")
