"""Whether a ranking is as good for a group as for everybody else: the area between two ROC curves.

Belongs here: the area, and what it is where groups mean nothing. Does not belong here: which groups there are and what
is too much (`fairness.py`, `gate.py`).

Source: Gardner, Brooks and Baker 2019, "Evaluating the fairness of predictive student models through slicing analysis".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Counts = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MAXIMUM_BINS = 64
PERMUTATIONS = 200


def abroca(events: Counts, others: Counts, other_events: Counts, other_others: Counts) -> Counts:
    """Area between the ROC curves of a group and of the rest: the integral over 0..1 of |ROC_group - ROC_rest|.

    Args:
        events: rows of the group with the event, by score from the highest; one line a case, one column a score.
        others: rows of the group without it, alike.
        other_events: rows of the rest with the event, alike.
        other_others: rows of the rest without it, alike.

    Range 0..1, 0 where both are ranked alike. Exact for the given columns: between two steps of either curve both are
    straight. Not a number where a side lacks events or others. Small samples are far from 0 by chance alone; compare
    with the null.
    """
    first, second = _curve(events, others), _curve(other_events, other_others)
    knots = np.sort(np.concatenate([first[0], second[0]], axis=1), axis=1)
    start, width = knots[:, :-1], np.diff(knots, axis=1)
    # Curves may jump at a knot, so the ends of each piece are told from two points inside it.
    inner = [start + width * part for part in (1 / 3, 2 / 3)]
    near, far = (_height(*first, at) - _height(*second, at) for at in inner)
    left, right = 2 * near - far, 2 * far - near
    size = np.abs(left) + np.abs(right)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.where(size > 0, (left**2 + right**2) / (2 * size), 0)
    area = np.where(left * right >= 0, size / 2, crossing)
    found: Counts = (area * width).sum(axis=1)
    return np.where(_lacks(events, others) | _lacks(other_events, other_others), np.nan, found)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows of one ranking, counted by enrolment and score: what a permutation of enrolments needs."""

    events: csr_array
    others: csr_array

    @classmethod
    def of(cls, outcome: Vector, score: Vector, enrolment: Codes, enrolments: int) -> Ranking:
        """Count rows by enrolment (codes below `enrolments`) and score, from the highest.

        More than 64 distinct scores are counted in 64 parts of equal size, which is close enough for an area.
        """
        distinct, codes = np.unique(-score, return_inverse=True)
        if distinct.size > MAXIMUM_BINS:
            edges = np.unique(np.quantile(-score, np.arange(1, MAXIMUM_BINS) / MAXIMUM_BINS))
            codes = np.searchsorted(edges, -score, side="left")
        shape = (enrolments, int(codes.max()) + 1)
        is_event = outcome == 1
        made = [
            csr_array((np.ones(int(part.sum())), (enrolment[part], codes[part])), shape=shape)
            for part in (is_event, ~is_event)
        ]
        return cls(*made)

    def area(self, is_member: Mask) -> Counts:
        """ABROCA of each line of memberships (line x enrolment)."""
        member = is_member.astype(np.float64)
        events, others = (np.asarray(member @ counts) for counts in (self.events, self.others))
        all_events, all_others = (np.asarray(counts.sum(axis=0)) for counts in (self.events, self.others))
        return abroca(events, others, all_events - events, all_others - others)


def permuted(codes: Codes, stratum: Codes, *, permutations: int = PERMUTATIONS, seed: int = 20) -> Codes:
    """Group codes of enrolments dealt out anew within each stratum, one line a permutation.

    Groups keep their sizes within each stratum, and so does everything but who is in them.
    """
    generator = np.random.default_rng(seed)
    by_stratum = np.argsort(stratum, kind="stable")
    dealt = np.empty((permutations, codes.size), dtype=codes.dtype)
    for line in dealt:
        order = np.argsort(stratum + generator.random(codes.size))
        line[order] = codes[by_stratum]
    return dealt


def _curve(events: Counts, others: Counts) -> tuple[Counts, Counts]:
    """ROC curve of each line, from (0, 0) to (1, 1): false positive rates and recalls."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = [np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True) for counts in (others, events)]
    false_positive, recall = (np.nan_to_num(np.pad(rate, ((0, 0), (1, 0)))) for rate in rates)
    return false_positive, recall


def _height(knots: Counts, heights: Counts, at: Counts) -> Counts:
    """Height of each line's curve at points that are no knots of it."""
    before = np.maximum((knots[:, None, :] <= at[:, :, None]).sum(axis=2) - 1, 0)
    before = np.minimum(before, knots.shape[1] - 2)
    x0, x1, y0, y1 = (
        np.take_along_axis(values, index, axis=1) for values in (knots, heights) for index in (before, before + 1)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(x1 > x0, (at - x0) / (x1 - x0), 0)
    found: Counts = y0 + part * (y1 - y0)
    return found


def _lacks(events: Counts, others: Counts) -> Mask:
    return np.asarray((events.sum(axis=1) == 0) | (others.sum(axis=1) == 0))
