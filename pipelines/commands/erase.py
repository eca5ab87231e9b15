"""`handrail erase`: erases one person with all linked identities from every store, and keeps them out from then on."""

from __future__ import annotations

import argparse

from pipelines.commands.console import say, show
from pipelines.commands.person import add_identity, home_with_warehouse
from pipelines.home import now
from pipelines.lock import run_lock
from pipelines.privacy.erase import Erased, erase, parse_identity, what_is_left
from pipelines.settings import load_settings

DONE, FAILED = 0, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_identity(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would go; change nothing")
    parser.add_argument(
        "--even-if-unknown", action="store_true", help="keep the identity out although nothing is held of it"
    )


def main(arguments: argparse.Namespace) -> int:
    """Erase a person; returns 0, 1 (something is still found), 2 (nothing is held of them) or 75 (locked)."""
    given = parse_identity(arguments.identity)
    home = home_with_warehouse(arguments)
    settings = load_settings(home.settings_file)
    with run_lock(home.lock_file, run="handrail erase", since=f"{now():%Y-%m-%dT%H:%M:%SZ}"):
        done = erase(home, settings, given, is_dry_run=arguments.dry_run, even_if_unknown=arguments.even_if_unknown)
    if done.left:
        say(what_is_left(done.left))
    show(_told(done, is_dry_run=arguments.dry_run))
    return FAILED if done.left else DONE


def _told(done: Erased, *, is_dry_run: bool) -> str:
    word = "Would remove" if is_dry_run else "Removed"
    if not done.removed:
        return "Nothing to remove." if is_dry_run else "Nothing was held; a tombstone keeps the person out."
    places = ", ".join(f"{place} {count:,}" for place, count in sorted(done.removed.items()))
    return f"{word} (rows, lines or texts): {places}."
