"""Publication: marts are built aside, checked, and swapped in; a reader never sees half of one.

Belongs here: the file being built, its views, the swap, the Parquet folder and its pointer, sweeping leftovers. Does
not belong here: what the marts hold (`pipelines.marts`), what the views ask (`data_contracts.views`).

Order: build aside, CHECKPOINT, close, no `.wal` beside either file, fsync, replace, fsync the folder; the Parquet
folder and its pointer last. DuckDB files are written in storage version v1.0.0 so that older clients read them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb

from data_contracts.errors import GateError, PermanentError
from data_contracts.schema import Table
from data_contracts.tables.marts import MARTS
from data_contracts.views import VIEWS
from pipelines.archive import sync

KEPT_PUBLICATIONS = 3
BUILD_NAME = ".marts.building.duckdb"
# What else a killed run or command may leave half-written in a home; nothing reads it.
_HALF_WRITTEN = ("models/.*.partial", "reports/**/.*.partial", "log/.*.building", "backup/.*.partial*")
# A folder that is published again under the same id stands aside while the new one takes its place.
_REPLACED = ".replaced"


class PublicationBuild:
    """The marts file being built, attached to the warehouse's connection as `building`."""

    def __init__(self, con: duckdb.DuckDBPyConnection, file: Path) -> None:
        self._con = con
        self.file = file

    def open(self) -> None:
        """Attach the file being built, if it is not yet attached."""
        if not self._is_open():
            self.file.unlink(missing_ok=True)
            quoted = str(self.file).replace("'", "''")
            self._con.execute(f"ATTACH '{quoted}' AS building (STORAGE_VERSION 'v1.0.0')")

    def _is_open(self) -> bool:
        found = self._con.execute("FROM duckdb_databases() WHERE database_name = 'building'").fetchall()
        return bool(found)

    def write(self, table: Table, select: str, publication_id: str) -> int:
        """Build one mart from a query of its columns (publication_id is added); returns its rows."""
        self.open()
        columns = ", ".join(
            f'CAST("{column.name}" AS {column.sql_type}) AS "{column.name}"'
            for column in table.columns
            if column.name != "publication_id"
        )
        keys = ", ".join(f'"{name}"' for name in table.key)
        self._con.execute(
            f"CREATE OR REPLACE TABLE building.main.{table.name} AS "
            f"SELECT {columns}, CAST(? AS VARCHAR) AS publication_id FROM ({select}) ORDER BY {keys}",
            [publication_id],
        )
        return int(self._con.execute(f"SELECT count(*) FROM building.main.{table.name}").fetchall()[0][0])

    def swap(self, marts_file: Path, parquet_root: Path, publication_id: str) -> None:
        """Publish what was built.

        Raises:
            GateError: a mart is missing from the build.
            PermanentError: a `.wal` lies beside a file, which would corrupt what readers see.
        """
        built = {
            str(row[0])
            for row in self._con.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = 'building' AND schema_name = 'main'"
            ).fetchall()
        }
        missing = sorted(set(MARTS) - built)
        if missing:
            message = f"not published: {', '.join(missing)} was not built; the marts of the last publication stay"
            raise GateError(message)
        folder = self._write_parquet(parquet_root, publication_id)
        self._create_views()
        self._con.execute("CHECKPOINT building")
        self._con.execute("DETACH building")
        for file in (self.file, marts_file):
            if Path(f"{file}.wal").exists():
                message = (
                    f"{file.name}.wal lies beside {file.name}: another program wrote to it; remove both and run again"
                )
                raise PermanentError(message)
        sync(self.file)
        os.replace(self.file, marts_file)
        sync(marts_file.parent)
        _point(parquet_root, folder)
        _keep_latest(parquet_root, folder)

    def _create_views(self) -> None:
        """Create the views as clients will read them: by names without the database, which is `marts` to them."""
        before = self._con.execute("SELECT current_database(), current_schema()").fetchall()[0]
        self._con.execute("USE building.main")
        try:
            for name, view in VIEWS.items():
                self._con.execute(f"CREATE OR REPLACE VIEW main.{name} AS {view.sql}")
        finally:
            self._con.execute('USE "{}"."{}"'.format(*before))

    def _write_parquet(self, root: Path, publication_id: str) -> Path:
        folder, aside = root / publication_id, root / f".{publication_id}.building"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name in MARTS:
            target = str(aside / f"{name}.parquet").replace("'", "''")
            self._con.execute(f"COPY building.main.{name} TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        for file in aside.iterdir():
            sync(file)
        if folder.exists():
            os.replace(folder, root / f".{publication_id}{_REPLACED}")
        os.replace(aside, folder)
        sync(root)
        shutil.rmtree(root / f".{publication_id}{_REPLACED}", ignore_errors=True)
        return folder


def _point(root: Path, folder: Path) -> None:
    """Let `marts/current` lead to the folder; replaced in one step, after everything else."""
    aside = root / ".current.building"
    aside.unlink(missing_ok=True)
    aside.symlink_to(folder.name, target_is_directory=True)
    os.replace(aside, root / "current")
    sync(root)


def _keep_latest(root: Path, latest: Path) -> None:
    older = sorted(
        (path for path in root.iterdir() if path.is_dir() and not path.is_symlink() and path != latest),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in older[KEPT_PUBLICATIONS - 1 :]:
        shutil.rmtree(path)


def sweep(home: Path, marts_root: Path) -> list[str]:
    """Remove what a killed run left half-built, and put back what it had set aside; returns the names removed."""
    for path in marts_root.glob(f".*{_REPLACED}"):
        folder = marts_root / path.name.removeprefix(".").removesuffix(_REPLACED)
        if folder.exists():
            shutil.rmtree(path)
        else:
            os.replace(path, folder)
    half_written = (path for pattern in _HALF_WRITTEN for path in home.glob(pattern))
    leftovers = [*home.glob(f"{BUILD_NAME}*"), *marts_root.glob(".*.building"), *half_written]
    for path in leftovers:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return sorted(path.name for path in leftovers)
