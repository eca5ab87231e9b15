"""ROI by hand, to the cent, and every reason why it cannot be said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl
import pytest

from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.effect import not_estimated
from models.roi import (
    ROISettings,
    attribution_return,
    break_even_effect_points,
    effect_return,
    programme_roi,
    roi_percent,
    with_time_costs,
)

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
TONIGHT = date(2026, 6, 30)
NOT_YET = "the effect of mentoring is not estimated yet"
KEY = ["course_id", "strand", "component", "method", "isolation"]
COSTS: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "period_on": pl.Date,
    "cost_kind": pl.String,
    "strand": pl.String,
    "amount": pl.Float64,
    "currency": pl.String,
    "is_allocated": pl.Boolean,
}
BENEFITS: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "period_on": pl.Date,
    "metric": pl.String,
    "quantity": pl.Float64,
    "unit_value_amount": pl.Float64,
    "attribution_share": pl.Float64,
    "confidence_share": pl.Float64,
    "currency": pl.String,
}
PROGRAMMES: Mapping[str, Any] = {
    "programme_id": pl.String,
    "currency": pl.String,
    "starts_on": pl.Date,
    "ends_on": pl.Date,
    "value_per_completion_amount": pl.Float64,
    "learner_hour_amount": pl.Float64,
    "mentor_hour_amount": pl.Float64,
}
COUNTS: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "learners_count": pl.Int64,
    "completions_count": pl.Int64,
    "mentored_count": pl.Int64,
    "completes_given_active_share": pl.Float64,
}
MINUTES: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "month_starts_on": pl.Date,
    "minutes": pl.Float64,
}
EVIDENCE: Mapping[str, Any] = {**MINUTES, "strand": pl.String}


def frame(schema: Mapping[str, Any], *rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


PROGRAMME = frame(PROGRAMMES, ("p", "EUR", JANUARY, date(2026, 3, 31), 5000.0, 20.0, 40.0))
COUNT = frame(COUNTS, ("p", None, 40, 25, 20, 0.5), ("p", "c", 30, 22, 15, None))
BOOKED = frame(
    COSTS,
    ("p", "c", JANUARY, "content", "formal", 1000.0, "EUR", False),
    ("p", None, FEBRUARY, "mentor_training", "social", 300.0, "EUR", False),
    ("p", None, MARCH, "coordination", "social", 200.0, "EUR", True),
)
# 600 and 300 learner minutes at 20 an hour, 90 mentor minutes at 40: 200 + 100 + 60 beside 1,500 booked = 1,860.
TIMED = with_time_costs(
    BOOKED,
    frame(EVIDENCE, ("p", "c", JANUARY, 600.0, "formal"), ("p", None, FEBRUARY, 300.0, "social")),
    frame(MINUTES, ("p", None, FEBRUARY, 90.0)),
    PROGRAMME,
)
BENEFIT = frame(
    BENEFITS,
    ("p", None, MARCH, "faster onboarding", 10.0, 500.0, 0.5, 0.8, "EUR"),
    ("p", "c", MARCH, "fewer errors", 4.0, 250.0, 1.0, 0.6, "EUR"),
)
NO_WITHHELD = frame({**COSTS, "withheld_reason": pl.String})


def effects(points: tuple[float, float, float] | None = None, verdict: str = "usable") -> pl.DataFrame:
    rows = not_estimated(
        pl.DataFrame({"programme_id": ["p"]}),
        pl.DataFrame(
            schema={"programme_id": pl.String, "contrast": pl.String, "n_count": pl.Int64, "n_events_count": pl.Int64}
        ),
        reason=NOT_YET,
    )
    if points is None:
        return rows
    names = ("effect_points", "effect_low_points", "effect_high_points")
    return rows.with_columns(
        *(pl.lit(point).alias(name) for name, point in zip(names, points, strict=True)),
        verdict=pl.lit(verdict),
        reason=pl.lit(None, pl.String),
    )


def roi(**given: Any) -> pl.DataFrame:
    frames = {
        "programmes": PROGRAMME,
        "costs": TIMED,
        "benefits": BENEFIT,
        "counts": COUNT,
        "withheld": NO_WITHHELD,
        "effects": effects(),
        "observed_on": TONIGHT,
    } | given
    return programme_roi(**frames)


def one(found: pl.DataFrame, **key: str) -> dict[str, Any]:
    wanted = {"course_id": "all", "strand": "all", "component": "programme", "method": "full"} | key
    rows = found.filter(**wanted)
    assert rows.height == 1
    return rows.row(0, named=True)


def test_a_thousand_mentored_by_hand() -> None:
    cost = 1000 * 60 + 15_000
    found = effect_return(
        effect=-0.030, low=-0.055, high=-0.005, mentored_count=1000, value_per_retained=4000, cost=cost
    )
    assert found.benefit == pytest.approx(120_000)
    assert (found.low, found.high) == (pytest.approx(20_000), pytest.approx(220_000))
    assert roi_percent(found.benefit, cost) == pytest.approx(60.0)
    assert found.benefit / cost == pytest.approx(1.60)
    assert found.positive_probability == pytest.approx(0.811, abs=0.0005)
    assert break_even_effect_points(cost, 1000, 4000) == pytest.approx(1.875)


def test_time_is_charged_by_minutes_and_rates_where_no_time_row_is_given() -> None:
    added = TIMED.filter(pl.col("cost_kind").is_in(["learner_time", "mentor_time"]))
    assert sorted(added.select("course_id", "period_on", "cost_kind", "strand", "amount").rows(), key=str) == sorted(
        [
            ("c", JANUARY, "learner_time", "formal", 200.0),
            (None, FEBRUARY, "learner_time", "social", 100.0),
            (None, FEBRUARY, "mentor_time", "social", 60.0),
        ],
        key=str,
    )
    assert TIMED["amount"].sum() == 1860.0


def test_a_given_time_row_wins_and_time_alone_makes_no_cost() -> None:
    given = pl.concat([BOOKED, frame(COSTS, ("p", None, MARCH, "learner_time", "formal", 5.0, "EUR", False))])
    evidence = frame(EVIDENCE, ("p", "c", JANUARY, 600.0, "formal"))
    assert with_time_costs(given, evidence, frame(MINUTES), PROGRAMME).height == given.height
    assert with_time_costs(frame(COSTS), evidence, frame(MINUTES), PROGRAMME).is_empty()
    unpriced = PROGRAMME.with_columns(learner_hour_amount=pl.lit(None, pl.Float64))
    assert with_time_costs(BOOKED, evidence, frame(MINUTES), unpriced).height == BOOKED.height


def test_a_programme_by_hand_to_the_cent() -> None:
    found = one(roi(), isolation="attribution")
    assert (found["cost_amount"], found["benefit_amount"]) == (1860.0, 3500.0)
    assert found["roi_percent"] == pytest.approx(88.172043)
    assert found["benefit_cost_ratio"] == pytest.approx(1.881720)
    assert (found["period_starts_on"], found["period_ends_on"]) == (JANUARY, date(2026, 3, 31))
    assert found["payback_days"] == pytest.approx(1860 / 3500 * 90)
    assert (found["learners_count"], found["completions_count"], found["currency"]) == (40, 25, "EUR")
    assert (found["verdict"], found["withheld_reason"]) == ("usable", None)
    # Two independent triangular errors of 500 and 400: variance (500^2 + 400^2) / 6, nearly normal.
    assert found["benefit_low_amount"] == pytest.approx(3500 - 512, abs=20)
    assert found["benefit_high_amount"] == pytest.approx(3500 + 512, abs=20)
    assert found["roi_low_percent"] == pytest.approx(roi_percent(found["benefit_low_amount"], 1860), abs=1e-3)


def test_the_conservative_method_takes_confidence_off_and_lets_errors_go_together() -> None:
    found = one(roi(), isolation="attribution", method="conservative")
    assert found["benefit_amount"] == 2600.0
    assert found["roi_percent"] == pytest.approx((2600 - 1860) / 1860 * 100)
    # 2000 (1 + .2 u) + 600 (1 + .4 u) with one triangular u, whose 2.5 % quantile is sqrt(.05) - 1.
    assert found["benefit_low_amount"] == pytest.approx(2600 + 640 * (0.05**0.5 - 1), abs=12)
    assert found["benefit_high_amount"] == pytest.approx(2600 - 640 * (0.05**0.5 - 1), abs=12)


def test_the_probability_of_a_positive_roi_follows_the_triangle() -> None:
    certain = BENEFIT.filter(metric="faster onboarding")
    # 2500 +- 500: above 2250 with probability 1 - .5^2 / 2.
    found = attribution_return(certain, 2250.0, method="full", settings=ROISettings(draws=40_000))
    assert found.positive_probability == pytest.approx(0.875, abs=0.006)
    assert attribution_return(certain, None, method="full").positive_probability is None
    sure = certain.with_columns(confidence_share=pl.lit(1.0))
    assert attribution_return(sure, 2499.99, method="full").positive_probability == 1.0
    assert attribution_return(sure, 2500.0, method="full").low == 2500.0


def test_every_row_of_the_cross_stands_once() -> None:
    found = roi()
    assert dict(found.schema) == schema_of(MARTS["programme_roi"], without=("publication_id",))
    assert not found.select("programme_id", *KEY).is_duplicated().any()
    assert set(found["course_id"]) == {"all", "c"}
    for course_id in ("all", "c"):
        rows = found.filter(course_id=course_id, method="full").select("strand", "component", "isolation").rows()
        assert sorted(rows) == sorted(
            [
                (strand, component, "none")
                for strand in ("formal", "social", "experiential")
                for component in ("programme", "mentoring")
            ]
            + [
                ("all", "programme", "attribution"),
                ("all", "programme", "none"),
                ("all", "programme", "effect"),
                ("all", "mentoring", "effect"),
            ]
        )


def test_coordination_is_the_mentors_on_the_social_strand_alone() -> None:
    elsewhere = frame(COSTS, ("p", None, MARCH, "coordination", "experiential", 777.0, "EUR", False))
    found = roi(costs=pl.concat([BOOKED, elsewhere]))
    all_rows = {"course_id": "all", "strand": "all", "isolation": "effect", "method": "full"}
    assert one(found, component="mentoring", **all_rows)["cost_amount"] == 300 + 200
    assert one(found, component="programme", **all_rows)["cost_amount"] == 1500 + 777


def test_strand_rows_have_their_cost_and_no_benefit() -> None:
    found = roi().filter(course_id="all", component="programme", method="full", isolation="none")
    strands = {row["strand"]: row for row in found.iter_rows(named=True) if row["strand"] != "all"}
    assert {strand: row["cost_amount"] for strand, row in strands.items()} == {
        "formal": 1200.0,
        "social": 660.0,
        "experiential": 0.0,
    }
    assert {row["withheld_reason"] for row in strands.values()} == {"not isolated by strand"}
    assert {row["verdict"] for row in strands.values()} == {"cannot_say"}
    assert {row["benefit_amount"] for row in strands.values()} == {None}


def test_a_course_has_its_own_cost_and_benefit() -> None:
    found = one(roi(), course_id="c", isolation="attribution")
    assert (found["cost_amount"], found["benefit_amount"], found["learners_count"]) == (1200.0, 1000.0, 30)
    assert found["roi_percent"] == pytest.approx(-16.666667)
    mentoring = one(roi(), course_id="c", component="mentoring", isolation="effect")
    assert (mentoring["cost_amount"], mentoring["break_even_effect_points"]) == (None, None)


def test_without_an_effect_its_rows_are_null_with_reason_and_break_even() -> None:
    found = roi()
    for component, cost in (("programme", 1860.0), ("mentoring", 560.0)):
        row = one(found, component=component, isolation="effect")
        assert (row["cost_amount"], row["benefit_amount"], row["roi_percent"]) == (cost, None, None)
        assert (row["verdict"], row["withheld_reason"]) == ("cannot_say", NOT_YET)
        # 20 mentored x 5,000 a completion x .5 of the active complete.
        assert row["break_even_effect_points"] == pytest.approx(cost / 50_000 * 100)
    unknown = COUNT.with_columns(completes_given_active_share=pl.lit(None, pl.Float64))
    row = one(roi(counts=unknown), component="mentoring", isolation="effect")
    assert row["break_even_effect_points"] == pytest.approx(0.56)


def test_an_effect_is_worth_the_completions_it_keeps_to_the_mentoring_component_alone() -> None:
    found = roi(effects=effects((-3.0, -5.5, -0.5)))
    row = one(found, component="mentoring", isolation="effect")
    assert (row["benefit_amount"], row["benefit_low_amount"], row["benefit_high_amount"]) == (1500.0, 250.0, 2750.0)
    assert row["roi_percent"] == pytest.approx((1500 - 560) / 560 * 100)
    assert (row["verdict"], row["withheld_reason"]) == ("weak", "the interval holds zero")
    conservative = one(found, component="mentoring", isolation="effect", method="conservative")
    assert conservative["benefit_amount"] == 250.0
    whole = one(found, isolation="effect")
    assert (whole["benefit_amount"], whole["verdict"]) == (None, "cannot_say")
    assert "mentoring alone" in whole["withheld_reason"]
    assert (
        one(roi(effects=effects((-30.0, -31.0, -29.0))), component="mentoring", isolation="effect")["verdict"]
        == "usable"
    )
    weak = one(roi(effects=effects((-30.0, -31.0, -29.0), "weak")), component="mentoring", isolation="effect")
    assert (weak["verdict"], weak["withheld_reason"]) == ("weak", "the effect is weak")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"counts": COUNT.with_columns(completes_given_active_share=pl.lit(None, pl.Float64))}, "that complete"),
        ({"counts": COUNT.with_columns(mentored_count=pl.lit(0))}, "nobody was mentored"),
        (
            {"programmes": PROGRAMME.with_columns(value_per_completion_amount=pl.lit(None, pl.Float64))},
            "no value per completion",
        ),
        ({"costs": BOOKED.filter(cost_kind="content")}, "no mentoring cost data"),
        ({"effects": effects().clear()}, "not estimated for this programme"),
    ],
)
def test_an_effect_without_what_it_needs_says_what_is_missing(given: dict[str, Any], reason: str) -> None:
    row = one(roi(**({"effects": effects((-3.0, -5.5, -0.5))} | given)), component="mentoring", isolation="effect")
    assert row["benefit_amount"] is None
    assert row["verdict"] == "cannot_say"
    assert reason in row["withheld_reason"]


def test_completions_alone_claim_nothing() -> None:
    found = roi(benefits=BENEFIT.clear())
    row = one(found, isolation="none")
    assert (row["benefit_amount"], row["verdict"], row["completions_count"]) == (None, "cannot_say", 25)
    assert row["withheld_reason"] == (
        "no isolation of the effect: needs benefit rows with attribution, a hold-out or a usable effect"
    )
    assert found.filter(isolation="attribution").is_empty()
    assert one(roi(), isolation="none")["withheld_reason"] == "benefit rows win over the value per completion"


def test_without_cost_rows_there_is_one_row_that_says_so() -> None:
    found = roi(costs=TIMED.clear())
    assert found.select(KEY).rows() == [("all", "all", "programme", "full", "none")]
    row = found.row(0, named=True)
    assert (row["cost_amount"], row["benefit_amount"], row["verdict"]) == (None, None, "cannot_say")
    assert (row["withheld_reason"], row["learners_count"]) == ("no cost data", 40)


def test_doubts_about_the_cost_or_the_estimates_make_it_weak() -> None:
    untimed = one(roi(costs=BOOKED), isolation="attribution")
    assert untimed["verdict"] == "weak"
    assert untimed["withheld_reason"] == (
        "cost not fully loaded: no learner time; cost not fully loaded: no mentor time"
    )
    shaky = BENEFIT.with_columns(confidence_share=pl.lit(0.4), quantity=pl.col("quantity") * 10)
    assert one(roi(benefits=shaky), isolation="attribution")["withheld_reason"] == "confidence under one half"
    other = pl.concat([BOOKED.head(1).with_columns(currency=pl.lit("USD"), withheld_reason=pl.lit("in USD"))])
    assert "another currency" in one(roi(withheld=other), isolation="attribution")["withheld_reason"]
    dear = TIMED.with_columns(amount=pl.col("amount") * 1.9)
    assert one(roi(costs=dear), isolation="attribution")["withheld_reason"] == "the interval holds zero"


def test_benefits_in_another_currency_after_a_year_or_after_tonight_are_not_counted() -> None:
    rows = pl.concat(
        [
            BENEFIT,
            BENEFIT.with_columns(currency=pl.lit("USD")),
            BENEFIT.with_columns(period_on=pl.lit(date(2027, 4, 1))),
        ]
    )
    late = date(2027, 12, 31)
    assert one(roi(benefits=rows, observed_on=late), isolation="attribution")["benefit_amount"] == 3500.0
    first_year = BENEFIT.with_columns(period_on=pl.lit(date(2027, 3, 31)))
    both = pl.concat([BENEFIT, first_year])
    assert one(roi(benefits=both, observed_on=late), isolation="attribution")["benefit_amount"] == 7000.0
    assert one(roi(benefits=both), isolation="attribution")["benefit_amount"] == 3500.0


def test_a_running_programme_is_counted_to_tonight() -> None:
    running = PROGRAMME.with_columns(ends_on=pl.lit(date(2026, 12, 31)))
    row = one(roi(programmes=running), isolation="attribution")
    assert row["period_ends_on"] == TONIGHT
    assert row["payback_days"] == pytest.approx(1860 / (3500 / 181))


def test_the_order_of_rows_and_other_programmes_do_not_matter() -> None:
    other = frame(PROGRAMMES, ("a", "USD", None, None, None, None, None))
    more = pl.concat([TIMED.reverse(), TIMED.with_columns(programme_id=pl.lit("a"), currency=pl.lit("USD"))])
    found = roi(
        programmes=pl.concat([PROGRAMME, other]), costs=more, benefits=BENEFIT.reverse(), counts=COUNT.reverse()
    )
    assert found.filter(programme_id="p").equals(roi())
    assert one(found.filter(programme_id="a"), isolation="none")["period_starts_on"] == JANUARY


def test_no_programme_is_no_row() -> None:
    found = roi(programmes=PROGRAMME.clear())
    assert found.is_empty()
    assert dict(found.schema) == schema_of(MARTS["programme_roi"], without=("publication_id",))
