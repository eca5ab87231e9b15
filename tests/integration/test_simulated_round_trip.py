"""A dirty simulated world goes in and its truth comes out: counts, minutes, matches, goals, costs, and every fault.

The truth is what the simulator wrote down beside the inbox; it knows nothing of how the pipeline counts.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from pipelines.sources.simulated import SimulationSettings, simulate

WORLD = SimulationSettings(seed=5, learners=110, weeks=10, dirt=0.02)
KEY = "0123456789abcdef" * 4

# What is found in data_quality without having been refused: its check, and the value that it is told for.
FINDINGS = {
    "unknown_verb": ("unknown_term", "verb"),
    "group_without_members": ("group_without_members", None),
    "void_without_target": ("void_without_target", None),
}


@dataclass
class RoundTrip:
    code: int
    truth: dict[str, Any]
    warehouse: duckdb.DuckDBPyConnection
    marts: duckdb.DuckDBPyConnection

    def counts(self, sql: str) -> dict[Any, Any]:
        """The rows of a query as keys and a value; one key stands alone."""
        rows = self.warehouse.execute(sql).fetchall()
        return {row[0] if len(row) == 2 else row[:-1]: row[-1] for row in rows}


@pytest.fixture(scope="module")
def trip(tmp_path_factory, handrail):
    folder = tmp_path_factory.mktemp("trip")
    simulate(folder / "world", WORLD)
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "key").write_text(KEY, "ascii")
    told = handrail("run", "--source", "inbox", "--data", folder / "world" / "inbox", "--home", home)
    truth = json.loads((folder / "world" / "truth.json").read_bytes())
    with (
        duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse,
        duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts,
    ):
        yield RoundTrip(told.code, truth, warehouse, marts)


def test_a_dirty_world_is_published_and_the_command_says_that_something_was_refused(trip):
    assert trip.code == 3


# --- statements


def test_statements_are_counted_once_and_void_ones_not_at_all(trip):
    told = trip.truth["statements"]
    assert trip.counts("SELECT 'rows', count(DISTINCT statement_id) FROM raw.statement") == {"rows": told["distinct"]}
    assert trip.counts("SELECT 'rows', count(*) FROM core.statement") == {"rows": told["counted"]}
    assert trip.counts(
        "SELECT finding, found_count FROM core.statement_finding WHERE finding IN ('voided', 'conflicting_content')"
    ) == {
        "voided": told["voided"],
        "conflicting_content": faults(trip, "quarantine")["statement", "conflicting_content"],
    }


def test_minutes_by_strand_are_the_true_ones(trip):
    true: Counter[str] = Counter()
    for minutes in trip.truth["activity_minutes"].values():
        true.update(minutes)
    measured = trip.counts(
        "SELECT strand, sum(minutes) FROM (SELECT strand, minutes FROM core.enrolment_day "
        "UNION ALL SELECT strand, minutes FROM core.learner_activity) GROUP BY strand"
    )
    assert sum(true.values()) > 1000
    assert measured == pytest.approx(true, abs=0.01)


def test_minutes_by_programme_are_the_true_ones_but_for_what_names_no_course_or_fits_two_programmes(trip):
    loose = trip.truth["activity_minutes"]["unattributed"]
    measured = trip.counts(
        "SELECT programme_id, strand, sum(minutes) FROM core.enrolment_day JOIN core.enrolment USING (enrolment_id) "
        "GROUP BY ALL"
    )
    for programme, minutes in trip.truth["activity_minutes"].items():
        if programme != "unattributed":
            for strand, true in minutes.items():
                # Who takes one course in two programmes leaves statements that fit both.
                assert 0.99 * true <= measured[programme, strand] <= 1.01 * true + loose.get(strand, 0)


# --- who is in what, and how it ended


def test_rows_of_tables_are_the_true_ones(trip):
    keys = {
        "enrolment": "enrolment_id",
        "learner": "learner_id",
        "mentor": "mentor_id",
        "mentoring_match": "match_id",
        "goal": "goal_id",
        "commitment": "commitment_id",
        "support_ticket": "ticket_id",
        "survey_response": "response_id",
        "mentoring_message": "message_id",
    }
    for name, key in keys.items():
        rows = trip.counts(f"SELECT 'rows', count(DISTINCT {key}) FROM raw.{name}")["rows"]
        assert rows == trip.truth["rows"][name], name


def test_statuses_of_enrolments_are_the_true_ones(trip):
    assert (
        trip.counts("SELECT status, count(*) FROM raw.enrolment GROUP BY status") == trip.truth["enrolments_by_status"]
    )


def test_what_a_later_export_states_again_is_a_version_and_no_second_row(trip):
    for name, key in (("mentoring_match", "match_id"), ("goal", "goal_id")):
        versions = trip.counts(f"SELECT 'more', count(*) - count(DISTINCT {key}) FROM raw.{name}")["more"]
        assert versions == trip.truth["restated_rows"][name] > 0, name


# --- mentoring


def test_sessions_and_their_minutes_are_the_true_ones_by_programme(trip):
    found = trip.counts(
        "SELECT programme_id, event_kind, count(*) FROM core.mentoring_event "
        "WHERE event_kind NOT LIKE 'message%' GROUP BY ALL"
    )
    true = {
        (programme, kind.removeprefix("sessions_")): count
        for programme, kinds in trip.truth["mentoring"].items()
        for kind, count in kinds.items()
        if kind.startswith("sessions_") and kind != "sessions_without_minutes"
    }
    assert found == true
    minutes = trip.counts(
        "SELECT programme_id, sum(minutes) FROM core.mentoring_event WHERE event_kind = 'held' GROUP BY ALL"
    )
    assert minutes == {programme: told["learner_minutes"] for programme, told in trip.truth["mentoring"].items()}


def test_a_meeting_of_a_group_is_one_meeting(trip):
    met = trip.counts(
        "SELECT programme_id, count(DISTINCT meeting_id) FROM core.mentoring_event "
        "WHERE event_kind = 'held' GROUP BY ALL"
    )
    assert met == {programme: told["meetings_held"] for programme, told in trip.truth["mentoring"].items()}


def test_messages_are_the_true_ones(trip):
    found = trip.counts("SELECT sender, count(DISTINCT message_id) FROM raw.mentoring_message GROUP BY sender")
    assert found == {sender: trip.truth["rows"][f"messages_by_{sender}"] for sender in ("learner", "mentor")}


# --- money and work


def test_costs_are_the_true_ones_by_programme_and_currency(trip):
    found = trip.counts("SELECT programme_id, currency, sum(amount) FROM raw.programme_cost GROUP BY ALL")
    true = {
        (programme, currency): amount
        for programme, amounts in trip.truth["costs"].items()
        for currency, amount in amounts.items()
    }
    assert found == true


def test_minutes_of_work_are_the_true_ones(trip):
    found = trip.counts("SELECT programme_id, sum(minutes) FROM raw.work_activity GROUP BY programme_id")
    assert found == trip.truth["work_minutes"]


# --- faults


def faults(trip, found_in):
    return {
        (fault["table"], fault["reason"]): fault["count"]
        for fault in trip.truth["faults"]
        if fault["found_in"] == found_in
    }


def test_every_planted_fault_is_in_quarantine_under_its_own_reason_and_nothing_else_is(trip):
    found = trip.counts("SELECT table_name, reason, count(*) FROM raw.quarantine GROUP BY ALL")
    assert len(found) > 100
    assert found == faults(trip, "quarantine")


def test_data_quality_tells_of_every_fault_that_was_refused(trip):
    told = trip.marts.execute(
        "SELECT table_name, reason, quarantined_count FROM data_quality WHERE check_name = 'quarantine'"
    ).fetchall()
    assert {(table, reason): count for table, reason, count in told} == faults(trip, "quarantine")


def test_data_quality_tells_of_what_is_valid_and_yet_no_good(trip):
    planted = faults(trip, "data_quality")
    assert {reason for _, reason in planted} == FINDINGS.keys()
    for (_, reason), count in planted.items():
        check, value = FINDINGS[reason]
        found = trip.marts.execute(
            "SELECT check_value FROM data_quality WHERE check_name = ? AND reason IS NOT DISTINCT FROM ?",
            [check, value],
        ).fetchall()
        assert found == [(count,)], reason


def test_lateness_is_seen(trip):
    told = trip.marts.execute(
        "SELECT lateness_hours_p95 FROM data_quality WHERE check_name = 'lateness' AND table_name = 'raw.statement'"
    ).fetchall()
    assert trip.truth["statements"]["late"] > 0
    assert told[0][0] > 0
