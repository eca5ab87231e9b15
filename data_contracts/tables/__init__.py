"""Every table of the project, by layer.

Belongs here: how tables are written down from fields. Does not belong here: field definitions, data.
A column is written `name` (required), `name*` (may be null) or `name:field` where the table's name for it
differs from the field's (`status:enrolment_status`).
"""

from __future__ import annotations

from data_contracts.fields import FIELDS
from data_contracts.schema import Column, ContractError, Level, Table


def columns(spec: str) -> tuple[Column, ...]:
    """Read a column list such as `"programme_id starts_on* status:enrolment_status"`.

    Raises `ContractError` for a field that is not defined.
    """
    result = []
    for word in spec.split():
        is_required = not word.endswith("*")
        name, _, field_name = word.rstrip("*").partition(":")
        field = FIELDS.get(field_name or name)
        if field is None:
            message = f"no field {field_name or name!r}; define it once under data_contracts/fields"
            raise ContractError(message)
        result.append(Column(name, field, is_required))
    return tuple(result)


def table(  # noqa: PLR0913 - a contract has this many parts
    qualified_name: str,
    description: str,
    *,
    grain: str,
    key: str,
    spec: str,
    level: Level = "aggregate",
    extra: tuple[Column, ...] = (),
) -> Table:
    """Write a contract down; `key` and `spec` are column names separated by spaces."""
    schema, _, name = qualified_name.partition(".")
    return Table(schema, name, description, grain, tuple(key.split()), columns(spec) + extra, level)
