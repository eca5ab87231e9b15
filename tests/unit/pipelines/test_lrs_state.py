"""The watermark: nothing that an LRS can still tell lies before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from pipelines.sources.lrs.pull import Span
from pipelines.sources.lrs.state import PullState

START = datetime(2026, 1, 5, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


def after(state, *pages, consistent=1000):
    for page in pages:
        state = state.after([at(one) for one in page], consistent_at=at(consistent), more="next", byte_count=1)
    return state


def test_at_the_end_the_watermark_is_the_newest_stored_or_what_is_consistent():
    state = after(PullState("main").begun(), [1, 2], [3, 4])
    assert state.ended().watermark_at == at(4)
    assert after(PullState("main").begun(), [1, 2], [3, 4], consistent=3).ended().watermark_at == at(3)


def test_the_lowest_consistent_through_of_a_range_counts():
    state = after(PullState("main").begun(), [1, 2], consistent=2)
    assert after(state, [3, 9], consistent=9).ended().watermark_at == at(2)


def test_nothing_seen_leaves_the_watermark():
    assert after(PullState("main").begun(), []).ended().watermark_at is None
    assert after(PullState("main", watermark_at=at(5)).begun(), []).ended().watermark_at == at(5)


def test_the_watermark_never_goes_back():
    assert after(PullState("main", watermark_at=at(5)).begun(), [1]).ended().watermark_at == at(5)


def test_one_page_says_nothing_of_the_order_and_two_do():
    state = after(PullState("main").begun(), [1, 2])
    assert state.watermark_at is None
    assert after(state, []).watermark_at is None
    assert after(state, [2, 3]).watermark_at == at(3) - timedelta(milliseconds=1)


@pytest.mark.parametrize("pages", [([2, 1], [3, 4]), ([1, 5], [3, 6]), ([1, 2], [3, 4], [2])])
def test_out_of_order_it_does_not_move_before_the_end(pages):
    state = after(PullState("main").begun(), *pages)
    assert state.ordered_page_count is None
    assert state.watermark_at in {None, at(4) - timedelta(milliseconds=1)}
    assert after(state, [90, 91], [92, 93]).watermark_at == state.watermark_at


def test_a_statement_without_stored_leaves_the_order_unknown():
    state = PullState("main").begun().after([at(1), None], consistent_at=None, more="next", byte_count=1)
    assert after(state, [2], [3]).watermark_at is None


def test_the_next_range_asks_from_before_the_watermark_but_not_before_its_own_beginning():
    overlap = timedelta(minutes=1)
    assert PullState("main").asks_from(overlap) is None
    assert PullState("main", since_at=at(0)).asks_from(overlap) == at(0)
    assert PullState("main", since_at=at(0), watermark_at=at(600)).asks_from(overlap) == at(540)
    assert PullState("main", since_at=at(0), watermark_at=at(30)).asks_from(overlap) == at(0)
    assert PullState("main", watermark_at=datetime.min.replace(tzinfo=UTC)).asks_from(overlap).year == 1


@given(
    st.lists(st.integers(0, 60), max_size=40),
    st.lists(st.integers(1, 7), min_size=1, max_size=12),
    st.integers(0, 70),
    st.booleans(),
    st.integers(0, 40),
)
def test_whoever_asks_again_from_the_watermark_misses_nothing(stored, sizes, consistent, is_ordered, stop):
    """A pull is stopped after some pages; what it has not seen, or could not be sure of, lies after the watermark."""
    rows = sorted(stored) if is_ordered else stored
    state, seen, rest = PullState("main").begun(), [], list(rows)
    for size in [*sizes[:stop], *([40] if stop >= len(sizes) else [])]:
        page, rest = rest[:size], rest[size:]
        seen += page
        state = state.after([at(one) for one in page], consistent_at=at(consistent), more="next", byte_count=1)
    if not rest:
        state = state.ended()
    elif not is_ordered:
        # Two pages or more that happen to be in order are taken for order; everything else is not.
        assume(seen != sorted(seen))
    if state.watermark_at is not None:
        assert not [one for one in rest if at(one) <= state.watermark_at]
        assert state.watermark_at <= at(consistent)
        assert state.watermark_at <= at(max(seen))


def test_the_row_comes_back_as_it_was_saved(house):
    state = after(PullState("main", since_at=at(0), until_at=at(99)).begun(), [1], [2])
    state.save(house.warehouse, at(5))
    assert PullState.load(house.warehouse, "main", "forward") == replace(state, updated_at=at(5))
    state.ended().save(house.warehouse, at(6))
    assert house.rows("SELECT is_open, updated_at FROM ops.lrs_pull") == [(False, at(6).replace(tzinfo=None))]
    assert PullState.load(house.warehouse, "other", "forward") is None


def test_a_range_that_ends_before_it_begins_is_refused():
    with pytest.raises(UsageError, match="before it begins; swap --since and --until"):
        Span(at(5), at(5))
