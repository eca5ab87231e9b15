"""Estimates on record: made anew where trials changed, and what alerts are ranked by."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from data_contracts.tables.effects import EFFECT
from models.contract import schema_of
from pipelines import effect_record
from pipelines.effect_record import bring_up_to_date, contact_estimate
from tests.unit.models.effect_rows import trials
from tests.unit.pipelines.marts_rows import add


@pytest.fixture
def told():
    """Trials made up: of a contact that helps, and of too few matches."""
    return {"first_contact": trials(1200, effect=-0.1), "matched": trials(150, seed=2)}


@pytest.fixture
def night(house, told, monkeypatch):
    """A night with those trials and one programme."""
    add(house.warehouse, "raw.programme", programme_id="programme 0", name="P")
    monkeypatch.setattr(effect_record, "_trials", lambda _, contrast, **__: told[contrast])
    return house.night


def on_record(night):
    return night.warehouse.rows("SELECT contrast, subgroup, effect_points, verdict FROM risk.effect ORDER BY ALL")


def test_estimates_are_recorded_with_their_checks_and_stand_until_a_trial_changes(night, told):
    assert bring_up_to_date(night)["estimated_anew"] == 1
    first = on_record(night)
    assert {row[0] for row in first} >= {"first_contact", "matched"}
    for name in ("effect_balance", "effect_overlap", "effect_check"):
        assert night.warehouse.scalar(f"SELECT count(*) FROM risk.{name}") > 0
    assert bring_up_to_date(night)["estimated_anew"] == 0
    assert on_record(night) == first
    told["matched"] = told["matched"].with_columns(opens_ticket=True)
    assert bring_up_to_date(night)["estimated_anew"] == 1


def test_the_same_trials_give_the_same_rows_again(night):
    bring_up_to_date(night)
    first = on_record(night)
    night.warehouse.execute("DELETE FROM risk.effect")
    bring_up_to_date(night)
    assert on_record(night) == first


def test_another_seed_is_another_estimate(night):
    bring_up_to_date(night)
    other = replace(night, settings=night.settings.model_copy(update={"seed": 21}))
    assert bring_up_to_date(other)["estimated_anew"] == 1


def estimated(warehouse, contrast, kind, name, ratio, *, low=-4.0, high=-1.0, verdict="usable", programme="all"):
    row = dict.fromkeys(schema_of(EFFECT)) | {
        "programme_id": programme,
        "contrast": contrast,
        "subgroup_kind": kind,
        "subgroup": name,
        "role": "exploratory",
        "estimand": "?",
        "effect_low_points": low,
        "effect_high_points": high,
        "risk_ratio": ratio,
        "verdict": verdict,
        "verdict_rule": "all_held",
        "trials_digest": "d",
    }
    warehouse.append(EFFECT, pl.DataFrame([row], schema=schema_of(EFFECT)))


def test_without_an_estimate_alerts_are_ranked_by_probability(house):
    assert contact_estimate(house.night) is None


def test_three_usable_thirds_rank_by_what_contact_prevents(house):
    for name, ratio in (("low", 1.0), ("middle", 0.8), ("high", 0.9)):
        estimated(house.warehouse, "first_contact", "risk", name, ratio)
    assert contact_estimate(house.night).risk_ratios == (1.0, 0.8, 0.9)


def test_an_only_programme_s_thirds_are_those_of_all(house):
    for name in ("low", "middle", "high"):
        estimated(house.warehouse, "first_contact", "risk", name, 0.9, programme="P")
    assert contact_estimate(house.night).risk_ratios == (0.9, 0.9, 0.9)


@pytest.mark.parametrize("change", [{"verdict": "weak"}, {"programme": "P"}])
def test_a_third_that_is_not_usable_for_all_programmes_is_no_reason(house, change):
    for name in ("low", "middle"):
        estimated(house.warehouse, "first_contact", "risk", name, 0.8)
    estimated(house.warehouse, "first_contact", "risk", "high", 0.8, **change)
    assert contact_estimate(house.night) is None


def test_thirds_none_of_which_differs_from_zero_are_no_reason(house):
    for name in ("low", "middle", "high"):
        estimated(house.warehouse, "first_contact", "risk", name, 0.8, high=1.0)
    assert contact_estimate(house.night) is None


def test_a_usable_hold_out_goes_before_thirds_and_the_operators_ratios_before_both(house):
    for name in ("low", "middle", "high"):
        estimated(house.warehouse, "first_contact", "risk", name, 0.9)
    estimated(house.warehouse, "routed", "all", "all", 0.7)
    assert contact_estimate(house.night).risk_ratios == (0.7, 0.7, 0.7)
    told = replace(
        house.night, settings=house.night.settings.model_copy(update={"contact_risk_ratios": (1.0, 0.8, 0.9)})
    )
    assert contact_estimate(told).risk_ratios == (1.0, 0.8, 0.9)


def test_without_mentors_every_programme_says_that_it_cannot_say(house):
    for name in ("P", "Q"):
        add(house.warehouse, "raw.programme", programme_id=name, name=name)
    assert bring_up_to_date(house.night) == {"first_contact_trials": 0, "matched_trials": 0, "estimated_anew": 1}
    rows = house.warehouse.rows(
        "SELECT programme_id, contrast, verdict, effect_points, reason FROM risk.effect ORDER BY ALL"
    )
    assert {row[0] for row in rows} == {"all", "P", "Q"}
    assert {(row[2], row[3]) for row in rows} == {("cannot_say", None)}
    assert any("what a learner starts is no treatment" in row[4] for row in rows)


def test_without_any_programme_there_is_no_row_and_no_error(house):
    assert bring_up_to_date(house.night)["estimated_anew"] == 1
    assert house.warehouse.scalar("SELECT count(*) FROM risk.effect") == 0
