"""The mart of mentors' load: what each has minutes for, is asked to do, and how learners find it.

Belongs here: mentors, week by week. Does not belong here: single matches; it is no record of performance.
"""

from __future__ import annotations

from pipelines.marts.as_of import MartContext, rounded, to_date, to_epoch_day, weeks, weeks_seen
from pipelines.marts.mentoring import MESSAGES_DAYS, unanswered

MIN_RATINGS = 5
"""Fewer would tell of single learners."""

_RATINGS_DAYS = 84


def mentor_load(context: MartContext) -> str:
    """Each mentor's ISO weeks from the first match or meeting to tonight's, by the mentor's own clock.

    Minutes of tonight's week are as routing counted them. In past weeks nothing is planned any more; used is meetings
    held, a group's once, and the minutes that alerts had been given by the week's last night. An alert, good news aside,
    is counted in the mentor's local week in which it was first served. Load ratio = (planned + used) /
    available; null where nothing is available. Trailing windows (messages 28 days, ratings 84) end with the week's last
    day or yesterday. Ratings show as means of at least five only.
    """
    judged = f"least(week + 6, {context.tonight} - 1)"
    return f"""
    WITH week AS (
        SELECT *, {judged} AS judged_epoch_day
        FROM (SELECT *, {to_epoch_day("week_starts_on")} AS week FROM core.mentor_week)
        WHERE week <= {context.tonight}
    ),
    event AS {context.happened("mentoring_event")},
    capacity AS (
        SELECT mentor_id, {to_epoch_day("week_starts_on")} AS week, observed_at, available_minutes, planned_minutes,
            used_minutes, alert_minutes, is_capacity_assumed
        FROM alerts.capacity WHERE observed_at <= {context.observed}
    ),
    tonight AS (SELECT * FROM capacity WHERE observed_at = {context.observed}),
    reach AS (
        SELECT mentor_id, week, count(DISTINCT org_unit) AS org_units_reached_count
        FROM (
            SELECT mentor_id, org_unit,
                {weeks("matched_epoch_day", f"coalesce(ended_epoch_day, {context.tonight})")} AS week
            FROM {context.matches()}
        ) GROUP BY mentor_id, week
    ),
    alert AS (
        SELECT mentor_id, week, count(*) AS alerts_count
        FROM (
            SELECT mentor_id, alert_id, min(week) AS week
            FROM alerts.alert JOIN capacity USING (mentor_id, observed_at)
            WHERE is_served AND kind <> 'good_news' GROUP BY mentor_id, alert_id
        ) GROUP BY mentor_id, week
    ),
    given AS (
        SELECT mentor_id, week, arg_max(alert_minutes, observed_at) AS alert_minutes FROM capacity GROUP BY mentor_id, week
    ),
    answer AS (
        SELECT mentor_id, week,
            {rounded("median(response_hours) FILTER (answered_day <= judged_epoch_day)")} AS response_hours_median,
            count(*) FILTER ({unanswered("mentor_epoch_day")}) AS unanswered_messages_count
        FROM (
            SELECT *, {weeks_seen("mentor_epoch_day", MESSAGES_DAYS)} AS week
            FROM {context.messages("mentor_timezone")} WHERE event_kind = 'message_by_learner'
        ) JOIN week USING (mentor_id, week)
        WHERE mentor_epoch_day BETWEEN judged_epoch_day - {MESSAGES_DAYS} + 1 AND judged_epoch_day
        GROUP BY mentor_id, week
    ),
    rating AS (
        SELECT mentor_id, week, {rounded("avg(learner_rating)")} AS learner_rating_mean
        FROM (
            SELECT mentor_id, mentor_epoch_day, learner_rating, {weeks_seen("mentor_epoch_day", _RATINGS_DAYS)} AS week
            FROM event WHERE event_kind = 'held' AND learner_rating IS NOT NULL
        ) JOIN week USING (mentor_id, week)
        WHERE mentor_epoch_day BETWEEN judged_epoch_day - {_RATINGS_DAYS} + 1 AND judged_epoch_day
        GROUP BY mentor_id, week HAVING count(*) >= {MIN_RATINGS}
    ),
    charge AS (
        SELECT week.* REPLACE (
                coalesce(tonight.available_minutes, week.available_minutes) AS available_minutes,
                coalesce(tonight.planned_minutes, week.planned_minutes) AS planned_minutes,
                coalesce(tonight.is_capacity_assumed, week.is_capacity_assumed) AS is_capacity_assumed
            ),
            coalesce(tonight.used_minutes, week.held_minutes + coalesce(given.alert_minutes, 0)) AS used_minutes
        FROM week LEFT JOIN tonight USING (mentor_id, week) LEFT JOIN given USING (mentor_id, week)
    )
    SELECT mentor_id, {to_date("week")} AS week_starts_on, available_minutes, planned_minutes,
        {rounded("used_minutes")} AS used_minutes,
        {rounded("(planned_minutes + used_minutes) / nullif(available_minutes, 0)")} AS load_ratio,
        is_capacity_assumed, meetings_held_count, learners_count, programmes_count, max_learners,
        learners_count > max_learners AS is_over_max_learners,
        coalesce(org_units_reached_count, 0) AS org_units_reached_count, coalesce(alerts_count, 0) AS alerts_count,
        response_hours_median, coalesce(unanswered_messages_count, 0) AS unanswered_messages_count,
        learner_rating_mean,
        coalesce({to_epoch_day("mentor.trained_on")} <= judged_epoch_day, false) AS is_mentor_trained
    FROM charge
    LEFT JOIN {context.current("mentor")} AS mentor USING (mentor_id)
    LEFT JOIN reach USING (mentor_id, week)
    LEFT JOIN alert USING (mentor_id, week)
    LEFT JOIN answer USING (mentor_id, week)
    LEFT JOIN rating USING (mentor_id, week)
    ORDER BY mentor_id, week_starts_on
    """
