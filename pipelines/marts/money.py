"""What `models.costs` and `models.roi` are told, read from the warehouse.

Belongs here: queries that make the frames those modules describe. Does not belong here: any formula.
"""

from __future__ import annotations

from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.marts.evidence import DAY, MONTH
from pipelines.warehouse import current

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


def mentor_minutes(tonight: int) -> str:
    """Minutes of held sessions by programme, month and delivery, a group session once."""
    return f"""
        SELECT programme_id, CAST(NULL AS VARCHAR) AS course_id, month_starts_on, delivery,
               CAST(sum(minutes) AS DOUBLE) AS minutes
        FROM (
            SELECT programme_id, {MONTH.format(DAY.format("epoch_day"))} AS month_starts_on, mentor_id, meeting_id,
                   CASE WHEN max(channel) = 'in_person' THEN 'face_to_face'
                        WHEN max(channel) IS NOT NULL THEN 'online_synchronous' END AS delivery,
                   max(minutes) AS minutes
            FROM core.mentoring_event
            WHERE event_kind = 'held' AND epoch_day < {tonight} AND programme_id IS NOT NULL GROUP BY ALL
        ) GROUP BY ALL ORDER BY ALL
    """


def counts(tonight: int) -> str:
    """Learners, completions, retained and mentored, and who of past runs completed, by programme (course null) and course.

    Retained are the active and the completed. Mentored are the matched, and who was contacted without a match. Of past
    runs: who was active for eight weeks, and how many of them completed; a programme's courses take its figures.
    """
    return f"""
        WITH met AS (
            SELECT programme_id || ':' || learner_id AS participation_id FROM core.mentoring_event
            WHERE event_kind IN ('held', 'message_by_mentor') AND epoch_day < {tonight}
            UNION
            SELECT participation_id FROM core.mentoring_match WHERE matched_epoch_day < {tonight}
        ),
        share AS (
            SELECT programme_id, count(*) AS past_active_count,
                   count(*) FILTER (ended_kind = 'completed') AS past_completed_count
            FROM core.enrolment
            WHERE ended_kind IS NOT NULL AND course_end_epoch_day < {tonight}
              AND ended_epoch_day - greatest(enrolled_epoch_day, course_start_epoch_day) >= {_STILL_ACTIVE_DAYS}
            GROUP BY programme_id HAVING count(*) >= {_LEAST_ENDED}
        )
        SELECT p.programme_id, CAST(NULL AS VARCHAR) AS course_id, count(*) AS learners_count,
               count(*) FILTER (p.status = 'completed') AS completions_count,
               count(*) FILTER (p.status IN ('active', 'completed')) AS retained_count,
               count(met.participation_id) AS mentored_count,
               any_value(s.past_active_count) AS past_active_count,
               any_value(s.past_completed_count) AS past_completed_count
        FROM core.participation AS p LEFT JOIN met USING (participation_id)
        LEFT JOIN share AS s ON s.programme_id = p.programme_id GROUP BY p.programme_id
        UNION ALL
        SELECT e.programme_id, e.course_id, count(DISTINCT e.learner_id),
               count(DISTINCT e.learner_id) FILTER (e.ended_kind = 'completed'),
               count(DISTINCT e.learner_id) FILTER (e.ended_kind IS NULL OR e.ended_kind = 'completed'),
               count(DISTINCT e.learner_id) FILTER (met.participation_id IS NOT NULL),
               any_value(s.past_active_count), any_value(s.past_completed_count)
        FROM core.enrolment AS e LEFT JOIN met USING (participation_id)
        LEFT JOIN share AS s ON s.programme_id = e.programme_id
        WHERE e.course_id IS NOT NULL GROUP BY e.programme_id, e.course_id
        ORDER BY ALL
    """


def survey_levels(before: str) -> str:
    """Answers to surveys by programme and outcome level."""
    return f"""
        SELECT programme_id, outcome_level, count(*) AS answers_count
        FROM {current(RAW_INPUTS["survey_response"], before)} GROUP BY ALL ORDER BY ALL
    """
