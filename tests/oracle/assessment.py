"""`features.assessment`: what was due, handed in and scored before each landmark, and what comes next."""


def sql(tonight: int) -> str:
    """Each landmark beside each work of its enrolment, as it stood then."""
    return """
    WITH work AS (
        SELECT l.enrolment_id, l.observed_epoch_day AS d, due_epoch_day AS due, weight,
            coalesce(submitted_epoch_day < d AND known_epoch_day < d, false) AS is_in,
            CASE WHEN is_in THEN submitted_epoch_day END AS submitted,
            CASE WHEN is_in AND score_known_epoch_day < d THEN score_share END AS score
        FROM landmark AS l JOIN submission AS s ON s.enrolment_id = l.enrolment_id
    ),
    summed AS (
        SELECT enrolment_id, d, count(*) FILTER (due < d) AS due_count,
            count(*) FILTER (due < d AND NOT is_in) AS overdue_count,
            count(*) FILTER (due < d AND is_in) / nullif(count(*) FILTER (due < d), 0) AS submitted_due_share,
            avg(due - submitted) AS days_early_mean, avg(score) AS score_mean_share,
            d - 1 - max(submitted) AS days_since_submission
        FROM work GROUP BY enrolment_id, d
    ),
    last_scored AS (
        SELECT enrolment_id, d, avg(score) AS score_last_share FROM (
            FROM work WHERE score IS NOT NULL
            QUALIFY rank() OVER (PARTITION BY enrolment_id, d ORDER BY submitted DESC) = 1
        ) GROUP BY enrolment_id, d
    ),
    next_due AS (
        SELECT enrolment_id, d, due - d AS next_due_days, max(weight) AS next_due_weight FROM (
            FROM work WHERE due >= d AND NOT is_in
            QUALIFY rank() OVER (PARTITION BY enrolment_id, d ORDER BY due) = 1
        ) GROUP BY enrolment_id, d, due
    )
    SELECT enrolment_id, d AS observed_epoch_day, coalesce(due_count, 0) AS due_count,
        coalesce(overdue_count, 0) AS overdue_count, submitted_due_share, days_early_mean, score_mean_share,
        score_last_share, days_since_submission, next_due_days, next_due_weight
    FROM (SELECT enrolment_id, observed_epoch_day AS d FROM landmark)
    LEFT JOIN summed USING (enrolment_id, d)
    LEFT JOIN last_scored USING (enrolment_id, d)
    LEFT JOIN next_due USING (enrolment_id, d)
    """
