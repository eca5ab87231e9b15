"""core.mentoring_event: sessions and messages on one time line, pseudonymous, in local days.

Belongs here: bringing mentoring logs into one shape. Does not belong here: cadence and health (`pipelines.marts`).
"""

from __future__ import annotations

from data_contracts.tables.core import MENTORING_EVENT
from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import epoch_day, zone
from pipelines.resources import Night
from pipelines.warehouse import current


def build_mentoring_events(night: Night) -> int:
    """Fill core.mentoring_event with what was known before observed_at, planned sessions included."""
    before = night.observed_sql
    return night.warehouse.replace(
        MENTORING_EVENT,
        f"""
        WITH pair AS (SELECT * FROM {current(RAW_INPUTS["mentoring_match"], before)}),
        events AS (
            SELECT s.session_id AS event_id, s.match_id, s.mentor_id, s.learner_id,
                   coalesce(s.outcome, CASE WHEN s.held_at IS NULL THEN 'planned' ELSE 'held' END) AS event_kind,
                   coalesce(s.held_at, s.scheduled_at) AS happened_at, s.known_at, s.is_known_at_assumed,
                   coalesce(s.duration_minutes, 0) AS minutes, s.group_id, s.level
            FROM {current(RAW_INPUTS["mentoring_session"], before)} AS s
            UNION ALL
            SELECT m.message_id, m.match_id, m.mentor_id, m.learner_id,
                   'message_by_' || m.sender, m.sent_at, m.known_at, m.is_known_at_assumed, 0, NULL, NULL
            FROM {current(RAW_INPUTS["mentoring_message"], before)} AS m
        ),
        named AS (
            SELECT e.* EXCLUDE (mentor_id, learner_id), p.mentor_id, p.learner_id, p.programme_id
            FROM events AS e JOIN pair AS p USING (match_id)
        ),
        -- A log may name the two persons only: theirs is the match that began last before the event.
        paired AS (
            SELECT e.* EXCLUDE (match_id), p.match_id, p.programme_id
            FROM (FROM events WHERE match_id IS NULL) AS e
            ASOF LEFT JOIN pair AS p
              ON p.mentor_id = e.mentor_id AND p.learner_id = e.learner_id
             AND e.happened_at >= CAST(p.matched_on AS TIMESTAMP)
        ),
        placed AS (FROM named UNION ALL BY NAME FROM paired),
        zoned AS (
            SELECT placed.*, {zone(night.settings, "l.timezone", "p.timezone")} AS zone
            FROM placed LEFT JOIN {current(RAW_INPUTS["learner"])} AS l USING (learner_id)
            LEFT JOIN {current(RAW_INPUTS["programme"])} AS p USING (programme_id)
            WHERE mentor_id IS NOT NULL AND learner_id IS NOT NULL
        )
        SELECT *, {epoch_day("happened_at", "zone")} AS epoch_day,
               greatest({epoch_day("happened_at", "zone")}, {epoch_day("known_at", "zone")}) AS known_epoch_day
        FROM zoned
        ORDER BY event_id
        """,
    )
