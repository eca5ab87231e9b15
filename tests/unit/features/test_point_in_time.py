"""Nothing in a feature comes from its landmark's future: neither what happened then, nor what became known then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.registry import REGISTRY
from tests.unit.features.computed import computed

World = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class Fact:
    """What becomes known of a row at once: at D when every day of it lies before D. Without a day it always is."""

    days: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    def is_known(self, day: int) -> pl.Expr:
        return pl.all_horizontal(
            pl.lit(value=True), *((pl.col(name) < day).fill_null(value=False) for name in self.days)
        )


# Facts of a row in the order they become known; the first one makes the row.
FACTS: dict[str, tuple[Fact, ...]] = {
    "enrolments": (Fact(), Fact(("ended_epoch_day", "ended_known_epoch_day"), ("ended_kind",))),
    "enrolment_days": (
        Fact(
            ("epoch_day", "known_epoch_day"),
            (
                "strand",
                "activity_kind",
                "events_count",
                "minutes",
                "distinct_activities_count",
                "first_second",
                "last_second",
            ),
        ),
    ),
    "away_days": (Fact(("epoch_day", "known_epoch_day"), ("away_kind",)),),
    "openings": (Fact(("known_epoch_day", "available_epoch_day"), ("opened_count",)),),
    "activities": (Fact(("available_epoch_day",), ("activities_count",)),),
    "submissions": (
        Fact(),
        Fact(("submitted_epoch_day", "known_epoch_day")),
        Fact(("score_known_epoch_day",), ("score_share",)),
    ),
    "events": (
        Fact(("epoch_day", "known_epoch_day"), ("event_kind", "programme_id", "match_id", "channel", "is_start")),
        Fact(("answered_known_epoch_day",), ("answer_seconds",)),
    ),
    "matches": (
        Fact(("matched_epoch_day", "known_epoch_day"), ("mentor_id", "agreed_sessions_per_week", "mentor_kind")),
        Fact(("match_ended_epoch_day", "match_ended_known_epoch_day")),
    ),
    "goals": (
        Fact(("agreed_epoch_day", "known_epoch_day"), ("match_id", "due_epoch_day", "weight")),
        Fact(("superseded_epoch_day",)),
    ),
    "goal_updates": (Fact(("epoch_day", "known_epoch_day"), ("attained_share", "status")),),
    "commitments": (
        Fact(("made_epoch_day", "made_known_epoch_day"), ("programme_id", "match_id", "due_epoch_day")),
        Fact(("reviewed_epoch_day", "reviewed_known_epoch_day"), ("status",)),
    ),
    "tickets": (
        Fact(("opened_epoch_day", "opened_known_epoch_day")),
        Fact(("resolved_epoch_day", "resolved_known_epoch_day")),
    ),
}


def _told_later(rows: pl.DataFrame, fact: Fact, day: int, random: np.random.Generator) -> pl.DataFrame:
    """Give every row another fact, of another row's values: it happens or becomes known on the day or after it."""
    count = len(rows)
    if len(fact.days) > 1:
        happened = day + random.integers(-25, 25, count)
        days = [happened, np.maximum(happened, day) + random.choice([0, 0, 1, 9], count)]
    else:
        days = [day + random.integers(0, 25, count) for _ in fact.days]
    others = random.permutation(count)
    return rows.with_columns(
        *(pl.Series(name, column, pl.Int64) for name, column in zip(fact.days, days, strict=True)),
        *(rows[name].gather(others) for name in fact.values),
    )


def _more(frame: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as new ones: under a name of their own where each row of the frame has one in its first column."""
    name = frame.columns[0]
    if not frame[name].is_unique().all():
        return rows
    return rows.with_columns(pl.col(name) + "_" + pl.int_range(pl.len()).cast(pl.String))


def _another_future(
    frame: pl.DataFrame, facts: Sequence[Fact], day: int, random: np.random.Generator, *, are_rows: bool = True
) -> pl.DataFrame:
    """Drop, change and add what is not known at the day; what is stays as it was."""
    fact, *later = facts
    known, future = frame.filter(fact.is_known(day)), frame.filter(~fact.is_known(day))
    if later:
        known = _another_future(known, later, day, random, are_rows=False)
    if are_rows and fact.days:
        kept = future.filter(pl.Series(random.random(len(future)) < 0.7, dtype=pl.Boolean))
        future = pl.concat([kept, _more(frame, frame[random.integers(0, len(frame), len(frame) // 10)])])
    for one in facts:
        future = _told_later(future, one, day, random)
    if not are_rows:
        is_told = pl.Series(random.random(len(future)) < 0.7, dtype=pl.Boolean)
        names = [name for one in facts for name in (*one.days, *one.values)]
        future = future.with_columns(pl.when(is_told).then(name) for name in names)
    return pl.concat([known, future])


def with_another_future(world: World, day: int, seed: int, *names: str) -> World:
    """The same world up to the day, another one from then on; in the frames named, by default in all."""
    random = np.random.default_rng(seed)
    return world | {name: _another_future(world[name], FACTS[name], day, random) for name in names or FACTS}


def until(day: int, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("observed_epoch_day") <= day)


def test_every_frame_of_the_world_says_when_its_facts_are_known(world):
    assert set(FACTS) == set(world) - {"weeks", "landmarks"}


@pytest.fixture(scope="module")
def features(world, tonight):
    return computed("enrolment_week", world, tonight)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_another_future_leaves_every_feature_as_it_was(world, tonight, features, data):
    day = data.draw(st.sampled_from(sorted(set(features["observed_epoch_day"]))), "day")
    there = with_another_future(world, day, data.draw(st.integers(0, 2**32 - 1), "seed"))
    assert_frame_equal(until(day, features), until(day, computed("enrolment_week", there, tonight)))


@pytest.mark.parametrize("name", ["landmark", "label"])
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_known_from_tonight_on_moves_neither_landmarks_nor_labels(world, tonight, name, seed):
    there = with_another_future(world, tonight, seed)
    assert_frame_equal(computed(name, world, tonight), computed(name, there, tonight))


# --- the tests above can fail


def is_caught(world: World, leaky: Callable[[World], pl.DataFrame], *names: str) -> bool:
    """Whether some other future of the frames named moves what a leaky table says of landmarks before it."""
    told = leaky(world)
    return any(
        not until(day, told).equals(until(day, leaky(with_another_future(world, day, seed, *names))))
        for seed in range(5)
        for day in (32, 75)
    )


@pytest.mark.parametrize(
    ("name", "fact"),
    [(name, fact) for name, facts in FACTS.items() for fact in facts if fact.days and name != "enrolments"],
    ids=lambda value: getattr(value, "days", (value,))[0],
)
def test_a_table_that_hears_of_a_fact_a_week_early_is_caught(world, tonight, name, fact):
    readers = [family for family, made in REGISTRY.items() if name in made.reads]

    def leaky(given: World) -> pl.DataFrame:
        early = given[name].with_columns(pl.col(fact.days) - 7)
        tables = [computed(family, given | {name: early}, tonight) for family in readers]
        return pl.concat(tables, how="diagonal")

    assert is_caught(world, leaky, name)


def test_a_table_that_takes_each_row_as_known_on_its_own_day_is_caught(world, tonight):
    def leaky(given: World) -> pl.DataFrame:
        early = given["enrolment_days"].with_columns(known_epoch_day="epoch_day")
        return computed("activity", given | {"enrolment_days": early}, tonight)

    assert is_caught(world, leaky)


def test_a_table_that_tells_how_the_enrolment_ends_is_caught(world, tonight):
    def leaky(given: World) -> pl.DataFrame:
        fate = given["enrolments"].with_columns(studied_credits=(pl.col("ended_kind") == "failed").cast(pl.Float64))
        return computed("context", given | {"enrolments": fate}, tonight)

    assert is_caught(world, leaky)
