"""The mart of the community: who takes part, who answers whom across classes, and who stays after the course.

Belongs here: social learning by programme and week. Does not belong here: mentoring, which has its own marts.
"""

from __future__ import annotations

from pipelines.core.local_time import monday
from pipelines.marts.as_of import MartContext, rounded, to_date, weeks

# Who writes where another was this long ago no longer turns to them.
_EXCHANGE_DAYS = 7

# Whether a row of `social_acts` turns to another learner.
IS_EXCHANGE = (
    "programme_id IS NOT NULL AND before_learner_id <> learner_id AND before_id <> statement_id "
    f"AND since_before <= INTERVAL {_EXCHANGE_DAYS} DAY"
)


def social_acts(context: MartContext) -> str:
    """Subquery: social statements of learners, each beside the one before about the same (`before_*`, `since_before`)."""
    return f"""(
        SELECT enrolment.programme_id, statement.epoch_day, statement_id, learner_id, statement.course_id,
            enrolment.org_unit, lag(statement_id) OVER acts AS before_id, lag(learner_id) OVER acts AS before_learner_id,
            lag(statement.course_id) OVER acts AS before_course_id, lag(enrolment.org_unit) OVER acts AS before_org_unit,
            happened_at - lag(happened_at) OVER acts AS since_before
        FROM {context.happened("statement")} AS statement
        LEFT JOIN {context.enrolments()} AS enrolment USING (enrolment_id, learner_id)
        WHERE strand = 'social' AND is_act AND learner_id IS NOT NULL AND object_iri IS NOT NULL
        WINDOW acts AS (PARTITION BY object_iri ORDER BY happened_at, statement_id, learner_id)
    )"""


def community_weekly(context: MartContext) -> str:
    """Each programme's ISO weeks from its first enrolment to yesterday, silent ones included.

    Interactions are events of the social strand. An exchange is a learner's social statement about what another learner
    was the last to make one about, at most 7 days before; it is across classes where the two are of other course runs or
    other org units, both known. After the course is a learner of whose courses in the programme at least one is over, or
    ended by the learner, and none is running; active then is any activity, within an enrolment or outside,
    but for statements about the course itself, such as its completion told the next morning.
    """
    return f"""
    WITH enrolment AS {context.enrolments()},
    day AS (
        SELECT enrolment.programme_id, learner_id, enrolment.org_unit, {monday("epoch_day")} AS week, epoch_day, strand,
            events_count
        FROM {context.happened("enrolment_day")} JOIN enrolment USING (enrolment_id)
    ),
    social AS (
        SELECT programme_id, week, sum(events_count) AS interactions_count,
            count(DISTINCT learner_id) AS participants_count, count(DISTINCT org_unit) AS org_units_count
        FROM day WHERE strand = 'social' GROUP BY programme_id, week
    ),
    act AS {social_acts(context)},
    exchange AS (
        SELECT programme_id, {monday("epoch_day")} AS week, count(*) AS exchanges_count,
            count(*) FILTER (course_id <> before_course_id OR org_unit <> before_org_unit)
                AS cross_class_exchanges_count
        FROM act
        WHERE {IS_EXCHANGE}
        GROUP BY ALL
    ),
    after_course AS (
        SELECT programme_id, learner_id, max(last_epoch_day) OVER courses + 1 AS from_epoch_day,
            coalesce(lead(first_epoch_day) OVER courses, {context.tonight}) - 1 AS to_epoch_day
        FROM (
            SELECT *, greatest(enrolled_epoch_day, course_start_epoch_day) AS first_epoch_day
            FROM enrolment WHERE course_id IS NOT NULL
        )
        WINDOW courses AS (PARTITION BY programme_id, learner_id ORDER BY first_epoch_day, enrolment_id)
        QUALIFY from_epoch_day <= to_epoch_day
    ),
    ended AS (
        SELECT programme_id, week, count(DISTINCT learner_id) AS ended_learners_count
        FROM (SELECT *, {weeks("from_epoch_day", "to_epoch_day")} AS week FROM after_course)
        GROUP BY programme_id, week
    ),
    active AS (
        SELECT programme_id, {monday("epoch_day")} AS week, count(DISTINCT learner_id) AS active_after_course_count,
            sum(events_count) FILTER (strand = 'social') AS interactions_after_course_count
        FROM (
            SELECT enrolment.programme_id, learner_id, epoch_day, strand, event_count AS events_count
            FROM {context.happened("statement")} AS statement JOIN enrolment USING (enrolment_id, learner_id)
            WHERE is_act AND NOT is_about_course
            UNION ALL
            SELECT programme_id, learner_id, epoch_day, strand, events_count
            FROM core.learner_activity JOIN (SELECT DISTINCT programme_id, learner_id FROM enrolment) USING (learner_id)
        ) JOIN after_course USING (programme_id, learner_id)
        WHERE epoch_day BETWEEN from_epoch_day AND to_epoch_day
        GROUP BY ALL
    ),
    week AS (
        SELECT programme_id, {weeks("min(enrolled_epoch_day)", context.tonight + " - 1")} AS week
        FROM enrolment GROUP BY programme_id
        UNION SELECT programme_id, week FROM social
    )
    SELECT programme_id, {to_date("week")} AS week_starts_on, coalesce(interactions_count, 0) AS interactions_count,
        coalesce(exchanges_count, 0) AS exchanges_count,
        coalesce(cross_class_exchanges_count, 0) AS cross_class_exchanges_count,
        coalesce(participants_count, 0) AS participants_count, coalesce(org_units_count, 0) AS org_units_count,
        coalesce(ended_learners_count, 0) AS ended_learners_count,
        coalesce(active_after_course_count, 0) AS active_after_course_count,
        {rounded("coalesce(active_after_course_count, 0) / ended_learners_count")} AS active_after_course_share,
        coalesce(interactions_after_course_count, 0) AS interactions_after_course_count
    FROM week
    LEFT JOIN social USING (programme_id, week)
    LEFT JOIN exchange USING (programme_id, week)
    LEFT JOIN ended USING (programme_id, week)
    LEFT JOIN active USING (programme_id, week)
    ORDER BY programme_id, week_starts_on
    """
