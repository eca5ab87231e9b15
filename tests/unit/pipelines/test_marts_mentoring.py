"""What a match's weeks say: cadence, silence, answers, commitments, agreement and fit, each as at the week's last day.

The ordinary match began on Wednesday 28 February; tonight is Wednesday 13 March, so its weeks are judged on 3, 10 and
12 March.
"""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest

from tests.unit.pipelines.marts_rows import (
    CONTEXT,
    WEEK_9,
    WEEK_10,
    WEEK_11,
    acted,
    add,
    agreed,
    asked,
    at,
    away,
    enrol,
    epoch,
    matched,
    measured,
    met,
    on,
    promised,
    rows,
)


def health(warehouse, *names, context=CONTEXT):
    return rows(warehouse, "mentoring_health", *names, context=context)


def last(warehouse, *names, context=CONTEXT):
    return health(warehouse, *names, context=context)[-1]


# weeks and counts


def test_a_week_counts_what_happened_in_it(warehouse):
    matched(warehouse, agreed_sessions_per_week=2.0)
    met(warehouse, "s1", "held", at(3, 5))
    met(warehouse, "s2", "missed_by_learner", at(3, 9))
    met(warehouse, "s3", "cancelled", at(3, 9))
    met(warehouse, "x1", "message_by_learner", at(3, 8))
    met(warehouse, "x2", "message_by_mentor", at(3, 8))
    met(warehouse, "s4", "held", at(3, 11))
    promised(warehouse, "c1", epoch(3, 5), epoch(3, 11), "kept")
    promised(warehouse, "c2", epoch(3, 5), epoch(3, 11), "dropped")
    promised(warehouse, "c3", epoch(3, 5))
    names = (
        "week_starts_on",
        "sessions_held_count",
        "agreed_sessions_count",
        "sessions_missed_count",
        "messages_by_mentor_count",
        "messages_by_learner_count",
        "commitments_made_count",
        "commitments_kept_count",
    )
    assert health(warehouse, *names) == [
        (WEEK_9, 0, 2.0, 0, 0, 0, 0, 0),
        (WEEK_10, 1, 2.0, 1, 1, 1, 3, 0),
        (WEEK_11, 1, 2.0, 0, 0, 0, 0, 1),
    ]


def test_a_group_that_meets_is_one_meeting_of_the_match(warehouse):
    matched(warehouse, agreed_sessions_per_week=2.0)
    for event_id in ("s1", "s1_again"):
        met(warehouse, event_id, "held", at(3, 11), meeting_id="g 19793")
    met(warehouse, "s2", "held", at(3, 11))
    assert last(warehouse, "sessions_held_count", "cadence_kept_share") == (2, 0.7)


def test_a_match_that_ended_has_no_later_week_and_nothing_after_its_end(warehouse):
    matched(warehouse, "ended", match_ended_epoch_day=epoch(3, 6))
    matched(warehouse, "ends_later", match_ended_epoch_day=epoch(3, 20))
    matched(warehouse, "end_told_tonight", match_ended_epoch_day=epoch(3, 6), match_ended_known_epoch_day=epoch(3, 13))
    met(warehouse, "s", "held", at(3, 7), match_id="ended")
    promised(warehouse, "c", epoch(3, 7), match_id="ended")
    names = ("match_id", "week_starts_on", "silence_days", "sessions_held_count", "commitments_made_count")
    assert health(warehouse, *names) == [
        ("end_told_tonight", WEEK_9, 4, 0, 0),
        ("end_told_tonight", WEEK_10, 11, 0, 0),
        ("end_told_tonight", WEEK_11, 13, 0, 0),
        ("ended", WEEK_9, 4, 0, 0),
        ("ended", WEEK_10, 7, 0, 0),
        ("ends_later", WEEK_9, 4, 0, 0),
        ("ends_later", WEEK_10, 11, 0, 0),
        ("ends_later", WEEK_11, 13, 0, 0),
    ]


# cadence

CADENCE = ("cadence_promised_count", "cadence_kept_share", "is_cadence_broken")


def test_a_cadence_promises_as_many_meetings_as_whole_intervals_are_over_and_four_at_most(warehouse):
    matched(warehouse, agreed_sessions_per_week=1.0, matched_epoch_day=epoch(1, 31))
    found = health(warehouse, "week_starts_on", "cadence_promised_count")
    assert found == [
        (on(1, 29), None),
        (on(2, 5), 1.0),
        (on(2, 12), 2.0),
        (on(2, 19), 3.0),
        (WEEK_9, 4.0),
        (WEEK_10, 4.0),
        (WEEK_11, 4.0),
    ]


def test_the_cadence_kept_is_meetings_held_over_meetings_promised_at_most_one(warehouse):
    matched(warehouse, agreed_sessions_per_week=1.0, matched_epoch_day=epoch(1, 31))
    for number, day in enumerate((at(2, 2), at(2, 2), at(2, 13), at(2, 14), at(3, 5))):
        met(warehouse, f"s{number}", "held", day)
    assert health(warehouse, "cadence_kept_share")[1:] == [1.0, 1.0, 1.0, 0.5, 0.75, 0.5]


def test_the_cadences_window_of_four_intervals_ends_with_the_week(warehouse):
    matched(warehouse, agreed_sessions_per_week=1.0, matched_epoch_day=epoch(1, 31))
    met(warehouse, "the day before the window", "held", at(2, 13))
    met(warehouse, "its first day", "held", at(2, 14))
    assert last(warehouse, *CADENCE) == (4.0, 0.25, True)


def test_half_of_the_promise_is_no_broken_cadence(warehouse):
    matched(warehouse, agreed_sessions_per_week=1.0, matched_epoch_day=epoch(1, 31))
    met(warehouse, "s1", "held", at(2, 20))
    met(warehouse, "s2", "held", at(2, 21))
    assert last(warehouse, *CADENCE) == (4.0, 0.5, False)


def test_a_cadence_is_not_broken_before_four_intervals_are_over(warehouse):
    matched(warehouse, agreed_sessions_per_week=1.0, matched_epoch_day=epoch(2, 14))
    assert last(warehouse, *CADENCE) == (3.0, 0.0, False)


def test_a_meeting_in_the_interval_still_running_counts_while_fewer_than_four_are_over(warehouse):
    matched(warehouse, agreed_sessions_per_week=0.5, matched_epoch_day=epoch(2, 14))
    met(warehouse, "on the day of the match", "held", at(2, 14))
    met(warehouse, "in the running interval", "held", at(3, 1))
    assert health(warehouse, *CADENCE) == [
        (None, None, False),
        (None, None, False),
        (1.0, 1.0, False),
        (1.0, 1.0, False),
        (1.0, 1.0, False),
    ]


def test_days_away_are_taken_off_the_promise(warehouse):
    matched(warehouse, agreed_sessions_per_week=1.0, matched_epoch_day=epoch(1, 31))
    away(warehouse, *range(epoch(2, 14), epoch(2, 28)), epoch(2, 13))
    away(warehouse, *range(epoch(2, 28), epoch(3, 13)), learner_id="l2")
    met(warehouse, "s1", "held", at(3, 5))
    assert last(warehouse, *CADENCE) == (2.0, 0.5, False)


def test_who_was_away_all_the_time_promised_nothing(warehouse):
    matched(warehouse, agreed_sessions_per_week=1.0)
    away(warehouse, *range(epoch(2, 28), epoch(3, 13)))
    assert last(warehouse, *CADENCE) == (0.0, None, False)


@pytest.mark.parametrize("cadence", [None, 0.0])
def test_without_an_agreed_cadence_nothing_is_promised(warehouse, cadence):
    matched(warehouse, agreed_sessions_per_week=cadence)
    met(warehouse, "s", "held", at(3, 5))
    assert last(warehouse, *CADENCE) == (None, None, False)


def test_three_meetings_a_week_make_three_intervals_of_a_week(warehouse):
    matched(warehouse, agreed_sessions_per_week=3.0, matched_epoch_day=epoch(3, 5))
    assert last(warehouse, "cadence_promised_count") == 3.0


# silence


def test_silence_lasts_from_the_last_contact_of_either_side_and_before_any_from_the_match(warehouse):
    for match_id in ("M1", "M2"):
        matched(warehouse, match_id, matched_epoch_day=epoch(3, 4))
    met(warehouse, "x", "message_by_learner", at(3, 10), match_id="M1")
    met(warehouse, "missed", "missed_by_learner", at(3, 12), match_id="M1")
    assert health(warehouse, "match_id", "silence_days") == [("M1", 0), ("M1", 2), ("M2", 6), ("M2", 8)]


def test_days_away_are_no_silence(warehouse):
    matched(warehouse)
    met(warehouse, "x", "message_by_mentor", at(3, 5))
    away(warehouse, epoch(3, 5), epoch(3, 6), epoch(3, 12), epoch(3, 13))
    assert last(warehouse, "silence_days", "silence_available_days") == (7, 5)


def test_a_mentor_is_silent_after_the_days_of_the_setting_whatever_the_learner_writes(warehouse):
    matched(warehouse)
    met(warehouse, "s", "held", at(3, 2))
    met(warehouse, "x", "message_by_learner", at(3, 12))
    silent = {
        days: last(warehouse, "is_mentor_silent", context=dataclasses.replace(CONTEXT, mentor_silent_days=days))
        for days in (10, 11)
    }
    assert silent == {10: True, 11: False}


def test_a_mentor_may_be_silent_for_one_and_a_half_agreed_intervals(warehouse):
    matched(warehouse, "monthly", matched_epoch_day=epoch(1, 30), agreed_sessions_per_week=0.25)
    matched(warehouse, "weekly", matched_epoch_day=epoch(1, 31), agreed_sessions_per_week=1.0)
    silent = [
        (week, match_id)
        for week, match_id, is_silent in health(warehouse, "week_starts_on", "match_id", "is_mentor_silent")
        if is_silent
    ]
    assert min(silent) == (on(2, 12), "weekly")
    assert [week for week, match_id in silent if match_id == "monthly"] == [WEEK_11]


def test_a_mentor_is_not_silent_while_the_learner_is_away(warehouse):
    matched(warehouse, matched_epoch_day=epoch(2, 27))
    assert last(warehouse, "is_mentor_silent") is True
    away(warehouse, epoch(3, 1))
    assert last(warehouse, "is_mentor_silent") is False


def test_the_first_meeting_shows_from_its_week_on(warehouse):
    matched(warehouse)
    met(warehouse, "missed", "missed_by_mentor", at(3, 1))
    met(warehouse, "s1", "held", at(3, 6))
    met(warehouse, "s2", "held", at(3, 12))
    assert health(warehouse, "first_met_on") == [None, on(3, 6), on(3, 6)]


def test_a_first_meeting_is_overdue_after_the_days_of_the_setting(warehouse):
    matched(warehouse)
    assert health(warehouse, "is_first_meeting_overdue") == [False, True, True]
    later = dataclasses.replace(CONTEXT, first_meeting_days=12)
    assert health(warehouse, "is_first_meeting_overdue", context=later) == [False, False, True]
    met(warehouse, "s", "held", at(3, 11))
    assert health(warehouse, "is_first_meeting_overdue") == [False, True, False]


# stuck


def stuck(warehouse, days=10):
    return last(warehouse, "is_stuck", context=dataclasses.replace(CONTEXT, stuck_days=days))


def test_a_match_is_stuck_when_nothing_was_met_measured_or_promised_for_so_many_available_days(warehouse):
    matched(warehouse)
    met(warehouse, "x", "message_by_mentor", at(3, 12))
    met(warehouse, "missed", "missed_by_mentor", at(3, 12))
    assert (stuck(warehouse, 13), stuck(warehouse, 14)) == (True, False)
    away(warehouse, epoch(3, 1))
    assert (stuck(warehouse, 12), stuck(warehouse, 13)) == (True, False)


@pytest.mark.parametrize("what", ["meeting", "measure", "promise", "review"])
def test_whatever_moves_a_match_unsticks_it(warehouse, what):
    matched(warehouse)
    assert stuck(warehouse) is True
    if what == "meeting":
        met(warehouse, "s", "held", at(3, 3))
    elif what == "measure":
        measured(warehouse, "g", epoch(3, 3), 0.1)
    elif what == "promise":
        promised(warehouse, "c", epoch(3, 3))
    else:
        promised(warehouse, "c", epoch(2, 28), epoch(3, 3), "dropped")
    assert stuck(warehouse) is False


def test_a_match_that_is_over_is_not_stuck(warehouse):
    matched(warehouse, match_ended_epoch_day=epoch(3, 12))
    assert stuck(warehouse) is False


# answers


def test_the_response_is_the_median_over_the_learners_messages_of_28_days_that_were_answered(warehouse):
    matched(warehouse, matched_epoch_day=epoch(2, 12))
    asked(warehouse, "too old", at(2, 13), at(2, 15, 12))
    asked(warehouse, "q1", at(2, 14), at(2, 14, 14))
    asked(warehouse, "q2", at(3, 1), at(3, 1, 18))
    asked(warehouse, "q3", at(3, 11), at(3, 12, 12))
    asked(warehouse, "never", at(3, 12))
    met(
        warehouse, "a", "message_by_mentor", at(3, 12), answered_at=at(3, 12, 13), answered_known_epoch_day=epoch(3, 12)
    )
    assert last(warehouse, "response_hours_median") == 6.0


def test_a_message_waits_from_three_days_on_until_the_day_of_its_answer(warehouse):
    matched(warehouse)
    asked(warehouse, "q1", at(3, 7), at(3, 11))
    asked(warehouse, "q2", at(3, 9))
    asked(warehouse, "q3", at(3, 10))
    met(warehouse, "a mentor's own", "message_by_mentor", at(3, 1))
    names = ("week_starts_on", "unanswered_messages_count", "response_hours_median")
    assert health(warehouse, *names) == [(WEEK_9, 0, None), (WEEK_10, 1, None), (WEEK_11, 1, 96.0)]


def test_the_day_of_an_answer_is_the_learners(warehouse):
    matched(warehouse, timezone="Asia/Tokyo")
    asked(warehouse, "q", at(3, 7), at(3, 10, 16))
    assert health(warehouse, "unanswered_messages_count") == [0, 1, 0]


def test_an_answer_that_was_not_known_by_tonight_is_none(warehouse):
    matched(warehouse)
    asked(warehouse, "q", at(3, 7), at(3, 8), answered_known_epoch_day=epoch(3, 13))
    assert last(warehouse, "unanswered_messages_count", "response_hours_median") == (1, None)


def test_of_the_conversations_of_28_days_the_learners_share_shows(warehouse):
    matched(warehouse)
    for number, (kind, is_start) in enumerate(
        (("mentor", True), ("learner", True), ("learner", True), ("learner", True), ("learner", False))
    ):
        met(warehouse, f"x{number}", f"message_by_{kind}", at(3, 5 + number), is_start=is_start)
    assert health(warehouse, "started_by_learner_share") == [None, 0.75, 0.75]


# ratings and commitments


def test_ratings_diverge_only_over_five_meetings_rated_by_both(warehouse):
    matched(warehouse)
    for number, (learner, mentor) in enumerate(((5, 4), (4, 4), (3, 5), (1, 2), (None, 1), (5, None))):
        met(warehouse, f"s{number}", "held", at(3, 4 + number), learner_rating=learner, mentor_rating=mentor)
    met(warehouse, "missed", "missed_by_mentor", at(3, 11), learner_rating=1, mentor_rating=5)
    assert last(warehouse, "rating_divergence_points") is None
    met(warehouse, "fifth", "held", at(3, 11), learner_rating=4, mentor_rating=5)
    assert health(warehouse, "rating_divergence_points") == [None, None, -0.6]


def test_of_the_commitments_with_a_next_meeting_so_far_the_share_reviewed_there_shows(warehouse):
    matched(warehouse)
    seen = {"next_met_epoch_day": epoch(3, 6), "is_reviewed_at_next": True}
    promised(warehouse, "c1", epoch(3, 1), epoch(3, 6), "kept", **seen)
    promised(warehouse, "c2", epoch(3, 1), epoch(3, 12), "kept", **(seen | {"is_reviewed_at_next": False}))
    promised(warehouse, "c3", epoch(3, 6), epoch(3, 11), "dropped", **(seen | {"next_met_epoch_day": epoch(3, 11)}))
    promised(warehouse, "c4", epoch(3, 11))
    assert health(warehouse, "commitments_reviewed_at_next_share") == [None, 0.5, pytest.approx(2 / 3, abs=1e-6)]


def test_a_review_that_was_not_known_by_tonight_is_none(warehouse):
    matched(warehouse)
    late = {"reviewed_known_epoch_day": epoch(3, 13), "next_met_epoch_day": epoch(3, 6), "is_reviewed_at_next": True}
    promised(warehouse, "c1", epoch(3, 1), epoch(3, 6), "kept", **late)
    assert last(warehouse, "commitments_reviewed_at_next_share") == 0.0
    assert health(warehouse, "commitments_kept_count") == [0, 0, 0]


# agreement

AGREEMENT = ("has_goal", "has_timeline", "has_cadence", "is_unset")


def test_an_agreement_is_unset_until_goal_timeline_and_cadence_are_there(warehouse):
    matched(warehouse, agreed_sessions_per_week=1.0)
    agreed(warehouse, "g", epoch(3, 6), known_epoch_day=epoch(3, 8))
    agreed(warehouse, "g", epoch(3, 6), epoch(6, 1), 2, known_epoch_day=epoch(3, 12))
    warehouse.execute(f"UPDATE core.goal SET superseded_epoch_day = {epoch(3, 12)} WHERE version_number = 1")
    assert health(warehouse, *AGREEMENT) == [
        (False, False, True, True),
        (True, False, True, True),
        (True, True, True, False),
    ]


def test_a_cadence_alone_is_missing_where_none_is_agreed(warehouse):
    matched(warehouse)
    agreed(warehouse, "g", epoch(3, 1), epoch(6, 1))
    assert last(warehouse, *AGREEMENT) == (True, True, False, True)


def test_a_goal_that_was_dropped_is_no_goal_and_one_attained_still_is(warehouse):
    matched(warehouse, agreed_sessions_per_week=1.0)
    agreed(warehouse, "g", epoch(2, 29), epoch(6, 1))
    measured(warehouse, "g", epoch(3, 5), 1.0, "attained")
    measured(warehouse, "g", epoch(3, 11), None, "dropped")
    assert health(warehouse, "has_goal", "is_unset") == [(True, False), (True, False), (False, True)]


def test_goals_of_a_match_stand_as_means_by_weight_as_at_the_week(warehouse):
    matched(warehouse)
    agreed(warehouse, "heavy", epoch(3, 2), epoch(3, 22), weight=3.0)
    agreed(warehouse, "light", epoch(2, 29), epoch(3, 10), weight=1.0)
    agreed(warehouse, "unmeasured", epoch(3, 12), weight=9.0)
    measured(warehouse, "heavy", epoch(3, 7), 0.2)
    measured(warehouse, "heavy", epoch(3, 11), 0.6)
    measured(warehouse, "light", epoch(3, 9), 0.4)
    measured(warehouse, "light", epoch(3, 12), None)
    assert health(warehouse, "goal_attained_share", "goal_expected_share") == [
        (None, pytest.approx((3 * 1 / 20 + 3 / 10) / 4)),
        (pytest.approx((3 * 0.2 + 0.4) / 4), pytest.approx((3 * 8 / 20 + 1) / 4)),
        (pytest.approx((3 * 0.6 + 0.4) / 4), pytest.approx((3 * 10 / 20 + 1) / 4)),
    ]


def test_a_timeline_counts_from_the_week_in_which_it_was_agreed_anew(warehouse):
    matched(warehouse)
    agreed(warehouse, "g", epoch(2, 29), epoch(3, 10), superseded_epoch_day=epoch(3, 11))
    agreed(warehouse, "g", epoch(2, 29), epoch(3, 24), 2, known_epoch_day=epoch(3, 11))
    assert health(warehouse, "goal_expected_share") == [0.3, 1.0, 0.5]


def test_a_match_without_a_goal_attains_and_expects_nothing(warehouse):
    matched(warehouse)
    assert last(warehouse, "has_goal", "goal_attained_share", "goal_expected_share") == (False, None, None)


# fit


def test_fit_and_reach_are_the_matchs_and_training_counts_from_its_day(warehouse):
    matched(warehouse, is_purpose_fit=True, is_across_org_units=False, trained_epoch_day=epoch(3, 10))
    matched(warehouse, "other", matched_epoch_day=epoch(3, 11))
    names = ("is_purpose_fit", "is_across_org_units", "is_mentor_trained")
    assert health(warehouse, *names) == [
        (True, False, False),
        (True, False, True),
        (True, False, True),
        (None, None, False),
    ]


def practice(warehouse):
    return health(warehouse, "is_formal_before_practice")


def test_before_any_practice_nobody_can_say_what_came_first(warehouse):
    matched(warehouse)
    enrol(warehouse, "e1", "l1")
    acted(warehouse, "e1", epoch(3, 1))
    assert practice(warehouse) == [None, None, None]


@pytest.mark.parametrize(("formal", "comes_first"), [(epoch(3, 5), True), (epoch(3, 6), True), (epoch(3, 7), False)])
def test_formal_learning_is_before_practice_up_to_the_day_of_the_first_meeting(warehouse, formal, comes_first):
    matched(warehouse)
    enrol(warehouse, "e1", "l1")
    acted(warehouse, "e1", formal)
    met(warehouse, "s", "held", at(3, 6))
    assert practice(warehouse) == [None, comes_first, comes_first]


def test_practice_is_experiential_activity_of_the_same_programme_too(warehouse):
    matched(warehouse)
    enrol(warehouse, "e1", "l1")
    enrol(warehouse, "e2", "l1", programme_id="Q")
    acted(warehouse, "e1", epoch(3, 2), strand="social")
    acted(warehouse, "e2", epoch(3, 2), strand="experiential")
    acted(warehouse, "e2", epoch(3, 1))
    acted(warehouse, "e1", epoch(3, 6), strand="experiential")
    assert practice(warehouse) == [None, False, False]


def test_work_done_is_practice_and_shadowing_is_not(warehouse):
    matched(warehouse)
    for kind, day in (("shadowing", 1), ("task", 5)):
        add(
            warehouse, "raw.work_activity", learner_id="l1", programme_id="P", kind=kind, happened_on=date(2024, 3, day)
        )
    assert practice(warehouse) == [None, False, False]
