"""The estimator beside DoubleML's interactive regression model (score ATTE), on the same folds with the same learners.

DoubleML is a cross-check of development and no part of Handrail: its string cluster ids take memory by the square of
their number, its folds know no strata, string and categorical covariates fail, and nothing in it takes a seed. Its
variance by cluster is another than ours, so that the two are compared with every row a learner of its own.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.aipw import LOWEST_PROPENSITY, att_of, cross_fit, folds
from models.nuisance import Design

doubleml = pytest.importorskip("doubleml", reason="doubleml is not installed; it comes with the extra 'dev'")
SIZE, COUNT = 4000, 5


@pytest.fixture(scope="module", params=[3, 8])
def sample(request):
    """Standard covariates, a treatment that follows them, an outcome that follows both; numbered learners."""
    rng = np.random.default_rng(request.param)
    columns = rng.standard_normal((SIZE, 6))
    is_treated = rng.random(SIZE) < 1 / (1 + np.exp(1.2 - 0.6 * columns[:, 0] + 0.5 * columns[:, 1]))
    lies = -1.4 + 0.7 * columns[:, 0] - 0.4 * columns[:, 2] - 0.3 * is_treated
    outcome = (rng.random(SIZE) < 1 / (1 + np.exp(-lies))).astype(np.float64)
    return Design(tuple("abcdef"), columns, columns[:, :0]), outcome, is_treated, np.arange(SIZE)


def regression():
    """The learner of both."""
    return LogisticRegression(solver="newton-cholesky")


def plain(covariates, target, fitted, _):
    """It, as our estimator asks for one."""
    fit = regression().fit(covariates.linear[fitted], target[fitted])
    return fit.predict_proba(covariates.linear)[:, 1]


def theirs(covariates, outcome, is_treated, fold):
    """Effect and standard error by DoubleML with our folds."""
    model = doubleml.DoubleMLIRM(
        doubleml.DoubleMLData.from_arrays(covariates.linear, outcome, is_treated.astype(np.float64)),
        ml_g=regression(),
        ml_m=regression(),
        score="ATTE",
        ps_processor_config=doubleml.utils.PSProcessorConfig(clipping_threshold=LOWEST_PROPENSITY),
        draw_sample_splitting=False,
    )
    splits = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(COUNT)]
    model.set_sample_splitting([splits])
    model.fit()
    return float(model.coef[0]), float(model.se[0])


def test_effect_and_error_are_those_of_doubleml_on_the_same_folds(sample):
    covariates, outcome, is_treated, cluster = sample
    fold = folds(cluster, is_treated, COUNT, seed=20)
    nuisance = cross_fit(covariates, outcome, is_treated, None, fold, plain)
    ours = att_of(nuisance, outcome, is_treated, cluster)

    assert nuisance.propensity.max() < 0.95, "beyond the cut of weights the two differ by intent"
    assert (ours.effect, ours.standard_error) == pytest.approx(theirs(covariates, outcome, is_treated, fold), abs=1e-12)


def test_other_folds_give_another_estimate(sample):
    covariates, outcome, is_treated, cluster = sample
    one, other = (theirs(covariates, outcome, is_treated, folds(cluster, is_treated, COUNT, seed)) for seed in (20, 21))
    assert abs(one[0] - other[0]) > 1e-6
