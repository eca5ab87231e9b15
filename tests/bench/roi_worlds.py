"""How often the true ROI lies inside the 95 % interval, on small worlds whose benefit and cost are known.

    python tests/bench/roi_worlds.py --worlds 2000

Each world draws its truth, then what a ledger would show of it, with the errors that `models.roi_draws` assumes and states:
an effect estimated with its standard error, a share of completing seen in past runs, participants' estimates as wrong as
their confidence allows, allocated and priced costs off by a common factor. Money that is only stated (a value per
completion) is right, since no interval speaks of it. So this holds the arithmetic to its word; it cannot hold the
assumptions to the world: `--twice` makes every error of cost and estimate twice as large as assumed, and coverage falls.

The third line is about the prior: the log hazard ratio is drawn from it, and what is said with it is added up.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from models.roi_draws import (  # noqa: E402
    Completing,
    Cost,
    Effect,
    Return,
    ROISettings,
    Worth,
    attribution_return,
    effect_return,
    roi_percent,
)

SETTINGS = ROISettings(draws=4_000)


class Judged(NamedTuple):
    """Worlds of one kind: how many, in how many the true ROI was inside, and how often it was above zero and so said."""

    kind: str
    worlds: int
    inside: int
    positive: int
    said: float
    said_with_prior: float

    def limits(self) -> tuple[float, float]:
        """Clopper-Pearson, 95 %, of the share inside."""
        outside = self.worlds - self.inside
        low = float(beta.ppf(0.025, self.inside, outside + 1)) if self.inside else 0.0
        return low, float(beta.ppf(0.975, self.inside + 1, outside)) if outside else 1.0

    def line(self) -> str:
        """As it is printed."""
        low, high = self.limits()
        prior = f", with the prior {self.said_with_prior / self.worlds:.3f}" if self.said_with_prior else ""
        return (
            f"{self.kind:<12} {self.worlds} worlds  inside {self.inside / self.worlds:.4f} ({low:.4f} to {high:.4f})  "
            f"ROI > 0 in {self.positive / self.worlds:.3f}, said {self.said / self.worlds:.3f}{prior}"
        )


def worlds(kind: str, number: int, times: float = 1.0, seed: int = 20) -> Judged:
    """Draw worlds of a kind (effect, attribution, prior), their errors `times` as large as assumed, and judge them."""
    random = np.random.default_rng([seed, ("effect", "attribution", "prior").index(kind)])
    made = {"effect": _effect, "attribution": _attribution, "prior": _prior}[kind]
    judged = [made(random, times) for _ in range(number)]
    return Judged(
        kind,
        number,
        sum(found.roi_low <= true <= found.roi_high for true, found in judged),  # type: ignore[operator]
        sum(true > 0 for true, _ in judged),
        sum(found.positive_probability or 0 for _, found in judged),
        sum(found.prior_probability or 0 for _, found in judged),
    )


def _cost(random: np.random.Generator, scale: float, times: float) -> tuple[Cost, float]:
    """A cost as recorded, about as large as `scale`, and as it was."""
    shares = random.dirichlet((3, 1, 2))
    amount = scale * random.uniform(0.4, 2.0)
    booked, allocated, priced = (round(float(share) * amount, 2) for share in shares)
    errors = times * np.array([SETTINGS.allocated_error_share, SETTINGS.priced_error_share]) * random.normal(size=2)
    true = booked + allocated * (1 + errors[0]) + priced * (1 + errors[1])
    return Cost(round(booked + allocated + priced, 2), allocated, priced, priced), max(true, 0.01 * amount)


def _by_effect(random: np.random.Generator, true_effect: float, untreated: float, times: float) -> tuple[float, Return]:
    error = float(random.uniform(0.004, 0.03))
    share, mentored, value = float(random.uniform(0.3, 0.9)), int(random.integers(50, 2000)), 3000.0
    past = int(random.integers(50, 800))
    completing = Completing(past, max(1, int(random.binomial(past, share))))
    cost, spent = _cost(random, 0.03 * mentored * share * value, times)
    estimate = Effect(true_effect + error * float(random.normal()), error, untreated)
    found = effect_return(estimate, Worth(mentored, value, completing), cost, method="full", settings=SETTINGS)
    return roi_percent(-true_effect * mentored * share * value, spent), found


def _effect(random: np.random.Generator, times: float) -> tuple[float, Return]:
    return _by_effect(random, float(random.uniform(-0.09, 0.02)), 0.2, times)


def _prior(random: np.random.Generator, times: float) -> tuple[float, Return]:
    """The interval holds whatever the effect is; what is said with the prior is right on average where it is true."""
    untreated = float(random.uniform(0.05, 0.5))
    ratio = np.exp(random.normal(SETTINGS.prior_mean, SETTINGS.prior_error))
    return _by_effect(random, float(1 - (1 - untreated) ** ratio) - untreated, untreated, times)


def _attribution(random: np.random.Generator, times: float) -> tuple[float, Return]:
    rows = [
        (float(random.uniform(500, 20_000)), float(random.uniform(0.4, 1.0))) for _ in range(int(random.integers(1, 9)))
    ]
    true = sum(amount * (1 + times * (1 - sure) * float(random.triangular(-1, 0, 1))) for amount, sure in rows)
    cost, spent = _cost(random, sum(amount for amount, _ in rows), times)
    return roi_percent(true, spent), attribution_return(rows, cost, method="full", settings=SETTINGS)


def lines(number: int, times: float) -> Iterator[str]:
    """A line a kind of world."""
    return (worlds(kind, number, times).line() for kind in ("effect", "attribution", "prior"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000, help="worlds of each kind")
    parser.add_argument("--twice", action="store_true", help="errors of cost and estimates twice as large as assumed")
    given = parser.parse_args()
    for line in lines(given.worlds, 2.0 if given.twice else 1.0):
        sys.stdout.write(f"{line}\n")
