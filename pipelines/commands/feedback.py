"""`handrail feedback`: what a mentor did with an alert and thought of it, taken in as from the inbox and seen at once."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from data_contracts.errors import UsageError
from data_contracts.fields import FIELDS
from models.alerts import OPEN_STATES
from pipelines import alert_replay, feedback
from pipelines.access import log_access
from pipelines.commands.console import say, show
from pipelines.commands.person import home_with_warehouse
from pipelines.feedback import Given, Taken
from pipelines.home import Home, now, parse_instant
from pipelines.lock import run_lock
from pipelines.privacy.erase import open_pseudonyms
from pipelines.settings import load_settings
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

DONE, QUARANTINED = 0, 3
_STATES, _VERDICTS = FIELDS["feedback_state"].values, FIELDS["verdict"].values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "alert_id", nargs="?", help=f"its id, or the first {alert_replay.LEAST_PREFIX} characters or more"
    )
    parser.add_argument("state", nargs="?", choices=_STATES, help="what was done with the alert")
    parser.add_argument("--verdict", choices=_VERDICTS, help="what it was worth")
    parser.add_argument("--by", default="", metavar="KEY", help="who says so: the mentor_key or coordinator_key")
    parser.add_argument("--at", default="", metavar="INSTANT", help="when it was said; default: now")
    parser.add_argument(
        "--contacted-at", default="", metavar="INSTANT", help="when the learner was contacted because of it"
    )
    parser.add_argument(
        "--file", default="", metavar="rows.csv", help="many at once: a file as of inbox/alert_feedback/"
    )


def main(arguments: argparse.Namespace) -> int:
    """Take feedback in; returns 0, 2 (it cannot be so), 3 (rows of a file went to quarantine) or 75 (locked)."""
    is_file = bool(arguments.file)
    _ensure_one_way(arguments)
    home = home_with_warehouse(arguments)
    settings = load_settings(home.settings_file)
    with (
        run_lock(home.lock_file, run="handrail feedback", since=f"{now():%Y-%m-%dT%H:%M:%SZ}"),
        Warehouse.of(home, settings) as warehouse,
    ):
        pseudonyms = open_pseudonyms(home, warehouse)
        if is_file:
            taken = feedback.take_file(warehouse, pseudonyms, Path(arguments.file).expanduser().resolve())
            show(f"{taken.events:,} new events of alerts.")
        else:
            taken = _one(home, warehouse, pseudonyms, arguments)
    for line in _notes(taken):
        say(line)
    return QUARANTINED if taken.refused else DONE


def _ensure_one_way(arguments: argparse.Namespace) -> None:
    """Refuse a call that says too little or two things.

    Raises:
        UsageError: neither or both of a file and an alert are given, or nobody says it.
    """
    is_single = any(
        (arguments.alert_id, arguments.state, arguments.verdict, arguments.by, arguments.at, arguments.contacted_at)
    )
    if arguments.file and is_single:
        message = "--file stands alone: its rows say alert, state, by and at themselves"
    elif arguments.file:
        return
    elif not (arguments.alert_id and arguments.state):
        message = f"say which alert and one of {', '.join(_STATES)}, or give --file; `handrail alerts` shows the ids"
    elif not arguments.by.strip():
        message = "say who gives the feedback with --by KEY, the mentor_key of your tables; it is kept as a pseudonym"
    else:
        return
    raise UsageError(message)


def _one(home: Home, warehouse: Warehouse, pseudonyms: Pseudonyms, arguments: argparse.Namespace) -> Taken:
    alert_id = alert_replay.found(warehouse, arguments.alert_id)
    given = Given(
        alert_id=alert_id,
        state=arguments.state,
        by=arguments.by.strip(),
        at=_instant(arguments.at, "--at") or feedback.latest_instant(warehouse),
        verdict=arguments.verdict,
        contacted_at=_instant(arguments.contacted_at, "--contacted-at"),
    )
    feedback.check(warehouse, given)
    if not feedback.is_known(warehouse, pseudonyms.person(given.by)):
        say("Nobody is known by this key as mentor or coordinator; it is taken all the same. Check --by.")
    before = None if arguments.at else feedback.said_before(warehouse, given, pseudonyms)
    taken = Taken(0, 0, 0, 0) if before else feedback.take(home, warehouse, pseudonyms, given)
    state = warehouse.scalar("SELECT state FROM alerts.current WHERE alert_id = ?", [alert_id])
    log_access(warehouse, "feedback", 1, alert_replay.learners_of(warehouse, alert_id))
    is_closed = state not in OPEN_STATES and state != given.state
    word = "Noted" if taken.events else "Known already, nothing was changed"
    show(
        f"{word}: alert {alert_id} is {state}{'; it was closed, what is said of it counts all the same' if is_closed else ''}."
    )
    return taken


def _instant(given: str, option: str) -> datetime | None:
    return parse_instant(given, option).replace(tzinfo=None) if given else None


def _notes(taken: Taken) -> list[str]:
    notes = list(taken.notes)
    if taken.refused:
        notes.append(f"{taken.refused:,} rows were refused; raw.quarantine says why, row by row.")
    if taken.unknown:
        notes.append(f"{taken.unknown:,} rows name no alert that is known here by its whole id; they wait for it.")
    if taken.future:
        notes.append(f"{taken.future:,} rows were given in the future; they count from then on.")
    return notes
