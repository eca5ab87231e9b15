"""ROI of few people, and whatever the rows: sums, order, scale."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.fields.learning import STRANDS
from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.roi import programme_roi
from models.roi_draws import roi_percent
from tests.unit.models.returns_world import (
    BENEFIT,
    COSTS,
    COUNT,
    COUNTS,
    FEBRUARY,
    IN_PERSON,
    JANUARY,
    KEY,
    MARCH,
    NO_WITHHELD,
    PROGRAMME,
    PROGRAMMES,
    STRONG,
    TIMED,
    Z,
    effect,
    frame,
    ledger,
    mentoring,
    one,
    roi,
)

# --- few people


def test_a_programme_of_few_learners_shows_no_figure() -> None:
    found = roi(counts=COUNT.with_columns(learners_count=pl.lit(9)), effects=effect(STRONG))
    kept = {*KEY, "programme_id", "period_starts_on", "period_ends_on", "currency", "verdict", "withheld_reason"}
    measures = [name for name in found.columns if name not in kept | {"is_suppressed", "is_headline"}]
    assert found["is_suppressed"].all()
    assert found.select(pl.col(measures).is_null().all()).row(0) == (True,) * len(measures)
    assert set(found["verdict"]) == {"cannot_say"}
    assert set(found["withheld_reason"]) == {"fewer than 10 people, or next to a row with so few"}


def test_a_small_course_takes_another_with_it_so_that_it_cannot_be_worked_out() -> None:
    more = pl.concat(
        [COUNT.head(1), frame(COUNTS, *(("p", name, n, n, n, 0, 0, 0) for name, n in (("c", 15), ("d", 4), ("e", 21))))]
    )
    costs = pl.concat([TIMED, *(TIMED.head(1).with_columns(course_id=pl.lit(name)) for name in "de")])
    found = roi(counts=more, costs=costs)
    assert dict(found.group_by("course_id").agg(pl.col("is_suppressed").all()).iter_rows()) == {
        "all": False,
        "c": True,
        "d": True,
        "e": False,
    }


def test_few_mentored_hide_mentoring_and_nobody_mentored_is_no_small_cell() -> None:
    few = roi(counts=COUNT.with_columns(mentored_count=pl.lit(9)), effects=effect(STRONG))
    assert mentoring(few)["is_suppressed"]
    assert not one(few, isolation="attribution")["is_suppressed"]
    assert not mentoring(roi(counts=COUNT.with_columns(mentored_count=pl.lit(0))))["is_suppressed"]


@pytest.mark.parametrize(("completions", "shown"), [(0, 0), (9, None), (10, 10), (30, 30), (31, None), (40, 40)])
def test_completions_show_where_neither_they_nor_the_others_are_few(completions: int, shown: int | None) -> None:
    counts = COUNT.head(1).with_columns(completions_count=pl.lit(completions, pl.Int64))
    row = one(roi(counts=counts), isolation="none")
    assert row["completions_count"] == shown
    assert row["completions_value_amount"] == (None if shown is None else shown * 5000)


# --- whatever the rows


def test_the_order_of_rows_and_other_programmes_do_not_matter() -> None:
    other = frame(PROGRAMMES, ("a", "USD", None, None, None, None, None))
    more = pl.concat([TIMED.reverse(), TIMED.with_columns(programme_id=pl.lit("a"), currency=pl.lit("USD"))])
    found = roi(
        programmes=pl.concat([PROGRAMME, other]), costs=more, benefits=BENEFIT.reverse(), counts=COUNT.reverse()
    )
    assert found.filter(programme_id="p").equals(roi())
    assert one(found.filter(programme_id="a"), isolation="none")["period_starts_on"] == JANUARY


amounts = st.integers(0, 10_000_000).map(lambda cents: cents / 100)
cost_rows = st.lists(
    st.tuples(
        st.just("p"),
        st.sampled_from(["c", "d", None]),
        st.sampled_from([JANUARY, FEBRUARY, MARCH]),
        st.sampled_from(["content", "coordination", "mentor_time", "learner_time"]),
        st.sampled_from(STRANDS),
        st.sampled_from([IN_PERSON, None]),
        amounts,
        st.just("EUR"),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25)
@given(cost_rows, st.randoms(use_true_random=False))
def test_costs_add_up_over_strands_and_any_order_gives_the_same_bytes(rows: list[Any], random: Any) -> None:
    found = roi(costs=frame(COSTS, *rows))
    for (_, _, _), part in found.group_by("course_id", "component", "method"):
        whole = part.filter(strand="all")["cost_amount"].unique().to_list()
        strands = part.filter(pl.col("strand") != "all")["cost_amount"]
        assert len(whole) == 1
        assert (whole[0] is None) == strands.is_null().all()
        assert sum(strands.drop_nulls()) == pytest.approx(whole[0] or 0, abs=0.001)
    by_course = {
        row["course_id"]: row["cost_amount"] or 0
        for row in found.filter(strand="all", component="programme").iter_rows(named=True)
    }
    of_none = sum(row[6] for row in rows if row[1] is None)
    assert sum(cost for name, cost in by_course.items() if name != "all") + of_none == pytest.approx(
        by_course["all"], abs=0.001
    )
    random.shuffle(rows)
    assert roi(costs=frame(COSTS, *rows)).serialize() == found.serialize()


@settings(max_examples=25)
@given(st.floats(1.01, 5.0))
def test_dearer_costs_the_same_benefit_and_a_lower_roi(times: float) -> None:
    effects = effect((-8.0, -9.0, -7.0))
    before, after = roi(effects=effects), roi(effects=effects, costs=TIMED.with_columns(pl.col("amount") * times))
    for wanted in ({"isolation": "attribution"}, {"component": "mentoring", "isolation": "effect"}):
        old, new = one(before, **wanted), one(after, **wanted)
        assert (new["benefit_amount"], new["benefit_low_amount"]) == (old["benefit_amount"], old["benefit_low_amount"])
        assert new["benefit_cost_ratio"] == pytest.approx(old["benefit_cost_ratio"] / times, rel=1e-4)
        assert new["roi_percent"] + 100 == pytest.approx((old["roi_percent"] + 100) / times, rel=1e-4)
        assert new["roi_positive_probability"] <= old["roi_positive_probability"]


def test_twice_the_cost_and_twice_the_benefit_are_the_same_roi() -> None:
    twice = roi(
        costs=TIMED.with_columns(pl.col("amount") * 2), benefits=BENEFIT.with_columns(pl.col("unit_value_amount") * 2)
    )
    assert one(twice, isolation="attribution")["roi_low_percent"] == pytest.approx(
        one(roi(), isolation="attribution")["roi_low_percent"]
    )


def test_no_programme_is_no_row() -> None:
    found = programme_roi(ledger(programmes=PROGRAMME.clear(), withheld=NO_WITHHELD))
    assert found.is_empty()
    assert dict(found.schema) == schema_of(MARTS["programme_roi"], without=("publication_id",))


def test_the_interval_of_the_roi_holds_cost_and_benefit_together() -> None:
    certain = BENEFIT.with_columns(confidence_share=pl.lit(1.0))
    row = one(roi(benefits=certain), isolation="attribution")
    # 1,300 booked, 200 +- 10 % allocated, 360 +- 20 % priced.
    error = (20**2 + 72**2) ** 0.5
    assert row["benefit_low_amount"] == row["benefit_high_amount"] == 3400.0
    assert row["roi_low_percent"] == pytest.approx(roi_percent(3400, 1860 + Z * error), abs=0.5)
    assert row["roi_high_percent"] == pytest.approx(roi_percent(3400, 1860 - Z * error), abs=0.5)
