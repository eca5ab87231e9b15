"""core.goal, core.goal_update and core.commitment: what mentor and learner agreed, and what became of it.

Belongs here: versions of goals, measures by the version then in force, commitments and their review. Does not belong
here: how far goals are behind (`pipelines.marts`), features (`features.goals`).
"""

from __future__ import annotations

from data_contracts.tables.core import COMMITMENT, GOAL, GOAL_UPDATE
from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import date_day, epoch_day
from pipelines.resources import Night
from pipelines.warehouse import current


def build_goals(night: Night) -> int:
    """Fill core.goal, a row for each agreement told before observed_at.

    A version is in force from the day it was known, never before its own day of agreement, until the next one is.
    Goals of an unknown match, or gone from a full snapshot, are left out.
    """
    before = night.observed_sql
    return night.warehouse.replace(
        GOAL,
        f"""
        WITH version AS (
            SELECT g.*, g.rowid AS arrival, m.mentor_id, m.learner_id, m.programme_id,
                   {date_day("g.agreed_on")} AS agreed_day,
                   greatest({date_day("g.agreed_on")}, {epoch_day("g.known_at", "m.timezone")}) AS known_day
            FROM raw.goal AS g JOIN core.mentoring_match AS m USING (match_id)
            WHERE g.known_at < {before} AND g.goal_id IN (SELECT goal_id FROM {current(RAW_INPUTS["goal"], before)})
              AND g.is_deleted IS NOT TRUE
        ),
        -- Of what became known on one day the last stands.
        daily AS (
            FROM version
            QUALIFY row_number() OVER (PARTITION BY goal_id, known_day ORDER BY known_at DESC, arrival DESC) = 1
        )
        SELECT goal_id, row_number() OVER versions AS version_number, match_id, mentor_id, learner_id, programme_id, kind,
               agreed_day AS agreed_epoch_day, {date_day("due_on")} AS due_epoch_day, baseline_value, target_value, weight,
               known_day AS known_epoch_day, lead(known_day) OVER versions AS superseded_epoch_day
        FROM daily WHERE agreed_day < {night.tonight_epoch_day}
        WINDOW versions AS (PARTITION BY goal_id ORDER BY known_day)
        ORDER BY goal_id, version_number
        """,
    )


def build_goal_updates(night: Night) -> int:
    """Fill core.goal_update: the share given, else (value - baseline) / (target - baseline), within 0..1.

    Baseline and target are those in force when the measure was known, else the first agreed. The share is null where
    the goal has no distance.
    """
    before = night.observed_sql
    distance = "nullif(coalesce(v.target_value, f.target_value) - coalesce(v.baseline_value, f.baseline_value), 0)"
    share = f"coalesce(u.attained_share, (u.value - coalesce(v.baseline_value, f.baseline_value)) / {distance})"
    return night.warehouse.replace(
        GOAL_UPDATE,
        f"""
        WITH first AS (SELECT * FROM core.goal WHERE version_number = 1),
        measure AS (
            SELECT u.*, {date_day("u.recorded_on")} AS day, m.learner_id, m.programme_id, first.match_id,
                   greatest({date_day("u.recorded_on")}, {epoch_day("u.known_at", "m.timezone")}) AS known_day
            FROM {current(RAW_INPUTS["goal_update"], before)} AS u JOIN first USING (goal_id)
            JOIN core.mentoring_match AS m ON m.match_id = first.match_id
            WHERE {date_day("u.recorded_on")} < {night.tonight_epoch_day}
        )
        SELECT u.goal_id, u.match_id, u.learner_id, u.programme_id, u.day AS epoch_day, u.known_day AS known_epoch_day,
               CASE WHEN {share} IS NOT NULL THEN least(1, greatest(0, {share})) END AS attained_share, u.status
        FROM measure AS u JOIN first AS f USING (goal_id)
        ASOF LEFT JOIN core.goal AS v ON v.goal_id = u.goal_id AND u.known_day >= v.known_epoch_day
        ORDER BY u.goal_id, epoch_day
        """,
    )


def build_commitments(night: Night) -> int:
    """Fill core.commitment: each conversation ends in one that the next conversation reviews.

    A status without a day of review counts as reviewed on the day it was told. Needs core.mentoring_event.
    """
    before = night.observed_sql
    return night.warehouse.replace(
        COMMITMENT,
        f"""
        WITH told AS (
            SELECT commitment_id, status, min(known_at) AS told_at, bool_and(is_known_at_assumed) AS is_assumed,
                   min(min(CASE WHEN is_known_at_assumed THEN CAST(made_on AS TIMESTAMP) ELSE known_at END))
                       OVER (PARTITION BY commitment_id) AS first_at
            FROM raw.commitment WHERE known_at < {before} GROUP BY commitment_id, status
        ),
        promised AS (
            SELECT c.*, e.event_id, e.match_id, e.mentor_id, e.learner_id, e.programme_id, e.happened_at,
                   {date_day("c.made_on")} AS made_day, coalesce(m.timezone, '{night.settings.timezone}') AS zone,
                   t.first_at, t.told_at,
                   CASE WHEN c.status <> 'open' THEN coalesce({date_day("c.reviewed_on")},
                       CASE WHEN NOT t.is_assumed THEN {epoch_day("t.told_at", "coalesce(m.timezone, 'UTC')")} END,
                       {date_day("c.made_on")}) END AS reviewed_day
            FROM {current(RAW_INPUTS["commitment"], before)} AS c
            JOIN told AS t ON t.commitment_id = c.commitment_id AND t.status = c.status
            JOIN core.mentoring_event AS e ON e.event_id = c.session_id
            LEFT JOIN core.mentoring_match AS m ON m.match_id = e.match_id
        ),
        met AS (
            SELECT match_id, happened_at, epoch_day FROM core.mentoring_event
            WHERE event_kind = 'held' AND epoch_day < {night.tonight_epoch_day} AND match_id IS NOT NULL
        )
        SELECT p.commitment_id, p.event_id, p.match_id, p.mentor_id, p.learner_id, p.programme_id,
               p.made_day AS made_epoch_day,
               greatest(p.made_day, {epoch_day("p.first_at", "p.zone")}) AS made_known_epoch_day,
               {date_day("p.due_on")} AS due_epoch_day, p.reviewed_day AS reviewed_epoch_day,
               CASE WHEN p.reviewed_day IS NOT NULL THEN greatest(p.reviewed_day, {epoch_day("p.told_at", "p.zone")}) END
                   AS reviewed_known_epoch_day,
               p.status, met.epoch_day AS next_met_epoch_day,
               CASE WHEN met.epoch_day IS NOT NULL THEN coalesce(p.reviewed_day <= met.epoch_day, false) END
                   AS is_reviewed_at_next
        FROM promised AS p ASOF LEFT JOIN met ON met.match_id = p.match_id AND p.happened_at < met.happened_at
        WHERE p.made_day < {night.tonight_epoch_day}
        ORDER BY p.commitment_id
        """,
    )
