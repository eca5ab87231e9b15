"""`handrail backfill`: pulls a range of `stored` from one Learning Record Store again, whatever the watermark says."""

from __future__ import annotations

import argparse

from data_contracts.errors import UsageError
from pipelines.commands.console import say, show_log
from pipelines.home import Home, now, parse_instant
from pipelines.lock import run_lock
from pipelines.privacy.erase import open_pseudonyms
from pipelines.settings import LrsSettings, load_settings
from pipelines.sources.lrs.pull import Span, logged_now_and_then, pull
from pipelines.sources.record import Recorder
from pipelines.warehouse import Warehouse

DONE, FAILED, QUARANTINED = 0, 1, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--lrs", required=True, metavar="NAME", help="the store's name in handrail.toml")
    parser.add_argument("--since", required=True, help="after this instant, or from this date's beginning (UTC)")
    parser.add_argument("--until", required=True, help="up to this instant, or this date's beginning (UTC)")


def main(arguments: argparse.Namespace) -> int:
    """Pull the range; the next night works with what is new. Returns 0, 1 (the store failed), 3 or 75 (locked)."""
    home = Home.find(arguments.home)
    settings = load_settings(home.settings_file)
    lrs = _store(settings.lrs, arguments.lrs)
    span = Span(parse_instant(arguments.since, "--since"), parse_instant(arguments.until, "--until"))
    home.create()
    with (
        run_lock(home.lock_file, run="handrail backfill", since=f"{now():%Y-%m-%dT%H:%M:%SZ}"),
        Warehouse.of(home, settings) as warehouse,
    ):
        pseudonyms = open_pseudonyms(home, warehouse)
        show_log()
        say(f"Pulling {span.name} from {lrs.name} ({lrs.endpoint}) ...")
        (outcome,) = pull([lrs], Recorder(warehouse), pseudonyms, span=span, on_progress=logged_now_and_then())
    say(
        f"{outcome.statements:,} statements in {outcome.pages:,} pages: {outcome.rows:,} new, {outcome.repeated:,} there "
        f"already, {outcome.refused:,} in quarantine"
    )
    if outcome.stopped_by:
        say(f"Stopped by {outcome.stopped_by}; the same command goes on from there.")
    if outcome.error is not None:
        say(f"Failed: {outcome.error}. What was pulled stays, and the same command goes on from there.")
        return FAILED
    return QUARANTINED if outcome.refused else DONE


def _store(stores: tuple[LrsSettings, ...], name: str) -> LrsSettings:
    for lrs in stores:
        if lrs.name == name:
            return lrs
    known = ", ".join(lrs.name for lrs in stores) or "none"
    message = f"handrail.toml has no [[lrs]] of the name {name!r}; known are: {known}"
    raise UsageError(message)
