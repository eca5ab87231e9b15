"""Everything about one programme's money: its costs, the benefits that count, its people, the effect of mentoring.

Belongs here: what is brought together from all programmes' frames, what is left out of it and why, which rows are too
small to show. Does not belong here: a benefit against a cost (`models.roi_draws`), rows of a mart (`models.roi`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from models.learning_mix import ALL_COURSES
from models.metrics import Z_95
from models.roi_draws import DEFAULTS, Completing, Cost, Effect, ROISettings
from models.suppression import PART, REMAINDER, TOTAL, suppress

# Component mentoring: what would not have been spent without mentors. Coordination is theirs where it is booked on
# the social strand; on others it is the programme's.
MENTORING_COST_KINDS = ("mentor_training", "mentor_time")
COORDINATION = "coordination"
TIME_COST_KINDS = ("learner_time", "mentor_time")

NO_LEARNER_TIME = "cost not fully loaded: no learner time"
NO_MENTOR_TIME = "cost not fully loaded: no mentor time"
OTHER_CURRENCY = "costs in another currency are not counted: {}"
NO_SINGLE_COURSE = "costs of no single course are not counted"

_FIRST_YEAR = timedelta(days=365)
# A fence of Tukey's, three spreads out; fewer rows have no spread worth the name. Equal rows get a tenth of themselves.
_FENCE, _LEAST_OF_A_METRIC, _LEAST_SPREAD = 3.0, 8, 0.1
_AMOUNT = pl.col("quantity") * pl.col("unit_value_amount") * pl.col("attribution_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The frames of a night.

    programmes: programme_id, currency (of `with_currency`), starts_on, ends_on, value_per_completion_amount (null where
    not stated). costs, withheld: of `Allocation`, time costs added. benefits: raw.programme_benefit, of which
    programme_id, course_id, period_on, metric, quantity, unit_value_amount, attribution_share, confidence_share,
    currency, source are read. counts: programme_id, course_id (null: the whole programme), learners_count,
    completions_count, retained_count, mentored_count, past_active_count and past_completed_count (of past runs: active
    after eight weeks, and completed of these; null where not known). effects: mart `mentoring_effect`. observed_on:
    tonight's date; costs and benefits after it are not counted.
    """

    programmes: pl.DataFrame
    costs: pl.DataFrame
    withheld: pl.DataFrame
    benefits: pl.DataFrame
    counts: pl.DataFrame
    effects: pl.DataFrame
    observed_on: date
    settings: ROISettings = field(default=DEFAULTS)

    def books(self) -> Iterator[Book]:
        """Each programme's, in order of programme_id."""
        small = self._small()
        estimates = self.effects.filter(subgroup_kind="all", subgroup="all")
        for programme in self.programmes.sort("programme_id").iter_rows(named=True):
            of_this = pl.col("programme_id") == programme["programme_id"]
            yield Book(
                programme=programme,
                costs=self.costs.filter(of_this, pl.col("period_on") <= self.observed_on),
                benefits=self._judged(programme),
                counts={
                    row["course_id"] or ALL_COURSES: row for row in self.counts.filter(of_this).iter_rows(named=True)
                },
                effects={row["contrast"]: row for row in estimates.filter(of_this).iter_rows(named=True)},
                small_courses=frozenset(small.filter(of_this)["course_id"]),
                withheld=self.withheld.filter(of_this, pl.col("period_on") <= self.observed_on),
                observed_on=self.observed_on,
                settings=self.settings,
            )

    def _judged(self, programme: Mapping[str, Any]) -> pl.DataFrame:
        """Its benefit rows known by tonight with `amount` and `left_out`: null, or why the row does not count."""
        known = self.benefits.filter(
            pl.col("programme_id") == programme["programme_id"], pl.col("period_on") <= self.observed_on
        ).with_columns(amount=_AMOUNT)
        last_on = (programme["ends_on"] or self.observed_on) + _FIRST_YEAR
        first = pl.when(pl.col("currency").ne_missing(pl.lit(programme["currency"], pl.String))).then(
            pl.lit("in another currency")
        )
        judged = known.with_columns(
            left_out=first.when(pl.col("period_on") > last_on).then(pl.lit("after the first year"))
        )
        kept = judged.filter(pl.col("left_out").is_null())
        fences = (
            kept.group_by("metric")
            .agg(
                upper=pl.col("amount").quantile(0.75, "linear"),
                lower=pl.col("amount").quantile(0.25, "linear"),
                rows=pl.len(),
            )
            .filter(pl.col("rows") >= _LEAST_OF_A_METRIC)
            .select(
                "metric",
                fence=pl.col("upper")
                + _FENCE * pl.max_horizontal(pl.col("upper") - pl.col("lower"), _LEAST_SPREAD * pl.col("upper").abs()),
            )
        )
        is_extreme = pl.col("left_out").is_null() & (pl.col("amount") > pl.col("fence"))
        return (
            judged.join(fences, on="metric", how="left")
            .with_columns(
                left_out=pl.when(is_extreme).then(pl.lit("extreme")).otherwise("left_out"),
            )
            .drop("fence")
            .sort(pl.all(), nulls_last=False)
        )

    def _small(self) -> pl.DataFrame:
        """Programmes and courses (or 'all') with too few people to be shown, or that would give one of these away."""
        named = pl.concat([frame.select("programme_id", "course_id") for frame in (self.costs, self.benefits)]).unique()
        role = (
            pl.when(pl.col("course_id") == ALL_COURSES)
            .then(pl.lit(TOTAL))
            .when(pl.col("is_named"))
            .then(pl.lit(PART))
            .otherwise(pl.lit(REMAINDER))
        )
        rows = (
            self.counts.select("programme_id", "course_id", "learners_count")
            .join(named.with_columns(is_named=pl.lit(value=True)), on=["programme_id", "course_id"], how="left")
            .with_columns(pl.col("course_id").fill_null(ALL_COURSES), pl.col("is_named").fill_null(value=False))
            .sort("programme_id", "course_id")
        )
        return suppress(
            rows,
            count="learners_count",
            measures=(),
            groups=[["programme_id"]],
            k=self.settings.least_people,
            role=role,
        ).filter("is_suppressed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One programme's part of the ledger. `benefits` hold rows that do not count too: see `left_out`."""

    programme: Mapping[str, Any]
    costs: pl.DataFrame
    benefits: pl.DataFrame
    counts: Mapping[str, Mapping[str, Any]]
    effects: Mapping[str, Mapping[str, Any]]
    small_courses: frozenset[str]
    withheld: pl.DataFrame
    observed_on: date
    settings: ROISettings

    def scope(self, course_id: str, component: str) -> Scope:
        """Costs, benefits that count, and people of one course (or 'all') and component."""
        in_course = pl.lit(value=True) if course_id == ALL_COURSES else pl.col("course_id") == course_id
        of_mentors = pl.col("cost_kind").is_in(MENTORING_COST_KINDS) | (
            (pl.col("cost_kind") == COORDINATION) & (pl.col("strand") == "social")
        )
        in_component = of_mentors if component == "mentoring" else pl.lit(value=True)
        counts = self.counts.get(course_id, {})
        is_small = course_id in self.small_courses or (
            component == "mentoring" and 0 < counts.get("mentored_count", 0) < self.settings.least_people
        )
        return Scope(
            course_id=course_id,
            component=component,
            costs=self.costs.filter(in_course, in_component),
            benefits=self.benefits.filter(in_course, pl.col("left_out").is_null()),
            counts=counts,
            is_small=is_small,
        )

    def courses(self) -> list[str]:
        """Courses that a cost or a benefit names."""
        return sorted({*self.costs["course_id"], *self.benefits["course_id"]} - {None})

    def value(self) -> float | None:
        """Stated value of a completion."""
        amount: float | None = self.programme["value_per_completion_amount"]
        return amount

    def effect(self, contrast: str) -> Effect:
        """The estimate of a contrast that has one, as shares."""
        row = self.effects[contrast]
        error = row["standard_error_points"]
        if error is None:
            error = (row["effect_high_points"] - row["effect_low_points"]) / (2 * Z_95)
        untreated = row["untreated_percent"]
        return Effect(row["effect_points"] / 100, error / 100, None if untreated is None else untreated / 100)

    def cost_doubts(self, scope: Scope) -> list[str]:
        """Why the cost may be too low."""
        kinds = set(self.costs["cost_kind"])
        doubts = self.uncounted()
        if scope.course_id != ALL_COURSES and self.costs["course_id"].has_nulls():
            doubts.append(NO_SINGLE_COURSE)
        if scope.component == "programme" and "learner_time" not in kinds:
            doubts.append(NO_LEARNER_TIME)
        if scope.counts.get("mentored_count", 0) and "mentor_time" not in kinds:
            doubts.append(NO_MENTOR_TIME)
        return doubts

    def uncounted(self) -> list[str]:
        """What the programme cost in other currencies, in these: nothing is converted."""
        by_currency = self.withheld.group_by("currency").agg("amount").sort("currency").iter_rows()
        sums = [f"{currency} {math.fsum(amounts):,.2f}" for currency, amounts in by_currency]
        return [OTHER_CURRENCY.format(", ".join(sums))] if sums else []

    def period(self) -> tuple[date | None, date | None]:
        """From the programme's start, else the first money, to its end or the last benefit, at most tonight."""
        counted = self.benefits.filter(pl.col("left_out").is_null())["period_on"]
        starts_on = self.programme["starts_on"] or min([*self.costs["period_on"], *counted], default=None)
        if starts_on is None:
            return None, None
        ends_on = max([self.programme["ends_on"] or self.observed_on, *map(_month_end, counted)])
        return starts_on, max(starts_on, min(ends_on, self.observed_on))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Costs, benefits that count, and people of one course (or all) and component."""

    course_id: str
    component: str
    costs: pl.DataFrame
    benefits: pl.DataFrame
    counts: Mapping[str, Any]
    is_small: bool

    @property
    def cost(self) -> Cost | None:
        """Sums of the cost rows to the cent; None where there is none, since no row is no knowledge."""
        if self.costs.is_empty():
            return None
        of_time = pl.col("cost_kind").is_in(TIME_COST_KINDS)
        parts = (pl.lit(value=True), pl.col("is_allocated"), of_time, pl.col("is_priced"))
        return Cost(*(round(math.fsum(self.costs.filter(part)["amount"]), 2) for part in parts))

    @property
    def completing(self) -> Completing | None:
        """Who of past runs completed; None where it is not known."""
        active, completed = self.counts.get("past_active_count"), self.counts.get("past_completed_count")
        return None if not active else Completing(active, completed or 0)

    @property
    def estimates(self) -> list[tuple[float, float]]:
        """Amount and confidence of each benefit row, in the frame's order."""
        return self.benefits.select("amount", "confidence_share").rows()

    def of_strand(self, strand: str) -> Scope:
        """The strand's part; 0 and not unknown where other strands have costs."""
        if self.costs.is_empty():
            return self
        nothing = self.costs.head(1).with_columns(amount=pl.lit(0.0))
        return replace(self, costs=pl.concat([nothing, self.costs.filter(pl.col("strand") == strand)]))


def shown(part: int | None, total: int, least_people: int) -> int | None:
    """A part of a published total; None where it, or the rest, is a small cell."""
    if part is None or 0 < part < least_people or 0 < total - part < least_people:
        return None
    return part


def _month_end(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
