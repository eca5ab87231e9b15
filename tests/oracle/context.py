"""Family context: where the course and the learner stand at each landmark."""


def sql(tonight: int) -> str:
    """Whole weeks and the share of the course's days gone, both ends counted."""
    return """
    SELECT enrolment_id, observed_epoch_day,
        floor((observed_epoch_day - course_start_epoch_day) / 7) AS course_week,
        greatest(0, least(1, (observed_epoch_day - course_start_epoch_day)
            / (course_end_epoch_day - course_start_epoch_day + 1))) AS course_elapsed_share,
        course_start_epoch_day - enrolled_epoch_day AS enrolled_before_start_days,
        floor((observed_epoch_day - enrolled_epoch_day) / 7) AS weeks_since_enrolment,
        studied_credits, previous_attempts_count
    FROM (SELECT enrolment_id, observed_epoch_day FROM landmark) JOIN enrolment USING (enrolment_id)
    """
