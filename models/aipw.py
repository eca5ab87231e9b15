"""The effect on the treated by augmented inverse probability weighting, cross-fitted, with an interval by learner.

Belongs here: folds, the score, its standard error. Does not belong here: which trials (`pipelines.effect_trials`), which
learners (`models.nuisance`), what may be said of the estimate (`models.effect_verdict`).

With A treatment, Y outcome, e(X) = P(A = 1 | X), m(X) = E(Y | A = 0, X), n1 the treated and D the weight of complete
follow-up:

    theta = 1/n1 sum [ A (Y - m(X)) - (1 - A) e(X) / (1 - e(X)) D (Y - m(X)) ]

which is consistent if either e or m is right (Robins, Rotnitzky and Zhao 1994; for the treated Heckman et al. 1998, the
score ATTE of Chernozhukov et al. 2018). Its influence function, summed by learner, gives the standard error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.nuisance import Design, Floats, Learner

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Weights e / (1 - e) grow without end; from here on they are cut, and the treated beyond are counted as trimmed.
HIGHEST_PROPENSITY = 0.95
LOWEST_PROPENSITY = 1e-4
# Nobody counts for more than twenty because others like them were treated later.
_LEAST_CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Nuisance:
    """Out-of-fold figures of each row.

    `propensity` of treatment, `untreated` of the outcome without it, and `complete`, the weight of complete follow-up: 1,
    or for controls that could be treated later one over the chance that they were not, and 0 where they were.
    """

    propensity: Floats
    untreated: Floats
    complete: Floats


@dataclass(frozen=True, slots=True)
class Att:
    """An effect on the treated as a difference of probabilities, and what it was made of.

    `untreated` is the treated's expected probability without treatment; `weight` the control weights (0 for the treated),
    of the repeat whose estimate is the median; `trimmed_share` the treated whose propensity lies beyond the cut.
    """

    effect: float
    standard_error: float
    untreated: float
    nuisance: Nuisance
    weight: Floats
    trimmed_share: float


def folds(cluster: Ints, is_treated: Flags, count: int, seed: int) -> Ints:
    """Fold of each row, 0 to count - 1: all rows of a cluster in one; clusters with a treated row dealt out evenly.

    Args:
        cluster: number of each row's learner, 0 to n - 1.
        is_treated: of each row.
        count: folds.
        seed: of the order in which clusters are dealt out.
    """
    generator = np.random.default_rng(seed)
    clusters = int(cluster.max()) + 1
    ever = np.bincount(cluster, weights=is_treated, minlength=clusters) > 0
    fold = np.empty(clusters, dtype=np.int64)
    for stratum in (ever, ~ever):
        members = generator.permutation(np.flatnonzero(stratum))
        fold[members] = np.arange(members.size) % count
    return np.asarray(fold[cluster])


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Who of the controls was treated later, inside the outcome window: their follow-up is cut short there.

    Rows are sorted by participation and week. `is_cut` says so of a row; `is_used` whether its window is over: other rows
    tell of the propensity alone.
    """

    participation: Ints
    week: Ints
    is_cut: Flags
    is_used: Flags
    window_weeks: int = 8

    def complete(self, propensity: Floats, is_treated: Flags) -> Floats:
        """Weight of complete follow-up: 1 of the treated; of controls 0 where cut, else one over the chance not to be.

        The chance is the product of (1 - propensity) over the rows of the same participation in the weeks of the window
        (inverse probability of censoring weights, Robins and Finkelstein 2000).
        """
        stays = np.log1p(-np.minimum(propensity, HIGHEST_PROPENSITY))
        log_chance = np.zeros(propensity.size)
        for ahead in range(1, self.window_weeks + 1):
            same = self.participation[ahead:] == self.participation[:-ahead]
            inside = same & (self.week[ahead:] - self.week[:-ahead] <= self.window_weeks * 7)
            log_chance[:-ahead] += np.where(inside, stays[ahead:], 0.0)
        weight = np.where(
            is_treated, 1.0, np.where(self.is_cut, 0.0, np.exp(-np.maximum(log_chance, np.log(_LEAST_CHANCE))))
        )
        return np.where(self.is_used, weight, 0.0)


def cross_fit(
    covariates: Design, outcome: Floats, is_treated: Flags, follow_up: FollowUp | None, fold: Ints, learner: Learner
) -> Nuisance:
    """Fit propensity and outcome on the other folds and predict each fold; the outcome's model sees controls alone."""
    propensity, untreated = np.empty(outcome.size), np.empty(outcome.size)
    treated = is_treated.astype(np.float64)
    for number in range(int(fold.max()) + 1):
        held = fold == number
        propensity[held] = learner(covariates, treated, ~held, None)[held]
    propensity = np.clip(propensity, LOWEST_PROPENSITY, 1.0 - LOWEST_PROPENSITY)
    complete = np.ones(outcome.size) if follow_up is None else follow_up.complete(propensity, is_treated)
    for number in range(int(fold.max()) + 1):
        held = fold == number
        untreated[held] = learner(covariates, outcome, ~held & ~is_treated & (complete > 0), complete)[held]
    return Nuisance(propensity, untreated, complete)


def att_of(nuisance: Nuisance, outcome: Floats, is_treated: Flags, cluster: Ints) -> Att:
    """The estimate with given nuisance; see the module for the formula.

    Args:
        nuisance: of each row.
        outcome: 0 or 1 (what it is where `nuisance.complete` is 0 does not matter).
        is_treated: of each row.
        cluster: number of each row's learner.
    """
    is_counted = is_treated & (nuisance.complete > 0)
    treated = float(is_counted.sum())
    cut = np.minimum(nuisance.propensity, HIGHEST_PROPENSITY)
    weight = np.where(is_treated, 0.0, cut / (1.0 - cut) * nuisance.complete)
    residual = outcome - nuisance.untreated
    signed = np.where(is_counted, residual, -weight * residual)
    effect = float(signed.sum()) / treated
    influence = (signed - is_counted * effect) / treated
    by_learner = np.bincount(cluster, weights=influence)
    return Att(
        effect=effect,
        standard_error=float(np.sqrt((by_learner**2).sum())),
        untreated=float(outcome[is_counted].mean()) - effect,
        nuisance=nuisance,
        weight=weight,
        trimmed_share=float((nuisance.propensity[is_counted] > HIGHEST_PROPENSITY).mean()),
    )


def att(  # noqa: PLR0913 - data, learner, folds
    covariates: Design,
    outcome: Floats,
    is_treated: Flags,
    cluster: Ints,
    *,
    learner: Learner,
    follow_up: FollowUp | None = None,
    fold_count: int = 5,
    repeats: int = 3,
    seed: int = 20,
) -> Att:
    """Cross-fitted estimate, the median over repeats of the folds.

    The standard error is the root of the median of se^2 + (estimate - median)^2 over the repeats (Chernozhukov et al.
    2018, definition 3.3). Arguments as in `att_of`; `follow_up` None: nobody's follow-up was cut short.
    """
    found = []
    for repeat in range(repeats):
        fold = folds(cluster, is_treated, fold_count, seed + repeat)
        nuisance = cross_fit(covariates, outcome, is_treated, follow_up, fold, learner)
        found.append(att_of(nuisance, outcome, is_treated, cluster))
    effects = np.array([one.effect for one in found])
    middle = float(np.median(effects))
    variance = float(np.median([one.standard_error**2 + (one.effect - middle) ** 2 for one in found]))
    chosen = found[int(np.abs(effects - middle).argmin())]
    return replace(
        chosen,
        effect=middle,
        standard_error=variance**0.5,
        untreated=chosen.untreated + chosen.effect - middle,
    )
