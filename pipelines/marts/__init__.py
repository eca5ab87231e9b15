"""The SQL of the published marts: one query a mart, over the warehouse, as of one observation time.

Belongs here: queries whose columns are the mart contract's without `publication_id`, ordered by its key. Does not
belong here: writing and publishing (`pipelines.publish`), and the marts that are records of a run, or
computed by `models` (`pipelines.assets.learning`, `.effect`, `.outcomes`, `.returns`).
"""

from __future__ import annotations

from pipelines.marts import (
    cards,
    community,
    demand,
    dimensions,
    engagement,
    goals,
    issues,
    load,
    mentoring,
    quality,
    risk,
)
from pipelines.marts.as_of import MartContext, MartQuery

MART_QUERIES: dict[str, MartQuery] = {
    query.__name__: query
    for query in (
        dimensions.dim_programme,
        dimensions.dim_course,
        dimensions.dim_mentor,
        dimensions.dim_learner,
        dimensions.dim_date,
        risk.learner_alerts,
        cards.alert_cards,
        risk.learner_risk,
        risk.unserved_risk,
        engagement.engagement_weekly,
        mentoring.mentoring_health,
        load.mentor_load,
        goals.goal_progress,
        demand.programme_demand,
        community.community_weekly,
        issues.course_issues,
        risk.model_quality,
        risk.model_fairness,
        quality.data_quality,
    )
}

__all__ = ["MART_QUERIES", "MartContext", "MartQuery"]
