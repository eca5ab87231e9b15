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
        for programme, kinds in trip.truth["mentoring"]["by_programme"].items()
        for kind, count in kinds.items()
        if kind.startswith("sessions_") and kind != "sessions_without_minutes"
    }
    assert found == true
    minutes = trip.counts(
        "SELECT programme_id, sum(minutes) FROM core.mentoring_event WHERE event_kind = 'held' GROUP BY ALL"
    )
    assert minutes == {
        programme: told["learner_minutes"] for programme, told in trip.truth["mentoring"]["by_programme"].items()
    }


def test_a_meeting_of_a_group_is_one_meeting(trip):
    met = trip.counts(
        "SELECT programme_id, count(DISTINCT meeting_id) FROM core.mentoring_event "
        "WHERE event_kind = 'held' GROUP BY ALL"
    )
    assert met == {
        programme: told["meetings_held"] for programme, told in trip.truth["mentoring"]["by_programme"].items()
    }


def test_messages_are_the_true_ones(trip):
    found = trip.counts("SELECT sender, count(DISTINCT message_id) FROM raw.mentoring_message GROUP BY sender")
    assert found == {sender: trip.truth["rows"][f"messages_by_{sender}"] for sender in ("learner", "mentor")}


def test_goals_were_set_anew_as_often_as_they_were(trip):
    told = trip.truth["mentoring"]["goals"]
    rebaselined = """
        SELECT goal_id, CAST(recorded_on AS DATE) AS day, 'status' AS way FROM raw.goal_update
        WHERE status = 'rebaselined'
        UNION ALL
        SELECT goal_id, CAST(known_at AS DATE), 'export' FROM (
            SELECT *, lag(due_on) OVER (PARTITION BY goal_id ORDER BY known_at) AS due_before FROM raw.goal
        ) WHERE due_before <> due_on
    """
    assert trip.counts(
        f"SELECT way, count(*) FROM (SELECT string_agg(way, '+' ORDER BY way) AS way FROM ({rebaselined}) "
        "GROUP BY goal_id, day) GROUP BY way"
    ) == {
        "export": told["rebaselined_by_export_alone"],
        "status": told["rebaselined_by_status_alone"],
        "export+status": told["rebaselined_times"]
        - told["rebaselined_by_export_alone"]
        - told["rebaselined_by_status_alone"],
    }
    assert trip.counts("SELECT 'goals', count(DISTINCT goal_id) FROM raw.goal WHERE due_on IS NULL") == {
        "goals": told["without_due_date"]
    }


def test_matches_are_of_whom_and_lack_what_they_do(trip):
    found = trip.counts(
        """
        WITH goal AS (
            SELECT match_id, count(due_epoch_day) AS due FROM core.goal WHERE version_number = 1 GROUP BY match_id
        ),
        told AS (
            SELECT *, match_id NOT IN (FROM (SELECT match_id FROM goal)) AS without_goal,
                coalesce(due = 0, false) AS without_timeline, agreed_sessions_per_week IS NULL AS without_cadence,
                match_id NOT IN (SELECT match_id FROM core.mentoring_event WHERE event_kind = 'held') AS never_met
            FROM core.mentoring_match LEFT JOIN goal USING (match_id)
        ),
        counted AS (
            SELECT count(*) AS matches, count(*) FILTER (match_ended_epoch_day IS NULL) AS open,
                count(*) FILTER (without_goal) AS without_goal, count(*) FILTER (without_timeline) AS without_timeline,
                count(*) FILTER (without_cadence) AS without_cadence,
                count(*) FILTER (without_goal OR without_timeline OR without_cadence) AS unset,
                count(*) FILTER (trained_epoch_day IS NULL) AS mentor_untrained,
                count(*) FILTER (trained_epoch_day > matched_epoch_day) AS begun_before_training,
                count(*) FILTER (is_purpose_fit) AS purpose_fits,
                count(*) FILTER (NOT is_purpose_fit) AS purpose_does_not_fit,
                count(*) FILTER (is_across_org_units) AS across_org_units,
                count(*) FILTER (NOT is_across_org_units) AS within_org_unit,
                count(*) FILTER (never_met) AS never_met
            FROM told
        )
        UNPIVOT counted ON COLUMNS(*)
        """
    )
    told = trip.truth["mentoring"]["matches"]
    assert found == {name: told[name] for name in found}
    assert min(found.values()) > 0


def test_commitments_are_reviewed_at_the_next_session_as_often_as_they_were(trip):
    found = trip.counts(
        "UNPIVOT (SELECT count(*) AS made, count(reviewed_epoch_day) AS reviewed, "
        "count(next_met_epoch_day) AS with_next_session, "
        "count(*) FILTER (is_reviewed_at_next) AS reviewed_at_next_session FROM core.commitment) ON COLUMNS(*)"
    )
    told = trip.truth["mentoring"]["commitments"]
    assert found == {name: told[name] for name in found}


def test_meetings_held_by_mentor_are_the_true_ones(trip):
    found = trip.counts(
        "SELECT mentor_id, count(DISTINCT meeting_id) FROM core.mentoring_event WHERE event_kind = 'held' GROUP BY 1"
    )
    assert sorted(found.values()) == sorted(trip.truth["mentoring"]["meetings_held_by_mentor"].values())


def test_replies_by_name_took_as_long_as_they_did(trip):
    found = trip.warehouse.execute(
        "SELECT answer.sender, count(*), median(date_diff('second', said.sent_at, answer.sent_at) / 3600.0) "
        "FROM raw.mentoring_message AS answer JOIN raw.mentoring_message AS said ON said.message_id = answer.in_reply_to "
        "GROUP BY answer.sender"
    ).fetchall()
    told = trip.truth["mentoring"]["messages"]
    assert {sender: count for sender, count, _ in found} == {
        sender: told[f"replies_by_{sender}"] for sender in ("learner", "mentor")
    }
    for sender, _, hours in found:
        assert hours == pytest.approx(told[f"median_reply_hours_by_{sender}"], abs=1e-3)


def test_registrations_are_the_true_ones_by_programme(trip):
    found = trip.counts(
        "SELECT programme_id, unnest(['invited', 'registered', 'matched']), "
        "unnest([count(*), count(registered_at), count(*) FILTER (decision = 'matched')]) "
        "FROM raw.registration GROUP BY programme_id"
    )
    assert found == {
        (programme, name): counts[kind]
        for programme, counts in trip.truth["mentoring"]["by_programme"].items()
        for name, kind in (("invited", "invited"), ("registered", "registered"), ("matched", "decision_matched"))
    }


# --- the community and the courses


def test_exchanges_between_learners_are_the_true_ones_within_and_across_classes(trip):
    told = trip.truth["community"]
    found = trip.counts(
        f"""
        WITH said AS (
            SELECT s.*, l.org_unit FROM core.statement AS s JOIN raw.learner AS l USING (learner_id)
            WHERE strand = 'social' AND is_act
        ),
        pairs AS (
            SELECT *, lag(struct_pack(learner_id, org_unit, course_id, happened_at)) OVER (
                PARTITION BY object_iri ORDER BY happened_at, statement_id) AS before
            FROM said
        )
        SELECT CASE WHEN org_unit <> before.org_unit OR course_id <> before.course_id THEN 'across' ELSE 'within' END,
               count(*)
        FROM pairs
        WHERE before.learner_id <> learner_id
          AND happened_at <= before.happened_at + INTERVAL {told["exchange_days"]} DAY
        GROUP BY 1
        """
    )
    # Talk after the course that names none may fit another enrolment of the learner's.
    assert found == pytest.approx(told["exchanges"], rel=0.005)
    assert sum(found.values()) == sum(told["exchanges"].values())


def test_the_resource_that_died_was_opened_until_its_last_day(trip):
    (told,) = trip.truth["course_issues"]["dead_resources"]
    found = trip.counts(
        "SELECT object_iri, CAST(DATE '1970-01-01' + CAST(max(epoch_day) AS INTEGER) AS VARCHAR), count(*) "
        f"FROM core.statement WHERE object_iri = '{told['activity_iri']}' AND learner_id IN (SELECT learner_id "
        "FROM raw.learner) GROUP BY object_iri"
    )
    assert found == {(told["activity_iri"], told["last_opened_on"]): told["opened_count"]}


def test_the_work_that_most_failed_did_so(trip):
    (told,) = trip.truth["course_issues"]["hard_assessments"]
    found = trip.counts(
        f"SELECT is_success, count(*) FROM raw.statement WHERE object_iri = '{told['activity_iri']}' "
        "AND is_success IS NOT NULL AND statement_id IN (SELECT statement_id FROM core.statement) GROUP BY is_success"
    )
    assert found == {
        False: told["not_passed_count"],
        True: told["handed_in_count"] - told["not_passed_count"],
    }


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
