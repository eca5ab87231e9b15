"""Who is alerted tonight, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from data_contracts.tables.alerts import CANDIDATE
from data_contracts.tables.risk import REASON, SCORE
from models.alerts import AlertInputError, AlertSettings, candidates
from models.contract import schema_of

NIGHT = datetime(2026, 3, 4, 3, 30)  # noqa: DTZ001 - instants are UTC without a zone
FACTS: dict[str, Any] = {
    "participation_id": pl.String,
    "learner_id": pl.String,
    "programme_id": pl.String,
    "is_opted_out": pl.Boolean,
    "is_on_leave": pl.Boolean,
    "has_never_started": pl.Boolean,
    "days_since_open": pl.Int64,
    "days_since_match": pl.Int64,
    "silent_days": pl.Int64,
    "held_count": pl.Int64,
    "promised_count": pl.Float64,
    "is_first_meeting_overdue": pl.Boolean,
    "is_mentor_silent": pl.Boolean,
    "is_cadence_broken": pl.Boolean,
    "has_mentor": pl.Boolean,
    "active_days_7d": pl.Int64,
    "open_tickets_count": pl.Int64,
    "overdue_commitments_count": pl.Int64,
    "goal_gap_points": pl.Float64,
    "attained_goals_count": pl.Int64,
    "synchronous_tried_count": pl.Int64,
    "synchronous_answered_count": pl.Int64,
    "asynchronous_tried_count": pl.Int64,
    "asynchronous_answered_count": pl.Int64,
    "next_step": pl.String,
    "courses_count": pl.Int64,
}


def fact(learner: str = "a", **given: object) -> dict[str, object]:
    return {
        "participation_id": f"p:{learner}",
        "learner_id": learner,
        "programme_id": "p",
        "is_opted_out": False,
        "is_on_leave": False,
        "has_never_started": False,
        "days_since_open": 30,
        "has_mentor": True,
        "active_days_7d": 0,
        "open_tickets_count": 0,
        "overdue_commitments_count": 0,
    } | given


def score(learner: str = "a", p: float | None = 0.05, **given: object) -> dict[str, object]:
    return {
        "enrolment_id": f"e{learner}",
        "learner_id": learner,
        "programme_id": "p",
        "course_id": "c",
        "participation_id": f"p:{learner}",
        "observed_at": NIGHT,
        "abandonment_probability_28d": p,
        "risk_band": None if p is None else "high" if p >= 0.3 else "middle" if p >= 0.1 else "low",
        "is_too_early": False,
        "course_base_share": 0.03,
        "model_id": None if p is None else "m",
        "code_version": "1",
    } | given


def reason(enrolment: str, level: str = "educational") -> dict[str, object]:
    words = {f"reason_{place}_{part}": f"{part}{place}" for place in (1, 2, 3) for part in ("family", "text")}
    return {"enrolment_id": enrolment, "observed_at": NIGHT, "level": level} | words


def run(
    scores: list[dict[str, object]],
    facts: list[dict[str, object]],
    reasons: list[dict[str, object]] | None = None,
    at_risk: tuple[str, ...] = (),
    **settings: Any,
) -> pl.DataFrame:
    return candidates(
        pl.DataFrame(scores, schema={**schema_of(SCORE), "course_title": pl.String}),
        pl.DataFrame(reasons or [], schema=schema_of(REASON)),
        pl.DataFrame(facts, schema=FACTS),
        at_risk=at_risk,
        observed_at=NIGHT,
        settings=AlertSettings(**settings),
    )


def one(*args: Any, **kwargs: Any) -> dict[str, Any]:
    found = run(*args, **kwargs)
    assert found.height == 1
    return found.row(0, named=True)


@pytest.mark.parametrize(
    ("probability", "base", "is_alerted"),
    [(0.0999, 0.01, False), (0.10, 0.01, True), (0.19, 0.10, False), (0.20, 0.10, True), (None, 0.01, False)],
)
def test_the_floor_is_a_tenth_and_twice_the_course_base(
    probability: float | None, base: float, is_alerted: bool
) -> None:
    assert run([score(p=probability, course_base_share=base)], [fact()]).height == is_alerted


def test_a_participation_takes_its_highest_enrolment_above_its_own_floor() -> None:
    scores = [
        score(p=0.15, enrolment_id="low"),
        score(p=0.25, enrolment_id="high"),
        score(p=0.90, enrolment_id="early", is_too_early=True),
        score(p=0.40, enrolment_id="usual there", course_base_share=0.25),
    ]
    found = one(scores, [fact()])
    assert (found["kind"], found["enrolment_id"], found["abandonment_probability_28d"]) == ("risk", "high", 0.25)


def test_level_and_reasons_of_risk_come_from_the_model_and_minutes_from_the_level() -> None:
    found = one([score(p=0.2)], [fact(next_step="essay due on Friday")], [reason("ea")])
    assert found["level"] == "educational"
    assert found["expected_minutes"] == 30
    assert [found[f"reason_{place}_text"] for place in (1, 2, 3)] == ["text1", "text2", "text3"]
    assert found["next_step"] == "essay due on Friday"
    assert found["rule"] is None


@pytest.mark.parametrize(
    ("probability", "level", "channel"),
    [(0.29, "educational", "asynchronous"), (0.30, "educational", "synchronous"), (0.12, "social", "synchronous")],
)
def test_the_channel_is_synchronous_for_social_matters_and_high_risk(
    probability: float, level: str, channel: str
) -> None:
    assert one([score(p=probability)], [fact()], [reason("ea", level)])["channel"] == channel


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"has_never_started": True, "days_since_open": 6}, None),
        ({"has_never_started": True, "days_since_open": 7}, "never_started"),
        ({"has_never_started": True, "days_since_open": None}, None),
        ({"is_first_meeting_overdue": True}, "first_meeting_not_held"),
        ({"is_first_meeting_overdue": True, "is_mentor_silent": True}, "first_meeting_not_held"),
        ({"is_mentor_silent": True, "is_first_meeting_overdue": False}, "mentor_silent"),
        ({"is_cadence_broken": True}, "cadence_broken"),
        ({"goal_gap_points": -10.0}, None),
        ({"goal_gap_points": -10.1}, "goal_behind"),
        ({"goal_gap_points": -40.0, "overdue_commitments_count": 1}, "commitment_overdue"),
        ({"open_tickets_count": 1}, "ticket_open"),
        ({"overdue_commitments_count": 2}, "commitment_overdue"),
        ({"open_tickets_count": None, "overdue_commitments_count": None, "has_never_started": None}, None),
        ({"overdue_commitments_count": 2, "open_tickets_count": 1, "has_never_started": True}, "never_started"),
    ],
)
def test_rules_alert_from_their_day_on_without_a_model(given: dict[str, object], rule: str | None) -> None:
    found = run([score(p=None)], [fact(**given)])
    assert found["rule"].to_list() == ([rule] if rule else [])
    assert found["kind"].to_list() == (["rule"] if rule else [])


def test_a_rule_alert_stands_without_any_score_and_says_why_in_words() -> None:
    found = one([], [fact(days_since_match=12, is_first_meeting_overdue=True)])
    assert found["reason_1_text"] == "no first meeting 12 days after the match"
    assert found["abandonment_probability_28d"] is None
    assert found["enrolment_id"] is None
    assert (found["level"], found["expected_minutes"], found["channel"]) == ("social", 15, "synchronous")


def test_risk_wins_over_a_rule_but_never_started_wins_over_risk_and_over_too_early() -> None:
    assert one([score(p=0.5)], [fact(open_tickets_count=1)], [reason("ea")])["kind"] == "risk"
    never = one([score(p=0.5, is_too_early=True)], [fact(has_never_started=True)], [reason("ea")])
    assert never["rule"] == "never_started"
    assert never["abandonment_probability_28d"] == 0.5
    assert [never[f"reason_{place}_text"] for place in (1, 2, 3)] == [
        "has not started yet, 30 days after opening",
        "text1",
        "text2",
    ]
    assert one([score(p=0.5)], [fact(has_never_started=True)])["rule"] == "never_started"


@pytest.mark.parametrize(
    ("families", "told"),
    [
        (("recency", "activity", "goals"), ["text2", "text3"]),
        (("activity", "recency", "goals"), ["text1", "text3"]),
        (("activity", "goals", "recency"), ["text1", "text2"]),
        (("recency", None, None), [None, None]),
    ],
)
def test_what_the_rule_tells_is_not_told_again_by_the_model(families: tuple[str | None, ...], told: list[str]) -> None:
    texts = {f"reason_{place}_text": f"text{place}" if family else None for place, family in enumerate(families, 1)}
    names = {f"reason_{place}_family": family for place, family in enumerate(families, 1)}
    never = one([score(p=0.5)], [fact(has_never_started=True)], [reason("ea") | texts | names])
    assert [never["reason_2_text"], never["reason_3_text"]] == told


def test_a_risk_in_one_of_several_courses_names_the_course() -> None:
    of_course = score(p=0.2, course_title="Maths")
    assert one([of_course], [fact(courses_count=2)], [reason("ea")])["reason_1_text"] == "in Maths: text1"
    assert one([of_course], [fact(courses_count=1)], [reason("ea")])["reason_1_text"] == "text1"
    assert one([score(p=0.2)], [fact(courses_count=2)], [reason("ea")])["reason_1_text"] == "text1"
    never = one([of_course], [fact(courses_count=2, has_never_started=True)], [reason("ea")])
    assert [never["reason_1_text"], never["reason_2_text"]] == [
        "has not started yet, 30 days after opening",
        "in Maths: text1",
    ]


def test_what_is_outstanding_is_the_next_step() -> None:
    due = {"next_step": "work due on 29 March"}
    assert one([], [fact(is_first_meeting_overdue=True, **due)])["next_step"] == "first meeting"
    assert one([], [fact(overdue_commitments_count=1, **due)])["next_step"] == "review of the overdue commitment"
    assert one([], [fact(is_cadence_broken=True, **due)])["next_step"] == "work due on 29 March"


def test_one_is_counted_as_one() -> None:
    assert one([], [fact(overdue_commitments_count=1)])["reason_1_text"] == "1 commitment overdue"
    assert one([], [fact(overdue_commitments_count=2)])["reason_1_text"] == "2 commitments overdue"
    assert one([], [fact(open_tickets_count=1)])["reason_1_text"] == "1 support ticket open"


@pytest.mark.parametrize("flag", ["is_opted_out", "is_on_leave"])
def test_nobody_is_alerted_about_one_on_leave_or_opted_out(flag: str) -> None:
    assert run([score(p=0.9)], [fact(**{flag: True}, open_tickets_count=3)]).height == 0


def test_rules_can_be_switched_off_and_an_unknown_one_is_an_error() -> None:
    assert (
        one([], [fact(open_tickets_count=1, is_cadence_broken=True)], rules=["cadence_broken"])["rule"]
        == "cadence_broken"
    )
    assert run([], [fact(open_tickets_count=1)], rules=[]).height == 0
    assert one([], [fact(goal_gap_points=-6.0)], goal_behind_points=5)["rule"] == "goal_behind"
    with pytest.raises(AlertInputError, match="no rule is called ticket"):
        run([], [fact()], rules=["ticket"])


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"silent_days": 20, "is_mentor_silent": True, "is_first_meeting_overdue": False}, "mentor for 20 days"),
        ({"is_cadence_broken": True, "held_count": 1, "promised_count": 3.86}, "1 of the last 4 agreed meetings held"),
        ({"goal_gap_points": -17.4}, "a goal is 17 percentage points behind its timeline"),
        ({"attained_goals_count": 1}, "1 goal attained this week"),
    ],
)
def test_each_rule_says_its_figure(given: dict[str, object], rule: str) -> None:
    assert str(one([], [fact(**given)])["reason_1_text"]).endswith(rule)


def test_a_goal_attained_is_good_news_that_takes_no_minutes_and_comes_last() -> None:
    found = one([score(p=0.02)], [fact(attained_goals_count=1)])
    assert (found["kind"], found["rule"], found["expected_minutes"]) == ("good_news", "goal_attained", 0)
    assert one([], [fact(attained_goals_count=1, overdue_commitments_count=1)])["kind"] == "rule"
    assert run([], [fact(attained_goals_count=1, has_mentor=False)]).height == 0
    assert run([], [fact(attained_goals_count=1)], has_good_news=False).height == 0


@pytest.mark.parametrize(
    ("active", "p", "is_told"), [(0, 0.02, True), (1, 0.02, True), (2, 0.02, False), (2, 0.4, True), (0, None, False)]
)
def test_a_risk_that_was_told_is_told_until_the_learner_is_back(active: int, p: float | None, is_told: bool) -> None:
    found = run([score(p=p)], [fact(active_days_7d=active)], at_risk=("p:a",))
    assert found["kind"].to_list() == (["risk"] if is_told else [])


@pytest.mark.parametrize(
    ("tried", "channel"),
    [
        ((3, 0, 0, 0), "synchronous"),
        ((4, 0, 0, 0), "asynchronous"),
        ((4, 4, 4, 1), "synchronous"),
        ((4, 1, 4, 4), "asynchronous"),
        ((2, 1, 2, 1), "synchronous"),
        ((0, 0, 9, 0), "synchronous"),
    ],
)
def test_the_channel_is_the_one_this_learner_has_answered(tried: tuple[int, ...], channel: str) -> None:
    names = ("synchronous_tried", "synchronous_answered", "asynchronous_tried", "asynchronous_answered")
    told = {f"{name}_count": count for name, count in zip(names, tried, strict=True)}
    assert one([], [fact(is_first_meeting_overdue=True, **told)])["channel"] == channel


def test_a_meeting_takes_what_meetings_of_its_level_took_and_a_message_what_is_set() -> None:
    learned = {"social": 45}
    social, written = (
        fact(is_first_meeting_overdue=True),
        {"synchronous_tried_count": 4, "synchronous_answered_count": 0},
    )
    assert one([], [social], meeting_minutes_by_level=learned)["expected_minutes"] == 45
    assert one([], [social | written], meeting_minutes_by_level=learned)["expected_minutes"] == 15
    assert one([], [fact(open_tickets_count=1)], meeting_minutes_by_level=learned)["expected_minutes"] == 10


def test_scores_of_other_nights_are_left_aside() -> None:
    assert run([score(p=0.9, observed_at=NIGHT - timedelta(days=1))], [fact()]).height == 0


def test_candidates_keep_the_contract_and_one_row_a_participation() -> None:
    found = run([score(p=0.5), score(p=0.5, enrolment_id="zz"), score("b", p=0.2)], [fact("b"), fact()])
    assert dict(found.schema) == schema_of(CANDIDATE)
    assert found["participation_id"].to_list() == ["p:a", "p:b"]
    assert found["enrolment_id"].to_list() == ["ea", "eb"]


def test_a_scored_participation_without_facts_is_an_error() -> None:
    with pytest.raises(AlertInputError, match="without facts"):
        run([score()], [])
    with pytest.raises(AlertInputError, match="more than once"):
        run([score()], [fact(), fact()])


def test_no_participation_is_no_candidate() -> None:
    assert dict(run([], []).schema) == schema_of(CANDIDATE)
