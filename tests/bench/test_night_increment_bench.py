"""A night after two months of history beside one after one month; the figures of a year stand in docs/benchmarks.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pipelines.commands.console import show

SCRIPT = Path(__file__).with_name("night_increment.py")
MOST_TIMES = 2.0
"""A check against collapse: the second month doubles what a night without memory would read."""


def test_a_night_after_two_months_beside_one_after_one():
    words = ["--months", "1", "2", "--learners", "40", "--statements", "400", "--nights", "3"]
    done = subprocess.run([sys.executable, SCRIPT, *words], check=True, capture_output=True, text=True)
    show(f"\n{done.stdout}")
    (all_,) = [line for line in done.stdout.splitlines() if line.startswith("ALL ")]
    first, last = (float(word) for word in all_.split()[1:3])
    assert last < MOST_TIMES * first
