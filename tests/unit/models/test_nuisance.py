"""The design matrix and the learners on it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from models.nuisance import LEARNERS, design
from tests.unit.models.effect_rows import trials


def test_numbers_are_standardised_and_constants_left_out():
    found = design(trials(300))
    assert "x_constant" not in found.names
    assert {"x_log_events_1w", "x_mentor_learners"} <= set(found.names)
    assert found.linear.mean(axis=0) == pytest.approx(np.zeros(len(found.names)), abs=1e-9)
    assert found.linear.std(axis=0) == pytest.approx(np.ones(len(found.names)))


def test_the_largest_category_is_what_others_are_told_apart_from_and_rare_ones_are_not_told_apart():
    frame = pl.DataFrame({"c_unit": ["a"] * 60 + ["b"] * 30 + ["rare"] * 5})
    assert design(frame).names == ("c_unit=b",)


def test_squares_stand_for_key_covariates_only():
    found = design(trials(300))
    assert found.squares.shape[1] == 1


def test_rows_of_a_design_lose_what_does_not_differ_among_them():
    frame = trials(300)
    whole = design(frame)
    part = whole.rows((frame["c_course_week"] == "0").to_numpy())
    assert any(name.startswith("c_course_week") for name in whole.names)
    assert not any(name.startswith("c_course_week") for name in part.names)


@pytest.mark.parametrize("name", LEARNERS)
def test_each_learner_finds_who_is_contacted_and_gives_probabilities(name):
    frame = trials(1500, confounding=2.0)
    target = frame["is_treated"].to_numpy().astype(float)
    fitted = np.arange(target.size) % 2 == 0
    found = LEARNERS[name](design(frame), target, fitted, None)
    held = ~fitted
    assert ((found > 0) & (found < 1)).all()
    assert found[held & (target == 1)].mean() > found[held & (target == 0)].mean() + 0.1


@pytest.mark.parametrize("name", LEARNERS)
def test_a_target_that_never_varies_is_told_as_it_is(name):
    frame = trials(200)
    target = np.zeros(frame.height)
    assert (LEARNERS[name](design(frame), target, np.ones(frame.height, dtype=bool), None) == 0).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_rows_of_weight_zero_are_not_learned_from(name):
    frame = trials(800)
    target = frame["is_treated"].to_numpy().astype(float)
    fitted = np.ones(target.size, dtype=bool)
    weight = (np.arange(target.size) < target.size // 2).astype(float)
    spoiled = np.where(weight > 0, target, 1 - target)
    one = LEARNERS[name](design(frame), target, fitted & (weight > 0), weight)
    other = LEARNERS[name](design(frame), spoiled, fitted & (weight > 0), weight)
    assert (one == other).all()
