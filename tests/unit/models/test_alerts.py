"""Who is alerted, why, and which alert of an earlier night goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import polars as pl
import pytest

from data_contracts.tables.alerts import ALERT, CANDIDATE
from data_contracts.tables.risk import REASON, SCORE
from models.alerts import AlertInputError, AlertSettings, candidates, open_or_continue
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
    "has_met": pl.Boolean,
    "days_since_contact": pl.Int64,
    "agreed_interval_days": pl.Float64,
    "open_tickets_count": pl.Int64,
    "overdue_commitments_count": pl.Int64,
    "next_step": pl.String,
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
    **settings: Any,
) -> pl.DataFrame:
    return candidates(
        pl.DataFrame(scores, schema=schema_of(SCORE)),
        pl.DataFrame(reasons or [], schema=schema_of(REASON)),
        pl.DataFrame(facts, schema=FACTS),
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
        ({"days_since_match": 9, "has_met": False}, None),
        ({"days_since_match": 10, "has_met": False}, "first_meeting_not_held"),
        ({"days_since_match": 40, "has_met": True, "days_since_contact": 13}, None),
        ({"days_since_match": 40, "has_met": True, "days_since_contact": 14}, "mentor_silent"),
        ({"days_since_match": 40, "has_met": True, "days_since_contact": 20, "agreed_interval_days": 14.0}, None),
        (
            {"days_since_match": 40, "has_met": True, "days_since_contact": 21, "agreed_interval_days": 14.0},
            "mentor_silent",
        ),
        (
            {"days_since_match": 40, "has_met": True, "days_since_contact": 14, "agreed_interval_days": 2.0},
            "mentor_silent",
        ),
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
    found = one([], [fact(days_since_match=12, has_met=False)])
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


def test_one_is_counted_as_one() -> None:
    assert one([], [fact(overdue_commitments_count=1)])["reason_1_text"] == "1 commitment overdue"
    assert one([], [fact(overdue_commitments_count=2)])["reason_1_text"] == "2 commitments overdue"
    assert one([], [fact(open_tickets_count=1)])["reason_1_text"] == "1 support ticket open"


@pytest.mark.parametrize("flag", ["is_opted_out", "is_on_leave"])
def test_nobody_is_alerted_about_one_on_leave_or_opted_out(flag: str) -> None:
    assert run([score(p=0.9)], [fact(**{flag: True}, open_tickets_count=3)]).height == 0


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


def history(*rows: pl.DataFrame) -> pl.DataFrame:
    empty = pl.DataFrame(schema=schema_of(ALERT))
    return pl.concat(
        [
            empty,
            *(
                row.with_columns(is_served=pl.lit(value=True), mentor_id=pl.lit("m"), route_kind=pl.lit("own_mentor"))
                for row in rows
            ),
        ]
    )


def at(days: int) -> datetime:
    return NIGHT + timedelta(days=days)


def night(days: int, previous: pl.DataFrame, *, p: float = 0.5, **facts: object) -> pl.DataFrame:
    """One night of learner a, from candidates to open alerts, `days` after the first."""
    found = candidates(
        pl.DataFrame([score(p=p, observed_at=at(days))], schema=schema_of(SCORE)),
        pl.DataFrame(schema=schema_of(REASON)),
        pl.DataFrame([fact(**facts)], schema=FACTS),
        observed_at=at(days),
    )
    return open_or_continue(found, previous, observed_at=at(days))


def test_a_first_alert_is_new_and_its_id_is_a_content_hash() -> None:
    found = night(0, history())
    assert dict(found.schema) == schema_of(ALERT)
    row = found.row(0, named=True)
    assert row["alert_id"] == sha256(b"p:a|risk||2026-03-04T03:30:00").hexdigest()[:32]
    assert (row["state"], row["opened_at"], row["state_at"]) == ("new", NIGHT, NIGHT)
    assert row["is_served"] is None


def test_an_open_alert_goes_on_under_its_id_with_tonights_content() -> None:
    first = night(0, history())
    second = night(1, history(first), p=0.05, open_tickets_count=1)
    assert second["alert_id"].to_list() == first["alert_id"].to_list()
    row = second.row(0, named=True)
    assert (row["opened_at"], row["observed_at"], row["state"]) == (NIGHT, at(1), "new")
    assert (row["kind"], row["rule"], row["mentor_id"], row["is_served"]) == ("rule", "ticket_open", "m", True)


def test_an_alert_whose_cause_is_gone_is_resolved_once_and_cools_down() -> None:
    first = history(night(0, history()))
    gone = night(1, first, p=0.01)
    assert gone.select("state", "state_at", "observed_at", "is_served").rows() == [("resolved", at(1), at(1), True)]
    record = pl.concat([first, gone])
    assert night(2, record, p=0.01).height == 0
    assert night(14, record).height == 0
    again = night(15, record)
    assert again["state"].to_list() == ["new"]
    assert again["opened_at"].to_list() == [at(15)]


def test_never_started_breaks_the_cooldown_unless_a_mentor_dismissed() -> None:
    first = history(night(0, history()))
    resolved = pl.concat([first, night(1, first, p=0.01)])
    assert night(2, resolved, has_never_started=True)["rule"].to_list() == ["never_started"]
    dismissed = first.with_columns(state=pl.lit("dismissed"))
    assert night(2, dismissed, has_never_started=True).height == 0


def test_a_night_run_again_gives_the_same() -> None:
    first = history(night(0, history()))
    assert night(0, first).equals(night(0, history()))


def test_there_is_never_more_than_one_open_alert_a_participation() -> None:
    record = history()
    for day in range(40):
        tonight = night(day, record, p=0.5 if day % 5 else 0.01, has_never_started=day % 7 == 0)
        assert tonight["participation_id"].is_unique().all()
        assert tonight.filter(pl.col("state") == "new").height <= 1
        record = pl.concat([record, history(tonight)])
    assert record["alert_id"].n_unique() > 2
