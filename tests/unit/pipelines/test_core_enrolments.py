"""How enrolments and participations stand: status, then a completing statement, then silence; as known by then."""

from __future__ import annotations

from datetime import date

import pytest

from data_contracts.tables.core import ENROLMENT, PARTICIPATION
from pipelines.core.enrolments import build_enrolments, build_participations
from pipelines.core.mentoring import build_matches

COURSE = "https://lms.test/course/1"


def epoch(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.fixture
def school(house):
    """One course of January to June in one programme, one learner."""
    house.add("raw.programme", programme_id="p", name="A programme")
    house.add(
        "raw.course", course_id="c1", activity_iri=COURSE, title="One", starts_on="2024-01-08", ends_on="2024-06-30"
    )
    house.add("raw.learner", learner_id="ana")
    return house


def enrol(house, enrolment_id="e1", **values):
    given = {
        "learner_id": "ana",
        "programme_id": "p",
        "course_id": "c1",
        "enrolled_on": "2024-01-10",
        "status": "active",
    }
    house.add("raw.enrolment", enrolment_id=enrolment_id, **(given | values))


def complete(house, day, enrolment_id="e1", **values):
    """A completing statement about the course itself, attributed already."""
    given = {"statement_id": f"s-{enrolment_id}-{day}", "verb_kind": "completed", "is_about_course": True}
    known = {"epoch_day": epoch(day), "known_epoch_day": epoch(day)}
    house.add("core.statement", enrolment_id=enrolment_id, **(given | known | values))


def act(house, day, enrolment_id="e1"):
    house.add("core.enrolment_day", enrolment_id=enrolment_id, epoch_day=epoch(day), known_epoch_day=epoch(day))


def end(house, enrolment_id="e1"):
    """(kind, rule, local day, day known) of an enrolment's end."""
    build_enrolments(house.night)
    found = house.rows(
        "SELECT ended_kind, ended_rule, ended_epoch_day, ended_known_epoch_day FROM core.enrolment WHERE enrolment_id = ?",
        enrolment_id,
    )
    return found[0]


NOT_ENDED = (None, None, None, None)


# --- ends ---------------------------------------------------------------------------------------------------------


def test_a_recorded_status_ends_the_enrolment_on_its_day(school):
    enrol(school, status="withdrawn_administratively", status_on="2024-02-01")
    assert end(school) == ("withdrawn_administratively", "status", epoch("2024-02-01"), epoch("2024-02-01"))


def test_the_status_goes_before_a_completing_statement_of_an_earlier_day(school):
    enrol(school, status="abandoned", status_on="2024-02-01")
    complete(school, "2024-01-20")
    assert end(school)[:3] == ("abandoned", "status", epoch("2024-02-01"))


def test_a_completing_statement_ends_an_active_enrolment_on_its_first_day(school):
    enrol(school)
    for day in ("2024-02-20", "2024-02-10"):
        complete(school, day)
    assert end(school) == ("completed", "statement", epoch("2024-02-10"), epoch("2024-02-10"))


@pytest.mark.parametrize("other", [{"verb_kind": "submitted"}, {"is_about_course": False}, {"enrolment_id": "e9"}])
def test_only_completing_the_course_itself_counts(school, other):
    enrol(school)
    act(school, "2024-03-01")
    complete(school, "2024-02-10", **other)
    assert end(school) == NOT_ENDED


@pytest.mark.parametrize("kind", ["completed", "passed", "satisfied"])
def test_a_course_completed_passed_or_satisfied_is_completed(school, kind):
    enrol(school)
    complete(school, "2024-02-10", verb_kind=kind)
    assert end(school)[:3] == ("completed", "statement", epoch("2024-02-10"))


def test_a_completing_statement_goes_before_silence(school):
    enrol(school)
    act(school, "2024-01-11")
    complete(school, "2024-03-01")
    assert end(school)[:2] == ("completed", "statement")


@pytest.mark.parametrize(("last", "is_gone"), [("2024-02-13", True), ("2024-02-14", False)])
def test_silence_of_28_days_ends_where_nobody_records_ends_and_is_known_when_it_is_over(school, last, is_gone):
    # Tonight 13 March begins: the last day that 28 days of silence can follow and be known is 13 February.
    enrol(school)
    act(school, "2024-01-20")
    act(school, last)
    silent = ("abandoned", "silence", epoch(last), epoch(last) + 28)
    assert end(school) == (silent if is_gone else NOT_ENDED)


def test_one_who_never_came_is_silent_from_the_day_of_enrolment(school):
    enrol(school)
    assert end(school)[:3] == ("abandoned", "silence", epoch("2024-01-10"))


def test_silence_says_nothing_where_somebody_records_ends(school):
    enrol(school)
    enrol(school, "e2", learner_id="bo", status="failed", status_on="2024-02-01")
    assert end(school) == NOT_ENDED
    assert school.rows("SELECT DISTINCT has_recorded_outcome FROM core.enrolment") == [(True,)]


def test_a_status_without_its_day_ended_on_the_last_day_of_the_course(school):
    enrol(school, status="completed", due_on="2024-02-20")
    enrol(school, "e2", learner_id="bo", status="completed")
    assert end(school)[2] == epoch("2024-02-20")
    assert end(school, "e2") == NOT_ENDED


# --- as known by then ---------------------------------------------------------------------------------------------


def test_an_end_recorded_late_is_masked_until_it_was_known(school):
    enrol(school, status="abandoned", status_on="2024-02-01", recorded_at="2024-02-20 09:00:00")
    told = ("abandoned", "status", epoch("2024-02-01"), epoch("2024-02-20"))
    assert end(school.observed("2024-02-20")) == NOT_ENDED
    assert end(school.observed("2024-02-21")) == told
    assert end(school) == told


def test_an_end_is_known_from_the_first_export_that_told_it(school):
    enrol(school, status="active", recorded_at="2024-01-10 02:00:00", known_at="2024-01-10 02:00:00")
    for night in ("2024-02-03", "2024-02-04", "2024-03-10"):
        told_at = f"{night} 02:00:00"
        enrol(school, status="abandoned", status_on="2024-02-01", recorded_at=told_at, known_at=told_at)
    assert end(school) == ("abandoned", "status", epoch("2024-02-01"), epoch("2024-02-03"))


def test_one_who_came_back_is_active_again(school):
    enrol(school, status="abandoned", status_on="2024-02-01", recorded_at="2024-02-03 02:00:00")
    enrol(school, status="active", recorded_at="2024-02-10 02:00:00", known_at="2024-02-10 02:00:00")
    assert end(school) == NOT_ENDED


def test_an_end_that_lies_ahead_is_not_there_yet(school):
    enrol(school, status="completed", status_on="2024-03-13", recorded_at="2024-03-01 09:00:00")
    assert end(school) == NOT_ENDED
    assert end(school.observed("2024-03-14"))[0] == "completed"


def test_a_completing_statement_known_late_is_masked_too(school):
    enrol(school, status="active")
    enrol(school, "e2", learner_id="bo", status="failed", status_on="2024-02-01")
    complete(school, "2024-02-10", known_epoch_day=epoch("2024-03-13"))
    assert end(school) == NOT_ENDED
    assert end(school.observed("2024-03-14"))[:2] == ("completed", "statement")


def test_the_day_an_end_was_recorded_is_the_learners(school):
    # 03:00 UTC on 20 February is still the 19th in New York.
    school.add("raw.learner", learner_id="bo", timezone="America/New_York")
    enrol(school, learner_id="bo", status="abandoned", status_on="2024-02-01", recorded_at="2024-02-20 03:00:00")
    assert end(school)[3] == epoch("2024-02-19")


def test_one_who_enrols_tonight_or_later_is_not_there_yet(school):
    enrol(school, enrolled_on="2024-03-13")
    assert build_enrolments(school.night) == 0
    assert build_enrolments(school.observed("2024-03-14").night) == 1


# --- what an enrolment is -----------------------------------------------------------------------------------------


def test_an_enrolment_of_no_programme_belongs_to_an_implicit_one_of_its_course(school):
    enrol(school, programme_id=None)
    build_enrolments(school.night)
    assert school.rows("SELECT programme_id, participation_id FROM core.enrolment") == [("course:c1", "course:c1:ana")]


def test_the_zone_is_the_learners_else_the_programmes_else_the_organisations(school):
    school.add("raw.programme", programme_id="ny", name="Elsewhere", timezone="America/New_York")
    school.add("raw.learner", learner_id="bo", timezone="Asia/Tokyo")
    enrol(school, "both", learner_id="bo", programme_id="ny")
    enrol(school, "programme", programme_id="ny")
    enrol(school, "neither")
    build_enrolments(school.night)
    assert dict(school.rows("SELECT enrolment_id, timezone FROM core.enrolment")) == {
        "both": "Asia/Tokyo",
        "programme": "America/New_York",
        "neither": "UTC",
    }


def test_a_course_lasts_from_its_start_to_the_due_day_else_its_end_else_a_year(school):
    school.add("raw.course", course_id="open", activity_iri="https://lms.test/open", title="Open")
    enrol(school, "due", due_on="2024-05-01")
    enrol(school, "course")
    enrol(school, "open", course_id="open")
    build_enrolments(school.night)
    days = {
        row[0]: row[1:]
        for row in school.rows("SELECT enrolment_id, course_start_epoch_day, course_end_epoch_day FROM core.enrolment")
    }
    assert days == {
        "due": (epoch("2024-01-08"), epoch("2024-05-01")),
        "course": (epoch("2024-01-08"), epoch("2024-06-30")),
        "open": (epoch("2024-01-10"), epoch("2024-01-10") + 365),
    }


def test_a_restated_enrolment_stands_once_as_its_latest_version(school):
    enrol(school, known_at="2024-01-10")
    enrol(school, status="failed", status_on="2024-02-01", known_at="2024-02-01")
    assert build_enrolments(school.night) == 1
    assert end(school)[0] == "failed"


# --- participations -----------------------------------------------------------------------------------------------


def core_enrolment(house, course_id, kind=None, day=None, learner_id="ana"):
    house.add(
        "core.enrolment",
        enrolment_id=f"{learner_id}-{course_id}",
        learner_id=learner_id,
        programme_id="p",
        course_id=course_id,
        participation_id=f"p:{learner_id}",
        enrolled_epoch_day=epoch("2024-01-10"),
        ended_epoch_day=None if day is None else epoch(day),
        ended_kind=kind,
    )


def participation(house):
    build_participations(house.night)
    return house.rows("SELECT status, starts_on, ended_on FROM core.participation")[0]


JANUARY, FEBRUARY, MARCH = "2024-01-20", "2024-02-20", "2024-03-01"


@pytest.mark.parametrize(
    ("ends", "status", "ended_on"),
    [
        ({"req1": ("completed", JANUARY), "req2": ("completed", FEBRUARY), "opt": None}, "completed", None),
        (
            {"req1": ("completed", JANUARY), "req2": ("completed", FEBRUARY), "opt": ("abandoned", MARCH)},
            "completed",
            MARCH,
        ),
        ({"req1": ("completed", JANUARY), "req2": None}, "active", None),
        ({"req1": ("abandoned", JANUARY), "req2": None}, "active", None),
        ({"req1": ("completed", JANUARY), "req2": ("abandoned", FEBRUARY)}, "abandoned", FEBRUARY),
        ({"req1": ("failed", JANUARY), "req2": ("abandoned", FEBRUARY)}, "abandoned", FEBRUARY),
        ({"req1": ("abandoned", JANUARY), "req2": ("transferred", FEBRUARY)}, "ended", FEBRUARY),
        ({"req1": ("left_organisation", JANUARY)}, "ended", JANUARY),
        ({"req1": ("abandoned", JANUARY), "req2": ("completed", FEBRUARY)}, "completed", FEBRUARY),
        ({"opt": ("completed", JANUARY)}, "completed", JANUARY),
    ],
)
def test_a_participation_stands_as_its_courses_do(school, ends, status, ended_on):
    for course_id, is_required in (("req1", True), ("req2", True), ("opt", False)):
        school.add("raw.programme_course", programme_id="p", course_id=course_id, is_required=is_required)
    for course_id, how in ends.items():
        core_enrolment(school, course_id, *(how or ()))
    day = None if ended_on is None else date.fromisoformat(ended_on)
    assert participation(school) == (status, date(2024, 1, 10), day)


def test_without_required_courses_completing_one_is_enough_and_completing_none_is_not(school):
    core_enrolment(school, "c1", "completed", JANUARY)
    core_enrolment(school, "c2")
    core_enrolment(school, "c1", learner_id="bo")
    build_participations(school.night)
    assert dict(school.rows("SELECT learner_id, status FROM core.participation")) == {
        "ana": "completed",
        "bo": "active",
    }


def match(house, match_id, **values):
    given = {"mentor_id": f"mentor-{match_id}", "learner_id": "ana", "programme_id": "p", "matched_on": "2024-02-01"}
    house.add("raw.mentoring_match", match_id=match_id, **(given | values))


@pytest.mark.parametrize(
    ("matches", "mentor"),
    [
        ({"m1": {}}, "mentor-m1"),
        ({"m1": {}, "m2": {"matched_on": "2024-02-20"}}, "mentor-m2"),
        ({"m1": {"ended_on": "2024-03-12"}}, None),
        ({"m1": {"ended_on": "2024-03-13"}}, "mentor-m1"),
        ({"m1": {"matched_on": "2024-03-13"}}, None),
        ({"m1": {"known_at": "2024-03-13"}}, None),
        ({"m1": {"programme_id": "q"}}, None),
    ],
)
def test_the_mentor_is_that_of_the_latest_match_that_stands_tonight(school, matches, mentor):
    core_enrolment(school, "c1")
    for match_id, values in matches.items():
        match(school, match_id, **values)
    build_matches(school.night)
    build_participations(school.night)
    assert school.rows("SELECT mentor_id FROM core.participation WHERE programme_id = 'p'") == [(mentor,)]


def test_both_tables_hold_their_contracts(school):
    from data_contracts.expectations import judge_rows  # noqa: PLC0415 - seconds to import

    enrol(school)
    enrol(school, "e2", learner_id="bo", status="failed", status_on="2024-02-01")
    build_enrolments(school.night)
    build_participations(school.night)
    for table in (ENROLMENT, PARTICIPATION):
        told = judge_rows(table, school.warehouse.con.sql(f"FROM {table.qualified_name}").df())
        assert told.is_passed, told.violations


@pytest.mark.parametrize(("ended_on", "status"), [(None, "active"), ("2024-03-12", "ended")])
def test_who_has_a_match_and_no_enrolment_takes_part_while_the_match_goes_on(school, ended_on, status):
    match(school, "m1", ended_on=ended_on)
    build_matches(school.night)
    build_participations(school.night)
    assert school.rows("SELECT status, match_id FROM core.participation") == [(status, None if ended_on else "m1")]
