"""Dimensions: programmes, courses, mentors, learners and dates that the other marts refer to.

Belongs here: one row an entity, also for entities that only an enrolment or a match names. Does not belong here:
anything that happened.
"""

from __future__ import annotations

from pipelines.core.local_time import monday
from pipelines.marts.as_of import MartContext, to_date

DATES_AHEAD_DAYS = 90


def dim_programme(context: MartContext) -> str:
    """Programmes: those described, and those that enrolments or matches name alone.

    The implicit programme of an enrolment without one bears the course's title; any other bears its id.
    """
    return f"""
    WITH programme AS {context.current("programme")},
    course AS {context.current("course")},
    named AS (
        SELECT programme_id FROM programme
        UNION SELECT programme_id FROM {context.enrolments()}
        UNION SELECT programme_id FROM {context.matches()}
    )
    SELECT named.programme_id, coalesce(programme.name, course.title, named.programme_id) AS name, programme.aim,
        programme.selection, programme.starts_on, programme.ends_on, programme.timezone, programme.currency,
        programme.target_formal_share, programme.target_social_share, programme.target_experiential_share
    FROM named
    LEFT JOIN programme ON programme.programme_id = named.programme_id
    LEFT JOIN course ON named.programme_id = 'course:' || course.course_id
    ORDER BY named.programme_id
    """


def dim_course(context: MartContext) -> str:
    """Course runs: those described, and those that enrolments name alone; there the id stands for IRI and title."""
    return f"""
    WITH course AS {context.current("course")},
    named AS (
        SELECT course_id FROM course
        UNION SELECT course_id FROM {context.enrolments()} WHERE course_id IS NOT NULL
    )
    SELECT course_id, coalesce(course.activity_iri, course_id) AS activity_iri,
        coalesce(course.title, course_id) AS title, course.delivery, course.starts_on, course.ends_on,
        course.expected_hours
    FROM named LEFT JOIN course USING (course_id)
    ORDER BY course_id
    """


def dim_mentor(context: MartContext) -> str:
    """Mentors as described; one whom only a match names has no kind, so no row."""
    return f"""
    SELECT mentor_id, kind, is_external, capacity_minutes_per_week, max_learners, trained_on
    FROM {context.current("mentor")}
    ORDER BY mentor_id
    """


def dim_learner(context: MartContext) -> str:
    """Learners described, enrolled or matched; the learner table's unit wins over the enrolment's."""
    return f"""
    WITH learner AS {context.current("learner")},
    enrolment AS {context.enrolments()},
    named AS (
        SELECT learner_id FROM learner
        UNION SELECT learner_id FROM enrolment
        UNION SELECT learner_id FROM {context.matches()}
    ),
    enrolled AS (SELECT learner_id, max(org_unit) AS org_unit FROM enrolment GROUP BY learner_id)
    SELECT learner_id, coalesce(learner.org_unit, enrolled.org_unit) AS org_unit
    FROM named LEFT JOIN learner USING (learner_id) LEFT JOIN enrolled USING (learner_id)
    ORDER BY learner_id
    """


def dim_date(context: MartContext) -> str:
    """Dates from the week of the earliest enrolment (so that its Monday can be joined) to 90 days after observed_at.

    The organisation is closed on a day whose calendar row names no unit, or whose rows name every enrolled unit.
    """
    first = monday("min(enrolled_epoch_day)")
    return f"""
    WITH enrolment AS {context.enrolments()},
    unit AS (SELECT DISTINCT org_unit FROM enrolment WHERE org_unit IS NOT NULL),
    closed AS (
        SELECT closed_on FROM {context.current("calendar")}
        GROUP BY closed_on
        HAVING bool_or(org_unit IS NULL)
            OR count(*) FILTER (org_unit IN (SELECT org_unit FROM unit))
                = (SELECT nullif(count(*), 0) FROM unit)
    ),
    day AS (
        SELECT unnest(range({first}, {context.tonight} + {DATES_AHEAD_DAYS} + 1)) AS epoch_day FROM enrolment
    ),
    date AS (SELECT epoch_day, {to_date("epoch_day")} AS calendar_on FROM day)
    SELECT calendar_on, {to_date(monday("epoch_day"))} AS week_starts_on,
        CAST(date_trunc('month', calendar_on) AS DATE) AS month_starts_on, isoyear(calendar_on) AS iso_year,
        week(calendar_on) AS iso_week, isodow(calendar_on) AS iso_weekday,
        calendar_on IN (SELECT closed_on FROM closed) AS is_closed_day
    FROM date
    ORDER BY calendar_on
    """
