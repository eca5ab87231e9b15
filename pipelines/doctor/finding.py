"""A finding, and whom it is about.

Belongs here: the shape of both. Does not belong here: looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.home import Home
from pipelines.settings import Settings

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Patient:
    """The home that is looked at, and its settings where they can be read."""

    home: Home
    settings: Settings | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, what was seen, and the way out where it is not well."""

    name: str
    state: State
    told: str
    way_out: str = ""

    @classmethod
    def ok(cls, name: str, told: str) -> Finding:
        """Nothing to do."""
        return cls(name, "ok", told)

    @classmethod
    def warn(cls, name: str, told: str, way_out: str) -> Finding:
        """Nights go on, but somebody should know."""
        return cls(name, "warn", told, way_out)

    @classmethod
    def fail(cls, name: str, told: str, way_out: str) -> Finding:
        """Nights fail, or what they publish cannot be trusted."""
        return cls(name, "fail", told, way_out)


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in a row, the first few of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def size(count: float) -> str:
    """Bytes, for people."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def age(hours: float) -> str:
    """How long ago, for people."""
    return f"{hours:.0f} hours ago" if hours < 72 else f"{hours / 24:.0f} days ago"
