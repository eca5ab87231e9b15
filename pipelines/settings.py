"""What an operator may set: `handrail.toml` in the home, and `HANDRAIL_*` in the environment.

Belongs here: names, defaults and limits of settings. Does not belong here: paths (`resources.Home`), secrets
(they come from environment or files and are never written back).
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from data_contracts.errors import UsageError

SourceName = Literal["simulated", "inbox", "oulad"]
RuleName = Literal[
    "never_started",
    "ticket_open",
    "first_meeting_not_held",
    "mentor_silent",
    "commitment_overdue",
    "cadence_broken",
    "goal_behind",
]
RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)

# HANDRAIL_HOME says where everything lies, the settings among them; HANDRAIL_WEBHOOK_SECRET and its file are credentials.
NO_SETTINGS = {"home", "webhook_secret", "webhook_secret_file"}

# HANDRAIL_LRS_<NAME>_PASSWORD and its like are credentials: read where they are needed, and no settings.
LRS_CREDENTIALS = ("username", "password", "token")

FIRST_FILE = """\
# Handrail's settings. Every key may also stand in the environment, as HANDRAIL_<KEY>.
# An unknown key is an error. Defaults are listed in docs/settings.md.
source = {source}
data = {data}
"""


class LrsSettings(BaseModel):
    """A Learning Record Store to pull from: a `[[lrs]]` table. Credentials never stand here."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z0-9_-]{1,40}$", description="What it is called here; keep it for good")
    endpoint: str = Field(description="The address before `/statements`, such as `https://lrs.example.org/xapi`")
    version: Literal["1.0.3", "2.0.0"] = Field("1.0.3", description="Version of xAPI that it is asked in")
    auth: Literal["basic", "bearer", "none"] = Field("basic", description="How it knows us")
    credentials_file: str = Field(
        "", description="TOML file of `username` and `password`, or `token`; from the home unless absolute; 0600"
    )
    since: AwareDatetime | None = Field(None, description="First instant to pull, on `stored`; all where it is not set")
    overlap_minutes: int = Field(15, ge=0, description="Minutes before the watermark that are asked for again")
    page_limit: int = Field(1000, ge=0, description="Statements a page; 0 leaves it to the LRS")
    max_pages: int = Field(1_000_000, ge=1, description="Pages a run")
    max_bytes: int = Field(100_000_000_000, ge=1, description="Bytes a run, unpacked")
    max_minutes: float = Field(240, gt=0, description="Minutes a run")
    max_page_bytes: int = Field(256_000_000, ge=1, description="Bytes a page, unpacked; more is an error")
    timeout_seconds: float = Field(60, gt=0, description="Seconds without a byte after which an answer is given up")
    commit_statements: int = Field(50_000, ge=1, description="Statements after which what was pulled is committed")
    commit_seconds: float = Field(30, ge=0, description="... or seconds, whichever comes first")
    allow_http: bool = Field(False, description="Ask without TLS, and not on this machine alone")

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_whole = False
        message = ""
        if not is_whole or "\\" in value or not value.isprintable() or " " in value:
            message = "an address such as 'https://lrs.example.org/xapi' is needed"
        elif "@" in parts.netloc:
            message = "user and password do not stand in an address; see docs/lrs.md for where they go"
        elif parts.query or parts.fragment:
            message = "an address without '?' and '#' is needed"
        elif parts.path.rstrip("/").endswith("/statements"):
            message = "write the address before '/statements'"
        elif not value.isascii():
            message = "write letters beyond ASCII as they are sent: a host as xn--..., a path with %"
        if message:
            raise ValueError(message)
        return value.rstrip("/")

    @model_validator(mode="after")
    def _is_private_on_the_way(self) -> LrsSettings:
        if self.endpoint.startswith("http:") and not self.allow_http and not self.is_loopback:
            message = "endpoint is without TLS: write https://, or allow_http = true where the network is trusted"
            raise ValueError(message)
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine."""
        host = urlsplit(self.endpoint).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def variable_prefix(self) -> str:
        """What the variables of its credentials begin with."""
        return f"HANDRAIL_LRS_{self.name.upper().replace('-', '_')}_"


class Settings(BaseSettings):
    """Settings in force; defaults are those of the design, section 10. Published with every publication."""

    model_config = SettingsConfigDict(env_prefix="HANDRAIL_", extra="forbid", frozen=True)

    source: SourceName = Field("inbox", description="Where statements and tables come from")
    data: str = Field("", description="Folder to read instead of the home's inbox (or the Open University files)")
    timezone: str = Field("UTC", description="The organisation's time zone, where learner and programme have none")
    abandon_after_days: int = Field(28, ge=7, description="Silence that counts as abandonment where ends go unrecorded")
    too_early_days: int = Field(7, ge=0, description="Days since the first due work under which a score is too early")
    alert_floor_probability: float = Field(0.10, ge=0, le=1, description="28-day probability from which to alert")
    alert_floor_over_base: float = Field(2.0, ge=0, description="... and how many times the course's base rate")
    band_middle_probability: float = Field(0.10, ge=0, le=1, description="From here the risk band is middle")
    band_high_probability: float = Field(0.30, ge=0, le=1, description="From here the risk band is high")
    alert_cooldown_days: int = Field(14, ge=0, description="Days without a new alert after one was resolved")
    minutes_methodological: int = Field(20, ge=0, description="Minutes an alert of this level is expected to take")
    minutes_educational: int = Field(30, ge=0, description="Minutes an alert of this level is expected to take")
    minutes_social: int = Field(15, ge=0, description="Minutes an alert of this level is expected to take")
    minutes_technical: int = Field(10, ge=0, description="Minutes an alert of this level is expected to take")
    never_started_days: int = Field(7, ge=1, description="Days after opening by which a first activity is due")
    mentor_silent_days: int = Field(14, ge=1, description="Days without contact, at least, before a mentor is silent")
    first_meeting_days: int = Field(10, ge=1, description="Days after the match by which a first meeting is due")
    stuck_days: int = Field(
        21, ge=1, description="Available days without meeting, goal or commitment: a match is stuck"
    )
    alert_rules: tuple[RuleName, ...] = Field(RULE_NAMES, description="Rules that alert beside the model")
    goal_behind_points: float = Field(
        10, gt=0, le=100, description="Percentage points under what the timeline expects: a goal is behind"
    )
    good_news: bool = Field(True, description="Tell mentors when a learner is back or a goal attained")
    resolve_active_days: int = Field(2, ge=0, le=7, description="Active days in 7 that resolve a risk alert")
    escalate_after_days: int = Field(5, ge=1, description="Working days after which an unreviewed alert is escalated")
    minutes_learned_from: int = Field(
        30, ge=0, description="Sessions of a level from which on its expected minutes are their median; 0: never"
    )
    contact_risk_ratios: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | tuple[()] = Field(
        (), description="Risk ratios of contact by thirds of risk, low to high, as a trial of yours found them"
    )
    routing_method: Literal["assignment", "greedy"] = Field("assignment", description="How alerts are given to mentors")
    holdout_share: float = Field(0.0, ge=0, le=0.5, description="Chance of the hold-out lottery at the cut; 0: none")
    holdout_band_probability: float = Field(0.05, gt=0, le=1, description="How far apart the two of a pair may be")
    holdout_days: int = Field(28, ge=7, description="Days for which the lot binds")
    holdout_seed: int = Field(20, description="Seed of the lottery")
    holdout_consent: Literal["learner", "programme"] = Field(
        "learner", description="Who must have agreed: each learner (lottery_consented_at), or the programmes named next"
    )
    holdout_programmes: tuple[str, ...] = Field((), description="Programmes that have told their learners of it")
    names_in_spill_over: tuple[str, ...] = Field(
        (), description="Programmes whose learners may be named to a mentor who is not their own"
    )
    digests: bool = Field(True, description="Write a digest for each mentor and coordinator")
    digest_hour: int = Field(7, ge=0, le=23, description="Hour of the recipient's morning at which a digest is due")
    outbox_days: int = Field(90, ge=1, description="Days after which a digest is removed")
    webhook_url: str = Field("", description="Where each new or escalated alert is posted; empty: nowhere")
    webhook_identifiers: bool = Field(False, description="Post learner_key and mentor_key beside the pseudonyms")
    webhook_timeout_seconds: float = Field(10, gt=0, description="Seconds after which an answer is given up")
    webhook_attempts: int = Field(4, ge=1, description="Attempts a night for each")
    alarm_url: str = Field("", description="Where a run that failed or was gated is posted; empty: nowhere")
    heartbeat_url: str = Field("", description="What is asked for (GET) after each good night; empty: nothing")
    capacity_minutes: int = Field(60, ge=0, description="A mentor's minutes a week where none are stated")
    midweek_share: float = Field(0.40, ge=0, le=1, description="Share of the minutes kept for Tuesday to Friday")
    coordinator_share: float = Field(0.10, ge=0, le=1, description="Active participations a coordinator takes a week")
    session_gap_minutes: int = Field(30, ge=1, description="Inactivity that ends a session")
    seed: int = Field(20, description="Seed of every generator")
    threads: int = Field(2, ge=1, description="Threads of the database and of training")
    memory_limit: str = Field(
        "3GB", pattern=r"^\d+(\.\d+)?(MB|GB)$", description="Memory of the database; a run takes about 1 GB besides"
    )
    simulated_learners: int = Field(1200, ge=50, description="Learners a run in the demo world")
    simulated_weeks: int = Field(16, ge=8, description="Weeks of a course run in the demo world")
    simulated_seed: int = Field(7, ge=0, description="Seed of the demo world")
    simulated_effect: float = Field(-0.15, ge=-3, le=3, description="Log hazard ratio of contact in the demo world")
    simulated_confounding: float = Field(0.8, description="How much contact follows visible struggle in it")
    simulated_hidden: float = Field(0.0, description="How much contact follows in it what no log shows")
    simulated_propensity: Literal["linear", "nonlinear"] = Field("linear", description="Form of what contact follows")
    simulated_dirt: float = Field(0.0, ge=0, le=0.5, description="Share of faulty rows planted in the demo world")
    reports_url: str = Field(
        "http://127.0.0.1:3001", pattern=r"^https?://\S+[^/\s]$", description="Where the home's reports are served"
    )
    consume: bool = Field(True, description="Move files of the home's inbox into sealed storage once they are taken")
    inbox_settle_seconds: float = Field(60, ge=0, description="A file this young that ends in the middle waits")
    sealed_days: int = Field(90, ge=1, description="Days after which a file in sealed storage is forgotten")
    log_megabytes: float = Field(20, gt=0, description="Size from which a journal in log/ is put aside")
    log_days: int = Field(180, ge=1, description="Days after which a journal that was put aside is removed")
    free_disk_megabytes: int = Field(
        500, ge=0, description="Room that a night must leave on the disk, beside what it needs"
    )
    lrs: tuple[LrsSettings, ...] = Field((), description="Learning Record Stores: see [lrs.md](lrs.md)")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            message = f"{value!r} is no IANA time zone; write one such as 'Europe/Lisbon'"
            raise ValueError(message) from None
        return value

    @field_validator("lrs")
    @classmethod
    def _names_differ(cls, value: tuple[LrsSettings, ...]) -> tuple[LrsSettings, ...]:
        prefixes = [lrs.variable_prefix for lrs in value]
        for lrs in value:
            if prefixes.count(lrs.variable_prefix) > 1:
                message = f"two have the name {lrs.name!r} ('-' and '_' count as one); give each its own"
                raise ValueError(message)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment wins over the file (which arrives as init values)."""
        return env_settings, init_settings

    def public_json(self) -> str:
        """Settings in force as one line of JSON; paths are left out, since they tell of the machine."""
        addresses = dict.fromkeys(("data", "webhook_url", "alarm_url", "heartbeat_url", "reports_url"), True)
        told = self.model_dump(mode="json", exclude={**addresses, "lrs": {"__all__": {"credentials_file"}}})
        return json.dumps(told, sort_keys=True)


def _refuse_unknown(keys: Iterable[str], where: str, known: Iterable[str] = tuple(Settings.model_fields)) -> None:
    for key in keys:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1)
            way_out = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(sorted(known))}"
            message = f"{where}: unknown key {key!r}; {way_out}"
            raise UsageError(message)


def _refuse_unknown_of_lrs(tables: object, file: Path) -> None:
    """Refuse credentials and unknown keys in `[[lrs]]` tables; make paths of credentials whole."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        message = f"{file.name}: write each Learning Record Store as a table of its own, [[lrs]]"
        raise UsageError(message)
    for number, table in enumerate(tables, start=1):
        where = f"{file.name}: lrs {table.get('name', number)!r}"
        for key in table:
            if any(word in key.lower() for word in ("user", "pass", "token", "secret", "key")):
                message = (
                    f"{where}: {key!r} does not stand in {file.name}, which is published and copied; take it out, and "
                    f"set HANDRAIL_LRS_<NAME>_USERNAME and _PASSWORD (or _TOKEN), or name a credentials_file"
                )
                raise UsageError(message)
        _refuse_unknown(table, where, tuple(LrsSettings.model_fields))
        if isinstance(given := table.get("credentials_file"), str) and given:
            table["credentials_file"] = str(file.parent.absolute() / Path(given).expanduser())


def _is_credential(key: str) -> bool:
    return key.startswith("lrs_") and key.endswith(tuple(f"_{what}" for what in LRS_CREDENTIALS))


def load_settings(file: Path) -> Settings:
    """Read `handrail.toml` (none is fine) and the environment.

    Raises:
        UsageError: the file is no TOML, a key is unknown (the nearest is named) or a value is out of range.
    """
    values: dict[str, object] = {}
    if file.exists():
        try:
            values = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            message = f"{file.name} is no valid TOML: {error}"
            raise UsageError(message) from None
    prefix = str(Settings.model_config["env_prefix"])
    in_environment = {name.removeprefix(prefix).lower() for name in os.environ if name.startswith(prefix)}
    _refuse_unknown(values, file.name)
    _refuse_unknown_of_lrs(values.get("lrs", []), file)
    no_settings = NO_SETTINGS | {key for key in in_environment if _is_credential(key)}
    _refuse_unknown(in_environment - no_settings, "environment", tuple(Settings.model_fields.keys() - {"lrs"}))
    try:
        return Settings(**values)  # type: ignore[arg-type]  # pydantic checks each value
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"{file.name} or environment: {where}: {first['msg']}"
        raise UsageError(message) from None
