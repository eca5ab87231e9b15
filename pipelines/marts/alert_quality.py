"""Alerts whose time is over, with what became of them: what the mart alert_quality is made of.

Belongs here: queries for `models.alert_quality`. Does not belong here: its figures.
"""

from __future__ import annotations

from pipelines.marts.as_of import MartContext, to_epoch_day

JUDGED_DAYS = 28


def judged_alerts(context: MartContext, *, abandon_after_days: int) -> str:
    """One row per alert, as `models.alert_quality.alert_quality` describes it, ordered by alert_id.

    An alert starts on the first night on which somebody had the minutes for it, else on its first night; who, level,
    channel and load are that night's. It is judged when 28 days from then are over; where ends are inferred from
    silence, when another `abandon_after_days` are, since an abandonment is not known before. Abandoned is a participation
    whose last active course was, by the 28th day: also before the alert, where silence tells the end afterwards. One
    resolved by itself was back, or its cause gone, before anybody had reviewed it or was in contact. What an earlier run
    of a night opened, and the data took back, is left out.
    """
    return f"""
    WITH happened AS (
        SELECT alert_id,
            min(happened_at) FILTER (event_kind = 'opened') AS opened_at,
            min(happened_at) FILTER (event_kind IN ('reviewed', 'acted', 'dismissed')) AS reviewed_at,
            bool_or(event_kind = 'acted' OR event_kind IN ('reviewed', 'dismissed') AND contacted_at IS NOT NULL) AS is_acted,
            bool_or(event_kind = 'escalated') AS is_escalated,
            arg_max(verdict, (happened_at, event_number)) FILTER (verdict IS NOT NULL) AS verdict,
            bool_or(event_kind = 'resolved' AND resolution IN ('back', 'cause_gone'))
                AND NOT bool_or(event_kind IN ('reviewed', 'acted', 'dismissed', 'contacted')) AS is_resolved_by_itself
        FROM alerts.event WHERE observed_at <= {context.observed}
        GROUP BY alert_id
        HAVING arg_max(resolution IS DISTINCT FROM 'corrected', (happened_at, event_number))
            FILTER (event_kind IN ('opened', 'reopened', 'resolved'))
    ),
    first AS (
        SELECT * FROM alerts.alert WHERE observed_at <= {context.observed}
        QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY NOT is_served, observed_at) = 1
    ),
    started AS (
        SELECT *, {_local_day("opened_at", context)} AS opened_day, {_local_day("observed_at", context)} AS started_day
        FROM first JOIN (SELECT * RENAME (opened_at AS event_opened_at) FROM happened) USING (alert_id)
    ),
    ended AS (
        SELECT participation_id, CASE WHEN status = 'abandoned' THEN {to_epoch_day("ended_on")} END AS abandoned_day
        FROM core.participation
    ),
    active AS (
        SELECT participation_id, max(d.epoch_day) AS last_day
        FROM core.enrolment JOIN {context.happened("enrolment_day")} AS d USING (enrolment_id)
        WHERE participation_id IN (SELECT participation_id FROM ended WHERE abandoned_day IS NOT NULL)
        GROUP BY participation_id
    ),
    silence AS (
        SELECT CASE WHEN coalesce(bool_and(has_recorded_outcome), true) THEN 0 ELSE {abandon_after_days} END AS days
        FROM core.enrolment
    )
    SELECT s.alert_id, s.participation_id, s.programme_id, s.kind, s.rule, s.level, s.channel, s.is_served,
        CASE WHEN s.is_served THEN coalesce(s.mentor_id, 'coordinator of ' || s.programme_id) END AS served_by,
        CASE WHEN NOT s.is_served OR c.mentor_id IS NULL THEN NULL
            WHEN c.available_minutes <= c.planned_minutes + c.used_minutes THEN '1 and over'
            WHEN c.available_minutes <= 2 * (c.planned_minutes + c.used_minutes) THEN '0.5 to 1'
            ELSE 'under 0.5' END AS mentor_load,
        coalesce(e.abandoned_day < s.started_day + {JUDGED_DAYS}, false) AS is_abandoned,
        e.abandoned_day - s.opened_day AS days_to_abandonment,
        a.last_day - s.opened_day AS days_to_last_activity,
        s.is_acted, s.is_escalated, s.is_resolved_by_itself, s.verdict,
        date_diff('second', s.event_opened_at, s.reviewed_at) / 86400.0 AS days_to_review
    FROM started AS s CROSS JOIN silence
    LEFT JOIN ended AS e USING (participation_id)
    LEFT JOIN active AS a USING (participation_id)
    LEFT JOIN alerts.capacity AS c ON c.mentor_id = s.mentor_id AND c.observed_at = s.observed_at
    WHERE s.started_day + {JUDGED_DAYS} + silence.days <= {context.tonight}
    ORDER BY s.alert_id
    """


def mentor_weeks(context: MartContext, *, abandon_after_days: int) -> str:
    """How many weeks mentors had, one each, in which alerts that are judged now could be served first."""
    return f"""
    SELECT count(DISTINCT (mentor_id, week_starts_on)) FROM alerts.capacity, (
        SELECT CASE WHEN coalesce(bool_and(has_recorded_outcome), true) THEN 0 ELSE {abandon_after_days} END AS days
        FROM core.enrolment
    )
    WHERE {_local_day("observed_at", context)} + {JUDGED_DAYS} + days <= {context.tonight}
    """


def _local_day(instant: str, context: MartContext) -> str:
    """The organisation's local day of an instant: so many whole days before tonight, an hour of summer time aside."""
    return f"({context.tonight} - CAST(round(date_diff('second', {instant}, {context.observed}) / 86400.0) AS BIGINT))"
