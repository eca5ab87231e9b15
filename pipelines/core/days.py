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
from pipelines import __version__
from pipelines.core.local_time import date_day
from pipelines.resources import Night
from pipelines.warehouse import Warehouse, current

# A day-resolution source gives every row the same second, so there are no gaps to measure: minutes are unknown.
_TIMED = "SELECT count(DISTINCT first_second) > 1 FROM (SELECT first_second FROM core.statement LIMIT 100000)"

_ACTS = (
    "SELECT statement_id, learner_id, enrolment_id, epoch_day, known_epoch_day, strand, activity_kind, event_count, "
    "object_iri, scaled_score, first_second, duration_seconds, CAST(epoch(happened_at) AS BIGINT) AS happened_second "
    "FROM core.statement WHERE learner_id IS NOT NULL AND is_act"
)
# No statement stands twice for a learner, so none takes another out of the exclusive or.
_STATE = (
    "SELECT learner_id, enrolment_id, epoch_day, count(*) AS statements_count, "
    "CAST(bit_xor(hash(a)) >> 1 AS BIGINT) AS statements_digest FROM "
    f"({_ACTS}) AS a GROUP BY learner_id, enrolment_id, epoch_day"
)
_ACTIVITY = (
    "SELECT learner_id, epoch_day, strand, activity_kind, sum(event_count) AS events_count, sum(minutes) AS minutes "
    "FROM timed_statement WHERE enrolment_id IS NULL GROUP BY learner_id, epoch_day, strand, activity_kind"
)
# Where more days than this are touched, making all of them anew costs less than finding out which.
_MOST_TOUCHED_SHARE = 0.3

_HANDED_IN = "'submitted', 'passed', 'completed', 'graded'"


def build_days(night: Night) -> tuple[int, Mapping[str, int]]:
    """Bring core.enrolment_day and core.learner_activity up to date with the learners' own acts.

    Only days are made anew whose statements are others than in the last night (new, late, voided, attributed anew),
    with the day before, whose last statement may have got another successor. DuckDB runs it, so a large history may
    spill to disk. Returns the rows of core.enrolment_day and, for the asset's metadata, the learners' days made anew.
    """
    warehouse = night.warehouse
    gap_seconds = night.settings.session_gap_minutes * 60 if warehouse.scalar(_TIMED) else 0
    basis = f"{__version__} {gap_seconds}"
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE day_now AS {_STATE}")
    known = warehouse.scalar("SELECT basis FROM ops.basis WHERE area = 'days'")
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT coalesce(n.learner_id, s.learner_id) AS learner_id, "
        "coalesce(n.epoch_day, s.epoch_day) AS epoch_day FROM day_now AS n FULL JOIN core.day_state AS s "
        "ON s.learner_id = n.learner_id AND s.epoch_day = n.epoch_day AND s.enrolment_id IS NOT DISTINCT FROM "
        "n.enrolment_id WHERE (s.statements_count, s.statements_digest) IS DISTINCT FROM "
        "(n.statements_count, n.statements_digest)"
    )
    days = warehouse.scalar("SELECT count(*) FROM (SELECT DISTINCT learner_id, epoch_day FROM day_now)")
    touched = warehouse.scalar("SELECT count(*) FROM touched")
    is_all = known != basis or touched > _MOST_TOUCHED_SHARE * days
    warehouse.execute("BEGIN")
    try:
        if is_all:
            _all_days(warehouse, gap_seconds)
        elif touched:
            _touched_days(warehouse, gap_seconds)
        warehouse.replace(DAY_STATE, "FROM day_now ORDER BY ALL")
        warehouse.execute("DELETE FROM ops.basis WHERE area = 'days'")
        warehouse.execute("INSERT INTO ops.basis VALUES ('days', ?)", [basis])
        warehouse.execute("COMMIT")
    except BaseException:
        warehouse.execute("ROLLBACK")
        raise
    return warehouse.count(ENROLMENT_DAY), {"restated_days": int(days if is_all else touched)}


def _all_days(warehouse: Warehouse, gap_seconds: int) -> None:
    _register_timed(warehouse, f"FROM ({_ACTS})", gap_seconds)
    warehouse.replace_relation(ENROLMENT_DAY, enrolment_days(warehouse.relation("FROM timed_statement")))
    warehouse.replace(LEARNER_ACTIVITY, f"{_ACTIVITY} ORDER BY ALL")
    warehouse.con.unregister("timed_statement")


def _touched_days(warehouse: Warehouse, gap_seconds: int) -> None:
    """Make touched days and those before anew; a day more on each side tells what follows and what came before."""
    reach = 1 + gap_seconds // 86_400
    for name, first, last in (("anew", -reach, 0), ("near", -2 * reach, reach)):
        warehouse.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT DISTINCT learner_id, "
            f"epoch_day + unnest(range({first}, {last + 1})) AS epoch_day FROM touched"
        )
    warehouse.execute(
        "DELETE FROM core.enrolment_day WHERE (enrolment_id, epoch_day) IN (SELECT (enrolment_id, epoch_day) "
        "FROM (SELECT learner_id, enrolment_id, epoch_day FROM day_now UNION "
        "SELECT learner_id, enrolment_id, epoch_day FROM core.day_state) "
        "SEMI JOIN anew USING (learner_id, epoch_day) WHERE enrolment_id IS NOT NULL)"
    )
    warehouse.execute(
        "DELETE FROM core.learner_activity WHERE (learner_id, epoch_day) IN (SELECT (learner_id, epoch_day) FROM anew)"
    )
    _register_timed(warehouse, f"FROM ({_ACTS}) SEMI JOIN near USING (learner_id, epoch_day)", gap_seconds)
    those = "timed_statement SEMI JOIN anew USING (learner_id, epoch_day)"
    warehouse.append_relation(ENROLMENT_DAY, enrolment_days(warehouse.relation(f"FROM {those}")))
    names = ", ".join(LEARNER_ACTIVITY.column_names)
    warehouse.execute(
        f"INSERT INTO core.learner_activity ({names}) SELECT {names} FROM "
        f"({_ACTIVITY.replace('timed_statement', f'({those})')})"
    )
    warehouse.con.unregister("timed_statement")


def _register_timed(warehouse: Warehouse, acts: str, gap_seconds: int) -> None:
    """Let SQL read the acts with their minutes as `timed_statement`."""
    statements = warehouse.relation(acts)
    untimed = statements.with_columns(minutes=nw.lit(0.0))
    timed = with_minutes(statements, gap_seconds=gap_seconds) if gap_seconds else untimed
    warehouse.con.register("timed_statement", timed.to_native())


def build_submissions(night: Night) -> int:
    """Fill core.submission: each assessed activity of each enrolment's course, handed in or not."""
    enrolment, activity = current(RAW_INPUTS["enrolment"]), current(RAW_INPUTS["activity"])
    return night.warehouse.replace(
        SUBMISSION,
        f"""
        WITH handed_in AS (
            -- A grade proves that the work was handed in, by that day; the act itself tells the day, where it is there.
            SELECT enrolment_id, object_iri AS activity_iri,
                   coalesce(min(epoch_day) FILTER (is_act), min(epoch_day)) AS submitted_epoch_day,
                   coalesce(min(known_epoch_day) FILTER (is_act), min(known_epoch_day)) AS known_epoch_day,
                   arg_min(greatest(scaled_score, 0), happened_at) FILTER (scaled_score IS NOT NULL) AS score_share,
                   arg_min(known_epoch_day, happened_at) FILTER (scaled_score IS NOT NULL) AS score_known_epoch_day
            FROM core.statement
            WHERE enrolment_id IS NOT NULL AND activity_kind = 'assessment' AND verb_kind IN ({_HANDED_IN})
            GROUP BY enrolment_id, object_iri
        )
        SELECT e.enrolment_id, a.activity_iri, {date_day("a.due_on")} AS due_epoch_day, a.weight,
               h.submitted_epoch_day, h.known_epoch_day, h.score_share, h.score_known_epoch_day
        FROM {enrolment} AS e
        JOIN {activity} AS a ON a.course_id = e.course_id AND a.is_assessment
        LEFT JOIN handed_in AS h ON h.enrolment_id = e.enrolment_id AND h.activity_iri = a.activity_iri
        ORDER BY 1, 2
        """,
    )
