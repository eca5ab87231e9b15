"""Why a risk is what it is, in words that a mentor can use.

Belongs here: exact contributions of trees and line, their grouping by family, and the choice and wording of reasons. Does
not belong here: the words themselves (`data_contracts.features`) and whether anybody is told (`alerts.py`).

A contribution says what moved this model's score for this learner, not what would lower the risk if it changed.
Sources: for the trees Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for
trees"; for the line Lundberg and Lee 2017, "A unified approach to interpreting model predictions".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from math import inf
from types import MappingProxyType

import numpy as np
import polars as pl

from data_contracts.features import BY_NAME, FAMILIES, MODELLED_NAMES, Feature, family_names
from data_contracts.schema import Kind
from models.train import LONGEST, RiskModel, feature_matrix

MINIMUM_CONTRIBUTION = 0.1
"""A family that raises the log odds by less (about 10 % of the odds) is no reason."""

FALLBACK_LEVEL = "methodological"

_SPEAKER_SHARE = 0.1
"""A feature with less of its family's contribution than this does not speak for it."""
_WELL_BELOW = 0.8
"""A value is well below the course's median under this share of it, and well above where the median is so to it."""
_LEAST_POINTS = 0.1
"""Shares that differ by less are alike."""

# What a learner did: where all of it lies in the learner's silence, the silence is the one fact that there is to tell.
_DOING = ("activity", "trend", "coverage")
_DAYS = MappingProxyType({"d": 1, "w": 7})

_SINGULAR = MappingProxyType(
    {
        "activities": "activity",
        "attempts": "attempt",
        "commitments": "commitment",
        "credits": "credit",
        "days": "day",
        "events": "event",
        "hours": "hour",
        "messages": "message",
        "minutes": "minute",
        "pieces": "piece",
        "sessions": "session",
        "tickets": "ticket",
    }
)
_COUNTED_ONCE = re.compile(rf"\b1 ((?:\w+ )?)({'|'.join(_SINGULAR)})\b")
_NO = MappingProxyType({"0 ": "no ", "0% of ": "none of "})
_NOTHING = re.compile(f"^({'|'.join(_NO)})")
_DECIMALS_BY_UNIT = MappingProxyType({"ratio": 1, "per week": 2})


def contributions(model: RiskModel, features_frame: pl.DataFrame, *, horizon: str = LONGEST) -> pl.DataFrame:
    """Exact contributions in log odds: one column a feature, and `baseline`, rows as given.

    Baseline and contributions of a row add up to its raw score.
    """
    features = feature_matrix(features_frame)
    values = model.contributions(features, horizon) if features.size else np.empty((0, len(MODELLED_NAMES) + 1))
    return pl.DataFrame(values, schema=[*MODELLED_NAMES, "baseline"], orient="row")


def by_fact(share: Mapping[str, float], value: Mapping[str, float | None]) -> dict[str, float]:
    """A row's contributions with those of what a learner did not do put on the silence that it is.

    Nothing done in the last 28 days by one who has been silent for 58 is no second fact: its contribution goes to
    `days_since_activity`, or to `has_never_started` where nothing was ever done. The sum stays what it was.
    """
    silence = "has_never_started" if value["has_never_started"] == 1 else "days_since_activity"
    silent_days = inf if value["has_never_started"] == 1 else value["days_since_activity"] or 0
    facts = dict(share)
    for name in MODELLED_NAMES:
        if BY_NAME[name].reason_family in _DOING and _window_days(name) <= silent_days:
            facts[silence] += facts[name]
            facts[name] = 0.0
    return facts


def reasons(
    model: RiskModel,
    features_frame: pl.DataFrame,
    *,
    horizon: str = LONGEST,
    top: int = 3,
    cohort: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Up to `top` reasons for each row, actionable ones first, then by size, and the level of support.

    Args:
        model: the model that scored.
        features_frame: rows of features.enrolment_week to explain, the alerted ones only (TreeSHAP of the trees is slow).
        horizon: whose score is explained.
        top: how many reasons.
        cohort: all rows scored that day, for the course's medians beside the values; none are given without it.

    A family is a reason where its contributions together, by fact, raise the risk. It speaks through the feature that
    raises it most among those whose phrase is true and reads as a risk; without any, the family is silent.
    Returns enrolment_id, observed_epoch_day, reason_1_family, reason_1_text ... and level, which is that of the
    first reason's feature, methodological where there is none.
    """
    medians = _medians(features_frame, cohort)
    said: list[list[str | None]] = []
    values = features_frame.select(MODELLED_NAMES)
    shares = contributions(model, features_frame, horizon=horizon)
    for value, share, median in zip(
        values.iter_rows(named=True), shares.iter_rows(named=True), medians.iter_rows(named=True), strict=True
    ):
        chosen = _chosen(by_fact(share, value), value, median)[:top]
        texts: list[str | None] = []
        for feature in chosen:
            texts += [feature.reason_family, said_of(feature, value[feature.name], median[feature.name])]
        texts += [None] * (2 * (top - len(chosen)))
        said.append([*texts, chosen[0].level if chosen else FALLBACK_LEVEL])
    names = [f"reason_{number}_{part}" for number in range(1, top + 1) for part in ("family", "text")]
    columns = pl.DataFrame(said, schema=dict.fromkeys([*names, "level"], pl.String), orient="row")
    return pl.concat([features_frame.select("enrolment_id", "observed_epoch_day"), columns], how="horizontal")


def said_of(feature: Feature, value: float, median: float | None = None) -> str:
    """The feature's phrase for a value, with the course's median in brackets where it is known and differs."""
    shown = _shown(feature, value)
    text = feature.phrase.format(value=shown)
    if shown == "1":
        text = _COUNTED_ONCE.sub(lambda found: f"1 {found[1]}{_SINGULAR[found[2]]}", text, count=1)
    if value == 0:
        text = _NOTHING.sub(lambda found: _NO[found[0]], text)
    if median is None or "{value}" not in feature.phrase or not feature.is_compared:
        return text
    typical = _shown(feature, median)
    return text if typical == shown else f"{text} (course median {typical})"


def _chosen(
    share: Mapping[str, float], value: Mapping[str, float | None], median: Mapping[str, float | None]
) -> list[Feature]:
    """The feature that speaks for each family that raises the risk, in the order in which they are said."""
    names_of: defaultdict[str, list[str]] = defaultdict(list)
    for name in MODELLED_NAMES:
        names_of[BY_NAME[name].reason_family].append(name)
    found = []
    for family in FAMILIES:
        names = names_of[family]
        total = sum(share[name] for name in names)
        if total < MINIMUM_CONTRIBUTION:
            continue
        for name in sorted(names, key=lambda name: -share[name]):
            feature = BY_NAME[name]
            if share[name] >= _SPEAKER_SHARE * total and _reads_as_risk(feature, value[name], median[name]):
                found.append((not feature.is_actionable, -total, feature))
                break
    return [feature for _, _, feature in sorted(found, key=lambda one: one[:2])]


def _reads_as_risk(feature: Feature, value: float | None, median: float | None) -> bool:
    """Whether the phrase is true of the value and, beside the course's median, no trait of all."""
    low, high = feature.reads_within
    if not feature.phrase or value is None or not low <= value <= high:
        return False
    if median is None or feature.worse is None:
        return True
    worse, better = (value, median) if feature.worse == "low" else (median, value)
    is_share = (feature.field.unit or "").startswith("share")
    return worse < _WELL_BELOW * better and (not is_share or better - worse >= _LEAST_POINTS)


def _window_days(name: str) -> float:
    """How many days back a feature looks; all of them where its name has no window."""
    if "_last_week_" in name:
        return 7
    window = re.search(r"_(\d+)([dw])(?=_|$)", name)
    return int(window[1]) * _DAYS[window[2]] if window else inf


def _medians(features_frame: pl.DataFrame, cohort: pl.DataFrame | None) -> pl.DataFrame:
    """The medians of each row's course and day in `cohort`, row by row; null without a cohort."""
    key = ["course_id", "observed_epoch_day"]
    if cohort is None:
        return pl.DataFrame(schema=dict.fromkeys(MODELLED_NAMES, pl.Float64)).clear(features_frame.height)
    medians = cohort.group_by(key).agg(pl.col(MODELLED_NAMES).cast(pl.Float64).median())
    return (
        features_frame.select(key)
        .join(medians, on=key, how="left", nulls_equal=True, maintain_order="left")
        .select(MODELLED_NAMES)
    )


def _shown(feature: Feature, value: float) -> str:
    """A value as people write it: no sign, counts whole, shares as percents, a percentile as the share above it."""
    value, unit = abs(value), feature.field.unit or ""
    if feature.name in family_names("cohort"):
        # Equal ones share a rank, so fewer stand above than it says: rounded down, in steps of 5 points.
        return f"{min(5 * int((1 - value) * 20 + 1e-9), 95)}%"
    if unit.startswith("share"):
        return f"{_rounded(value * 100)}%"
    if feature.field.kind is Kind.NUMBER and unit in _DECIMALS_BY_UNIT:
        return f"{value:.{_DECIMALS_BY_UNIT[unit]}f}"
    return str(_rounded(value))


def _rounded(value: float) -> int:
    """Half up, as people round (Python rounds half to even)."""
    return int(np.floor(value + 0.5))
