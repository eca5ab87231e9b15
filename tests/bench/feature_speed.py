"""Features of millions of enrolment-days on each engine, beside SQL and pandas written by hand for the same columns.

`python tests/bench/feature_speed.py --help`. Each contestant runs in a process of its own, one after another, on the
same database, as a night does: the days lie in a DuckDB file, and the result must lie in it. What is computed:
activity, recency, trend, context and the cohort's percentiles, 48 features a landmark; their rows are held equal.

The world: courses of 34 weeks with 500 learners each, a new one every week; learners differ in how often they come,
come less at weekends, and half of them leave; one row in twenty is known late; 130 rows an enrolment.
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - each contestant's process imports its own engine and no other
import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[2]
THREADS, MEMORY_LIMIT = 2, "8GB"
ROWS_PER_ENROLMENT, LEARNERS_PER_COURSE, COURSE_DAYS = 130, 500, 238
MOST_PANDAS_DAYS = 3_000_000

sys.path.insert(0, str(ROOT))


STRANDS = ("formal", "social", "experiential")
# Which sums over how many days are taken, and whose percentiles.
SUMS = {
    "active_days": (7, 14, 28),
    "events": (7, 14, 21, 28),
    "minutes": (7, 14, 28),
    **dict.fromkeys(("distinct_activities", "forum_events", "quiz_events"), (28,)),
    **{f"{strand}_{of}": (28,) for strand in STRANDS for of in ("events", "active_days", "minutes")},
}
RANKED = {
    "events_28d_percentile": "events_28d",
    "active_days_28d_percentile": "active_days_28d",
    "events_7d_percentile": "events_7d",
    "events_to_date_percentile": "events_to_date",
    "active_days_to_date_percentile": "active_days_to_date",
    "distinct_activities_28d_percentile": "distinct_activities_28d",
    "days_since_activity_percentile": "days_since_activity",
    "submitted_due_percentile": "submitted_due_share",
    "overdue_percentile": "overdue_count",
    "days_early_percentile": "days_early_mean",
    "score_last_percentile": "score_last_share",
    "score_mean_percentile": "score_mean_share",
}
WORK = ("submitted_due_share", "overdue_count", "days_early_mean", "score_last_share", "score_mean_share")
"""What the percentiles need of family assessment, given with the world."""

COUNTS = (
    *(f"{name}_{days}d" for name, windows in SUMS.items() for days in windows if "minutes" not in name and days != 21),
    *("active_days_to_date", "events_to_date", "has_never_started"),
    *("days_since_activity", "available_days_since_activity"),
)
NUMBERS = (
    *(f"minutes_{days}d" for days in SUMS["minutes"]),
    *(f"{strand}_minutes_28d" for strand in STRANDS),
    "minutes_to_date",
    *("gap_to_own_mean_ratio", "events_slope_4w", "events_last_week_ratio", "course_week", "course_elapsed_share"),
    *("enrolled_before_start_days", "weeks_since_enrolment", "studied_credits", "previous_attempts_count"),
    *RANKED,
)
TABLES = ("landmark", "enrolment", "enrolment_day", "away_day")
KEY = ("enrolment_id", "observed_epoch_day")
COLUMNS = (*KEY, *COUNTS, *NUMBERS)
"""What every contestant gives, whatever else the functions of `features` can give meanwhile."""


# --- the world --------------------------------------------------------------------------------------------------------


def write_world(file: Path, days: int, seed: int = 1) -> None:
    """A DuckDB file with enrolment, enrolment_day (about so many rows) and landmark."""
    import duckdb
    import narwhals as nw
    import numpy as np
    import polars as pl

    from features.windows import landmarks

    random = np.random.default_rng(seed)
    count = max(days // ROWS_PER_ENROLMENT, 8)
    number = np.arange(count)
    course = number // LEARNERS_PER_COURSE
    start = 18_000 + 7 * course + course % 5
    tonight = int(start.max()) + 120
    leaves = np.where(random.random(count) < 0.5, start + random.exponential(120, count).astype(int), 2**31)
    is_gone = leaves < np.minimum(start + COURSE_DAYS, tonight)
    enrolment = pl.DataFrame(
        {
            "enrolment_id": pl.Series(number).cast(pl.String).str.zfill(32),
            "learner_id": pl.Series(number).cast(pl.String).str.zfill(32),
            "programme_id": "p",
            "course_id": "course-" + pl.Series(course).cast(pl.String),
            "enrolled_epoch_day": start - random.integers(0, 40, count),
            "course_start_epoch_day": start,
            "course_end_epoch_day": start + COURSE_DAYS - 1,
            "ended_epoch_day": leaves,
            "ended_known_epoch_day": leaves,
            "ended_kind": "abandoned",
            "studied_credits": random.integers(1, 5, count) * 30.0,
            "previous_attempts_count": random.integers(0, 2, count),
            **{name: random.integers(0, 101, count) / 100 for name in WORK},
        }
    ).with_columns(
        pl.when(pl.Series(is_gone)).then(name) for name in ("ended_epoch_day", "ended_known_epoch_day", "ended_kind")
    )
    weeks = pl.LazyFrame({"week_index": range(COURSE_DAYS // 7)})
    seen = landmarks(nw.from_native(enrolment.lazy()), nw.from_native(weeks), tonight_epoch_day=tonight)
    last = np.minimum(np.minimum(leaves, start + COURSE_DAYS), tonight)
    share = random.gamma(2, 1, count)
    who = random.choice(count, int(days * 1.3), p=share / share.sum())
    # Half of the weekends' days are moved into the week.
    day = (start[who] - 10 + random.random(len(who)) * (last - start + 10)[who]).astype(np.int64)
    day -= np.where((day % 7 >= 5) & (random.random(len(who)) < 0.5), 2, 0)
    late = np.where(random.random(len(who)) < 0.05, random.choice([1, 2, 9, 30], len(who)), 0)
    kind = random.choice(5, len(who), p=[0.5, 0.2, 0.15, 0.1, 0.05])
    rows = (
        pl.DataFrame({"number": who, "epoch_day": day, "known_epoch_day": day + late, "kind": kind})
        .lazy()
        .unique()
        .head(days)
        .collect()
    )
    events = random.geometric(0.15, len(rows))
    rows = rows.select(
        pl.col("number").cast(pl.String).str.zfill(32).alias("enrolment_id"),
        "epoch_day",
        "known_epoch_day",
        pl.lit(pl.Series([STRANDS[0], STRANDS[1], STRANDS[0], STRANDS[2], STRANDS[1]])).gather("kind").alias("strand"),
        pl.lit(pl.Series(["content", "forum", "quiz", "assessment", "collaboration"]))
        .gather("kind")
        .alias("activity_kind"),
        events_count=pl.Series(events),
        minutes=pl.Series(events * random.integers(1, 500, len(rows)) / 60),
        distinct_activities_count=pl.Series((events + 2) // 3),
    )
    with duckdb.connect(str(file)) as con:
        frames = {"enrolment": enrolment, "enrolment_day": rows, "landmark": seen.collect().to_native()}
        for name, frame in frames.items():
            con.register("given", frame.to_arrow())
            con.execute(f"CREATE TABLE {name} AS FROM given")
            con.unregister("given")
        con.execute(
            "CREATE TABLE away_day AS SELECT learner_id, course_start_epoch_day + d AS epoch_day, epoch_day + d % 3 - 1 "
            "AS known_epoch_day FROM enrolment, range(5, 200) AS days(d) WHERE hash(learner_id, d // 7) % 40 = 0"
        )
        for name in WORK:
            con.execute(f"ALTER TABLE landmark ADD COLUMN {name} DOUBLE")
        con.execute(
            f"UPDATE landmark SET {', '.join(f'{name} = e.{name}' for name in WORK)} FROM enrolment AS e "
            "WHERE e.enrolment_id = landmark.enrolment_id AND hash(e.enrolment_id, observed_epoch_day) % 10 > 0"
        )


# --- contestants, each in a process of its own ------------------------------------------------------------------------


def table_of(frames: dict[str, Any]) -> Any:
    """The functions of `features` on lazy frames of any engine, joined as a night joins them."""
    from features.cohort import cohort_features
    from features.registry import REGISTRY

    joined = frames["landmarks"]
    for family in ("activity", "context"):
        joined = joined.join(REGISTRY[family].rows(frames), on=list(KEY), how="left")
    return cohort_features(joined).select(*COLUMNS)


def by_polars(con: duckdb.DuckDBPyConnection) -> None:
    """The default: out of the database as Arrow, Polars, into it again."""
    import narwhals as nw

    frames = {f"{name}s": nw.from_native(con.sql(f"FROM {name}").pl().lazy()) for name in TABLES}
    computed = table_of(frames).to_native().collect(engine="streaming")
    con.register("computed", computed)
    con.execute("CREATE TABLE result AS FROM computed")


def by_duckdb(con: duckdb.DuckDBPyConnection) -> None:
    """The same functions, run by DuckDB."""
    import narwhals as nw

    frames = {f"{name}s": nw.from_native(con.table(name)) for name in TABLES}
    con.execute(f"CREATE TABLE result AS {table_of(frames).to_native().sql_query()}")


def by_spark(con: duckdb.DuckDBPyConnection) -> None:
    """The same functions on Spark `local[2]`, with Parquet files on the way there and back."""
    import narwhals as nw

    with tempfile.TemporaryDirectory() as folder:
        frames = {}
        for name in TABLES:
            con.execute(f"COPY (FROM {name}) TO '{folder}/{name}.parquet'")
            frames[f"{name}s"] = nw.from_native(_spark().read.parquet(f"{folder}/{name}.parquet"))
        table_of(frames).to_native().write.parquet(f"{folder}/result")
        con.execute(f"CREATE TABLE result AS FROM '{folder}/result/*.parquet'")


@cache
def _spark() -> SparkSession:
    from pyspark.sql import SparkSession

    from tests.unit.features.spark import java_home

    os.environ |= {"JAVA_HOME": java_home(), "SPARK_LOCAL_IP": "127.0.0.1"}
    options = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "6g",
        "spark.sql.shuffle.partitions": str(THREADS),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": tempfile.gettempdir(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
    }
    return SparkSession.builder.master(f"local[{THREADS}]").config(map=options).getOrCreate()


def _java() -> int | None:
    """The process of Spark's Java, which does its work."""
    if "pyspark" not in sys.modules:
        return None
    from pyspark import SparkContext

    return int(SparkContext._gateway.proc.pid)


def _after(day: str) -> str:
    """The first day of the phase after a day."""
    return f"{day} + 1 + ((phase - {day} - 1) % 7 + 7) % 7"


def by_sql(con: duckdb.DuckDBPyConnection) -> None:
    """SQL by hand: days to weeks, weeks to windows and running sums, ranks."""
    trailing = ", ".join(
        f"sum({name}) {'' if days == 28 else f'FILTER (lag < {days // 7})'} AS {name}_{days}d"
        for name, windows in SUMS.items()
        for days in windows
    )
    by_strand = ", ".join(
        f"""sum(events_count::DOUBLE) FILTER (strand = '{strand}') AS {strand}_events,
            sum(minutes) FILTER (strand = '{strand}') AS {strand}_minutes,
            min(known_epoch_day) FILTER (strand = '{strand}') AS {strand}_known"""
        for strand in STRANDS
    )
    first_known = ", ".join(f"min({strand}_known) AS {strand}_first" for strand in STRANDS)
    strand_days = ", ".join(
        f"coalesce(known_epoch_day = coalesce({strand}_first, {strand}_known), false)::DOUBLE AS {strand}_active_days"
        for strand in STRANDS
    )
    standing = ", ".join(
        f"""{name}_rank AS (
            SELECT cohort, {value}, (sum(n) OVER (PARTITION BY cohort ORDER BY {value}) - n / 2)
                / sum(n) OVER (PARTITION BY cohort) AS {name}
            FROM (
                SELECT cohort, {value}, count(*)::DOUBLE AS n FROM featured WHERE {value} IS NOT NULL GROUP BY ALL
            )
        )"""
        for name, value in RANKED.items()
    )
    stood = " ".join(f"LEFT JOIN {name}_rank USING (cohort, {value})" for name, value in RANKED.items())
    con.execute(
        f"""
        CREATE TABLE result AS
        -- Short numbers instead of long names, doubles instead of sums that widen.
        WITH enrolled AS (SELECT *, row_number() OVER ()::INTEGER AS e FROM enrolment),
        l AS (
            SELECT e, l.*, (l.observed_epoch_day % 7)::INTEGER AS phase,
                dense_rank() OVER (ORDER BY l.course_id, l.observed_epoch_day, l.is_scoring)::INTEGER AS cohort
            FROM landmark AS l JOIN enrolled USING (enrolment_id)
        ),
        day AS (
            SELECT e, epoch_day, known_epoch_day, sum(events_count::DOUBLE) AS events, sum(minutes) AS minutes,
                sum(distinct_activities_count::DOUBLE) AS distinct_activities,
                sum(events_count::DOUBLE) FILTER (activity_kind IN ('forum', 'collaboration')) AS forum_events,
                sum(events_count::DOUBLE) FILTER (activity_kind IN ('quiz', 'assessment')) AS quiz_events,
                {by_strand}
            FROM enrolment_day JOIN enrolled USING (enrolment_id) GROUP BY e, epoch_day, known_epoch_day
        ),
        -- The few days of which more became known later.
        added_to AS (
            SELECT e, epoch_day, min(known_epoch_day) AS first, {first_known}
            FROM day GROUP BY e, epoch_day HAVING count(*) > 1
        ),
        counted_day AS (
            SELECT day.*, (known_epoch_day = coalesce(first, known_epoch_day))::DOUBLE AS active_days, {strand_days}
            FROM day LEFT JOIN added_to USING (e, epoch_day)
        ),
        phase AS (SELECT DISTINCT e, phase FROM l),
        cell AS (
            SELECT e, phase, {_after("epoch_day")} AS week, {_after("known_epoch_day")} AS seen,
                {", ".join(f"sum({name}) AS {name}" for name in SUMS)}, min(epoch_day) AS first, max(epoch_day) AS last
            FROM counted_day JOIN phase USING (e) GROUP BY e, phase, week, seen
        ),
        recent AS (
            SELECT e, week + 7 * lag AS observed_epoch_day, {trailing}
            FROM cell, range(4) AS lags(lag) WHERE week + 7 * lag >= seen GROUP BY ALL
        ),
        step AS (
            SELECT e, phase, seen, sum(active_days) AS active_days, sum(events) AS events,
                sum(minutes) AS minutes, min(first) AS first, max(last) AS last
            FROM cell GROUP BY ALL
        ),
        so_far AS (
            SELECT e, phase, seen, sum(active_days) OVER past AS active_days_to_date,
                sum(events) OVER past AS events_to_date, sum(minutes) OVER past AS minutes_to_date,
                min(first) OVER past AS first, max(last) OVER past AS last
            FROM step WINDOW past AS (PARTITION BY e, phase ORDER BY seen)
        ),
        known AS (
            SELECT l.*, n.* EXCLUDE (e, enrolment_id, learner_id, programme_id, course_id, {", ".join(WORK)}),
                coalesce(COLUMNS(r.* EXCLUDE (e, observed_epoch_day)), 0),
                coalesce(active_days_to_date, 0) AS active_days_to_date, coalesce(events_to_date, 0) AS events_to_date,
                coalesce(minutes_to_date, 0) AS minutes_to_date, last IS NULL AS has_never_started, first, last,
                coalesce(l.observed_epoch_day - 1 - last, greatest(l.observed_epoch_day - enrolled_epoch_day, 0))
                    AS days_since_activity
            FROM l JOIN enrolled AS n USING (e)
            LEFT JOIN recent AS r ON r.e = l.e AND r.observed_epoch_day = l.observed_epoch_day
            ASOF LEFT JOIN so_far AS s ON s.e = l.e AND s.phase = l.phase AND s.seen <= l.observed_epoch_day
        ),
        away AS (
            SELECT e, observed_epoch_day, count(*) AS away_days
            FROM known AS k JOIN away_day AS a
              ON a.learner_id = k.learner_id AND a.epoch_day >= observed_epoch_day - days_since_activity
             AND a.epoch_day < observed_epoch_day AND a.known_epoch_day < observed_epoch_day
            GROUP BY ALL
        ),
        featured AS (
            SELECT *, days_since_activity - coalesce(away_days, 0) AS available_days_since_activity,
                CASE WHEN active_days_to_date > 1
                     THEN days_since_activity * (active_days_to_date - 1) / (last - first) END AS gap_to_own_mean_ratio,
                (1.5 * ln(1 + events_7d) + 0.5 * ln(1 + events_14d - events_7d) - 0.5 * ln(1 + events_21d - events_14d)
                 - 1.5 * ln(1 + events_28d - events_21d)) / 5 AS events_slope_4w,
                (1 + events_7d) / (1 + (events_28d - events_7d) / 3) AS events_last_week_ratio,
                floor((observed_epoch_day - course_start_epoch_day) / 7) AS course_week,
                greatest(0, least(1, (observed_epoch_day - course_start_epoch_day)
                    / (course_end_epoch_day - course_start_epoch_day + 1))) AS course_elapsed_share,
                course_start_epoch_day - enrolled_epoch_day AS enrolled_before_start_days,
                floor((observed_epoch_day - enrolled_epoch_day) / 7) AS weeks_since_enrolment
            FROM known LEFT JOIN away USING (e, observed_epoch_day)
        ),
        {standing}
        SELECT {", ".join(KEY + COUNTS)}, {", ".join(f"floor({name} * 1e6 + 0.5) / 1e6 AS {name}" for name in NUMBERS)}
        FROM featured {stood}
        """
    )


def by_pandas(con: duckdb.DuckDBPyConnection) -> None:
    """Pandas as an analyst would write it, without loops over learners."""
    import numpy as np
    import pandas as pd

    landmark, enrolment, days, away = (con.sql(f"FROM {name}").df() for name in TABLES)
    events, kind = days["events_count"], days["activity_kind"]
    days = days.assign(
        events=events,
        distinct_activities=days["distinct_activities_count"],
        forum_events=events.where(kind.isin(["forum", "collaboration"]), 0),
        quiz_events=events.where(kind.isin(["quiz", "assessment"]), 0),
        **{f"{name}_events": events.where(days["strand"] == name, 0) for name in STRANDS},
        **{f"{name}_minutes": days["minutes"].where(days["strand"] == name, 0) for name in STRANDS},
        **{f"{name}_known": days["known_epoch_day"].where(days["strand"] == name) for name in STRANDS},
    )
    sums = [name for name in SUMS if not name.endswith("active_days")]
    known = [f"{name}_known" for name in STRANDS]
    by_day = days.groupby(["enrolment_id", "epoch_day", "known_epoch_day"], sort=False)
    day = by_day[sums].sum().join(by_day[known].min()).reset_index()
    first_known = day.groupby(["enrolment_id", "epoch_day"], sort=False)[["known_epoch_day", *known]].transform("min")
    for name in ("known_epoch_day", *known):
        active_days = name.replace("known_epoch_day", "active_days").replace("known", "active_days")
        day[active_days] = (day[name] == first_known[name]).astype(int)
    landmark["phase"] = landmark["observed_epoch_day"] % 7
    day = day.merge(landmark[["enrolment_id", "phase"]].drop_duplicates(), on="enrolment_id")
    for name, known in (("week", "epoch_day"), ("seen", "known_epoch_day")):
        day[name] = day[known] + 1 + (day["phase"] - day[known] - 1) % 7
    by_cell = day.groupby(["enrolment_id", "phase", "week", "seen"], sort=False)
    cell = by_cell[list(SUMS)].sum()
    cell[["first", "last"]] = by_cell["epoch_day"].agg(["min", "max"])
    cell = cell.reset_index()
    parts = []
    for lag in range(4):
        observed = cell["week"] + 7 * lag
        part = {
            f"{name}_{window}d": cell[name] * (7 * lag < window) for name, windows in SUMS.items() for window in windows
        }
        parts.append(
            pd.DataFrame({"enrolment_id": cell["enrolment_id"], "observed_epoch_day": observed, **part})[
                observed >= cell["seen"]
            ]
        )
    recent = pd.concat(parts).groupby(list(KEY), sort=False).sum().reset_index()
    step = cell.groupby(["enrolment_id", "phase", "seen"]).agg(
        {"active_days": "sum", "events": "sum", "minutes": "sum", "first": "min", "last": "max"}
    )
    by_phase = step.groupby(level=["enrolment_id", "phase"])
    so_far = by_phase[["active_days", "events", "minutes"]].cumsum().add_suffix("_to_date")
    so_far["first"], so_far["last"] = by_phase["first"].cummin(), by_phase["last"].cummax()
    so_far = so_far.reset_index().sort_values("seen")
    named = enrolment.drop(columns=["learner_id", "programme_id", "course_id", *WORK])
    table = (
        landmark.merge(named, on="enrolment_id")
        .merge(recent, on=list(KEY), how="left")
        .sort_values("observed_epoch_day")
    )
    table = pd.merge_asof(table, so_far, left_on="observed_epoch_day", right_on="seen", by=["enrolment_id", "phase"])
    counts = [*(f"{name}_{window}d" for name, windows in SUMS.items() for window in windows)]
    counts += ["active_days_to_date", "events_to_date", "minutes_to_date"]
    table[counts] = table[counts].fillna(0)
    observed, start = table["observed_epoch_day"], table["course_start_epoch_day"]
    never = table["last"].isna()
    silence = (observed - 1 - table["last"]).where(~never, (observed - table["enrolled_epoch_day"]).clip(lower=0))
    silent = (
        table[[*KEY, "learner_id"]]
        .assign(since=observed - silence)
        .merge(away.rename(columns={"epoch_day": "away_day", "known_epoch_day": "away_known_day"}), on="learner_id")
    )
    is_before = (silent[["away_day", "away_known_day"]] < silent[["observed_epoch_day"]].to_numpy()).all(axis=1)
    silent = silent[is_before & (silent["away_day"] >= silent["since"])].groupby(list(KEY)).size().rename("away_days")
    away_days = table[list(KEY)].merge(silent.reset_index(), on=list(KEY), how="left")["away_days"].fillna(0).to_numpy()
    weeks = [table["events_7d"]]
    weeks += [table[f"events_{days}d"] - table[f"events_{days - 7}d"] for days in (14, 21, 28)]
    logs = [np.log(1 + week) for week in weeks]
    table = table.assign(
        has_never_started=never.astype(int),
        days_since_activity=silence,
        available_days_since_activity=silence - away_days,
        gap_to_own_mean_ratio=(silence * (table["active_days_to_date"] - 1) / (table["last"] - table["first"])).where(
            table["active_days_to_date"] > 1
        ),
        events_slope_4w=(1.5 * logs[0] + 0.5 * logs[1] - 0.5 * logs[2] - 1.5 * logs[3]) / 5,
        events_last_week_ratio=(1 + weeks[0]) / (1 + (weeks[1] + weeks[2] + weeks[3]) / 3),
        course_week=(observed - start) // 7,
        course_elapsed_share=((observed - start) / (table["course_end_epoch_day"] - start + 1)).clip(0, 1),
        enrolled_before_start_days=start - table["enrolled_epoch_day"],
        weeks_since_enrolment=(observed - table["enrolled_epoch_day"]) // 7,
    )
    cohort = table.groupby(["course_id", "observed_epoch_day", "is_scoring"], sort=False)
    for name, value in RANKED.items():
        table[name] = (cohort[value].rank() - 0.5) / cohort[value].transform("count")
    result = table[list(COLUMNS)].copy()
    result[list(NUMBERS)] = np.floor(result[list(NUMBERS)] * 1e6 + 0.5) / 1e6
    con.register("computed", result)
    con.execute("CREATE TABLE result AS FROM computed")


CONTESTANTS: dict[str, Callable[[duckdb.DuckDBPyConnection], None]] = {
    "sql": by_sql,
    "polars": by_polars,
    "duckdb": by_duckdb,
    "pandas": by_pandas,
    "spark": by_spark,
}
# What is imported before the clock starts: a night has its engines already.
IMPORTS = {
    "sql": (),
    "polars": ("polars", "features.cohort", "features.registry"),
    "duckdb": ("polars", "features.cohort", "features.registry"),
    "pandas": ("pandas",),
    "spark": ("features.cohort", "features.registry"),
}
WORDS = {
    "sql": "DuckDB, SQL by hand",
    "polars": "features on Polars, the default",
    "duckdb": "features on DuckDB",
    "pandas": "pandas by hand",
    "spark": "features on Spark",
}


# --- running them -----------------------------------------------------------------------------------------------------


def contest(name: str, world: Path, file: Path) -> dict[str, float]:
    """In a process of its own: the world attached, the result in a file of its own."""
    import duckdb

    for module in IMPORTS[name]:
        import_module(module)
    con = duckdb.connect(str(file), config={"threads": THREADS, "memory_limit": MEMORY_LIMIT})
    con.execute(f"ATTACH '{world}' AS world (READ_ONLY)")
    for table in TABLES:
        con.execute(f"CREATE VIEW {table} AS FROM world.{table}")
    if name == "spark":
        _spark().range(1).count()
    started, begun = time.perf_counter(), core_seconds()
    CONTESTANTS[name](con)
    seconds, used = time.perf_counter() - started, core_seconds() - begun
    rows = con.execute("SELECT count(*) FROM result").fetchall()[0][0]
    con.close()
    return {"rows": rows, "seconds": seconds, "core_seconds": used, "megabytes": peak_megabytes()}


def core_seconds() -> float:
    """Processor time of this process, and of Spark's Java where it runs."""
    used = time.process_time()
    if java := _java():
        ticks = Path(f"/proc/{java}/stat").read_text("ascii").rpartition(")")[2].split()[11:13]
        used += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return used


def peak_megabytes() -> float:
    """The most memory that this process had, and Spark's Java where it runs."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if java := _java():
        kilobytes += int(Path(f"/proc/{java}/status").read_text("ascii").split("VmHWM:")[1].split()[0])
    return kilobytes / 1024


def run(name: str, world: Path, file: Path) -> dict[str, float]:
    """Run a contestant; its landmarks, seconds and megabytes at the peak."""
    file.unlink(missing_ok=True)
    words = [sys.executable, __file__, "--contestant", name, "--world", world, "--result", file]
    environment = os.environ | {"POLARS_MAX_THREADS": str(THREADS)}
    out = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    told: dict[str, float] = json.loads(out.splitlines()[-1])
    return told


def differences(one: Path, other: Path) -> dict[str, int]:
    """How many rows of two results differ by column, by more than one step of the rounding."""
    import duckdb

    values = COUNTS + NUMBERS
    with duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY_LIMIT}) as con:
        con.execute(f"ATTACH '{one}' AS one (READ_ONLY); ATTACH '{other}' AS other (READ_ONLY)")
        counts = ", ".join(
            f"count(*) FILTER (NOT coalesce(abs(a.{name}::DOUBLE - b.{name}::DOUBLE) <= 1.1e-6, "
            f"a.{name} IS NULL AND b.{name} IS NULL)) AS {name}"
            for name in values
        )
        missing = "count(*) FILTER (a.enrolment_id IS NULL OR b.enrolment_id IS NULL)"
        row = con.execute(
            f"SELECT {missing}, {counts} FROM one.result AS a FULL JOIN other.result AS b "
            f"ON a.enrolment_id = b.enrolment_id AND a.observed_epoch_day = b.observed_epoch_day"
        ).fetchall()[0]
    return {name: found for name, found in zip(("rows", *values), row, strict=True) if found}


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--days", type=int, nargs="+", default=[2_000_000], help="rows of enrolment_day")
    quick = [name for name in CONTESTANTS if name != "spark"]
    options.add_argument(
        "--contestants",
        nargs="+",
        choices=tuple(CONTESTANTS),
        default=quick,
        help="by default all but spark, which is slow",
    )
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--folder", type=Path, help="where worlds are written and kept; a temporary one by default")
    options.add_argument("--contestant", choices=tuple(CONTESTANTS), help=argparse.SUPPRESS)
    options.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.contestant:
        # The two cores that all share, also on a larger machine.
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
        sys.stdout.write(json.dumps(contest(arguments.contestant, arguments.world, arguments.result)) + "\n")
        return
    folder = arguments.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for days in arguments.days:
            compare(folder, days, arguments.contestants, arguments.rounds)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)


def compare(folder: Path, days: int, contestants: list[str], rounds: int) -> None:
    """Every contestant on a world of so many days, as often as asked; the fastest round counts."""
    world = folder / f"world-{days}.duckdb"
    if not world.exists():
        part = world.with_suffix(".part")
        part.unlink(missing_ok=True)
        write_world(part, days)
        part.rename(world)
    best: dict[str, dict[str, float]] = {}
    names = [name for name in contestants if name != "pandas" or days <= MOST_PANDAS_DAYS]
    for _ in range(rounds):
        for name in names:
            told = run(name, world, folder / f"{name}.duckdb")
            if name not in best or told["seconds"] < best[name]["seconds"]:
                best[name] = told
    for name in names:
        told = best[name]
        ratio = ""
        if "sql" in best:
            of_time, of_cores = (told[unit] / best["sql"][unit] for unit in ("seconds", "core_seconds"))
            ratio = f"{of_time:5.2f} times SQL ({of_cores:.2f} by cores)"
        differs = differences(folder / "sql.duckdb", folder / f"{name}.duckdb") if "sql" in best else {}
        sys.stdout.write(
            f"{days:>11,} days {int(told['rows']):>9,} landmarks  {WORDS[name]:<32} {told['seconds']:7.2f} s "
            f"{told['core_seconds']:7.2f} core s {told['megabytes']:6.0f} MB  {ratio}  "
            f"{'differs: ' + str(differs) if differs else 'equal rows'}\n"
        )
        sys.stdout.flush()
    for name in names:
        (folder / f"{name}.duckdb").unlink()


if __name__ == "__main__":
    main()
