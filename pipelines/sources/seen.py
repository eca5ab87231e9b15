"""Which statements certainly are not in the warehouse yet, told without asking it.

Belongs here: the filter. Does not belong here: the answer where it says perhaps, which only the warehouse has (`record`).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

# An id sets so many bits of one word of 64; with a word an id one in 400,000 strangers is taken for known.
_BITS = 5
_FEWEST_WORDS, _MOST_WORDS = 1 << 20, 1 << 24


class Seen:
    """Ids of statements as a Bloom filter: what it does not know was never added; what it knows perhaps was.

    It takes 8 bytes an id, and at most 128 MB: with more than 17 million ids it is wrong more often, never falsely sure.
    """

    def __init__(self, room: int) -> None:
        words = 1 << max(room - 1, 1).bit_length()
        self._words = np.zeros(min(max(words, _FEWEST_WORDS), _MOST_WORDS), np.uint64)
        self.rows = 0

    @property
    def is_full(self) -> bool:
        """Whether a larger one would serve better."""
        return self.rows > len(self._words) < _MOST_WORDS

    def add(self, ids: pl.Series) -> None:
        """Remember ids."""
        places, masks = self._told(ids)
        np.bitwise_or.at(self._words, places, masks)
        self.rows += len(ids)

    def perhaps(self, ids: pl.Series) -> pl.Series:
        """For each id whether it may have been added."""
        places, masks = self._told(ids)
        return pl.Series(self._words[places] & masks == masks)

    def _told(self, ids: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        hashes = ids.hash().to_numpy()
        masks = np.zeros(len(hashes), np.uint64)
        for number in range(_BITS):
            masks |= np.uint64(1) << (hashes >> np.uint64(64 - 6 * (number + 1)) & np.uint64(63))
        return (hashes & np.uint64(len(self._words) - 1)).astype(np.int64), masks
