"""Training, scoring and explaining beside a bare prediction of the model's own trees; see `model_speed` for what runs.

The short version guards against collapse by a ratio of one run; `BENCH=long make bench` trains on 400,000 landmarks and
scores a million enrolments. Figures of absolute speed belong to a machine and stand in docs/benchmarks.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pipelines.commands.console import show

SCRIPT = Path(__file__).with_name("model_speed.py")
IS_LONG = os.environ.get("BENCH") == "long"
LANDMARKS, ENROLMENTS, EXPLAINED = (400_000, 1_000_000, 20_000) if IS_LONG else (12_000, 100_000, 1_000)
MOST_TIMES_BARE = 10
"""Two horizons and the line beside the trees: some three bare predictions, more where the trees are few."""


def test_scoring_beside_a_bare_prediction(tmp_path):
    sizes = {"--landmarks": LANDMARKS, "--enrolments": ENROLMENTS, "--explained": EXPLAINED, "--folder": tmp_path}
    words = [str(word) for pair in sizes.items() for word in pair]
    done = subprocess.run([sys.executable, SCRIPT, *words], check=True, capture_output=True, text=True)
    show(f"\n{done.stdout}")
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    times = float(lines[2].split(" times the bare one")[0].split()[-1])
    assert times < MOST_TIMES_BARE
