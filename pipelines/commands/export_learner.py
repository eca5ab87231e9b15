"""`handrail export-learner`: gives out everything that is held of one person, as a zip for that person alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipelines.commands.console import show
from pipelines.commands.person import add_identity, home_with_warehouse
from pipelines.home import now
from pipelines.lock import run_lock
from pipelines.privacy.erase import parse_identity
from pipelines.privacy.export import export_learner
from pipelines.settings import load_settings

DONE = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_identity(parser)
    parser.add_argument("--out", required=True, metavar="FILE.zip", help="a new file; readable by its owner alone")


def main(arguments: argparse.Namespace) -> int:
    """Export a person; returns 0, 2 (nothing is held of them) or 75 (locked)."""
    given = parse_identity(arguments.identity)
    home = home_with_warehouse(arguments)
    settings = load_settings(home.settings_file)
    out = Path(arguments.out).expanduser().resolve()
    with run_lock(home.lock_file, run="handrail export-learner", since=f"{now():%Y-%m-%dT%H:%M:%SZ}"):
        rows = export_learner(home, settings, given, out)
    show(f"{rows:,} rows written to {out}; it is personal data: give it to that person alone.")
    return DONE
