"""Copies a DuckDB database in a process that has never seen the person.

Belongs here: that copy. Does not belong here: leaving anybody out (`files`).

DuckDB writes what its memory happens to hold into the unused end of compressed text segments (duckdb/duckdb#23382), so a
file written by the process that read the person may bear them in bytes that no table shows. The process that leaves
them out therefore writes without compression, which fills its blocks up with zeros, and this one compresses.
"""

from __future__ import annotations

import os
import sys

import duckdb


def repack(source: str, target: str, options: str, threads: str, memory_limit: str) -> None:
    """Copy every schema and table, rows in their order.

    Args:
        source: the database to read.
        target: the database to write; must not exist.
        options: of ATTACH, with its brackets, or nothing.
        threads: how many DuckDB may use.
        memory_limit: as DuckDB writes it.
    """
    os.umask(0o077)
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads,
        "memory_limit": memory_limit,
        "temp_directory": f"{target}.spill",
    }
    with duckdb.connect(config=config) as con:
        for name, path, how in (("old", source, " (READ_ONLY)"), ("new", target, options)):
            quoted = path.replace("'", "''")
            con.execute(f"ATTACH '{quoted}' AS {name}{how}")
        con.execute("COPY FROM DATABASE old TO new")
        con.execute("CHECKPOINT new")
        con.execute("DETACH new")


if __name__ == "__main__":
    repack(*sys.argv[1:])
