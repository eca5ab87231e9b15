"""The notebooks run on published marts alone, with a model and without one."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("marimo") is None or importlib.util.find_spec("matplotlib") is None,
    reason="marimo and matplotlib are not installed; `make dev` brings them",
)

ROOT = Path(__file__).resolve().parents[2]
TOUR = ROOT / "notebooks" / "tour.py"

TOLD = """
import importlib.util, json, sys
from matplotlib.figure import Figure
spec = importlib.util.spec_from_file_location("tour", sys.argv[1])
tour = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tour)
outputs, names = tour.app.run()
print(json.dumps({
    "figures": sum(isinstance(output, Figure) for output in outputs),
    "alerts": int(names["alerts"].alerts.sum()),
    "minutes": float(names["mix"].minutes.sum()),
    "roi": len(names["roi"]),
    "has_model": bool(names["has_model"]),
}))
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


def told_by(home, environment):
    ran = run(home, environment, "-c", TOLD, TOUR)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_the_tour_runs_as_a_script_without_a_warning(marts_only, environment):
    ran = run(marts_only, environment, TOUR)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_tour_shows_what_the_marts_hold(marts_only, environment):
    with duckdb.connect(str(marts_only / "marts.duckdb"), read_only=True) as marts:
        alerts, minutes, roi, has_effect = marts.execute(
            "SELECT (SELECT count(*) FROM learner_alerts WHERE state <> 'resolved'), "
            "(SELECT sum(minutes) FROM learning_mix WHERE course_id = 'all'), "
            "(SELECT count(*) FROM programme_roi WHERE course_id = 'all' AND strand = 'all' AND component = 'programme'), "
            f"{HAS_EFFECT}"
        ).fetchall()[0]
    assert alerts > 0
    told = told_by(marts_only, environment)
    assert told["minutes"] == pytest.approx(minutes)
    assert told | {"minutes": 0} == {
        "figures": 4 + has_effect,
        "alerts": alerts,
        "minutes": 0,
        "roi": roi,
        "has_model": True,
    }


def test_the_tour_does_without_a_model_and_without_alerts(marts_only, environment):
    with duckdb.connect(str(marts_only / "marts.duckdb")) as marts:
        marts.execute("UPDATE publication SET model_id = NULL")
        marts.execute("DELETE FROM model_quality")
        marts.execute("DELETE FROM learner_alerts")
        (has_effect,) = marts.execute(f"SELECT {HAS_EFFECT}").fetchall()[0]
    told = told_by(marts_only, environment)
    assert (told["figures"], told["has_model"], told["alerts"]) == (2 + has_effect, False, 0)


def test_without_marts_the_tour_says_what_to_do(tmp_path, environment):
    ran = run(tmp_path, environment, TOUR)
    assert ran.returncode != 0
    assert "handrail run" in ran.stderr
