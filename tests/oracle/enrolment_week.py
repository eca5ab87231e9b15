"""`features.enrolment_week`: all families beside their landmark, and the cohort's percentiles."""

from tests.oracle import families, rows_sql

_COHORT = "course_id, observed_epoch_day, is_scoring"
_RANKED = {
    "events_28d_percentile": "events_28d",
    "active_days_28d_percentile": "active_days_28d",
    "events_7d_percentile": "events_7d",
    "events_to_date_percentile": "events_to_date",
    "active_days_to_date_percentile": "active_days_to_date",
    "distinct_activities_28d_percentile": "distinct_activities_28d",
    "days_since_activity_percentile": "days_since_activity",
    "submitted_due_percentile": "submitted_due_share",
    "overdue_percentile": "overdue_count",
    "days_early_percentile": "days_early_mean",
    "score_last_percentile": "score_last_share",
    "score_mean_percentile": "score_mean_share",
}


def sql(tonight: int) -> str:
    """Percentile: (those below + half of those level, oneself included) / all who have the value.

    The cohort is a course's enrolments of one observation day; without a course or without the value there is none.
    """
    made = ", ".join(f"{name} AS MATERIALIZED ({rows_sql(name, tonight)})" for name in families())
    joined = " ".join(f"JOIN {name} USING (enrolment_id, observed_epoch_day)" for name in families())
    percentiles = ", ".join(
        f"""
        CASE WHEN course_id IS NOT NULL AND {value} IS NOT NULL THEN
            (rank() OVER (PARTITION BY {_COHORT} ORDER BY {value} NULLS LAST) - 1
             + count(*) OVER (PARTITION BY {_COHORT}, {value}) / 2) / count({value}) OVER (PARTITION BY {_COHORT})
        END AS {name}"""
        for name, value in _RANKED.items()
    )
    return f"WITH {made} SELECT *, {percentiles} FROM landmark {joined}"
