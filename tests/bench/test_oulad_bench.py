"""The Open University data through the pipeline's stages: times, memory, and how good the model is.

The short version takes one module through all stages beside one bare aggregation of the same clicks. The long one,
`BENCH=long make bench`, runs `handrail evaluate oulad` on the whole data and a night, and holds that neither takes 4 GiB;
docs/benchmarks.md says what came out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import duckdb
import polars as pl
import pytest

from models.evaluation import ASKED, figures, forward
from models.train import TrainingSettings
from pipelines.commands.console import show
from pipelines.evaluation import protocol_rows
from pipelines.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "oulad"
MODULE = "BBB"
MOST_GIBIBYTES, MEBI = 4, 1024**2

needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/oulad is not here")

BARE_SQL = """
WITH weekly AS (
    SELECT code_presentation, id_student, CAST(floor(date / 7) AS INTEGER) AS week, sum(sum_click) AS events,
           count(DISTINCT date) AS days, count(DISTINCT id_site) AS sites
    FROM '{0}/studentVle.parquet' GROUP BY ALL
),
grid AS (
    SELECT code_presentation, id_student, week FROM '{0}/studentInfo.parquet', range(-4, 39) AS weeks(week)
)
SELECT *, sum(events) OVER month AS events_28d, sum(days) OVER month AS days_28d, sum(events) OVER course AS events_to_date
FROM grid LEFT JOIN weekly USING (code_presentation, id_student, week)
WINDOW month AS (PARTITION BY code_presentation, id_student ORDER BY week ROWS 3 PRECEDING),
       course AS (PARTITION BY code_presentation, id_student ORDER BY week)
"""


@pytest.mark.real_data
@needs_data
def test_one_module_through_all_stages_beside_a_bare_aggregation(tmp_path):
    for file in REAL.glob("*.parquet"):
        table = pl.scan_parquet(file)
        if "code_module" in table.collect_schema():
            table = table.filter(pl.col("code_module") == MODULE)
        table.sink_parquet(tmp_path / file.name)
    clicks = pl.scan_parquet(tmp_path / "studentVle.parquet").select(pl.len()).collect().item()

    started = time.perf_counter()
    with duckdb.connect(config={"threads": 2}) as con:
        con.execute(f"CREATE TABLE bare AS {BARE_SQL.format(tmp_path)}")
    bare = time.perf_counter() - started

    marks = [("", time.perf_counter())]
    rows = protocol_rows(
        tmp_path,
        "2014B",
        settings=Settings(threads=2, memory_limit="2GB"),
        on_stage=lambda name: marks.append((name, time.perf_counter())),
    )
    show(f"\nModule {MODULE}: {clicks:,} click rows, {rows.height:,} landmarks; bare weekly aggregation {bare:.2f} s")
    for (_, begun), (name, ended) in pairwise(marks):
        show(f"  {name:<12} {ended - begun:6.2f} s   {(ended - begun) / bare:5.1f} times the bare aggregation")
    started = time.perf_counter()
    judged = forward(rows, ASKED[0], test_presentation="2014B", settings=TrainingSettings())
    show(f"  train and predict 7 and 28 days {time.perf_counter() - started:.2f} s")
    for name, one in figures(judged.predictions, "withdraw_28d").items():
        auc = one["days_28_to_168"]["roc_auc"]
        show(f"  {name:<22} AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})")
    assert rows.height > 100_000


@pytest.mark.real_data
@needs_data
@pytest.mark.skipif(os.environ.get("BENCH") != "long", reason="minutes; say BENCH=long")
def test_the_whole_data_through_the_command(tmp_path):
    words = f"evaluate oulad --data {REAL} --test-presentation 2014B --out m.json --predictions p.parquet"
    assert measured(tmp_path, words) == 0


@pytest.mark.real_data
@needs_data
@pytest.mark.skipif(os.environ.get("BENCH") != "long", reason="minutes; say BENCH=long")
def test_the_whole_data_through_a_night(tmp_path):
    # Some enrolments without the dates that they need go to quarantine.
    assert measured(tmp_path, f"run --source oulad --data {REAL} --home {tmp_path / 'home'}") == 3


def measured(folder, words):
    """Run a command within the memory that it may take, and return its exit code."""
    started = time.perf_counter()
    show("")
    process = subprocess.Popen([sys.executable, "-m", "pipelines.cli", *words.split()], cwd=folder, env=_environment())
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    show(
        f"{words.split()[0]}, all in all: {time.perf_counter() - started:.0f} s, {used.ru_utime + used.ru_stime:.0f} "
        f"processor seconds, {used.ru_maxrss / MEBI:.2f} GiB at most"
    )
    assert used.ru_maxrss < MOST_GIBIBYTES * MEBI
    return process.returncode


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HANDRAIL_")}
    return kept | {"PYTHONPATH": str(ROOT)}
