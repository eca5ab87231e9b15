"""Deduplicated, voided, placed on local days, attributed: each rule on a handful of statements."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
def test_of_other_content_under_one_id_the_first_known_stands_and_each_other_is_told_once(school, order):
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
        ("statement", "conflicting_content", 2)
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
    school.add("raw.statement", statement_id="s1", registration="e2", context_iris=COURSE)
    assert attribution(school) == {"s1": ("e2", "registration")}


def test_another_learners_registration_is_not_theirs(school):
    enrol(school, "e1")
    enrol(school, "e9", "c2", learner_id="bo")
    school.add("raw.statement", statement_id="s1", registration="e9", context_iris=COURSE)
    assert attribution(school) == {"s1": ("e1", "parent_course")}


@pytest.mark.parametrize("place", [{"context_iris": COURSE}, {"object_iri": COURSE}, {"object_iri": QUIZ}])
def test_the_course_is_told_by_parent_by_the_object_or_by_the_objects_course(school, place):
    school.add("raw.activity", activity_iri=QUIZ, course_id="c1")
    enrol(school, "e1")
    enrol(school, "e2", "c2", "2024-02-01")
    school.add("raw.statement", statement_id="s1", **place)
    assert attribution(school) == {"s1": ("e1", "parent_course")}


def test_a_statement_of_no_course_goes_to_the_most_recently_started_enrolment_that_fits_ambiguous_among_several(school):
    enrol(school, "long", "c1", "2024-01-08", due_on="2024-12-31")
    enrol(school, "short", "c2", "2024-02-01", due_on="2024-02-10")
    for number, day in enumerate(["2024-01-07", "2024-01-08", "2024-02-01", "2024-02-10", "2024-02-11"]):
        school.add("raw.statement", statement_id=f"s{number}", happened_at=f"{day} 12:00:00")
    assert attribution(school) == {
        "s0": (None, "outside"),
        "s1": ("long", "most_recent"),
        "s2": ("short", "ambiguous"),
        "s3": ("short", "ambiguous"),
        "s4": ("long", "most_recent"),
    }


def test_a_statement_takes_the_course_of_the_enrolment_it_goes_to(school):
    enrol(school, "e1", "c2")
    school.add("raw.statement", statement_id="s1")
    assert core(school, "course_id") == {"s1": ("c2",)}


def test_of_two_enrolments_in_one_course_the_most_recently_started_is_taken_and_counted_as_ambiguous(school):
    enrol(school, "first", "c1", "2024-01-08")
    enrol(school, "second", "c1", "2024-02-01")
    for number, day in enumerate(["2024-01-01", "2024-01-20", "2024-02-01"]):
        school.add("raw.statement", statement_id=f"s{number}", context_iris=COURSE, happened_at=f"{day} 12:00:00")
    # On 20 January only the first had begun, so nothing was ambiguous then.
    assert attribution(school) == {
        "s0": (None, "outside"),
        "s1": ("first", "parent_course"),
        "s2": ("second", "ambiguous"),
    }


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_enrolments_started_on_one_day_the_same_is_taken_in_any_order_of_rows(school, order):
    for enrolment_id in order:
        enrol(school, enrolment_id, "c1" if enrolment_id == "a" else "c2")
    school.add("raw.statement", statement_id="s1")
    assert attribution(school) == {"s1": ("b", "ambiguous")}


def test_a_course_one_is_not_enrolled_in_is_outside_though_another_enrolment_runs(school):
    enrol(school, "e1")
    school.add("raw.statement", statement_id="s1", context_iris=OTHER_COURSE)
    assert core(school, "enrolment_id, attribution, course_id") == {"s1": (None, "outside", "c2")}


def test_a_statement_of_nobody_and_of_nobody_known_stays_and_is_outside(school):
    enrol(school, "e1")
    school.add("raw.statement", statement_id="group", identity_id=None)
    school.add("raw.statement", statement_id="stranger", identity_id="i-x", context_iris=COURSE)
    assert core(school, "learner_id, enrolment_id, attribution") == {
        "group": (None, None, "outside"),
        "stranger": ("i-x", None, "outside"),
    }


def test_every_statement_is_attributed_exactly_once(school):
    enrol(school, "e1")
    enrol(school, "e2", "c1", "2024-02-01")
    enrol(school, "e3", "c2")
    places = [
        {},
        {"context_iris": COURSE},
        {"context_iris": OTHER_COURSE},
        {"registration": "e3"},
        {"identity_id": None},
    ]
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


# --- versions of one statement ------------------------------------------------------------------------------------


def losing_contents(house):
    return house.rows(
        "SELECT fault_id, source_name FROM raw.quarantine WHERE reason = 'conflicting_content' ORDER BY 1"
    )


VERSIONS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 4), st.sampled_from(["lrs-1", "lrs-2"])),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(versions=VERSIONS, order=st.randoms(use_true_random=False), nightly=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_kept_and_what_is_refused_does_not_hang_on_the_order_of_arrival(school, versions, order, nightly):
    def arrive(rows, *, every):
        school.warehouse.execute("DELETE FROM raw.statement; DELETE FROM raw.quarantine")
        for content, day, source in rows:
            known = f"2024-03-0{day}"
            given = {"content_hash": content, "object_iri": f"https://lms.test/{content}", "source_name": source}
            school.add("raw.statement", statement_id="s", known_at=known, stored_at=known, happened_at=known, **given)
            if every:
                build(school)
        return core(school, "object_iri, known_at"), losing_contents(school)

    kept, refused = arrive(sorted(versions), every=False)
    assert arrive(order.sample(versions, len(versions)), every=nightly) == (kept, refused)
    assert len(refused) == len({content for content, *_ in versions}) - 1
    first = min((day, content) for content, day, _ in versions)
    assert kept["s"][0] == f"https://lms.test/{first[1]}"


def test_a_void_whose_target_never_came_is_counted_and_one_that_targets_a_void_is_not(school):
    school.add("raw.statement", statement_id="s1")
    void(school, "v1", "s1")
    void(school, "v2", "v1")
    void(school, "v3", "never-seen")
    assert found(school, "voided", "void_without_target") == {"voided": (1, 4), "void_without_target": (1, 3)}


def test_stored_long_after_the_fact_in_bulk_is_a_migration_and_says_nothing_of_knowing(school):
    for number in range(3):
        given = {"happened_at": f"2023-03-0{number + 1} 12:00:00", "source_name": "moved"}
        school.add("raw.statement", statement_id=f"m{number}", stored_at="2024-03-14", known_at="2024-03-14", **given)
    late = {"happened_at": "2024-03-01 12:00:00", "source_name": "live"}
    school.add("raw.statement", statement_id="late", stored_at="2024-03-05", known_at="2024-03-05", **late)
    days = core(school, "epoch_day, known_epoch_day")
    assert days == {
        **{f"m{number}": (epoch(f"2023-03-0{number + 1}"),) * 2 for number in range(3)},
        "late": (epoch("2024-03-01"), epoch("2024-03-05")),
    }


# --- groups -------------------------------------------------------------------------------------------------------


def group(house, statement_id, *members, kind="group", **values):
    told = {"identity_id": None, "actor_kind": kind, "member_identity_ids": " ".join(sorted(members)) or None}
    house.add("raw.statement", statement_id=statement_id, **(told | values))


def test_what_a_group_did_counts_once_for_each_learner_in_it(school):
    school.warehouse.execute("INSERT INTO identity.main.identifier_link VALUES ('i-ana-2', 'ana')")
    enrol(school, "e1")
    group(school, "g1", "i-ana", "i-ana-2", "i-bo", kind="anonymous_group", context_iris=COURSE)
    build(school)
    assert school.rows("SELECT learner_id, enrolment_id, identity_id FROM core.statement ORDER BY 1") == [
        ("ana", "e1", "i-ana"),
        ("i-bo", None, "i-bo"),
    ]
    key = [len(set(rows)) == len(rows) for rows in [school.rows("SELECT statement_id, learner_id FROM core.statement")]]
    assert key == [True]


def test_a_group_without_members_belongs_to_nobody_and_is_counted(school):
    enrol(school, "e1")
    # The door gives a group no identity of its own; one that stood there would name nobody all the same.
    group(school, "g1", identity_id="i-ana")
    group(school, "g2", "i-ana")
    assert core(school, "learner_id, enrolment_id") == {"g1": (None, None), "g2": ("ana", "e1")}
    assert found(school, "group_without_members") == {"group_without_members": (1, 2)}


def test_a_voided_statement_of_a_group_is_gone_for_all_its_members(school):
    group(school, "g1", "i-ana", "i-bo")
    void(school, "v1", "g1")
    assert build(school) == 0


# --- where a statement belongs ------------------------------------------------------------------------------------

MOODLE = "https://moodle.test/course/view.php?id=5"
OPEN_EDX = "https://lms.test/courses/course-v1:Org+Course+Run_1/about"


@pytest.mark.parametrize(
    ("course", "iri"),
    [
        (MOODLE, "http://moodle.test/course/view.php?id=5"),
        (MOODLE, "https://moodle.test/course/view.php?id=5&section=3"),
        (MOODLE, "https://moodle.test/course/view.php?section=3&id=5#top"),
        ("https://lms.test/c/", "https://lms.test/c"),
        ("https://lms.test/c", "https://lms.test/c?from=mail"),
        (OPEN_EDX, "course-v1:Org+Course+Run_1"),
        (OPEN_EDX, "https://lms.test/course/course-v1:Org+Course+Run_1"),
        (OPEN_EDX, "https://lms.test/xblock/block-v1:Org+Course+Run_1+type@video+block@77"),
        (OPEN_EDX, "https://lms.test/xblock/block-v1%3AOrg%2BCourse%2BRun_1%2Btype@video"),
    ],
)
def test_a_course_is_known_in_every_way_in_which_it_is_written(school, course, iri):
    school.add("raw.course", course_id="c9", activity_iri=course, title="A course")
    enrol(school, "e9", "c9")
    enrol(school, "e1", enrolled_on="2024-02-01")
    school.add("raw.statement", statement_id="object", object_iri=iri)
    school.add("raw.statement", statement_id="context", context_iris=f"https://lms.test/site {iri}")
    assert attribution(school) == {"object": ("e9", "parent_course"), "context": ("e9", "parent_course")}


@pytest.mark.parametrize(
    ("course", "iri"),
    [
        (MOODLE, "https://moodle.test/course/view.php?id=55"),
        (MOODLE, "https://moodle.test/course/view.php"),
        (OPEN_EDX, "https://lms.test/course/course-v1:Org+Course+Run_2"),
        ("https://lms.test/c", "https://lms.test/c/page"),
    ],
)
def test_another_course_is_not_taken_for_it(school, course, iri):
    school.add("raw.course", course_id="c9", activity_iri=course, title="A course")
    school.add("raw.statement", statement_id="s1", object_iri=iri)
    assert core(school, "course_id") == {"s1": (None,)}


def test_the_first_of_the_contexts_activities_that_names_a_course_decides(school):
    enrol(school, "e1")
    enrol(school, "e2", "c2", "2024-02-01")
    school.add("raw.statement", statement_id="s1", context_iris=f"https://lms.test/section {COURSE} {OTHER_COURSE}")
    school.add("raw.statement", statement_id="s2", object_iri=COURSE, context_iris=OTHER_COURSE)
    assert attribution(school) == {"s1": ("e1", "parent_course"), "s2": ("e1", "parent_course")}


def test_an_activity_of_several_courses_goes_where_the_learner_is_enrolled(school):
    for course_id in ("c1", "c2"):
        school.add("raw.activity", activity_iri=QUIZ, course_id=course_id)
    enrol(school, "e2", "c2")
    school.add("raw.statement", statement_id="s1", object_iri=QUIZ)
    school.add("raw.statement", statement_id="s2", object_iri=QUIZ, context_iris=COURSE)
    assert core(school, "enrolment_id, course_id") == {"s1": ("e2", "c2"), "s2": (None, "c1")}


REGISTRATION = "0c9c5c4e-0f0a-4a6f-9d53-0b6f7b1f1a11"


@pytest.mark.parametrize("order", [("certain", "bare"), ("bare", "certain")])
def test_a_registration_seen_in_one_enrolment_places_statements_that_name_no_course(school, order):
    enrol(school, "e1")
    enrol(school, "e2", "c2", "2024-02-01")
    for name in order:
        place = COURSE if name == "certain" else None
        school.add("raw.statement", statement_id=name, registration=REGISTRATION, context_iris=place)
    school.add("raw.statement", statement_id="none")
    assert attribution(school) == {
        "certain": ("e1", "parent_course"),
        "bare": ("e1", "registration"),
        "none": ("e2", "ambiguous"),
    }
    assert found(school, "ambiguous_registration") == {"ambiguous_registration": (0, 1)}


@pytest.mark.parametrize("other", [{"context_iris": OTHER_COURSE}, {"identity_id": "i-bo"}])
def test_a_registration_seen_with_several_enrolments_or_learners_places_nothing_and_is_counted(school, other):
    enrol(school, "e1")
    enrol(school, "e2", "c2", "2024-02-01")
    school.add("raw.statement", statement_id="s1", registration=REGISTRATION, context_iris=COURSE)
    school.add("raw.statement", statement_id="s2", registration=REGISTRATION, **other)
    school.add("raw.statement", statement_id="s3", registration=REGISTRATION)
    assert attribution(school)["s3"] == ("e2", "ambiguous")
    assert found(school, "ambiguous_registration") == {"ambiguous_registration": (1, 1)}


def test_a_registration_learned_elsewhere_does_not_contradict_the_course_a_statement_names(school):
    enrol(school, "e1")
    school.add("raw.statement", statement_id="s1", registration=REGISTRATION, context_iris=COURSE)
    school.add("raw.statement", statement_id="s2", registration=REGISTRATION, context_iris=OTHER_COURSE)
    assert attribution(school)["s2"] == (None, "outside")


def test_a_registration_is_not_learned_from_what_is_not_known_yet(school):
    enrol(school, "e1")
    enrol(school, "e2", "c2", "2024-02-01")
    school.add("raw.statement", statement_id="s1", registration=REGISTRATION)
    later = {"registration": REGISTRATION, "context_iris": COURSE, "known_at": "2024-03-13 00:00:00"}
    school.add("raw.statement", statement_id="s2", **later)
    assert attribution(school) == {"s1": ("e2", "ambiguous")}
    assert attribution(school.observed("2024-03-14"))["s1"] == ("e1", "registration")


@given(order=st.permutations(range(7)))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_attribution_does_not_hang_on_the_order_of_arrival(school, order):
    statements = [
        {"registration": REGISTRATION, "context_iris": COURSE},
        {"registration": REGISTRATION},
        {"registration": "other"},
        {"registration": "other", "context_iris": COURSE},
        {"registration": "other", "context_iris": OTHER_COURSE},
        {"identity_id": None, "actor_kind": "group", "member_identity_ids": "i-ana i-bo"},
        {},
    ]
    school.warehouse.execute("DELETE FROM raw.statement; DELETE FROM raw.enrolment")
    enrol(school, "e1")
    enrol(school, "e2", "c2", "2024-02-01")
    for number in order:
        school.add("raw.statement", statement_id=f"s{number}", **statements[number])
    build(school)
    assert school.rows(
        "SELECT statement_id, learner_id, enrolment_id, attribution FROM core.statement ORDER BY ALL"
    ) == [
        ("s0", "ana", "e1", "parent_course"),
        ("s1", "ana", "e1", "registration"),
        ("s2", "ana", "e2", "ambiguous"),
        ("s3", "ana", "e1", "parent_course"),
        ("s4", "ana", "e2", "parent_course"),
        ("s5", "ana", "e2", "ambiguous"),
        ("s5", "i-bo", None, "outside"),
        ("s6", "ana", "e2", "ambiguous"),
    ]
    assert found(school, "ambiguous_registration") == {"ambiguous_registration": (1, 2)}


# --- links that come later ----------------------------------------------------------------------------------------


def test_a_new_link_moves_what_the_identity_did_to_the_learner_who_was_there_before(school):
    enrol(school, "e1")
    school.add("raw.statement", statement_id="s1", context_iris=COURSE)
    school.add("raw.statement", statement_id="s2", identity_id="i-phone", context_iris=COURSE)
    assert core(school, "learner_id, enrolment_id") == {"s1": ("ana", "e1"), "s2": ("i-phone", None)}
    school.warehouse.execute("INSERT INTO identity.main.identifier_link VALUES ('i-phone', 'ana')")
    assert core(school, "learner_id, enrolment_id") == {"s1": ("ana", "e1"), "s2": ("ana", "e1")}


# --- what was found -----------------------------------------------------------------------------------------------


def found(house, *names):
    """(found, out of) of findings, by name and value."""
    build(house)
    told = house.rows("SELECT finding, finding_value, found_count, out_of_count FROM core.statement_finding")
    return {
        finding if value is None else (finding, value): tuple(rest)
        for finding, value, *rest in told
        if finding in names
    }


def test_attribution_is_counted_by_rule(school):
    enrol(school, "e1")
    enrol(school, "e2", "c2", "2024-02-01")
    for number, place in enumerate([COURSE, COURSE, OTHER_COURSE, "https://lms.test/elsewhere"]):
        school.add("raw.statement", statement_id=f"s{number}", context_iris=place)
    school.add("raw.statement", statement_id="s9", registration="e2")
    school.add("raw.statement", statement_id="stranger", identity_id="i-x")
    assert found(school, "attribution") == {
        ("attribution", "parent_course"): (3, 6),
        ("attribution", "ambiguous"): (1, 6),
        ("attribution", "registration"): (1, 6),
        ("attribution", "outside"): (1, 6),
    }


def test_repeated_and_conflicting_contents_are_counted_as_known_by_then(school):
    for stored in ("2024-03-02", "2024-03-03"):
        school.add("raw.statement", statement_id="s1", stored_at=stored, known_at=stored, content_hash="same")
    school.add("raw.statement", statement_id="s2", content_hash="a")
    school.add("raw.statement", statement_id="s2", content_hash="b", known_at="2024-03-13")
    asked = ("repeated", "conflicting_content")
    assert found(school, *asked) == {"repeated": (1, 3), "conflicting_content": (0, 2)}
    assert found(school.observed("2024-03-14"), *asked) == {"repeated": (1, 4), "conflicting_content": (1, 2)}


# --- meaning ------------------------------------------------------------------------------------------------------


def test_verbs_and_activity_types_get_their_kind_and_unknown_ones_are_other_and_formal(school):
    verb, kind = "http://adlnet.gov/expapi/verbs/", "http://adlnet.gov/expapi/activities/"
    said = {
        "known": (verb + "answered", kind + "question"),
        "unknown": ("https://x.test/verb", "https://x.test/type"),
        "talk": (verb + "commented", kind + "media"),
        "meeting": (verb + "attended", kind + "meeting"),
        "class": (verb + "attended", kind + "course"),
        "post": ("http://activitystrea.ms/create", "http://id.tincanapi.com/activitytype/forum-topic"),
        "slides": ("http://activitystrea.ms/create", kind + "file"),
        "practice": (verb + "experienced", kind + "performance"),
    }
    for name, (verb_iri, type_iri) in said.items():
        school.add("raw.statement", statement_id=name, verb_iri=verb_iri, activity_type_iri=type_iri)
    assert core(school, "verb_kind, activity_kind, strand") == {
        "known": ("submitted", "quiz", "formal"),
        "unknown": ("other", "other", "formal"),
        "talk": ("interacted", "video", "social"),
        "meeting": ("engaged", "collaboration", "social"),
        "class": ("engaged", "page", "formal"),
        "post": ("created", "forum", "social"),
        "slides": ("created", "resource", "experiential"),
        "practice": ("engaged", "work", "experiential"),
    }


def test_schemes_and_slashes_of_one_term_make_no_difference(school):
    for number, iri in enumerate(
        [
            "https://brindlewaye.com/xAPITerms/verbs/loggedin/",
            "https://brindlewaye.com/xAPITerms/verbs/loggedin",
            "http://brindlewaye.com/xAPITerms/verbs/loggedin",
        ]
    ):
        school.add("raw.statement", statement_id=f"s{number}", verb_iri=iri)
    assert set(core(school, "verb_kind, is_act").values()) == {("engaged", True)}


@pytest.mark.parametrize(
    ("verb", "result", "kind", "is_act"),
    [
        ("http://adlnet.gov/expapi/verbs/completed", {"is_completion": True}, "completed", True),
        ("http://adlnet.gov/expapi/verbs/completed", {}, "completed", True),
        ("http://adlnet.gov/expapi/verbs/completed", {"is_completion": False}, "engaged", True),
        ("http://adlnet.gov/expapi/verbs/passed", {"is_success": True, "scaled_score": 0.9}, "passed", True),
        ("http://adlnet.gov/expapi/verbs/passed", {"is_success": False}, "submitted", True),
        ("http://adlnet.gov/expapi/verbs/failed", {"is_success": False, "scaled_score": 0.2}, "submitted", True),
        ("http://adlnet.gov/expapi/verbs/scored", {"scaled_score": 0.9}, "graded", False),
        ("http://adlnet.gov/expapi/verbs/registered", {}, "administrative", False),
        ("http://id.tincanapi.com/verb/unregistered", {}, "administrative", False),
        ("https://w3id.org/xapi/adl/verbs/logged-out", {}, "administrative", False),
        ("https://w3id.org/xapi/acrossx/verbs/was-assigned", {}, "administrative", False),
        ("https://w3id.org/xapi/adl/verbs/satisfied", {}, "satisfied", False),
        ("https://w3id.org/xapi/adl/verbs/waived", {}, "administrative", False),
        ("https://w3id.org/xapi/adl/verbs/abandoned", {}, "administrative", False),
        ("https://x.test/verbs/pondered", {}, "other", True),
    ],
)
def test_only_what_the_learner_did_is_an_act_and_the_result_goes_before_the_verb(school, verb, result, kind, is_act):
    school.add("raw.statement", statement_id="s1", verb_iri=verb, **result)
    assert core(school, "verb_kind, is_act") == {"s1": (kind, is_act)}


@pytest.mark.parametrize(("iri", "is_about"), [(COURSE, True), (COURSE + "/", True), (QUIZ, False), ("x:y", False)])
def test_a_statement_about_the_course_itself_is_told_from_one_about_an_activity_of_it(school, iri, is_about):
    school.add("raw.activity", activity_iri=QUIZ, course_id="c1")
    school.add("raw.statement", statement_id="s1", object_iri=iri, context_iris=COURSE)
    assert core(school, "is_about_course") == {"s1": (is_about,)}


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
