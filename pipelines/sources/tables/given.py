"""The temporary table `given`: a file's values as texts, of the columns that are wanted and of no other.

Belongs here: filling it from rows. Does not belong here: what the texts mean (`values`).

Columns: `line_number`, and `s<place>` for each wanted column by its place in the header. A value that its format
stores with a type (a cell of Excel, a number of JSON, a column of Parquet) begins with the mark `TYPED`, so that no
rule for texts is applied to it; one that its format says is broken begins with `BROKEN`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import polars as pl

from pipelines.sources.tables.plan import Header, Plan
from pipelines.warehouse import Warehouse

TYPED, BROKEN = "\x1e", "\x1f"

_CHUNK_ROWS = 50_000

Cells = Sequence[str] | Mapping[int, str | None]
"""A row's texts by place."""


def source_places(plan: Plan, header: Header) -> dict[str, int]:
    """Where each wanted source column stands."""
    return {name: place for name, place in header.places.items() if name in plan.wanted}


def create(warehouse: Warehouse, places: Iterable[int]) -> None:
    """Create the table anew, empty."""
    columns = "".join(f", s{place} VARCHAR" for place in places)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE given (line_number BIGINT{columns})")


def fill(warehouse: Warehouse, places: Sequence[int], rows: Iterable[tuple[int, Cells]]) -> None:
    """Add numbered rows; each has a cell at every place, without blanks around it."""
    rows = iter(rows)
    while some := list(islice(rows, _CHUNK_ROWS)):
        columns = [pl.Series("line_number", [number for number, _ in some], dtype=pl.Int64)]
        columns += [pl.Series(f"s{place}", [cells[place] for _, cells in some], dtype=pl.String) for place in places]
        warehouse.con.register("handrail_given", pl.DataFrame(columns))
        warehouse.execute("INSERT INTO given SELECT * FROM handrail_given")
        warehouse.con.unregister("handrail_given")
