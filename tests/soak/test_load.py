"""Load: a night on more than a year of history of 100,000 learners, and ten nights in a row.

`HANDRAIL_LOAD_WORLD` names a world that `handrail simulate` has already written; else one is simulated, for which some
4 minutes and 2 GB go. Figures are printed as they come, for docs/benchmarks.md and docs/reliability.md.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.home import parse_instant
from pipelines.sources.simulated import PRESETS, simulate
from tests.soak.stages import size_mb, table, watch

LEARNERS = int(os.environ.get("HANDRAIL_LOAD_LEARNERS", "36500"))
"""Participations a run: of the scale preset's three runs that makes some 114,000 learners and ten million statements."""

# 6 GiB are the aim, which estimating effects misses by .2.
MOST_MB = 8_000
FIRST_HOURS = 4


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The inbox of the scale preset's 26-week runs with a tenth of its learners."""
    given = os.environ.get("HANDRAIL_LOAD_WORLD")
    if given:
        return Path(given) / "inbox"
    out = tmp_path_factory.mktemp("load") / "world"
    simulate(out, replace(PRESETS["scale"], learners=LEARNERS), on_progress=print)
    return out / "inbox"


def split_last_day(world, folder):
    """Two inboxes: all statements before the last day, and that day's; the tables go with the first.

    Returns (history, day, observed_at of each).
    """
    observed = parse_instant(json.loads((world.parent / "snapshot.json").read_text("utf-8"))["observed_at"])
    last_day = observed - timedelta(days=1)
    history, day = folder / "history", folder / "day"
    for inbox in (history, day):
        (inbox / "xapi").mkdir(parents=True)
    for tables in world.iterdir():
        if tables.name != "xapi":
            (history / tables.name).symlink_to(tables, target_is_directory=True)
    newest = max(file.name[:18] for file in (world / "xapi").iterdir())
    for file in sorted((world / "xapi").iterdir()):
        if not file.name.startswith(newest):
            (history / "xapi" / file.name).symlink_to(file)
            continue
        with (
            gzip.open(file, "rt", encoding="utf-8") as lines,
            gzip.open(history / "xapi" / file.name, "wt", encoding="utf-8") as before,
            gzip.open(day / "xapi" / file.name, "wt", encoding="utf-8") as after,
        ):
            for line in lines:
                is_new = json.loads(line)["stored"] >= f"{last_day:%Y-%m-%d}"
                (after if is_new else before).write(line)
    return history, day, last_day, observed


def stores(home):
    """Sizes of what a home keeps (MB)."""
    names = ("warehouse.duckdb", "identity.duckdb", "marts.duckdb", "archive", "marts", "dagster", "log")
    return {name: round(size_mb(home / name), 1) for name in names if (home / name).exists()}


def assert_published(told):
    assert told.code in {0, 3}, told.err[-3000:]


def test_a_night_on_a_year_of_100_000_learners_fits_into_the_machine(world, tmp_path, environment):
    home = Path(os.environ.get("HANDRAIL_LOAD_HOME") or tmp_path / "home")
    history, day, before, observed = split_last_day(world, tmp_path)
    for words, inbox, at in (("with the whole history", history, before), ("with one day more", day, observed)):
        told = watch(
            ("run", "--source", "inbox", "--data", inbox, "--home", home, "--as-of", f"{at:%Y-%m-%d}"),
            environment,
            timeout=3600 * FIRST_HOURS,
        )
        print(
            f"\nA night {words}; load of the machine {os.getloadavg()[1]:.1f}\n\n{table([*told.stages(), told.whole])}"
        )
        longest = sorted(told.steps, key=lambda step: -step.seconds)[:12]
        print(f"\nIts longest steps\n\n{table(longest)}\n\nStores, MB: {stores(home)}", flush=True)
        assert_published(told)
        assert told.whole.peak_mb < MOST_MB
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        (scored,) = marts.execute("SELECT count(DISTINCT learner_id) FROM learner_risk").fetchall()[0]
    assert scored > LEARNERS // 2


def test_ten_nights_in_a_row_grow_by_their_data_alone(tmp_path, environment):
    """Each night has one day more of statements. Without new data ten more nights must add next to nothing."""
    world = tmp_path / "world"
    simulate(world, PRESETS["demo"], on_progress=lambda _: None)
    observed = parse_instant(json.loads((world / "snapshot.json").read_text("utf-8"))["observed_at"])
    home, inbox = tmp_path / "home", tmp_path / "inbox"
    by_day = {}
    for file in sorted((world / "inbox" / "xapi").iterdir()):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                by_day.setdefault(json.loads(line)["stored"][:10], []).append(line)
    shutil.copytree(world / "inbox", inbox, ignore=lambda folder, _: ["xapi"] if Path(folder).name == "inbox" else [])
    (inbox / "xapi").mkdir()
    first = f"{observed - timedelta(days=10):%Y-%m-%d}"
    history = [line for day, lines in by_day.items() if day < first for line in lines]
    (inbox / "xapi" / "history.ndjson").write_text("".join(history), "utf-8")
    print("\n| night | new statements | seconds | most memory, MB | warehouse, MB | all of the home, MB |")
    print("|---:|---:|---:|---:|---:|---:|")
    sizes = []
    for night in range(21):
        # Ten nights with a day's statements each, then ten that have nothing new but the date.
        at = observed - timedelta(days=10 - night)
        new = by_day.get(f"{at - timedelta(days=1):%Y-%m-%d}", []) if 1 <= night <= 10 else []
        if new:
            (inbox / "xapi" / f"day-{night:02}.ndjson").write_text("".join(new), "utf-8")
        told = watch(
            ("run", "--source", "inbox", "--data", inbox, "--home", home, "--as-of", f"{at:%Y-%m-%d}"),
            environment,
            timeout=1800,
        )
        assert_published(told)
        kept, whole = size_mb(home / "warehouse.duckdb"), size_mb(home)
        sizes.append((kept, whole))
        print(
            f"| {night} | {len(new) if night else len(history):,} | {told.whole.seconds:.0f} | {told.whole.peak_mb:,.0f} "
            f"| {kept:.1f} | {whole:.1f} |",
            flush=True,
        )
    grown, idle = sizes[10][0] - sizes[0][0], sizes[20][0] - sizes[10][0]
    print(f"\nWarehouse: {grown:+.1f} MB in ten nights with data, {idle:+.1f} MB in ten without new statements")
    assert idle < 0.5 * sizes[10][0]
