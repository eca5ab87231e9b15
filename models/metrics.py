"""How good predictions are, each figure with a 95 % interval.

Belongs here: metrics of a probability against an outcome of 0 or 1, and the rows of risk.quality. Does not belong
here: metrics by group of persons (`fairness.py`).

Landmarks of one enrolment are not independent, so every interval counts enrolments, not rows: influence values
are summed by enrolment (Obuchowski 1997 for the area under the curve), or enrolments are drawn again (bootstrap).
A figure that the rows cannot support, for want of events or of non-events, is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import expit
from scipy.stats import rankdata

from models.calibrate import logistic_intercept, logistic_line

Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

Z_95 = 1.959963984540054
BUDGET_SHARE = 0.10
MINIMUM_SLICE_EVENTS = 20
DAYS_OF_HISTORY = (0, 7, 14, 28, 56)
"""First days of the stretches of history by which quality is told."""
REPLICATES = 100
_PROBABILITY_MARGIN = 1e-9
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the ends of its 95 % interval; None where it cannot be said."""

    value: float | None
    low: float | None
    high: float | None

    def told(self, *, unknown: str = "-") -> str:
        """The figure to three decimals, its interval in brackets where it has one."""
        if self.value is None:
            return unknown
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


UNKNOWN = Estimate(None, None, None)


def roc_auc(outcome: Vector, score: Vector, cluster: Codes) -> Estimate:
    """Probability that a row with the event has the higher score than one without, ties counting half.

    Range 0..1, .5 is chance. Formula: mean over pairs of [s1 > s0] + [s1 = s0] / 2, by midranks.
    Interval: structural components (DeLong 1988) summed by cluster (Obuchowski 1997), normal.
    """
    is_event = outcome == 1
    events, others = int(is_event.sum()), int((~is_event).sum())
    if not (events and others):
        return UNKNOWN
    ranks = rankdata(score)
    component = np.empty(outcome.size)
    component[is_event] = (ranks[is_event] - rankdata(score[is_event])) / others
    component[~is_event] = 1 - (ranks[~is_event] - rankdata(score[~is_event])) / events
    value = component[is_event].mean()
    influence = (component - value) / np.where(is_event, events, others)
    return _normal(float(value), _deviation(influence, cluster), 0, 1)


def pr_auc(outcome: Vector, score: Vector, cluster: Codes, *, replicates: int = REPLICATES, seed: int = 20) -> Estimate:
    """Average precision: sum over the distinct scores, from the highest, of (gain in recall) x precision.

    Range 0..1; chance is the base rate, so compare as a multiple of it. Interval: bootstrap by cluster.
    """
    if not 0 < outcome.sum() < outcome.size:
        return UNKNOWN
    order = np.argsort(-score, kind="stable")
    outcome, cluster = outcome[order], cluster[order]
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # last row of each distinct score
    value = _average_precision(outcome, np.ones_like(outcome), ends)
    drawn = [_average_precision(outcome, weights[cluster], ends) for weights in _bootstrap(cluster, replicates, seed)]
    return _percentile(value, drawn)


def recall_at(outcome: Vector, score: Vector, cluster: Codes, *, share: float = BUDGET_SHARE) -> Estimate:
    """Share of all events that lie among the `share` of rows with the highest scores. Range 0..1.

    Rows that tie at the cut count in part, as if a lottery decided. Interval: Wilson with the effective number
    of events, which is smaller where enrolments have several rows.
    """
    chosen = top_share(score, share)
    return ratio(chosen * outcome, outcome, cluster)


def precision_at(outcome: Vector, score: Vector, cluster: Codes, *, share: float = BUDGET_SHARE) -> Estimate:
    """Share of events among the `share` of rows with the highest scores. Range 0..1, chance is the base rate.

    Ties and interval as for `recall_at`.
    """
    chosen = top_share(score, share)
    return ratio(chosen * outcome, chosen, cluster)


def brier_skill(
    outcome: Vector, probability: Vector, cluster: Codes, *, replicates: int = REPLICATES, seed: int = 20
) -> Estimate:
    """1 - mean (p - y)^2 / (base rate x (1 - base rate)): the gain over saying the base rate to everyone.

    Range up to 1; 0 is no gain, below 0 is harm. The base rate is that of the rows judged. Interval: bootstrap
    by cluster.
    """
    if not 0 < outcome.sum() < outcome.size:
        return UNKNOWN
    sums = np.stack(
        [np.bincount(cluster, values) for values in (np.ones_like(outcome), outcome, (probability - outcome) ** 2)]
    )
    weights = np.vstack([np.ones(sums.shape[1]), *_bootstrap(cluster, replicates, seed)])
    n, events, squares = sums @ weights.T
    base = events / n
    with np.errstate(divide="ignore", invalid="ignore"):
        skill = 1 - squares / n / (base * (1 - base))
    return _percentile(float(skill[0]), [float(one) for one in skill[1:] if np.isfinite(one)])


def calibration_slope(outcome: Vector, probability: Vector, cluster: Codes) -> Estimate:
    """Slope of a logistic refit of the outcome on the log odds predicted.

    1 is right, below 1 the predictions are too extreme, above 1 too timid. Interval: sandwich by cluster.
    None where every probability is 0 or 1, as for a rule. Source: Cox 1958.
    """
    if not _is_graded(outcome, probability):
        return UNKNOWN
    odds = _log_odds(probability)
    slope, intercept = logistic_line(odds, outcome)
    if not np.isfinite(slope):
        return UNKNOWN
    fitted = expit(slope * odds + intercept)
    weight = fitted * (1 - fitted)
    design = np.column_stack([odds, np.ones_like(odds)])
    information = design.T @ (design * weight[:, None])
    influence = (design * (outcome - fitted)[:, None]) @ np.linalg.inv(information)[:, 0]
    return _normal(slope, _deviation(influence, cluster), -np.inf, np.inf)


def calibration_intercept(outcome: Vector, probability: Vector, cluster: Codes) -> Estimate:
    """Intercept of a logistic refit with the slope held at 1: calibration in the large, in log odds.

    0 is right, above 0 there are more events than predicted. Interval: sandwich by cluster.
    """
    if not _is_graded(outcome, probability):
        return UNKNOWN
    odds = _log_odds(probability)
    intercept = logistic_intercept(odds, outcome)
    fitted = expit(odds + intercept)
    influence = (outcome - fitted) / (fitted * (1 - fitted)).sum()
    return _normal(intercept, _deviation(influence, cluster), -np.inf, np.inf)


def expected_over_observed(
    outcome: Vector, probability: Vector, cluster: Codes, *, share: float = BUDGET_SHARE
) -> Estimate:
    """Sum of probabilities over the number of events, among the `share` of rows with the highest probabilities.

    1 is right, above 1 the highest risks are overstated. Range from 0. Interval: linearised ratio by cluster.
    """
    chosen = top_share(probability, share)
    observed = float((chosen * outcome).sum())
    if observed == 0:
        return UNKNOWN
    value = float((chosen * probability).sum()) / observed
    influence = chosen * (probability - value * outcome) / observed
    return _normal(value, _deviation(influence, cluster), 0, np.inf)


def top_share(score: Vector, share: float) -> Vector:
    """How far each row is among the `share` of rows with the highest scores: 1, 0, or a part for ties at the cut."""
    budget = share * score.size
    cut = np.sort(score)[::-1][max(int(np.ceil(budget)) - 1, 0)]
    above, tied = score > cut, score == cut
    return np.asarray(above + tied * (budget - above.sum()) / tied.sum(), dtype=np.float64)


def ratio(numerator: Vector, denominator: Vector, cluster: Codes) -> Estimate:
    """Sum of `numerator` over sum of `denominator`, a share; each row's numerator is at most its denominator.

    Interval: Wilson 1927 with n = value (1 - value) / variance by cluster, at most the denominator's sum. None
    where the denominator is 0.
    """
    n = float(denominator.sum())
    if n == 0:
        return UNKNOWN
    value = float(numerator.sum()) / n
    variance = _deviation((numerator - value * denominator) / n, cluster) ** 2
    # Where all are alike, the enrolments behind the rows are all that counts.
    effective = value * (1 - value) / variance if variance > 0 else float(np.unique(cluster[denominator > 0]).size)
    n = min(n, effective)
    centre = (value + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * np.sqrt(value * (1 - value) / n + Z_95**2 / (4 * n**2))
    return Estimate(value, max(float(centre - half), 0.0), min(float(centre + half), 1.0))


METRICS: dict[str, Callable[[Vector, Vector, Codes], Estimate]] = {
    "roc_auc": roc_auc,
    "pr_auc": pr_auc,
    "recall_at_10_percent": recall_at,
    "precision_at_10_percent": precision_at,
    "recall_at_20_percent": partial(recall_at, share=0.2),
    "precision_at_20_percent": partial(precision_at, share=0.2),
    "brier_skill": brier_skill,
    "calibration_slope": calibration_slope,
    "calibration_intercept": calibration_intercept,
    "expected_over_observed_top_10_percent": expected_over_observed,
    "base_rate": lambda outcome, _, cluster: ratio(outcome, np.ones_like(outcome), cluster),
}
"""The metrics of risk.quality; each takes outcome, probability and enrolment code of every row."""


def quality_rows(predictions: pl.DataFrame, *, minimum_events: int = MINIMUM_SLICE_EVENTS) -> pl.DataFrame:
    """Judge predictions: the columns of risk.quality but model_id.

    Args:
        predictions: columns of risk.prediction but model_id; beside them, where known, `days_of_history` (whole days
            from the first possible activity to the landmark), `ended_epoch_day` (null while active), `is_batch_end`
            (whether the enrolment ended in an administrative batch), `is_contacted` (whether a contact because of an alert
            may have changed the outcome) and `is_new_learner` (whether the model has met the learner in no landmark it
            learned from).
        minimum_events: a slice with fewer events (or fewer non-events) is left out; all rows together always stand.

    One row per estimator, horizon, slice and metric. Slices: all, each week_index, each course_id, each stretch of
    `DAYS_OF_HISTORY`; where there are some, all without the events of administrative batches and all without contacted
    learners; and new learners: who has been met may be recognised, so this is the figure for those who come. All rows
    together have `lead_days_median` too, where ends are known.
    """
    if "days_of_history" in predictions.columns:
        predictions = predictions.with_columns(_stretch(pl.col("days_of_history")).alias("days_of_history"))
    ordered = predictions.sort("horizon", "estimator", "observed_epoch_day", "enrolment_id")
    rows: list[dict[str, object]] = []
    for (horizon, estimator), part in ordered.group_by("horizon", "estimator", maintain_order=True):
        first, last = part.select(
            pl.col("observed_epoch_day").min().alias("first"), pl.col("observed_epoch_day").max().alias("last")
        ).row(0)
        for kind, value, slice_rows in _slices(part, minimum_events):
            outcome, probability, cluster = arrays(slice_rows)
            estimates = {name: metric(outcome, probability, cluster) for name, metric in METRICS.items()}
            if kind == "all" and "ended_epoch_day" in slice_rows.columns:
                estimates["lead_days_median"] = lead_days(slice_rows)
            for name, estimate in estimates.items():
                rows.append(
                    {
                        "estimator": estimator,
                        "horizon": horizon,
                        "slice_kind": kind,
                        "slice_value": value,
                        "metric_name": name,
                        "metric_value": estimate.value,
                        "metric_low": estimate.low,
                        "metric_high": estimate.high,
                        "n_count": outcome.size,
                        "n_events_count": int(outcome.sum()),
                        "fold_starts_on": _EPOCH + timedelta(days=first),
                        "fold_ends_on": _EPOCH + timedelta(days=last),
                    }
                )
    return pl.DataFrame(rows, schema=_QUALITY_SCHEMA)


def lead_days(predictions: pl.DataFrame, *, share: float = BUDGET_SHARE) -> Estimate:
    """Median days from the first landmark at which an enrolment was among the `share` highest to its abandonment.

    Over the enrolments that were abandoned within a landmark's window and among the highest before; the others are what
    recall counts. `predictions` are those of one estimator and horizon, with `ended_epoch_day`. Range from 0; an
    enrolment that stood among the highest on the fold's first landmark may have done so before, so it is a lower
    bound. Interval: bootstrap by enrolment. None where nobody was.
    """
    chosen = pl.Series(top_share(predictions["probability"].to_numpy(), share) > 0)
    found = (
        predictions.filter(chosen)
        .group_by("enrolment_id", maintain_order=True)
        .agg(
            pl.col("outcome_value").max(),
            lead=pl.col("ended_epoch_day").first() - pl.col("observed_epoch_day").min(),
        )
        .filter((pl.col("outcome_value") == 1) & (pl.col("lead") >= 0))
    )
    return median(found["lead"].cast(pl.Float64).to_numpy())


def median(values: Vector) -> Estimate:
    """The middle of some values, each counted as a case of its own. Interval: bootstrap. None where there are none."""
    if values.size == 0:
        return UNKNOWN
    generator = np.random.default_rng(20)
    drawn = [float(np.median(generator.choice(values, values.size))) for _ in range(REPLICATES)]
    return _percentile(float(np.median(values)), drawn)


def reliability(predictions: pl.DataFrame, *, parts: int = 10) -> pl.DataFrame:
    """What became of those who were told about the same risk: a row for each tenth of the rows, by probability.

    Args:
        predictions: columns of risk.prediction of one estimator and horizon.
        parts: how many parts of about equal size; equal probabilities stay together, so there may be fewer.

    Columns: part (1 is the lowest), n_count, n_events_count, probability_mean, observed_share with
    observed_low and observed_high, its 95 % interval by enrolment.
    """
    ranked = predictions.sort("probability", "enrolment_id", "observed_epoch_day").with_columns(
        part=((pl.col("probability").rank("max") * parts / pl.len()).ceil().cast(pl.Int64))
    )
    rows: list[dict[str, object]] = []
    for (part,), inside in ranked.group_by("part", maintain_order=True):
        outcome, probability, cluster = arrays(inside)
        observed = ratio(outcome, np.ones_like(outcome), cluster)
        rows.append(
            {
                "part": part,
                "n_count": outcome.size,
                "n_events_count": int(outcome.sum()),
                "probability_mean": float(probability.mean()),
                "observed_share": observed.value,
                "observed_low": observed.low,
                "observed_high": observed.high,
            }
        )
    return pl.DataFrame(rows, schema=_RELIABILITY_SCHEMA)


def arrays(predictions: pl.DataFrame) -> tuple[Vector, Vector, Codes]:
    """Outcome, probability and enrolment code (0, 1, 2 ...) of each row."""
    codes = predictions["enrolment_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
    return predictions["outcome_value"].to_numpy(), predictions["probability"].to_numpy(), codes


_RELIABILITY_SCHEMA = pl.Schema(
    {
        "part": pl.Int64,
        "n_count": pl.Int64,
        "n_events_count": pl.Int64,
        "probability_mean": pl.Float64,
        "observed_share": pl.Float64,
        "observed_low": pl.Float64,
        "observed_high": pl.Float64,
    }
)
_QUALITY_SCHEMA = pl.Schema(
    {
        "estimator": pl.String,
        "horizon": pl.String,
        "slice_kind": pl.String,
        "slice_value": pl.String,
        "metric_name": pl.String,
        "metric_value": pl.Float64,
        "metric_low": pl.Float64,
        "metric_high": pl.Float64,
        "n_count": pl.Int64,
        "n_events_count": pl.Int64,
        "fold_starts_on": pl.Date,
        "fold_ends_on": pl.Date,
    }
)


def _slices(part: pl.DataFrame, minimum_events: int) -> Iterator[tuple[str, str, pl.DataFrame]]:
    yield "all", "all", part
    if "is_batch_end" in part.columns:
        others = part.filter(~(pl.col("is_batch_end") & (pl.col("outcome_value") == 1)))
        if others.height < part.height:
            yield "without_batches", "all", others
    if "is_contacted" in part.columns:
        others = part.filter(~pl.col("is_contacted"))
        if 0 < others.height < part.height:
            yield "without_contacted", "all", others
    if "is_new_learner" in part.columns:
        new = part.filter(pl.col("is_new_learner"))
        if _is_told(new, minimum_events):
            yield "new_learners", "all", new
    for kind, column in (("week", "week_index"), ("course", "course_id"), ("days_of_history", "days_of_history")):
        if column not in part.columns:
            continue
        for (value,), rows in (
            part.filter(pl.col(column).is_not_null())
            .sort(column, maintain_order=True)
            .group_by(column, maintain_order=True)
        ):
            if _is_told(rows, minimum_events):
                yield kind, str(value), rows


def _is_told(rows: pl.DataFrame, minimum_events: int) -> bool:
    events = int(rows["outcome_value"].sum())
    return min(events, rows.height - events) >= minimum_events


def _stretch(days: pl.Expr) -> pl.Expr:
    """The stretch of history as text: 0-6, 7-13 ... and the last with a plus; null where unknown or before the start."""
    last = pl.when(days >= DAYS_OF_HISTORY[-1]).then(pl.lit(f"{DAYS_OF_HISTORY[-1]}+"))
    return pl.coalesce(
        *(
            pl.when((days >= first) & (days < after)).then(pl.lit(f"{first}-{after - 1}"))
            for first, after in pairwise(DAYS_OF_HISTORY)
        ),
        last,
    )


def _average_precision(outcome: Vector, weight: Vector, ends: npt.NDArray[np.intp]) -> float:
    """Average precision of rows in falling order of score; `ends` is the last row of each distinct score."""
    hits = np.cumsum(weight * outcome)[ends]
    rows = np.cumsum(weight)[ends]
    if hits[-1] == 0:
        return float("nan")
    with np.errstate(invalid="ignore"):
        precision = np.where(rows > 0, hits / rows, 0)
    return float((np.diff(hits, prepend=0) * precision).sum() / hits[-1])


def _bootstrap(cluster: Codes, replicates: int, seed: int) -> Iterator[Vector]:
    """How often each cluster is drawn, for each replicate."""
    generator, clusters = np.random.default_rng(seed), int(cluster.max()) + 1
    for _ in range(replicates):
        drawn = generator.integers(clusters, size=clusters)
        yield np.bincount(drawn, minlength=clusters).astype(np.float64)


def _percentile(value: float, drawn: list[float]) -> Estimate:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def _deviation(influence: Vector, cluster: Codes) -> float:
    """Standard deviation of an estimate from its influence values, summed by cluster (codes without gaps)."""
    sums = np.bincount(cluster, influence)
    if sums.size == 1:
        return float("nan")
    return float(np.sqrt(sums.size / (sums.size - 1) * (sums**2).sum()))


def _normal(value: float, deviation: float, least: float, most: float) -> Estimate:
    if not np.isfinite(deviation):
        return Estimate(value, None, None)
    return Estimate(value, max(value - Z_95 * deviation, least), min(value + Z_95 * deviation, most))


def _is_graded(outcome: Vector, probability: Vector) -> bool:
    """Whether a refit on the log odds makes sense: both outcomes are there, and some probability in between."""
    return bool(0 < outcome.sum() < outcome.size and ((probability > 0) & (probability < 1)).any())


def _log_odds(probability: Vector) -> Vector:
    held = np.clip(probability, _PROBABILITY_MARGIN, 1 - _PROBABILITY_MARGIN)
    return np.asarray(np.log(held / (1 - held)), dtype=np.float64)
