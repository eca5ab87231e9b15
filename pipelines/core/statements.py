"""core.statement: one row an id, voided ones gone, each attributed to an enrolment or to none.

Belongs here: deduplication, voiding, meaning of verbs and types, local days, attribution. Does not belong here:
validity (`pipelines.statements`), days and sessions (`pipelines.core.days`).
"""

from __future__ import annotations

import polars as pl

from data_contracts.tables.core import STATEMENT
from data_contracts.tables.inputs import RAW_INPUTS
from data_contracts.xapi.vocabulary import ACTIVITY_KINDS_OF, STRAND_OF_KIND, STRAND_OF_VERB, VERB_KINDS
from pipelines.core.local_time import date_day, epoch_day, local, zone
from pipelines.resources import Night
from pipelines.sources.record import FaultRow, Recorder
from pipelines.warehouse import Warehouse, current


def attribute_statements(night: Night) -> int:
    """Fill core.statement from raw.statement as known before observed_at; returns its rows."""
    warehouse = night.warehouse
    _vocabulary(warehouse)
    _duplicates(night)
    _maps(night)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE placed AS {_placed(night)}")
    rows = warehouse.replace(STATEMENT, _attributed())
    warehouse.execute("DROP TABLE placed")
    return rows


def _vocabulary(warehouse: Warehouse) -> None:
    for name, mapping, column in (
        ("verb_kind_of", VERB_KINDS, "verb_kind"),
        ("activity_kind_of", ACTIVITY_KINDS_OF, "activity_kind"),
        ("strand_of_kind", STRAND_OF_KIND, "strand"),
        ("strand_of_verb", STRAND_OF_VERB, "strand"),
    ):
        frame = pl.DataFrame({"term": list(mapping), column: list(mapping.values())})
        warehouse.con.register("handrail_terms", frame)
        warehouse.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM handrail_terms")
        warehouse.con.unregister("handrail_terms")


def _duplicates(night: Night) -> None:
    """Find ids that stand more than once; other content under the same id goes to quarantine, the first stays."""
    warehouse = night.warehouse
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE duplicated AS SELECT statement_id, count(DISTINCT content_hash) AS contents "
        "FROM raw.statement GROUP BY statement_id HAVING count(*) > 1"
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE first_of_duplicated AS "
        "SELECT * FROM raw.statement SEMI JOIN duplicated USING (statement_id) "
        "QUALIFY row_number() OVER (PARTITION BY statement_id ORDER BY known_at, content_hash, file_hash) = 1"
    )
    known = {
        row[0] for row in warehouse.rows("SELECT file_hash FROM raw.quarantine WHERE reason = 'conflicting_content'")
    }
    conflicts = warehouse.rows("SELECT statement_id FROM duplicated WHERE contents > 1 ORDER BY statement_id")
    record = Recorder(warehouse)
    for (statement_id,) in conflicts:
        if statement_id not in known:
            detail = "the id stands twice with other content; the one known first is kept"
            fault = FaultRow("statement", None, "id", "conflicting_content", None, detail, "")
            record.faults([fault], "core", "raw.statement", statement_id)


def _maps(night: Night) -> None:
    """Small look-up tables: courses and activities by IRI, enrolments by learner."""
    warehouse, settings = night.warehouse, night.settings
    course, activity = current(RAW_INPUTS["course"]), current(RAW_INPUTS["activity"])
    enrolment = current(RAW_INPUTS["enrolment"])
    warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE course_of AS SELECT activity_iri AS iri, min(course_id) AS course_id FROM "
        f"(SELECT activity_iri, course_id FROM {course} UNION ALL SELECT activity_iri, course_id FROM {activity}) "
        "GROUP BY activity_iri"
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE activity_of AS SELECT activity_iri AS iri, any_value(activity_type_iri) AS "
        f"type_iri, any_value(strand) AS strand, bool_or(is_assessment) AS is_assessment FROM {activity} GROUP BY 1"
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE zone_of AS SELECT learner_id, "
        f"{zone(settings, 'any_value(l.timezone)', 'max_by(p.timezone, (e.enrolled_on, e.enrolment_id))')} AS zone "
        f"FROM {current(RAW_INPUTS['learner'])} AS l FULL JOIN {enrolment} AS e USING (learner_id) "
        f"LEFT JOIN {current(RAW_INPUTS['programme'])} AS p USING (programme_id) GROUP BY learner_id"
    )
    warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE enrolled AS SELECT enrolment_id, learner_id, e.course_id, "
        f"{date_day('enrolled_on')} AS enrolled_day, coalesce({date_day('coalesce(e.due_on, c.ends_on)')}, 99999) "
        f"AS last_day FROM {enrolment} AS e LEFT JOIN {course} AS c USING (course_id)"
    )


def _placed(night: Night) -> str:
    """Statements with learner, meaning, local day and course; duplicates, voids and the voided left out."""
    before, zoned = night.observed_sql, f"coalesce(z.zone, '{night.settings.timezone}')"
    once = "(SELECT * FROM raw.statement ANTI JOIN duplicated USING (statement_id) UNION ALL FROM first_of_duplicated)"
    kinds = "CASE WHEN a.is_assessment THEN 'assessment' ELSE coalesce(k.activity_kind, k2.activity_kind, 'other') END"
    return f"""
        SELECT s.statement_id, s.identity_id, l.learner_id, coalesce(p.course_id, o.course_id) AS course_id,
               s.registration, coalesce(v.verb_kind, 'other') AS verb_kind, {kinds} AS activity_kind,
               coalesce(a.strand, sv.strand) AS given_strand, s.object_iri, s.scaled_score, s.event_count,
               s.duration_seconds, s.happened_at, s.known_at,
               {epoch_day("s.happened_at", zoned)} AS epoch_day,
               {epoch_day("greatest(s.known_at, s.happened_at)", zoned)} AS known_epoch_day,
               CAST(epoch({local("s.happened_at", zoned)}) % 86400 AS BIGINT) AS first_second
        FROM {once} AS s
        LEFT JOIN core.identity_link AS l USING (identity_id)
        LEFT JOIN zone_of AS z USING (learner_id)
        LEFT JOIN verb_kind_of AS v ON v.term = s.verb_iri
        LEFT JOIN activity_of AS a ON a.iri = s.object_iri
        LEFT JOIN activity_kind_of AS k ON k.term = s.activity_type_iri
        LEFT JOIN activity_kind_of AS k2 ON k2.term = a.type_iri
        LEFT JOIN strand_of_verb AS sv ON sv.term = v.verb_kind
        LEFT JOIN course_of AS p ON p.iri = s.parent_iri
        LEFT JOIN course_of AS o ON o.iri = s.object_iri
        WHERE s.known_at < {before} AND s.happened_at < {before} AND s.voids_statement_id IS NULL
          AND s.statement_id NOT IN (
              SELECT voids_statement_id FROM {once}
              WHERE voids_statement_id IS NOT NULL AND known_at < {before})
    """


def _attributed() -> str:
    """Registration, else the course's one enrolment, else the most recently started that fits, else none."""
    names = ", ".join(
        f"{name}" for name in STATEMENT.column_names if name not in {"enrolment_id", "attribution", "strand"}
    )
    return f"""
        WITH one AS (
            SELECT learner_id, course_id, min(enrolment_id) AS enrolment_id FROM enrolled
            WHERE course_id IS NOT NULL GROUP BY learner_id, course_id HAVING count(*) = 1
        ),
        sure AS (
            SELECT p.*, coalesce(r.enrolment_id, one.enrolment_id) AS enrolment_id,
                   CASE WHEN r.enrolment_id IS NOT NULL THEN 'registration' ELSE 'parent_course' END AS attribution
            FROM placed AS p
            LEFT JOIN enrolled AS r ON r.enrolment_id = p.registration AND r.learner_id = p.learner_id
            LEFT JOIN one ON one.learner_id = p.learner_id AND one.course_id = p.course_id
        ),
        -- Days are few where statements are many, so what fits is looked for once a learner's day.
        fitting AS (
            SELECT d.learner_id, d.course_id, d.epoch_day,
                   max_by(struct_pack(id := e.enrolment_id, course := e.course_id),
                          struct_pack(day := e.enrolled_day, id := e.enrolment_id)) AS found
            FROM (SELECT DISTINCT learner_id, course_id, epoch_day FROM sure WHERE enrolment_id IS NULL) AS d
            JOIN enrolled AS e ON e.learner_id = d.learner_id AND e.enrolled_day <= d.epoch_day
             AND (e.course_id = d.course_id OR (d.course_id IS NULL AND d.epoch_day <= e.last_day))
            GROUP BY ALL
        ),
        unsure AS (
            SELECT s.* EXCLUDE (enrolment_id, attribution, course_id),
                   coalesce(s.course_id, f.found.course) AS course_id, f.found.id AS enrolment_id,
                   CASE WHEN f.found IS NULL THEN 'outside'
                        WHEN s.course_id IS NULL THEN 'most_recent' ELSE 'ambiguous' END AS attribution
            FROM (SELECT * FROM sure WHERE enrolment_id IS NULL) AS s
            LEFT JOIN fitting AS f
              ON f.learner_id = s.learner_id AND f.epoch_day = s.epoch_day
             AND f.course_id IS NOT DISTINCT FROM s.course_id
        )
        SELECT {names}, enrolment_id, attribution, coalesce(given_strand, k.strand, 'formal') AS strand
        FROM (
            FROM sure WHERE enrolment_id IS NOT NULL
            UNION ALL BY NAME FROM unsure
        )
        LEFT JOIN strand_of_kind AS k ON k.term = activity_kind
    """
