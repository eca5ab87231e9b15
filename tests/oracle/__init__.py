"""What each feature table must hold, by its definition alone, in hand-written DuckDB SQL: the oracle.

One module a feature table, named as the table: `tests/oracle/activity.py` says what `features.activity` is
(`enrolment_day` is `core.enrolment_day`). It has one function, `sql(tonight)`, which returns a
query written from the formula in the docstring of the feature function and not from its code: plain joins of
landmarks with the rows before them, no weekly cells, no sums of sums. Nothing from `features` is imported here.

To add a family `peers`, after its contract table `features.peers`:
1. `tests/oracle/peers.py` with `sql(tonight: int) -> str`; its columns are the contract's, in any order and type.
   `enrolment_week` joins it by itself.
2. Where it reads a table that no other reads: a line in `in_the_warehouse`, which says how to get it from a warehouse,
   and frames for it in the random world (`tests/unit/features/conftest.py`), under the same name or one of `IN_A_WORLD`.
`tests/unit/features/test_oracle.py` then holds the family to its oracle on random worlds, and
`tests/integration/test_oracle.py` on a simulated night and on a slice of the Open University data.

Belongs here: definitions, and how computed rows are held to them. Does not belong here: worlds, cases by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module

import duckdb
import polars as pl

from data_contracts.schema import Column, Kind
from data_contracts.tables.core import ENROLMENT_DAY
from data_contracts.tables.features import FAMILY_TABLES, FEATURE_TABLES
from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.warehouse import current

KEY = ("enrolment_id", "observed_epoch_day")
TABLES = {table.name: table for table in FEATURE_TABLES} | {"enrolment_day": ENROLMENT_DAY}
"""Every table that has an oracle, by name."""

IN_A_WORLD = {
    "landmark": "landmarks",
    "enrolment": "enrolments",
    "enrolment_day": "enrolment_days",
    "submission": "submissions",
    "mentoring_match": "matches",
    "mentoring_event": "events",
    "goal": "goals",
    "goal_update": "goal_updates",
    "commitment": "commitments",
    "support_ticket": "tickets",
    "away_day": "away_days",
    "opening": "openings",
    "offer": "activities",
}
"""What frames of a random world are called, where they are not called as here."""

_ROUNDING = 1.1e-6
_RELEASED = "coalesce(available_on - DATE '1970-01-01', 0)"


def in_the_warehouse(observed: str) -> dict[str, str]:
    """Queries that get the oracle's tables from a warehouse whose night was at the instant (an SQL literal)."""
    ticket = current(RAW_INPUTS["support_ticket"], observed)
    return {
        "landmark": "FROM features.landmark",
        "enrolment": f"FROM core.enrolment WHERE coalesce(opted_out_at >= {observed}, true)",
        "enrolment_day": "FROM core.enrolment_day",
        "submission": "FROM core.submission",
        "away_day": "FROM core.away_day",
        "offer": f"SELECT course_id, {_RELEASED} AS available_epoch_day, count(*) AS activities_count "
        f"FROM {current(RAW_INPUTS['activity'], observed)} GROUP BY ALL",
        "opening": f"SELECT enrolment_id, known_epoch_day, {_RELEASED} AS available_epoch_day, count(*) AS opened_count "
        "FROM (SELECT enrolment_id, course_id, object_iri, min(known_epoch_day) AS known_epoch_day "
        "FROM core.statement WHERE is_act GROUP BY ALL) AS s "
        "JOIN core.enrolment AS e USING (enrolment_id) "
        f"JOIN {current(RAW_INPUTS['activity'], observed)} AS a "
        "ON a.activity_iri = s.object_iri AND a.course_id = e.course_id GROUP BY ALL",
        "mentoring_match": "FROM core.mentoring_match",
        "mentoring_event": "SELECT *, date_diff('second', happened_at, answered_at) AS answer_seconds "
        "FROM core.mentoring_event",
        "goal": "FROM core.goal",
        "goal_update": "FROM core.goal_update",
        "commitment": "FROM core.commitment",
        # What was first told of a ticket, and first told of its resolution, was known that day, never before it happened.
        "support_ticket": f"SELECT t.learner_id, {_local_day('t.opened_at')} AS opened_epoch_day, "
        f"greatest(opened_epoch_day, min({_local_day('v.known_at')})) AS opened_known_epoch_day, "
        f"greatest({_local_day('t.resolved_at')}, min({_local_day('v.known_at')}) FILTER (v.resolved_at = t.resolved_at)) "
        f"AS resolved_known_epoch_day FROM {ticket} AS t "
        f"JOIN (FROM raw.support_ticket WHERE known_at < {observed}) AS v USING (ticket_id) "
        "JOIN (SELECT learner_id, min(timezone) AS zone FROM core.enrolment GROUP BY ALL) AS p "
        "ON p.learner_id = t.learner_id GROUP BY ticket_id, t.learner_id, t.opened_at, t.resolved_at, zone",
        "statement": "SELECT *, epoch(happened_at)::BIGINT AS happened_second FROM core.statement "
        "WHERE is_act AND learner_id IS NOT NULL",
    }


def _local_day(instant: str) -> str:
    return f"CAST(timezone(zone, timezone('UTC', {instant})) AS DATE) - DATE '1970-01-01'"


def columns_of(name: str) -> tuple[Column, ...]:
    """The contract of what an oracle says."""
    return TABLES[name].columns


def families() -> list[str]:
    """Oracles that `enrolment_week` joins: every table of families."""
    return list(FAMILY_TABLES)


def rows_sql(name: str, tonight: int, **settings: int) -> str:
    """The oracle's query with the contract's columns, types and rounding."""
    query = import_module(f"tests.oracle.{name}").sql(tonight, **settings)
    return f"SELECT {', '.join(map(_conformed, columns_of(name)))} FROM ({query})"


def _conformed(column: Column) -> str:
    value = f"CAST({column.name} AS {column.sql_type})"
    rounded = f"floor({value} * 1e6 + 0.5) / 1e6 AS {column.name}"
    return rounded if column.field.kind is Kind.NUMBER else f"{value} AS {column.name}"


def ask(con: duckdb.DuckDBPyConnection, name: str, tonight: int, **settings: int) -> pl.DataFrame:
    """What the oracle says of the tables that the connection has under the names above."""
    return pl.DataFrame(con.sql(rows_sql(name, tonight, **settings)).to_arrow_table())


def ask_world(world: Mapping[str, pl.DataFrame], name: str, tonight: int, **settings: int) -> pl.DataFrame:
    """What the oracle says of a random world's frames."""
    called = {there: here for here, there in IN_A_WORLD.items()}
    with duckdb.connect() as con:
        for frame_name, frame in world.items():
            con.register(called.get(frame_name, frame_name), frame.to_arrow())
        return ask(con, name, tonight, **settings)


def hold(computed: pl.DataFrame, expected: pl.DataFrame, key: Iterable[str] = KEY) -> None:
    """Hold computed rows to the oracle's, row for row: numbers within one step of the rounding, all else exactly.

    Raises:
        AssertionError: it names the first column that differs, how many rows do, and three of them.
    """
    by = list(key)
    assert computed.schema == expected.schema, (computed.schema, expected.schema)
    both = computed.sort(by), expected.sort(by)
    only = [one.join(other, on=by, how="anti", nulls_equal=True).select(by) for one, other in (both, both[::-1])]
    assert [len(rows) for rows in only] == [0, 0], (
        f"rows only computed {only[0].head(3)}, only the oracle's {only[1].head(3)}"
    )
    assert len(both[0]) == len(both[1]), "the same key stands several times"
    for name, dtype in computed.schema.items():
        sides = pl.select(computed=both[0][name], expected=both[1][name])
        one, other = pl.col("computed"), pl.col("expected")
        far = one.ne_missing(other)
        if dtype == pl.Float64:
            far &= ((one - other).abs() > _ROUNDING).fill_null(value=True)
        wrong = both[0].select(by).hstack(sides.with_columns(far=far)).filter("far")
        assert wrong.is_empty(), f"{name} differs in {len(wrong)} of {len(computed)} rows:\n{wrong.head(3)}"
