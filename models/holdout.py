"""The hold-out analysed as the trial it is: alerts routed by lot against alerts held out by the same lot.

Belongs here: the difference of a paired lot with its interval, its exact p-value and its verdict. Does not belong here:
the lot (`models.lottery`), what is observed of its pairs (`pipelines.lottery_pairs`), estimates without a lot
(`models.effect`).

It is the effect of routing an alert, by intention to treat: of two alerts at the cut one is routed by a lot whose chance
is known. What mentors then do, or do anyway, is part of the answer and stands beside it in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import binom, t

from data_contracts.fields.effects import ALL
from data_contracts.tables.marts import MARTS
from models.contract import conform, schema_of
from models.effect_figures import DETECTED_ERRORS, e_value, e_value_limit

ESTIMAND = (
    "effect of routing an alert to a mentor, against holding it out by lot, on abandonment within 8 weeks from the night of "
    "the lot, on alerts at the cut (intention to treat)"
)
LEAST_PAIRS = 50
LEAST_UNLIKE = 10
FEW_UNLIKE = 25
LEAST_CONTACT_DIFFERENCE = 0.1

_MOST_DRAWS_LISTED = 200_000
_RANDOM_DRAWS = 20_000
_MARGIN = 1e-9

_Floats = npt.NDArray[np.float64]


def routed(pairs: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Rows of contrast `routed`, one per programme and one for 'all', sorted by the key of `mentoring_effect`.

    Args:
        pairs: of `pipelines.lottery_pairs.pairs`, two rows a pair: programme_id, pair_id, learner_id, observed_at,
            is_routed, routed_probability (the chance of the alert to be routed), is_abandoned, is_contacted.
        seed: of the draws of lots, where there are too many to list.

    Estimate. In pair k one of two alerts is routed: the one that routing had chosen with chance 1 - s, the other with
    chance s. With d the routed one's outcome less the held-out one's and p the chance of the lot that was drawn (the
    `routed_probability` of the routed one), D = d / (2 p). Over both lots the mean of D is (y_a(1) - y_b(0) + y_b(1) -
    y_a(0)) / 2, which is the mean effect on the two (Horvitz and Thompson 1952). The effect is the mean of D over pairs,
    without bias whatever s is and however unlike the two are. Its variance, var(D) / n, is right for pairs as they
    come and too large, never too small on average, for these pairs alone (Imai 2008; Imbens and Rubin 2015, chapter 10).
    Interval: 95 %, t with n - 1 degrees.

    p-value: of the mean of D among all lots that might have been drawn if routing changed no outcome of anybody (Fisher);
    a pair whose outcomes are alike adds nothing, and those that differ are counted by chance of the lot, so that all lots
    are listed, or `_RANDOM_DRAWS` of them drawn where that is too long.

    A learner counts with the first lot alone: what a later one finds, the first has changed. A pair of which either
    learner was drawn before is left out, by what was known before its lot.

    Contact only tells what routing led to: with hardly more contact among the routed the verdict is weak, since then
    little was tried. `treated_*` count the routed, `controls_*` the held out.
    """
    table = MARTS["mentoring_effect"]
    unknown = schema_of(table, without=("publication_id",))
    wide = _by_pair(pairs)
    groups = [(ALL, wide), *((str(name), part) for (name,), part in wide.group_by("programme_id"))]
    rows = [_row(name, part, seed) for name, part in groups if part.height]
    return conform(pl.DataFrame(rows, schema=unknown), table, without=("publication_id",)).sort(table.key)


def _by_pair(pairs: pl.DataFrame) -> pl.DataFrame:
    """A row per pair that is whole, in the order of the lots, each learner once."""
    side = ("learner_id", "routed_probability", "is_abandoned", "is_contacted")
    of_routed = pairs.filter("is_routed").select("programme_id", "pair_id", "observed_at", *side)
    held = pairs.filter(~pl.col("is_routed")).select("pair_id", *(pl.col(name).alias(f"held_{name}") for name in side))
    whole = of_routed.join(held, on="pair_id").sort("observed_at", "pair_id")
    seen: set[str] = set()
    first: list[bool] = []
    for both in whole.select("learner_id", "held_learner_id").iter_rows():
        first.append(seen.isdisjoint(both))
        seen.update(both)
    return whole.filter(pl.Series(first, dtype=pl.Boolean))


def _row(programme_id: str, pairs: pl.DataFrame, seed: int) -> dict[str, Any]:
    outcome = pairs["is_abandoned"].to_numpy().astype(np.float64)
    held = pairs["held_is_abandoned"].to_numpy().astype(np.float64)
    chance = pairs["routed_probability"].to_numpy().astype(np.float64)
    contact = float(pairs["is_contacted"].mean() or 0.0), float(pairs["held_is_contacted"].mean() or 0.0)  # type: ignore[arg-type]
    unlike = int((outcome != held).sum())
    row: dict[str, Any] = dict.fromkeys(schema_of(MARTS["mentoring_effect"], without=("publication_id",)))
    row |= {
        "programme_id": programme_id,
        "contrast": "routed",
        "subgroup_kind": ALL,
        "subgroup": ALL,
        "role": "secondary",
        "estimand": ESTIMAND,
        "treated_count": pairs.height,
        "treated_events_count": int(outcome.sum()),
        "controls_count": pairs.height,
        "controls_events_count": int(held.sum()),
    }
    if pairs.height < LEAST_PAIRS:
        return row | _refused("pairs_too_few", f"{pairs.height} pairs whose 8 weeks are over; {LEAST_PAIRS} are needed")
    if unlike < LEAST_UNLIKE:
        reason = f"{unlike} pairs of which one abandoned and the other did not; {LEAST_UNLIKE} are needed"
        return row | _refused("events_too_few", reason)
    weight = 1 / (2 * chance)
    weighted = weight * (outcome - held)
    effect, error = float(weighted.mean()), float(weighted.std(ddof=1) / np.sqrt(weighted.size))
    reach = float(t.ppf(0.975, weighted.size - 1)) * error
    untreated = min(1.0, float((weight * held).mean()))
    figures: dict[str, Any] = {
        "effect_points": 100 * effect,
        "effect_low_points": 100 * (effect - reach),
        "effect_high_points": 100 * (effect + reach),
        "standard_error_points": 100 * error,
        "p_value": _p_value(weighted, outcome - held, chance, seed),
        "untreated_percent": 100 * untreated,
        "effective_sample_count": float(weight.sum() ** 2 / (weight**2).sum()),
        "minimum_detectable_points": 100 * DETECTED_ERRORS * error,
    }
    return row | figures | _ratios(untreated, effect, reach) | _said(figures, unlike, contact)


def _refused(rule: str, reason: str) -> dict[str, Any]:
    return {"verdict": "cannot_say", "verdict_rule": rule, "reason": reason}


def _ratios(untreated: float, effect: float, reach: float) -> dict[str, Any]:
    """Risk ratio and what it takes to explain it; nothing where none of the held out abandoned."""
    if untreated <= 0:
        return {}
    low, ratio, high = (max(0.0, (untreated + effect + change) / untreated) for change in (-reach, 0.0, reach))
    said = {"risk_ratio": ratio, "e_value": e_value(ratio), "e_value_limit": e_value_limit(low, high)}
    return {name: value for name, value in said.items() if np.isfinite(value)}


def _said(figures: Mapping[str, Any], unlike: int, contact: tuple[float, float]) -> dict[str, Any]:
    """The verdict, and in words what it is of: contact stands in every reason."""
    anyway, never = contact[1], 1 - contact[0]
    contacts = (
        f"{anyway:.0%} of the held out were contacted anyway while the lot bound, {never:.0%} of the routed never"
    )
    if contact[0] - contact[1] < LEAST_CONTACT_DIFFERENCE:
        return {"verdict": "weak", "verdict_rule": "arms_alike", "reason": f"the lot changed little: {contacts}"}
    if unlike < FEW_UNLIKE:
        reason = f"only {unlike} pairs of which one abandoned and the other did not; {contacts}"
        return {"verdict": "weak", "verdict_rule": "events_few", "reason": reason}
    found = "fewer abandon" if figures["effect_high_points"] < 0 else "more abandon"
    if figures["effect_low_points"] <= 0 <= figures["effect_high_points"]:
        found = "not distinguishable from zero, which does not mean no effect"
    reason = f"routed against not routed: {found}; {contacts}"
    return {"verdict": "usable", "verdict_rule": "all_held", "reason": reason}


def _p_value(weighted: _Floats, difference: _Floats, chance: _Floats, seed: int) -> float:
    """Share of lots with a sum of D at least as far from 0, if no outcome depended on the lot.

    A pair with d = +-1 and chance p adds d / (2 p) with chance p and -d / (2 (1 - p)) with chance 1 - p. Pairs of the same d
    and p are alike, so only how many of each group would have been drawn the other way counts: a binomial each.
    """
    observed = abs(float(weighted.sum())) - _MARGIN
    # A pair drawn the other way is the same as one of -d and 1 - p: told by the alert that abandoned, lots are the same.
    kept = difference != 0
    sign, drawn = difference[kept], np.round(chance[kept], 9)
    abandoned_chance = np.where(sign > 0, drawn, 1 - drawn)
    groups = [
        (float(value), int(number))
        for value, number in zip(*np.unique(abandoned_chance, return_counts=True), strict=True)
    ]
    if prod(number + 1 for _, number in groups) <= _MOST_DRAWS_LISTED:
        listed = _listed(groups)
        return float(min(1.0, sum(mass for total, mass in listed if abs(total) >= observed)))
    generator = np.random.default_rng(seed)
    totals = np.zeros(_RANDOM_DRAWS)
    for value, number in groups:
        is_routed = generator.binomial(number, value, _RANDOM_DRAWS)
        totals += is_routed / (2 * value) - (number - is_routed) / (2 * (1 - value))
    # The lot that was drawn is one of those that might have been.
    return float((1 + (np.abs(totals) >= observed).sum()) / (1 + _RANDOM_DRAWS))


def _listed(groups: list[tuple[float, int]]) -> Iterator[tuple[float, float]]:
    """Sum of D and its chance, for every number of routed among those who abandoned, group by group."""
    parts = []
    for value, number in groups:
        count = np.arange(number + 1)
        totals = count / (2 * value) - (number - count) / (2 * (1 - value))
        parts.append(list(zip(totals.tolist(), binom.pmf(count, number, value).tolist(), strict=True)))
    for chosen in product(*parts):
        yield sum(total for total, _ in chosen), prod(mass for _, mass in chosen)
