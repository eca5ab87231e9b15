"""Weekly trials: who is eligible, when clocks start, what is known by then.

Weeks begin on Monday 26 February 2024, 4 March, 11 March ...; tonight is far enough for every window to be over.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from pipelines.effect_trials import OUTCOME_DAYS, recording_days, trials
from tests.unit.pipelines.marts_rows import acted, add, at, enrol, epoch, matched, met

WEEK = epoch(2, 26)
TONIGHT = WEEK + 200
BEFORE = "TIMESTAMP '2025-01-01'"


def takes_part(warehouse, learner_id, *, ended=None, kind="abandoned", known=None, **values):
    """An enrolment from 20 February and its participation, ended on a local day."""
    ends = (
        {} if ended is None else {"ended_epoch_day": ended, "ended_kind": kind, "ended_known_epoch_day": known or ended}
    )
    enrol(warehouse, f"e-{learner_id}", learner_id, **(ends | values))
    status = {None: "active", "abandoned": "abandoned", "completed": "completed"}.get(kind if ended else None, "ended")
    add(
        warehouse,
        "core.participation",
        participation_id=f"P:{learner_id}",
        learner_id=learner_id,
        programme_id="P",
        status=status,
        ended_on=None if ended is None else date(1970, 1, 1) + timedelta(days=ended),
    )


def mentored(warehouse, learner_id, **values):
    matched(warehouse, f"M-{learner_id}", learner_id=learner_id, participation_id=f"P:{learner_id}", **values)


def contacted(warehouse, learner_id, when, kind="held", **values):
    met(warehouse, f"{learner_id}{when}{kind}", kind, when, learner_id=learner_id, match_id=f"M-{learner_id}", **values)


def found(warehouse, contrast="first_contact", **asked):
    given = {"tonight_epoch_day": TONIGHT, "before": BEFORE, "allowance_days": 0} | asked
    return trials(warehouse, contrast, **given)


def of(rows, learner_id):
    """Weeks from the first one, and whether treated in it."""
    chosen = rows.filter(learner_id=learner_id)
    return [((week - WEEK) // 7, treated) for week, treated in chosen.select("week_epoch_day", "is_treated").rows()]


@pytest.fixture
def warehouse(house):
    """ana is contacted on Wednesday of the second week; ben never. Both are matched on 28 February."""
    for learner_id in ("ana", "ben"):
        takes_part(house.warehouse, learner_id)
        mentored(house.warehouse, learner_id)
    contacted(house.warehouse, "ana", at(3, 6))
    return house.warehouse


def test_only_weeks_in_which_somebody_of_the_programme_is_treated_are_trials(warehouse):
    rows = found(warehouse)
    assert of(rows, "ana") == [(1, True)]
    assert of(rows, "ben") == [(1, False)]


def test_a_trial_is_told_once_however_much_happened_in_its_week(warehouse):
    for day in range(5):
        acted(warehouse, "e-ana", epoch(3, 4) + day)
        acted(warehouse, "e-ben", epoch(2, 26) + day)
    assert found(warehouse).select("participation_id", "week_epoch_day").is_unique().all()


def test_after_the_first_contact_a_learner_is_in_no_trial(warehouse):
    takes_part(warehouse, "meg")
    mentored(warehouse, "meg")
    contacted(warehouse, "meg", at(3, 13))
    contacted(warehouse, "ana", at(3, 14))
    assert of(found(warehouse), "ana") == [(1, True)]
    assert of(found(warehouse), "meg") == [(1, False), (2, True)]


def test_who_leaves_before_the_weeks_end_is_in_neither_arm(warehouse):
    takes_part(warehouse, "meg", ended=epoch(3, 10))
    mentored(warehouse, "meg")
    contacted(warehouse, "meg", at(3, 5))
    takes_part(warehouse, "tom", ended=epoch(3, 10))
    mentored(warehouse, "tom")
    assert of(found(warehouse), "meg") == []
    assert of(found(warehouse), "tom") == []


def test_the_clock_starts_at_the_weeks_end_and_runs_for_eight_weeks(warehouse):
    for learner_id, day in (("first", 0), ("last", OUTCOME_DAYS - 1), ("after", OUTCOME_DAYS)):
        takes_part(warehouse, learner_id, ended=epoch(3, 11) + day)
        mentored(warehouse, learner_id)
    weeks = dict(found(warehouse).select("learner_id", "abandoned_week").rows())
    assert weeks == {"ana": None, "ben": None, "first": 1, "last": 8, "after": None}


def test_competing_ends_count_as_no(warehouse):
    takes_part(warehouse, "meg", ended=epoch(3, 20), kind="completed")
    mentored(warehouse, "meg")
    assert found(warehouse).filter(learner_id="meg")["abandoned_week"].to_list() == [None]


def test_a_window_counts_when_it_is_over_by_the_allowance(warehouse):
    over = epoch(3, 11) + OUTCOME_DAYS
    assert of(found(warehouse, tonight_epoch_day=over), "ana") == [(1, True)]
    assert of(found(warehouse, tonight_epoch_day=over - 1), "ana") == []
    assert of(found(warehouse, tonight_epoch_day=over + 19, allowance_days=20), "ana") == []
    assert of(found(warehouse, tonight_epoch_day=over + 20, allowance_days=20), "ana") == [(1, True)]


def test_the_allowance_is_the_time_until_nearly_all_abandonments_are_recorded(warehouse):
    for number in range(100):
        takes_part(warehouse, f"l{number}", ended=epoch(3, 20), known=epoch(3, 20) + (number if number < 20 else 0))
    assert recording_days(warehouse) == 18


def test_nobody_is_eligible_before_the_match_or_after_its_end(warehouse):
    for learner_id in ("late", "over"):
        takes_part(warehouse, learner_id)
    mentored(warehouse, "late", matched_epoch_day=epoch(3, 11))
    mentored(warehouse, "over", match_ended_epoch_day=epoch(3, 3))
    rows = found(warehouse)
    assert of(rows, "late") == []
    assert of(rows, "over") == []


def test_a_mentoring_only_participation_has_nothing_to_abandon(warehouse):
    takes_part(warehouse, "meg", course_id=None)
    mentored(warehouse, "meg")
    assert of(found(warehouse), "meg") == []


def test_covariates_are_what_was_known_before_the_monday(warehouse):
    names = ("x_log_events_1w", "x_active_days_1w", "x_silence_days", "x_never_active")
    before = found(warehouse).filter(learner_id="ben").select(names).row(0)
    acted(warehouse, "e-ben", epoch(3, 4), events_count=50)
    acted(warehouse, "e-ben", epoch(3, 1), events_count=50, known_epoch_day=epoch(3, 5))
    assert found(warehouse).filter(learner_id="ben").select(names).row(0) == before
    acted(warehouse, "e-ben", epoch(3, 3), events_count=50)
    after = found(warehouse).filter(learner_id="ben").select(names).row(0)
    assert after[0] > 3
    assert after[1:] == (1, 1, 0)


def test_the_order_in_which_scores_are_added_changes_no_digit(warehouse):
    shares = (0.1, 0.2, 0.3)
    assert sum(shares) != sum(reversed(shares))
    seen = []
    for told in (shares, shares[::-1]):
        warehouse.execute("DELETE FROM core.submission")
        for score_share in told:
            activity = f"https://lms.example/{score_share}"
            add(
                warehouse,
                "core.submission",
                enrolment_id="e-ben",
                activity_iri=activity,
                score_share=score_share,
                score_known_epoch_day=WEEK,
            )
        seen.append(found(warehouse).filter(learner_id="ben")["x_score_share"].to_list())
    assert seen[0] == seen[1] != []


def test_matched_compares_with_those_not_yet_matched_and_tells_when_they_were(house):
    warehouse = house.warehouse
    for learner_id in ("ana", "ben", "meg"):
        takes_part(warehouse, learner_id)
    mentored(warehouse, "ana", matched_epoch_day=epoch(2, 28))
    mentored(warehouse, "ben", matched_epoch_day=epoch(3, 13))
    rows = found(warehouse, "matched")
    assert of(rows, "ana") == [(0, True)]
    assert of(rows, "ben") == [(0, False), (2, True)]
    assert of(rows, "meg") == [(0, False), (2, False)]
    first = rows.filter(week_epoch_day=WEEK)
    assert dict(first.select("learner_id", "censored_week").rows()) == {"ana": None, "ben": 2, "meg": None}


def test_an_open_window_of_matched_stays_to_tell_who_could_be_matched_later(house):
    warehouse = house.warehouse
    for learner_id in ("ana", "ben"):
        takes_part(warehouse, learner_id)
    mentored(warehouse, "ana", matched_epoch_day=epoch(2, 28))
    mentored(warehouse, "ben", matched_epoch_day=epoch(3, 20))
    rows = found(warehouse, "matched", tonight_epoch_day=epoch(3, 4) + OUTCOME_DAYS)
    assert dict(rows.group_by("week_epoch_day").agg(pl.col("is_closed").first()).rows()) == {
        WEEK: True,
        WEEK + 21: False,
    }


def test_the_negative_control_is_a_technical_ticket_in_the_window(warehouse):
    for learner_id, when, kind in (
        ("ana", at(3, 11), "technical"),
        ("ben", at(3, 10), "technical"),
        ("ben", at(3, 12), "content"),
    ):
        add(
            warehouse,
            "raw.support_ticket",
            ticket_id=f"{learner_id}{when}",
            learner_id=learner_id,
            opened_at=when,
            kind=kind,
        )
    assert dict(found(warehouse).select("learner_id", "opens_ticket").rows()) == {"ana": True, "ben": False}


def test_what_contact_was_is_told_of_the_treated_alone(warehouse):
    contacted(warehouse, "ana", at(3, 8), "message_by_mentor", channel="chat")
    rows = found(warehouse).select("learner_id", "contacts_count").rows()
    assert dict(rows) == {"ana": 2, "ben": None}


def test_daily_trials_ask_for_the_end_of_the_day_only(warehouse):
    takes_part(warehouse, "meg", ended=epoch(3, 8))
    mentored(warehouse, "meg")
    rows = found(warehouse, length_days=1)
    day = rows.filter(week_epoch_day=epoch(3, 6))
    assert dict(day.select("learner_id", "is_treated").rows()) == {"ana": True, "ben": False, "meg": False}
    assert dict(day.select("learner_id", "abandoned_week").rows()) == {"ana": None, "ben": None, "meg": 1}
    assert rows["week_epoch_day"].unique().to_list() == [epoch(3, 6)]


def test_no_covariate_is_ever_null(warehouse):
    rows = found(warehouse)
    covariates = rows.select(pl.selectors.starts_with("x_", "c_"))
    assert covariates.null_count().sum_horizontal().item() == 0
    assert covariates.width > 25
