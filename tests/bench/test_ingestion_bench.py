"""Statements into the warehouse beside bare parsing and the exact rules alone; see `ingestion` for the contestants.

The short version holds that nothing has collapsed; `BENCH=long make bench` runs the figures of docs/benchmarks.md, with
ClickHouse, on 1 and 10 million statements, for which it needs 30 GB of disk and the package registry.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.commands.console import show

SCRIPT = Path(__file__).with_name("ingestion.py")
REAL = SCRIPT.parents[3] / "shared" / "data" / "xapi"


def lines_of(folder, *words):
    """What the script prints."""
    done = subprocess.run(
        [sys.executable, SCRIPT, "--folder", folder, *words], check=True, capture_output=True, text=True
    )
    show(f"\n{done.stdout}")
    return done.stdout.splitlines()


def rate(line):
    """Thousands of statements a second."""
    return float(line.split(" k/s")[0].split()[-1])


def test_the_whole_way_beside_parsing_and_rules(tmp_path):
    words = ("--statements", "50000", "--contestants", "duckdb", "rules", "handrail")
    parsing, rules, whole = lines_of(tmp_path, "--kinds", "repetitive", *words)
    assert rate(parsing) > rate(whole)
    # Processes and imports cost a second, which fifty thousand statements hardly outlast; this guards against collapse.
    assert rate(whole) > rate(rules) / 5


@pytest.mark.real_data
@pytest.mark.skipif(os.environ.get("BENCH") != "long", reason="the better part of an hour; say BENCH=long")
@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/xapi is not here")
def test_the_whole_way_on_millions_beside_clickhouse(tmp_path):
    lines_of(tmp_path, "--statements", "1000000", "--rounds", "3")
    lines_of(
        tmp_path,
        "--statements",
        "5000000",
        "10000000",
        "--kinds",
        "repetitive",
        "--contestants",
        "duckdb",
        "clickhouse",
        "handrail",
    )
