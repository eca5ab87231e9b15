"""`handrail rebuild`: schema raw anew from the archive, then core and features from it."""

from __future__ import annotations

import argparse
import time

from data_contracts.errors import UsageError
from data_contracts.tables.inputs import RAW_TABLES
from pipelines import runs
from pipelines.commands.console import say, show
from pipelines.commands.run import progress, what_went_wrong
from pipelines.home import Home, now, parse_instant
from pipelines.launch import REBUILD, prepare_dagster, run_job
from pipelines.lock import run_lock
from pipelines.settings import load_settings
from pipelines.warehouse import Warehouse

DONE, FAILED = 0, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--as-of", default="", help="observation time; default: that of the last run")


def main(arguments: argparse.Namespace) -> int:
    """Rebuild raw, core and features; nothing is taken in and nothing is published. Returns 0, 1 or 75 (locked)."""
    home = Home.find(arguments.home)
    if not home.archive.is_dir():
        message = f"there is no archive in {home.path}; check --home"
        raise UsageError(message)
    settings = load_settings(home.settings_file)
    with run_lock(home.lock_file, run="handrail rebuild", since=f"{now():%Y-%m-%dT%H:%M:%SZ}"):
        started = time.monotonic()
        with Warehouse.of(home, settings) as warehouse:
            as_of = arguments.as_of or runs.last_observed_at(warehouse)
            if not as_of:
                message = "no run has been here yet, so there is no observation time; say it with --as-of"
                raise UsageError(message)
            parse_instant(as_of)
            say(f"Reading the archive ({home.archive}) ...")
            warehouse.replay()
            rows = {table.name: warehouse.count(table) for table in RAW_TABLES}
        show("\n".join(f"{rows[name]:>12,}  raw.{name}" for name in sorted(rows) if rows[name]))
        prepare_dagster(home)
        outcome = run_job(
            REBUILD,
            {"home": str(home.path), "as_of": as_of, "takes_in": False},
            timezone=settings.timezone,
            on_step=progress(),
        )
        if not outcome.is_success:
            say(what_went_wrong(outcome, home))
        code = DONE if outcome.is_success else FAILED
        with Warehouse.of(home, settings) as warehouse:
            runs.conclude(warehouse, outcome.run_id, code, outcome.error)
        say(f"{outcome.materialised} assets in {time.monotonic() - started:.0f} s; exit code {code}")
        return code
