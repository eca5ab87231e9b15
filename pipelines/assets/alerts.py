"""Group 5_alerts: who calls for an alert, who has the minutes, and what nobody has minutes for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from data_contracts.fields.mentoring import LEVELS
from data_contracts.schema import Table
from data_contracts.tables import alerts as tables
from models.alerts import AlertSettings, candidates, open_or_continue
from models.routing import RoutingSettings, capacity, charged_this_week, route, unserved
from pipelines import alert_facts
from pipelines.assets import table_asset
from pipelines.resources import Night

GROUP = "5_alerts"


def _alert_settings(night: Night) -> AlertSettings:
    settings = night.settings
    return AlertSettings(
        floor_probability=settings.alert_floor_probability,
        floor_over_base=settings.alert_floor_over_base,
        synchronous_from_probability=settings.band_high_probability,
        cooldown_days=settings.alert_cooldown_days,
        never_started_days=settings.never_started_days,
        first_meeting_days=settings.first_meeting_days,
        silence_days=settings.mentor_silent_days,
        minutes_by_level={level: getattr(settings, f"minutes_{level}") for level in LEVELS},
    )


def _routing_settings(night: Night) -> RoutingSettings:
    return RoutingSettings(
        kept_after_monday_share=night.settings.midweek_share,
        coordinator_share=night.settings.coordinator_share,
    )


def _tonight(night: Night, table: Table) -> pl.DataFrame:
    return night.warehouse.frame(f"FROM {table.qualified_name} WHERE observed_at = {night.observed_sql}")


def _replace_tonight(night: Night, table: Table, rows: pl.DataFrame) -> int:
    """Write this night's rows; a night run again replaces its own and leaves earlier ones."""
    warehouse = night.warehouse
    with warehouse.transaction():
        warehouse.execute(f"DELETE FROM {table.qualified_name} WHERE observed_at = {night.observed_sql}")
        warehouse.append(table, rows)
    return rows.height


@table_asset(
    tables.CANDIDATE,
    group=GROUP,
    key="alert_candidate",
    deps=("risk_score", "risk_reason", "core_participation", "core_goal", "core_away_day"),
)
def alert_candidate(night: Night) -> int:
    """Risk above the floor, or a rule: never started, first meeting not held, mentor silent, ticket open, overdue."""
    warehouse = night.warehouse
    found = candidates(
        warehouse.frame("FROM risk.score"),
        warehouse.frame("FROM risk.reason"),
        alert_facts.facts(night),
        observed_at=night.observed_naive,
        settings=_alert_settings(night),
    )
    return _replace_tonight(night, tables.CANDIDATE, found)


@table_asset(tables.CAPACITY, group=GROUP, key="alert_capacity", deps=("core_mentor_week",))
def alert_capacity(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Minutes of the mentor's local week over all programmes, less planned sessions and alerts of earlier nights."""
    mentors = alert_facts.mentors(night)
    found = capacity(mentors, charged=_charged(night, mentors), observed_at=night.observed_naive)
    free = (found["available_minutes"] - found["planned_minutes"] - found["used_minutes"]).clip(0)
    return _replace_tonight(night, tables.CAPACITY, found), {"free_minutes": float(free.sum())}


def _charged(night: Night, mentors: pl.DataFrame) -> pl.DataFrame:
    return charged_this_week(
        night.warehouse.frame("FROM alerts.alert"),
        mentors,
        alert_facts.programmes(night),
        observed_at=night.observed_naive,
    )


@table_asset(tables.ALERT, group=GROUP, key="alert_current", deps=("alert_candidate", "alert_capacity"))
def alert_current(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Own mentor first, then spill-over inside the programme, else the coordinator; the rest says why not."""
    mentors = alert_facts.mentors(night)
    opened = open_or_continue(
        _tonight(night, tables.CANDIDATE),
        night.warehouse.frame("FROM alerts.alert"),
        observed_at=night.observed_naive,
        settings=_alert_settings(night),
    )
    routed = route(
        opened,
        _tonight(night, tables.CAPACITY),
        matches=alert_facts.matches(night),
        programmes=alert_facts.programmes(night),
        mentors=mentors,
        charged=_charged(night, mentors),
        settings=_routing_settings(night),
    )
    _replace_tonight(night, tables.CAPACITY, routed.capacity)
    served = routed.alerts.filter(pl.col("is_served") & (pl.col("state") != "resolved")).height
    return _replace_tonight(night, tables.ALERT, routed.alerts), {"served": served}


@table_asset(tables.UNSERVED, group=GROUP, key="alert_unserved", deps=("alert_current",))
def alert_unserved(night: Night) -> int:
    """Expected loss by programme, and how much of it one more mentor hour would reach."""
    found = unserved(_tonight(night, tables.ALERT), alert_facts.programmes(night), observed_at=night.observed_naive)
    return _replace_tonight(night, tables.UNSERVED, found)


ASSETS = [alert_candidate, alert_capacity, alert_current, alert_unserved]
