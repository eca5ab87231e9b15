"""Which landmarks tell what became of a learner who was contacted because of an alert, and not what would have.

Belongs here: from days of contact to marks on landmarks. Does not belong here: where contacts are read
(`pipelines.contacts`), what the marks are for (`train.py`, `metrics.py`; docs/decisions/0022).
"""

from __future__ import annotations

import polars as pl

from models.split import HORIZONS

MARKS = {horizon: f"is_contacted_{horizon}" for horizon in HORIZONS}
"""The column of each horizon's mark."""

_KEY = ("enrolment_id", "observed_epoch_day")


def with_contacts(landmarks: pl.DataFrame, contacts: pl.DataFrame) -> pl.DataFrame:
    """Add a boolean `is_contacted_7d` and `is_contacted_28d` to landmarks, whose rows and order stay as they are.

    With d the landmark's day, c the contact's and h the horizon, a landmark is marked where d + h > c and d < c + h: its
    window, the days d to d + h - 1, holds the contact, or begins within the h days from the contact on.

    Args:
        landmarks: `enrolment_id` and `observed_epoch_day`.
        contacts: `enrolment_id` and `contact_epoch_day`, the learner's local day of a contact because of an alert.
    """
    apart = (pl.col("contact_epoch_day") - pl.col("observed_epoch_day")).abs().min()
    nearest = (
        landmarks.select(_KEY).unique().join(contacts, on="enrolment_id").group_by(_KEY).agg(_days_to_contact=apart)
    )
    marks = {
        mark: (pl.col("_days_to_contact") < HORIZONS[horizon]).fill_null(value=False) for horizon, mark in MARKS.items()
    }
    marked = landmarks.join(nearest, on=_KEY, how="left", maintain_order="left").with_columns(**marks)
    return marked.drop("_days_to_contact")
