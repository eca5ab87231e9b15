"""What an operator may set: `handrail.toml` in the home, and `HANDRAIL_*` in the environment.

Belongs here: names, defaults and limits of settings. Does not belong here: paths (`resources.Home`), secrets
(they come from environment or files and are never written back).
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from data_contracts.errors import UsageError

SourceName = Literal["simulated", "inbox", "oulad"]

# HANDRAIL_HOME says where everything lies, the settings among them.
_NO_SETTINGS = {"home"}

FIRST_FILE = """\
# Handrail's settings. Every key may also stand in the environment, as HANDRAIL_<KEY>.
# An unknown key is an error. Defaults are listed in docs/settings.md.
source = {source}
data = {data}
"""


class Settings(BaseSettings):
    """Settings in force; defaults are those of the design, section 10. Published with every publication."""

    model_config = SettingsConfigDict(env_prefix="HANDRAIL_", extra="forbid", frozen=True)

    source: SourceName = Field("inbox", description="Where statements and tables come from")
    data: str = Field("", description="Folder to read instead of the home's inbox (or the Open University files)")
    timezone: str = Field("UTC", description="The organisation's time zone, where learner and programme have none")
    abandon_after_days: int = Field(28, ge=7, description="Silence that counts as abandonment where ends go unrecorded")
    too_early_days: int = Field(7, ge=0, description="Days of history under which a score is flagged as too early")
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
    capacity_minutes: int = Field(60, ge=0, description="A mentor's minutes a week where none are stated")
    midweek_share: float = Field(0.40, ge=0, le=1, description="Share of the minutes kept for Tuesday to Friday")
    coordinator_share: float = Field(0.10, ge=0, le=1, description="Active participations a coordinator takes a week")
    session_gap_minutes: int = Field(30, ge=1, description="Inactivity that ends a session")
    seed: int = Field(20, description="Seed of every generator")
    threads: int = Field(2, ge=1, description="Threads of the database and of training")
    memory_limit: str = Field("4GB", pattern=r"^\d+(\.\d+)?(MB|GB)$", description="Memory of the database")
    simulated_learners: int = Field(1200, ge=50, description="Learners a run in the demo world")
    simulated_weeks: int = Field(16, ge=8, description="Weeks of a course run in the demo world")
    simulated_seed: int = Field(7, description="Seed of the demo world")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            message = f"{value!r} is no IANA time zone; write one such as 'Europe/Lisbon'"
            raise ValueError(message) from None
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
        """Settings in force as one line of JSON; `data` is left out, since a path tells of the machine."""
        return json.dumps(self.model_dump(exclude={"data"}), sort_keys=True)


def _refuse_unknown(keys: Iterable[str], where: str) -> None:
    known = Settings.model_fields
    for key in keys:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1)
            way_out = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(sorted(known))}"
            message = f"{where}: unknown key {key!r}; {way_out}"
            raise UsageError(message)


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
    _refuse_unknown(in_environment - _NO_SETTINGS, "environment")
    try:
        return Settings(**values)  # type: ignore[arg-type]  # pydantic checks each value
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"{file.name} or environment: {where}: {first['msg']}"
        raise UsageError(message) from None
