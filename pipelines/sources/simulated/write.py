"""Files: tables as CSV by contract, gzipped lines, Parquet, the folder that appears whole or not at all.

Belongs here: how and where rows are written. Does not belong here: what they say.
"""

from __future__ import annotations

import csv
import gzip
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from data_contracts.errors import PermanentError, UsageError
from data_contracts.tables.inputs import INPUTS
from pipelines.sources.simulated.settings import Row, Tables

_WHOLE = {"inbox", "snapshot.json", "truth.json", "truth.parquet"}
_COMPRESSION = 3

# A row with this key has one more cell than the header.
ONE_CELL_TOO_MANY = "+"


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` to write into, which takes the name `out` when the block ends well.

    What an earlier, killed simulation left beside it is removed. An earlier simulation at `out` is replaced; raises
    `UsageError` where `out` holds anything else.
    """
    if out.exists() and not (out.is_dir() and {path.name for path in out.iterdir()} <= _WHOLE):
        message = f"{out} holds something other than a simulation; name a new or empty folder"
        raise UsageError(message)
    unfinished = out.with_name(f"{out.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    yield unfinished
    if out.exists():
        shutil.rmtree(out)
    unfinished.rename(out)


class TableWriter:
    """Writes input tables as `<table>/<table>.csv`, block after block, all columns of their contract, absent ones empty.

    Rows that state earlier ones again go to `<table>/<table>-later.csv`, as a later export would.
    """

    def __init__(self, inbox: Path) -> None:
        self._inbox, self._stack, self._files = inbox, ExitStack(), dict[str, IO[str]]()
        self.rows: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def write(self, tables: Tables, *, later: bool = False) -> None:
        """Append rows; raises `PermanentError` where a column is unknown."""
        for name, rows in tables.items():
            columns = INPUTS[name].column_names
            known = {*columns, ONE_CELL_TOO_MANY}
            for row in rows:
                if not row.keys() <= known:
                    message = f"simulated {name}: unknown columns {sorted(row.keys() - known)}"
                    raise PermanentError(message)
            if rows:
                writer = csv.writer(self._file(name, later=later), lineterminator="\n")
                writer.writerows(_cells(row, columns) for row in rows)
                self.rows[name] += len(rows)

    def ensure_complete(self) -> None:
        """Raise `PermanentError` where an input table got no row."""
        for name in INPUTS:
            if not self.rows[name]:
                message = f"the simulator wrote no row of {name}; every input table needs one"
                raise PermanentError(message)

    def _file(self, name: str, *, later: bool) -> IO[str]:
        title = f"{name}-later" if later else name
        if title not in self._files:
            path = self._inbox / name / f"{title}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            file = self._stack.enter_context(path.open("w", encoding="utf-8", newline=""))
            csv.writer(file, lineterminator="\n").writerow(INPUTS[name].column_names)
            self._files[title] = file
        return self._files[title]


def _cells(row: Row, columns: tuple[str, ...]) -> list[str]:
    cells = [_text(row.get(column)) for column in columns]
    return [*cells, _text(row[ONE_CELL_TOO_MANY])] if ONE_CELL_TOO_MANY in row else cells


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class GzipWriter:
    """A gzip file without name and time in it, packed in a thread while the next lines are made."""

    def __init__(self, path: Path) -> None:
        self._stack = ExitStack()
        file = self._stack.enter_context(path.open("wb"))
        self._zipped = self._stack.enter_context(gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0))
        self._thread = self._stack.enter_context(ThreadPoolExecutor(1))
        self._pending: Future[int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._wait()
        finally:
            self._stack.close()

    def write(self, content: memoryview) -> None:
        """Take bytes to be written; they must not change. At most two pieces are held at a time."""
        self._wait()
        self._pending = self._thread.submit(self._zipped.write, content)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None
