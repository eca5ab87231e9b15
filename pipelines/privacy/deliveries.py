"""Files as delivered: the same file without the person, every other row and line as it was.

Belongs here: statements and tables in all formats the inbox takes. Does not belong here: which files there are (`files`,
`pipelines.sources`), rows once taken in (`rows`).

A person's own statement goes. In another's statement a group loses the member, and another mention (instructor,
authority, the person a statement is about) becomes a nameless account. Rows of tables follow the rule of `rows`.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Protocol, cast

import orjson
import polars as pl
import pyarrow as pa

from data_contracts.schema import Table
from data_contracts.tables.inputs import INPUTS, PSEUDONYM_OF
from pipelines.privacy.person import is_distinct
from pipelines.sources.lines import STATEMENT_COLUMNS, DamagedFileError, lines_of
from pipelines.sources.mapping import InboxMapping, plain
from pipelines.sources.tombstones import THING_OF, identified, takes_the_row

# In place of somebody who is mentioned in another's statement: valid, and nobody.
NOBODY = {"objectType": "Agent", "account": {"homePage": "https://erased.invalid", "name": "erased"}}

_JSON_SUFFIXES = (".ndjson", ".jsonl", ".json")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
# The last line of what is left of a damaged file: it is refused, so that somebody delivers the whole again.
_DAMAGE = b'{"the file was damaged here\n'
_DELIMITERS = ",;\t|"


class Seeker(Protocol):
    """Whoever can tell a person's identifiers: a person looked for (`Finder`), or the tombstones of the erased."""

    def may_be_in(self, line: bytes) -> bool:
        """Quick: false only where nobody looked for is named."""

    def hides_identifier(self, identity_type: str, value: str) -> bool:
        """Whether an identifier is theirs."""

    def hides_value(self, column: str, value: str) -> bool:
        """Whether a cell of an input names them or a thing of theirs."""

    def without(self, text: str) -> str:
        """A text with what names them replaced."""

    def hides_text(self, text: str) -> bool:
        """Whether a line that is no statement, or a row that has no columns, names them."""


Aliases = Mapping[str, str]
"""What an operator's mapping calls our columns: ours by the names of theirs, as names are compared."""


def aliases_of(mapping: InboxMapping) -> Aliases:
    """All columns that a mapping takes over as they are."""
    rules = (rule for rules in mapping.tables.values() for rule in rules)
    return {
        plain(column.column): name
        for rule in rules
        for name, column in rule.columns.items()
        if column.column is not None
    }


def clean_file(
    path: Path,
    table: str,
    seeker: Seeker,
    aside: Path,
    *,
    on_gone: Callable[[str], None],
    aliases: Aliases = MappingProxyType({}),
) -> bool:
    """Write a delivered file anew beside it; returns whether it differs, else nothing is left at `aside`.

    Args:
        path: the file.
        table: the input it is for; `xapi` for statements; empty where only a mapping tells.
        seeker: who tells whom to leave out.
        aside: where the new file is written, with the rights of the owner alone.
        on_gone: told each row or line that named them, as it was.
        aliases: what a mapping calls our columns.

    A workbook cannot be written anew here: it stays as it is.
    """
    aside.unlink(missing_ok=True)
    magic = _magic(path)
    rule = _RowRule(INPUTS.get(table), seeker, aliases)
    if magic in _WORKBOOKS:
        return False
    if magic == _PARQUET:
        return _clean_parquet(path, rule, aside, on_gone, is_table=table != "xapi")
    changed = False
    with _packing(aside, magic) as target:
        pieces = _statements(path, seeker, on_gone) if table == "xapi" else _rows(path, rule, on_gone)
        for before, after in pieces:
            changed = changed or before != after
            target.write(after)
    if not changed:
        aside.unlink()
    return changed


def links_in(path: Path) -> list[tuple[str, str, str]]:
    """(learner_key, type, value) of the rows of a file of learner_identity, as far as it can be read."""
    try:
        if _magic(path) == _PARQUET:
            rows: Iterable[dict[str, Any]] = pl.read_parquet(path).iter_rows(named=True)
        elif path.suffix == ".ndjson":
            rows = [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
        else:
            rows = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True).iter_rows(named=True)
        wanted = ("learner_key", "identity_type", "identity_value")
        found = [tuple(str(row.get(name) or "").strip() for name in wanted) for row in rows]
    except (OSError, UnicodeDecodeError, orjson.JSONDecodeError, AttributeError, pl.exceptions.PolarsError):
        return []
    return [(key, kind, value) for key, kind, value in found if key and kind and value]


def _magic(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4)


class _Gzip(gzip.GzipFile):
    """A gzip stream that closes its file too; without time and name, so that equal content gives equal bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        super().__init__(filename="", mode="wb", fileobj=stream, mtime=0)

    def close(self) -> None:
        super().close()
        self._stream.close()


def _packing(path: Path, magic: bytes) -> Any:  # noqa: ANN401 - three kinds of stream
    stream = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    if magic.startswith(_GZIP):
        return _Gzip(stream)
    if magic == _ZSTD:
        return pa.CompressedOutputStream(pa.PythonFile(stream, "w"), "zstd")
    return stream


def _rows(path: Path, rule: _RowRule, on_gone: Callable[[str], None]) -> Iterator[tuple[bytes, bytes]]:
    """(before, after) of every row of a table's file."""
    is_packed = _magic(path).startswith(_GZIP)
    read = _json_rows if path.name.lower().removesuffix(".gz").endswith(_JSON_SUFFIXES) else _csv_rows
    with gzip.open(path, "rb") if is_packed else path.open("rb") as source:
        yield from read(cast("IO[bytes]", source), rule, on_gone)


# --- statements -----------------------------------------------------------------------------------------------------


def _statements(path: Path, seeker: Seeker, on_gone: Callable[[str], None]) -> Iterator[tuple[bytes, bytes]]:
    """Statements as delivered, one after another whatever the file's shape was; a damaged file stays one."""
    try:
        for _, statement in lines_of(path):
            line = statement.rstrip(b"\r\n") + b"\n"
            yield line, _clean_line(line, seeker, on_gone)
    except DamagedFileError:
        yield _DAMAGE, _DAMAGE


def _clean_line(line: bytes, seeker: Seeker, on_gone: Callable[[str], None]) -> bytes:
    if not line.strip() or not seeker.may_be_in(line):
        return line
    text = line.decode("utf-8", "surrogateescape")
    try:
        statement = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        # No statement: nobody can tell what of it is whose.
        if not seeker.hides_text(text):
            return line
        on_gone(text)
        return b""
    try:
        kept = _clean_statement(statement, seeker, on_gone)
        if kept == statement:
            return line
        return b"" if kept is None else orjson.dumps(kept) + b"\n"
    except (orjson.JSONEncodeError, RecursionError):
        on_gone(text)
        return b""


def redacted(statement: Any, seeker: Seeker) -> Any:  # noqa: ANN401 - JSON
    """A parsed statement in which whoever is looked for has become nobody; it stays, whoever's it is."""
    return _clean_part(statement, seeker)


def _clean_statement(statement: Any, seeker: Seeker, on_gone: Callable[[str], None]) -> Any:  # noqa: ANN401
    if isinstance(statement, dict):
        actor = statement.get("actor")
        if isinstance(actor, dict) and (_is_theirs(actor, seeker) or _clean_group(actor, seeker) is None):
            with suppress(orjson.JSONEncodeError, RecursionError):
                on_gone(orjson.dumps(statement).decode())
            return None
    return _clean_part(statement, seeker)


def _clean_part(part: Any, seeker: Seeker) -> Any:  # noqa: ANN401 - JSON
    if isinstance(part, str):
        return seeker.without(part)
    if isinstance(part, list):
        return [_clean_part(each, seeker) for each in part]
    if not isinstance(part, dict):
        return part
    if _is_theirs(part, seeker):
        return NOBODY
    group = _clean_group(part, seeker)
    if group is None:
        return NOBODY
    return {seeker.without(name): _clean_part(value, seeker) for name, value in group.items()}


def _clean_group(part: dict[str, Any], seeker: Seeker) -> dict[str, Any] | None:
    """An object without its erased members; None where nobody is left."""
    members = part.get("member")
    if not isinstance(members, list) or not members:
        return part
    others = [each for each in members if not (isinstance(each, dict) and _is_theirs(each, seeker))]
    return {**part, "member": others} if others else None


def _is_theirs(part: dict[str, Any], seeker: Seeker) -> bool:
    found = identified(part)
    return found is not None and seeker.hides_identifier(*found)


# --- tables ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _RowRule:
    """What becomes of the rows of one file."""

    contract: Table | None
    seeker: Seeker
    aliases: Aliases

    def name(self, given: str) -> str:
        """Our name of a column as the file names it."""
        name = plain(given)
        return self.aliases.get(name, name)

    def clean(self, row: Mapping[str, str | None]) -> dict[str, str | None] | None:
        """A row without the people looked for; None where the row goes."""
        told = {self.name(given): cell for given, cell in row.items()}
        kind, value = told.get("identity_type"), told.get("identity_value")
        if kind and value and self.seeker.hides_identifier(kind, value):
            return None
        kept = dict(row)
        for given, cell in row.items():
            if not cell:
                continue
            column = self.name(given)
            if self._hides(column, cell.strip()):
                if self.contract is None or takes_the_row(self.contract, column):
                    return None
                kept[given] = None
            else:
                kept[given] = self.seeker.without(cell)
        return kept

    def _hides(self, column: str, cell: str) -> bool:
        if self.contract is not None and column in self.contract.column_names:
            return (column in PSEUDONYM_OF or column in THING_OF) and self.seeker.hides_value(column, cell)
        # A column that the contract does not know may be one under another name.
        return is_distinct(cell) and any(self.seeker.hides_value(name, cell) for name in ("learner_key", *THING_OF))


def clean_row(contract: Table, row: Mapping[str, str | None], seeker: Seeker) -> dict[str, str | None] | None:
    """A row of an input, by our own names, without the people looked for; None where the row goes."""
    return _RowRule(contract, seeker, {}).clean(row)


def _csv_rows(source: IO[bytes], rule: _RowRule, on_gone: Callable[[str], None]) -> Iterator[tuple[bytes, bytes]]:
    """Rows of a CSV; a row that stays is the very bytes that were delivered."""
    spent: list[str] = []

    def lines() -> Iterator[str]:
        for line in source:
            spent.append(line.decode("utf-8", "surrogateescape"))
            yield spent[-1]

    given = lines()
    first = next(given, "")
    delimiter = max(_DELIMITERS, key=lambda mark: _columns_found(first, mark, rule))
    names = [name.strip() for name in next(csv.reader([first.removeprefix("\ufeff")], delimiter=delimiter), [])]
    yield first.encode("utf-8", "surrogateescape"), first.encode("utf-8", "surrogateescape")
    spent.clear()
    reader = csv.reader(given, delimiter=delimiter)
    while (cells := _next_row(reader)) is not None:
        before = "".join(spent)
        spent.clear()
        row: dict[str, str | None] = dict(zip(names, cells, strict=False))
        kept = rule.clean(row)
        if kept is None or len(cells) != len(names):
            # A broken row has no columns to tell by: it goes where any of its cells names them.
            is_gone = kept is None or rule.seeker.hides_text(before)
            after = "" if is_gone else before
        else:
            after = before if kept == row else _csv_line([kept[name] or "" for name in names], delimiter, before)
        if not after:
            on_gone(before)
        yield before.encode("utf-8", "surrogateescape"), after.encode("utf-8", "surrogateescape")


def _next_row(reader: Iterator[list[str]]) -> list[str] | None:
    """The cells of the next row, none of one that is no CSV; None at the end."""
    try:
        return next(reader, None)
    except csv.Error:
        return []


def _columns_found(header: str, delimiter: str, rule: _RowRule) -> tuple[int, int]:
    """How many columns of ours a delimiter finds in the header, then how many at all."""
    names = next(csv.reader([header.removeprefix("\ufeff")], delimiter=delimiter), [])
    known = rule.contract.column_names if rule.contract else rule.aliases.values()
    return len({rule.name(name) for name in names} & set(known)), len(names)


def _csv_line(cells: list[str], delimiter: str, before: str) -> str:
    line = io.StringIO()
    ending = before[len(before.rstrip("\r\n")) :]
    csv.writer(line, delimiter=delimiter, lineterminator=ending).writerow(cells)
    return line.getvalue()


def _json_rows(source: IO[bytes], rule: _RowRule, on_gone: Callable[[str], None]) -> Iterator[tuple[bytes, bytes]]:
    for line in source:
        text = line.decode("utf-8", "surrogateescape")
        try:
            given = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError:
            given = None
        if not isinstance(given, dict):
            is_gone = rule.seeker.hides_text(text)
            if is_gone:
                on_gone(text)
            yield line, b"" if is_gone else line
            continue
        row = {name: _as_text(value) for name, value in given.items()}
        kept = rule.clean(row)
        if kept == row:
            yield line, line
        elif kept is None:
            on_gone(text)
            yield line, b""
        else:
            changed = {name: given[name] if kept[name] == row[name] else kept[name] for name in given}
            yield line, orjson.dumps(changed) + b"\n"


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _clean_parquet(path: Path, rule: _RowRule, aside: Path, on_gone: Callable[[str], None], *, is_table: bool) -> bool:
    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.PolarsError:
        # Nobody can read it, so nothing of it was or will be taken.
        return False
    if is_table:
        texts = frame.with_columns(pl.all().cast(pl.String, strict=False))
        rows = [rule.clean(row) for row in texts.iter_rows(named=True)]
        changed: dict[str, list[Any]] = {
            name: [None if row is None else row[name] for row in rows]
            for name, kind in frame.schema.items()
            if kind == pl.String
        }
        is_kept = pl.Series([row is not None for row in rows], dtype=pl.Boolean)
        for row, kept in zip(texts.iter_rows(named=True), rows, strict=True):
            if kept is None:
                on_gone(orjson.dumps(row).decode())
    else:
        names = [name for name in STATEMENT_COLUMNS if name in frame.columns] or frame.columns
        changed, is_kept = {}, pl.Series([True] * frame.height, dtype=pl.Boolean)
        for name in names:
            kind = frame.schema[name]
            if kind not in {pl.String, pl.Binary}:
                continue
            given = [value.encode() if isinstance(value, str) else value for value in frame[name].to_list()]
            lines = [line if line is None else _clean_line(line, rule.seeker, on_gone) for line in given]
            is_kept &= pl.Series([line != b"" for line in lines], dtype=pl.Boolean)
            changed[name] = [
                line if line is None or kind == pl.Binary else line.rstrip(b"\n").decode() for line in lines
            ]
    cleaned = frame.with_columns(
        pl.Series(name, values, dtype=frame.schema[name]) for name, values in changed.items()
    ).filter(is_kept)
    if cleaned.equals(frame):
        return False
    os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    cleaned.write_parquet(aside, compression="zstd")
    return True
