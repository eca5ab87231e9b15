"""Each audit group against all other learners: by how much the model treats it differently.

Belongs here: gaps and their intervals, over everyone and within courses. Does not belong here: rates of one group
(`fairness.py`) and how large a gap may be (`gate.py`).

A gap over everyone is partly the mix of courses: a group that takes harder courses is alerted more. Within courses that
cancels out, so both are told. All intervals count enrolments, not rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import gamma, norm

from models.abroca import Ranking, permuted
from models.metrics import BUDGET_SHARE, MINIMUM_SLICE_EVENTS, UNKNOWN, Z_95, Codes, Estimate, Vector, top_share

Mask = npt.NDArray[np.bool_]

MINIMUM_GROUP_ENROLMENTS = 100
MINIMUM_CURVE_EVENTS = 10
NOT_STATED = "not stated"
POOLED, WITHIN = "pooled", "within_course"
TOO_SMALL = f"n below {MINIMUM_GROUP_ENROLMENTS}"
NO_ROW = "no row to judge it by"
NEED_EVENTS = ("recall", "calibration")
"""Figures whose spread is told by the events: with a handful of them their interval is too narrow to be believed."""

FEWER_EVENTS = f"fewer than {MINIMUM_SLICE_EVENTS} events on one side"
FEW_EVENTS = f"fewer than {MINIMUM_CURVE_EVENTS} events or others on one side"


@dataclass(frozen=True, slots=True)
class Gap:
    """A figure of a group less that of all others; for ABROCA the area between their curves.

    `deviation` is the standard error of the gap. ABROCA has the mean and the deviation that it has where groups mean
    nothing. `withheld` says why there is none.
    """

    attribute: str
    group: str
    metric: str
    scope: str
    estimate: Estimate
    deviation: float
    n_count: int
    n_events_count: int
    null_mean: float = 0.0
    withheld: str | None = None

    @property
    def name(self) -> str:
        """Name of the metric as tables have it: `recall_gap`, `recall_gap_within_course`."""
        gap = self.metric if self.metric == "abroca" else f"{self.metric}_gap"
        return gap if self.scope == POOLED else f"{gap}_{WITHIN}"

    @property
    def sureness(self) -> float:
        """How far the gap is from what chance alone would give, in standard errors of a normal figure.

        ABROCA is never below 0 and skewed: its null is taken for a gamma distribution of the same mean and deviation,
        whose tail is the heavier one, and the chance of such a value is said as that of a gap on either side of 0.
        """
        value = self.estimate.value
        if value is None or not self.deviation > 0:
            return 0.0
        if self.metric != "abroca":
            return abs(value) / self.deviation
        scale = self.deviation**2 / self.null_mean
        return float(norm.isf(gamma.sf(value, self.null_mean / scale, scale=scale) / 2))


def audited_rows(predictions: pl.DataFrame) -> pl.DataFrame:
    """The model's 28-day predictions with `alerted`, how far each row lies in the budget of 10 % over everyone."""
    rows = predictions.filter((pl.col("estimator") == "model") & (pl.col("horizon") == "28d"))
    return rows.with_columns(pl.Series("alerted", top_share(rows["probability"].to_numpy(), BUDGET_SHARE)))


def attribute_names(audit_attributes: pl.DataFrame | None) -> list[str]:
    """The attributes to audit; none where there are no columns of them."""
    return [] if audit_attributes is None else [name for name in audit_attributes.columns if name != "enrolment_id"]


def gaps(predictions: pl.DataFrame, audit_attributes: pl.DataFrame | None, *, seed: int = 20) -> list[Gap]:
    """Compare each group with all other learners in recall, false positive rate, alert rate, calibration and ABROCA.

    Args:
        predictions: columns of risk.prediction but model_id.
        audit_attributes: enrolment_id and one text column an attribute; none means no gap at all.
        seed: of the permutations.

    Recall, false positive rate and alert rate are shares at the budget of 10 % of rows. Calibration is the sum of
    outcome - p over the sum of p (1 - p), the first step of Newton's method towards the intercept: log odds, above 0
    where more leave than predicted. Within courses a gap is the mean of the courses' gaps, each by a x b / (a + b) with
    a and b the denominators of both sides (Mantel and Haenszel 1959); ABROCA's null deals enrolments out anew, within
    courses where it is within courses.
    """
    rows = audited_rows(predictions)
    if audit_attributes is None:
        return []
    found: list[Gap] = []
    people = _People.of(rows)
    for attribute in attribute_names(audit_attributes):
        stated = people.ids.join(
            audit_attributes.select("enrolment_id", pl.col(attribute).cast(pl.String)),
            on="enrolment_id",
            how="left",
            validate="1:1",
            maintain_order="left",
        )[attribute].fill_null(NOT_STATED)
        names = stated.unique().sort()
        codes = stated.replace_strict(names, list(range(len(names))), return_dtype=pl.Int64).to_numpy()
        if len(names) > 1:
            found += _gaps_of(people, attribute, list(names), codes, seed)
    return found


@dataclass(frozen=True, slots=True)
class _People:
    """Enrolments of the rows, their course as a code, and sums over their rows."""

    ids: pl.DataFrame
    course: Codes
    rows: Vector
    events: Vector
    sums: Mapping[str, tuple[Vector, Vector]]
    ranking: Ranking
    in_course: Mapping[int, tuple[npt.NDArray[np.intp], Ranking]]

    @classmethod
    def of(cls, rows: pl.DataFrame) -> _People:
        rows = rows.sort("enrolment_id", "observed_epoch_day")
        ids = rows.group_by("enrolment_id", maintain_order=True).agg(pl.col("course_id").first().fill_null(""))
        enrolment = rows["enrolment_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
        course = ids["course_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
        outcome, probability, alerted = (
            rows[name].cast(pl.Float64).to_numpy() for name in ("outcome_value", "probability", "alerted")
        )
        parts = {
            "recall": (alerted * outcome, outcome),
            "false_positive_rate": (alerted * (1 - outcome), 1 - outcome),
            "alert_rate": (alerted, np.ones_like(outcome)),
            "calibration": (outcome - probability, probability * (1 - probability)),
        }
        sums = {
            name: (_by_enrolment(enrolment, above), _by_enrolment(enrolment, below))
            for name, (above, below) in parts.items()
        }
        in_course = {}
        for code in np.unique(course):
            members = np.flatnonzero(course == code)
            mine = course[enrolment] == code
            local = np.searchsorted(members, enrolment[mine])
            in_course[int(code)] = members, Ranking.of(outcome[mine], probability[mine], local, members.size)
        return cls(
            ids,
            course,
            _by_enrolment(enrolment, np.ones_like(outcome)),
            _by_enrolment(enrolment, outcome),
            sums,
            Ranking.of(outcome, probability, enrolment, ids.height),
            in_course,
        )


def _by_enrolment(enrolment: Codes, values: Vector) -> Vector:
    return np.asarray(np.bincount(enrolment, values), dtype=np.float64)


def _gaps_of(people: _People, attribute: str, names: list[str], codes: Codes, seed: int) -> Iterator[Gap]:
    nothing = np.zeros_like(people.course)
    scopes = {POOLED: nothing} | ({WITHIN: people.course} if people.course.max() > 0 else {})
    dealt = {scope: permuted(codes, stratum, seed=seed) for scope, stratum in scopes.items()}
    for code, group in enumerate(names):
        is_member = codes == code
        size = int(is_member.sum())
        is_small = min(size, codes.size - size) < MINIMUM_GROUP_ENROLMENTS
        about = int(people.rows[is_member].sum()), int(people.events[is_member].sum())
        has_few_events = min(about[1], int(people.events.sum()) - about[1]) < MINIMUM_SLICE_EVENTS
        for scope, stratum in scopes.items():
            for metric, (above, below) in people.sums.items():
                why = TOO_SMALL if is_small else FEWER_EVENTS if has_few_events and metric in NEED_EVENTS else None
                estimate, deviation = (UNKNOWN, 0.0) if why else _gap(above, below, is_member, stratum)
                why = why or (NO_ROW if estimate.value is None else None)
                yield Gap(attribute, group, metric, scope, estimate, deviation, *about, withheld=why)
            lines = np.vstack([is_member[None, :], dealt[scope] == code])
            areas = np.empty(0) if is_small else _areas(people, lines, scope)
            if areas.size and np.isfinite(areas).all():
                value, null = float(areas[0]), areas[1:]
                yield Gap(
                    attribute,
                    group,
                    "abroca",
                    scope,
                    Estimate(value, None, None),
                    float(null.std()),
                    *about,
                    null_mean=float(null.mean()),
                )
            else:
                why = TOO_SMALL if is_small else FEW_EVENTS
                yield Gap(attribute, group, "abroca", scope, UNKNOWN, 0.0, *about, withheld=why)


def _gap(above: Vector, below: Vector, is_member: Mask, stratum: Codes) -> tuple[Estimate, float]:
    """Ratio of sums of the group less that of the rest, within strata, with its standard error by enrolment."""
    side = stratum * 2 + is_member
    sides = 2 * (int(stratum.max()) + 1)
    numerator, denominator = (np.bincount(side, values, minlength=sides) for values in (above, below))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(denominator > 0, numerator / denominator, 0)
        share = np.where(denominator > 0, 1 / denominator, 0)
        rest, mine = denominator[0::2], denominator[1::2]
        weight = np.where(rest * mine > 0, rest * mine / (rest + mine), 0)
    if not weight.sum() > 0:
        return UNKNOWN, 0.0
    residual = (above - ratio[side] * below) * share[side]
    people = np.bincount(side, minlength=sides)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.bincount(side, residual**2, minlength=sides) * np.where(people > 1, people / (people - 1), 1)
    weight = weight / weight.sum()
    value = float((weight * (ratio[1::2] - ratio[0::2])).sum())
    deviation = float(np.sqrt((weight**2 * (variance[0::2] + variance[1::2])).sum()))
    return Estimate(value, value - Z_95 * deviation, value + Z_95 * deviation), deviation


def _areas(people: _People, lines: Mask, scope: str) -> Vector:
    """ABROCA of each line of memberships; within courses the mean over courses, by rows as for the gaps."""
    if scope == POOLED:
        is_enough = _has_events(people, lines[0], np.ones_like(lines[0]))
        return people.ranking.area(lines) if is_enough else np.empty(0)
    total, weights = np.zeros(lines.shape[0]), 0.0
    for code, (members, ranking) in people.in_course.items():
        mine = lines[:, members]
        if not _has_events(people, lines[0], people.course == code):
            continue
        rows = people.rows[members]
        group = float(rows @ mine[0])
        weight = group * (rows.sum() - group) / rows.sum()
        # A permutation may leave a side of a small course without events; it then says nothing of that course.
        area = ranking.area(mine)
        total += weight * np.where(np.isnan(area), np.nanmean(area), area)
        weights += weight
    return total / weights if weights else np.empty(0)


def _has_events(people: _People, is_member: Mask, where: Mask) -> bool:
    return all(
        min(people.events[side].sum(), (people.rows - people.events)[side].sum()) >= MINIMUM_CURVE_EVENTS
        for side in (where & is_member, where & ~is_member)
    )
