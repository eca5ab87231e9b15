"""Nights without Dagster: the assets of a night up to alerts, called as functions, for tests that need many nights.

Belongs here: which assets a night is made of, in their order, and the mentors' answers that the next night reads. Does not
belong here: what must hold afterwards. A night of the command also fills marts, publishes and delivers; its records of a run
take most of the time on a small world.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zlib import crc32

import polars as pl

from pipelines import runs
from pipelines.home import Home
from pipelines.publish import BUILD_NAME, PublicationBuild
from pipelines.resources import Night
from pipelines.settings import load_settings
from pipelines.statements.identity import Pseudonyms, load_key
from pipelines.warehouse import Warehouse

GROUPS = {"1_raw", "2_core", "2_programme", "3_features", "4_risk", "5_alerts"}
DELIVERY = "alert_delivery"
ACTED_AFTER = timedelta(hours=9)


def opened(home: Home) -> Warehouse:
    """The home's warehouse; close it before the next night."""
    return Warehouse.of(home, load_settings(home.settings_file))


def assets() -> list[Callable[..., object]]:
    """The assets of a night up to alerts, each after those it depends on, as functions of `night`."""
    from pipelines.assets.risk import TrainingConfig  # noqa: PLC0415 - Dagster reads its home when it is imported
    from pipelines.build import build_defs  # noqa: PLC0415

    definitions = build_defs()
    found = {key: asset for asset in definitions.assets for key in asset.keys}
    functions = {}
    for key in definitions.resolve_asset_graph().toposorted_asset_keys:
        name = key.path[-1]
        if found[key].group_names_by_key[key] in GROUPS and name != DELIVERY:
            # Called through Dagster they would open a home of their own.
            functions[name] = found[key].op.compute_fn.decorated_fn
    train = functions["risk_model"]
    functions["risk_model"] = lambda night: train(night, TrainingConfig())
    return list(functions.values())


def run_night(home: Home, functions: list[Callable[..., object]], day: date) -> None:
    """Run a night as of a day's first instant on the home's own inbox."""
    settings, observed_at = load_settings(home.settings_file), datetime.combine(day, datetime.min.time(), UTC)
    with opened(home) as warehouse:
        night = Night(
            home=home,
            settings=settings,
            data=home.inbox,
            observed_at=observed_at,
            run_id=f"night-{day}",
            warehouse=warehouse,
            pseudonyms=Pseudonyms(load_key(home.key_file, has_identities=warehouse.has_identities())),
            build=PublicationBuild(warehouse.con, home.path / BUILD_NAME),
        )
        runs.begin(warehouse, night.run_id, settings.source, observed_at)
        for function in functions:
            function(night=SimpleNamespace(night=night))


def act(home: Home, tonight: pl.DataFrame, day: date, *, share: float) -> None:
    """Let mentors act on a share of the alerts for which a night asks their minutes: they contact, and say so in the inbox.

    `tonight` are the night's rows of `alerts.alert`. Which alerts are acted on follows from their ids.
    """
    with opened(home) as warehouse:
        keys = dict(warehouse.rows("SELECT person_id, person_key FROM identity.main.person"))
    at = f"{datetime.combine(day, datetime.min.time()) + ACTED_AFTER:%Y-%m-%dT%H:%M:%SZ}"
    served = tonight.filter(pl.col("is_served") & pl.col("state").is_in(["new", "acted"]) & (pl.col("due_minutes") > 0))
    rows = [
        (alert_id, "acted", keys[mentor_id], at, at)
        for alert_id, mentor_id in served.select("alert_id", "mentor_id").iter_rows()
        if mentor_id in keys and crc32(alert_id.encode()) / 2**32 < share
    ]
    if rows:
        folder = home.inbox / "alert_feedback"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{day}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("alert_id", "state", "by", "at", "contacted_at"), *rows])
