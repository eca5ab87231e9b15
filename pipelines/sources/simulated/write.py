"""Files: tables as CSV by contract, the folder that appears whole or not at all.

Belongs here: how and where rows are written. Does not belong here: what they say.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_contracts.errors import PermanentError, UsageError
from data_contracts.tables.inputs import INPUTS
from pipelines.sources.simulated.settings import Tables

_WHOLE = {"inbox", "snapshot.json", "truth.json", "truth.parquet"}


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


def write_tables(tables: Tables, inbox: Path) -> None:
    """Write every input table as `<table>/<table>.csv` with all columns of its contract, absent ones empty.

    Raises `PermanentError` where a table is missing or empty, a column is unknown or a required one absent.
    """
    for name, contract in INPUTS.items():
        rows = tables.get(name, [])
        if not rows:
            message = f"the simulator wrote no row of {name}; every input table needs one"
            raise PermanentError(message)
        for row in rows:
            unknown = row.keys() - set(contract.column_names)
            absent = [column for column in contract.required_names if row.get(column) is None]
            if unknown or absent:
                message = f"simulated {name}: unknown columns {sorted(unknown)}, required but absent {absent}"
                raise PermanentError(message)
        folder = inbox / name
        folder.mkdir(parents=True)
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(contract.column_names)
            writer.writerows([_text(row.get(column)) for column in contract.column_names] for row in rows)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
