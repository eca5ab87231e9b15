"""`features.enrolment_week`: all families beside their landmark, and the cohort's percentiles."""

from tests.oracle import families, rows_sql

_COHORT = "course_id, observed_epoch_day, is_scoring"
_RANKED = {
    "events_28d_percentile": "events_28d",
    "active_days_28d_percentile": "active_days_28d",
    "events_7d_percentile": "events_7d",
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
