"""ROI by hand, to the cent, and every reason why it cannot be said."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from data_contracts.fields.learning import STRANDS
from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.roi import LOWER_BOUND
from tests.unit.models.returns_world import (
    BENEFIT,
    BOOKED,
    COSTS,
    COUNT,
    COUNTS,
    FEBRUARY,
    IN_PERSON,
    JANUARY,
    KEY,
    MARCH,
    NOT_YET,
    PROGRAMME,
    STRONG,
    TIMED,
    TONIGHT,
    Z,
    effect,
    frame,
    mentoring,
    one,
    roi,
)

# --- by hand


def test_a_programme_by_hand_to_the_cent_with_time_rows() -> None:
    found = one(roi(), isolation="attribution")
    # 10 x 500 x .5 + 4 x 250 x .9
    assert (found["cost_amount"], found["benefit_amount"]) == (1860.0, 3400.0)
    assert found["roi_percent"] == pytest.approx((3400 - 1860) / 1860 * 100)
    assert found["benefit_cost_ratio"] == pytest.approx(3400 / 1860)
    assert (found["period_starts_on"], found["period_ends_on"]) == (JANUARY, date(2026, 3, 31))
    assert found["payback_days"] == pytest.approx(1860 / 3400 * 90)
    assert (found["learners_count"], found["completions_count"], found["currency"]) == (40, 25, "EUR")
    assert (found["verdict"], found["withheld_reason"]) == ("usable", None)
    # Two independent triangular errors of 500 and 360: variance (500^2 + 360^2) / 6, nearly normal.
    half = Z * ((500**2 + 360**2) / 6) ** 0.5
    assert found["benefit_low_amount"] == pytest.approx(3400 - half, abs=20)
    assert found["benefit_high_amount"] == pytest.approx(3400 + half, abs=20)


def test_the_same_programme_by_hand_without_time_rows() -> None:
    found = one(roi(costs=BOOKED), isolation="attribution")
    assert (found["cost_amount"], found["cost_of_time_amount"], found["benefit_amount"]) == (1500.0, 0.0, 3400.0)
    assert found["roi_percent"] == pytest.approx((3400 - 1500) / 1500 * 100)
    assert found["verdict"] == "weak"
    assert found["withheld_reason"] == "cost not fully loaded: no learner time; cost not fully loaded: no mentor time"


def test_what_is_allocated_and_what_is_time_is_shown_as_that() -> None:
    found = one(roi(), isolation="attribution")
    parts = ("cost_allocated_amount", "cost_of_time_amount", "cost_priced_amount")
    assert [found[part] for part in parts] == [200.0, 360.0, 360.0]
    booked_time = frame(COSTS, ("p", None, MARCH, "mentor_time", "social", IN_PERSON, 70.0, "EUR", False, False))
    found = one(roi(costs=pl.concat([BOOKED, booked_time])), isolation="attribution")
    assert [found[part] for part in parts] == [200.0, 70.0, 0.0]


def test_of_both_kinds_of_value_the_rows_win_and_the_other_is_shown() -> None:
    found = roi()
    rows, other = one(found, isolation="attribution"), one(found, isolation="none")
    assert (rows["value_source"], rows["benefit_amount"], rows["is_headline"]) == ("benefit_rows", 3400.0, True)
    assert other["withheld_reason"] == "benefit rows win over the value per completion"
    assert (other["completions_value_amount"], other["benefit_amount"], other["is_headline"]) == (125_000, None, False)
    # With benefit rows alone there is nothing else to show, with a value alone it is claimed by nobody.
    unvalued = PROGRAMME.with_columns(value_per_completion_amount=pl.lit(None, pl.Float64))
    assert roi(programmes=unvalued).filter(isolation="none", strand="all").is_empty()
    alone = one(roi(benefits=BENEFIT.clear()), isolation="none")
    assert (alone["completions_value_amount"], alone["benefit_amount"], alone["verdict"]) == (
        125_000,
        None,
        "cannot_say",
    )
    assert alone["is_headline"]
    assert alone["withheld_reason"] == (
        "no isolation of the effect: needs benefit rows with attribution, a hold-out or a usable effect"
    )


def test_a_thousand_mentored_by_hand_as_rows_of_the_mart() -> None:
    spent = frame(
        COSTS,
        ("p", None, JANUARY, "mentor_time", "social", IN_PERSON, 60_000.0, "EUR", False, False),
        ("p", None, JANUARY, "mentor_training", "social", IN_PERSON, 15_000.0, "EUR", False, False),
    )
    people = frame(COUNTS, ("p", None, 1200, 600, 900, 1000, 10**12, 10**12))
    found = mentoring(
        roi(
            costs=spent,
            benefits=BENEFIT.clear(),
            counts=people,
            effects=effect((-3.0, -5.5, -0.5), treated=1000),
            programmes=PROGRAMME.with_columns(value_per_completion_amount=pl.lit(4000.0)),
        )
    )
    assert (found["cost_amount"], found["benefit_amount"], found["value_source"]) == (
        75_000.0,
        120_000.0,
        "completion_value",
    )
    assert found["roi_percent"] == pytest.approx(60.0)
    assert found["benefit_cost_ratio"] == pytest.approx(1.60)
    assert found["roi_positive_probability"] == pytest.approx(0.811, abs=0.001)
    assert found["break_even_effect_points"] == pytest.approx(1.875)
    assert found["abandonments_avoided_count"] == pytest.approx(30)
    assert (found["verdict"], found["withheld_reason"]) == ("weak", "the interval holds zero")
    assert found["roi_positive_prior_probability"] < found["roi_positive_probability"]


def test_the_conservative_method_takes_confidence_off_and_lets_errors_go_together() -> None:
    found = one(roi(), isolation="attribution", method="conservative")
    assert found["benefit_amount"] == 2000 + 540
    assert found["roi_percent"] == pytest.approx((2540 - 1860) / 1860 * 100)
    # 2000 (1 + .2 u) + 540 (1 + .4 u) with one triangular u, whose 2.5 % quantile is sqrt(.05) - 1.
    assert found["benefit_low_amount"] == pytest.approx(2540 + 616 * (0.05**0.5 - 1), abs=1)
    assert found["benefit_high_amount"] == pytest.approx(2540 - 616 * (0.05**0.5 - 1), abs=1)


# --- which rows stand


def test_every_row_of_the_cross_stands_once() -> None:
    found = roi()
    assert dict(found.schema) == schema_of(MARTS["programme_roi"], without=("publication_id",))
    assert not found.select("programme_id", *KEY).is_duplicated().any()
    by_strand = [(strand, component, "none") for strand in STRANDS for component in ("programme", "mentoring")]
    whole = [("programme", "attribution"), ("programme", "none"), ("programme", "effect"), ("mentoring", "effect")]
    for course_id in ("all", "c"):
        rows = found.filter(course_id=course_id, method="full").select("strand", "component", "isolation").rows()
        assert sorted(rows) == sorted([*by_strand, *(("all", *kind) for kind in whole)])


def test_coordination_is_the_mentors_on_the_social_strand_alone() -> None:
    elsewhere = frame(COSTS, ("p", None, MARCH, "coordination", "experiential", IN_PERSON, 777.0, "EUR", False, False))
    found = roi(costs=pl.concat([BOOKED, elsewhere]))
    assert mentoring(found)["cost_amount"] == 300 + 200
    assert one(found, isolation="effect")["cost_amount"] == 1500 + 777


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


def test_a_course_has_its_own_cost_and_benefit_and_says_what_is_not_in_it() -> None:
    found = one(roi(), course_id="c", isolation="attribution")
    assert (found["cost_amount"], found["benefit_amount"], found["learners_count"]) == (1200.0, 900.0, 30)
    assert found["roi_percent"] == pytest.approx(-25.0)
    assert (found["verdict"], found["withheld_reason"]) == ("weak", "costs of no single course are not counted")
    of_course = one(roi(), course_id="c", component="mentoring", isolation="effect")
    assert (of_course["cost_amount"], of_course["break_even_effect_points"]) == (None, None)


def test_a_programme_of_mentoring_alone_costs_what_its_mentoring_costs() -> None:
    found = roi(costs=TIMED.filter(strand="social"), benefits=BENEFIT.clear(), effects=effect((-8.0, -9.0, -7.0)))
    whole, part = one(found, isolation="effect"), mentoring(found)
    assert whole["cost_amount"] == 660.0
    assert part["cost_amount"] == 560.0
    assert part["roi_percent"] == pytest.approx((0.08 * 20 * 0.5 * 5000 - 560) / 560 * 100)
    assert "mentoring alone" in whole["withheld_reason"]


@pytest.mark.parametrize(
    ("given_rows", "isolation"),
    [
        ({"effects": effect((-3.0, -5.5, -0.5))}, "effect"),
        ({"effects": effect()}, "effect"),
        ({"effects": pl.concat([effect(), effect(STRONG, contrast="routed", treated=20)])}, "holdout"),
        ({"effects": pl.concat([effect(STRONG), effect((9.0, 8.0, 10.0), contrast="routed", treated=20)])}, "effect"),
        ({"effects": pl.concat([effect(), effect((9.0, 8.0, 10.0), contrast="routed", treated=20)])}, "holdout"),
        ({"effects": pl.concat([effect(), effect(contrast="routed", treated=20)])}, "effect"),
    ],
)
def test_one_row_of_mentoring_is_the_one_to_read(given_rows: dict[str, Any], isolation: str) -> None:
    found = roi(**given_rows).filter("is_headline")
    assert found.select("component", "isolation", "course_id", "strand", "method").rows() == [
        ("mentoring", isolation, "all", "all", "full"),
        ("programme", "attribution", "all", "all", "full"),
    ]


# --- by an effect, by the hold-out


def test_without_an_effect_its_rows_are_null_with_reason_and_break_even() -> None:
    found = roi()
    for component, cost in (("programme", 1860.0), ("mentoring", 560.0)):
        row = one(found, component=component, isolation="effect")
        assert (row["cost_amount"], row["benefit_amount"], row["roi_percent"]) == (cost, None, None)
        assert (row["verdict"], row["withheld_reason"]) == ("cannot_say", NOT_YET)
        # 20 mentored x 5,000 a completion x .5 of the active complete.
        assert row["break_even_effect_points"] == pytest.approx(cost / 50_000 * 100)
    unknown = COUNT.with_columns(past_active_count=pl.lit(None, pl.Int64))
    assert mentoring(roi(counts=unknown))["break_even_effect_points"] == pytest.approx(0.56)


def test_an_effect_is_worth_the_completions_it_keeps_to_the_mentoring_component_alone() -> None:
    found = roi(effects=effect((-3.0, -5.5, -0.5)))
    row = mentoring(found)
    assert row["benefit_amount"] == 1500.0
    # The errors of the effect and of the share of past runs together: somewhat wider than 250 to 2,750.
    assert 130 < row["benefit_low_amount"] < 250
    assert 2750 < row["benefit_high_amount"] < 2900
    assert row["roi_percent"] == pytest.approx((1500 - 560) / 560 * 100)
    assert (row["verdict"], row["withheld_reason"]) == ("weak", "the interval holds zero")
    conservative = mentoring(found, method="conservative")
    assert conservative["benefit_amount"] == pytest.approx(250.0)
    whole = one(found, isolation="effect")
    assert (whole["benefit_amount"], whole["verdict"]) == (None, "cannot_say")
    assert "mentoring alone" in whole["withheld_reason"]
    assert mentoring(roi(effects=effect(STRONG)))["verdict"] == "usable"
    weak = mentoring(roi(effects=effect(STRONG, "weak")))
    assert (weak["verdict"], weak["withheld_reason"]) == ("weak", "the effect is weak")


def test_an_effect_across_zero_calls_no_mentoring_harmful() -> None:
    row = mentoring(roi(effects=effect((1.9, -0.2, 4.0))))
    assert row["roi_percent"] < -100
    assert row["roi_high_percent"] < 0
    assert (row["verdict"], row["withheld_reason"]) == ("weak", "the effect is not distinguishable from zero")


def test_the_conservative_method_counts_the_learners_alone_whom_the_effect_was_estimated_on() -> None:
    found = roi(effects=effect((-3.0, -3.0, -3.0), treated=12))
    assert mentoring(found)["benefit_amount"] == pytest.approx(1500.0)
    assert mentoring(found, method="conservative")["benefit_amount"] == pytest.approx(900.0)


def test_other_programmes_all_together_and_subgroups_have_no_say() -> None:
    others = [
        effect(STRONG, programme="all"),
        effect(STRONG, programme="q"),
        effect(STRONG).with_columns(subgroup_kind=pl.lit("risk"), subgroup=pl.lit("high")),
        effect(STRONG, contrast="first_contact"),
    ]
    assert roi(effects=pl.concat([effect(), *others])).equals(roi())


def test_a_hold_out_sets_the_routed_against_the_whole_mentoring_cost() -> None:
    lottery = effect((-10.0, -12.0, -8.0), contrast="routed", treated=12)
    found = mentoring(roi(effects=pl.concat([effect(), lottery])), "holdout")
    assert found["benefit_amount"] == pytest.approx(0.10 * 12 * 0.5 * 5000)
    assert (found["cost_amount"], found["verdict"]) == (560.0, "usable")
    assert found["break_even_effect_points"] == pytest.approx(560 / (12 * 0.5 * 5000) * 100)
    dear = mentoring(
        roi(effects=lottery, costs=TIMED.with_columns(amount=pl.col("amount") * 20)),
        "holdout",
    )
    assert (dear["verdict"], dear["withheld_reason"]) == ("weak", LOWER_BOUND)
    assert roi().filter(isolation="holdout").is_empty()


def test_a_lottery_of_few_does_not_give_their_number_away() -> None:
    found = mentoring(roi(effects=effect(contrast="routed", treated=9)), "holdout")
    assert (found["break_even_effect_points"], found["withheld_reason"]) == (None, NOT_YET)
    assert mentoring(roi(effects=effect(contrast="routed", treated=10)), "holdout")["break_even_effect_points"]


@pytest.mark.parametrize(
    ("given_rows", "reason"),
    [
        ({"counts": COUNT.with_columns(past_active_count=pl.lit(None, pl.Int64))}, "that complete"),
        ({"counts": COUNT.with_columns(past_completed_count=pl.lit(0))}, "that complete"),
        ({"counts": COUNT.with_columns(mentored_count=pl.lit(0))}, "nobody was mentored"),
        (
            {"programmes": PROGRAMME.with_columns(value_per_completion_amount=pl.lit(None, pl.Float64))},
            "no value per completion",
        ),
        ({"costs": BOOKED.filter(cost_kind="content")}, "no mentoring cost data"),
        ({"effects": effect().clear()}, "not estimated for this programme"),
    ],
)
def test_an_effect_without_what_it_needs_says_what_is_missing(given_rows: dict[str, Any], reason: str) -> None:
    row = mentoring(roi(**({"effects": effect((-3.0, -5.5, -0.5))} | given_rows)))
    assert row["benefit_amount"] is None
    assert row["verdict"] == "cannot_say"
    assert reason in row["withheld_reason"]


# --- what makes it weak, or null


def test_without_cost_rows_there_is_one_row_that_says_so() -> None:
    found = roi(costs=TIMED.clear())
    assert found.select(KEY).rows() == [("all", "all", "programme", "full", "none")]
    row = found.row(0, named=True)
    assert (row["cost_amount"], row["benefit_amount"], row["verdict"]) == (None, None, "cannot_say")
    assert (row["withheld_reason"], row["learners_count"], row["is_headline"]) == ("no cost data", 40, True)


def test_a_cost_of_nothing_has_no_roi() -> None:
    row = one(roi(costs=TIMED.with_columns(amount=pl.lit(0.0))), isolation="attribution")
    assert (row["cost_amount"], row["benefit_amount"], row["roi_percent"]) == (0.0, 3400.0, None)
    assert (row["verdict"], row["withheld_reason"]) == ("cannot_say", "no cost data")


def test_low_confidence_and_an_interval_that_holds_zero_make_it_weak() -> None:
    shaky = BENEFIT.with_columns(confidence_share=pl.lit(0.4), quantity=pl.col("quantity") * 10)
    assert one(roi(benefits=shaky), isolation="attribution")["withheld_reason"] == "confidence under one half"
    dear = TIMED.with_columns(amount=pl.col("amount") * 1.8)
    assert one(roi(costs=dear), isolation="attribution")["withheld_reason"] == "the interval holds zero"


def test_costs_in_other_currencies_are_told_in_these_and_not_counted() -> None:
    foreign = BOOKED.with_columns(currency=pl.Series(["USD", "GBP", "USD"]), withheld_reason=pl.lit("in another"))
    row = one(roi(withheld=foreign), isolation="attribution")
    assert (row["cost_amount"], row["verdict"]) == (1860.0, "weak")
    assert row["withheld_reason"] == "costs in another currency are not counted: GBP 300.00, USD 1,200.00"
    alone = roi(withheld=foreign, costs=TIMED.clear()).row(0, named=True)
    assert alone["withheld_reason"] == "no cost data in its currency"


def test_benefits_in_another_currency_after_a_year_or_after_tonight_are_not_counted() -> None:
    rows = pl.concat(
        [
            BENEFIT,
            BENEFIT.with_columns(currency=pl.lit("USD")),
            BENEFIT.with_columns(period_on=pl.lit(date(2027, 4, 1))),
        ]
    )
    late = date(2027, 12, 31)
    assert one(roi(benefits=rows, observed_on=late), isolation="attribution")["benefit_amount"] == 3400.0
    first_year = BENEFIT.with_columns(period_on=pl.lit(date(2027, 3, 31)))
    both = pl.concat([BENEFIT, first_year])
    assert one(roi(benefits=both, observed_on=late), isolation="attribution")["benefit_amount"] == 6800.0
    assert one(roi(benefits=both), isolation="attribution")["benefit_amount"] == 3400.0
    none = roi(benefits=BENEFIT.with_columns(currency=pl.lit("USD")))
    assert one(none, isolation="none")["withheld_reason"] == "no benefit row counts: see roi_principle"


def extreme(*quantities: float) -> pl.DataFrame:
    many = BENEFIT.head(1).select(pl.all().repeat_by(len(quantities)).explode())
    return many.with_columns(quantity=pl.Series(quantities))


def test_an_extreme_benefit_row_is_left_out_from_eight_of_its_metric_on() -> None:
    usual = (9.0, 10.0, 11.0, 12.0, 10.0, 9.0, 11.0)
    found = one(roi(benefits=extreme(*usual, 100.0)), isolation="attribution")
    assert found["benefit_amount"] == sum(usual) * 250
    few = one(roi(benefits=extreme(*usual[1:], 100.0)), isolation="attribution")
    assert few["benefit_amount"] == (sum(usual[1:]) + 100) * 250
    even = one(roi(benefits=extreme(*[10.0] * 7, 12.0)), isolation="attribution")
    assert even["benefit_amount"] == 82 * 250


def test_a_running_programme_is_counted_to_tonight() -> None:
    running = PROGRAMME.with_columns(ends_on=pl.lit(date(2026, 12, 31)))
    row = one(roi(programmes=running), isolation="attribution")
    assert row["period_ends_on"] == TONIGHT
    assert row["payback_days"] == pytest.approx(1860 / (3400 / 181))


def test_a_programme_without_dates_runs_from_its_first_money_to_tonight() -> None:
    undated = PROGRAMME.with_columns(starts_on=pl.lit(None, pl.Date), ends_on=pl.lit(None, pl.Date))
    row = one(roi(programmes=undated, costs=TIMED.filter(pl.col("period_on") > JANUARY)), isolation="attribution")
    assert (row["period_starts_on"], row["period_ends_on"]) == (FEBRUARY, TONIGHT)
