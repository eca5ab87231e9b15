"""`handrail alerts`: which alerts were open, in which state and with which content, now or at any past instant."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime

import polars as pl

from data_contracts.errors import UsageError
from data_contracts.fields import FIELDS
from models.alerts import OPEN_STATES
from pipelines import alert_replay
from pipelines.access import log_access
from pipelines.commands.console import say, show
from pipelines.commands.person import home_with_warehouse
from pipelines.home import Home, now, parse_instant, told_instant
from pipelines.lock import run_lock
from pipelines.privacy.erase import open_pseudonyms
from pipelines.settings import load_settings
from pipelines.sinks.words import unread_as_formula
from pipelines.warehouse import Warehouse

DONE = 0
_STATES = FIELDS["alert_state"].values
_ID_CHARACTERS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--as-of", default="", metavar="T", help="a date or an instant; default: how they stand now")
    parser.add_argument("--programme", default="", metavar="ID", help="of one programme alone")
    parser.add_argument(
        "--mentor", default="", metavar="KEY", help="routed to one mentor: mentor_key, or its pseudonym"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--state", choices=_STATES, action="append", help="in this state; may be given again")
    which.add_argument("--all", action="store_true", help="closed ones too")
    which.add_argument("--events", default="", metavar="ALERT_ID", help="the whole life of one alert")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")


def main(arguments: argparse.Namespace) -> int:
    """Show alerts; returns 0, 2 (no night by then, or nothing by that name) or 75 (locked)."""
    home = home_with_warehouse(arguments)
    settings = load_settings(home.settings_file)
    with (
        run_lock(home.lock_file, run="handrail alerts", since=f"{now():%Y-%m-%dT%H:%M:%SZ}"),
        Warehouse.of(home, settings) as warehouse,
    ):
        at = _instant(warehouse, arguments.as_of)
        night = alert_replay.night_before(warehouse, at)
        if arguments.events:
            alert_id = alert_replay.found(warehouse, arguments.events)
            rows = alert_replay.events_of(warehouse, alert_id, at)
            about = alert_replay.learners_of(warehouse, alert_id)
            word = "events of one alert."
        else:
            rows = _chosen(home, warehouse, alert_replay.replay(warehouse, at), arguments)
            about = rows["learner_id"].to_list()
            word = f"{_word(arguments)}; their content is that of the night of {told_instant(night)}."
        log_access(warehouse, "alerts", rows.height, about)
    say(f"As of {told_instant(at)}: {rows.height:,} {word}")
    if rows.height or arguments.format != "table":
        show(_FORMATS[arguments.format](rows))
    return DONE


def _instant(warehouse: Warehouse, given: str) -> datetime:
    if given:
        return parse_instant(given).replace(tzinfo=None)
    return alert_replay.latest(warehouse) or now().replace(tzinfo=None)


def _chosen(home: Home, warehouse: Warehouse, rows: pl.DataFrame, arguments: argparse.Namespace) -> pl.DataFrame:
    if arguments.programme:
        rows = _of_programme(rows, arguments.programme)
    if arguments.mentor:
        rows = _of_mentor(
            warehouse, rows, [open_pseudonyms(home, warehouse).person(arguments.mentor), arguments.mentor]
        )
    if not arguments.all:
        rows = rows.filter(pl.col("state").is_in(arguments.state or OPEN_STATES))
    return rows.sort("programme_id", "opened_at", "alert_id")


def _word(arguments: argparse.Namespace) -> str:
    if arguments.all:
        return "alerts"
    return f"{' or '.join(arguments.state)} alerts" if arguments.state else "open alerts"


def _of_programme(rows: pl.DataFrame, programme: str) -> pl.DataFrame:
    found = rows.filter(pl.col("programme_id") == programme)
    if found.is_empty():
        known = ", ".join(rows["programme_id"].unique().sort()) or "none"
        message = f"no alert is of programme {programme!r}; programmes with alerts: {known}"
        raise UsageError(message)
    return found


def _of_mentor(warehouse: Warehouse, rows: pl.DataFrame, meant: Sequence[str]) -> pl.DataFrame:
    """Rows routed to a mentor, meant by a key's pseudonym or by the pseudonym itself.

    Raises:
        UsageError: no mentor is known by either.
    """
    known = warehouse.scalar(
        "SELECT count(*) FROM (SELECT mentor_id FROM alerts.alert UNION SELECT mentor_id FROM raw.mentor "
        "UNION SELECT mentor_id FROM raw.mentoring_match) WHERE list_contains(?, mentor_id)",
        [meant],
    )
    if not known:
        message = "no mentor has this key or pseudonym; dim_mentor lists the pseudonyms, your table mentor the keys"
        raise UsageError(message)
    return rows.filter(pl.col("mentor_id").is_in(meant))


def _table(rows: pl.DataFrame) -> str:
    return "\n".join(_aligned(_lines(rows)))


def _lines(rows: pl.DataFrame) -> list[Sequence[str]]:
    if "event_kind" in rows.columns:
        lines: list[Sequence[str]] = [("happened", "event", "known", "by", "verdict", "contacted", "why")]
        for row in rows.iter_rows(named=True):
            by = (row["by_id"] or "")[:_ID_CHARACTERS]
            words = (row["verdict"] or "", _minute(row["contacted_at"]), (row["resolution"] or "").replace("_", " "))
            lines.append((_minute(row["happened_at"]), row["event_kind"], _minute(row["observed_at"]), by, *words))
        return lines
    lines = [("alert", "state", "since", "why", "28 days", "level", "mentor", "learner", "programme", "first reason")]
    length = _length(rows["alert_id"])
    for row in rows.iter_rows(named=True):
        probability = row["abandonment_probability_28d"]
        lines.append(
            (
                row["alert_id"][:length],
                row["state"],
                f"{row['state_at']:%Y-%m-%d}",
                (row["rule"] or row["kind"]).replace("_", " "),
                "" if probability is None else f"{probability:.0%}",
                row["level"],
                (row["mentor_id"] or "")[:_ID_CHARACTERS]
                if row["is_served"]
                else (row["unserved_reason"] or "").replace("_", " "),
                row["learner_id"][:_ID_CHARACTERS],
                row["programme_id"],
                row["reason_1_text"] or "",
            )
        )
    return lines


def _length(ids: pl.Series) -> int:
    """Characters by which the ids shown are told apart."""
    return next(length for length in range(_ID_CHARACTERS, 65) if ids.str.slice(0, length).n_unique() == ids.n_unique())


def _aligned(lines: list[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _csv(rows: pl.DataFrame) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows.columns)
    writer.writerows([_cell(value) for value in row] for row in rows.iter_rows())
    return out.getvalue().rstrip("\n")


def _json(rows: pl.DataFrame) -> str:
    return json.dumps(
        [{name: _plain(value) for name, value in row.items()} for row in rows.iter_rows(named=True)], indent=1
    )


_FORMATS = {"table": _table, "csv": _csv, "json": _json}


def _cell(value: object) -> object:
    shown = _plain(value)
    return unread_as_formula(shown) if isinstance(shown, str) else shown


def _plain(value: object) -> object:
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else value


def _minute(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"
