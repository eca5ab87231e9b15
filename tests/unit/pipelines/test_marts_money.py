"""What the models of cost and return are told: people, minutes of mentors, answers."""

from __future__ import annotations

from datetime import date

from pipelines.marts import money
from tests.unit.pipelines.marts_rows import TONIGHT, add, at, enrol, epoch, on

BEFORE = "TIMESTAMP '2024-03-13 00:00:00'"


def participate(warehouse, learner_id, status):
    add(
        warehouse,
        "core.participation",
        participation_id=f"P:{learner_id}",
        learner_id=learner_id,
        programme_id="P",
        status=status,
    )


def met(warehouse, learner_id, day, **values):
    given = {"event_kind": "held", "meeting_id": "g", "mentor_id": "m1", "minutes": 30.0} | values
    add(
        warehouse,
        "core.mentoring_event",
        event_id=f"{learner_id} {day} {given['meeting_id']}",
        learner_id=learner_id,
        programme_id="P",
        epoch_day=day,
        **given,
    )


def counts(warehouse):
    names = ("learners_count", "completions_count", "retained_count", "mentored_count")
    found = warehouse.frame(money.counts(TONIGHT))
    return {course: rest for course, *rest in found.select("course_id", *names).iter_rows()}


def test_mentored_are_the_matched_and_who_was_contacted_without_a_match(warehouse):
    for learner_id, status in (
        ("ana", "active"),
        ("ben", "completed"),
        ("cleo", "abandoned"),
        ("dan", "ended"),
        ("eve", "active"),
    ):
        participate(warehouse, learner_id, status)
        enrol(warehouse, learner_id, learner_id, ended_kind={"active": None}.get(status, status))
    for match_id, learner_id, day in (
        ("a", "ana", epoch(3, 1)),
        ("b", "ana", epoch(3, 5)),
        ("c", "cleo", epoch(3, 1)),
        ("d", "eve", TONIGHT),
    ):
        add(
            warehouse,
            "core.mentoring_match",
            match_id=match_id,
            learner_id=learner_id,
            programme_id="P",
            participation_id=f"P:{learner_id}",
            matched_epoch_day=day,
        )
    met(warehouse, "ana", epoch(3, 2))
    met(warehouse, "ben", epoch(3, 2), event_kind="message_by_mentor", meeting_id=None)
    met(warehouse, "dan", epoch(3, 2), event_kind="message_by_learner", meeting_id=None)
    assert counts(warehouse) == {None: [5, 1, 3, 3], "C": [5, 1, 3, 3]}


def test_who_completes_is_told_from_fifty_who_were_active_for_eight_weeks(warehouse):
    for number in range(52):
        participate(warehouse, f"l{number}", "ended")
        enrol(
            warehouse,
            f"e{number}",
            f"l{number}",
            enrolled_epoch_day=epoch(1, 1) - 100,
            course_start_epoch_day=epoch(1, 1) - 90,
            course_end_epoch_day=epoch(2, 1) - (0 if number else -300),
            ended_kind="completed" if number % 3 else "abandoned",
            ended_epoch_day=epoch(1, 1) - (30 if number != 1 else 40),
        )
    # l0's course is not over, and l1 left after fifty days: fifty are left.
    whole = warehouse.frame(money.counts(TONIGHT)).sort("course_id", nulls_last=False).head(1)
    names = ("past_active_count", "past_completed_count")
    assert whole.select(names).row(0) == (50, sum(bool(number % 3) for number in range(2, 52)))
    warehouse.execute("DELETE FROM core.enrolment WHERE enrolment_id = 'e51'")
    assert warehouse.frame(money.counts(TONIGHT)).select(names).row(0) == (None, None)


def test_a_mentors_minutes_count_a_group_once_and_know_how_they_were_held(warehouse):
    for learner_id in ("ana", "ben"):
        met(warehouse, learner_id, epoch(3, 1), channel="video")
    met(warehouse, "ana", epoch(3, 2), meeting_id="h", channel="in_person", minutes=45.0)
    met(warehouse, "ana", epoch(3, 3), meeting_id="i", minutes=20.0)
    met(warehouse, "ana", epoch(2, 27), meeting_id="j", channel="phone", minutes=10.0)
    met(warehouse, "ana", epoch(3, 4), meeting_id="k", event_kind="missed_by_learner")
    met(warehouse, "ana", TONIGHT, meeting_id="l")
    found = warehouse.frame(money.mentor_minutes(TONIGHT))
    assert sorted(found.select("month_starts_on", "delivery", "minutes").rows(), key=str) == [
        (on(2, 1), "online_synchronous", 10.0),
        (on(3, 1), "face_to_face", 45.0),
        (on(3, 1), "online_synchronous", 30.0),
        (on(3, 1), None, 20.0),
    ]


def test_answers_are_counted_by_outcome_level_as_known(warehouse):
    for number, (level, known_at) in enumerate(((1, at(3, 1)), (1, at(3, 2)), (3, at(3, 2)), (4, at(3, 14)))):
        add(
            warehouse,
            "raw.survey_response",
            response_id=str(number),
            programme_id="P",
            answered_on=date(2024, 3, 1),
            outcome_level=level,
            is_deleted=False,
            known_at=known_at,
        )
    found = warehouse.frame(money.survey_levels(BEFORE))
    assert found.rows() == [("P", 1, 2), ("P", 3, 1)]
