"""`handrail simulate`: writes a world whose truth is known, in the inbox's own files."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from pipelines.commands.console import say
from pipelines.sources.simulated import PRESETS, simulate

# What the world is made from, with what each means in `--help`.
_NUMBERS = {
    "seed": (int, "the same seed gives the same bytes"),
    "learners": (int, "participations a run; there are three runs"),
    "weeks": (int, "weeks a run"),
    "effect": (float, "log hazard ratio of mentor contact at a middling risk; 0: none"),
    "confounding": (float, "how much contact follows the struggle that a mentor can see; 0: not at all"),
    "hidden": (float, "how much contact follows what no log shows"),
    "dirt": (float, "share of faulty rows beside the good ones, of every kind"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--out", required=True, type=Path, help="folder to write: new, empty or an earlier simulation")
    parser.add_argument("--preset", choices=list(PRESETS), default="demo", help="what the options below start from")
    for name, (kind, words) in _NUMBERS.items():
        told = ", ".join(f"{preset} {getattr(world, name)}" for preset, world in PRESETS.items())
        parser.add_argument(f"--{name}", type=kind, help=f"{words} ({told})")
    parser.add_argument("--propensity", choices=["linear", "nonlinear"], help="form of what contact follows")


def main(arguments: argparse.Namespace) -> int:
    """Simulate and say what was written."""
    given = {name: getattr(arguments, name) for name in (*_NUMBERS, "propensity")}
    world = replace(PRESETS[arguments.preset], **{name: value for name, value in given.items() if value is not None})
    told = simulate(arguments.out, world, on_progress=say)
    say(
        f"{told.statements:,} statements of {told.learners:,} learners in {told.out}; as of {told.observed_at:%Y-%m-%d}"
    )
    if told.faults:
        say(f"{told.faults:,} faults planted; truth.json names each kind and where it is to be found")
    return 0
