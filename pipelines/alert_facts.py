"""What `models.alerts` and `models.routing` are told, read from the warehouse.

Belongs here: queries that make the frames those modules describe. Does not belong here: any rule or route.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import EPOCH, local, zone
from pipelines.core.presence import read_at
from pipelines.marts.as_of import MartContext
from pipelines.marts.goals import goal_progress
from pipelines.marts.mentoring import mentoring_health
from pipelines.resources import Night
from pipelines.warehouse import current

# Meetings and messages older than this say little of what a learner answers today.
_ANSWERS_DAYS = 180
_FIRST_DAY = date(1970, 1, 1)
_MINUTES_STEP = 5
_LONGEST_MINUTES = 60


def facts(night: Night) -> pl.DataFrame:
    """One row per active participation, as `models.alerts.candidates` and `models.lifecycle.tonight` describe it.

    How a match stands is what the marts `mentoring_health` and `goal_progress` say of it, by their own queries.
    """
    tonight, before = night.tonight_epoch_day, night.observed_sql
    context = MartContext.of(night)
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
                   min(open_day) FILTER (course_id IS NOT NULL) AS open_day, count(course_id) AS courses_count
            FROM courses GROUP BY participation_id
        ),
        active AS (
            SELECT e.participation_id, count(DISTINCT d.epoch_day) AS active_days_7d
            FROM {context.happened("enrolment_day")} AS d JOIN core.enrolment AS e USING (enrolment_id)
            WHERE d.epoch_day >= {tonight} - 7 GROUP BY e.participation_id
        ),
        health AS (
            SELECT * FROM ({mentoring_health(context)})
            QUALIFY week_starts_on = max(week_starts_on) OVER (PARTITION BY match_id)
        ),
        event AS (
            SELECT * FROM core.mentoring_event
            WHERE known_epoch_day < {tonight} AND (epoch_day < {tonight} OR event_kind = 'planned')
        ),
        met AS (
            SELECT match_id, bool_or(event_kind = 'held') AS has_met,
                   max(epoch_day) FILTER (event_kind IN ('held', 'message_by_mentor')) AS mentors_day,
                   min(happened_at) FILTER (event_kind = 'planned' AND happened_at >= {before}) AS next_session_at
            FROM event GROUP BY match_id
        ),
        contact AS (
            SELECT learner_id, programme_id, max(happened_at) AS last_contact_at FROM event
            WHERE event_kind IN ('held', 'message_by_mentor') AND happened_at < {before} GROUP BY ALL
        ),
        answer AS (
            SELECT learner_id, {_answers()}
            FROM event WHERE epoch_day >= {tonight} - {_ANSWERS_DAYS} GROUP BY learner_id
        ),
        goal AS (
            SELECT match_id, min(timeline_gap_points) FILTER (coalesce(status, 'open') NOT IN ('attained', 'dropped'))
                       AS goal_gap_points,
                   count(*) FILTER (status = 'attained' AND last_measured_on >= {EPOCH} + CAST({tonight} - 7 AS INTEGER))
                       AS attained_goals_count
            FROM ({goal_progress(context)}) GROUP BY match_id
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
        away AS (SELECT learner_id, epoch_day, away_kind FROM core.away_day),
        on_leave AS (SELECT learner_id FROM away WHERE epoch_day = {tonight} AND away_kind = 'leave'),
        participation AS (
            SELECT p.*, l.has_never_started, l.open_day, l.courses_count,
                   greatest(m.matched_epoch_day, c.mentors_day) AS mentors_day,
                   m.matched_epoch_day, m.match_id IS NOT NULL AND {_still_matched("m", tonight)} AS has_mentor
            FROM core.participation AS p
            LEFT JOIN learning AS l USING (participation_id)
            LEFT JOIN core.mentoring_match AS m ON m.match_id = p.match_id
            LEFT JOIN met AS c ON c.match_id = p.match_id
            WHERE p.status = 'active'
        ),
        available AS (
            SELECT participation_id, count(*) FILTER (away.epoch_day > open_day) AS open_away,
                   count(*) FILTER (away.epoch_day > mentors_day) AS silent_away
            FROM participation JOIN away USING (learner_id) WHERE away.epoch_day < {tonight} GROUP BY participation_id
        )
        SELECT p.participation_id, p.learner_id, p.programme_id, coalesce(o.opted_out_at < {before}, false) AS is_opted_out,
               on_leave.learner_id IS NOT NULL AS is_on_leave, coalesce(p.has_never_started, false) AS has_never_started,
               {tonight} - 1 - p.open_day - coalesce(a.open_away, 0) AS days_since_open,
               CASE WHEN p.has_mentor THEN {tonight} - 1 - p.matched_epoch_day END AS days_since_match,
               {tonight} - 1 - p.mentors_day - coalesce(a.silent_away, 0) AS silent_days,
               CAST(round(h.cadence_kept_share * h.cadence_promised_count) AS BIGINT) AS held_count,
               h.cadence_promised_count AS promised_count,
               p.has_mentor AND coalesce(h.is_first_meeting_overdue, false) AS is_first_meeting_overdue,
               p.has_mentor AND coalesce(h.is_mentor_silent, false) AS is_mentor_silent,
               p.has_mentor AND coalesce(h.is_cadence_broken, false) AS is_cadence_broken, p.has_mentor,
               coalesce(active.active_days_7d, 0) AS active_days_7d, k.last_contact_at,
               coalesce(t.open_tickets_count, 0) AS open_tickets_count,
               coalesce(pr.overdue_commitments_count, 0) AS overdue_commitments_count,
               CASE WHEN p.has_mentor THEN g.goal_gap_points END AS goal_gap_points,
               coalesce(g.attained_goals_count, 0) AS attained_goals_count, p.courses_count, answer.* EXCLUDE learner_id,
               CASE WHEN c.next_session_at IS NOT NULL
                        THEN 'session planned for ' || strftime(c.next_session_at, '%-d %B')
                    WHEN pr.next_commitment_day IS NOT NULL
                        THEN 'commitment due on ' || strftime({EPOCH} + CAST(pr.next_commitment_day AS INTEGER), '%-d %B')
                    WHEN w.next_due_day IS NOT NULL
                        THEN 'work due on ' || strftime({EPOCH} + CAST(w.next_due_day AS INTEGER), '%-d %B')
               END AS next_step
        FROM participation AS p
        LEFT JOIN {current(RAW_INPUTS["learner"])} AS o ON o.learner_id = p.learner_id
        LEFT JOIN available AS a USING (participation_id)
        LEFT JOIN active USING (participation_id)
        LEFT JOIN health AS h ON h.match_id = p.match_id
        LEFT JOIN met AS c ON c.match_id = p.match_id
        LEFT JOIN contact AS k ON k.learner_id = p.learner_id AND k.programme_id = p.programme_id
        LEFT JOIN answer ON answer.learner_id = p.learner_id
        LEFT JOIN goal AS g ON g.match_id = p.match_id
        LEFT JOIN tickets AS t ON t.learner_id = p.learner_id
        LEFT JOIN promised AS pr ON pr.match_id = p.match_id
        LEFT JOIN work AS w USING (participation_id)
        LEFT JOIN on_leave ON on_leave.learner_id = p.learner_id
        ORDER BY p.participation_id
        """
    )


def _answers() -> str:
    """Of both ways how often mentors sought the learner, and how often that was answered, or met."""
    is_message = "event_kind = 'message_by_mentor'"
    sought = {
        "synchronous": f"(event_kind IN ('held', 'missed_by_learner') OR ({is_message} AND channel = 'chat'))",
        "asynchronous": f"({is_message} AND channel IS DISTINCT FROM 'chat')",
    }
    return ", ".join(
        f"count(*) FILTER ({way}) AS {mode}_tried_count, "
        f"count(*) FILTER ({way} AND (event_kind = 'held' OR answered_at IS NOT NULL)) AS {mode}_answered_count"
        for mode, way in sought.items()
    )


def _still_matched(match: str, tonight: int) -> str:
    return f"({match}.match_ended_epoch_day IS NULL OR {match}.match_ended_epoch_day >= {tonight})"


def scores(night: Night) -> pl.DataFrame:
    """Tonight's scores of active participations, each with its course's title.

    A participation is over when its required courses are; an enrolment of its own may go on and is scored, for nobody.
    """
    return night.warehouse.frame(
        f"""
        SELECT s.*, c.title AS course_title
        FROM risk.score AS s SEMI JOIN (FROM core.participation WHERE status = 'active') USING (participation_id)
        LEFT JOIN {current(RAW_INPUTS["course"], night.observed_sql)} AS c USING (course_id)
        WHERE s.observed_at = {night.observed_sql} ORDER BY s.enrolment_id
        """
    )


def learned_minutes(night: Night) -> dict[str, int]:
    """Median minutes of meetings held in the last 180 days, by the level that was logged, in steps of 5 from 5 to 60.

    Of levels with at least `minutes_learned_from` meetings whose minutes and level are known; none where that is 0.
    """
    least, tonight = night.settings.minutes_learned_from, night.tonight_epoch_day
    if not least:
        return {}
    found = night.warehouse.rows(
        f"SELECT level, median(minutes) FROM {MartContext.of(night).happened('mentoring_event')} "
        f"WHERE event_kind = 'held' AND minutes > 0 AND level IS NOT NULL AND epoch_day >= {tonight} - {_ANSWERS_DAYS} "
        f"GROUP BY level HAVING count(*) >= {least} ORDER BY level"
    )
    steps = {level: _MINUTES_STEP * int(median / _MINUTES_STEP + 0.5) for level, median in found}
    return {level: min(_LONGEST_MINUTES, max(_MINUTES_STEP, minutes)) for level, minutes in steps.items()}


def met_this_week(night: Night) -> pl.DataFrame:
    """Pairs of mentor and learner who met in the mentor's running week: mentor_id, learner_id."""
    local_at = local(read_at(night), zone(night.settings, "m.timezone"))
    return night.warehouse.frame(
        f"""
        SELECT DISTINCT e.mentor_id, e.learner_id
        FROM {MartContext.of(night).happened("mentoring_event")} AS e
        LEFT JOIN {current(RAW_INPUTS["mentor"], night.observed_sql)} AS m USING (mentor_id)
        WHERE e.event_kind = 'held'
            AND {EPOCH} + CAST(e.mentor_epoch_day AS INTEGER) >= CAST(date_trunc('week', {local_at}) AS DATE)
        ORDER BY ALL
        """
    )


def closed_days(night: Night) -> list[date]:
    """Dates on which the whole organisation is closed, of the last half year."""
    closed = night.warehouse.rows(
        f"SELECT DISTINCT closed_on FROM {current(RAW_INPUTS['calendar'], night.observed_sql)} WHERE org_unit IS NULL "
        f"AND closed_on >= CAST({night.observed_sql} AS DATE) - 183 ORDER BY 1"
    )
    return [row[0] for row in closed]


def organisation_day(night: Night) -> date:
    """Tonight's date in the organisation."""
    return _FIRST_DAY + timedelta(days=night.tonight_epoch_day)


def consenting(night: Night) -> set[str]:
    """Learners who have agreed that a lot may decide: each for themselves, or since all their programmes have told them."""
    settings = night.settings
    if not settings.holdout_share:
        return set()
    if settings.holdout_consent == "learner":
        found = night.warehouse.rows(
            f"SELECT learner_id FROM {current(RAW_INPUTS['learner'], night.observed_sql)} "
            f"WHERE lottery_consented_at < {night.observed_sql}"
        )
    else:
        found = night.warehouse.rows(
            "SELECT learner_id FROM core.participation WHERE status = 'active' "
            "GROUP BY learner_id HAVING bool_and(list_contains(?, programme_id))",
            [list(settings.holdout_programmes)],
        )
    return {str(row[0]) for row in found}


def matches(night: Night) -> pl.DataFrame:
    """Active matches: mentor_id, learner_id, programme_id, matched_on."""
    tonight = night.tonight_epoch_day
    return night.warehouse.frame(
        f"SELECT mentor_id, learner_id, programme_id, {EPOCH} + CAST(matched_epoch_day AS INTEGER) AS matched_on "
        f"FROM core.mentoring_match AS m WHERE {_still_matched('m', tonight)} ORDER BY ALL"
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
