"""What the page of a night says of ROI: by what the benefit was isolated, or why there is none."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from data_contracts.tables.marts import MARTS
from pipelines.commands.summary import _roi
from tests.unit.models.returns_world import BENEFIT, TIMED, effect, roi


@pytest.fixture
def said():
    """The paragraph for a mart `programme_roi`, line by line."""
    with duckdb.connect() as marts:
        for name in ("dim_programme", "programme_roi"):
            marts.execute(f"CREATE TABLE {name} ({MARTS[name].ddl()})")
        marts.execute("INSERT INTO dim_programme (programme_id, name) VALUES ('p', 'Pilots')")

        def of(**given):
            rows = roi(**given).with_columns(publication_id=pl.lit("x"))
            marts.register("handed", rows)
            marts.execute("INSERT INTO programme_roi BY NAME FROM handed")
            return _roi(marts).splitlines()[1:]

        yield of


def test_a_programme_and_its_mentoring_are_told_with_what_isolated_each(said):
    programme, mentoring = said(effects=effect((-3.0, -5.5, -0.5)))
    assert " ".join(programme.split()) == (
        "Pilots cost 1,860 EUR ROI 83 % (54 to 114), conservative 37 %, by attribution, P(ROI > 0) 1.00; usable"
    )
    assert "of it mentoring" in mentoring
    assert "ROI 168 %" in mentoring
    assert ", by effect, P(ROI > 0) 0." in mentoring
    assert "with the prior" in mentoring
    # 560 over .6 of an abandonment.
    assert "933 EUR an abandonment avoided; weak (the interval holds zero)" in mentoring


def test_a_usable_hold_out_is_named_as_that(said):
    lottery = effect((-10.0, -12.0, -8.0), contrast="routed", treated=12)
    assert "by hold-out" in said(effects=pl.concat([effect(), lottery]))[1]


def test_what_cannot_be_said_gives_its_reason_and_what_would_pay_back(said):
    _, mentoring = said()
    assert mentoring.endswith("cannot say: too few treated; pays back from 1.1 points fewer abandoning")


def test_a_programme_without_costs_has_one_line(said):
    lines = said(costs=TIMED.clear(), benefits=BENEFIT.clear())
    assert [" ".join(line.split()) for line in lines] == ["Pilots cannot say: no cost data"]
