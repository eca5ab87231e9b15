"""Two predictions of the same rows: which is better, and by how much.

Belongs here: differences of metrics with an interval from the same draws of enrolments for both. Does not belong here:
which difference is enough (`gate.py`), metrics of one prediction (`metrics.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.metrics import UNKNOWN, Codes, Estimate, Vector

REPLICATES = 200
_MARGIN = 1e-9


@dataclass(frozen=True, slots=True)
class Differences:
    """First less second: area under the curve (more is better), log loss in nats a row (less is better)."""

    auc: Estimate
    log_loss: Estimate
    log_loss_of_second: float


def paired_differences(
    outcome: Vector, first: Vector, second: Vector, cluster: Codes, *, replicates: int = REPLICATES, seed: int = 20
) -> Differences:
    """Compare two predictions of the same rows by a paired bootstrap.

    Enrolments are drawn with replacement, all rows of one together, and both predictions are judged on each draw; the
    interval is that of the differences (2.5th to 97.5th percentile). What both share, such as a hard week, cancels out.
    Unknown where the rows have one outcome only. Source: Efron and Tibshirani 1993, chapter 16.
    """
    losses = [_losses(outcome, one) for one in (first, second)]
    level = float(losses[1].mean()) if outcome.size else float("nan")
    if not 0 < outcome.sum() < outcome.size:
        return Differences(UNKNOWN, UNKNOWN, level)
    clusters = int(cluster.max()) + 1
    sums = np.bincount(cluster, losses[0] - losses[1], minlength=clusters)
    sizes = np.bincount(cluster, minlength=clusters)
    areas = [_Area(outcome, one, cluster) for one in (first, second)]
    generator = np.random.default_rng(seed)
    drawn: list[tuple[float, float]] = []
    for _ in range(replicates):
        weight = np.bincount(generator.integers(clusters, size=clusters), minlength=clusters).astype(np.float64)
        drawn.append((areas[0].value(weight) - areas[1].value(weight), float(sums @ weight / (sizes @ weight))))
    once = np.ones(clusters)
    values = areas[0].value(once) - areas[1].value(once), float(sums.sum() / sizes.sum())
    low, high = np.nanpercentile(np.array(drawn), [2.5, 97.5], axis=0)
    auc, loss = (
        Estimate(value, float(least), float(most)) for value, least, most in zip(values, low, high, strict=True)
    )
    return Differences(auc, loss, level)


class _Area:
    """Area under the curve of one prediction for many weightings; the order of the rows is found once."""

    def __init__(self, outcome: Vector, score: Vector, cluster: Codes) -> None:
        order = np.argsort(-score, kind="stable")
        self._cluster, self._outcome = cluster[order], outcome[order]
        self._ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # last row of each distinct score

    def value(self, weight: Vector) -> float:
        """Area for a weight of each cluster; ties count half, nan where an outcome has no weight."""
        rows = weight[self._cluster]
        events = np.cumsum(rows * self._outcome)[self._ends]
        others = np.cumsum(rows)[self._ends] - events
        if not (events[-1] and others[-1]):
            return float("nan")
        middle = events - np.diff(events, prepend=0) / 2
        return float((np.diff(others, prepend=0) * middle).sum() / (events[-1] * others[-1]))


def _losses(outcome: Vector, probability: Vector) -> npt.NDArray[np.float64]:
    held = np.clip(probability, _MARGIN, 1 - _MARGIN)
    return np.asarray(-(outcome * np.log(held) + (1 - outcome) * np.log1p(-held)), dtype=np.float64)
