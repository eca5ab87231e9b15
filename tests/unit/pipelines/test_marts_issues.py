"""Faults of courses: tickets, scores, due dates and what goes out of use; tonight is Wednesday 13 March."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.unit.pipelines.marts_rows import (
    TONIGHT,
    WEEK_9,
    WEEK_10,
    WEEK_11,
    add,
    at,
    enrol,
    epoch,
    on,
    rows,
    stated,
)


def issues(warehouse, *names):
    return rows(warehouse, "course_issues", *names)


def ticket(warehouse, ticket_id, learner_id, kind, opened_at):
    add(warehouse, "raw.support_ticket", ticket_id=ticket_id, learner_id=learner_id, kind=kind, opened_at=opened_at)


def activity(warehouse, activity_iri, due_on=None, **values):
    given = {"course_id": "C", "is_assessment": due_on is not None} | values
    add(warehouse, "raw.activity", activity_iri=activity_iri, due_on=due_on, **given)


# tickets


def test_tickets_go_to_the_course_begun_last_of_those_the_learner_was_in(warehouse):
    enrol(warehouse, "e1", "l1", course_id="early", course_start_epoch_day=epoch(2, 20))
    enrol(warehouse, "e2", "l1", course_id="late")
    gone = {"ended_epoch_day": epoch(3, 2), "ended_known_epoch_day": epoch(3, 2)}
    enrol(warehouse, "e3", "l1", course_id="left", course_start_epoch_day=epoch(3, 1), **gone)
    enrol(warehouse, "e4", "l2", course_id="late")
    for ticket_id, learner_id, kind, day in (
        ("t1", "l1", "content", 5),
        ("t2", "l1", "content", 10),
        ("t3", "l2", "content", 6),
        ("t4", "l1", "documentation", 5),
        ("t5", "l1", "technical", 5),
        ("t6", "nobody", "content", 5),
        ("t7", "l1", "content", 1),
    ):
        ticket(warehouse, ticket_id, learner_id, kind, at(3, day))
    assert issues(warehouse) == [
        ("late", "content", WEEK_10, 3, 2, "Support tickets about the content were opened."),
        ("late", "documentation", WEEK_10, 1, 1, "Support tickets about the documentation were opened."),
        ("left", "content", WEEK_9, 1, 1, "Support tickets about the content were opened."),
    ]


def test_a_tickets_week_is_the_learners_local_one(warehouse):
    enrol(warehouse, "e1", "l1", timezone="Europe/Athens")
    ticket(warehouse, "t", "l1", "content", at(3, 10, 22, 30))
    assert issues(warehouse, "week_starts_on") == [WEEK_11]


# evaluation


def give_scores(warehouse, activity_iri, shares, known, course_id="C"):
    """Score a work of so many further learners of a course."""
    begun = warehouse.scalar("SELECT count(*) FROM core.enrolment")
    for number, share in enumerate(shares, begun):
        enrol(warehouse, f"e{number}", f"l{number}", course_id=course_id)
        add(
            warehouse,
            "core.submission",
            enrolment_id=f"e{number}",
            activity_iri=activity_iri,
            score_share=share,
            score_known_epoch_day=known,
        )


def test_a_work_that_most_fail_shows_in_the_week_in_which_that_was_first_known(warehouse):
    give_scores(warehouse, "quiz", [0.1] * 5 + [0.9] * 4, epoch(3, 1))
    assert issues(warehouse) == []
    give_scores(warehouse, "quiz", [0.39, 0.1], epoch(3, 5))
    give_scores(warehouse, "quiz", [0.1] * 3 + [0.9] * 20, epoch(3, 12))
    evidence = "More than half of the scores are under 40 %: quiz."
    assert issues(warehouse) == [("C", "evaluation", WEEK_10, 1, 7, evidence)]


@pytest.mark.parametrize(
    "shares",
    [
        pytest.param([0.1] * 9, id="fewer than ten"),
        pytest.param([0.1] * 5 + [0.4] * 5, id="no more than half under .4"),
        pytest.param([0.1] * 9 + [None], id="a score that is not told"),
    ],
)
def test_few_scores_or_half_of_them_say_nothing_of_a_work(warehouse, shares):
    give_scores(warehouse, "quiz", shares, epoch(3, 5))
    assert issues(warehouse) == []


def test_scores_known_from_tonight_on_are_not_known(warehouse):
    give_scores(warehouse, "quiz", [0.1] * 10, TONIGHT)
    assert issues(warehouse) == []


def test_scores_of_other_runs_say_nothing_of_this_one(warehouse):
    give_scores(warehouse, "quiz", [0.1] * 6, epoch(3, 5))
    give_scores(warehouse, "quiz", [0.1] * 6, epoch(3, 5), course_id="D")
    assert issues(warehouse) == []


# design


def designed(warehouse, *days, **values):
    for number, day in enumerate(days):
        activity(warehouse, f"work {number}", on(*day), **values)
    return issues(warehouse, "cause", "week_starts_on", "issues_count", "learners_count")


@pytest.fixture
def run(warehouse):
    """A run with two learners, one of whom left on 1 March."""
    enrol(warehouse, "e1", "l1")
    enrol(warehouse, "e2", "l2", ended_epoch_day=epoch(3, 1), ended_known_epoch_day=epoch(3, 1))
    return warehouse


def test_three_works_due_within_a_week_show_in_the_week_of_the_last(run):
    assert designed(run, (2, 27), (3, 1), (3, 4)) == [("design", WEEK_10, 1, 1)]
    evidence = "Assessed works due within 7 days: work 0, work 1, work 2."
    assert issues(run, "evidence") == [evidence]


@pytest.mark.parametrize("days", [[(2, 27), (3, 4)], [(2, 27), (3, 1), (3, 5)]])
def test_two_works_or_three_within_more_than_a_week_are_no_fault(run, days):
    assert designed(run, *days) == []


def test_a_work_more_in_the_same_seven_days_is_the_same_fault(run):
    assert designed(run, (3, 1), (3, 2), (3, 3), (3, 4), (3, 4)) == [("design", WEEK_10, 1, 1)]
    evidence = "Assessed works due within 7 days: work 0, work 1, work 2 and 2 more."
    assert issues(run, "evidence") == [evidence]


def test_works_that_go_on_crowding_are_faults_of_their_own(run):
    assert designed(run, (2, 26), (2, 29), (3, 3), (3, 6)) == [("design", WEEK_9, 1, 1), ("design", WEEK_10, 1, 1)]


def test_what_is_not_assessed_or_not_due_yet_crowds_nothing(run):
    assert designed(run, (3, 11), (3, 12), (3, 13)) == []
    assert designed(run, (3, 5), (3, 5), (3, 5), is_assessment=False) == []


# dead resources

FIRST = epoch(1, 15)


@pytest.fixture
def handbook(warehouse):
    """A listed handbook in a course with 20 learners who are active every week since Monday 15 January."""
    activity(warehouse, "handbook")
    for number in range(20):
        enrol(
            warehouse,
            f"e{number}",
            f"l{number}",
            enrolled_epoch_day=FIRST,
            course_start_epoch_day=FIRST,
        )
    return warehouse


def opened(warehouse, object_iri, learners, weeks):
    for number in range(learners):
        for week in weeks:
            stated(warehouse, f"e{number}", FIRST + 7 * week, object_iri, learner_id=f"l{number}")


def test_what_learners_kept_coming_back_to_and_nobody_opens_any_more_is_dead_after_14_days(handbook):
    opened(handbook, "handbook", 5, range(4))
    opened(handbook, "lessons", 12, range(8))
    evidence = "In steady use, then for 14 days not at all while the course went on: handbook."
    assert issues(handbook) == [("C", "dead_resource", on(2, 19), 1, 12, evidence)]


def test_what_is_opened_again_after_14_days_is_not_dead_and_after_15_was(handbook):
    opened(handbook, "handbook", 5, range(4))
    opened(handbook, "lessons", 12, range(8))
    stated(handbook, "e1", FIRST + 21 + 14, "handbook")
    assert issues(handbook) == []
    handbook.execute(
        "UPDATE core.statement SET epoch_day = epoch_day + 1 WHERE object_iri = 'handbook' AND epoch_day > ?",
        [FIRST + 21],
    )
    assert issues(handbook, "cause", "week_starts_on") == [("dead_resource", on(2, 19))]


def test_the_14_days_have_to_be_over_and_within_the_course(handbook):
    opened(handbook, "handbook", 5, range(4, 7))
    opened(handbook, "lessons", 12, range(9))
    assert epoch(2, 26) == FIRST + 7 * 6
    handbook.execute("UPDATE core.statement SET epoch_day = epoch_day + 2 WHERE object_iri = 'handbook'")
    assert issues(handbook, "cause") == []
    handbook.execute("UPDATE core.statement SET epoch_day = epoch_day - 1 WHERE object_iri = 'handbook'")
    assert issues(handbook, "week_starts_on") == [WEEK_11]
    handbook.execute(f"UPDATE core.enrolment SET course_end_epoch_day = {epoch(3, 11)}")
    assert issues(handbook, "cause") == []


def test_a_lesson_that_all_are_past_is_not_dead(handbook):
    activity(handbook, "lesson")
    opened(handbook, "lesson", 20, range(1, 2))
    opened(handbook, "lessons", 20, range(8))
    assert issues(handbook) == []


@pytest.mark.parametrize("weeks", [[2, 3], [0, 1, 3]], ids=["nobody came back after 14 days", "a week without"])
def test_what_is_not_in_steady_use_is_not_dead(handbook, weeks):
    opened(handbook, "handbook", 5, weeks)
    opened(handbook, "lessons", 12, range(8))
    assert issues(handbook) == []


def test_what_few_use_or_nobody_else_is_there_to_miss_is_not_dead(handbook):
    opened(handbook, "handbook", 5, range(4))
    opened(handbook, "lessons", 9, range(8))
    assert issues(handbook) == []
    opened(handbook, "more lessons", 12, range(8))
    assert issues(handbook, "cause") == ["dead_resource"]
    handbook.execute("DELETE FROM core.statement WHERE object_iri = 'handbook' AND learner_id = 'l4'")
    assert issues(handbook) == []


@pytest.mark.parametrize("known", [{"due_on": date(2024, 2, 19)}, {"course_id": "D"}])
def test_what_is_due_or_not_listed_for_the_course_is_not_dead(handbook, known):
    handbook.execute("DELETE FROM raw.activity")
    activity(handbook, "handbook", is_assessment=False, **known)
    opened(handbook, "handbook", 5, range(4))
    opened(handbook, "lessons", 12, range(8))
    assert issues(handbook) == []
    assert timedelta(days=FIRST + 21 + 14) == date(2024, 2, 19) - date(1970, 1, 1)
