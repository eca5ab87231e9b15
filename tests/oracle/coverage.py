"""`features.coverage`: how much of what the course had released the learner had opened before each landmark."""


def sql(tonight: int) -> str:
    """An opening counts once it is known and the activity is released."""
    return """
    WITH l AS (SELECT enrolment_id, course_id, observed_epoch_day AS d FROM landmark),
    opened AS (
        SELECT l.enrolment_id, d, sum(opened_count) AS so_far,
            sum(opened_count) FILTER (known_epoch_day >= d - 28 OR available_epoch_day >= d - 28) AS lately
        FROM l JOIN opening AS o ON o.enrolment_id = l.enrolment_id AND known_epoch_day < d AND available_epoch_day < d
        GROUP BY ALL
    )
    SELECT enrolment_id, d AS observed_epoch_day, coalesce(so_far, 0) AS opened_activities_to_date,
        coalesce(lately, 0) AS newly_opened_activities_28d, opened_activities_to_date / released AS opened_released_share
    FROM l LEFT JOIN opened USING (enrolment_id, d) LEFT JOIN (
        SELECT l.course_id, d, sum(activities_count) AS released
        FROM (SELECT DISTINCT course_id, d FROM l) AS l JOIN offer AS o
          ON o.course_id = l.course_id AND available_epoch_day < d
        GROUP BY ALL
    ) USING (course_id, d)
    """
