"""What the mart of data quality shows: refused rows, rows by table, findings, lateness, this run's checks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from data_contracts.tables.core import CORE_TABLES
from data_contracts.tables.inputs import RAW_TABLES
from tests.unit.pipelines.marts_rows import add, at, enrol, rows


def test_refused_rows_are_counted_by_table_and_reason(warehouse):
    for number, row_count in ((1, 100), (2, 11)):
        add(warehouse, "raw.file", file_hash=str(number), table_name="enrolment", row_count=row_count)
    for fault_id, reason in (("1", "no_time"), ("2", "bad_date"), ("3", "bad_date")):
        add(warehouse, "raw.quarantine", fault_id=fault_id, table_name="enrolment", reason=reason)
    add(warehouse, "raw.quarantine", fault_id="4", table_name="goal", reason="unreadable")
    names = ("table_name", "reason", "is_passed", "row_count", "quarantined_count")
    assert [row for row in rows(warehouse, "data_quality", "check_name", *names) if row[0] == "quarantine"] == [
        ("quarantine", "enrolment", "bad_date", False, 111, 2),
        ("quarantine", "enrolment", "no_time", False, 111, 1),
        ("quarantine", "goal", "unreadable", False, 0, 1),
    ]


def test_every_raw_and_core_table_has_its_row_count(warehouse):
    enrol(warehouse, "e1", "l1")
    add(warehouse, "raw.goal", goal_id="g")
    found = {
        table: row_count
        for table, check, row_count in rows(warehouse, "data_quality", "table_name", "check_name", "row_count")
        if check == "row_count"
    }
    assert set(found) == {table.qualified_name for table in (*RAW_TABLES, *CORE_TABLES)}
    assert {table for table, row_count in found.items() if row_count} == {"core.enrolment", "raw.goal"}


def test_what_was_found_in_statements_stands_with_what_it_is_out_of_and_the_most_frequent_unknown_terms(
    warehouse,
):
    for finding, value, found_count in (
        ("attribution", "ambiguous", 3),
        ("unknown_term", "verb", 40),
        ("voided", None, 2),
    ):
        told = {"finding": finding, "finding_value": value, "found_count": found_count, "out_of_count": 50}
        add(warehouse, "core.statement_finding", **told)
    for number in range(30):
        term = f"https://x.test/verbs/v{number:02d}"
        add(warehouse, "core.unknown_term", term_kind="verb", term=term, statements_count=100 - number)
    found = rows(warehouse, "data_quality", "check_name", "reason", "check_value", "row_count")
    assert {row for row in found if row[0] in {"attribution", "unknown_term", "voided"}} == {
        ("attribution", "ambiguous", 3, 50),
        ("unknown_term", "verb", 40, 50),
        ("voided", None, 2, 50),
    }
    terms = [row for row in found if row[0] == "unknown_verb"]
    assert (len(terms), terms[0], terms[-1]) == (
        25,
        ("unknown_verb", "https://x.test/verbs/v00", 100, 50),
        ("unknown_verb", "https://x.test/verbs/v24", 76, 50),
    )


def test_what_was_found_in_mentoring_logs_stands_by_the_table_it_was_found_in(warehouse):
    for table_name, found_count in (("raw.mentoring_session", 3), ("raw.mentoring_message", 0)):
        told = {"finding": "unknown_match", "table_name": table_name, "found_count": found_count, "out_of_count": 50}
        add(warehouse, "core.mentoring_finding", **told)
    found = rows(
        warehouse, "data_quality", "check_name", "table_name", "reason", "is_passed", "check_value", "row_count"
    )
    assert [row for row in found if row[0] == "unknown_match"] == [
        ("unknown_match", "raw.mentoring_message", None, True, 0, 50),
        ("unknown_match", "raw.mentoring_session", None, True, 3, 50),
    ]


def test_lateness_is_measured_where_it_is_known_and_once_an_event(warehouse):
    for number, hours in enumerate((0, 1, 2, 3, 100)):
        add(
            warehouse,
            "raw.statement",
            statement_id=str(number),
            happened_at=at(3, 1),
            known_at=at(3, 1) + timedelta(hours=hours),
        )
    add(
        warehouse,
        "raw.statement",
        statement_id="assumed",
        happened_at=at(3, 1),
        known_at=at(3, 1),
        is_known_at_assumed=True,
    )
    add(warehouse, "raw.mentoring_message", message_id="x", sent_at=at(3, 1), known_at=at(3, 1, 18))
    add(warehouse, "raw.mentoring_message", message_id="x", sent_at=at(3, 1), known_at=at(3, 9))
    add(warehouse, "raw.mentoring_session", session_id="clock ahead", held_at=at(3, 2), known_at=at(3, 1))
    found = rows(
        warehouse,
        "data_quality",
        "check_name",
        "table_name",
        "row_count",
        "lateness_hours_median",
        "lateness_hours_p95",
    )
    assert [row[1:] for row in found if row[0] == "lateness"] == [
        ("raw.mentoring_message", 1, 6.0, 6.0),
        ("raw.mentoring_session", 1, 0.0, 0.0),
        ("raw.statement", 5, 2.0, pytest.approx(80.6)),
    ]


def test_the_checks_shown_are_this_runs(warehouse):
    for run_id, check_value in (("run-1", 1.0), ("run-2", 2.0)):
        add(
            warehouse,
            "ops.check_result",
            run_id=run_id,
            table_name="core.enrolment",
            check_name="unique_key",
            is_passed=False,
            check_value=check_value,
            row_count=7,
        )
    add(
        warehouse,
        "ops.check_result",
        run_id="run-2",
        table_name="main.dim_date",
        check_name="unique_key",
        is_passed=True,
        check_value=0.0,
        row_count=1,
    )
    found = rows(warehouse, "data_quality", "check_name", "is_passed", "check_value", "row_count")
    assert [row for row in found if row[0] == "unique_key"] == [("unique_key", False, 2.0, 7)]
