"""The field's rule, which the model must beat.

Belongs here: the reference that needs no training. Does not belong here: logistic regression, which is half of the model
and by itself the other reference (`logistic.py`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Vector = npt.NDArray[np.float64]

INACTIVE_DAYS = 7


def inactive_7d_rule(frame: pl.DataFrame) -> Vector:
    """The field's rule: 1 where nothing happened for 7 days or more, else 0; unknown counts as 0."""
    is_inactive = frame["days_since_activity"].fill_null(0) >= INACTIVE_DAYS
    return is_inactive.cast(pl.Float64).to_numpy()
