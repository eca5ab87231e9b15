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
from models.learning_mix import allocate_costs, learning_mix, with_currency

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
COSTS: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "period_on": pl.Date,
    "cost_kind": pl.String,
    "strand": pl.String,
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
    return (programme, course, month, "platform", strand, amount, unit)


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
        ("p", "c", "formal", JANUARY, "p0", 60.0, 6, 0.8, 1),
        ("p", "c", "formal", JANUARY, "p1", 30.0, 3, 1.0, 2),
        ("p", "d", "formal", JANUARY, "p0", 10.0, 1, 0.0, 0),
        ("p", None, "experiential", JANUARY, "p0", 100.0, 1, 1.0, 1),
        ("p", "c", "social", JANUARY, "stranger", 0.0, 2, 0.0, 0),
        ("q", "c", "formal", FEBRUARY, "q0", 5.0, 1, 0.0, 0),
    )
    costs = frame(COSTS, cost("p", 50.25, course="c"), cost("p", 20.5), cost("p", 7.0, month=MARCH, strand="social"))
    people = active({"p": 4, "q": 1})
    return learning_mix(evidence, costs, people, programmes(p="EUR", q="EUR"))


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
    # Somebody who is not active gives evidence but no coverage.
    assert (social["participants_count"], social["coverage_share"], social["outcome_share"]) == (1, 0.0, None)
    assert social["cost_amount"] == 0.0


def test_a_course_has_its_own_rows_and_what_has_no_course_stands_in_all_alone() -> None:
    found = mix()
    course = cell(found, "p", "c", JANUARY)
    assert (course["formal"]["minutes"], course["formal"]["cost_amount"]) == (90.0, 50.25)
    assert course["experiential"]["minutes"] == 0.0
    assert course["formal"]["measured_share"] == 1.0
    other = cell(found, "p", "d", JANUARY)["formal"]
    assert (other["participants_count"], other["coverage_share"], other["cost_amount"]) == (1, 0.0, 0.0)


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
