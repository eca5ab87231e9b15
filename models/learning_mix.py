"""Minutes, events, cost and outcome by strand of the 70:20:10 mix, and the costs brought to programmes.

Belongs here: the mix as it was measured beside the programme's own target; a programme's currency; costs of ALL
shared out. Does not belong here: what a strand returned (`models.roi`). The split describes; it weighs no effect,
and missing data is not missing learning: that is what coverage is for.

Frames that this module and `models.roi` share:

`costs`: raw.programme_cost, of which programme_id ('ALL' for a cost of all programmes), course_id (null: no single
course), period_on (a day of the month it belongs to), cost_kind, strand, amount, currency are read.

`evidence`: one row per programme_id, course_id (null: no course, as logged work), strand, month_starts_on,
learner_id, with minutes, events_count, outcome_sum (sum of outcomes from 0 to 1: scores, kept commitments,
confirmed work) and outcomes_count (how many these are; 0 with a sum of 0 where there is none). Several rows of
one key are added up.

`active`: one row per programme_id, course_id (null: mentoring only), month_starts_on, learner_id: enrolments that
were active on some day of the month.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import polars as pl

from data_contracts.fields.learning import STRANDS
from data_contracts.tables.marts import MARTS
from models.contract import conform

ALL_COURSES = "all"
ALL_PROGRAMMES = "ALL"
_COST_SCHEMA = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "period_on": pl.Date,
    "cost_kind": pl.String,
    "strand": pl.String,
    "amount": pl.Float64,
    "currency": pl.String,
    "is_allocated": pl.Boolean,
}
_CENTS = 100


class Allocation(NamedTuple):
    """Costs by programme, and the rows that could not be counted.

    costs: programme_id, course_id, period_on, cost_kind, strand, amount, currency, is_allocated (it was a share of
    ALL); every row in its programme's currency.
    withheld: the same columns and withheld_reason; programme_id is 'ALL' where no programme could take it.
    """

    costs: pl.DataFrame
    withheld: pl.DataFrame


def with_currency(programmes: pl.DataFrame, *money: pl.DataFrame) -> pl.DataFrame:
    """Programmes with `currency` filled where it is not stated: that of all their rows of money, if it is only one.

    Args:
        programmes: programme_id, currency (null where not stated).
        money: frames of programme_id and currency, such as costs and benefits. A programme without rows of its
            own takes the one currency of the rows of ALL; where there are several, it stays null.
    """
    rows = pl.concat([frame.select("programme_id", "currency") for frame in money])
    found = (
        rows.group_by("programme_id")
        .agg(found=pl.col("currency").unique())
        .filter(pl.col("found").list.len() == 1)
        .with_columns(pl.col("found").list.first())
    )
    shared = found.filter(pl.col("programme_id") == ALL_PROGRAMMES)["found"]
    has_own = pl.col("programme_id").is_in(rows["programme_id"].unique().to_list())
    fallback = pl.when(~has_own).then(pl.lit(shared.item() if shared.len() else None, pl.String))
    return (
        programmes.join(found, on="programme_id", how="left")
        .with_columns(currency=pl.coalesce("currency", "found", fallback))
        .drop("found")
    )


def allocate_costs(costs: pl.DataFrame, active: pl.DataFrame, programmes: pl.DataFrame) -> Allocation:
    """Share out the costs of ALL by active participations of their month, to the cent by largest remainder.

    Args:
        costs: see the module; with programmes' own rows, which pass.
        active: see the module. A programme's weight is its learners active in the cost's month (and in its course,
            where the cost names one).
        programmes: programme_id, currency (of `with_currency`).

    No amount is converted: a row, or a share of ALL, in another currency than its programme's is withheld, and so
    is a cost of ALL in a month without any active participation.
    """
    currency = dict(programmes.select("programme_id", "currency").iter_rows())
    kept: list[tuple[object, ...]] = []
    withheld: list[tuple[object, ...]] = []
    names = ("programme_id", "course_id", "period_on", "cost_kind", "strand", "amount", "currency")
    ordered = costs.select(names).sort(names, nulls_last=False)
    weights = _weights(active)
    for programme_id, course_id, period_on, cost_kind, strand, amount, unit in ordered.iter_rows():
        is_allocated = programme_id == ALL_PROGRAMMES
        shares = (
            _in_cents(amount, weights.get((period_on.replace(day=1), course_id), {}))
            if is_allocated
            else {programme_id: amount}
        )
        for owner, part in shares.items():
            row = (owner, course_id, period_on, cost_kind, strand, part, unit, is_allocated)
            if owner not in currency:
                withheld.append((*row, "unknown programme"))
            elif currency[owner] != unit:
                withheld.append((*row, f"in {unit}, not in the programme's currency"))
            else:
                kept.append(row)
        if not shares:
            row = (programme_id, course_id, period_on, cost_kind, strand, amount, unit, is_allocated)
            withheld.append((*row, "no active participation in its month"))
    return Allocation(
        pl.DataFrame(kept, schema=_COST_SCHEMA, orient="row"),
        pl.DataFrame(withheld, schema=_COST_SCHEMA | {"withheld_reason": pl.String}, orient="row"),
    )


def learning_mix(
    evidence: pl.DataFrame, costs: pl.DataFrame, active: pl.DataFrame, programmes: pl.DataFrame
) -> pl.DataFrame:
    """The mart `learning_mix` without publication_id, sorted by its key.

    Args:
        evidence: see the module.
        costs: `Allocation.costs`, with time costs where they were added.
        active: see the module.
        programmes: programme_id, currency (of `with_currency`), target_formal_share, target_social_share,
            target_experiential_share (null where not stated).

    All three strands stand, zeros included, in each programme, course (and 'all') and month with any evidence or
    cost. Evidence and costs without a course count in 'all' alone.

    cost_amount: null for a programme without any cost row, since nothing is known; else 0 where there is none.
    coverage_share: of the learners active in the programme (the course) in the month, those with evidence of the
    strand; 0 where nobody was active. measured_share: of the minutes of the programme, course and month; null where
    there are none. outcome_share: mean of the single outcomes.
    """
    seen = _by_course(evidence)
    spent = _by_course(costs.with_columns(month_starts_on=pl.col("period_on").dt.truncate("1mo")))
    enrolled = _by_course(active).unique([*_CELL, "learner_id"])
    cells = (
        pl.concat([seen.select(_CELL), spent.select(_CELL)])
        .unique()
        .join(pl.DataFrame({"strand": STRANDS}), how="cross")
    )
    learned = seen.group_by(*_CELL, "strand").agg(
        # The order of a sum shows in its last digits, so they are rounded away.
        pl.col("minutes").sum().round(6),
        pl.col("events_count").sum(),
        participants_count=pl.col("learner_id").n_unique(),
        outcome_sum=pl.col("outcome_sum").sum().round(6),
        outcomes_count=pl.col("outcomes_count").sum(),
    )
    cost = spent.group_by(*_CELL, "strand").agg(cost_amount=pl.col("amount").sum().round(2))
    covered = (
        seen.select(*_CELL, "strand", "learner_id")
        .unique()
        .join(enrolled, on=[*_CELL, "learner_id"], how="semi")
        .group_by(*_CELL, "strand")
        .agg(covered=pl.len())
    )
    size = enrolled.group_by(_CELL).agg(active=pl.len())
    key = [*_CELL, "strand"]
    joined = (
        cells.join(learned, on=key, how="left")
        .join(cost, on=key, how="left")
        .join(covered, on=key, how="left")
        .join(size, on=_CELL, how="left")
        .join(programmes.select("programme_id", "currency", *_TARGETS.values()), on="programme_id", how="left")
        .with_columns(pl.col("minutes", "events_count", "participants_count", "outcome_sum", "covered").fill_null(0))
    )
    has_costs = pl.col("programme_id").is_in(costs["programme_id"].unique().to_list())
    measured = pl.col("minutes").sum().over(_CELL)
    return conform(
        joined.with_columns(
            cost_amount=pl.when(has_costs).then(pl.col("cost_amount").fill_null(0.0)),
            outcome_share=pl.when(pl.col("outcomes_count") > 0).then(pl.col("outcome_sum") / pl.col("outcomes_count")),
            coverage_share=(pl.col("covered") / pl.col("active")).fill_null(0.0),
            measured_share=pl.when(measured > 0).then((pl.col("minutes") / measured).round(6)),
            target_share=pl.coalesce(
                pl.when(pl.col("strand") == strand).then(pl.col(target)) for strand, target in _TARGETS.items()
            ),
        ),
        MARTS["learning_mix"],
        without=("publication_id",),
    ).sort(key)


_CELL = ("programme_id", "course_id", "month_starts_on")
_TARGETS = {strand: f"target_{strand}_share" for strand in STRANDS}


def _by_course(rows: pl.DataFrame) -> pl.DataFrame:
    """Every row once under 'all', and once more under its course where it has one."""
    return pl.concat(
        [
            rows.with_columns(course_id=pl.lit(ALL_COURSES)),
            rows.filter(pl.col("course_id").is_not_null()),
        ]
    )


def _weights(active: pl.DataFrame) -> dict[tuple[date, str | None], dict[str, int]]:
    """Active learners by programme, for each month and each month's course; None stands for any course."""
    weights: dict[tuple[date, str | None], dict[str, int]] = {}
    any_course = active.with_columns(course_id=pl.lit(None, pl.String))
    both = pl.concat([any_course, active.filter(pl.col("course_id").is_not_null())])
    counted = both.group_by("month_starts_on", "course_id", "programme_id").agg(pl.col("learner_id").n_unique())
    for month, course_id, programme_id, learners in counted.sort("programme_id").iter_rows():
        weights.setdefault((month, course_id), {})[programme_id] = learners
    return weights


def _in_cents(amount: float, weights: dict[str, int]) -> dict[str, float]:
    """Split an amount by weights into whole cents that add up to it: Hamilton's largest remainder, ties by name."""
    total = sum(weights.values())
    cents = round(amount * _CENTS)
    parts = {name: divmod(cents * weight, total) for name, weight in weights.items()}
    left = cents - sum(whole for whole, _ in parts.values())
    first = sorted(parts, key=lambda name: (-parts[name][1], name))[:left]
    return {name: (whole + (name in first)) / _CENTS for name, (whole, _) in parts.items()}
