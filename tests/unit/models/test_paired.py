import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from models.paired import paired_differences


def world(rows=3000, people=600, seed=1):
    generator = np.random.default_rng(seed)
    cluster = generator.integers(people, size=rows)
    cluster = np.unique(cluster, return_inverse=True)[1]
    odds = -2 + generator.normal(size=people)[cluster] + 0.5 * generator.normal(size=rows)
    probability = 1 / (1 + np.exp(-odds))
    outcome = (generator.random(rows) < probability).astype(float)
    return outcome, probability, cluster, generator


def noisy(probability, generator, scale):
    return 1 / (
        1 + np.exp(-(np.log(probability / (1 - probability)) + scale * generator.normal(size=probability.size)))
    )


def test_a_prediction_is_no_better_than_itself():
    outcome, probability, cluster, _ = world()
    found = paired_differences(outcome, probability, probability, cluster)
    assert (found.auc.value, found.auc.low, found.auc.high) == (0, 0, 0)
    assert (found.log_loss.value, found.log_loss.low, found.log_loss.high) == (0, 0, 0)


def test_values_are_those_of_the_textbook():
    outcome, probability, cluster, generator = world()
    second = np.round(noisy(probability, generator, 1), 2).clip(0.01, 0.99)  # with ties
    found = paired_differences(outcome, probability, second, cluster, replicates=5)
    assert found.auc.value == pytest.approx(roc_auc_score(outcome, probability) - roc_auc_score(outcome, second))
    assert found.log_loss.value == pytest.approx(log_loss(outcome, probability) - log_loss(outcome, second))
    assert found.log_loss_of_second == pytest.approx(log_loss(outcome, second))


def test_of_two_equally_good_predictions_the_interval_covers_zero_about_as_often_as_it_says():
    covered = 0
    for seed in range(40):
        outcome, probability, cluster, generator = world(rows=600, people=150, seed=seed)
        found = paired_differences(
            outcome, noisy(probability, generator, 0.5), noisy(probability, generator, 0.5), cluster, replicates=100
        )
        covered += found.auc.low <= 0 <= found.auc.high
    assert covered >= 34


def test_a_worse_prediction_is_surely_worse():
    outcome, probability, cluster, generator = world()
    found = paired_differences(outcome, noisy(probability, generator, 2), probability, cluster)
    assert found.auc.high < 0
    assert found.log_loss.low > 0


def test_intervals_count_enrolments_and_not_rows():
    outcome, probability, cluster, generator = world(rows=400, people=400)
    second = noisy(probability, generator, 1)
    once = paired_differences(outcome, second, probability, cluster)
    tenfold = paired_differences(*(np.tile(one, 10) for one in (outcome, second, probability, cluster)))
    assert tenfold.auc.low == pytest.approx(once.auc.low)
    assert tenfold.auc.high == pytest.approx(once.auc.high)


def test_rows_of_one_outcome_say_nothing():
    found = paired_differences(np.zeros(3), np.full(3, 0.1), np.full(3, 0.2), np.arange(3))
    assert found.auc.value is None
    assert found.log_loss.value is None
