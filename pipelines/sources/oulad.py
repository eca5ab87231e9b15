"""The Open University Learning Analytics Dataset, turned into Handrail's inputs.

Belongs here: the mapping of its seven tables (Kuzilek, Hlosta, Zdrahal 2017, doi:10.1038/sdata.2017.171) to the
inputs, as typed rows without a detour through JSON. Does not belong here: anything later stages do with them.

One programme a presentation, one course run a module-presentation. Days count from the presentation's start,
taken as 1 February for B and 1 October for J. A dated fact happens at the end of its day. Exact duplicates of
click rows are real records and are kept: a statement's id is the hash of its row and its occurrence number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl

from data_contracts.errors import BadInputError
from data_contracts.tables.inputs import RAW_INPUTS, RAW_STATEMENT
from data_contracts.xapi.vocabulary import OULAD_TYPE_PREFIX, SUBMITTED, VIEWED
from pipelines.sources.record import FaultRow, Recorder, file_hash
from pipelines.sources.tombstones import Tombstones
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

SOURCE = "oulad"
HOME_PAGE = "https://analyse.kmi.open.ac.uk/open_dataset"
TABLES = ("courses", "assessments", "vle", "studentInfo", "studentRegistration", "studentAssessment", "studentVle")
DEFAULT_DAY = 112

_START = (
    "make_date(CAST(code_presentation[1:4] AS INTEGER), CASE code_presentation[5:5] WHEN 'B' THEN 2 ELSE 10 END, 1)"
)
_COURSE = "code_module || '-' || code_presentation"
_KNOWN = ", TIMESTAMP '1970-01-01' AS known_at, true AS is_known_at_assumed, 'oulad' AS source_name"


def presentation_start(presentation: str) -> date:
    """First day of a presentation such as 2013J.

    Raises:
        BadInputError: the name is not a year and B or J.
    """
    if len(presentation) != 5 or not presentation[:4].isdigit() or presentation[4] not in "BJ":
        message = f"courses.code_presentation {presentation!r} is not a year followed by B or J"
        raise BadInputError(message)
    return date(int(presentation[:4]), 2 if presentation[4] == "B" else 10, 1)


def presentations(folder: Path) -> list[str]:
    """Presentations in the files, earliest first."""
    with duckdb.connect() as con:
        found = con.execute(
            "SELECT DISTINCT code_presentation FROM read_parquet(?)", [str(folder / "courses.parquet")]
        ).fetchall()
    return sorted((str(row[0]) for row in found), key=presentation_start)


def default_as_of(folder: Path) -> str:
    """The end of day 112 of the last presentation: mid-course, with a past to learn from."""
    start = presentation_start(presentations(folder)[-1])
    return (start + timedelta(days=DEFAULT_DAY + 1)).isoformat()


def fingerprint(folder: Path) -> str:
    """SHA-256 over the content of the seven tables."""
    lines = [f"{name}:{file_hash(folder / f'{name}.parquet')}" for name in TABLES]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def check_folder(folder: Path) -> None:
    """Make sure that all seven tables are there.

    Raises:
        BadInputError: a file is missing.
    """
    for name in TABLES:
        if not (folder / f"{name}.parquet").exists():
            message = f"{name}.parquet is not in the folder; the Open University data has {', '.join(TABLES)}"
            raise BadInputError(message)


def take(folder: Path, warehouse: Warehouse, pseudonyms: Pseudonyms, record: Recorder) -> None:
    """Take all seven tables in, once by content, in one transaction.

    Raises:
        BadInputError: a file is missing.
    """
    check_folder(folder)
    content_hash = fingerprint(folder)
    if record.is_taken(content_hash, "statement"):
        return
    _map_students(folder, warehouse, pseudonyms)
    with record.unit():
        for table, select in _tables(folder).items():
            record.insert(RAW_INPUTS[table], f"SELECT *{_KNOWN}, '{table}' AS file_name FROM ({select})")
        _refuse_enrolments(folder, record, content_hash)
        taken = 0
        for select in (*_clicks(folder), _scores(folder)):
            taken += record.insert(
                RAW_STATEMENT,
                f"SELECT *, happened_at AS known_at, true AS is_known_at_assumed, md5(statement_id) AS content_hash, "
                f"'oulad' AS source_name, '{content_hash}' AS file_hash FROM ({select})",
            )
        record.taken += taken
        record.file(content_hash, folder.name, "statement", taken, sum(record.refused.values()), source_name=SOURCE)


def _from(folder: Path, name: str) -> str:
    return f"read_parquet({_text(folder / f'{name}.parquet')})"


def _text(value: object) -> str:
    """A value as an SQL literal."""
    return "'" + str(value).replace("'", "''") + "'"


def _map_students(folder: Path, warehouse: Warehouse, pseudonyms: Pseudonyms) -> None:
    students = [
        int(row[0])
        for row in warehouse.rows(f"SELECT DISTINCT id_student FROM {_from(folder, 'studentInfo')} ORDER BY 1")
    ]
    erased = Tombstones.of(warehouse, pseudonyms)
    if erased:
        students = [student for student in students if not erased.hides(pseudonyms.person(str(student)))]
    people = pl.DataFrame(
        [
            (student, pseudonyms.person(str(student)), pseudonyms.identity("account", f"{HOME_PAGE}::{student}"))
            for student in students
        ],
        schema={"id_student": pl.Int64, "learner_id": pl.String, "identity_id": pl.String},
        orient="row",
    )
    warehouse.con.register("incoming_people", people)
    warehouse.execute("CREATE OR REPLACE TEMP TABLE student AS SELECT * FROM incoming_people")
    warehouse.con.unregister("incoming_people")
    account = f"'{HOME_PAGE}::' || id_student"
    warehouse.write_identities(
        "INSERT INTO identity.main.identifier_link SELECT identity_id, learner_id FROM incoming "
        "WHERE identity_id NOT IN (SELECT identity_id FROM identity.main.identifier_link); "
        f"INSERT INTO identity.main.identifier SELECT identity_id, 'account', {account} FROM incoming "
        "WHERE identity_id NOT IN (SELECT identity_id FROM identity.main.identifier); "
        "INSERT INTO identity.main.person SELECT learner_id, CAST(id_student AS VARCHAR), NULL, NULL FROM incoming "
        "WHERE learner_id NOT IN (SELECT person_id FROM identity.main.person)",
        people,
    )
    audit = warehouse.frame(
        "SELECT DISTINCT ON (learner_id) learner_id, gender, age_band, disability, imd_band AS deprivation_band "
        f"FROM {_from(folder, 'studentInfo')} JOIN student USING (id_student) ORDER BY learner_id, code_presentation"
    )
    warehouse.write_identities(
        "DELETE FROM identity.main.audit WHERE learner_id IN (SELECT learner_id FROM incoming); "
        "INSERT INTO identity.main.audit SELECT * FROM incoming",
        audit,
    )


def _site(prefix: str, column: str) -> str:
    return f"'{HOME_PAGE}/{prefix}/' || CAST(CAST({column} AS BIGINT) AS VARCHAR)"


def _tables(folder: Path) -> dict[str, str]:
    """One SELECT an input table; column names are the raw tables'."""
    courses, assessments = _from(folder, "courses"), _from(folder, "assessments")
    length = "CAST(module_presentation_length AS INTEGER)"
    joined = (
        f"{_from(folder, 'studentInfo')} AS i JOIN {_from(folder, 'studentRegistration')} AS r "
        f"USING (code_module, code_presentation, id_student) JOIN {courses} USING (code_module, code_presentation) "
        "JOIN student USING (id_student)"
    )
    left = "date_unregistration IS NOT NULL"
    status = f"CASE WHEN {left} THEN 'abandoned' WHEN final_result = 'Fail' THEN 'failed' ELSE 'completed' END"
    return {
        "programme": f"SELECT code_presentation AS programme_id, 'Open University ' || code_presentation AS name, "
        f"'other' AS aim, 'democratised' AS selection, {_START} AS starts_on, {_START} + CAST(max({length}) AS INTEGER) "
        f"AS ends_on, 'UTC' AS timezone FROM {courses} GROUP BY code_presentation",
        "course": f"SELECT {_COURSE} AS course_id, '{HOME_PAGE}/' || {_COURSE} AS activity_iri, "
        f"{_COURSE} AS title, 'online_asynchronous' AS delivery, {_START} AS starts_on, {_START} + {length} AS ends_on "
        f"FROM {courses}",
        "programme_course": f"SELECT code_presentation AS programme_id, {_COURSE} AS course_id, true AS is_required "
        f"FROM {courses}",
        "activity": f"SELECT {_site('vle', 'id_site')} AS activity_iri, {_COURSE} AS course_id, "
        f"'{OULAD_TYPE_PREFIX}' || activity_type AS activity_type_iri, NULL AS due_on, NULL AS weight, "
        f"false AS is_assessment FROM {_from(folder, 'vle')} UNION ALL "
        f"SELECT {_site('assessment', 'id_assessment')}, {_COURSE}, '{OULAD_TYPE_PREFIX}assessment', "
        f"{_START} + CAST(date AS INTEGER), weight, true FROM {assessments}",
        "learner": "SELECT learner_id FROM student",
        "enrolment": f"SELECT {_COURSE} || '-' || learner_id AS enrolment_id, learner_id, "
        f"code_presentation AS programme_id, {_COURSE} AS course_id, {_START} + CAST(date_registration AS INTEGER) "
        f"AS enrolled_on, {_START} + {length} AS due_on, {status} AS status, {_START} + CASE WHEN {left} "
        f"THEN CAST(date_unregistration AS INTEGER) ELSE {length} END AS status_on, studied_credits, "
        f"CAST(num_of_prev_attempts AS BIGINT) AS previous_attempts_count FROM {joined} "
        f"WHERE date_registration IS NOT NULL AND NOT (final_result = 'Withdrawn' AND NOT ({left}))",
    }


def _refuse_enrolments(folder: Path, record: Recorder, content_hash: str) -> None:
    rows = record.warehouse.rows(
        f"SELECT row_number, date_registration IS NULL FROM (SELECT row_number() OVER () AS row_number, * FROM "
        f"{_from(folder, 'studentRegistration')}) JOIN {_from(folder, 'studentInfo')} "
        "USING (code_module, code_presentation, id_student) "
        "WHERE date_registration IS NULL OR (final_result = 'Withdrawn' AND date_unregistration IS NULL) ORDER BY 1"
    )
    record.faults(
        [
            FaultRow(
                "enrolment",
                int(row),
                "date_registration" if undated else "date_unregistration",
                "missing_value",
                None,
                "studentRegistration: no date of registration"
                if undated
                else "studentRegistration: withdrawn without a date of unregistration",
                "",
            )
            for row, undated in rows
        ],
        SOURCE,
        "studentRegistration.parquet",
        content_hash,
    )


_STATEMENT = (
    "SELECT md5(concat_ws('|', '{kind}', course_id, learner_id, site, day, amount, occurrence)) AS statement_id, "
    "identity_id, '{verb}' AS verb_iri, object_iri, activity_type_iri, '"
    + HOME_PAGE
    + "/' || course_id AS context_iris, 'agent' AS actor_kind, 'activity' AS object_kind, "
    "{score} AS scaled_score, {count} AS event_count, "
    "CAST(start_on + day AS TIMESTAMP) + INTERVAL '86399 seconds' AS happened_at FROM {rows}"
)


def _clicks(folder: Path) -> Iterator[str]:
    """One row for each row of studentVle, its clicks as event_count; a query each course run, so that memory is bounded.

    Equal rows are numbered by counting them once and unfolding the count: a window over all rows costs more.
    """
    table = _from(folder, "studentVle")
    with duckdb.connect() as con:
        runs = con.execute(f"SELECT DISTINCT code_module, code_presentation FROM {table} ORDER BY ALL").fetchall()
    for module, presentation in runs:
        yield _clicks_of(
            folder, f"{table} WHERE code_module = {_text(module)} AND code_presentation = {_text(presentation)}"
        )


def _clicks_of(folder: Path, clicks: str) -> str:
    # The sites' names are joined after grouping, so that the wide texts are not grouped.
    grouped = (
        "(SELECT code_module, code_presentation, id_student, id_site, CAST(date AS INTEGER) AS day, "
        f"CAST(sum_click AS BIGINT) AS amount, count(*) AS times FROM {clicks} GROUP BY ALL)"
    )
    rows = (
        f"(SELECT {_COURSE} AS course_id, {_START} AS start_on, learner_id, identity_id, "
        "CAST(g.id_site AS BIGINT) AS site, day, amount, unnest(range(times)) AS occurrence, "
        f"{_site('vle', 'g.id_site')} AS object_iri, '{OULAD_TYPE_PREFIX}' || activity_type AS activity_type_iri "
        f"FROM {grouped} AS g JOIN student ON student.id_student = g.id_student "
        f"LEFT JOIN {_from(folder, 'vle')} AS v USING (code_module, code_presentation, id_site))"
    )
    return _STATEMENT.format(kind="vle", verb=VIEWED, score="CAST(NULL AS DOUBLE)", count="amount", rows=rows)


def _scores(folder: Path) -> str:
    """One row for each row of studentAssessment."""
    rows = (
        f"(SELECT {_COURSE} AS course_id, {_START} AS start_on, learner_id, identity_id, "
        "CAST(id_assessment AS BIGINT) AS site, CAST(date_submitted AS INTEGER) AS day, score AS amount, "
        "row_number() OVER (PARTITION BY id_assessment, s.id_student, date_submitted, score) - 1 AS occurrence, "
        f"{_site('assessment', 'id_assessment')} AS object_iri, '{OULAD_TYPE_PREFIX}assessment' AS activity_type_iri "
        f"FROM {_from(folder, 'studentAssessment')} AS s JOIN {_from(folder, 'assessments')} USING (id_assessment) "
        "JOIN student ON student.id_student = s.id_student)"
    )
    return _STATEMENT.format(kind="assessment", verb=SUBMITTED, score="amount / 100", count="1", rows=rows)
