"""The notebooks run on published marts alone, with a model and without one, and say what the marts say."""

from __future__ import annotations

import functools
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from data_contracts.tables.marts import MARTS

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("marimo") is None or importlib.util.find_spec("matplotlib") is None,
    reason="marimo and matplotlib are not installed; `make dev` brings them",
)

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ("tour", "risk", "roi")

ASK = """
import json, sys
sys.path.insert(0, "notebooks")
import {notebook}
outputs, names = {notebook}.app.run()
pages = [getattr(output, "text", "") for output in outputs]
figures = sum(page.startswith("<svg") for page in pages)
html = "".join(pages)
print(json.dumps({asked}))
"""

HAS_EFFECT = "(SELECT count(effect_points) > 0 FROM mentoring_effect WHERE subgroup_kind = 'all')"


def run(home, environment, *words):
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, words)],
        env=environment | {"HANDRAIL_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def marts_only(demo, tmp_path):
    """A home that holds nothing but the published file."""
    shutil.copy(demo.marts, tmp_path / "marts.duckdb")
    return tmp_path


def change(home, *statements):
    with duckdb.connect(str(home / "marts.duckdb")) as marts:
        for statement in statements:
            marts.execute(statement)


def of(home, sql):
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        return marts.execute(sql).fetchall()


def told_by(notebook, home, environment, asked):
    ran = run(home, environment, "-c", ASK.format(notebook=notebook, asked=asked))
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout.splitlines()[-1])


TOUR = """{
    "figures": figures,
    "alerts": int(names["alerts"].alerts.sum()),
    "minutes": float(names["mix"].minutes.sum()),
    "roi": len(names["roi"]),
    "has_model": bool(names["has_model"]),
}"""

RISK = """{
    "pages": [page for page in pages if "<svg" in page],
    "figures": html.count("<svg"),
    "enrolments": [int(row.enrolments) for row in names["by_course"].itertuples()] if "by_course" in names else [],
    "expected": float(names["scored"].probability.sum()),
    "one_hour": {rows["programme"][0]: names["reached"](rows, 1) for rows in names["waiting"].values()},
    "all_hours": {rows["programme"][0]: names["reached"](rows, 10_000) for rows in names["waiting"].values()},
    "no_hours": [names["reached"](rows, 0) for rows in names["waiting"].values()],
}"""

ROI = """{
    "html": html,
    "figures": html.count("<svg"),
    "told": {
        programme_id: {
            component: {
                method: [names["draws"].roi_percent(found.benefit, cost.amount), found.roi_low, found.roi_high]
                for method, (found, cost) in methods.items()
            }
            for component, methods in names["returns_of"](
                {name: value for name, (value, _) in names["start_of"](programme_id)[0].items()},
                names["start_of"](programme_id)[1],
            ).items()
        }
        for programme_id in sorted(names["marts"].roi.programme_id.unique())
    },
    "moved": {
        row.programme_id: {
            name: [found.benefit, cost.amount]
            for name, moved in {"halved": "attribution", "doubled": "value_times", "free": "hour_times"}.items()
            for times in [{"halved": 0.5, "doubled": 2.0, "free": 0.0}[name]]
            for found, cost in [names["returns_of"](
                {key: value * times if key == moved else value for key, (value, _) in start.items()}, fixed
            )["programme"]["full"]]
        }
        for row in names["marts"].roi.drop_duplicates("programme_id").itertuples()
        for start, fixed in [names["start_of"](row.programme_id)]
        if "attribution" in start
    },
}"""


@pytest.fixture(scope="module")
def as_published(demo, environment, tmp_path_factory):
    """What a notebook says of the demo's marts as they are; each is run once."""
    home = tmp_path_factory.mktemp("published")
    shutil.copy(demo.marts, home / "marts.duckdb")
    asked = {"tour": TOUR, "risk": RISK, "roi": ROI}
    return functools.cache(lambda notebook: told_by(notebook, home, environment, asked[notebook]))


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_runs_as_a_script_on_marts_without_a_row_and_warns_of_nothing(notebook, marts_only, environment):
    emptied = [f"DELETE FROM {name}" for name in MARTS if name != "publication"]
    change(marts_only, "UPDATE publication SET model_id = NULL", *emptied)
    ran = run(marts_only, environment, f"notebooks/{notebook}.py")
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_without_marts_a_notebook_says_what_to_do(notebook, tmp_path, environment):
    ran = run(tmp_path, environment, f"notebooks/{notebook}.py")
    assert ran.returncode != 0
    assert "handrail run" in ran.stderr


def test_figures_take_the_colour_of_the_page_and_say_what_they_show(as_published):
    pages = as_published("risk")["pages"]
    assert pages
    for page in pages:
        assert 'role="img" aria-label="' in page
        assert "currentColor" in page
        assert "#010203" not in page
        assert "<style" not in page


def test_the_tour_shows_what_the_marts_hold(demo, as_published):
    ((alerts, minutes, roi, has_effect),) = of(
        demo.home,
        "SELECT (SELECT count(*) FROM learner_alerts WHERE state <> 'resolved'), "
        "(SELECT sum(minutes) FROM learning_mix WHERE course_id = 'all'), "
        "(SELECT count(*) FROM programme_roi WHERE course_id = 'all' AND strand = 'all' AND component = 'programme'), "
        f"{HAS_EFFECT}",
    )
    assert alerts > 0
    told = as_published("tour")
    assert told["minutes"] == pytest.approx(minutes)
    assert told | {"minutes": 0} == {
        "figures": 4 + has_effect,
        "alerts": alerts,
        "minutes": 0,
        "roi": roi,
        "has_model": True,
    }


def test_the_tour_does_without_a_model_and_without_alerts(marts_only, environment):
    change(
        marts_only,
        "UPDATE publication SET model_id = NULL",
        "DELETE FROM model_quality",
        "DELETE FROM learner_alerts",
    )
    ((has_effect,),) = of(marts_only, f"SELECT {HAS_EFFECT}")
    told = told_by("tour", marts_only, environment, TOUR)
    assert (told["figures"], told["has_model"], told["alerts"]) == (2 + has_effect, False, 0)


def test_one_more_hour_reaches_what_the_mart_says_it_reaches(demo, as_published):
    told = as_published("risk")
    unserved = of(
        demo.home,
        "SELECT p.name, served_by_one_more_hour_count, loss_served_by_one_more_hour, unserved_alerts_count, expected_loss "
        "FROM unserved_risk JOIN dim_programme AS p USING (programme_id) WHERE unserved_alerts_count > 0",
    )
    assert unserved
    assert told["one_hour"] == {name: [count, pytest.approx(loss)] for name, count, loss, _, _ in unserved}
    assert told["all_hours"] == {name: [count, pytest.approx(loss)] for name, _, _, count, loss in unserved}
    assert told["no_hours"] == [[0, 0]] * len(unserved)
    ((expected,),) = of(demo.home, "SELECT sum(abandonment_probability_28d) FROM learner_risk")
    assert told["expected"] == pytest.approx(expected)
    ((has_recall, has_drift),) = of(
        demo.home,
        "SELECT count(*) FILTER (slice_kind = 'week' AND metric_name = 'recall_at_20_percent') > 0, "
        "count(*) FILTER (slice_kind = 'drift' AND metric_name = 'psi') > 0 "
        "FROM model_quality WHERE horizon = '28d' AND metric_value IS NOT NULL",
    )
    assert told["figures"] == 5 + has_recall + has_drift


def test_no_course_of_few_is_told_of(demo, as_published):
    of_courses = of(
        demo.home,
        "SELECT count(*) FROM learner_risk WHERE abandonment_probability_28d IS NOT NULL GROUP BY programme_id, course_id",
    )
    told = sorted(count for (count,) in of_courses if count >= 10)
    assert 0 < len(told) < len(of_courses)
    assert sorted(as_published("risk")["enrolments"]) == told


def test_without_a_model_rules_still_say_what_hours_reach(marts_only, environment):
    change(
        marts_only,
        "UPDATE publication SET model_id = NULL",
        "DELETE FROM model_quality",
        "UPDATE learner_risk SET abandonment_probability_28d = NULL, risk_band = NULL, probability_change_7d = NULL",
        "UPDATE learner_alerts SET abandonment_probability_28d = NULL",
    )
    told = told_by("risk", marts_only, environment, RISK)
    ((waiting,),) = of(marts_only, "SELECT sum(unserved_alerts_count) FROM unserved_risk")
    assert told["figures"] == 2
    assert (sum(count for count, _ in told["all_hours"].values()), told["expected"]) == (waiting, 0)
    assert {loss for _, loss in told["all_hours"].values()} == {0}


def test_untouched_sliders_give_the_published_roi(demo, as_published):
    published = of(
        demo.home,
        "SELECT programme_id, component, method, roi_percent, roi_low_percent, roi_high_percent FROM programme_roi "
        "WHERE course_id = 'all' AND strand = 'all' AND isolation IN ('attribution', 'effect') AND roi_percent IS NOT NULL",
    )
    assert published
    told = as_published("roi")["told"]
    for programme_id, component, method, roi, low, high in published:
        found = told[programme_id][component][method]
        # Sliders show three places of an effect; the marts hold sums of participants' estimates and not each of them.
        assert found[0] == pytest.approx(roi, rel=0.02, abs=0.5)
        assert found[1:] == [pytest.approx(low, rel=0.1, abs=5), pytest.approx(high, rel=0.1, abs=5)]


def test_benefit_and_cost_follow_the_sliders(demo, as_published):
    published = of(
        demo.home,
        "SELECT programme_id, benefit_amount, cost_amount, cost_of_time_amount FROM programme_roi WHERE course_id = 'all' "
        "AND strand = 'all' AND component = 'programme' AND isolation = 'attribution' AND method = 'full' "
        "AND benefit_amount > 0",
    )
    assert published
    assert as_published("roi")["moved"] == {
        programme_id: {
            "halved": [pytest.approx(benefit / 2), pytest.approx(cost)],
            "doubled": [pytest.approx(benefit * 2), pytest.approx(cost)],
            "free": [pytest.approx(benefit), pytest.approx(cost - of_time)],
        }
        for programme_id, benefit, cost, of_time in published
    }


def test_an_effect_that_cannot_be_said_is_called_the_readers_own(marts_only, environment):
    change(
        marts_only,
        "UPDATE mentoring_effect SET effect_points = NULL, standard_error_points = NULL, untreated_percent = NULL, "
        "verdict = 'cannot_say' WHERE contrast = 'matched'",
        "UPDATE programme_roi SET abandonments_avoided_count = NULL, roi_percent = NULL, benefit_amount = NULL, "
        "withheld_reason = 'too few controls' WHERE component = 'mentoring'",
        "DELETE FROM roi_driver WHERE component = 'mentoring'",
    )
    html = told_by("roi", marts_only, environment, ROI)["html"]
    assert "too few controls" in html
    assert "assumption: the marts say nothing" in html


def test_no_cost_gives_no_sliders_but_the_reason(marts_only, environment):
    change(marts_only, "UPDATE programme_roi SET cost_amount = NULL")
    told = told_by("roi", marts_only, environment, '{"html": html, "names": sorted(names)}')
    assert "programme_cost" in told["html"]
    assert "returns" not in told["names"]
