"""The estimator: recovers an effect where either model is right, folds by learner, weights of complete follow-up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.aipw import FollowUp, Nuisance, att, att_of, folds
from models.nuisance import Design, logistic


def design_of(matrix):
    return Design(tuple(f"x_{n}" for n in range(matrix.shape[1])), matrix, matrix[:, :0])


def world(seed, size=4000, effect=-0.05):
    """Struggle confounds; the chance of the outcome is linear in it and known."""
    rng = np.random.default_rng(seed)
    struggle = rng.normal(size=size)
    propensity = 1 / (1 + np.exp(1.5 - struggle))
    untreated = np.clip(0.25 + 0.08 * struggle, 0.01, 0.99)
    is_treated = rng.random(size) < propensity
    outcome = (rng.random(size) < np.clip(untreated + effect * is_treated, 0, 1)).astype(float)
    return struggle, propensity, untreated, is_treated, outcome


def z_scores(estimate, worlds=60):
    return np.array([estimate(seed) for seed in range(worlds)])


def test_the_estimate_is_right_where_only_the_propensity_or_only_the_outcome_model_is():
    def z(seed, *, right):
        _, propensity, untreated, is_treated, outcome = world(seed)
        wrong = np.full(outcome.size, 0.4)
        nuisance = Nuisance(
            propensity if right == "propensity" else wrong,
            untreated if right == "outcome" else wrong,
            np.ones(outcome.size),
        )
        found = att_of(nuisance, outcome, is_treated, np.arange(outcome.size))
        return (found.effect + 0.05) / found.standard_error

    for right in ("propensity", "outcome"):
        scores = z_scores(lambda seed, right=right: z(seed, right=right))
        assert abs(scores.mean()) < 3 / np.sqrt(scores.size)
        assert 0.75 < scores.std() < 1.3
    both_wrong = z_scores(lambda seed: z(seed, right="neither"))
    assert both_wrong.mean() > 1


def test_a_cross_fitted_estimate_removes_what_the_difference_as_it_is_shows():
    def both(seed):
        struggle, _, _, is_treated, outcome = world(seed)
        found = att(
            design_of(struggle[:, None]), outcome, is_treated, np.arange(outcome.size), learner=logistic, repeats=1
        )
        naive = outcome[is_treated].mean() - outcome[~is_treated].mean()
        return found.effect + 0.05, naive + 0.05

    errors = np.array([both(seed) for seed in range(30)])
    assert abs(errors[:, 0].mean()) < 0.008
    assert errors[:, 1].mean() > 0.03


def test_rows_of_one_learner_told_twice_do_not_make_the_interval_narrower():
    _struggle, propensity, untreated, is_treated, outcome = world(3, size=2000)
    once = att_of(Nuisance(propensity, untreated, np.ones(2000)), outcome, is_treated, np.arange(2000))
    twice = att_of(
        Nuisance(np.tile(propensity, 2), np.tile(untreated, 2), np.ones(4000)),
        np.tile(outcome, 2),
        np.tile(is_treated, 2),
        np.tile(np.arange(2000), 2),
    )
    assert twice.effect == pytest.approx(once.effect)
    assert twice.standard_error == pytest.approx(once.standard_error)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=12, max_size=80), st.integers(0, 5))
def test_all_rows_of_a_learner_lie_in_one_fold_and_the_treated_are_dealt_out_evenly(rows, seed):
    _, cluster = np.unique([learner for learner, _ in rows], return_inverse=True)
    is_treated = np.array([treated for _, treated in rows])
    fold = folds(cluster, is_treated, 3, seed)
    for learner in np.unique(cluster):
        assert np.unique(fold[cluster == learner]).size == 1
    ever = np.array([is_treated[cluster == learner].any() for learner in np.unique(cluster)])
    of_learner = np.array([fold[cluster == learner][0] for learner in np.unique(cluster)])
    counts = np.bincount(of_learner[ever], minlength=3)
    assert counts.max() - counts.min() <= 1


def test_a_control_counts_for_those_like_it_who_were_treated_later():
    # One participation untreated in weeks 0, 1 and 2; another treated in its second week; a third alone.
    follow_up = FollowUp(
        participation=np.array([0, 0, 0, 1, 1, 2]),
        week=np.array([0, 7, 14, 0, 7, 70]),
        is_cut=np.array([False, False, False, True, False, False]),
        is_used=np.array([True, True, True, True, True, False]),
    )
    propensity = np.array([0.5, 0.2, 0.5, 0.5, 0.2, 0.5])
    is_treated = np.array([False, False, False, False, True, False])
    found = follow_up.complete(propensity, is_treated)
    assert found == pytest.approx([1 / (0.8 * 0.5), 1 / 0.5, 1.0, 0.0, 1.0, 0.0])


def test_weeks_beyond_the_window_do_not_count():
    follow_up = FollowUp(
        participation=np.zeros(2, dtype=np.int64),
        week=np.array([0, 63]),
        is_cut=np.zeros(2, dtype=bool),
        is_used=np.ones(2, dtype=bool),
    )
    assert follow_up.complete(np.array([0.5, 0.5]), np.zeros(2, dtype=bool)) == pytest.approx([1.0, 1.0])


def test_censoring_by_a_known_chance_leaves_the_estimate_where_it_is():
    """Controls who struggle are treated later more often; weighted, the rest stands for all of them."""
    errors = []
    for seed in range(40):
        struggle, propensity, _untreated, is_treated, outcome = world(seed, effect=0.0)
        rng = np.random.default_rng(1000 + seed)
        cut_chance = 0.5 / (1 + np.exp(-2 * struggle))
        is_cut = (rng.random(struggle.size) < cut_chance) & ~is_treated
        complete = np.where(is_treated, 1.0, np.where(is_cut, 0.0, 1 / (1 - cut_chance)))
        flat = np.full(struggle.size, 0.3)
        found = att_of(Nuisance(propensity, flat, complete), outcome, is_treated, np.arange(struggle.size))
        errors.append(found.effect / found.standard_error)
    assert abs(np.mean(errors)) < 3 / np.sqrt(len(errors))
