"""The mart of the community: who takes part, across classes, and after the course.

Belongs here: social learning by programme and week. Does not belong here: mentoring, which has its own marts.
"""

from __future__ import annotations

from pipelines.marts.as_of import MartContext, monday, to_date, weeks


def community_weekly(context: MartContext) -> str:
    """Each programme's ISO weeks from its first enrolment to yesterday, silent ones included.

    Interactions are events of the social strand. They count as cross-class where the learners who interacted in
    that course in that week, of whatever programme, come from more than one org unit. Active after the course is a
    learner with any activity, within an enrolment or outside, on a day after the end of one of the programme's
    courses that the learner was enrolled in.
    """
    return f"""
    WITH enrolment AS {context.enrolments()},
    day AS (
        SELECT enrolment.*, {monday("epoch_day")} AS week, epoch_day, strand, events_count
        FROM {context.happened("enrolment_day")} JOIN enrolment USING (enrolment_id)
    ),
    shared AS (
        SELECT course_id, week FROM day WHERE strand = 'social' AND course_id IS NOT NULL
        GROUP BY course_id, week HAVING count(DISTINCT org_unit) > 1
    ),
    social AS (
        SELECT programme_id, day.week, sum(events_count) AS interactions_count,
            sum(events_count) FILTER (shared.week IS NOT NULL) AS cross_class_interactions_count,
            count(DISTINCT learner_id) AS participants_count
        FROM day LEFT JOIN shared ON shared.course_id = day.course_id AND shared.week = day.week
        WHERE strand = 'social' GROUP BY programme_id, day.week
    ),
    after_course AS (
        SELECT programme_id, week, count(DISTINCT learner_id) AS active_after_course_count
        FROM (
            SELECT programme_id, week, learner_id FROM day WHERE epoch_day > course_end_epoch_day
            UNION ALL
            SELECT enrolment.programme_id, {monday("outside.epoch_day")}, learner_id
            FROM core.learner_activity AS outside JOIN enrolment USING (learner_id)
            WHERE outside.epoch_day > course_end_epoch_day AND outside.epoch_day < {context.tonight}
        ) GROUP BY programme_id, week
    ),
    week AS (
        SELECT programme_id, {weeks("min(enrolled_epoch_day)", context.tonight + " - 1")} AS week
        FROM enrolment GROUP BY programme_id
        UNION SELECT programme_id, week FROM social
    )
    SELECT programme_id, {to_date("week")} AS week_starts_on, coalesce(interactions_count, 0) AS interactions_count,
        coalesce(cross_class_interactions_count, 0) AS cross_class_interactions_count,
        coalesce(participants_count, 0) AS participants_count,
        coalesce(active_after_course_count, 0) AS active_after_course_count
    FROM week LEFT JOIN social USING (programme_id, week) LEFT JOIN after_course USING (programme_id, week)
    ORDER BY programme_id, week_starts_on
    """
