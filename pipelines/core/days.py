"""core.enrolment_day, core.learner_activity and core.submission: statements made compact.

Belongs here: feeding statements to `features.sessions` and `features.enrolment_day`, and assessed work. Does not
belong here: their formulas.
"""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw

from data_contracts.tables.core import DAY_STATE, ENROLMENT_DAY, LEARNER_ACTIVITY, SUBMISSION
from data_contracts.tables.inputs import RAW_INPUTS
from features.enrolment_day import enrolment_days
from features.sessions import with_minutes
from pipelines.core.basis import basis_of, code_mark, forget_basis, set_basis
from pipelines.core.local_time import ALWAYS, date_day
from pipelines.resources import Night
from pipelines.warehouse import Warehouse, current

# A day-resolution source gives every row the same second, so there are no gaps to measure: minutes are unknown.
_TIMED = "SELECT min(first_second) < max(first_second) FROM core.statement"

_ACTS = (
    "SELECT statement_id, learner_id, enrolment_id, epoch_day, known_epoch_day, strand, activity_kind, event_count, "
    "object_iri, scaled_score, first_second, duration_seconds, CAST(epoch(happened_at) AS BIGINT) AS happened_second "
    "FROM core.statement WHERE learner_id IS NOT NULL AND is_act"
)
# What a day was made of. No statement stands twice for a learner, so none takes another out of the exclusive or.
_STATE = (
    "SELECT learner_id, enrolment_id, epoch_day, count(*) AS statements_count, "
    "CAST(bit_xor(hash(a)) >> 1 AS BIGINT) AS statements_digest FROM {acts} AS a "
    "GROUP BY learner_id, enrolment_id, epoch_day"
)
_ACTIVITY = (
    "SELECT learner_id, epoch_day, strand, activity_kind, sum(event_count) AS events_count, sum(minutes) AS minutes "
    "FROM timed_statement WHERE enrolment_id IS NULL GROUP BY learner_id, epoch_day, strand, activity_kind"
)

_HANDED_IN = "'submitted', 'passed', 'completed', 'graded'"

# What each row of core.submission says, from which day on: landmarks know it from the day after.
_TOLD_OF_WORK = (
    "SELECT * FROM (SELECT enrolment_id, unnest(["
    f"{{{{'day': {ALWAYS}, 'said': hash(activity_iri, due_epoch_day, weight)}}}}, "
    "{{'day': known_epoch_day, 'said': hash(activity_iri, submitted_epoch_day, known_epoch_day)}}, "
    "{{'day': score_known_epoch_day, 'said': hash(activity_iri, score_share, score_known_epoch_day)}}"
    "], recursive := true) FROM ({rows})) WHERE day IS NOT NULL"
)


def build_days(night: Night) -> tuple[int, Mapping[str, int]]:
    """Bring core.enrolment_day and core.learner_activity up to date with the learners' own acts.

    Only days are made anew that core.restated names (statements are new, late, voided or attributed anew), with the day
    before, whose last statement may have got another successor. DuckDB runs it, so a large history may spill to disk.
    Returns the rows of core.enrolment_day and, for the asset's metadata, the learners' days made anew.
    """
    warehouse = night.warehouse
    gap_seconds = night.settings.session_gap_minutes * 60 if warehouse.scalar(_TIMED) else 0
    basis = f"{code_mark()} {gap_seconds}"
    with warehouse.transaction():
        if basis_of(warehouse, "days") == basis:
            restated = _touched_days(warehouse, gap_seconds)
        else:
            restated = _all_days(warehouse, gap_seconds)
        warehouse.execute("DELETE FROM core.restated WHERE restated_kind = 'day'")
        set_basis(warehouse, "days", basis)
    return warehouse.count(ENROLMENT_DAY), {"restated_days": restated}


def _all_days(warehouse: Warehouse, gap_seconds: int) -> int:
    _register_timed(warehouse, f"FROM ({_ACTS})", gap_seconds)
    warehouse.replace_relation(ENROLMENT_DAY, enrolment_days(warehouse.relation("FROM timed_statement")))
    warehouse.replace(LEARNER_ACTIVITY, f"{_ACTIVITY} ORDER BY ALL")
    warehouse.con.unregister("timed_statement")
    forget_basis(warehouse, "features")
    warehouse.replace(DAY_STATE, f"{_STATE.format(acts=f'({_ACTS})')} ORDER BY ALL")
    return int(warehouse.scalar("SELECT count(*) FROM (SELECT DISTINCT learner_id, epoch_day FROM core.day_state)"))


def _touched_days(warehouse: Warehouse, gap_seconds: int) -> int:
    """Make touched days and those before anew; a day more on each side tells what follows and what came before."""
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE touched_day AS "
        "SELECT DISTINCT learner_id, epoch_day FROM core.restated WHERE restated_kind = 'day'"
    )
    restated = int(warehouse.scalar("SELECT count(*) FROM touched_day"))
    if not restated:
        return 0
    reach = 1 + gap_seconds // 86_400
    for name, first, last in (("anew", -reach, 0), ("near", -2 * reach, reach)):
        warehouse.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT DISTINCT learner_id, "
            f"epoch_day + unnest(range({first}, {last + 1})) AS epoch_day FROM touched_day"
        )
    # Read once, and of the days alone in between, since the acts of all learners are many.
    first, last = warehouse.rows("SELECT min(epoch_day), max(epoch_day) FROM near")[0]
    between = f"epoch_day BETWEEN {first} AND {last}"
    warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE near_act AS FROM ({_ACTS} AND {between}) "
        "SEMI JOIN near USING (learner_id, epoch_day)"
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE remade AS SELECT DISTINCT enrolment_id, epoch_day "
        "FROM (SELECT learner_id, enrolment_id, epoch_day FROM near_act UNION "
        "SELECT learner_id, enrolment_id, epoch_day FROM core.restated WHERE restated_kind = 'day') "
        "SEMI JOIN anew USING (learner_id, epoch_day) WHERE enrolment_id IS NOT NULL"
    )
    those_days = f"FROM core.enrolment_day SEMI JOIN remade USING (enrolment_id, epoch_day) WHERE {between}"
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE day_then AS {those_days}")
    warehouse.execute(
        f"DELETE FROM core.enrolment_day WHERE {between} "
        "AND (enrolment_id, epoch_day) IN (SELECT (enrolment_id, epoch_day) FROM remade)"
    )
    warehouse.execute(
        f"DELETE FROM core.learner_activity WHERE {between} "
        "AND (learner_id, epoch_day) IN (SELECT (learner_id, epoch_day) FROM anew)"
    )
    names = ", ".join(DAY_STATE.column_names)
    warehouse.execute(
        f"DELETE FROM core.day_state WHERE {between} "
        "AND (learner_id, epoch_day) IN (SELECT (learner_id, epoch_day) FROM touched_day)"
    )
    warehouse.execute(
        f"INSERT INTO core.day_state ({names}) SELECT {names} FROM "
        f"({_STATE.format(acts='(FROM near_act SEMI JOIN touched_day USING (learner_id, epoch_day))')})"
    )
    _register_timed(warehouse, "FROM near_act", gap_seconds)
    those = "timed_statement SEMI JOIN anew USING (learner_id, epoch_day)"
    warehouse.append_relation(ENROLMENT_DAY, enrolment_days(warehouse.relation(f"FROM {those}")))
    names = ", ".join(LEARNER_ACTIVITY.column_names)
    warehouse.execute(
        f"INSERT INTO core.learner_activity ({names}) SELECT {names} FROM "
        f"({_ACTIVITY.replace('timed_statement', f'({those})')})"
    )
    warehouse.con.unregister("timed_statement")
    # A landmark knows a day's row from the day after it was known.
    warehouse.execute(
        f"""
        INSERT INTO core.restated BY NAME
        SELECT 'feature' AS restated_kind, enrolment_id, min(known_epoch_day) AS epoch_day
        FROM ((FROM day_then EXCEPT ALL {those_days}) UNION ALL (({those_days}) EXCEPT ALL FROM day_then))
        GROUP BY enrolment_id
        """
    )
    return restated


def _register_timed(warehouse: Warehouse, acts: str, gap_seconds: int) -> None:
    """Let SQL read the acts with their minutes as `timed_statement`."""
    statements = warehouse.relation(acts)
    untimed = statements.with_columns(minutes=nw.lit(0.0))
    timed = with_minutes(statements, gap_seconds=gap_seconds) if gap_seconds else untimed
    warehouse.con.register("timed_statement", timed.to_native())


def build_submissions(night: Night) -> int:
    """Bring core.submission up to date: each assessed activity of each enrolment's course, handed in or not.

    Rows are made anew of enrolments that core.restated names, and of those whose works are others than they were.
    """
    warehouse = night.warehouse
    enrolment, activity = current(RAW_INPUTS["enrolment"]), current(RAW_INPUTS["activity"])
    with warehouse.transaction():
        if basis_of(warehouse, "submissions") != code_mark():
            warehouse.execute(f"CREATE OR REPLACE TABLE core.submission ({SUBMISSION.ddl()})")
            forget_basis(warehouse, "features")
        warehouse.execute(
            "CREATE OR REPLACE TEMP TABLE work AS SELECT e.enrolment_id, a.activity_iri, "
            f"{date_day('a.due_on')} AS due_epoch_day, a.weight FROM {enrolment} AS e "
            f"JOIN {activity} AS a ON a.course_id = e.course_id AND a.is_assessment"
        )
        warehouse.execute(
            "CREATE OR REPLACE TEMP TABLE anew AS SELECT enrolment_id FROM core.restated "
            "WHERE restated_kind = 'submission' UNION "
            "SELECT enrolment_id FROM work AS w FULL JOIN core.submission AS s USING (enrolment_id, activity_iri) "
            "WHERE w.enrolment_id IS NULL OR s.enrolment_id IS NULL "
            "OR (w.due_epoch_day, w.weight) IS DISTINCT FROM (s.due_epoch_day, s.weight)"
        )
        those = "FROM core.submission SEMI JOIN anew USING (enrolment_id)"
        warehouse.execute(f"CREATE OR REPLACE TEMP TABLE submission_then AS {those}")
        warehouse.execute("DELETE FROM core.submission WHERE enrolment_id IN (SELECT enrolment_id FROM anew)")
        warehouse.execute(
            f"""
            INSERT INTO core.submission BY NAME
            WITH handed_in AS (
                -- What was told first counts, so that what is told later moves nothing that was known before. A grade
                -- proves that the work was handed in, by that day; the act itself tells the day, if it was told by then.
                SELECT enrolment_id, object_iri AS activity_iri,
                       arg_min(epoch_day, told) AS submitted_epoch_day, min(known_epoch_day) AS known_epoch_day,
                       arg_min(greatest(scaled_score, 0), told) FILTER (scaled_score IS NOT NULL) AS score_share,
                       min(known_epoch_day) FILTER (scaled_score IS NOT NULL) AS score_known_epoch_day
                FROM (
                    SELECT *, (known_epoch_day, NOT is_act, happened_at, statement_id) AS told FROM core.statement
                ) SEMI JOIN anew USING (enrolment_id)
                WHERE activity_kind = 'assessment' AND verb_kind IN ({_HANDED_IN})
                GROUP BY enrolment_id, object_iri
            )
            SELECT w.*, h.* EXCLUDE (enrolment_id, activity_iri)
            FROM (FROM work SEMI JOIN anew USING (enrolment_id)) AS w
            LEFT JOIN handed_in AS h USING (enrolment_id, activity_iri)
            ORDER BY 1, 2
            """
        )
        then, now = _TOLD_OF_WORK.format(rows="FROM submission_then"), _TOLD_OF_WORK.format(rows=those)
        warehouse.execute(
            "INSERT INTO core.restated BY NAME SELECT 'feature' AS restated_kind, enrolment_id, min(day) AS epoch_day "
            f"FROM (({then} EXCEPT {now}) UNION ALL ({now} EXCEPT {then})) GROUP BY enrolment_id"
        )
        warehouse.execute("DELETE FROM core.restated WHERE restated_kind = 'submission'")
        set_basis(warehouse, "submissions", code_mark())
    return warehouse.count(SUBMISSION)
