"""The twelve principles, each kept, broken and not to be told."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from models.principles import PRINCIPLES, roi_principle
from models.roi import programme_roi
from tests.unit.models.returns_world import BENEFIT, BOOKED, SURVEYS, TIMED, effect, frame, ledger

ANSWERED = frame(SURVEYS, ("p", 1, 40), ("p", 2, 30), ("p", 3, 20), ("q", 4, 5))


def judged(surveys: pl.DataFrame = ANSWERED, **given: Any) -> dict[int, tuple[bool | None, str]]:
    book = ledger(**given)
    found = roi_principle(book, programme_roi(book), surveys)
    names = ("principle_number", "is_principle_kept", "evidence")
    return {number: (kept, evidence) for number, kept, evidence in found.select(names).rows()}


def test_each_programme_is_held_against_all_twelve() -> None:
    assert len(PRINCIPLES) == 12
    found = judged()
    assert list(found) == list(range(1, 13))
    assert {number: kept for number, (kept, _) in found.items() if kept is None} == {2: None, 3: None, 12: None}
    assert all(kept for number, (kept, _) in found.items() if number not in {2, 3, 12})


@pytest.mark.parametrize(
    ("number", "given", "evidence"),
    [
        (1, {"surveys": ANSWERED.filter(outcome_level=3)}, "3, 4; none at 1, 2"),
        (5, {"benefits": BENEFIT.with_columns(attribution_share=pl.lit(1.0))}, "2 benefit rows are attributed"),
        (7, {"benefits": BENEFIT.with_columns(confidence_share=pl.lit(1.0))}, "2 benefit rows claim full confidence"),
        (10, {"costs": BOOKED}, "no learner time; cost not fully loaded: no mentor time"),
        (
            10,
            {"withheld": BOOKED.head(1).with_columns(currency=pl.lit("USD"), withheld_reason=pl.lit("in USD"))},
            "USD 1,000.00",
        ),
    ],
)
def test_a_principle_can_be_broken(number: int, given: dict[str, Any], evidence: str) -> None:
    kept, words = judged(**given)[number]
    assert kept is False
    assert evidence in words


def test_where_nothing_is_claimed_nothing_is_broken() -> None:
    found = judged(ANSWERED.clear(), benefits=BENEFIT.clear(), costs=TIMED.clear())
    assert {number for number, (kept, _) in found.items() if kept is not None} == {6}
    assert found[4][1] == found[5][1] == found[7][1] == "no benefit is claimed"


def test_an_effect_without_benefit_rows_is_a_claim_isolated_by_it() -> None:
    found = judged(benefits=BENEFIT.clear(), effects=effect((-8.0, -9.0, -7.0)))
    assert found[5] == (True, "by effect")
    assert found[1][0] is True
    assert found[4][0] is True
    assert found[3] == (None, "the effect is estimated from logs")


def test_rows_that_are_left_out_are_counted() -> None:
    late = BENEFIT.with_columns(period_on=pl.lit(date(2027, 4, 1)))
    usual = (
        BENEFIT.head(1).select(pl.all().repeat_by(8).explode()).with_columns(quantity=pl.Series([10.0] * 7 + [99.0]))
    )
    found = judged(benefits=pl.concat([BENEFIT.tail(1), late, usual]), observed_on=date(2027, 12, 31))
    assert found[8] == (True, "1 extreme benefit rows left out")
    assert found[9] == (True, "2 benefit rows later than a year after the programme's end left out")


def test_few_answers_are_not_told_by_number() -> None:
    assert judged(frame(SURVEYS, ("p", 1, 9)))[11] == (
        True,
        "fewer than 10 answers to surveys stay answers, none is converted to money",
    )
