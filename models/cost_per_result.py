"""What a learner, a completion and a retained learner cost, by delivery.

Belongs here: the mart `cost_per_result`. Does not belong here: benefits (`models.roi`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from data_contracts.fields.learning import DELIVERIES
from data_contracts.fields.returns import NOT_STATED
from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.learning_mix import ALL_COURSES
from models.roi import NO_COST, TOO_FEW
from models.roi_book import Book, Ledger, shown

ALL_DELIVERIES = "all"
# Count, the measure over it, and why there is none where nobody is counted.
_RESULTS = (
    ("learners_count", "cost_per_learner_amount", "no learner"),
    ("completions_count", "cost_per_completion_amount", "no completion yet"),
    ("retained_count", "cost_per_retained_amount", "no learner retained"),
)


def cost_per_result(ledger: Ledger) -> pl.DataFrame:
    """The mart `cost_per_result` without publication_id, sorted by its key.

    Each programme has a row 'all', one a delivery, and `not_stated` for time priced by the hour whose delivery no log
    tells. All are divided by the whole programme's learners, completions and retained (active or completed) learners:
    rows add up to 'all', and say how much of each result's cost was delivered how. Whether face-to-face is dearer than
    online is a comparison of programmes, not of these rows, which the same learners stand behind.

    A ratio is null where nobody is counted, and, with its count, where few are, or where few are left (`shown`). Every
    row of a programme of few learners is withheld.
    """
    rows = [row for book in ledger.books() for row in _rows(book)]
    table = MARTS["cost_per_result"]
    schema = schema_of(table, without=("publication_id",))
    return pl.DataFrame(rows, schema=schema).sort([name for name in table.key if name in schema])


def _rows(book: Book) -> list[dict[str, Any]]:
    spent = book.costs.with_columns(pl.col("delivery").fill_null(NOT_STATED))
    given = spent["delivery"].unique().to_list()
    deliveries = [ALL_DELIVERIES] if spent.is_empty() else [ALL_DELIVERIES, *DELIVERIES]
    if NOT_STATED in given:
        deliveries.append(NOT_STATED)
    return [_row(book, spent, delivery) for delivery in deliveries]


def _row(book: Book, spent: pl.DataFrame, delivery: str) -> dict[str, Any]:
    is_small = ALL_COURSES in book.small_courses
    row: dict[str, Any] = {
        "programme_id": book.programme["programme_id"],
        "delivery": delivery,
        "is_suppressed": is_small,
        "currency": book.programme["currency"],
    }
    least = book.settings.least_people
    if is_small:
        return row | {"withheld_reason": TOO_FEW.format(least)}
    counts = book.counts.get(ALL_COURSES, {})
    learners = counts.get("learners_count", 0)
    row |= {name: shown(counts.get(name, 0), learners, least) for name, _, _ in _RESULTS}
    if spent.is_empty():
        reason = f"{NO_COST} in its currency" if book.uncounted() else NO_COST
        return row | {"withheld_reason": reason}
    part = spent if delivery == ALL_DELIVERIES else spent.filter(delivery=delivery)
    cost = round(math.fsum(part["amount"]), 2)
    reasons = book.uncounted() + [
        f"under {least} behind {name.removesuffix('_count')}" if row[name] is None else none
        for name, _, none in _RESULTS
        if not row[name]
    ]
    return (
        row
        | {
            "cost_amount": cost,
            "cost_allocated_share": math.fsum(part.filter("is_allocated")["amount"]) / cost if cost else None,
            "withheld_reason": "; ".join(reasons) or None,
        }
        | _ratios(cost, row)
    )


def _ratios(cost: float, row: Mapping[str, Any]) -> dict[str, float | None]:
    return {measure: round(cost / row[name], 2) if row[name] else None for name, measure, _ in _RESULTS}
