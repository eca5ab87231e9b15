"""Which feature tables there are, which function makes each, and which frames it reads.

Belongs here: how a contract entry finds its function. Does not belong here: formulas, and where frames come from.

A family whose table is `peers` is computed by `peers_features` of `features/peers.py`. The function's parameters
are named after the frames it reads and it returns the table, one row per landmark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature

from data_contracts.schema import Table
from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """A table of schema features, the function that makes it, and the names of the frames that it reads."""

    table: Table
    function: Callable[..., Frame]
    reads: tuple[str, ...]

    def rows(self, frames: Mapping[str, Frame]) -> Frame:
        """The table's rows from frames by name; a KeyError where one that it reads is missing."""
        return self.function(**{name: frames[name] for name in self.reads})


def _registered(table: Table) -> FeatureTable:
    function = getattr(import_module(f"features.{table.name}"), f"{table.name}_features")
    return FeatureTable(table, function, tuple(signature(function).parameters))


REGISTRY: dict[str, FeatureTable] = {name: _registered(table) for name, table in FAMILY_TABLES.items()}
"""Every table of families by name, in the contract's order."""
