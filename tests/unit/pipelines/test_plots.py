"""Drawings in metadata are small enough to show, legible on any page, and name nothing outside."""

from __future__ import annotations

import re
from urllib.parse import unquote
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.fields.learning import STRANDS
from pipelines.plots import GREY, LIMIT, WIDTH, Bar, bars, effect_intervals, mix_bars, overlap_curves

COLOURS = {"formal": "#77b", "social": "#297", "experiential": "#d60"}
SVG = "{http://www.w3.org/2000/svg}"


def mix(*programmes: tuple[str, tuple[float | None, ...], int], target: float | None = 0.2) -> pl.DataFrame:
    """The mart's rows of one month: name, minutes by strand (None: unknown), events of the formal strand."""
    rows = [
        (name, "all", strand, minutes, events if strand == "formal" else events // 4, target)
        for name, by_strand, events in programmes
        for strand, minutes in zip(STRANDS, by_strand, strict=True)
    ]
    names = ["programme_id", "course_id", "strand", "minutes", "events_count", "target_share"]
    return pl.DataFrame(rows, schema=names, orient="row")


DEMO = mix(
    ("first-weeks", (148872.0, 75117.0, 137322.0), 55036),
    ("growth", (263184.0, 135994.0, 211523.0), 97613),
    ("succession", (117048.0, 63512.0, 94102.0), 43378),
    ("outside programmes", (25.6, 16.9, 0.0), 285),
)


def drawn(markdown: str) -> ElementTree.Element:
    """The drawing inside a Markdown image; what Markdown would read as its end is nowhere in it."""
    match = re.fullmatch(r"!\[[\w ]+\]\(data:image/svg\+xml,([^\s()<>\\]+)\)", markdown)
    assert match, markdown
    return ElementTree.fromstring(unquote(match[1]))  # noqa: S314 - we drew it


def words(svg: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")]


def test_the_demo_s_mix_is_drawn_whole_under_the_limit():
    markdown = mix_bars(DEMO)
    assert len(markdown) <= LIMIT < 1000
    svg = drawn(markdown)
    said = words(svg)
    assert said[:3] == ["growth 43:22:35", "first-weeks 41:21:38", "succession 43:23:34"]
    assert said[-1].startswith("formal social experiential | target")
    assert int(svg.get("width")) == WIDTH <= 520


def test_of_twelve_programmes_the_largest_are_drawn_and_the_rest_counted():
    rows = mix(*((f"programme {number}", (50.0, 30.0, 20.0), 1000 * number) for number in range(1, 13)))
    markdown = mix_bars(rows)
    assert len(markdown) <= LIMIT
    *names, legend = words(drawn(markdown))
    assert len(names) >= 3
    assert [name.split()[1] for name in names] == [str(12 - place) for place in range(len(names))]
    assert legend.endswith(f"and {12 - len(names)} more")


def test_where_no_minutes_are_known_events_are_drawn_and_a_star_says_so():
    unknown = mix(("2013B", (None, None, None), 400), ("growth", (30.0, 10.0, 10.0), 300), target=None)
    said = words(drawn(mix_bars(unknown)))
    assert said[0] == "2013B* 67:17:17"
    assert said[1] == "growth 60:20:20"
    assert said[-1] == "formal social experiential * by events"


def test_a_strand_that_no_log_tells_of_is_a_question_and_no_zero():
    rows = mix(("growth", (30.0, 10.0, None), 300))
    assert words(drawn(mix_bars(rows)))[0] == "growth 75:25:?"
    never = rows.with_columns(minutes=pl.lit(None, pl.Float64)).with_columns(
        events_count=pl.when(pl.col("strand") == "experiential").then(0).otherwise("events_count")
    )
    assert words(drawn(mix_bars(never)))[0] == "growth* 80:20:?"


def test_a_programme_of_which_nothing_is_published_is_left_out():
    rows = mix(("growth", (30.0, 10.0, 10.0), 300), ("small", (None, None, None), 0))
    assert [line.split()[0] for line in words(drawn(mix_bars(rows)))[:-1]] == ["growth"]
    assert words(drawn(mix_bars(rows.clear()))) == ["formal social experiential"]


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.1."""
    parts = [int(digit * 2, 16) / 255 for digit in colour.removeprefix("#")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("page", [1.0, luminance("#111")])
def test_everything_stands_out_on_a_white_and_on_a_dark_page(page):
    svg = drawn(mix_bars(DEMO))
    colours = {part.get(name) for part in svg.iter() for name in ("fill", "stroke")} - {None}
    assert GREY in colours
    for colour in colours:
        light, dark = sorted((luminance(colour), page), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


@given(st.lists(st.text(max_size=40), max_size=12))
def test_no_name_breaks_the_drawing_or_draws_anything_of_its_own(names: list[str]):
    rows = [Bar(name, (0.5, 0.3, 0.2), (0.1, 0.2, 0.7)) for name in names]
    markdown = bars(rows, COLOURS, about="Mix")
    assert len(markdown) <= LIMIT
    svg = drawn(markdown)
    assert {part.tag for part in svg.iter()} <= {SVG + name for name in ("svg", "text", "tspan", "path")}
    assert not re.search(r"href|url\(|<(?:image|script|style|use|a)\b", unquote(markdown).split("xmlns")[0])
    assert {name for part in svg.iter() for name in part.attrib} <= {
        "width", "height", "font-family", "font-size", "fill", "x", "y", "d", "stroke", "stroke-width",
    }  # fmt: skip


def test_a_name_that_looks_like_markup_is_shown_as_it_is():
    assert words(drawn(bars([Bar("</text>)![&'\"", (1.0,))], {"all": "#777"}, about="Mix")))[0] == "</text>)![&'\" 100"


def effects(count: int) -> pl.DataFrame:
    rows = [
        (
            f"programme {number:02d}" if number else "all",
            "matched",
            "all",
            "weak" if number == 1 else "usable",
            -2.0,
            -4.0,
            0.5,
        )
        for number in range(count)
    ]
    names = [
        "programme_id",
        "contrast",
        "subgroup_kind",
        "verdict",
        "effect_points",
        "effect_low_points",
        "effect_high_points",
    ]
    return pl.DataFrame(rows, schema=names, orient="row")


def test_effects_are_drawn_all_programmes_together_first_and_the_rest_counted():
    few, many = effect_intervals(effects(3), "matched"), effect_intervals(effects(20), "matched")
    assert words(drawn(few)) == ["all -2.0", "programme 01? -2.0", "programme 02 -2.0", "| zero, points, ? weak"]
    assert len(many) <= LIMIT
    assert re.search(r"and \d+ more$", words(drawn(many))[-1])


def test_where_no_effect_can_be_said_the_drawing_says_so():
    assert words(drawn(effect_intervals(effects(3), "first_contact"))) == ["no effect can be said"]


def test_overlap_is_drawn_as_far_as_anybody_is():
    shares = [0.5, 0.3, 0.2] + [0.0] * 17
    rows = pl.DataFrame(
        {
            "propensity_low_share": [number / 20 for number in range(20)],
            "treated_share": shares,
            "controls_share": shares[::-1][17:] + shares[3:],
            "weighted_controls_share": shares,
        }
    )
    markdown = overlap_curves(rows)
    assert len(markdown) <= LIMIT
    assert words(drawn(markdown)) == ["propensity 0 to 15%: treated controls weighted"]
    assert words(drawn(overlap_curves(rows.clear()))) == ["nothing was estimated"]
