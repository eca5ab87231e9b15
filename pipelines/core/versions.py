"""Which of the rows of raw.statement count: one content an id, the one known first; voids in either order.

Belongs here: contents that conflict, voids. Does not belong here: what a statement means (`meaning`) or whose it is
(`pipelines.core.statements`), what changed since the last night (`changes`).

Every rule looks at all rows of an id, never at the order in which they came. The rows that decide about others stand in
core.noted_statement, so that a night need not look for them.
"""

from __future__ import annotations

from pipelines.core.changes import Reading, rows_of
from pipelines.resources import Night

CONFLICTING = "conflicting_content"
_CONFLICT_DETAIL = "the id stands again with other content, known later; the content known first is kept"


def _told(relation: str, reading: Reading, columns: str = "*") -> str:
    """Query: rows of statements with when they were known; of a migrated source, when they happened."""
    if not reading.migrated:
        return f"SELECT {columns} FROM {relation}"
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in reading.migrated)
    known = f"CASE WHEN source_name IN ({names}) THEN happened_at ELSE known_at END AS known_at"
    return f"SELECT {columns} REPLACE ({known}) FROM {relation}"


def newly_counting(night: Night, reading: Reading) -> str:
    """Query: the rows that count tonight and did not last night; where all is made anew, all that count."""
    before, seen, first = night.observed_sql, reading.seen_until, reading.first_new_row
    now = f"known_at < {before} AND happened_at < {before}"
    if reading.is_all:
        return f"FROM told WHERE {now}"
    # What is asked of raw.statement itself lets most of its row groups be skipped.
    waited = f"raw.statement WHERE rowid < {first} AND happened_at"
    return (
        f"FROM ({_told(f'raw.statement WHERE rowid >= {first}', reading)}) WHERE {now} "
        f"UNION ALL FROM ({_told(f'{waited} >= {seen}', reading)}) WHERE {now} "
        f"UNION ALL FROM ({_told(f'{waited} < {seen} AND known_at >= {seen}', reading)}) WHERE {now} AND known_at >= {seen}"
    )


def choose_versions(night: Night, reading: Reading) -> None:
    """Temporary `told` (all rows), `repeated`, `first_of_repeated`, `noted_once` and `void`; conflicts to quarantine.

    Of contents under one id the one known first is chosen, of equals the smaller hash. A voiding statement stays in
    force whatever targets it.
    """
    warehouse = night.warehouse
    warehouse.execute(f"CREATE OR REPLACE TEMP VIEW told AS {_told('raw.statement', reading)}")
    warehouse.execute(f"CREATE OR REPLACE TEMP VIEW noted AS {_told('core.noted_statement', reading)}")
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE repeated AS SELECT statement_id FROM noted GROUP BY 1 HAVING count(*) > 1"
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE first_of_repeated AS FROM noted SEMI JOIN repeated USING (statement_id) "
        "QUALIFY row_number() OVER (PARTITION BY statement_id ORDER BY known_at, content_hash, stored_at, source_name, "
        "file_hash) = 1"
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP VIEW noted_once AS "
        "FROM noted ANTI JOIN repeated USING (statement_id) UNION ALL BY NAME FROM first_of_repeated"
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE void AS SELECT DISTINCT voids_statement_id AS statement_id FROM noted_once "
        f"WHERE voids_statement_id IS NOT NULL AND known_at < {night.observed_sql}"
    )
    _refuse_conflicts(night)


def look_at(night: Night, reading: Reading) -> None:
    """Temporary view `once`: the chosen row of each id to be looked at (of all, or of those in `touched`)."""
    if reading.is_all:
        looked, chosen = "told", "first_of_repeated"
    else:
        night.warehouse.execute(
            f"CREATE OR REPLACE TEMP TABLE looked AS FROM ({_told(rows_of('touched'), reading, 'rowid AS row_number, *')}) "
            "SEMI JOIN touched USING (statement_id)",
        )
        looked, chosen = "looked", "first_of_repeated SEMI JOIN touched USING (statement_id)"
    night.warehouse.execute(
        "CREATE OR REPLACE TEMP VIEW once AS "
        f"FROM (FROM {looked}) ANTI JOIN repeated USING (statement_id) UNION ALL BY NAME FROM {chosen}"
    )


def _refuse_conflicts(night: Night) -> None:
    """Put each content that is not kept into quarantine, once; one that a later delivery put right leaves it."""
    warehouse = night.warehouse
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE conflict AS
        SELECT left(sha256(statement_id || '|' || o.content_hash || '|{CONFLICTING}'), 32) AS fault_id,
               'statement' AS table_name, min_by(o.source_name, (o.known_at, o.source_name)) AS source_name,
               'raw.statement' AS file_name, min_by(o.file_hash, (o.known_at, o.source_name, o.file_hash)) AS file_hash,
               'id' AS column_name, '{CONFLICTING}' AS reason, '{_CONFLICT_DETAIL}' AS detail
        FROM noted AS o JOIN first_of_repeated AS f USING (statement_id)
        WHERE o.content_hash <> f.content_hash
        GROUP BY statement_id, o.content_hash
        """
    )
    place = "(fault_id, source_name, file_hash)"
    ours = f"reason = '{CONFLICTING}' AND file_name = 'raw.statement'"
    warehouse.execute(f"DELETE FROM raw.quarantine WHERE {ours} AND {place} NOT IN (SELECT {place} FROM conflict)")
    warehouse.execute(
        "INSERT INTO raw.quarantine BY NAME FROM conflict "
        f"WHERE fault_id NOT IN (SELECT fault_id FROM raw.quarantine WHERE {ours}) ORDER BY fault_id"
    )
