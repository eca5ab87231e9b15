"""The drawings of assets' pages answer their question, stay under the limit, and tell of no single person."""

from __future__ import annotations

import re
from datetime import date, timedelta
from urllib.parse import unquote
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.suppression import SMALL_CELL
from pipelines import charts, plots
from pipelines.plots import LIMIT, WIDTH, Count, Curve
from tests.unit.pipelines.marts_rows import OBSERVED, add, at, on

SVG = "{http://www.w3.org/2000/svg}"
COLOURS = {"served": "#297", "unserved": "#d60"}


def drawn(markdown):
    match = re.fullmatch(r"!\[[\w -]+\]\(data:image/svg\+xml,([^\s()<>\\]+)\)", markdown)
    assert match, markdown
    assert len(markdown) <= LIMIT
    return ElementTree.fromstring(unquote(match[1]))  # noqa: S314 - we drew it


def said(value):
    return ["".join(text.itertext()) for text in drawn(getattr(value, "value", value)).iter(f"{SVG}text")]


def alert(warehouse, number, level, *, is_served):
    add(
        warehouse,
        "alerts.alert",
        alert_id=f"{level}{number}",
        learner_id=f"l{number}",
        observed_at=OBSERVED,
        kind="risk",
        state="new",
        level=level,
        is_served=is_served,
    )


def mentor(warehouse, number, planned, available=100.0):
    add(
        warehouse,
        "alerts.capacity",
        mentor_id=f"m{number}",
        observed_at=OBSERVED,
        week_starts_on=on(3, 11),
        available_minutes=available,
        planned_minutes=planned,
        used_minutes=0.0,
    )


def test_of_an_empty_house_every_drawing_says_that_there_is_nothing(house):
    night = house.night
    empty = pl.DataFrame(schema={"estimator": pl.String, "horizon": pl.String})
    quality = empty.with_columns(
        slice_kind=pl.lit(""), metric_name=pl.lit(""), slice_value=pl.lit(""), metric_value=pl.lit(0.0)
    )
    assert said(charts.lateness(night)) == ["no statement of the last 28 days says when it became known"]
    assert said(charts.quarantine(night)) == ["nothing is in quarantine"]
    assert said(charts.survival(night)) == ["nothing to show yet"]
    assert said(charts.alerts_by_level(night)) == ["no open alerts"]
    assert said(charts.minutes_by_load(night)) == ["fewer than 10 mentors have minutes"]
    assert said(charts.calibration(empty)) == said(charts.recall_by_week(quality)) == ["nothing to show yet"]


def test_statements_are_counted_by_how_late_they_became_known(house):
    for number, hours in enumerate((0, 1, 2, 24, 25, 2000)):
        happened = at(3, 12) - timedelta(hours=hours)
        add(
            house.warehouse,
            "raw.statement",
            statement_id=f"s{number}",
            happened_at=happened,
            known_at=at(3, 12),
            is_known_at_assumed=False,
        )
    assert said(charts.lateness(house.night))[:-1] == [
        "within 1 hour 2",
        "within a day 2",
        "within a week 1",
        "within 30 days 0",
        "later 1",
    ]


def test_refused_rows_are_counted_by_reason_and_released_ones_are_not(house):
    for number, reason in enumerate(("no_time", "no_time", "bad_number")):
        add(house.warehouse, "raw.quarantine", fault_id=f"f{number}", table_name="statement", reason=reason)
    add(house.warehouse, "raw.quarantine", fault_id="g", table_name="goal", reason="bad_date")
    house.warehouse.execute("INSERT INTO raw.released (fault_id) VALUES ('f2')")
    assert said(charts.quarantine(house.night, ("statement",))) == ["no time 2"]
    assert said(charts.quarantine(house.night)) == ["no time 2", "bad date 1"]


def test_survival_falls_with_abandonment_alone_and_ends_where_few_are_followed(house):
    for number in range(40):
        is_gone = number < 10
        add(
            house.warehouse,
            "core.participation",
            participation_id=f"P:l{number}",
            learner_id=f"l{number}",
            programme_id="P",
            status="abandoned" if is_gone else "ended" if number < 35 else "active",
            starts_on=on(1, 1),
            ended_on=date(2024, 1, 10) if is_gone else date(2024, 1, 31) if number < 35 else None,
        )
    *_, legend = said(charts.survival(house.night))
    assert legend == "0 to 5 weeks in: P"
    line = list(drawn(charts.survival(house.night).value).iter(f"{SVG}path"))[-1]
    falls = [int(step.split(",")[1]) for step in re.findall(r"l(-?\d+,-?\d+)", line.get("d"))]
    assert falls == [0, 25, 0, 0, 0]


def test_alerts_are_told_by_level_a_small_part_is_not_split_and_a_small_level_is_withheld(house):
    for number in range(30):
        alert(house.warehouse, number, "social", is_served=number < 12)
        alert(house.warehouse, number, "educational", is_served=number < 3)
    for number in range(4):
        alert(house.warehouse, number, "technical", is_served=True)
    rows = said(charts.alerts_by_level(house.night))
    assert rows[:3] == ["educational withheld", "social 30", "technical withheld"]
    for number in range(4, SMALL_CELL):
        alert(house.warehouse, number, "technical", is_served=True)
    *rows, legend = said(charts.alerts_by_level(house.night))
    assert rows == ["educational 30", "social 30", "technical 10"]
    assert legend == "served unserved split withheld"


@pytest.mark.parametrize(("mentors", "parts"), [(9, 0), (10, 1), (29, 2), (60, 4)])
def test_mentors_are_told_in_parts_of_ten_or_more(house, mentors, parts):
    for number in range(mentors):
        mentor(house.warehouse, number, 100.0 * number / mentors)
    rows = said(charts.minutes_by_load(house.night))
    assert sum(row.startswith("part ") for row in rows) == parts
    full = [int(re.search(r"(\d+)%", row)[1]) for row in rows[:parts]]
    assert full == sorted(full)


def test_engagement_has_a_cell_where_ten_or_more_were_enrolled(house):
    house.warehouse.execute("ATTACH ':memory:' AS building")
    house.warehouse.execute(
        "CREATE TABLE building.main.engagement_weekly AS SELECT 'P' AS programme_id, 'l' || number AS learner_id, "
        "DATE '2024-03-04' - CAST(7 * week AS INTEGER) AS week_starts_on, 2.0 - week AS active_days_count "
        "FROM range(10) AS people (number), range(2) AS back (week) WHERE week = 0 OR number < 9"
    )
    name, legend = said(charts.engagement(house.night))
    assert name == "P"
    assert legend.endswith("strongest: 2.0 active days a week")
    (path,) = drawn(charts.engagement(house.night).value).iter(f"{SVG}path")
    assert path.get("d").count("M") == 1


def test_recall_is_drawn_by_course_week_in_order_of_weeks():
    rows = [
        (estimator, "28d", "week", "recall_at_10_percent", str(week), week / 20)
        for week in (10, 2, 9)
        for estimator in ("model", "inactive_7d_rule")
    ]
    names = ["estimator", "horizon", "slice_kind", "metric_name", "slice_value", "metric_value"]
    drawing = charts.recall_by_week(pl.DataFrame(rows, schema=names, orient="row"))
    assert said(drawing)[-1] == "course week 2 to 10: model 7-day rule"
    line = list(drawn(drawing.value).iter(f"{SVG}path"))[-1]
    assert all(int(step) > 0 for step in re.findall(r"l(-?\d+),", line.get("d")))


names = st.lists(st.text(max_size=40), min_size=1, max_size=12)
shares = st.floats(0, 1)


@given(names, st.lists(st.tuples(shares, shares), max_size=13), st.lists(st.none() | shares, min_size=14, max_size=14))
def test_whatever_is_drawn_stays_under_the_limit_and_inside_the_picture(labels, points, cells):
    for markdown in (
        plots.counts([Count(name, (3, 4)) for name in labels], COLOURS, about="Counts"),
        plots.curves([Curve(name, points) for name in labels], about="Curves", across="x:"),
        plots.heat([(name, cells) for name in labels], about="Heat", note="weeks"),
    ):
        svg = drawn(markdown)
        assert int(svg.get("width")) == WIDTH
        for path in svg.iter(f"{SVG}path"):
            starts = [int(x) for x in re.findall(r"M(-?\d+)", path.get("d"))]
            assert all(0 <= x <= WIDTH for x in starts)


def test_of_more_bars_than_fit_the_first_are_drawn_and_the_rest_counted():
    *rows, legend = said(
        plots.counts([Count(f"reason {n}", (40 - n,)) for n in range(40)], {"rows": "#77b"}, about="Many")
    )
    assert rows == [f"reason {n} {40 - n}" for n in range(len(rows))]
    assert legend == f"and {40 - len(rows)} more"
