"""What moves an ROI, one input at a time."""

from __future__ import annotations

import polars as pl
import pytest
from scipy.stats import beta

from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.roi import programme_roi
from models.roi_drivers import roi_driver
from tests.unit.models.returns_world import BENEFIT, BOOKED, COUNT, TIMED, effect, ledger

MENTORING = {"component": "mentoring"}
PROGRAMME = {"component": "programme"}


def drivers(**given: object) -> pl.DataFrame:
    book = ledger(**given)
    return roi_driver(book, programme_roi(book))


def moved(found: pl.DataFrame, **key: str) -> dict[str, tuple[float, ...]]:
    names = ("low_input", "high_input", "roi_at_low_percent", "roi_at_high_percent")
    rows = found.filter(**key).select("factor", *names).rows()
    return {row[0]: tuple(row[1:]) for row in rows}


def test_benefit_rows_are_moved_by_hand() -> None:
    # 2,500 and 900 of benefit at confidence .8 and .6; 1,860 of cost, 200 of it allocated, 360 time.
    found = moved(drivers(), **PROGRAMME)
    ends = {name: row[2:] for name, row in found.items()}
    assert ends["confidence"] == pytest.approx(((2540 / 1860 - 1) * 100, (4260 / 1860 - 1) * 100))
    assert found["confidence"][:2] == pytest.approx((2540 / 3400, 2 - 2540 / 3400))
    assert ends["value"] == pytest.approx(((2720 / 1860 - 1) * 100, (4080 / 1860 - 1) * 100))
    # A fifth more of an attribution of .9 is all of it.
    assert ends["attribution"] == pytest.approx(((2720 / 1860 - 1) * 100, (4000 / 1860 - 1) * 100))
    assert ends["time_counted"] == pytest.approx(((3400 / 1500 - 1) * 100, (3400 / 1860 - 1) * 100))
    assert found["allocated_cost"][:2] == pytest.approx((200 - 39.2, 200 + 39.2), abs=0.01)
    assert ends["priced_time"][1] == pytest.approx((3400 / (1860 + 360 * 0.392) - 1) * 100, abs=0.01)


def test_an_effect_is_moved_by_hand() -> None:
    # -3 points (-5.5 to -.5) for 20 mentored, 5,000 a completion, 30 of 60 complete: 1,500 against 560.
    found = moved(drivers(effects=effect((-3.0, -5.5, -0.5))), **MENTORING)
    assert found["effect"] == pytest.approx((-5.5, -0.5, (2750 / 560 - 1) * 100, (250 / 560 - 1) * 100), rel=1e-5)
    share = beta.ppf(0.025, 30.5, 30.5)
    assert found["completing_share"][0] == pytest.approx(share)
    assert found["completing_share"][2] == pytest.approx((3000 * share / 560 - 1) * 100)
    assert found["value"] == pytest.approx((4000, 6000, (1200 / 560 - 1) * 100, (1800 / 560 - 1) * 100))
    assert set(found) == {"effect", "completing_share", "value", "allocated_cost", "priced_time", "time_counted"}


def test_a_hold_out_is_moved_for_the_routed_alone() -> None:
    routed = effect((-10.0, -12.0, -8.0), contrast="routed", treated=12)
    found = drivers(effects=pl.concat([effect(), routed])).filter(**MENTORING)
    assert set(found["isolation"]) == {"holdout"}
    assert moved(found)["effect"][2] == pytest.approx((0.12 * 12 * 2500 / 560 - 1) * 100, rel=1e-5)


def test_ranks_follow_the_swing_and_all_start_at_the_same_roi() -> None:
    found = drivers(effects=effect((-3.0, -5.5, -0.5)))
    for (_,), part in found.group_by("component"):
        ordered = part.sort("driver_rank")
        assert ordered["driver_rank"].to_list() == list(range(1, part.height + 1))
        assert ordered["swing_points"].is_sorted(descending=True)
        assert ordered["roi_percent"].n_unique() == 1
        for base, low, high in ordered.select("roi_percent", "roi_at_low_percent", "roi_at_high_percent").iter_rows():
            assert min(low, high) <= base + 1e-9
            assert max(low, high) >= base - 1e-9


def test_a_part_that_is_not_there_moves_nothing() -> None:
    assert set(moved(drivers(costs=BOOKED.filter(cost_kind="content")), **PROGRAMME)) == {
        "attribution",
        "confidence",
        "value",
    }


def test_what_has_no_roi_has_no_driver() -> None:
    assert drivers(benefits=BENEFIT.clear()).is_empty()
    assert drivers(counts=COUNT.with_columns(learners_count=pl.lit(9))).is_empty()
    none = drivers(costs=TIMED.clear())
    assert none.is_empty()
    assert dict(none.schema) == schema_of(MARTS["roi_driver"], without=("publication_id",))
