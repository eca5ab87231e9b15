"""Benefit and ROI with their intervals: Monte Carlo over effect, value and cost.

Belongs here: the arithmetic of one benefit against one cost, and of its uncertainty. Does not belong here: whose
cost and benefit these are (`models.roi_book`), what a row says (`models.roi`).

ROI% = (benefit - cost) / cost x 100; BCR = benefit / cost. What is uncertain, and how:

- the effect: normal around its estimate, with its standard error.
- the share of completing among those active after eight weeks: beta(completed + 1/2, others + 1/2) of past runs
  (Jeffreys).
- participants' estimates: triangular, up to +-(1 - confidence) (Phillips reads confidence as an error range).
- cost: booked rows are as booked; what was allocated and what was priced by the hour are each right up to a common
  normal factor, whose standard error is an assumption (`ROISettings`). A value per completion is taken as stated.

Draws are stratified (each of n equal slices of probability once, in an order set by seed and name), so that a figure
follows neither the order of rows nor other programmes, and n = 10,000 agrees with closed forms to about .005.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri

from models.suppression import SMALL_CELL

Floats = npt.NDArray[np.float64]

_INTERVAL = (2.5, 97.5)
_LEAST_COST_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class ROISettings:
    """What the draws are made with, and the least number of people of a row.

    prior_*: on the log hazard ratio of abandonment under mentor contact. *_error_share: relative standard error of
    the part of the cost that was allocated, or priced by the hour: assumptions, moved one by one in `roi_driver`.
    """

    seed: int = 20
    draws: int = 10_000
    prior_mean: float = -0.10
    prior_error: float = 0.08
    allocated_error_share: float = 0.10
    priced_error_share: float = 0.20
    least_people: int = SMALL_CELL


DEFAULTS = ROISettings()


class Cost(NamedTuple):
    """A cost to the cent, and the parts of it that were allocated, are people's time, and were priced by the hour."""

    amount: float
    allocated: float = 0.0
    of_time: float = 0.0
    priced: float = 0.0

    def draws(self, settings: ROISettings) -> Floats:
        """The cost as it may have been; never under a hundredth of what it is taken for."""
        errors = self.allocated * settings.allocated_error_share * _normal(settings, "allocated")
        errors += self.priced * settings.priced_error_share * _normal(settings, "priced")
        drawn: Floats = np.maximum(self.amount + errors, self.amount * _LEAST_COST_SHARE)
        return drawn


class Effect(NamedTuple):
    """A difference in abandonment (share; negative is good), its standard error, and abandonment without it."""

    estimate: float
    error: float
    untreated: float | None = None


class Completing(NamedTuple):
    """How many of past runs were active after eight weeks, and how many of them completed."""

    active_count: int
    completed_count: int

    @property
    def share(self) -> float:
        """Of the active, those who completed."""
        return self.completed_count / self.active_count

    def quantiles(self, levels: Floats) -> Floats:
        """Of the share, given the counts."""
        found: Floats = betaincinv(
            self.completed_count + 0.5, self.active_count - self.completed_count + 0.5, levels
        ).astype(np.float64)
        return found


class Worth(NamedTuple):
    """What an avoided abandonment is worth: for how many mentored, at what value of a completion, for who completes."""

    mentored_count: int
    value: float
    completing: Completing


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """One benefit with 95 % intervals of it and of the ROI; None about the ROI where there is no cost."""

    benefit: float
    low: float
    high: float
    roi_low: float | None = None
    roi_high: float | None = None
    positive_probability: float | None = None
    prior_probability: float | None = None
    avoided: float | None = None


def roi_percent(benefit: float, cost: float) -> float:
    """(benefit - cost) / cost x 100."""
    return (benefit - cost) / cost * 100


def break_even_effect_points(cost: float, mentored_count: int, value_per_retained: float) -> float:
    """Percentage points of abandonment that must be avoided among the mentored to pay the cost back."""
    return cost / (mentored_count * value_per_retained) * 100


def attribution_return(
    rows: Sequence[tuple[float, float]], cost: Cost | None, *, method: str, settings: ROISettings = DEFAULTS
) -> Return:
    """Benefit of participants' estimates, each given as (quantity x unit value x attribution, confidence), in order.

    full: the estimates as they are, their errors independent. conservative: each estimate x confidence, the lower
    end of its error, and one common error for all rows, since people who overrate one gain overrate the others.
    """
    is_conservative = method == "conservative"
    benefit, drawn = 0.0, np.zeros(settings.draws)
    for number, (estimate, confidence) in enumerate(rows):
        counted = estimate * (confidence if is_conservative else 1.0)
        error = _triangular(settings, "benefit" if is_conservative else f"benefit {number}")
        benefit += counted
        drawn += counted * (1.0 + (1.0 - confidence) * error)
    return _return(benefit, drawn, cost, settings)


def effect_return(
    effect: Effect,
    worth: Worth,
    cost: Cost,
    *,
    method: str,
    settings: ROISettings = DEFAULTS,
) -> Return:
    """Benefit of an effect on abandonment: -effect x mentored x share of completing x value of a completion.

    conservative: at the unfavourable end of the effect's 95 % interval; the interval and the probabilities stay those
    of the effect. With certain shares and costs P(ROI > 0) = Phi((-effect - break-even) / SE).
    """
    z = _normal(settings, "effect")
    shares = worth.completing.quantiles(_uniform(settings, "completing"))
    by_points = worth.mentored_count * worth.value * shares
    point = effect.estimate
    if method == "conservative":
        point += float(ndtri(0.975)) * effect.error
    avoided = -point * worth.mentored_count
    benefit = avoided * worth.completing.share * worth.value
    found = _return(benefit, -(effect.estimate + effect.error * z) * by_points, cost, settings, avoided)
    shrunken = with_prior(effect, settings)
    if shrunken is None or effect.untreated is None:
        return found
    mean, error = shrunken
    changed = _effect_of(mean + error * z, effect.untreated)
    is_positive = -changed * by_points > cost.draws(settings)
    return replace(found, prior_probability=float(is_positive.mean()))


def with_prior(effect: Effect, settings: ROISettings = DEFAULTS) -> tuple[float, float] | None:
    """Mean and standard error of the log hazard ratio, the estimate combined with the prior; None: not on this scale.

    Under proportional hazards over the eight weeks a log hazard ratio b changes the risk r0 of the untreated by
    e(b) = 1 - (1 - r0)^exp(b) - r0. Around the prior's mean m this is a line of slope s = H exp(m) exp(-H exp(m)),
    H = -ln(1 - r0), so that an estimate e with standard error SE says b = m + (e - e(m)) / s, with SE / s. Prior and
    estimate being normal, w = prior variance / (prior variance + (SE / s)^2), mean = m + w (b - m), variance = prior
    variance x (1 - w).
    """
    if effect.untreated is None or not 0 < effect.untreated < 1:
        return None
    hazard = -math.log1p(-effect.untreated) * math.exp(settings.prior_mean)
    slope = hazard * math.exp(-hazard)
    expected = float(_effect_of(np.array([settings.prior_mean]), effect.untreated)[0])
    beyond, error = (effect.estimate - expected) / slope, effect.error / slope
    weight = settings.prior_error**2 / (settings.prior_error**2 + error**2)
    return settings.prior_mean + weight * beyond, settings.prior_error * math.sqrt(1 - weight)


def _effect_of(log_hazard_ratio: Floats, untreated: float) -> Floats:
    """Change of the risk of the untreated under a log hazard ratio."""
    changed: Floats = 1 - (1 - untreated) ** np.exp(log_hazard_ratio) - untreated
    return changed


def _return(
    benefit: float, drawn: Floats, cost: Cost | None, settings: ROISettings, avoided: float | None = None
) -> Return:
    """Intervals of the draws, held to contain the estimate."""
    low, high = _held(benefit, drawn)
    if cost is None or not cost.amount:
        return Return(benefit=benefit, low=low, high=high, avoided=avoided)
    spent = cost.draws(settings)
    roi_low, roi_high = _held(roi_percent(benefit, cost.amount), (drawn - spent) / spent * 100)
    return Return(
        benefit=benefit,
        low=low,
        high=high,
        roi_low=roi_low,
        roi_high=roi_high,
        positive_probability=float((drawn > spent).mean()),
        avoided=avoided,
    )


def _held(estimate: float, drawn: Floats) -> tuple[float, float]:
    low, high = (float(end) for end in np.percentile(drawn, _INTERVAL))
    return min(low, estimate), max(high, estimate)


def _uniform(settings: ROISettings, name: str) -> Floats:
    generator = np.random.default_rng([settings.seed, zlib.crc32(name.encode())])
    levels: Floats = (generator.permutation(settings.draws) + 0.5) / settings.draws
    return levels


def _normal(settings: ROISettings, name: str) -> Floats:
    drawn: Floats = ndtri(_uniform(settings, name))
    return drawn


def _triangular(settings: ROISettings, name: str) -> Floats:
    """On (-1, 1), most likely 0."""
    level = _uniform(settings, name)
    drawn: Floats = np.where(level < 0.5, np.sqrt(2 * level) - 1, 1 - np.sqrt(2 * (1 - level)))
    return drawn
