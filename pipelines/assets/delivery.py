"""The last step of a night: what was published is told to those whom it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_contracts.tables import alerts as tables
from pipelines.assets import table_asset
from pipelines.resources import Night
from pipelines.sinks import outbox


@table_asset(tables.DELIVERY, group="7_delivery", key="alert_delivery", deps=("publication",))
def alert_delivery(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Digests and webhook, written down first and sent after publication; where a gate held, nothing goes out."""
    new = outbox.write_down(night)
    return new, dict(outbox.deliver(night))


ASSETS = [alert_delivery]
