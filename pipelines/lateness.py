"""How late statements come: now, and when the champion was trained.

Belongs here: the question to the warehouse. Does not belong here: what is too late (`models.drift`), lateness of every
log as data quality (`pipelines.marts.quality`).
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from models.drift import LATE_HOURS, lateness_verdict
from pipelines.warehouse import Warehouse

RECENT_DAYS, PAST_DAYS = 28, 84


def lateness(warehouse: Warehouse, observed_at: datetime, model_id: str) -> pl.DataFrame:
    """The 95th percentile of hours from happening to being known, of what became known in the last 28 days.

    It is compared with that of the 84 days before the model was trained, and before those 28. Statements whose
    known_at is assumed say nothing. One row with the columns of risk.drift but observed_at and model_id; `limit_high` is
    what would be large.
    """
    trained_at = warehouse.scalar("SELECT trained_at FROM risk.model WHERE model_id = ?", [model_id])
    hours = "greatest(0, date_diff('second', happened_at, known_at) / 3600.0)"
    (row,) = warehouse.rows(
        f"SELECT round(quantile_cont({hours}, .95) FILTER (is_recent), 6), count(*) FILTER (is_recent), "
        f"round(quantile_cont({hours}, .95) FILTER (NOT is_recent), 6) FROM ("
        f"SELECT happened_at, known_at, known_at >= CAST(? AS TIMESTAMP) - to_days({RECENT_DAYS}) AS is_recent "
        "FROM raw.statement WHERE NOT is_known_at_assumed AND known_at < ? "
        f"AND known_at >= CAST(? AS TIMESTAMP) - to_days({PAST_DAYS + RECENT_DAYS}) "
        f"AND (known_at < ? OR known_at >= CAST(? AS TIMESTAMP) - to_days({RECENT_DAYS})))",
        [observed_at, observed_at, trained_at, trained_at, observed_at],
    )
    recent, count, before = row
    return pl.DataFrame(
        {
            "drift_kind": ["lateness"],
            "subject": ["raw.statement"],
            "metric_name": ["lateness_hours_p95"],
            "metric_value": pl.Series([recent], dtype=pl.Float64),
            "limit_high": pl.Series([None if before is None else max(LATE_HOURS, 2 * before)], dtype=pl.Float64),
            "n_count": pl.Series([count], dtype=pl.Int64),
            "drift_verdict": [lateness_verdict(before, recent)],
        }
    )
