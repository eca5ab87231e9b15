"""A small random world, and a runner that holds Polars and DuckDB to equal rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import duckdb
import narwhals as nw
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from data_contracts.fields.learning import STRANDS
from data_contracts.schema import Kind, Table
from features.windows import landmarks

# Days lie on both sides of 1970-01-01, where engines' remainders and quotients disagree.
TONIGHT = 75
COURSES = {"c1": ("p1", -40, 45), "c2": ("p1", -11, 80), "c3": ("p2", 6, 120), None: ("p2", -3, 110)}
KINDS = ("content", "forum", "collaboration", "quiz", "assessment", "page")
EVENT_KINDS = (
    "held",
    "missed_by_learner",
    "missed_by_mentor",
    "cancelled",
    "planned",
    "message_by_mentor",
    "message_by_learner",
)
ENDS = ("abandoned", "abandoned", "failed", "completed")
DTYPE = {Kind.TEXT: pl.String, Kind.INTEGER: pl.Int64, Kind.NUMBER: pl.Float64, Kind.BOOLEAN: pl.Boolean}

World = dict[str, pl.DataFrame]


def _enrolments(random: np.random.Generator, count: int) -> pl.DataFrame:
    rows = []
    for number in range(count):
        course_id = list(COURSES)[number % len(COURSES)]
        programme_id, start, end = COURSES[course_id]
        ended = int(random.integers(start, end)) if random.random() < 0.5 else None
        rows.append(
            {
                "enrolment_id": f"e{number:02}",
                "learner_id": f"l{number // 2:02}",
                "programme_id": programme_id,
                "course_id": course_id,
                "enrolled_epoch_day": start + int(random.integers(-30, 20)),
                "course_start_epoch_day": start,
                "course_end_epoch_day": end,
                "ended_epoch_day": ended,
                "ended_known_epoch_day": None if ended is None else ended + int(random.choice([0, 0, 3, 28])),
                "ended_kind": None if ended is None else str(random.choice(ENDS)),
                "has_recorded_outcome": number % 3 > 0,
                "studied_credits": float(random.integers(1, 5)) * 30 if number % 5 else None,
                "previous_attempts_count": int(random.integers(0, 3)) if number % 7 else None,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def _delays(random: np.random.Generator, count: int) -> np.ndarray:
    return random.choice([0, 0, 0, 0, 1, 5, 9, 30], count)


def _enrolment_days(random: np.random.Generator, enrolments: pl.DataFrame, rows: int) -> pl.DataFrame:
    started = enrolments.filter(pl.int_range(pl.len()) % 4 != 3)["enrolment_id"].to_numpy()
    day = random.integers(-65, TONIGHT + 20, rows)
    key = ["enrolment_id", "epoch_day", "known_epoch_day", "strand", "activity_kind"]
    return pl.DataFrame(
        {
            "enrolment_id": random.choice(started, rows),
            "epoch_day": day,
            "known_epoch_day": day + _delays(random, rows),
            "strand": random.choice(STRANDS, rows),
            "activity_kind": random.choice(KINDS, rows),
            "events_count": random.integers(1, 30, rows),
            "minutes": random.integers(0, 5000, rows) / 60,
            "distinct_activities_count": random.integers(0, 6, rows),
            "scored_count": random.integers(0, 2, rows),
            "first_second": random.integers(0, 40000, rows),
            "last_second": random.integers(40000, 86400, rows),
        }
    ).unique(key, keep="first", maintain_order=True)


def _submissions(random: np.random.Generator, enrolments: pl.DataFrame) -> pl.DataFrame:
    rows = []
    for enrolment in enrolments.iter_rows(named=True):
        if enrolment["enrolment_id"] == "e05":
            continue
        for work in range(6):
            due = enrolment["course_start_epoch_day"] + 7 + 14 * (work // 2) + 5 * (work % 2) * (work > 1)
            submitted = due + int(random.integers(-9, 6)) if random.random() < 0.7 else None
            is_scored = submitted is not None and random.random() < 0.8
            rows.append(
                {
                    "enrolment_id": enrolment["enrolment_id"],
                    "activity_iri": f"https://example.org/task/{work}",
                    "due_epoch_day": None if work == 5 else due,
                    "weight": None if work == 4 else float(work + 1) * 2.5,
                    "submitted_epoch_day": submitted,
                    "known_epoch_day": None if submitted is None else submitted + int(_delays(random, 1)[0]),
                    "score_share": float(random.integers(0, 101)) / 100 if is_scored else None,
                    "score_known_epoch_day": submitted + int(_delays(random, 1)[0]) if is_scored else None,
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def _mentoring(random: np.random.Generator, learners: list[str]) -> World:
    matched = [learner for number, learner in enumerate(learners) if number % 3]
    rows = 30 * len(matched)
    day = random.integers(-45, TONIGHT + 20, rows)
    events = pl.DataFrame(
        {
            "event_id": [f"v{number}" for number in range(rows)],
            "learner_id": random.choice(matched, rows),
            "programme_id": random.choice(["p1", "p2", "none"], rows),
            "event_kind": random.choice(EVENT_KINDS, rows),
            "epoch_day": day,
            "known_epoch_day": day + _delays(random, rows),
        }
    ).with_columns(pl.col("programme_id").replace({"none": None}))
    starts = random.integers(-45, 60, 2 * len(matched))
    matches = pl.DataFrame(
        {
            "match_id": [f"m{number}" for number in range(len(starts))],
            "learner_id": matched * 2,
            "programme_id": random.choice(["p1", "p2"], len(starts)),
            "matched_epoch_day": starts,
            "match_ended_epoch_day": [int(start) + 40 if number % 2 else None for number, start in enumerate(starts)],
            "agreed_sessions_per_week": [
                None if number % 5 == 0 else 0.5 * (number % 4) for number in range(len(starts))
            ],
        }
    )
    opened = random.integers(-30, TONIGHT + 5, len(learners))
    tickets = pl.DataFrame(
        {
            "learner_id": random.choice(learners, len(opened)),
            "opened_epoch_day": opened,
            "resolved_epoch_day": [int(day) + 12 if number % 3 else None for number, day in enumerate(opened)],
        }
    )
    return {"matches": matches, "events": events, "tickets": tickets}


@pytest.fixture(scope="session")
def tonight() -> int:
    return TONIGHT


@pytest.fixture(scope="session")
def world() -> World:
    """Forty enrolments in three courses and without one: four phases and tonight's, late rows, never-starters."""
    random = np.random.default_rng(7)
    enrolments = _enrolments(random, 40)
    weeks = pl.DataFrame({"week_index": range(25)})
    observed = (
        landmarks(nw.from_native(enrolments.lazy()), nw.from_native(weeks.lazy()), tonight_epoch_day=TONIGHT)
        .collect()
        .to_native()
    )
    return {
        "enrolments": enrolments,
        "weeks": weeks,
        "landmarks": observed.sort("enrolment_id", "observed_epoch_day"),
        "enrolment_days": _enrolment_days(random, enrolments, 2500),
        "submissions": _submissions(random, enrolments),
        **_mentoring(random, sorted(set(enrolments["learner_id"]))),
    }


@pytest.fixture(scope="session")
def on_both() -> Callable[..., pl.DataFrame]:
    """Run a feature function on Polars and on DuckDB, hold the rows equal, return them sorted."""

    def run(function: Callable[..., nw.LazyFrame], *frames: pl.DataFrame, **settings: object) -> pl.DataFrame:
        on_polars = function(*(nw.from_native(frame.lazy()) for frame in frames), **settings).collect().to_native()
        with duckdb.connect() as connection:
            relations = []
            for number, frame in enumerate(frames):
                connection.register(f"given_{number}", frame.to_arrow())
                connection.execute(f"CREATE TABLE frame_{number} AS SELECT * FROM given_{number}")
                relations.append(nw.from_native(connection.table(f"frame_{number}")))
            on_duckdb = function(*relations, **settings).collect("polars").to_native()
        ordered = on_polars.sort(on_polars.columns)
        assert_frame_equal(ordered, on_duckdb.sort(on_polars.columns), check_exact=True)
        return ordered

    return run


@pytest.fixture(scope="session")
def sql() -> Callable[..., pl.DataFrame]:
    """Ask DuckDB about frames by name: the oracle's side."""

    def ask(query: str, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        with duckdb.connect() as connection:
            for name, frame in frames.items():
                connection.register(name, frame.to_arrow())
            return pl.DataFrame(connection.sql(query).to_arrow_table())

    return ask


@pytest.fixture(scope="session")
def matches_oracle() -> Callable[[pl.DataFrame, pl.DataFrame], None]:
    """Hold computed features to an oracle's rows, column by column, within the rounding."""

    def compare(computed: pl.DataFrame, oracle: pl.DataFrame) -> None:
        key = ["enrolment_id", "observed_epoch_day"]
        assert set(oracle.columns) == set(computed.columns)
        expected = oracle.select(pl.col(name).cast(dtype) for name, dtype in computed.schema.items())
        assert_frame_equal(computed.sort(key), expected.sort(key), check_exact=False, abs_tol=1e-6, rel_tol=0)

    return compare


@pytest.fixture(scope="session")
def keeps_contract() -> Callable[[pl.DataFrame, Table], None]:
    """Hold a frame to its table: columns, types, required values, limits, key."""

    def check(frame: pl.DataFrame, table: Table) -> None:
        assert frame.schema == {column.name: DTYPE[column.field.kind] for column in table.columns}
        for column in table.columns:
            values = frame[column.name].drop_nulls()
            assert not column.is_required or len(values) == len(frame), column.name
            assert column.field.minimum is None or (values >= column.field.minimum).all(), column.name
            assert column.field.maximum is None or (values <= column.field.maximum).all(), column.name
        assert not frame.select(table.key).is_duplicated().any()

    return check
