"""The hold-out by lot: as many served, within the same minutes, and who is exempt."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.alerts import LOTTERY
from models.contract import schema_of
from models.lottery import Drawn, LotterySettings, bound, draw
from models.ranking import ranked
from models.routing import Routed
from tests.unit.models.test_routing import NO_CHARGES, alert, alerts, matches, minutes, routed

TODAY = date(2026, 3, 4)
NOTHING = pl.DataFrame(schema=schema_of(LOTTERY))
EVER = 0.999999


def drawn(
    night: Routed,
    pairs: pl.DataFrame,
    *,
    share: float = EVER,
    history: pl.DataFrame | None = None,
    earlier: pl.DataFrame = NOTHING,
    consenting: set[str] | None = None,
    charged: pl.DataFrame = NO_CHARGES,
    seed: int = 20,
    band: float = 0.05,
) -> Drawn:
    return draw(
        night.alerts,
        night.capacity,
        matches=pairs,
        charged=charged,
        history=alerts() if history is None else history,
        drawn=earlier,
        consenting=set(night.alerts["learner_id"]) if consenting is None else consenting,
        on=TODAY,
        settings=LotterySettings(share=share, seed=seed, band=band),
    )


def night_of(*rows: dict[str, object], free: float = 20.0) -> tuple[Routed, pl.DataFrame]:
    pairs = matches(*(("m", str(row["learner_id"])) for row in rows))
    return routed(ranked(alerts(*rows)), minutes(("m", free)), pairs), pairs


def way(found: Drawn) -> dict[str, tuple[str | None, str | None, str | None]]:
    rows = found.alerts.select("learner_id", "mentor_id", "route_kind", "unserved_reason").iter_rows()
    return {learner: (mentor, kind, reason) for learner, mentor, kind, reason in rows}


def test_the_lot_gives_the_minutes_to_the_other_of_a_pair_and_both_stand_in_the_record() -> None:
    night, pairs = night_of(alert("a", 0.30, 20), alert("b", 0.29, 15))
    found = drawn(night, pairs)
    assert way(found) == {"a": (None, None, "mentor_full"), "b": ("m", "own_mentor", None)}
    assert found.capacity.select("used_minutes", "alert_minutes").row(0) == (15.0, 15.0)
    assert dict(found.rows.schema) == schema_of(LOTTERY)
    assert found.rows.select("learner_id", "is_routed", "routed_probability", "held_until_on").rows() == [
        ("a", False, 1 - EVER, date(2026, 4, 1)),
        ("b", True, EVER, date(2026, 4, 1)),
    ]
    assert found.rows["pair_id"].n_unique() == 1


def test_who_lost_is_held_out_until_the_day_comes() -> None:
    night, pairs = night_of(alert("a", 0.30), alert("b", 0.29))
    rows = drawn(night, pairs).rows
    assert bound(rows, date(2026, 3, 31)) == frozenset({"p-a"})
    assert bound(rows, date(2026, 4, 1)) == frozenset()
    assert bound(NOTHING, TODAY) == frozenset()


def test_without_a_share_or_consent_nothing_is_drawn() -> None:
    night, pairs = night_of(alert("a", 0.30), alert("b", 0.29))
    for found in (drawn(night, pairs, share=0.0), drawn(night, pairs, consenting=set())):
        assert found.rows.is_empty()
        assert found.alerts.equals(night.alerts)
        assert found.capacity.equals(night.capacity)
    for willing in ("a", "b"):
        assert drawn(night, pairs, consenting={willing}).rows.is_empty()


def test_rules_access_good_news_and_who_was_served_or_drawn_before_are_never_drawn() -> None:
    equal = alert("b", 0.29)
    for exempt in (
        alert("a", 0.30, kind="rule", rule="never_started"),
        alert("a", 0.30, kind="rule", rule="mentor_silent"),
        alert("a", 0.30, level="technical"),
        alert("a", 0.30, 0, kind="good_news", rule="back_on_track"),
    ):
        night, pairs = night_of(exempt, equal)
        assert drawn(night, pairs).rows.is_empty()
    night, pairs = night_of(alert("a", 0.30), equal)
    for learner in "ab":
        before = alerts(alert(learner, is_served=True))
        assert drawn(night, pairs, history=before).rows.is_empty()
    once = drawn(night, pairs).rows
    assert drawn(night, pairs, earlier=once.head(1)).rows.is_empty()


def test_a_pair_is_near_in_value_needs_no_more_minutes_and_is_of_one_programme() -> None:
    for other in (alert("b", 0.24), alert("b", 0.29, 30)):
        night, pairs = night_of(alert("a", 0.30), other, free=20.0)
        assert drawn(night, pairs).rows.is_empty()
    both = pl.concat([matches(("m", "a")), matches(("m", "b"), programme="q")])
    night = routed(ranked(alerts(alert("a", 0.30), alert("b", 0.29, programme_id="q"))), minutes(("m", 20)), both)
    assert drawn(night, both).rows.is_empty()


def test_a_card_that_would_be_charged_anyway_is_not_drawn() -> None:
    night, pairs = night_of(alert("a", 0.30), alert("b", 0.29))
    charged = pl.DataFrame([(None, "m", "a", 20)], schema=NO_CHARGES.schema, orient="row")
    assert drawn(night, pairs, charged=charged).rows.is_empty()


def test_the_nearest_are_paired_first_from_the_cut_upward() -> None:
    night, pairs = night_of(
        alert("a", 0.40), alert("b", 0.35), alert("c", 0.34), alert("d", 0.33), alert("e", 0.20), free=40.0
    )
    rows = drawn(night, pairs, band=0.10).rows
    by_pair = rows.group_by("pair_id").agg(pl.col("learner_id").sort())["learner_id"].to_list()
    assert sorted(by_pair) == [["a", "d"], ["b", "c"]]


def test_the_lot_swaps_as_often_as_it_says_and_again_the_same() -> None:
    rows = [alert(f"l{number:04}", 0.30 if number % 2 else 0.29) for number in range(2_000)]
    night, pairs = night_of(*rows, free=20_000.0)
    for share in (0.1, 0.5):
        found = drawn(night, pairs, share=share)
        assert found.rows.height == 2_000
        swapped = found.rows.filter(pl.col("routed_probability") == share)["is_routed"].mean()
        assert isinstance(swapped, float)
        # Four standard errors of a thousand lots.
        assert abs(swapped - share) < 4 * (share * (1 - share) / 1_000) ** 0.5
        again = drawn(night, pairs, share=share)
        assert again.rows.equals(found.rows)
        assert again.alerts.equals(found.alerts)
    assert not drawn(night, pairs, share=0.5, seed=21).rows.equals(drawn(night, pairs, share=0.5).rows)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.randoms(use_true_random=False))
def test_as_many_are_served_within_the_same_minutes_whatever_the_lot(data: st.DataObject, random: Any) -> None:
    rows = [
        alert(
            f"l{number}",
            data.draw(st.integers(20, 40)) / 100,
            data.draw(st.sampled_from([10, 15, 20, 30])),
            level=data.draw(st.sampled_from(["social", "technical"])),
            rule=(rule := data.draw(st.sampled_from([None, None, "never_started"]))),
            kind="risk" if rule is None else "rule",
        )
        for number in range(data.draw(st.integers(2, 12)))
    ]
    pairs = matches(*((data.draw(st.sampled_from("mn")), str(row["learner_id"])) for row in rows))
    free = minutes(("m", data.draw(st.sampled_from([0, 20, 45]))), ("n", data.draw(st.sampled_from([15, 60]))))
    night = routed(ranked(alerts(*rows)), free, pairs)
    found = drawn(night, pairs, share=0.5, seed=data.draw(st.integers(0, 50)), band=0.1)

    assert found.alerts["is_served"].sum() == night.alerts["is_served"].sum()
    assert (found.capacity["used_minutes"] <= found.capacity["available_minutes"]).all()
    taken = found.alerts.filter("is_served").group_by("mentor_id").agg(pl.col("due_minutes").sum())
    used = found.capacity.filter(pl.col("used_minutes") > 0).select("mentor_id", due_minutes="used_minutes")
    assert taken.cast({"due_minutes": pl.Float64}).sort("mentor_id").equals(used)
    by_id = {row["alert_id"]: row for row in rows}
    assert all(by_id[name]["kind"] == "risk" and by_id[name]["level"] != "technical" for name in found.rows["alert_id"])
    routes = found.rows.group_by("pair_id").agg(pl.len(), pl.col("is_routed").sum())
    assert routes.filter((pl.col("len") != 2) | (pl.col("is_routed") != 1)).is_empty()
    served = dict(found.alerts.select("alert_id", "is_served").iter_rows())
    assert all(served[name] == is_routed for name, is_routed in found.rows.select("alert_id", "is_routed").iter_rows())

    random.shuffle(rows)
    again = routed(ranked(alerts(*rows)), free.reverse(), pairs.reverse())
    assert again.alerts.equals(night.alerts)
    assert bound(found.rows, TODAY + timedelta(days=1)) == set(found.rows.filter(~pl.col("is_routed"))["alert_id"])
