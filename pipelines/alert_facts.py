"""What `models.alerts` and `models.routing` are told, read from the warehouse.

Belongs here: queries that make the frames those modules describe. Does not belong here: any rule or route.
"""

from __future__ import annotations

import polars as pl

from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import EPOCH, local, zone
from pipelines.core.presence import read_at
from pipelines.resources import Night
from pipelines.warehouse import current


def facts(night: Night) -> pl.DataFrame:
    """One row per active participation, as `models.alerts.candidates` describes it."""
    tonight, before = night.tonight_epoch_day, night.observed_sql
    return night.warehouse.frame(
        f"""
        WITH courses AS (
            SELECT e.participation_id,
                   greatest(e.enrolled_epoch_day, e.course_start_epoch_day) AS open_day, e.course_id,
                   EXISTS (FROM core.enrolment_day AS d WHERE d.enrolment_id = e.enrolment_id) AS has_started
            FROM core.enrolment AS e
        ),
        learning AS (
            SELECT participation_id,
                   coalesce(bool_and(NOT has_started) FILTER (course_id IS NOT NULL), false) AS has_never_started,
                   {tonight} - 1 - min(open_day) FILTER (course_id IS NOT NULL) AS days_since_open
            FROM courses GROUP BY participation_id
        ),
        contact AS (
            SELECT match_id, bool_or(event_kind = 'held') AS has_met,
                   {tonight} - 1 - max(epoch_day) FILTER (event_kind IN ('held', 'message_by_mentor')) AS days_since_contact,
                   min(happened_at) FILTER (event_kind = 'planned' AND happened_at >= {before}) AS next_session_at
            FROM core.mentoring_event WHERE epoch_day < {tonight} OR event_kind = 'planned' GROUP BY match_id
        ),
        matched AS (
            SELECT match_id, {tonight} - 1 - matched_epoch_day AS days_since_match,
                   7 / nullif(agreed_sessions_per_week, 0) AS agreed_interval_days
            FROM core.mentoring_match
        ),
        tickets AS (
            SELECT learner_id, count(*) AS open_tickets_count
            FROM {current(RAW_INPUTS["support_ticket"], before)}
            WHERE kind <> 'content' AND opened_at < {before} AND (resolved_at IS NULL OR resolved_at >= {before})
            GROUP BY learner_id
        ),
        promised AS (
            SELECT match_id, count(*) FILTER (due_epoch_day < {tonight}) AS overdue_commitments_count,
                   min(due_epoch_day) FILTER (due_epoch_day >= {tonight}) AS next_commitment_day
            FROM core.commitment WHERE status = 'open' GROUP BY match_id
        ),
        work AS (
            SELECT e.participation_id, min(s.due_epoch_day) AS next_due_day
            FROM core.submission AS s JOIN core.enrolment AS e USING (enrolment_id)
            WHERE e.ended_kind IS NULL AND s.submitted_epoch_day IS NULL AND s.due_epoch_day >= {tonight}
            GROUP BY e.participation_id
        ),
        away AS (
            SELECT learner_id FROM core.away_day WHERE epoch_day = {tonight} AND away_kind = 'leave'
        )
        SELECT p.participation_id, p.learner_id, p.programme_id, coalesce(o.opted_out_at < {before}, false) AS is_opted_out,
               away.learner_id IS NOT NULL AS is_on_leave, coalesce(l.has_never_started, false) AS has_never_started,
               l.days_since_open, m.days_since_match,
               coalesce(c.has_met, false) AS has_met, c.days_since_contact,
               m.agreed_interval_days, coalesce(t.open_tickets_count, 0) AS open_tickets_count,
               coalesce(pr.overdue_commitments_count, 0) AS overdue_commitments_count,
               CASE WHEN c.next_session_at IS NOT NULL
                        THEN 'session planned for ' || strftime(c.next_session_at, '%-d %B')
                    WHEN pr.next_commitment_day IS NOT NULL
                        THEN 'commitment due on ' || strftime({EPOCH} + CAST(pr.next_commitment_day AS INTEGER), '%-d %B')
                    WHEN w.next_due_day IS NOT NULL
                        THEN 'work due on ' || strftime({EPOCH} + CAST(w.next_due_day AS INTEGER), '%-d %B')
               END AS next_step
        FROM core.participation AS p
        LEFT JOIN learning AS l USING (participation_id)
        LEFT JOIN {current(RAW_INPUTS["learner"])} AS o ON o.learner_id = p.learner_id
        LEFT JOIN matched AS m ON m.match_id = p.match_id
        LEFT JOIN contact AS c ON c.match_id = p.match_id
        LEFT JOIN tickets AS t ON t.learner_id = p.learner_id
        LEFT JOIN promised AS pr ON pr.match_id = p.match_id
        LEFT JOIN work AS w USING (participation_id)
        LEFT JOIN away ON away.learner_id = p.learner_id
        WHERE p.status = 'active'
        ORDER BY p.participation_id
        """
    )


def matches(night: Night) -> pl.DataFrame:
    """Active matches: mentor_id, learner_id, programme_id, matched_on."""
    tonight = night.tonight_epoch_day
    return night.warehouse.frame(
        f"SELECT mentor_id, learner_id, programme_id, {EPOCH} + CAST(matched_epoch_day AS INTEGER) AS matched_on "
        f"FROM core.mentoring_match WHERE match_ended_epoch_day IS NULL OR match_ended_epoch_day >= {tonight} ORDER BY ALL"
    )


def mentors(night: Night) -> pl.DataFrame:
    """Every mentor with a row of their own, a match or an event: their week as core.mentor_week has it, and local_at."""
    local_at = local(read_at(night), zone(night.settings, "m.timezone"))
    return night.warehouse.frame(
        f"""
        SELECT w.mentor_id, {local_at} AS local_at, w.available_minutes, w.is_capacity_assumed, w.planned_minutes,
               w.held_minutes
        FROM core.mentor_week AS w LEFT JOIN {current(RAW_INPUTS["mentor"], night.observed_sql)} AS m USING (mentor_id)
        WHERE w.week_starts_on = CAST(date_trunc('week', {local_at}) AS DATE) ORDER BY w.mentor_id
        """
    )


def programmes(night: Night) -> pl.DataFrame:
    """Every programme with a participation: programme_id, active_participations_count, local_at."""
    return night.warehouse.frame(
        f"""
        SELECT p.programme_id, count(*) FILTER (p.status = 'active') AS active_participations_count,
               any_value({local(read_at(night), zone(night.settings, "r.timezone"))}) AS local_at
        FROM core.participation AS p LEFT JOIN {current(RAW_INPUTS["programme"])} AS r USING (programme_id)
        GROUP BY p.programme_id ORDER BY p.programme_id
        """
    )
