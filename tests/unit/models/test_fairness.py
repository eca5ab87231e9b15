import numpy as np
import polars as pl
import pytest

from data_contracts.tables.risk import FAIRNESS
from models.fairness import fairness_rows
from models.groups import gaps


def _predictions(n=400):
    number = np.arange(n)
    return pl.DataFrame(
        {
            "enrolment_id": [f"e{one:03d}" for one in number],
            "course_id": "c",
            "observed_epoch_day": 100,
            "week_index": 1,
            "horizon": "28d",
            "estimator": "model",
            "outcome_value": (number % 5 == 0).astype(float),
            # the 40 highest are e000 to e039
            "probability": 1 - number / n,
        }
    )


def _attributes(groups):
    return pl.DataFrame({"enrolment_id": [f"e{one:03d}" for one in range(len(groups))], "gender": groups})


def _values(rows, group):
    return {row["metric_name"]: row["metric_value"] for row in rows.filter(pl.col("group_name") == group).to_dicts()}


def test_rates_of_each_group_at_one_budget_for_all():
    rows = fairness_rows(_predictions(), _attributes(["f"] * 200 + ["m"] * 200))
    assert rows.columns == [name for name in FAIRNESS.column_names if name != "model_id"]
    assert _values(rows, "f") == pytest.approx(
        {
            "recall": 8 / 40,
            "false_positive_rate": 32 / 160,
            "alert_rate": 40 / 200,
            "base_rate": 40 / 200,
            "expected_over_observed": (200 - 199 * 200 / 2 / 400) / 40,
        }
    )
    assert _values(rows, "m") == pytest.approx(
        {
            "recall": 0,
            "false_positive_rate": 0,
            "alert_rate": 0,
            "base_rate": 0.2,
            "expected_over_observed": (200 - (399 * 400 - 199 * 200) / 2 / 400) / 40,
        }
    )
    assert set(rows["audit_verdict"]) == {"audited"}
    low, high = (
        rows.filter((pl.col("group_name") == "f") & (pl.col("metric_name") == "recall"))
        .select("metric_low", "metric_high")
        .row(0)
    )
    assert low < 0.2 < high


def test_a_group_under_a_hundred_is_not_audited_and_never_passes():
    rows = fairness_rows(_predictions(), _attributes(["f"] * 99 + ["m"] * 301))
    small = rows.filter(pl.col("group_name") == "f")
    assert set(small["audit_verdict"]) == {"not audited"}
    assert set(small["audit_reason"]) == {"n below 100"}
    assert small["metric_value"].null_count() == 5
    assert set(rows.filter(pl.col("group_name") == "m")["audit_verdict"]) == {"audited"}


def test_many_landmarks_of_few_learners_are_few():
    predictions = pl.concat(
        [_predictions(60).with_columns(pl.lit(100 + 7 * week).alias("observed_epoch_day")) for week in range(5)]
    )
    rows = fairness_rows(predictions, _attributes(["f"] * 60))
    assert rows["n_count"].to_list() == [300] * 5
    assert set(rows["audit_reason"]) == {"n below 100"}


def test_learners_without_a_value_are_a_group_of_their_own():
    rows = fairness_rows(_predictions(), _attributes(["f"] * 150 + [None] * 100))
    stated = rows.filter(pl.col("group_name") == "not stated")
    assert stated["n_count"].to_list() == [250] * 5


def test_no_attributes_is_said_and_not_passed_over():
    for attributes in (None, pl.DataFrame({"enrolment_id": ["e000"]})):
        row = fairness_rows(_predictions(), attributes).row(0, named=True)
        assert (row["audit_verdict"], row["audit_reason"]) == ("not audited", "no attributes")
        assert (row["metric_value"], row["n_count"]) == (None, 400)


def test_a_rate_without_a_denominator_is_not_audited():
    quiet = _predictions().with_columns(pl.lit(0.0).alias("outcome_value"))
    rows = fairness_rows(quiet, _attributes(["f"] * 400))
    recall = rows.filter(pl.col("metric_name") == "recall").row(0, named=True)
    assert (recall["audit_verdict"], recall["audit_reason"]) == ("not audited", "no row to judge it by")


def test_gaps_stand_beside_the_rates_and_abroca_beside_its_null():
    attributes = _attributes(["f"] * 200 + ["m"] * 200)
    rows = fairness_rows(_predictions(), attributes, gaps(_predictions(), attributes))
    values = _values(rows, "f")
    assert values["recall_gap"] == pytest.approx(8 / 40)
    assert 0 < values["abroca_null_mean"] < 0.3
    assert values["abroca_null_deviation"] > 0
    assert rows.select("attribute_name", "group_name", "metric_name").is_duplicated().sum() == 0


def test_only_the_models_28_day_predictions_are_audited():
    noise = _predictions().with_columns(
        pl.lit("inactive_7d_rule").alias("estimator"), (1 - pl.col("probability")).alias("probability")
    )
    short = _predictions().with_columns(pl.lit("7d").alias("horizon"))
    attributes = _attributes(["f"] * 200 + ["m"] * 200)
    assert fairness_rows(pl.concat([_predictions(), noise, short]), attributes).equals(
        fairness_rows(_predictions(), attributes)
    )
