"""The hold-out as a paired trial: without bias, covering, exact under no effect, whatever the chance of the lot."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.holdout import LEAST_PAIRS, routed

NIGHT = datetime(2026, 1, 5, 3)  # noqa: DTZ001 - as the warehouse stores it
SCHEMA = {
    "programme_id": pl.String,
    "pair_id": pl.String,
    "learner_id": pl.String,
    "observed_at": pl.Datetime("us"),
    "is_routed": pl.Boolean,
    "routed_probability": pl.Float64,
    "is_abandoned": pl.Boolean,
    "is_contacted": pl.Boolean,
}


def pair(number, *, lost, kept, share=0.5, is_swapped=False, **values):
    """Two rows: the routed alert's learner (r...) abandoned or not, and the held-out one's (h...)."""
    chance = share if is_swapped else 1 - share
    shared = {
        "programme_id": "P",
        "pair_id": f"pair-{number:04d}",
        "observed_at": NIGHT + timedelta(days=number),
    } | values
    return [
        shared
        | {
            "learner_id": f"r{number}",
            "is_routed": True,
            "routed_probability": chance,
            "is_abandoned": lost,
            "is_contacted": True,
        },
        shared
        | {
            "learner_id": f"h{number}",
            "is_routed": False,
            "routed_probability": 1 - chance,
            "is_abandoned": kept,
            "is_contacted": False,
        },
    ]


def frame(*pairs):
    return pl.DataFrame([row for both in pairs for row in both], schema=SCHEMA)


def trial(generator, count, *, share, without, difference, between=0.1):
    """Pairs whose first is likelier to abandon by `between`; routing changes the chance by `difference`.

    Returns the frame and the mean effect on exactly these alerts.
    """
    draw = generator.random((count, 2))
    chance = without + np.array([between / 2, -between / 2])
    if_held, if_routed = draw < chance, draw < chance + difference
    is_swapped = generator.random(count) < share
    routed_at = is_swapped.astype(int)
    rows = np.arange(count)
    found = frame(
        *(
            pair(
                int(place),
                lost=bool(if_routed[place, routed_at[place]]),
                kept=bool(if_held[place, 1 - routed_at[place]]),
                share=share,
                is_swapped=bool(is_swapped[place]),
            )
            for place in rows
        )
    )
    return found, float(if_routed.mean() - if_held.mean())


def everybody(found):
    return found.filter(pl.col("programme_id") == "all").row(0, named=True)


@pytest.mark.parametrize(("share", "difference"), [(0.5, -0.08), (0.2, -0.08), (0.2, 0.0)])
def test_over_400_trials_the_estimate_is_without_bias_and_its_interval_covers(share, difference):
    generator = np.random.default_rng(8)
    estimates, covers, errors, rejected = [], 0, [], 0
    for _ in range(400):
        pairs, truth = trial(generator, 160, share=share, without=0.3, difference=difference)
        found = everybody(routed(pairs, seed=1))
        assert found["treated_count"] == 160
        low, high = found["effect_low_points"], found["effect_high_points"]
        estimates.append(found["effect_points"] / 100 - truth)
        covers += low <= 100 * difference <= high
        rejected += found["p_value"] <= 0.05
        errors.append(found["standard_error_points"] / 100)
    assert abs(np.mean(estimates)) < 3 * np.mean(errors) / 20
    assert covers >= 0.93 * 400
    if difference == 0:
        # 5 % and three standard errors of a share of 400: an exact test does not reject more.
        assert rejected <= 400 * (0.05 + 3 * np.sqrt(0.05 * 0.95 / 400))


def test_the_plain_difference_of_arms_is_biased_where_the_lot_is_uneven():
    """The test above can fail: the weights are what makes the routed and the held out alike."""
    generator = np.random.default_rng(3)
    plain = []
    for _ in range(60):
        pairs, _ = trial(generator, 160, share=0.2, without=0.3, difference=0.0, between=0.1)
        found = everybody(routed(pairs, seed=1))
        plain.append(found["treated_events_count"] / 160 - found["controls_events_count"] / 160)
    assert np.mean(plain) > 0.03


def test_three_pairs_by_hand_count_each_difference_over_twice_the_chance_of_its_lot():
    kept = [pair(number, lost=False, kept=False, share=0.2) for number in range(60)]
    # Held out lost 12 times as routing chose (chance .8), 2 times after a swap (.2); routed lost once after a swap.
    kept += [pair(100 + number, lost=False, kept=True, share=0.2) for number in range(12)]
    kept += [pair(200 + number, lost=False, kept=True, share=0.2, is_swapped=True) for number in range(2)]
    kept += [pair(300, lost=True, kept=False, share=0.2, is_swapped=True)]
    found = everybody(routed(frame(*kept), seed=1))
    total = -12 / 1.6 - 2 / 0.4 + 1 / 0.4
    assert found["effect_points"] == pytest.approx(100 * total / 75)
    assert found["untreated_percent"] == pytest.approx(100 * (12 / 1.6 + 2 / 0.4) / 75)
    assert (found["treated_events_count"], found["controls_events_count"]) == (1, 14)


def test_the_p_value_is_the_share_of_all_lots_listed_one_by_one():
    shares = [0.2, 0.3, 0.3, 0.4, 0.2, 0.2, 0.3, 0.4, 0.4, 0.2, 0.5]
    unlike = [
        pair(number, lost=number % 4 == 0, kept=number % 4 != 0, share=share, is_swapped=number % 3 == 0)
        for number, share in enumerate(shares)
    ]
    alike = [pair(100 + number, lost=True, kept=True) for number in range(50)]
    found = everybody(routed(frame(*unlike, *alike), seed=1))

    chances = [rows[0]["routed_probability"] for rows in unlike]
    signs = [1 if rows[0]["is_abandoned"] else -1 for rows in unlike]
    observed = abs(sum(sign / (2 * chance) for sign, chance in zip(signs, chances, strict=True)))
    expected = 0.0
    for same in product([True, False], repeat=len(signs)):
        total, mass = 0.0, 1.0
        for sign, chance, is_same in zip(signs, chances, same, strict=True):
            total += sign / (2 * chance) if is_same else -sign / (2 * (1 - chance))
            mass *= chance if is_same else 1 - chance
        expected += mass if abs(total) >= observed - 1e-9 else 0.0
    assert found["p_value"] == pytest.approx(expected)


def test_where_lots_are_too_many_to_list_they_are_drawn_and_agree():
    """Seven chances of the lot and both signs make more combinations than are listed; the limit makes both comparable."""
    generator = np.random.default_rng(5)
    shares = np.round(np.linspace(0.2, 0.5, 7), 3).tolist() * 40
    pairs = [
        pair(
            number,
            lost=bool(generator.random() < 0.4),
            kept=bool(generator.random() < 0.5),
            share=share,
            is_swapped=bool(generator.random() < share),
        )
        for number, share in enumerate(shares)
    ]
    one, other = (everybody(routed(frame(*pairs), seed=seed)) for seed in (1, 2))
    assert one["p_value"] == pytest.approx(other["p_value"], abs=0.01)
    assert one["p_value"] == pytest.approx(
        2 * norm.sf(abs(one["effect_points"] / one["standard_error_points"])), abs=0.03
    )
    assert one["p_value"] > 0.001


@given(st.permutations(range(160)), st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_order_of_rows_changes_nothing(order, world):
    pairs, _ = trial(np.random.default_rng(world), 80, share=0.3, without=0.4, difference=-0.1)
    assert routed(pairs[order], seed=1).equals(routed(pairs, seed=1))


def test_few_pairs_cannot_say_and_give_no_figure():
    found = everybody(
        routed(frame(*(pair(number, lost=False, kept=True) for number in range(LEAST_PAIRS - 1))), seed=1)
    )
    assert (found["verdict"], found["verdict_rule"]) == ("cannot_say", "pairs_too_few")
    assert found["effect_points"] is None
    assert "49 pairs" in found["reason"]


def test_pairs_that_end_alike_cannot_say():
    alike = [pair(number, lost=True, kept=True) for number in range(60)]
    unlike = [pair(100 + number, lost=False, kept=True) for number in range(9)]
    found = everybody(routed(frame(*alike, *unlike), seed=1))
    assert (found["verdict_rule"], found["effect_points"]) == ("events_too_few", None)


def test_a_lot_after_which_contact_is_the_same_is_weak_and_says_so():
    rows = frame(*(pair(number, lost=False, kept=number % 2 == 0) for number in range(80)))
    same = rows.with_columns(is_contacted=True)
    assert everybody(routed(rows, seed=1))["verdict"] == "usable"
    found = everybody(routed(same, seed=1))
    assert (found["verdict"], found["verdict_rule"]) == ("weak", "arms_alike")
    assert "100% of the held out were contacted anyway" in found["reason"]
    assert found["effect_points"] is not None


def test_a_learner_counts_with_the_first_lot_alone():
    pairs = [pair(number, lost=False, kept=number % 2 == 0) for number in range(70)]
    again = pair(200, lost=True, kept=False)
    again[1]["learner_id"] = "r0"
    found = everybody(routed(frame(*pairs, again), seed=1))
    assert (found["treated_count"], found["treated_events_count"]) == (70, 0)


def test_half_a_pair_is_none():
    rows = frame(*(pair(number, lost=False, kept=number % 2 == 0) for number in range(70)))
    assert everybody(routed(rows[1:], seed=1))["treated_count"] == 69


def test_each_programme_has_its_row_beside_all_and_without_lots_there_is_none():
    pairs = [pair(number, lost=False, kept=True, programme_id="PQ"[number % 2]) for number in range(120)]
    found = routed(frame(*pairs), seed=1)
    assert found["programme_id"].to_list() == ["P", "Q", "all"]
    assert dict(found.schema) == schema_of(MARTS["mentoring_effect"], without=("publication_id",))
    assert found["treated_count"].to_list() == [60, 60, 120]
    assert routed(frame(), seed=1).is_empty()
