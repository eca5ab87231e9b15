"""core.opened_activity: since when each enrolment is known to have opened an activity.

Belongs here: keeping that up to date with core.statement. Does not belong here: what share of a course it is
(`features.coverage`).
"""

from __future__ import annotations

from data_contracts.tables.core import OPENED_ACTIVITY
from pipelines.resources import Night

# What an enrolment's days were made of, in one number.
_NOW = (
    "SELECT enrolment_id, CAST(bit_xor(hash(epoch_day, statements_count, statements_digest)) >> 1 AS BIGINT) AS digest "
    "FROM core.day_state WHERE enrolment_id IS NOT NULL GROUP BY enrolment_id"
)
_THEN = "SELECT enrolment_id, any_value(statements_digest) AS digest FROM core.opened_activity GROUP BY enrolment_id"


def build_opened_activities(night: Night) -> int:
    """Bring core.opened_activity up to date; needs core.day_state of this night.

    Only enrolments are looked at anew whose days are made of other statements than when their rows were made, so
    voided and late statements and those attributed anew are seen, and the cost follows the new data.
    """
    warehouse = night.warehouse
    names = ", ".join(OPENED_ACTIVITY.column_names)
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE opened_anew AS "
        f"SELECT enrolment_id, n.digest FROM ({_NOW}) AS n FULL JOIN ({_THEN}) AS t USING (enrolment_id) "
        "WHERE n.digest IS DISTINCT FROM t.digest"
    )
    with warehouse.transaction():
        those = "FROM core.opened_activity SEMI JOIN opened_anew USING (enrolment_id)"
        warehouse.execute(f"CREATE OR REPLACE TEMP TABLE opened_then AS SELECT * EXCLUDE (statements_digest) {those}")
        warehouse.execute(
            "DELETE FROM core.opened_activity WHERE enrolment_id IN (SELECT enrolment_id FROM opened_anew)"
        )
        warehouse.execute(
            f"INSERT INTO core.opened_activity ({names}) SELECT enrolment_id, object_iri AS activity_iri, "
            "min(known_epoch_day) AS known_epoch_day, any_value(digest) AS statements_digest "
            "FROM core.statement JOIN opened_anew USING (enrolment_id) WHERE is_act AND object_iri IS NOT NULL "
            "GROUP BY enrolment_id, object_iri ORDER BY enrolment_id, object_iri"
        )
        # Landmarks know an opening from the day after it was known; one that stayed as it was changes none.
        warehouse.execute(
            f"""
            INSERT INTO core.restated BY NAME
            WITH now AS (SELECT * EXCLUDE (statements_digest) {those})
            SELECT 'feature' AS restated_kind, enrolment_id, min(known_epoch_day) AS epoch_day
            FROM ((FROM opened_then EXCEPT FROM now) UNION ALL (FROM now EXCEPT FROM opened_then)) GROUP BY enrolment_id
            """
        )
    return warehouse.count(OPENED_ACTIVITY)
