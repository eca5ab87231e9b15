"""Small cells are withheld, and nothing that stands beside them gives them away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from models.suppression import PART, REMAINDER, TOTAL, suppress

K = 4


def table(counts: Mapping[str, int], *, total: int | None = None, remainder: int = 0) -> pl.DataFrame:
    """One group: parts in the order given, their total and what is not published of it."""
    cells = [(name, PART, people) for name, people in counts.items()]
    cells += [("all", TOTAL, total)] if total is not None else []
    cells += [("rest", REMAINDER, remainder)]
    return pl.DataFrame(
        [("g", *cell, 10.0 * cell[2]) for cell in cells], schema=["group", "name", "role", "n", "minutes"], orient="row"
    )


def withheld(rows: pl.DataFrame, groups: Sequence[Sequence[str]] = (("group",),)) -> set[str]:
    found = suppress(rows, count="n", measures=["n", "minutes"], groups=groups, k=K, role=pl.col("role"))
    assert found.select("group", "name", "role").equals(rows.select("group", "name", "role"))
    hidden = found.filter("is_suppressed")
    assert hidden["minutes"].null_count() == hidden["n"].null_count() == hidden.height
    assert (
        found.filter(~pl.col("is_suppressed"))
        .select(rows.columns)
        .equals(rows.filter(~pl.Series(found["is_suppressed"])))
    )
    return set(hidden["name"])


def test_a_small_cell_takes_the_smallest_other_part_with_it():
    assert withheld(table({"a": 3, "b": 9, "c": 8}, total=20)) == {"a", "c"}


def test_a_true_zero_stays_and_nothing_is_withheld_for_it():
    assert withheld(table({"a": 0, "b": 9}, total=9)) == set()


def test_what_is_not_published_hides_a_small_cell_at_no_cost():
    assert withheld(table({"a": 3, "b": 9}, total=40, remainder=28)) == {"a", "rest"}


def test_a_small_remainder_takes_a_part_with_it_since_subtraction_would_tell_it():
    assert withheld(table({"a": 9, "b": 8}, total=19, remainder=2)) == {"b", "rest"}


def test_several_small_parts_hide_in_their_total_where_enough_people_are_behind_them_together():
    assert withheld(table({"a": 3, "b": 3, "c": 3}, total=9)) == {"a", "b", "c"}


def test_several_small_parts_of_the_same_few_people_take_another_with_them():
    assert withheld(table({"a": 3, "b": 3, "c": 30}, total=33)) == {"a", "b", "c"}


def test_a_total_is_withheld_where_nothing_else_is_left():
    assert withheld(table({"a": 3}, total=30, remainder=0)) == {"a", "all"}


def test_a_small_total_goes_with_all_its_parts():
    assert withheld(table({"a": 2, "b": 1}, total=3)) == {"a", "b", "all"}


def test_ties_are_decided_by_the_order_of_the_rows():
    assert withheld(table({"a": 1, "b": 9, "c": 9}, total=19)) == {"a", "b"}


def test_a_group_without_a_total_is_one_whose_total_is_known_elsewhere():
    assert withheld(table({"a": 3, "b": 9, "c": 8})) == {"a", "c"}


def test_where_groups_cross_each_of_them_is_kept_safe():
    rows = pl.DataFrame(
        [
            (row, column, f"{row}{column}", PART, 2 if (row, column) == ("1", "x") else 9)
            for row in "123"
            for column in "xyz"
        ],
        schema=["row", "column", "name", "role", "n"],
        orient="row",
    ).with_columns(group=pl.col("row"), minutes=pl.col("n") * 10.0)
    hidden = withheld(rows, groups=(("row",), ("column",)))
    assert "1x" in hidden
    for line in ("row", "column"):
        per_line = rows.group_by(line).agg(pl.col("name").is_in(list(hidden)).sum().alias("hidden"))
        assert 1 not in per_line["hidden"].to_list()


people = st.lists(st.sets(st.integers(0, 30), max_size=12), min_size=1, max_size=5)


@given(parts=people, rest=st.sets(st.integers(0, 30), max_size=12))
def test_no_difference_of_published_rows_tells_of_few_people(parts: list[set[int]], rest: set[int]):
    """Every sum that subtraction can leave is tried: the total less any of the published parts."""
    who = {f"p{number}": part for number, part in enumerate(parts)} | {"rest": rest}
    everybody = set().union(*who.values())
    counts = {name: len(part) for name, part in who.items() if name != "rest"}
    hidden = withheld(table(counts, total=len(everybody), remainder=len(rest)))
    assert {name for name, part in who.items() if 0 < len(part) < K} <= hidden
    shown = [name for name in counts if name not in hidden]
    # What is not published itself may be worked out where it is not hidden, so it must be large enough to be told.
    for size in range(len(shown) + 1):
        for taken in combinations(shown, size):
            left = [name for name in who if name not in taken and who[name]]
            told = set().union(*(who[name] for name in left))
            if "all" not in hidden and left:
                assert len(told) >= K, (taken, left)
            if "all" not in hidden and len(left) == 1:
                assert left[0] not in hidden
