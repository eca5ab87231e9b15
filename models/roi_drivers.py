"""What moves an ROI: one input at a time to its lower and upper end, all others at their estimates.

Belongs here: one-at-a-time sensitivity. Does not belong here: the joint interval (`models.roi_draws`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.special import ndtri

from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.learning_mix import ALL_COURSES
from models.roi import CONTRASTS
from models.roi_book import Book, Ledger
from models.roi_draws import Cost, Effect, ROISettings, Worth, roi_percent

# Inputs of which no error is known are moved by a fifth.
_STATED_ERROR_SHARE = 0.2
_INTERVAL = "95 % interval"
_Z = float(ndtri(0.975))


class _Move(NamedTuple):
    """An input at two ends, and the benefit and the cost there."""

    factor: str
    unit: str
    inputs: tuple[float, float]
    benefits: tuple[float, float]
    costs: tuple[float, float]
    basis: str


def roi_driver(ledger: Ledger, roi: pl.DataFrame) -> pl.DataFrame:
    """The mart `roi_driver` without publication_id, sorted by its key.

    Args:
        ledger: the night's.
        roi: `programme_roi` of it; its headline rows that have an ROI are moved.

    effect: ends of its 95 % interval. completing_share: 95 % interval of past runs' counts. value (of a completion, or
    the unit values of benefit rows) and attribution: a fifth less and more, attribution up to 1. confidence: every
    estimate at the lower, and at the upper end of its error. allocated_cost, priced_time: 95 % of their assumed error.
    time_counted: without, and with the cost of people's time.
    """
    headlines = roi.filter("is_headline", pl.col("roi_percent").is_not_null())
    wanted: dict[str, list[dict[str, Any]]] = {}
    for row in headlines.iter_rows(named=True):
        wanted.setdefault(row["programme_id"], []).append(row)
    rows = [
        moved
        for book in ledger.books()
        for row in wanted.get(book.programme["programme_id"], ())
        for moved in _of(book, row)
    ]
    table = MARTS["roi_driver"]
    schema = schema_of(table, without=("publication_id",))
    return pl.DataFrame(rows, schema=schema).sort([name for name in table.key if name in schema])


def _of(book: Book, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    scope = book.scope(ALL_COURSES, row["component"])
    cost = scope.cost
    if cost is None:
        return
    if row["isolation"] == "attribution":
        moves = _by_attribution(scope.benefits, cost)
    elif (completing := scope.completing) is not None and (value := book.value()) is not None:
        contrast = CONTRASTS[row["isolation"]]
        treated = (
            book.effects[contrast]["treated_count"] if row["isolation"] == "holdout" else scope.counts["mentored_count"]
        )
        moves = _by_effect(book.effect(contrast), Worth(treated, value, completing), cost)
    else:
        return
    moved = [*moves, *_by_cost(row["benefit_amount"], cost, book.settings)]
    ranked = sorted(((_ends(move), move) for move in moved), key=lambda pair: (-abs(pair[0][1] - pair[0][0]), pair[1]))
    for place, ((at_low, at_high), move) in enumerate(ranked, start=1):
        yield {
            "programme_id": row["programme_id"],
            "component": row["component"],
            "isolation": row["isolation"],
            "factor": move.factor,
            "input_unit": move.unit,
            "low_input": move.inputs[0],
            "high_input": move.inputs[1],
            "roi_percent": row["roi_percent"],
            "roi_at_low_percent": at_low,
            "roi_at_high_percent": at_high,
            "swing_points": abs(at_high - at_low),
            "driver_rank": place,
            "input_basis": move.basis,
        }


def _ends(move: _Move) -> tuple[float, float]:
    low, high = (roi_percent(benefit, cost) for benefit, cost in zip(move.benefits, move.costs, strict=True))
    return low, high


def _by_effect(effect: Effect, worth: Worth, cost: Cost) -> list[_Move]:
    def benefit(estimate: float, value: float, share: float) -> float:
        return -estimate * worth.mentored_count * value * share

    share, same = worth.completing.share, (cost.amount, cost.amount)
    effects = (effect.estimate - _Z * effect.error, effect.estimate + _Z * effect.error)
    shares = tuple(float(end) for end in worth.completing.quantiles(np.array([0.025, 0.975])))
    values = (worth.value * (1 - _STATED_ERROR_SHARE), worth.value * (1 + _STATED_ERROR_SHARE))
    return [
        _Move(
            "effect",
            "percentage points",
            (effects[0] * 100, effects[1] * 100),
            (benefit(effects[0], worth.value, share), benefit(effects[1], worth.value, share)),
            same,
            _INTERVAL,
        ),
        _Move(
            "completing_share",
            "share",
            (shares[0], shares[1]),
            (benefit(effect.estimate, worth.value, shares[0]), benefit(effect.estimate, worth.value, shares[1])),
            same,
            f"{_INTERVAL} of past runs",
        ),
        _Move(
            "value",
            "currency a completion",
            values,
            (benefit(effect.estimate, values[0], share), benefit(effect.estimate, values[1], share)),
            same,
            "assumed: a fifth less and more",
        ),
    ]


def _by_attribution(benefits: pl.DataFrame, cost: Cost) -> list[_Move]:
    worth = (benefits["quantity"] * benefits["unit_value_amount"]).to_list()
    shares, confidences = benefits["attribution_share"].to_list(), benefits["confidence_share"].to_list()
    same = (cost.amount, cost.amount)

    def benefit(attributions: Sequence[float], factor: Callable[[float], float] = lambda _: 1.0) -> float:
        rows = zip(worth, attributions, confidences, strict=True)
        return math.fsum(amount * share * factor(confidence) for amount, share, confidence in rows)

    def mean(numbers: Sequence[float], weights: Sequence[float]) -> float:
        total = sum(map(abs, weights))
        return sum(abs(w) * number for number, w in zip(numbers, weights, strict=True)) / total if total else 0.0

    less = [share * (1 - _STATED_ERROR_SHARE) for share in shares]
    more = [min(1.0, share * (1 + _STATED_ERROR_SHARE)) for share in shares]
    estimate = benefit(shares)
    confidence = mean(confidences, [amount * share for amount, share in zip(worth, shares, strict=True)])
    return [
        _Move(
            "attribution",
            "share",
            (mean(less, worth), mean(more, worth)),
            (benefit(less), benefit(more)),
            same,
            "assumed: a fifth less and more, up to 1",
        ),
        _Move(
            "confidence",
            "times the estimates",
            (confidence, 2 - confidence),
            (benefit(shares, lambda c: c), benefit(shares, lambda c: 2 - c)),
            same,
            "error that the confidence allows",
        ),
        _Move(
            "value",
            "times the unit values",
            (1 - _STATED_ERROR_SHARE, 1 + _STATED_ERROR_SHARE),
            (estimate * (1 - _STATED_ERROR_SHARE), estimate * (1 + _STATED_ERROR_SHARE)),
            same,
            "assumed: a fifth less and more",
        ),
    ]


def _by_cost(benefit: float, cost: Cost, settings: ROISettings) -> Iterator[_Move]:
    """Moves of the parts of a cost that are there."""
    parts = (
        ("allocated_cost", cost.allocated, settings.allocated_error_share),
        ("priced_time", cost.priced, settings.priced_error_share),
    )
    for factor, part, error in parts:
        if part:
            ends = (part * (1 - _Z * error), part * (1 + _Z * error))
            costs = (cost.amount - part + ends[0], cost.amount - part + ends[1])
            yield _Move(factor, "currency", ends, (benefit, benefit), costs, f"assumed standard error {error:.0%}")
    if 0 < cost.of_time < cost.amount:
        costs = (cost.amount - cost.of_time, cost.amount)
        yield _Move(
            "time_counted",
            "currency",
            (0.0, cost.of_time),
            (benefit, benefit),
            costs,
            "without, and with people's time",
        )
