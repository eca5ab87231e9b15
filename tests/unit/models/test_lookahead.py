import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.lookahead import examples_of, together

LABELS = {"abandons_7d": 7, "abandons_28d": 28}


def _examples(rows=40, settled=30, batch=()):
    """Rows whose 28 days are over up to `settled`; every third abandons within 28 days."""
    number = np.arange(rows)
    frame = pl.DataFrame(
        {
            "observed_epoch_day": 100 + number,
            "abandons_7d": (number % 6 == 0).astype(int),
            "abandons_28d": (number % 3 == 0).astype(int),
        }
    )
    known = {"abandons_7d": np.ones(rows, dtype=bool), "abandons_28d": number < settled}
    return examples_of(frame, LABELS, known, is_batch=np.isin(number, batch))


def test_every_known_window_is_an_example_with_the_day_it_closes_on():
    examples = _examples()
    assert examples.size == 40 + 30
    assert (examples.closes_on == examples.observed_on + examples.days).all()
    asked = examples.where(examples.of("abandons_28d"))
    assert set(asked.days) == {28.0}
    assert asked.outcome.tolist() == (asked.row % 3 == 0).tolist()


def test_a_column_may_tell_how_far_ahead_a_row_looks():
    frame = pl.DataFrame({"observed_epoch_day": [10, 20], "ends": [1, 0], "rest_days": [50, 40]})
    examples = examples_of(frame, {"ends": "rest_days"}, {"ends": np.array([True, True])})
    assert examples.days.tolist() == [50.0, 40.0]
    assert examples.closes_on.tolist() == [60, 60]


def test_a_settled_row_is_drawn_once_and_an_open_one_teaches_every_window_that_is_over():
    drawn = _examples().drawn(1, most=1000)
    assert sorted(drawn.row) == list(range(40))
    assert set(drawn.days[drawn.row >= 30]) == {7.0}
    assert set(drawn.days[drawn.row < 30]) == {7.0, 28.0}


def test_an_administrative_batch_is_told_apart_and_teaches_nothing():
    examples = _examples(batch=(0, 1, 3))
    assert sorted(examples.row[examples.is_batch]) == [0, 0, 3]  # 1 stays, 3 leaves after the first week
    drawn = examples.drawn(1, most=1000)
    assert 0 not in drawn.row
    assert drawn.days[drawn.row == 3].tolist() == [7.0]


def test_a_window_that_a_contact_may_have_changed_teaches_nothing_and_a_shorter_one_still_does():
    rows = pl.DataFrame({"observed_epoch_day": [100, 101], "abandons_7d": [0, 1], "abandons_28d": [1, 1]})
    known = dict.fromkeys(LABELS, np.ones(2, dtype=bool))
    contacted = {"abandons_7d": np.array([False, True]), "abandons_28d": np.array([True, True])}
    examples = examples_of(rows, LABELS, known, is_contacted=contacted)
    drawn = examples.drawn(1, most=1000)
    assert (examples.size, drawn.row.tolist(), drawn.days.tolist()) == (4, [0], [7.0])


@given(seed=st.integers(0, 50), most=st.integers(1, 60))
def test_the_draw_is_the_seeds_alone_and_never_more_than_asked(seed, most):
    examples = _examples()
    first, again = examples.drawn(seed, most=most), examples.drawn(seed, most=most)
    assert first.row.tolist() == again.row.tolist()
    assert first.size == min(most, 40)


def test_parts_together_are_the_whole():
    examples = _examples()
    parts = [examples.where(examples.of(label)) for label in LABELS]
    assert together(parts).row.tolist() == examples.row.tolist()


def test_an_unknown_label_is_an_error():
    with pytest.raises(ValueError, match=r"tuple\.index"):
        _examples().of("abandons_end")
