"""The optional hold-out: a lot between two alerts at the cut, so that what contact changes can be learned fairly.

Belongs here: who may be paired, the lot, the swap, how long it binds. Does not belong here: the routes before it
(`models.routing`), what is learned from it. No mart, card or reason tells of it.

Routing serves one of two alerts that count for nearly the same, since minutes are short. For such a pair the lot may give
the minutes to the other one. As many alerts are served as without it, by the same mentors, within the same minutes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import NamedTuple

import polars as pl

from data_contracts.tables.alerts import ALERT, CAPACITY, LOTTERY
from models.alerts import OPEN_STATES
from models.contract import conform, schema_of

_EXEMPT_LEVEL = "technical"
"""Access and tools: nobody waits for these by lot. Never started and other rules are exempt, since only risk is drawn."""


@dataclass(frozen=True, slots=True)
class LotterySettings:
    """Chance of a swap, how far apart the values of a pair may be, how long it binds, and the seed; share 0 is none."""

    share: float = 0.0
    band: float = 0.05
    days: int = 28
    seed: int = 20


class Drawn(NamedTuple):
    """Alerts and capacity after the lots, and tonight's rows of `alerts.lottery`."""

    alerts: pl.DataFrame
    capacity: pl.DataFrame
    rows: pl.DataFrame


class _Entry(NamedTuple):
    """An alert that may be drawn; sorted by value, then alert_id."""

    value: float
    alert_id: str
    learner_id: str
    mentor_id: str | None
    minutes: int


def bound(rows: pl.DataFrame, on: date) -> frozenset[str]:
    """alert_ids that the lots of `alerts.lottery` hold out on this day of the organisation."""
    return frozenset(rows.filter(~pl.col("is_routed") & (pl.col("held_until_on") > on))["alert_id"])


def draw(  # noqa: PLR0913 - one argument a table
    alerts: pl.DataFrame,
    capacity: pl.DataFrame,
    *,
    matches: pl.DataFrame,
    charged: pl.DataFrame,
    history: pl.DataFrame,
    drawn: pl.DataFrame,
    consenting: Collection[str],
    on: date,
    settings: LotterySettings,
) -> Drawn:
    """Let a lot decide between pairs at the cut.

    Args:
        alerts: as `models.routing.route` returned them.
        capacity: likewise.
        matches: as `route` was given them.
        charged: likewise.
        history: alert_id, is_served of earlier nights: who was served once is not drawn.
        drawn: `alerts.lottery` of earlier nights: an alert is drawn once in its life.
        consenting: learner_ids that have agreed; nobody else is drawn.
        on: tonight's day in the organisation.
        settings: share, band, days, seed.

    A pair is a newly served and an unserved risk alert of one programme whose values differ by at most the band, the
    unserved one needing no more minutes; both of consenting learners with a mentor, neither technical. The served ones
    come from the cut upward, each with the nearest left. The mentor of the one serves the other after a swap. The lot
    is the SHA-256 of seed and alert_ids, so a night run again draws the same.
    """
    nothing = pl.DataFrame(schema=schema_of(LOTTERY))
    if settings.share <= 0 or not consenting:
        return Drawn(alerts, capacity, nothing)
    own = _own(matches)
    once = {*history.filter(pl.col("is_served"))["alert_id"], *drawn["alert_id"]}
    eligible = alerts.filter(
        pl.col("state").is_in(OPEN_STATES)
        & (pl.col("kind") == "risk")
        & pl.col("rule").is_null()
        & (pl.col("level") != _EXEMPT_LEVEL)
        & (pl.col("due_minutes") > 0)
        & pl.col("learner_id").is_in(sorted(consenting))
        & ~pl.col("alert_id").is_in(sorted(once))
    ).join(own, on=["programme_id", "learner_id"], how="inner")
    # A card that holds more than this alert would cost its minutes without it too.
    card = ["mentor_id", "learner_id"]
    alone = (
        alerts.filter(pl.col("state").is_in(OPEN_STATES) & (pl.col("kind") != "good_news") & pl.col("is_served"))
        .filter(pl.len().over(card) == 1)
        .join(charged, on=card, how="anti")
        .filter(pl.col("mentor_id").is_not_null())
    )
    served = _by_programme(eligible.filter(pl.col("is_served")).join(alone, on="alert_id", how="semi"))
    waiting = _by_programme(eligible.filter(~pl.col("is_served")))
    pairs = [pair for name in sorted(served) for pair in _pairs(served[name], waiting.get(name, []), settings.band)]
    if not pairs:
        return Drawn(alerts, capacity, nothing)
    swapped = [pair for pair in pairs if _lot(settings.seed, *pair) < settings.share]
    return Drawn(
        _swapped(alerts, capacity, own, swapped),
        _less(capacity, swapped),
        _rows(alerts, pairs, {one.alert_id for one, _ in swapped}, on, settings),
    )


def _own(matches: pl.DataFrame) -> pl.DataFrame:
    """The newest mentor of each participation."""
    return (
        matches.sort("matched_on", "mentor_id")
        .unique(["programme_id", "learner_id"], keep="last", maintain_order=True)
        .select("programme_id", "learner_id", own_id="mentor_id")
    )


def _by_programme(alerts: pl.DataFrame) -> dict[str, list[_Entry]]:
    found: dict[str, list[_Entry]] = defaultdict(list)
    columns = ("programme_id", "routing_value", "alert_id", "learner_id", "mentor_id", "due_minutes")
    for programme_id, *entry in alerts.select(columns).iter_rows():
        insort(found[programme_id], _Entry(*entry))
    return found


def _pairs(served: list[_Entry], waiting: list[_Entry], band: float) -> list[tuple[_Entry, _Entry]]:
    by_minutes: dict[int, list[_Entry]] = defaultdict(list)
    for entry in waiting:
        by_minutes[entry.minutes].append(entry)
    pairs: list[tuple[_Entry, _Entry]] = []
    for one in served:
        near: list[tuple[float, _Entry]] = []
        for minutes, entries in by_minutes.items():
            if minutes <= one.minutes:
                place = bisect_left(entries, one)
                near += [(abs(other.value - one.value), other) for other in entries[max(0, place - 1) : place + 1]]
        if near and min(near)[0] <= band:
            other = min(near)[1]
            by_minutes[other.minutes].remove(other)
            pairs.append((one, other))
    return pairs


def _pair_id(seed: int, one: _Entry, other: _Entry) -> str:
    return sha256(f"{seed}|{one.alert_id}|{other.alert_id}".encode()).hexdigest()


def _lot(seed: int, one: _Entry, other: _Entry) -> float:
    """Uniform on [0, 1)."""
    return int(_pair_id(seed, one, other)[32:48], 16) / 2**64


def _swapped(
    alerts: pl.DataFrame, capacity: pl.DataFrame, own: pl.DataFrame, swapped: list[tuple[_Entry, _Entry]]
) -> pl.DataFrame:
    """The served one waits, as where minutes are gone; the other one has its mentor."""
    changes = pl.DataFrame(
        [(one.alert_id, None) for one, _ in swapped] + [(other.alert_id, one.mentor_id) for one, other in swapped],
        schema={"alert_id": pl.String, "to_id": pl.String},
        orient="row",
    )
    absent = capacity.filter(pl.col("available_minutes") <= 0)["mentor_id"].implode()
    without = pl.when(pl.col("own_id").is_in(absent)).then(pl.lit("mentor_absent")).otherwise(pl.lit("mentor_full"))
    through = pl.when(pl.col("to_id") == pl.col("own_id")).then(pl.lit("own_mentor")).otherwise(pl.lit("spill_over"))
    is_served = pl.col("to_id").is_not_null()
    changed = (
        alerts.join(changes, on="alert_id")
        .join(own, on=["programme_id", "learner_id"], how="left")
        .with_columns(
            mentor_id=pl.col("to_id"),
            is_served=is_served,
            unserved_reason=pl.when(~is_served).then(without),
            route_kind=pl.when(is_served).then(through),
        )
    )
    same = alerts.join(changes, on="alert_id", how="anti")
    return pl.concat([conform(same, ALERT), conform(changed, ALERT)]).sort("alert_id")


def _less(capacity: pl.DataFrame, swapped: list[tuple[_Entry, _Entry]]) -> pl.DataFrame:
    less = (
        pl.DataFrame(
            [(one.mentor_id, float(one.minutes - other.minutes)) for one, other in swapped],
            schema={"mentor_id": pl.String, "less": pl.Float64},
            orient="row",
        )
        .group_by("mentor_id")
        .agg(pl.col("less").sum())
    )
    fewer = pl.col("less").fill_null(0.0)
    return conform(
        capacity.join(less, on="mentor_id", how="left").with_columns(
            used_minutes=pl.col("used_minutes") - fewer, alert_minutes=pl.col("alert_minutes") - fewer
        ),
        CAPACITY,
    ).sort("mentor_id")


def _rows(
    alerts: pl.DataFrame,
    pairs: list[tuple[_Entry, _Entry]],
    swapped: Collection[str],
    on: date,
    settings: LotterySettings,
) -> pl.DataFrame:
    drawn = []
    for one, other in pairs:
        pair_id, is_swapped = _pair_id(settings.seed, one, other)[:32], one.alert_id in swapped
        drawn.append((one.alert_id, pair_id, not is_swapped, 1.0 - settings.share))
        drawn.append((other.alert_id, pair_id, is_swapped, settings.share))
    found = pl.DataFrame(drawn, schema=["alert_id", "pair_id", "is_routed", "routed_probability"], orient="row")
    until = pl.lit(on + timedelta(days=settings.days))
    return conform(alerts.join(found, on="alert_id").with_columns(held_until_on=until), LOTTERY).sort("alert_id")
