"""A model card says what the rows say, and nothing about few."""

from dataclasses import replace
from datetime import date, datetime

import polars as pl
import pytest

from data_contracts.tables import risk as tables
from models.card import CardFacts, CardFrames, model_card
from models.card_words import METRICS
from models.contract import schema_of
from models.document import markdown
from models.fairness import fairness_rows
from models.groups import gaps
from models.metrics import quality_rows, reliability


@pytest.fixture(scope="module")
def facts():
    return CardFacts(
        model_id="0123456789abcdef",
        trained_on=date(2024, 10, 4),
        state="champion",
        source="inbox",
        code_version="0.1.0",
        feature_contract_hash="f" * 64,
        features_count=67,
        families=("activity", "recency"),
        settings={"seed": 20, "leaves": (4, 15)},
        libraries={"lightgbm": "4.7.0"},
        horizons={"7d": (1200, 60, 0.05), "28d": (1000, 150, 0.15)},
        too_early_days=7,
        abandon_after_days=28,
        opted_out_count=3,
        ended_by_rule={"status": 150, "silence": 50},
        is_timed=False,
    )


@pytest.fixture(scope="module")
def frames(trained):
    # The test fold has one run; dealt to two, groups can be held against each other within runs.
    predictions = trained.predictions.with_columns(
        days_of_history=(pl.col("week_index") % 8) * 7,
        ended_epoch_day=pl.col("observed_epoch_day") + 20,
        is_batch_end=pl.int_range(pl.len()) % 5 == 0,
        is_contacted=pl.int_range(pl.len()) % 7 == 0,
        is_new_learner=pl.col("enrolment_id").rank("dense") % 3 == 0,
        course_id=pl.format("run-{}", pl.col("enrolment_id").rank("dense") // 2 % 2 + 1),
    )
    audit = predictions.select("enrolment_id").unique(maintain_order=True).with_row_index()
    audit = audit.select(
        "enrolment_id",
        gender=pl.when(pl.col("index") % 2 == 0).then(pl.lit("female")).otherwise(pl.lit("male")),
        age_band=pl.when(pl.col("index") < 7).then(pl.lit("under_30")).otherwise(pl.lit("30_to_44")),
    )
    of_model = predictions.filter((pl.col("estimator") == "model") & (pl.col("horizon") == "28d"))
    courses = pl.DataFrame(
        {
            "course_id": ["run-1", "run-2", None],
            "enrolments_count": [300, 300, 4],
            "landmarks_count": [3000, 3000, 12],
            "abandonments_count": [90, 60, 1],
            "first_on": date(2024, 1, 8),
            "last_on": date(2024, 9, 2),
        }
    )
    return CardFrames(
        courses=courses,
        quality=quality_rows(predictions),
        reliability=reliability(of_model),
        fairness=fairness_rows(predictions, audit, gaps(predictions, audit, seed=20)),
        gate=pl.DataFrame(schema=schema_of(tables.GATE)),
        drift=pl.DataFrame(schema=schema_of(tables.DRIFT)),
    )


@pytest.fixture(scope="module")
def text(facts, frames):
    return markdown(model_card(facts, frames))


def check(**given):
    return {
        "model_id": "m",
        "check_kind": "calibration",
        "check_name": "calibration_slope",
        "horizon": "28d",
        "subject": "all",
        "metric_value": 1.66,
        "metric_low": 1.43,
        "metric_high": 1.9,
        "limit_low": 0.8,
        "limit_high": 1.25,
        "n_count": 1000,
        "n_events_count": 150,
        "is_passed": False,
        "is_blocking": True,
        "reason": "too timid",
    } | given


def with_checks(frames, *checks):
    return replace(frames, gate=pl.DataFrame(checks, schema=schema_of(tables.GATE)))


def test_a_card_says_what_the_model_must_not_be_used_for_before_any_figure(text):
    assert "Not for appraisal, pay, selection or discipline, of learners or of mentors" in text
    assert text.index("must not be used for") < text.index("How good it is")


def test_both_baselines_stand_beside_the_model_with_intervals(text, frames):
    quality = frames.quality.filter(
        (pl.col("metric_name") == "roc_auc") & (pl.col("slice_kind") == "all") & (pl.col("horizon") == "28d")
    )
    for row in quality.iter_rows(named=True):
        assert f"{row['metric_value']:.3f} ({row['metric_low']:.3f} to {row['metric_high']:.3f})" in text
    for words in ("the model |", "logistic regression |", "rule: no activity for 7 days |"):
        assert text.count(f"| {words}") == 4


def test_figures_without_batches_and_on_learners_never_met_stand_beside_those_of_all(text, frames):
    part = text[text.index("Within 28 days: parts of the same test") : text.index("## Whether a probability")]
    quality = frames.quality.filter(
        (pl.col("estimator") == "model") & (pl.col("metric_name") == "roc_auc") & (pl.col("horizon") == "28d")
    )
    for kind, words in (
        ("all", "all landmarks"),
        ("without_batches", "without administrative batches"),
        ("without_contacted", "without learners contacted because of an alert"),
        ("new_learners", "learners with no landmark before the test"),
    ):
        row = quality.filter(pl.col("slice_kind") == kind).row(0, named=True)
        assert f"| {words} | {row['n_count']:,} | {row['metric_value']:.3f} (" in part


def test_every_figure_that_is_shown_is_explained(text):
    explained = text[text.index("## What the figures mean") :]
    for name in ("roc_auc", "brier_skill", "calibration_slope", "lead_days_median", "recall_at_20_percent"):
        heading = METRICS[name][0].replace("\u00a0", " ")
        assert f"| {heading} |" in explained
        assert heading in text[: text.index("## What the figures mean")]


def test_quality_is_told_by_week_and_by_days_of_history_in_their_order(text):
    part = text[text.index("## By week") : text.index("## Groups")]
    shown = [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| ")]
    history = [value for value in shown if value in {"0-6", "7-13", "14-27", "28-55", "56+"}]
    assert history == sorted(history, key=lambda value: int(value.strip("+").split("-")[0]))
    assert len(history) >= 2
    weeks = [int(value) for value in shown if value.isdigit()]
    assert weeks == sorted(weeks)
    assert weeks


def test_counts_under_ten_are_not_told(text):
    row = next(line for line in text.splitlines() if line.startswith("| no course"))
    assert [cell.strip() for cell in row.split("|")[3:6]] == ["under 10", "12", "under 10"]
    assert "neither scored nor learned from: under 10 so far" in text


def test_groups_too_small_to_audit_are_named_and_have_no_figure(text):
    part = text[text.index("## Groups") : text.index("## The gate")]
    assert "| female |" in part
    assert "under 30: " in part
    assert "| under 30" not in part


def test_differences_between_groups_stand_in_tables_of_their_own(text):
    for caption in (
        "By gender",
        "By gender: the group less the others",
        "By gender: the group less the others, within",
    ):
        assert f"\n{caption}" in text
    part = text[text.index("By gender: how differently") : text.index("## The gate")]
    assert "| ABROCA by chance, mean |" in part or "ABROCA by chance, mean" in part


def test_without_attributes_the_card_says_that_nobody_knows(facts, frames, trained):
    told = markdown(model_card(facts, replace(frames, fairness=fairness_rows(trained.predictions, None))))
    assert "Not audited: no attribute of learners" in told
    assert "That is no pass" in told


def test_limits_are_stated_from_the_model_s_own_data(text, facts, frames):
    assert "Here: 25% of the abandonments." in text
    assert "this data says on which day something was done and not when" in text
    assert "Here: no such day was found." in text
    known = replace(facts, is_timed=True, ended_by_rule={"status": 9}, batches=[("run-1", date(2024, 2, 1), 0.4)])
    told = markdown(model_card(known, frames))
    assert "on which day something was done" not in told
    assert "Here: none." in told
    assert "run-1 on 1 Feb 2024 (40% of the run's)" in told
    assert "| status | under 10 |" in told


def test_without_checks_the_card_says_so(text):
    assert "No check of a gate is on record" in text


def test_the_gate_s_verdict_stands_with_each_check_it_was_made_of(facts, frames):
    frames = with_checks(
        frames,
        check(),
        check(check_name="roc_auc", metric_value=0.74, limit_low=0.5, limit_high=None, is_passed=True),
        check(check_name="auc_difference", metric_value=None, metric_low=None, metric_high=None, is_passed=None),
    )
    told = markdown(model_card(facts, frames))
    assert "The gate refused this model." in told
    assert "| calibration slope | 28 days | 1.66 (1.43 to 1.90) | 0.80 to 1.25 | yes | fails |" in told
    assert "| AUC | 28 days | 0.74 (1.43 to 1.90) | from 0.50 | yes | holds |" in told
    assert "| auc difference | 28 days | - | 0.80 to 1.25 | yes | could not be made |" in told
    own = markdown(model_card(replace(facts, gate_verdict="Passed, no champion to compare with"), frames))
    assert "Passed, no champion to compare with." in own


def test_of_checks_by_group_and_of_drift_those_that_do_not_hold_are_shown(facts, frames):
    many = [check(check_kind="group", check_name="recall_gap", subject=f"g={n}", is_passed=True) for n in range(40)]
    frames = with_checks(
        frames,
        check(is_passed=True),
        *many,
        check(check_kind="group", check_name="recall_gap", subject="gender=female", is_blocking=False),
        check(check_kind="drift", check_name="psi", subject="events_28d", is_blocking=False),
    )
    told = markdown(model_card(facts, frames))
    assert "The gate let this model through" in told or "let through this model" in told
    assert "By group: 40 checks hold, 1 do not, 0 could not be made." in told
    assert "| recall gap, gender=female |" in told
    assert "g=3" not in told
    drift = told[told.index("## Drift") : told.index("## Limits")]
    assert "| population stability, events 28d |" in drift


def test_last_night_s_drift_is_shown_where_there_is_one(facts, frames):
    row = {
        "observed_at": datetime(2024, 10, 4),  # noqa: DTZ001 - naive in UTC, as the warehouse has it
        "model_id": "m",
        "drift_kind": "feature",
        "subject": "events_28d",
        "metric_name": "psi",
        "metric_value": 0.31,
        "limit_high": 0.25,
        "n_count": 900,
        "drift_verdict": "large",
    }
    told = markdown(model_card(facts, replace(frames, drift=pl.DataFrame([row], schema=schema_of(tables.DRIFT)))))
    assert "| events 28d | feature | 0.31 psi | large |" in told


def test_a_card_holds_no_enrolment(text, frames, trained):
    assert not [name for name in trained.predictions["enrolment_id"].unique() if name in text]


def test_a_model_that_was_never_judged_has_a_card_all_the_same(facts, frames):
    empty = replace(frames, quality=frames.quality.clear(), reliability=frames.reliability.clear())
    assert markdown(model_card(facts, empty)).count("Not measured.") == 2
