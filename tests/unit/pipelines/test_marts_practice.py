"""When learners learned and practised, what followed training, and whom they met; tonight is Wednesday 13 March."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.marts.practice import after_training, learners, matches
from tests.unit.pipelines.marts_rows import (
    CONTEXT,
    TONIGHT,
    acted,
    add,
    at,
    enrol,
    epoch,
    matched,
    met,
    on,
    promised,
    stated,
)


@pytest.fixture
def two(warehouse):
    """Ana of unit north and ben of unit south, in course C of programme P."""
    enrol(warehouse, "e-ana", "ana")
    enrol(warehouse, "e-ben", "ben", org_unit="south")
    return warehouse


def told(warehouse, *names, learner_id="ana"):
    rows = warehouse.frame(learners(CONTEXT)).filter(learner_id=learner_id).to_dicts()
    return tuple(rows[0][name] for name in names)


def work(warehouse, when, kind="task", learner_id="ana", **values):
    add(warehouse, "raw.work_activity", learner_id=learner_id, programme_id="P", happened_on=when, kind=kind, **values)


def test_the_first_day_of_learning_and_of_practice_are_told_and_a_held_meeting_is_practice(two):
    acted(two, "e-ana", epoch(3, 4), minutes=20.0)
    acted(two, "e-ana", epoch(3, 1), minutes=10.0)
    work(two, on(3, 6), minutes=15.0)
    names = ("formal_epoch_day", "practice_epoch_day", "formal_minutes", "applied_minutes", "has_applied")
    assert told(two, *names) == (epoch(3, 1), epoch(3, 6), 30.0, 15.0, True)
    met(two, "s1", "held", at(3, 2), learner_id="ana")
    assert told(two, "practice_epoch_day", "has_applied") == (epoch(3, 2), True)


def test_a_meeting_alone_applies_nothing_and_shadowing_is_no_practice(two):
    met(two, "s1", "held", at(3, 2), learner_id="ana")
    work(two, on(3, 1), kind="shadowing")
    assert told(two, "practice_epoch_day", "has_applied") == (epoch(3, 2), False)


def test_a_dropped_commitment_is_no_practice_and_a_kept_one_is(two):
    promised(two, "c1", epoch(3, 1), epoch(3, 5), "dropped", learner_id="ana")
    acted(two, "e-ana", epoch(3, 1))
    assert told(two, "practice_epoch_day", "sources_count") == (None, 1)
    promised(two, "c2", epoch(3, 1), epoch(3, 8), "kept", learner_id="ana")
    assert told(two, "practice_epoch_day", "sources_count") == (epoch(3, 8), 2)


def test_minutes_that_no_log_tells_are_null_and_none_are_zero(two):
    acted(two, "e-ana", epoch(3, 1), minutes=0.0)
    assert told(two, "formal_minutes", "applied_minutes") == (None, 0.0)


def wrote(warehouse, learner_id, when):
    """A social statement in one thread."""
    stated(
        warehouse,
        f"e-{learner_id}",
        epoch(when.month, when.day),
        "forum",
        learner_id=learner_id,
        strand="social",
        happened_at=when,
        statement_id=f"{learner_id} {when}",
    )


def test_partners_are_mentors_and_learners_turned_to_and_units_reached_are_others_than_the_learner_s(two):
    acted(two, "e-ana", epoch(3, 4), minutes=5.0)
    wrote(two, "ben", at(3, 4))
    wrote(two, "ana", at(3, 5))
    matched(two, learner_id="ana", org_unit="north", mentor_org_unit="north")
    met(two, "m1", "message_by_learner", at(3, 5), learner_id="ana")
    met(two, "m2", "message_by_mentor", at(3, 5), learner_id="ana")
    met(two, "m3", "planned", at(3, 5), learner_id="ana", mentor_id="m9")
    assert told(two, "partners_count", "units_reached_count") == (2, 1)


def test_where_logs_tell_days_alone_and_nobody_is_mentored_reach_is_not_known(two):
    acted(two, "e-ana", epoch(3, 4), minutes=0.0)
    acted(two, "e-ben", epoch(3, 4), minutes=0.0)
    wrote(two, "ben", at(3, 4, 0))
    wrote(two, "ana", at(3, 4, 0))
    assert told(two, "partners_count", "units_reached_count") == (None, None)


def test_a_match_tells_whether_it_is_across_units(two):
    matched(two, "M1", learner_id="ana", is_across_org_units=True)
    matched(two, "M2", learner_id="ben")
    matched(two, "M3", learner_id="ben", matched_epoch_day=TONIGHT)
    found = two.frame(matches(CONTEXT))
    assert found.rows() == [("P", "ana", True), ("P", "ben", None)]


END = (2, 1)


def trained(warehouse, learner_id="ana", **values):
    ended = {"ended_epoch_day": epoch(*END), "ended_known_epoch_day": epoch(*END), "ended_kind": "completed"}
    enrol(warehouse, f"t-{learner_id}", learner_id, **({"enrolled_epoch_day": epoch(1, 2)} | ended | values))


def after(warehouse, window_days=28):
    """(is_mentored, has_practised, has_worked) of ana."""
    rows = warehouse.frame(after_training(CONTEXT)).filter(learner_id="ana", window_days=window_days)
    return [row[3:] for row in rows.rows()]


def test_the_window_follows_the_last_day_of_training_and_has_to_be_over(warehouse):
    trained(warehouse)
    assert after(warehouse) == [(False, False, False)]
    assert after(warehouse, 56) == []
    first, last = on(2, 2), on(2, 1) + timedelta(days=28)
    for day, expected in ((on(2, 1), False), (last + timedelta(days=1), False), (first, True)):
        work(warehouse, day)
        assert after(warehouse) == [(False, expected, expected)], day


def test_the_last_day_of_the_window_counts(warehouse):
    trained(warehouse)
    work(warehouse, on(2, 1) + timedelta(days=28))
    assert after(warehouse) == [(False, True, True)]


def test_a_kept_commitment_is_practice_that_only_those_with_a_mentor_can_show(warehouse):
    trained(warehouse)
    met(warehouse, "s1", "held", at(2, 5), learner_id="ana")
    promised(warehouse, "c1", epoch(2, 5), epoch(2, 9), "kept", learner_id="ana")
    assert after(warehouse) == [(True, True, False)]


def test_practice_outside_of_programmes_counts_and_practice_of_another_programme_does_not(warehouse):
    trained(warehouse)
    work(warehouse, on(2, 6), learner_id="ana")
    warehouse.execute("UPDATE raw.work_activity SET programme_id = 'Q'")
    assert after(warehouse) == [(False, False, False)]
    add(
        warehouse, "core.learner_activity", learner_id="ana", epoch_day=epoch(2, 7), strand="experiential",
        activity_kind="work", events_count=1, minutes=0.0,
    )  # fmt: skip
    assert after(warehouse) == [(False, True, True)]


def test_mentored_is_who_was_met_or_written_to_in_the_window_by_the_mentor(warehouse):
    trained(warehouse)
    met(warehouse, "m1", "message_by_learner", at(2, 5), learner_id="ana")
    met(warehouse, "m2", "message_by_mentor", at(2, 1), learner_id="ana")
    assert after(warehouse) == [(False, False, False)]
    met(warehouse, "m3", "message_by_mentor", at(2, 6), learner_id="ana")
    assert after(warehouse) == [(True, False, False)]


@pytest.mark.parametrize(
    ("values", "is_trained"),
    [
        ({"ended_kind": "failed"}, True),
        ({"ended_kind": "abandoned"}, False),
        ({"ended_kind": "left_organisation"}, False),
        ({"ended_known_epoch_day": TONIGHT}, False),
        ({"ended_known_epoch_day": TONIGHT, "course_end_epoch_day": epoch(2, 1)}, True),
    ],
)
def test_who_stayed_to_the_end_was_trained(warehouse, values, is_trained):
    trained(warehouse, **values)
    assert bool(after(warehouse)) is is_trained


def test_of_several_courses_the_last_whose_window_is_over_counts(warehouse):
    trained(warehouse)
    work(warehouse, on(2, 11))
    enrol(warehouse, "t2", "ana", course_id="D", ended_epoch_day=epoch(2, 20), ended_kind="completed")
    assert after(warehouse) == [(False, True, True)]
    enrol(warehouse, "t3", "ana", course_id="E", ended_epoch_day=epoch(2, 12), ended_kind="completed")
    assert after(warehouse) == [(False, False, False)]
