"""Feature functions beside SQL and pandas by hand for the same columns; see `feature_speed` for the contestants.

The short version holds that all give equal rows and that nothing has collapsed; `BENCH=long make bench` runs the figures
of docs/benchmarks.md on 2 and 20 million enrolment-days, for which it needs 16 GB of memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.commands.console import show

SCRIPT = Path(__file__).with_name("feature_speed.py")
MOST_TIMES_SQL = 1.2


def lines_of(folder, *words):
    """What the script prints."""
    done = subprocess.run(
        [sys.executable, SCRIPT, "--folder", folder, *words], check=True, capture_output=True, text=True
    )
    show(f"\n{done.stdout}")
    return done.stdout.splitlines()


def times_sql(line):
    return float(line.split(" times SQL")[0].split()[-1])


def test_every_contestant_gives_the_rows_of_the_sql(tmp_path):
    lines = lines_of(tmp_path, "--days", "40000")
    assert [line.endswith("equal rows") for line in lines] == [True] * 4
    # So few days take less than starting an engine; this guards against collapse.
    assert times_sql(lines[1]) < 10


@pytest.mark.spark
@pytest.mark.skipif(os.environ.get("BENCH") != "long", reason="half a minute; say BENCH=long")
def test_spark_gives_the_rows_of_the_sql(tmp_path):
    lines = lines_of(tmp_path, "--days", "40000", "--contestants", "sql", "spark")
    assert [line.endswith("equal rows") for line in lines] == [True] * 2


@pytest.mark.skipif(os.environ.get("BENCH") != "long", reason="minutes; say BENCH=long")
def test_the_default_engine_costs_little_more_than_sql_by_hand(tmp_path):
    default = {}
    for days, rounds in ((2_000_000, 3), (20_000_000, 1)):
        lines = lines_of(tmp_path, "--days", str(days), "--rounds", str(rounds))
        assert all(line.endswith("equal rows") for line in lines)
        default[days] = times_sql(lines[1])
    assert max(default.values()) <= MOST_TIMES_SQL, default
