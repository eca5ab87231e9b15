"""Alerts' events in the warehouse: what is written down, and what a night needs of the past.

Belongs here: reading and appending `alerts.event`. Does not belong here: what events mean (`models.lifecycle`).
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from data_contracts.tables.alerts import ALERT, EVENT
from data_contracts.tables.inputs import RAW_INPUTS
from models.alerts import OPEN_STATES
from models.lifecycle import FEEDBACK, feedback_events, state_as_of
from pipelines.warehouse import Warehouse, current


def record_feedback(warehouse: Warehouse, observed_at: datetime) -> int:
    """Append what people said of alerts, known before an instant (UTC, without a zone); returns how many events.

    Said twice it is one event; of an alert that nobody knows it waits.
    """
    feedback = warehouse.frame(
        f"FROM {current(RAW_INPUTS['alert_feedback'], sql(observed_at))} WHERE alert_id IN (SELECT alert_id FROM alerts.event)"
    )
    if feedback.is_empty():
        return 0
    lives = warehouse.frame(
        f"FROM {EVENT.qualified_name} WHERE alert_id IN (SELECT alert_id FROM {current(RAW_INPUTS['alert_feedback'])})"
    )
    new = feedback_events(feedback, lives, observed_at=observed_at)
    append(warehouse, new)
    return new.height


def append(warehouse: Warehouse, events: pl.DataFrame) -> None:
    """Add events to the log; it is never changed otherwise."""
    if events.height:
        warehouse.append(EVENT, events)


def is_past(warehouse: Warehouse, observed_at: datetime) -> bool:
    """Whether alerts of a later night are on record: then this night changes none, and shows them as they stood."""
    return bool(warehouse.scalar(f"SELECT count(*) FROM {ALERT.qualified_name} WHERE observed_at > ?", [observed_at]))


def log(warehouse: Warehouse) -> pl.DataFrame:
    """All events of alerts."""
    return warehouse.frame(f"FROM {EVENT.qualified_name} ORDER BY alert_id, event_number")


def history(warehouse: Warehouse, events: pl.DataFrame, observed_at: datetime) -> pl.DataFrame:
    """What `models.lifecycle.tonight` is told of earlier nights: the latest row of each alert still open, and tonight's."""
    is_tonights = (pl.col("observed_at") == observed_at) & ~pl.col("event_kind").is_in(FEEDBACK)
    before = state_as_of(events.filter((pl.col("observed_at") <= observed_at) & ~is_tonights))
    with warehouse.lent("handrail_open", before.filter(pl.col("state").is_in(OPEN_STATES)).select("alert_id")):
        return warehouse.frame(
            f"""
            WITH past AS (
                SELECT * FROM {ALERT.qualified_name} WHERE observed_at < {sql(observed_at)}
                    AND alert_id IN (SELECT alert_id FROM handrail_open)
            )
            SELECT past.*, min(observed_at) FILTER (is_served AND mentor_id IS NOT NULL) OVER (PARTITION BY alert_id)
                AS served_since
            FROM past
            QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY observed_at DESC) = 1
            UNION ALL BY NAME
            SELECT *, CAST(NULL AS TIMESTAMP) AS served_since FROM {ALERT.qualified_name}
            WHERE observed_at = {sql(observed_at)}
            ORDER BY alert_id, observed_at
            """
        )


def sql(at: datetime) -> str:
    """An instant in UTC without a zone as an SQL literal."""
    return f"TIMESTAMP '{at:%Y-%m-%d %H:%M:%S.%f}'"
