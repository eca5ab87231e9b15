"""What mentoring changed in abandonment: the estimands, and the honest row where nothing is estimated.

Belongs here: the contrasts and what they mean in words, rows of the mart `mentoring_effect`. Does not belong here:
what an effect is worth (`models.roi`). Nothing is estimated here yet: a difference between mentored and other
learners is selection until shown otherwise, so no number stands in for an effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from data_contracts.tables.marts import MARTS
from models.contract import conform, schema_of

ESTIMANDS: Mapping[str, str] = MappingProxyType(
    {
        "first_contact": "effect of first contact (held session or mentor-sent message) on abandonment within 8 weeks, "
        "on the contacted (ATT)",
        "matched": "effect of being matched with a mentor, against not yet matched, on abandonment within 8 weeks, "
        "on the matched (ATT)",
    }
)


def not_estimated(programmes: pl.DataFrame, counts: pl.DataFrame, *, reason: str) -> pl.DataFrame:
    """The mart `mentoring_effect` without publication_id where no effect is estimated, sorted by its key.

    Args:
        programmes: programme_id; each gets both contrasts, verdict cannot_say, no effect.
        counts: programme_id, contrast, n_count (participations contacted, or matched), n_events_count (of these,
            abandoned); what has no row counts 0.
        reason: why there is no estimate, in words; it stands in every row.
    """
    table = MARTS["mentoring_effect"]
    contrasts = pl.DataFrame({"contrast": list(ESTIMANDS), "estimand": list(ESTIMANDS.values())})
    rows = (
        programmes.select("programme_id")
        .join(contrasts, how="cross")
        .join(
            counts.select("programme_id", "contrast", "n_count", "n_events_count"),
            on=["programme_id", "contrast"],
            how="left",
        )
        .with_columns(
            pl.col("n_count", "n_events_count").fill_null(0), verdict=pl.lit("cannot_say"), reason=pl.lit(reason)
        )
    )
    unknown = {name: kind for name, kind in schema_of(table).items() if name not in rows.columns}
    return conform(
        rows.with_columns(pl.lit(None, kind).alias(name) for name, kind in unknown.items()),
        table,
        without=("publication_id",),
    ).sort(table.key)
