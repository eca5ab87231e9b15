"""`features.goals`: agreed goals at each landmark, how far they are and should be."""


def sql(tonight: int) -> str:
    """Each version in force at D beside the measures known by then, until the match ends or the goal is dropped."""
    return """
    WITH l AS (SELECT enrolment_id, learner_id, programme_id, observed_epoch_day AS d FROM landmark),
    standing AS (
        SELECT enrolment_id, d, goal_id, coalesce(weight, 1) AS weight, agreed_epoch_day AS agreed,
            CASE WHEN due_epoch_day <= agreed_epoch_day THEN 1
                 WHEN due_epoch_day > agreed_epoch_day
                 THEN least(1, (d - 1 - agreed_epoch_day) / (due_epoch_day - agreed_epoch_day)) END AS expected
        FROM l JOIN goal AS g ON g.learner_id = l.learner_id AND g.programme_id = l.programme_id
         AND g.known_epoch_day < d AND coalesce(g.superseded_epoch_day >= d, true)
        WHERE g.match_id NOT IN (
            SELECT match_id FROM mentoring_match AS m
            WHERE m.match_ended_known_epoch_day IS NOT NULL AND m.match_ended_known_epoch_day < d
        )
    ),
    seen AS (
        SELECT enrolment_id, d, s.goal_id, u.*
        FROM standing AS s JOIN goal_update AS u ON u.goal_id = s.goal_id AND epoch_day < d AND known_epoch_day < d
    ),
    measured AS (
        SELECT enrolment_id, d, goal_id, max(epoch_day) AS updated, arg_max(attained_share, epoch_day) AS attained,
            arg_max(status, epoch_day) AS status, max(epoch_day) FILTER (status IS NOT NULL) AS status_day
        FROM seen GROUP BY enrolment_id, d, goal_id
    ),
    pursued AS (
        SELECT *, CASE WHEN expected IS NOT NULL THEN attained - expected END AS gap
        FROM standing LEFT JOIN measured USING (enrolment_id, d, goal_id)
        WHERE NOT coalesce(status = 'dropped' AND status_day >= agreed, false)
    ),
    summed AS (
        SELECT enrolment_id, d, count(*) AS goals_count,
            sum(attained * weight) / nullif(sum(weight) FILTER (attained IS NOT NULL), 0) AS goal_attained_share,
            sum(expected * weight) / nullif(sum(weight) FILTER (expected IS NOT NULL), 0) AS goal_expected_share,
            sum(gap * weight) / nullif(sum(weight) FILTER (gap IS NOT NULL), 0) AS goal_gap_share,
            d - 1 - max(greatest(agreed, updated)) AS days_since_goal_update
        FROM pursued GROUP BY enrolment_id, d
    )
    SELECT enrolment_id, d AS observed_epoch_day, coalesce(goals_count, 0) AS goals_count, goal_attained_share,
        goal_expected_share, goal_gap_share, days_since_goal_update
    FROM l LEFT JOIN summed USING (enrolment_id, d)
    """
