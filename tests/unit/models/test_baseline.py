import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from data_contracts.features import MODELLED_NAMES
from models.baseline import LogisticBaseline, inactive_7d_rule

NAMES = ("events_28d", "score_mean_share", "days_since_contact")


def _rows(n=2000, seed=3):
    generator = np.random.default_rng(seed)
    events = generator.poisson(20, n).astype(np.float32)
    score = generator.random(n).astype(np.float32)
    score[generator.random(n) < 0.3] = np.nan
    unknown = np.full(n, np.nan, dtype=np.float32)
    odds = 2 - 0.15 * events - np.nan_to_num(score, nan=-1.0)
    outcome = (generator.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    return np.column_stack([events, score, unknown]), outcome


def test_no_activity_for_seven_days_is_a_flag_and_six_or_unknown_is_none():
    frame = pl.DataFrame({"days_since_activity": [6, 7, 30, None]})
    assert inactive_7d_rule(frame).tolist() == [0, 1, 1, 0]


def test_logistic_regression_ranks_and_takes_unknown_values_and_a_column_of_nothing():
    features, outcome = _rows()
    probability = LogisticBaseline(NAMES, seed=1).fit(features[:1500], outcome[:1500]).probability(features[1500:])
    assert roc_auc_score(outcome[1500:], probability) > 0.65
    assert probability.mean() == pytest.approx(outcome.mean(), abs=0.05)


def test_a_prediction_does_not_depend_on_the_other_rows_predicted():
    features, outcome = _rows()
    fitted = LogisticBaseline(NAMES, seed=1).fit(features, outcome)
    alone = fitted.probability(features[:1])
    beside_giants = fitted.probability(np.vstack([features[:1], features[:50] * 1000]))[:1]
    assert alone == pytest.approx(beside_giants, abs=1e-12)


def test_one_outcome_only_gives_the_base_rate():
    features, outcome = _rows(50)
    assert LogisticBaseline(NAMES, seed=1).fit(features, outcome * 0).probability(features).tolist() == [0.0] * 50


def test_rows_beyond_the_limit_are_left_out_by_a_seeded_draw(monkeypatch):
    monkeypatch.setattr("models.baseline.MAXIMUM_ROWS", 500)
    features, outcome = _rows()
    first, again, other = (
        LogisticBaseline(NAMES, seed=seed).fit(features, outcome).probability(features) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_every_feature_of_the_contract_is_accepted():
    features = np.random.default_rng(0).normal(size=(200, len(MODELLED_NAMES))).astype(np.float32)
    outcome = (np.arange(200) % 2).astype(float)
    probability = LogisticBaseline(MODELLED_NAMES, seed=1).fit(features, outcome).probability(features)
    assert ((probability > 0) & (probability < 1)).all()
