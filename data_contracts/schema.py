"""The vocabulary in which contracts are written: `Field`, `Column`, `Table`.

Belongs here: the shape of a contract and the look-ups over it. Does not belong here: any particular
field or table (see `fields/` and `tables/`), and anything that reads data (see `expectations.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from data_contracts.errors import PermanentError


class Kind(StrEnum):
    """Logical type of a field; `DUCKDB_TYPE` says how the warehouse stores it."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    DATE = "date"


DUCKDB_TYPE: Mapping[Kind, str] = {
    Kind.TEXT: "VARCHAR",
    Kind.INTEGER: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INSTANT: "TIMESTAMP",
    Kind.DATE: "DATE",
}

Level = Literal["aggregate", "learner", "mentor", "statement"]


class ContractError(PermanentError):
    """A contract is written wrongly (an unknown field, a key that is no column)."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of the whole project, defined once.

    `unit` is shown to people; the name carries it too (`_days`, `_minutes`, `_share`, `_at` ...).
    `values` closes the set of texts; `minimum` and `maximum` are inclusive.
    `is_personal` marks an identifier that must never leave the identity store.
    `is_volatile` marks what may differ between two equal runs (run id, clock times).
    """

    name: str
    kind: Kind
    description: str
    unit: str | None = None
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    is_personal: bool = False
    is_volatile: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A field as it stands in one table, under the name it has there (`status` of an enrolment, of a goal ...)."""

    name: str
    field: Field
    is_required: bool

    @property
    def sql_type(self) -> str:
        """The type DuckDB stores it with."""
        return DUCKDB_TYPE[self.field.kind]


@dataclass(frozen=True, slots=True)
class Table:
    """What a table is: its place, its grain, its key and its columns.

    `level` says whom a row is about: `learner` and `mentor` rows are personal data even without names.
    `is_versioned` says that a re-stated row stands beside its earlier versions, so that the key repeats.
    """

    schema: str
    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    level: Level = "aggregate"
    is_versioned: bool = False
    _by_name: dict[str, Column] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the columns and refuse a contract that contradicts itself."""
        for column in self.columns:
            if column.name in self._by_name:
                message = f"{self.qualified_name}: column {column.name!r} stands twice"
                raise ContractError(message)
            self._by_name[column.name] = column
        for name in self.key:
            if name not in self._by_name:
                message = f"{self.qualified_name}: key column {name!r} is not a column of the table"
                raise ContractError(message)

    @property
    def unique_key(self) -> tuple[str, ...]:
        """The columns that no two rows share; none where versions are kept."""
        return () if self.is_versioned else self.key

    @property
    def qualified_name(self) -> str:
        """`schema.name`, as it is written in SQL."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """All column names, in the contract's order."""
        return tuple(self._by_name)

    @property
    def required_names(self) -> tuple[str, ...]:
        """The columns that may not be null."""
        return tuple(column.name for column in self.columns if column.is_required)

    @property
    def stable_names(self) -> tuple[str, ...]:
        """The columns that two equal runs agree on."""
        return tuple(column.name for column in self.columns if not column.field.is_volatile)

    def column(self, name: str) -> Column:
        """Return one column by name; raises `ContractError` for an unknown one."""
        try:
            return self._by_name[name]
        except KeyError:
            message = f"{self.qualified_name} has no column {name!r}; it has {', '.join(self._by_name)}"
            raise ContractError(message) from None

    def ddl(self) -> str:
        """Column list for `CREATE TABLE`: names and types, no keys or indexes (old readers refuse them)."""
        return ", ".join(f'"{column.name}" {column.sql_type}' for column in self.columns)


def index_fields(groups: Iterable[Iterable[Field]]) -> dict[str, Field]:
    """Merge field lists into one registry; raises `ContractError` where a name is defined twice."""
    registry: dict[str, Field] = {}
    for group in groups:
        for item in group:
            if item.name in registry:
                message = f"field {item.name!r} is defined twice; define each column once"
                raise ContractError(message)
            registry[item.name] = item
    return registry


def text(name: str, description: str, *values: str, is_personal: bool = False, is_volatile: bool = False) -> Field:
    """A text field, closed to `values` when any are given."""
    return Field(name, Kind.TEXT, description, values=values, is_personal=is_personal, is_volatile=is_volatile)


def count(name: str, description: str, unit: str = "count", *, is_volatile: bool = False) -> Field:
    """A whole number of at least zero."""
    return Field(name, Kind.INTEGER, description, unit=unit, minimum=0, is_volatile=is_volatile)


def integer(name: str, description: str, unit: str | None = None) -> Field:
    """A whole number of any sign."""
    return Field(name, Kind.INTEGER, description, unit=unit)


def number(
    name: str,
    description: str,
    unit: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    is_volatile: bool = False,
) -> Field:
    """A floating-point number within optional inclusive limits."""
    return Field(name, Kind.NUMBER, description, unit=unit, minimum=minimum, maximum=maximum, is_volatile=is_volatile)


def share(name: str, description: str) -> Field:
    """A number from 0 to 1."""
    return Field(name, Kind.NUMBER, description, unit="share 0..1", minimum=0, maximum=1)


def flag(name: str, description: str) -> Field:
    """A boolean."""
    return Field(name, Kind.BOOLEAN, description)


def instant(name: str, description: str, *, is_volatile: bool = False) -> Field:
    """A UTC instant, stored without a zone."""
    return Field(name, Kind.INSTANT, description, unit="UTC", is_volatile=is_volatile)


def date(name: str, description: str) -> Field:
    """A local calendar date."""
    return Field(name, Kind.DATE, description, unit="local date")
