"""A small random world, and a runner that holds Polars and DuckDB to equal rows."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator

import duckdb
import narwhals as nw
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from data_contracts.fields.learning import STRANDS
from data_contracts.schema import Kind, Table
from features.windows import landmarks
from tests.unit.features import spark
from tests.unit.features.mentoring_world import delays, made_mentoring

# Days lie on both sides of 1970-01-01, where engines' remainders and quotients disagree.
TONIGHT = 75
COURSES = {"c1": ("p1", -40, 45), "c2": ("p1", -11, 80), "c3": ("p2", 6, 120), None: ("p2", -3, 110)}
KINDS = ("content", "forum", "collaboration", "quiz", "assessment", "page")
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


def _enrolment_days(random: np.random.Generator, enrolments: pl.DataFrame, rows: int) -> pl.DataFrame:
    started = enrolments.filter(pl.int_range(pl.len()) % 4 != 3)["enrolment_id"].to_numpy()
    day = random.integers(-65, TONIGHT + 20, rows)
    key = ["enrolment_id", "epoch_day", "known_epoch_day", "strand", "activity_kind"]
    return pl.DataFrame(
        {
            "enrolment_id": random.choice(started, rows),
            "epoch_day": day,
            "known_epoch_day": day + delays(random, rows),
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
                    "known_epoch_day": None if submitted is None else submitted + int(delays(random, 1)[0]),
                    "score_share": float(random.integers(0, 101)) / 100 if is_scored else None,
                    "score_known_epoch_day": submitted + int(delays(random, 1)[0]) if is_scored else None,
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def _away(random: np.random.Generator, learners: list[str]) -> pl.DataFrame:
    """Leave and closed days, some planned ahead and some told late; half of the learners have none."""
    rows = 40 * len(learners)
    day = random.integers(-65, TONIGHT + 20, rows)
    return pl.DataFrame(
        {
            "learner_id": random.choice(learners[::2], rows),
            "epoch_day": day,
            "known_epoch_day": day + random.choice([-20, -3, 0, 0, 6, 25], rows),
            "away_kind": random.choice(["leave", "closed"], rows),
        }
    ).unique(["learner_id", "epoch_day"], keep="first", maintain_order=True)


def _coverage(random: np.random.Generator, enrolments: pl.DataFrame) -> World:
    """What each course releases on which day, and what of it each enrolment has opened; one in four opens nothing."""
    activities = pl.DataFrame(
        [
            {
                "course_id": course,
                "available_epoch_day": start + 7 * week,
                "activities_count": int(random.integers(1, 9)),
            }
            for course, (_, start, _) in COURSES.items()
            if course is not None
            for week in range(12)
        ]
    )
    started = enrolments.filter(pl.int_range(pl.len()) % 4 != 3).select("enrolment_id", "course_id")
    offered = started.join(activities, on="course_id")
    opened = random.binomial(offered["activities_count"].to_numpy(), 0.5)
    spread = offered.with_columns(opened_count=pl.Series(opened)).filter(pl.col("opened_count") > 0)
    late = random.integers(-9, 30, len(spread))
    openings = spread.select(
        "enrolment_id",
        (pl.col("available_epoch_day") + pl.Series(late)).alias("known_epoch_day"),
        "available_epoch_day",
        "opened_count",
    )
    return {"openings": openings, "activities": activities}


@pytest.fixture(scope="session")
def tonight() -> int:
    return TONIGHT


@functools.cache
def made_world(seed: int) -> World:
    """Forty enrolments in three courses and without one: four phases and tonight's, late rows, never-starters."""
    random = np.random.default_rng(seed)
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
        **made_mentoring(random, sorted(set(enrolments["learner_id"])), tonight=TONIGHT),
        "away_days": _away(random, sorted(set(enrolments["learner_id"]))),
        **_coverage(random, enrolments),
    }


@pytest.fixture(scope="session")
def world() -> World:
    """One small random world."""
    return made_world(7)


@pytest.fixture(scope="session")
def world_of() -> Callable[[int], World]:
    """Small random worlds by their seed; each is made once and not written into."""
    return made_world


Run = Callable[..., pl.DataFrame]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test that runs on both engines runs twice: Polars beside DuckDB, and Polars beside Spark.

    The second is skipped where Spark is missing, unless HANDRAIL_REQUIRE_SPARK is 1: then that is a failure.
    """
    if "on_both" in metafunc.fixturenames:
        reason = None if os.environ.get("HANDRAIL_REQUIRE_SPARK") == "1" else spark.missing()
        marks = [pytest.mark.spark, *([pytest.mark.skip(reason)] if reason else [])]
        metafunc.parametrize("on_both", ["duckdb", pytest.param("spark", marks=marks)], indirect=True, scope="session")


@pytest.fixture(scope="session")
def on_polars() -> Run:
    """Run a feature function on Polars alone, for cases by hand: a whole world shows that engines agree."""

    def run(function: Callable[..., nw.LazyFrame], *frames: pl.DataFrame) -> pl.DataFrame:
        found = function(*(nw.from_native(frame.lazy()) for frame in frames)).collect().to_native()
        return found.sort(found.columns)

    return run


@pytest.fixture(scope="session")
def on_duckdb() -> Run:
    def run(function: Callable[..., nw.LazyFrame], *frames: pl.DataFrame, **settings: object) -> pl.DataFrame:
        with duckdb.connect() as connection:
            relations = []
            for number, frame in enumerate(frames):
                connection.register(f"given_{number}", frame.to_arrow())
                connection.execute(f"CREATE TABLE frame_{number} AS SELECT * FROM given_{number}")
                relations.append(nw.from_native(connection.table(f"frame_{number}")))
            return function(*relations, **settings).collect("polars").to_native()

    return run


@pytest.fixture(scope="session")
def on_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    session = spark.start(tmp_path_factory.mktemp("spark"))
    # A frame is handed over once; it is kept beside what became of it, so that its id stays its own.
    given: dict[int, tuple[pl.DataFrame, nw.LazyFrame]] = {}

    def lent(frame: pl.DataFrame) -> nw.LazyFrame:
        if id(frame) not in given:
            given[id(frame)] = frame, nw.from_native(session.createDataFrame(frame.to_arrow()))
        return given[id(frame)][1]

    def run(function: Callable[..., nw.LazyFrame], *frames: pl.DataFrame, **settings: object) -> pl.DataFrame:
        return function(*map(lent, frames), **settings).collect("polars").to_native()

    yield run
    spark.stop(session)


@pytest.fixture(scope="session")
def on_both(request: pytest.FixtureRequest) -> Run:
    """Run a feature function on Polars and on the other engine, hold the rows equal, return them sorted."""
    on_other: Run = request.getfixturevalue(f"on_{request.param}")

    def run(function: Callable[..., nw.LazyFrame], *frames: pl.DataFrame, **settings: object) -> pl.DataFrame:
        on_polars = function(*(nw.from_native(frame.lazy()) for frame in frames), **settings).collect().to_native()
        ordered = on_polars.sort(on_polars.columns)
        other = on_other(function, *frames, **settings)
        assert_frame_equal(ordered, other.sort(on_polars.columns), check_exact=True)
        return ordered

    return run


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
