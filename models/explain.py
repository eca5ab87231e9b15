"""Why a risk is what it is, in words that a mentor can use.

Belongs here: exact TreeSHAP contributions, their grouping by family, and the choice and wording of reasons. Does
not belong here: the words themselves (`data_contracts.features`) and whether anybody is told (`alerts.py`).

A contribution says what moved this model's score for this learner, not what would lower the risk if it changed.
Source: Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from data_contracts.features import BY_NAME, FAMILIES, MODELLED_NAMES, Feature, family_names
from data_contracts.schema import Kind
from models.train import LONGEST, RiskModel, feature_matrix

Vector = npt.NDArray[np.float64]

MINIMUM_CONTRIBUTION = 0.05
"""A family that raises the log odds by less (about 5 % of the odds) is no reason."""

FALLBACK_LEVEL = "methodological"

_WELL_BELOW = 0.8
"""Below this share of the course's median a value is well below it."""

_SINGULAR = MappingProxyType(
    {
        "activities": "activity",
        "attempts": "attempt",
        "credits": "credit",
        "days": "day",
        "events": "event",
        "messages": "message",
        "minutes": "minute",
        "pieces": "piece",
        "sessions": "session",
        "tickets": "ticket",
    }
)
_COUNTED_ONCE = re.compile(rf"\b1 ((?:\w+ )?)({'|'.join(_SINGULAR)})\b")
_DECIMALS_BY_UNIT = MappingProxyType({"ratio": 1, "per week": 2})


def contributions(model: RiskModel, features_frame: pl.DataFrame, *, horizon: str = LONGEST) -> pl.DataFrame:
    """Exact TreeSHAP contributions in log odds: one column a feature, and `baseline`, rows as given.

    Baseline and contributions of a row add up to its raw score.
    """
    features = feature_matrix(features_frame)
    if features.shape[0] == 0:
        values = np.empty((0, len(MODELLED_NAMES) + 1))
    else:
        values = np.asarray(
            model.horizons[horizon].booster.predict(features, pred_contrib=True, num_threads=model.settings.threads)
        )
    return pl.DataFrame(values, schema=[*MODELLED_NAMES, "baseline"], orient="row")


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
        features_frame: rows of features.enrolment_week to explain, the alerted ones only (TreeSHAP is slow).
        horizon: whose score is explained.
        top: how many reasons.
        cohort: all rows scored that day, for the course's medians beside the values; none are given without it.

    A family is a reason where its contributions together raise the risk. It speaks through the feature that
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
        chosen = _chosen(share, value, median)[:top]
        texts: list[str | None] = []
        for feature in chosen:
            texts += [feature.family, said_of(feature, value[feature.name], median[feature.name])]
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
    if median is None or "{value}" not in feature.phrase or not feature.is_compared:
        return text
    typical = _shown(feature, median)
    return text if typical == shown else f"{text} (course median {typical})"


def _chosen(
    share: Mapping[str, float], value: Mapping[str, float | None], median: Mapping[str, float | None]
) -> list[Feature]:
    """The feature that speaks for each family that raises the risk, in the order in which they are said."""
    found = []
    for family in FAMILIES:
        names = [name for name in family_names(family) if BY_NAME[name].is_modelled]
        total = sum(share[name] for name in names)
        if total < MINIMUM_CONTRIBUTION:
            continue
        for name in sorted(names, key=lambda name: -share[name]):
            feature = BY_NAME[name]
            if share[name] > 0 and _reads_as_risk(feature, value[name], median[name]):
                found.append((not feature.is_actionable, -total, feature))
                break
    return [feature for _, _, feature in sorted(found, key=lambda one: one[:2])]


def _reads_as_risk(feature: Feature, value: float | None, median: float | None) -> bool:
    """Whether the phrase is true of the value and, beside the course's median, no trait of all."""
    low, high = feature.reads_within
    if value is None or not low <= value <= high:
        return False
    if median is None or feature.worse is None:
        return True
    return value < _WELL_BELOW * median if feature.worse == "low" else value >= median


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
    """A value as people write it: counts whole, shares as percents, percentiles as ordinals."""
    unit = feature.field.unit or ""
    if feature.name in family_names("cohort"):
        return _ordinal(_rounded(value * 100))
    if unit.startswith("share"):
        return f"{_rounded(value * 100)}%"
    if feature.field.kind is Kind.NUMBER and unit in _DECIMALS_BY_UNIT:
        return f"{value:.{_DECIMALS_BY_UNIT[unit]}f}"
    return str(_rounded(value))


def _rounded(value: float) -> int:
    """Half up, as people round (Python rounds half to even)."""
    return int(np.floor(value + 0.5))


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
