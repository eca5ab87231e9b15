"""How long trials and estimates of a large organisation take, and how much memory.

    python tests/bench/effect_speed.py --enrolled 100000 --folder DIR

A simulated world is put into a warehouse (`effect_core`), which is no part of what is measured. Then each contrast is read
and estimated as a night does it, with subgroups and checks, in a process of its own, so that its peak of memory is its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from effect_core import core_world  # noqa: E402

from models.effect import EffectSettings, estimate  # noqa: E402
from pipelines.effect_trials import Contrast, trials  # noqa: E402
from pipelines.sources.simulated.settings import RUNS, SimulationSettings  # noqa: E402
from pipelines.warehouse import Warehouse  # noqa: E402

MEBI = 1024
CONTRASTS: tuple[Contrast, ...] = ("first_contact", "matched")


def opened(folder: Path, memory: str) -> Warehouse:
    """The folder's warehouse."""
    return Warehouse(folder / "warehouse.duckdb", folder / "identity.duckdb", threads=2, memory_limit=memory)


def build(folder: Path, enrolled: int) -> None:
    """Fill the folder's warehouse with a world of so many participations."""
    made = core_world(SimulationSettings(learners=enrolled // RUNS))
    with opened(folder, "4GB") as warehouse:
        made.fill(warehouse)
    (folder / "tonight").write_text(f"{made.tonight_epoch_day} {made.before}", "utf-8")


def measure(folder: Path, contrast: Contrast) -> None:
    """Print seconds by stage and the peak of memory of one contrast."""
    day, before = (folder / "tonight").read_text("utf-8").split(" ", 1)
    with opened(folder, "1GB") as warehouse:
        begun = time.perf_counter()
        found = trials(warehouse, contrast, tonight_epoch_day=int(day), before=before)
    read = time.perf_counter()
    estimate(found, contrast, settings=EffectSettings(is_exploring=False, is_checking=False))
    bare = time.perf_counter()
    told = estimate(found, contrast).effects
    whole = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBI
    print(  # noqa: T201
        f"{contrast}: {found.height} trials, {found['is_treated'].sum()} treated, {told.height} estimates; trials "
        f"{read - begun:.1f} s, estimates alone {bare - read:.1f} s, with subgroups and checks {whole - bare:.1f} s; "
        f"peak {peak:.0f} MiB"
    )


def main() -> None:
    """Build a world and measure each contrast, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--enrolled", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--stage", choices=("build", *CONTRASTS), help="this alone")
    asked = parser.parse_args()
    if asked.stage == "build":
        build(asked.folder, asked.enrolled)
    elif asked.stage is not None:
        measure(asked.folder, asked.stage)
    else:
        asked.folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, __file__, "--enrolled", str(asked.enrolled), "--folder", str(asked.folder), "--stage"]
        for stage in ("build", *CONTRASTS):
            subprocess.run([*words, stage], check=True)


if __name__ == "__main__":
    main()
