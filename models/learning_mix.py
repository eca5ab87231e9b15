"""Minutes, events, cost and outcome by strand of the 70:20:10 mix, beside the programme's own target.

Belongs here: the mix as it was measured, small cells withheld. Does not belong here: what a strand returned
(`models.roi`), which kind is of which strand (`data_contracts.strands`). The split describes; it weighs no effect, and
missing data is not missing learning: that is what coverage is for.

Frames `evidence`, `costs`, `active`: see `models.costs`; `evidence` has `timed_events_count` beside them, the events
whose source tells minutes.
"""

from __future__ import annotations

import polars as pl

from data_contracts.fields.learning import STRANDS
from data_contracts.tables.marts import MARTS
from models.contract import conform
from models.suppression import PART, REMAINDER, SMALL_CELL, TOTAL, suppress

ALL_COURSES = "all"


def learning_mix(
    evidence: pl.DataFrame,
    costs: pl.DataFrame,
    active: pl.DataFrame,
    programmes: pl.DataFrame,
    *,
    k: int = SMALL_CELL,
) -> pl.DataFrame:
    """The mart `learning_mix` without publication_id, sorted by its key.

    Args:
        evidence: see the module.
        costs: `models.costs.Allocation.costs`, with time costs where they were added.
        active: see the module.
        programmes: programme_id, currency (of `with_currency`), target_formal_share, target_social_share,
            target_experiential_share (null where not stated).
        k: least people behind a figure.

    All three strands stand, zeros included, in each programme, course (and 'all') and month with any evidence or
    cost. Evidence and costs without a course count in 'all' alone.

    minutes: null where there are events and none of them comes from a log that tells minutes, and where no log of the
    programme ever told of the strand: unknown, not zero. Zero is said of a strand that is seen in another month.
    participants_count: learners with an event, minutes, or an outcome above 0.
    cost_amount: null for a programme without any cost row, since nothing is known; else 0 where there is none.
    coverage_share: of the learners active in the programme (the course) in the month, those who participated in the
    strand; null where nobody was active, or fewer than k of them did. measured_share, events_share: of the known
    minutes and of the events of the programme, course and month; null where there are none, or the strand's are
    unknown. minutes_known_share: of the strand's events. outcome_share: mean of the single outcomes.

    A strand in which fewer than k people took part (or, where none did, left any trace) is withheld, with its cost,
    which may hold their time; another course, or 'all', is withheld with it where subtraction would tell
    (`models.suppression`), and the shares of all strands of that programme, course and month with it, since they
    would tell their total.
    """
    spent = costs.with_columns(month_starts_on=pl.col("period_on").dt.truncate("1mo"))
    all_courses, by_course = pl.lit(ALL_COURSES), pl.col("course_id").fill_null(_NO_COURSE)
    joined = pl.concat(
        _counted(*(rows.with_columns(course_id=course) for rows in (evidence, spent, active)))
        for course in (all_courses, by_course)
    ).join(programmes.select("programme_id", "currency", *_TARGETS.values()), on="programme_id", how="left")
    has_costs = pl.col("programme_id").is_in(costs["programme_id"].unique().to_list())
    has_trace = pl.col("people").sum().over("programme_id", "strand") > 0
    is_known = has_trace & (
        (pl.col("timed_events_count") > 0) | (pl.col("minutes") > 0) | (pl.col("events_count") == 0)
    )
    measured, events = (pl.col(name).sum().over(_CELL) for name in ("minutes", "events_count"))
    figures = joined.with_columns(
        minutes=pl.when(is_known).then("minutes"),
        cost_amount=pl.when(has_costs).then(pl.col("cost_amount").fill_null(0.0)),
        outcome_share=pl.when(pl.col("outcomes_count") > 0).then(pl.col("outcome_sum") / pl.col("outcomes_count")),
        coverage_share=pl.when(~pl.col("covered").is_between(1, k - 1)).then(pl.col("covered") / pl.col("active")),
        # Behind minutes and events are those who took part, fewer than those who left any trace.
        behind=pl.when(pl.col("participants_count") > 0).then("participants_count").otherwise("people"),
        measured_share=pl.when(is_known & (measured > 0)).then((pl.col("minutes") / measured).round(6)),
        events_share=pl.when(has_trace & (events > 0)).then((pl.col("events_count") / events).round(6)),
        minutes_known_share=pl.when(pl.col("events_count") > 0).then(
            (pl.col("timed_events_count") / pl.col("events_count")).round(6)
        ),
        target_share=pl.coalesce(
            pl.when(pl.col("strand") == strand).then(pl.col(target)) for strand, target in _TARGETS.items()
        ),
    )
    return conform(_withheld(figures.sort(_KEY), k), MARTS["learning_mix"], without=("publication_id",))


_CELL = ("programme_id", "course_id", "month_starts_on")
_KEY = ("programme_id", "course_id", "strand", "month_starts_on")
_COUNTED = (
    "minutes",
    "events_count",
    "timed_events_count",
    "participants_count",
    "people",
    "outcome_sum",
    "outcomes_count",
    "covered",
)
_SHARES = ("measured_share", "events_share")
_MEASURES = (
    "minutes",
    "events_count",
    "participants_count",
    "cost_amount",
    "outcome_share",
    "coverage_share",
    "minutes_known_share",
)
_TARGETS = {strand: f"target_{strand}_share" for strand in STRANDS}
# Stands for what has no course while rows are counted; no course run has an empty identifier.
_NO_COURSE = ""


def _counted(evidence: pl.DataFrame, spent: pl.DataFrame, active: pl.DataFrame) -> pl.DataFrame:
    """Sums and counts by cell and strand; cost_amount is null where there is none, active where nobody was."""
    seen = evidence.with_columns(
        is_evidence=(pl.col("events_count") > 0) | (pl.col("minutes") > 0) | (pl.col("outcome_sum") > 0)
    )
    enrolled = active.select(*_CELL, "learner_id").unique()
    cells = (
        pl.concat([seen.select(_CELL).unique(), spent.select(_CELL).unique()])
        .unique()
        .join(pl.DataFrame({"strand": STRANDS}), how="cross")
    )
    learned = seen.group_by(_KEY).agg(
        # The order of a sum shows in its last digits, so they are rounded away.
        pl.col("minutes").sum().round(6),
        pl.col("events_count", "timed_events_count", "outcomes_count").sum(),
        pl.col("outcome_sum").sum().round(6),
        participants_count=pl.col("learner_id").filter("is_evidence").n_unique(),
        people=pl.col("learner_id").n_unique(),
    )
    covered = (
        seen.filter("is_evidence")
        .select(*_KEY, "learner_id")
        .unique()
        .join(enrolled, on=[*_CELL, "learner_id"], how="semi")
        .group_by(_KEY)
        .agg(covered=pl.len())
    )
    return (
        cells.join(learned, on=_KEY, how="left")
        .join(spent.group_by(_KEY).agg(cost_amount=pl.col("amount").sum().round(2)), on=_KEY, how="left")
        .join(covered, on=_KEY, how="left")
        .join(enrolled.group_by(_CELL).agg(active=pl.len()), on=_CELL, how="left")
        .with_columns(pl.col(*_COUNTED).fill_null(0))
    )


def _withheld(figures: pl.DataFrame, k: int) -> pl.DataFrame:
    """Small cells and their complement withheld; what has no course goes, having served to see what could be told."""
    course = pl.col("course_id")
    role = (
        pl.when(course == ALL_COURSES)
        .then(pl.lit(TOTAL))
        .when(course == _NO_COURSE)
        .then(pl.lit(REMAINDER))
        .otherwise(pl.lit(PART))
    )
    along = [name for name in _KEY if name != "course_id"]
    safe = suppress(figures, count="behind", measures=_MEASURES, groups=[along], k=k, role=role)
    return safe.filter(course != _NO_COURSE).with_columns(
        pl.when(~pl.col("is_suppressed").any().over(_CELL)).then(pl.col(name)).alias(name) for name in _SHARES
    )
