"""Which statements a night must look at: those that came, and those of whom something changed since the last night.

Belongs here: what is remembered of raw.statement, of links and of enrolments, and telling from it what changed. Does not
belong here: what is made of a statement (`pipelines.core.statements`), which content counts (`versions`).

raw.statement only grows, but for an erasure or a replay; a row's place in it therefore tells whether it is new, and a row
that does not stand where the last night left it makes the night read everything. Whatever touches most statements
(courses, activities, the vocabulary, the code) stands in the basis and does the same.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import duckdb

from data_contracts.tables.core import NOTED_STATEMENT, STATEMENT, STATEMENT_BASIS, STATEMENT_KEY
from data_contracts.tables.inputs import RAW_INPUTS
from data_contracts.xapi.vocabulary import (
    ACTIVITY_KIND_OF,
    NO_ACT_KINDS,
    STRAND_OF_KIND,
    STRAND_OF_VERB,
    VERB_KIND_OF,
)
from pipelines.core.basis import basis_of, code_mark, id_number, set_basis
from pipelines.resources import Night
from pipelines.warehouse import Warehouse, current

# A source most of whose `stored` lie this long after `timestamp` was migrated: they say nothing of knowing.
MIGRATED_AFTER_DAYS = 30
# Where more statements than this are touched, making all of them anew costs less.
MOST_TOUCHED_SHARE = 0.3

AREA = "statements"
_MEANT_BY = {
    "course": "course_id, activity_iri",
    "activity": "activity_iri, course_id, activity_type_iri, strand, is_assessment",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of raw.statement tonight.

    `migrated`: sources whose `stored` says nothing. `first_new_row`: the rows before it were there last night.
    `seen_until`: what was known before this instant counted last night. `is_all`: everything is made anew.
    """

    is_all: bool
    migrated: tuple[str, ...]
    first_new_row: int
    seen_until: str
    remembered: str

    def limited(self, touched: int, rows: int) -> Reading:
        """The same, or everything where so many of so many rows are touched that finding them out costs more."""
        return replace(self, is_all=True) if touched > MOST_TOUCHED_SHARE * rows else self


def rows_of(ids: str) -> str:
    """Query part: the rows of raw.statement of these ids (a relation with a column statement_id), found by their keys."""
    return (
        "raw.statement WHERE rowid IN (SELECT row_number FROM core.statement_key "
        f"SEMI JOIN (SELECT {id_number('statement_id')} AS statement_hash FROM {ids}) USING (statement_hash))"
    )


def read_on(night: Night) -> Reading:
    """Find the rows that came since the last night, and note the ids of those and what is remarkable among them."""
    warehouse = night.warehouse
    last = json.loads(basis_of(warehouse, AREA) or "null")
    is_intact = last is not None and last["mark"] == _mark(warehouse, last["rows"])
    first = last["rows"] if is_intact else 0
    sources = last["sources"] if is_intact else {}
    for name, late, rows in warehouse.rows(
        f"SELECT source_name, count(*) FILTER (stored_at > happened_at + INTERVAL {MIGRATED_AFTER_DAYS} DAY), count(*) "
        f"FROM raw.statement WHERE rowid >= {first} AND stored_at IS NOT NULL GROUP BY source_name ORDER BY source_name"
    ):
        sources[name] = [known + more for known, more in zip(sources.get(name, (0, 0)), (late, rows), strict=True)]
    migrated = tuple(sorted(name for name, (late, rows) in sources.items() if late * 2 > rows))
    basis = _basis(night, migrated)
    rows = warehouse.scalar(f"SELECT coalesce(max(rowid) + 1, {first}) FROM raw.statement WHERE rowid >= {first}")
    observed = night.observed_sql
    remembered = {
        "basis": basis,
        "rows": rows,
        "mark": _mark(warehouse, rows),
        "observed": observed,
        "sources": sources,
    }
    is_all = not is_intact or last["basis"] != basis or last["observed"] > observed
    reading = Reading(
        is_all, migrated, 0 if is_all else first, "" if is_all else last["observed"], json.dumps(remembered)
    )
    _note(warehouse, reading)
    return reading


def remember(night: Night, reading: Reading) -> None:
    """Let the next night go on from here."""
    set_basis(night.warehouse, AREA, reading.remembered)
    night.warehouse.replace(STATEMENT_BASIS, "FROM basis_now")


def _mark(warehouse: Warehouse, rows: int) -> str | None:
    """What tells the last of so many rows from any other, or None where there is no such row."""
    mark = "SELECT hash(statement_id, content_hash, stored_at) FROM raw.statement WHERE rowid = ?"
    found = warehouse.scalar(mark, [rows - 1])
    return None if found is None else str(found)


def _basis(night: Night, migrated: tuple[str, ...]) -> str:
    """What all statements are made by."""
    tables = [
        night.warehouse.rows(f"SELECT count(*), bit_xor(hash({columns})) FROM {current(RAW_INPUTS[name])}")
        for name, columns in _MEANT_BY.items()
    ]
    code = (code_mark(), duckdb.__version__, STATEMENT.ddl(), night.settings.timezone)
    # An erasure takes rows away and names out of others.
    erased = night.warehouse.scalar("SELECT count(*) FROM identity.main.tombstone")
    words = (VERB_KIND_OF, ACTIVITY_KIND_OF, STRAND_OF_VERB, STRAND_OF_KIND, sorted(NO_ACT_KINDS))
    return hashlib.sha256("\n".join(map(repr, (*code, erased, migrated, *tables, *words))).encode()).hexdigest()


def _note(warehouse: Warehouse, reading: Reading) -> None:
    """Bring core.statement_key and core.noted_statement up to date."""
    fresh = f"raw.statement WHERE rowid >= {reading.first_new_row}"
    keys = f"SELECT rowid AS row_number, {id_number('statement_id')} AS statement_hash FROM {fresh}"
    if reading.is_all:
        warehouse.replace(STATEMENT_KEY, keys)
        known = "core.statement_key"
    else:
        warehouse.execute(f"INSERT INTO core.statement_key BY NAME {keys}")
        warehouse.execute(
            f"CREATE OR REPLACE TEMP TABLE fresh_key AS FROM core.statement_key SEMI JOIN ({keys}) USING (statement_hash)"
        )
        known = "fresh_key"
    warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE remarkable AS SELECT statement_hash FROM {known} GROUP BY 1 HAVING count(*) > 1 "
        f"UNION SELECT {id_number('statement_id')} FROM {fresh} AND voids_statement_id IS NOT NULL"
    )
    rows = (
        "FROM raw.statement WHERE rowid IN "
        f"(SELECT row_number FROM {known} SEMI JOIN remarkable USING (statement_hash))"
    )
    if reading.is_all:
        warehouse.replace(NOTED_STATEMENT, rows)
    else:
        warehouse.execute(f"DELETE FROM core.noted_statement WHERE {id_number('statement_id')} IN (FROM remarkable)")
        warehouse.execute(f"INSERT INTO core.noted_statement BY NAME {rows}")
    warehouse.execute("DROP TABLE remarkable; DROP TABLE IF EXISTS temp.fresh_key")


def look_at_people(warehouse: Warehouse) -> None:
    """Temporary table `basis_now`: by what statements are attributed tonight, for each identity and learner."""
    warehouse.execute(
        """
        CREATE OR REPLACE TEMP TABLE basis_now AS
        SELECT 'identity' AS basis_kind, identity_id AS basis_key, CAST(hash(learner_id) >> 1 AS BIGINT) AS basis_digest
        FROM core.identity_link
        UNION ALL
        SELECT 'learner', learner_id, CAST(xor(hash(zone), coalesce(e.places, 0)) >> 1 AS BIGINT)
        FROM zone_of LEFT JOIN (
            SELECT learner_id, bit_xor(hash(enrolment_id, course_id, enrolled_day, last_day)) AS places
            FROM enrolled GROUP BY learner_id
        ) AS e USING (learner_id)
        """
    )


def find_touched(night: Night, reading: Reading) -> int:
    """Fill the temporary table `touched` with the ids of statements to be made anew; returns how many."""
    warehouse = night.warehouse
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE touched AS
        WITH came AS (
            SELECT statement_id FROM raw.statement WHERE rowid >= {reading.first_new_row}
            UNION SELECT statement_id FROM raw.statement WHERE known_at >= {reading.seen_until}
            UNION SELECT statement_id FROM raw.statement WHERE happened_at >= {reading.seen_until}
        )
        FROM came
        UNION
        SELECT voids_statement_id FROM core.noted_statement SEMI JOIN came USING (statement_id)
        WHERE voids_statement_id IS NOT NULL
        """
    )
    _touch_moved(warehouse)
    return int(warehouse.scalar("SELECT count(*) FROM touched"))


def _touch_moved(warehouse: Warehouse) -> None:
    """Add to `touched` the statements of identities and learners whose basis changed."""
    warehouse.execute(
        """
        CREATE OR REPLACE TEMP TABLE moved AS
        SELECT coalesce(n.basis_kind, s.basis_kind) AS basis_kind, coalesce(n.basis_key, s.basis_key) AS basis_key
        FROM basis_now AS n FULL JOIN core.statement_basis AS s
          ON s.basis_kind = n.basis_kind AND s.basis_key = n.basis_key
        WHERE s.basis_digest IS DISTINCT FROM n.basis_digest
          -- An identity that was not there has no statements but new ones.
          AND NOT (n.basis_kind = 'identity' AND s.basis_kind IS NULL)
        """
    )
    # Whoever of a group is no row of core.statement (two identities of one learner) is found in raw.statement alone.
    members = (
        "(SELECT statement_id, unnest(string_split(member_identity_ids, ' ')) AS identity_id FROM raw.statement "
        "WHERE member_identity_ids IS NOT NULL)"
    )
    for kind, column, relations in (
        ("identity", "identity_id", ("core.statement", members)),
        ("learner", "learner_id", ("core.statement",)),
    ):
        if warehouse.scalar("SELECT count(*) FROM moved WHERE basis_kind = ?", [kind]):
            for relation in relations:
                those = f"SELECT basis_key FROM moved WHERE basis_kind = '{kind}'"
                touch(warehouse, f"SELECT statement_id FROM {relation} WHERE {column} IN ({those})")
    warehouse.execute("DROP TABLE moved")


def touch(warehouse: Warehouse, select: str) -> None:
    """Add the ids that a query yields to `touched`."""
    warehouse.execute(f"INSERT INTO touched SELECT * FROM ({select}) EXCEPT FROM touched")
