"""What a programme cost: its currency, costs of ALL shared out, time that is costed by the hour.

Belongs here: costs brought to programmes, and loaded. Does not belong here: what was gained for them (`models.roi`).

Frames that this module, `models.learning_mix` and `models.roi` share:

`costs`: raw.programme_cost, of which programme_id ('ALL' for a cost of all programmes), course_id (null: no single
course), period_on (a day of the month it belongs to), cost_kind, strand, delivery, amount, currency are read.

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

ALL_PROGRAMMES = "ALL"
_COST_SCHEMA = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "period_on": pl.Date,
    "cost_kind": pl.String,
    "strand": pl.String,
    "delivery": pl.String,
    "amount": pl.Float64,
    "currency": pl.String,
    "is_allocated": pl.Boolean,
    "is_priced": pl.Boolean,
}
_CENTS = 100


class Allocation(NamedTuple):
    """Costs by programme, and the rows that could not be counted.

    costs: programme_id, course_id, period_on, cost_kind, strand, delivery, amount, currency, is_allocated (it was a
    share of ALL), is_priced (minutes at an hourly rate, of `with_time_costs`); every row in its programme's currency.
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
    names = ("programme_id", "course_id", "period_on", "cost_kind", "strand", "delivery", "amount", "currency")
    ordered = costs.select(names).sort(names, nulls_last=False)
    weights = _weights(active)
    for programme_id, course_id, period_on, cost_kind, strand, delivery, amount, unit in ordered.iter_rows():
        is_allocated = programme_id == ALL_PROGRAMMES
        shares = (
            _in_cents(amount, weights.get((period_on.replace(day=1), course_id), {}))
            if is_allocated
            else {programme_id: amount}
        )
        for owner, part in shares.items():
            row = (owner, course_id, period_on, cost_kind, strand, delivery, part, unit, is_allocated, False)
            if owner not in currency:
                withheld.append((*row, "unknown programme"))
            elif currency[owner] != unit:
                withheld.append((*row, f"in {unit}, not in the programme's currency"))
            else:
                kept.append(row)
        if not shares:
            row = (programme_id, course_id, period_on, cost_kind, strand, delivery, amount, unit, is_allocated, False)
            withheld.append((*row, "no active participation in its month"))
    return Allocation(
        pl.DataFrame(kept, schema=_COST_SCHEMA, orient="row"),
        pl.DataFrame(withheld, schema=_COST_SCHEMA | {"withheld_reason": pl.String}, orient="row"),
    )


def with_time_costs(
    costs: pl.DataFrame,
    evidence: pl.DataFrame,
    mentor_minutes: pl.DataFrame,
    programmes: pl.DataFrame,
    courses: pl.DataFrame,
) -> pl.DataFrame:
    """Costs with learner_time and mentor_time added as minutes x hourly rate where no such row is given.

    Args:
        costs: `Allocation.costs`.
        evidence: see `models.learning_mix`; all measured minutes of every strand are charged, the most conservative
            option.
        mentor_minutes: programme_id, course_id (null), month_starts_on, delivery (null: channel not logged), minutes:
            sessions held, group sessions once; booked on the social strand.
        programmes: programme_id, currency, learner_hour_amount, mentor_hour_amount (null where not stated).
        courses: course_id, delivery (null where not stated), which the learners' minutes in the course take.

    A programme with a row of a kind takes none of that kind added; one without any cost row takes none at all, since
    time alone would look like a cheap programme.
    """
    cell = ("programme_id", "course_id", "month_starts_on")
    learner = evidence.group_by(*cell, "strand").agg(pl.col("minutes").sum()).join(courses, on="course_id", how="left")
    mentor = mentor_minutes.group_by(*cell, "delivery").agg(pl.col("minutes").sum())
    added = []
    for kind, rate, minutes in (
        ("learner_time", "learner_hour_amount", learner),
        ("mentor_time", "mentor_hour_amount", mentor.with_columns(strand=pl.lit("social"))),
    ):
        given = costs.filter(pl.col("cost_kind") == kind)
        priced = (
            minutes.join(programmes.select("programme_id", "currency", rate=rate), on="programme_id")
            .join(costs, on="programme_id", how="semi")
            .join(given, on="programme_id", how="anti")
            .filter(pl.col("rate").is_not_null() & (pl.col("minutes") > 0))
            .with_columns(
                period_on=pl.col("month_starts_on"),
                cost_kind=pl.lit(kind),
                amount=(pl.col("minutes").round(6) / 60 * pl.col("rate")).round(2),
                is_allocated=pl.lit(value=False),
                is_priced=pl.lit(value=True),
            )
        )
        added.append(priced.select(costs.columns))
    return pl.concat([costs, *added]).sort(costs.columns)


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
