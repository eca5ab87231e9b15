"""What became of each landmark."""

from __future__ import annotations

import polars as pl
import pytest

from data_contracts.tables.features import LABEL
from features.labels import labels


def label(on_both, tonight, observed=100, **given):
    """(abandons_7d, abandons_28d, abandons_end, fails_or_abandons_end) of one landmark."""
    row = {
        "enrolment_id": "e",
        "course_end_epoch_day": 200,
        "ended_epoch_day": None,
        "ended_known_epoch_day": None,
        "ended_kind": None,
        "has_recorded_outcome": True,
    } | given
    row["ended_known_epoch_day"] = row["ended_known_epoch_day"] or row["ended_epoch_day"]
    types = {"ended_epoch_day": pl.Int64, "ended_known_epoch_day": pl.Int64, "ended_kind": pl.String}
    landmarks = pl.DataFrame({"enrolment_id": ["e"], "observed_epoch_day": [observed]})
    found = on_both(labels, landmarks, pl.DataFrame([row], schema_overrides=types), tonight_epoch_day=tonight)
    return found.row(0)[2:]


def test_labels_of_a_world_take_every_value_within_the_contract(world, on_both, keeps_contract, tonight):
    computed = on_both(labels, world["landmarks"], world["enrolments"], tonight_epoch_day=tonight)
    keeps_contract(computed, LABEL)
    for name in ("abandons_7d", "abandons_28d", "abandons_end", "fails_or_abandons_end"):
        assert set(computed[name]) == {0, 1, None}


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (100, (1, 1, 1, 1)),
        (106, (1, 1, 1, 1)),
        (107, (0, 1, 1, 1)),
        (127, (0, 1, 1, 1)),
        (128, (0, 0, 1, 1)),
    ],
)
def test_an_abandonment_counts_from_the_observed_day_to_the_windows_last(on_both, ended, expected):
    assert label(on_both, 150, ended_epoch_day=ended, ended_kind="abandoned") == expected


def test_a_competing_end_is_no_abandonment(on_both):
    assert label(on_both, 104, ended_epoch_day=103, ended_kind="completed") == (0, 0, 0, 0)
    assert label(on_both, 104, ended_epoch_day=103, ended_kind="failed") == (0, 0, 0, 1)


def test_follow_up_too_short_is_not_known(on_both):
    assert label(on_both, 106) == (None, None, None, None)
    assert label(on_both, 107) == (0, None, None, None)
    assert label(on_both, 127) == (0, None, None, None)
    assert label(on_both, 128) == (0, 0, None, None)


def test_an_end_counts_once_it_is_known(on_both):
    late = {"ended_epoch_day": 103, "ended_known_epoch_day": 105, "ended_kind": "abandoned"}
    assert label(on_both, 105, **late) == (None, None, None, None)
    assert label(on_both, 106, **late) == (1, 1, 1, 1)


def test_a_course_that_is_over_settles_every_label(on_both):
    assert label(on_both, 102, course_end_epoch_day=102) == (None, None, None, None)
    assert label(on_both, 103, course_end_epoch_day=102) == (0, 0, 0, 0)


def test_silence_is_judged_when_it_has_lasted(on_both):
    silent = {"has_recorded_outcome": False}
    assert label(on_both, 107, **silent) == (None, None, None, None)
    assert label(on_both, 134, **silent) == (None, None, None, None)
    assert label(on_both, 135, **silent) == (0, None, None, None)
    assert label(on_both, 132, ended_epoch_day=102, ended_known_epoch_day=131, ended_kind="abandoned", **silent) == (
        1,
        1,
        1,
        1,
    )
    assert label(on_both, 130, course_end_epoch_day=102, **silent) == (None, None, None, None)
    assert label(on_both, 131, course_end_epoch_day=102, **silent) == (0, 0, 0, 0)
