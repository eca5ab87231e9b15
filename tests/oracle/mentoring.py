"""`features.mentoring`: the learner and the mentor before each landmark."""

_COUNTED = ", ".join(
    f"count(*) FILTER (is_recent AND event_kind = '{kind}') AS {name}_28d"
    for name, kind in (
        ("sessions_held", "held"),
        ("sessions_missed_by_learner", "missed_by_learner"),
        ("sessions_missed_by_mentor", "missed_by_mentor"),
        ("messages_by_mentor", "message_by_mentor"),
        ("messages_by_learner", "message_by_learner"),
    )
)
_STANDS = (
    "{0}.known_epoch_day < d AND ({0}.match_ended_known_epoch_day IS NULL OR {0}.match_ended_known_epoch_day >= d)"
)


def sql(tonight: int) -> str:
    """Events of the learner in the enrolment's programme or in none, and its matches, as they stood at D."""
    return f"""
    WITH l AS (SELECT enrolment_id, learner_id, programme_id, observed_epoch_day AS d FROM landmark),
    seen AS (
        SELECT l.enrolment_id, d, e.*, epoch_day >= d - 28 AS is_recent,
            coalesce(answered_known_epoch_day < d, false) AS is_answered,
            event_kind IN ('held', 'message_by_mentor', 'message_by_learner') AS is_exchange
        FROM l JOIN mentoring_event AS e ON e.learner_id = l.learner_id AND epoch_day < d AND known_epoch_day < d
        WHERE e.programme_id IS NULL OR e.programme_id = l.programme_id
    ),
    counted AS (
        SELECT enrolment_id, d, {_COUNTED},
            d - 1 - max(epoch_day) FILTER (event_kind IN ('held', 'message_by_mentor')) AS days_since_contact,
            avg((event_kind = 'message_by_learner')::INTEGER) FILTER (is_recent AND is_start) AS started_by_learner_28d_share,
            median(answer_seconds / 3600) FILTER (is_recent AND event_kind = 'message_by_learner' AND is_answered)
                AS response_hours_median_28d,
            count(*) FILTER (is_recent AND event_kind = 'message_by_learner' AND is_start AND NOT is_answered
                AND epoch_day < d - 3) AS unanswered_messages_28d,
            avg((event_kind = 'held' OR coalesce(channel = 'chat', false))::INTEGER) FILTER (is_recent AND is_exchange)
                AS synchronous_28d_share
        FROM seen GROUP BY enrolment_id, d
    ),
    standing AS (
        SELECT l.enrolment_id, d, m.*,
            least(4, floor(coalesce(agreed_sessions_per_week, 0) * (d - 1 - matched_epoch_day) / 7)) AS intervals,
            (SELECT count(DISTINCT o.learner_id) FROM mentoring_match AS o
             WHERE o.mentor_id = m.mentor_id AND {_STANDS.format("o")}) AS load
        FROM l JOIN mentoring_match AS m USING (learner_id, programme_id) WHERE {_STANDS.format("m")}
    ),
    met AS (
        SELECT s.*, e.epoch_day AS held_epoch_day, d - 7 / agreed_sessions_per_week * intervals AS from_day
        FROM standing AS s LEFT JOIN mentoring_event AS e
          ON e.match_id = s.match_id AND event_kind = 'held' AND epoch_day < d AND e.known_epoch_day < d
    ),
    cadence AS (
        SELECT enrolment_id, d, min(held_epoch_day) AS first_held, CASE WHEN any_value(agreed) > 0 THEN least(1, count(*) FILTER (
                intervals > 0 AND held_epoch_day >= from_day - 1e-9) / any_value(agreed)) END AS held_over_agreed_4i_share
        FROM met JOIN (
            SELECT enrolment_id, d, sum(intervals) AS agreed FROM standing GROUP BY ALL
        ) USING (enrolment_id, d) GROUP BY enrolment_id, d
    ),
    matched AS (
        SELECT enrolment_id, d, 1 AS is_matched, min(matched_epoch_day) AS matched_epoch_day,
            max(load) AS mentor_learners_count,
            max(CASE WHEN trained_epoch_day < d THEN 1 WHEN mentor_kind IS NOT NULL OR trained_epoch_day IS NOT NULL THEN 0 END)
                AS is_mentor_trained
        FROM standing GROUP BY enrolment_id, d
    )
    SELECT enrolment_id, d AS observed_epoch_day,
        coalesce(COLUMNS('^(sessions|messages|unanswered).*_28d$|^is_matched$'), 0),
        days_since_contact, started_by_learner_28d_share, response_hours_median_28d, synchronous_28d_share,
        CASE WHEN is_matched = 1 THEN (first_held IS NOT NULL)::INTEGER END AS has_met,
        CASE WHEN is_matched = 1 THEN greatest(0, coalesce(first_held, d - 1) - matched_epoch_day) END
            AS days_until_first_meeting,
        held_over_agreed_4i_share, mentor_learners_count, is_mentor_trained
    FROM l
    LEFT JOIN counted USING (enrolment_id, d)
    LEFT JOIN matched USING (enrolment_id, d)
    LEFT JOIN cadence USING (enrolment_id, d)
    """
