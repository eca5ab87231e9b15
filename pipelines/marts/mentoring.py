"""Marts of mentoring: how each match goes, what mentors carry, how far goals are.

Belongs here: matches, mentors and goals, week by week or as they stand. Does not belong here: what mentoring
changed (an effect), or alerts themselves.
"""

from __future__ import annotations

from pipelines.marts.as_of import MartContext, monday, rounded, to_date, to_epoch_day, weeks

MIN_RATINGS = 5


def mentoring_health(context: MartContext) -> str:
    """Each match's ISO weeks from the match to its end or yesterday.

    A week is judged as at the end of its last day: its Sunday, the match's end or yesterday, whichever is first.
    Silence counts from the last contact of either side, before any from the match. Unset means: no goal with a due
    date agreed by then, or no cadence. A kept commitment counts in the week of its review (made, where none is given).
    """
    kept_on = to_epoch_day("coalesce(reviewed_on, made_on)")
    return f"""
    WITH match AS (
        SELECT *, coalesce(ended_epoch_day, {context.tonight} - 1) AS last_epoch_day FROM {context.matches()}
    ),
    week AS (
        SELECT *, least(week + 6, last_epoch_day) AS judged_epoch_day
        FROM (SELECT *, {weeks("matched_epoch_day", "last_epoch_day")} AS week FROM match)
    ),
    event AS (
        SELECT match_id, event_id, event_kind, event.epoch_day, {monday("event.epoch_day")} AS week,
            meeting_id AS meeting
        FROM {context.happened("mentoring_event")} AS event JOIN match USING (match_id)
        WHERE event.epoch_day <= match.last_epoch_day
    ),
    happened AS (
        SELECT match_id, week,
            count(DISTINCT meeting) FILTER (event_kind = 'held') AS sessions_held_count,
            count(DISTINCT meeting) FILTER (event_kind IN ('missed_by_learner', 'missed_by_mentor'))
                AS sessions_missed_count,
            count(*) FILTER (event_kind = 'message_by_mentor') AS messages_by_mentor_count,
            count(*) FILTER (event_kind = 'message_by_learner') AS messages_by_learner_count,
            max(epoch_day) FILTER (event_kind IN ('held', 'message_by_mentor', 'message_by_learner'))
                AS contact_epoch_day
        FROM event GROUP BY match_id, week
    ),
    commitment AS (
        SELECT event.match_id, commitment.*
        FROM {context.current("commitment")} AS commitment JOIN event ON event.event_id = commitment.session_id
    ),
    made AS (
        SELECT match_id, {monday(to_epoch_day("made_on"))} AS week, count(*) AS commitments_made_count
        FROM commitment WHERE {to_epoch_day("made_on")} < {context.tonight} GROUP BY ALL
    ),
    kept AS (
        SELECT match_id, {monday(kept_on)} AS week, count(*) AS commitments_kept_count
        FROM commitment WHERE status = 'kept' AND {kept_on} < {context.tonight} GROUP BY ALL
    ),
    agreed AS (
        SELECT match_id, min({to_epoch_day("agreed_on")}) AS goal_epoch_day
        FROM {context.current("goal")} WHERE due_on IS NOT NULL GROUP BY match_id
    )
    SELECT match_id, week.programme_id, week.mentor_id, week.learner_id, {to_date("week")} AS week_starts_on,
        coalesce(sessions_held_count, 0) AS sessions_held_count,
        agreed_sessions_per_week AS agreed_sessions_count,
        coalesce(sessions_missed_count, 0) AS sessions_missed_count,
        coalesce(messages_by_mentor_count, 0) AS messages_by_mentor_count,
        coalesce(messages_by_learner_count, 0) AS messages_by_learner_count,
        CASE WHEN agreed_sessions_per_week > 0
            THEN {rounded("least(1, coalesce(sessions_held_count, 0) / CAST(agreed_sessions_per_week AS DOUBLE))")}
        END AS cadence_kept_share,
        judged_epoch_day - greatest(
            matched_epoch_day, max(contact_epoch_day) OVER (PARTITION BY match_id ORDER BY week)
        ) AS silence_days,
        coalesce(commitments_made_count, 0) AS commitments_made_count,
        coalesce(commitments_kept_count, 0) AS commitments_kept_count,
        coalesce(agreed_sessions_per_week, 0) = 0 OR coalesce(goal_epoch_day > judged_epoch_day, true) AS is_unset,
        CASE purpose WHEN 'career' THEN mentor.kind = 'independent' WHEN 'performance' THEN mentor.kind = 'manager' END
            AS is_purpose_fit,
        coalesce({to_epoch_day("mentor.trained_on")} <= judged_epoch_day, false) AS is_mentor_trained
    FROM week
    LEFT JOIN happened USING (match_id, week)
    LEFT JOIN made USING (match_id, week)
    LEFT JOIN kept USING (match_id, week)
    LEFT JOIN agreed USING (match_id)
    LEFT JOIN {context.current("mentor")} AS mentor ON mentor.mentor_id = week.mentor_id
    ORDER BY match_id, week_starts_on
    """


def mentor_load(context: MartContext) -> str:
    """Each mentor's ISO weeks with a match, a session, an alert or a count of minutes, up to tonight's.

    Minutes of tonight's week are as routing counted them. Of past weeks: available is what was in force on the
    Monday (the availability begun last, else the capacity, else assumed); planned is what stands as planned in the
    log; used is held sessions, a group's once, and alerts served that week, a learner's once at the most expected
    minutes, as routing charges them. An alert is counted in the mentor's local week in which it was first served. A
    response is the mentor's next message in the match; its time stands in the week of the learner's message. Ratings
    show as the week's mean of at least five only.
    """
    wait = rounded("median(date_diff('second', happened_at, answered_at) / 3600.0)")
    return f"""
    WITH match AS {context.matches()},
    event AS (
        SELECT *, {monday("epoch_day")} AS week, meeting_id AS meeting FROM {context.happened("mentoring_event")}
    ),
    capacity AS (
        SELECT mentor_id, {to_epoch_day("week_starts_on")} AS week, observed_at, available_minutes, planned_minutes,
            used_minutes, is_capacity_assumed
        FROM alerts.capacity
    ),
    tonight AS (SELECT * FROM capacity WHERE observed_at = {context.observed}),
    learner AS (
        SELECT mentor_id, week, count(DISTINCT learner_id) AS learners_count
        FROM (
            SELECT mentor_id, learner_id,
                {weeks("matched_epoch_day", f"coalesce(ended_epoch_day, {context.tonight})")} AS week
            FROM match
        ) GROUP BY mentor_id, week
    ),
    session AS (
        SELECT mentor_id, week,
            sum(minutes) FILTER (event_kind = 'held') AS held_minutes,
            sum(minutes) FILTER (event_kind = 'planned') AS planned_minutes
        FROM (
            SELECT mentor_id, week, event_kind, meeting, max(minutes) AS minutes
            FROM event WHERE event_kind IN ('held', 'planned') GROUP BY ALL
        ) GROUP BY mentor_id, week
    ),
    served AS (
        SELECT mentor_id, week, alert_id, learner_id, expected_minutes
        FROM alerts.alert JOIN capacity USING (mentor_id, observed_at)
        WHERE is_served AND observed_at <= {context.observed}
    ),
    alert AS (
        SELECT mentor_id, week, count(*) AS alerts_count
        FROM (SELECT mentor_id, alert_id, min(week) AS week FROM served GROUP BY mentor_id, alert_id)
        GROUP BY mentor_id, week
    ),
    charged AS (
        SELECT mentor_id, week, sum(minutes) AS alert_minutes
        FROM (
            SELECT mentor_id, week, learner_id, max(expected_minutes) AS minutes
            FROM served GROUP BY mentor_id, week, learner_id
        ) GROUP BY mentor_id, week
    ),
    response AS (
        SELECT mentor_id, week, {wait} AS response_hours_median
        FROM (
            SELECT mentor_id, week, event_kind, happened_at,
                min(happened_at) FILTER (event_kind = 'message_by_mentor') OVER (
                    PARTITION BY match_id ORDER BY happened_at, event_id
                    ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
                ) AS answered_at
            FROM event
            WHERE match_id IS NOT NULL AND event_kind IN ('message_by_mentor', 'message_by_learner')
        )
        WHERE event_kind = 'message_by_learner' AND answered_at IS NOT NULL GROUP BY mentor_id, week
    ),
    rating AS (
        SELECT event.mentor_id, week,
            CASE WHEN count(session.learner_rating) >= {MIN_RATINGS} THEN {rounded("avg(session.learner_rating)")} END
                AS learner_rating_mean
        FROM event JOIN {context.current("mentoring_session")} AS session ON session.session_id = event.event_id
        WHERE event_kind = 'held' GROUP BY event.mentor_id, week
    ),
    week AS (
        SELECT mentor_id, week FROM learner
        UNION SELECT mentor_id, week FROM session
        UNION SELECT mentor_id, week FROM served
        UNION SELECT mentor_id, week FROM tonight
    ),
    available AS (
        SELECT week.mentor_id, week.week, minutes_per_week
        FROM week JOIN {context.current("mentor_availability")} AS availability
            ON availability.mentor_id = week.mentor_id
            AND {to_date("week.week")} BETWEEN availability.from_on AND availability.to_on
        QUALIFY row_number() OVER (PARTITION BY week.mentor_id, week.week ORDER BY from_on DESC) = 1
    )
    SELECT mentor_id, {to_date("week")} AS week_starts_on,
        coalesce(
            tonight.available_minutes, minutes_per_week, capacity_minutes_per_week, {context.assumed_capacity}
        ) AS available_minutes,
        coalesce(tonight.planned_minutes, session.planned_minutes, 0) AS planned_minutes,
        {rounded("coalesce(tonight.used_minutes, coalesce(held_minutes, 0) + coalesce(alert_minutes, 0))")}
            AS used_minutes,
        coalesce(tonight.is_capacity_assumed, coalesce(minutes_per_week, capacity_minutes_per_week) IS NULL)
            AS is_capacity_assumed,
        coalesce(learners_count, 0) AS learners_count, coalesce(alerts_count, 0) AS alerts_count,
        response_hours_median, learner_rating_mean
    FROM week
    LEFT JOIN tonight USING (mentor_id, week)
    LEFT JOIN available USING (mentor_id, week)
    LEFT JOIN {context.current("mentor")} AS mentor USING (mentor_id)
    LEFT JOIN session USING (mentor_id, week)
    LEFT JOIN learner USING (mentor_id, week)
    LEFT JOIN alert USING (mentor_id, week)
    LEFT JOIN charged USING (mentor_id, week)
    LEFT JOIN response USING (mentor_id, week)
    LEFT JOIN rating USING (mentor_id, week)
    ORDER BY mentor_id, week_starts_on
    """


def goal_progress(context: MartContext) -> str:
    """Each goal as of observed_at: the latest measure, against a timeline linear from agreement to due date.

    The attained share is the one given, else (value - baseline) / (target - baseline), clipped to 0..1; null before
    any measure, and where the goal has no distance. Both dates are ends of days, so a goal due yesterday expects 1.
    """
    attained = "coalesce(attained_share, (value - baseline_value) / nullif(target_value - baseline_value, 0))"
    elapsed = f"{context.tonight} - 1 - {to_epoch_day('agreed_on')}"
    planned = "date_diff('day', agreed_on, due_on)"
    return f"""
    WITH goal AS (
        SELECT goal.*, match.programme_id, match.learner_id
        FROM {context.current("goal")} AS goal JOIN {context.matches()} AS match USING (match_id)
        WHERE {to_epoch_day("goal.agreed_on")} < {context.tonight}
    ),
    report AS (
        SELECT goal_id, recorded_on, status, {attained} AS share
        FROM {context.current("goal_update")} JOIN goal USING (goal_id)
        WHERE {to_epoch_day("recorded_on")} < {context.tonight}
    ),
    standing AS (
        SELECT goal_id, arg_max(share, recorded_on) FILTER (share IS NOT NULL) AS share,
            arg_max(status, recorded_on) FILTER (status IS NOT NULL) AS status,
            count(*) FILTER (status = 'rebaselined') AS rebaselined_count
        FROM report GROUP BY goal_id
    )
    SELECT goal_id, goal.match_id, goal.programme_id, goal.learner_id, goal.kind, goal.agreed_on, goal.due_on,
        CASE WHEN share IS NOT NULL THEN {rounded("greatest(0, least(1, share))")} END AS attained_share,
        CASE WHEN due_on <= agreed_on THEN 1
            WHEN due_on IS NOT NULL THEN {rounded(f"least(1, ({elapsed}) / CAST({planned} AS DOUBLE))")}
        END AS expected_attained_share,
        coalesce(rebaselined_count, 0) AS rebaselined_count, standing.status
    FROM goal LEFT JOIN standing USING (goal_id)
    ORDER BY goal_id
    """
