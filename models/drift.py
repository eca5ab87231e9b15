"""How far the population of today is from that of the training.

Belongs here: population stability of features and scores, and lateness against its past. Does not belong here: whether
a model is good (`metrics.py`) or may be champion (`gate.py`).

Source of the index and its thresholds: Siddiqi 2006, "Credit Risk Scorecards". Features that count weeks of a course
drift by themselves where all courses began together; a figure says that the rows differ, never why.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Vector = npt.NDArray[np.float64]

MODERATE, LARGE = 0.10, 0.25
"""Siddiqi's thresholds: below .10 nothing changed, from .25 on much did."""
BINS = 10
MINIMUM_ROWS = 200
"""Below this the index of two samples of one population easily exceeds .10: its mean is (bins - 1) / rows."""
MAXIMUM_ROWS = 100_000
UNKNOWN_BIN = -1
LATE_HOURS = 24.0
LEAST_SHARE = 1e-4
"""What stands for an empty bin, whose logarithm does not exist."""

_REFERENCE = pl.Schema(
    {"subject": pl.String, "bin_index": pl.Int64, "upper_edge": pl.Float64, "expected_share": pl.Float64}
)
_INDEX = pl.Schema({"subject": pl.String, "metric_value": pl.Float64, "n_count": pl.Int64, "drift_verdict": pl.String})


def sample(frame: pl.DataFrame, rows: int = MAXIMUM_ROWS) -> pl.DataFrame:
    """Every n-th row, so that at most `rows` are left: shares need no more, and the same rows give the same sample."""
    return frame.gather_every(-(-frame.height // rows)) if frame.height > rows else frame


def reference(frame: pl.DataFrame, subjects: Sequence[str]) -> pl.DataFrame:
    """Bins of each subject and the share of rows in each: the columns of risk.reference but model_id.

    Bins end at the deciles of the known values; equal deciles make one bin. Unknown values are bin -1.
    """
    rows: list[tuple[str, int, float | None, float]] = []
    for subject in subjects:
        values = _values(frame, subject)
        known = values[~np.isnan(values)]
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS)) if known.size else np.empty(0)
        if known.size and edges.size and edges[-1] == known.max():
            edges = edges[:-1]
        shares = _shares(values, edges)
        uppers = [None, *(float(edge) for edge in edges), None]
        rows += [(subject, index - 1, uppers[index], float(share)) for index, share in enumerate(shares)]
    return pl.DataFrame(rows, schema=_REFERENCE, orient="row")


def stability(frame: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """Population stability index of each subject of `expected` in the rows of `frame`, the largest first.

    Formula: sum over bins of (actual - expected) x ln(actual / expected), shares of rows; 0 for equal shares. An empty
    bin counts as .0001. Verdict: stable below .10, moderate below .25, else large; "not audited" and null under 200
    rows. Returns subject, metric_value, n_count, drift_verdict.
    """
    found: list[tuple[str, float | None, int, str]] = []
    for (subject,), bins in expected.sort("subject", "bin_index").group_by("subject", maintain_order=True):
        edges = bins.filter(pl.col("upper_edge").is_not_null())["upper_edge"].to_numpy()
        if frame.height < MINIMUM_ROWS:
            found.append((str(subject), None, frame.height, "not audited"))
            continue
        index = stability_index(bins["expected_share"].to_numpy(), _shares(_values(frame, str(subject)), edges))
        found.append((str(subject), index, frame.height, verdict(index)))
    return pl.DataFrame(found, schema=_INDEX, orient="row").sort(
        "metric_value", "subject", descending=[True, False], nulls_last=True
    )


def stability_index(expected: Vector, actual: Vector) -> float:
    """Population stability index of two lists of shares over the same bins. Range from 0."""
    held_expected, held_actual = np.maximum(expected, LEAST_SHARE), np.maximum(actual, LEAST_SHARE)
    return float(((held_actual - held_expected) * np.log(held_actual / held_expected)).sum())


def verdict(index: float) -> str:
    """Siddiqi's words for an index."""
    return "stable" if index < MODERATE else "moderate" if index < LARGE else "large"


def lateness_verdict(before_hours: float | None, recent_hours: float | None) -> str:
    """Whether data comes later than when the model was trained, by the 95th percentile of hours until it was known.

    What comes within a day is stable: a night sees it anyway. Beyond that up to 1.25 times as late is stable, up to
    twice moderate, more is large: a learner whose data is late looks silent. "not audited" where there is nothing to
    compare with.
    """
    if recent_hours is None or before_hours is None:
        return "not audited"
    if recent_hours <= max(LATE_HOURS, 1.25 * before_hours):
        return "stable"
    return "moderate" if recent_hours <= max(LATE_HOURS, 2 * before_hours) else "large"


def _values(frame: pl.DataFrame, subject: str) -> Vector:
    return frame[subject].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _shares(values: Vector, edges: Vector) -> Vector:
    """Share of the unknown, and then of each bin; all 0 where there is no row."""
    is_known = ~np.isnan(values)
    counts = np.bincount(np.searchsorted(edges, values[is_known], side="left"), minlength=edges.size + 1)
    return np.concatenate([[values.size - is_known.sum()], counts]) / max(values.size, 1)
