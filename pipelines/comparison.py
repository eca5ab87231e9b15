"""Two stored models on the same landmarks, neither of which they were trained on.

Belongs here: finding those landmarks and the figures of both. Does not belong here: who may be champion (`models.gate`),
how it is printed (`commands.models`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from models import store
from models.metrics import METRICS, MINIMUM_SLICE_EVENTS, Estimate, arrays
from models.paired import Differences, paired_differences
from models.score import score
from models.split import HORIZONS, closed
from pipelines.home import EPOCH, Home
from pipelines.warehouse import Warehouse

SHOWN = ("roc_auc", "recall_at_10_percent", "precision_at_10_percent", "brier_skill", "calibration_slope")


@dataclass(frozen=True, slots=True)
class Compared:
    """One horizon: the landmarks, the figures of both models, and their differences.

    Without figures there were too few events. `first_on` is the day on which the first window of such a landmark is over.
    """

    horizon: str
    n_count: int
    n_events_count: int
    first_on: date
    figures: tuple[Mapping[str, Estimate], Mapping[str, Estimate]] | None = None
    differences: Differences | None = None


def compare(home: Home, warehouse: Warehouse, model_ids: tuple[str, str], *, tonight_epoch_day: int) -> list[Compared]:
    """Compare two models horizon by horizon.

    Args:
        home: where the models lie.
        warehouse: with features and labels of the last night.
        model_ids: the two; differences are first less second.
        tonight_epoch_day: local day of the last night; labels whose window was over by then count.

    Raises:
        StoredModelError: a folder is damaged, or its model cannot be used by today's code.
    """
    models = tuple(store.load(home.models, one) for one in model_ids)
    trained = max(model.trained_epoch_day for model in models)
    unseen_from = trained - min(HORIZONS.values()) + 1
    unseen = warehouse.frame(
        "SELECT * FROM features.enrolment_week JOIN features.label USING (enrolment_id, observed_epoch_day) "
        f"WHERE NOT is_scoring AND observed_epoch_day >= {unseen_from}"
    )
    told = []
    for horizon, days in HORIZONS.items():
        label = f"abandons_{horizon}"
        rows = closed(unseen, label, tonight_epoch_day).sort("observed_epoch_day", "enrolment_id")
        judged = rows.select("enrolment_id", outcome_value=pl.col(label).cast(pl.Float64))
        events = int(judged["outcome_value"].sum())
        first_on = (EPOCH + timedelta(days=unseen_from + days)).date()
        if min(events, judged.height - events) < MINIMUM_SLICE_EVENTS:
            told.append(Compared(horizon, judged.height, events, first_on))
            continue
        probabilities = [score(model, rows)[f"abandonment_probability_{horizon}"] for model in models]
        outcome, _, cluster = arrays(judged.with_columns(probability=probabilities[0]))
        first, second = (one.to_numpy() for one in probabilities)
        figures = tuple({name: METRICS[name](outcome, one, cluster) for name in SHOWN} for one in (first, second))
        told.append(
            Compared(
                horizon,
                judged.height,
                events,
                first_on,
                (figures[0], figures[1]),
                paired_differences(outcome, first, second, cluster),
            )
        )
    return told
