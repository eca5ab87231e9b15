"""`core.enrolment_day`: what an enrolment did on a local day."""


def sql(tonight: int, gap_seconds: int = 1800) -> str:
    """Minutes of a statement: its own duration, else the gap to the learner's next one where that is short.

    Where a source has no times of day (`gap_seconds` 0) there are no minutes.
    """
    seconds = "0"
    if gap_seconds:
        seconds = f"coalesce(duration_seconds, CASE WHEN gap <= {gap_seconds} THEN gap END, 0)"
    return f"""
    SELECT enrolment_id, epoch_day, known_epoch_day, strand, activity_kind, sum(event_count) AS events_count,
        -- Minutes of each statement are handed out rounded, as every number is.
        sum(floor({seconds} / 60 * 1e6 + 0.5) / 1e6) AS minutes, count(DISTINCT object_iri) AS distinct_activities_count,
        count(scaled_score) AS scored_count, min(first_second) AS first_second, max(first_second) AS last_second
    FROM (
        SELECT *, lead(happened_second) OVER (PARTITION BY learner_id ORDER BY happened_second, statement_id)
            - happened_second AS gap
        FROM statement
    )
    WHERE enrolment_id IS NOT NULL
    GROUP BY enrolment_id, epoch_day, known_epoch_day, strand, activity_kind
    """
