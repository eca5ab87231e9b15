"""`features.peers`: exchange with others before each landmark, the learner's own and the course's."""


def sql(tonight: int) -> str:
    """The others are the enrolments observed in the same course on the same day."""
    return """
    WITH counted AS (
        SELECT l.enrolment_id, l.course_id, l.is_scoring, l.observed_epoch_day AS d,
            count(DISTINCT epoch_day) AS active_days, count(DISTINCT epoch_day) FILTER (strand = 'social') AS social_days,
            coalesce(sum(events_count) FILTER (strand = 'social'), 0) AS social_events
        FROM landmark AS l LEFT JOIN enrolment_day AS e
          ON e.enrolment_id = l.enrolment_id AND epoch_day BETWEEN l.observed_epoch_day - 28 AND l.observed_epoch_day - 1
         AND known_epoch_day < l.observed_epoch_day
        GROUP BY ALL
    )
    SELECT enrolment_id, d AS observed_epoch_day, social_days / nullif(active_days, 0) AS social_days_28d_share,
        (SELECT avg(o.social_events) FROM counted AS o
         WHERE o.course_id = c.course_id AND o.d = c.d AND o.is_scoring = c.is_scoring AND o.enrolment_id <> c.enrolment_id
        ) AS peers_social_events_28d_mean
    FROM counted AS c
    """
