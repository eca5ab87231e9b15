"""From core to features: landmarks, feature families, labels. Polars runs the functions of `features`.

Belongs here: which rows of core each frame is, and where the functions' rows go. Does not belong here: formulas
(`features`), which landmarks are computed (`pipelines.feature_changes`), wiring (`pipelines.assets`).
Every function takes the open night, brings its table up to its observed_at and returns its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import polars as pl

from data_contracts.schema import Table
from data_contracts.tables import features as tables
from data_contracts.tables.core import (
    AWAY_DAY,
    COMMITMENT,
    ENROLMENT,
    ENROLMENT_DAY,
    GOAL,
    GOAL_UPDATE,
    MENTORING_EVENT,
    MENTORING_MATCH,
    OPENED_ACTIVITY,
    SUBMISSION,
)
from data_contracts.tables.inputs import RAW_INPUTS
from features.labels import labels
from features.registry import REGISTRY, FeatureTable
from features.table import enrolment_week
from features.windows import landmarks
from pipelines.core.local_time import date_day, epoch_day
from pipelines.feature_changes import Fact, Telling, find_landmarks, is_current, remember
from pipelines.resources import Night
from pipelines.warehouse import Warehouse, current

_LONGEST_COURSE_WEEKS = 160
# Landmarks computed together, or more where one course run has more: percentiles are among the whole of a course run.
BATCH_LANDMARKS = 300_000
_ALL = "observed_all"

Lazy = nw.LazyFrame[Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a frame comes from: the asset after which it is there, and its query.

    `keys` name whom a row is about (enrolment, learner, course, mentor); a frame `is_own` when a landmark needs only rows
    of its own first key. `facts` say from which day on a row's columns count; without any, core.restated tells changes.
    A frame of which nothing is said is read as a whole, and a change in it touches all landmarks of whom it is about.
    """

    asset: str
    query: Callable[[Night], str]
    keys: tuple[str, ...]
    facts: tuple[Fact, ...] = (Fact(),)
    is_own: bool = True


def _enrolments(night: Night) -> str:
    """Enrolments of all who did not opt out: who did is neither scored nor learned from."""
    return f"FROM {ENROLMENT.qualified_name} WHERE opted_out_at IS NULL OR opted_out_at >= {night.observed_sql}"


def _events(_: Night) -> str:
    """The mentoring time line, with the seconds from a message to its answer."""
    return (
        "SELECT *, CAST(epoch(answered_at) - epoch(happened_at) AS BIGINT) AS answer_seconds "
        f"FROM {MENTORING_EVENT.qualified_name}"
    )


def _tickets(night: Night) -> str:
    """Tickets with the days on which they were first told of, and first told resolved, never before their own day."""
    before = night.observed_sql
    return f"""
    WITH told AS (
        SELECT ticket_id, resolved_at, min(known_at) AS told_at, min(min(known_at)) OVER (PARTITION BY ticket_id) AS first_at
        FROM raw.support_ticket WHERE known_at < {before} GROUP BY ticket_id, resolved_at
    ),
    person AS (
        SELECT learner_id, min(timezone) AS zone FROM {ENROLMENT.qualified_name}
        WHERE learner_id IN (SELECT learner_id FROM raw.support_ticket) GROUP BY learner_id
    )
    SELECT t.learner_id, {epoch_day("t.opened_at", "zone")} AS opened_epoch_day,
           {epoch_day("greatest(t.opened_at, told.first_at)", "zone")} AS opened_known_epoch_day,
           {epoch_day("t.resolved_at", "zone")} AS resolved_epoch_day,
           CASE WHEN t.resolved_at IS NOT NULL THEN {epoch_day("greatest(t.resolved_at, told.told_at)", "zone")} END
               AS resolved_known_epoch_day
    FROM {current(RAW_INPUTS["support_ticket"], before)} AS t
    JOIN told ON told.ticket_id = t.ticket_id AND told.resolved_at IS NOT DISTINCT FROM t.resolved_at
    JOIN person ON person.learner_id = t.learner_id
    """


# Without a day of release an activity counts as released from the start.
_RELEASED = f"coalesce({date_day('available_on')}, 0) AS available_epoch_day"


def _activities(night: Night) -> str:
    return current(RAW_INPUTS["activity"], night.observed_sql)


def _activity_counts(night: Night) -> str:
    """How many activities each course releases on each day."""
    return f"SELECT course_id, {_RELEASED}, count(*) AS activities_count FROM {_activities(night)} GROUP BY ALL"


def _openings(night: Night) -> str:
    """How many of its own course's activities an enrolment opened, by day of release and day first known."""
    return (
        f"SELECT o.enrolment_id, o.known_epoch_day, {_RELEASED}, count(*) AS opened_count "
        f"FROM {OPENED_ACTIVITY.qualified_name} AS o JOIN {ENROLMENT.qualified_name} AS e USING (enrolment_id) "
        f"JOIN {_activities(night)} AS a ON a.activity_iri = o.activity_iri AND a.course_id = e.course_id GROUP BY ALL"
    )


_ENROLMENT, _LEARNER = ("enrolment_id",), ("learner_id",)
_ENDS = "ended_epoch_day, ended_known_epoch_day, ended_kind, ended_rule, has_recorded_outcome, opted_out_at"
_MATCH_END = "match_ended_epoch_day, match_ended_known_epoch_day"
_ANSWER = "answered_at, answer_seconds, answered_known_epoch_day"
_REVIEW = "reviewed_epoch_day, reviewed_known_epoch_day, status"
_MET_AGAIN = "next_met_epoch_day, is_reviewed_at_next"
_RESOLUTION = "resolved_epoch_day, resolved_known_epoch_day"

FRAMES: Mapping[str, Source] = {
    "landmarks": Source("feat_landmark", lambda _: f"FROM {tables.LANDMARK.qualified_name}", _ENROLMENT, ()),
    # No feature reads an end; it takes landmarks away.
    "enrolments": Source("core_enrolment", _enrolments, _ENROLMENT, (Fact(f"* EXCLUDE ({_ENDS})"),)),
    "enrolment_days": Source("core_enrolment_day", lambda _: f"FROM {ENROLMENT_DAY.qualified_name}", _ENROLMENT, ()),
    # Days of release are told by `activities`.
    "openings": Source("core_enrolment", _openings, _ENROLMENT, ()),
    "activities": Source("core_enrolment", _activity_counts, ("course_id",), (Fact(day="available_epoch_day"),)),
    "away_days": Source(
        "core_away_day", lambda _: f"FROM {AWAY_DAY.qualified_name}", _LEARNER, (Fact(day="known_epoch_day"),)
    ),
    "submissions": Source("core_submission", lambda _: f"FROM {SUBMISSION.qualified_name}", _ENROLMENT, ()),
    # Whom a mentor has besides is counted too.
    "matches": Source(
        "core_mentoring_match",
        lambda _: f"FROM {MENTORING_MATCH.qualified_name}",
        ("learner_id", "mentor_id"),
        (
            Fact(f"* EXCLUDE ({_MATCH_END})", "known_epoch_day"),
            Fact("['match_id', 'match_ended_epoch_day']", "match_ended_known_epoch_day"),
        ),
        is_own=False,
    ),
    "events": Source(
        "core_mentoring_event",
        _events,
        _LEARNER,
        (
            Fact(f"* EXCLUDE ({_ANSWER})", "known_epoch_day"),
            Fact("['event_id', 'answer_seconds']", "answered_known_epoch_day"),
        ),
    ),
    "goals": Source(
        "core_goal",
        lambda _: f"FROM {GOAL.qualified_name}",
        _LEARNER,
        (
            Fact("* EXCLUDE (superseded_epoch_day)", "known_epoch_day"),
            Fact("['goal_id', 'version_number']", "superseded_epoch_day"),
        ),
    ),
    "goal_updates": Source(
        "core_goal", lambda _: f"FROM {GOAL_UPDATE.qualified_name}", _LEARNER, (Fact(day="known_epoch_day"),)
    ),
    "commitments": Source(
        "core_goal",
        lambda _: f"FROM {COMMITMENT.qualified_name}",
        _LEARNER,
        (
            Fact(f"* EXCLUDE ({_REVIEW}, {_MET_AGAIN})", "made_known_epoch_day"),
            Fact("['commitment_id', 'reviewed_epoch_day', 'status']", "reviewed_known_epoch_day"),
            Fact("['commitment_id', 'is_reviewed_at_next']", "next_met_epoch_day"),
        ),
    ),
    "tickets": Source(
        "core_enrolment",
        _tickets,
        _LEARNER,
        (
            Fact(f"* EXCLUDE ({_RESOLUTION})", "opened_known_epoch_day"),
            Fact("['opened_epoch_day', 'resolved_epoch_day']", "resolved_known_epoch_day"),
        ),
    ),
}
"""The frames that feature functions read, by the name of their parameter."""


def build_landmarks(night: Night) -> int:
    """Bring features.landmark up to date, and tell which landmarks the other tables have to compute."""
    warehouse, tonight = night.warehouse, night.tonight_epoch_day
    # No more weeks than somebody has behind them: each enrolment is looked at in all of them.
    days = warehouse.scalar(
        f"SELECT max(least(course_end_epoch_day, {tonight}) - course_start_epoch_day) FROM {ENROLMENT.qualified_name}"
    )
    weeks = nw.from_native(pl.LazyFrame({"week_index": range(min(max(days or 0, 0) // 7 + 1, _LONGEST_COURSE_WEEKS))}))
    rows = _collected(landmarks(_whole(night, "enrolments"), weeks, tonight_epoch_day=tonight))
    with warehouse.transaction():
        _put_landmarks(warehouse, rows)
        made = [family.table.qualified_name for family in REGISTRY.values()] + [tables.ENROLMENT_WEEK.qualified_name]
        telling = {
            name: Telling(source.query(night), source.keys, source.facts)
            for name, source in FRAMES.items()
            if source.facts
        }
        find_landmarks(warehouse, made, telling)
    _forget_cuts(night)
    return rows.height


def _put_landmarks(warehouse: Warehouse, rows: pl.DataFrame) -> None:
    """Bring features.landmark up to tonight's rows; temporary tables `landmark_new` and `landmark_gone`: the difference."""
    table, names = tables.LANDMARK.qualified_name, ", ".join(tables.LANDMARK.column_names)
    if not is_current(warehouse):
        warehouse.execute(f"CREATE OR REPLACE TABLE {table} ({tables.LANDMARK.ddl()})")
    with warehouse.lent("landmark_incoming", rows):
        warehouse.execute(f"CREATE OR REPLACE TEMP TABLE landmark_now AS SELECT {names} FROM landmark_incoming")
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE landmark_gone AS FROM {table} EXCEPT FROM landmark_now")
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE landmark_new AS FROM landmark_now EXCEPT FROM {table}")
    warehouse.execute(
        f"DELETE FROM {table} WHERE (enrolment_id, observed_epoch_day) IN "
        "(SELECT (enrolment_id, observed_epoch_day) FROM landmark_gone)"
    )
    warehouse.execute(f"INSERT INTO {table} FROM landmark_new ORDER BY ALL")
    warehouse.execute("DROP TABLE landmark_now")


def build_family(night: Night, family: FeatureTable) -> int:
    """Bring a table of families up to date."""
    _bring_up(night, family.table, lambda frame: family.rows({name: frame(name) for name in family.reads}))
    return night.warehouse.count(family.table)


def build_enrolment_weeks(night: Night) -> tuple[int, Mapping[str, int]]:
    """Bring features.enrolment_week up to date: all families joined, with the cohort's percentiles.

    Returns its rows and, for the asset's metadata, how many landmarks are new, and how many that stood there before say
    something else now.
    """
    families, warehouse = [family.table.qualified_name for family in REGISTRY.values()], night.warehouse
    name = tables.ENROLMENT_WEEK.qualified_name
    first = _bring_up(
        night, tables.ENROLMENT_WEEK, lambda frame: enrolment_week(frame("landmarks"), *map(frame, families))
    )
    count = warehouse.count(tables.ENROLMENT_WEEK)
    if first is None:
        return count, {"new_landmarks": count, "restated_landmarks": 0}
    still = "FROM stood SEMI JOIN observed USING (enrolment_id, observed_epoch_day)"
    counts = (f"FROM {name} WHERE rowid >= {first}", still, f"({still} EXCEPT FROM {name} WHERE rowid >= {first})")
    made, stood, restated = (int(warehouse.scalar(f"SELECT count(*) FROM ({one})")) for one in counts)
    return count, {"new_landmarks": made - stood, "restated_landmarks": restated}


def _bring_up(night: Night, table: Table, function: Callable[[Callable[[str], Lazy]], Lazy]) -> int | None:
    """Compute a table's landmarks that are to be computed, or all; `function` makes rows from frames by name.

    Returns the place in the table from which on the rows were computed now, with those that they replace in the temporary
    table `stood`; None where all were.
    """
    warehouse, name = night.warehouse, table.qualified_name
    is_all = not is_current(warehouse, name)
    batches = _batches(night, is_all=is_all)
    with warehouse.transaction():
        if is_all:
            warehouse.execute(f"CREATE OR REPLACE TABLE {name} ({table.ddl()})")
        else:
            # Rows of landmarks that are gone go too.
            due = f"SELECT t.rowid FROM {name} AS t SEMI JOIN landmark_due USING (enrolment_id, observed_epoch_day)"
            those = f"FROM {name} WHERE rowid IN ({due})"
            warehouse.execute(f"CREATE OR REPLACE TEMP TABLE stood AS {those}")
            warehouse.execute(f"DELETE {those}")
        first = int(warehouse.scalar(f"SELECT coalesce(max(rowid) + 1, 0) FROM {name}"))
        for batch in batches:
            warehouse.append(table, _collected(function(batch.frame)))
        if is_all:
            remember(warehouse, name)
            return None
        warehouse.execute("DELETE FROM features.landmark_anew WHERE table_name = ?", [name])
    return first


def build_labels(night: Night) -> int:
    """Fill features.label."""
    rows = labels(
        _whole(night, "landmarks"),
        _whole(night, "enrolments"),
        tonight_epoch_day=night.tonight_epoch_day,
        abandon_after_days=night.settings.abandon_after_days,
    )
    return night.warehouse.replace_with(tables.LABEL, _collected(rows))


def build_all(night: Night) -> None:
    """Bring every feature table up to date but the labels."""
    build_landmarks(night)
    for family in REGISTRY.values():
        build_family(night, family)
    build_enrolment_weeks(night)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Landmarks that are computed together, whole course runs of them, and the frames that they need.

    `observed` is the temporary table of all that are to be computed, `number` tells the batch, or is None where there is
    but one.
    """

    night: Night
    observed: str
    number: int | None

    def frame(self, name: str) -> Lazy:
        """A frame by the name of its parameter, or a table of schema features by its qualified name."""
        if name == "landmarks":
            return _lazy(self.night, f"SELECT * EXCLUDE (batch) FROM {self._landmarks()}")
        source = FRAMES.get(name)
        if source is None:
            if self.observed == _ALL and self.number is None:
                return _lazy(self.night, f"FROM {name}")
            # Of all landmarks those of an enrolment are in one batch.
            keys = ("enrolment_id",) if self.observed == _ALL else ("enrolment_id", "observed_epoch_day")
            return _lazy(self.night, f"FROM {name} {_cut(self._landmarks(), *keys)}")
        query = source.query(self.night)
        if self.observed != _ALL:
            # To compute what another table lacks does no harm, so frames are cut once a night for all tables.
            cut = _cut(self.observed, source.keys[0]) if source.is_own else ""
            self.night.warehouse.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS cut_{name} AS FROM ({query}) {cut} ORDER BY ALL"
            )
            query = f"FROM cut_{name}"
        if self.number is not None and source.is_own:
            query = f"FROM ({query}) {_cut(self._landmarks(), source.keys[0])}"
        # Rows in one order, however the nights put them there: sums of floats would differ in their last digit.
        return _lazy(self.night, query if source.facts else f"{query} ORDER BY ALL")

    def _landmarks(self) -> str:
        return self.observed if self.number is None else f"{self.observed} WHERE batch = {self.number}"


def _batches(night: Night, *, is_all: bool) -> list[_Batch]:
    """All landmarks, or those that some table has to compute, in batches: what Polars holds does not grow with history."""
    name = _ALL if is_all else "observed"
    lacking = "SEMI JOIN landmark_due USING (enrolment_id, observed_epoch_day)"
    night.warehouse.execute(
        "CREATE TEMP TABLE IF NOT EXISTS landmark_due AS "
        "SELECT DISTINCT enrolment_id, observed_epoch_day FROM features.landmark_anew"
    )
    # How many landmarks the courses before it have is the same for all of a course.
    night.warehouse.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS {name} AS SELECT *, (rank() OVER (ORDER BY course_id) - 1) // {BATCH_LANDMARKS} "
        f"AS batch FROM features.landmark {'' if is_all else lacking}"
    )
    numbers = [int(row[0]) for row in night.warehouse.rows(f"SELECT DISTINCT batch FROM {name} ORDER BY batch")]
    return [_Batch(night, name, number if len(numbers) > 1 else None) for number in numbers]


def _cut(landmarks: str, *keys: str) -> str:
    return f"SEMI JOIN (SELECT DISTINCT {', '.join(keys)} FROM {landmarks}) USING ({', '.join(keys)})"


def _forget_cuts(night: Night) -> None:
    for name in ("observed", "landmark_due", _ALL, *(f"cut_{name}" for name in FRAMES)):
        night.warehouse.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _whole(night: Night, name: str) -> Lazy:
    return _lazy(night, FRAMES[name].query(night))


def _lazy(night: Night, sql: str) -> Lazy:
    return nw.from_native(night.warehouse.frame(sql).lazy())


def _collected(frame: Lazy) -> pl.DataFrame:
    native = frame.to_native()
    collected = native.collect(engine="streaming")
    assert isinstance(collected, pl.DataFrame)  # noqa: S101 - tells the type checker what Polars returns
    return collected
