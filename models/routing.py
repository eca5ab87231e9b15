"""Who has the minutes for an alert, and what nobody has minutes for.

Belongs here: minutes of a mentor's local week, the greedy route in order of risk, the rest with its reason.
Does not belong here: whether there is an alert (`models.alerts`), money, delivery.

Order of value: the 28-day probability; a rule alert counts for at least its `RULE_VALUE`. Ranking by what a contact
would change needs an effect that is not estimated yet.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from data_contracts.errors import PermanentError
from data_contracts.tables.alerts import ALERT, CAPACITY, UNSERVED
from models.alerts import OPEN_STATES
from models.contract import conform

# What a rule alert counts for beside probabilities: never started as much as the lower end of the high band, the
# others down to the alert floor.
RULE_VALUE: Mapping[str, float] = MappingProxyType(
    {
        "never_started": 0.30,
        "ticket_open": 0.20,
        "first_meeting_not_held": 0.15,
        "mentor_silent": 0.12,
        "commitment_overdue": 0.10,
    }
)
_EXTRA_MINUTES = 60


class RoutingInputError(PermanentError):
    """Matches, capacity and programmes do not fit together."""


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """Shares; the defaults are the design's, section 10."""

    kept_after_monday_share: float = 0.40
    coordinator_share: float = 0.10


DEFAULTS = RoutingSettings()


class Routed(NamedTuple):
    """Alerts with their route, and capacity with the minutes that tonight's routes took."""

    alerts: pl.DataFrame
    capacity: pl.DataFrame


def charged_this_week(
    history: pl.DataFrame, mentors: pl.DataFrame, programmes: pl.DataFrame, *, observed_at: datetime
) -> pl.DataFrame:
    """Minutes that alerts took on earlier nights of the running local week.

    Args:
        history: `alerts.alert` of all nights; only served rows before `observed_at` count.
        mentors: mentor_id, local_at (tonight in the mentor's zone, without a zone); see `capacity`.
        programmes: programme_id, local_at (tonight in the programme's zone, without a zone); see `route`.
        observed_at: tonight, UTC without a zone.

    Returns:
        One row per mentor and learner, or per programme and learner where the coordinator serves (mentor_id is
        null), of programme_id (null beside a mentor), mentor_id, learner_id, minutes: the highest expected minutes
        of the week, since a learner is one card however many alerts or nights.
    """
    local_at = {
        **{("mentor", key): at for key, at in mentors.select("mentor_id", "local_at").iter_rows()},
        **{("programme", key): at for key, at in programmes.select("programme_id", "local_at").iter_rows()},
    }
    # A week begins at a local Monday's midnight; as an instant it lies as far before tonight as on the local clock.
    starts_at = {
        key: observed_at - (at - datetime.combine(at.date() - timedelta(days=at.weekday()), datetime.min.time()))
        for key, at in local_at.items()
    }
    minutes: dict[tuple[str | None, str | None, str], int] = {}
    # No local week began more than eight days ago on any clock.
    recent = pl.col("observed_at").is_between(observed_at - timedelta(days=8), observed_at, closed="left")
    rows = history.filter(recent & pl.col("is_served")).select(
        "observed_at", "programme_id", "mentor_id", "learner_id", "expected_minutes"
    )
    for at, programme_id, mentor_id, learner_id, expected in rows.iter_rows():
        key = ("programme", programme_id) if mentor_id is None else ("mentor", mentor_id)
        if key in starts_at and at >= starts_at[key]:
            card = (programme_id if mentor_id is None else None, mentor_id, learner_id)
            minutes[card] = max(expected, minutes.get(card, 0))
    return pl.DataFrame(
        [(*card, taken) for card, taken in minutes.items()],
        schema={"programme_id": pl.String, "mentor_id": pl.String, "learner_id": pl.String, "minutes": pl.Int64},
        orient="row",
    ).sort("programme_id", "mentor_id", "learner_id")


def capacity(mentors: pl.DataFrame, *, charged: pl.DataFrame, observed_at: datetime) -> pl.DataFrame:
    """Each mentor's minutes of the running local week over all programmes, as `alerts.capacity`, by mentor_id.

    Args:
        mentors: one row per mentor: mentor_id, local_at (tonight in the mentor's zone, no zone) and, of that local
            week, available_minutes, is_capacity_assumed, planned_minutes (meetings still to come), held_minutes.
        charged: what `charged_this_week` returned; it is used time beside the meetings held.
        observed_at: tonight, UTC without a zone.
    """
    by_alerts = charged.group_by("mentor_id").agg(alert_minutes=pl.col("minutes").sum())
    return conform(
        mentors.join(by_alerts, on="mentor_id", how="left").with_columns(
            observed_at=pl.lit(observed_at, pl.Datetime("us")),
            week_starts_on=pl.col("local_at").dt.truncate("1w").dt.date(),
            used_minutes=pl.col("held_minutes") + pl.col("alert_minutes").fill_null(0),
        ),
        CAPACITY,
    ).sort("mentor_id")


def route(  # noqa: PLR0913 - one argument a table
    alerts: pl.DataFrame,
    capacity: pl.DataFrame,
    *,
    matches: pl.DataFrame,
    programmes: pl.DataFrame,
    mentors: pl.DataFrame,
    charged: pl.DataFrame,
    settings: RoutingSettings = DEFAULTS,
) -> Routed:
    """Give each open alert to somebody who has the minutes, or say why nobody has.

    Args:
        alerts: `alerts.alert` of this night as `models.alerts.open_or_continue` returned it; resolved rows pass.
        capacity: `alerts.capacity` of this night, with every mentor of `matches`.
        matches: active matches: mentor_id, learner_id, programme_id, matched_on. Of several of one participation
            the newest is its own mentor; every mentor with a match in a programme may take its spill-over.
        programmes: programme_id, active_participations_count, local_at, for every programme of `alerts`.
        mentors: mentor_id, local_at. On a local Monday `kept_after_monday_share` of the minutes that sessions and
            the alerts of earlier nights leave is kept for the rest of the week.
        charged: what `charged_this_week` returned.
        settings: shares.

    Served alerts of earlier nights keep their mentor while the minutes allow it and the match or programme still
    holds; then the others follow, highest value first: own mentor, then the mentor of the programme with the most
    free minutes. Without an active match of the learner the coordinator serves, at most `coordinator_share` of the
    active participations a week, at least one. A mentor's minutes are charged once a week for a learner. The order
    of the input rows does not matter.

    Raises:
        RoutingInputError: a mentor of `matches` has no capacity or a programme of `alerts` has no row.
    """
    _check(alerts, capacity, matches, programmes)
    desk = _Desk(capacity, matches, programmes, charged, settings)
    waiting = _in_order_of_value(alerts)
    routes: dict[str, _Route] = {}
    for alert in _alerts(waiting.filter(pl.col("is_served").fill_null(value=False))):
        kept = desk.keep(alert)
        if kept:
            routes[alert.alert_id] = kept
    desk.keep_for_later(set(mentors.filter(pl.col("local_at").dt.weekday() == 1)["mentor_id"]))
    for alert in _alerts(waiting):
        if alert.alert_id not in routes:
            routes[alert.alert_id] = desk.serve(alert)
    routed = pl.DataFrame(
        [(name, *found) for name, found in routes.items()],
        schema={
            "alert_id": pl.String,
            "mentor_id": pl.String,
            "is_served": pl.Boolean,
            "unserved_reason": pl.String,
            "route_kind": pl.String,
        },
        orient="row",
    )
    resolved = alerts.filter(~pl.col("state").is_in(OPEN_STATES))
    opened = waiting.drop("mentor_id", "is_served", "unserved_reason", "route_kind").join(routed, on="alert_id")
    used = pl.DataFrame(
        {"mentor_id": list(desk.taken), "taken": list(desk.taken.values())},
        schema={"mentor_id": pl.String, "taken": pl.Float64},
    )
    return Routed(
        pl.concat([conform(opened, ALERT), conform(resolved, ALERT)]).sort("alert_id"),
        conform(
            capacity.join(used, on="mentor_id", how="left").with_columns(
                used_minutes=pl.col("used_minutes") + pl.col("taken").fill_null(0.0)
            ),
            CAPACITY,
        ).sort("mentor_id"),
    )


def unserved(alerts: pl.DataFrame, programmes: pl.DataFrame, *, observed_at: datetime) -> pl.DataFrame:
    """What nobody has minutes for, as `alerts.unserved`: one row for each programme, by programme_id.

    Args:
        alerts: routed alerts of this night (`Routed.alerts`); resolved ones do not count.
        programmes: programme_id, local_at; the week is the local ISO week.
        observed_at: tonight, UTC without a zone.

    The expected loss is the sum of the 28-day probabilities; an alert without one (no model) adds nothing to it and
    still counts. One more hour is 60 minutes filled in order of value, alerts that no longer fit passed over.
    """
    waiting = _in_order_of_value(alerts)
    tally: dict[str, _Tally] = defaultdict(_Tally)
    for programme_id, is_served, minutes, probability in waiting.select(
        "programme_id", "is_served", "expected_minutes", "abandonment_probability_28d"
    ).iter_rows():
        tally[programme_id].add(is_served=is_served, minutes=minutes, probability=probability or 0.0)
    weeks = programmes.select("programme_id", week_starts_on=pl.col("local_at").dt.truncate("1w").dt.date()).sort(
        "programme_id"
    )
    found = [tally[programme_id] for programme_id in weeks["programme_id"]]
    return conform(
        weeks.with_columns(
            observed_at=pl.lit(observed_at, pl.Datetime("us")),
            unserved_alerts_count=pl.Series([row.unserved for row in found], dtype=pl.Int64),
            served_alerts_count=pl.Series([row.served for row in found], dtype=pl.Int64),
            expected_loss=pl.Series([row.loss for row in found], dtype=pl.Float64),
            served_by_one_more_hour_count=pl.Series([row.served_by_hour for row in found], dtype=pl.Int64),
            loss_served_by_one_more_hour=pl.Series([row.loss_served_by_hour for row in found], dtype=pl.Float64),
        ),
        UNSERVED,
    )


def _in_order_of_value(alerts: pl.DataFrame) -> pl.DataFrame:
    """Open alerts, the one that counts for most first: its probability, at least its rule's value; then the oldest."""
    rule_value = pl.col("rule").replace_strict(RULE_VALUE, default=None, return_dtype=pl.Float64)
    return alerts.filter(pl.col("state").is_in(OPEN_STATES)).sort(
        pl.max_horizontal("abandonment_probability_28d", rule_value),
        "abandonment_probability_28d",
        "opened_at",
        "alert_id",
        descending=[True, True, False, False],
        nulls_last=True,
    )


class _Alert(NamedTuple):
    """What routing reads of an alert; mentor_id is last night's."""

    alert_id: str
    programme_id: str
    learner_id: str
    mentor_id: str | None
    expected_minutes: int


def _alerts(frame: pl.DataFrame) -> Iterator[_Alert]:
    return (_Alert(*row) for row in frame.select(_Alert._fields).iter_rows())


class _Route(NamedTuple):
    """The routing columns of one alert."""

    mentor_id: str | None
    is_served: bool
    unserved_reason: str | None
    route_kind: str | None


@dataclass(slots=True)
class _Tally:
    """Counts of one programme, alerts added in order of value."""

    served: int = 0
    unserved: int = 0
    loss: float = 0.0
    served_by_hour: int = 0
    loss_served_by_hour: float = 0.0
    minutes_left: int = _EXTRA_MINUTES

    def add(self, *, is_served: bool, minutes: int, probability: float) -> None:
        if is_served:
            self.served += 1
            return
        self.unserved += 1
        self.loss += probability
        if minutes <= self.minutes_left:
            self.minutes_left -= minutes
            self.served_by_hour += 1
            self.loss_served_by_hour += probability


class _Desk:
    """Free minutes and budgets while routing goes on."""

    def __init__(
        self,
        capacity: pl.DataFrame,
        matches: pl.DataFrame,
        programmes: pl.DataFrame,
        charged: pl.DataFrame,
        settings: RoutingSettings,
    ) -> None:
        self._kept_share = settings.kept_after_monday_share
        self._available = dict(capacity.select("mentor_id", "available_minutes").iter_rows())
        self._free: dict[str, float] = {
            mentor_id: max(0.0, available - planned - used)
            for mentor_id, available, planned, used in capacity.select(
                "mentor_id", "available_minutes", "planned_minutes", "used_minutes"
            ).iter_rows()
        }
        newest = matches.sort("matched_on", "mentor_id").unique(
            ["programme_id", "learner_id"], keep="last", maintain_order=True
        )
        self._own = {
            (programme_id, learner_id): mentor_id
            for programme_id, learner_id, mentor_id in newest.select(
                "programme_id", "learner_id", "mentor_id"
            ).iter_rows()
        }
        self._mentors: dict[str, set[str]] = defaultdict(set)
        for programme_id, mentor_id in matches.select("programme_id", "mentor_id").iter_rows():
            self._mentors[programme_id].add(mentor_id)
        # A learner served by the coordinator already this week takes no more of the budget, as with minutes.
        self._by_coordinator = {
            (programme_id, learner_id)
            for programme_id, learner_id in charged.filter(pl.col("mentor_id").is_null())
            .select("programme_id", "learner_id")
            .iter_rows()
        }
        taken = Counter(programme_id for programme_id, _ in self._by_coordinator)
        self._budget = {
            programme_id: max(1, int(active * settings.coordinator_share + 1e-9)) - taken[programme_id]
            for programme_id, active in programmes.select("programme_id", "active_participations_count").iter_rows()
        }
        self._cards: dict[tuple[str, str], int] = {
            (mentor_id, learner_id): minutes
            for mentor_id, learner_id, minutes in charged.filter(pl.col("mentor_id").is_not_null())
            .select("mentor_id", "learner_id", "minutes")
            .iter_rows()
        }
        self._heaps: dict[str, list[tuple[float, str]]] = {}
        self.taken: dict[str, float] = defaultdict(float)

    def keep(self, alert: _Alert) -> _Route | None:
        """Last night's route again, if it still stands."""
        own = self._own.get((alert.programme_id, alert.learner_id))
        if alert.mentor_id is None:
            return self._coordinated(alert) if own is None else None
        if own is None or alert.mentor_id not in self._mentors[alert.programme_id]:
            return None
        return self._charged(alert.mentor_id, alert, "own_mentor" if alert.mentor_id == own else "spill_over")

    def keep_for_later(self, mentor_ids: set[str]) -> None:
        """Take out of the free minutes what these mentors keep for the rest of the week."""
        for mentor_id in mentor_ids & self._free.keys():
            self._free[mentor_id] *= 1.0 - self._kept_share

    def serve(self, alert: _Alert) -> _Route:
        """The own mentor, else another of the programme, else the coordinator, else the reason why nobody."""
        own = self._own.get((alert.programme_id, alert.learner_id))
        if own is None:
            return self._coordinated(alert) or _Route(None, False, "no_mentor_budget", None)
        found = self._charged(own, alert, "own_mentor")
        if found:
            return found
        found = self._charged(self._freest(alert.programme_id), alert, "spill_over")
        if found:
            return found
        return _Route(None, False, "mentor_absent" if self._available[own] <= 0 else "mentor_full", None)

    def _charged(self, mentor_id: str, alert: _Alert, route_kind: str) -> _Route | None:
        card = (mentor_id, alert.learner_id)
        before = self._cards.get(card, 0)
        more = max(0, alert.expected_minutes - before)
        if self._available[mentor_id] <= 0 or more > self._free[mentor_id]:
            return None
        self._cards[card] = before + more
        self._free[mentor_id] -= more
        self.taken[mentor_id] += more
        return _Route(mentor_id, True, None, route_kind)

    def _freest(self, programme_id: str) -> str:
        """The programme's mentor with the most free minutes; free minutes only fall, so an aged top sinks."""
        if programme_id not in self._heaps:
            # Sorted, so it is a heap.
            self._heaps[programme_id] = sorted(
                (-self._free[mentor_id], mentor_id) for mentor_id in self._mentors[programme_id]
            )
        heap = self._heaps[programme_id]
        while -heap[0][0] != self._free[heap[0][1]]:
            heapq.heapreplace(heap, (-self._free[heap[0][1]], heap[0][1]))
        return heap[0][1]

    def _coordinated(self, alert: _Alert) -> _Route | None:
        card = (alert.programme_id, alert.learner_id)
        if card not in self._by_coordinator:
            if self._budget[alert.programme_id] <= 0:
                return None
            self._budget[alert.programme_id] -= 1
            self._by_coordinator.add(card)
        return _Route(None, True, None, "coordinator")


def _check(alerts: pl.DataFrame, capacity: pl.DataFrame, matches: pl.DataFrame, programmes: pl.DataFrame) -> None:
    if matches.join(capacity, on="mentor_id", how="anti").height:
        message = "alerts.capacity: a mentor of an active match has no row; give `capacity` every mentor with a match"
        raise RoutingInputError(message)
    if alerts.join(programmes, on="programme_id", how="anti").height:
        message = "routing: a programme of alerts.alert has no row of active_participations_count; give every programme"
        raise RoutingInputError(message)
