"""core.enrolment_day, core.learner_activity and core.submission: statements made compact.

Belongs here: feeding statements to `features.sessions` and `features.enrolment_day`, and assessed work. Does not
belong here: their formulas.
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.core import ENROLMENT_DAY, LEARNER_ACTIVITY, SUBMISSION
from data_contracts.tables.inputs import RAW_INPUTS
from features.enrolment_day import enrolment_days
from features.sessions import with_minutes
from pipelines.core.local_time import date_day
from pipelines.resources import Night
from pipelines.warehouse import current

# A day-resolution source gives every row the same second, so there are no gaps to measure: minutes are unknown.
_TIMED = "SELECT count(DISTINCT first_second) > 1 FROM (SELECT first_second FROM core.statement LIMIT 100000)"

_HANDED_IN = "'submitted', 'passed', 'completed', 'graded'"


def build_days(night: Night) -> int:
    """Fill core.enrolment_day and core.learner_activity from the learners' own acts.

    DuckDB runs both, so a large history may spill to disk.
    """
    warehouse = night.warehouse
    statements = warehouse.relation(
        "SELECT statement_id, learner_id, enrolment_id, epoch_day, known_epoch_day, strand, activity_kind, "
        "event_count, object_iri, scaled_score, first_second, duration_seconds, "
        "CAST(epoch(happened_at) AS BIGINT) AS happened_second FROM core.statement "
        "WHERE learner_id IS NOT NULL AND is_act"
    )
    if warehouse.scalar(_TIMED):
        timed = with_minutes(statements, gap_seconds=night.settings.session_gap_minutes * 60)
    else:
        timed = statements.with_columns(minutes=nw.lit(0.0))
    warehouse.con.register("timed_statement", timed.to_native())
    days = warehouse.replace_relation(ENROLMENT_DAY, enrolment_days(timed))
    warehouse.replace(
        LEARNER_ACTIVITY,
        "SELECT learner_id, epoch_day, strand, activity_kind, sum(event_count) AS events_count, sum(minutes) AS minutes "
        "FROM timed_statement WHERE enrolment_id IS NULL GROUP BY ALL ORDER BY ALL",
    )
    warehouse.con.unregister("timed_statement")
    return days


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
