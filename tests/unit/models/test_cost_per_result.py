"""What a result cost, by delivery."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.cost_per_result import cost_per_result
from tests.unit.models.returns_world import BOOKED, COUNT, TIMED, ledger


def table(**given: Any) -> dict[str, dict[str, Any]]:
    found = cost_per_result(ledger(**given))
    assert dict(found.schema) == schema_of(MARTS["cost_per_result"], without=("publication_id",))
    return {row["delivery"]: row for row in found.iter_rows(named=True)}


def test_a_result_by_hand_to_the_cent() -> None:
    found = table()["all"]
    assert (found["cost_amount"], found["currency"], found["withheld_reason"]) == (1860.0, "EUR", None)
    assert (found["learners_count"], found["completions_count"], found["retained_count"]) == (40, 25, 28)
    assert found["cost_per_learner_amount"] == 46.50
    assert found["cost_per_completion_amount"] == 74.40
    assert found["cost_per_retained_amount"] == 66.43
    assert found["cost_allocated_share"] == pytest.approx(200 / 1860)


def test_deliveries_add_up_to_all_of_it() -> None:
    found = table()
    costs = {delivery: row["cost_amount"] for delivery, row in found.items()}
    assert costs == {
        "all": 1860.0,
        "face_to_face": 320.0,
        "online_asynchronous": 1400.0,
        "online_synchronous": 40.0,
        "not_stated": 100.0,
    }
    assert {row["learners_count"] for row in found.values()} == {40}
    parts = sum(row["cost_per_learner_amount"] for name, row in found.items() if name != "all")
    assert parts == pytest.approx(found["all"]["cost_per_learner_amount"], abs=0.03)
    assert "not_stated" not in table(costs=BOOKED)


def test_nobody_and_few_have_no_ratio_and_say_so() -> None:
    found = table(counts=COUNT.head(1).with_columns(completions_count=pl.lit(0), retained_count=pl.lit(9)))["all"]
    assert (found["completions_count"], found["cost_per_completion_amount"]) == (0, None)
    assert (found["retained_count"], found["cost_per_retained_amount"]) == (None, None)
    assert found["cost_per_learner_amount"] == 46.50
    assert found["withheld_reason"] == "no completion yet; under 10 behind retained"
    lost = table(counts=COUNT.head(1).with_columns(retained_count=pl.lit(31)))["all"]
    assert (lost["retained_count"], lost["cost_per_retained_amount"]) == (None, None)


def test_a_programme_of_few_learners_shows_no_figure() -> None:
    for row in table(counts=COUNT.with_columns(learners_count=pl.lit(9))).values():
        assert row["is_suppressed"]
        shown = {name for name, value in row.items() if value is not None}
        assert shown == {"programme_id", "delivery", "is_suppressed", "currency", "withheld_reason"}


def test_without_a_cost_there_is_one_row_that_says_so() -> None:
    found = table(costs=TIMED.clear())
    assert list(found) == ["all"]
    assert (found["all"]["withheld_reason"], found["all"]["cost_per_learner_amount"]) == ("no cost data", None)


def test_a_programme_that_nobody_is_in_has_a_cost_and_no_ratio() -> None:
    found = table(counts=COUNT.clear())["all"]
    assert (found["cost_amount"], found["learners_count"]) == (1860.0, 0)
    assert found["withheld_reason"] == "no learner; no completion yet; no learner retained"


def test_costs_in_another_currency_are_told_and_not_converted() -> None:
    foreign = BOOKED.head(1).with_columns(currency=pl.lit("USD"), withheld_reason=pl.lit("in USD"))
    assert table(withheld=foreign)["all"]["withheld_reason"] == (
        "costs in another currency are not counted: USD 1,000.00"
    )
