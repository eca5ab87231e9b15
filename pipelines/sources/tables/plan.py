"""What is looked for in a file: the source columns of each of our columns, and the line that names them.

Belongs here: finding the header, what of it is missing, double or unknown. Does not belong here: reading any format.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from data_contracts.schema import Table
from pipelines.sources.mapping import ColumnRule, FileRule, Rule, is_prose, plain
from pipelines.sources.record import FaultRow

# A title, a date of export and merged cells may stand above a table; what comes later is data.
HEADER_LINES = 30

_NO_RULE = Rule(FileRule(files=("any/*",)))


@dataclass(frozen=True, slots=True)
class Header:
    """The line that names the columns: its number (counted from 1), names as given, and where each stands."""

    line: int
    names: tuple[str, ...]
    places: Mapping[str, int]
    repeated: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each column of a table comes from, by rule or by its own name."""

    table: Table
    rule: Rule
    columns: Mapping[str, ColumnRule]
    must: tuple[str, ...]
    wanted: frozenset[str]

    @classmethod
    def of(cls, table: Table, rule: Rule | None) -> Plan:
        """Make the plan of a table and of what the mapping says of the file, if anything."""
        rule = rule or _NO_RULE
        columns = {name: rule.file.columns.get(name) or ColumnRule(column=name) for name in table.column_names}
        must = [
            source
            for name, column in columns.items()
            if name in rule.file.columns or name in table.required_names
            for source in column.sources
        ]
        wanted = frozenset(source for column in columns.values() for source in column.sources)
        return cls(table, rule, columns, tuple(dict.fromkeys(must)), wanted)

    @property
    def is_mapped(self) -> bool:
        """Whether a rule of the mapping is followed."""
        return self.rule is not _NO_RULE

    def known_in(self, names: Iterable[str]) -> int:
        """How many of a line's texts name a column that is looked for."""
        return len(self.wanted & {plain(name) for name in names})

    def is_header(self, names: Sequence[str]) -> bool:
        """Whether a line names every column that must be there."""
        return set(self.must) <= {plain(name) for name in names}

    def header(self, lines: Sequence[tuple[int, Sequence[str]]]) -> Header | None:
        """The first line that names every column that must be there, else the one that names most; None without any."""
        lines = [(number, cells) for number, cells in lines if any(cell.strip() for cell in cells)]
        if not lines:
            return None
        best = next((line for line in lines if self.is_header(line[1])), None)
        return _header(*(best or max(lines, key=lambda line: self.known_in(line[1]))))

    def faults(self, header: Header | None) -> list[FaultRow]:
        """Why a file with this header cannot be read; each is the whole file's."""
        name = self.table.name
        if header is None:
            detail = f"{name}: the file has no line; wanted is a header with {', '.join(self.must)}"
            return [FaultRow(name, None, self.must[0] if self.must else None, "missing_column", None, detail, "")]
        for column in self.must:
            if column not in header.places:
                return [FaultRow(name, None, column, "missing_column", None, self._missing(column, header), "")]
        for column in sorted(self.wanted & header.repeated):
            detail = f"{name}: the header names {column!r} twice; rename or remove one of them"
            return [FaultRow(name, None, column, "repeated_column", None, detail, "")]
        return []

    def _missing(self, column: str, header: Header) -> str:
        # Where no name is known, the line may well be data, which may name persons.
        if not self.known_in(header.names):
            return f"{self.table.name}: no line names the columns; wanted is a header with {', '.join(self.must)}"
        near = difflib.get_close_matches(column, [plain(name) for name in header.names], n=1)
        hint = f"; {near[0]!r} comes nearest" if near and self.is_mapped else ""
        names = ", ".join(name for name in header.names if name)
        return f"{self.table.name}: the file has no column {column!r}; it has {names}{hint}"

    def unknown(self, header: Header) -> tuple[list[str], list[str]]:
        """Names of columns that nobody reads, and of those that look like content, as the file writes them."""
        used = self.wanted | self.rule.file.named | self.rule.others
        left = [name for name in header.names if name and plain(name) not in used]
        ignored = {plain(name) for name in self.rule.file.ignore}
        prose = [name for name in header.names if name and is_prose(self.table, name) and plain(name) not in ignored]
        return [name for name in left if name not in prose], prose


def _header(line: int, cells: Sequence[str]) -> Header:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    places: dict[str, int] = {}
    repeated = set()
    for place, name in enumerate(names):
        if name and places.setdefault(plain(name), place) != place:
            repeated.add(plain(name))
    return Header(line, tuple(names), places, frozenset(repeated))


@dataclass(slots=True)
class Reading:
    """What reading a file brought, beside the rows in the temporary table `given`.

    Attributes:
        header: the line that names the columns, None where there is none.
        faults: what of the file is no row; one without a line number is the whole file's.
        is_typed: whether values may bear a mark of their type (see `given`).
        notes: what a person should hear of, though nothing is refused for it.
        last: the last line's number and first cell, to know a line of totals.
    """

    header: Header | None = None
    faults: list[FaultRow] = field(default_factory=list)
    is_typed: bool = False
    is_excel: bool = False
    notes: list[str] = field(default_factory=list)
    last: tuple[int, str] | None = None

    @property
    def is_readable(self) -> bool:
        """Whether there are rows to judge."""
        return all(fault.line_number is not None for fault in self.faults)
