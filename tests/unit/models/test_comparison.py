"""Fair comparison: gains of a group chosen by its score fall towards the mean, the adjusted difference does not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from data_contracts.tables.marts import MARTS
from models.comparison import NotFittedError, adjusted, known_outcomes, programme_comparison
from models.contract import schema_of

PROGRAMMES = pl.DataFrame({"programme_id": ["few", "many"], "selection": ["hipo", "democratised"]})
DEMAND = pl.DataFrame({"programme_id": ["few", "many"], "demand_ratio": [0.5, 1.4], "match_rate": [0.9, 0.6]})
RELIABILITY = 0.5
SCHEMA = {
    "programme_id": pl.String,
    "learner_id": pl.String,
    "compared_outcome": pl.String,
    "reached": pl.Float64,
    "start_share": pl.Float64,
    "baseline_score": pl.Float64,
    "is_hipo": pl.Boolean,
}


def world(generator, *, chosen=120, others=300, difference=0.0):
    """Ability behind a noisy start and end; the chosen are the best fifth by their start; all gain .1."""

    def answers(count):
        ability = generator.normal(0.5, 0.1, count)
        noise = generator.normal(0, 0.1, (2, count))
        return ability + noise[0], ability + noise[1] + 0.1

    start, end = answers(5 * chosen)
    best = np.argsort(start)[-chosen:]
    return (start[best], end[best] + difference), answers(others)


def frame(chosen, others, outcome="confidence", **columns):
    parts = []
    for programme_id, (start, end) in (("few", chosen), ("many", others)):
        parts.append(
            pl.DataFrame(
                {
                    "programme_id": programme_id,
                    "learner_id": [f"{programme_id}-{number:04d}" for number in range(len(end))],
                    "compared_outcome": outcome,
                    "reached": end,
                    "start_share": start,
                    "baseline_score": None,
                    "is_hipo": None,
                },
                schema=SCHEMA,
            ).with_columns(**columns)
        )
    return pl.concat(parts)


def compared(rows, kind="programme", programmes=PROGRAMMES):
    found = programme_comparison(rows, programmes, DEMAND).filter(pl.col("comparison_kind") == kind)
    assert found.height == 1
    return found.row(0, named=True)


@pytest.mark.parametrize("difference", [0.0, 0.04])
def test_over_300_worlds_the_adjusted_difference_covers_the_truth_and_the_raw_one_does_not(difference):
    generator = np.random.default_rng(7)
    covers = raw_covers = 0
    estimates = []
    for _ in range(300):
        (start, end), (other_start, other_end) = world(generator, difference=difference)
        found = adjusted(end, start[:, None], other_end, other_start[:, None], is_binary=False)
        reach = t.ppf(0.975, found.degrees) * found.standard_error
        covers += abs(found.difference - difference) <= reach
        estimates.append(found.difference)
        gains, other_gains = end - start, other_end - other_start
        raw = gains.mean() - other_gains.mean()
        error = np.sqrt(gains.var(ddof=1) / gains.size + other_gains.var(ddof=1) / other_gains.size)
        raw_covers += abs(raw - difference) <= 1.96 * error
    assert covers >= 0.93 * 300
    assert abs(np.mean(estimates) - difference) < 3 * np.std(estimates) / np.sqrt(300)
    assert raw_covers < 0.05 * 300


def test_over_300_worlds_completion_adjusted_by_a_logistic_regression_covers_no_difference():
    generator = np.random.default_rng(11)
    covers = 0
    for _ in range(300):
        score = generator.normal(0, 1, (2, 400))
        chosen = np.sort(score[0] + generator.normal(0, 0.5, 400))[-150:]
        done = [generator.random(part.size) < 1 / (1 + np.exp(-(part - 0.5))) for part in (chosen, score[1])]
        found = adjusted(
            done[0].astype(float), chosen[:, None], done[1].astype(float), score[1][:, None], is_binary=True
        )
        covers += abs(found.difference) <= t.ppf(0.975, found.degrees) * found.standard_error
    assert covers >= 0.93 * 300


def test_a_group_chosen_by_its_start_falls_back_by_one_less_the_correlation_times_its_distance():
    chosen, others = world(np.random.default_rng(1), chosen=4000, others=20000)
    found = compared(frame(chosen, others))
    distance = found["other_start_share"] - found["start_share"]
    assert found["test_retest_correlation"] == pytest.approx(RELIABILITY, abs=0.02)
    assert found["regression_to_mean_points"] == pytest.approx(100 * (1 - RELIABILITY) * distance, abs=0.5)
    assert found["raw_difference_points"] < -8
    assert abs(found["adjusted_difference_points"]) < 1
    assert (found["verdict"], found["baseline_name"]) == ("usable", "start_survey")


def test_the_raw_difference_is_what_baselines_let_expect_and_the_adjusted_one_together():
    found = compared(frame(*world(np.random.default_rng(2), difference=0.05)))
    parts = found["regression_to_mean_points"] + found["adjusted_difference_points"]
    assert found["raw_difference_points"] == pytest.approx(parts)
    change = found["mean_change_points"] - found["other_mean_change_points"]
    assert found["raw_difference_points"] == pytest.approx(change)


def test_chosen_by_a_score_of_registration_the_score_is_what_adjusts():
    """The start survey is answered after the choice: without the score the chosen's ability would look like an effect."""
    generator = np.random.default_rng(3)
    ability = generator.normal(0.5, 0.1, 6000)
    score = 100 * (ability + generator.normal(0, 0.05, 6000))
    start, end = (ability + generator.normal(0, 0.1, 6000) + gain for gain in (0.0, 0.1))
    best, rest = np.argsort(score[:4000])[-800:], np.arange(4000, 6000)
    rows = frame((start[best], end[best]), (start[rest], end[rest]))
    alone = compared(rows)
    scored = compared(rows.with_columns(baseline_score=pl.Series(np.concatenate([score[best], score[rest]]))))
    assert scored["baseline_name"] == "start_survey_and_registration"
    assert scored["adjusted_low_points"] < 0 < scored["adjusted_high_points"]
    assert alone["adjusted_low_points"] > 2


def test_by_hand_three_points_of_the_others_line():
    """The others' line is end = .2 + .5 start, so at the group's start of .8 it expects .6; the group reached .65."""
    other_start = np.array([0.2, 0.4, 0.6, 0.8])
    found = adjusted(
        np.array([0.6, 0.7]), np.array([[0.75], [0.85]]), 0.2 + 0.5 * other_start, other_start[:, None], is_binary=False
    )
    assert found.difference == pytest.approx(0.05)
    assert found.expected == pytest.approx(0.6 - 0.45)


def test_completion_at_the_same_baseline_by_hand():
    """Among the others 2 of 10 with score 0 and 6 of 10 with score 1 complete: at the group's scores 12 of 30 would."""
    score = np.repeat([0.0, 1.0], 10)[:, None]
    done = np.array([1] * 2 + [0] * 8 + [1] * 6 + [0] * 4, dtype=float)
    group = np.repeat([0.0, 1.0], 15)[:, None]
    found = adjusted(np.array([1.0] * 18 + [0.0] * 12), group, done, score, is_binary=True)
    assert found.difference == pytest.approx(18 / 30 - 0.4)


def test_baselines_that_tell_completion_without_error_or_do_not_vary_are_not_fitted():
    score = np.arange(20.0)[:, None]
    with pytest.raises(NotFittedError, match="without error"):
        adjusted(np.ones(20), score, (score[:, 0] > 9.5).astype(float), score, is_binary=True)
    with pytest.raises(NotFittedError, match="do not vary"):
        adjusted(np.ones(20), score, np.ones(20), np.zeros((20, 1)), is_binary=False)


def test_groups_without_common_baselines_cannot_be_compared_but_are_shown_as_they_are():
    generator = np.random.default_rng(4)
    high, low = generator.uniform(0.8, 1.0, 50), generator.uniform(0.1, 0.6, 50)
    found = compared(frame((high, high), (low, low)))
    assert (found["verdict"], found["adjusted_difference_points"]) == ("cannot_say", None)
    assert found["baseline_overlap_share"] == 0
    assert found["mean_change_points"] == 0
    assert "0% of the group" in found["reason"]


def test_without_any_baseline_it_cannot_be_said():
    generator = np.random.default_rng(5)
    rows = frame((generator.random(50), generator.random(50)), (generator.random(50), generator.random(50)), "goals")
    found = compared(rows.with_columns(start_share=pl.lit(None, pl.Float64)))
    assert (found["verdict"], found["baseline_name"]) == ("cannot_say", "none")
    assert found["raw_difference_points"] is not None


@pytest.mark.parametrize(("size", "verdict"), [(9, "cannot_say"), (10, "weak"), (29, "weak"), (30, "usable")])
def test_few_learners_are_withheld_or_weak(size, verdict):
    generator = np.random.default_rng(6)
    start, other = generator.uniform(0.3, 0.7, size), generator.uniform(0, 1, 200)
    found = compared(frame((start, start), (other, other + generator.normal(0, 0.1, 200))))
    assert (found["verdict"], found["is_suppressed"]) == (verdict, size < 10)
    assert (found["learners_count"] is None) == (size < 10)


def test_a_pooled_row_is_withheld_where_it_would_give_away_a_small_programme():
    generator = np.random.default_rng(8)
    start, other = generator.uniform(0.3, 0.7, 45), generator.uniform(0, 1, 200)
    rows = frame((start, start), (other, other + generator.normal(0, 0.1, 200)))
    small = rows.with_columns(
        programme_id=pl.when(pl.col("learner_id") < "few-0005").then(pl.lit("fewer")).otherwise(pl.col("programme_id"))
    )
    programmes = pl.concat([PROGRAMMES, pl.DataFrame({"programme_id": ["fewer"], "selection": ["hipo"]})])
    assert compared(rows, "selection")["learners_count"] == 45
    assert compared(small, "selection", programmes)["is_suppressed"]


def test_who_is_registered_as_hipo_is_compared_as_hipo_whatever_the_programme():
    generator = np.random.default_rng(9)
    other = generator.uniform(0, 1, 200)
    rows = frame((other[:50], other[:50]), (other, other + generator.normal(0, 0.1, 200)))
    flagged = rows.with_columns(
        is_hipo=pl.when(pl.col("learner_id").is_between(pl.lit("many-0000"), pl.lit("many-0011"))).then(
            pl.lit(value=True)
        )
    )
    found = compared(flagged, "selection")
    assert (found["learners_count"], found["other_learners_count"]) == (62, 188)
    assert compared(flagged)["learners_count"] == 50


def test_two_who_are_counted_elsewhere_withhold_the_pooled_row_they_left():
    generator = np.random.default_rng(9)
    other = generator.uniform(0, 1, 100)
    programmes = pl.concat([PROGRAMMES, pl.DataFrame({"programme_id": ["all"], "selection": ["mandatory"]})])
    rows = frame((other[:50], other[:50]), (other, other + generator.normal(0, 0.1, 100)))
    everybody = rows.filter(pl.col("programme_id") == "many").with_columns(programme_id=pl.lit("all"))
    few = pl.col("learner_id").is_in(["many-0000", "many-0001"]) & (pl.col("programme_id") == "many")
    flagged = pl.concat([rows, everybody]).with_columns(is_hipo=pl.when(few).then(pl.lit(value=True)))
    found = programme_comparison(flagged, programmes, DEMAND).filter(pl.col("comparison_kind") == "selection")
    assert found.select("compared_group", "other_group", "is_suppressed").rows() == [
        ("democratised", "mandatory", True),
        ("hipo", "democratised", True),
        ("hipo", "mandatory", True),
    ]


def test_demand_stands_beside_programmes_and_not_beside_ways_to_come_in():
    rows = frame(*world(np.random.default_rng(10)))
    one, together = compared(rows), compared(rows, "selection")
    assert (one["demand_ratio"], one["other_demand_ratio"], one["match_rate"], one["other_match_rate"]) == (
        0.5,
        1.4,
        0.9,
        0.6,
    )
    assert (together["demand_ratio"], together["compared_group"]) == (None, "hipo")


def test_programmes_of_one_selection_or_none_told_are_not_compared():
    rows = frame(*world(np.random.default_rng(10)))
    for selection in (["hipo", "hipo"], ["hipo", None], [None, None]):
        programmes = pl.DataFrame(
            {"programme_id": ["few", "many"], "selection": selection}, schema_overrides={"selection": pl.String}
        )
        found = programme_comparison(rows, programmes, DEMAND)
        assert found.is_empty()
        assert dict(found.schema) == schema_of(MARTS["programme_comparison"], without=("publication_id",))


@given(st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_the_order_of_learners_changes_nothing(random):
    rows = frame(*world(np.random.default_rng(12), chosen=40, others=60))
    order = list(range(rows.height))
    random.shuffle(order)
    assert programme_comparison(rows[order], PROGRAMMES, DEMAND).equals(programme_comparison(rows, PROGRAMMES, DEMAND))


def test_known_outcomes_are_completion_of_those_through_goals_and_changes_to_the_end():
    participants = pl.DataFrame(
        {
            "programme_id": ["few", "few"],
            "learner_id": ["ana", "ben"],
            "is_over": [True, False],
            "is_completed": [True, False],
            "baseline_score": [60.0, None],
            "is_hipo": [True, None],
        }
    )
    attained = pl.DataFrame({"programme_id": ["few"], "learner_id": ["ben"], "attained": [0.4]})
    paired = pl.DataFrame(
        {
            "programme_id": ["few", "few", "few"],
            "subject_type": ["learner", "learner", "mentor"],
            "subject_id": ["ana", "ana", "meg"],
            "construct": ["confidence", "confidence", "listening"],
            "measured_by": ["end", "during", "end"],
            "start": [0.5, 0.5, 0.5],
            "reached": [0.7, 0.6, 0.9],
        }
    )
    found = known_outcomes(participants, attained, paired)
    assert found.select("learner_id", "compared_outcome", "reached", "start_share", "baseline_score").rows() == [
        ("ana", "completion", 1.0, None, 60.0),
        ("ana", "confidence", 0.7, 0.5, 60.0),
        ("ben", "goals", 0.4, None, None),
    ]
