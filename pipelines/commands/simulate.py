"""`handrail simulate`: writes a world whose truth is known, in the inbox's own files."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipelines.commands.console import say
from pipelines.settings import Settings
from pipelines.sources.simulated import SimulationSettings, simulate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    defaults = Settings.model_fields
    parser.add_argument("--out", required=True, type=Path, help="folder to write (must not exist yet)")
    parser.add_argument("--seed", type=int, default=defaults["simulated_seed"].default)
    parser.add_argument("--learners", type=int, default=defaults["simulated_learners"].default)
    parser.add_argument("--weeks", type=int, default=defaults["simulated_weeks"].default)


def main(arguments: argparse.Namespace) -> int:
    """Simulate and say what was written."""
    settings = SimulationSettings(seed=arguments.seed, learners=arguments.learners, weeks=arguments.weeks)
    told = simulate(arguments.out, settings, on_progress=say)
    say(
        f"{told.statements:,} statements of {told.learners:,} learners in {told.out}; as of {told.observed_at:%Y-%m-%d}"
    )
    return 0
