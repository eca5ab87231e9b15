"""`features.label`: what became of each landmark, as far as it is known tonight."""


def sql(tonight: int, abandon_after_days: int = 28) -> str:
    """An end counts once it is known; silence has to last before it says that somebody stayed."""
    windows = ", ".join(
        f"""
        CASE WHEN kind = 'abandoned' AND ended BETWEEN d AND d + {days - 1} THEN 1
             WHEN is_over OR d + {days} <= settled_until THEN 0 END AS abandons_{days}d"""
        for days in (7, 28)
    )
    return f"""
    WITH lost AS (
        SELECT course_id, ended_epoch_day AS day, count(*) AS n,
               least(ended_epoch_day - min(course_start_epoch_day), 28) AS run
        FROM enrolment
        WHERE ended_kind = 'abandoned' AND coalesce(ended_known_epoch_day, ended_epoch_day) < {tonight}
            AND course_id IS NOT NULL AND ended_epoch_day IS NOT NULL GROUP BY course_id, ended_epoch_day
    ),
    batch AS (
        SELECT course_id, day FROM lost AS b
        WHERE n >= 10 AND run >= 7
            AND n / 8 >= (SELECT coalesce(sum(n), 0) FROM lost AS o
                          WHERE o.course_id = b.course_id AND o.day BETWEEN b.day - 28 AND b.day - 1) / run
    ),
    known AS (
        SELECT *, coalesce(coalesce(ended_known_epoch_day, ended_epoch_day) < {tonight}, false) AS is_told,
            CASE WHEN is_told THEN ended_epoch_day END AS ended, CASE WHEN is_told THEN ended_kind END AS kind,
            CASE WHEN has_recorded_outcome THEN {tonight} ELSE {tonight - abandon_after_days} END AS settled_until,
            ended IS NOT NULL OR course_end_epoch_day < settled_until AS is_over
        FROM enrolment
    )
    SELECT enrolment_id, d AS observed_epoch_day, {windows},
        CASE WHEN kind = 'abandoned' THEN 1 WHEN is_over THEN 0 END AS abandons_end,
        CASE WHEN kind IN ('abandoned', 'failed') THEN 1 WHEN is_over THEN 0 END AS fails_or_abandons_end,
        coalesce(kind = 'abandoned' AND (course_id, ended) IN (SELECT (course_id, day) FROM batch), false) AS is_batch_end
    FROM (SELECT enrolment_id, observed_epoch_day AS d FROM landmark) JOIN known USING (enrolment_id)
    """
