"""Workbooks for tests, written part by part, so that a test says exactly what stands in a cell.

Belongs here: just enough of .xlsx, .ods and .xls. Does not belong here: anything that reads.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_DAY_STYLE, _MOMENT_STYLE = 1, 2
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - Excel knows no zone


@dataclass(frozen=True)
class Formula:
    """A formula, with the value that a program stored for it, if any."""

    text: str
    stored: object = None


@dataclass(frozen=True)
class Failed:
    """A cell that shows an error, such as #N/A."""

    error: str


def xlsx(sheets: Mapping[str, Sequence[Sequence[object]]], hidden: Sequence[str] = (), merged: str = "") -> bytes:
    """A workbook with the given sheets; `merged` is a range such as A1:C1 of every sheet."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        names = list(sheets)
        entries = "".join(
            f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}" '
            f'state="{"hidden" if name in hidden else "visible"}"/>'
            for number, name in enumerate(names, start=1)
        )
        packed.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>{entries}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="rId{number}" Type="{_LINKS}/worksheet" Target="worksheets/sheet{number}.xml"/>'
            for number in range(1, len(names) + 1)
        )
        links += f'<Relationship Id="rIdS" Type="{_LINKS}/styles" Target="styles.xml"/>'
        package = "http://schemas.openxmlformats.org/package/2006/relationships"
        packed.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{package}">{links}</Relationships>')
        first = f'<Relationship Id="rId1" Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/>'
        packed.writestr("_rels/.rels", f'<Relationships xmlns="{package}">{first}</Relationships>')
        formats = "".join(f'<xf numFmtId="{number}" applyNumberFormat="1"/>' for number in (0, 14, 22))
        packed.writestr(
            "xl/styles.xml", f'<styleSheet xmlns="{_MAIN}"><cellXfs count="3">{formats}</cellXfs></styleSheet>'
        )
        packed.writestr(
            "[Content_Types].xml", '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
        )
        for number, name in enumerate(names, start=1):
            rows = "".join(
                f'<row r="{line}">{"".join(_cell(cell, f"{chr(65 + place)}{line}") for place, cell in enumerate(row))}</row>'
                for line, row in enumerate(sheets[name], start=1)
            )
            tail = f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
            packed.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData>{tail}</worksheet>',
            )
    return stream.getvalue()


def _cell(value: object, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, Formula):
        stored = "" if value.stored is None else str(value.stored)
        kind = ' t="str"' if isinstance(value.stored, str) else ""
        return f'<c r="{place}"{kind}><f>{escape(value.text)}</f><v>{escape(stored)}</v></c>'
    if isinstance(value, Failed):
        return f'<c r="{place}" t="e"><v>{value.error}</v></c>'
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, datetime):
        return f'<c r="{place}" s="{_MOMENT_STYLE}"><v>{(value - _EPOCH).total_seconds() / 86400}</v></c>'
    if isinstance(value, date):
        return f'<c r="{place}" s="{_DAY_STYLE}"><v>{(value - _EPOCH.date()).days}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


def ods(rows: Sequence[Sequence[object]]) -> bytes:
    """A workbook of OpenDocument with one sheet of texts and numbers."""
    cells = "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    table = f'<table:table table:name="One">{cells}</table:table>'
    body = f"<office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
        packed.writestr("META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{manifest}"/>')
        packed.writestr("content.xml", f"<office:document-content {spaces}>{body}</office:document-content>")
    return stream.getvalue()


def _ods_cell(value: object) -> str:
    if isinstance(value, int | float):
        return f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{value}</text:p></table:table-cell>'
    text = escape(str(value))
    return f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>'


def xls(rows: Sequence[Sequence[object]]) -> bytes:
    """A workbook of Excel 97 with one sheet of texts and numbers: records in a compound file."""
    start = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    name = b"One"
    sheet = _record(0x0085, struct.pack("<IHBB", 0, 0, len(name), 0) + name)
    end = _record(0x000A, b"")
    offset = len(start) + len(sheet) + len(end)
    sheet = _record(0x0085, struct.pack("<IHBB", offset, 0, len(name), 0) + name)
    width = max(map(len, rows))
    cells = _record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, width, 0))
    for line, row in enumerate(rows):
        for place, value in enumerate(row):
            head = struct.pack("<HHH", line, place, 0)
            if isinstance(value, int | float):
                cells += _record(0x0203, head + struct.pack("<d", value))
            else:
                text = str(value).encode("utf-16-le")
                cells += _record(0x0204, head + struct.pack("<HB", len(text) // 2, 1) + text)
    stream = start + sheet + end + _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0)) + cells + end
    return _compound(stream.ljust(-(-max(len(stream), 4096) // 512) * 512, b"\0"))


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _compound(stream: bytes) -> bytes:
    """A compound file (512-byte sectors) that holds one stream called Workbook."""
    count = len(stream) // 512
    chain = [*range(1, count), -2, -2, -3]  # the stream, the directory, the table itself
    table = struct.pack(f"<{len(chain)}i", *chain).ljust(512, b"\xff")
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIiIIiIiI", 0, 1, count, 0, 4096, -2, 0, -2, 0)
    head += struct.pack("<i", count + 1).ljust(436, b"\xff")
    root, entry = _entry("Root Entry", 5, 1, -2, 0), _entry("Workbook", 2, -1, 0, len(stream))
    return head + stream + (root + entry).ljust(512, b"\0") + table


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    links = struct.pack("<HBBiii", len(text), kind, 1, -1, -1, child)
    return text.ljust(64, b"\0") + links + bytes(36) + struct.pack("<iQ", start, size)
