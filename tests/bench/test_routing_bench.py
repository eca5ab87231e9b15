"""Routes of a night beside greedy ones and an exact programme; see `routing_speed`, and docs/benchmarks.md for figures.

The short version holds that nothing has collapsed; `BENCH=long make bench` routes 100,000 alerts.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.commands.console import show

SCRIPT = Path(__file__).with_name("routing_speed.py")


def lines_of(*words):
    """What the script prints."""
    done = subprocess.run([sys.executable, SCRIPT, *words], check=True, capture_output=True, text=True)
    show(f"\n{done.stdout}")
    # HiGHS has words of its own at times.
    return [line for line in done.stdout.splitlines() if " alerts " in line]


def figure(line, pattern):
    found = re.search(pattern, line)
    assert found, line
    return float(found[1])


def test_routes_serve_what_an_exact_programme_serves_and_more_than_greedy_ones():
    lines = lines_of("--alerts", "150", "--mentors", "8", "--programmes", "1", "2", "--lengths", "few", "--exact")
    assert len(lines) == 3
    for line in lines:
        assert figure(line, r"ratio (\S+)") >= 0.999
        assert figure(line, r"(\S+) times greedy") >= 1
        assert figure(line, r"gap (\S+)%") <= 0.1


@pytest.mark.skipif(os.environ.get("BENCH") != "long", reason="minutes; say BENCH=long")
def test_a_hundred_thousand_alerts_are_routed_close_to_what_is_possible():
    for line in lines_of():
        assert figure(line, r"gap (\S+)%") <= 0.1
        assert figure(line, r"(\S+) times greedy") >= 1
