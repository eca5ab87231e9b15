"""`features.landmark`: when enrolments are observed."""


def sql(tonight: int) -> str:
    """Course weeks before tonight, and tonight; of enrolments that had begun, not ended, and whose course ran."""
    return f"""
    WITH day AS (
        SELECT enrolment_id, course_start_epoch_day + 7 * k + 1 AS d, false AS is_scoring
        FROM enrolment, range(160) AS weeks(k) WHERE d < {tonight}
        UNION ALL
        SELECT enrolment_id, {tonight}, true FROM enrolment
    )
    SELECT enrolment_id, course_id, learner_id, programme_id, d AS observed_epoch_day,
        floor((d - course_start_epoch_day) / 7) AS week_index, is_scoring
    FROM day JOIN enrolment USING (enrolment_id)
    WHERE d > enrolled_epoch_day AND d <= course_end_epoch_day
      AND NOT coalesce(ended_epoch_day < d AND coalesce(ended_known_epoch_day, ended_epoch_day) < {tonight}, false)
    """
