"""How good alerts were, and what became of them, over all mentors: never over one.

Belongs here: figures of the mart alert_quality from judged alerts. Does not belong here: which alerts can be judged
(`pipelines.marts.alert_quality`), how good the model is without anybody's help (`metrics.py`).

An alert is there to be proved wrong: who is contacted in time stays. So a low precision may be a weak model or a good mentor,
and these figures alone do not say which; that takes the hold-out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import polars as pl

from data_contracts.tables.marts import MARTS
from models.contract import conform
from models.metrics import UNKNOWN, Estimate, median, ratio

LEAST_ALERTS = 10
"""A figure of fewer alerts is withheld: it would tell of single learners."""
LEAST_MENTORS = 3
"""A figure of what fewer mentors did is withheld: of two, each would know the other's."""

_RISK = pl.col("kind") == "risk"
_SERVED = pl.col("is_served")
_ANY = pl.lit(value=True)
_SAID = pl.col("verdict").is_not_null()


@dataclass(frozen=True, slots=True)
class _Figure:
    """Of which alerts a figure is, what it says of each, and whether that is something that a mentor did."""

    of: pl.Expr
    says: pl.Expr
    is_mentors: bool = False


SHARES: Mapping[str, _Figure] = MappingProxyType(
    {
        "precision_at_capacity": _Figure(_RISK & _SERVED, pl.col("is_abandoned")),
        "precision_of_all": _Figure(_RISK, pl.col("is_abandoned")),
        "reviewed_share": _Figure(_SERVED, pl.col("days_to_review").is_not_null(), is_mentors=True),
        "acted_share": _Figure(_SERVED, pl.col("is_acted"), is_mentors=True),
        "escalated_share": _Figure(_SERVED, pl.col("is_escalated"), is_mentors=True),
        "resolved_by_itself_share": _Figure(_ANY, pl.col("is_resolved_by_itself")),
        **{
            f"{verdict}_share": _Figure(_SAID, pl.col("verdict") == verdict, is_mentors=True)
            for verdict in ("useful", "wrong", "not_applicable")
        },
    }
)
MEDIANS: Mapping[str, _Figure] = MappingProxyType(
    {
        "lead_days_median": _Figure(_RISK & pl.col("is_abandoned"), pl.col("days_to_abandonment")),
        "lead_days_to_last_activity_median": _Figure(
            _RISK & pl.col("is_abandoned") & pl.col("days_to_last_activity").is_not_null(),
            pl.col("days_to_last_activity"),
        ),
        "days_to_review_median": _Figure(
            _SERVED & pl.col("days_to_review").is_not_null(), pl.col("days_to_review"), is_mentors=True
        ),
    }
)
_BY = {
    "programme": "programme_id",
    "rule": "rule",
    "level": "level",
    "mentor_load": "mentor_load",
    "channel": "channel",
}


def alert_quality(alerts: pl.DataFrame, *, mentor_weeks: int) -> pl.DataFrame:
    """The columns of the mart alert_quality but publication_id, ordered by its key.

    Args:
        alerts: one row per alert whose time is over: participation_id, programme_id, kind, rule*, level, channel,
            mentor_load* (how full the mentor's week was when it was first served), served_by* (who it was given to),
            is_served, is_abandoned (the participation was, within 28 days), is_acted, is_escalated,
            is_resolved_by_itself, verdict*, days_to_abandonment*, days_to_last_activity* (both from the opening; below
            0: before it), days_to_review*; `*` may be null.
        mentor_weeks: weeks of mentors in which these alerts could be served.

    Good news has its kind's rows alone. Shares have a Wilson interval by participation, medians one by bootstrap. The value
    is null, and the events are not counted, where there are fewer than `LEAST_ALERTS` alerts, or where it is of what
    fewer than `LEAST_MENTORS` mentors did; rows of no alert stand for all together only.
    """
    rows = [
        {"slice_kind": kind, "slice_value": value, **row}
        for kind, value, part in _slices(alerts)
        for row in _figures(part, mentor_weeks if kind != "mentor_load" else 0)
        if kind == "all" or row["n_count"]
    ]
    contract = MARTS["alert_quality"]
    frame = pl.DataFrame(rows, infer_schema_length=None).with_columns(publication_id=pl.lit(None, pl.String))
    return conform(frame, contract).drop("publication_id").sort(*contract.key)


def _slices(alerts: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    calling = alerts.filter(pl.col("kind") != "good_news")
    yield "all", "all", calling
    for kind, column, rows in (("kind", "kind", alerts), *((kind, column, calling) for kind, column in _BY.items())):
        for (value,), part in rows.drop_nulls(column).group_by(column, maintain_order=True):
            yield kind, str(value), part


def _figures(part: pl.DataFrame, mentor_weeks: int) -> Iterator[dict[str, object]]:
    mentors = part["served_by"].drop_nulls().n_unique()
    for name, figure in SHARES.items():
        chosen = part.filter(figure.of)
        outcome = chosen.select(figure.says.cast(pl.Float64)).to_series()
        is_told = _is_told(chosen, figure, mentors)
        cluster = chosen["participation_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
        told = ratio(outcome.to_numpy(), np.ones(chosen.height), cluster) if is_told else UNKNOWN
        yield _row(name, told, chosen.height, int(outcome.sum()) if is_told else 0)
    for name, figure in MEDIANS.items():
        chosen = part.filter(figure.of)
        is_told = _is_told(chosen, figure, mentors)
        values = chosen.select(figure.says.cast(pl.Float64)).to_series().sort().to_numpy()
        yield _row(name, median(values) if is_told else UNKNOWN, chosen.height, chosen.height if is_told else 0)
    served = part.filter(_SERVED).height
    weeks = mentor_weeks if served else 0
    is_told = weeks > 0 and served >= LEAST_ALERTS and mentors >= LEAST_MENTORS
    rate = Estimate(served / weeks, None, None) if is_told else UNKNOWN
    yield _row("alerts_per_mentor_week", rate, weeks, served if is_told else 0)


def _is_told(chosen: pl.DataFrame, figure: _Figure, mentors: int) -> bool:
    return chosen.height >= LEAST_ALERTS and (mentors >= LEAST_MENTORS or not figure.is_mentors)


def _row(name: str, told: Estimate, n: int, events: int) -> dict[str, object]:
    return {
        "metric_name": name,
        "metric_value": told.value,
        "metric_low": told.low,
        "metric_high": told.high,
        "n_count": n,
        "n_events_count": events,
    }
