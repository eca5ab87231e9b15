"""Good rows become versions in schema raw: what only repeats adds nothing, what changes stands beside what was.

Belongs here: known_at, versions, deletion by absence. Does not belong here: judging (`judge`), persons (`persons`).
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from data_contracts.schema import Column, Kind, Table
from data_contracts.tables.inputs import KNOWLEDGE_COLUMNS, PSEUDONYM_OF, RAW_INPUTS
from pipelines.sources.mapping import FileRule
from pipelines.sources.record import Recorder
from pipelines.sources.tables.judge import BadRow, Case
from pipelines.warehouse import Warehouse, current

# When a row could be known for want of recorded_at: the event's own time. Reference data and plans were always
# known; an enrolment's own row is known from its first day, its end from its own day (`pipelines.core`).
EVENT_TIME = {
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

_INBOX = "inbox"


def type_rows(table: Table, warehouse: Warehouse) -> list[BadRow]:
    """Turn the good rows of `judged` into the temporary table `typed`, as the raw table has them.

    Returns the rows that repeat a key of the same file with other values, while nothing says which of them is later:
    they are left out.
    """
    raw = RAW_INPUTS[table.name]
    chosen = [f'{_typed(table, column)} AS "{column.name}"' for column in _told(raw)]
    joins = [
        f'LEFT JOIN person_map AS m_{key} ON m_{key}.key = judged."{key}"'
        for key in PSEUDONYM_OF
        if key in table.column_names
    ]
    warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE typed AS SELECT *, {_hash(raw.key)} AS key_hash, {_content(raw)} AS content "
        f"FROM (SELECT * {_missing_ids(table.name)}, "
        f"coalesce(recorded_at, {EVENT_TIME.get(table.name, 'NULL')}, {ALWAYS_KNOWN}) AS known_at, "
        "recorded_at IS NULL AS is_known_at_assumed, false AS is_deleted "
        f"FROM (SELECT line_number, {', '.join(chosen)} FROM judged {' '.join(joins)} WHERE fault IS NULL))"
    )
    case = Case(_shown_key(table), "repeated_key", "")
    lines = warehouse.rows(
        "SELECT line_number FROM typed QUALIFY content <> first_value(content) OVER "
        "(PARTITION BY key_hash, known_at ORDER BY line_number) ORDER BY line_number"
    )
    if lines:
        warehouse.execute("DELETE FROM typed WHERE line_number IN (SELECT unnest(?))", [[row[0] for row in lines]])
    return [BadRow(int(row[0]), case, None) for row in lines]


def _shown_key(table: Table) -> str:
    return table.key[0]


def keep(table: Table, file_name: str, warehouse: Warehouse, record: Recorder) -> int:
    """Append the rows of `typed` that tell something new; returns how many rows told anything, new or not.

    A row is a repetition where the version known just before it, of those taken before and of its own file, says the
    same: so the order in which files come does not matter, and a nightly export of unchanged rows adds nothing.
    """
    raw = RAW_INPUTS[table.name]
    names = ", ".join(f'"{name}"' for name in raw.column_names if name not in {"source_name", "file_name"})
    rows, keys = warehouse.rows("SELECT count(*), count(DISTINCT key_hash) FROM typed")[0]
    stored = (
        f"SELECT {_hash(raw.key)} AS key_hash, known_at, 0 AS is_new, rowid AS place, {_content(raw)} AS content "
        f"FROM {raw.qualified_name} WHERE {_hash(raw.key)} IN (SELECT key_hash FROM typed) UNION ALL "
        if warehouse.count(raw)
        else ""
    )
    fresh = (
        f"line_number IN (SELECT place FROM (FROM ({stored}SELECT key_hash, known_at, 1 AS is_new, line_number AS place, "
        "content FROM typed) QUALIFY content IS DISTINCT FROM lag(content) OVER "
        "(PARTITION BY key_hash ORDER BY known_at, is_new, place)) WHERE is_new = 1)"
    )
    record.insert(
        raw,
        f"SELECT {names}, '{_INBOX}' AS source_name, ? AS file_name FROM typed "
        f"WHERE {fresh if stored or keys < rows else 'true'} ORDER BY line_number",
        [file_name],
    )
    return int(rows)


def delete_absent(
    table: Table, rule: FileRule, refused: Sequence[BadRow], warehouse: Warehouse, record: Recorder
) -> str:
    """After a full snapshot, mark the rows that it does not have as deleted; returns what a person should hear.

    Only rows that files of the same rule brought are looked at. A refused row is there, so it is not absent; where
    the key of one cannot be read nothing is deleted, and nothing is deleted by a snapshot of no rows.
    """
    raw = RAW_INPUTS[table.name]
    if not warehouse.scalar("SELECT count(*) FROM typed"):
        return "is a full snapshot without a good row, so nothing was deleted"
    keys = [(_typed(table, column), column) for column in raw.columns if column.name in raw.key]
    needed = " OR ".join(f"{text} IS NULL" for text, column in keys if column.is_required or len(keys) == 1)
    joins = " ".join(
        f'LEFT JOIN person_map AS m_{key} ON m_{key}.key = judged."{key}"'
        for key in PSEUDONYM_OF
        if key in table.column_names
    )
    if refused and warehouse.scalar(f"SELECT count(*) FROM judged {joins} WHERE fault IS NOT NULL AND ({needed})"):
        return "is a full snapshot with a refused row whose key cannot be read, so nothing was deleted"
    told = f"SELECT hash({', '.join(text for text, _ in keys)}) FROM judged {joins} WHERE fault IS NOT NULL"
    here = [
        str(row[0])
        for row in warehouse.rows(f"SELECT DISTINCT file_name FROM {raw.qualified_name} WHERE source_name = '{_INBOX}'")
        if any(fnmatchcase(_place(table, str(row[0])), pattern) for pattern in rule.files)
    ]
    names = ", ".join(
        f'"{name}"' for name in raw.column_names if name not in {"known_at", "is_known_at_assumed", "is_deleted"}
    )
    deleted = record.insert(
        raw,
        f"SELECT {names}, greatest(known_at, seen_at) AS known_at, seen_at IS NULL AS is_known_at_assumed, "
        f"true AS is_deleted FROM {current(raw)}, (SELECT max(recorded_at) AS seen_at FROM typed) "
        f"WHERE list_contains(?, file_name) AND {_hash(raw.key)} NOT IN (SELECT key_hash FROM typed) "
        f"AND {_hash(raw.key)} NOT IN ({told})",
        [here],
    )
    return f"is a full snapshot without {deleted:,} rows of the one before; they count as deleted" if deleted else ""


def _place(table: Table, file_name: str) -> str:
    return file_name if "/" in file_name else f"{table.name}/{file_name}"


def _told(raw: Table) -> list[Column]:
    """The columns that a file tells, as the raw table has them."""
    return [column for column in raw.columns if column.name not in KNOWLEDGE_COLUMNS]


def _typed(table: Table, column: Column) -> str:
    """SQL: a column of the raw table from the texts of `judged`; null where the text cannot be read."""
    id_of = {value: key for key, value in PSEUDONYM_OF.items()}
    key = id_of.get(column.name)
    if key is not None and key in table.column_names:
        return f"m_{key}.person_id"
    if column.field.kind is Kind.INSTANT:
        return f"timezone('UTC', TRY_CAST(judged.\"{column.name}\" AS TIMESTAMPTZ))"
    return f'TRY_CAST(judged."{column.name}" AS {column.sql_type})'


def _hash(names: Sequence[str]) -> str:
    return f"hash({', '.join(chr(34) + name + chr(34) for name in names)})"


def _content(raw: Table) -> str:
    """SQL: hash of what a version says; when it was recorded and by which file it came are no part of it."""
    names = [column.name for column in _told(raw) if column.name != "recorded_at"]
    return f"hash({', '.join(f'{chr(34)}{name}{chr(34)}' for name in names)}, coalesce(is_deleted, false))"


def _missing_ids(table: str) -> str:
    """A missing session or message id is a hash of pair and time, so that a second export finds it again."""
    pair = "coalesce(match_id, mentor_id || '|' || learner_id)"
    if table == "mentoring_session":
        return f"REPLACE (coalesce(session_id, md5({pair} || '|' || coalesce(scheduled_at, held_at))) AS session_id)"
    if table == "mentoring_message":
        return f"REPLACE (coalesce(message_id, md5({pair} || '|' || sent_at || '|' || sender)) AS message_id)"
    return ""
