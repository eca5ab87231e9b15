"""Surveys paired by person and question; without a start, or with few, an outcome is not measurable."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from models.surveys import NO_START, NOT_YET, outcomes, pairs

DAY = date(2026, 1, 1)
SCHEMA = {
    "programme_id": pl.String,
    "subject_type": pl.String,
    "subject_id": pl.String,
    "respondent_id": pl.String,
    "survey": pl.String,
    "construct": pl.String,
    "question_id": pl.String,
    "outcome_level": pl.Int64,
    "answered_on": pl.Date,
    "score_share": pl.Float64,
}
OF_SURVEY = {"start": 0, "during": 30, "end": 60, "after": 100}


def answer(subject, survey, score, **values):
    return {
        "programme_id": "P",
        "subject_type": "learner",
        "subject_id": subject,
        "respondent_id": subject,
        "survey": survey,
        "construct": "confidence",
        "question_id": "q1",
        "outcome_level": 2,
        "answered_on": DAY + timedelta(days=OF_SURVEY[survey]),
        "score_share": score,
    } | values


def answers(*rows):
    return pl.DataFrame(rows, schema=SCHEMA)


def asked(*subjects, subject_type="learner", is_over=True):
    return pl.DataFrame(
        {
            "programme_id": ["P"] * len(subjects),
            "subject_type": [subject_type] * len(subjects),
            "subject_id": list(subjects),
            "is_over": [is_over] * len(subjects),
        },
        schema={"programme_id": pl.String, "subject_type": pl.String, "subject_id": pl.String, "is_over": pl.Boolean},
    )


def both(count, start=0.5, end=0.7, **values):
    people = [f"l{number:02d}" for number in range(count)]
    return people, [
        answer(person, survey, score + 0.01 * place, **values)
        for place, person in enumerate(people)
        for survey, score in (("start", start), ("end", end))
    ]


def only(rows, people):
    found = outcomes(rows, people)
    assert found.height == 1
    return found.row(0, named=True)


def test_a_pair_is_the_same_person_question_and_respondent():
    found = pairs(
        answers(
            answer("ana", "start", 0.4),
            answer("ana", "end", 0.6),
            answer("ana", "end", 1.0, question_id="only at the end"),
            answer("ana", "end", 0.1, respondent_id="manager"),
            answer("ben", "end", 0.9),
            answer("meg", "start", 0.2),
        )
    )
    assert found.select("subject_id", "measured_by", "start", "reached").rows() == [("ana", "end", 0.4, 0.6)]


def test_questions_weigh_the_same_and_who_is_not_named_answered_of_themselves():
    found = pairs(
        answers(
            answer("ana", "start", 0.2),
            answer("ana", "end", 0.4, respondent_id=None),
            answer("ana", "start", 0.6, question_id="q2", respondent_id=None),
            answer("ana", "end", 1.0, question_id="q2"),
        )
    )
    assert found.select("start", "reached").rows() == [(0.4, 0.7)]


def test_of_several_answers_the_first_start_and_the_last_end_count_and_an_end_before_the_start_does_not():
    found = pairs(
        answers(
            answer("ana", "start", 0.3, answered_on=DAY),
            answer("ana", "start", 0.9, answered_on=DAY + timedelta(days=50)),
            answer("ana", "end", 0.5, answered_on=DAY + timedelta(days=60)),
            answer("ana", "end", 0.8, answered_on=DAY + timedelta(days=70)),
            answer("ben", "end", 0.8, answered_on=DAY),
            answer("ben", "start", 0.4, answered_on=DAY + timedelta(days=1)),
        )
    )
    assert found.select("subject_id", "start", "reached").rows() == [("ana", 0.3, 0.8)]


def test_the_change_has_the_interval_of_a_paired_t_test():
    generator = np.random.default_rng(2)
    start, end = generator.uniform(0.2, 0.6, (2, 25)).round(3) + np.array([[0.0], [0.1]])
    people = [f"l{number:02d}" for number in range(25)]
    rows = [
        answer(person, survey, float(score))
        for survey, scores in (("start", start), ("end", end))
        for person, score in zip(people, scores, strict=True)
    ]
    found = only(answers(*rows), asked(*people))
    expected = ttest_1samp(end - start, 0).confidence_interval(0.95)
    assert found["change_points"] == pytest.approx(100 * (end - start).mean())
    assert (found["change_low_points"], found["change_high_points"]) == pytest.approx(
        (100 * expected.low, 100 * expected.high)
    )
    assert found["standardised_change"] == pytest.approx((end - start).mean() / start.std(ddof=1))
    assert (found["subjects_count"], found["is_measurable"], found["outcome_reason"]) == (25, True, None)


def test_over_300_surveys_the_interval_covers_the_true_change():
    generator = np.random.default_rng(3)
    people = [f"l{number:02d}" for number in range(12)]
    covers = 0
    for _ in range(300):
        ability = generator.normal(0.5, 0.1, 12)
        rows = [
            answer(person, survey, float(score))
            for survey, gain in (("start", 0.0), ("end", 0.08))
            for person, score in zip(people, ability + generator.normal(gain, 0.1, 12), strict=True)
        ]
        found = only(answers(*rows), asked(*people))
        covers += found["change_low_points"] <= 8 <= found["change_high_points"]
    assert covers >= 0.93 * 300


def test_without_a_start_it_is_not_measurable():
    rows = [answer(f"l{number:02d}", "end", 0.7) for number in range(20)]
    found = only(answers(*rows), asked("l00"))
    assert (found["is_measurable"], found["outcome_reason"], found["change_points"]) == (False, NO_START, None)


def test_with_a_start_alone_it_is_not_measurable_yet():
    rows = [answer(f"l{number:02d}", "start", 0.7) for number in range(20)]
    found = only(answers(*rows), asked("l00"))
    assert (found["measured_by"], found["is_measurable"], found["outcome_reason"]) == ("end", False, NOT_YET)
    assert found["outcome_level"] == 2


@pytest.mark.parametrize(("count", "is_measurable"), [(9, False), (10, True)])
def test_ten_paired_answers_are_needed(count, is_measurable):
    people, rows = both(count)
    found = only(answers(*rows), asked(*people))
    assert found["is_measurable"] == is_measurable
    assert found["outcome_reason"] == (None if is_measurable else "fewer than 10 paired answers")


def test_what_cannot_be_asked_before_is_told_as_it_was_reached():
    rows = [answer(f"l{number:02d}", "after", 0.5, construct="application", outcome_level=3) for number in range(12)]
    found = only(answers(*rows), asked(*(f"l{number:02d}" for number in range(12))))
    assert (found["is_measurable"], found["reached_share"], found["change_points"]) == (True, 0.5, None)
    assert (found["measured_by"], found["outcome_level"]) == ("after", 3)


def test_of_those_through_less_than_half_answered_and_the_row_says_so():
    people, rows = both(10)
    more = asked(*people, *(f"x{number}" for number in range(11)))
    found = only(answers(*rows), more)
    assert (found["asked_count"], found["response_share"]) == (21, pytest.approx(10 / 21))
    assert found["is_measurable"]
    assert "less than half" in found["outcome_reason"]


def test_who_is_not_through_is_not_asked_for_the_end():
    people, rows = both(12)
    running = asked("x1", "x2", is_over=False)
    found = only(answers(*rows), pl.concat([asked(*people), running]))
    assert (found["asked_count"], found["response_share"]) == (12, 1.0)


def test_mentors_and_learners_have_rows_of_their_own():
    people, rows = both(12)
    mentors = [row | {"subject_type": "mentor", "construct": "listening"} for row in rows]
    found = outcomes(answers(*rows, *mentors), asked(*people))
    assert found.select("subject_type", "construct").rows() == [("learner", "confidence"), ("mentor", "listening")]


@given(st.randoms(use_true_random=False), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_order_and_repeated_rows_change_nothing(random, repeats):
    people, rows = both(12)
    mixed = rows + rows[:repeats]
    random.shuffle(mixed)
    assert outcomes(answers(*mixed), asked(*people)).equals(outcomes(answers(*rows), asked(*people)))


def test_no_answers_give_no_rows():
    assert outcomes(answers(), asked("l00")).is_empty()
