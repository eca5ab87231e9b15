"""Who has the minutes for an alert, and what nobody has minutes for.

Belongs here: minutes of a mentor's local week, who may serve whom, what is kept, the rest with its reason.
Does not belong here: whether there is an alert (`models.alerts`), what it counts for (`models.ranking`), how cards are
packed (`models.assignment`), money, delivery.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import fsum
from typing import Literal, NamedTuple

import polars as pl

from data_contracts.errors import PermanentError
from data_contracts.tables.alerts import ALERT, CAPACITY, ROUTING, UNSERVED
from models.alerts import OPEN_STATES
from models.assignment import assign
from models.contract import conform
from models.desk import Alert, Desk, Route
from models.packing import Waiting
from models.ranking import PROBABILITY, RULE_VALUE

__all__ = [
    "RULE_VALUE",
    "Routed",
    "RoutingInputError",
    "RoutingSettings",
    "capacity",
    "charged_this_week",
    "route",
    "unserved",
]

_EXTRA_MINUTES = 60
_GOOD_NEWS = "good_news"
_EQUAL = 1e-9


class RoutingInputError(PermanentError):
    """Matches, capacity and programmes do not fit together."""


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """Shares and method; the defaults are the design's, section 10."""

    kept_after_monday_share: float = 0.40
    coordinator_share: float = 0.10
    method: Literal["assignment", "greedy"] = "assignment"


DEFAULTS = RoutingSettings()


class Routed(NamedTuple):
    """Alerts with their route, capacity with the minutes given tonight, and how it went.

    `record` is the row of `alerts.routing` without observed_at. Its counts and values are of alerts that want minutes:
    open ones less good news.
    """

    alerts: pl.DataFrame
    capacity: pl.DataFrame
    record: pl.DataFrame


def charged_this_week(
    history: pl.DataFrame,
    mentors: pl.DataFrame,
    programmes: pl.DataFrame,
    *,
    met: pl.DataFrame,
    observed_at: datetime,
) -> pl.DataFrame:
    """Minutes of the running local week that are gone: cards of earlier nights whose learner has been contacted since.

    Args:
        history: `alerts.alert` of all nights, tonight's rows among them as the life of alerts left them: they tell of
            contact since last night.
        mentors: mentor_id, local_at (tonight in the mentor's zone, without a zone); see `capacity`.
        programmes: programme_id, local_at (tonight in the programme's zone, without a zone); see `route`.
        met: mentor_id, learner_id of pairs with a session held in the running week: its minutes are held minutes.
        observed_at: tonight, UTC without a zone.

    Contacted is who has a `last_contact_at` in this local week by the alert's latest row, or whose alert came to `acted`
    in it. A card whose learner nobody has contacted is a reservation, which `route` weighs anew each night. Contact before
    the first night on which the alert was served this week costs nothing here.

    Returns:
        One row per mentor and learner, or per programme and learner where the coordinator serves (mentor_id is
        null; every card served this week counts), of programme_id (null beside a mentor), mentor_id, learner_id,
        minutes: the highest due minutes of the week, since a learner is one card however many alerts or nights.
    """
    # A week begins at a local Monday's midnight; as an instant it lies as far before tonight as on the local clock.
    starts_at = observed_at - (pl.col("local_at") - pl.col("local_at").dt.truncate("1w"))
    week_of_mentor = mentors.select("mentor_id", mentor_week=starts_at)
    week_of_programme = programmes.select("programme_id", programme_week=starts_at)
    # No local week began more than eight days ago on any clock.
    recent = history.filter(pl.col("observed_at").is_between(observed_at - timedelta(days=8), observed_at))
    latest = (
        recent.sort("observed_at")
        .unique("alert_id", keep="last", maintain_order=True)
        .select("alert_id", "last_contact_at", acted_at=pl.when(pl.col("state") == "acted").then("state_at"))
    )
    served = (
        recent.filter((pl.col("observed_at") < observed_at) & pl.col("is_served") & (pl.col("kind") != _GOOD_NEWS))
        .select("alert_id", "observed_at", "programme_id", "mentor_id", "learner_id", "due_minutes")
        .join(latest, on="alert_id")
        .join(week_of_mentor, on="mentor_id", how="left")
        .join(week_of_programme, on="programme_id", how="left")
        .join(met.select("mentor_id", "learner_id", has_met=True).unique(), on=["mentor_id", "learner_id"], how="left")
    )
    is_mentor = pl.col("mentor_id").is_not_null()
    contacted_at = pl.max_horizontal("last_contact_at", "acted_at")
    is_gone = (contacted_at >= pl.col("mentor_week")).fill_null(value=False) & pl.col("has_met").is_null()
    return (
        served.filter(
            pl.when(is_mentor)
            .then((pl.col("observed_at") >= pl.col("mentor_week")) & is_gone)
            .otherwise(pl.col("observed_at") >= pl.col("programme_week"))
        )
        .group_by(pl.when(~is_mentor).then("programme_id").alias("programme_id"), "mentor_id", "learner_id")
        .agg(minutes=pl.col("due_minutes").max())
        .sort("programme_id", "mentor_id", "learner_id")
    )


def capacity(mentors: pl.DataFrame, *, charged: pl.DataFrame, observed_at: datetime) -> pl.DataFrame:
    """Each mentor's minutes of the running local week over all programmes, as `alerts.capacity`, by mentor_id.

    Args:
        mentors: one row per mentor: mentor_id, local_at (tonight in the mentor's zone, no zone) and, of that local
            week, available_minutes, is_capacity_assumed, planned_minutes (meetings still to come), held_minutes.
        charged: what `charged_this_week` returned: alert_minutes, used time beside the meetings held.
        observed_at: tonight, UTC without a zone.
    """
    by_alerts = charged.group_by("mentor_id").agg(alert_minutes=pl.col("minutes").sum().cast(pl.Float64))
    return conform(
        mentors.join(by_alerts, on="mentor_id", how="left")
        .with_columns(pl.col("alert_minutes").fill_null(0.0))
        .with_columns(
            observed_at=pl.lit(observed_at, pl.Datetime("us")),
            week_starts_on=pl.col("local_at").dt.truncate("1w").dt.date(),
            used_minutes=pl.col("held_minutes") + pl.col("alert_minutes"),
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
    held_out: Collection[str] = frozenset(),
    settings: RoutingSettings = DEFAULTS,
) -> Routed:
    """Give open alerts to those who have the minutes, so that the most value is served, or say why nobody has them.

    Args:
        alerts: `alerts.alert` of this night with due_minutes and, by `models.ranking.ranked`, routing_value and
            ranked_by; mentor_id, is_served and route_kind are last night's, null for new ones. Resolved and dismissed
            rows pass as they are.
        capacity: `alerts.capacity` of this night, with every mentor of `matches`.
        matches: active matches: mentor_id, learner_id, programme_id, matched_on. Of several of one participation
            the newest is its own mentor; every mentor with a match in a programme may take its spill-over.
        programmes: programme_id, active_participations_count, local_at, for every programme of `alerts`.
        mentors: mentor_id, local_at. On a local Monday `kept_after_monday_share` of the minutes that sessions and
            kept alerts leave stays free for the rest of the week.
        charged: what `charged_this_week` returned.
        held_out: alert_ids that a lot holds out (`models.lottery.bound`): nobody serves them, as if minutes were gone.
        settings: shares and method.

    In this order: what was served last night stays where it is while minutes, match or programme allow it, higher value
    first; an alert of a learner who has a card with a mentor already joins it where what it takes more is free; the
    others are assigned (`models.assignment`), own mentors before others at equal value. Without an active match the
    coordinator serves, at most `coordinator_share` of the active participations a week, at least one. A mentor is
    charged for a learner once, the longest of the alerts. What takes no minutes always fits with the own mentor, and so
    does good news, which has no other. Value is never less than that of serving one by one in order of value (greedy).
    The order of the input rows does not matter.

    Raises:
        RoutingInputError: a mentor of `matches` has no capacity or a programme of `alerts` has no row.
    """
    _check(alerts, capacity, matches, programmes)
    desk = Desk(
        capacity,
        matches,
        programmes,
        charged,
        kept_share=settings.kept_after_monday_share,
        coordinator_share=settings.coordinator_share,
    )
    is_open = pl.col("state").is_in(OPEN_STATES)
    waiting = _in_order_of_value(alerts.filter(is_open & (pl.col("kind") != _GOOD_NEWS)))
    rows = list(_alerts(waiting))
    free_to_go = [alert for alert in rows if alert.alert_id not in held_out]
    for alert in free_to_go:
        if alert.is_served:
            desk.keep(alert)
    desk.keep_for_later(set(mentors.filter(pl.col("local_at").dt.weekday() == 1)["mentor_id"]))
    for alert in free_to_go:
        if alert.alert_id not in desk.routes:
            desk.join(alert)
    left = [alert for alert in free_to_go if alert.alert_id not in desk.routes]
    greedy = desk.copy()
    for alert in left:
        greedy.serve(alert)
    before = set(desk.routes)
    assigned, bound = _assigned(desk, left)
    values = {alert.alert_id: alert.routing_value for alert in rows}
    best = greedy if settings.method == "greedy" or _is_better(greedy, assigned, values) else assigned
    bound += fsum(values[alert_id] for alert_id in before)
    record = _record(best, greedy, bound, values, alerts, settings)
    for alert in rows:
        best.refuse(alert)
    for alert in _alerts(alerts.filter(is_open & (pl.col("kind") == _GOOD_NEWS))):
        best.tell(alert)
    return Routed(_with_routes(alerts, best.routes), _with_taken(capacity, best.taken), record)


def unserved(alerts: pl.DataFrame, programmes: pl.DataFrame, *, observed_at: datetime) -> pl.DataFrame:
    """What nobody has minutes for, as `alerts.unserved`: one row for each programme, by programme_id.

    Args:
        alerts: routed alerts of this night (`Routed.alerts`); resolved ones and good news do not count.
        programmes: programme_id, local_at; the week is the local ISO week.
        observed_at: tonight, UTC without a zone.

    The expected loss is the sum of the 28-day probabilities; an alert without one (no model) adds nothing to it and
    still counts. One more hour is 60 minutes filled in order of routing_value, alerts that no longer fit passed over.
    """
    waiting = _in_order_of_value(alerts.filter(pl.col("state").is_in(OPEN_STATES) & (pl.col("kind") != _GOOD_NEWS)))
    tally: dict[str, _Tally] = defaultdict(_Tally)
    for programme_id, is_served, minutes, probability in waiting.select(
        "programme_id", "is_served", "due_minutes", "abandonment_probability_28d"
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
    """What counts for most first; of equals the higher probability, then the oldest."""
    return alerts.sort(
        "routing_value",
        "abandonment_probability_28d",
        "opened_at",
        "alert_id",
        descending=[True, True, False, False],
        nulls_last=True,
    )


def _alerts(frame: pl.DataFrame) -> Iterator[Alert]:
    filled = frame.with_columns(pl.col("is_served").fill_null(value=False), pl.col("routing_value").fill_null(0.0))
    return (Alert(*row) for row in filled.select(Alert._fields).iter_rows())


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


def _assigned(desk: Desk, left: Sequence[Alert]) -> tuple[Desk, float]:
    """The desk after an assignment of what is left, and a bound of these alerts' value."""
    waiting = [
        Waiting(alert.alert_id, alert.programme_id, alert.learner_id, own, alert.due_minutes, alert.routing_value)
        for alert in left
        if (own := desk.own.get((alert.programme_id, alert.learner_id))) is not None
    ]
    found = assign(waiting, desk.free, desk.mentors)
    # The longest first, so that a card is charged its minutes before the others of its learner join it.
    for alert in sorted(left, key=lambda alert: (-alert.due_minutes, alert.alert_id)):
        if alert.alert_id in found.mentor_of:
            desk.charge(alert, found.mentor_of[alert.alert_id])
    for alert in left:
        if alert.alert_id not in desk.routes:
            desk.serve(alert)
    return desk, found.bound


def _value(desk: Desk, values: Mapping[str, float]) -> float:
    """What the desk serves."""
    return fsum(values[alert_id] for alert_id, route in desk.routes.items() if route.is_served)


def _is_better(one: Desk, other: Desk, values: Mapping[str, float]) -> bool:
    """Whether one serves more value or, at equal value, with more own mentors."""
    gain = _value(one, values) - _value(other, values)
    if abs(gain) > _EQUAL:
        return gain > 0
    return _count(one, "own_mentor") > _count(other, "own_mentor")


def _count(desk: Desk, route_kind: str) -> int:
    return sum(route.route_kind == route_kind for route in desk.routes.values())


def _record(
    best: Desk,
    greedy: Desk,
    bound: float,
    values: Mapping[str, float],
    alerts: pl.DataFrame,
    settings: RoutingSettings,
) -> pl.DataFrame:
    served = _value(best, values)
    row = {
        "ranked_by": alerts["ranked_by"].drop_nulls().min() or PROBABILITY,
        "routing_method": settings.method,
        "alerts_count": len(values),
        "own_mentor_count": _count(best, "own_mentor"),
        "spill_over_count": _count(best, "spill_over"),
        "coordinator_count": _count(best, "coordinator"),
        "unserved_alerts_count": len(values) - len(best.routes),
        "served_value": served,
        "greedy_served_value": _value(greedy, values),
        "served_value_bound": max(served, bound),
    }
    return conform(pl.DataFrame([row]), ROUTING, without={"observed_at"})


def _with_routes(alerts: pl.DataFrame, routes: Mapping[str, Route]) -> pl.DataFrame:
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
    is_open = pl.col("state").is_in(OPEN_STATES)
    opened = alerts.filter(is_open).drop(*Route._fields).join(routed, on="alert_id")
    return pl.concat([conform(opened, ALERT), conform(alerts.filter(~is_open), ALERT)]).sort("alert_id")


def _with_taken(capacity: pl.DataFrame, taken: Mapping[str, int]) -> pl.DataFrame:
    given = pl.DataFrame(
        {"mentor_id": list(taken), "taken": list(taken.values())}, schema={"mentor_id": pl.String, "taken": pl.Float64}
    )
    more = pl.col("taken").fill_null(0.0)
    return conform(
        capacity.join(given, on="mentor_id", how="left").with_columns(
            used_minutes=pl.col("used_minutes") + more, alert_minutes=pl.col("alert_minutes").fill_null(0.0) + more
        ),
        CAPACITY,
    ).sort("mentor_id")


def _check(alerts: pl.DataFrame, capacity: pl.DataFrame, matches: pl.DataFrame, programmes: pl.DataFrame) -> None:
    if matches.join(capacity, on="mentor_id", how="anti").height:
        message = "alerts.capacity: a mentor of an active match has no row; give `capacity` every mentor with a match"
        raise RoutingInputError(message)
    if alerts.join(programmes, on="programme_id", how="anti").height:
        message = "routing: a programme of alerts.alert has no row of active_participations_count; give every programme"
        raise RoutingInputError(message)
