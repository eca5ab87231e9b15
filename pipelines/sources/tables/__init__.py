"""The tables of the inbox: a file's rows read, mapped, judged and kept; bad rows refused with a reason.

Belongs here: one table file's way into schema raw, in one transaction. Does not belong here: finding files (`inbox`),
what the mapping may say (`mapping`), what the tables mean (`data_contracts`).

`plan` says what is looked for, `read` (with `delimited` and `excel`) reads it into the temporary table `given`,
`values` turns texts into our own in `incoming`, `judge` judges them, `persons` replaces persons' keys, `keep` writes
versions, `waiting` takes rows whose course or match came later. A bad row goes to quarantine and the file goes on; a
file that cannot be read at all, or lacks a required column, goes to quarantine whole.
"""

from __future__ import annotations

import re

from data_contracts.schema import Table
from data_contracts.tables.inputs import INPUTS
from pipelines.sources.inbox import InboxFile
from pipelines.sources.record import FaultRow, Recorder
from pipelines.sources.tables import keep, waiting
from pipelines.sources.tables.given import BROKEN, TYPED, source_places
from pipelines.sources.tables.judge import WAITING_REASONS, BadRow, fault_row, judge
from pipelines.sources.tables.persons import hide_names_in_ids, pseudonymise
from pipelines.sources.tables.plan import Plan, Reading
from pipelines.sources.tables.read import read
from pipelines.sources.tables.values import incoming, quoted
from pipelines.sources.tombstones import drop_erased, follow_incoming
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

__all__ = ["take_table", "take_waiting"]

_TOTAL = re.compile(
    r"(?:grand |sub|gesamt|end)?[\s-]?(?:totals?|sums?|sum of .*|gesamt|summe|insgesamt|totale|totaal|total général|suma|"
    r"soma|razem)\b[^\w]*(?:\w+)?[^\w]*",
    re.IGNORECASE,
)


def take_table(
    table: str, files: list[InboxFile], warehouse: Warehouse, pseudonyms: Pseudonyms, record: Recorder
) -> None:
    """Take one input table's files in, each in one transaction.

    Raises:
        FileNotReadyError: a file changed while it was read; nothing of it was taken.
    """
    for file in files:
        _take_file(INPUTS[table], file, warehouse, pseudonyms, record)


def take_waiting(table: str, warehouse: Warehouse, pseudonyms: Pseudonyms, record: Recorder) -> None:
    """Take a table's rows that waited in quarantine for what has come since; run it before the table's new files."""
    found = waiting.retake(INPUTS[table], warehouse, pseudonyms, record)
    if found:
        record.notes.append(f"{table}: {found:,} rows that waited in quarantine for what they name were taken")


def _take_file(table: Table, file: InboxFile, warehouse: Warehouse, pseudonyms: Pseudonyms, record: Recorder) -> None:
    plan = Plan.of(table, file.rule)
    # Read before the transaction begins: a file that cannot be read would abort it.
    reading = read(plan, file.path, warehouse)
    file.ensure_unchanged()
    has_rows = reading.is_readable and reading.header is not None
    if has_rows:
        _note_columns(plan, file, reading, record)
        _prepare(plan, reading, warehouse, pseudonyms)
        erased = record.tombstones(pseudonyms)
        if erased and follow_incoming(table, warehouse, erased):
            erased = record.tombstones(pseudonyms, anew=True)
        if erased:
            record.erased += drop_erased(table, warehouse, erased)
    with record.unit():
        rows, refused = _take_rows(plan, file, reading, warehouse, pseudonyms, record) if has_rows else (0, [])
        faults = sorted([*reading.faults, *refused], key=lambda fault: fault.line_number or 0)
        record.faults(faults, "inbox", file.shown_name, file.taken_as)
        record.file(file.taken_as, file.shown_name, table.name, rows, len(faults))
    record.notes += [f"{table.name}/{file.path.name} {note}" for note in reading.notes]


def _note_columns(plan: Plan, file: InboxFile, reading: Reading, record: Recorder) -> None:
    if reading.header is None:
        return
    unknown, prose = plan.unknown(reading.header)
    for name in (*unknown, *prose):
        record.note_unknown_column(plan.table.name, file.path.name, name)
    if unknown:
        reading.notes.append(f"has columns that no input knows, which are not taken: {', '.join(unknown)}")
    if prose:
        reading.notes.append(
            f"has columns that look like content, which is refused and was not read: {', '.join(prose)}"
        )


def _prepare(plan: Plan, reading: Reading, warehouse: Warehouse, pseudonyms: Pseudonyms) -> None:
    """Turn `given` into `incoming`, without lines that are no rows."""
    header = reading.header
    if header is None:
        return
    places = source_places(plan, header)
    _refuse_repeated_headers(plan, reading, places, warehouse)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE incoming AS {incoming(plan, reading, places)}")
    _leave_totals_out(plan, reading, warehouse)
    hide_names_in_ids(plan, warehouse, pseudonyms)


def _refuse_repeated_headers(plan: Plan, reading: Reading, places: dict[str, int], warehouse: Warehouse) -> None:
    names = reading.header.names if reading.header else ()
    again = " AND ".join(f"lower(trim(s{place})) = {quoted(names[place].lower())}" for place in places.values())
    lines = [int(row[0]) for row in warehouse.rows(f"SELECT line_number FROM given WHERE {again} ORDER BY 1")]
    if not lines:
        return
    warehouse.execute("DELETE FROM given WHERE line_number IN (SELECT unnest(?))", [lines])
    detail = f"{plan.table.name}: the line repeats the header; deliver each table in a file of its own"
    reading.faults += [FaultRow(plan.table.name, line, None, "broken_line", None, detail, "") for line in lines]


def _leave_totals_out(plan: Plan, reading: Reading, warehouse: Warehouse) -> None:
    """A last line that begins with a word for a total, and is no row, is no fault either; it is told."""
    if reading.last is None or not _TOTAL.fullmatch(reading.last[1]):
        return
    line = reading.last[0]
    lacking = " OR ".join(f'"{name}" IS NULL' for name in plan.table.required_names)
    is_row = warehouse.scalar(f"SELECT count(*) FROM incoming WHERE line_number = ? AND NOT ({lacking})", [line])
    if is_row:
        return
    warehouse.execute("DELETE FROM incoming WHERE line_number = ?", [line])
    reading.faults = [fault for fault in reading.faults if fault.line_number != line]
    reading.notes.append(f"ends with a line of totals (line {line}), which is not taken")


def _take_rows(
    plan: Plan, file: InboxFile, reading: Reading, warehouse: Warehouse, pseudonyms: Pseudonyms, record: Recorder
) -> tuple[int, list[FaultRow]]:
    """Judge `incoming` and keep its good rows; returns how many those are, and the refused ones."""
    table = plan.table
    bad = judge(table, warehouse, is_excel=reading.is_excel)
    pseudonymise(table, warehouse, pseudonyms)
    if table.name == "learner_identity":
        rows = int(warehouse.scalar("SELECT count(*) FROM judged WHERE fault IS NULL"))
        return rows, _refused(plan, reading, bad, warehouse)
    repeated = keep.type_rows(table, warehouse)
    rows = keep.keep(table, file.shown_name, warehouse, record)
    if plan.rule.file.full_snapshot:
        has_unread = bool(reading.faults)
        note = (
            "is a full snapshot with lines that cannot be read, so nothing was deleted"
            if has_unread
            else keep.delete_absent(table, plan.rule.file, bad, warehouse, record)
        )
        reading.notes += [note] if note else []
    return rows, _refused(plan, reading, [*bad, *repeated], warehouse)


def _refused(plan: Plan, reading: Reading, bad: list[BadRow], warehouse: Warehouse) -> list[FaultRow]:
    """Refused rows with their text: of one that waits our own columns, of another what the file gave."""
    if not bad or reading.header is None:
        return []
    lines = [row.line for row in bad]
    names = reading.header.names
    told = ", ".join(
        f"{_identifier(names[place])} := ltrim(s{place}, '{TYPED}{BROKEN}')"
        for place in source_places(plan, reading.header).values()
    )
    given = dict(
        warehouse.rows(
            f"SELECT line_number, CAST(to_json(struct_pack({told})) AS VARCHAR) FROM given "
            "WHERE line_number IN (SELECT unnest(?))",
            [lines],
        )
    )
    ours = dict(warehouse.rows(waiting.row_texts(plan.table))) if _waits(bad) else {}
    texts = {row.line: ours if row.case.reason in WAITING_REASONS else given for row in bad}
    return [fault_row(plan.table, row, str(texts[row.line].get(row.line, ""))) for row in bad]


def _waits(bad: list[BadRow]) -> bool:
    return any(row.case.reason in WAITING_REASONS for row in bad)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
