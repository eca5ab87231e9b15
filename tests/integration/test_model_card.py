"""Each training leaves a card of its model in the home's reports."""

from __future__ import annotations

import duckdb
import pytest


@pytest.fixture(scope="module")
def cards(demo):
    return {path.name: path.read_text("utf-8") for path in (demo.home / "reports" / "model-cards").iterdir()}


@pytest.fixture(scope="module")
def warehouse(demo):
    with duckdb.connect(str(demo.home / "warehouse.duckdb"), read_only=True) as opened:
        yield opened


def test_every_model_that_was_trained_has_its_card_as_a_page_and_as_text(cards, warehouse):
    models = [row[0] for row in warehouse.execute("SELECT model_id FROM risk.model").fetchall()]
    assert models
    assert set(cards) == {f"{model}.{kind}" for model in models for kind in ("html", "md")}
    for model in models:
        for kind in ("html", "md"):
            assert f"Model {model}, trained on what was known by" in cards[f"{model}.{kind}"]


def test_a_card_has_the_figures_of_its_model_s_test_and_its_verdict(cards, warehouse):
    for model, verdict, rows in warehouse.execute(
        "SELECT model_id, gate_verdict, (SELECT count(*) FROM risk.prediction AS p WHERE p.model_id = m.model_id "
        "AND horizon = '28d' AND estimator = 'model') FROM risk.model AS m"
    ).fetchall():
        text = cards[f"{model}.md"]
        assert f"{rows:,} landmarks from" in text
        assert verdict.split(".")[0].replace("_", r"\_") in text
        assert "| days of history |" in text


def test_a_card_names_nobody(cards, warehouse, demo):
    learners = [row[0] for row in warehouse.execute("SELECT DISTINCT learner_id FROM core.enrolment").fetchall()]
    enrolments = [row[0] for row in warehouse.execute("SELECT enrolment_id FROM core.enrolment").fetchall()]
    for text in cards.values():
        assert not [one for one in (*learners, *enrolments) if one in text]


def test_quality_is_published_by_days_of_history(demo):
    with duckdb.connect(str(demo.marts), read_only=True) as marts:
        found = marts.execute(
            "SELECT DISTINCT slice_value FROM model_quality WHERE slice_kind = 'days_of_history'"
        ).fetchall()
        model_id = marts.execute("SELECT model_id FROM publication").fetchall()[0][0]
    assert (model_id is None) == (not found)
    assert {value for (value,) in found} <= {"0-6", "7-13", "14-27", "28-55", "56+"}
