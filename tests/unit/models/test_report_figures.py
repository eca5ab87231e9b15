"""Drawings of reports hold what they are given, inside their frame, and shares are of what is known."""

import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from models.report_figures import WIDTH, Bar, Interval, bars, intervals, shares

SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = st.floats(-1e6, 1e6)


def drawn(svg):
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314 - drawn here


@given(st.lists(st.tuples(st.text(max_size=80), st.lists(st.floats(0, 1e9), max_size=4)), max_size=6), st.booleans())
def test_bars_stay_inside_their_frame_whatever_they_are_called(rows, is_share):
    made = [Bar(name, name, parts) for name, parts in rows]
    svg = drawn(bars(made, ["a", "b", "c", "d"], about='of "this" & that', is_share=is_share))
    height = float(svg.get("viewBox").split()[3])
    for rect in svg.iter(f"{SVG}rect"):
        assert float(rect.get("x")) + float(rect.get("width")) <= WIDTH + 1
        assert float(rect.get("y")) + float(rect.get("height")) <= height


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS).map(sorted), max_size=6))
def test_an_interval_holds_its_estimate_and_the_scale_holds_zero(rows):
    svg = drawn(
        intervals([Interval("n", "s", middle, low, high) for low, middle, high in rows], about="a", unit="points")
    )
    lines, dots = svg.findall(f"{SVG}line"), svg.findall(f"{SVG}circle")
    assert len(dots) == len(rows)
    for line in lines:
        assert 0 <= float(line.get("x1")) <= float(line.get("x2")) <= WIDTH
    for line, dot in zip(lines[1::2], dots, strict=True):
        assert float(line.get("x1")) <= float(dot.get("cx")) <= float(line.get("x2"))


def test_parts_are_as_long_as_their_values_say():
    svg = drawn(bars([Bar("all", "", [30, 10]), Bar("half", "", [20])], ["a", "b"], about="a"))
    widths = [round(float(rect.get("width"))) for rect in svg.iter(f"{SVG}rect")][:3]
    assert widths == [269, 89, 179]


def test_a_long_name_is_cut_and_a_drawing_says_what_it_shows():
    svg = bars([Bar("n" * 90, "1", [1])], ["a"], about="Rows by reason.")
    assert 'aria-label="Rows by reason. The table has the figures."' in svg
    assert re.search(r">n{43}…<", svg)


def test_shares_add_up_to_one_over_what_is_known_and_nothing_known_has_none():
    assert shares({"a": 3.0, "b": None, "c": 1.0}) == {"a": 0.75, "b": 0.0, "c": 0.25}
    assert shares({"a": None, "b": 0.0}) is None
