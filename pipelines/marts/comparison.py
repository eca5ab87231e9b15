"""What `models.comparison` is told: who takes part in what, how they came in, and with which baseline.

Belongs here: the queries of these frames. Does not belong here: any formula; demand (`pipelines.marts.demand`).
"""

from __future__ import annotations

from pipelines.marts.as_of import MartContext


def programmes(context: MartContext) -> str:
    """Programmes and how participants come in; null where that is not told."""
    return f"SELECT programme_id, selection FROM {context.current('programme')} ORDER BY programme_id"


def participants(context: MartContext) -> str:
    """Each participation in a programme with a row of its own: whether it is over and completed, baseline, HiPo or not."""
    return f"""
    SELECT p.programme_id, p.learner_id, p.status <> 'active' AS is_over, p.status = 'completed' AS is_completed,
        CAST(r.baseline_score AS DOUBLE) AS baseline_score, r.is_hipo
    FROM core.participation AS p SEMI JOIN {context.current("programme")} AS told USING (programme_id)
    LEFT JOIN core.registration AS r ON r.programme_id = p.programme_id AND r.learner_id = p.learner_id
    ORDER BY p.programme_id, p.learner_id
    """
