"""Rows that wait: refused because what they name is not there yet, and taken when it comes.

Belongs here: finding them in quarantine and judging them again. Does not belong here: the judging itself (`judge`).

A row that waits stands in raw.quarantine, its text in sealed storage as long as quarantine is kept. When it is taken,
raw.released says so; the row in quarantine stays, so that the archive tells the whole story.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import orjson
import polars as pl

from data_contracts.schema import Table
from data_contracts.tables.inputs import RAW_RELEASED
from pipelines.sources.record import Recorder
from pipelines.sources.tables.judge import REFERENCES, WAITING_REASONS, judge
from pipelines.sources.tables.keep import keep, type_rows
from pipelines.sources.tables.persons import pseudonymise
from pipelines.sources.tombstones import drop_erased
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse


def row_texts(table: Table) -> str:
    """SQL: line_number and the row of `incoming` as JSON of our own columns, as a waiting row is sealed."""
    names = ", ".join(f'"{name}" := "{name}"' for name in table.column_names)
    return f"SELECT line_number, CAST(to_json(struct_pack({names})) AS VARCHAR) FROM incoming"


def retake(table: Table, warehouse: Warehouse, pseudonyms: Pseudonyms, record: Recorder) -> int:
    """Take the rows of a table that waited for what is there now; returns how many."""
    if table.name not in REFERENCES:
        return 0
    reasons = ", ".join(f"'{reason}'" for reason in WAITING_REASONS)
    waiting = warehouse.rows(
        "SELECT q.file_name, q.fault_id, q.file_hash, s.raw_text FROM raw.quarantine AS q "
        "JOIN identity.sealed.quarantine AS s USING (fault_id) "
        f"WHERE q.table_name = ? AND q.reason IN ({reasons}) AND q.fault_id NOT IN (SELECT fault_id FROM raw.released) "
        "ORDER BY q.rowid",
        [table.name],
    )
    taken = 0
    for file_name, group in groupby(waiting, key=lambda row: str(row[0])):
        taken += _retake_of(table, file_name, list(group), warehouse, pseudonyms, record)
    return taken


def _retake_of(
    table: Table,
    file_name: str,
    waiting: list[tuple[Any, ...]],
    warehouse: Warehouse,
    pseudonyms: Pseudonyms,
    record: Recorder,
) -> int:
    rows = []
    for number, (_, _, _, text) in enumerate(waiting):
        try:
            given = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue  # its text was erased, or is of an older version
        if isinstance(given, dict):
            rows.append({"line_number": number} | {name: given.get(name) for name in table.column_names})
    schema: dict[str, Any] = {"line_number": pl.Int64, **dict.fromkeys(table.column_names, pl.String)}
    warehouse.con.register("handrail_waiting", pl.DataFrame(rows, schema=schema))
    warehouse.execute("CREATE OR REPLACE TEMP TABLE incoming AS SELECT * FROM handrail_waiting")
    warehouse.con.unregister("handrail_waiting")
    if erased := record.tombstones(pseudonyms):
        drop_erased(table, warehouse, erased)
    judge(table, warehouse)
    lines = [int(row[0]) for row in warehouse.rows("SELECT line_number FROM judged WHERE fault IS NULL")]
    if not lines:
        return 0
    with record.unit():
        pseudonymise(table, warehouse, pseudonyms)
        repeated = {bad.line for bad in type_rows(table, warehouse)}
        keep(table, file_name, warehouse, record)
        released = [
            (waiting[line][1], table.name, "inbox", file_name, waiting[line][2])
            for line in lines
            if line not in repeated
        ]
        record.append(RAW_RELEASED, pl.DataFrame(released, schema=list(RAW_RELEASED.column_names), orient="row"))
    return len(released)
