"""Who takes part, who answers whom across classes, and who stays after the course; tonight is Wednesday 13 March."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.pipelines.marts_rows import (
    WEEK_8,
    WEEK_9,
    WEEK_10,
    WEEK_11,
    acted,
    add,
    at,
    enrol,
    epoch,
    rows,
    stated,
)


def community(warehouse, *names):
    return rows(warehouse, "community_weekly", *names)


def wrote(warehouse, learner_id, when, thread="forum", *, is_enrolled=True, **values):
    """A social statement of a learner, in the enrolment e-<learner> or in none."""
    epoch_day = epoch(when.month, when.day)
    given = {
        "statement_id": f"{learner_id} {when} {thread}",
        "learner_id": learner_id,
        "strand": "social",
        "happened_at": when,
    }
    enrolment_id = f"e-{learner_id}" if is_enrolled else None
    stated(warehouse, enrolment_id, epoch_day, thread, **(given | values))


@pytest.fixture
def classes(warehouse):
    """Ana and Ben in one class, Cleo of another unit, Dan in another run, Eve in another programme."""
    enrol(warehouse, "e-ana", "ana")
    enrol(warehouse, "e-ben", "ben")
    enrol(warehouse, "e-cleo", "cleo", org_unit="south")
    enrol(warehouse, "e-dan", "dan", course_id="D")
    enrol(warehouse, "e-eve", "eve", programme_id="Q")
    return warehouse


def exchanges(warehouse):
    """Exchanges and those across classes of the week from 4 March, by programme."""
    names = ("programme_id", "week_starts_on", "exchanges_count", "cross_class_exchanges_count")
    return {found[0]: found[2:] for found in community(warehouse, *names) if found[1] == WEEK_10}


def test_interactions_participants_and_their_units_are_counted_by_programme_and_week(classes):
    for learner_id, day, count in (("ana", 5, 3), ("cleo", 6, 4), ("cleo", 7, 1), ("eve", 6, 5), ("ana", 11, 7)):
        acted(classes, f"e-{learner_id}", epoch(3, day), strand="social", events_count=count)
    acted(classes, "e-ben", epoch(3, 6), strand="formal", events_count=9)
    names = ("programme_id", "week_starts_on", "interactions_count", "participants_count", "org_units_count")
    assert community(classes, *names) == [
        ("P", WEEK_8, 0, 0, 0),
        ("P", WEEK_9, 0, 0, 0),
        ("P", WEEK_10, 8, 2, 2),
        ("P", WEEK_11, 7, 1, 1),
        ("Q", WEEK_8, 0, 0, 0),
        ("Q", WEEK_9, 0, 0, 0),
        ("Q", WEEK_10, 5, 1, 1),
        ("Q", WEEK_11, 0, 0, 0),
    ]


def test_an_exchange_answers_what_another_wrote_last_about_the_same(classes):
    for number, learner_id in enumerate(("ana", "ana", "ben", "ana", "ben")):
        wrote(classes, learner_id, at(3, 5, 10 + number))
    wrote(classes, "ben", at(3, 5, 16), thread="another")
    assert exchanges(classes)["P"] == (3, 0)


def test_an_answer_after_more_than_seven_days_is_none(classes):
    wrote(classes, "ana", at(2, 27))
    wrote(classes, "ben", at(3, 5, 13))
    wrote(classes, "cleo", at(2, 27), thread="another")
    wrote(classes, "ana", at(3, 5, 12), thread="another")
    assert exchanges(classes)["P"] == (1, 1)


@pytest.mark.parametrize(("other", "across"), [("ben", 0), ("cleo", 1), ("dan", 1), ("eve", 0)])
def test_another_course_run_or_unit_is_another_class_and_another_programme_is_not(classes, other, across):
    wrote(classes, other, at(3, 5), **({"course_id": "D"} if other == "dan" else {}))
    wrote(classes, "ana", at(3, 6))
    assert exchanges(classes) == {"P": (1, across), "Q": (0, 0)}


def test_of_a_writer_without_a_known_class_nobody_can_say_that_it_is_another(classes):
    wrote(classes, "fay", at(3, 5), is_enrolled=False, course_id=None)
    wrote(classes, "ana", at(3, 6))
    wrote(classes, "fay", at(3, 7), is_enrolled=False, course_id=None)
    assert exchanges(classes) == {"P": (1, 0), "Q": (0, 0)}


def test_what_no_learner_did_is_no_exchange(classes):
    wrote(classes, "ana", at(3, 5))
    wrote(classes, "ben", at(3, 6), is_act=False)
    wrote(classes, "ben", at(3, 7), strand="formal")
    assert exchanges(classes)["P"] == (0, 0)


def test_members_of_one_group_do_not_answer_each_other(classes):
    for learner_id in ("ana", "ben"):
        wrote(classes, learner_id, at(3, 5), statement_id="of both")
    assert exchanges(classes)["P"] == (0, 0)


# after the course

AFTER = (
    "week_starts_on",
    "ended_learners_count",
    "active_after_course_count",
    "active_after_course_share",
    "interactions_after_course_count",
)


def came_back(warehouse, learner_id, day, strand="formal", count=1):
    """Activity that belongs to no enrolment."""
    add(
        warehouse,
        "core.learner_activity",
        learner_id=learner_id,
        epoch_day=day,
        strand=strand,
        events_count=count,
    )


def test_of_the_learners_whose_course_is_over_those_active_are_counted_once_a_week(warehouse):
    enrol(warehouse, "e-ana", "ana", course_end_epoch_day=epoch(3, 5))
    enrol(warehouse, "e-ben", "ben", course_end_epoch_day=epoch(3, 5))
    enrol(warehouse, "e-cleo", "cleo", ended_epoch_day=epoch(3, 10), ended_known_epoch_day=epoch(3, 10))
    enrol(warehouse, "e-dan", "dan")
    stated(warehouse, "e-ana", epoch(3, 6), "page", learner_id="ana")
    stated(warehouse, "e-ben", epoch(3, 5), "page", learner_id="ben")
    for learner_id, day in (("ana", 7), ("ana", 11), ("ben", 12), ("dan", 12)):
        came_back(warehouse, learner_id, epoch(3, day))
    assert community(warehouse, *AFTER)[-2:] == [
        (WEEK_10, 2, 1, 0.5, 0),
        (WEEK_11, 3, 2, pytest.approx(2 / 3, abs=1e-6), 0),
    ]
    assert community(warehouse, *AFTER)[0] == (WEEK_8, 0, 0, None, 0)


def test_social_activity_after_the_course_is_counted_apart(warehouse):
    enrol(warehouse, "e-ana", "ana", course_end_epoch_day=epoch(3, 5))
    wrote(warehouse, "ana", at(3, 5))
    wrote(warehouse, "ana", at(3, 11))
    came_back(warehouse, "ana", epoch(3, 11), "social", 4)
    came_back(warehouse, "ana", epoch(3, 12))
    assert community(warehouse, *AFTER)[-1] == (WEEK_11, 1, 1, 1.0, 5)


def test_the_course_told_completed_the_next_morning_is_no_life_after_it(warehouse):
    enrol(warehouse, "e-ana", "ana", course_end_epoch_day=epoch(3, 5))
    stated(warehouse, "e-ana", epoch(3, 6), "the course", learner_id="ana", is_about_course=True)
    stated(warehouse, "e-ana", epoch(3, 6), "graded", learner_id="ana", is_act=False)
    assert community(warehouse, *AFTER)[-2] == (WEEK_10, 1, 0, 0.0, 0)


def test_who_is_in_a_further_course_of_the_programme_is_not_after_the_course(warehouse):
    enrol(warehouse, "e1", "ana", course_end_epoch_day=epoch(2, 28))
    enrol(warehouse, "e2", "ana", course_id="D", course_start_epoch_day=epoch(3, 4), course_end_epoch_day=epoch(3, 10))
    enrol(warehouse, "other", "ana", programme_id="Q")
    for day in (epoch(3, 1), epoch(3, 6), epoch(3, 12)):
        came_back(warehouse, "ana", day)
    found = [row for row in community(warehouse, "programme_id", *AFTER) if row[0] == "P"]
    assert [row[1:4] for row in found] == [(WEEK_8, 0, 0), (WEEK_9, 1, 1), (WEEK_10, 0, 0), (WEEK_11, 1, 1)]


def test_an_end_that_was_not_known_by_tonight_is_none(warehouse):
    enrol(warehouse, "e-ana", "ana", ended_epoch_day=epoch(3, 5), ended_known_epoch_day=epoch(3, 13))
    came_back(warehouse, "ana", epoch(3, 11))
    assert community(warehouse, *AFTER)[-1] == (WEEK_11, 0, 0, None, 0)


def test_silent_weeks_stand_from_the_first_enrolment_to_yesterday(warehouse):
    enrol(warehouse, "e-ana", "ana", enrolled_epoch_day=epoch(2, 20))
    assert community(warehouse, "week_starts_on") == [WEEK_8 + timedelta(days=7 * number) for number in range(4)]
