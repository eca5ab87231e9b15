"""The mart of course issues: what is weak in content, evaluation, design and documentation, for the course's owner.

Belongs here: faults of courses, found in tickets, scores, due dates and use. Does not belong here: anything about single
learners; evidence names activities, never persons.
"""

from __future__ import annotations

from pipelines.core.local_time import monday
from pipelines.marts.as_of import MartContext, to_date, to_epoch_day

# A work that most fail says more of the work, or of what it asks, than of those who fail: under .4 is a clear fail on
# the usual scales, and ten scores are enough that one weak group does not decide.
_LOW_SCORE_SHARE = 0.4
_MIN_SCORED = 10
_LOW_OF_SCORED_SHARE = 0.5
# Three works due within a week are planned apart by nobody.
_CROWDED_WORKS = 3
_CROWDED_DAYS = 7
# A lesson goes out of use when all are past it, a dead link at once and with what learners kept coming back to: five
# learners in each of its last two weeks, a fifth of all of them back after 14 days. A fortnight of silence covers a
# holiday week; ten active learners go on without.
_USED_BY_LEARNERS = 5
_CAME_BACK_SHARE = 0.2
_UNUSED_DAYS = 14
_ACTIVE_LEARNERS = 10

_SHOWN_ACTIVITIES = 3


def _named(activities: str) -> str:
    """The first activities of a list, in order, and how many more there are."""
    names = f"list_sort(list_distinct({activities}))"
    more = f"len({names}) - {_SHOWN_ACTIVITIES}"
    return (
        f"array_to_string({names}[:{_SHOWN_ACTIVITIES}], ', ') || "
        f"CASE WHEN {more} > 0 THEN ' and ' || ({more}) || ' more' ELSE '' END"
    )


def course_issues(context: MartContext) -> str:
    """Issues by course, cause and ISO week; the learners are those whom an issue touched.

    - content, documentation: tickets, by the course that the learner was in on the local day of the ticket; in several
      at once, the most recently started. A ticket of a learner in no course says nothing of a course.
    - evaluation: assessed work of which ten or more scores are known, more than half of them under .4; in the week in
      which that first held; learners with such a score by then.
    - design: three or more assessed works due within 7 days; in the week of the last; learners in the course that day.
    - dead_resource: a listed activity of the course, not yet due, that a fifth of its learners came back to after 14 days
      or more and five or more used in each of two weeks; then nobody for 14 days in which ten or more learners were
      active in the course; in the week in which these were over; those ten. What each learner needs but once goes out of
      use in every course, so that use cannot tell when such a thing is dead.
    """
    opened = to_epoch_day("CAST(ticket.opened_at AT TIME ZONE 'UTC' AT TIME ZONE enrolment.timezone AS DATE)")
    return f"""
    WITH enrolment AS {context.enrolments()},
    used AS (
        SELECT DISTINCT course_id, object_iri AS activity_iri, learner_id, epoch_day
        FROM {context.happened("statement")}
        WHERE is_act AND course_id IS NOT NULL AND learner_id IS NOT NULL AND object_iri IS NOT NULL
    ),
    issue AS ({_tickets(context, opened)} UNION ALL {_evaluation(context)} UNION ALL {_design(context)}
        UNION ALL {_dead_resources(context)}),
    counted AS (
        SELECT course_id, cause, {monday("epoch_day")} AS week, count(DISTINCT issue_id) AS issues_count,
            count(DISTINCT learner_id) AS learners_count, {_named("list(DISTINCT evidence)")} AS evidence
        FROM issue GROUP BY ALL
    )
    SELECT course_id, cause, {to_date("week")} AS week_starts_on, issues_count, learners_count,
        CASE cause WHEN 'content' THEN 'Support tickets about the content were opened.'
            WHEN 'documentation' THEN 'Support tickets about the documentation were opened.'
            WHEN 'evaluation' THEN 'More than half of the scores are under 40 %: ' || evidence || '.'
            WHEN 'design' THEN 'Assessed works due within 7 days: ' || evidence || '.'
            ELSE 'In steady use, then for 14 days not at all while the course went on: ' || evidence || '.'
        END AS evidence
    FROM counted
    ORDER BY course_id, cause, week_starts_on
    """


def _tickets(context: MartContext, opened: str) -> str:
    return f"""
    SELECT course_id, kind AS cause, ticket_id AS issue_id, learner_id, {opened} AS epoch_day,
        CAST(NULL AS VARCHAR) AS evidence
    FROM {context.current("support_ticket")} AS ticket JOIN enrolment USING (learner_id)
    WHERE kind IN ('content', 'documentation') AND course_id IS NOT NULL
        AND {opened} BETWEEN enrolled_epoch_day AND last_epoch_day
    QUALIFY row_number() OVER (PARTITION BY ticket_id ORDER BY course_start_epoch_day DESC, enrolment_id) = 1
    """


def _evaluation(context: MartContext) -> str:
    return f"""
    SELECT course_id, 'evaluation', activity_iri, learner_id, first_epoch_day, activity_iri
    FROM (
        SELECT *, min(score_known_epoch_day) FILTER (
                scored_count >= {_MIN_SCORED} AND low_count > {_LOW_OF_SCORED_SHARE} * scored_count
            ) OVER (PARTITION BY course_id, activity_iri) AS first_epoch_day
        FROM (
            SELECT course_id, activity_iri, learner_id, score_known_epoch_day, score_share < {_LOW_SCORE_SHARE} AS is_low,
                count(*) OVER scores AS scored_count,
                count(*) FILTER (score_share < {_LOW_SCORE_SHARE}) OVER scores AS low_count
            FROM core.submission JOIN enrolment USING (enrolment_id)
            WHERE course_id IS NOT NULL AND score_share IS NOT NULL AND score_known_epoch_day < {context.tonight}
            WINDOW scores AS (PARTITION BY course_id, activity_iri ORDER BY score_known_epoch_day)
        )
    ) WHERE is_low AND score_known_epoch_day <= first_epoch_day
    """


def _design(context: MartContext) -> str:
    """A run of works that no further work prolongs: the next due day lies over a week after the run's first."""
    days = _CROWDED_DAYS - 1
    return f"""
    SELECT course_id, 'design', CAST(due_epoch_day AS VARCHAR), learner_id, due_epoch_day, unnest(activities)
    FROM (
        SELECT course_id, due_epoch_day, activities, first_epoch_day,
            lead(due_epoch_day) OVER (PARTITION BY course_id ORDER BY due_epoch_day) AS next_epoch_day
        FROM (
            SELECT DISTINCT course_id, due_epoch_day, list(activity_iri) OVER week AS activities,
                min(due_epoch_day) OVER week AS first_epoch_day
            FROM (
                SELECT course_id, activity_iri, {to_epoch_day("due_on")} AS due_epoch_day
                FROM {context.current("activity")} WHERE is_assessment
            ) WHERE due_epoch_day < {context.tonight}
            WINDOW week AS (
                PARTITION BY course_id ORDER BY due_epoch_day RANGE BETWEEN {days} PRECEDING AND CURRENT ROW
            )
        )
    ) JOIN enrolment USING (course_id)
    WHERE len(activities) >= {_CROWDED_WORKS} AND coalesce(next_epoch_day > first_epoch_day + {days}, true)
        AND due_epoch_day BETWEEN enrolled_epoch_day AND last_epoch_day
    """


def _dead_resources(context: MartContext) -> str:
    """Of each activity's days of use those after which nobody came for 14 days, though learners had kept coming back."""
    return f"""
    SELECT course_id, 'dead_resource', activity_iri, unnest(learners), over_epoch_day, activity_iri
    FROM (
        SELECT course_id, activity_iri, over_epoch_day, list(DISTINCT used.learner_id) AS learners
        FROM ({_abandoned_resources()})
        JOIN {context.current("activity")} USING (course_id, activity_iri)
        JOIN (SELECT course_id, max(last_epoch_day) AS end_epoch_day FROM enrolment GROUP BY course_id) USING (course_id)
        JOIN (SELECT DISTINCT course_id, learner_id, epoch_day FROM used) AS used USING (course_id)
        WHERE over_epoch_day <= end_epoch_day AND coalesce({to_epoch_day("due_on")} > over_epoch_day, true)
            AND used.epoch_day BETWEEN over_epoch_day - {_UNUSED_DAYS} + 1 AND over_epoch_day
        GROUP BY ALL HAVING count(DISTINCT used.learner_id) >= {_ACTIVE_LEARNERS}
    )
    """


def _abandoned_resources() -> str:
    return f"""
    SELECT course_id, activity_iri, last_epoch_day + {_UNUSED_DAYS} AS over_epoch_day
    FROM (
        SELECT course_id, activity_iri, last_epoch_day, learner_id, max(epoch_day) - min(epoch_day) AS span_days,
            bool_or(epoch_day > last_epoch_day - 7) AS is_of_last_week,
            bool_or(epoch_day BETWEEN last_epoch_day - 13 AND last_epoch_day - 7) AS is_of_week_before
        FROM (
            SELECT course_id, activity_iri, epoch_day AS last_epoch_day,
                lead(epoch_day) OVER (PARTITION BY course_id, activity_iri ORDER BY epoch_day) AS next_epoch_day
            FROM (SELECT DISTINCT course_id, activity_iri, epoch_day FROM used)
        ) JOIN used USING (course_id, activity_iri)
        WHERE coalesce(next_epoch_day > last_epoch_day + {_UNUSED_DAYS}, true) AND epoch_day <= last_epoch_day
        GROUP BY ALL
    )
    GROUP BY ALL HAVING count(*) FILTER (is_of_last_week) >= {_USED_BY_LEARNERS}
        AND count(*) FILTER (is_of_week_before) >= {_USED_BY_LEARNERS}
        AND count(*) FILTER (span_days >= {_UNUSED_DAYS}) >= {_CAME_BACK_SHARE} * count(*)
    """
