"""How learning becomes practice: order, consuming against applying, practice after training, breadth, reach.

Belongs here: shares, ratios and means by programme, with Wilson intervals, small groups withheld. Does not belong here:
an effect. Those with a mentor after training differ from those without in more than that (`models.effect` weighs it).
"""

from __future__ import annotations

import polars as pl

from data_contracts.fields.practice import (
    EVENTS_RATIO,
    FORMAL_BEFORE_PRACTICE,
    MINUTES_RATIO,
    NEVER_APPLIED,
    OTHER_UNIT,
    PARTNERS,
    PRACTICE_AFTER,
    SOURCES,
    UNITS_REACHED,
    WINDOWS_DAYS,
    WORK_AFTER,
)
from data_contracts.tables.marts import MARTS
from models.contract import conform
from models.metrics import Z_95
from models.suppression import PART, SMALL_CELL, TOTAL, suppress

EVERYBODY, WITH, WITHOUT = "all", "with", "without"


def learning_transfer(
    learners: pl.DataFrame, after_training: pl.DataFrame, matches: pl.DataFrame, *, k: int = SMALL_CELL
) -> pl.DataFrame:
    """The mart `learning_transfer` without publication_id, sorted by its key.

    Args:
        learners: programme_id, learner_id, formal_epoch_day*, practice_epoch_day*, formal_events_count,
            applied_events_count, formal_minutes*, applied_minutes*, has_applied, sources_count, partners_count*,
            units_reached_count*; `*` null where there is none or it is not known.
        after_training: programme_id, learner_id, window_days, is_mentored, has_practised, has_worked.
        matches: programme_id, learner_id, is_across_org_units*.
        k: least learners behind a figure.

    Shares are of learners, with Wilson's 95 % interval of 1927:
    formal_before_practice_share: first formal learning on or before the day of the first practice, of learners with
    both. never_applied_share: no experiential evidence, of learners with formal evidence.
    practice_after_training_Nd_share: experiential evidence within N days after training, of all whose N days are over,
    and of those with and without a mentor's contact in them; work_after_training_Nd_share: the same without commitments.
    mentor_of_other_unit_share: a mentor of another org unit, of learners with a match where both units are known.

    Without interval: consume_to_apply_minutes_ratio and ..._events_ratio: formal over experiential, of learners of whom
    both are known; null where nothing was applied. sources_per_learner, partners_per_learner and
    units_reached_per_learner: means.

    A measure that no log of the programme can tell has no row: where nobody's practice was ever logged, nobody is said
    never to have applied anything, and where nobody's was logged after training the log may end with the course.
    """
    logs_practice = learners.filter("has_applied").select("programme_id").unique()
    logs_on = after_training.filter("has_practised").select("programme_id").unique()
    both = learners.drop_nulls(["formal_epoch_day", "practice_epoch_day"])
    consumed = learners.drop_nulls("formal_epoch_day").join(logs_practice, on="programme_id", how="semi")
    timed = learners.drop_nulls(["formal_minutes", "applied_minutes"])
    mentored = (
        matches.drop_nulls("is_across_org_units")
        .group_by("programme_id", "learner_id")
        .agg(pl.col("is_across_org_units").any())
    )
    is_first = pl.col("formal_epoch_day") <= pl.col("practice_epoch_day")
    parts = [
        _shares(FORMAL_BEFORE_PRACTICE, both, is_first),
        _shares(NEVER_APPLIED, consumed, ~pl.col("has_applied")),
        _ratios(MINUTES_RATIO, timed, "formal_minutes", "applied_minutes"),
        _ratios(EVENTS_RATIO, learners, "formal_events_count", "applied_events_count"),
        _means(SOURCES, learners, "sources_count"),
        _means(PARTNERS, learners, "partners_count"),
        _means(UNITS_REACHED, learners, "units_reached_count"),
        _shares(OTHER_UNIT, mentored, pl.col("is_across_org_units")),
    ]
    for days in WINDOWS_DAYS:
        seen = after_training.filter(window_days=days).join(logs_on, on="programme_id", how="semi")
        for name, says in ((PRACTICE_AFTER, "has_practised"), (WORK_AFTER, "has_worked")):
            measure = name.format(days)
            parts += [
                _shares(measure, seen, pl.col(says)),
                _shares(measure, seen.filter("is_mentored"), pl.col(says), group=WITH),
                _shares(measure, seen.filter(~pl.col("is_mentored")), pl.col(says), group=WITHOUT),
            ]
    contract = MARTS["learning_transfer"]
    rows = pl.concat(parts).drop_nulls("metric_value").sort(contract.key)
    safe = suppress(
        rows,
        count="people",
        measures=("metric_value", "metric_low", "metric_high", "learners_count", "learners_with_count"),
        groups=[("programme_id", "measure")],
        k=k,
        role=pl.when(pl.col("mentoring_group") == EVERYBODY).then(pl.lit(TOTAL)).otherwise(pl.lit(PART)),
    )
    return conform(safe, contract, without=("publication_id",))


def wilson(events: pl.Expr, n: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Ends of Wilson's 95 % interval of events out of n, n above 0."""
    share, spread = events / n, Z_95**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = (spread * share * (1 - share) + spread**2 / 4).sqrt() / (1 + spread)
    return (centre - half).clip(0, 1).round(6), (centre + half).clip(0, 1).round(6)


def _row(measure: str, rows: pl.DataFrame, group: str = EVERYBODY) -> pl.DataFrame:
    """A programme's row of a measure, with what `conform` and `suppress` need, from value, low, high, n and with."""
    return rows.select(
        "programme_id",
        pl.col("value").cast(pl.Float64).round(6).alias("metric_value"),
        pl.col("low").cast(pl.Float64).alias("metric_low"),
        pl.col("high").cast(pl.Float64).alias("metric_high"),
        pl.col("n").cast(pl.Int64).alias("learners_count"),
        pl.col("with").cast(pl.Int64).alias("learners_with_count"),
        measure=pl.lit(measure),
        mentoring_group=pl.lit(group),
        people=pl.col("n").cast(pl.Int64),
    )


def _shares(measure: str, rows: pl.DataFrame, says: pl.Expr, *, group: str = EVERYBODY) -> pl.DataFrame:
    counted = rows.group_by("programme_id").agg(
        n=pl.len(), people=pl.col("learner_id").n_unique(), **{"with": says.sum()}
    )
    low, high = wilson(pl.col("with"), pl.col("n"))
    return _row(measure, counted.with_columns(value=pl.col("with") / pl.col("n"), low=low, high=high), group)


def _ratios(measure: str, rows: pl.DataFrame, consumed: str, applied: str) -> pl.DataFrame:
    sums = rows.group_by("programme_id").agg(
        n=pl.len(), consumed=pl.col(consumed).sum().round(6), applied=pl.col(applied).sum().round(6)
    )
    ratio = pl.when(pl.col("applied") > 0).then(pl.col("consumed") / pl.col("applied"))
    return _row(measure, _without_interval(sums.with_columns(value=ratio)))


def _means(measure: str, rows: pl.DataFrame, column: str) -> pl.DataFrame:
    known = rows.drop_nulls(column).group_by("programme_id")
    return _row(measure, _without_interval(known.agg(n=pl.len(), value=pl.col(column).mean())))


def _without_interval(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(low=None, high=None, **{"with": None})
