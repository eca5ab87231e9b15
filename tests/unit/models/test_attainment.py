"""Goal attainment as the first outcome of a programme; what is not measured is said to be so."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.aims import LEVEL_OF, PRIMARY_OF_LEARNERS, PRIMARY_OF_MENTORS, WITHOUT_START
from data_contracts.fields import FIELDS
from data_contracts.tables.marts import MARTS
from models.attainment import NO_MEASURE, by_learner, programme_outcome
from models.contract import schema_of
from tests.unit.models.test_surveys import answers, asked, both

GOAL_SCHEMA = {
    "goal_id": pl.String,
    "programme_id": pl.String,
    "learner_id": pl.String,
    "weight": pl.Float64,
    "attained_share": pl.Float64,
    "expected_attained_share": pl.Float64,
    "rebaselined_count": pl.Int64,
    "status": pl.String,
    "is_due": pl.Boolean,
    "agreed_on": pl.Date,
}


def goal(number, attained, **values):
    return {
        "goal_id": f"g{number:03d}",
        "programme_id": "P",
        "learner_id": f"l{number:02d}",
        "weight": 1.0,
        "attained_share": attained,
        "expected_attained_share": 0.5,
        "rebaselined_count": 0,
        "status": "open",
        "is_due": False,
        "agreed_on": date(2026, 1, 1),
    } | values


def goals(*rows):
    return pl.DataFrame(rows, schema=GOAL_SCHEMA)


def programmes(aim="tacit_transfer"):
    return pl.DataFrame({"programme_id": ["P"], "aim": [aim]}, schema={"programme_id": pl.String, "aim": pl.String})


def outcome(goal_rows=(), answer_rows=(), people=(), aim="tacit_transfer"):
    return programme_outcome(programmes(aim), goals(*goal_rows), answers(*answer_rows), asked(*people))


def of_goals(*rows, people=()):
    found = outcome(rows, people=people).filter(pl.col("measured_by") == "goals")
    assert found.height == 1
    return found.row(0, named=True)


def test_attainment_is_the_mean_by_weight_of_the_measured_goals():
    rows = [goal(number, 0.4) for number in range(10)] + [goal(10, 1.0, weight=5.0, status="attained")]
    found = of_goals(*rows)
    assert found["reached_share"] == pytest.approx((10 * 0.4 + 5) / 15)
    assert found["goals_attained_share"] == pytest.approx(5 / 15)
    assert (found["goals_count"], found["subjects_count"], found["verdict"]) == (11, 11, "measurable")


def test_a_due_goal_never_measured_is_not_attained_and_is_no_zero_of_the_mean():
    rows = [goal(number, 1.0, status="attained") for number in range(10)] + [
        goal(10, None, is_due=True),
        goal(11, None),
    ]
    found = of_goals(*rows)
    assert (found["reached_share"], found["goals_count"]) == (1.0, 11)
    assert found["goals_attained_share"] == pytest.approx(10 / 11)
    assert found["goals_measured_share"] == pytest.approx(10 / 11)


def test_dropped_and_rebaselined_goals_stay_in_and_are_counted():
    rows = [goal(number, 0.5, rebaselined_count=number % 2) for number in range(10)]
    found = of_goals(*rows, goal(10, 0.0, status="dropped"))
    assert (found["goals_rebaselined_count"], found["goals_dropped_count"]) == (5, 1)
    assert found["reached_share"] == pytest.approx(5 / 11)


def test_a_learner_with_many_goals_is_one_learner_in_the_interval():
    one_each = of_goals(*(goal(number, share) for number, share in enumerate(np.linspace(0, 0.9, 10))))
    four_each = of_goals(
        *(
            goal(4 * number + copy, share, learner_id=f"l{number}")
            for number, share in enumerate(np.linspace(0, 0.9, 10))
            for copy in range(4)
        )
    )
    assert four_each["subjects_count"] == 10
    for name in ("reached_share", "reached_low_share", "reached_high_share"):
        assert four_each[name] == pytest.approx(one_each[name])


def test_over_300_programmes_the_interval_covers_the_mean_attainment():
    generator = np.random.default_rng(5)
    covers = 0
    for _ in range(300):
        own = generator.uniform(0.2, 0.8, 25)
        rows = [
            goal(
                number, float(np.clip(own[number // 2] + generator.normal(0, 0.1), 0, 1)), learner_id=f"l{number // 2}"
            )
            for number in range(50)
        ]
        found = of_goals(*rows)
        covers += found["reached_low_share"] <= 0.5 <= found["reached_high_share"]
    assert covers >= 0.93 * 300


@pytest.mark.parametrize(("count", "verdict"), [(0, "not_measurable"), (9, "not_measurable"), (10, "measurable")])
def test_few_learners_with_measured_goals_are_withheld(count, verdict):
    found = of_goals(*(goal(number, 0.5) for number in range(count)))
    assert (found["verdict"], found["is_suppressed"]) == (verdict, 0 < count < 10)
    assert (found["reached_share"] is None) == (count < 10)
    if not count:
        assert found["reason"] == NO_MEASURE
        assert found["subjects_count"] == 0


def test_what_an_aim_is_judged_by_has_a_row_though_nobody_asked():
    found = outcome(aim="personal_development")
    assert found.select("subject_type", "construct", "measured_by", "primary_rank", "verdict", "reason").rows() == [
        ("learner", "belonging", "end", 3, "not_measurable", "no survey asks it"),
        ("learner", "confidence", "end", 2, "not_measurable", "no survey asks it"),
        ("learner", "goal_attainment", "goals", 1, "not_measurable", NO_MEASURE),
        ("mentor", "leadership", "end", 1, "not_measurable", "no survey asks it"),
        ("mentor", "listening", "end", 2, "not_measurable", "no survey asks it"),
    ]
    assert dict(found.schema) == schema_of(MARTS["programme_outcome"], without=("publication_id",))


def test_tacit_and_personal_programmes_are_judged_by_their_own_outcomes():
    people, rows = both(12)

    def rank(aim):
        found = outcome(answer_rows=rows, people=people, aim=aim)
        return found.filter(pl.col("construct") == "confidence")["primary_rank"].to_list()

    assert (rank("personal_development"), rank("tacit_transfer"), rank(None)) == ([2], [None], [2])


def test_a_withheld_row_tells_no_figure_of_the_few():
    people, rows = both(7)
    found = outcome(answer_rows=rows, people=people).filter(pl.col("construct") == "confidence").row(0, named=True)
    assert (found["is_suppressed"], found["verdict"], found["reason"]) == (
        True,
        "not_measurable",
        "fewer than 10 paired answers",
    )
    told = {name for name, value in found.items() if value is not None}
    assert told == {
        "programme_id",
        "aim",
        "subject_type",
        "construct",
        "measured_by",
        "outcome_level",
        "is_suppressed",
        "verdict",
        "reason",
    }


def test_every_measure_has_an_outcome_level_of_1_to_4():
    people, rows = both(12)
    found = outcome([goal(1, 0.5)], rows, people)
    assert found["outcome_level"].is_between(1, 4).all()
    assert found["outcome_level"].null_count() == 0


def test_an_answer_of_a_programme_that_is_not_told_gives_no_row():
    people, rows = both(12, programme_id="unknown")
    assert set(outcome(answer_rows=rows, people=people)["programme_id"]) == {"P"}


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_the_order_of_goals_changes_nothing(random):
    rows = [goal(number, number / 20, weight=1 + number / 7) for number in range(20)]
    mixed = list(rows)
    random.shuffle(mixed)
    assert outcome(mixed).equals(outcome(rows))


def test_a_learners_mean_is_by_weight():
    found = by_learner(goals(goal(1, 0.2), goal(2, 0.8, learner_id="l01", weight=3.0), goal(3, None)))
    assert found.rows() == [("P", "l01", 4.0, 0.65)]


def test_aims_and_constructs_are_those_of_the_contract():
    constructs = set(FIELDS["construct"].values)
    assert set(PRIMARY_OF_LEARNERS) == set(FIELDS["aim"].values)
    assert set(LEVEL_OF) == constructs
    named = {name for names in PRIMARY_OF_LEARNERS.values() for name in names}
    assert named | set(PRIMARY_OF_MENTORS) | set(WITHOUT_START) <= constructs
    assert all(names[0] == "goal_attainment" for names in PRIMARY_OF_LEARNERS.values())
