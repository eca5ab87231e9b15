"""Costs brought to programmes, and the 70:20:10 mix as it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.costs import allocate_costs, with_currency
from models.learning_mix import learning_mix

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
COSTS: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "period_on": pl.Date,
    "cost_kind": pl.String,
    "strand": pl.String,
    "delivery": pl.String,
    "amount": pl.Float64,
    "currency": pl.String,
}
EVIDENCE: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "strand": pl.String,
    "month_starts_on": pl.Date,
    "learner_id": pl.String,
    "minutes": pl.Float64,
    "events_count": pl.Int64,
    "timed_events_count": pl.Int64,
    "outcome_sum": pl.Float64,
    "outcomes_count": pl.Int64,
}
ACTIVE: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "month_starts_on": pl.Date,
    "learner_id": pl.String,
}
PROGRAMMES: Mapping[str, Any] = {
    "programme_id": pl.String,
    "currency": pl.String,
    "target_formal_share": pl.Float64,
    "target_social_share": pl.Float64,
    "target_experiential_share": pl.Float64,
}


def frame(schema: Mapping[str, Any], *rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def cost(
    programme: str,
    amount: float,
    *,
    month: date = JANUARY,
    course: str | None = None,
    unit: str = "EUR",
    strand: str = "formal",
) -> tuple[object, ...]:
    return (programme, course, month, "platform", strand, "online_asynchronous", amount, unit)


def active(counts: Mapping[str, int], *, month: date = JANUARY, course: str = "c") -> pl.DataFrame:
    rows = [(name, course, month, f"{name}{number}") for name, learners in counts.items() for number in range(learners)]
    return frame(ACTIVE, *rows)


def programmes(**currencies: str | None) -> pl.DataFrame:
    return frame(PROGRAMMES, *((name, unit, 0.1, 0.2, 0.7) for name, unit in currencies.items()))


def amounts(rows: pl.DataFrame) -> dict[str, float]:
    return dict(rows.select("programme_id", "amount").iter_rows())


def test_a_cost_of_all_is_shared_by_active_participations_of_its_month_to_the_cent() -> None:
    people = pl.concat([active({"p": 1, "q": 1, "r": 1}), active({"p": 50}, month=FEBRUARY)])
    found = allocate_costs(frame(COSTS, cost("ALL", 100.0)), people, programmes(p="EUR", q="EUR", r="EUR"))
    assert amounts(found.costs) == {"p": 33.34, "q": 33.33, "r": 33.33}
    assert found.costs["is_allocated"].all()
    assert found.withheld.is_empty()


def test_the_largest_remainder_takes_the_cent() -> None:
    # 10.00 by 1 : 2 : 4 is 142.86, 285.71, 571.43 cents; the one missing cent goes to .86.
    found = allocate_costs(
        frame(COSTS, cost("ALL", 10.0)), active({"p": 1, "q": 2, "r": 4}), programmes(p="EUR", q="EUR", r="EUR")
    )
    assert amounts(found.costs) == {"p": 1.43, "q": 2.86, "r": 5.71}


@given(st.integers(0, 10_000_000), st.dictionaries(st.sampled_from("pqrst"), st.integers(1, 7), min_size=1))
def test_shares_add_up_to_the_amount_and_stray_less_than_a_cent(cents: int, weights: dict[str, int]) -> None:
    found = allocate_costs(
        frame(COSTS, cost("ALL", cents / 100)), active(weights), programmes(**dict.fromkeys(weights, "EUR"))
    )
    shares = {name: round(amount * 100) for name, amount in amounts(found.costs).items()}
    assert sum(shares.values()) == cents
    for name, weight in weights.items():
        assert abs(shares[name] - cents * weight / sum(weights.values())) < 1


def test_a_learner_in_two_courses_is_one_participation() -> None:
    people = pl.concat([active({"p": 1, "q": 1}), active({"p": 1}, course="d")])
    found = allocate_costs(frame(COSTS, cost("ALL", 10.0)), people, programmes(p="EUR", q="EUR"))
    assert amounts(found.costs) == {"p": 5.0, "q": 5.0}


def test_a_cost_of_all_for_one_course_goes_where_the_course_is_taken() -> None:
    people = pl.concat([active({"p": 1, "q": 3}), active({"p": 5}, course="d")])
    found = allocate_costs(frame(COSTS, cost("ALL", 8.0, course="c")), people, programmes(p="EUR", q="EUR"))
    assert amounts(found.costs) == {"p": 2.0, "q": 6.0}


def test_no_amount_is_converted_and_what_is_withheld_is_reported() -> None:
    rows = frame(COSTS, cost("ALL", 9.0), cost("p", 5.0), cost("q", 7.0, unit="USD"), cost("q", 4.0), cost("x", 1.0))
    found = allocate_costs(rows, active({"p": 2, "q": 1}), programmes(p="EUR", q="USD"))
    assert sorted(found.costs.select("programme_id", "amount").rows()) == [("p", 5.0), ("p", 6.0), ("q", 7.0)]
    assert sorted(found.withheld.select("programme_id", "amount", "withheld_reason").rows()) == [
        ("q", 3.0, "in EUR, not in the programme's currency"),
        ("q", 4.0, "in EUR, not in the programme's currency"),
        ("x", 1.0, "unknown programme"),
    ]


def test_a_cost_of_all_in_a_month_without_participations_is_withheld() -> None:
    found = allocate_costs(frame(COSTS, cost("ALL", 9.0, month=MARCH)), active({"p": 2}), programmes(p="EUR"))
    assert found.costs.is_empty()
    assert found.withheld.select("programme_id", "amount", "withheld_reason").rows() == [
        ("ALL", 9.0, "no active participation in its month")
    ]


def test_an_unstated_currency_is_that_of_the_rows_if_it_is_only_one() -> None:
    rows = frame(COSTS, cost("p", 1.0, unit="USD"), cost("q", 1.0), cost("q", 1.0, unit="USD"), cost("ALL", 1.0))
    found = with_currency(programmes(p=None, q=None, r=None, s="GBP"), rows)
    assert dict(found.select("programme_id", "currency").iter_rows()) == {"p": "USD", "q": None, "r": "EUR", "s": "GBP"}
    assert with_currency(programmes(r=None), frame(COSTS))["currency"].to_list() == [None]


def mix() -> pl.DataFrame:
    evidence = frame(
        EVIDENCE,
        ("p", "c", "formal", JANUARY, "p0", 60.0, 6, 6, 0.8, 1),
        ("p", "c", "formal", JANUARY, "p1", 30.0, 3, 3, 1.0, 2),
        ("p", "d", "formal", JANUARY, "p0", 10.0, 1, 1, 0.0, 0),
        ("p", None, "experiential", JANUARY, "p0", 100.0, 2, 1, 1.0, 1),
        ("p", None, "experiential", JANUARY, "p2", 0.0, 0, 0, 0.0, 1),
        ("p", "c", "social", JANUARY, "stranger", 0.0, 2, 0, 0.0, 0),
        ("q", "c", "formal", FEBRUARY, "q0", 5.0, 1, 1, 0.0, 0),
    )
    costs = frame(COSTS, cost("p", 50.25, course="c"), cost("p", 20.5), cost("p", 7.0, month=MARCH, strand="social"))
    people = active({"p": 4, "q": 1})
    return learning_mix(evidence, costs, people, programmes(p="EUR", q="EUR"), k=1)


def cell(found: pl.DataFrame, programme: str, course: str, month: date) -> dict[str, dict[str, Any]]:
    rows = found.filter(programme_id=programme, course_id=course, month_starts_on=month).iter_rows(named=True)
    return {row["strand"]: row for row in rows}


def test_the_mix_of_a_programme_by_hand() -> None:
    found = cell(mix(), "p", "all", JANUARY)
    formal, social, experiential = (found[strand] for strand in ("formal", "social", "experiential"))
    assert (formal["minutes"], formal["events_count"], formal["participants_count"]) == (100.0, 10, 2)
    assert (formal["cost_amount"], formal["currency"]) == (70.75, "EUR")
    assert formal["outcome_share"] == pytest.approx(1.8 / 3)
    assert formal["coverage_share"] == 0.5
    assert formal["measured_share"] == 0.5
    assert (formal["target_share"], social["target_share"], experiential["target_share"]) == (0.1, 0.2, 0.7)
    assert (experiential["measured_share"], experiential["coverage_share"]) == (0.5, 0.25)
    # A commitment that was dropped is an outcome, and no evidence that anybody did anything.
    assert (experiential["participants_count"], experiential["outcome_share"]) == (1, 0.5)
    assert (experiential["events_count"], experiential["minutes_known_share"]) == (2, 0.5)
    # Somebody who is not active gives evidence but no coverage.
    assert (social["participants_count"], social["coverage_share"], social["outcome_share"]) == (1, 0.0, None)
    assert social["cost_amount"] == 0.0
    assert not any(row["is_suppressed"] for row in found.values())


def test_minutes_that_no_log_tells_are_unknown_and_the_share_of_events_stands() -> None:
    found = cell(mix(), "p", "all", JANUARY)
    assert (found["social"]["minutes"], found["social"]["measured_share"]) == (None, None)
    assert found["social"]["minutes_known_share"] == 0.0
    assert {strand: row["events_share"] for strand, row in found.items()} == pytest.approx(
        {"formal": 10 / 14, "social": 2 / 14, "experiential": 2 / 14}, abs=1e-6
    )


def test_a_strand_is_zero_where_the_programme_s_logs_know_it_and_unknown_where_none_ever_told_of_it() -> None:
    seen_before, never_seen = (
        cell(mix(), "p", "all", MARCH)["experiential"],
        cell(mix(), "q", "all", FEBRUARY)["social"],
    )
    assert (seen_before["events_count"], seen_before["minutes"], seen_before["participants_count"]) == (0, 0.0, 0)
    assert (never_seen["events_count"], never_seen["minutes"], never_seen["coverage_share"]) == (0, None, None)
    assert (never_seen["measured_share"], never_seen["events_share"]) == (None, None)


def test_a_course_has_its_own_rows_and_what_has_no_course_stands_in_all_alone() -> None:
    found = mix()
    course = cell(found, "p", "c", JANUARY)
    assert (course["formal"]["minutes"], course["formal"]["cost_amount"]) == (90.0, 50.25)
    assert course["experiential"]["minutes"] == 0.0
    assert course["formal"]["measured_share"] == 1.0
    other = cell(found, "p", "d", JANUARY)["formal"]
    assert (other["participants_count"], other["coverage_share"], other["cost_amount"]) == (1, None, 0.0)


def test_every_cell_has_three_strands_and_a_month_of_costs_alone_stands_too() -> None:
    found = mix()
    assert dict(found.schema) == schema_of(MARTS["learning_mix"], without=("publication_id",))
    per_cell = found.group_by("programme_id", "course_id", "month_starts_on").len()
    assert per_cell["len"].unique().to_list() == [3]
    assert cell(found, "p", "all", MARCH)["social"]["cost_amount"] == 7.0
    assert cell(found, "p", "all", MARCH)["social"]["measured_share"] is None
    sums = found.filter(course_id="all", programme_id="p")["cost_amount"].sum()
    assert sums == pytest.approx(50.25 + 20.5 + 7.0)


def test_a_programme_without_cost_rows_has_no_known_cost() -> None:
    assert cell(mix(), "q", "all", FEBRUARY)["formal"]["cost_amount"] is None


def test_nothing_given_is_an_empty_mix() -> None:
    nothing = allocate_costs(frame(COSTS), frame(ACTIVE), programmes(p="EUR"))
    found = learning_mix(frame(EVIDENCE), nothing.costs, frame(ACTIVE), programmes(p="EUR"))
    assert found.is_empty()
    assert dict(found.schema) == schema_of(MARTS["learning_mix"], without=("publication_id",))


WITHHELD = (
    "minutes",
    "events_count",
    "participants_count",
    "cost_amount",
    "outcome_share",
    "coverage_share",
    "measured_share",
    "events_share",
    "minutes_known_share",
)


def crowd(course: str | None, strand: str, learners: range, minutes: float = 10.0) -> list[tuple[object, ...]]:
    return [("p", course, strand, JANUARY, f"p{number}", minutes, 1, 1, 0.0, 0) for number in learners]


def crowded(*rows: list[tuple[object, ...]]) -> pl.DataFrame:
    evidence = frame(EVIDENCE, *(row for part in rows for row in part))
    return learning_mix(evidence, frame(COSTS), active({"p": 60}), programmes(p="EUR"))


def test_a_strand_of_few_people_is_withheld_and_its_shares_with_those_beside_it() -> None:
    found = crowded(
        crowd("c", "formal", range(60)), crowd("c", "social", range(9)), crowd(None, "social", range(20, 60))
    )
    course = cell(found, "p", "c", JANUARY)
    assert course["social"]["is_suppressed"]
    assert [name for name in WITHHELD if course["social"][name] is not None] == []
    assert (course["formal"]["is_suppressed"], course["formal"]["minutes"]) == (False, 600.0)
    # The shares would tell the total of the three, and with it the one that is missing.
    assert (course["formal"]["measured_share"], course["formal"]["events_share"]) == (None, None)
    assert (course["experiential"]["is_suppressed"], course["experiential"]["events_count"]) == (False, 0)
    # Enough people learned from others outside of courses to hide the nine among them.
    assert cell(found, "p", "all", JANUARY)["social"]["minutes"] == 490.0


def test_a_course_is_withheld_where_all_less_the_other_courses_would_tell_it() -> None:
    found = crowded(
        crowd("c", "formal", range(40)), crowd("d", "formal", range(40, 55)), crowd("e", "formal", range(55, 60))
    )
    assert {name: cell(found, "p", name, JANUARY)["formal"]["is_suppressed"] for name in ("all", "c", "d", "e")} == {
        "all": False,
        "c": False,
        "d": True,
        "e": True,
    }


def test_a_few_without_a_course_are_not_told_by_all_less_the_courses() -> None:
    found = crowded(crowd("c", "social", range(40)), crowd(None, "social", range(3)))
    assert cell(found, "p", "c", JANUARY)["social"]["minutes"] is None
    assert cell(found, "p", "all", JANUARY)["social"]["minutes"] == 430.0


def test_three_who_did_something_are_not_told_by_twelve_who_did_not() -> None:
    dropped = [("p", "c", "experiential", JANUARY, f"p{number}", 0.0, 0, 0, 0.0, 1) for number in range(12)]
    assert cell(crowded(dropped), "p", "c", JANUARY)["experiential"]["outcome_share"] == 0.0
    assert cell(crowded(dropped, crowd("c", "experiential", range(3))), "p", "c", JANUARY)["experiential"][
        "is_suppressed"
    ]


def test_coverage_by_few_of_the_active_is_withheld_alone() -> None:
    strangers = crowd("c", "social", range(57, 80))
    social = cell(crowded(strangers), "p", "c", JANUARY)["social"]
    assert (social["participants_count"], social["coverage_share"]) == (23, None)
    assert cell(crowded(crowd("c", "social", range(50, 80))), "p", "c", JANUARY)["social"]["coverage_share"] == 10 / 60


@given(seed=st.integers(0, 1000), cut=st.integers(1, 4))
def test_neither_the_order_of_evidence_nor_how_it_is_cut_into_rows_changes_the_mix(seed: int, cut: int) -> None:
    rows = pl.DataFrame(
        [row for course in ("c", "d", None) for row in crowd(course, "social", range(seed % 30), 6.0)],
        schema=EVIDENCE,
        orient="row",
    )
    sums = ("minutes", "events_count", "timed_events_count", "outcome_sum", "outcomes_count")
    more = rows.with_columns(pl.lit(0, EVIDENCE[name]).alias(name) for name in sums).head(cut)
    other = pl.concat([rows, more]).sample(fraction=1.0, shuffle=True, seed=seed)
    given_once, given_otherwise = (
        learning_mix(evidence, frame(COSTS), active({"p": 60}), programmes(p="EUR")) for evidence in (rows, other)
    )
    assert given_once.equals(given_otherwise)


def test_rows_of_what_has_no_course_are_never_published() -> None:
    assert set(mix()["course_id"]) == {"all", "c", "d"}
