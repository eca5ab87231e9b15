import numpy as np
import polars as pl
import pytest

from models.groups import FEW_EVENTS, TOO_SMALL, gaps


def rows(course, outcome, probability):
    number = len(outcome)
    return pl.DataFrame(
        {
            "enrolment_id": [f"e{one:05d}" for one in range(number)],
            "course_id": course,
            "observed_epoch_day": 100,
            "week_index": 1,
            "horizon": "28d",
            "estimator": "model",
            "outcome_value": np.asarray(outcome, dtype=float),
            "probability": np.asarray(probability, dtype=float),
        }
    )


def groups(values):
    return pl.DataFrame({"enrolment_id": [f"e{one:05d}" for one in range(len(values))], "gender": values})


def found(predictions, attributes, group="f"):
    return {gap.name: gap for gap in gaps(predictions, attributes) if gap.group == group}


def two_courses():
    """Twice as many leave the hard course, which most women take; within each course all are treated alike."""
    generator = np.random.default_rng(1)
    people = 6000
    is_woman = generator.random(people) < 0.5
    is_hard = generator.random(people) < np.where(is_woman, 0.8, 0.2)
    odds = np.where(is_hard, -1.2, -2.5) + generator.normal(size=people)
    probability = 1 / (1 + np.exp(-odds))
    outcome = generator.random(people) < probability
    predictions = rows(np.where(is_hard, "hard", "easy"), outcome, probability)
    return predictions, groups(np.where(is_woman, "f", "m"))


def test_a_gap_is_the_group_less_all_others():
    number = np.arange(400)
    gap = found(rows("c", number % 5 == 0, 1 - number / 400), groups(["f"] * 200 + ["m"] * 200))
    # the 40 highest are all f: 8 of its 40 events and 32 of its 160 others are alerted
    assert gap["recall_gap"].estimate.value == pytest.approx(8 / 40)
    assert gap["false_positive_rate_gap"].estimate.value == pytest.approx(32 / 160)
    assert gap["alert_rate_gap"].estimate.value == pytest.approx(40 / 200)
    recall = gap["recall_gap"]
    assert recall.deviation == pytest.approx((0.2 * 0.8 / 40) ** 0.5, rel=0.01)
    assert recall.estimate.low < recall.estimate.value < recall.estimate.high
    assert not any(name.endswith("within_course") for name in gap)  # there is one course


def test_what_comes_from_the_mix_of_courses_vanishes_within_courses():
    gap = found(*two_courses())
    assert gap["alert_rate_gap"].sureness > 5
    assert gap["alert_rate_gap_within_course"].sureness < 3
    assert abs(gap["alert_rate_gap_within_course"].estimate.value) < gap["alert_rate_gap"].estimate.value / 3
    assert gap["calibration_gap_within_course"].sureness < 3


def test_a_group_whose_risk_is_understated_shows_in_its_calibration():
    predictions, attributes = two_courses()
    is_woman = attributes["gender"] == "f"
    halved = predictions.with_columns(
        probability=pl.when(pl.Series(is_woman)).then(pl.col("probability") / 2).otherwise("probability")
    )
    gap = found(halved, attributes)["calibration_gap_within_course"]
    assert gap.estimate.value > 0.5
    assert gap.sureness > 5
    other = found(halved, attributes, "m")["calibration_gap_within_course"]
    assert other.estimate.value == pytest.approx(-gap.estimate.value)


def test_a_group_that_is_ranked_by_chance_shows_in_abroca_and_its_null_does_not():
    predictions, attributes = two_courses()
    generator = np.random.default_rng(2)
    is_woman = pl.Series(attributes["gender"] == "f")
    blind = predictions.with_columns(
        probability=pl.when(is_woman).then(pl.Series(generator.random(6000) / 2)).otherwise("probability")
    )
    fair, unfair = found(predictions, attributes), found(blind, attributes)
    for name in ("abroca", "abroca_within_course"):
        assert unfair[name].sureness > 5, name
        assert unfair[name].estimate.value > 0.1, name
        assert unfair[name].null_mean < 0.06, name
    assert fair["abroca_within_course"].sureness < 3


def test_of_groups_that_mean_nothing_few_differ_surely():
    predictions, _ = two_courses()
    generator = np.random.default_rng(3)
    sure = [
        gap.sureness > 1.96
        for _ in range(5)
        for gap in gaps(predictions, groups(generator.choice(["a", "b", "c"], size=6000)))
    ]
    assert np.mean(sure) < 0.12


def test_under_a_hundred_enrolments_on_either_side_nothing_is_said():
    number = np.arange(400)
    predictions = rows("c", number % 5 == 0, 1 - number / 400)
    for group in ("f", "m"):
        gap = found(predictions, groups(["f"] * 99 + ["m"] * 301), group)
        assert {one.withheld for one in gap.values()} == {TOO_SMALL}
        assert {one.estimate.value for one in gap.values()} == {None}
        assert {one.sureness for one in gap.values()} == {0.0}


def test_a_curve_needs_events_on_both_sides():
    number = np.arange(400)
    gap = found(rows("c", number < 5, 1 - number / 400), groups(["f"] * 200 + ["m"] * 200))
    assert gap["abroca"].withheld == FEW_EVENTS
    assert gap["alert_rate_gap"].withheld is None


def test_many_landmarks_of_one_enrolment_count_once():
    number = np.arange(400)
    once = rows("c", number % 5 == 0, 1 - number / 400)
    attributes = groups(["f", "m"] * 200)
    weekly = pl.concat(once.with_columns(observed_epoch_day=pl.lit(100 + 7 * week)) for week in range(6))
    few, many = found(once, attributes)["recall_gap"], found(weekly, attributes)["recall_gap"]
    assert many.n_count == 6 * few.n_count
    assert many.deviation == pytest.approx(few.deviation, rel=0.01)


def test_no_attributes_give_no_gaps():
    predictions, attributes = two_courses()
    assert gaps(predictions, None) == []
    assert gaps(predictions, attributes.select("enrolment_id")) == []
