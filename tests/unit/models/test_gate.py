from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from data_contracts.tables.risk import GATE
from models.drift import reference, stability
from models.gate import MAIN, GateLimits, Rival, judge
from models.groups import gaps

KEY = ("enrolment_id", "observed_epoch_day")
TRAINED_AT = 1000
WEEKS = 6


@pytest.fixture(scope="module")
def world():
    """Weekly landmarks with their true hazard, from four weeks before the champion's training on."""
    generator = np.random.default_rng(1)
    people = 900
    enrolment = np.repeat(np.arange(people), WEEKS)
    week = np.tile(np.arange(WEEKS), people)
    odds = np.repeat(-2 + generator.normal(size=people), WEEKS) + 0.3 * generator.normal(size=people * WEEKS)
    return pl.DataFrame(
        {
            "enrolment_id": [f"e{one:04d}" for one in enrolment],
            "course_id": [f"c{one % 2}" for one in enrolment],
            "observed_epoch_day": TRAINED_AT - 7 * 4 + 7 * week,
            "week_index": week,
            "odds": odds,
            "outcome_value": (generator.random(odds.size) < 1 / (1 + np.exp(-odds))).astype(float),
            "noise": generator.normal(size=odds.size),
        }
    )


def predicted(world, odds="odds", noise=0.0):
    """Out-of-sample predictions of both horizons, as training hands them over."""
    probability = 1 / (1 + (-(pl.col(odds) + noise * pl.col("noise"))).exp())
    columns = ("enrolment_id", "course_id", "observed_epoch_day", "week_index")
    return pl.concat(
        world.select(
            *columns,
            pl.lit(horizon).alias("horizon"),
            pl.lit("model").alias("estimator"),
            "outcome_value",
            probability.alias("probability"),
        )
        for horizon in ("7d", "28d")
    )


def rival(predictions, trained=TRAINED_AT):
    told = predictions.select(*KEY, "horizon", "probability")
    return Rival("champion00000000", trained, told, told.clear())


def judged(world, predictions, **changes):
    features = world.select(*KEY, quiet="odds", other="noise")
    given = {"fold_features": features, "gaps": [], "drift": DRIFT, "rival": None} | changes
    return judge(predictions, **given)


ROWS = pl.DataFrame({"abandonment_probability_28d": np.linspace(0, 1, 400)})
DRIFT = stability(ROWS, reference(ROWS, ROWS.columns))


def check(verdict, name, horizon=MAIN, subject=None):
    (found,) = (
        one for one in verdict.checks if (one.name, one.horizon) == (name, horizon) and subject in {None, one.subject}
    )
    return found


# --- the model alone


def test_a_first_model_that_ranks_and_is_calibrated_passes(world):
    verdict = judged(world, predicted(world))
    assert verdict.is_passed
    assert verdict.sentence.startswith("Passed, no champion to compare with: ")
    assert [one.name for one in verdict.checks if one.kind == "champion"] == []


def test_a_first_model_that_ranks_by_chance_is_refused_in_words(world):
    verdict = judged(world, predicted(world.with_columns(odds=pl.col("noise") * 0.1 - 2)))
    assert not verdict.is_passed
    assert verdict.sentence.startswith("Refused: 28d: AUC ")
    assert "must lie above .5" in verdict.sentence


def test_a_model_whose_probabilities_are_twice_too_high_is_refused(world):
    verdict = judged(world, predicted(world.with_columns(odds=pl.col("odds") + 0.7)))
    intercept = check(verdict, "calibration_intercept")
    assert intercept.is_passed is False
    assert intercept.estimate.high < 0
    assert not verdict.is_passed


def test_a_figure_beyond_its_limit_that_may_be_chance_passes_and_says_so(world):
    few = world.filter(pl.col("enrolment_id") < "e0040")  # of whom fewer leave than their hazard says
    narrow = GateLimits(calibration_intercept=(-0.3, 0.3))
    intercept = check(judged(few, predicted(few), limits=narrow), "calibration_intercept")
    assert intercept.estimate.value < -0.3
    assert intercept.estimate.low <= 0 <= intercept.estimate.high
    assert intercept.is_passed is True
    assert intercept.reason.endswith("beyond but not surely")


def test_the_7_day_model_is_shown_and_blocks_nothing(world):
    wrong = predicted(world).with_columns(
        probability=pl.when(pl.col("horizon") == "7d").then(0.5 + pl.col("probability") / 2).otherwise("probability")
    )
    verdict = judged(world, wrong)
    assert check(verdict, "calibration_intercept", "7d").is_passed is False
    assert verdict.is_passed


def test_too_few_events_are_not_judged_and_never_passed(world):
    few = world.head(60)
    verdict = judged(few, predicted(few))
    for name in ("roc_auc", "calibration_slope", "calibration_intercept", "single_feature_auc"):
        assert check(verdict, name).is_passed is None, name
        assert "20 events are there" in check(verdict, name).reason


# --- against the champion


def test_a_challenger_that_is_the_champion_s_equal_passes(world):
    verdict = judged(world, predicted(world), rival=rival(predicted(world)))
    difference = check(verdict, "auc_difference")
    assert (difference.estimate.value, difference.is_passed) == (0, True)
    assert verdict.is_passed
    assert verdict.sentence.startswith("Passed, compared with champion champion00000000")


def test_a_challenger_that_is_worse_on_purpose_is_refused(world):
    calibrated = {"limits": GateLimits(calibration_slope=(None, None))}  # noise also flattens the slope
    verdict = judged(world, predicted(world, noise=1.5), rival=rival(predicted(world)), **calibrated)
    assert check(verdict, "auc_difference").estimate.high < 0
    assert check(verdict, "auc_difference").is_passed is False
    assert not verdict.is_passed
    assert "auc difference to champion champion00000000" in verdict.sentence


def test_a_challenger_that_is_better_passes(world):
    verdict = judged(world, predicted(world), rival=rival(predicted(world, noise=1.5)))
    assert check(verdict, "auc_difference").estimate.low > 0
    assert check(verdict, "log_loss_change").estimate.high < 0
    assert verdict.is_passed


def test_only_landmarks_of_which_the_champion_has_seen_no_outcome_are_compared(world):
    days = world["observed_epoch_day"]
    verdict = judged(world, predicted(world), rival=rival(predicted(world)))
    for horizon in ("7d", "28d"):  # of a landmark the first week's outcome is known three weeks before the rest
        assert check(verdict, "auc_difference", horizon).n_count == (days + 7 > TRAINED_AT).sum() < world.height


def test_a_champion_that_has_seen_the_fold_is_not_compared_on_it_however_good_it_looks(world):
    knows_all = predicted(world).with_columns(probability=pl.col("outcome_value") * 0.98 + 0.01)
    verdict = judged(world, predicted(world), rival=rival(knows_all, trained=TRAINED_AT + 1000))
    difference = check(verdict, "auc_difference")
    assert difference.is_passed is None
    assert "not compared with champion champion00000000, 0 of 20 events" in difference.reason
    assert verdict.is_passed
    assert "too few events to compare with champion" in verdict.sentence


def test_where_too_little_is_new_both_are_compared_where_both_predicted_out_of_sample(world):
    seen = rival(predicted(world), trained=TRAINED_AT + 1000)
    own = predicted(world, noise=1.5).select(*KEY, "horizon", "probability")
    difference = check(judged(world, predicted(world), rival=replace(seen, own=own)), "auc_difference")
    assert difference.n_count == world.height
    assert difference.estimate.low > 0
    assert "both predicted out of sample" in difference.reason


# --- leaks, groups, drift


def test_a_feature_that_knows_the_outcome_is_refused_by_name(world):
    leaking = world.select(*KEY, quiet="odds", tells=pl.when(pl.col("outcome_value") == 1).then(1.0))
    verdict = judged(world, predicted(world), fold_features=leaking)
    leak = check(verdict, "single_feature_auc")
    assert (leak.subject, leak.estimate.value, leak.is_passed) == ("tells", 1.0, False)
    assert "tells alone has AUC 1.000" in verdict.sentence


def test_a_feature_that_tells_by_being_low_leaks_too(world):
    leaking = world.select(*KEY, tells=-pl.col("outcome_value"))
    assert check(judged(world, predicted(world), fold_features=leaking), "single_feature_auc").estimate.value == 1


def attributes(world, value):
    return world.select("enrolment_id", gender=value).unique(maintain_order=True)


def test_a_group_that_the_model_cannot_rank_is_a_breach(world):
    ids = sorted(set(world["enrolment_id"]))
    is_first = pl.col("enrolment_id").is_in(ids[: len(ids) // 2])
    blind = predicted(world.with_columns(odds=pl.when(is_first).then(pl.col("noise") - 2).otherwise("odds")))
    told = attributes(world, pl.when(is_first).then(pl.lit("f")).otherwise(pl.lit("m")))
    verdict = judged(world, blind, gaps=gaps(blind, told))
    breach = check(verdict, "abroca_within_course", subject="gender=f")
    assert breach.is_passed is False
    assert breach.is_blocking
    assert "by chance alone" in breach.reason
    assert not verdict.is_passed


def test_groups_that_are_treated_alike_pass_and_only_gaps_within_courses_block(world):
    predictions = predicted(world)
    is_low = pl.col("enrolment_id").str.slice(3, 1) < "5"  # half of each course
    told = attributes(world, pl.when(is_low).then(pl.lit("f")).otherwise(pl.lit("m")))
    verdict = judged(world, predictions, gaps=gaps(predictions, told))
    found = [one for one in verdict.checks if one.kind == "group"]
    assert {one.is_passed for one in found} <= {True, None}
    assert {one.is_blocking for one in found if one.name.endswith("within_course") and one.is_passed} == {True}
    assert {one.is_blocking for one in found if one.name == "recall_gap"} == {False}


def test_a_small_group_is_not_audited_and_no_attributes_are_said(world):
    predictions = predicted(world)
    told = attributes(world, pl.when(pl.col("enrolment_id") < "e0050").then(pl.lit("f")).otherwise(pl.lit("m")))
    verdict = judged(world, predictions, gaps=gaps(predictions, told))
    assert {one.is_passed for one in verdict.checks if one.kind == "group"} == {None}
    assert check(verdict, "recall_gap", subject="gender=f").reason == "gender=f: not audited, n below 100"
    assert verdict.is_passed
    none = check(judged(world, predictions), "audit")
    assert (none.is_passed, none.reason) == (None, "not audited: there are no attributes of learners")


def test_drift_is_for_people_to_look_at_and_refuses_nothing(world):
    moved = stability(pl.DataFrame({"x": np.full(400, 9.0)}), reference(pl.DataFrame({"x": np.arange(400.0)}), ["x"]))
    verdict = judged(world, predicted(world), drift=pl.concat([moved, DRIFT]))
    assert check(verdict, "psi", subject="x").is_passed is False
    assert check(verdict, "psi", subject="abandonment_probability_28d").is_passed is True
    assert verdict.is_passed


def test_every_check_is_a_row_of_its_table_under_a_key_of_its_own(world):
    predictions = predicted(world)
    told = attributes(world, pl.when(pl.col("enrolment_id") < "e0450").then(pl.lit("f")).otherwise(pl.lit("m")))
    verdict = judged(world, predictions, gaps=gaps(predictions, told), rival=rival(predictions))
    rows = pl.DataFrame([one.row for one in verdict.checks], infer_schema_length=None)
    assert rows.columns == [name for name in GATE.column_names if name != "model_id"]
    assert rows.select("check_name", "horizon", "subject").is_duplicated().sum() == 0
    assert rows["reason"].null_count() == 0


def test_the_verdict_does_not_depend_on_the_order_of_rows(world):
    predictions = predicted(world, noise=0.5)
    shuffled = predictions.sample(fraction=1, shuffle=True, seed=3)
    champion = rival(predicted(world))
    assert judged(world, predictions, rival=champion) == judged(
        world.sample(fraction=1, shuffle=True, seed=4), shuffled, rival=champion
    )
