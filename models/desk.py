"""The desk at which a night's minutes are given out, one alert at a time.

Belongs here: free minutes, cards, coordinators' budgets, what may serve an alert and the reason why nothing does. Does
not belong here: in which order alerts come to it (`models.routing`).
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from copy import copy
from math import floor
from typing import NamedTuple

import polars as pl


class Alert(NamedTuple):
    """What routing reads of an alert; mentor_id and is_served are last night's."""

    alert_id: str
    programme_id: str
    learner_id: str
    mentor_id: str | None
    is_served: bool
    due_minutes: int
    routing_value: float


class Route(NamedTuple):
    """The routing columns of one alert."""

    mentor_id: str | None
    is_served: bool
    unserved_reason: str | None
    route_kind: str | None


class Desk:
    """Free minutes, budgets and routes while routing goes on."""

    def __init__(
        self,
        capacity: pl.DataFrame,
        matches: pl.DataFrame,
        programmes: pl.DataFrame,
        charged: pl.DataFrame,
        *,
        kept_share: float,
        coordinator_share: float,
    ) -> None:
        self._kept_share = kept_share
        self._available = dict(capacity.select("mentor_id", "available_minutes").iter_rows())
        # Cards are whole minutes, so what is left of a minute serves nobody.
        self.free: dict[str, int] = {
            mentor_id: max(0, floor(available - planned - used))
            for mentor_id, available, planned, used in capacity.select(
                "mentor_id", "available_minutes", "planned_minutes", "used_minutes"
            ).iter_rows()
        }
        newest = matches.sort("matched_on", "mentor_id").unique(
            ["programme_id", "learner_id"], keep="last", maintain_order=True
        )
        self.own: dict[tuple[str, str], str] = {
            (programme_id, learner_id): mentor_id
            for programme_id, learner_id, mentor_id in newest.select(
                "programme_id", "learner_id", "mentor_id"
            ).iter_rows()
        }
        self.mentors: dict[str, set[str]] = defaultdict(set)
        for programme_id, mentor_id in matches.select("programme_id", "mentor_id").iter_rows():
            self.mentors[programme_id].add(mentor_id)
        self._cards: dict[str, dict[str, int]] = defaultdict(dict)
        # A learner served by the coordinator already this week takes no more of the budget, as with minutes.
        self._by_coordinator: set[tuple[str, str]] = set()
        for programme_id, mentor_id, learner_id, minutes in charged.select(
            "programme_id", "mentor_id", "learner_id", "minutes"
        ).iter_rows():
            if mentor_id is None:
                self._by_coordinator.add((programme_id, learner_id))
            else:
                self._cards[learner_id][mentor_id] = minutes
        taken = Counter(programme_id for programme_id, _ in self._by_coordinator)
        self._budget = {
            programme_id: max(1, int(active * coordinator_share + 1e-9)) - taken[programme_id]
            for programme_id, active in programmes.select("programme_id", "active_participations_count").iter_rows()
        }
        self._heaps: dict[str, list[tuple[int, str]]] = {}
        self.taken: dict[str, int] = defaultdict(int)
        self.routes: dict[str, Route] = {}

    def copy(self) -> Desk:
        """A desk as this one is now, on which routing goes on apart from it."""
        other = copy(self)
        other.free, other.taken, other.routes = dict(self.free), self.taken.copy(), dict(self.routes)
        other._cards = defaultdict(dict, {learner: dict(cards) for learner, cards in self._cards.items()})  # noqa: SLF001
        other._by_coordinator, other._budget = set(self._by_coordinator), dict(self._budget)  # noqa: SLF001
        other._heaps = {}  # noqa: SLF001
        return other

    def keep(self, alert: Alert) -> None:
        """Last night's route again, if it still stands."""
        own = self.own.get((alert.programme_id, alert.learner_id))
        if own is None and alert.mentor_id is None:
            self._coordinate(alert)
        elif own is not None and alert.mentor_id in self.mentors[alert.programme_id]:
            self.charge(alert, alert.mentor_id)

    def keep_for_later(self, mentor_ids: set[str]) -> None:
        """Take out of the free minutes what these mentors keep for the rest of the week."""
        for mentor_id in mentor_ids & self.free.keys():
            self.free[mentor_id] = floor(self.free[mentor_id] * (1.0 - self._kept_share) + 1e-9)

    def join(self, alert: Alert) -> None:
        """The card that the learner has with a mentor already, the own mentor's if it takes nothing, or the coordinator."""
        own = self.own.get((alert.programme_id, alert.learner_id))
        if own is None:
            self._coordinate(alert)
            return
        cards = self._cards.get(alert.learner_id, {})
        for mentor_id in sorted(cards, key=lambda mentor_id: (mentor_id != own, -cards[mentor_id], mentor_id)):
            if mentor_id in self.mentors[alert.programme_id] and self.charge(alert, mentor_id):
                return
        if alert.due_minutes == 0:
            self.charge(alert, own)

    def serve(self, alert: Alert) -> None:
        """The own mentor, else the freest of the programme, if minutes are left."""
        own = self.own.get((alert.programme_id, alert.learner_id))
        if own is not None and not self.charge(alert, own):
            cards = self._cards.get(alert.learner_id, {})
            freest = self._freest(alert.programme_id)
            for mentor_id in (*sorted(cards, key=lambda name: (-cards[name], name)), freest):
                if mentor_id in self.mentors[alert.programme_id] and self.charge(alert, mentor_id):
                    return

    def charge(self, alert: Alert, mentor_id: str) -> bool:
        """Route to this mentor, if what the learner's card takes more is free."""
        cards = self._cards[alert.learner_id]
        before = cards.get(mentor_id, 0)
        more = max(0, alert.due_minutes - before)
        if more > self.free[mentor_id]:
            return False
        if alert.due_minutes > 0:
            cards[mentor_id] = before + more
        self.free[mentor_id] -= more
        self.taken[mentor_id] += more
        is_own = self.own.get((alert.programme_id, alert.learner_id)) == mentor_id
        self.routes[alert.alert_id] = Route(mentor_id, True, None, "own_mentor" if is_own else "spill_over")
        return True

    def refuse(self, alert: Alert) -> None:
        """Say why nobody serves it, where nobody does; a lot that holds it out looks like minutes that are gone."""
        if alert.alert_id not in self.routes:
            own = self.own.get((alert.programme_id, alert.learner_id))
            without = (
                "no_mentor_budget" if own is None else "mentor_full" if self._available[own] > 0 else "mentor_absent"
            )
            self.routes[alert.alert_id] = Route(None, False, without, None)

    def tell(self, alert: Alert) -> None:
        """Good news goes to the own mentor and takes nothing; without one it waits for nobody."""
        own = self.own.get((alert.programme_id, alert.learner_id))
        self.routes[alert.alert_id] = Route(own, own is not None, None, None if own is None else "own_mentor")

    def _freest(self, programme_id: str) -> str:
        """The programme's mentor with the most free minutes; free minutes only fall, so an aged top sinks."""
        if programme_id not in self._heaps:
            # Sorted, so it is a heap.
            self._heaps[programme_id] = sorted(
                (-self.free[mentor_id], mentor_id) for mentor_id in self.mentors[programme_id]
            )
        heap = self._heaps[programme_id]
        while -heap[0][0] != self.free[heap[0][1]]:
            heapq.heapreplace(heap, (-self.free[heap[0][1]], heap[0][1]))
        return heap[0][1]

    def _coordinate(self, alert: Alert) -> None:
        card = (alert.programme_id, alert.learner_id)
        if card not in self._by_coordinator:
            if self._budget[alert.programme_id] <= 0:
                return
            self._budget[alert.programme_id] -= 1
            self._by_coordinator.add(card)
        self.routes[alert.alert_id] = Route(None, True, None, "coordinator")
