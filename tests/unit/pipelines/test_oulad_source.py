"""Seven tables small enough to count by hand, with every trap of the real ones."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from data_contracts.errors import BadInputError
from data_contracts.expectations import judge_rows
from data_contracts.tables.inputs import RAW_INPUTS, RAW_STATEMENT
from data_contracts.xapi.vocabulary import SUBMITTED, VIEWED
from pipelines.sources import oulad
from pipelines.sources.record import Recorder

AAA_J, AAA_B = ("AAA", "2013J"), ("AAA", "2014B")
START_J, START_B = date(2013, 10, 1), date(2014, 2, 1)

# Each with module, presentation, student, days of registration and unregistration, and the final result.
STUDENTS = [
    (*AAA_J, 774411, -30.0, None, "Pass"),
    (*AAA_J, 774412, -10.0, 40.0, "Withdrawn"),
    (*AAA_J, 774413, -5.0, -2.0, "Withdrawn"),
    (*AAA_J, 774414, 0.0, None, "Withdrawn"),
    (*AAA_J, 774415, None, None, "Fail"),
    (*AAA_J, 774416, -1.0, 20.0, "Fail"),
    (*AAA_B, 774411, -20.0, None, "Fail"),
]

# Each with module, presentation, student, site, day and clicks; the second and third are one row twice.
CLICKS = [
    (*AAA_J, 774411, 100.0, -3.0, 4.0),
    (*AAA_J, 774411, 100.0, 5.0, 2.0),
    (*AAA_J, 774411, 100.0, 5.0, 2.0),
    (*AAA_J, 774411, 100.0, 5.0, 7.0),
    (*AAA_J, 774411, 101.0, 5.0, 2.0),
    (*AAA_J, 774412, 100.0, 5.0, 2.0),
    (*AAA_B, 774411, 102.0, 5.0, 2.0),
]

# Each with assessment, student, day of submission and score; the last two are one row twice.
SCORES = [(900.0, 774411.0, 18.0, 78.0), (900.0, 774412.0, 19.0, None), (900.0, 774412.0, 19.0, None)]


def write(folder, name, names, rows):
    pl.DataFrame(rows, schema=names.split(), orient="row").write_parquet(folder / f"{name}.parquet")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "it's oulad"
    made.mkdir()
    keys = "code_module code_presentation"
    write(made, "courses", f"{keys} module_presentation_length", [(*AAA_J, 268.0), (*AAA_B, 241.0)])
    write(
        made,
        "assessments",
        f"{keys} id_assessment assessment_type date weight",
        [(*AAA_J, 900.0, "TMA", 19.0, 10.0), (*AAA_J, 901.0, "Exam", None, 100.0)],
    )
    write(
        made,
        "vle",
        f"id_site {keys} activity_type",
        [(100.0, *AAA_J, "forumng"), (101.0, *AAA_J, "oucontent"), (102.0, *AAA_B, "homepage")],
    )
    write(
        made,
        "studentInfo",
        f"{keys} id_student gender imd_band age_band num_of_prev_attempts studied_credits disability final_result",
        [(*row[:2], float(row[2]), "F", "20-30%", "0-35", 1.0, 60.0, "N", row[5]) for row in STUDENTS],
    )
    write(
        made,
        "studentRegistration",
        f"{keys} id_student date_registration date_unregistration",
        [(*row[:2], float(row[2]), *row[3:5]) for row in STUDENTS],
    )
    write(made, "studentAssessment", "id_assessment id_student date_submitted score", SCORES)
    write(
        made,
        "studentVle",
        f"{keys} id_student id_site date sum_click",
        [(*row[:2], float(row[2]), *row[3:]) for row in CLICKS],
    )
    return made


@pytest.fixture
def taken(house, folder, recorder):
    oulad.take(folder, house.warehouse, house.night.pseudonyms, recorder)
    return house


def person(house, student):
    return house.night.pseudonyms.person(str(student))


def test_every_click_row_and_every_submission_is_one_statement_with_an_id_of_its_own(taken, recorder):
    assert taken.rows(
        "SELECT verb_iri, count(*), count(DISTINCT statement_id) FROM raw.statement GROUP BY ALL ORDER BY ALL"
    ) == sorted([(VIEWED, len(CLICKS), len(CLICKS)), (SUBMITTED, len(SCORES), len(SCORES))])
    assert recorder.taken == len(CLICKS) + len(SCORES)


def test_exact_duplicates_are_kept_with_distinct_ids(taken):
    twice = taken.rows(
        "SELECT count(*), count(DISTINCT statement_id), sum(event_count) FROM raw.statement "
        "WHERE object_iri LIKE '%/vle/100' AND event_count = 2 AND identity_id = ?",
        taken.night.pseudonyms.identity("account", f"{oulad.HOME_PAGE}::774411"),
    )
    assert twice == [(2, 2, 4)]


def test_ids_depend_on_the_rows_and_not_on_their_order_or_the_file(taken, folder, tmp_path):
    first = set(taken.rows("SELECT statement_id FROM raw.statement"))
    taken.warehouse.execute("DELETE FROM raw.statement")
    clicks = pl.read_parquet(folder / "studentVle.parquet")
    clicks.reverse().write_parquet(folder / "studentVle.parquet")
    again = Recorder(taken.warehouse)
    oulad.take(folder, taken.warehouse, taken.night.pseudonyms, again)
    assert again.taken == len(CLICKS) + len(SCORES)
    assert set(taken.rows("SELECT statement_id FROM raw.statement")) == first


def test_days_count_from_the_start_and_a_dated_fact_happens_at_the_end_of_its_day(taken):
    days = taken.rows(
        "SELECT DISTINCT CAST(happened_at AS DATE), strftime(happened_at, '%H:%M:%S') FROM raw.statement ORDER BY 1"
    )
    assert days == [
        (date(2013, 9, 28), "23:59:59"),
        (date(2013, 10, 6), "23:59:59"),
        (date(2013, 10, 19), "23:59:59"),
        (date(2013, 10, 20), "23:59:59"),
        (date(2014, 2, 6), "23:59:59"),
    ]
    assert taken.rows("SELECT DISTINCT known_at = happened_at, is_known_at_assumed FROM raw.statement") == [
        (True, True)
    ]


def test_scores_are_shares_and_a_missing_score_is_none(taken):
    found = taken.rows("SELECT scaled_score FROM raw.statement WHERE verb_iri = ? ORDER BY ALL", SUBMITTED)
    assert sorted(found, key=str) == [(0.78,), (None,), (None,)]


def test_a_statement_names_its_course_and_its_kind(taken):
    found = taken.rows("SELECT context_iris, activity_type_iri FROM raw.statement WHERE object_iri LIKE '%/vle/102'")
    assert [(parent.rpartition("/")[2], kind.rpartition("/")[2]) for parent, kind in found] == [
        ("AAA-2014B", "homepage")
    ]


def test_enrolments_end_as_the_registration_says(taken):
    found = taken.rows("SELECT learner_id, course_id, enrolled_on, status, status_on FROM raw.enrolment")
    assert {(learner, course): rest for learner, course, *rest in found} == {
        (person(taken, 774411), "AAA-2013J"): [date(2013, 9, 1), "completed", date(2014, 6, 26)],
        (person(taken, 774412), "AAA-2013J"): [date(2013, 9, 21), "abandoned", date(2013, 11, 10)],
        (person(taken, 774413), "AAA-2013J"): [date(2013, 9, 26), "abandoned", date(2013, 9, 29)],
        (person(taken, 774416), "AAA-2013J"): [date(2013, 9, 30), "abandoned", date(2013, 10, 21)],
        (person(taken, 774411), "AAA-2014B"): [date(2014, 1, 12), "failed", date(2014, 9, 30)],
    }


def test_enrolments_whose_end_or_beginning_nobody_dated_are_refused_with_a_reason_and_counted(taken, recorder):
    assert taken.faults() == [
        ("enrolment", 4, "date_unregistration", "missing_value"),
        ("enrolment", 5, "date_registration", "missing_value"),
    ]
    assert taken.rows("SELECT row_count, quarantined_count FROM raw.file") == [(len(CLICKS) + len(SCORES), 2)]
    assert sum(recorder.refused.values()) == 2


def test_a_presentation_is_a_programme_and_a_module_presentation_its_course(taken):
    assert taken.rows("SELECT programme_id, starts_on, ends_on FROM raw.programme ORDER BY 1") == [
        ("2013J", START_J, date(2014, 6, 26)),
        ("2014B", START_B, date(2014, 9, 30)),
    ]
    assert taken.rows("SELECT programme_id, course_id FROM raw.programme_course ORDER BY 1") == [
        ("2013J", "AAA-2013J"),
        ("2014B", "AAA-2014B"),
    ]


def test_assessments_have_their_due_day_where_the_data_has_one(taken):
    assert taken.rows("SELECT due_on, weight FROM raw.activity WHERE is_assessment ORDER BY weight") == [
        (date(2013, 10, 20), 10.0),
        (None, 100.0),
    ]
    assert taken.warehouse.scalar("SELECT count(*) FROM raw.activity WHERE NOT is_assessment") == 3


def test_a_second_take_does_nothing(taken, folder, recorder):
    before = {name: taken.warehouse.count(table) for name, table in RAW_INPUTS.items()}
    again = Recorder(taken.warehouse)
    oulad.take(folder, taken.warehouse, taken.night.pseudonyms, again)
    assert (again.taken, again.refused) == (0, {})
    assert {name: taken.warehouse.count(table) for name, table in RAW_INPUTS.items()} == before
    assert taken.warehouse.count(RAW_STATEMENT) == len(CLICKS) + len(SCORES)


def test_no_students_number_stands_in_the_warehouse_and_audit_attributes_are_apart(taken):
    for table in ("raw.enrolment", "raw.learner", "raw.statement"):
        assert not any("77441" in str(row) for row in taken.rows(f"FROM {table}"))
    assert taken.rows("SELECT count(*), count(DISTINCT person_id) FROM identity.main.person") == [(6, 6)]
    assert taken.rows("SELECT DISTINCT gender, deprivation_band FROM identity.main.audit") == [("F", "20-30%")]


def test_what_is_taken_holds_the_contracts_of_statements_and_enrolments(taken):
    for table in (RAW_STATEMENT, RAW_INPUTS["enrolment"], RAW_INPUTS["activity"]):
        told = judge_rows(table, taken.warehouse.con.sql(f"FROM {table.qualified_name}").df())
        assert told.is_passed, told.violations


def test_a_missing_table_is_named(house, folder, recorder):
    (folder / "vle.parquet").unlink()
    with pytest.raises(BadInputError, match=r"vle\.parquet is not in the folder"):
        oulad.take(folder, house.warehouse, house.night.pseudonyms, recorder)


def test_presentations_come_in_time_order_and_the_default_night_is_mid_course_of_the_last(folder):
    assert oulad.presentations(folder) == ["2013J", "2014B"]
    # Day 112 of 2014B is 24 May 2014; it is observed when it is over.
    assert oulad.default_as_of(folder) == "2014-05-25"
    assert datetime.fromisoformat(oulad.default_as_of(folder)).replace(tzinfo=UTC).date() == date(2014, 5, 25)


@pytest.mark.parametrize(("name", "start"), [("2013B", date(2013, 2, 1)), ("2013J", date(2013, 10, 1))])
def test_a_presentation_starts_in_february_or_october(name, start):
    assert oulad.presentation_start(name) == start


@pytest.mark.parametrize("name", ["2013", "2013K", "13J", "J2013", ""])
def test_a_presentation_of_another_name_is_refused(name):
    with pytest.raises(BadInputError, match="is not a year followed by B or J"):
        oulad.presentation_start(name)


def test_the_fingerprint_follows_every_table(folder):
    first = oulad.fingerprint(folder)
    assert oulad.fingerprint(folder) == first
    write(folder, "vle", "id_site code_module code_presentation activity_type", [(100.0, *AAA_J, "quiz")])
    assert oulad.fingerprint(folder) != first
