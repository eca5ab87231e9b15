"""The rule of an erasure for one table: which rows go, which cells are emptied, which texts lose a mention.

Belongs here: the rule, as a query over any table or Parquet file. Does not belong here: which tables there are
(`files`), rows as delivered (`deliveries`).

A row about the person goes. Elsewhere a pseudonym, or the id of a thing that was theirs, is emptied where the contract
lets it be empty, and takes the row along where it does not. A group loses the member. A name, address or identifier
inside another text is replaced.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from data_contracts.schema import Table
from data_contracts.tables.alerts import ALERT_TABLES
from data_contracts.tables.core import CORE_STATE, CORE_TABLES
from data_contracts.tables.features import FEATURE_STATE, FEATURE_TABLES
from data_contracts.tables.inputs import RAW_TABLES
from data_contracts.tables.marts import MARTS
from data_contracts.tables.risk import RISK_TABLES
from pipelines.privacy.person import Finder, things_named
from pipelines.sources.tombstones import takes_the_row

CONTRACTS = {
    table.qualified_name: table
    for table in (
        *RAW_TABLES,
        *CORE_TABLES,
        *CORE_STATE,
        *FEATURE_TABLES,
        *FEATURE_STATE,
        *RISK_TABLES,
        *ALERT_TABLES,
        *MARTS.values(),
    )
}
MEMBERS = "member_identity_ids"


@dataclass(slots=True)
class Hits:
    """What of a table names the person: values that take their row along, and cells with what they become."""

    rows: dict[str, list[str]] = field(default_factory=dict)
    cells: dict[str, dict[str, str | None]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything does."""
        return bool(self.rows or self.cells)

    @property
    def condition(self) -> str:
        """SQL condition of the rows that go."""
        return " OR ".join(f"coalesce({_is_one_of(column, values)}, false)" for column, values in self.rows.items())

    def select(self, relation: str) -> str:
        """The table without the person, in its order."""
        changed = ", ".join(f'{_becomes(column, cells)} AS "{column}"' for column, cells in self.cells.items())
        replaced = f" REPLACE ({changed})" if changed else ""
        kept = f" WHERE NOT ({self.condition})" if self.rows else ""
        return f"SELECT *{replaced} FROM {relation}{kept}"

    def touched(self, relation: str) -> str:
        """Query: how many rows go or change."""
        parts = [self.condition] if self.rows else []
        parts += [f"coalesce({_is_one_of(column, list(cells))}, false)" for column, cells in self.cells.items()]
        return f"SELECT count(*) FROM {relation} WHERE {' OR '.join(parts)}"


def find_hits(con: duckdb.DuckDBPyConnection, relation: str, contract: Table | None, finder: Finder) -> Hits:
    """Look through every text of a table in one scan; a table without a contract may be emptied anywhere."""
    columns = [
        str(row[0]) for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall() if row[1] == "VARCHAR"
    ]
    hits = Hits()
    if not columns or not finder:
        return hits
    found = con.execute(f"SELECT {', '.join(_candidates(name, finder) for name in columns)} FROM {relation}").fetchall()
    for column, values in zip(columns, found[0], strict=True):
        for value in values or ():
            _judge(column, str(value), contract, finder, hits)
    return hits


def _candidates(column: str, finder: Finder) -> str:
    things = sorted(things_named(column, finder.person) - finder.person.ids)
    equal = f" OR {_is_one_of(column, things)}" if things else ""
    rough = f"regexp_matches(\"{column}\", {quoted(finder.rough)}, 'i') OR contains(\"{column}\", '\\u')"
    return f'list(DISTINCT "{column}") FILTER (WHERE {rough}{equal})'


def _judge(column: str, value: str, contract: Table | None, finder: Finder, hits: Hits) -> None:
    person = finder.person
    is_theirs = value in things_named(column, person)
    if column == MEMBERS:
        others = " ".join(member for member in value.split(" ") if member not in person.ids)
        if not others:
            hits.rows.setdefault(column, []).append(value)
        elif others != value:
            hits.cells.setdefault(column, {})[value] = others
    elif is_theirs or finder.has_id(value):
        if takes_the_row(contract, column):
            hits.rows.setdefault(column, []).append(value)
        else:
            hits.cells.setdefault(column, {})[value] = None
    elif finder.is_in(value):
        hits.cells.setdefault(column, {})[value] = finder.without(value)


def _is_one_of(column: str, values: list[str]) -> str:
    return f'"{column}" IN ({", ".join(map(quoted, values))})'


def _becomes(column: str, cells: dict[str, str | None]) -> str:
    cases = " ".join(
        f"WHEN {quoted(old)} THEN {'NULL' if new is None else quoted(new)}" for old, new in sorted(cells.items())
    )
    return f'CASE "{column}" {cases} ELSE "{column}" END'


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
