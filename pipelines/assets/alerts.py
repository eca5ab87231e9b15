"""Group 5_alerts: who calls for an alert, how alerts go on, who has the minutes, and what nobody has minutes for.

A night that is earlier than one on record changes none of these: it shows alerts as they stood then.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import polars as pl

from data_contracts.schema import Table
from data_contracts.tables import alerts as tables
from models import lottery
from models.alerts import DEFAULTS, AlertSettings, candidates
from models.lifecycle import tonight
from models.lottery import LotterySettings
from models.ranking import ranked
from models.routing import Routed, RoutingSettings, capacity, charged_this_week, route, unserved
from pipelines import alert_events, alert_facts, charts
from pipelines.assets import Outcome, table_asset
from pipelines.effect_record import contact_estimate
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
        goal_behind_points=settings.goal_behind_points,
        rules=settings.alert_rules,
        has_good_news=settings.good_news,
        resolve_active_days=settings.resolve_active_days,
        escalate_after_days=settings.escalate_after_days,
        minutes_by_level={level: getattr(settings, f"minutes_{level}") for level in DEFAULTS.minutes_by_level},
        meeting_minutes_by_level=alert_facts.learned_minutes(night),
    )


def _routing_settings(night: Night) -> RoutingSettings:
    return RoutingSettings(
        kept_after_monday_share=night.settings.midweek_share,
        coordinator_share=night.settings.coordinator_share,
        method=night.settings.routing_method,
    )


def _tonight(night: Night, table: Table) -> pl.DataFrame:
    return night.warehouse.frame(f"FROM {table.qualified_name} WHERE observed_at = {night.observed_sql}")


def _replace_tonight(night: Night, table: Table, rows: pl.DataFrame) -> int:
    """Write this night's rows; a night run again replaces its own and leaves earlier ones."""
    night.warehouse.execute(f"DELETE FROM {table.qualified_name} WHERE observed_at = {night.observed_sql}")
    night.warehouse.append(table, rows)
    return rows.height


def _unless_past(table: Table) -> Callable[[Callable[[Night], Outcome]], Callable[[Night], Outcome]]:
    """Leave what is on record as it is where alerts of a later night are."""

    def wrap(function: Callable[[Night], Outcome]) -> Callable[[Night], Outcome]:
        @wraps(function)
        def kept(night: Night) -> Outcome:
            if alert_events.is_past(night.warehouse, night.observed_naive):
                return _tonight(night, table).height, {"kept": "alerts of a later night are on record"}
            with night.warehouse.transaction():
                return function(night)

        return kept

    return wrap


@table_asset(
    tables.CANDIDATE,
    group=GROUP,
    key="alert_candidate",
    deps=("risk_score", "risk_reason", "raw_survey_response", "core_participation", "core_goal", "core_away_day"),
)
@_unless_past(tables.CANDIDATE)
def alert_candidate(night: Night) -> Outcome:
    """Risk above the floor or not yet over, a rule of those in force, or good news; none of learners on leave."""
    warehouse, observed_at = night.warehouse, night.observed_naive
    alert_events.record_feedback(warehouse, observed_at)
    events = alert_events.log(warehouse)
    past = alert_events.history(warehouse, events, observed_at).filter(pl.col("observed_at") < observed_at)
    found = candidates(
        alert_facts.scores(night),
        warehouse.frame(f"FROM risk.reason WHERE observed_at = {night.observed_sql}"),
        alert_facts.facts(night),
        at_risk=past.filter(pl.col("kind") == "risk")["participation_id"].to_list(),
        observed_at=observed_at,
        settings=_alert_settings(night),
    )
    counts = found.group_by(pl.coalesce("rule", "kind")).len().sort(pl.col("len"), descending=True)
    return _replace_tonight(night, tables.CANDIDATE, found), {f"{name}_count": count for name, count in counts.rows()}


@table_asset(tables.CAPACITY, group=GROUP, key="alert_capacity", deps=("core_mentor_week", "core_participation"))
@_unless_past(tables.CAPACITY)
def alert_capacity(night: Night) -> Outcome:
    """Minutes of the mentor's local week over all programmes, less planned sessions and alerts that were acted on."""
    mentors = alert_facts.mentors(night)
    found = capacity(mentors, charged=_charged(night, mentors), observed_at=night.observed_naive)
    free = (found["available_minutes"] - found["planned_minutes"] - found["used_minutes"]).clip(0)
    return _replace_tonight(night, tables.CAPACITY, found), {"free_minutes": float(free.sum())}


def _charged(night: Night, mentors: pl.DataFrame, alerts: pl.DataFrame | None = None) -> pl.DataFrame:
    """Cards of the running week that are spent: served on earlier nights, and contacted by what tonight's alerts know."""
    served = night.warehouse.frame(
        f"FROM {tables.ALERT.qualified_name} WHERE observed_at >= {night.observed_sql} - INTERVAL 9 DAY AND "
        f"observed_at < {night.observed_sql}"
    )
    return charged_this_week(
        served if alerts is None else pl.concat([served, alerts]),
        mentors,
        alert_facts.programmes(night),
        met=alert_facts.met_this_week(night),
        observed_at=night.observed_naive,
    )


@table_asset(tables.ALERT, group=GROUP, key="alert_current", deps=("alert_candidate", "alert_capacity", "risk_effect"))
@_unless_past(tables.ALERT)
def alert_current(night: Night) -> Outcome:
    """Which alerts go on, end or begin; own mentor first, then spill-over inside the programme, else the coordinator."""
    warehouse, observed_at = night.warehouse, night.observed_naive
    events = alert_events.log(warehouse)
    told = tonight(
        _tonight(night, tables.CANDIDATE),
        alert_facts.facts(night),
        alert_events.history(warehouse, events, observed_at),
        events,
        observed_at=observed_at,
        closed_on=alert_facts.closed_days(night),
        settings=_alert_settings(night),
    )
    routed = _routed(night, ranked(told.alerts, contact_estimate(night)))
    alert_events.append(warehouse, told.events)
    _replace_tonight(night, tables.CAPACITY, routed.capacity)
    _replace_tonight(night, tables.ROUTING, routed.record.with_columns(observed_at=pl.lit(observed_at)))
    figures = routed.record.drop("observed_at", strict=False).row(0, named=True)
    opened = told.events.filter(pl.col("event_kind") == "opened").height
    written = _replace_tonight(night, tables.ALERT, routed.alerts)
    drawn = {"by_level": charts.alerts_by_level(night), "by_mentor_load": charts.minutes_by_load(night)}
    return written, {"opened": opened, **figures, **drawn}


def _routed(night: Night, alerts: pl.DataFrame) -> Routed:
    """Routes for tonight, after the lot where a hold-out is set up."""
    warehouse, settings = night.warehouse, night.settings
    mentors, matches = alert_facts.mentors(night), alert_facts.matches(night)
    charged = _charged(night, mentors, alerts)
    drawn = warehouse.frame(f"FROM {tables.LOTTERY.qualified_name} WHERE observed_at < {night.observed_sql}")
    on = alert_facts.organisation_day(night)
    routed = route(
        alerts,
        capacity(mentors, charged=charged, observed_at=night.observed_naive),
        matches=matches,
        programmes=alert_facts.programmes(night),
        mentors=mentors,
        charged=charged,
        held_out=lottery.bound(drawn, on),
        settings=_routing_settings(night),
    )
    lots = lottery.draw(
        routed.alerts,
        routed.capacity,
        matches=matches,
        charged=charged,
        history=warehouse.frame(
            f"SELECT DISTINCT alert_id, is_served FROM alerts.alert WHERE is_served AND observed_at < {night.observed_sql}"
        ),
        drawn=drawn,
        consenting=alert_facts.consenting(night),
        on=on,
        settings=LotterySettings(
            settings.holdout_share, settings.holdout_band_probability, settings.holdout_days, settings.holdout_seed
        ),
    )
    _replace_tonight(night, tables.LOTTERY, lots.rows.with_columns(observed_at=pl.lit(night.observed_naive)))
    return Routed(lots.alerts, lots.capacity, routed.record)


@table_asset(tables.UNSERVED, group=GROUP, key="alert_unserved", deps=("alert_current",))
@_unless_past(tables.UNSERVED)
def alert_unserved(night: Night) -> Outcome:
    """Expected loss by programme, and how much of it one more mentor hour would reach."""
    found = unserved(_tonight(night, tables.ALERT), alert_facts.programmes(night), observed_at=night.observed_naive)
    return _replace_tonight(night, tables.UNSERVED, found)


ASSETS = [alert_candidate, alert_capacity, alert_current, alert_unserved]
