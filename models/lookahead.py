"""What a landmark teaches: an example for every look-ahead whose window is over.

Belongs here: from landmarks with labels to examples (row, days ahead, outcome), and which of them a fit sees. Does not
belong here: what is fitted (`train.py`) and which parts train, calibrate and test (`split.py`).

A model of four weeks waits four weeks for the first word of a course that has begun. One that is asked for the next week
and for the next four, with the days as a feature, learns from each window as it closes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples over one frame of landmarks, as aligned arrays.

    `row` is the landmark's place in the frame, `label` its outcome's in `labels`, `days` how far ahead that looks,
    `outcome` 0 or 1, `observed_on` the landmark's day, `closes_on` the day at whose beginning the window is over,
    `is_batch` says that the event is one of an administrative batch, which nothing that a learner did foretells, and
    `is_contacted` that a contact because of an alert may have changed the outcome.
    """

    labels: tuple[str, ...]
    row: Rows
    label: Rows
    days: Vector
    outcome: Vector
    observed_on: Rows
    closes_on: Rows
    is_batch: Mask
    is_contacted: Mask

    def where(self, mask: Mask) -> Examples:
        """Those for which `mask` is true."""
        return replace(self, **{name: getattr(self, name)[mask] for name in _ARRAYS})

    def of(self, label: str) -> Mask:
        """Which of them ask for a label."""
        return np.asarray(self.label == self.labels.index(label))

    @property
    def teaches(self) -> Mask:
        """Which of them say what follows from what a learner did, so that a fit or a calibration may see them."""
        return np.asarray(~(self.is_batch | self.is_contacted))

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self.row.size)

    def drawn(self, seed: int, *, most: int) -> Examples:
        """What a fit sees: one example, by lot, of each row whose longest look-ahead is here, all of other rows'.

        None of those that do not teach.
        Old rows would else count as often as they have look-aheads, and new ones, which say most about the courses that
        run, but once. Of more than `most` examples a lot decides too.
        """
        left = self.where(self.teaches)
        chance = np.random.default_rng(seed)
        by_row = np.lexsort((chance.random(left.size), left.row))
        is_first = np.ones(left.size, dtype=bool)
        is_first[1:] = left.row[by_row][1:] != left.row[by_row][:-1]
        is_drawn = np.zeros(left.size, dtype=bool)
        is_drawn[by_row[is_first]] = True
        is_settled = np.zeros(int(left.row.max(initial=0)) + 1, dtype=bool)
        is_settled[left.row[left.label == len(left.labels) - 1]] = True
        found = left.where(is_drawn | ~is_settled[left.row])
        if found.size <= most:
            return found
        return found.where(np.isin(np.arange(found.size), chance.choice(found.size, most, replace=False)))


_ARRAYS = tuple(one.name for one in fields(Examples) if one.name != "labels")


def together(parts: Sequence[Examples]) -> Examples:
    """Examples of one frame and the same labels, one part after the other."""
    columns: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in parts]) for name in _ARRAYS}
    return replace(parts[0], **columns)


def examples_of(
    rows: pl.DataFrame,
    labels: Mapping[str, int | str],
    known: Mapping[str, Mask],
    *,
    is_batch: Mask | None = None,
    is_contacted: Mapping[str, Mask] = MappingProxyType({}),
) -> Examples:
    """Examples of every row and look-ahead whose outcome is known.

    Args:
        rows: landmarks with `observed_epoch_day`; their order is that of `Examples.row`.
        labels: columns of outcomes, the shortest look-ahead first, each with its days or the column that tells them.
        known: for each label which rows may teach it.
        is_batch: rows whose event, if any, is one of an administrative batch.
        is_contacted: of a label, the rows whose outcome a contact because of an alert may have changed.
    """
    observed = rows["observed_epoch_day"].to_numpy().astype(np.int64)
    nowhere = np.zeros(rows.height, dtype=bool)
    batch = nowhere if is_batch is None else is_batch
    parts = []
    for number, (name, ahead) in enumerate(labels.items()):
        row = np.flatnonzero(known[name])
        days = np.full(row.size, ahead) if isinstance(ahead, int) else rows[ahead].to_numpy()[row]
        outcome = rows[name].to_numpy()[row].astype(np.float64)
        closes_on = observed[row] + days.astype(np.int64)
        parts.append(
            (
                *(row, np.full(row.size, number), days.astype(np.float64), outcome),
                *(observed[row], closes_on, batch[row] & (outcome == 1)),
                is_contacted.get(name, nowhere)[row],
            )
        )
    return Examples(tuple(labels), *(np.concatenate(column) for column in zip(*parts, strict=True)))
