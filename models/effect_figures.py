"""Figures that stand beside an effect: E-value, Holm, balance, overlap, the difference as it is.

Belongs here: formulas over arrays. Does not belong here: the estimate itself (`models.aipw`), rules about it
(`models.effect_verdict`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from models.aipw import Flags, Ints
from models.metrics import Z_95
from models.nuisance import Floats

Z = Z_95
# Of the smallest effect that a two-sided test at 5 % finds four times of five, in standard errors.
DETECTED_ERRORS = Z + float(norm.ppf(0.8))
BIN = 0.05
_LEAST_SCALE = 1e-6


class Difference(NamedTuple):
    """An effect and its standard error, as shares."""

    effect: float
    standard_error: float

    @property
    def p_value(self) -> float:
        """Two-sided, by the normal distribution; 1 where there is no error to compare with."""
        if self.standard_error <= 0:
            return 1.0
        return float(2 * norm.sf(abs(self.effect) / self.standard_error))


class Balance(NamedTuple):
    """Standardised differences of each covariate, before and after weighting."""

    before: Floats
    after: Floats

    @property
    def largest(self) -> float:
        """The largest after weighting, without its sign; 0 without covariates."""
        return float(np.abs(self.after).max(initial=0.0))


class Overlap(NamedTuple):
    """Shares of treated, controls and controls' weight by bin of propensity; `low` is each bin's lower end."""

    low: Floats
    treated: Floats
    controls: Floats
    weighted: Floats


def e_value(risk_ratio: float) -> float:
    """RR + sqrt(RR (RR - 1)), RR inverted if below 1 (VanderWeele and Ding 2017); infinite for RR 0."""
    if risk_ratio <= 0:
        return float("inf")
    ratio = max(risk_ratio, 1 / risk_ratio)
    return float(ratio + np.sqrt(ratio * (ratio - 1)))


def e_value_limit(low_ratio: float, high_ratio: float) -> float:
    """E-value of the interval's end nearer to 1; 1 where the interval holds 1."""
    if low_ratio <= 1 <= high_ratio:
        return 1.0
    return e_value(high_ratio if high_ratio < 1 else low_ratio)


def holm(p_values: list[float]) -> list[float]:
    """Step-down adjusted p-values in the order given (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    count, highest = len(p_values), 0.0
    adjusted = [0.0] * count
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (count - place) * p_values[index]))
        adjusted[int(index)] = highest
    return adjusted


def balance(matrix: Floats, is_treated: Flags, weight: Floats) -> Balance:
    """(mean of treated - mean of controls) / sqrt((s1^2 + s0^2) / 2), the controls as they are and weighted.

    Both are divided by the standard deviations before weighting (Austin 2009).

    Args:
        matrix: trials by covariates.
        is_treated: of each trial that is looked at; others have weight 0 and are not treated.
        weight: of each control, 0 of the treated.
    """
    treated, controls = matrix[is_treated], matrix[weight > 0]
    scale = np.sqrt((treated.var(axis=0) + controls.var(axis=0)) / 2)
    # What does not vary among these trials, but for the last digits of a float, cannot differ.
    scale = np.where(scale > _LEAST_SCALE, scale, 1.0)
    weighted = weight[weight > 0] @ controls / weight.sum()
    return Balance((treated.mean(axis=0) - controls.mean(axis=0)) / scale, (treated.mean(axis=0) - weighted) / scale)


def overlap(propensity: Floats, is_treated: Flags, weight: Floats) -> Overlap:
    """How the propensity is distributed; bins are a twentieth wide. Arguments as in `balance`."""
    bins = round(1 / BIN)
    place = np.minimum((propensity / BIN).astype(np.int64), bins - 1)
    is_control = weight > 0

    def shares(rows: Flags, weights: Floats | None = None) -> Floats:
        counted = np.bincount(place[rows], weights=None if weights is None else weights[rows], minlength=bins)
        return np.asarray(counted / counted.sum())

    low = np.arange(bins) / bins
    return Overlap(low, shares(is_treated), shares(is_control), shares(is_control, weight))


def overlap_share(propensity: Floats, is_treated: Flags, weight: Floats) -> float:
    """Share of the treated whose propensity no less than one of a hundred controls' reaches, and that is not beyond the cut."""
    highest = float(np.quantile(propensity[weight > 0], 0.99))
    return float((propensity[is_treated] <= highest).mean())


def effective_sample(weight: Floats) -> float:
    """(sum w)^2 / sum w^2 (Kish 1965); 0 without weight."""
    total = float((weight**2).sum())
    return float(weight.sum()) ** 2 / total if total > 0 else 0.0


def unadjusted(outcome: Floats, is_treated: Flags, used: Flags, cluster: Ints) -> Difference:
    """The difference of the means of both arms as they are, its standard error by learner: selection and all."""
    controls = used & ~is_treated
    treated = used & is_treated
    low, high = float(outcome[controls].mean()), float(outcome[treated].mean())
    influence = np.where(treated, (outcome - high) / treated.sum(), 0.0)
    influence -= np.where(controls, (outcome - low) / controls.sum(), 0.0)
    return Difference(high - low, float(np.sqrt((np.bincount(cluster, weights=influence) ** 2).sum())))
