"""Whom Handrail's alerts chose beside whom others would have chosen with the same minutes on the same nights.

Belongs here: the other choices, precision, recall, days ahead, preventable loss, their intervals. Does not belong here: the
nights (`alert_replay`), the truth (`tests.oracle.preventable`).

A card is a learner for whom an alert takes minutes of a mentor; a learner counts once in 28 days. The book of minutes is
Handrail's own: what its cards took of each mentor on each night. Every other choice gets the same minutes of the same mentors
on the same nights, keeps until the week ends what a card did not use, asks the own mentor first and then the one of the
programme with most minutes left, and speaks to nobody twice within 28 days. A card takes what Handrail's own would take.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from tests.oracle.preventable import Truth

HORIZON_DAYS = 28
SILENT_DAYS = 7
ROUNDS = 1000
THIRDS = 3
_LEAST_CARD = 10
_EPOCH = date(1970, 1, 1)
Floats = npt.NDArray[np.float64]
Value = Callable[[pl.DataFrame, date], Floats]


@dataclass(frozen=True)
class Card:
    """A learner newly served: on which night, through whom, for how many minutes."""

    day: date
    participation_id: str
    mentor_id: str
    minutes: float


def compared(truth: Truth, people: dict[date, pl.DataFrame], alerts: pl.DataFrame, *, seed: int = 7) -> dict[str, Any]:
    """Figures by book and choice: the book of all alerts, and those of risk and of rules alone; of nights with a model, if any.

    Args:
        truth: the world.
        people: by night, who could be spoken to: participation_id, programme_id, mentor_id, probability, silent_days,
            minutes.
        alerts: `alerts.alert` of all nights.
        seed: of the random choice and of the bootstrap.
    """
    people = {day: frame.filter(pl.col("participation_id").is_in(truth.entry.keys())) for day, frame in people.items()}
    scored = {day: frame for day, frame in people.items() if frame["probability"].count()}
    people = scored or people
    ratios = _true_risk_ratios(truth, people)
    chance = np.random.default_rng(seed)

    def by_truth(frame: pl.DataFrame, day: date) -> Floats:
        return truth.preventable(_entries(truth, frame), day)

    def by_true_ratio(frame: pl.DataFrame, _: date) -> Floats:
        probability = _probability(frame)
        return probability * (1 - ratios[_third(probability)])

    values: dict[str, Value] = {
        "by probability": lambda frame, _: _probability(frame),
        "by probability x (1 - true ratio)": by_true_ratio,
        "7 silent days": lambda frame, _: _silence(frame),
        "at random": lambda frame, _: chance.random(frame.height),
        "truth known, greedy": by_truth,
    }
    told: dict[str, Any] = {"true_risk_ratio_by_third": ratios.tolist(), "nights": len(people)}
    for name, kinds in (("all alerts", ("risk", "rule")), ("risk alerts", ("risk",)), ("rules' alerts", ("rule",))):
        cards = [card for card in served_cards(alerts, kinds, truth) if card.day in people]
        choices = {"Handrail": cards} | {choice: chosen(people, cards, value) for choice, value in values.items()}
        choices["truth known, best"] = chosen(people, cards, by_truth, best=truth)
        told[name] = _figures(truth, people, choices, seed)
    return told


def served_cards(alerts: pl.DataFrame, kinds: Iterable[str], truth: Truth) -> list[Card]:
    """Nights on which an alert took minutes of a mentor, and how many; a participation once in 28 days."""
    rows = alerts.filter(
        pl.col("is_served")
        & (pl.col("due_minutes") > 0)
        & pl.col("mentor_id").is_in(truth.mentor.keys())
        & pl.col("kind").is_in(list(kinds))
        & pl.col("participation_id").is_in(truth.entry.keys())
        & ~pl.col("state").is_in(["resolved", "dismissed"])
    ).sort("observed_at", "participation_id")
    last: dict[str, date] = {}
    cards = []
    for at, participation, mentor, minutes in rows.select(
        "observed_at", "participation_id", "mentor_id", "due_minutes"
    ).iter_rows():
        if participation not in last or (at.date() - last[participation]).days >= HORIZON_DAYS:
            last[participation] = at.date()
            cards.append(Card(at.date(), participation, mentor, minutes))
    return cards


def chosen(
    people: dict[date, pl.DataFrame], book: list[Card], value: Value, *, best: Truth | None = None
) -> list[Card]:
    """Whom a choice serves with the minutes of a book: highest value first, or the best assignment of the night."""
    minutes: defaultdict[date, list[Card]] = defaultdict(list)
    for card in book:
        minutes[card.day].append(card)
    left: defaultdict[str, float] = defaultdict(float)
    last: dict[str, date] = {}
    cards: list[Card] = []
    week = ()
    for day, frame in sorted(people.items()):
        if week != day.isocalendar()[:2]:
            week = day.isocalendar()[:2]
            left.clear()
        for card in minutes[day]:
            left[card.mentor_id] += card.minutes
        rested = [name for name, at in last.items() if (day - at).days < HORIZON_DAYS]
        waiting = frame.filter(~pl.col("participation_id").is_in(rested))
        waiting = waiting.with_columns(value=value(waiting, day)).filter(pl.col("value") > 0)
        waiting = waiting.sort("value", "participation_id", descending=[True, False])
        serve = _best(waiting, day, left, best) if best else _greedy(waiting, day, left)
        for card in serve:
            left[card.mentor_id] -= card.minutes
            last[card.participation_id] = day
            cards.append(card)
    return cards


def _greedy(waiting: pl.DataFrame, day: date, minutes: dict[str, float]) -> list[Card]:
    free = dict(minutes)
    mentors: dict[str, list[str]] = {
        programme: sorted(names)
        for programme, names in waiting.group_by("programme_id").agg(pl.col("mentor_id").unique()).iter_rows()
    }
    cards = []
    for participation, programme, own, needed in waiting.select(
        "participation_id", "programme_id", "mentor_id", "minutes"
    ).iter_rows():
        mentor = own if free.get(own, 0.0) >= needed else max(mentors[programme], key=lambda name: free.get(name, 0.0))
        if free.get(mentor, 0.0) >= needed:
            free[mentor] -= needed
            cards.append(Card(day, participation, mentor, needed))
    return cards


def _best(waiting: pl.DataFrame, day: date, minutes: dict[str, float], truth: Truth) -> list[Card]:
    """The assignment of tonight's minutes that prevents most, each learner with each mentor of the programme."""
    free = {mentor: left for mentor, left in minutes.items() if left >= _LEAST_CARD}
    programmes = waiting.select("programme_id", helper="mentor_id").unique()
    pairs = waiting.join(programmes.filter(pl.col("helper").is_in(list(free))), on="programme_id")
    if not pairs.height:
        return []
    helpers = np.array([truth.mentor[name] for name in pairs["helper"]])
    pairs = pairs.with_columns(gain=truth.preventable(_entries(truth, pairs), day, helpers)).filter(pl.col("gain") > 0)
    # No mentor serves more than all minutes have room for, so nobody further down can be in the best assignment.
    most = int(sum(free.values()) // _LEAST_CARD) + 1
    pairs = (
        pairs.sort("gain", "participation_id", descending=[True, False])
        .group_by("helper", maintain_order=True)
        .head(most)
    )
    learner = pairs["participation_id"].rank("dense").to_numpy().astype(np.int64) - 1
    helper = pairs["helper"].rank("dense").to_numpy().astype(np.int64) - 1
    needed, count = pairs["minutes"].to_numpy().astype(np.float64), pairs.height
    names = pairs["helper"].unique().sort().to_list()
    room = np.concatenate([np.ones(learner.max() + 1), [free[name] for name in names]])
    place = np.arange(count)
    matrix = csr_array(
        (
            np.concatenate([np.ones(count), needed]),
            (np.concatenate([learner, learner.max() + 1 + helper]), np.concatenate([place, place])),
        ),
        shape=(len(room), count),
    )
    answer = milp(
        -pairs["gain"].to_numpy(),
        constraints=LinearConstraint(matrix, ub=room),
        integrality=np.ones(count),
        bounds=(0, 1),
        options={"mip_rel_gap": 0.001, "time_limit": 20},
    )
    if answer.x is None:
        message = f"{day}: no assignment was found: {answer.message}"
        raise RuntimeError(message)
    taken = pairs.filter(pl.Series(answer.x > 0.5))
    return [Card(day, *row) for row in taken.select("participation_id", "helper", "minutes").iter_rows()]


# --- what became of them ------------------------------------------------------------------------------------------


def _figures(
    truth: Truth, people: dict[date, pl.DataFrame], choices: dict[str, list[Card]], seed: int
) -> dict[str, dict[str, Any]]:
    """Each choice's figures with intervals of a bootstrap of persons, all choices on the same draws."""
    weights = np.random.default_rng(seed).poisson(1.0, (ROUNDS, int(truth.person.max()) + 1)).astype(np.float64)
    days = sorted(people)
    present = {name for frame in people.values() for name in frame["participation_id"]}
    from_day, to_day = (days[0] - _EPOCH).days, (days[-1] - _EPOCH).days + 1
    ends = {name: float(truth.abandons_at[truth.entry[name]]) for name in present}
    lost = {name: at for name, at in ends.items() if from_day <= at < to_day}
    tallies = {name: _Tally(truth, cards, lost, weights) for name, cards in choices.items()}
    first, best = tallies["Handrail"], tallies["truth known, best"]
    return {
        name: {
            "cards": len(choices[name]),
            "minutes": sum(card.minutes for card in choices[name]),
            "own_mentor_share": tally.own_share,
            "precision": tally.precision(),
            "precision_of_handrail_over_it": _interval(first.precisions - tally.precisions),
            "abandonments": len(lost),
            "recall": _interval(tally.recalls),
            "lead_days": tally.leads,
            "preventable": _interval(tally.prevented),
            "preventable_to_best": _interval(tally.prevented / best.prevented) if best.prevented.all() else None,
        }
        for name, tally in tallies.items()
    }


class _Tally:
    """Figures of a choice; the first of each series is the figure itself, the rest are the bootstrap's."""

    def __init__(self, truth: Truth, cards: list[Card], lost: dict[str, float], weights: Floats) -> None:
        self._weights = np.concatenate([np.ones((1, weights.shape[1])), weights])
        entries = np.array([truth.entry[card.participation_id] for card in cards], dtype=np.int64)
        mentors = np.array([truth.mentor[card.mentor_id] for card in cards], dtype=np.int64)
        days = np.array([(card.day - _EPOCH).days for card in cards])
        person = truth.person[entries]
        ahead = truth.abandons_at[entries] - days
        self.hits = (ahead > 0) & (ahead <= HORIZON_DAYS)
        gains = np.zeros(len(cards))
        for day in np.unique(days).tolist():
            rows = np.flatnonzero(days == day)
            gains[rows] = truth.preventable(entries[rows], _EPOCH + timedelta(days=day), mentors[rows])
        self.own_share = float((truth.own_mentor[entries] == mentors).mean()) if len(cards) else None
        self.precisions = self._share(person, self.hits)
        self.prevented = self._weights @ np.bincount(person, gains, self._weights.shape[1])
        served: defaultdict[str, list[int]] = defaultdict(list)
        for card, day in zip(cards, days.tolist(), strict=True):
            served[card.participation_id].append(day)
        lead = {
            name: max((at - day for day in served[name] if 0 < at - day <= HORIZON_DAYS), default=None)
            for name, at in lost.items()
        }
        of_lost = truth.person[[truth.entry[name] for name in lost]]
        self.recalls = self._share(of_lost, np.array([one is not None for one in lead.values()]))
        known = [one for one in lead.values() if one is not None]
        self.leads = [round(float(one), 1) for one in np.quantile(known, [0.25, 0.5, 0.75])] if known else None

    def precision(self) -> list[float] | None:
        return _interval(self.precisions)

    def _share(self, person: npt.NDArray[np.int64], is_hit: npt.NDArray[np.bool_]) -> Floats:
        persons = self._weights.shape[1]
        count = self._weights @ np.bincount(person, minlength=persons)
        return self._weights @ np.bincount(person, is_hit.astype(np.float64), persons) / np.maximum(count, 1e-9)


def _interval(series: Floats) -> list[float] | None:
    """The figure and its interval of 95 %."""
    if not np.isfinite(series).all():
        return None
    return [round(float(one), 4) for one in (series[0], *np.quantile(series[1:], [0.025, 0.975]))]


def _true_risk_ratios(truth: Truth, people: dict[date, pl.DataFrame]) -> Floats:
    """Chance to abandon with contact over that without, by third of tonight's probability, summed over the nights."""
    sums = np.zeros((2, THIRDS))
    for day, frame in people.items():
        probability = _probability(frame)
        arms = truth.chances(_entries(truth, frame), day)
        for third in range(THIRDS):
            is_in = (_third(probability) == third) & (probability > 0)
            sums[:, third] += [arm[is_in].sum() for arm in arms]
    return np.where(sums[1] > 0, sums[0] / np.maximum(sums[1], 1e-12), 1.0)


def _third(probability: Floats) -> npt.NDArray[np.int64]:
    """Third of tonight's known probabilities, 0 the lowest; 0 too where there is none."""
    known = probability[probability > 0]
    if not known.size:
        return np.zeros(probability.size, dtype=np.int64)
    return np.searchsorted(np.quantile(known, [1 / 3, 2 / 3]), probability, side="right")


def _probability(frame: pl.DataFrame) -> Floats:
    return frame["probability"].cast(pl.Float64).fill_null(0.0).to_numpy()


def _silence(frame: pl.DataFrame) -> Floats:
    days = frame["silent_days"].cast(pl.Float64).to_numpy()
    return np.where(days >= SILENT_DAYS, days, 0.0)


def _entries(truth: Truth, frame: pl.DataFrame) -> npt.NDArray[np.int64]:
    return np.array([truth.entry[name] for name in frame["participation_id"]], dtype=np.int64)


def lines(told: dict[str, Any]) -> list[str]:
    """The comparison as a table to read."""
    ratios = ", ".join(f"{one:.3f}" for one in told["true_risk_ratio_by_third"])
    found = [f"{told['nights']} nights compared; true risk ratio of contact by third of the probability: {ratios}"]
    for book, choices in told.items():
        if not isinstance(choices, dict):
            continue
        head = "  cards minutes   own  abandon in 28 days    recall               lead days      prevented      of the best"
        found += [f"{book}:".ljust(36) + head]
        for name, row in choices.items():
            lead = "/".join(f"{one:g}" for one in row["lead_days"]) if row["lead_days"] else "-"
            prevented = f"{row['preventable'][0]:.2f}" if row["preventable"] else "-"
            own = f"{row['own_mentor_share']:.0%}" if row["own_mentor_share"] is not None else "-"
            found.append(
                f"  {name:<34}{row['cards']:>7} {row['minutes']:>7.0f} {own:>5}  {_range(row['precision']):<20} "
                f"{_range(row['recall']):<20} {lead:<14} {prevented:>9}      {_range(row['preventable_to_best'])}"
            )
    return found


def _range(three: list[float] | None) -> str:
    return f"{three[0]:.3f} ({three[1]:.3f}-{three[2]:.3f})" if three else "-"
