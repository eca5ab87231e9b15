"""Programmes compared fairly: HiPo against democratised at the same baseline, with regression to the mean shown.

Belongs here: who is compared with whom, the adjusted difference, what the baselines alone let expect, the verdict. Does
not belong here: how outcomes are measured (`models.surveys`, `models.attainment`), demand (`pipelines.marts.demand`).

A group chosen for a high (or low) score was partly lucky on that day, so its next score lies nearer to the mean of those
who were not chosen, whatever the programme does. Gains as they are make HiPo programmes look weak for this alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import expit
from scipy.stats import t

from data_contracts.fields import FIELDS
from data_contracts.fields.comparison import COMPLETION, GOALS
from data_contracts.tables.marts import MARTS
from models.contract import conform, schema_of
from models.suppression import SMALL_CELL

USABLE_OVERLAP_SHARE, LEAST_OVERLAP_SHARE = 0.8, 0.5
FEW_LEARNERS = 30
# Baselines beyond these quantiles of the other group have too few beside them.
_INNER = (0.01, 0.99)
_SELECTIONS = FIELDS["selection"].values
_HIPO = _SELECTIONS[0]
_BASELINES = ("start_share", "baseline_score")
_STEPS = 50

_Floats = npt.NDArray[np.float64]


class Adjusted(NamedTuple):
    """The difference at the first group's baselines, its standard error, and the difference that baselines explain."""

    difference: float
    standard_error: float
    expected: float
    degrees: int


class NotFittedError(ValueError):
    """The other group's outcome has no regression on the baselines: they do not vary, or tell it without error."""


def adjusted(
    outcome: _Floats, baseline: _Floats, other: _Floats, other_baseline: _Floats, *, is_binary: bool
) -> Adjusted:
    """Mean outcome of a group less what the other group's regression expects at the group's own baselines.

    Args:
        outcome: of the group, one number a learner.
        baseline: of the group, a row a learner and a column a baseline.
        other: outcomes of the other group.
        other_baseline: likewise.
        is_binary: the regression is logistic instead of linear.

    This is the coefficient of the group in an analysis of covariance with baselines centred at the group's means and
    crossed with the group (Lin 2013; for each group's own slope Peters 1941 and Belson 1956): slopes need not be the same.
    error^2 = var(outcome - expected) / n + g' V g, with g the gradient of the mean expectation and V the other group's
    covariance of coefficients, HC3 (linear; MacKinnon and White 1985) or the sandwich (logistic). expected: mean
    expectation less the other group's mean outcome, so that raw difference = expected + adjusted difference, exactly.

    Raises:
        NotFittedError: no regression could be fitted.
    """
    centre, spread = other_baseline.mean(axis=0), other_baseline.std(axis=0)
    varies = spread > 0
    if not varies.any():
        message = "the other group's baselines do not vary"
        raise NotFittedError(message)
    rows, other_rows = (
        np.column_stack([np.ones(len(part)), (part[:, varies] - centre[varies]) / spread[varies]])
        for part in (baseline, other_baseline)
    )
    fit = _logistic if is_binary else _linear
    coefficients, covariance = fit(other_rows, other)
    line = rows @ coefficients
    expectation = expit(line) if is_binary else line
    slope = expectation * (1 - expectation) if is_binary else np.ones_like(line)
    gradient = (slope[:, None] * rows).mean(axis=0)
    rest = outcome - expectation
    variance = float(rest.var(ddof=1)) / rest.size + float(gradient @ covariance @ gradient)
    return Adjusted(
        float(rest.mean()),
        variance**0.5,
        float(expectation.mean() - other.mean()),
        max(1, min(outcome.size - 1, other.size - other_rows.shape[1])),
    )


def _linear(rows: _Floats, outcome: _Floats) -> tuple[_Floats, _Floats]:
    inverse = np.linalg.pinv(rows.T @ rows)
    coefficients = inverse @ rows.T @ outcome
    leverage = np.clip(np.einsum("ij,jk,ik->i", rows, inverse, rows), 0, 1 - 1e-9)
    scaled = rows * ((outcome - rows @ coefficients) / (1 - leverage))[:, None]
    return coefficients, inverse @ (scaled.T @ scaled) @ inverse


def _logistic(rows: _Floats, outcome: _Floats) -> tuple[_Floats, _Floats]:
    """Maximum likelihood by Newton's steps."""
    coefficients = np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        probability = expit(rows @ coefficients)
        information = (rows * (probability * (1 - probability))[:, None]).T @ rows
        step = np.linalg.pinv(information) @ rows.T @ (outcome - probability)
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-9:
            break
    else:
        message = "the baselines tell the other group's outcome without error"
        raise NotFittedError(message)
    inverse = np.linalg.pinv(information)
    scaled = rows * (outcome - probability)[:, None]
    return coefficients, inverse @ (scaled.T @ scaled) @ inverse


def programme_comparison(outcomes: pl.DataFrame, programmes: pl.DataFrame, demand: pl.DataFrame) -> pl.DataFrame:
    """The mart `programme_comparison` without publication_id, sorted by its key.

    Args:
        outcomes: a row per programme, learner and outcome that is known: programme_id, learner_id, compared_outcome,
            reached (0..1), start_share (null where the outcome has no start), baseline_score (null where none was
            given), is_hipo (null: as the programme's selection says).
        programmes: programme_id, selection (null: not compared).
        demand: rows of the mart `programme_demand`.

    Pairs: programmes of different selection, the more selective first (hipo, democratised, mandatory), and all learners of
    a selection together, where HiPo is who is registered as such. The baselines are the start answer to the same construct and
    the baseline score of registration, as far as both groups have them; learners without one are left out. Regression to
    the mean, of changes: what the other group's regression on the baselines expects, less the other group's mean change.
    With the start answer as only baseline and equal spread of start and end this is (1 - r)(mean of others - mean of the
    group), r the correlation of start and end among the others, which are taken as not selected (Galton 1886; Barnett
    and others 2005).

    cannot_say: no baseline of both groups, or less than half of the group's baselines among the inner 98 % of the
    other's. weak: less than four fifths, or fewer than `FEW_LEARNERS` in either. With fewer than `SMALL_CELL` learners in
    either a row is withheld; so is a row of selections from which a small programme's could be worked out.
    """
    table = MARTS["programme_comparison"]
    rows = [
        (_Compared(pair, str(outcome), first, second)).row()
        for pair in _pairs(outcomes, programmes)
        for outcome, first, second in _by_outcome(pair)
    ]
    empty = schema_of(table, without=("publication_id",))
    found = pl.DataFrame(rows, schema={name: kind for name, kind in empty.items() if name not in _DEMAND})
    rates = demand.select("programme_id", "demand_ratio", "match_rate")
    others = rates.rename({name: f"other_{name}" for name in ("demand_ratio", "match_rate")})
    joined = found.join(rates, left_on="compared_group", right_on="programme_id", how="left").join(
        others, left_on="other_group", right_on="programme_id", how="left"
    )
    # A way to come in may be called like a programme.
    is_one = pl.col("comparison_kind") == "programme"
    return conform(
        joined.with_columns(pl.when(is_one).then(pl.col(name)).alias(name) for name in _DEMAND),
        table,
        without=("publication_id",),
    ).sort(table.key)


def known_outcomes(participants: pl.DataFrame, attained: pl.DataFrame, paired: pl.DataFrame) -> pl.DataFrame:
    """`outcomes` of `programme_comparison`: completion of those who are through, goals, changes of surveys to the end.

    Args:
        participants: programme_id, learner_id, is_over, is_completed, baseline_score, is_hipo.
        attained: of `models.attainment.by_learner`.
        paired: of `models.surveys.pairs`.
    """
    who = ["programme_id", "learner_id"]
    parts = [
        participants.filter("is_over").select(
            *who, compared_outcome=pl.lit(COMPLETION), reached=pl.col("is_completed").cast(pl.Float64)
        ),
        attained.select(*who, compared_outcome=pl.lit(GOALS), reached="attained"),
        paired.filter((pl.col("subject_type") == "learner") & (pl.col("measured_by") == "end")).select(
            "programme_id", "reached", learner_id="subject_id", compared_outcome="construct", start_share="start"
        ),
    ]
    known = pl.concat(parts, how="diagonal").join(
        participants.select(*who, "baseline_score", "is_hipo"), on=who, how="left"
    )
    return known.sort(*who, "compared_outcome")


_DEMAND = ("demand_ratio", "other_demand_ratio", "match_rate", "other_match_rate")


@dataclass(frozen=True)
class _Pair:
    """Two groups of outcomes; `moved` are learners of the groups' programmes who are counted as HiPo instead."""

    kind: str
    names: tuple[str, str]
    selections: tuple[str, str]
    groups: tuple[pl.DataFrame, pl.DataFrame]
    moved: tuple[pl.DataFrame, ...] = ()


def _pairs(outcomes: pl.DataFrame, programmes: pl.DataFrame) -> Iterator[_Pair]:
    told = outcomes.join(programmes.select("programme_id", "selection"), on="programme_id").filter(
        pl.col("selection").is_not_null()
    )
    ranked = sorted(
        programmes.filter(pl.col("selection").is_not_null()).select("programme_id", "selection").rows(),
        key=lambda row: (_SELECTIONS.index(row[1]), row[0]),
    )
    for (one, of_one), (other, of_other) in combinations(ranked, 2):
        if of_one != of_other:
            groups = tuple(told.filter(pl.col("programme_id") == name) for name in (one, other))
            yield _Pair("programme", (one, other), (of_one, of_other), (groups[0], groups[1]))
    is_hipo = pl.col("is_hipo").fill_null(pl.col("selection") == _HIPO)
    came = told.with_columns(came=pl.when(is_hipo).then(pl.lit(_HIPO)).otherwise(pl.col("selection")))
    for one, other in combinations(_SELECTIONS, 2):
        groups = tuple(came.filter(pl.col("came") == name) for name in (one, other))
        moved = tuple(came.filter((pl.col("selection") == name) & (pl.col("came") != name)) for name in (one, other))
        yield _Pair("selection", (one, other), (one, other), (groups[0], groups[1]), moved)


def _by_outcome(pair: _Pair) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    known = [set(group["compared_outcome"].to_list()) for group in pair.groups]
    for outcome in sorted(known[0] & known[1]):
        first, second = (group.filter(pl.col("compared_outcome") == outcome) for group in pair.groups)
        yield outcome, first, second


class _Compared:
    """One outcome of two groups, as one row of the mart."""

    def __init__(self, pair: _Pair, outcome: str, first: pl.DataFrame, second: pl.DataFrame) -> None:
        self._pair, self._outcome = pair, outcome
        self._baselines = [
            name for name in _BASELINES if all(part[name].count() >= SMALL_CELL for part in (first, second))
        ]
        self._first, self._second = (
            self._with_baselines(part).sort("programme_id", "learner_id") for part in (first, second)
        )

    def row(self) -> dict[str, Any]:
        counts = [part["learner_id"].n_unique() for part in (self._first, self._second)]
        row: dict[str, Any] = dict.fromkeys(
            schema_of(MARTS["programme_comparison"], without=("publication_id", *_DEMAND))
        )
        row |= {
            "comparison_kind": self._pair.kind,
            "compared_group": self._pair.names[0],
            "other_group": self._pair.names[1],
            "selection": self._pair.selections[0],
            "other_selection": self._pair.selections[1],
            "compared_outcome": self._outcome,
            "is_suppressed": False,
            "baseline_name": {
                (): "none",
                ("start_share",): "start_survey",
                ("baseline_score",): "registration",
                _BASELINES: "start_survey_and_registration",
            }[tuple(self._baselines)],
        }
        if min(counts) < SMALL_CELL or self._gives_away_a_small_programme():
            reason = f"fewer than {SMALL_CELL} learners in either group, or in a programme that could be worked out"
            return row | {"is_suppressed": True, "verdict": "cannot_say", "reason": reason}
        row |= self._as_they_are(counts)
        if not self._baselines:
            return row | _cannot(
                "no baseline of both groups: a start survey or a baseline score at registration is needed"
            )
        overlap = min(self._overlap(name) for name in self._baselines)
        row |= {"baseline_overlap_share": overlap, "baseline_difference": self._baseline_difference()}
        if overlap < LEAST_OVERLAP_SHARE:
            return row | _cannot(f"only {overlap:.0%} of the group have baselines that the other group has too")
        try:
            found = adjusted(
                *self._numbers(self._first), *self._numbers(self._second), is_binary=self._outcome == COMPLETION
            )
        except NotFittedError as error:
            return row | _cannot(str(error))
        return row | self._told(found) | self._said(found, min(counts), overlap)

    def _with_baselines(self, part: pl.DataFrame) -> pl.DataFrame:
        return part.drop_nulls(self._baselines) if self._baselines else part

    @property
    def _has_start(self) -> bool:
        return "start_share" in self._baselines

    def _gives_away_a_small_programme(self) -> bool:
        """Whether programmes' own rows and this one together tell of fewer people than may be told of."""
        if self._pair.kind == "programme":
            return False
        of_outcome = pl.col("compared_outcome") == self._outcome
        moved = [self._with_baselines(part.filter(of_outcome)) for part in self._pair.moved]
        parts = (self._first, self._second, *moved)
        sizes = [part.group_by("programme_id").agg(pl.col("learner_id").n_unique())["learner_id"] for part in parts]
        # A group that is a single programme's tells what that programme's row tells.
        told = [*(size for size in sizes[:2] if size.len() > 1), *sizes[2:]]
        return any(0 < int(size.filter(size < SMALL_CELL).sum()) < SMALL_CELL for size in told)

    def _as_they_are(self, counts: list[int]) -> dict[str, Any]:
        reached = [_mean(part, "reached") for part in (self._first, self._second)]
        row: dict[str, Any] = {
            "learners_count": counts[0],
            "other_learners_count": counts[1],
            "reached_share": reached[0],
            "other_reached_share": reached[1],
            "raw_difference_points": 100 * (reached[0] - reached[1]),
        }
        if self._has_start:
            start = [_mean(part, "start_share") for part in (self._first, self._second)]
            change = [100 * (reached[place] - start[place]) for place in (0, 1)]
            row |= {
                "start_share": start[0],
                "other_start_share": start[1],
                "mean_change_points": change[0],
                "other_mean_change_points": change[1],
                "raw_difference_points": change[0] - change[1],
                "test_retest_correlation": _correlation(self._second),
            }
        return row

    def _overlap(self, name: str) -> float:
        """Share of the group among the inner 98 % of the other group, 0 where too few of these are among the group's."""
        values, others = self._first[name].to_numpy(), self._second[name].to_numpy()
        low, high = np.quantile(others, _INNER)
        own_low, own_high = np.quantile(values, _INNER)
        beside = int(((others >= own_low) & (others <= own_high)).sum())
        return float(((values >= low) & (values <= high)).mean()) if beside >= SMALL_CELL else 0.0

    def _baseline_difference(self) -> float | None:
        found = []
        for name in self._baselines:
            values, others = self._first[name].to_numpy(), self._second[name].to_numpy()
            if others.std() > 0:
                found.append(float((values.mean() - others.mean()) / others.std(ddof=1)))
        return max(found, key=abs, default=None)

    def _numbers(self, part: pl.DataFrame) -> tuple[_Floats, _Floats]:
        return part["reached"].to_numpy().astype(np.float64), part.select(self._baselines).to_numpy().astype(np.float64)

    def _told(self, found: Adjusted) -> dict[str, Any]:
        reach = float(t.ppf(0.975, found.degrees)) * found.standard_error
        row = {
            "adjusted_difference_points": 100 * found.difference,
            "adjusted_low_points": 100 * (found.difference - reach),
            "adjusted_high_points": 100 * (found.difference + reach),
        }
        if self._has_start:
            starts = _mean(self._first, "start_share") - _mean(self._second, "start_share")
            row["regression_to_mean_points"] = 100 * (found.expected - starts)
        return row

    def _said(self, found: Adjusted, least: int, overlap: float) -> dict[str, Any]:
        doubts = []
        if least < FEW_LEARNERS:
            doubts.append(f"fewer than {FEW_LEARNERS} learners in a group")
        if overlap < USABLE_OVERLAP_SHARE:
            doubts.append(f"only {overlap:.0%} of the group have baselines that the other group has too")
        if doubts:
            return {"verdict": "weak", "reason": "; ".join(doubts)}
        reach = float(t.ppf(0.975, found.degrees)) * found.standard_error
        if abs(found.difference) <= reach:
            return {"verdict": "usable", "reason": "not distinguishable from zero, which does not mean no difference"}
        return {"verdict": "usable", "reason": "adjusted for the baseline alone: groups differ in more than that"}


def _cannot(reason: str) -> dict[str, Any]:
    return {"verdict": "cannot_say", "reason": reason}


def _mean(part: pl.DataFrame, name: str) -> float:
    return float(part[name].to_numpy().mean())


def _correlation(part: pl.DataFrame) -> float | None:
    start, reached = part["start_share"].to_numpy(), part["reached"].to_numpy()
    if start.std() == 0 or reached.std() == 0:
        return None
    return float(np.clip(np.corrcoef(start, reached)[0, 1], -1, 1))
