"""`features.regularity`: whether a learner kept to hours and weekdays in the four weeks before each landmark."""


def _peak(size: int, counted: str) -> str:
    """(log2 size - H) x largest share of what is counted, one row a value."""
    return f"""
    SELECT enrolment_id, d, (log2({size}) + sum(share * log2(share))) * max(share) AS peak FROM (
        SELECT enrolment_id, d, n / sum(n) OVER (PARTITION BY enrolment_id, d) AS share
        FROM (SELECT enrolment_id, d, value, count(DISTINCT epoch_day) AS n FROM ({counted}) GROUP BY ALL)
    ) GROUP BY enrolment_id, d
    """


def sql(tonight: int) -> str:
    """Days, hours and weekdays as sets; entropy by its definition; weeks compared pair by pair."""
    return f"""
    WITH seen AS (
        SELECT l.enrolment_id, l.observed_epoch_day AS d, epoch_day, known_epoch_day, first_second, last_second,
            (l.observed_epoch_day - 1 - epoch_day) // 7 AS ago
        FROM landmark AS l JOIN enrolment_day AS e ON e.enrolment_id = l.enrolment_id
         AND epoch_day < l.observed_epoch_day AND epoch_day >= l.observed_epoch_day - 28
         AND known_epoch_day < l.observed_epoch_day
    ),
    enough AS (
        SELECT enrolment_id, d FROM seen GROUP BY ALL HAVING count(DISTINCT epoch_day) >= 4
    ),
    timed AS (
        SELECT DISTINCT enrolment_id, d FROM (
            SELECT enrolment_id, d FROM seen GROUP BY enrolment_id, d, epoch_day, known_epoch_day
            HAVING max(last_second) > min(first_second)
        )
    ),
    hour AS ({_peak(24, "SELECT *, first_second // 3600 AS value FROM seen")}),
    weekday AS ({_peak(7, "SELECT *, isodow(DATE '1970-01-01' + epoch_day::INTEGER) AS value FROM seen")}),
    week AS (
        SELECT enrolment_id, d, ago, list(DISTINCT isodow(DATE '1970-01-01' + epoch_day::INTEGER)) AS days
        FROM seen GROUP BY ALL
    ),
    grid AS (
        SELECT enrolment_id, d, ago, coalesce(days, []) AS days
        FROM (SELECT enrolment_id, d, unnest(range(4)) AS ago FROM enough) LEFT JOIN week USING (enrolment_id, d, ago)
    ),
    overlap AS (
        SELECT enrolment_id, d, avg(len(list_intersect(a.days, b.days)) / greatest(len(a.days), len(b.days))) AS share
        FROM grid AS a JOIN grid AS b USING (enrolment_id, d)
        WHERE a.ago < b.ago AND (len(a.days) > 0 OR len(b.days) > 0) GROUP BY ALL
    )
    SELECT l.enrolment_id, l.observed_epoch_day,
        CASE WHEN e.d IS NOT NULL AND t.d IS NOT NULL THEN hour.peak END AS hour_peak_28d,
        CASE WHEN e.d IS NOT NULL THEN weekday.peak END AS weekday_peak_28d, overlap.share AS weekday_overlap_28d_share
    FROM landmark AS l
    LEFT JOIN enough AS e ON e.enrolment_id = l.enrolment_id AND e.d = l.observed_epoch_day
    LEFT JOIN timed AS t ON t.enrolment_id = l.enrolment_id AND t.d = l.observed_epoch_day
    LEFT JOIN hour ON hour.enrolment_id = l.enrolment_id AND hour.d = l.observed_epoch_day
    LEFT JOIN weekday ON weekday.enrolment_id = l.enrolment_id AND weekday.d = l.observed_epoch_day
    LEFT JOIN overlap ON overlap.enrolment_id = l.enrolment_id AND overlap.d = l.observed_epoch_day
    """
