"""How many cards of each length fit into mentors' minutes: the integer programme behind `models.assignment`.

Belongs here: cards, the network, its relaxation, its integer solution, what no packing can exceed. Does not belong
here: whose own mentor serves, parts that share no mentor.

Every mentor of a programme may serve each of its alerts, so whose minutes are used does not change the value, and the
question is how many cards of each length fit. Mentors of the same programmes are one network (arc flow, Valério de
Carvalho 1999): a mentor enters at the node of the free minutes and leaves at 0, a card is an arc over its minutes. Its
size depends on lengths of cards and of weeks, not on the number of alerts or mentors, and its linear relaxation is
tight.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from math import gcd
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array

# A night must give the same routes whatever else the machine does: work is limited by size, never by time.
_GAP = 1e-5
_NODES = 100
_PIECE = 360
"""A mentor's minutes beyond so many are a piece of their own: packing hardly loses, and networks stay short."""
_FINE = 60
"""Alerts of a kind to each side of the cut that stand alone in the programme; further off they stand in blocks."""
_BLOCKS = 100
_ROUNDS = 8
_MOST_BUNDLED = 4
"""Alerts of one learner that are weighed together on one card."""

Programmes: TypeAlias = frozenset[str]
Kind: TypeAlias = tuple[Programmes, int]
"""A card: the programmes in all of which its mentor has to be, and its minutes."""
Groups: TypeAlias = Mapping[Programmes, Mapping[str, int]]
"""Free minutes of mentors, by the programmes that they serve."""
Prices: TypeAlias = Mapping[Kind, float]
Slots: TypeAlias = Mapping[Programmes, Mapping[int, Counter[Kind]]]
"""How many cards of a kind are taken at a node (free minutes in steps) of a group."""


class Waiting(NamedTuple):
    """An alert that waits for minutes: its own mentor, its minutes (at least 1) and value (at least 0)."""

    alert_id: str
    programme_id: str
    learner_id: str
    own_id: str
    minutes: int
    value: float


class Bundle(NamedTuple):
    """Alerts of one learner on one card, mostly a single one."""

    kind: Kind
    value: float
    alerts: tuple[Waiting, ...]

    @property
    def own_id(self) -> str | None:
        """The mentor of them all, if they have the same one."""
        own = {alert.own_id for alert in self.alerts}
        return own.pop() if len(own) == 1 else None


class Problem:
    """Alerts and mentors of programmes that belong together."""

    def __init__(self, alerts: Sequence[Waiting], groups: Groups) -> None:
        self.alerts = alerts
        self.groups = {names: groups[names] for names in sorted(groups, key=sorted)}
        self.singles: dict[Kind, list[Bundle]] = defaultdict(list)
        self.learners: list[list[Bundle]] = []
        """Of each learner whose alerts may share a card, every card that there might be."""
        self._stays: dict[Programmes, int] = {}
        of_learner: dict[str, list[Waiting]] = defaultdict(list)
        for alert in alerts:
            of_learner[alert.learner_id].append(alert)
        kinds: dict[tuple[str, int], Kind] = {}
        for own in of_learner.values():
            # Nearly all learners have one alert, and there may be a hundred thousand.
            if len(own) == 1:
                alert = own[0]
                if (alert.programme_id, alert.minutes) not in kinds:
                    kinds[alert.programme_id, alert.minutes] = frozenset((alert.programme_id,)), alert.minutes
                kind = kinds[alert.programme_id, alert.minutes]
                if alert.minutes <= self._longest_stay(kind[0]):
                    self.singles[kind].append(Bundle(kind, alert.value, (alert,)))
                continue
            bundles = list(self._bundles(own))
            if any(len(bundle.alerts) > 1 for bundle in bundles):
                self.learners.append(bundles)
                continue
            for bundle in bundles:
                self.singles[bundle.kind].append(bundle)
        for kind, found in list(self.singles.items()):
            # A mentor may have the minutes but for what own learners have taken meanwhile: then there is no place left.
            best = sorted(found, key=lambda bundle: (-bundle.value, bundle.alerts))[: self._places(kind)]
            if best:
                self.singles[kind] = best
            else:
                del self.singles[kind]
        self.kinds: list[Kind] = sorted(
            {*self.singles, *(bundle.kind for bundles in self.learners for bundle in bundles)},
            key=lambda kind: (sorted(kind[0]), kind[1]),
        )
        self.step = gcd(*(minutes for _, minutes in self.kinds)) or 1
        longest = max((minutes for _, minutes in self.kinds), default=0)
        self._piece = max(_PIECE, longest) // self.step

    def _places(self, kind: Kind) -> int:
        """How many cards of this kind there is room for, were there no others."""
        programmes, length = kind
        return sum(
            minutes // length for names in self.groups if programmes <= names for minutes in self.groups[names].values()
        )

    def _bundles(self, alerts: Sequence[Waiting]) -> Iterator[Bundle]:
        for size in range(1, min(len(alerts), _MOST_BUNDLED) + 1):
            for chosen in combinations(alerts, size):
                kind = frozenset(alert.programme_id for alert in chosen), max(alert.minutes for alert in chosen)
                if kind[1] <= self._longest_stay(kind[0]):
                    yield Bundle(kind, sum(alert.value for alert in chosen), chosen)

    def _longest_stay(self, programmes: Programmes) -> int:
        """The most minutes that one mentor of all these programmes has."""
        if programmes not in self._stays:
            self._stays[programmes] = max(
                (max(free.values(), default=0) for names, free in self.groups.items() if programmes <= names), default=0
            )
        return self._stays[programmes]

    def nodes(self, minutes: int) -> list[int]:
        """The nodes of the network from which a mentor with these minutes starts, in steps."""
        steps = minutes // self.step
        whole, rest = divmod(steps, self._piece)
        return [self._piece] * whole + [rest] * (rest > 0)

    def is_whole(self) -> bool:
        """Whether the network leaves out no packing: no mentor in pieces, no card of more alerts than are bundled."""
        longest = max((minutes for free in self.groups.values() for minutes in free.values()), default=0)
        return len(self.nodes(longest)) <= 1 and all(_alone(bundles) <= _MOST_BUNDLED for bundles in self.learners)

    def arcs_count(self) -> int:
        """How large the network is."""
        return sum(
            max(self.nodes(max(free.values())), default=0) * sum(programmes <= names for programmes, _ in self.kinds)
            for names, free in self.groups.items()
        )


class Packed(NamedTuple):
    """Cards by group and node, what is on them, what a card of each kind costs in value at the cut, and a bound."""

    slots: Slots
    served: list[Bundle]
    prices: Prices
    bound: float = np.inf

    @property
    def value(self) -> float:
        """What is served, in expected abandonments."""
        return sum(bundle.value for bundle in self.served)


def pack(problem: Problem, *, is_integer: bool) -> Packed:
    """The most valuable packing, or that of the relaxation: of it prices and served alerts are of use."""
    if not problem.kinds:
        return Packed({}, [], {}, 0.0)
    return _Program(problem).solved(is_integer=is_integer)


def bulk(problem: Problem) -> Packed:
    """The relaxation in which the mentors of the same programmes are one, with all their minutes."""
    return _Program(problem, is_bulk=True).solved(is_integer=False)


class _Program:
    """The linear programme of a problem: arcs over minutes, alerts of each kind in order of value."""

    def __init__(self, problem: Problem, *, is_bulk: bool = False) -> None:
        self._problem = problem
        self._entries: list[tuple[int, int, float]] = []
        self._low: list[float] = []
        self._high: list[float] = []
        self._columns = 0
        self._kind_row = {kind: self._row(-np.inf, 0.0) for kind in problem.kinds}
        self._arcs: list[tuple[int, Programmes, int, Kind]] = []
        for names, free in problem.groups.items():
            kinds = [kind for kind in problem.kinds if kind[0] <= names]
            if is_bulk:
                self._bulk(names, sum(free.values()), kinds)
            else:
                starts = Counter(node for minutes in free.values() for node in problem.nodes(minutes))
                self._network(names, starts, kinds)
        self._costs = [0.0] * self._columns
        self._integer = [False] * self._columns
        for column, *_ in self._arcs:
            self._integer[column] = True
        self._most = [np.inf] * self._columns
        self._options: list[tuple[int, Bundle]] = []
        for bundles in problem.learners:
            self._learner(bundles)
        self._fixed_columns, self._fixed_entries = self._columns, len(self._entries)

    def _row(self, low: float, high: float) -> int:
        self._low.append(low)
        self._high.append(high)
        return len(self._low) - 1

    def _column(self, *entries: tuple[int, float]) -> int:
        self._entries += [(row, self._columns, factor) for row, factor in entries]
        self._columns += 1
        return self._columns - 1

    def _network(self, names: Programmes, mentors: Counter[int], kinds: list[Kind]) -> None:
        # Whoever is at a node leaves it: over a card, or a step down without one.
        rows = [self._row(float(mentors[node]), float(mentors[node])) for node in range(1, max(mentors, default=0) + 1)]
        for node in range(1, len(rows) + 1):
            for kind in kinds:
                below = node - kind[1] // self._problem.step
                if below >= 0:
                    ends = [(rows[below - 1], -1.0)] if below else []
                    column = self._column((rows[node - 1], 1.0), (self._kind_row[kind], -1.0), *ends)
                    self._arcs.append((column, names, node, kind))
            self._column((rows[node - 1], 1.0), *([(rows[node - 2], -1.0)] if node > 1 else []))

    def _bulk(self, names: Programmes, minutes: int, kinds: list[Kind]) -> None:
        row = self._row(-np.inf, float(minutes))
        for kind in kinds:
            column = self._column((row, float(kind[1])), (self._kind_row[kind], -1.0))
            self._arcs.append((column, names, minutes, kind))

    def _learner(self, bundles: list[Bundle]) -> None:
        rows = {alert: self._row(-np.inf, 1.0) for bundle in bundles for alert in bundle.alerts}
        for bundle in bundles:
            once = [(rows[alert], 1.0) for alert in bundle.alerts]
            self._options.append((self._column((self._kind_row[bundle.kind], 1.0), *once), bundle))
            self._costs.append(-bundle.value)
            self._integer.append(True)
            self._most.append(1.0)

    def solved(self, *, is_integer: bool) -> Packed:
        """The best cards; alerts far from the cut stand in blocks, until the cut lies where they stand alone."""
        values = {kind: np.array([bundle.value for bundle in found]) for kind, found in self._problem.singles.items()}
        cut: dict[Kind, int] = {}
        for _ in range(_ROUNDS):
            blocks = [
                (kind, first, last) for kind in values for first, last in _blocks(len(values[kind]), cut.get(kind))
            ]
            matrix, costs, most = self._filled(values, blocks)
            counts, prices = self._relaxed(matrix, costs, most)
            taken: Counter[Kind] = Counter()
            for (kind, _, _), count in zip(blocks, counts[self._fixed_columns :], strict=True):
                taken[kind] += count
            is_fine = all(
                len(values[kind]) <= 2 * _FINE or abs(taken[kind] - cut.get(kind, -np.inf)) < _FINE / 2
                for kind in values
            )
            cut = {kind: round(taken[kind]) for kind in values}
            if is_fine:
                break
        if not is_integer:
            return self._read(counts, prices, cut)
        counts, bound = self._integral(matrix, costs, most, len(blocks))
        is_exact = self._problem.is_whole() and all(last - first == 1 for _, first, last in blocks)
        return self._read(counts, prices, None)._replace(bound=bound if is_exact else np.inf)

    def _filled(
        self, values: Mapping[Kind, NDArray[np.float64]], blocks: Sequence[tuple[Kind, int, int]]
    ) -> tuple[csr_array, NDArray[np.float64], NDArray[np.float64]]:
        entries = self._entries + [
            (self._kind_row[kind], self._fixed_columns + place, 1.0) for place, (kind, _, _) in enumerate(blocks)
        ]
        rows, columns, factors = zip(*entries, strict=True)
        shape = (len(self._low), self._fixed_columns + len(blocks))
        costs = [*self._costs, *(-float(values[kind][first:last].mean()) for kind, first, last in blocks)]
        most = [*self._most, *(float(last - first) for _, first, last in blocks)]
        return csr_array((factors, (rows, columns)), shape=shape), np.array(costs), np.array(most)

    def _relaxed(
        self, matrix: csr_array, costs: NDArray[np.float64], most: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], Prices]:
        low, high = np.array(self._low), np.array(self._high)
        is_equal = low == high
        found = linprog(
            costs,
            A_ub=matrix[~is_equal],
            b_ub=high[~is_equal],
            A_eq=matrix[is_equal] if is_equal.any() else None,
            b_eq=high[is_equal] if is_equal.any() else None,
            bounds=[(0.0, float(each)) for each in most],
            method="highs",
        )
        row = np.cumsum(~is_equal) - 1
        prices = {kind: max(0.0, -found.ineqlin.marginals[row[at]]) for kind, at in self._kind_row.items()}
        return np.asarray(found.x), prices

    def _integral(
        self, matrix: csr_array, costs: NDArray[np.float64], most: NDArray[np.float64], blocks_count: int
    ) -> tuple[NDArray[np.float64], float]:
        found = milp(
            costs,
            integrality=np.array([*self._integer, *[False] * blocks_count], dtype=np.int64),
            bounds=Bounds(0.0, most),
            constraints=LinearConstraint(matrix, np.array(self._low), np.array(self._high)),
            options={"mip_rel_gap": _GAP, "node_limit": _NODES},
        )
        # To serve nobody is always possible, so there is an answer however few nodes are looked at.
        return np.asarray(found.x), -float(found.mip_dual_bound or 0.0)

    def _read(self, counts: NDArray[np.float64], prices: Prices, cut: Mapping[Kind, int] | None) -> Packed:
        slots: dict[Programmes, dict[int, Counter[Kind]]] = {
            names: defaultdict(Counter) for names in self._problem.groups
        }
        places: Counter[Kind] = Counter()
        for column, names, node, kind in self._arcs:
            count = round(counts[column])
            if count > 0:
                slots[names][node][kind] += count
                places[kind] += count
        served = [bundle for column, bundle in self._options if counts[column] > 0.5]
        places.subtract(bundle.kind for bundle in served)
        for kind, found in self._problem.singles.items():
            served += found[: max(0, places[kind] if cut is None else cut[kind])]
        return Packed(slots, served, prices)


def _blocks(count: int, cut: int | None) -> list[tuple[int, int]]:
    """Places in order of value, cut into blocks: single ones near the cut, else about as many as may be."""
    if count <= 2 * _FINE:
        edges = np.arange(count + 1)
    elif cut is None:
        edges = np.unique(np.linspace(0, count, _BLOCKS + 1).astype(int))
    else:
        low, high = max(0, cut - _FINE), min(count, cut + _FINE)
        edges = np.unique(
            np.concatenate(
                [
                    np.linspace(0, low, _BLOCKS // 2).astype(int),
                    np.arange(low, high + 1),
                    np.linspace(high, count, _BLOCKS // 2).astype(int),
                ]
            )
        )
    return [(int(first), int(last)) for first, last in pairwise(edges)]


def worth(names: Programmes, most: int, step: int, prices: Prices) -> NDArray[np.float64]:
    """What cards at these prices bring at most, by free minutes in steps (unbounded knapsack)."""
    best = np.zeros(most // step + 1)
    cards = [(minutes // step, price) for (programmes, minutes), price in prices.items() if programmes <= names]
    for node in range(1, len(best)):
        best[node] = max(
            best[node - 1], *(best[node - length] + price for length, price in cards if length <= node), 0.0
        )
    return best


def bound_of(problem: Problem, prices: Prices) -> float:
    """What no packing exceeds (Lagrange): alerts less the price of their card, and mentors' minutes at those prices."""
    most = 0.0
    for names, free in problem.groups.items():
        value_of = worth(names, max(free.values()), problem.step, prices)
        most += sum(value_of[minutes // problem.step] for minutes in free.values())
    for kind, found in problem.singles.items():
        most += sum(max(0.0, bundle.value - prices[kind]) for bundle in found)
    for bundles in problem.learners:
        if _alone(bundles) > _MOST_BUNDLED:
            most += sum(bundle.value for bundle in bundles if len(bundle.alerts) == 1)
            continue
        most += _best_of(frozenset(alert.alert_id for bundle in bundles for alert in bundle.alerts), bundles, prices)
    return float(most)


def _alone(bundles: Sequence[Bundle]) -> int:
    """How many alerts the learner has."""
    return sum(len(bundle.alerts) == 1 for bundle in bundles)


def _best_of(left: frozenset[str], bundles: Sequence[Bundle], prices: Prices) -> float:
    """The most that one learner's alerts bring over the prices of their cards, each alert on one card at most."""
    if not bundles:
        return 0.0
    first, *others = bundles
    best = _best_of(left, others, prices)
    own = frozenset(alert.alert_id for alert in first.alerts)
    gain = first.value - prices[first.kind]
    return max(best, gain + _best_of(left - own, others, prices)) if own <= left and gain > 0 else best
