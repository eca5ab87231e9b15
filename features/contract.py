"""How a frame is brought to its table's contract: column order, types, rounding.

Belongs here: what makes three engines hand out equal rows. Does not belong here: what the columns mean
(`data_contracts`), how they are computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import narwhals as nw

from data_contracts.schema import Column, Kind

Frame: TypeAlias = nw.LazyFrame[Any]
_TYPE: dict[Kind, nw.dtypes.DType] = {
    Kind.TEXT: nw.String(),
    Kind.INTEGER: nw.Int64(),
    Kind.BOOLEAN: nw.Boolean(),
}
_SCALE = 1e6


def rounded(value: nw.Expr) -> nw.Expr:
    """Round to six decimals, halves up: `floor(x * 1e6 + .5) / 1e6`; engines' own `round` break ties differently."""
    whole = (value.cast(nw.Float64()) * _SCALE + 0.5).floor()
    # Polars divides by a constant by multiplying with its reciprocal, which is off in the last bit (.05 becomes
    # .049999999999999996); by a column it divides truly.
    return whole / (whole * 0.0 + _SCALE)


def _conformed(column: Column) -> nw.Expr:
    value = nw.col(column.name)
    if column.field.kind is Kind.NUMBER:
        return rounded(value).alias(column.name)
    return value.cast(_TYPE[column.field.kind]) if column.field.kind in _TYPE else value


def conform(frame: Frame, columns: Iterable[Column]) -> Frame:
    """Exactly these columns, in this order, cast to their contract, numbers rounded; dates and instants as they are."""
    return frame.select(*(_conformed(column) for column in columns))
