"""Everything that is held of one person, as a zip of CSV files with a page that says what each is.

Belongs here: what goes out and what of it is another's. Does not belong here: finding the person (`person`).

Rows about the person go out, and rows that name them in a role without which the row says nothing (a mentor's matches).
In those the other side is left out: a learner's pseudonym is emptied; mentors' pseudonyms stay.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import orjson
import polars as pl

from data_contracts.errors import UsageError
from data_contracts.schema import Table
from pipelines.access import log_access, reads_about
from pipelines.archive import sync
from pipelines.home import Home
from pipelines.privacy.deliveries import clean_file, redacted
from pipelines.privacy.erase import find, open_pseudonyms, sealed_files
from pipelines.privacy.files import Sweep
from pipelines.privacy.person import Finder, Person, is_held
from pipelines.privacy.rows import CONTRACTS, MEMBERS, find_hits, quoted
from pipelines.settings import Settings
from pipelines.sinks.words import FORMULA
from pipelines.sources.sealed import read_sealed
from pipelines.sources.tombstones import OWNERS
from pipelines.warehouse import Warehouse

ANOTHER = "another person"

# What the identity store keeps, in words; it has no contracts, since nothing but the pipeline reads it.
_IDENTITY_TABLES = {
    "identifier": "Identifiers as given in statements and links",
    "identifier_link": "Which identities belong together",
    "person": "Key, name and address as given",
    "audit": "Attributes that the fairness audit alone reads",
}
_MAIL = re.compile(r"[^\s\"'<>(){}\[\],;:=|]+@[^\s\"'<>(){}\[\],;:=|]+")
_KEYED = re.compile(r"'(\w+_key|by)': ([^,}]+)")

_INTRODUCTION = """What Handrail holds of one person
=================================

Each file is a table as comma-separated values in UTF-8, or lines of JSON; instants are in UTC. Pseudonyms (32 hexadecimal
digits) stand in place of identifiers. An apostrophe before =, +, - or @ keeps spreadsheets from reading a text as a
formula and is no part of it. The files under identity/ say which are yours. Other learners are left out, mentors
appear by pseudonym. marts/ is what dashboards read now; the folders of earlier publications hold the same kinds of rows.

"""


@dataclass(slots=True)
class _Page:
    """The zip being written, with the page that describes it."""

    packed: zipfile.ZipFile
    text: str = _INTRODUCTION
    rows: int = 0

    def add(self, name: str, content: bytes, rows: int, about: str) -> None:
        """Add a file and what it is."""
        self.packed.writestr(_entry(name), content)
        self.text += f"{name} ({rows:,} rows)\n{about}\n\n"
        self.rows += rows

    def close(self) -> None:
        """Write the page itself."""
        self.packed.writestr(_entry("README.txt"), self.text.encode())


class _EverybodyElse:
    """A seeker of all but one person: what it replaces is another's."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder

    def may_be_in(self, line: bytes) -> bool:
        return bool(line)

    def hides_identifier(self, identity_type: str, value: str) -> bool:
        return not self._finder.hides_identifier(identity_type, value)

    def hides_value(self, column: str, value: str) -> bool:
        return not self._finder.hides_value(column, value)

    def hides_text(self, text: str) -> bool:
        return not self._finder.hides_text(text)

    def without(self, text: str) -> str:
        return _MAIL.sub(lambda found: found[0] if self._finder.is_in(found[0]) else ANOTHER, text)


def export_learner(home: Home, settings: Settings, given: tuple[str, str], out: Path) -> int:
    """Write what is held of a person to a new zip (0600); returns how many rows. Call under the home's lock.

    Raises:
        UsageError: nothing is held of the identity, or the file exists.
    """
    if out.exists():
        message = f"{out} exists; name a new file"
        raise UsageError(message)
    with Warehouse.of(home, settings) as warehouse:
        pseudonyms = open_pseudonyms(home, warehouse)
        person = find(home, warehouse, pseudonyms, given)
        if not is_held(warehouse, person):
            message = "nothing is held of this identity under this spelling"
            raise UsageError(message)
        finder = Finder(person, pseudonyms)
        aside = out.with_name(f".{out.name}.unfinished")
        aside.unlink(missing_ok=True)
        handle = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w+b") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
            page = _Page(packed)
            _identity(warehouse, finder, page)
            _tables(warehouse.con, "warehouse", finder, page)
            _marts(home, finder, page)
            _refused(warehouse, finder, page)
            _received(home, settings, warehouse, finder, page)
            _reads(warehouse, finder, page)
            page.close()
        log_access(warehouse, "export-learner", page.rows, person.ids)
    sync(aside)
    os.replace(aside, out)
    return page.rows


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _csv(frame: pl.DataFrame) -> bytes:
    """A text that a spreadsheet would read as a formula has an apostrophe before it; the page says so."""
    text = io.BytesIO()
    guarded = [
        pl.when(pl.col(name).str.contains(FORMULA)).then("'" + pl.col(name)).otherwise(pl.col(name)).alias(name)
        for name in frame.select(pl.selectors.string()).columns
    ]
    frame.with_columns(guarded).write_csv(text)
    return text.getvalue()


def _identity(warehouse: Warehouse, finder: Finder, page: _Page) -> None:
    for name, about in _IDENTITY_TABLES.items():
        frame = _rows_of(warehouse.con, f"identity.main.{name}", None, finder)
        if not frame.is_empty():
            page.add(f"identity/{name}.csv", _csv(frame), frame.height, about)


def _tables(con: duckdb.DuckDBPyConnection, catalog: str, finder: Finder, page: _Page) -> None:
    folder = "marts" if catalog == "published" else "warehouse"
    for qualified, contract in CONTRACTS.items():
        if (contract.schema == "main") != (catalog == "published"):
            continue
        there = con.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
            [catalog, contract.schema, contract.name],
        ).fetchall()
        if not there[0][0]:
            continue
        frame = _rows_of(con, f"{catalog}.{qualified}", contract, finder)
        if not frame.is_empty():
            name = contract.name if folder == "marts" else qualified
            page.add(f"{folder}/{name}.csv", _csv(frame), frame.height, _about(contract))


def _rows_of(con: duckdb.DuckDBPyConnection, relation: str, contract: Table | None, finder: Finder) -> pl.DataFrame:
    hits = find_hits(con, relation, contract, finder)
    members = [f'"{MEMBERS}" = {quoted(value)}' for value in hits.cells.get(MEMBERS, ())]
    conditions = [*([hits.condition] if hits.rows else []), *members]
    frame: pl.DataFrame = con.sql(f"SELECT * FROM {relation} WHERE {' OR '.join(conditions) or 'false'}").pl()
    return _without_others(frame, finder.person)


def _without_others(frame: pl.DataFrame, person: Person) -> pl.DataFrame:
    own = sorted(person.ids | person.things.get("match_id", set()))
    changes = [
        pl.when(pl.col(name).is_in(own)).then(pl.col(name)).alias(name) for name in frame.columns if name in OWNERS
    ]
    if "participation_id" in frame.columns:
        # `programme:learner`
        learner = pl.col("participation_id").str.split(":").list.last()
        changes.append(pl.when(learner.is_in(own)).then(pl.col("participation_id")).alias("participation_id"))
    if MEMBERS in frame.columns:
        members = pl.col(MEMBERS).str.split(" ").list.set_intersection(own).list.join(" ")
        changes.append(members.alias(MEMBERS))
    return frame.with_columns(changes)


def _about(contract: Table) -> str:
    lines = [f"{contract.description}; {contract.grain}."]
    for column in contract.columns:
        unit = f" [{column.field.unit}]" if column.field.unit else ""
        lines.append(f"  {column.name}: {column.field.description}{unit}")
    return "\n".join(lines)


def _marts(home: Home, finder: Finder, page: _Page) -> None:
    if not home.marts_file.exists():
        return
    with duckdb.connect() as con:
        con.execute(f"ATTACH {quoted(str(home.marts_file))} AS published (READ_ONLY)")
        _tables(con, "published", finder, page)


def _refused(warehouse: Warehouse, finder: Finder, page: _Page) -> None:
    """Rows refused that mention the person, with the reason; of their text what is not another's."""
    lines = []
    for table, name, line, reason, text in warehouse.rows(
        "SELECT q.table_name, q.file_name, q.line_number, q.reason, s.raw_text FROM identity.sealed.quarantine AS s "
        "JOIN raw.quarantine AS q USING (fault_id) ORDER BY ALL"
    ):
        if text and finder.hides_text(str(text)):
            told = {"table": table, "file": name, "line": line, "reason": reason, "text": _own_text(str(text), finder)}
            lines.append(orjson.dumps(told))
    if lines:
        about = "Rows refused that mention you, and why; other persons in them are left out"
        page.add("refused.ndjson", b"\n".join(lines) + b"\n", len(lines), about)


def _reads(warehouse: Warehouse, finder: Finder, page: _Page) -> None:
    reads = reads_about(warehouse, finder.person.ids)
    if not reads.is_empty():
        about = "Commands of Handrail that showed or gave out rows about you: when, and which account called them"
        page.add("reads.csv", _csv(reads), reads.height, about)


def _own_text(text: str, finder: Finder) -> str:
    others = _EverybodyElse(finder)
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        keyed = _KEYED.sub(lambda found: _keyed(found[1], found[2], finder), text)
        return others.without(keyed)
    return orjson.dumps(redacted(parsed, others)).decode()


def _keyed(column: str, value: str, finder: Finder) -> str:
    is_own = value == "NULL" or finder.hides_value(column, value.strip())
    return f"'{column}': {value if is_own else ANOTHER}"


def _received(home: Home, settings: Settings, warehouse: Warehouse, finder: Finder, page: _Page) -> None:
    """The person's own statements in files as received, whole; what the typed rows leave out stands here."""
    sweep = Sweep(home, settings, finder, is_dry_run=True)
    lines: list[bytes] = []

    def keep(text: str) -> None:
        lines.append(_own_text(text, finder).encode())

    with sweep.working():
        for path in _statement_files(sweep, warehouse):
            clean_file(path, "xapi", finder, sweep.scratch / "aside", on_gone=keep)
    if lines:
        about = "Your statements as received and still kept, in files taken or waiting; other persons are left out"
        page.add("statements_as_received.ndjson", b"\n".join(lines) + b"\n", len(lines), about)


def _statement_files(sweep: Sweep, warehouse: Warehouse) -> Iterator[Path]:
    yield from (path for path, table in sweep.delivered() if table == "xapi")
    for content_hash, table, name, _ in sealed_files(warehouse):
        if table != "xapi":
            continue
        path = sweep.scratch / Path(name).name
        with path.open("wb") as stream:
            stream.writelines(read_sealed(warehouse, content_hash, table))
        yield path
        path.unlink()
