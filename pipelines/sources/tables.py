"""The tables of the inbox: rows judged by their contract, persons' keys replaced, bad rows refused with a reason.

Belongs here: one table file's way into schema raw. Does not belong here: finding files and statements (`inbox`), what
the tables mean (`data_contracts`).

A bad row goes to quarantine and the file goes on; a file that cannot be read at all, or lacks a required column, goes
to quarantine whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import orjson
import polars as pl

from data_contracts.schema import Column, Kind, Table
from data_contracts.tables.inputs import AUDIT_ATTRIBUTES, INPUTS, PSEUDONYM_OF, RAW_INPUTS
from pipelines.sources.inbox import BYTE_ORDER_MARK, InboxFile
from pipelines.sources.record import FaultRow, Recorder
from pipelines.statements.identity import Pseudonyms
from pipelines.statements.take import statements_of
from pipelines.warehouse import Warehouse

# When a row could be known for want of recorded_at: the event's own time. Reference data and plans were always
# known; an enrolment's own row is known from its first day, its end from its own day (`pipelines.core`).
_EVENT_TIME = {
    "enrolment": "CAST(enrolled_on AS TIMESTAMP)",
    "registration": "coalesce(registered_at, invited_at)",
    "mentoring_match": "CAST(matched_on AS TIMESTAMP)",
    "mentoring_session": "CASE WHEN outcome = 'planned' THEN NULL ELSE coalesce(held_at, scheduled_at) END",
    "mentoring_message": "sent_at",
    "goal": "CAST(agreed_on AS TIMESTAMP)",
    "goal_update": "CAST(recorded_on AS TIMESTAMP)",
    "commitment": "CAST(coalesce(reviewed_on, made_on) AS TIMESTAMP)",
    "survey_response": "CAST(answered_on AS TIMESTAMP)",
    "support_ticket": "opened_at",
    "work_activity": "CAST(happened_on AS TIMESTAMP)",
    "programme_cost": "CAST(period_on AS TIMESTAMP)",
    "programme_benefit": "CAST(period_on AS TIMESTAMP)",
    "alert_feedback": '"at"',
}
ALWAYS_KNOWN = "TIMESTAMP '1970-01-01'"

# A row that names something no table has is refused, where that table was given at all.
_REFERENCES = {
    "enrolment": (("course_id", "course", "unknown_course"), ("programme_id", "programme", "unknown_programme")),
    "programme_course": (("course_id", "course", "unknown_course"), ("programme_id", "programme", "unknown_programme")),
    "activity": (("course_id", "course", "unknown_course"),),
    "mentoring_match": (("programme_id", "programme", "unknown_programme"),),
}


# The days that every reader of the marts can say; the database knows more, "infinity" among them.
_FIRST_DAY, _LAST_DAY = "0001-01-01", "9999-12-31"

# The number of a line of NDJSON, beside columns that the file names.
_LINE = "#"
_CSV_OPTIONS = (
    "header = true, all_varchar = true, null_padding = false, nullstr = '', auto_detect = true, "
    "store_rejects = true, rejects_table = 'csv_rejects', rejects_scan = 'csv_scans', rejects_limit = 0"
)

_LINK_COLUMNS = ("identity_id", "learner_id", "identity_type", "identity_value")


def take_table(
    table: str, files: list[InboxFile], warehouse: Warehouse, pseudonyms: Pseudonyms, record: Recorder
) -> None:
    """Take one input table's files in, each in one transaction."""
    contract = INPUTS[table]
    for file in files:
        place = ("inbox", file.path.name, file.content_hash)
        # Read before the transaction begins: a file that cannot be read would abort it.
        faults = _read(contract, file.path, warehouse, record)
        is_readable = all(fault.line_number is not None for fault in faults)
        warehouse.execute("BEGIN")
        record.faults(faults, *place)
        rows, refused = _take_rows(contract, file, warehouse, pseudonyms, record) if is_readable else (0, 0)
        record.file(file.content_hash, file.path.name, table, rows, len(faults) + refused)
        warehouse.execute("COMMIT")


def _read(contract: Table, path: Path, warehouse: Warehouse, record: Recorder) -> list[FaultRow]:
    """Read a file into the temporary table `incoming`, every value as text; returns what of it is no row.

    A fault without a line number is the whole file's.
    """
    faults: list[FaultRow] = []
    quoted = str(path).replace("'", "''")
    if path.suffix == ".ndjson":
        frame, faults = _json_rows(contract, path)
        warehouse.con.register("handrail_incoming", frame)
        relation, line_number = "handrail_incoming", f'"{_LINE}"'
    elif path.suffix == ".parquet":
        relation, line_number = f"read_parquet('{quoted}')", "row_number() OVER ()"
    else:
        # Line 1 is the header of a CSV; other formats count rows from 1.
        relation, line_number = f"read_csv('{quoted}', {_CSV_OPTIONS})", "row_number() OVER () + 1"
    try:
        warehouse.execute("DROP TABLE IF EXISTS csv_rejects; DROP TABLE IF EXISTS csv_scans")
        names = [str(row[0]) for row in warehouse.rows(f"DESCRIBE SELECT * FROM {relation}") if row[0] != _LINE]
        missing = [name for name in contract.required_names if name not in names]
        if missing:
            detail = f"{contract.name}: the file has no column {missing[0]!r}; it has {', '.join(names)}"
            return [*faults, FaultRow(contract.name, None, missing[0], "missing_column", None, detail, "")]
        texts = ", ".join(
            f'nullif(trim(CAST("{name}" AS VARCHAR)), \'\') AS "{name}"'
            if name in names
            else f'CAST(NULL AS VARCHAR) AS "{name}"'
            for name in contract.column_names
        )
        warehouse.execute(
            f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT {line_number} AS line_number, {texts} FROM {relation}"
        )
    except (duckdb.Error, UnicodeDecodeError):
        detail = f"{contract.name}: the file cannot be read; check its format and encoding"
        return [FaultRow(contract.name, None, None, "file_unreadable", None, detail, "")]
    finally:
        warehouse.con.unregister("handrail_incoming")
    for name in names:
        if name not in contract.column_names:
            record.note_unknown_column(contract.name, path.name, name)
    return faults + _rejected_lines(contract, warehouse)


def _json_rows(contract: Table, path: Path) -> tuple[pl.DataFrame, list[FaultRow]]:
    """The objects of an NDJSON file, one a row, every value as text; and the lines that are no object."""
    rows: list[dict[str, object]] = []
    faults = []
    with path.open("rb") as stream:
        for number, line in statements_of(stream):
            try:
                given = orjson.loads(line.removeprefix(BYTE_ORDER_MARK))
                rows.append({name: _as_text(value) for name, value in given.items()} | {_LINE: number})
            except (orjson.JSONDecodeError, orjson.JSONEncodeError, AttributeError):
                detail = f"{contract.name}: the line is no JSON object"
                text = line.decode("utf-8", "replace").rstrip()
                faults.append(FaultRow(contract.name, number, None, "broken_line", None, detail, text))
    names = dict.fromkeys(name for row in rows for name in row) or dict.fromkeys(contract.column_names)
    return pl.DataFrame(rows, schema={**dict.fromkeys(names, pl.String), _LINE: pl.Int64}), faults


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _rejected_lines(contract: Table, warehouse: Warehouse) -> list[FaultRow]:
    """The lines of a CSV that do not have its columns; rows after them are numbered as the file's lines are."""
    if not warehouse.scalar("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'csv_rejects'"):
        return []
    warehouse.execute(
        "UPDATE incoming SET line_number = line_number + (SELECT count(*) FROM ("
        "SELECT line - row_number() OVER (ORDER BY line) AS rows_before FROM (SELECT DISTINCT line FROM csv_rejects)) "
        "WHERE rows_before < line_number)"
    )
    rejected = warehouse.rows(
        "SELECT line, min(CAST(error_type AS VARCHAR)), min(csv_line) FROM csv_rejects GROUP BY line ORDER BY line"
    )
    return [
        FaultRow(
            contract.name,
            int(line),
            None,
            "broken_line",
            None,
            f"{contract.name}: the line does not have the header's columns ({str(kind).lower()})",
            str(text),
        )
        for line, kind, text in rejected
    ]


def _take_rows(
    contract: Table, file: InboxFile, warehouse: Warehouse, pseudonyms: Pseudonyms, record: Recorder
) -> tuple[int, int]:
    refused = _refuse_bad_rows(contract, ("inbox", file.path.name, file.content_hash), warehouse, record)
    _pseudonymise(contract, warehouse, pseudonyms)
    return _keep(contract, file, warehouse), refused


def _fault_of(column: Column) -> list[tuple[str, str]]:
    """(reason, SQL condition) of everything that can be wrong with one value, given as text."""
    name = f'"{column.name}"'
    faults = []
    if column.is_required:
        faults.append(("missing_value", f"{name} IS NULL"))
    kind = column.field.kind
    typed = f"TRY_CAST({name} AS {_input_type(column)})"
    if kind is Kind.INTEGER:
        # A cast alone would round 3.7 to 4.
        typed = f"CASE WHEN TRY_CAST({name} AS DOUBLE) = {typed} THEN {typed} END"
    if kind is not Kind.TEXT:
        faults.append((f"not_{kind}", f"{name} IS NOT NULL AND {typed} IS NULL"))
    if column.field.values:
        values = ", ".join(f"'{value}'" for value in column.field.values)
        faults.append(("unknown_value", f"{name} NOT IN ({values})"))
    if kind in {Kind.DATE, Kind.INSTANT}:
        faults.append(("out_of_range", f"{typed} NOT BETWEEN '{_FIRST_DAY}' AND '{_LAST_DAY}'"))
    limits = []
    if kind in {Kind.INTEGER, Kind.NUMBER}:
        cast = f"TRY_CAST({name} AS DOUBLE)"
        limits.append(f"isnan({cast}) OR isinf({cast})")
        if column.field.minimum is not None:
            limits.append(f"{cast} < {column.field.minimum}")
        if column.field.maximum is not None:
            limits.append(f"{cast} > {column.field.maximum}")
        faults.append(("out_of_range", " OR ".join(limits)))
    return faults


def _input_type(column: Column) -> str:
    # An instant is read with its offset, so that 09:00+02:00 is not taken for 09:00 UTC.
    return "TIMESTAMPTZ" if column.field.kind is Kind.INSTANT else column.sql_type


def _refuse_bad_rows(contract: Table, place: tuple[str, str, str], warehouse: Warehouse, record: Recorder) -> int:
    cases = [(column.name, reason, condition) for column in contract.columns for reason, condition in _fault_of(column)]
    for column_name, other, reason in _REFERENCES.get(contract.name, ()):
        if warehouse.count(RAW_INPUTS[other]):
            cases.append(
                (
                    column_name,
                    reason,
                    f'"{column_name}" IS NOT NULL AND "{column_name}" NOT IN (SELECT "{column_name}" FROM raw.{other})',
                )
            )
    if "timezone" in contract.column_names:
        known = "(SELECT name FROM pg_timezone_names())"
        cases.append(("timezone", "unknown_timezone", f"timezone IS NOT NULL AND timezone NOT IN {known}"))
    if contract.name == "enrolment":
        cases.append(("course_id", "no_course", "course_id IS NULL AND programme_id IS NULL"))
    if contract.name == "mentoring_session":
        cases.append(("held_at", "no_time", "held_at IS NULL AND scheduled_at IS NULL"))
    if contract.name in {"mentoring_session", "mentoring_message"}:
        cases.append(("match_id", "no_pair", "match_id IS NULL AND (mentor_key IS NULL OR learner_key IS NULL)"))
    tests = " ".join(f"WHEN {condition} THEN {number}" for number, (_, _, condition) in enumerate(cases))
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE judged AS SELECT *, CASE {tests} END AS fault FROM incoming")
    bad = warehouse.rows(
        "SELECT line_number, fault, CAST(judged AS VARCHAR) FROM judged WHERE fault IS NOT NULL ORDER BY line_number"
    )
    faults = []
    for line, number, text in bad:
        column_name, reason, _ = cases[number]
        detail = _row_detail(contract, column_name, reason)
        faults.append(FaultRow(contract.name, int(line), column_name, reason, None, detail, str(text)))
    record.faults(faults, *place)
    return len(bad)


def _row_detail(contract: Table, column_name: str, reason: str) -> str:
    column = contract.column(column_name)
    is_day = column.field.kind in {Kind.DATE, Kind.INSTANT}
    limits = (_FIRST_DAY, _LAST_DAY) if is_day else (column.field.minimum, column.field.maximum)
    wanted = {
        "unknown_value": f"one of {', '.join(column.field.values)}",
        "missing_value": "a value",
        "out_of_range": f"a {column.field.kind} from {limits[0]} to {limits[1]}",
        "unknown_timezone": "an IANA time zone such as Europe/Lisbon",
        "unknown_course": "a course_id that the table course has",
        "unknown_programme": "a programme_id that the table programme has",
        "no_course": "course_id, or programme_id where there is mentoring only",
        "no_time": "held_at or scheduled_at",
        "no_pair": "match_id, or mentor_key and learner_key",
    }.get(reason, f"a value of type {column.field.kind}")
    return f"{contract.name}.{column_name}: {reason.replace('_', ' ')}; wanted is {wanted}"


def _pseudonymise(contract: Table, warehouse: Warehouse, pseudonyms: Pseudonyms) -> None:
    """Replace persons' keys; put names, addresses, identities and audit attributes into the identity store."""
    keys = [name for name in PSEUDONYM_OF if name in contract.column_names]
    if not keys:
        warehouse.execute("CREATE OR REPLACE TEMP TABLE person_map (key VARCHAR, person_id VARCHAR)")
        return
    union = " UNION ".join(
        f'SELECT DISTINCT "{name}" AS key FROM judged WHERE fault IS NULL AND "{name}" IS NOT NULL' for name in keys
    )
    found = [str(row[0]) for row in warehouse.rows(union)]
    _load_map(warehouse, "person_map", [(key, pseudonyms.person(key)) for key in found])
    if contract.name in {"learner", "mentor"}:
        _remember_persons(contract.name, warehouse)
    if contract.name == "enrolment":
        _remember_keys(warehouse)
    if contract.name == "learner_identity":
        _link_identities(warehouse, pseudonyms)


def _remember_keys(warehouse: Warehouse) -> None:
    """Without a learner table the enrolment's keys are all that statements can be linked by."""
    warehouse.write_identities(
        "INSERT INTO identity.main.person SELECT person_id, key, NULL, NULL FROM incoming "
        "WHERE person_id NOT IN (SELECT person_id FROM identity.main.person)",
        warehouse.frame("FROM person_map"),
    )


def _remember_persons(table: str, warehouse: Warehouse) -> None:
    persons = warehouse.frame(
        f"SELECT DISTINCT ON (m.person_id) m.person_id, {table}_key AS person_key, j.* FROM judged j "
        f"JOIN person_map m ON m.key = j.{table}_key WHERE fault IS NULL ORDER BY line_number DESC"
    )
    warehouse.write_identities(
        "DELETE FROM identity.main.person WHERE person_id IN (SELECT person_id FROM incoming); "
        "INSERT INTO identity.main.person SELECT person_id, person_key, display_name, contact_address FROM incoming",
        persons,
    )
    if table == "learner":
        warehouse.write_identities(
            "DELETE FROM identity.main.audit WHERE learner_id IN (SELECT person_id FROM incoming); "
            f"INSERT INTO identity.main.audit SELECT person_id, {', '.join(AUDIT_ATTRIBUTES)} FROM incoming",
            persons,
        )


def _link_identities(warehouse: Warehouse, pseudonyms: Pseudonyms) -> None:
    rows = warehouse.rows("SELECT DISTINCT learner_key, identity_type, identity_value FROM judged WHERE fault IS NULL")
    linked = [(pseudonyms.identity(kind, value), pseudonyms.person(key), kind, value) for key, kind, value in rows]
    warehouse.write_identities(
        "INSERT INTO identity.main.identifier_link SELECT DISTINCT identity_id, learner_id FROM incoming "
        "WHERE (identity_id, learner_id) NOT IN (SELECT (identity_id, learner_id) FROM identity.main.identifier_link); "
        "INSERT INTO identity.main.identifier SELECT DISTINCT ON (identity_id) identity_id, identity_type, "
        "identity_value FROM incoming WHERE identity_id NOT IN (SELECT identity_id FROM identity.main.identifier)",
        pl.DataFrame(linked, schema=dict.fromkeys(_LINK_COLUMNS, pl.String), orient="row"),
    )


def _load_map(warehouse: Warehouse, name: str, rows: list[tuple[Any, ...]]) -> None:
    frame = pl.DataFrame(rows, schema={"key": pl.String, "person_id": pl.String}, orient="row")
    warehouse.con.register("mapping", frame)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM mapping")
    warehouse.con.unregister("mapping")


def _keep(contract: Table, file: InboxFile, warehouse: Warehouse) -> int:
    """Write the good rows to schema raw; returns how many."""
    if contract.name == "learner_identity":
        return int(warehouse.scalar("SELECT count(*) FROM judged WHERE fault IS NULL"))
    raw = RAW_INPUTS[contract.name]
    id_of = {value: key for key, value in PSEUDONYM_OF.items()}
    chosen, joins = [], []
    for column in raw.columns:
        if column.name in {"known_at", "is_known_at_assumed", "source_name", "file_name"}:
            continue
        key = id_of.get(column.name)
        if key is not None and key in contract.column_names:
            joins.append(f'LEFT JOIN person_map AS m_{column.name} ON m_{column.name}.key = judged."{key}"')
            chosen.append(f'm_{column.name}.person_id AS "{column.name}"')
        elif column.field.kind is Kind.INSTANT:
            chosen.append(f'timezone(\'UTC\', CAST(judged."{column.name}" AS TIMESTAMPTZ)) AS "{column.name}"')
        else:
            chosen.append(f'CAST(judged."{column.name}" AS {column.sql_type}) AS "{column.name}"')
    event_time = _EVENT_TIME.get(contract.name, "NULL")
    names = ", ".join(f'"{name}"' for name in raw.column_names)
    identifiers = _missing_ids(contract.name)
    before = warehouse.count(raw)
    warehouse.execute(
        f"INSERT INTO {raw.qualified_name} ({names}) WITH typed AS (SELECT {', '.join(chosen)} FROM judged "
        f"{' '.join(joins)} WHERE fault IS NULL) SELECT {names} FROM (SELECT * {identifiers}, "
        f"coalesce(recorded_at, {event_time}, {ALWAYS_KNOWN}) AS known_at, recorded_at IS NULL AS is_known_at_assumed, "
        "'inbox' AS source_name, ? AS file_name FROM typed)",
        [file.path.name],
    )
    return warehouse.count(raw) - before


def _missing_ids(table: str) -> str:
    """A missing session or message id is a hash of pair and time, so that a second export finds it again."""
    pair = "coalesce(match_id, mentor_id || '|' || learner_id)"
    if table == "mentoring_session":
        return f"REPLACE (coalesce(session_id, md5({pair} || '|' || coalesce(scheduled_at, held_at))) AS session_id)"
    if table == "mentoring_message":
        return f"REPLACE (coalesce(message_id, md5({pair} || '|' || sent_at || '|' || sender)) AS message_id)"
    return ""
