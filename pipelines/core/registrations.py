"""core.registration: who was invited to a programme, registered, and was matched.

Belongs here: demand, learner by learner. Does not belong here: rates (`pipelines.marts`).
"""

from __future__ import annotations

from data_contracts.tables.core import REGISTRATION
from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import epoch_day, zone
from pipelines.resources import Night
from pipelines.warehouse import current


def build_registrations(night: Night) -> int:
    """Fill core.registration with what was told before observed_at; a match shows that one was decided.

    Needs core.mentoring_match. What happened on a later day than the last before observed_at is not there yet.
    """
    before, tonight = night.observed_sql, night.tonight_epoch_day
    invited, registered, decided = (
        f"CASE WHEN {epoch_day(f'r.{name}_at', 'zone')} < {tonight} THEN {epoch_day(f'r.{name}_at', 'zone')} END"
        for name in ("invited", "registered", "decided")
    )
    return night.warehouse.replace(
        REGISTRATION,
        f"""
        WITH told AS (
            SELECT r.*, {zone(night.settings, "l.timezone", "p.timezone")} AS zone
            FROM {current(RAW_INPUTS["registration"], before)} AS r
            LEFT JOIN {current(RAW_INPUTS["learner"], before)} AS l USING (learner_id)
            LEFT JOIN {current(RAW_INPUTS["programme"], before)} AS p USING (programme_id)
        ),
        matched AS (
            SELECT learner_id, programme_id, min(matched_epoch_day) AS day FROM core.mentoring_match GROUP BY ALL
        )
        SELECT r.learner_id, r.programme_id, r.programme_id || ':' || r.learner_id AS participation_id, r.route, r.is_hipo,
               r.baseline_score, {invited} AS invited_epoch_day, {registered} AS registered_epoch_day,
               CASE WHEN m.day IS NOT NULL THEN 'matched' WHEN {decided} IS NOT NULL OR r.decided_at IS NULL THEN r.decision
               END AS decision, {decided} AS decided_epoch_day, m.day AS first_matched_epoch_day
        FROM told AS r LEFT JOIN matched AS m USING (learner_id, programme_id)
        ORDER BY r.learner_id, r.programme_id
        """,
    )
