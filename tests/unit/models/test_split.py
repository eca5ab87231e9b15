import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.lookahead import examples_of
from models.split import SplitError, closed, forward_folds, given_fold, past_folds


def _examples(days, horizon):
    """An example a landmark, all of one look-ahead."""
    frame = pl.DataFrame({"observed_epoch_day": days, "label": [0] * len(days)})
    return examples_of(frame, {"label": horizon}, {"label": np.ones(len(days), dtype=bool)})


def _landmarks(days, **columns):
    return pl.DataFrame({"observed_epoch_day": days, "course_id": ["c"] * len(days), **columns})


@given(
    days=st.lists(st.integers(0, 400), min_size=1, max_size=80),
    horizon=st.sampled_from([1, 7, 28]),
    test_share=st.floats(0.05, 0.9),
    calibration_share=st.floats(0.05, 0.9),
)
def test_every_label_window_is_closed_before_the_next_part_begins(days, horizon, test_share, calibration_share):
    frame = _landmarks(days)
    if past_folds(frame, horizon_days=horizon) < 2:
        with pytest.raises(SplitError, match="days apart"):
            forward_folds(_examples(days, horizon), horizon_days=horizon)
        return
    fold = forward_folds(
        _examples(days, horizon), horizon_days=horizon, test_share=test_share, calibration_share=calibration_share
    )
    day = np.array(days)
    last_window_day = day + horizon - 1
    assert last_window_day[fold.train].max() < day[fold.calibration].min()
    assert last_window_day[fold.calibration].max() < day[fold.test].min()
    assert last_window_day[fold.past].max() < day[fold.test].min()
    assert not (fold.train & fold.calibration).any()
    assert not (fold.past & fold.test).any()
    assert (fold.past[fold.train | fold.calibration]).all()


def test_the_parts_are_the_latest_that_hold_their_share_of_rows():
    days = list(range(0, 100, 7)) * 2  # 15 days of 2 rows
    fold = forward_folds(_examples(days, 7), horizon_days=7)
    day = np.array(days)
    assert sorted(set(day[fold.test])) == [84, 91, 98]
    assert sorted(set(day[fold.calibration])) == [56, 63, 70, 77][1:]
    assert day[fold.train].max() == 56


def test_a_part_moves_later_where_the_part_before_it_would_be_empty():
    days = [0, 28] + [56] * 98
    fold = forward_folds(_examples(days, 28), horizon_days=28)
    assert np.flatnonzero(fold.train).tolist() == [0]
    assert np.flatnonzero(fold.calibration).tolist() == [1]
    assert fold.test.sum() == 98


def test_rows_within_the_gap_before_calibration_are_past_but_train_nothing():
    fold = forward_folds(_examples(list(range(100)), 7), horizon_days=7)
    gap = fold.past & ~fold.train & ~fold.calibration
    assert gap.sum() == 6


def test_past_folds_are_counted_a_horizon_apart():
    assert past_folds(_landmarks([]).cast({"observed_epoch_day": pl.Int64}), horizon_days=28) == 0
    assert past_folds(_landmarks([1, 8, 15, 22]), horizon_days=28) == 0
    assert past_folds(_landmarks([1, 28, 29]), horizon_days=28) == 1
    assert past_folds(_landmarks([1, 29, 57]), horizon_days=28) == 2


def test_two_short_runs_far_apart_are_one_past_fold():
    assert past_folds(_landmarks([1, 8, 15, 151, 158]), horizon_days=28) == 1


def test_a_label_counts_on_the_morning_after_its_window():
    frame = _landmarks([10, 10], abandons_7d=[0, 1])
    assert closed(frame, "abandons_7d", 16).height == 0
    assert closed(frame, "abandons_7d", 17).height == 2


def test_an_early_known_abandonment_does_not_count_before_those_who_stay_are_known():
    frame = pl.DataFrame(
        {
            "observed_epoch_day": [10, 10, 10, 20],
            "course_id": ["a", "a", "b", "a"],
            "abandons_7d": [1, None, 1, 0],
        }
    )
    assert closed(frame, "abandons_7d", 100).rows() == [(10, "b", 1), (20, "a", 0)]


def test_a_label_without_a_horizon_counts_where_the_whole_course_day_is_known():
    frame = _landmarks([1, 1, 2], abandons_end=[1, None, 1])
    assert closed(frame, "abandons_end", 0)["observed_epoch_day"].to_list() == [2]


def test_given_masks_train_on_all_past_rows_and_calibrate_on_the_latest_of_them():
    days = [*range(0, 70, 7), 35, 42]
    is_test = np.array([False] * 10 + [True] * 2)
    fold = given_fold(_examples(days, 7), is_past=~is_test, is_test=is_test, horizon_days=7)
    assert fold.past.sum() == 10
    assert np.array(days)[fold.calibration].tolist() == [49, 56, 63]
    assert np.array(days)[fold.train].max() == 42
    assert not (fold.train & is_test).any()


def test_given_masks_that_overlap_are_refused():
    every = np.array([True, True])
    with pytest.raises(SplitError, match="past and test at once"):
        given_fold(_examples([1, 90], 7), is_past=every, is_test=every, horizon_days=7)


def test_a_shorter_look_ahead_reaches_further_into_the_gap_and_never_across_it():
    days = np.repeat(np.arange(0, 200, 7), 2)
    frame = pl.DataFrame({"observed_epoch_day": days, "week": 0, "month": 0})
    every = np.ones(days.size, dtype=bool)
    examples = examples_of(frame, {"week": 7, "month": 28}, {"week": every, "month": every})
    fold = forward_folds(examples, horizon_days=28)
    begins = examples.observed_on[fold.test].min()
    last = {label: examples.observed_on[fold.past & examples.of(label)].max() for label in ("week", "month")}
    assert last == {"week": begins - 7, "month": begins - 28}
