"""The mart of goals: how far each is against the timeline agreed, and how often it was set anew.

Belongs here: goals as they stand, and what a timeline expects of a day. Does not belong here: matches' weeks.
"""

from __future__ import annotations

from pipelines.marts.as_of import MartContext, rounded, to_date

BEHIND_SHARE = 0.1
"""So much less than the timeline expects is behind; under it, the day of the last measure makes the difference."""

# An export tells the new due date days before or after the update that says 'rebaselined'; measures lie further apart.
_SAME_REBASELINE_DAYS = 14


def expected_share(epoch_day: str) -> str:
    """Share of the way that an agreement expects by the end of a day: linear from agreement to due date, 0..1.

    Both dates are ends of days, so a goal due that day expects 1. Null without a due date.
    """
    elapsed = f"({epoch_day} - agreed_epoch_day) / CAST(due_epoch_day - agreed_epoch_day AS DOUBLE)"
    return (
        "CASE WHEN due_epoch_day <= agreed_epoch_day THEN 1 "
        f"WHEN due_epoch_day IS NOT NULL THEN greatest(0, least(1, {elapsed})) END"
    )


def goal_progress(context: MartContext) -> str:
    """Each goal as of observed_at: the agreement in force, and the latest measure against its timeline.

    A goal was set anew with each agreement of another due date, baseline or target, and with each update that says so
    while no such agreement became known within 14 days of it. The timeline stands still where the match ended. Behind is
    more than a tenth under what is expected, of a goal neither attained nor dropped; null where either share is.
    """
    changed = " OR ".join(
        f"{name} IS DISTINCT FROM lag({name}) OVER versions"
        for name in ("due_epoch_day", "baseline_value", "target_value")
    )
    return f"""
    WITH version AS (
        SELECT *, lag(version_number) OVER versions IS NOT NULL AND ({changed}) AS is_rebaseline
        FROM core.goal
        WHERE agreed_epoch_day < {context.tonight} AND known_epoch_day < {context.tonight}
        WINDOW versions AS (PARTITION BY goal_id ORDER BY version_number)
    ),
    goal AS (
        SELECT goal_id, arg_min(due_epoch_day, version_number) FILTER (version_number = 1) AS first_due_epoch_day,
            count(*) FILTER (is_rebaseline) AS rebaselined_count, max(version_number) AS version_number
        FROM version GROUP BY goal_id
    ),
    measure AS {context.happened("goal_update")},
    standing AS (
        SELECT goal_id, arg_max(attained_share, epoch_day) AS attained_share, arg_max(status, epoch_day) AS status,
            max(epoch_day) FILTER (attained_share IS NOT NULL) AS measured_epoch_day
        FROM measure GROUP BY goal_id
    ),
    said AS (
        SELECT goal_id, count(*) AS rebaselined_count FROM measure
        WHERE status = 'rebaselined' AND NOT EXISTS (
            FROM version WHERE is_rebaseline AND version.goal_id = measure.goal_id
                AND abs(version.known_epoch_day - measure.epoch_day) <= {_SAME_REBASELINE_DAYS}
        )
        GROUP BY goal_id
    ),
    judged AS (
        SELECT version.*, goal.first_due_epoch_day, standing.status, measured_epoch_day,
            goal.rebaselined_count + coalesce(said.rebaselined_count, 0) AS rebaselined_count,
            {rounded("standing.attained_share")} AS attained_share,
            {rounded(expected_share(f"least({context.tonight} - 1, ended_epoch_day)"))} AS expected_attained_share
        FROM goal JOIN version USING (goal_id, version_number)
        LEFT JOIN (SELECT match_id, ended_epoch_day FROM {context.matches()}) USING (match_id)
        LEFT JOIN standing USING (goal_id) LEFT JOIN said USING (goal_id)
    )
    SELECT goal_id, match_id, programme_id, mentor_id, learner_id, kind, {to_date("agreed_epoch_day")} AS agreed_on,
        {to_date("first_due_epoch_day")} AS first_due_on, {to_date("due_epoch_day")} AS due_on, weight,
        {to_date("measured_epoch_day")} AS last_measured_on, attained_share, expected_attained_share,
        {rounded("100 * (attained_share - expected_attained_share)")} AS timeline_gap_points,
        coalesce(status, 'open') NOT IN ('attained', 'dropped')
            AND attained_share < expected_attained_share - {BEHIND_SHARE} AS is_behind,
        rebaselined_count, status
    FROM judged
    ORDER BY goal_id
    """
