"""What a programme cost and returned (Phillips), with intervals, or why it cannot be said.

Belongs here: fully loaded cost, benefit by isolation, ROI, benefit-cost ratio, payback, break-even effect.
Does not belong here: the effect itself (`models.effect`), the mix (`models.learning_mix`), any ranking by money.

ROI% = (benefit - cost) / cost x 100; BCR = benefit / cost; payback = cost / (benefit / days of the period).
Principles kept: isolate, the most conservative option, first-year benefits for short programmes, fully loaded cost,
no data no improvement. Cost is taken as recorded. Frames `costs`, `evidence`: see `models.learning_mix`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from data_contracts.fields.learning import STRANDS
from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.learning_mix import ALL_COURSES

# Component mentoring: what would not have been spent without mentors. Coordination is theirs where it is booked on
# the social strand; on others it is the programme's.
MENTORING_COST_KINDS = ("mentor_training", "mentor_time")
COORDINATION = "coordination"
ALL_STRANDS = "all"
METHODS = ("full", "conservative")

NO_COST = "no cost data"
NO_MENTORING_COST = "no mentoring cost data"
NO_ISOLATION = "no isolation of the effect: needs benefit rows with attribution, a hold-out or a usable effect"
ROWS_WIN = "benefit rows win over the value per completion"
NOT_BY_STRAND = "not isolated by strand"
NOT_BY_COURSE = "the effect of mentoring is not isolated by course"
MENTORING_ONLY = "the effect is that of mentoring alone: see component mentoring"
NO_EFFECT_ROW = "the effect of mentoring is not estimated for this programme"
NO_COMPLETION_VALUE = "no value per completion"
NO_COMPLETION_SHARE = "share of active participations that complete is not known"
NO_MENTORED = "nobody was mentored"

_INTERVAL = (2.5, 97.5)
_Z = float(norm.ppf(0.975))
_FIRST_YEAR = timedelta(days=365)
_LEAST_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class ROISettings:
    """Seed and number of the Monte Carlo draws."""

    seed: int = 20
    draws: int = 10_000


DEFAULTS = ROISettings()


@dataclass(frozen=True, slots=True)
class Return:
    """Benefit of one row with its 95 % interval and the probability that it exceeds the cost (None: no cost)."""

    benefit: float
    low: float
    high: float
    positive_probability: float | None


def roi_percent(benefit: float, cost: float) -> float:
    """(benefit - cost) / cost x 100."""
    return (benefit - cost) / cost * 100


def break_even_effect_points(cost: float, mentored_count: int, value_per_retained: float) -> float:
    """Percentage points of abandonment that must be avoided among the mentored to pay the cost back."""
    return cost / (mentored_count * value_per_retained) * 100


def effect_return(
    *, effect: float, low: float, high: float, mentored_count: int, value_per_retained: float, cost: float
) -> Return:
    """Benefit of an effect on abandonment (share, negative is good) with its 95 % interval.

    Benefit = -effect x mentored x value per retained learner; the interval's ends likewise. The effect is taken as
    normal with SE = (high - low) / (2 x 1.96), so P(benefit > cost) = Phi((-effect - break-even) / SE), closed form.
    """
    worth = mentored_count * value_per_retained
    error = (high - low) / (2 * _Z)
    gain = -effect - cost / worth
    probability = float(norm.cdf(gain / error)) if error > 0 else float(gain > 0)
    return Return(-effect * worth, -high * worth, -low * worth, probability)


def attribution_return(
    benefits: pl.DataFrame, cost: float | None, *, method: str, settings: ROISettings = DEFAULTS
) -> Return:
    """Benefit of participants' estimates: the sum of quantity x unit value x attribution, by Monte Carlo.

    A confidence c is read as a relative error of up to +-(1 - c) (Phillips), triangular around the estimate.
    full: the estimates as they are, their errors independent. conservative: each estimate x c, the lower end of its
    error, and one common error for all rows, since people who overrate one gain overrate the others.
    The 95 % interval is that of the draws, held to contain the estimate.
    """
    ordered = benefits.sort(
        "course_id", "period_on", "metric", "quantity", "unit_value_amount", "attribution_share", "confidence_share"
    )
    generator = np.random.default_rng(settings.seed)
    common = generator.triangular(-1.0, 0.0, 1.0, settings.draws)
    is_conservative = method == "conservative"
    benefit = 0.0
    drawn = np.zeros(settings.draws)
    for quantity, unit_value, attribution, confidence in ordered.select(
        "quantity", "unit_value_amount", "attribution_share", "confidence_share"
    ).iter_rows():
        estimate = quantity * unit_value * attribution * (confidence if is_conservative else 1.0)
        error = common if is_conservative else generator.triangular(-1.0, 0.0, 1.0, settings.draws)
        benefit += estimate
        drawn += estimate * (1.0 + (1.0 - confidence) * error)
    low, high = (float(end) for end in np.percentile(drawn, _INTERVAL))
    probability = None if cost is None else float((drawn > cost).mean())
    return Return(benefit, min(low, benefit), max(high, benefit), probability)


def with_time_costs(
    costs: pl.DataFrame, evidence: pl.DataFrame, mentor_minutes: pl.DataFrame, programmes: pl.DataFrame
) -> pl.DataFrame:
    """Costs with learner_time and mentor_time added as minutes x hourly rate where no such row is given.

    Args:
        costs: `Allocation.costs`.
        evidence: see `models.learning_mix`; all measured minutes of every strand are charged, the most conservative
            option.
        mentor_minutes: programme_id, course_id (null), month_starts_on, minutes: sessions held, group sessions once;
            booked on the social strand.
        programmes: programme_id, currency, learner_hour_amount, mentor_hour_amount (null where not stated).

    A programme with a row of a kind takes none of that kind added; one without any cost row takes none at all, since
    time alone would look like a cheap programme.
    """
    learner = evidence.group_by("programme_id", "course_id", "strand", "month_starts_on").agg(pl.col("minutes").sum())
    mentor = mentor_minutes.group_by("programme_id", "course_id", "month_starts_on").agg(pl.col("minutes").sum())
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
            )
        )
        added.append(priced.select(costs.columns))
    return pl.concat([costs, *added]).sort(costs.columns)


def programme_roi(  # noqa: PLR0913 - one argument a table
    programmes: pl.DataFrame,
    costs: pl.DataFrame,
    benefits: pl.DataFrame,
    counts: pl.DataFrame,
    *,
    withheld: pl.DataFrame,
    effects: pl.DataFrame,
    observed_on: date,
    settings: ROISettings = DEFAULTS,
) -> pl.DataFrame:
    """The mart `programme_roi` without publication_id, sorted by its key.

    Args:
        programmes: programme_id, currency (of `with_currency`), starts_on, ends_on, value_per_completion_amount
            (null where not stated).
        costs: `Allocation.costs`, with time costs where they were added.
        benefits: raw.programme_benefit, of which programme_id, course_id, period_on, metric, quantity,
            unit_value_amount, attribution_share, confidence_share, currency are read. Rows in another currency than
            the programme's and rows after the first year from its end are not counted.
        counts: programme_id, course_id (null: the whole programme), learners_count, completions_count,
            mentored_count, completes_given_active_share (share of those still active after 8 weeks who complete,
            from past runs; null where not known).
        withheld: `Allocation.withheld`: a programme with such rows is not fully costed, and says so.
        effects: mart `mentoring_effect`; ROI reads the contrast `matched`. A row that cannot say gives its reason.
        observed_on: tonight's date; costs and benefits after it are not counted.
        settings: seed and draws.

    Rows: programme, 'all' and each course that a cost or a benefit names, 'all' strands and each strand, component,
    method, isolation. Strand rows have their cost alone. Component programme: `attribution` where benefit rows are
    given; `none` where they are not, or where a value per completion stands beside them: a completion is claimed
    without isolation by nobody. Both components have `effect`; its benefit is the mentoring component's, for the
    whole programme. A programme without any cost has one row that says so.

    The break-even effect is given for 'all' courses where a value per completion is stated (it is the value of a
    completed programme); with an unknown share of completing it is the least effect that could pay back. The method
    conservative takes the unfavourable end of the effect's interval.

    Verdict: cannot_say where the ROI is null; weak where its interval holds zero, where the confidence of the
    benefit rows is under one half on average (by benefit), or where the cost is not fully loaded; else usable.
    """
    matched = {
        row["programme_id"]: row for row in effects.filter(pl.col("contrast") == "matched").iter_rows(named=True)
    }
    rows: list[dict[str, Any]] = []
    for programme in programmes.sort("programme_id").iter_rows(named=True):
        of_this = pl.col("programme_id") == programme["programme_id"]
        known = of_this & (pl.col("period_on") <= observed_on)
        last_on = (programme["ends_on"] or observed_on) + _FIRST_YEAR
        in_currency = pl.col("currency") == pl.lit(programme["currency"], pl.String)
        book = _Book(
            programme=programme,
            costs=costs.filter(known),
            benefits=benefits.filter(known & in_currency & (pl.col("period_on") <= last_on)),
            counts={row["course_id"] or ALL_COURSES: row for row in counts.filter(of_this).iter_rows(named=True)},
            effect=matched.get(programme["programme_id"]),
            has_withheld_costs=withheld.filter(of_this).height > 0,
            observed_on=observed_on,
            settings=settings,
        )
        rows.extend(book.rows())
    table = MARTS["programme_roi"]
    schema = schema_of(table, without=("publication_id",))
    return pl.DataFrame(rows, schema=schema).sort([name for name in table.key if name in schema])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Book:
    """Everything about one programme, and its rows."""

    programme: Mapping[str, Any]
    costs: pl.DataFrame
    benefits: pl.DataFrame
    counts: Mapping[str, Mapping[str, Any]]
    effect: Mapping[str, Any] | None
    has_withheld_costs: bool
    observed_on: date
    settings: ROISettings

    def rows(self) -> Iterator[dict[str, Any]]:
        if self.costs.is_empty():
            reason = f"{NO_COST} in its currency" if self.has_withheld_costs else NO_COST
            scope = self._scope(ALL_COURSES, "programme")
            yield self._row(scope, ALL_STRANDS, "full", "none", _Claim(reason=reason))
            return
        named = {*self.costs["course_id"], *self.benefits["course_id"]} - {None}
        for course_id in (ALL_COURSES, *sorted(named)):
            for component in ("programme", "mentoring"):
                scope = self._scope(course_id, component)
                for method in METHODS:
                    yield from self._scope_rows(scope, method)

    def _scope_rows(self, scope: _Scope, method: str) -> Iterator[dict[str, Any]]:
        for strand in STRANDS:
            claim = _Claim(reason=NOT_BY_STRAND)
            yield self._row(scope.of_strand(strand), strand, method, "none", claim)
        yield self._row(scope, ALL_STRANDS, method, "effect", self._by_effect(scope, method))
        if scope.component == "mentoring":
            return
        if scope.benefits.is_empty():
            yield self._row(scope, ALL_STRANDS, method, "none", _Claim(reason=NO_ISOLATION))
            return
        yield self._row(scope, ALL_STRANDS, method, "attribution", self._by_attribution(scope, method))
        if self.programme["value_per_completion_amount"] is not None:
            yield self._row(scope, ALL_STRANDS, method, "none", _Claim(reason=ROWS_WIN))

    def _scope(self, course_id: str, component: str) -> _Scope:
        in_course = pl.lit(value=True) if course_id == ALL_COURSES else pl.col("course_id") == course_id
        of_mentors = pl.col("cost_kind").is_in(MENTORING_COST_KINDS) | (
            (pl.col("cost_kind") == COORDINATION) & (pl.col("strand") == "social")
        )
        in_component = of_mentors if component == "mentoring" else pl.lit(value=True)
        return _Scope(
            course_id,
            component,
            self.costs.filter(in_course, in_component),
            self.benefits.filter(in_course),
            self.counts.get(course_id, {}),
        )

    def _by_attribution(self, scope: _Scope, method: str) -> _Claim:
        found = attribution_return(scope.benefits, scope.cost, method=method, settings=self.settings)
        doubts = self._cost_doubts(scope)
        if _mean_confidence(scope.benefits) < _LEAST_CONFIDENCE:
            doubts.append("confidence under one half")
        return _Claim(found, doubts=tuple(doubts), reason=None if scope.cost else NO_COST)

    def _by_effect(self, scope: _Scope, method: str) -> _Claim:
        """Benefit of the effect of mentoring, or the first reason why there is none; always with the break-even."""
        value = self.programme["value_per_completion_amount"]
        completing = scope.counts.get("completes_given_active_share")
        mentored = scope.counts.get("mentored_count", 0)
        points = None
        if scope.course_id == ALL_COURSES and scope.cost is not None and mentored and value and completing != 0:
            worth = value * (1.0 if completing is None else completing)
            points = break_even_effect_points(scope.cost, mentored, worth)
        refused = (
            (self.effect is None, NO_EFFECT_ROW),
            (self.effect is not None and self.effect["verdict"] == "cannot_say", (self.effect or {}).get("reason")),
            (scope.course_id != ALL_COURSES, NOT_BY_COURSE),
            (scope.component != "mentoring", MENTORING_ONLY),
            (not scope.cost, NO_MENTORING_COST),
            (not value, NO_COMPLETION_VALUE),
            (not completing, NO_COMPLETION_SHARE),
            (not mentored, NO_MENTORED),
        )
        reason = next((why for is_so, why in refused if is_so), None)
        if reason is not None or self.effect is None or scope.cost is None:
            return _Claim(reason=reason, break_even=points)
        found = effect_return(
            effect=self.effect["effect_points"] / 100,
            low=self.effect["effect_low_points"] / 100,
            high=self.effect["effect_high_points"] / 100,
            mentored_count=mentored,
            value_per_retained=value * completing,
            cost=scope.cost,
        )
        if method == "conservative":
            found = replace(found, benefit=found.low)
        doubts = self._cost_doubts(scope)
        if self.effect["verdict"] == "weak":
            doubts.append("the effect is weak")
        return _Claim(found, doubts=tuple(doubts), break_even=points)

    def _cost_doubts(self, scope: _Scope) -> list[str]:
        """Why the cost may be too low."""
        kinds = set(self.costs["cost_kind"])
        doubts = []
        if self.has_withheld_costs:
            doubts.append("costs in another currency are not counted")
        if scope.component == "programme" and "learner_time" not in kinds:
            doubts.append("cost not fully loaded: no learner time")
        if scope.counts.get("mentored_count", 0) and "mentor_time" not in kinds:
            doubts.append("cost not fully loaded: no mentor time")
        return doubts

    def _period(self) -> tuple[date | None, date | None]:
        """From the programme's start, else the first money, to its end or the last benefit, at most tonight."""
        money = [*self.costs["period_on"], *self.benefits["period_on"]]
        starts_on = self.programme["starts_on"] or min(money, default=None)
        if starts_on is None:
            return None, None
        ends_on = max([self.programme["ends_on"] or self.observed_on, *map(_month_end, self.benefits["period_on"])])
        return starts_on, max(starts_on, min(ends_on, self.observed_on))

    def _row(self, scope: _Scope, strand: str, method: str, isolation: str, claim: _Claim) -> dict[str, Any]:
        starts_on, ends_on = self._period()
        cost = scope.cost
        row: dict[str, Any] = {
            "programme_id": self.programme["programme_id"],
            "course_id": scope.course_id,
            "strand": strand,
            "component": scope.component,
            "method": method,
            "isolation": isolation,
            "period_starts_on": starts_on,
            "period_ends_on": ends_on,
            "learners_count": scope.counts.get("learners_count", 0),
            "completions_count": scope.counts.get("completions_count", 0),
            "cost_amount": cost,
            "break_even_effect_points": claim.break_even,
            "currency": self.programme["currency"],
            "verdict": "cannot_say",
            "withheld_reason": claim.reason,
        }
        found = claim.found
        if found is None:
            return row
        row |= {
            "benefit_amount": round(found.benefit, 2),
            "benefit_low_amount": round(found.low, 2),
            "benefit_high_amount": round(found.high, 2),
        }
        if not cost:
            return row
        ends = [roi_percent(end, cost) for end in (found.low, found.high)]
        doubts = list(claim.doubts)
        if ends[0] <= 0 <= ends[1]:
            doubts.append("the interval holds zero")
        row |= {
            "roi_percent": roi_percent(found.benefit, cost),
            "roi_low_percent": ends[0],
            "roi_high_percent": ends[1],
            "benefit_cost_ratio": found.benefit / cost,
            "roi_positive_probability": found.positive_probability,
            "verdict": "weak" if doubts else "usable",
            "withheld_reason": "; ".join(doubts) or None,
        }
        if found.benefit > 0 and starts_on is not None and ends_on is not None:
            row["payback_days"] = cost / (found.benefit / ((ends_on - starts_on).days + 1))
        return row


@dataclass(frozen=True, slots=True)
class _Scope:
    """Costs, benefits and counts of one course (or all) and component."""

    course_id: str
    component: str
    costs: pl.DataFrame
    benefits: pl.DataFrame
    counts: Mapping[str, Any]

    @property
    def cost(self) -> float | None:
        """Sum of the cost rows to the cent; None where there is none, since no row is no knowledge."""
        return None if self.costs.is_empty() else round(math.fsum(self.costs["amount"]), 2)

    def of_strand(self, strand: str) -> _Scope:
        """The strand's part; 0 and not unknown where other strands have costs."""
        if self.costs.is_empty():
            return self
        nothing = self.costs.head(1).with_columns(amount=pl.lit(0.0))
        return replace(self, costs=pl.concat([nothing, self.costs.filter(pl.col("strand") == strand)]))


@dataclass(frozen=True, slots=True)
class _Claim:
    """A benefit with the doubts about it, or the reason why there is none; break-even beside either."""

    found: Return | None = None
    doubts: tuple[str, ...] = ()
    reason: str | None = None
    break_even: float | None = None


def _month_end(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _mean_confidence(benefits: pl.DataFrame) -> float:
    """Confidence of the rows, weighted by the size of their benefit; 1 where there is no benefit to doubt."""
    rows = benefits.select(
        pl.col("quantity", "unit_value_amount", "attribution_share", "confidence_share").cast(pl.Float64)
    ).to_numpy()
    size = np.abs(rows[:, :3].prod(axis=1))
    return float(size @ rows[:, 3] / size.sum()) if size.any() else 1.0
