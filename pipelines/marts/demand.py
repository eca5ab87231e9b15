"""The mart of demand: how many were invited, registered and matched, programme by programme.

Belongs here: rates over registrations. Does not belong here: single learners.
"""

from __future__ import annotations

from pipelines.marts.as_of import MartContext, rounded


def programme_demand(context: MartContext) -> str:
    """Each programme that anybody was invited to or registered for, as of observed_at.

    Demand ratio = registered / invited, above 1 where more register than were invited; the invited registered share
    looks at the invited alone. Matched are the registered with a match in the programme. Null over nobody.
    """
    return f"""
    WITH registration AS (
        SELECT *, registered_epoch_day IS NOT NULL AS is_registered, invited_epoch_day IS NOT NULL AS is_invited,
            registered_epoch_day IS NOT NULL AND first_matched_epoch_day IS NOT NULL AS is_matched
        FROM core.registration WHERE registered_epoch_day IS NOT NULL OR invited_epoch_day IS NOT NULL
    ),
    counted AS (
        SELECT programme_id, count(*) FILTER (is_invited) AS invited_count,
            count(*) FILTER (is_registered) AS registered_count,
            count(*) FILTER (is_invited AND is_registered) AS invited_registered_count,
            count(*) FILTER (is_matched) AS matched_count,
            count(*) FILTER (decision = 'waiting') AS waiting_count,
            count(*) FILTER (decision = 'declined') AS declined_count,
            median(greatest(0, first_matched_epoch_day - registered_epoch_day)) FILTER (is_matched)
                AS days_to_match_median
        FROM registration GROUP BY programme_id
    )
    SELECT programme_id, programme.selection, invited_count, registered_count,
        {rounded("registered_count / nullif(invited_count, 0)")} AS demand_ratio,
        {rounded("invited_registered_count / nullif(invited_count, 0)")} AS invited_registered_share, matched_count,
        {rounded("matched_count / nullif(registered_count, 0)")} AS match_rate, waiting_count, declined_count,
        days_to_match_median
    FROM counted LEFT JOIN {context.current("programme")} AS programme USING (programme_id)
    ORDER BY programme_id
    """
