from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from data_contracts.tables.risk import QUALITY
from models.metrics import (
    METRICS,
    UNKNOWN,
    brier_skill,
    calibration_intercept,
    calibration_slope,
    expected_over_observed,
    lead_days,
    pr_auc,
    precision_at,
    quality_rows,
    recall_at,
    reliability,
    roc_auc,
    top_share,
)


def _sample(n=1500, seed=7, decimals=2):
    generator = np.random.default_rng(seed)
    odds = generator.normal(-2, 1, n)
    outcome = (generator.random(n) < expit(0.8 * odds + 0.3)).astype(float)
    return outcome, np.round(expit(odds), decimals), np.arange(n)


def _delong_deviation(outcome, score):
    """DeLong 1988, pair by pair."""
    events, others = score[outcome == 1], score[outcome == 0]
    wins = (events[:, None] > others) + 0.5 * (events[:, None] == others)
    return np.sqrt(wins.mean(1).var(ddof=1) / events.size + wins.mean(0).var(ddof=1) / others.size)


def test_roc_auc_and_its_interval_agree_with_scikit_learn_and_delong():
    outcome, score, rows = _sample()
    found = roc_auc(outcome, score, rows)
    assert found.value == pytest.approx(roc_auc_score(outcome, score))
    assert (found.high - found.low) / (2 * 1.959964) == pytest.approx(_delong_deviation(outcome, score), rel=0.01)


def test_pr_auc_agrees_with_scikit_learn_ties_included():
    outcome, score, rows = _sample(decimals=1)
    found = pr_auc(outcome, score, rows)
    assert found.value == pytest.approx(average_precision_score(outcome, score))
    assert found.low < found.value < found.high


def test_a_bootstrap_replicate_is_the_metric_of_the_rows_drawn(monkeypatch):
    outcome, score, rows = _sample(300)
    cluster = rows // 3
    drawn = np.random.default_rng(20).integers(100, size=100)
    picked = np.concatenate([np.flatnonzero(cluster == one) for one in drawn])
    only = pr_auc(outcome, score, cluster, replicates=1)
    assert only.low == pytest.approx(average_precision_score(outcome[picked], score[picked]))
    only = brier_skill(outcome, score, cluster, replicates=1)
    base = outcome[picked].mean()
    assert only.high == pytest.approx(1 - brier_score_loss(outcome[picked], score[picked]) / (base * (1 - base)))


def test_recall_and_precision_count_the_events_among_the_highest():
    outcome = np.array([1, 0, 1, 0, 0, 0, 1, 0, 0, 0], dtype=float)
    score = np.arange(10, 0, -1, dtype=float)
    rows = np.arange(10)
    assert recall_at(outcome, score, rows, share=0.3).value == pytest.approx(2 / 3)
    assert precision_at(outcome, score, rows, share=0.3).value == pytest.approx(2 / 3)


def test_ties_at_the_cut_count_as_a_lottery_would_on_average():
    score = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert top_share(score, 0.3).tolist() == [1, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0]
    assert top_share(np.ones(40), 0.1).sum() == pytest.approx(4)
    assert top_share(np.array([3.0, 2.0, 1.0]), 0.1).tolist() == pytest.approx([0.3, 0, 0])


def test_a_share_of_independent_rows_has_the_wilson_interval():
    outcome, score, rows = _sample()
    found = METRICS["base_rate"](outcome, score, rows)
    outside = binomtest(int(outcome.sum()), outcome.size).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((outside.low, outside.high), abs=1e-4)


@pytest.mark.parametrize("name", list(METRICS))
def test_rows_of_one_enrolment_are_no_new_evidence(name):
    outcome, score, rows = _sample(400)
    once = METRICS[name](outcome, score, rows)
    thrice = METRICS[name](np.tile(outcome, 3), np.tile(score, 3), np.tile(rows, 3))
    assert thrice.value == pytest.approx(once.value)
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)


def test_brier_skill_is_one_minus_the_ratio_to_the_base_rates_score():
    outcome, probability, rows = _sample()
    reference = brier_score_loss(outcome, np.full(outcome.size, outcome.mean()))
    expected = 1 - brier_score_loss(outcome, probability) / reference
    assert brier_skill(outcome, probability, rows).value == pytest.approx(expected)
    assert brier_skill(outcome, np.full(outcome.size, outcome.mean()), rows).value == pytest.approx(0)
    assert brier_skill(outcome, outcome, rows).value == 1


def test_calibration_slope_agrees_with_an_unpenalised_refit():
    outcome, probability, rows = _sample(decimals=6)
    outside = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(probability)[:, None], outcome)
    found = calibration_slope(outcome, probability, rows)
    assert found.value == pytest.approx(outside.coef_[0, 0], abs=1e-5)
    assert found.low < 0.8 < found.high


def test_calibration_intercept_agrees_with_the_root_of_the_score_equation():
    outcome, probability, rows = _sample(decimals=6)
    odds = logit(probability)
    expected = brentq(lambda shift: expit(odds + shift).sum() - outcome.sum(), -5, 5)
    assert calibration_intercept(outcome, probability, rows).value == pytest.approx(expected, abs=1e-6)


def test_expected_over_observed_is_a_ratio_of_sums_in_the_top():
    outcome = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0], dtype=float)
    probability = np.array([0.9, 0.8, 0.7, *[0.1] * 7])
    assert expected_over_observed(outcome, probability, np.arange(10), share=0.2).value == pytest.approx(1.7)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    # 200 worlds of 150 enrolments with 4 like rows each, whose base rate is known
    covered = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        event = (generator.random(150) < 0.2).astype(float)
        found = METRICS["base_rate"](np.repeat(event, 4), np.zeros(600), np.repeat(np.arange(150), 4))
        covered += found.low <= 0.2 <= found.high
    assert covered / 200 == pytest.approx(0.95, abs=0.04)


def test_without_events_nothing_is_said():
    nobody, score, rows = np.zeros(20), np.linspace(0, 1, 20), np.arange(20)
    for name, metric in METRICS.items():
        if name != "base_rate" and not name.startswith("precision_at"):
            assert metric(nobody, score, rows) == UNKNOWN, name
    assert METRICS["base_rate"](nobody, score, rows).value == 0
    assert 0.1 < METRICS["base_rate"](nobody, score, rows).high < 0.2


def test_a_rule_of_zeros_and_ones_has_no_calibration():
    outcome = np.array([1.0, 0.0, 1.0, 0.0])
    assert calibration_slope(outcome, outcome, np.arange(4)) == UNKNOWN
    assert calibration_intercept(outcome, outcome, np.arange(4)) == UNKNOWN


def _predictions(n=600):
    outcome, probability, _ = _sample(n)
    return pl.DataFrame(
        {
            "enrolment_id": [f"e{number % 200}" for number in range(n)],
            "course_id": ["big"] * (n - 30) + ["small"] * 20 + [None] * 10,
            "observed_epoch_day": [15_000 + 7 * (number // 200) for number in range(n)],
            "week_index": [number // 200 for number in range(n)],
            "horizon": "28d",
            "estimator": "model",
            "outcome_value": outcome,
            "probability": probability,
        }
    )


def test_quality_has_the_contracts_columns_and_a_row_for_each_slice_and_metric():
    rows = quality_rows(_predictions())
    assert rows.columns == [name for name in QUALITY.column_names if name != "model_id"]
    assert rows.select("slice_kind", "slice_value").unique(maintain_order=True).rows() == [
        ("all", "all"),
        ("week", "0"),
        ("week", "1"),
        ("week", "2"),
        ("course", "big"),
    ]
    assert rows.height == 5 * len(METRICS)
    assert rows["fold_starts_on"].unique().to_list() == [date(2011, 1, 26)]
    assert rows["fold_ends_on"].unique().to_list() == [date(2011, 2, 9)]
    whole = rows.filter((pl.col("slice_kind") == "all") & (pl.col("metric_name") == "base_rate"))
    assert whole["n_count"].item() == 600
    assert whole["metric_value"].item() == pytest.approx(whole["n_events_count"].item() / 600)


def test_quality_does_not_depend_on_the_order_of_rows():
    predictions = _predictions()
    assert quality_rows(predictions.sample(fraction=1, shuffle=True, seed=3)).equals(quality_rows(predictions))


def test_quality_is_told_by_days_of_history_where_they_are_known():
    history = [-3, 0, 6, 7, 13, 14, 27, 28, 55, 56, 400, None]
    predictions = pl.concat([_predictions(), _predictions()]).with_columns(
        days_of_history=pl.Series([history[number % 12] for number in range(1200)])
    )
    rows = quality_rows(predictions).filter(pl.col("slice_kind") == "days_of_history")
    counts = dict(rows.select("slice_value", "n_count").unique().iter_rows())
    assert counts == {"0-6": 200, "7-13": 200, "14-27": 200, "28-55": 200, "56+": 200}
    assert set(rows["metric_name"]) == set(METRICS)


def test_lead_days_run_from_the_first_place_in_the_list_to_the_abandonment():
    rows = [  # enrolment, day, probability, outcome, ended
        ("early", 0, 0.9, 0, 40),
        ("early", 7, 0.8, 1, 40),
        ("late", 7, 0.7, 1, 14),
        ("stays", 0, 0.95, 0, None),
        ("missed", 7, 0.1, 1, 20),
        *(("calm", day, 0.01, 0, None) for day in range(0, 105, 7)),
    ]
    predictions = pl.DataFrame(
        rows,
        schema=["enrolment_id", "observed_epoch_day", "probability", "outcome_value", "ended_epoch_day"],
        orient="row",
    )
    found = lead_days(predictions, share=0.2)
    assert found.value == (40 + 7) / 2
    assert (found.low, found.high) == (7, 40)
    assert lead_days(predictions.with_columns(outcome_value=pl.lit(0)), share=0.2) == UNKNOWN


def test_all_rows_together_have_lead_days_where_ends_are_known():
    ended = pl.when(pl.col("outcome_value") == 1).then(pl.col("observed_epoch_day") + 10)
    rows = quality_rows(_predictions().with_columns(ended_epoch_day=ended))
    told = rows.filter(pl.col("metric_name") == "lead_days_median")
    assert told["slice_kind"].to_list() == ["all"]
    assert 0 <= told["metric_low"].item() <= told["metric_value"].item() <= told["metric_high"].item() <= 24


def test_reliability_says_what_became_of_each_tenth_and_keeps_equal_risks_together():
    predictions = _predictions()
    parts = reliability(predictions)
    assert parts["part"].to_list() == list(range(1, 11))
    assert parts["n_count"].sum() == 600
    assert parts["probability_mean"].is_sorted()
    assert parts["n_events_count"].sum() == predictions["outcome_value"].sum()
    row = parts.row(9, named=True)
    assert row["observed_low"] < row["observed_share"] == row["n_events_count"] / row["n_count"] < row["observed_high"]
    rule = predictions.with_columns(probability=(pl.col("probability") > 0.2).cast(pl.Float64))
    assert reliability(rule)["probability_mean"].to_list() == [0, 1]


def test_reliability_of_one_who_is_right_lies_in_its_intervals():
    generator = np.random.default_rng(4)
    probability = generator.random(4000)
    predictions = pl.DataFrame(
        {
            "enrolment_id": [f"e{number}" for number in range(4000)],
            "observed_epoch_day": 1,
            "probability": probability,
            "outcome_value": (generator.random(4000) < probability).astype(float),
        }
    )
    parts = reliability(predictions)
    inside = parts.filter(pl.col("probability_mean").is_between(pl.col("observed_low"), pl.col("observed_high")))
    assert inside.height >= 8


def forty(**columns):
    """Forty landmarks of forty enrolments, every other an event, the earlier the higher; some columns changed or added."""
    same = {"course_id": "c", "observed_epoch_day": 10, "week_index": 1, "horizon": "28d", "estimator": "model"}
    told = {"outcome_value": [1.0, 0.0] * 20, "probability": np.linspace(0.9, 0.1, 40)}
    return pl.DataFrame({"enrolment_id": [f"e{number}" for number in range(40)]} | same | told | columns)


def test_figures_stand_without_the_events_of_administrative_batches_too():
    rows = forty(is_batch_end=[number < 6 for number in range(40)])
    counts = quality_rows(rows, minimum_events=1).filter(pl.col("metric_name") == "roc_auc")
    told = dict(counts.select("slice_kind", "n_events_count").iter_rows())
    assert (told["all"], told["without_batches"]) == (20, 17)
    quiet = quality_rows(rows.with_columns(is_batch_end=False), minimum_events=1)
    assert "without_batches" not in quiet["slice_kind"].to_list()


def test_figures_stand_without_contacted_learners_too_whatever_became_of_them():
    rows = forty(is_contacted=[number < 6 for number in range(40)])
    counts = quality_rows(rows, minimum_events=1).filter(pl.col("metric_name") == "roc_auc")
    told = {kind: counted for kind, *counted in counts.select("slice_kind", "n_count", "n_events_count").iter_rows()}
    assert (told["all"], told["without_contacted"]) == ([40, 20], [34, 17])
    for nobody_or_all in (False, True):
        quiet = quality_rows(rows.with_columns(is_contacted=nobody_or_all), minimum_events=1)
        assert "without_contacted" not in quiet["slice_kind"].to_list()


def test_learners_whom_the_model_has_not_met_are_judged_by_themselves():
    rows = forty(probability=[0.9, 0.1] * 10 + [0.1, 0.9] * 10, is_new_learner=[number < 20 for number in range(40)])
    found = (
        quality_rows(rows, minimum_events=1).filter(metric_name="roc_auc").select("slice_kind", "metric_value").rows()
    )
    assert dict(found)["new_learners"] == 1
    assert dict(found)["all"] == 0.5


@pytest.mark.parametrize("new", [0, 30])
def test_learners_met_for_the_first_time_are_left_out_where_they_are_none_or_few(new):
    rows = pl.DataFrame(
        {
            "enrolment_id": [f"e{number}" for number in range(80)],
            "course_id": "c",
            "observed_epoch_day": 10,
            "week_index": 1,
            "horizon": "28d",
            "estimator": "model",
            "outcome_value": [1.0, 0.0] * 40,
            "probability": [0.9, 0.1] * 40,
            "is_new_learner": [number < new for number in range(80)],
        }
    )
    assert set(quality_rows(rows)["slice_kind"]) == {"all", "week", "course"}
