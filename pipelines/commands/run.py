"""`handrail run`: takes in what is new, scores, alerts, publishes, and sums the night up."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from data_contracts.errors import LockedError
from pipelines import runs
from pipelines.commands.console import say, show, show_log
from pipelines.commands.summary import summary
from pipelines.ending import DONE, Ending, tell
from pipelines.home import Home, now
from pipelines.launch import NIGHTLY, Outcome, prepare_dagster, run_job
from pipelines.lock import run_lock
from pipelines.logs import event
from pipelines.privacy.erase import open_pseudonyms
from pipelines.settings import Settings, load_settings
from pipelines.sinks import alarm, heartbeat
from pipelines.sinks.webhook import Webhook
from pipelines.sources import locate, pending, publication_id
from pipelines.sources.inbox import unknown_folders
from pipelines.sources.record import Recorder
from pipelines.sources.take_in import put_away
from pipelines.warehouse import Warehouse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--source", choices=["simulated", "inbox", "oulad"], help="default: that of handrail.toml")
    parser.add_argument("--data", default="", help="folder to read in place of the home's inbox")
    parser.add_argument("--as-of", default="", help="observation time: a date or an instant")


def main(arguments: argparse.Namespace) -> int:
    """Run a night; returns 0, 1, 3 (something new in quarantine), 4 (a gate kept yesterday's marts) or 75 (locked)."""
    home = Home.find(arguments.home)
    home.create(arguments.source or "inbox", arguments.data)
    settings = load_settings(home.settings_file)
    if arguments.source:
        settings = settings.model_copy(update={"source": arguments.source})
    # A night is long; what is wrong with an address or the secret is told before it.
    Webhook.of(settings)
    alarm.receiver(settings)
    heartbeat.ensure_usable(settings)
    try:
        ending = _night(home, settings, arguments)
    except LockedError:
        raise
    except Exception as error:
        _tell(home, settings, Ending.of_error(NIGHTLY, error))
        raise
    _tell(home, settings, ending)
    return ending.exit_code


def _tell(home: Home, settings: Settings, ending: Ending) -> None:
    for line in tell(home, settings, ending):
        say(line)


def _night(home: Home, settings: Settings, arguments: argparse.Namespace) -> Ending:
    with run_lock(home.lock_file, run="handrail run", since=f"{now():%Y-%m-%dT%H:%M:%SZ}"):
        if settings.source == "simulated" and not home.simulated.exists():
            _simulate(home, settings)
        data, observed_at = locate(home, settings, data=arguments.data, as_of=arguments.as_of)
        if _is_published(home, settings, data, observed_at):
            say("Nothing new since the last publication; nothing was changed.")
            show(summary(home, settings))
            return Ending(NIGHTLY, "unchanged", DONE, now())
        return _run(home, settings, arguments, data, observed_at)


def _simulate(home: Home, settings: Settings) -> None:
    from pipelines.sources.simulated import SimulationSettings, simulate  # noqa: PLC0415 - only where it is needed

    say("Simulating the demo world ...")
    world = SimulationSettings(
        seed=settings.simulated_seed,
        learners=settings.simulated_learners,
        weeks=settings.simulated_weeks,
        effect=settings.simulated_effect,
        confounding=settings.simulated_confounding,
        hidden=settings.simulated_hidden,
        propensity=settings.simulated_propensity,
        dirt=settings.simulated_dirt,
    )
    simulate(home.simulated, world, on_progress=say)


def _is_published(home: Home, settings: Settings, data: Path, observed_at: datetime) -> bool:
    """Whether a run would publish what stands; what a Learning Record Store has can only be known by asking it."""
    if (
        (settings.source == "inbox" and settings.lrs)
        or not home.marts_file.exists()
        or not home.warehouse_file.exists()
    ):
        return False
    with Warehouse.of(home, settings) as warehouse:
        waiting = pending(settings, data, Recorder(warehouse))
        if runs.last_published(warehouse) != publication_id(settings, observed_at, warehouse, waiting):
            return False
        # Pages that could not be written after the swap are written by a run.
        if not _is_told_in_pages(home):
            return False
        # A run that was killed after the swap has told nobody yet; a receiver that was away may be back.
        if not runs.is_settled(warehouse, is_posting=bool(settings.webhook_url)):
            return False
        pseudonyms = open_pseudonyms(home, warehouse)
        for line in put_away(warehouse, settings, home, data, observed_at.replace(tzinfo=None), pseudonyms):
            say(line)
        return True


def _is_told_in_pages(home: Home) -> bool:
    """Whether the reports are of the publication that stands."""
    pages = home.reports_index
    return pages.exists() and pages.stat().st_mtime >= home.marts_file.stat().st_mtime


def _run(home: Home, settings: Settings, arguments: argparse.Namespace, data: Path, observed_at: datetime) -> Ending:
    say(f"Night of {observed_at:%Y-%m-%d} from {settings.source} ({home.path})")
    prepare_dagster(home)
    show_log()
    if settings.source != "oulad" and (unknown := unknown_folders(data)):
        say(f"  not read, since no input has the name: {', '.join(unknown)}")
    started = time.monotonic()
    outcome = run_job(
        NIGHTLY,
        {"home": str(home.path), "source": settings.source, "data": arguments.data, "as_of": arguments.as_of},
        timezone=settings.timezone,
        on_step=progress(),
    )
    with Warehouse.of(home, settings) as warehouse:
        row = runs.row_of(warehouse, outcome.run_id)
        ending = Ending.of(NIGHTLY, outcome, row)
        runs.conclude(warehouse, outcome.run_id, ending.exit_code, outcome.error)
    if ending.is_good:
        show(summary(home, settings))
        if row.message:
            say(row.message)
        if row.new_quarantined_count:
            say(
                f"{row.new_quarantined_count:,} rows newly in quarantine; see raw.quarantine and the mart data_quality."
            )
    else:
        say(what_went_wrong(outcome, home))
    say(f"{outcome.materialised} assets in {time.monotonic() - started:.0f} s; exit code {ending.exit_code}")
    return ending


def progress() -> Callable[[str, int, int], None]:
    """A line for each step that ends, with the seconds since the one before."""
    last = time.monotonic()

    def on_step(name: str, ended: int, total: int) -> None:
        nonlocal last
        moment = time.monotonic()
        event("step_ended", step=name, seconds=round(moment - last, 3), ended=ended, steps=total)
        say(f"  [{ended:>2}/{total}] {name:<32} {moment - last:6.1f} s")
        last = moment

    return on_step


def what_went_wrong(outcome: Outcome, home: Home) -> str:
    """What to tell of a run that did not publish."""
    lines = []
    if outcome.failed_checks:
        lines.append(f"Not published: {', '.join(outcome.failed_checks)} failed; yesterday's marts stay in place.")
    elif outcome.error:
        lines.append(outcome.error if outcome.is_expected else f"{outcome.trace}{outcome.error_class}: {outcome.error}")
    if not outcome.is_locked:
        lines.append(f"The run is {outcome.run_id}; look at it with `handrail ui --home {home.path}`.")
    return "\n".join(lines)
