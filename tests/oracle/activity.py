"""`features.activity`: what a learner did before each landmark, how long ago, and which way it goes."""

_WINDOWED = ", ".join(
    f"""
    count(DISTINCT epoch_day) FILTER (epoch_day >= d - {days}) AS active_days_{days}d,
    sum(events_count) FILTER (epoch_day >= d - {days}) AS events_{days}d,
    sum(minutes) FILTER (epoch_day >= d - {days}) AS minutes_{days}d"""
    for days in (7, 14, 28)
)

_BY_STRAND = ", ".join(
    f"""
    sum(events_count) FILTER (epoch_day >= d - 28 AND strand = '{strand}') AS {strand}_events_28d,
    count(DISTINCT epoch_day) FILTER (epoch_day >= d - 28 AND strand = '{strand}') AS {strand}_active_days_28d,
    sum(minutes) FILTER (epoch_day >= d - 28 AND strand = '{strand}') AS {strand}_minutes_28d"""
    for strand in ("formal", "social", "experiential")
)


def sql(tonight: int) -> str:
    """One range join: a row counts at D when it happened and was known before D."""
    return f"""
    WITH seen AS (
        SELECT l.enrolment_id, l.observed_epoch_day AS d, e.* EXCLUDE (enrolment_id)
        FROM landmark AS l JOIN enrolment_day AS e
          ON e.enrolment_id = l.enrolment_id
         AND e.epoch_day < l.observed_epoch_day AND e.known_epoch_day < l.observed_epoch_day
    ),
    counted AS (
        SELECT enrolment_id, d, {_WINDOWED},
            count(DISTINCT epoch_day) AS active_days_to_date, sum(events_count) AS events_to_date,
            sum(minutes) AS minutes_to_date,
            sum(distinct_activities_count) FILTER (epoch_day >= d - 28) AS distinct_activities_28d,
            sum(events_count) FILTER (epoch_day >= d - 28 AND activity_kind IN ('forum', 'collaboration')) AS forum_events_28d,
            sum(events_count) FILTER (epoch_day >= d - 28 AND activity_kind IN ('quiz', 'assessment')) AS quiz_events_28d,
            {_BY_STRAND}
        FROM seen GROUP BY enrolment_id, d
    ),
    silence AS (
        SELECT enrolment_id, d, d - 1 - max(epoch_day) AS days,
            (max(epoch_day) - min(epoch_day)) / nullif(count(DISTINCT epoch_day) - 1, 0) AS own_mean_gap_days
        FROM seen GROUP BY enrolment_id, d
    ),
    since AS (
        SELECT l.enrolment_id, l.observed_epoch_day AS d, any_value(l.learner_id) AS learner_id,
            coalesce(max(s.epoch_day) + 1, any_value(least(enrolled_epoch_day, l.observed_epoch_day))) AS first_day
        FROM landmark AS l JOIN enrolment AS e ON e.enrolment_id = l.enrolment_id
        LEFT JOIN seen AS s ON s.enrolment_id = l.enrolment_id AND s.d = l.observed_epoch_day
        GROUP BY ALL
    ),
    available AS (
        SELECT enrolment_id, d, d - first_day - (
            SELECT count(*) FROM away_day AS a WHERE a.learner_id = since.learner_id
            AND a.epoch_day >= first_day AND a.epoch_day < d AND a.known_epoch_day < d
        ) AS available_days_since_activity
        FROM since
    ),
    week AS (
        SELECT l.enrolment_id, l.observed_epoch_day AS d, ago, coalesce(sum(events_count), 0) AS events
        FROM landmark AS l CROSS JOIN range(4) AS weeks(ago)
        LEFT JOIN seen AS s ON s.enrolment_id = l.enrolment_id AND s.d = l.observed_epoch_day
         AND s.epoch_day BETWEEN s.d - 7 * ago - 7 AND s.d - 7 * ago - 1
        GROUP BY ALL
    ),
    trend AS (
        SELECT enrolment_id, d, regr_slope(ln(1 + events), -ago) AS events_slope_4w,
            (1 + sum(events) FILTER (ago = 0)) / (1 + avg(events) FILTER (ago > 0)) AS events_last_week_ratio
        FROM week GROUP BY enrolment_id, d
    )
    SELECT l.enrolment_id, l.observed_epoch_day, coalesce(COLUMNS(c.* EXCLUDE (enrolment_id, d)), 0),
        coalesce(s.days, greatest(0, l.observed_epoch_day - enrolled_epoch_day)) AS days_since_activity,
        (s.days IS NULL)::BIGINT AS has_never_started,
        s.days / s.own_mean_gap_days AS gap_to_own_mean_ratio, events_slope_4w, events_last_week_ratio,
        available_days_since_activity
    FROM landmark AS l JOIN enrolment USING (enrolment_id)
    LEFT JOIN counted AS c ON c.enrolment_id = l.enrolment_id AND c.d = l.observed_epoch_day
    LEFT JOIN silence AS s ON s.enrolment_id = l.enrolment_id AND s.d = l.observed_epoch_day
    JOIN available AS v ON v.enrolment_id = l.enrolment_id AND v.d = l.observed_epoch_day
    JOIN trend AS t ON t.enrolment_id = l.enrolment_id AND t.d = l.observed_epoch_day
    """
