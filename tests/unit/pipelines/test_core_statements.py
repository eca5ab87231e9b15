"""Deduplicated, voided, placed on local days, attributed: each rule on a handful of statements."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations

import pytest

from pipelines.core.identities import link_identities
from pipelines.core.statements import attribute_statements

COURSE, OTHER_COURSE = "https://lms.test/course/1", "https://lms.test/course/2"
PAGE, QUIZ = "https://lms.test/page", "https://lms.test/quiz"


def epoch(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.fixture
def school(house):
    """Two courses of one programme; identity i-ana is learner ana."""
    for number, iri in ((1, COURSE), (2, OTHER_COURSE)):
        house.add("raw.course", course_id=f"c{number}", activity_iri=iri, title="A course", ends_on="2024-06-30")
    house.add("raw.programme", programme_id="p", name="A programme")
    house.add("raw.learner", learner_id="ana")
    house.warehouse.execute("INSERT INTO identity.main.identifier_link VALUES ('i-ana', 'ana')")
    return house


def enrol(house, enrolment_id, course_id="c1", enrolled_on="2024-01-08", **values):
    given = {"learner_id": "ana", "programme_id": "p", "status": "active"} | values
    house.add("raw.enrolment", enrolment_id=enrolment_id, course_id=course_id, enrolled_on=enrolled_on, **given)


def build(house):
    link_identities(house.night)
    return attribute_statements(house.night)


def core(house, columns):
    build(house)
    return {
        statement_id: tuple(rest)
        for statement_id, *rest in house.rows(f"SELECT statement_id, {columns} FROM core.statement")
    }


# --- duplicates and voids -----------------------------------------------------------------------------------------


def test_a_statement_delivered_twice_counts_once(school):
    for file_hash in ("f1", "f2"):
        school.add("raw.statement", statement_id="s1", file_hash=file_hash, content_hash="same")
    assert build(school) == 1
    assert school.faults() == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_other_content_under_one_id_the_first_known_stands_and_the_conflict_is_told_once(school, order):
    versions = [("f1", "2024-03-02", 0.2), ("f2", "2024-03-01", 0.1), ("f3", "2024-03-03", 0.3)]
    for number in order:
        file_hash, known_at, score = versions[number]
        school.add(
            "raw.statement",
            statement_id="s1",
            known_at=known_at,
            scaled_score=score,
            content_hash=file_hash,
            file_hash=file_hash,
            happened_at="2024-03-01",
        )
    assert core(school, "scaled_score") == {"s1": (0.1,)}
    assert core(school, "scaled_score") == {"s1": (0.1,)}
    assert school.rows("SELECT table_name, reason, count(*) FROM raw.quarantine GROUP BY ALL") == [
        ("statement", "conflicting_content", 1)
    ]


def void(house, statement_id, target, **values):
    house.add("raw.statement", statement_id=statement_id, voids_statement_id=target, object_iri=None, **values)


@pytest.mark.parametrize("void_first", [True, False])
def test_a_voided_statement_and_its_voider_are_gone_in_either_order_of_arrival(school, void_first):
    steps = [lambda: void(school, "v1", "s1"), lambda: school.add("raw.statement", statement_id="s1")]
    for step in steps if void_first else reversed(steps):
        step()
    school.add("raw.statement", statement_id="s2")
    assert set(core(school, "verb_kind")) == {"s2"}


def test_a_voider_cannot_be_voided(school):
    school.add("raw.statement", statement_id="s1")
    void(school, "v1", "s1")
    void(school, "v2", "v1")
    assert build(school) == 0


def test_a_void_not_known_before_the_night_does_not_act_yet(school):
    school.add("raw.statement", statement_id="s1")
    void(school, "v1", "s1", known_at="2024-03-13 00:00:00")
    assert set(core(school, "verb_kind")) == {"s1"}
    assert core(school.observed("2024-03-14"), "verb_kind") == {}


def test_a_void_refused_for_its_conflicting_id_does_not_act(school):
    school.add("raw.statement", statement_id="s1")
    school.add("raw.statement", statement_id="s2", known_at="2024-03-01", content_hash="a")
    void(school, "s2", "s1", known_at="2024-03-02", content_hash="b")
    assert set(core(school, "verb_kind")) == {"s1", "s2"}


def test_what_happened_or_was_known_at_the_nights_instant_is_not_there_yet(school):
    school.add("raw.statement", statement_id="before", happened_at="2024-03-12 23:59:59")
    school.add("raw.statement", statement_id="at", happened_at="2024-03-13 00:00:00")
    school.add("raw.statement", statement_id="late", happened_at="2024-03-01", known_at="2024-03-13 00:00:00")
    assert set(core(school, "verb_kind")) == {"before"}


# --- attribution --------------------------------------------------------------------------------------------------


def attribution(house):
    return core(house, "enrolment_id, attribution")


def test_the_registration_goes_before_the_parent_course(school):
    enrol(school, "e1")
    enrol(school, "e2", "c2")
    school.add("raw.statement", statement_id="s1", registration="e2", parent_iri=COURSE)
    assert attribution(school) == {"s1": ("e2", "registration")}


def test_another_learners_registration_is_not_theirs(school):
    enrol(school, "e1")
    enrol(school, "e9", "c2", learner_id="bo")
    school.add("raw.statement", statement_id="s1", registration="e9", parent_iri=COURSE)
    assert attribution(school) == {"s1": ("e1", "parent_course")}


@pytest.mark.parametrize("place", [{"parent_iri": COURSE}, {"object_iri": COURSE}, {"object_iri": QUIZ}])
def test_the_course_is_told_by_parent_by_the_object_or_by_the_objects_course(school, place):
    school.add("raw.activity", activity_iri=QUIZ, course_id="c1")
    enrol(school, "e1")
    enrol(school, "e2", "c2", "2024-02-01")
    school.add("raw.statement", statement_id="s1", **place)
    assert attribution(school) == {"s1": ("e1", "parent_course")}


def test_a_statement_of_no_course_goes_to_the_most_recently_started_enrolment_that_fits(school):
    enrol(school, "long", "c1", "2024-01-08", due_on="2024-12-31")
    enrol(school, "short", "c2", "2024-02-01", due_on="2024-02-10")
    for number, day in enumerate(["2024-01-07", "2024-01-08", "2024-02-01", "2024-02-10", "2024-02-11"]):
        school.add("raw.statement", statement_id=f"s{number}", happened_at=f"{day} 12:00:00")
    assert attribution(school) == {
        "s0": (None, "outside"),
        "s1": ("long", "most_recent"),
        "s2": ("short", "most_recent"),
        "s3": ("short", "most_recent"),
        "s4": ("long", "most_recent"),
    }


def test_a_statement_takes_the_course_of_the_enrolment_it_goes_to(school):
    enrol(school, "e1", "c2")
    school.add("raw.statement", statement_id="s1")
    assert core(school, "course_id") == {"s1": ("c2",)}


def test_of_two_runs_of_one_course_the_most_recently_started_is_taken_and_counted_as_ambiguous(school):
    enrol(school, "first", "c1", "2024-01-08")
    enrol(school, "second", "c1", "2024-02-01")
    for number, day in enumerate(["2024-01-01", "2024-01-20", "2024-02-01"]):
        school.add("raw.statement", statement_id=f"s{number}", parent_iri=COURSE, happened_at=f"{day} 12:00:00")
    assert attribution(school) == {"s0": (None, "outside"), "s1": ("first", "ambiguous"), "s2": ("second", "ambiguous")}


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_enrolments_started_on_one_day_the_same_is_taken_in_any_order_of_rows(school, order):
    for enrolment_id in order:
        enrol(school, enrolment_id, "c1" if enrolment_id == "a" else "c2")
    school.add("raw.statement", statement_id="s1")
    assert attribution(school) == {"s1": ("b", "most_recent")}


def test_a_course_one_is_not_enrolled_in_is_outside_though_another_enrolment_runs(school):
    enrol(school, "e1")
    school.add("raw.statement", statement_id="s1", parent_iri=OTHER_COURSE)
    assert core(school, "enrolment_id, attribution, course_id") == {"s1": (None, "outside", "c2")}


def test_a_statement_of_nobody_and_of_nobody_known_stays_and_is_outside(school):
    enrol(school, "e1")
    school.add("raw.statement", statement_id="group", identity_id=None)
    school.add("raw.statement", statement_id="stranger", identity_id="i-x", parent_iri=COURSE)
    assert core(school, "learner_id, enrolment_id, attribution") == {
        "group": (None, None, "outside"),
        "stranger": ("i-x", None, "outside"),
    }


def test_every_statement_is_attributed_exactly_once(school):
    enrol(school, "e1")
    enrol(school, "e2", "c1", "2024-02-01")
    enrol(school, "e3", "c2")
    places = [{}, {"parent_iri": COURSE}, {"parent_iri": OTHER_COURSE}, {"registration": "e3"}, {"identity_id": None}]
    for number, place in enumerate(places * 3):
        school.add(
            "raw.statement",
            statement_id=f"s{number}",
            happened_at=f"2024-0{1 + number % 3}-20",
            known_at="2024-01-01",
            **place,
        )
    assert build(school) == len(
        school.rows("SELECT DISTINCT statement_id FROM raw.statement WHERE happened_at < '2024-03-13'")
    )


# --- meaning ------------------------------------------------------------------------------------------------------


def test_verbs_and_activity_types_get_their_kind_and_unknown_ones_are_other_and_formal(school):
    verb, kind = "http://adlnet.gov/expapi/verbs/", "http://adlnet.gov/expapi/activities/"
    school.add("raw.statement", statement_id="known", verb_iri=verb + "answered", activity_type_iri=kind + "question")
    school.add(
        "raw.statement", statement_id="unknown", verb_iri="https://x.test/verb", activity_type_iri="https://x.test/type"
    )
    school.add("raw.statement", statement_id="talk", verb_iri=verb + "commented", activity_type_iri=kind + "media")
    assert core(school, "verb_kind, activity_kind, strand") == {
        "known": ("submitted", "quiz", "formal"),
        "unknown": ("other", "other", "formal"),
        "talk": ("interacted", "video", "social"),
    }


def test_what_the_activity_table_says_goes_before_the_statements_own_type(school):
    school.add("raw.activity", activity_iri=QUIZ, course_id="c1", is_assessment=True, strand="experiential")
    school.add(
        "raw.statement",
        statement_id="s1",
        object_iri=QUIZ,
        activity_type_iri="http://adlnet.gov/expapi/activities/media",
    )
    assert core(school, "activity_kind, strand") == {"s1": ("assessment", "experiential")}


# --- local days ---------------------------------------------------------------------------------------------------

# 23:30 UTC on 1 March is still 18:30 in New York, and 08:30 on 2 March in Tokyo.
LATE = "2024-03-01 23:30:00"


def places(house):
    return core(house, "epoch_day, first_second, known_epoch_day")["s1"]


@pytest.mark.parametrize(
    ("zone", "day", "second"),
    [
        ("UTC", "2024-03-01", 84_600),
        ("America/New_York", "2024-03-01", 66_600),
        ("Asia/Tokyo", "2024-03-02", 30_600),
        ("Asia/Kolkata", "2024-03-02", 18_000),
    ],
)
def test_days_and_seconds_are_the_learners(house, zone, day, second):
    house.add("raw.learner", learner_id="ana", timezone=zone)
    house.warehouse.execute("INSERT INTO identity.main.identifier_link VALUES ('i-ana', 'ana')")
    house.add("raw.statement", statement_id="s1", happened_at=LATE)
    assert places(house) == (epoch(day), second, epoch(day))


def test_daylight_saving_moves_the_day_with_the_clock(house):
    # Lisbon is on UTC until 31 March 2024 at 01:00, then an hour ahead.
    house.add("raw.learner", learner_id="ana", timezone="Europe/Lisbon")
    house.warehouse.execute("INSERT INTO identity.main.identifier_link VALUES ('i-ana', 'ana')")
    house.add("raw.statement", statement_id="winter", happened_at="2024-03-30 23:30:00")
    house.add("raw.statement", statement_id="summer", happened_at="2024-03-31 23:30:00")
    days = core(house.observed("2024-05-01"), "epoch_day")
    assert days == {"winter": (epoch("2024-03-30"),), "summer": (epoch("2024-04-01"),)}


def test_without_the_learners_zone_the_programmes_holds_and_then_the_organisations(school):
    tokyo = replace(school.night, settings=school.night.settings.model_copy(update={"timezone": "Asia/Tokyo"}))
    house = replace(school, night=tokyo)
    house.add("raw.statement", statement_id="s1", happened_at=LATE)
    assert places(house)[0] == epoch("2024-03-02")
    house.add("raw.statement", statement_id="stranger", identity_id="i-x", happened_at=LATE)
    assert core(house, "epoch_day")["stranger"] == (epoch("2024-03-02"),)

    house.add("raw.programme", programme_id="ny", name="Elsewhere", timezone="America/New_York")
    enrol(house, "e1", programme_id="ny")
    assert places(house)[:2] == (epoch("2024-03-01"), 66_600)


def test_what_was_stored_before_it_happened_is_known_on_its_own_day(school):
    school.add("raw.statement", statement_id="s1", happened_at="2024-03-02 12:00:00", known_at="2024-03-01 12:00:00")
    assert places(school)[2] == epoch("2024-03-02")


def test_what_was_stored_later_is_known_on_that_day(school):
    school.add("raw.statement", statement_id="s1", happened_at="2024-03-02 12:00:00", known_at="2024-03-05 12:00:00")
    assert places(school)[2] == epoch("2024-03-05")
