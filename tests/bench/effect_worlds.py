"""Does the effect's interval hold the truth? Simulated worlds whose effect is known, and rivals that must fail.

    python tests/bench/effect_worlds.py --worlds 1000 --processes 2 --out worlds.json
    python tests/bench/effect_worlds.py --worlds 200 --scenario hidden --scenario hidden_no_effect
    python tests/bench/effect_worlds.py --read worlds.json --thresholds

Each world is drawn from a seed of its own, made into the core tables that a night would have (`effect_core`), and
estimated as a night does it: trials, then the estimate with its checks and verdict, of first contact for all programmes
together, of being matched for each. Truth is
the mean over the very trials that were treated of the chance to abandon with contact less that without, computed from the
world's hazards. Rivals (`effect_rivals`) are estimated on the scenarios `confounded` and `no_effect`.

Coverage is the share of worlds whose 95 % interval holds the truth, its limits exact (Clopper and Pearson 1934); a false
positive is an interval without zero where there is no effect. All verdicts count, then those alone that are usable.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# One thread each: the processes are the parallel part.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(_name, "1")

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import numpy as np  # noqa: E402
import orjson  # noqa: E402
import polars as pl  # noqa: E402
from effect_core import Recording, core_world  # noqa: E402
from effect_rivals import rivals  # noqa: E402
from scipy.stats import beta  # noqa: E402

from models.effect import EffectSettings, estimate  # noqa: E402
from models.effect_figures import Z  # noqa: E402
from models.effect_verdict import LEAST_TREATED  # noqa: E402
from pipelines.effect_trials import Contrast, trials  # noqa: E402
from pipelines.sources.simulated.settings import SimulationSettings  # noqa: E402
from pipelines.warehouse import Warehouse  # noqa: E402

LEARNERS = 1200
OURS = "handrail"
CONTRASTS: tuple[Contrast, ...] = ("first_contact", "matched")
FIGURES = (
    "treated_count",
    "treated_events_count",
    "effective_sample_count",
    "trimmed_share",
    "overlap_share",
    "largest_difference",
    "learners_spread_points",
    "negative_control_p_value",
)
Row = dict[str, Any]
# What cannot be said is withheld in a night; here it is held to the truth as well. A night repeats the folds three times.
# Other learners and the negative control, which cost as much as all else, are asked in every fourth world.
SETTINGS = EffectSettings(repeats=1, is_exploring=False, is_withholding=False, threads=1)


@dataclass(frozen=True)
class Scenario:
    """What a world is made with: `share` of the worlds asked for; `seen`: a run and its weeks that are over.

    Worlds are `times` as large as the others, where only a part of what happens can show what is asked.
    """

    world: Row
    share: float = 0.2
    has_rivals: bool = False
    recording: Recording = "usual"
    seen: tuple[int, int] | None = None
    times: int = 1
    allowances: tuple[tuple[str, int | None], ...] = ((OURS, None),)


SCENARIOS = {
    "confounded": Scenario({}, share=1.0, has_rivals=True),
    "no_effect": Scenario({"effect": 0.0}, share=1.0, has_rivals=True),
    "strong_effect": Scenario({"effect": -0.6}),
    "nonlinear": Scenario({"propensity": "nonlinear", "confounding": 1.2}),
    "weak_overlap": Scenario({"confounding": 2.5}),
    "seen_in_mid_run": Scenario({}, seen=(1, 12)),
    "recorded_late": Scenario(
        {"effect": 0.0},
        recording="late_for_others",
        seen=(0, 15),
        times=5,
        allowances=((OURS, None), ("no_allowance", 0)),
    ),
    "hidden": Scenario({"hidden": 0.6}),
    "hidden_no_effect": Scenario({"hidden": 0.6, "effect": 0.0}),
}


def one_world(name: str, seed: int, learners: int, warehouse: Warehouse) -> list[Row]:
    """Every estimate of one world beside the truth."""
    scenario = SCENARIOS[name]
    settings = SimulationSettings(seed=seed, learners=learners * scenario.times, **scenario.world)
    tonight = None
    if scenario.seen is not None:
        seen_run, weeks = scenario.seen
        tonight = int(settings.start_days[seen_run]) + 7 * weeks
    made = core_world(settings, tonight_epoch_day=tonight, recording=scenario.recording)
    made.fill(warehouse)
    rows: list[Row] = []
    asked = replace(SETTINGS, is_checking=seed % 4 == 0)
    for contrast in CONTRASTS:
        for estimator, allowance in scenario.allowances:
            found = trials(
                warehouse,
                contrast,
                tonight_epoch_day=made.tonight_epoch_day,
                before=made.before,
                allowance_days=allowance,
            )
            for part in _looked_at(found, contrast):
                truth, _ = made.truth(part, contrast)
                told = estimate(part, contrast, settings=asked).effects.row(0, named=True)
                rows.append(
                    {"scenario": name, "seed": seed, "contrast": contrast, "estimator": estimator, "truth": truth}
                    | {"effect": told["effect_points"], "error": told["standard_error_points"]}
                    | {figure: told[figure] for figure in (*FIGURES, "verdict", "verdict_rule")}
                )
    if scenario.has_rivals:
        rows += [
            {"scenario": name, "seed": seed, "contrast": "first_contact", "estimator": one.name}
            | {"truth": one.truth_points, "effect": one.effect_points, "error": one.standard_error_points}
            for one in rivals(made.world)
        ]
    return rows


def _looked_at(found: pl.DataFrame, contrast: Contrast) -> list[pl.DataFrame]:
    """First contact of all programmes together; being matched in each that has treated enough, since one matches nearly all.

    Trials of all together go as one programme; the covariate that tells programmes apart stays.
    """
    if contrast == "first_contact":
        return [found.with_columns(programme_id=pl.lit("together"))]
    return [
        part
        for part in found.sort("programme_id").partition_by("programme_id", maintain_order=True)
        if part.filter("is_closed")["is_treated"].sum() >= LEAST_TREATED
    ]


def some_worlds(tasks: list[tuple[str, int]], learners: int) -> list[Row]:
    """The worlds of one process, in one warehouse."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "warehouse.duckdb"
        with Warehouse(file, file.with_name("identity.duckdb"), threads=1, memory_limit="1GB") as warehouse:
            return [row for name, seed in tasks for row in one_world(name, seed, learners, warehouse)]


def run(asked: argparse.Namespace) -> list[Row]:
    """All worlds of all scenarios asked for; tells on standard error how far it is, and keeps what it has so far."""
    tasks = [
        (name, asked.first_seed + seed)
        for name in asked.scenario or SCENARIOS
        for seed in range(max(1, round(asked.worlds * SCENARIOS[name].share)))
    ]
    parts = [tasks[start : start + 5] for start in range(0, len(tasks), 5)]
    rows: list[Row] = []
    begun = time.perf_counter()
    with ProcessPoolExecutor(asked.processes) as pool:
        waiting = [pool.submit(some_worlds, part, asked.learners) for part in parts]
        for number, done in enumerate(as_completed(waiting), start=1):
            rows += done.result()
            if asked.out:
                asked.out.write_bytes(orjson.dumps(rows))
            took = time.perf_counter() - begun
            print(f"\r{number * 5} of {len(tasks)} worlds, {took:.0f} s", end="", file=sys.stderr, flush=True)  # noqa: T201
    print(file=sys.stderr)  # noqa: T201
    return sorted(rows, key=lambda row: (*(row[key] for key in ("scenario", "contrast", "estimator", "seed")),))


def limits(hits: int, count: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % limits of a share."""
    low = float(beta.ppf(0.025, hits, count - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, count - hits)) if hits < count else 1.0
    return low, high


def share_of(hits: pl.Series) -> str:
    """A share in percent with its limits."""
    if not hits.len():
        return "-"
    low, high = limits(int(hits.sum()), hits.len())
    return f"{100 * hits.sum() / hits.len():.1f} ({100 * low:.1f}-{100 * high:.1f})"


def judged(rows: list[Row]) -> pl.DataFrame:
    """Rows with error over standard error, whether the truth is inside, and whether zero is outside."""
    error = pl.col("effect") - pl.col("truth")
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(
        z=error / pl.col("error"),
        is_covered=error.abs() <= Z * pl.col("error"),
        is_positive=pl.col("effect").abs() > Z * pl.col("error"),
    )


def table(found: pl.DataFrame) -> Iterator[str]:
    """Coverage by scenario, contrast and estimator, as Markdown."""
    yield (
        "| scenario | contrast | estimator | worlds | truth | bias | mean SE | SD of error | covered, % | of usable, % | "
        "zero excluded, % | usable / weak / cannot say |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    names = ("scenario", "contrast", "estimator")
    order = {name: place for place, name in enumerate(SCENARIOS)}
    for key, part in sorted(found.group_by(names), key=lambda item: (order[str(item[0][0])], item[0][1:])):
        told = part.filter(pl.col("effect").is_not_null())
        error = told["effect"] - told["truth"]
        usable = told.filter(pl.col("verdict") == "usable")
        shares = (
            " / ".join(
                f"{int((part['verdict'] == name).sum()) / part.height:.0%}" for name in ("usable", "weak", "cannot_say")
            )
            if part["verdict"].is_not_null().any()
            else "-"
        )
        yield (
            f"| {' | '.join(map(str, key))} | {part.height} | {_points(told['truth'].mean())} | {_points(error.mean())} | "
            f"{_points(told['error'].mean())} | {_points(error.std())} | {share_of(told['is_covered'])} | "
            f"{share_of(usable['is_covered'])} | {share_of(told['is_positive'])} | {shares} |"
        )


def alarms(found: pl.DataFrame) -> Iterator[str]:
    """How often each diagnostic speaks up, by scenario: what a hidden confounder does not change."""
    speaks = ("difference > .1, %", "learners > 1 SE, %", "tickets p < .05, %", "p < .01, %", "trimmed > 5 %, %")
    yield f"| scenario | contrast | bias | {' | '.join(speaks)} |"
    yield "|---|---|---|---|---|---|---|---|"
    ours = found.filter(pl.col("estimator") == OURS, pl.col("effect").is_not_null())
    order = {name: place for place, name in enumerate(SCENARIOS)}
    for key, part in sorted(
        ours.group_by("scenario", "contrast"), key=lambda item: (order[str(item[0][0])], item[0][1])
    ):
        fires = (
            part["largest_difference"] > 0.1,
            part["learners_spread_points"] > part["error"],
            part["negative_control_p_value"] < 0.05,
            part["negative_control_p_value"] < 0.01,
            part["trimmed_share"] > 0.05,
        )
        bias = (part["effect"] - part["truth"]).mean()
        yield f"| {' | '.join(map(str, key))} | {_points(bias)} | {' | '.join(share_of(one.drop_nulls()) for one in fires)} |"


def thresholds(found: pl.DataFrame) -> Iterator[str]:
    """By fifths of each figure of our estimates: how large errors are beside their standard error."""
    yield "| contrast | figure | from | to | worlds | mean bias | root mean square of z | covered, % |"
    yield "|---|---|---|---|---|---|---|---|"
    ours = found.filter(pl.col("estimator") == OURS, pl.col("effect").is_not_null())
    for contrast in CONTRASTS:
        for figure in (*FIGURES, "spread_in_errors"):
            known = (
                ours.filter(pl.col("contrast") == contrast)
                .with_columns(spread_in_errors=pl.col("learners_spread_points") / pl.col("error"))
                .filter(pl.col(figure).is_not_null())
                .with_columns(fifth=((pl.col(figure).rank("ordinal") - 1) * 5) // pl.len())
            )
            for _, part in sorted(known.group_by("fifth")):
                values, z = part[figure].to_numpy(), part["z"].to_numpy()
                yield (
                    f"| {contrast} | {figure} | {values.min():.3g} | {values.max():.3g} | {part.height} | "
                    f"{_points((part['effect'] - part['truth']).mean())} | {np.sqrt(np.mean(z**2)):.2f} | "
                    f"{share_of(part['is_covered'])} |"
                )


def _points(value: Any) -> str:
    return "-" if value is None or not np.isfinite(value) else f"{value:+.2f}"


def main() -> None:
    """Run worlds, or read those of an earlier run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=1000, help="of the first two scenarios; a fifth of the others")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="again and again; default: all")
    parser.add_argument("--learners", type=int, default=LEARNERS, help="participations a run, of which two are past")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write every estimate as JSON")
    parser.add_argument("--read", type=Path, nargs="*", help="print the tables of earlier runs instead")
    parser.add_argument("--thresholds", action="store_true", help="print errors by fifths of each figure too")
    asked = parser.parse_args()
    rows = [row for path in asked.read for row in orjson.loads(path.read_bytes())] if asked.read else run(asked)
    found = judged(rows)
    print("\n".join([*table(found), "", *alarms(found), *(["", *thresholds(found)] if asked.thresholds else [])]))  # noqa: T201


if __name__ == "__main__":
    main()
