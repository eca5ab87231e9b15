"""The joined feature table, and that nothing in it comes from the future."""

from __future__ import annotations

from collections.abc import Callable

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from data_contracts.features import FEATURE_NAMES
from data_contracts.tables.features import ENROLMENT_WEEK
from features.activity import activity_features, context_features
from features.assessment import assessment_features
from features.mentoring import mentoring_features
from features.table import enrolment_week

INPUTS = ("landmarks", "enrolments", "enrolment_days", "submissions", "matches", "events", "tickets")
World = dict[str, pl.DataFrame]


def feature_table(landmarks, enrolments, enrolment_days, submissions, matches, events, tickets):
    return enrolment_week(
        landmarks,
        activity_features(landmarks, enrolments, enrolment_days),
        context_features(landmarks, enrolments),
        assessment_features(landmarks, submissions),
        mentoring_features(landmarks, matches, events, tickets),
    )


def features_at(world: World, day: int, table: Callable[..., nw.LazyFrame] = feature_table) -> pl.DataFrame:
    frames = [world[name] for name in INPUTS]
    frames[0] = frames[0].filter(pl.col("observed_epoch_day") == day)
    return table(*(nw.from_native(frame.lazy()) for frame in frames)).collect().to_native().sort("enrolment_id")


def _changed_rows(frame: pl.DataFrame, day: int, random: np.random.Generator) -> pl.DataFrame:
    """Drop, move and multiply rows at or after the day or known then, and add some like those before it."""
    is_later = (pl.col("epoch_day") >= day) | (pl.col("known_epoch_day") >= day)
    later = frame.filter(is_later)
    kept = later.filter(pl.Series(random.random(len(later)) < 0.7))
    moved = kept.with_columns(known_epoch_day=day + pl.Series(random.integers(0, 40, len(kept))))
    invented = frame.sample(60, seed=int(random.integers(1 << 30))).with_columns(
        known_epoch_day=day + pl.Series(random.integers(0, 9, 60))
    )
    changed = pl.concat([moved, invented]).with_columns(
        pl.col(name) * 3 for name in ("events_count", "minutes") if name in frame.columns
    )
    return pl.concat([frame.filter(~is_later), changed])


def with_another_future(world: World, day: int, seed: int) -> World:
    """The same world up to the day; whatever happened or was known from then on is another."""
    random = np.random.default_rng(seed)
    works = world["submissions"]
    unknown = ((pl.col("submitted_epoch_day") < day) & (pl.col("known_epoch_day") < day)).fill_null(value=False).not_()
    unmarked = (pl.col("score_known_epoch_day") < day).fill_null(value=False).not_()
    submitted = day + pl.Series(random.integers(-20, 20, len(works)))
    fates = pl.Series(random.random(len(works)) < 0.5)

    def ends(name: str) -> pl.Expr:
        return pl.when(pl.col(name) < day).then(name)

    return world | {
        "enrolment_days": _changed_rows(world["enrolment_days"], day, random),
        "events": _changed_rows(world["events"], day, random),
        "submissions": works.with_columns(
            submitted_epoch_day=pl.when(unknown).then(pl.when(fates).then(submitted)).otherwise("submitted_epoch_day"),
            known_epoch_day=pl.when(unknown)
            .then(pl.when(fates).then(pl.max_horizontal(submitted, day)))
            .otherwise("known_epoch_day"),
            score_share=pl.when(unknown | unmarked).then(pl.when(fates).then(0.99)).otherwise("score_share"),
            score_known_epoch_day=pl.when(unknown | unmarked)
            .then(pl.when(fates).then(pl.max_horizontal(submitted, day)))
            .otherwise("score_known_epoch_day"),
        ),
        "matches": world["matches"]
        .filter(pl.col("matched_epoch_day") < day)
        .with_columns(ends("match_ended_epoch_day")),
        "tickets": world["tickets"].filter(pl.col("opened_epoch_day") < day).with_columns(ends("resolved_epoch_day")),
        "enrolments": world["enrolments"].with_columns(ended_kind=pl.lit("failed"), ended_epoch_day=pl.lit(day)),
    }


def test_the_table_has_one_row_a_landmark_and_keeps_the_contract(world, on_both, keeps_contract):
    found = on_both(feature_table, *(world[name] for name in INPUTS))
    keeps_contract(found, ENROLMENT_WEEK)
    assert len(found) == len(world["landmarks"])
    assert [name for name in FEATURE_NAMES if found[name].null_count() == len(found)] == []


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_another_future_leaves_the_features_as_they_were(world, data):
    day = data.draw(st.sampled_from(sorted(set(world["landmarks"]["observed_epoch_day"]))))
    seed = data.draw(st.integers(0, 2**32 - 1))
    assert_frame_equal(features_at(world, day), features_at(with_another_future(world, day, seed), day))


def _trusting_every_row(landmarks, enrolments, enrolment_days, *others):
    """A table that takes each row as known on its own day."""
    return feature_table(
        landmarks, enrolments, enrolment_days.with_columns(known_epoch_day=nw.col("epoch_day")), *others
    )


def _a_day_late(landmarks, *others):
    """A table that also sees the observed day itself."""
    return feature_table(landmarks.with_columns(observed_epoch_day=nw.col("observed_epoch_day") + 1), *others)


def _by_the_fate(landmarks, enrolments, *others):
    """A table that tells by a feature how the enrolment ends."""
    fate = nw.when(nw.col("ended_kind") == "failed").then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    return feature_table(landmarks, enrolments.with_columns(studied_credits=fate), *others)


@pytest.mark.parametrize("leaky", [_trusting_every_row, _a_day_late, _by_the_fate])
def test_a_table_that_sees_the_future_is_caught(world, leaky, tonight):
    before = features_at(world, tonight, leaky)
    assert not before.equals(features_at(with_another_future(world, tonight, 1), tonight, leaky))
