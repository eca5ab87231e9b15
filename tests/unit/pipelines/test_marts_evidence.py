"""What counts as evidence of which strand, and from when; tonight is Wednesday 13 March."""

from __future__ import annotations

import pytest

from data_contracts.strands import STRAND_RULES
from pipelines.marts.evidence import OUTSIDE, active, evidence, moments
from tests.unit.pipelines.marts_rows import (
    CONTEXT,
    OBSERVED,
    TONIGHT,
    acted,
    add,
    at,
    enrol,
    epoch,
    met,
    on,
    promised,
)

SUMS = ("minutes", "events_count", "timed_events_count", "outcome_sum", "outcomes_count")


@pytest.fixture
def one(warehouse):
    """Ana in programme P alone."""
    enrol(warehouse, "e1", "ana")
    add(warehouse, "core.participation", participation_id="P:ana", learner_id="ana", programme_id="P", status="active")
    return warehouse


def learned(warehouse):
    """(programme, strand) -> minutes, events, events with minutes, outcomes summed, outcomes counted."""
    found = warehouse.frame(evidence(CONTEXT.observed, TONIGHT))
    return {(row["programme_id"], row["strand"]): tuple(row[name] for name in SUMS) for row in found.to_dicts()}


def work(warehouse, kind, when, minutes=30.0, confirmed_by=None, **values):
    given = {"learner_id": "ana", "happened_on": when, "kind": kind, "minutes": minutes, "confirmed_by": confirmed_by}
    add(warehouse, "raw.work_activity", **(given | values))


def test_held_sessions_and_the_learner_s_messages_are_social_and_what_the_mentor_writes_is_not_the_learner_s(one):
    met(one, "s1", "held", at(3, 1), learner_id="ana", minutes=40.0)
    met(one, "s2", "missed_by_learner", at(3, 2), learner_id="ana", minutes=30.0)
    met(one, "m1", "message_by_learner", at(3, 3), learner_id="ana")
    met(one, "m2", "message_by_mentor", at(3, 3), learner_id="ana")
    assert learned(one) == {("P", "social"): (40.0, 2, 1, 0.0, 0)}


def test_a_session_without_a_length_is_an_event_of_unknown_minutes(one):
    met(one, "s1", "held", at(3, 1), learner_id="ana", minutes=0.0)
    assert learned(one) == {("P", "social"): (0.0, 1, 0, 0.0, 0)}


def test_a_kept_commitment_is_practice_and_a_dropped_one_an_outcome_alone(one):
    for number, status in enumerate(("kept", "partly", "dropped", "open")):
        promised(one, f"c{number}", epoch(3, 1), epoch(3, 8), status, learner_id="ana")
    assert learned(one) == {("P", "experiential"): (0.0, 2, 0, 1.5, 3)}


def test_work_is_practice_shadowing_is_social_and_only_others_confirm(one):
    work(one, "task", on(3, 1), confirmed_by="manager")
    work(one, "project", on(3, 2), minutes=None, confirmed_by="self")
    work(one, "application", on(3, 3))
    work(one, "shadowing", on(3, 4), confirmed_by="mentor")
    assert learned(one) == {
        ("P", "experiential"): (60.0, 3, 2, 1.0, 2),
        ("P", "social"): (30.0, 1, 1, 1.0, 1),
    }


def test_a_rule_that_changes_moves_its_minutes_to_another_strand(one):
    work(one, "shadowing", on(3, 4))
    changed = [
        rule._replace(strand="experiential") if (rule.source, rule.kind) == ("work_activity", "shadowing") else rule
        for rule in STRAND_RULES
    ]
    rows = one.rows(f"SELECT strand, minutes FROM {moments(CONTEXT.observed, TONIGHT, rules=changed)}")
    assert rows == [("experiential", 30.0)]
    assert learned(one) == {("P", "social"): (30.0, 1, 1, 0.0, 0)}


def test_minutes_of_statements_are_known_where_a_course_s_log_measures_any(one):
    enrol(one, "e2", "ana", course_id="D")
    acted(one, "e1", epoch(3, 1), minutes=5.0, events_count=3)
    acted(one, "e1", epoch(3, 2), minutes=0.0, events_count=2)
    acted(one, "e2", epoch(3, 2), minutes=0.0, events_count=7)
    found = one.frame(evidence(CONTEXT.observed, TONIGHT)).select("course_id", *SUMS[:3]).rows()
    assert found == [("C", 5.0, 5, 5), ("D", 0.0, 7, 0)]


def test_what_names_no_programme_belongs_to_the_learner_s_only_one_else_to_none(one):
    work(one, "task", on(3, 1))
    assert list(learned(one)) == [("P", "experiential")]
    add(one, "core.participation", participation_id="Q:ana", learner_id="ana", programme_id="Q", status="active")
    assert list(learned(one)) == [(OUTSIDE, "experiential")]
    add(
        one, "core.learner_activity", learner_id="ana", epoch_day=epoch(3, 1), strand="social", activity_kind="forum",
        events_count=4, minutes=0.0,
    )  # fmt: skip
    assert learned(one)[OUTSIDE, "social"] == (0.0, 4, 0, 0.0, 0)


def test_a_score_is_an_outcome_of_formal_learning_once_it_is_known(one):
    for activity, known in (("a", epoch(3, 12)), ("b", TONIGHT)):
        add(
            one, "core.submission", enrolment_id="e1", activity_iri=activity, submitted_epoch_day=epoch(3, 1),
            known_epoch_day=epoch(3, 1), score_share=0.7, score_known_epoch_day=known,
        )  # fmt: skip
    assert learned(one) == {("P", "formal"): (0.0, 0, 0, 0.7, 1)}


def test_what_is_told_tonight_or_later_is_not_known_yet(one):
    acted(one, "e1", epoch(3, 1), known_epoch_day=TONIGHT)
    met(one, "s1", "held", at(3, 1), learner_id="ana", known_epoch_day=TONIGHT)
    met(one, "s2", "held", OBSERVED, learner_id="ana")
    promised(one, "c1", epoch(3, 1), epoch(3, 8), "kept", learner_id="ana", reviewed_known_epoch_day=TONIGHT)
    work(one, "task", on(3, 1), known_at=OBSERVED)
    work(one, "project", on(3, 13))
    assert learned(one) == {}


def test_an_enrolment_is_active_until_its_end_is_known(warehouse):
    enrol(
        warehouse,
        "e1",
        "ana",
        enrolled_epoch_day=epoch(1, 20),
        ended_epoch_day=epoch(2, 3),
        ended_known_epoch_day=TONIGHT,
    )
    enrol(
        warehouse,
        "e2",
        "ben",
        enrolled_epoch_day=epoch(1, 20),
        ended_epoch_day=epoch(2, 3),
        ended_known_epoch_day=epoch(2, 4),
    )
    months = warehouse.rows(f"SELECT learner_id, month_starts_on FROM ({active(TONIGHT)})")
    assert months == [
        *(("ana", on(month, 1)) for month in (1, 2, 3)),
        *(("ben", on(month, 1)) for month in (1, 2)),
    ]
