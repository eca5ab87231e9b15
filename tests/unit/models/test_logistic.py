from dataclasses import asdict

import numpy as np
import pytest
from scipy.special import expit
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data_contracts.features import MODELLED_NAMES
from models.logistic import PENALTY, LogisticLine, fit_line

NAMES = ("events_28d", "score_mean_share", "days_since_contact")
IS_AMOUNT = {"events_28d": True, "score_mean_share": False, "days_since_contact": True}


def _rows(n=2000, seed=3):
    generator = np.random.default_rng(seed)
    events = generator.poisson(20, n).astype(np.float32)
    score = generator.random(n).astype(np.float32)
    score[generator.random(n) < 0.3] = np.nan
    unknown = np.full(n, np.nan, dtype=np.float32)
    odds = 2 - 0.15 * events - np.nan_to_num(score, nan=-1.0)
    outcome = (generator.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    return np.column_stack([events, score, unknown]), outcome


def _fit(features, outcome, seed=1):
    return fit_line(features, outcome, NAMES, is_amount=IS_AMOUNT, seed=seed)


def test_the_line_ranks_and_takes_unknown_values_and_a_column_of_nothing():
    features, outcome = _rows()
    probability = expit(_fit(features[:1500], outcome[:1500]).raw_score(features[1500:]))
    assert roc_auc_score(outcome[1500:], probability) > 0.65
    assert probability.mean() == pytest.approx(outcome.mean(), abs=0.05)


def test_the_line_says_what_scikit_learns_pipeline_of_the_same_steps_says():
    features, outcome = _rows()
    shown = features[:, :2].astype(float)
    shown[:, 0] = np.log1p(shown[:, 0])
    outside = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        StandardScaler(),
        LogisticRegression(C=PENALTY, tol=1e-10, max_iter=5000),
    ).fit(shown, outcome)
    assert _fit(features, outcome).raw_score(features) == pytest.approx(outside.decision_function(shown), abs=1e-4)


def test_contributions_and_the_intercept_add_up_to_the_score():
    features, outcome = _rows()
    line = _fit(features, outcome)
    assert line.contributions(features).sum(axis=1) + line.intercept == pytest.approx(line.raw_score(features))
    assert (line.contributions(features)[:, 2] == 0).all()


def test_the_line_is_its_numbers():
    features, outcome = _rows()
    line = _fit(features, outcome)
    assert LogisticLine(**asdict(line)).raw_score(features).tolist() == line.raw_score(features).tolist()


def test_a_score_does_not_depend_on_the_other_rows_scored():
    features, outcome = _rows()
    line = _fit(features, outcome)
    beside_giants = line.raw_score(np.vstack([features[:1], features[:50] * 1000]))[:1]
    assert line.raw_score(features[:1]) == pytest.approx(beside_giants, abs=1e-12)


def test_one_outcome_only_gives_a_level_line():
    features, outcome = _rows(50)
    score = _fit(features, outcome * 0).raw_score(features)
    assert np.ptp(score) == 0
    assert expit(score[0]) < 1e-5


def test_rows_beyond_the_limit_are_left_out_by_a_seeded_draw(monkeypatch):
    monkeypatch.setattr("models.logistic.MAXIMUM_ROWS", 500)
    features, outcome = _rows()
    first, again, other = (_fit(features, outcome, seed=seed).raw_score(features) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_every_feature_of_the_contract_is_accepted():
    features = np.random.default_rng(0).normal(size=(200, len(MODELLED_NAMES))).astype(np.float32)
    outcome = (np.arange(200) % 2).astype(float)
    line = fit_line(features, outcome, MODELLED_NAMES, is_amount={}, seed=1)
    assert np.isfinite(line.raw_score(features)).all()
