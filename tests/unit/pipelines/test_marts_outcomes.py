"""Outcomes and fair comparison over a small warehouse: what is read, what is published, what the check says.

Tonight is Wednesday 2024-03-13.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.assets import outcomes as assets
from pipelines.marts import comparison, outcomes
from pipelines.resources import NightResource
from tests.unit.pipelines.marts_rows import CONTEXT, OBSERVED, add, agreed, epoch, matched, measured, on


@pytest.fixture
def night(house):
    """The house's night, as a run hands it to assets and checks; its doors are the house's to open and shut."""

    class Opened(NightResource):
        def setup_for_execution(self, context):  # noqa: ARG002 - Dagster's signature
            self._night = house.night

        def teardown_after_execution(self, context):  # noqa: ARG002 - Dagster's signature
            self._night = None

    return Opened()


def programme(warehouse, programme_id="P", aim="tacit_transfer", selection="democratised"):
    add(warehouse, "raw.programme", programme_id=programme_id, name=programme_id, aim=aim, selection=selection)


def takes_part(warehouse, learner_id, programme_id="P", status="completed"):
    add(
        warehouse,
        "core.participation",
        participation_id=f"{programme_id}:{learner_id}",
        learner_id=learner_id,
        programme_id=programme_id,
        status=status,
        starts_on=on(1, 1),
        ended_on=None if status == "active" else on(3, 1),
    )


def answered(warehouse, subject_id, survey, score, **values):
    given = {
        "response_id": f"{survey}-{subject_id}-{len(warehouse.rows('FROM raw.survey_response'))}",
        "survey": survey,
        "subject_type": "learner",
        "subject_id": subject_id,
        "respondent_id": subject_id,
        "programme_id": "P",
        "answered_on": on(1, 10) if survey == "start" else on(3, 1),
        "construct": "knowledge",
        "question_id": "knowledge-1",
        "score_share": score,
        "outcome_level": 2,
    }
    add(warehouse, "raw.survey_response", **(given | values))


def published(house, mart, *names):
    return house.rows(f"SELECT {', '.join(names)} FROM building.main.{mart}")


def test_answers_of_tonight_or_not_known_yet_are_not_read(warehouse):
    answered(warehouse, "l1", "start", 0.5)
    answered(warehouse, "l1", "end", 0.7, answered_on=on(3, 13))
    answered(warehouse, "l1", "end", 0.8, known_at=OBSERVED + timedelta(hours=1))
    found = warehouse.frame(outcomes.answers(CONTEXT))
    assert found.select("survey", "score_share").rows() == [("start", 0.5)]


def test_matched_learners_are_asked_and_all_where_a_programme_has_no_match(warehouse):
    takes_part(warehouse, "l1")
    takes_part(warehouse, "l2")
    takes_part(warehouse, "l3", "Q", status="active")
    matched(warehouse, participation_id="P:l1")
    found = warehouse.frame(outcomes.asked(CONTEXT))
    assert found.rows() == [
        ("P", "learner", "l1", True),
        ("P", "match", "M", True),
        ("P", "mentor", "m1", True),
        ("Q", "learner", "l3", False),
    ]


def test_a_match_that_ended_or_whose_learner_is_through_is_over(warehouse):
    takes_part(warehouse, "l1", status="active")
    takes_part(warehouse, "l2", status="active")
    matched(warehouse, "M1")
    matched(warehouse, "M2", learner_id="l2", match_ended_epoch_day=epoch(3, 5))
    found = {row[2]: row[3] for row in warehouse.rows(outcomes.asked(CONTEXT))}
    assert found == {"M1": False, "M2": True, "m1": True, "l1": False, "l2": False}


def test_a_match_answers_under_the_pseudonym_that_answers_have(house):
    matched(house.warehouse)
    found = outcomes.as_subjects(house.warehouse.frame(outcomes.asked(CONTEXT)), house.night.pseudonyms)
    assert found.filter(subject_type="match")["subject_id"].to_list() == [house.night.pseudonyms.person("M")]
    assert found.filter(subject_type="mentor")["subject_id"].to_list() == ["m1"]


def test_a_goal_is_due_the_day_after_its_due_date(warehouse):
    matched(warehouse)
    agreed(warehouse, "past", epoch(2, 29), epoch(3, 12))
    agreed(warehouse, "today", epoch(2, 29), epoch(3, 13))
    agreed(warehouse, "open", epoch(2, 29))
    found = warehouse.frame(outcomes.goals(CONTEXT))
    assert dict(found.select("goal_id", "is_due").rows()) == {"past": True, "today": False, "open": False}


def test_programmes_that_only_matches_goals_or_answers_tell_of_have_rows_too(warehouse):
    programme(warehouse)
    matched(warehouse, programme_id="Q")
    answered(warehouse, "l1", "start", 0.5, programme_id="R")
    assert warehouse.rows(outcomes.programmes(CONTEXT)) == [("P", "tacit_transfer"), ("Q", None), ("R", None)]


def test_the_mart_tells_goals_and_surveys_and_the_check_passes(house, night):
    warehouse = house.warehouse
    programme(warehouse)
    for number in range(12):
        learner = f"l{number:02d}"
        takes_part(warehouse, learner)
        matched(warehouse, f"M{number}", learner_id=learner)
        agreed(warehouse, f"g{number}", epoch(2, 29), epoch(4, 1), match_id=f"M{number}", learner_id=learner)
        measured(warehouse, f"g{number}", epoch(3, 10), 0.25, match_id=f"M{number}", learner_id=learner)
        answered(warehouse, learner, "start", 0.4)
        answered(warehouse, learner, "end", 0.5)
    assets.programme_outcome_mart(night=night)
    told = published(
        house,
        "programme_outcome",
        "subject_type",
        "construct",
        "measured_by",
        "subjects_count",
        "reached_share",
        "verdict",
    )
    assert told == [
        ("learner", "application", "end", 0, None, "not_measurable"),
        ("learner", "goal_attainment", "goals", 12, 0.25, "measurable"),
        ("learner", "knowledge", "end", 12, 0.5, "measurable"),
        ("mentor", "leadership", "end", 0, None, "not_measurable"),
        ("mentor", "listening", "end", 0, None, "not_measurable"),
    ]
    assert assets.programme_outcome_measurable(night=night).passed


def test_the_check_names_a_programme_without_a_start_survey_and_the_way_out(house, night):
    programme(house.warehouse)
    for number in range(12):
        answered(house.warehouse, f"l{number:02d}", "end", 0.5)
    assets.programme_outcome_mart(night=night)
    found = assets.programme_outcome_measurable(night=night)
    assert not found.passed
    assert found.severity.name == "WARN"
    (record,) = found.metadata["not_measurable_programmes"].records
    assert record.data["programme_id"] == "P"
    assert "knowledge: no start survey" in record.data["reasons"]
    assert "goal_attainment: no goal with a measure" in record.data["reasons"]
    assert "goal_update" in found.metadata["way_out"].value


def test_an_empty_warehouse_has_no_outcomes_and_nothing_to_warn_of(house, night):
    assets.programme_outcome_mart(night=night)
    assets.programme_comparison_mart(night=night)
    assert published(house, "programme_outcome", "count(*)") == [(0,)]
    assert published(house, "programme_comparison", "count(*)") == [(0,)]
    assert assets.programme_outcome_measurable(night=night).passed


def test_hipo_is_compared_with_democratised_by_the_baseline_score_of_registration(house, night):
    warehouse = house.warehouse
    programme(warehouse, "few", selection="hipo")
    programme(warehouse, "many")
    for programme_id, first in (("few", 4), ("many", 0)):
        for number in range(40):
            learner = f"{programme_id}-{number:02d}"
            score = first + number % 8
            takes_part(warehouse, learner, programme_id, "completed" if (number % 5) * 2 < score else "abandoned")
            add(
                warehouse,
                "core.registration",
                learner_id=learner,
                programme_id=programme_id,
                participation_id=f"{programme_id}:{learner}",
                route="nominated",
                is_hipo=programme_id == "few",
                baseline_score=float(score),
                registered_epoch_day=epoch(1, 1),
            )
    takes_part(warehouse, "running", "few", "active")
    assert len(warehouse.rows(comparison.participants(CONTEXT))) == 81
    assets.programme_comparison_mart(night=night)
    told = published(
        house,
        "programme_comparison",
        "comparison_kind",
        "compared_group",
        "other_group",
        "compared_outcome",
        "learners_count",
        "baseline_name",
        "demand_ratio IS NULL",
        "match_rate",
    )
    assert told == [
        ("programme", "few", "many", "completion", 40, "registration", True, 0.0),
        ("selection", "hipo", "democratised", "completion", 40, "registration", True, None),
    ]
