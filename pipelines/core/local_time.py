"""Local time in SQL: the learner's zone, else the programme's, else the organisation's.

Belongs here: SQL fragments for local days and their weeks. Does not belong here: any table.
"""

from __future__ import annotations

from pipelines.settings import Settings

EPOCH = "DATE '1970-01-01'"
ALWAYS = -1_000_000
"""A day before all others: from it on counts what was always known."""


def zone(settings: Settings, *columns: str) -> str:
    """The first zone given among columns, else the organisation's."""
    return f"coalesce({', '.join(columns)}, '{settings.timezone}')"


def local(instant: str, zone_column: str) -> str:
    """A UTC instant as local wall time; UTC itself takes the short way."""
    return (
        f"CASE WHEN {zone_column} = 'UTC' THEN {instant} ELSE timezone({zone_column}, timezone('UTC', {instant})) END"
    )


def epoch_day(instant: str, zone_column: str) -> str:
    """Local day of a UTC instant, in days since 1970-01-01."""
    return f"(CAST({local(instant, zone_column)} AS DATE) - {EPOCH})"


def date_day(date_column: str) -> str:
    """A local date, in days since 1970-01-01."""
    return f"({date_column} - {EPOCH})"


def monday(epoch_day: str) -> str:
    """The Monday of a day's ISO week, in days since 1970-01-01 (a Thursday)."""
    return f"({epoch_day} - ({epoch_day} + 3) % 7)"
