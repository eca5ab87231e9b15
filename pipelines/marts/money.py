"""What `models.learning_mix`, `models.roi` and `models.effect` are told, read from the warehouse.

Belongs here: queries that make the frames those modules describe. Does not belong here: any formula.
"""

from __future__ import annotations

from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.warehouse import current

OUTSIDE = "outside programmes"

_DAY = "DATE '1970-01-01' + CAST({} AS INTEGER)"
_MONTH = "CAST(date_trunc('month', {}) AS DATE)"
# Share of completing among those still active after eight weeks, from runs that are over; fewer say nothing.
_STILL_ACTIVE_DAYS = 56
_LEAST_ENDED = 50


def programmes(before: str) -> str:
    """Programmes with money and targets, implicit ones included; columns as the models name them."""
    return f"""
        SELECT programme_id, currency, starts_on, ends_on, value_per_completion_amount, learner_hour_amount,
               mentor_hour_amount, target_formal_share, target_social_share, target_experiential_share
        FROM {current(RAW_INPUTS["programme"], before)}
        UNION ALL BY NAME
        SELECT DISTINCT programme_id FROM core.enrolment
        WHERE programme_id NOT IN (SELECT programme_id FROM raw.programme)
        ORDER BY programme_id
    """


def evidence(before: str, tonight: int) -> str:
    """Minutes, events and outcomes by programme, course, strand, month and learner.

    Statements by their own strand; sessions are social; reviewed commitments and work activity are experiential,
    shadowing a colleague is social. What belongs to no programme stands under `OUTSIDE`.
    """
    day = _MONTH.format(_DAY.format("epoch_day"))
    return f"""
        WITH part AS (SELECT learner_id, programme_id FROM core.participation),
        only_part AS (SELECT learner_id, min(programme_id) AS programme_id FROM part GROUP BY 1 HAVING count(*) = 1),
        rows AS (
            SELECT e.programme_id, e.course_id, d.strand, {day} AS month_starts_on, e.learner_id, d.minutes,
                   d.events_count, 0.0 AS outcome_sum, 0 AS outcomes_count
            FROM core.enrolment_day AS d JOIN core.enrolment AS e USING (enrolment_id) WHERE d.epoch_day < {tonight}
            UNION ALL
            SELECT e.programme_id, e.course_id, 'formal', {_MONTH.format(_DAY.format("s.submitted_epoch_day"))},
                   e.learner_id, 0, 0, s.score_share, 1
            FROM core.submission AS s JOIN core.enrolment AS e USING (enrolment_id)
            WHERE s.score_share IS NOT NULL AND s.submitted_epoch_day < {tonight} AND s.score_known_epoch_day < {tonight}
            UNION ALL
            SELECT coalesce(m.programme_id, o.programme_id, '{OUTSIDE}'), NULL, 'social', {day}, m.learner_id,
                   m.minutes, 1, 0, 0
            FROM core.mentoring_event AS m LEFT JOIN only_part AS o USING (learner_id)
            WHERE m.event_kind = 'held' AND m.epoch_day < {tonight}
            UNION ALL
            SELECT coalesce(c.programme_id, o.programme_id, '{OUTSIDE}'), NULL, 'experiential',
                   {_MONTH.format(_DAY.format("c.reviewed_epoch_day"))}, c.learner_id, 0, 1,
                   CASE c.status WHEN 'kept' THEN 1 WHEN 'partly' THEN 0.5 ELSE 0 END, 1
            FROM core.commitment AS c LEFT JOIN only_part AS o USING (learner_id)
            WHERE c.reviewed_epoch_day < {tonight} AND c.status <> 'open'
            UNION ALL
            SELECT coalesce(w.programme_id, o.programme_id, '{OUTSIDE}'), NULL,
                   CASE w.kind WHEN 'shadowing' THEN 'social' ELSE 'experiential' END, {_MONTH.format("w.happened_on")},
                   w.learner_id, coalesce(w.minutes, 0), 1,
                   CASE WHEN w.confirmed_by IN ('mentor', 'manager') THEN 1 ELSE 0 END,
                   CASE WHEN w.confirmed_by IS NULL THEN 0 ELSE 1 END
            FROM {current(RAW_INPUTS["work_activity"], before)} AS w LEFT JOIN only_part AS o USING (learner_id)
            UNION ALL
            SELECT '{OUTSIDE}', NULL, strand, {day}, learner_id, minutes, events_count, 0, 0
            FROM core.learner_activity WHERE epoch_day < {tonight}
        )
        SELECT programme_id, course_id, strand, month_starts_on, learner_id, CAST(sum(minutes) AS DOUBLE) AS minutes,
               CAST(sum(events_count) AS BIGINT) AS events_count, CAST(sum(outcome_sum) AS DOUBLE) AS outcome_sum,
               CAST(sum(outcomes_count) AS BIGINT) AS outcomes_count
        FROM rows GROUP BY ALL ORDER BY ALL
    """


def active(tonight: int) -> str:
    """Enrolments active on some day of each month, as programme, course, month and learner."""
    last_day = f"least(coalesce(ended_epoch_day, course_end_epoch_day), {tonight - 1})"
    return f"""
        SELECT DISTINCT programme_id, course_id, learner_id, CAST(unnest(generate_series(
                   date_trunc('month', {_DAY.format("enrolled_epoch_day")}),
                   date_trunc('month', {_DAY.format(f"greatest({last_day}, enrolled_epoch_day)")}),
                   INTERVAL 1 MONTH)) AS DATE) AS month_starts_on
        FROM core.enrolment ORDER BY ALL
    """


def mentor_minutes(tonight: int) -> str:
    """Minutes of held sessions by programme and month, a group session once."""
    return f"""
        SELECT programme_id, CAST(NULL AS VARCHAR) AS course_id, month_starts_on, CAST(sum(minutes) AS DOUBLE) AS minutes
        FROM (
            SELECT programme_id, {_MONTH.format(_DAY.format("epoch_day"))} AS month_starts_on, mentor_id,
                   meeting_id, max(minutes) AS minutes
            FROM core.mentoring_event
            WHERE event_kind = 'held' AND epoch_day < {tonight} AND programme_id IS NOT NULL GROUP BY ALL
        ) GROUP BY ALL ORDER BY ALL
    """


def counts(tonight: int) -> str:
    """Learners, completions, mentored and the share that completes, by programme (course null) and by course."""
    return f"""
        WITH met AS (
            SELECT DISTINCT programme_id || ':' || learner_id AS participation_id FROM core.mentoring_event
            WHERE event_kind IN ('held', 'message_by_mentor') AND epoch_day < {tonight}
        ),
        share AS (
            SELECT programme_id, avg(CAST(ended_kind = 'completed' AS DOUBLE)) AS completes_given_active_share
            FROM core.enrolment
            WHERE ended_kind IS NOT NULL AND course_end_epoch_day < {tonight}
              AND ended_epoch_day - greatest(enrolled_epoch_day, course_start_epoch_day) >= {_STILL_ACTIVE_DAYS}
            GROUP BY programme_id HAVING count(*) >= {_LEAST_ENDED}
        )
        SELECT p.programme_id, CAST(NULL AS VARCHAR) AS course_id, count(*) AS learners_count,
               count(*) FILTER (p.status = 'completed') AS completions_count,
               count(met.participation_id) AS mentored_count,
               any_value(s.completes_given_active_share) AS completes_given_active_share
        FROM core.participation AS p LEFT JOIN met USING (participation_id)
        LEFT JOIN share AS s ON s.programme_id = p.programme_id GROUP BY p.programme_id
        UNION ALL
        SELECT e.programme_id, e.course_id, count(DISTINCT e.learner_id),
               count(DISTINCT e.learner_id) FILTER (e.ended_kind = 'completed'),
               count(DISTINCT e.learner_id) FILTER (met.participation_id IS NOT NULL),
               any_value(s.completes_given_active_share)
        FROM core.enrolment AS e LEFT JOIN met USING (participation_id)
        LEFT JOIN share AS s ON s.programme_id = e.programme_id
        WHERE e.course_id IS NOT NULL GROUP BY e.programme_id, e.course_id
        ORDER BY ALL
    """


def effect_counts(tonight: int) -> str:
    """Participations contacted and matched, and how many of them were abandoned, by programme and contrast."""
    return f"""
        WITH treated AS (
            SELECT DISTINCT 'first_contact' AS contrast, programme_id || ':' || learner_id AS participation_id
            FROM core.mentoring_event WHERE event_kind IN ('held', 'message_by_mentor') AND epoch_day < {tonight}
            UNION ALL
            SELECT DISTINCT 'matched', participation_id FROM core.mentoring_match
        )
        SELECT p.programme_id, t.contrast, count(*) AS n_count,
               count(*) FILTER (p.status = 'abandoned') AS n_events_count
        FROM treated AS t JOIN core.participation AS p USING (participation_id) GROUP BY ALL ORDER BY ALL
    """
