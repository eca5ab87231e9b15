"""The rule of an erasure for one table."""

from __future__ import annotations

import duckdb
import pytest

from pipelines.privacy.person import Finder, Person
from pipelines.privacy.rows import CONTRACTS, find_hits
from pipelines.statements.identity import Pseudonyms

ANA, BEN = "a" * 32, "b" * 32
FINDER = Finder(
    Person(ids={ANA}, texts={"ana@example.org"}, things={"match_id": {"m1"}, "enrolment_id": {"e1"}}),
    Pseudonyms(b"k" * 32),
)


@pytest.fixture
def con():
    with duckdb.connect() as con:
        yield con


def left_of(con, name, columns, rows):
    """What the rule leaves of rows of a table (texts alone), and how many rows it touches."""
    typed = ", ".join(f"{column} VARCHAR" for column in columns)
    con.execute(f"CREATE OR REPLACE TABLE t ({typed})")
    con.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(columns))})", rows)
    hits = find_hits(con, "t", CONTRACTS.get(name), FINDER)
    touched = con.execute(hits.touched("t")).fetchall()[0][0] if hits else 0
    return con.execute(hits.select("t")).fetchall(), touched


def test_rows_about_the_person_go_and_others_keep_their_order(con):
    rows = [(BEN,), (ANA,), (None,), (BEN,)]
    assert left_of(con, "raw.absence", ["learner_id"], rows) == ([(BEN,), (None,), (BEN,)], 1)


@pytest.mark.parametrize(
    ("name", "columns", "row", "left"),
    [
        ("raw.learner", ["learner_id", "manager_id"], (BEN, ANA), (BEN, None)),
        ("raw.course", ["course_id", "owner_id"], ("c", ANA), ("c", None)),
        ("raw.programme", ["programme_id", "coordinator_id"], ("p", ANA), ("p", None)),
        ("raw.survey_response", ["subject_id", "respondent_id"], (BEN, ANA), (BEN, None)),
        ("raw.survey_response", ["subject_id", "respondent_id"], ("m1", BEN), None),
        ("raw.mentoring_match", ["match_id", "mentor_id", "learner_id"], ("m1", ANA, BEN), None),
        ("raw.mentoring_session", ["match_id", "mentor_id"], ("m1", None), None),
        ("raw.mentoring_message", ["match_id", "mentor_id"], (None, ANA), None),
        ("raw.alert_feedback", ["alert_id", "by_id"], ("x", ANA), None),
        ("raw.goal", ["goal_id", "match_id"], ("g", "m1"), None),
        ("core.participation", ["learner_id", "mentor_id", "match_id"], (BEN, ANA, "m1"), (BEN, None, None)),
        ("core.participation", ["participation_id"], (f"p:{ANA}",), None),
        ("features.label", ["enrolment_id"], ("e1",), None),
        ("alerts.alert", ["learner_id", "mentor_id"], (BEN, ANA), (BEN, None)),
        ("main.mentor_load", ["mentor_id"], (ANA,), None),
        ("main.learner_alerts", ["learner_id", "mentor_id"], (BEN, ANA), (BEN, None)),
        ("raw.quarantine", ["fault_id", "detail"], ("f", f"identity {ANA} is claimed"), None),
        ("raw.statement", ["identity_id", "registration"], (BEN, "e1"), (BEN, None)),
        ("raw.course", ["title"], ("mail ana@example.org",), ("mail erased",)),
        ("ops.run", ["message"], (f"failed at {ANA}",), (None,)),
        ("truth", ["enrolment_id"], ("e1",), None),
    ],
)
def test_each_role_follows_the_contract(con, name, columns, row, left):
    other = tuple(f"other {column}" for column in columns)
    assert left_of(con, name, columns, [row, other]) == ([left, other] if left else [other], 1)


def test_a_group_loses_the_member_and_the_row_goes_when_nobody_is_left(con):
    rows = [(f"{ANA} {BEN}",), (ANA,), (BEN,), (None,)]
    assert left_of(con, "raw.statement", ["member_identity_ids"], rows) == ([(BEN,), (BEN,), (None,)], 2)


def test_a_table_that_never_names_the_person_is_not_touched(con):
    rows = [(BEN, "joana@example.org"), ("", None)]
    assert left_of(con, "raw.learner", ["learner_id", "org_unit"], rows) == (rows, 0)


def test_values_with_quotes_are_values(con):
    rows = [("it's ana@example.org",), ("it's ben",)]
    assert left_of(con, "raw.course", ["title"], rows)[0] == [("it's erased",), ("it's ben",)]
