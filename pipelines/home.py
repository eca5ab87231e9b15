"""The home: its paths, the clock, and the observation time of a run.

Belongs here: where things lie and what time it is. Does not belong here: opening anything (`resources`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from data_contracts.errors import UsageError
from pipelines.settings import FIRST_FILE, Settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything of one installation lies; `--home` > `HANDRAIL_HOME` > `./var`."""

    path: Path

    @classmethod
    def find(cls, given: str | Path | None = None) -> Home:
        """Choose the home; does not create it."""
        return cls(Path(given or os.environ.get("HANDRAIL_HOME") or "var").expanduser().resolve())

    def create(self, source: str = "inbox", data: str = "") -> None:
        """Create the folders, open to the owner alone, and on the first run `handrail.toml`.

        The first run's source and data stand in it, so that scheduled nights read the same.
        """
        for folder in (
            self.path,
            self.inbox,
            self.archive,
            self.marts,
            self.models,
            self.reports,
            self.outbox,
            self.log,
            self.dagster,
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.settings_file.exists():
            given = str(Path(data).expanduser().resolve()) if data else ""
            # JSON's strings are TOML's basic strings.
            self.settings_file.write_text(FIRST_FILE.format(source=json.dumps(source), data=json.dumps(given)), "utf-8")

    @property
    def settings_file(self) -> Path:
        """`handrail.toml`, the operator's settings."""
        return self.path / "handrail.toml"

    @property
    def key_file(self) -> Path:
        """The pseudonym key; without it identities cannot be re-linked, so it must be backed up."""
        return self.path / "key"

    @property
    def lock_file(self) -> Path:
        """Held by the one run that may write here."""
        return self.path / "lock"

    @property
    def inbox(self) -> Path:
        """Files to take in."""
        return self.path / "inbox"

    @property
    def simulated(self) -> Path:
        """The demo world, simulated once."""
        return self.path / "simulated"

    @property
    def archive(self) -> Path:
        """Every accepted statement, as Parquet."""
        return self.path / "archive"

    @property
    def warehouse_file(self) -> Path:
        """The pipeline's own database; no dashboard opens it."""
        return self.path / "warehouse.duckdb"

    @property
    def identity_file(self) -> Path:
        """The only place that holds identifiers."""
        return self.path / "identity.duckdb"

    @property
    def marts_file(self) -> Path:
        """What dashboards read."""
        return self.path / "marts.duckdb"

    @property
    def marts(self) -> Path:
        """The same as Parquet, a folder a publication."""
        return self.path / "marts"

    @property
    def models(self) -> Path:
        """Trained models."""
        return self.path / "models"

    @property
    def reports(self) -> Path:
        """Static reports."""
        return self.path / "reports"

    @property
    def reports_index(self) -> Path:
        """The page that lists all others."""
        return self.reports / "index.html"

    @property
    def nightly_report(self) -> Path:
        """The page of the last night."""
        return self.reports / "nightly.html"

    @property
    def programme_reports(self) -> Path:
        """Pages of the programmes, one each."""
        return self.reports / "programmes"

    def model_card(self, model_id: str | None) -> Path:
        """The page that tells how a model was made and judged; beside it the same as Markdown."""
        return self.reports / "model-cards" / f"{model_id}.html"

    @property
    def data_docs(self) -> Path:
        """What Great Expectations said of each table: a page a table, and an index."""
        return self.reports / "data-docs"

    @property
    def outbox(self) -> Path:
        """Digests for mentors and coordinators, a folder a day; the only files with names in them that we write."""
        return self.path / "outbox"

    @property
    def log(self) -> Path:
        """Logs."""
        return self.path / "log"

    @property
    def heartbeat_file(self) -> Path:
        """How the last run ended, for monitors."""
        return self.log / "heartbeat.json"

    @property
    def journal_file(self) -> Path:
        """What runs and commands did, as JSON lines."""
        return self.log / "handrail.jsonl"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME: run history of the UI."""
        return self.path / "dagster"


def now() -> datetime:
    """The clock, read in this one place."""
    return datetime.now(UTC)


def parse_instant(text: str, option: str = "--as-of") -> datetime:
    """Read an option's instant: a date (its midnight, UTC) or an instant with its offset.

    Raises:
        UsageError: the text is neither.
    """
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{option} {text!r} is neither a date such as 2026-03-01 nor an instant such as 2026-03-01T00:00:00Z"
        raise UsageError(message) from None


def told_instant(at: datetime) -> str:
    """An instant in UTC without a zone, as people read it: to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def observation_time(data: Path, settings: Settings, as_of: str = "") -> datetime:
    """observed_at of a run: `--as-of`, else `snapshot.json` beside the inbox, else the local day's first instant.

    Oulad's default (day 112 of the last presentation) is decided by its source, which passes it as `as_of`.

    Raises:
        UsageError: `as_of` or the snapshot says no time.
    """
    if as_of:
        return parse_instant(as_of)
    snapshot = data.parent / "snapshot.json"
    if snapshot.exists():
        try:
            told = str(json.loads(snapshot.read_text("utf-8"))["observed_at"])
        except (ValueError, KeyError, TypeError):
            message = 'snapshot.json beside the inbox does not say {"observed_at": ...}; mend it, or give --as-of'
            raise UsageError(message) from None
        return parse_instant(told)
    zone = ZoneInfo(settings.timezone)
    return now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
