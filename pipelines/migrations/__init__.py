"""Changes of the records: numbered SQL files, each applied once and in order, after a backup.

Belongs here: the schemas that no archive gives back (risk, alerts, ops) on their way from one version of the code to
the next. Does not belong here: raw, core and features, which a change of version fills anew (`warehouse`).

A file is `NNNN_what_changed.sql`. It says tables and columns itself and never asks a contract, which goes on changing
after it; what has been released is not edited, a further change is a further file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from data_contracts.errors import PermanentError

AREA = "records"
RECORDS = ("risk", "alerts", "ops")
_FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered change."""

    number: int
    name: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """All of them, in order; their numbers run from 1 without a gap.

    Raises:
        PermanentError: a number is missing or stands twice.
    """
    files = sorted(_FOLDER.glob("[0-9]*.sql"))
    found = tuple(Migration(int(file.name[:4]), file.stem, file.read_text("utf-8")) for file in files)
    if [one.number for one in found] != list(range(1, len(found) + 1)):
        message = f"{_FOLDER.name}: numbers must run from 0001 without a gap, found {', '.join(f.name for f in files)}"
        raise PermanentError(message)
    return found


def migrate(con: duckdb.DuckDBPyConnection, backups: Path) -> None:
    """Bring the records of an open warehouse to today's version, or to none of it.

    Args:
        con: the warehouse, with schema ops and its table schema_version.
        backups: folder for `records-before-NNNN.duckdb`, the records as they were; made where one is needed.

    Raises:
        PermanentError: the records were written by newer code.
    """
    newest = len(migrations())
    found = _version(con)
    if found is not None and found > newest:
        message = f"the {AREA} have schema version {found}, this code knows {newest}; install the newer Handrail"
        raise PermanentError(message)
    if found == newest:
        return
    waiting = () if found is None else migrations()[found:]
    if waiting:
        _back_up(con, backups / f"records-before-{waiting[0].number:04}.duckdb")
    con.execute("BEGIN")
    try:
        for one in waiting:
            con.execute(one.sql)
        con.execute("DELETE FROM ops.schema_version WHERE area = ?", [AREA])
        con.execute("INSERT INTO ops.schema_version VALUES (?, ?)", [AREA, newest])
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise


def _version(con: duckdb.DuckDBPyConnection) -> int | None:
    """The last change that was applied, 0 where there were records before changes had numbers, None where none are."""
    stamped = con.execute("SELECT version FROM ops.schema_version WHERE area = ?", [AREA]).fetchall()
    if stamped:
        return int(stamped[0][0])
    return 0 if _tables(con, "risk") else None


def _tables(con: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    found = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? ORDER BY 1",
        [schema],
    ).fetchall()
    return [str(row[0]) for row in found]


def _back_up(con: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Copy the records, and nothing that the archive gives back, to a database of their own; whole or not at all."""
    aside = file.with_name(f".{file.name}.partial")
    file.parent.mkdir(mode=0o700, exist_ok=True)
    aside.unlink(missing_ok=True)
    old_mask = os.umask(0o077)
    try:
        con.execute(f"ATTACH '{str(aside).replace(chr(39), chr(39) * 2)}' AS backup")
        for schema in RECORDS:
            con.execute(f"CREATE SCHEMA backup.{schema}")
            for table in _tables(con, schema):
                con.execute(f"CREATE TABLE backup.{schema}.{table} AS FROM {schema}.{table}")
        con.execute("DETACH backup")
    finally:
        os.umask(old_mask)
    aside.rename(file)
