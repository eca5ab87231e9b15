"""Effects beside their truth on a few worlds; see `effect_worlds` for what runs.

The short version guards against an estimate that has lost its way: pooled over a dozen small worlds, its errors are about
as large as it says they are, and the difference as it is has the sign that selection gives it. Coverage needs many worlds:
`BENCH=long make bench` runs a hundred of each kind; the figures of a thousand stand in docs/benchmarks.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import polars as pl
import pytest

from pipelines.commands.console import show

FOLDER = Path(__file__).parent
IS_LONG = os.environ.get("BENCH") == "long"
WORLDS, LEARNERS = (100, 1200) if IS_LONG else (6, 600)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Every estimate of some confounded worlds with an effect and without one."""
    out = tmp_path_factory.mktemp("worlds") / "worlds.json"
    words = ["--worlds", WORLDS, "--learners", LEARNERS, "--out", out, "--processes", 2]
    words += ["--scenario", "confounded", "--scenario", "no_effect"]
    done = subprocess.run(
        [sys.executable, FOLDER / "effect_worlds.py", *map(str, words)], check=True, capture_output=True, text=True
    )
    show(f"\n{done.stdout}")
    found = pl.DataFrame(orjson.loads(out.read_bytes()), infer_schema_length=None)
    return found.with_columns(z=(pl.col("effect") - pl.col("truth")) / pl.col("error"))


def test_errors_are_about_as_large_as_the_estimate_says(rows):
    for contrast in ("first_contact", "matched"):
        z = rows.filter(contrast=contrast, estimator="handrail")["z"]
        assert z.len() >= 2 * WORLDS
        assert z.is_finite().all()
        # Of a dozen right ones the mean leaves +-1 once in two thousand times, the root mean square stays under 1.7.
        assert abs(z.mean()) < 1
        assert (z**2).mean() ** 0.5 < 1.7


def test_without_adjustment_contact_seems_to_do_harm_and_mentored_learners_to_stay(rows):
    naive = rows.filter(estimator="naive")
    assert ((naive["effect"] - naive["truth"]).mean()) > 1
    ever = rows.filter(estimator="ever_mentored")
    assert (ever["effect"] + 2 * ever["error"] < ever["truth"]).all()


def test_other_clocks_find_less_abandonment_than_the_right_one_on_the_same_rows(rows):
    right = rows.filter(estimator="right_clock").sort("scenario", "seed")["effect"]
    for name in ("week_start_clock", "two_week_grace"):
        assert (rows.filter(estimator=name).sort("scenario", "seed")["effect"] - right).mean() < -0.5


def test_without_an_effect_the_truth_is_exactly_none(rows):
    assert (rows.filter(scenario="no_effect")["truth"] == 0).all()
    assert (rows.filter(scenario="confounded")["truth"] < 0).all()


def test_trials_and_estimates_of_a_few_thousand_take_seconds(tmp_path):
    words = ["--enrolled", 100_000 if IS_LONG else 3_000, "--folder", tmp_path / "speed"]
    done = subprocess.run(
        [sys.executable, FOLDER / "effect_speed.py", *map(str, words)], check=True, capture_output=True, text=True
    )
    show(f"\n{done.stdout}")
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["first_contact", "matched"]
    assert all("peak" in line for line in lines)
