import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.calibrate import (
    IDENTITY,
    Calibrator,
    course_offsets,
    fit_calibrator,
    logistic_intercept,
    logistic_line,
)


def _sample(slope, intercept, n=4000, seed=1):
    generator = np.random.default_rng(seed)
    raw = generator.normal(-2, 1.2, n)
    return raw, (generator.random(n) < expit(slope * raw + intercept)).astype(float)


def test_a_probability_is_the_logistic_of_the_line():
    assert Calibrator(2.0, -1.0).probability(np.array([0.5, 1.0])) == pytest.approx([0.5, expit(1.0)])


def test_the_line_agrees_with_scikit_learn():
    raw, outcome = _sample(0.7, 0.4)
    outside = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(raw[:, None], outcome)
    assert logistic_line(raw, outcome) == pytest.approx((outside.coef_[0, 0], outside.intercept_[0]), abs=1e-5)


def test_the_prior_pulls_the_slope_towards_one_as_an_outside_optimiser_finds_it():
    raw, outcome = _sample(0.3, 0.0, n=300)

    def loss(line):
        odds = line[0] * raw + line[1]
        return (np.logaddexp(0, odds) - outcome * odds).sum() + (line[0] - 1) ** 2 / (2 * 0.2**2)

    found = logistic_line(raw, outcome, prior_slope_sd=0.2)
    assert found == pytest.approx(minimize(loss, [1, 0], tol=1e-12).x, abs=1e-4)
    assert found[0] > logistic_line(raw, outcome)[0]


def test_the_intercept_makes_expected_events_equal_observed_ones():
    raw, outcome = _sample(1.0, -0.8)
    assert expit(raw + logistic_intercept(raw, outcome)).sum() == pytest.approx(outcome.sum())


def test_calibration_goes_half_of_the_way_to_the_line_that_made_the_outcomes():
    calibrator = fit_calibrator(*_sample(0.7, 0.4, n=40_000))
    assert calibrator.slope == pytest.approx(0.85, abs=0.03)
    assert calibrator.intercept == pytest.approx(0.2, abs=0.05)


def test_few_events_move_the_intercept_alone_and_very_few_nothing():
    raw = np.linspace(-3, 1, 400)
    assert fit_calibrator(raw, (np.arange(400) < 9).astype(float)) == IDENTITY
    some = fit_calibrator(raw, (np.arange(400) < 49).astype(float))
    assert some.slope == 1
    assert Calibrator(1.0, 2 * some.intercept).probability(raw).sum() == pytest.approx(49)


def test_a_score_that_ranks_the_wrong_way_round_leaves_the_base_rate():
    raw, outcome = _sample(-1.5, -3.0, n=5000)
    calibrator = fit_calibrator(raw, outcome)
    assert calibrator.slope == 0
    assert calibrator.probability(raw) == pytest.approx(np.full(5000, outcome.mean()))


def test_no_line_is_invented_where_scores_separate_the_outcomes():
    raw = np.linspace(-1, 1, 200)
    assert np.isnan(logistic_line(raw, (raw > 0).astype(float))).all()


def test_a_course_that_loses_more_than_the_scores_say_has_an_offset_drawn_towards_none():
    raw, outcome = _sample(1.0, 0.0, n=20_000)
    courses = pl.Series(["steady"] * 10_000 + ["hard"] * 10_000)
    generator = np.random.default_rng(2)
    outcome[10_000:] = generator.random(10_000) < expit(raw[10_000:] + 0.8)
    calibrator = Calibrator(1.0, 0.0, course_offsets(raw, outcome, courses))
    assert calibrator.offsets["steady"] == pytest.approx(0, abs=0.1)
    assert 0.6 < calibrator.offsets["hard"] < 0.85
    assert calibrator.probability(raw, courses)[10_000:].sum() == pytest.approx(outcome[10_000:].sum(), rel=0.05)


def test_an_offset_is_what_an_outside_optimiser_finds():
    raw, outcome = _sample(1.0, 0.5, n=60)
    found = course_offsets(raw, outcome, pl.Series(["c"] * 60))["c"]

    def loss(offset):
        odds = raw + offset[0]
        return (np.logaddexp(0, odds) - outcome * odds).sum() + offset[0] ** 2 / (2 * 0.2**2)

    assert found == pytest.approx(minimize(loss, [0.0], tol=1e-12).x[0], abs=1e-5)


def test_a_course_that_said_nothing_yet_and_rows_without_a_course_have_no_offset():
    raw, outcome = _sample(1.0, 0.0)
    courses = pl.Series(["c", None] * 2000)
    calibrator = Calibrator(1.0, -0.1, course_offsets(raw, outcome, courses))
    assert list(calibrator.offsets) == ["c"]
    plain = Calibrator(1.0, -0.1)
    unknown = pl.Series(["another", None])
    assert calibrator.probability(raw[:2], unknown) == pytest.approx(plain.probability(raw[:2]))
