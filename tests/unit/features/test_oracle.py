"""Every feature table of random worlds beside its definition in SQL."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from data_contracts.tables.core import ENROLMENT_DAY
from data_contracts.tables.features import FEATURE_TABLES
from features.enrolment_day import enrolment_days
from features.sessions import with_minutes
from tests.oracle import ask_world, families, hold
from tests.unit.features.computed import COMPUTED, computed


def test_every_table_of_features_has_an_oracle():
    assert set(COMPUTED) == {table.name for table in FEATURE_TABLES}
    assert {"activity", "context", "assessment", "mentoring"} <= set(families())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", COMPUTED)
def test_a_table_of_a_random_world_is_what_its_definition_says(world_of, tonight, name, seed):
    world = world_of(seed)
    hold(computed(name, world, tonight), ask_world(world, name, tonight))


def statements(seed: int) -> pl.DataFrame:
    """Acts of two learners, one of whom is in two courses and in none for a while, often in the same second."""
    random, rows = np.random.default_rng(seed), 1000
    second = random.integers(-3 * 86_400, 3 * 86_400, rows) // 60 * 30

    def some(values: np.ndarray, share: float) -> pl.Series:
        return pl.select(pl.when(pl.Series(random.random(rows) < share)).then(pl.Series(values))).to_series()

    return pl.DataFrame(
        {
            "statement_id": random.permutation(rows).astype(str),
            "learner_id": np.where(second % 4 < 2, "ana", "ben"),
            "enrolment_id": some(np.where(second % 4 < 2, "e", np.where(second % 3 == 0, "f", "g")), 0.9),
            "epoch_day": second // 86_400,
            "known_epoch_day": second // 86_400 + random.integers(0, 2, rows),
            "strand": random.choice(["formal", "social"], rows),
            "activity_kind": random.choice(["quiz", "forum"], rows),
            "event_count": random.integers(1, 4, rows),
            "object_iri": some(random.choice(["a", "b", "c"], rows), 0.8),
            "scaled_score": some(random.choice([0.25, -1.0], rows), 0.3),
            "first_second": second % 86_400,
            "happened_second": second,
            "duration_seconds": some(random.integers(0, 400, rows), 0.2),
        }
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gap_seconds", [60, 1800])
def test_days_of_random_statements_are_what_their_definition_says(tonight, seed, gap_seconds):
    frame = statements(seed)
    timed = with_minutes(nw.from_native(frame.lazy()), gap_seconds=gap_seconds)
    days = enrolment_days(timed).collect().to_native()
    assert days["minutes"].n_unique() > 20
    hold(days, ask_world({"statement": frame}, "enrolment_day", tonight, gap_seconds=gap_seconds), ENROLMENT_DAY.key)


def test_a_row_that_differs_is_told_with_its_column_and_its_key(world, tonight):
    rows = computed("mentoring", world, tonight)
    wrong = rows.with_row_index().with_columns(is_matched=pl.col("is_matched") + (pl.col("index") == 5)).drop("index")
    key = rows.row(5)[0]
    with pytest.raises(AssertionError, match=rf"is_matched differs in 1 of {len(rows)} rows:(.|\n)*{key}"):
        hold(wrong, rows)
    with pytest.raises(AssertionError, match="rows only computed"):
        hold(rows, rows.filter(pl.col("enrolment_id") != key))
