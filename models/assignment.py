"""Which waiting alerts take whose minutes: the most value and, where that is equal, own mentors.

Belongs here: parts that share no mentor, own mentors, who sits on which card. Does not belong here: how many cards fit
(`models.packing`), who may serve whom, what is kept from last night, coordinators (`models.routing`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.packing import Bundle, Kind, Packed, Problem, Programmes, Waiting, bound_of, bulk, pack, worth

_EQUAL = 1e-4
"""Routes whose values differ by less than this share count as equal, and own mentors decide."""
_NOTHING = 1e-9
_MOST_ARCS = 1_500
"""Beyond it programmes that share mentors are solved apart."""


class Assigned(NamedTuple):
    """The mentor of each alert that is served, and what no assignment can exceed in value."""

    mentor_of: dict[str, str]
    bound: float


def assign(waiting: Iterable[Waiting], free: Mapping[str, int], mentors: Mapping[str, Iterable[str]]) -> Assigned:
    """Mentors for waiting alerts: the most value and, where that is equal, own mentors.

    Args:
        waiting: alerts in any order.
        free: whole minutes that each mentor has left.
        mentors: who may serve, by programme.

    A mentor is charged for a learner once, the longest of the alerts. Programmes that share no mentor are solved apart.
    """
    programmes_of: dict[str, set[str]] = defaultdict(set)
    alerts = sorted(waiting, key=_alert_id)
    for programme_id in {alert.programme_id for alert in alerts}:
        for mentor_id in mentors.get(programme_id, ()):
            if free[mentor_id] > 0:
                programmes_of[mentor_id].add(programme_id)
    part_of = _parts(programmes_of)
    alerts_of: dict[str, list[Waiting]] = defaultdict(list)
    for alert in alerts:
        if alert.programme_id in part_of:
            alerts_of[part_of[alert.programme_id]].append(alert)
    groups_of: dict[str, dict[Programmes, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for mentor_id in sorted(programmes_of):
        names = frozenset(programmes_of[mentor_id])
        groups_of[part_of[min(names)]][names][mentor_id] = free[mentor_id]
    mentor_of: dict[str, str] = {}
    bound = 0.0
    for part in sorted(alerts_of):
        problem = Problem(alerts_of[part], groups_of[part])
        found = _solved(problem)
        mentor_of |= found.mentor_of
        bound += max(found.bound, found.value)
    return Assigned(mentor_of, bound)


def _alert_id(alert: Waiting) -> str:
    return alert.alert_id


def _parts(programmes_of: Mapping[str, set[str]]) -> dict[str, str]:
    """Programmes that mentors join, each under the name of the first."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    for mentor_id in sorted(programmes_of):
        first, *others = sorted(programmes_of[mentor_id])
        find(first)
        for other in others:
            low, high = sorted((find(first), find(other)))
            root[high] = low
    return {name: find(name) for name in sorted(root)}


class _Solved(NamedTuple):
    """Mentors of alerts, what these count for, and a bound."""

    mentor_of: dict[str, str]
    value: float
    bound: float


def _solved(problem: Problem) -> _Solved:
    if len(problem.groups) > 1 and problem.arcs_count() > _MOST_ARCS:
        return _solved_apart(problem)
    if not problem.kinds:
        return _Solved({}, 0.0, 0.0)
    relaxed = pack(problem, is_integer=False)
    bound = bound_of(problem, relaxed.prices)
    by_price = _own_first(problem, relaxed)
    if by_price.value >= bound * (1 - _EQUAL):
        return by_price._replace(bound=bound)
    whole = pack(problem, is_integer=True)
    bound = min(bound, whole.bound)
    for found in (by_price, _own_first(problem, whole)):
        if found.value >= whole.value * (1 - _EQUAL):
            return found._replace(bound=bound)
    return _Solved(_seated(problem, whole), whole.value, bound)


def _solved_apart(problem: Problem) -> _Solved:
    """Programmes one by one, each mentor given to one of them by what the minutes are worth there."""
    slots, _, prices, _ = bulk(problem)
    groups: dict[str, dict[str, int]] = defaultdict(dict)
    for names, free in problem.groups.items():
        wanted = dict.fromkeys(sorted(names), 0.0)
        for programmes, length in (kind for found in slots[names].values() for kind in found.elements()):
            for name in programmes:
                wanted[name] += length / len(programmes)
        for mentor_id, minutes in free.items():
            name = max(wanted, key=lambda name: (wanted[name], name))
            wanted[name] -= minutes
            groups[name][mentor_id] = minutes
    alerts: dict[str, list[Waiting]] = defaultdict(list)
    for alert in problem.alerts:
        alerts[alert.programme_id].append(alert)
    parts = [_solved(Problem(alerts[name], {frozenset((name,)): groups[name]})) for name in sorted(groups)]
    mentor_of = {alert_id: mentor_id for part in parts for alert_id, mentor_id in part.mentor_of.items()}
    return _Solved(mentor_of, sum(part.value for part in parts), bound_of(problem, prices))


def _own_first(problem: Problem, packed: Packed) -> _Solved:
    """Own mentors take what they can of the served without loss (what is left is worth as much less); then the rest."""
    served: dict[str, list[Bundle]] = defaultdict(list)
    shared = {bundle.alerts for bundles in problem.learners for bundle in bundles}
    for bundle in packed.served:
        if bundle.alerts not in shared:
            served[bundle.alerts[0].own_id].append(bundle)
    own: list[Waiting] = []
    for names, free in problem.groups.items():
        value_of = worth(names, max(free.values()), problem.step, packed.prices)
        for mentor_id, minutes in free.items():
            states: dict[int, tuple[Waiting, ...]] = {minutes // problem.step: ()}
            for bundle in served[mentor_id]:
                length, price = bundle.kind[1] // problem.step, packed.prices[bundle.kind]
                for left, taken in list(states.items()):
                    after = left - length
                    is_free = after >= 0 and value_of[left] - price - value_of[after] <= _NOTHING
                    if is_free and len(taken) >= len(states.get(after, ())):
                        states[after] = (*taken, *bundle.alerts)
            best: tuple[Waiting, ...] = max(states.values(), key=len)
            own += best
    rest = _without(problem, own)
    second = pack(rest, is_integer=True)
    mentor_of = {alert.alert_id: alert.own_id for alert in own} | _seated(rest, second)
    return _Solved(mentor_of, sum(alert.value for alert in own) + second.value, np.inf)


def _without(problem: Problem, own: Sequence[Waiting]) -> Problem:
    """What is left of a problem when these alerts are with their own mentors."""
    taken: Counter[str] = Counter()
    for alert in own:
        taken[alert.own_id] += alert.minutes
    groups = {
        names: {mentor_id: minutes - taken[mentor_id] for mentor_id, minutes in free.items()}
        for names, free in problem.groups.items()
    }
    gone = {alert.alert_id for alert in own}
    return Problem([alert for alert in problem.alerts if alert.alert_id not in gone], groups)


def _seated(problem: Problem, packed: Packed) -> dict[str, str]:
    """Mentors for the cards that are served: each mentor walks the network, own learners' cards first."""
    waiting: dict[Kind, list[Bundle]] = defaultdict(list)
    own: Counter[tuple[str | None, Kind]] = Counter()
    for bundle in packed.served:
        waiting[bundle.kind].append(bundle)
        own[bundle.own_id, bundle.kind] += 1
    places: dict[Kind, Counter[str]] = defaultdict(Counter)
    for names, slots in packed.slots.items():
        for mentor_id, minutes in problem.groups[names].items():
            for start in problem.nodes(minutes):
                node = start
                while node > 0:
                    kinds = [kind for kind, count in slots[node].items() if count] if node in slots else []
                    if not kinds:
                        node -= 1
                        continue
                    kind = max(
                        kinds,
                        key=lambda kind: (own[mentor_id, kind] > places[kind][mentor_id], kind[1], sorted(kind[0])),
                    )
                    slots[node][kind] -= 1
                    places[kind][mentor_id] += 1
                    node -= kind[1] // problem.step
    mentor_of: dict[str, str] = {}
    for kind, bundles in waiting.items():
        others = []
        for bundle in bundles:
            if bundle.own_id is not None and places[kind][bundle.own_id] > 0:
                places[kind][bundle.own_id] -= 1
                mentor_of |= {alert.alert_id: bundle.own_id for alert in bundle.alerts}
            else:
                others.append(bundle)
        for bundle, mentor_id in zip(others, sorted(places[kind].elements()), strict=False):
            mentor_of |= {alert.alert_id: mentor_id for alert in bundle.alerts}
    return mentor_of
