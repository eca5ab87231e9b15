"""core.away_day and core.mentor_week: when learners are not expected, and what minutes mentors have.

Belongs here: leave, closed days, availability over all programmes, meetings by the mentor's week. Does not belong
here: minutes that alerts take (`models.routing`).
"""

from __future__ import annotations

from data_contracts.tables.core import AWAY_DAY, MENTOR_WEEK
from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import EPOCH, date_day, epoch_day, monday, zone
from pipelines.resources import Night
from pipelines.warehouse import current

READ_AFTER_HOURS = 8

# Leave and closed days are told ahead; further than this nobody asks.
_AHEAD_DAYS = 28


def read_at(night: Night) -> str:
    """When the night's alerts are acted on, in SQL (docs/decisions/0009).

    At Sunday midnight of the organisation a mentor further west is routed for the week to come, not for the last hours
    of the one that ends.
    """
    return f"{night.observed_sql} + INTERVAL {READ_AFTER_HOURS} HOUR"


def build_away_days(night: Night) -> int:
    """Fill core.away_day: own leave, and closed days of the learner's unit or of all units.

    From the learner's first enrolment or match to four weeks after observed_at; a day of leave that is closed too is
    leave. Known from the first version that told it, never before the day itself.
    """
    before, ahead = night.observed_sql, night.tonight_epoch_day + _AHEAD_DAYS
    return night.warehouse.replace(
        AWAY_DAY,
        f"""
        WITH person AS (
            SELECT learner_id, min(first_day) AS first_day, least(max(last_day), {ahead}) AS last_day, any_value(zone) AS zone
            FROM (
                SELECT learner_id, least(enrolled_epoch_day, course_start_epoch_day) AS first_day,
                       course_end_epoch_day AS last_day, timezone AS zone
                FROM core.enrolment
                UNION ALL
                SELECT learner_id, matched_epoch_day, coalesce(match_ended_epoch_day, {ahead}), timezone
                FROM core.mentoring_match
            ) GROUP BY learner_id
        ),
        away AS (
            SELECT learner_id, 'leave' AS away_kind, known_at,
                   unnest(range({date_day("from_on")}, least({date_day("to_on")}, {ahead}) + 1)) AS epoch_day
            FROM {current(RAW_INPUTS["absence"], before)}
            UNION ALL
            SELECT p.learner_id, 'closed', c.known_at, {date_day("c.closed_on")}
            FROM (SELECT learner_id, org_unit FROM person
                  LEFT JOIN {current(RAW_INPUTS["learner"], before)} USING (learner_id)) AS p
            JOIN {current(RAW_INPUTS["calendar"], before)} AS c ON c.org_unit IS NULL OR c.org_unit = p.org_unit
        )
        SELECT learner_id, epoch_day, max(away_kind) AS away_kind,
               greatest(epoch_day, min({epoch_day("known_at", "zone")})) AS known_epoch_day
        FROM away JOIN person USING (learner_id) WHERE epoch_day BETWEEN first_day AND last_day
        GROUP BY learner_id, epoch_day ORDER BY learner_id, epoch_day
        """,
    )


def build_mentor_weeks(night: Night) -> int:
    """Fill core.mentor_week from core.mentoring_match and core.mentoring_event.

    Available: a seventh of the minutes a week for each day, of the availability that covers the day and began last,
    else the stated capacity, else the default, which is flagged. A meeting is its longest row, a group's counted once;
    where nobody gave its length, the agreed one. Planned: meetings still to come, by the mentor's clock when the
    night's alerts are read.
    """
    before, settings = night.observed_sql, night.settings
    base = f"coalesce(capacity_minutes_per_week, {settings.capacity_minutes})"
    return night.warehouse.replace(
        MENTOR_WEEK,
        f"""
        WITH mentor AS (
            SELECT mentor_id, g.capacity_minutes_per_week,
                   {epoch_day(read_at(night), zone(settings, "g.timezone"))} AS today
            FROM (SELECT DISTINCT mentor_id FROM core.mentoring_match UNION SELECT mentor_id FROM core.mentoring_event)
            FULL JOIN {current(RAW_INPUTS["mentor"], before)} AS g USING (mentor_id)
        ),
        match AS (
            SELECT m.*, today, least(coalesce(match_ended_epoch_day, today + 7), today + 7) AS last_day
            FROM core.mentoring_match AS m JOIN mentor USING (mentor_id)
        ),
        meeting AS (
            SELECT e.mentor_id, e.meeting_id, e.event_kind, e.mentor_epoch_day AS day,
                   max(coalesce(nullif(e.minutes, 0), m.agreed_minutes, 0)) AS minutes
            FROM core.mentoring_event AS e LEFT JOIN match AS m USING (match_id)
            WHERE e.event_kind IN ('held', 'planned') GROUP BY ALL
        ),
        used AS (
            SELECT mentor_id, {monday("day")} AS week, sum(minutes) FILTER (event_kind = 'held') AS held_minutes,
                   count(*) FILTER (event_kind = 'held') AS meetings_held_count,
                   sum(minutes) FILTER (event_kind = 'planned' AND day >= today) AS planned_minutes
            FROM meeting JOIN mentor USING (mentor_id) WHERE day < {monday("today")} + 14 GROUP BY ALL
        ),
        learners AS (
            SELECT mentor_id, week, count(DISTINCT learner_id) AS learners_count,
                   count(DISTINCT programme_id) AS programmes_count
            FROM (SELECT *, unnest(range({monday("matched_epoch_day")}, last_day + 1, 7)) AS week FROM match)
            GROUP BY ALL
        ),
        span AS (
            SELECT mentor_id, any_value(today) AS today, min(week) AS first_week
            FROM (SELECT mentor_id, week FROM used UNION ALL SELECT mentor_id, week FROM learners
                  UNION ALL SELECT mentor_id, {monday("today")} FROM mentor) JOIN mentor USING (mentor_id)
            GROUP BY mentor_id
        ),
        week AS (
            SELECT mentor_id, unnest(range(first_week, {monday("today")} + 14, 7)) AS week FROM span
        ),
        covered AS (
            SELECT mentor_id, minutes_per_week, from_on,
                   unnest(range(greatest({date_day("from_on")}, first_week),
                                least({date_day("to_on")}, {monday("today")} + 13) + 1)) AS day
            FROM {current(RAW_INPUTS["mentor_availability"], before)} JOIN span USING (mentor_id)
        ),
        stated AS (
            SELECT mentor_id, {monday("day")} AS week, sum(minutes_per_week) / 7.0 AS minutes, count(*) AS days
            FROM (
                SELECT mentor_id, day, arg_max(minutes_per_week, from_on) AS minutes_per_week
                FROM covered GROUP BY mentor_id, day
            ) GROUP BY ALL
        )
        SELECT w.mentor_id, {EPOCH} + CAST(w.week AS INTEGER) AS week_starts_on,
               floor((coalesce(s.minutes, 0) + {base} * (7 - coalesce(s.days, 0)) / 7.0) * 1e6 + 0.5) / 1e6
                   AS available_minutes,
               capacity_minutes_per_week IS NULL AND coalesce(s.days, 0) < 7 AS is_capacity_assumed,
               coalesce(u.planned_minutes, 0) AS planned_minutes, coalesce(u.held_minutes, 0) AS held_minutes,
               coalesce(u.meetings_held_count, 0) AS meetings_held_count,
               coalesce(l.learners_count, 0) AS learners_count, coalesce(l.programmes_count, 0) AS programmes_count
        FROM week AS w JOIN mentor USING (mentor_id) LEFT JOIN stated AS s USING (mentor_id, week)
        LEFT JOIN used AS u USING (mentor_id, week) LEFT JOIN learners AS l USING (mentor_id, week)
        ORDER BY mentor_id, week_starts_on
        """,
    )
