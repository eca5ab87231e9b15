"""How a Polars frame is brought to its table's contract: column order and types.

Belongs here: casting to a contract and the empty frame of one. Does not belong here: what the columns mean
(`data_contracts`), how they are computed, anything lazy or engine-neutral (`features.contract`).
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from data_contracts.schema import Kind, Table

_TYPE: dict[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.INTEGER: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
    Kind.BOOLEAN: pl.Boolean(),
    Kind.INSTANT: pl.Datetime("us"),
    Kind.DATE: pl.Date(),
}


def schema_of(table: Table, *, without: Collection[str] = ()) -> dict[str, pl.DataType]:
    """Names and Polars types of a table's columns, in the contract's order, less those in `without`."""
    return {column.name: _TYPE[column.field.kind] for column in table.columns if column.name not in without}


def conform(frame: pl.DataFrame, table: Table, *, without: Collection[str] = ()) -> pl.DataFrame:
    """Exactly the table's columns, in the contract's order, cast to its types; a column that is missing raises."""
    return frame.select(pl.col(name).cast(kind) for name, kind in schema_of(table, without=without).items())
