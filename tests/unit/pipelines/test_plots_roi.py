"""ROI as a drawing in an asset's metadata."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree as ET

import polars as pl

from pipelines.plots import LIMIT, roi_intervals
from tests.unit.models.returns_world import BENEFIT, effect, roi


def drawn(rows: pl.DataFrame) -> tuple[str, ET.Element]:
    said = roi_intervals(rows)
    assert len(said) <= LIMIT
    return said, ET.fromstring(unquote(said.split(",", 1)[1][:-1]))  # noqa: S314 - our own drawing


def texts(svg: ET.Element) -> list[str]:
    return [element.text or "" for element in svg.iter("{http://www.w3.org/2000/svg}text")]


def test_each_programme_and_its_mentoring_have_a_line_with_their_roi():
    _, svg = drawn(roi(effects=effect((-3.0, -5.5, -0.5))))
    assert texts(svg) == ["p 83%", "p m 168%", "| zero, m mentoring"]


def test_without_an_roi_it_says_so():
    _, svg = drawn(roi(benefits=BENEFIT.clear()))
    assert texts(svg) == ["no ROI can be said"]


def test_as_many_as_fit_are_drawn_and_the_rest_counted():
    one = roi().filter("is_headline")
    many = pl.concat([one.with_columns(programme_id=pl.lit(f"<programme & {number:02}>")) for number in range(30)])
    _, svg = drawn(many)
    shown = texts(svg)
    assert shown[0] == "<programme &.. 83%"
    assert shown[-1].endswith(f"and {30 - (len(shown) - 1)} more")
    assert len(shown) > 4
