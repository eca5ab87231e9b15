"""Rows of what mentoring changed: roles, counts, what is withheld, what stands beside."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from data_contracts.tables import effects as tables
from models.contract import schema_of
from models.effect import EffectSettings, against_break_even, estimate
from tests.unit.models.effect_rows import trials

PLAIN = EffectSettings(repeats=1, is_exploring=False, is_checking=False)


@pytest.fixture(scope="module")
def found():
    return estimate(trials(3000, effect=-0.08, programmes=2), "first_contact", programmes=["programme 2"])


def row_of(estimates, programme="all", kind="all", name="all"):
    rows = estimates.effects.filter(programme_id=programme, subgroup_kind=kind, subgroup=name)
    assert rows.height == 1
    return rows.row(0, named=True)


def test_every_table_has_its_contracts_columns_and_a_unique_key(found):
    for table, rows, without in (
        (tables.EFFECT, found.effects, ("trials_digest",)),
        (tables.BALANCE, found.balance, ()),
        (tables.OVERLAP, found.overlap, ()),
        (tables.EFFECT_CHECK, found.checks, ()),
    ):
        assert dict(rows.schema) == schema_of(table, without=without)
        assert rows.select(table.key).is_unique().all()
        assert rows.height > 0


def test_the_interval_holds_the_effect_that_is_there_and_the_difference_as_it_is_does_not(found):
    row = row_of(found)
    assert row["effect_low_points"] < -8 < row["effect_high_points"]
    naive = found.checks.filter(programme_id="all", check_kind="unadjusted").row(0, named=True)
    assert naive["effect_low_points"] > -8


def test_a_programme_without_a_trial_says_that_nobody_was_contacted(found):
    row = row_of(found, "programme 2")
    assert (row["verdict"], row["treated_count"], row["effect_points"]) == ("cannot_say", 0, None)
    assert "nobody who was matched was contacted" in row["reason"]


def test_one_contrast_is_primary_and_subgroups_are_exploratory_and_adjusted(found):
    assert row_of(found)["role"] == "primary"
    assert row_of(found)["p_adjusted"] is None
    rest = found.effects.filter(pl.col("subgroup_kind") != "all")
    assert set(rest["role"]) == {"exploratory"}
    tested = rest.filter(pl.col("p_value").is_not_null())
    assert (tested["p_adjusted"] >= tested["p_value"]).all()
    assert {"risk", "dose", "channel", "level", "mentor_kind", "mentor_load"} == set(rest["subgroup_kind"])


def test_the_second_contrast_is_secondary():
    rows = estimate(trials(500), "matched", settings=PLAIN).effects
    assert rows["role"].to_list() == ["secondary"]
    assert "not being matched until 8 weeks are over" in rows["estimand"][0]


def test_figures_follow_from_the_effect(found):
    row = row_of(found)
    with_it = row["untreated_percent"] + row["effect_points"]
    assert row["risk_ratio"] == pytest.approx(with_it / row["untreated_percent"])
    assert row["minimum_detectable_points"] == pytest.approx(2.8016 * row["standard_error_points"], rel=1e-3)
    assert row["effect_high_points"] - row["effect_low_points"] == pytest.approx(
        3.92 * row["standard_error_points"], rel=1e-3
    )
    assert row["e_value"] >= row["e_value_limit"] >= 1


def test_too_few_treated_have_no_estimate():
    few = trials(60)
    row = estimate(few, "first_contact", settings=PLAIN).effects.row(0, named=True)
    assert (row["verdict"], row["verdict_rule"], row["effect_points"]) == ("cannot_say", "treated_too_few", None)
    assert row["treated_count"] == few["is_treated"].sum()


def test_controls_unlike_the_treated_withhold_the_estimate_unless_it_is_asked_for():
    apart = trials(1500, confounding=25.0)
    row = estimate(apart, "first_contact", settings=PLAIN).effects.row(0, named=True)
    assert row["verdict"] == "cannot_say"
    assert row["effect_points"] is None
    assert row["effective_sample_count"] is not None
    asked = EffectSettings(repeats=1, is_exploring=False, is_checking=False, is_withholding=False)
    kept = estimate(apart, "first_contact", settings=asked).effects.row(0, named=True)
    assert kept["verdict"] == "cannot_say"
    assert kept["effect_points"] is not None


def test_tickets_that_follow_contact_make_the_estimate_weak():
    rows = trials(3000)
    rng = np.random.default_rng(5)
    opened = rng.random(rows.height) < np.where(rows["is_treated"], 0.3, 0.1)
    row = estimate(
        rows.with_columns(opens_ticket=pl.Series(opened)),
        "first_contact",
        settings=EffectSettings(repeats=1, is_exploring=False),
    ).effects.row(0, named=True)
    assert (row["verdict"], row["verdict_rule"]) == ("weak", "negative_control")


def test_what_pays_back_makes_a_usable_estimate_weak_and_later_usable_again():
    rows = estimate(trials(1500), "first_contact", settings=PLAIN).effects
    assert rows["verdict"].to_list() == ["usable"]
    dear = against_break_even(rows, {"programme 0": 0.5})
    assert dear["verdict_rule"].to_list() == ["wider_than_break_even"]
    assert against_break_even(dear, {"programme 0": 50.0}).equals(rows)
    assert against_break_even(dear, {}).equals(rows)
    few = estimate(trials(60), "first_contact", settings=PLAIN).effects
    assert against_break_even(few, {"programme 0": 0.5}).equals(few)


def test_daily_trials_are_held_against_the_estimate_of_all_programmes_alone():
    rows = trials(1500, programmes=2)
    checks = estimate(rows, "first_contact", daily=rows, settings=EffectSettings(is_exploring=False)).checks
    clock = checks.filter(check_kind="clock")
    assert clock.select("programme_id", "check_name", "is_passed").rows() == [("all", "daily trials", True)]


def test_neither_the_order_of_trials_nor_threads_change_a_figure():
    rows = trials(800, programmes=2)
    one = estimate(rows, "first_contact", settings=EffectSettings(threads=1))
    other = estimate(rows.sample(fraction=1, shuffle=True, seed=3), "first_contact", settings=EffectSettings(threads=2))
    for left, right in zip(one, other, strict=True):
        assert left.equals(right)
