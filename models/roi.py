"""What a programme cost and returned (Phillips), with intervals, or why it cannot be said.

Belongs here: rows of the mart `programme_roi`: which benefit stands against which cost, by isolation, and its verdict.
Does not belong here: the arithmetic (`models.roi_draws`), what is brought together (`models.roi_book`), the effect
itself (`models.effect`), any ranking by money.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from data_contracts.fields.learning import STRANDS
from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.learning_mix import ALL_COURSES
from models.roi_book import Book, Ledger, Scope, shown
from models.roi_draws import Return, Worth, attribution_return, break_even_effect_points, effect_return, roi_percent

ALL_STRANDS = "all"
METHODS = ("full", "conservative")
# Isolations by an estimated effect, and the contrast that each reads.
CONTRASTS = {"effect": "matched", "holdout": "routed"}

NO_COST = "no cost data"
NO_MENTORING_COST = "no mentoring cost data"
NO_ISOLATION = "no isolation of the effect: needs benefit rows with attribution, a hold-out or a usable effect"
ROWS_WIN = "benefit rows win over the value per completion"
NO_ROW_COUNTS = "no benefit row counts: see roi_principle"
NOT_BY_STRAND = "not isolated by strand"
NOT_BY_COURSE = "the effect of mentoring is not isolated by course"
MENTORING_ONLY = "the effect is that of mentoring alone: see component mentoring"
NO_EFFECT_ROW = "the effect of mentoring is not estimated for this programme"
NO_COMPLETION_VALUE = "no value per completion"
NO_COMPLETION_SHARE = "share of active participations that complete is not known"
NO_MENTORED = "nobody was mentored"
NOT_FROM_ZERO = "the effect is not distinguishable from zero"
LOWER_BOUND = "the benefit is that of the learners in the lottery alone, the cost that of all mentoring"
TOO_FEW = "fewer than {} people, or next to a row with so few"

_LEAST_CONFIDENCE = 0.5


def programme_roi(ledger: Ledger) -> pl.DataFrame:
    """The mart `programme_roi` without publication_id, sorted by its key.

    Rows: programme, 'all' and each course that a cost or a benefit names, 'all' strands and each strand, component,
    method, isolation. Strand rows have their cost alone. Component programme: `attribution` where benefit rows are
    given; `none` where they are not, or where a value per completion stands beside them. `none` rows show what all
    completions would be worth, and claim none of it. Both components have `effect`; its benefit is the mentoring
    component's, for the whole programme, as is that of `holdout`, which stands where learners were routed by lot.
    A programme without any cost has one row that says so.

    The break-even effect is given for 'all' courses where a value per completion is stated (it is the value of a
    completed programme); with an unknown share of completing it is the least effect that could pay back.

    method conservative: estimates x confidence, with one error for all; the unfavourable end of the effect's interval,
    and of the mentored those alone whom the estimate was made on.

    Verdict: cannot_say where the ROI is null; weak where its interval holds zero, where the confidence of the
    benefit rows is under one half on average (by benefit), where the effect is weak or its own interval holds zero (an
    ROI under -100 % would call mentoring harmful), or where the cost is not fully loaded; else usable. A hold-out's
    benefit is a lower bound, so its row is usable only where the bound says enough.

    is_headline: for each programme (all courses and strands, method full) the row to read: component programme
    `attribution`, else `none`; component mentoring a usable `holdout`, else `effect` if it says something, else a
    `holdout` that does, else `effect`.
    """
    rows = [row for book in ledger.books() for row in _Rows(book).all()]
    table = MARTS["programme_roi"]
    schema = schema_of(table, without=("publication_id",))
    return pl.DataFrame(rows, schema=schema).sort([name for name in table.key if name in schema])


def break_even_points(ledger: Ledger) -> dict[str, float]:
    """By programme, the effect in points that would pay its mentoring back; those without cost or value are left out."""
    found = {}
    for book in ledger.books():
        scope = book.scope(ALL_COURSES, "mentoring")
        points = _break_even(book, scope, scope.counts.get("mentored_count", 0))
        if points is not None:
            found[str(book.programme["programme_id"])] = points
    return found


def _break_even(book: Book, scope: Scope, mentored: int) -> float | None:
    """With an unknown share of completing it is the least effect that could pay back; only of a whole programme."""
    value, completing, cost = book.value(), scope.completing, scope.cost
    if scope.course_id != ALL_COURSES or cost is None or not mentored or not value:
        return None
    worth = value * (1.0 if completing is None else completing.share)
    return break_even_effect_points(cost.amount, mentored, worth) if worth else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A benefit with the doubts about it, or the reason why there is none; break-even beside either."""

    found: Return | None = None
    value_source: str | None = None
    doubts: tuple[str, ...] = ()
    reason: str | None = None
    break_even: float | None = None
    shows_completions: bool = False


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one programme."""

    book: Book

    def all(self) -> list[dict[str, Any]]:
        rows = list(self._rows())
        for component in ("programme", "mentoring"):
            for row in sorted((row for row in rows if row["component"] == component), key=_readability)[:1]:
                row["is_headline"] = True
        return rows

    def _rows(self) -> Iterator[dict[str, Any]]:
        if self.book.costs.is_empty():
            reason = f"{NO_COST} in its currency" if self.book.uncounted() else NO_COST
            scope = self.book.scope(ALL_COURSES, "programme")
            claim = _Claim(reason=reason, shows_completions=True)
            yield self._row(scope, ALL_STRANDS, "full", "none", claim)
            return
        for course_id in (ALL_COURSES, *self.book.courses()):
            for component in ("programme", "mentoring"):
                scope = self.book.scope(course_id, component)
                for method in METHODS:
                    yield from self._scope_rows(scope, method)

    def _scope_rows(self, scope: Scope, method: str) -> Iterator[dict[str, Any]]:
        for strand in STRANDS:
            claim = _Claim(reason=NOT_BY_STRAND)
            yield self._row(scope.of_strand(strand), strand, method, "none", claim)
        yield self._row(scope, ALL_STRANDS, method, "effect", self._by_effect(scope, method, "effect"))
        if scope.component == "mentoring":
            if scope.course_id == ALL_COURSES and self._treated("holdout"):
                yield self._row(scope, ALL_STRANDS, method, "holdout", self._by_effect(scope, method, "holdout"))
            return
        has_rows = not scope.benefits.is_empty()
        if has_rows:
            yield self._row(scope, ALL_STRANDS, method, "attribution", self._by_attribution(scope, method))
        if not has_rows or self.book.value() is not None:
            uncounted = NO_ROW_COUNTS if not self.book.benefits.is_empty() else NO_ISOLATION
            claim = _Claim(reason=ROWS_WIN if has_rows else uncounted, shows_completions=True)
            yield self._row(scope, ALL_STRANDS, method, "none", claim)

    def _by_attribution(self, scope: Scope, method: str) -> _Claim:
        found = attribution_return(scope.estimates, scope.cost, method=method, settings=self.book.settings)
        doubts = self.book.cost_doubts(scope)
        if _mean_confidence(scope) < _LEAST_CONFIDENCE:
            doubts.append("confidence under one half")
        return _Claim(
            found=found,
            value_source="benefit_rows",
            doubts=tuple(doubts),
            reason=None if scope.cost is not None and scope.cost.amount else NO_COST,
        )

    def _by_effect(self, scope: Scope, method: str, isolation: str) -> _Claim:
        """Benefit of the effect of mentoring, or the first reason why there is none; always with the break-even."""
        value, completing, cost = self.book.value(), scope.completing, scope.cost
        treated = self._treated(isolation)
        mentored = treated if isolation == "holdout" else scope.counts.get("mentored_count", 0)
        is_few = isolation == "holdout" and mentored < self.book.settings.least_people
        points = None if is_few else _break_even(self.book, scope, mentored)
        reason = self._refusal(scope, isolation, mentored)
        if reason is not None or cost is None or value is None or completing is None:
            return _Claim(reason=reason, break_even=points)
        found = effect_return(
            self.book.effect(CONTRASTS[isolation]),
            Worth(min(mentored, treated) if method == "conservative" else mentored, value, completing),
            cost,
            method=method,
            settings=self.book.settings,
        )
        doubts, row = self.book.cost_doubts(scope), self.book.effects[CONTRASTS[isolation]]
        if row["verdict"] == "weak":
            doubts.append("the effect is weak")
        if row["effect_low_points"] <= 0 <= row["effect_high_points"]:
            doubts.append(NOT_FROM_ZERO)
        if isolation == "holdout" and (found.roi_low is None or found.roi_low <= 0):
            doubts.append(LOWER_BOUND)
        return _Claim(found=found, value_source="completion_value", doubts=tuple(doubts), break_even=points)

    def _refusal(self, scope: Scope, isolation: str, mentored: int) -> str | None:
        """The first reason why an effect gives this row no benefit."""
        effect = self.book.effects.get(CONTRASTS[isolation])
        refused = (
            (effect is None, NO_EFFECT_ROW),
            (effect is not None and effect["verdict"] == "cannot_say", (effect or {}).get("reason")),
            (scope.course_id != ALL_COURSES, NOT_BY_COURSE),
            (scope.component != "mentoring", MENTORING_ONLY),
            (scope.cost is None or not scope.cost.amount, NO_MENTORING_COST),
            (not self.book.value(), NO_COMPLETION_VALUE),
            (scope.completing is None or not scope.completing.completed_count, NO_COMPLETION_SHARE),
            (not mentored, NO_MENTORED),
        )
        return next((why or NO_EFFECT_ROW for is_so, why in refused if is_so), None)

    def _treated(self, isolation: str) -> int:
        """How many the effect was estimated on."""
        row = self.book.effects.get(CONTRASTS[isolation])
        return 0 if row is None else int(row["treated_count"])

    def _row(self, scope: Scope, strand: str, method: str, isolation: str, claim: _Claim) -> dict[str, Any]:
        starts_on, ends_on = self.book.period()
        cost, learners = scope.cost, scope.counts.get("learners_count", 0)
        completions = shown(scope.counts.get("completions_count", 0), learners, self.book.settings.least_people)
        row: dict[str, Any] = {
            "programme_id": self.book.programme["programme_id"],
            "course_id": scope.course_id,
            "strand": strand,
            "component": scope.component,
            "method": method,
            "isolation": isolation,
            "is_headline": False,
            "is_suppressed": scope.is_small,
            "period_starts_on": starts_on,
            "period_ends_on": ends_on,
            "currency": self.book.programme["currency"],
            "verdict": "cannot_say",
        }
        if scope.is_small:
            return row | {"withheld_reason": TOO_FEW.format(self.book.settings.least_people)}
        value = self.book.value() if claim.shows_completions and scope.course_id == ALL_COURSES else None
        row |= {
            "learners_count": learners,
            "completions_count": completions,
            "cost_amount": cost and cost.amount,
            "cost_allocated_amount": cost and cost.allocated,
            "cost_of_time_amount": cost and cost.of_time,
            "cost_priced_amount": cost and cost.priced,
            "completions_value_amount": None if completions is None or value is None else round(completions * value, 2),
            "break_even_effect_points": claim.break_even,
            "withheld_reason": claim.reason,
        }
        return row if claim.found is None else row | self._figures(row, claim, claim.found)

    def _figures(self, row: dict[str, Any], claim: _Claim, found: Return) -> dict[str, Any]:
        figures: dict[str, Any] = {
            "value_source": claim.value_source,
            "benefit_amount": round(found.benefit, 2),
            "benefit_low_amount": round(found.low, 2),
            "benefit_high_amount": round(found.high, 2),
            "abandonments_avoided_count": found.avoided,
        }
        if found.roi_low is None or found.roi_high is None:
            return figures
        cost, doubts = row["cost_amount"], list(claim.doubts)
        if found.roi_low <= 0 <= found.roi_high:
            doubts.append("the interval holds zero")
        figures |= {
            "roi_percent": roi_percent(found.benefit, cost),
            "roi_low_percent": found.roi_low,
            "roi_high_percent": found.roi_high,
            "benefit_cost_ratio": found.benefit / cost,
            "roi_positive_probability": found.positive_probability,
            "roi_positive_prior_probability": found.prior_probability,
            "verdict": "weak" if doubts else "usable",
            "withheld_reason": "; ".join(doubts) or None,
        }
        if found.benefit > 0 and row["period_starts_on"] is not None:
            days = (row["period_ends_on"] - row["period_starts_on"]).days + 1
            figures["payback_days"] = cost / (found.benefit / days)
        return figures


def _readability(row: dict[str, Any]) -> tuple[bool, int]:
    """Order in which the rows of one component are to be read."""
    is_whole = (row["course_id"], row["strand"], row["method"]) == (ALL_COURSES, ALL_STRANDS, "full")
    has_roi = row.get("roi_percent") is not None
    if row["component"] == "programme":
        place = ("attribution", "none", "effect").index(row["isolation"])
    elif row["isolation"] == "holdout":
        place = 0 if row["verdict"] == "usable" else 2 if has_roi else 4
    else:
        place = 1 if has_roi else 3
    return not is_whole, place


def _mean_confidence(scope: Scope) -> float:
    """Confidence of the rows, weighted by the size of their benefit; 1 where there is no benefit to doubt."""
    size = sum(abs(amount) for amount, _ in scope.estimates)
    return sum(abs(amount) * confidence for amount, confidence in scope.estimates) / size if size else 1.0
