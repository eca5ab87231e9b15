"""`features.commitments`: what was promised before each landmark, kept and reviewed."""


def sql(tonight: int) -> str:
    """Commitments of the learner in the enrolment's programme or in none, as they stood at D."""
    return """
    WITH l AS (SELECT enrolment_id, learner_id, programme_id, observed_epoch_day AS d FROM landmark),
    promised AS (
        SELECT enrolment_id, d, c.*, coalesce(reviewed_known_epoch_day < d, false) AS is_reviewed,
            coalesce(due_epoch_day < d, false) AS is_due,
            EXISTS (
                FROM mentoring_event AS e WHERE e.match_id = c.match_id AND event_kind = 'held'
                 AND e.epoch_day > c.made_epoch_day AND e.epoch_day < d AND e.known_epoch_day < d
            ) AS has_met_again,
            EXISTS (
                FROM mentoring_match AS m WHERE m.match_id = c.match_id AND m.match_ended_known_epoch_day < d
            ) AS is_over
        FROM l JOIN commitment AS c ON c.learner_id = l.learner_id AND made_epoch_day < d AND made_known_epoch_day < d
        WHERE c.programme_id IS NULL OR c.programme_id = l.programme_id
    )
    SELECT l.enrolment_id, l.d AS observed_epoch_day, count(commitment_id) AS commitments_made_to_date,
        avg((status = 'kept')::INTEGER) FILTER (is_reviewed) AS commitments_kept_share,
        avg(is_reviewed::INTEGER) FILTER (is_due OR has_met_again) AS commitments_reviewed_share,
        count(*) FILTER (is_due AND NOT is_reviewed AND NOT is_over) AS overdue_commitments_count
    FROM l LEFT JOIN promised AS p ON p.enrolment_id = l.enrolment_id AND p.d = l.d
    GROUP BY l.enrolment_id, l.d
    """
