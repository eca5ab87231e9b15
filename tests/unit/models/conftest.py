"""Landmarks of a small world whose hazard is known, and a model trained on them."""

import numpy as np
import polars as pl
import pytest

from data_contracts.features import FEATURES
from data_contracts.schema import Kind
from models.train import TrainingSettings, train

TONIGHT = 20_000


def make_landmarks(enrolments=600, weeks=20, seed=5, is_shuffled=False):
    """Weekly landmarks of two overlapping runs; risk rises with days_since_activity and falls with events_28d."""
    generator = np.random.default_rng(seed)
    rows = enrolments * weeks
    enrolment = np.repeat(np.arange(enrolments), weeks)
    week = np.tile(np.arange(weeks), enrolments)
    is_second_run = enrolment % 2 == 1
    day = TONIGHT - 7 * (weeks - 1) - 70 + 7 * week + 70 * is_second_run
    latent = np.repeat(generator.normal(size=enrolments), weeks) + generator.normal(scale=0.5, size=rows)
    columns = {}
    for feature in FEATURES:
        noise = generator.normal(size=rows)
        if feature.family in {"mentoring", "support"}:
            columns[feature.name] = pl.Series(feature.name, [None] * rows, dtype=pl.Float64)
            continue
        values = {
            "days_since_activity": np.maximum(5 - 4 * latent + noise, 0),
            "events_28d": np.maximum(40 + 20 * latent + 5 * noise, 0),
        }.get(feature.name, np.abs(noise))
        if feature.field.kind is Kind.INTEGER:
            values = np.floor(values)
        if feature.field.maximum == 1:
            values = np.minimum(values / 3, 1)
        columns[feature.name] = pl.Series(feature.name, values).set(pl.Series(noise > 2), None)
    columns["days_since_activity"] = columns["days_since_activity"].fill_null(0)
    columns["has_never_started"] = pl.Series("has_never_started", np.zeros(rows))
    odds = -3.2 - 1.3 * latent
    abandons_28d = (generator.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)
    if is_shuffled:
        abandons_28d = generator.permutation(abandons_28d)
    abandons_7d = abandons_28d * (generator.random(rows) < 0.4)
    frame = pl.DataFrame(
        {
            "enrolment_id": [f"e{number:05d}" for number in enrolment],
            "course_id": np.where(is_second_run, "run-2", "run-1"),
            "observed_epoch_day": day,
            "week_index": week,
            "is_scoring": day >= TONIGHT,
            **columns,
            "abandons_7d": abandons_7d,
            "abandons_28d": abandons_28d,
            "is_batch_end": np.zeros(rows, dtype=bool),
        }
    )
    for days in (7, 28):
        label = pl.col(f"abandons_{days}d")
        is_closed = pl.col("observed_epoch_day") + days <= TONIGHT
        frame = frame.with_columns(pl.when(is_closed).then(label).alias(f"abandons_{days}d"))
    return frame


@pytest.fixture(scope="session")
def settings():
    return TrainingSettings(rounds=25, threads=1)


@pytest.fixture(scope="session")
def landmarks_of():
    return make_landmarks


@pytest.fixture(scope="session")
def tonight():
    return TONIGHT


@pytest.fixture(scope="session")
def landmarks():
    return make_landmarks()


@pytest.fixture(scope="session")
def trained(landmarks, settings):
    return train(landmarks, tonight_epoch_day=TONIGHT, settings=settings)
