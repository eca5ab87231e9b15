"""core.enrolment and core.participation: who is in what, and how it stands at observed_at.

Belongs here: the precedence of ends (status, then a completing statement, then silence), programmes for
enrolments of none, participations. Does not belong here: labels (`features.labels`).
"""

from __future__ import annotations

from data_contracts.tables.core import ENROLMENT, PARTICIPATION
from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import date_day, epoch_day, zone
from pipelines.resources import Night
from pipelines.warehouse import current

# A course without an end is followed this long.
_OPEN_END_DAYS = 365


def build_enrolments(night: Night) -> int:
    """Fill core.enrolment; an end that was not known before observed_at is not there yet.

    Silence decides only where ends are not recorded at all: if any enrolment given has a final status, statuses
    are kept by somebody and an active one is believed.
    """
    warehouse, settings, tonight = night.warehouse, night.settings, night.tonight_epoch_day
    known_day = epoch_day("e.recorded_at", "zone")
    return warehouse.replace(
        ENROLMENT,
        f"""
        WITH base AS (
            SELECT e.*, coalesce(e.programme_id, 'course:' || e.course_id) AS programme,
                   {zone(settings, "l.timezone", "p.timezone")} AS timezone, l.org_unit, l.opted_out_at,
                   c.starts_on AS course_starts_on, coalesce(e.due_on, c.ends_on, p.ends_on) AS last_on
            FROM {current(RAW_INPUTS["enrolment"])} AS e
            LEFT JOIN {current(RAW_INPUTS["learner"])} AS l USING (learner_id)
            LEFT JOIN {current(RAW_INPUTS["course"])} AS c USING (course_id)
            LEFT JOIN {current(RAW_INPUTS["programme"])} AS p USING (programme_id)
            WHERE {date_day("e.enrolled_on")} < {tonight}
        ),
        versions AS (
            SELECT enrolment_id, e.status AS kind, {date_day("coalesce(e.status_on, last_on, e.enrolled_on)")} AS day,
                   coalesce({known_day}, 0) AS told_day, e.rowid AS arrival
            FROM raw.enrolment AS e JOIN (SELECT enrolment_id, timezone AS zone, last_on FROM base) USING (enrolment_id)
        ),
        -- A status is known from the first export that told it, however often later ones tell it again.
        told AS (
            SELECT enrolment_id, kind, day, max(arrival) AS last_arrival,
                   greatest(min(told_day), CASE kind WHEN 'active' THEN 0 ELSE day END) AS known_day
            FROM versions GROUP BY enrolment_id, kind, day
        ),
        recorded AS (
            SELECT * FROM (
                FROM told WHERE known_day < {tonight}
                QUALIFY row_number() OVER (PARTITION BY enrolment_id ORDER BY last_arrival DESC) = 1
            ) WHERE kind <> 'active'
        ),
        finished AS (
            SELECT enrolment_id, min(epoch_day) AS day, min(known_epoch_day) AS known_day
            FROM core.statement JOIN base USING (enrolment_id)
            WHERE verb_kind IN ('completed', 'passed', 'satisfied') AND is_about_course GROUP BY enrolment_id
        ),
        quiet AS (
            SELECT enrolment_id, coalesce(max(epoch_day), any_value({date_day("enrolled_on")})) AS day
            FROM base LEFT JOIN core.enrolment_day USING (enrolment_id) GROUP BY enrolment_id
        ),
        kept AS (SELECT count(*) > 0 AS is_recorded FROM raw.enrolment WHERE status <> 'active'),
        ends AS (
            SELECT enrolment_id, day, known_day, kind, 'status' AS rule, 1 AS precedence FROM recorded
            UNION ALL
            SELECT enrolment_id, day, known_day, 'completed', 'statement', 2 FROM finished
            UNION ALL
            SELECT enrolment_id, day, day + {settings.abandon_after_days}, 'abandoned', 'silence', 3 FROM quiet
            WHERE NOT (SELECT is_recorded FROM kept)
        ),
        ended AS (
            SELECT * FROM ends WHERE day < {tonight} AND known_day < {tonight}
            QUALIFY row_number() OVER (PARTITION BY enrolment_id ORDER BY precedence) = 1
        )
        SELECT enrolment_id, learner_id, programme AS programme_id, course_id,
               programme || ':' || learner_id AS participation_id, {date_day("enrolled_on")} AS enrolled_epoch_day,
               {date_day("coalesce(course_starts_on, enrolled_on)")} AS course_start_epoch_day,
               coalesce({date_day("last_on")},
                        {date_day("coalesce(course_starts_on, enrolled_on)")} + {_OPEN_END_DAYS}) AS course_end_epoch_day,
               ended.day AS ended_epoch_day, ended.known_day AS ended_known_epoch_day, ended.kind AS ended_kind,
               ended.rule AS ended_rule, (SELECT is_recorded FROM kept) AS has_recorded_outcome, studied_credits,
               previous_attempts_count, org_unit, timezone, opted_out_at
        FROM base LEFT JOIN ended USING (enrolment_id)
        ORDER BY enrolment_id
        """,
    )


def build_participations(night: Night) -> int:
    """Fill core.participation: completed when its required courses are, abandoned when its last active one is.

    Of a course that runs several times a learner must complete the runs they are enrolled in. Who has a match and no
    enrolment in the programme takes part in it too, while a match goes on. Needs core.mentoring_match.
    """
    tonight = night.tonight_epoch_day
    goes_on = f"(match_ended_epoch_day IS NULL OR match_ended_epoch_day >= {tonight})"
    return night.warehouse.replace(
        PARTICIPATION,
        f"""
        WITH required AS (
            SELECT programme_id, course_id FROM {current(RAW_INPUTS["programme_course"])} WHERE is_required
        ),
        told AS (
            SELECT e.participation_id, any_value(e.learner_id) AS learner_id, any_value(e.programme_id) AS programme_id,
                   min(e.enrolled_epoch_day) AS first_day, max(e.ended_epoch_day) AS last_day,
                   count(*) FILTER (e.ended_kind IS NULL) AS active,
                   count(*) FILTER (e.ended_kind = 'completed') AS completed,
                   count(*) FILTER (r.course_id IS NOT NULL) AS required,
                   count(*) FILTER (r.course_id IS NOT NULL AND e.ended_kind = 'completed') AS required_completed,
                   arg_max(e.ended_kind, e.ended_epoch_day) AS last_kind
            FROM core.enrolment AS e
            LEFT JOIN required AS r ON r.programme_id = e.programme_id AND r.course_id = e.course_id
            GROUP BY e.participation_id
            UNION ALL BY NAME
            SELECT participation_id, any_value(learner_id) AS learner_id, any_value(programme_id) AS programme_id,
                   min(matched_epoch_day) AS first_day, max(match_ended_epoch_day) AS last_day,
                   count(*) FILTER {goes_on} AS active,
                   0 AS completed, 0 AS required, 0 AS required_completed
            FROM core.mentoring_match ANTI JOIN core.enrolment USING (participation_id) GROUP BY participation_id
        ),
        matched AS (
            SELECT participation_id, arg_max(mentor_id, (matched_epoch_day, match_id)) AS mentor_id,
                   arg_max(match_id, (matched_epoch_day, match_id)) AS match_id
            FROM core.mentoring_match WHERE {goes_on} GROUP BY participation_id
        )
        SELECT t.participation_id, t.learner_id, t.programme_id,
               CASE WHEN t.required_completed = t.required AND t.completed > 0 THEN 'completed'
                    WHEN t.active > 0 THEN 'active'
                    WHEN t.last_kind = 'abandoned' THEN 'abandoned'
                    WHEN t.last_kind = 'completed' THEN 'completed'
                    ELSE 'ended' END AS status,
               DATE '1970-01-01' + CAST(t.first_day AS INTEGER) AS starts_on,
               CASE WHEN t.active = 0 THEN DATE '1970-01-01' + CAST(t.last_day AS INTEGER) END AS ended_on,
               m.mentor_id, m.match_id
        FROM told AS t LEFT JOIN matched AS m USING (participation_id)
        ORDER BY t.participation_id
        """,
    )
