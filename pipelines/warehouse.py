"""The warehouse: one DuckDB file, one writer, its tables created from their contracts.

Belongs here: opening and closing, schemas, versions, moving frames in and out. Does not belong here: what the
tables mean (`data_contracts`) or how they are filled (`pipelines.core`, `features`, `models`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pyarrow as pa

from data_contracts.errors import PermanentError, TransientError
from data_contracts.schema import Table
from data_contracts.tables.alerts import ALERT_TABLES
from data_contracts.tables.core import CORE_STATE, CORE_TABLES
from data_contracts.tables.features import FEATURE_STATE, FEATURE_TABLES
from data_contracts.tables.inputs import RAW_TABLES
from data_contracts.tables.risk import RISK_TABLES
from pipelines.archive import Archive
from pipelines.home import Home
from pipelines.migrations import RECORDS, migrate
from pipelines.settings import Settings

SCHEMA_VERSION = 3
DERIVED = ("raw", "core", "features")

_FRUGAL = "400MB"

_OPS = """
CREATE TABLE IF NOT EXISTS ops.schema_version (area VARCHAR, version INTEGER);
CREATE TABLE IF NOT EXISTS ops.run (
    run_id VARCHAR, source VARCHAR, observed_at TIMESTAMP, started_at TIMESTAMP, ended_at TIMESTAMP, state VARCHAR,
    exit_code INTEGER, publication_id VARCHAR, quarantined_before BIGINT, quarantined_after BIGINT, message VARCHAR);
ALTER TABLE ops.run ADD COLUMN IF NOT EXISTS failed_sources VARCHAR;
ALTER TABLE ops.run ADD COLUMN IF NOT EXISTS delivered_at TIMESTAMP;
CREATE TABLE IF NOT EXISTS ops.archive_unit (unit BIGINT);
CREATE TABLE IF NOT EXISTS ops.basis (area VARCHAR, basis VARCHAR);
CREATE TABLE IF NOT EXISTS ops.lrs_pull (
    lrs_name VARCHAR, range_name VARCHAR, since_at TIMESTAMP, until_at TIMESTAMP, watermark_at TIMESTAMP,
    is_open BOOLEAN, continuation VARCHAR, consistent_at TIMESTAMP, newest_stored_at TIMESTAMP,
    ordered_page_count BIGINT, page_count BIGINT, statement_count BIGINT, byte_count BIGINT, updated_at TIMESTAMP);
CREATE TABLE IF NOT EXISTS ops.access_log (
    accessed_at TIMESTAMP, command VARCHAR, row_count BIGINT, access_number BIGINT, caller VARCHAR);
CREATE TABLE IF NOT EXISTS ops.access_subject (access_number BIGINT, learner_id VARCHAR);
CREATE TABLE IF NOT EXISTS ops.check_result (
    run_id VARCHAR, table_name VARCHAR, check_name VARCHAR, is_passed BOOLEAN, check_value DOUBLE, row_count BIGINT);
"""

# How alerts stand, as `models.lifecycle` folds events: a closed alert stays closed unless it is reopened, and what was
# acted on is not merely reviewed.
_CURRENT_ALERTS = """
CREATE OR REPLACE VIEW alerts.current AS
WITH told AS (
    SELECT *, CASE event_kind WHEN 'opened' THEN 0 WHEN 'reviewed' THEN 1 WHEN 'acted' THEN 2 WHEN 'dismissed' THEN 3
            WHEN 'resolved' THEN 3 END AS weight,
        count(*) FILTER (event_kind = 'reopened') OVER (PARTITION BY alert_id ORDER BY happened_at, event_number
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS reopened_later_count
    FROM alerts.event
)
SELECT alert_id, any_value(participation_id) AS participation_id, any_value(learner_id) AS learner_id,
    any_value(kind) AS kind, any_value(rule) AS rule,
    replace(arg_min(event_kind, (-weight, happened_at, event_number)) FILTER (decides), 'opened', 'new') AS state,
    arg_min(happened_at, (-weight, happened_at, event_number)) FILTER (decides) AS state_at,
    min(happened_at) FILTER (event_kind = 'opened') AS opened_at, max(happened_at) AS last_happened_at
FROM (SELECT *, weight IS NOT NULL AND NOT (weight = 3 AND reopened_later_count > 0) AS decides FROM told)
GROUP BY alert_id
"""

_IDENTITY = """
CREATE SCHEMA IF NOT EXISTS identity.sealed;
CREATE TABLE IF NOT EXISTS identity.main.identifier (
    identity_id VARCHAR, identity_type VARCHAR, identity_value VARCHAR);
CREATE TABLE IF NOT EXISTS identity.main.identifier_link (identity_id VARCHAR, learner_id VARCHAR);
CREATE TABLE IF NOT EXISTS identity.main.person (
    person_id VARCHAR, person_key VARCHAR, display_name VARCHAR, contact_address VARCHAR);
CREATE TABLE IF NOT EXISTS identity.main.audit (
    learner_id VARCHAR, gender VARCHAR, age_band VARCHAR, disability VARCHAR, deprivation_band VARCHAR);
CREATE TABLE IF NOT EXISTS identity.main.tombstone (tombstone VARCHAR);
CREATE TABLE IF NOT EXISTS identity.main.erasure (identity_type VARCHAR, identity_value VARCHAR, person VARCHAR);
CREATE TABLE IF NOT EXISTS identity.sealed.quarantine (fault_id VARCHAR, file_name VARCHAR, raw_text VARCHAR);
CREATE TABLE IF NOT EXISTS identity.sealed.file (
    file_hash VARCHAR, table_name VARCHAR, file_name VARCHAR, part BIGINT, is_last BOOLEAN, content BLOB, codec VARCHAR,
    sealed_at TIMESTAMP);
"""

# The store's tables stand under `store`.
WITNESSES = (
    "(SELECT identity_type, identity_value, identity_id FROM {store}identifier LIMIT 3) UNION ALL "
    "(SELECT NULL, person_key, person_id FROM {store}person WHERE person_key IS NOT NULL LIMIT 3)"
)


class Warehouse:
    """An open warehouse with the identity store attached; use as a context manager.

    Raises on opening:
        TransientError: another process has the file open.
        PermanentError: the file was written by a newer version of the code, or cannot be opened at all.
    """

    def __init__(self, file: Path, identity_file: Path, *, threads: int, memory_limit: str) -> None:
        old_mask = os.umask(0o077)
        try:
            self.con = duckdb.connect(str(file), config={"threads": threads, "memory_limit": memory_limit})
            self.con.execute(f"ATTACH '{_quoted(identity_file)}' AS identity")
        except duckdb.IOException as error:
            if "Could not set lock" in str(error):
                message = f"{file.name} is open in another process; close it and run again"
                raise TransientError(message) from None
            message = f"{file.name} or {identity_file.name} cannot be opened: its folder is missing or it is damaged"
            raise PermanentError(message) from None
        finally:
            os.umask(old_mask)
        self.con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        # With the 16 MB that are usual a night would stop for a checkpoint in its middle, and make another at its end.
        self.con.execute("SET checkpoint_threshold = '64MB'")
        self.archive = Archive(file.parent / "archive")
        self._memory_limit = memory_limit
        try:
            self._create()
        except BaseException:
            self.con.close()
            raise
        # A transaction may write to one attached database only, so the identity store has its own.
        self._identity = self.con.cursor()

    @classmethod
    def of(cls, home: Home, settings: Settings) -> Warehouse:
        """Open the warehouse of a home as its settings ask."""
        return cls(
            home.warehouse_file, home.identity_file, threads=settings.threads, memory_limit=settings.memory_limit
        )

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._identity.close()
        self.con.close()

    def _create(self) -> None:
        for schema in RECORDS:
            self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self.con.execute(_OPS)
        self.con.execute(_IDENTITY)
        stamped = dict(self.rows("SELECT area, version FROM ops.schema_version"))
        for area in ("warehouse", "identity"):
            found = stamped.get(area)
            if found is not None and found > SCHEMA_VERSION:
                message = (
                    f"the {area} store has schema version {found}, this code knows {SCHEMA_VERSION}; "
                    "install the newer Handrail that wrote it"
                )
                raise PermanentError(message)
        migrate(self.con, self.archive.folder.parent / "backup")
        self.archive.settle({int(row[0]) for row in self.rows("SELECT unit FROM ops.archive_unit")})
        if stamped.get("warehouse") == SCHEMA_VERSION:
            self._create_tables()
        else:
            self.replay()

    def _create_tables(self) -> None:
        for schema in DERIVED:
            self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for contract in (
            *RAW_TABLES,
            *CORE_TABLES,
            *CORE_STATE,
            *FEATURE_TABLES,
            *FEATURE_STATE,
            *RISK_TABLES,
            *ALERT_TABLES,
        ):
            self.con.execute(f"CREATE TABLE IF NOT EXISTS {contract.qualified_name} ({contract.ddl()})")

        self.con.execute(_CURRENT_ALERTS)

    def replay(self) -> None:
        """Empty what is derived and fill schema raw anew from the archive; core and features follow from raw.

        A column that the archive's older parts do not have is null; one transaction, so a kill changes nothing.
        """
        self.con.execute("BEGIN")
        for schema in DERIVED:
            self.con.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        self._create_tables()
        for contract in RAW_TABLES:
            parts = self.archive.parts(contract.name)
            if parts:
                self.con.execute(
                    f"INSERT INTO {contract.qualified_name} BY NAME "
                    "SELECT * FROM read_parquet(?, union_by_name = true)",
                    [[str(part) for part in parts]],
                )
        self.con.execute("DELETE FROM ops.archive_unit; DELETE FROM ops.basis")
        self.con.execute("INSERT INTO ops.archive_unit VALUES (?)", [self.archive.last_unit()])
        for area in ("warehouse", "identity"):
            self.con.execute("DELETE FROM ops.schema_version WHERE area = ?", [area])
            self.con.execute("INSERT INTO ops.schema_version VALUES (?, ?)", [area, SCHEMA_VERSION])
        self.con.execute("COMMIT")

    @contextmanager
    def frugal(self) -> Iterator[None]:
        """Let the database do with little memory meanwhile: for rows that only pass through."""
        # What is in use cannot always be given back at once; then it goes on with as much as before.
        with suppress(duckdb.OutOfMemoryException):
            self.con.execute(f"SET memory_limit = '{min(self._memory_limit, _FRUGAL, key=_megabytes)}'")
        try:
            yield
        finally:
            self.con.execute(f"SET memory_limit = '{self._memory_limit}'")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside stays, or nothing of it."""
        self.con.execute("BEGIN")
        try:
            yield
            self.con.execute("COMMIT")
        except BaseException:
            # An error of the database's own may have ended it already.
            with suppress(duckdb.TransactionException):
                self.con.execute("ROLLBACK")
            raise

    def execute(self, sql: str, values: Iterable[object] = ()) -> None:
        """Run a statement for its effect."""
        self.con.execute(sql, list(values))

    def rows(self, sql: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        return self.con.execute(sql, list(values)).fetchall()

    def scalar(self, sql: str, values: Iterable[object] = ()) -> Any:  # noqa: ANN401 - whatever the query returns
        """Run a query and return the first value of its first row, None where there is no row."""
        # fetchone() would leave the result open, and DuckDB 2.0 then refuses other work on the connection.
        rows = self.rows(sql, values)
        return rows[0][0] if rows else None

    def frame(self, sql: str) -> pl.DataFrame:
        """Run a query and return its rows as a Polars frame, handed over as Arrow."""
        frame: pl.DataFrame = self.con.sql(sql).pl()
        return frame

    def slices(self, sql: str, rows: int) -> Iterator[pl.DataFrame]:
        """Run a query and return its rows in frames of about so many; nothing else may run on the warehouse meanwhile."""
        for batch in self.con.sql(sql).to_arrow_reader(rows):
            yield pl.DataFrame(pl.from_arrow(batch))

    def relation(self, sql: str) -> nw.LazyFrame[Any]:
        """A query as a lazy frame that DuckDB itself will run."""
        return nw.from_native(self.con.sql(sql))

    def replace(self, table: Table, select: str) -> int:
        """Fill a derived table anew from a query that yields its columns by name; returns its row count."""
        columns = ", ".join(
            f'CAST("{column.name}" AS {column.sql_type}) AS "{column.name}"' for column in table.columns
        )
        self.con.execute(f"CREATE OR REPLACE TABLE {table.qualified_name} AS SELECT {columns} FROM ({select})")
        return self.count(table)

    def append(self, table: Table, frame: pl.DataFrame) -> None:
        """Add a frame's rows; it must have every column of the contract, in any order."""
        names = ", ".join(f'"{name}"' for name in table.column_names)
        with self.lent("handrail_incoming", frame):
            self.con.execute(f"INSERT INTO {table.qualified_name} ({names}) SELECT {names} FROM handrail_incoming")

    @contextmanager
    def lent(self, name: str, frame: pl.DataFrame) -> Iterator[None]:
        """Let one query read a frame under a name, and once only."""
        # An open transaction keeps whatever was registered in it until it ends; a stream that has ended holds no rows.
        table = frame.to_arrow()
        self.con.register(name, pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches())))
        del table
        yield
        # Where the query failed the name goes with the transaction, which takes no more commands.
        self.con.unregister(name)

    def replace_with(self, table: Table, frame: pl.DataFrame) -> int:
        """Fill a derived table anew from a frame; returns its row count."""
        self.con.register("handrail_incoming", frame)
        written = self.replace(table, "FROM handrail_incoming")
        self.con.unregister("handrail_incoming")
        return written

    def replace_relation(self, table: Table, frame: nw.LazyFrame[Any]) -> int:
        """Fill a derived table anew from a lazy frame that DuckDB runs; returns its row count."""
        self.con.register("handrail_relation", frame.to_native())
        written = self.replace(table, "FROM handrail_relation ORDER BY ALL")
        self.con.unregister("handrail_relation")
        return written

    def append_relation(self, table: Table, frame: nw.LazyFrame[Any]) -> None:
        """Add the rows of a lazy frame that DuckDB runs."""
        names = ", ".join(f'"{name}"' for name in table.column_names)
        self.con.register("handrail_relation", frame.to_native())
        self.con.execute(f"INSERT INTO {table.qualified_name} ({names}) SELECT {names} FROM handrail_relation")
        self.con.unregister("handrail_relation")

    def write_identities(self, sql: str, frame: pl.DataFrame) -> None:
        """Write to the identity store, in a transaction of its own; the statement reads the frame as `incoming`.

        It must be idempotent: where a run dies before the warehouse commits, it is repeated.
        """
        self._identity.register("incoming", frame)
        self._identity.execute(sql)
        self._identity.unregister("incoming")

    def has_identities(self) -> bool:
        """Whether the identity store holds anything that was made with the pseudonym key."""
        return bool(
            self.scalar(
                "SELECT (SELECT count(*) FROM identity.main.identifier) + (SELECT count(*) FROM identity.main.person)"
            )
        )

    def witnesses(self) -> list[tuple[str | None, str, str]]:
        """Some pseudonyms with what they were made from, by which a key is known: (identity type or None, value, pseudonym)."""
        return [
            (kind if kind is None else str(kind), str(value), str(known))
            for kind, value, known in self.rows(WITNESSES.format(store="identity.main."))
        ]

    def count(self, table: Table) -> int:
        """Rows of a table."""
        return int(self.scalar(f"SELECT count(*) FROM {table.qualified_name}"))


def _megabytes(limit: str) -> float:
    return float(limit[:-2]) * {"MB": 1, "GB": 1000}[limit[-2:]]


def current(table: Table, before: str = "TIMESTAMP '9999-01-01'") -> str:
    """Subquery: the latest version of each row of a raw table that was known before an instant (an SQL literal).

    Of versions known at the same time the one taken in last stands: a nightly export re-states the one before it. A row
    whose latest version says that it is deleted is left out.
    """
    keys, name = ", ".join(f'"{name}"' for name in table.key), table.qualified_name
    # Found by their places: to sort whole rows would cost twice as much.
    return (
        f"(SELECT * FROM {name} WHERE is_deleted IS NOT TRUE AND rowid IN (SELECT arg_max(rowid, (known_at, rowid)) "
        f"FROM {name} WHERE known_at < {before} GROUP BY {keys}))"
    )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
