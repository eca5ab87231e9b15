"""The mart of matches: how each goes, week by week, against what the two agreed.

Belongs here: cadence, silence, answers, commitments, agreement and fit of a match. Does not belong here: mentors' load
(`load`), single goals (`goals`), what mentoring changed (an effect), alerts.
"""

from __future__ import annotations

from data_contracts.strands import kinds_of
from pipelines.core.local_time import monday
from pipelines.marts.as_of import MartContext, rounded, to_date, to_epoch_day, weeks, weeks_seen
from pipelines.marts.goals import expected_share

MESSAGES_DAYS = 28

_INTERVALS = 4
# Under half of what was promised the cadence is another one, not a week missed.
_BROKEN_SHARE = 0.5
# Weekends and a day's work lie within; a message older than this waits.
_UNANSWERED_DAYS = 3
_SILENT_INTERVALS = 1.5
# Fewer meetings rated by both say more of a day than of the two.
_MIN_RATED_BY_BOTH = 5
# Whole intervals are counted in floats: 3 x 7 / 3 days are three intervals of a cadence of 3.
_EPSILON = "1e-9"


def unanswered(epoch_day: str) -> str:
    """Whether a learner's message of that day was old and without an answer at the end of judged_epoch_day."""
    return (
        f"event_kind = 'message_by_learner' AND {epoch_day} <= judged_epoch_day - {_UNANSWERED_DAYS} "
        "AND coalesce(answered_day > judged_epoch_day, true)"
    )


def _by_weight(share: str) -> str:
    return rounded(f"sum({share} * weight) / nullif(sum(weight) FILTER ({share} IS NOT NULL), 0)")


def mentoring_health(context: MartContext) -> str:
    """Each match's ISO weeks from the match to its end or yesterday.

    A week is judged as at the end of its last day: its Sunday, the match's end or yesterday, whichever is first; what
    was told later, but before observed_at, counts. Trailing windows end there.

    - Cadence: interval = 7 / agreed sessions a week, in days; promised = whole days of the last four intervals over, less the
      learner's days away, x agreed / 7; kept = meetings held since / promised, at most 1. While fewer than four are over
      the window begins with the match, and what was held in the interval still running counts. Null without a cadence
      and before the first interval is over. Broken: four are over, and under half is kept.
    - Silence: days since the last contact of either side, before any since the match. The mentor is silent from
      max(the setting, 1.5 intervals) available days without a meeting or a message of the mentor.
    - Answers, over 28 days: median hours to the mentor's answers given by then; messages of three or more days before
      without one; the learner's share of the conversations started.
    - Stuck: open, and in so many available days no meeting, measure of a goal, commitment made or reviewed.
    - Goals: means over goals not dropped, by weight, of what was measured and of what the agreement in force expects,
      each over the goals that have it. A kept commitment counts in the week of its review.
    - Practice is the match's first meeting or the learner's first experiential activity in the programme.
    """
    silent_days = f"greatest({context.mentor_silent_days:d}, coalesce({_SILENT_INTERVALS} * interval_days, 0))"
    answered = "event_kind = 'message_by_learner' AND answered_day <= judged_epoch_day"
    response = rounded(f"median(response_hours) FILTER ({answered})")
    return f"""
    WITH match AS (
        SELECT *, coalesce(ended_epoch_day, {context.tonight} - 1) AS last_epoch_day,
            7 / nullif(agreed_sessions_per_week, 0) AS interval_days,
            coalesce(agreed_sessions_per_week > 0, false) AS has_cadence
        FROM {context.matches()}
    ),
    week AS (
        SELECT *, CASE WHEN intervals_count < {_INTERVALS} THEN matched_epoch_day + 1
            ELSE judged_epoch_day - window_days + 1 END AS window_epoch_day
        FROM (
            SELECT *, CAST(floor(intervals_count * interval_days + {_EPSILON}) AS BIGINT) AS window_days
            FROM (
                SELECT *, least(week + 6, last_epoch_day) AS judged_epoch_day,
                    CASE WHEN has_cadence THEN CAST(least({_INTERVALS}, floor(
                        (least(week + 6, last_epoch_day) - matched_epoch_day) / interval_days + {_EPSILON}
                    )) AS BIGINT) END AS intervals_count
                FROM (SELECT *, {weeks("matched_epoch_day", "last_epoch_day")} AS week FROM match)
            )
        )
    ),
    event AS (
        SELECT event.* FROM {context.happened("mentoring_event")} AS event JOIN match USING (match_id)
        WHERE epoch_day <= last_epoch_day
    ),
    commitment AS (
        SELECT *, coalesce(reviewed_known_epoch_day < {context.tonight}, false) AS is_reviewed FROM core.commitment
        WHERE made_epoch_day < {context.tonight} AND made_known_epoch_day < {context.tonight}
    ),
    moment AS (
        SELECT match_id, event_kind AS kind, epoch_day, meeting_id,
            CASE WHEN event_kind = 'held' THEN learner_rating - mentor_rating END AS figure
        FROM event
        UNION ALL SELECT match_id, 'measured', epoch_day, NULL, NULL FROM {context.happened("goal_update")}
        UNION ALL SELECT match_id, 'made', made_epoch_day, NULL, NULL FROM commitment
        UNION ALL SELECT match_id, 'reviewed', reviewed_epoch_day, NULL, CAST(status = 'kept' AS INTEGER)
            FROM commitment WHERE is_reviewed
        UNION ALL SELECT match_id, 'met_again', next_met_epoch_day, NULL,
            CAST(is_reviewed AND is_reviewed_at_next AS INTEGER)
            FROM commitment WHERE next_met_epoch_day IS NOT NULL
    ),
    happened AS (
        SELECT match_id, {monday("epoch_day")} AS week,
            count(DISTINCT meeting_id) FILTER (kind = 'held') AS sessions_held_count,
            count(DISTINCT meeting_id) FILTER (kind IN ('missed_by_learner', 'missed_by_mentor'))
                AS sessions_missed_count,
            count(*) FILTER (kind = 'message_by_mentor') AS messages_by_mentor_count,
            count(*) FILTER (kind = 'message_by_learner') AS messages_by_learner_count,
            count(*) FILTER (kind = 'made') AS commitments_made_count,
            count(*) FILTER (kind = 'reviewed' AND figure = 1) AS commitments_kept_count,
            count(figure) FILTER (kind = 'held') AS rated_count, sum(figure) FILTER (kind = 'held') AS rated_points,
            count(*) FILTER (kind = 'met_again') AS met_again_count,
            sum(figure) FILTER (kind = 'met_again') AS reviewed_at_next_count,
            max(epoch_day) FILTER (kind IN ('held', 'message_by_mentor', 'message_by_learner')) AS contact_epoch_day,
            max(epoch_day) FILTER (kind IN ('held', 'message_by_mentor')) AS mentors_epoch_day,
            max(epoch_day) FILTER (kind IN ('held', 'measured', 'made', 'reviewed')) AS progress_epoch_day
        FROM moment JOIN match USING (match_id) WHERE epoch_day <= last_epoch_day GROUP BY ALL
    ),
    so_far AS (
        SELECT week.*, happened.* EXCLUDE (match_id, week, contact_epoch_day, mentors_epoch_day, progress_epoch_day),
            greatest(matched_epoch_day, max(contact_epoch_day) OVER weeks) AS contact_epoch_day,
            greatest(matched_epoch_day, max(mentors_epoch_day) OVER weeks) AS mentors_epoch_day,
            greatest(matched_epoch_day, max(progress_epoch_day) OVER weeks) AS progress_epoch_day,
            CASE WHEN sum(rated_count) OVER weeks >= {_MIN_RATED_BY_BOTH}
                THEN {rounded("sum(rated_points) OVER weeks / sum(rated_count) OVER weeks")}
            END AS rating_divergence_points,
            {rounded("sum(reviewed_at_next_count) OVER weeks / nullif(sum(met_again_count) OVER weeks, 0)")}
                AS commitments_reviewed_at_next_share
        FROM week LEFT JOIN happened USING (match_id, week)
        WINDOW weeks AS (PARTITION BY match_id ORDER BY week)
    ),
    kept AS (
        SELECT match_id, week, count(DISTINCT meeting_id) AS kept_count
        FROM week JOIN (SELECT match_id, meeting_id, epoch_day FROM event WHERE event_kind = 'held') USING (match_id)
        WHERE epoch_day <= judged_epoch_day AND epoch_day >= CASE WHEN intervals_count < {_INTERVALS}
            THEN matched_epoch_day ELSE window_epoch_day END
        GROUP BY match_id, week
    ),
    away AS (
        SELECT match_id, week,
            count(*) FILTER (epoch_day BETWEEN window_epoch_day AND window_epoch_day + window_days - 1) AS window_away,
            count(*) FILTER (epoch_day > contact_epoch_day) AS contact_away,
            count(*) FILTER (epoch_day > mentors_epoch_day) AS mentors_away,
            count(*) FILTER (epoch_day > progress_epoch_day) AS progress_away
        FROM so_far JOIN (SELECT learner_id, epoch_day FROM {context.happened("away_day")}) USING (learner_id)
        WHERE epoch_day BETWEEN matched_epoch_day AND judged_epoch_day
        GROUP BY match_id, week
    ),
    answer AS (
        SELECT match_id, week,
            {response} AS response_hours_median,
            count(*) FILTER ({unanswered("epoch_day")}) AS unanswered_messages_count,
            {rounded("avg(CAST(event_kind = 'message_by_learner' AS INTEGER)) FILTER (is_start)")}
                AS started_by_learner_share
        FROM (
            SELECT *, {weeks_seen("epoch_day", MESSAGES_DAYS)} AS week FROM {context.messages("timezone")}
        ) JOIN week USING (match_id, week)
        WHERE epoch_day BETWEEN judged_epoch_day - {MESSAGES_DAYS} + 1 AND judged_epoch_day
        GROUP BY match_id, week
    ),
    version AS (
        SELECT * REPLACE (CASE WHEN version_number = 1 THEN agreed_epoch_day ELSE known_epoch_day END
            AS known_epoch_day, coalesce(weight, 1) AS weight)
        FROM core.goal
        WHERE agreed_epoch_day < {context.tonight} AND known_epoch_day < {context.tonight}
    ),
    measure AS {context.happened("goal_update")},
    in_force AS (
        SELECT week.match_id, week, judged_epoch_day, goal_id, agreed_epoch_day, due_epoch_day, weight
        FROM week JOIN version USING (match_id)
        WHERE version.known_epoch_day <= judged_epoch_day
            AND coalesce(superseded_epoch_day > judged_epoch_day, true)
    ),
    agreed AS (
        SELECT match_id, week, true AS has_goal, bool_or(due_epoch_day IS NOT NULL) AS has_timeline,
            {_by_weight("attained_share")} AS goal_attained_share, {_by_weight("expected_share")} AS goal_expected_share
        FROM (
            SELECT in_force.*, {expected_share("judged_epoch_day")} AS expected_share, attained.attained_share
            FROM in_force
            ASOF LEFT JOIN (FROM measure WHERE attained_share IS NOT NULL) AS attained
                ON attained.goal_id = in_force.goal_id AND judged_epoch_day >= attained.epoch_day
            ASOF LEFT JOIN (FROM measure WHERE status IS NOT NULL) AS told
                ON told.goal_id = in_force.goal_id AND judged_epoch_day >= told.epoch_day
            WHERE told.status IS DISTINCT FROM 'dropped'
        ) GROUP BY match_id, week
    ),
    met AS (SELECT match_id, min(epoch_day) AS met_epoch_day FROM event WHERE event_kind = 'held' GROUP BY match_id),
    begun AS (
        SELECT learner_id, programme_id, min(epoch_day) FILTER (strand = 'formal') AS formal_epoch_day,
            min(epoch_day) FILTER (strand = 'experiential') AS practised_epoch_day
        FROM (
            SELECT learner_id, programme_id, epoch_day, strand
            FROM {context.happened("enrolment_day")} JOIN core.enrolment USING (enrolment_id)
            UNION ALL
            SELECT learner_id, programme_id, {to_epoch_day("happened_on")} AS epoch_day, 'experiential'
            FROM {context.current("work_activity")}
            WHERE kind IN {kinds_of("work_activity", "experiential")} AND epoch_day < {context.tonight}
        ) GROUP BY learner_id, programme_id
    ),
    judged AS (
        SELECT *, judged_epoch_day - contact_epoch_day AS silence_days,
            (window_days - coalesce(window_away, 0)) * agreed_sessions_per_week / 7 AS promised_count,
            CASE WHEN met_epoch_day <= judged_epoch_day THEN met_epoch_day END AS first_met_epoch_day,
            least(met_epoch_day, practised_epoch_day) AS practice_epoch_day, coalesce(kept_count, 0) AS kept_of_promised
        FROM so_far
        LEFT JOIN kept USING (match_id, week)
        LEFT JOIN away USING (match_id, week)
        LEFT JOIN answer USING (match_id, week)
        LEFT JOIN agreed USING (match_id, week)
        LEFT JOIN met USING (match_id)
        LEFT JOIN begun USING (learner_id, programme_id)
    )
    SELECT match_id, programme_id, mentor_id, learner_id, {to_date("week")} AS week_starts_on,
        coalesce(sessions_held_count, 0) AS sessions_held_count,
        agreed_sessions_per_week AS agreed_sessions_count,
        coalesce(sessions_missed_count, 0) AS sessions_missed_count,
        coalesce(messages_by_mentor_count, 0) AS messages_by_mentor_count,
        coalesce(messages_by_learner_count, 0) AS messages_by_learner_count,
        CASE WHEN intervals_count > 0 THEN {rounded("promised_count")} END AS cadence_promised_count,
        CASE WHEN intervals_count > 0 AND promised_count > 0 THEN {
        rounded("least(1, kept_of_promised / promised_count)")
    } END
            AS cadence_kept_share,
        coalesce(
            intervals_count = {_INTERVALS} AND kept_of_promised < {_BROKEN_SHARE} * promised_count, false
        ) AS is_cadence_broken,
        silence_days, silence_days - coalesce(contact_away, 0) AS silence_available_days,
        judged_epoch_day - mentors_epoch_day - coalesce(mentors_away, 0) >= {silent_days} AS is_mentor_silent,
        {to_date("first_met_epoch_day")} AS first_met_on,
        first_met_epoch_day IS NULL AND judged_epoch_day - matched_epoch_day >= {context.first_meeting_days:d}
            AS is_first_meeting_overdue,
        coalesce(ended_epoch_day > judged_epoch_day, true)
            AND judged_epoch_day - progress_epoch_day - coalesce(progress_away, 0) >= {
        context.stuck_days:d} AS is_stuck,
        response_hours_median, coalesce(unanswered_messages_count, 0) AS unanswered_messages_count,
        started_by_learner_share, rating_divergence_points,
        coalesce(commitments_made_count, 0) AS commitments_made_count,
        coalesce(commitments_kept_count, 0) AS commitments_kept_count, commitments_reviewed_at_next_share,
        coalesce(has_goal, false) AS has_goal, coalesce(has_timeline, false) AS has_timeline, has_cadence,
        NOT (has_cadence AND coalesce(has_timeline, false)) AS is_unset,
        goal_attained_share, goal_expected_share, is_purpose_fit,
        coalesce(trained_epoch_day <= judged_epoch_day, false) AS is_mentor_trained, is_across_org_units,
        CASE WHEN practice_epoch_day <= judged_epoch_day
            THEN coalesce(formal_epoch_day <= practice_epoch_day, false) END AS is_formal_before_practice
    FROM judged
    ORDER BY match_id, week_starts_on
    """
