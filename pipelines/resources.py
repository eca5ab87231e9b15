"""What a night runs with: one open home, as a Dagster resource.

Belongs here: the resource's life from lock to close. Does not belong here: paths and clock (`home`), settings'
meaning (`settings`), tables (`warehouse`), what is done with them (`assets`).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb
from pydantic import PrivateAttr

from data_contracts.errors import HandrailError, UsageError
from pipelines import logs, preflight, runs
from pipelines.home import EPOCH, Home, now, parse_instant
from pipelines.launch import close_orphans
from pipelines.lock import run_lock
from pipelines.privacy.erase import ensure_finished, open_pseudonyms
from pipelines.publish import BUILD_NAME, PublicationBuild, sweep
from pipelines.settings import Settings, load_settings
from pipelines.sources import locate, publication_id
from pipelines.sources.take_in import put_away
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse


@dataclass(frozen=True)
class Night:
    """One run's world: where, with what settings, as of when; assets get it from `NightResource`."""

    home: Home
    settings: Settings
    data: Path
    observed_at: datetime
    run_id: str
    warehouse: Warehouse
    pseudonyms: Pseudonyms
    build: PublicationBuild

    @cached_property
    def publication_id(self) -> str:
        """What this run publishes; asked for only when everything is taken in."""
        return publication_id(self.settings, self.observed_at, self.warehouse)

    @property
    def tonight_epoch_day(self) -> int:
        """The organisation's local day that begins at (or holds) observed_at, in days since 1970-01-01."""
        local = self.observed_at.astimezone(ZoneInfo(self.settings.timezone))
        return (local.date() - EPOCH.date()).days

    @property
    def observed_naive(self) -> datetime:
        """observed_at in UTC without a zone, as the warehouse stores instants."""
        return self.observed_at.astimezone(UTC).replace(tzinfo=None)

    @property
    def observed_sql(self) -> str:
        """observed_at as an SQL literal."""
        return f"TIMESTAMP '{self.observed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}'"


def _put_away(night: Night) -> None:
    """Empty the inbox of what was taken. A run does not fail for it: the next one tries again."""
    try:
        kept = put_away(night.warehouse, night.settings, night.home, night.data, night.observed_naive, night.pseudonyms)
    except (HandrailError, OSError, duckdb.Error) as error:
        kept = [f"what was taken stays in the inbox: {error}"]
    for line in kept:
        runs.note(night.warehouse, night.run_id, line)


def _last_observed_at(warehouse: Warehouse, given: str) -> datetime:
    if not (as_of := given or runs.last_observed_at(warehouse)):
        message = "no run has been here yet, so there is no observation time: run a night first, or say as_of"
        raise UsageError(message)
    return parse_instant(as_of)


class NightResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Opens the home under its lock when a run starts, and closes it when the run ends.

    Empty strings mean: the default home, the source and data of `handrail.toml`, the default observation time.
    A run that `takes_in` nothing needs no data folder; its default observation time is that of the last run.
    """

    home: str = ""
    source: str = ""
    data: str = ""
    as_of: str = ""
    takes_in: bool = True

    _night: Night | None = PrivateAttr(default=None)
    _open: ExitStack = PrivateAttr(default_factory=ExitStack)

    @property
    def night(self) -> Night:
        """The open night; only inside a run."""
        if self._night is None:
            message = "the night is open only while a run executes"
            raise RuntimeError(message)
        return self._night

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Take the lock, sweep leftovers, open the stores."""
        home = Home.find(self.home or None)
        home.create(self.source or "inbox")
        settings = load_settings(home.settings_file)
        if self.source:
            settings = settings.model_copy(update={"source": self.source})
        run_id = context.run.run_id if context.run else "ephemeral"
        since = f"{now():%Y-%m-%dT%H:%M:%SZ}"
        self._open = ExitStack()
        self._open.enter_context(run_lock(home.lock_file, run=f"run {run_id}", since=since))
        self._open.enter_context(logs.journal(home, run_id=run_id))
        logs.rotate(home, most_megabytes=settings.log_megabytes, days=settings.log_days)
        close_orphans(context.instance, run_id)
        try:
            self._night = self._opened(home, settings, run_id)
        except BaseException as error:
            logs.event("run_failed", **logs.of_error(error))
            self._open.close()
            raise

    def _opened(self, home: Home, settings: Settings, run_id: str) -> Night:
        found = locate(home, settings, data=self.data, as_of=self.as_of) if self.takes_in else None
        ensure_finished(home, settings)
        sweep(home.path, home.marts)
        warehouse = self._open.enter_context(Warehouse.of(home, settings))
        data, observed_at = found or (home.inbox, _last_observed_at(warehouse, self.as_of))
        pseudonyms = open_pseudonyms(home, warehouse)
        waiting = preflight.waiting_bytes(data, warehouse) if found and settings.source != "oulad" else 0
        preflight.ensure_room(home, waiting=waiting, floor_megabytes=settings.free_disk_megabytes)
        runs.begin(warehouse, run_id, settings.source, observed_at)
        logs.event("run_began", source=settings.source, observed_at=f"{observed_at:%Y-%m-%dT%H:%M:%SZ}")
        return Night(
            home=home,
            settings=settings,
            data=data,
            observed_at=observed_at,
            run_id=run_id,
            warehouse=warehouse,
            pseudonyms=pseudonyms,
            build=PublicationBuild(warehouse.con, home.path / BUILD_NAME),
        )

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the stores and free the lock, whatever happened."""
        night, self._night = self._night, None
        with self._open:
            if night is not None:
                runs.end(night.warehouse, night.run_id)
                row = runs.row_of(night.warehouse, night.run_id)
                logs.event("run_ended", **{name: value for name, value in asdict(row).items() if name != "message"})
                if self.takes_in:
                    _put_away(night)
                if context.instance is not None and context.run is not None:
                    context.instance.add_run_tags(night.run_id, runs.tags(night.warehouse, night.run_id))
