"""The mart of engagement: what each enrolment did, week by week.

Belongs here: enrolments' weeks. Does not belong here: mentoring, community, faults of courses.
"""

from __future__ import annotations

from pipelines.core.local_time import monday
from pipelines.marts.as_of import MartContext, rounded, to_date, weeks


def engagement_weekly(context: MartContext) -> str:
    """Each enrolment's ISO weeks: those in the course so far, silent ones included, and any other with activity.

    A week in the course is one from the later of enrolment and course start to the earliest of the enrolment's
    end, the course's end and yesterday: without its silent weeks, a learner who never started would not be seen.
    Distinct activities come from the statements, since daily distinct counts cannot be added up.
    """
    first = "greatest(enrolled_epoch_day, course_start_epoch_day)"
    return f"""
    WITH enrolment AS {context.enrolments()},
    activity AS (
        SELECT enrolment_id, {monday("epoch_day")} AS week, count(DISTINCT epoch_day) AS active_days_count,
            sum(events_count) AS events_count, sum(minutes) AS minutes
        FROM {context.happened("enrolment_day")} GROUP BY ALL
    ),
    variety AS (
        SELECT enrolment_id, {monday("epoch_day")} AS week, count(DISTINCT object_iri) AS distinct_activities_count
        FROM {context.happened("statement")} WHERE enrolment_id IS NOT NULL GROUP BY ALL
    ),
    submission AS (
        SELECT enrolment_id, {monday("submitted_epoch_day")} AS week, count(*) AS submissions_count
        FROM core.submission
        WHERE submitted_epoch_day < {context.tonight} AND known_epoch_day < {context.tonight} GROUP BY ALL
    ),
    week AS (
        SELECT enrolment_id, {weeks(first, "last_epoch_day")} AS week FROM enrolment
        WHERE course_id IS NOT NULL AND {first} <= last_epoch_day
        UNION SELECT enrolment_id, week FROM activity
        UNION SELECT enrolment_id, week FROM submission
    )
    SELECT enrolment_id, enrolment.learner_id, enrolment.programme_id, enrolment.course_id,
        {to_date("week")} AS week_starts_on, coalesce(active_days_count, 0) AS active_days_count,
        coalesce(events_count, 0) AS events_count, {rounded("coalesce(minutes, 0)")} AS minutes,
        coalesce(distinct_activities_count, 0) AS distinct_activities_count,
        coalesce(submissions_count, 0) AS submissions_count
    FROM week JOIN enrolment USING (enrolment_id)
    LEFT JOIN activity USING (enrolment_id, week)
    LEFT JOIN variety USING (enrolment_id, week)
    LEFT JOIN submission USING (enrolment_id, week)
    ORDER BY enrolment_id, week_starts_on
    """
