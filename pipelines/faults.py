"""What is wrong with rows that break a contract, told without telling of anybody.

Belongs here: counts, what was found in place of what was expected, examples of keys. Does not belong here: the verdict
(`data_contracts.expectations`), how it is shown (`checks`, `data_docs`).

Of a table about no single person the keys of some rows are examples. A row about a learner, a mentor or a statement is
personal data though it has no name, and what was found in it may be anything: of those only the programmes and courses
that most of the rows are of are told, and numbers' ranges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from data_contracts.expectations import COLUMNS_MATCH, KEY_IS_UNIQUE, Expectation, Judgement, expectations_of
from data_contracts.schema import Kind, Table
from models.suppression import SMALL_CELL
from pipelines.warehouse import Warehouse

_EXAMPLES = 3
_LONGEST = 60
_IMPERSONAL = ("programme_id", "course_id")


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken expectation: how many rows, what they hold instead, and keys of some where those are of no person."""

    expectation: str
    rows_count: int
    found: str
    examples: str


def faults_of(warehouse: Warehouse, table: Table, relation: str, told: Judgement) -> list[Fault]:
    """Look at the rows of `relation` that violate what a judgement says is broken, the most rows first."""
    columns = [str(row[0]) for row in warehouse.rows(f"DESCRIBE {relation}")]
    rules = {rule.name: rule for rule in expectations_of(table)}
    faults = []
    for name, count in told.violations.items():
        if name == COLUMNS_MATCH:
            faults.append(Fault(name, count, _columns(table, columns), ""))
        elif name == KEY_IS_UNIQUE and not set(table.unique_key) <= set(columns):
            faults.append(Fault(name, count, "no such column", ""))
        elif name == KEY_IS_UNIQUE:
            faults.append(Fault(name, count, *_repeated(warehouse, table, relation)))
        elif rules[name].column in columns:
            faults.append(_fault(warehouse, table, relation, rules[name], count))
        else:
            faults.append(Fault(name, count, "no such column", ""))
    return sorted(faults, key=lambda fault: (-fault.rows_count, fault.expectation))


def _columns(table: Table, columns: Sequence[str]) -> str:
    missing = [name for name in table.column_names if name not in columns]
    unknown = [name for name in columns if name not in table.column_names]
    told = [f"{word}: {', '.join(names)}" for word, names in (("missing", missing), ("unknown", unknown)) if names]
    return "; ".join(told) or "another order"


def _fault(warehouse: Warehouse, table: Table, relation: str, rule: Expectation, count: int) -> Fault:
    column, where = table.column(rule.column), f"WHERE {rule.violation_sql}"
    if rule.gx_type == "ExpectColumnValuesToNotBeNull":
        found = "no value"
    elif column.field.kind in {Kind.INTEGER, Kind.NUMBER}:
        low, high = warehouse.rows(f'SELECT min("{column.name}"), max("{column.name}") FROM {relation} {where}')[0]
        found = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    elif table.level == "aggregate":
        values = warehouse.rows(
            f'SELECT DISTINCT "{column.name}" FROM {relation} {where} ORDER BY ALL LIMIT {_EXAMPLES}'
        )
        found = ", ".join(_short(value) for (value,) in values)
    else:
        found = "another value"
    return Fault(rule.name, count, found, _examples(warehouse, table, f"FROM {relation} {where}"))


def _repeated(warehouse: Warehouse, table: Table, relation: str) -> tuple[str, str]:
    key = ", ".join(f'"{name}"' for name in table.unique_key)
    repeated = f"FROM {relation} GROUP BY {key} HAVING count(*) > 1"
    keys = int(warehouse.scalar(f"SELECT count(*) FROM (SELECT {key} {repeated})"))
    rows = f"FROM {relation} SEMI JOIN (SELECT {key} {repeated}) USING ({key})"
    return f"{keys:,} keys stand more than once", _examples(warehouse, table, rows)


def _examples(warehouse: Warehouse, table: Table, rows: str) -> str:
    """Keys of some of the rows; where rows are about persons, the programmes and courses of most of them."""
    is_aggregate = table.level == "aggregate"
    shown = [name for name in (table.key if is_aggregate else _IMPERSONAL) if name in table.column_names]
    if not shown:
        return "" if is_aggregate else "rows of persons are not shown"
    names = ", ".join(f'"{name}"' for name in shown)
    try:
        found = warehouse.rows(
            f"SELECT {names}, count(*) AS times {rows} GROUP BY {names} ORDER BY times DESC, {names} LIMIT {_EXAMPLES}"
        )
    except duckdb.BinderException:
        # The table lacks a column of its key, which is told by itself.
        return ""
    told = []
    for *values, times in found:
        words = ", ".join(f"{name} {_short(value)}" for name, value in zip(shown, values, strict=True))
        # Few rows are of few persons.
        many = f"{times:,}" if times >= SMALL_CELL else f"under {SMALL_CELL}"
        told.append(words if is_aggregate else f"{words} ({many} rows)")
    return "; ".join(told)


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
