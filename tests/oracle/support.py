"""`features.support`: tickets open at each landmark."""


def sql(tonight: int) -> str:
    """Opened, and known, before D; its resolution was not."""
    return """
    SELECT enrolment_id, observed_epoch_day, count(opened_epoch_day) AS open_tickets_count,
        observed_epoch_day - 1 - min(opened_epoch_day) AS days_since_ticket
    FROM landmark AS l LEFT JOIN support_ticket AS t
      ON t.learner_id = l.learner_id AND opened_known_epoch_day < observed_epoch_day
     AND coalesce(resolved_known_epoch_day >= observed_epoch_day, true)
    GROUP BY enrolment_id, observed_epoch_day
    """
