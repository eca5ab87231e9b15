"""core.statement_finding: what an analyst must know before trusting what is made of the statements.

Belongs here: counting what was found. Does not belong here: finding it (`versions`, `meaning`, `statements`).

Rows of raw.statement are counted as a whole, ids by the few that stand in several rows, and rows of core.statement by
what of them went and came, so that nothing is sorted or looked through that grows with the history.
"""

from __future__ import annotations

from collections.abc import Mapping

from data_contracts.tables.core import STATEMENT_FINDING, STATEMENT_TALLY
from pipelines.core.basis import id_number
from pipelines.core.versions import CONFLICTING
from pipelines.resources import Night
from pipelines.warehouse import Warehouse

_ALIKE = "attribution, verb_kind, is_act, is_unknown_verb, is_unknown_type"


def tally(warehouse: Warehouse, came: str, went: str | None = None) -> None:
    """Bring core.statement_tally up to date with rows of core.statement that came and went, or with all that came."""
    counted = [f"SELECT {_ALIKE}, count(*) AS statements_count FROM {came} GROUP BY ALL"]
    if went is not None:
        counted.append(f"SELECT {_ALIKE}, -count(*) FROM {went} GROUP BY ALL")
        counted.append(f"SELECT {_ALIKE}, statements_count FROM {STATEMENT_TALLY.qualified_name}")
    warehouse.replace(
        STATEMENT_TALLY,
        f"SELECT {_ALIKE}, sum(statements_count) AS statements_count FROM ({' UNION ALL '.join(counted)}) "
        "GROUP BY ALL HAVING sum(statements_count) <> 0",
    )


def count_findings(night: Night) -> None:
    """Fill core.statement_finding; reads what `choose_versions` made, core.statement_tally and `registered`."""
    before = night.observed_sql
    night.warehouse.replace(
        STATEMENT_FINDING,
        f"""
        WITH total AS (SELECT coalesce(sum(statements_count), 0) AS rows FROM core.statement_tally),
        again AS (FROM noted SEMI JOIN repeated USING (statement_id) WHERE known_at < {before}),
        counted AS (
            SELECT (SELECT count(*) FROM told WHERE known_at < {before}) AS taken,
                   count(*) AS rows, count(DISTINCT (statement_id, content_hash)) AS contents,
                   count(DISTINCT statement_id) AS ids
            FROM again
        ),
        kept AS (SELECT taken - rows + ids AS rows FROM counted),
        -- Ids that are there and known by now; of voids alone, since all would be too many.
        waiting AS (
            SELECT statement_id FROM told WHERE known_at >= {before}
            EXCEPT SELECT statement_id FROM again
        ),
        present AS (
            SELECT statement_id FROM void
            WHERE {id_number("statement_id")} IN (SELECT statement_hash FROM core.statement_key)
              AND statement_id NOT IN (FROM waiting)
        ),
        voiding AS (
            SELECT statement_id, voids_statement_id AS target FROM noted_once
            WHERE voids_statement_id IS NOT NULL AND known_at < {before}
        ),
        groups AS (
            SELECT member_identity_ids FROM (FROM told WHERE actor_kind <> 'agent')
            ANTI JOIN repeated USING (statement_id) WHERE known_at < {before}
            UNION ALL
            SELECT member_identity_ids FROM first_of_repeated WHERE known_at < {before} AND actor_kind <> 'agent'
        )
        SELECT 'attribution' AS finding, attribution AS finding_value, sum(statements_count) AS found_count,
               (SELECT rows FROM total) AS out_of_count
        FROM core.statement_tally GROUP BY attribution
        UNION ALL
        SELECT 'no_act', verb_kind, sum(statements_count), (SELECT rows FROM total)
        FROM core.statement_tally WHERE NOT is_act GROUP BY verb_kind
        UNION ALL
        SELECT 'ambiguous_registration', NULL, count(*) FILTER (NOT is_clear), count(*) FROM registered
        UNION ALL
        SELECT 'unknown_term', 'verb', coalesce(sum(statements_count) FILTER (is_unknown_verb), 0), (SELECT rows FROM total)
        FROM core.statement_tally
        UNION ALL
        SELECT 'unknown_term', 'activity_type', coalesce(sum(statements_count) FILTER (is_unknown_type), 0),
               (SELECT rows FROM total)
        FROM core.statement_tally
        UNION ALL
        SELECT 'repeated', NULL, rows - contents, taken FROM counted
        UNION ALL
        SELECT '{CONFLICTING}', NULL, contents - ids, (SELECT rows FROM kept) FROM counted
        UNION ALL
        SELECT 'voided', NULL, count(*), (SELECT rows FROM kept)
        FROM present WHERE statement_id NOT IN (SELECT statement_id FROM voiding)
        UNION ALL
        SELECT 'void_without_target', NULL, count(*) FILTER (target NOT IN (FROM present)), count(*) FROM voiding
        UNION ALL
        SELECT 'group_without_members', NULL, count(*) FILTER (member_identity_ids IS NULL), count(*) FROM groups
        UNION ALL
        SELECT 'identity_conflict', NULL, (SELECT count(*) FROM core.identity_conflict), count(*)
        FROM core.identity_link
        ORDER BY ALL
        """,
    )


def findings(warehouse: Warehouse) -> Mapping[str, int]:
    """What core.statement_finding counted, by finding and value."""
    told = warehouse.rows("SELECT finding, finding_value, found_count FROM core.statement_finding ORDER BY ALL")
    return {finding if value is None else f"{finding}_{value}": count for finding, value, count in told}
