import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contacted import MARKS, with_contacts

NOBODY = pl.DataFrame(schema={"enrolment_id": pl.String, "contact_epoch_day": pl.Int64})


def landmarks(*days, enrolment_id="e1"):
    return pl.DataFrame({"enrolment_id": [enrolment_id] * len(days), "observed_epoch_day": list(days)})


def contacts(*days, enrolment_id="e1"):
    return pl.DataFrame({"enrolment_id": [enrolment_id] * len(days), "contact_epoch_day": list(days)})


@pytest.mark.parametrize(("mark", "days"), [("is_contacted_7d", 7), ("is_contacted_28d", 28)])
def test_a_window_that_holds_the_contact_or_begins_soon_after_it_is_marked_and_the_next_day_is_not(mark, days):
    around = landmarks(100 - days, 100 - days + 1, 100, 100 + days - 1, 100 + days)
    assert with_contacts(around, contacts(100))[mark].to_list() == [False, True, True, True, False]


def test_the_nearest_of_several_contacts_decides_and_each_enrolment_has_its_own():
    rows = pl.concat([landmarks(0, 50, 100), landmarks(50, enrolment_id="e2")])
    marked = with_contacts(rows, contacts(49, 120, 49))
    assert marked["is_contacted_7d"].to_list() == [False, True, False, False]
    assert marked["is_contacted_28d"].to_list() == [False, True, True, False]


@settings(deadline=None)
@given(
    days=st.lists(st.integers(0, 90), min_size=1, max_size=12),
    told=st.lists(st.integers(0, 90), max_size=4),
)
def test_rows_and_their_order_stay_and_the_mark_is_the_overlap_that_is_promised(days, told):
    given_rows = landmarks(*days).with_row_index("place")
    marked = with_contacts(given_rows, contacts(*told) if told else NOBODY)
    assert marked.drop(MARKS.values()).equals(given_rows)
    for horizon, mark in ((7, "is_contacted_7d"), (28, "is_contacted_28d")):
        assert marked[mark].to_list() == [any(d + horizon > c and d < c + horizon for c in told) for d in days]
