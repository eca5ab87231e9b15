"""Tonight's scores: raw output, calibrated probability, band, rank, and whether it is too early to tell.

Belongs here: what is said of an enrolment by a model that is there already. Does not belong here: why
(`explain.py`) and who is told (`alerts.py`).
"""

from __future__ import annotations

import polars as pl

from models.split import HORIZONS
from models.train import RiskModel, feature_matrix

LOW, HIGH = 0.10, 0.30
TOO_EARLY_DAYS = 7


def score(model: RiskModel, features_frame: pl.DataFrame) -> pl.DataFrame:
    """Score landmarks: one row each, in the order given.

    Returns enrolment_id, observed_epoch_day, risk_score_7d, risk_score_28d (log odds),
    abandonment_probability_7d, abandonment_probability_28d (0..1); each horizon has its calibrator, so the week's is held
    to at most the four weeks'.
    Raises `FeatureFrameError` where a feature column is missing.
    """
    features = feature_matrix(features_frame)
    raw = {horizon: model.raw_score(features, horizon) for horizon in HORIZONS}
    scored = features_frame.select("enrolment_id", "observed_epoch_day").with_columns(
        *(pl.Series(f"risk_score_{horizon}", raw[horizon]) for horizon in HORIZONS),
        *(
            pl.Series(
                f"abandonment_probability_{horizon}",
                model.horizons[horizon].calibrator.probability(raw[horizon], features_frame["course_id"]),
            )
            for horizon in HORIZONS
        ),
    )
    within_week = pl.min_horizontal("abandonment_probability_7d", "abandonment_probability_28d")
    return scored.with_columns(within_week.alias("abandonment_probability_7d"))


def with_bands(frame: pl.DataFrame, *, low: float = LOW, high: float = HIGH) -> pl.DataFrame:
    """Add risk_band (low under `low`, high from `high`) and risk_rank to scored rows.

    The frame has course_id, observed_epoch_day and abandonment_probability_28d. The rank is within course and
    day, 1 is the highest probability and equal ones share a rank. Both are null where the probability is.
    """
    probability = pl.col("abandonment_probability_28d")
    band = (
        pl.when(probability.is_null())
        .then(None)
        .when(probability < low)
        .then(pl.lit("low"))
        .when(probability < high)
        .then(pl.lit("middle"))
        .otherwise(pl.lit("high"))
    )
    rank = probability.rank("min", descending=True).over("course_id", "observed_epoch_day")
    return frame.with_columns(band.alias("risk_band"), rank.cast(pl.Int64).alias("risk_rank"))


def is_too_early(
    *, observed: pl.Expr, course_start: pl.Expr, enrolled: pl.Expr, first_due: pl.Expr, days: int = TOO_EARLY_DAYS
) -> pl.Expr:
    """Whether fewer than `days` days lie between the first due activity and the landmark.

    All four are epoch days. Activity is possible from the later of the course's start and enrolment; `first_due` is the
    day on which the first work of the enrolment is due, null where none is, and then the first possible activity
    counts. A first work that is due later than `days` after the first possible activity is not waited for: by then
    the model ranks nearly as well as after it (docs/decisions/0018).
    """
    possible = pl.max_horizontal(course_start, enrolled)
    due = pl.min_horizontal(pl.max_horizontal(first_due, possible), possible + days)
    since = pl.when(first_due.is_null()).then(possible).otherwise(due)
    return (observed - since < days).alias("is_too_early")
