"""E-values and Holm by hand, balance and overlap of small samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.effect_figures import (
    Difference,
    balance,
    e_value,
    e_value_limit,
    effective_sample,
    holm,
    overlap,
    unadjusted,
)


def test_e_values_are_those_of_the_paper():
    # VanderWeele and Ding 2017: a risk ratio of 3.9 (1.8 to 8.7) has an E-value of 7.26, its limit 3.0.
    assert e_value(3.9) == pytest.approx(7.26, abs=0.005)
    assert e_value_limit(1.8, 8.7) == pytest.approx(3.0, abs=0.005)
    assert e_value(1 / 3.9) == pytest.approx(e_value(3.9))
    assert e_value(1.0) == 1.0


def test_an_interval_that_holds_one_has_the_limit_one():
    assert e_value_limit(0.8, 1.1) == 1.0
    assert e_value_limit(0.5, 0.8) == pytest.approx(e_value(0.8))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(values):
    adjusted = holm(values)
    assert all(after >= before for before, after in zip(values, adjusted, strict=True))
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_weights_that_make_controls_like_the_treated_leave_no_difference():
    matrix = np.array([[1.0], [1.0], [0.0], [0.0], [1.0]])
    is_treated = np.array([True, True, False, False, False])
    found = balance(matrix, is_treated, np.array([0, 0, 1e-12, 1e-12, 1.0]))
    assert abs(found.after[0]) < 1e-9
    assert found.before[0] > 1
    assert found.largest == pytest.approx(0, abs=1e-9)


def test_a_covariate_that_does_not_vary_among_these_trials_does_not_differ():
    matrix = np.full((300, 1), -0.21822)
    matrix[::3] += 1e-16
    is_treated = np.arange(300) < 100
    assert balance(matrix, is_treated, np.where(is_treated, 0.0, 1.0)).largest < 1e-9


def test_shares_of_each_arm_over_the_bins_of_propensity_sum_to_one():
    rng = np.random.default_rng(0)
    propensity = rng.random(500)
    is_treated = rng.random(500) < propensity
    weight = np.where(is_treated, 0.0, propensity / (1 - propensity))
    found = overlap(propensity, is_treated, weight)
    assert [part.sum() for part in found[1:]] == pytest.approx([1, 1, 1])
    assert found.low[0] == 0
    assert found.low[-1] == pytest.approx(0.95)
    assert np.abs(found.treated - found.weighted).sum() < np.abs(found.treated - found.controls).sum()


def test_equal_weights_count_whole_and_one_large_weight_counts_for_one():
    assert effective_sample(np.ones(40)) == pytest.approx(40)
    assert effective_sample(np.array([1.0, 1e-9, 1e-9])) == pytest.approx(1)
    assert effective_sample(np.zeros(3)) == 0


def test_the_difference_as_it_is_has_the_error_of_two_means():
    outcome = np.array([1.0, 0, 0, 0, 1, 1, 0, 0])
    is_treated = np.array([True] * 4 + [False] * 4)
    found = unadjusted(outcome, is_treated, np.ones(8, dtype=bool), np.arange(8))
    assert found.effect == pytest.approx(-0.25)
    assert found.standard_error == pytest.approx(np.sqrt(0.1875 / 4 + 0.25 / 4))
    assert Difference(0.0, 0.0).p_value == 1.0
