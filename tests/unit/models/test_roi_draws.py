"""Intervals and probabilities by Monte Carlo, held against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, norm

from models.roi_draws import (
    Completing,
    Cost,
    Effect,
    ROISettings,
    Worth,
    attribution_return,
    break_even_effect_points,
    effect_return,
    roi_percent,
    with_prior,
)

Z = norm.ppf(0.975)
SURE = Completing(10**12, 10**12)
# 1,000 mentored at 60 each and 15,000 fixed.
COST = Cost(1000 * 60 + 15_000.0)
BY_HAND = Effect(-0.030, (0.055 - 0.005) / (2 * Z), 0.12)


def test_a_thousand_mentored_by_hand() -> None:
    found = effect_return(BY_HAND, Worth(1000, 4000.0, SURE), COST, method="full")
    assert found.benefit == pytest.approx(120_000)
    assert (found.low, found.high) == (pytest.approx(20_000, rel=0.01), pytest.approx(220_000, rel=0.01))
    assert roi_percent(found.benefit, COST.amount) == pytest.approx(60.0)
    assert found.benefit / COST.amount == pytest.approx(1.60)
    assert found.positive_probability == pytest.approx(0.811, abs=0.001)
    assert found.avoided == pytest.approx(30)
    assert break_even_effect_points(COST.amount, 1000, 4000) == pytest.approx(1.875)


def test_the_prior_pulls_the_probability_down_as_its_closed_form_says() -> None:
    # On the log hazard ratio: H = -ln(.88) e^-.1, slope = H e^-H, effect at the prior's mean = 1 - e^-H - .12.
    hazard = -math.log(0.88) * math.exp(-0.1)
    slope, expected = hazard * math.exp(-hazard), 1 - math.exp(-hazard) - 0.12
    estimate, error = -0.1 + (-0.030 - expected) / slope, BY_HAND.error / slope
    precision = 1 / 0.08**2 + 1 / error**2
    mean, spread = (-0.1 / 0.08**2 + estimate / error**2) / precision, precision**-0.5
    assert with_prior(BY_HAND) == (pytest.approx(mean), pytest.approx(spread))
    # The break-even of 1.875 points is a log hazard ratio of ln(ln(1 - .12 + .01875) / ln(.88)).
    break_even = math.log(math.log(1 - 0.12 + 0.01875) / math.log(0.88))
    found = effect_return(BY_HAND, Worth(1000, 4000.0, SURE), COST, method="full")
    assert found.prior_probability == pytest.approx(norm.cdf((break_even - mean) / spread), abs=0.002)
    assert found.prior_probability < 0.5 < found.positive_probability


@given(st.floats(0.02, 0.6), st.floats(-1.0, 1.0), st.floats(0.2, 1.0))
def test_conjugacy_is_close_to_the_exact_posterior(untreated: float, place: float, precision: float) -> None:
    """Estimates within three points that know no more than the prior, as eight weeks of a programme do."""
    error = 0.08 * untreated / precision
    estimate = max(-0.03, -untreated / 2) * place
    ratios = np.linspace(-1.5, 1.3, 40_001)
    changed = 1 - (1 - untreated) ** np.exp(ratios) - untreated
    weights = np.exp(-0.5 * ((estimate - changed) / error) ** 2 - 0.5 * ((ratios + 0.1) / 0.08) ** 2)
    mean = float((weights * ratios).sum() / weights.sum())
    found = with_prior(Effect(estimate, error, untreated))
    assert found is not None
    assert found[0] == pytest.approx(mean, abs=0.025)


@pytest.mark.parametrize("untreated", [None, 0.0, 1.0])
def test_without_a_risk_of_the_untreated_there_is_no_prior(untreated: float | None) -> None:
    assert with_prior(BY_HAND._replace(untreated=untreated)) is None
    found = effect_return(BY_HAND._replace(untreated=untreated), Worth(1000, 4000.0, SURE), COST, method="full")
    assert found.prior_probability is None
    assert found.positive_probability == pytest.approx(0.811, abs=0.001)


def test_an_exact_estimate_outweighs_the_prior_and_a_vague_one_leaves_it() -> None:
    vague = with_prior(BY_HAND._replace(error=10.0))
    assert vague == (pytest.approx(-0.1, abs=1e-4), pytest.approx(0.08, abs=1e-4))
    exact = with_prior(BY_HAND._replace(error=0.0))
    assert exact is not None
    assert exact[1] == 0.0
    assert exact[0] < -0.2


def test_few_past_runs_widen_the_interval_by_the_beta_of_their_counts() -> None:
    certain = Effect(-0.03, 0.0)
    found = effect_return(certain, Worth(1000, 4000.0, Completing(60, 30)), COST, method="full")
    assert found.benefit == pytest.approx(60_000)
    ends = [120_000 * beta.ppf(level, 30.5, 30.5) for level in (0.025, 0.975)]
    assert (found.low, found.high) == (pytest.approx(ends[0], rel=1e-3), pytest.approx(ends[1], rel=1e-3))
    assert found.positive_probability == pytest.approx(beta.sf(75_000 / 120_000, 30.5, 30.5), abs=0.002)


def test_allocated_and_priced_costs_are_uncertain_and_booked_ones_are_not() -> None:
    certain = [(1000.0, 1.0)]
    booked = attribution_return(certain, Cost(900.0), method="full")
    assert (booked.roi_low, booked.roi_high, booked.positive_probability) == (
        pytest.approx(100 / 9),
        pytest.approx(100 / 9),
        1.0,
    )
    # 500 booked, 200 +- 10 % allocated, 250 +- 20 % priced: SE = sqrt(20^2 + 50^2) = 53.85.
    found = attribution_return(certain, Cost(950.0, allocated=200.0, priced=250.0), method="full")
    assert found.positive_probability == pytest.approx(norm.cdf(50 / 53.85), abs=0.005)
    assert found.roi_low == pytest.approx(roi_percent(1000, 950 + Z * 53.85), abs=0.2)
    assert found.roi_high == pytest.approx(roi_percent(1000, 950 - Z * 53.85), abs=0.2)


def test_no_cost_is_drawn_near_zero() -> None:
    wild = ROISettings(priced_error_share=5.0)
    assert Cost(100.0, priced=100.0).draws(wild).min() == pytest.approx(1.0)


def test_the_probability_of_a_positive_roi_follows_the_triangle() -> None:
    # 2500 +- 500: above 2250 with probability 1 - .5^2 / 2.
    found = attribution_return([(2500.0, 0.8)], Cost(2250.0), method="full")
    assert found.positive_probability == pytest.approx(0.875, abs=1e-3)
    assert attribution_return([(2500.0, 0.8)], None, method="full").positive_probability is None
    assert attribution_return([(2500.0, 1.0)], Cost(2499.99), method="full").positive_probability == 1.0
    assert attribution_return([(2500.0, 1.0)], Cost(2500.0), method="full").low == 2500.0


def test_the_conservative_effect_is_its_unfavourable_end() -> None:
    found = effect_return(BY_HAND, Worth(1000, 4000.0, SURE), COST, method="conservative")
    assert found.benefit == pytest.approx(20_000)
    assert found.low <= found.benefit
    assert found.positive_probability == pytest.approx(0.811, abs=0.001)


def test_another_seed_moves_a_figure_by_its_monte_carlo_error_alone() -> None:
    probabilities = [
        effect_return(
            BY_HAND,
            Worth(1000, 4000.0, Completing(400, 300)),
            Cost(60_000.0, 10_000.0, 30_000.0, 30_000.0),
            method="full",
            settings=ROISettings(seed=seed),
        ).positive_probability
        for seed in range(10)
    ]
    assert max(probabilities) - min(probabilities) < 0.01
