"""From a file of any format to the temporary table `given`: the format is told by content, then by name.

Belongs here: choosing the reader; NDJSON and Parquet. Does not belong here: delimited texts (`delimited`), workbooks
(`excel`), what values mean (`values`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import duckdb
import orjson

from pipelines.sources.mapping import is_prose
from pipelines.sources.record import FaultRow
from pipelines.sources.tables import excel, given
from pipelines.sources.tables.delimited import open_bytes, read_delimited
from pipelines.sources.tables.given import TYPED
from pipelines.sources.tables.plan import Plan, Reading
from pipelines.warehouse import Warehouse

_JSON_SUFFIXES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
DELIMITED_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
SUFFIXES = (*DELIMITED_SUFFIXES, *_JSON_SUFFIXES, ".parquet", *excel.SUFFIXES)
"""What a table's file may be called."""

_UNREADABLE = (duckdb.Error, UnicodeError, OSError, EOFError, zlib.error, excel.CalamineError, BadZipFile)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ZIP, _OLE, _PARQUET, _HTML = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1", (b"<html", b"<!doc", b"<tabl", b"<?xml")
_BLANKS = " || ".join(f"chr({code})" for code in (9, 10, 11, 12, 13, 32, 160, 0x202F, 0x3000, 0xFEFF))
_AT_AN_END = r"^[\s\x{a0}\x{202f}\x{3000}\x{feff}]|[\s\x{a0}\x{202f}\x{3000}\x{feff}]$"
_KEPT_BYTES = 10_000
_MOST_LINE_BYTES = 16 << 20


def read(plan: Plan, path: Path, warehouse: Warehouse) -> Reading:
    """Read a file into the temporary table `given`; what cannot be read at all is one fault of the whole file."""
    name = plan.table.name
    try:
        head = _head(path)
        if head.startswith((_ZIP, _OLE)):
            return excel.read_excel(plan, path, warehouse)
        if head.startswith(_PARQUET) or path.suffix.lower() == ".parquet":
            return _read_parquet(plan, path, warehouse)
        if path.name.lower().endswith(_JSON_SUFFIXES):
            return _read_json(plan, path, warehouse)
        if path.name.lower().endswith(excel.SUFFIXES) and head.lstrip().lower().startswith(_HTML):
            detail = f"{name}: the file is a web page that is called a workbook; save it as .xlsx or .csv"
            return Reading(faults=[FaultRow(name, None, None, "file_unreadable", None, detail, "")])
        return read_delimited(plan, path, warehouse)
    except _UNREADABLE:
        detail = f"{name}: the file cannot be read; check its format and encoding, and that it is whole"
        return Reading(faults=[FaultRow(name, None, None, "file_unreadable", None, detail, "")])


def _head(path: Path) -> bytes:
    with open_bytes(path) as stream:
        return stream.read(64)


def _read_parquet(plan: Plan, path: Path, warehouse: Warehouse) -> Reading:
    quoted = str(path).replace("'", "''")
    columns = warehouse.rows(f"DESCRIBE SELECT * FROM read_parquet('{quoted}')")
    header = plan.header([(1, [str(column[0]) for column in columns])])
    reading = Reading(header=header, faults=plan.faults(header), is_typed=True)
    if header is None or reading.faults:
        return reading
    texts = [
        f"{_parquet_text(str(columns[place][0]), str(columns[place][1]))} AS s{place}"
        for place in given.source_places(plan, header).values()
    ]
    # Rows are counted from 1.
    warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE given AS SELECT {', '.join(('row_number() OVER () AS line_number', *texts))} "
        f"FROM read_parquet('{quoted}')"
    )
    return reading


def _parquet_text(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind == "VARCHAR":
        return f"CASE WHEN regexp_matches({quoted}, '{_AT_AN_END}') THEN trim({quoted}, {_BLANKS}) ELSE {quoted} END"
    if kind in {"BOOLEAN", "BLOB", "UUID"}:
        return f"CAST({quoted} AS VARCHAR)"
    if kind in {"DOUBLE", "FLOAT"}:
        # Whole numbers beside missing ones are often stored as floating point.
        whole = f"CASE WHEN {quoted} = floor({quoted}) AND abs({quoted}) < 1e15 THEN CAST({quoted} AS BIGINT) END"
        return f"'{TYPED}' || coalesce(CAST({whole} AS VARCHAR), CAST({quoted} AS VARCHAR))"
    return f"'{TYPED}' || CAST({quoted} AS VARCHAR)"


def _read_json(plan: Plan, path: Path, warehouse: Warehouse) -> Reading:
    """The objects of an NDJSON file, one a row, and the lines that are no object."""
    reading = Reading(is_typed=True)
    names: dict[str, None] = {}
    for _, row in _objects(plan, path, reading.faults):
        names.update(dict.fromkeys(row))
    if not names:
        given.create(warehouse, ())
        return reading
    reading.header = header = plan.header([(0, list(names))])
    faults = plan.faults(header)
    if header is None or faults:
        reading.faults += faults
        return reading
    places = given.source_places(plan, header)
    given.create(warehouse, places.values())
    keys = [(list(names)[place], place) for place in places.values()]
    rows = (
        (number, {place: _as_text(row.get(key)) for key, place in keys}) for number, row in _objects(plan, path, [])
    )
    given.fill(warehouse, list(places.values()), rows)
    return reading


def _objects(plan: Plan, path: Path, faults: list[FaultRow]) -> Iterator[tuple[int, dict[str, object]]]:
    name = plan.table.name
    is_kept = not is_prose(plan.table, "text")
    with open_bytes(path) as stream:
        number = 0
        while line := stream.readline(_MOST_LINE_BYTES):
            number += 1
            is_whole = len(line) < _MOST_LINE_BYTES
            while not is_whole and (more := stream.readline(_MOST_LINE_BYTES)) and len(more) == _MOST_LINE_BYTES:
                pass
            line = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
            if not line.strip():
                continue
            try:
                row = orjson.loads(line) if is_whole else None
            except orjson.JSONDecodeError:
                row = None
            if isinstance(row, dict):
                yield number, row
                continue
            text = line[:_KEPT_BYTES].decode("utf-8", "replace").rstrip() if is_kept else ""
            detail = f"{name}: the line is no JSON object; write one object a line"
            faults.append(FaultRow(name, number, None, "broken_line", None, detail, text))


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value and value.strip()
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        text = str(value)
    return text if isinstance(value, bool) else TYPED + text
