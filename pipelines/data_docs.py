"""Great Expectations' Data Docs as pages of our own: what was expected of each table, and what held.

Belongs here: a page a table and their index, written as each check ends. Does not belong here: judging
(`data_contracts.expectations`), the frame of a page (`reports.page`).

Great Expectations' own pages are useless offline, since they load style and scripts from hosts all over. So its
sentences stand here in the frame of our reports. No page holds anything of a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_contracts.expectations import SUMMARY_ABOVE_ROWS, Judgement
from data_contracts.schema import Table
from models.document import Bullets, Document, Grid, Link, Links, Paragraph, Section
from pipelines.faults import Fault
from pipelines.home import told_instant
from pipelines.reports.page import html, put
from pipelines.resources import Night

INDEX = "index.html"
_NIGHTS = 14
_HOLDS, _BROKEN = "holds", "does not hold"


def write_page(night: Night, table: Table, told: Judgement, rows: int, faults: Sequence[Fault]) -> Path:
    """Write a table's page and the index anew from this run's verdict; returns the page's path."""
    folder = night.home.data_docs
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    page = folder / f"{table.qualified_name}.html"
    put(page, html(_page(night, table, told, rows, faults)))
    put(folder / INDEX, html(_index(night)))
    return page


def _page(night: Night, table: Table, told: Judgement, rows: int, faults: Sequence[Fault]) -> Document:
    state = "holds its contract" if told.is_passed else "does not hold its contract"
    how = "by one SQL statement that counts them" if rows > SUMMARY_ABOVE_ROWS else "row by row"
    sections = [
        Section(
            "In short",
            (
                Paragraph(f"{table.description}: {table.grain}."),
                Bullets(
                    (
                        f"{rows:,} rows, judged {how}",
                        f"{told.expectations_count} expectations, {len(faults)} of them broken",
                    )
                ),
            ),
        )
    ]
    if faults:
        sections.append(Section("What is broken", (_faults(faults, rows),)))
    return Document(
        title=f"{table.qualified_name} {state}",
        lead=f"As of {told_instant(night.observed_at)}, run {night.run_id[:8]}. Judged by Great Expectations.",
        sections=(
            *sections,
            Section("Expectations", (_expectations(told),)),
            Section("Nights", (_nights(_history(night, table)),)),
        ),
        up=Link("All tables", INDEX),
    )


def _faults(faults: Sequence[Fault], rows: int) -> Grid:
    return Grid(
        "Broken expectations, the most rows first; rows of persons are counted, never shown",
        ("expectation", "rows", "share", "found", "examples"),
        tuple(
            (
                fault.expectation,
                f"{fault.rows_count:,}",
                f"{fault.rows_count / rows:.1%}" if rows else "",
                fault.found,
                fault.examples,
            )
            for fault in faults
        ),
    )


def _expectations(told: Judgement) -> Grid:
    return Grid(
        "What is expected of the table, and the rows that violate it",
        ("about", "expectation", "state", "rows against it"),
        tuple(
            (
                verdict.column or "the table",
                verdict.sentence,
                _BROKEN if verdict.violations_count else _HOLDS,
                f"{verdict.violations_count:,}",
            )
            for verdict in told.verdicts
        ),
    )


def _history(night: Night, table: Table) -> list[tuple[str, int, int, int]]:
    """(night, rows, broken expectations, rows that violate them) of this run and the latest before it."""
    found = night.warehouse.rows(
        "SELECT r.observed_at, max(c.row_count), count(*) FILTER (NOT c.is_passed), sum(c.check_value) "
        "FROM ops.check_result AS c JOIN ops.run AS r USING (run_id) WHERE c.table_name = ? "
        f"GROUP BY c.run_id, r.observed_at, r.started_at ORDER BY c.run_id = ? DESC, r.started_at DESC LIMIT {_NIGHTS}",
        [table.qualified_name, night.run_id],
    )
    return [(told_instant(at), int(rows), int(broken), int(violations)) for at, rows, broken, violations in found]


def _nights(history: Sequence[tuple[str, int, int, int]]) -> Grid:
    return Grid(
        f"This run and up to {_NIGHTS - 1} before it",
        ("as of", "rows", "broken expectations", "violations"),
        tuple((at, f"{rows:,}", f"{broken:,}", f"{violations:,}") for at, rows, broken, violations in history),
    )


def _index(night: Night) -> Document:
    """Each table's latest verdict, the broken ones first."""
    found = night.warehouse.rows(
        "SELECT table_name, max(row_count), count(*) FILTER (NOT is_passed), observed_at FROM ("
        "SELECT c.*, r.observed_at FROM ops.check_result AS c JOIN ops.run AS r USING (run_id) "
        "QUALIFY rank() OVER (PARTITION BY c.table_name ORDER BY r.started_at DESC) = 1) "
        "GROUP BY table_name, observed_at ORDER BY bool_and(is_passed), table_name"
    )
    broken = sum(1 for *_, faults, _ in found if faults)
    links = tuple(
        Link(
            name,
            f"{name}.html",
            f"{_BROKEN + f', {faults} expectations broken' if faults else _HOLDS}, {rows:,} rows, as of {told_instant(at)}",
        )
        for name, rows, faults, at in found
    )
    return Document(
        title="What is expected of the tables",
        lead=f"As of {told_instant(night.observed_at)}, run {night.run_id[:8]}. "
        f"{len(found) - broken} of {len(found)} tables hold their contract.",
        sections=(
            Section(
                "Tables",
                (
                    Paragraph(
                        "Each was judged by Great Expectations when it was made. A table that does not hold its contract "
                        "keeps the marts of the last publication in place."
                    ),
                    Links(links),
                ),
            ),
        ),
        up=Link("All reports", "../index.html"),
    )
