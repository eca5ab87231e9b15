"""Workbooks: the sheet that holds the table, its cells as texts that still tell their type.

Belongs here: .xlsx, .xlsm, .xls and .ods. Does not belong here: what values mean (`values`).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from pipelines.sources.record import FaultRow
from pipelines.sources.tables import given
from pipelines.sources.tables.given import BROKEN, TYPED
from pipelines.sources.tables.plan import HEADER_LINES, Header, Plan, Reading
from pipelines.warehouse import Warehouse

SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods")

NO_VALUE, ERROR_VALUE = BROKEN + "=", BROKEN + "#"

_MOST_EXACT = 1e15

# The reader gives both as empty cells.
_WITHOUT_VALUE = re.compile(
    rb'<c\b[^>]*?\br="([A-Z]+)(\d+)"[^>]*>\s*<f\b(?:[^>]*/>|[^>]*>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>'
)
_WITH_ERROR = re.compile(rb'<c\b(?=[^>]*\bt="e")[^>]*?\br="([A-Z]+)(\d+)"')
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINKED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
# An archive that unpacks to more than this is no sheet that a person made.
_MOST_BYTES = 1 << 30

Cell = int | float | str | bool | time | date | datetime | timedelta


def read_excel(plan: Plan, path: Path, warehouse: Warehouse) -> Reading:
    """Read the sheet with the table's columns into `given`."""
    reading = Reading(is_typed=True, is_excel=True)
    name = plan.table.name
    try:
        # Told by content: an export's name is often that of another format.
        with path.open("rb") as stream, CalamineWorkbook.from_filelike(stream) as book:
            sheets = [
                sheet.name
                for sheet in book.sheets_metadata
                if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
            ]
            sheet, why = _sheet_of(plan, book, sheets)
            if why:
                reading.faults = [FaultRow(name, None, None, why[0], None, f"{name}: {why[1]}", "")]
                return reading
            rows = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    except PasswordError:
        detail = f"{name}: the workbook has a password; save it without"
        reading.faults = [FaultRow(name, None, None, "file_unreadable", None, detail, "")]
        return reading
    reading.header = header = plan.header(_head(rows))
    reading.faults = plan.faults(header)
    if header is None or reading.faults:
        return reading
    places = list(given.source_places(plan, header).values())
    given.create(warehouse, places)
    given.fill(warehouse, places, _rows(header, rows, _broken(path, sheet), reading))
    return reading


def _sheet_of(plan: Plan, book: CalamineWorkbook, sheets: Sequence[str]) -> tuple[str, tuple[str, str] | None]:
    """The sheet to read, or the reason and words why none can be chosen."""
    named = plan.rule.file.sheet
    if named is not None:
        if named in book.sheet_names:
            return named, None
        return "", ("missing_sheet", f"the workbook has no sheet {named!r}; it has {', '.join(sheets)}")
    fitting = []
    for sheet in sheets:
        header = plan.header(_head(book.get_sheet_by_name(sheet).to_python(skip_empty_area=False, nrows=HEADER_LINES)))
        if header is not None and plan.is_header(header.names):
            fitting.append(sheet)
    if len(fitting) > 1:
        names = ", ".join(fitting)
        return "", ("several_sheets", f"the sheets {names} all have the columns; name one in mapping.yaml (sheet: ...)")
    if not sheets:
        return "", ("missing_sheet", "the workbook has no sheet that can be seen")
    return (fitting or list(sheets))[0], None


def _head(rows: Sequence[Sequence[Cell]]) -> list[tuple[int, list[str]]]:
    return [(number, [str(cell) for cell in row]) for number, row in enumerate(rows[:HEADER_LINES], start=1)]


def _rows(
    header: Header, rows: Sequence[Sequence[Cell]], broken: Mapping[tuple[int, int], str], reading: Reading
) -> Iterator[tuple[int, list[str]]]:
    width = len(header.names)
    for number, row in enumerate(rows[header.line :], start=header.line + 1):
        cells = [_text(cell) for cell in row[:width]]
        for place in range(width):
            if not cells[place]:
                cells[place] = broken.get((number, place), "")
        if any(cell.strip() for cell in cells):
            first = next(str(cell).strip() for cell in row if str(cell).strip())
            reading.last = (number, first)
            yield number, cells


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        is_whole = cell.is_integer() and abs(cell) < _MOST_EXACT
        return TYPED + (str(int(cell)) if is_whole else repr(cell))
    if isinstance(cell, datetime):
        return TYPED + cell.isoformat(" ", "seconds" if cell.microsecond == 0 else "microseconds")
    if isinstance(cell, timedelta):
        seconds = round(cell.total_seconds())
        return f"{TYPED}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return TYPED + (cell.isoformat() if isinstance(cell, date | time) else str(cell))


def _broken(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """(line, place) and mark of errors, and of formulas whose value no program has stored; told of .xlsx alone."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as packed:
        if "xl/workbook.xml" not in packed.namelist():
            return {}
        book = ET.fromstring(packed.read("xl/workbook.xml"))  # noqa: S314 - expat refuses entities that grow
        links = ET.fromstring(packed.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
        targets = {link.get("Id"): str(link.get("Target")) for link in links}
        for found in book.iter(f"{_MAIN}sheet"):
            if found.get("name") != sheet:
                continue
            target = targets.get(found.get(_LINKED), "")
            part = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
            if part not in packed.namelist() or packed.getinfo(part).file_size > _MOST_BYTES:
                return {}
            content = packed.read(part)
            return {
                (int(line), _place(letters.decode())): mark
                for cells, mark in ((_WITHOUT_VALUE, NO_VALUE), (_WITH_ERROR, ERROR_VALUE))
                for letters, line in cells.findall(content)
            }
    return {}


def _place(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


__all__ = ["ERROR_VALUE", "NO_VALUE", "SUFFIXES", "CalamineError", "read_excel"]
