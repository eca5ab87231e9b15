"""CSV in every dress: encoding, delimiter and header told by content; every line a row, or a fault with its number.

Belongs here: texts with delimiters. Does not belong here: other formats, what values mean.

A file without a quote is read by DuckDB with everything about it said beforehand, and only if it has exactly as many
rows as lines does that count; any other goes line by line. Both give the same rows.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple, cast

import duckdb

from pipelines.sources.mapping import is_prose
from pipelines.sources.record import FaultRow
from pipelines.sources.tables import given
from pipelines.sources.tables.plan import HEADER_LINES, Header, Plan, Reading
from pipelines.warehouse import Warehouse

DELIMITERS = (",", ";", "\t", "|")

# Longer than any row; then it is a file without its line ends.
MAX_LINE_CHARS = 1 << 20
_KEPT_CHARS = 10_000
_BLOCK_BYTES = 1 << 20
_MANY_NULS = 0.2

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
# What strip() takes away and DuckDB's trim() does not.
_ODD_SPACES = re.compile("[\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_CONTROLS = (b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e", b"\x1f")
_WIDE = re.compile("[^\x00-\x7f\udc80-\udcff]")
_UNDEFINED_IN_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


@dataclass(slots=True)
class Look:
    """What a look over all bytes of a file tells."""

    encoding: str
    line_count: int = 0
    has_quotes: bool = False
    has_odd_ends: bool = False
    has_odd_spaces: bool = False
    has_tabs: bool = False
    note: str = ""


def is_packed(path: Path) -> bool:
    """Whether a file is packed by gzip, whatever it is called."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def open_bytes(path: Path) -> IO[bytes]:
    """A file's bytes, unpacked where it is packed."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if is_packed(path) else path.open("rb")


def look_over(path: Path, encoding: str | None) -> Look:
    """Tell the encoding by the content, or take the one that is named."""
    with open_bytes(path) as stream:
        head = stream.read(_BLOCK_BYTES)
        named = encoding or _encoding_of(head)
        look = Look(named or "utf-8")
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        wide = foreign = 0
        is_undefined, last, block = False, b"", head
        while block:
            text = decoder.decode(block)
            if not text.isascii():
                wide, foreign = wide + len(_WIDE.findall(text)), foreign + len(_NOT_UTF8.findall(text))
                look.has_odd_spaces = look.has_odd_spaces or bool(_ODD_SPACES.search(text))
                is_undefined = is_undefined or bool(_UNDEFINED_IN_1252.search(block))
            look.line_count += block.count(b"\n")
            look.has_quotes = look.has_quotes or b'"' in block
            look.has_tabs = look.has_tabs or b"\t" in block
            look.has_odd_spaces = look.has_odd_spaces or any(byte in block for byte in _CONTROLS)
            ends = block.count(b"\r\n") + (last == b"\r" and block[:1] == b"\n")
            look.has_odd_ends = look.has_odd_ends or b"\0" in block or block.count(b"\r") > ends + block.endswith(b"\r")
            last, block = block[-1:], stream.read(_BLOCK_BYTES)
        look.line_count += last not in {b"\n", b""}
        look.has_odd_ends = look.has_odd_ends or last == b"\r"
    if named is None and foreign > wide:
        look.encoding = "latin-1" if is_undefined else "windows-1252"
        look.note = f"is not UTF-8 and was read as {look.encoding}; if that is wrong, name its encoding in mapping.yaml"
    elif named is None and foreign:
        look.has_odd_ends = True
    return look


def _encoding_of(head: bytes) -> str | None:
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    sample = head[:4096]
    if len(sample) > 3:
        for name, nuls in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
            others = sample[::2] if name == "utf-16-le" else sample[1::2]
            if nuls.count(0) > _MANY_NULS * len(nuls) and not others.count(0):
                return name
    return None


class _Lines:
    """Numbered physical lines; what one record took can be given back but for its first line."""

    def __init__(self, stream: IO[str]) -> None:
        self._read = stream.readline
        self._number = 0
        self._waiting: deque[tuple[int, str]] = deque()
        self.taken: list[tuple[int, str]] = []
        self.is_bad = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._waiting:
            number, line = self._waiting.popleft()
        else:
            line = self._read(MAX_LINE_CHARS)
            if not line:
                raise StopIteration
            self._number = number = self._number + 1
            if len(line) == MAX_LINE_CHARS and not line.endswith("\n"):
                line = line[:_KEPT_CHARS] + "\0\n"
                while (more := self._read(MAX_LINE_CHARS)) and not more.endswith("\n"):
                    pass
        self.taken.append((number, line))
        if "\0" in line or not (line.isascii() or _NOT_UTF8.search(line) is None):
            self.is_bad = True
            return "\n"
        return line

    def begin(self) -> None:
        self.taken, self.is_bad = [], False

    def give_back(self) -> None:
        """Give back all lines but the first: a quote that never closes damages its own line alone."""
        self._waiting.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


class Record(NamedTuple):
    """A record: the number of its first line, its cells (None where it is broken) and, if broken, its text."""

    line: int
    cells: list[str] | None
    text: str = ""


def records(stream: IO[str], delimiter: str) -> Iterator[Record]:
    """The records of a text, blank ones left out."""
    lines = _Lines(stream)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            lines.give_back()
            yield Record(lines.taken[0][0], None, _text(lines))
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        if lines.is_bad:
            lines.give_back()
            yield Record(lines.taken[0][0], None, _text(lines))
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
        elif (cells and cells[0] and not cells[0].isspace()) or any(cell and not cell.isspace() for cell in cells):
            yield Record(lines.taken[0][0], cells)


def _text(lines: _Lines) -> str:
    text = "".join(line for _, line in lines.taken)[:_KEPT_CHARS].rstrip("\r\n")
    return text.replace("\0", "\\0").encode("utf-8", "replace").decode()


def open_text(path: Path, encoding: str) -> IO[str]:
    """A file's text, line ends of every kind as one newline."""
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, errors=errors, newline=None)


def read_delimited(plan: Plan, path: Path, warehouse: Warehouse) -> Reading:
    """Read a file of delimited texts into `given`.

    Raises:
        UnicodeDecodeError, OSError, EOFError, zlib.error: it cannot be read to its end.
    """
    look = look_over(path, plan.rule.file.encoding)
    delimiter, header = _header_of(plan, path, look.encoding)
    reading = Reading(header=header, faults=plan.faults(header))
    if look.note:
        reading.notes.append(look.note)
    if header is None or reading.faults:
        return reading
    places = list(given.source_places(plan, header).values())
    if not (_is_plain(look, delimiter) and _read_at_once(path, delimiter, header, places, look.line_count, warehouse)):
        given.create(warehouse, places)
        rows = _rows(plan, path, look.encoding, delimiter, reading)
        given.fill(
            warehouse, places, ((line, {place: cells[place].strip() for place in places}) for line, cells in rows)
        )
    reading.last = _last(path, look.encoding, delimiter, header, reading, warehouse)
    return reading


def _is_plain(look: Look, delimiter: str) -> bool:
    is_odd = look.has_quotes or look.has_odd_ends or look.has_odd_spaces or (look.has_tabs and delimiter != "\t")
    return look.encoding in {"utf-8", "utf-8-sig"} and not is_odd


def _header_of(plan: Plan, path: Path, encoding: str) -> tuple[str, Header | None]:
    """The delimiter under which the header names what must be there, else the most of what is looked for."""
    candidates = (plan.rule.file.delimiter,) if plan.rule.file.delimiter else DELIMITERS
    best: tuple[tuple[bool, int, int], str, Header | None] | None = None
    for delimiter in candidates:
        with open_text(path, encoding) as stream:
            head = [
                (record.line, record.cells)
                for record in islice(records(stream, delimiter), HEADER_LINES)
                if record.cells is not None
            ]
        header = plan.header(head)
        names = header.names if header else ()
        rank = (bool(header and plan.is_header(names)), plan.known_in(names), len(names))
        if best is None or rank > best[0]:
            best = (rank, delimiter, header)
    return (best[1], best[2]) if best else (",", None)


def _read_at_once(
    path: Path, delimiter: str, header: Header, places: Sequence[int], line_count: int, warehouse: Warehouse
) -> bool:
    """Let DuckDB read a file without quotes; false where a line does not have the header's columns."""
    width = len(header.names)
    if width == 1:
        return False  # a blank line is a row then
    columns = ", ".join(f"'s{place}': 'VARCHAR'" for place in range(width))
    quoted = str(path).replace("'", "''")
    packed = "gzip" if is_packed(path) else "none"
    wanted = "".join(f", s{place}" for place in places)
    blank = " AND ".join(f"s{place} IS NULL" for place in range(width))
    try:
        warehouse.execute(
            f"CREATE OR REPLACE TEMP TABLE given AS SELECT line_number{wanted} FROM (SELECT row_number() OVER () + ? "
            f"AS line_number, * FROM read_csv('{quoted}', auto_detect = false, header = false, skip = {header.line}, "
            f"delim = ?, quote = '', escape = '', nullstr = '', null_padding = false, compression = '{packed}', "
            f"columns = {{{columns}}})) WHERE NOT ({blank})",
            [header.line, delimiter],
        )
    except duckdb.Error:
        return False
    found = int(warehouse.scalar("SELECT coalesce(max(line_number), 0) FROM given") or header.line)
    return found == line_count


def _rows(
    plan: Plan, path: Path, encoding: str, delimiter: str, reading: Reading
) -> Iterator[tuple[int, Sequence[str]]]:
    header = cast("Header", reading.header)
    width, name = len(header.names), plan.table.name
    # A broken line of such a table may hold a message, so its text is kept nowhere.
    is_kept = not any(is_prose(plan.table, column) for column in ("text", "reason"))
    with open_text(path, encoding) as stream:
        for record in records(stream, delimiter):
            cells = record.cells
            if record.line <= header.line:
                continue
            if cells is not None and len(cells) > width and not any(cell.strip() for cell in cells[width:]):
                del cells[width:]
            if cells is not None and len(cells) == width:
                yield record.line, cells
                continue
            text = record.text if cells is None else delimiter.join(cells)
            why = "broken quotes, a character of no meaning, or no end" if cells is None else f"{len(cells)} columns"
            detail = (
                f"{name}: the line does not have the header's {width} columns ({why}); mend it and deliver it again"
            )
            reading.faults.append(
                FaultRow(name, record.line, None, "broken_line", None, detail, text[:_KEPT_CHARS] if is_kept else "")
            )


def _last(
    path: Path, encoding: str, delimiter: str, header: Header, reading: Reading, warehouse: Warehouse
) -> tuple[int, str] | None:
    """The number and the first text of the last line that is not blank."""
    row = int(warehouse.scalar("SELECT max(line_number) FROM given") or 0)
    broken = max((fault.line_number or 0 for fault in reading.faults), default=0)
    number = max(row, broken)
    if number <= header.line:
        return None
    with open_text(path, encoding) as stream:
        if encoding.startswith("utf-8") and not is_packed(path):
            cast("io.TextIOWrapper[io.BufferedReader]", stream).buffer.seek(max(0, path.stat().st_size - _BLOCK_BYTES))
        last = deque((line for line in stream if line.strip(' \t\r\n;,|"')), maxlen=1)
    first = next((cell.strip() for cell in last[0].split(delimiter) if cell.strip()), "") if last else ""
    return number, first.strip('"')
