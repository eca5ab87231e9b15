"""Which landmarks a night computes: new ones, those of whom something changed that they could know, and their cohorts.

Belongs here: what is remembered of the frames that feature functions read, and telling landmarks from what changed. Does
not belong here: the frames and their functions (`pipelines.feature_tables`).

A frame's rows tell facts, each from a day on: a landmark D knows a fact of day d only if d < D, so a fact that came, went
or changed touches the landmarks after its day, of the enrolment, learner, course or mentor it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb

from data_contracts.tables.features import FACT_STATE, FEATURE_TABLES, LANDMARK
from pipelines.core.basis import basis_of, code_mark, forget_basis, id_number, set_basis
from pipelines.core.local_time import ALWAYS
from pipelines.warehouse import Warehouse

AREA = "features"
"""Of ops.basis; that of each table is its qualified name."""

# Where more landmarks than this are touched, computing all costs less than telling which.
MOST_TOUCHED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Fact:
    """Columns that say something together, and the column with the day on which it is known; by default always.

    `columns` as COLUMNS takes them. Where the day is null there is no such fact.
    """

    columns: str = "*"
    day: str = str(ALWAYS)


@dataclass(frozen=True, slots=True)
class Telling:
    """A frame's query, the columns that name whom its rows are about, and the facts that they tell."""

    query: str
    keys: tuple[str, ...]
    facts: tuple[Fact, ...]


def is_current(warehouse: Warehouse, area: str = AREA) -> bool:
    """Whether the area's table was made by this code, so that it may be gone on from."""
    return basis_of(warehouse, area) == _basis()


def remember(warehouse: Warehouse, area: str = AREA) -> None:
    """Let the next night go on from the area's table as it is made now."""
    set_basis(warehouse, area, _basis())


def _basis() -> str:
    columns = " ".join(table.ddl() for table in FEATURE_TABLES)
    return f"{code_mark()} {duckdb.__version__} {columns}"


def find_landmarks(warehouse: Warehouse, tables: Iterable[str], frames: Mapping[str, Telling]) -> None:
    """Fill features.landmark_anew for each table; where most or all landmarks are, let the tables be made as a whole.

    Call when features.landmark is tonight's and the temporary tables `landmark_new` and `landmark_gone` tell how it differs
    from the last night's.

    Args:
        warehouse: open, in the transaction that makes features.landmark.
        tables: qualified names of the tables that have a row per landmark.
        frames: what tells facts, by name.
    """
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE facts_now AS {_state(frames)}")
    if not is_current(warehouse):
        warehouse.execute(f"CREATE OR REPLACE TABLE features.fact_state ({FACT_STATE.ddl()})")
    _compare(warehouse)
    names = list(tables)
    is_all = not is_current(warehouse)
    if not is_all:
        _find_touched(warehouse)
        touched, all_ = warehouse.rows("SELECT (SELECT count(*) FROM touched), count(*) FROM features.landmark")[0]
        is_all = touched > MOST_TOUCHED_SHARE * all_
    if is_all:
        forget_basis(warehouse, *names)
        warehouse.execute("DELETE FROM features.landmark_anew")
    else:
        # Of landmarks that are gone nothing is computed, but the tables' rows have to go.
        warehouse.execute(
            "INSERT INTO features.landmark_anew BY NAME SELECT unnest(?) AS table_name, enrolment_id, observed_epoch_day "
            "FROM (FROM touched UNION SELECT enrolment_id, observed_epoch_day FROM landmark_gone) "
            "EXCEPT SELECT table_name, enrolment_id, observed_epoch_day FROM features.landmark_anew",
            [names],
        )
    warehouse.execute("DELETE FROM core.restated WHERE restated_kind = 'feature'")
    remember(warehouse)


def _state(frames: Mapping[str, Telling]) -> str:
    """Query: features.fact_state as it is tonight."""
    hashed = " UNION ALL ".join(
        f"SELECT '{name} {number}' AS frame_name, '{key.removesuffix('_id')}' AS fact_of, {id_number(key)} AS fact_key, "
        f"{fact.day} AS fact_epoch_day, hash(*COLUMNS({fact.columns})) AS digest FROM ({frame.query}) "
        f"WHERE {key} IS NOT NULL AND {fact.day} IS NOT NULL"
        for name, frame in frames.items()
        for key in frame.keys
        for number, fact in enumerate(frame.facts)
    )
    return (
        "SELECT frame_name, fact_of, fact_key, fact_epoch_day, count(*) AS facts_count, "
        f"CAST(bit_xor(digest) >> 1 AS BIGINT) AS facts_digest FROM ({hashed}) GROUP BY ALL"
    )


def _compare(warehouse: Warehouse) -> None:
    """Bring features.fact_state up to date; temporary table `facts_changed`: what came, went or changed."""
    place = "frame_name, fact_of, fact_key, fact_epoch_day"
    warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE facts_changed AS SELECT {place}, n.facts_count, n.facts_digest, "
        f"s.rowid AS row_number FROM facts_now AS n FULL JOIN features.fact_state AS s USING ({place}) "
        "WHERE (n.facts_count, n.facts_digest) IS DISTINCT FROM (s.facts_count, s.facts_digest)"
    )
    warehouse.execute("DELETE FROM features.fact_state WHERE rowid IN (SELECT row_number FROM facts_changed)")
    warehouse.execute(
        "INSERT INTO features.fact_state BY NAME "
        "SELECT * EXCLUDE (row_number) FROM facts_changed WHERE facts_count IS NOT NULL"
    )


def _find_touched(warehouse: Warehouse) -> None:
    """Temporary table `touched`: keys of the landmarks to be computed."""
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE touched AS
        WITH changed AS (
            SELECT fact_of, fact_key, min(fact_epoch_day) AS since FROM facts_changed GROUP BY ALL
            UNION ALL
            SELECT 'enrolment', {id_number("enrolment_id")}, min(epoch_day) FROM core.restated
            WHERE restated_kind = 'feature' GROUP BY enrolment_id
        ),
        about AS (
            SELECT 'enrolment' AS fact_of, {id_number("enrolment_id")} AS fact_key, * FROM features.landmark
            UNION ALL SELECT 'learner', {id_number("learner_id")}, * FROM features.landmark
            UNION ALL SELECT 'course', {id_number("course_id")}, * FROM features.landmark
            UNION ALL SELECT 'mentor', {id_number("m.mentor_id")}, l.* FROM features.landmark AS l
                      JOIN (SELECT DISTINCT learner_id, mentor_id FROM core.mentoring_match) AS m USING (learner_id)
        ),
        own AS (
            SELECT {", ".join(f"a.{name}" for name in LANDMARK.column_names)}
            FROM about AS a JOIN changed AS c USING (fact_of, fact_key) WHERE a.observed_epoch_day > c.since
            UNION FROM landmark_new
        ),
        -- Who is compared with others changes with them, and when one of them is gone.
        cohort AS (
            SELECT course_id, observed_epoch_day, is_scoring FROM own
            UNION SELECT course_id, observed_epoch_day, is_scoring FROM landmark_gone
        )
        SELECT enrolment_id, observed_epoch_day FROM own
        UNION SELECT enrolment_id, observed_epoch_day
        FROM features.landmark SEMI JOIN cohort USING (course_id, observed_epoch_day, is_scoring)
        """
    )
