"""What statements mean, as look-up tables: kinds of verbs and types, strands, courses; and terms nobody knows.

Belongs here: looking IRIs up, in all the ways in which one thing is written. Does not belong here: the vocabularies
(`data_contracts.xapi`), whose statement it is (`pipelines.core.statements`).

IRIs are few where statements are many, so every IRI is looked at once, and every combination that statements have of
verb, type, object and context gets one row of the temporary table `meaning`.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from data_contracts.tables.core import HEARD_TERM, UNKNOWN_TERM
from data_contracts.tables.inputs import RAW_INPUTS
from data_contracts.xapi.vocabulary import (
    ACTIVITY_KIND_OF,
    STRAND_OF_KIND,
    STRAND_OF_VERB,
    VERB_KIND_OF,
    normal_form,
    normal_form_sql,
)
from pipelines.resources import Night
from pipelines.warehouse import Warehouse, current

_TERMS = (("verb", "verb_iri"), ("activity_type", "activity_type_iri"))

# What a statement's meaning hangs on; `meaning` has one row for each combination.
SAID = ("verb_iri", "activity_type_iri", "object_iri", "context_iris")

# Separates the courses of an activity that several have.
_AND = "chr(31)"

# organisation+course+run, in IRIs of courses (course-v1:) and of what stands in them (block-v1:).
_OPEN_EDX_RUN = r"(?:course|block|asset|library)-v1(?::|%3A)((?:[^+/?#@&%]+(?:\+|%2B)){2}[^+/?#@&%]+)"

# Shown in full are plain words; not what has an @, a query, an escape, or digits enough for a number of somebody.
_PLAIN = r"^[a-z][a-z0-9.+-]*:[A-Za-z0-9/._~:#()-]+$"
_TELLING = r"(?i)[0-9]{6}|[0-9a-f]{16}|(^|[/:#~._-])(users?|people|persons?|profiles?/|members?|mailto|acct|tel)([/:#._-]|$)|/~"


def hear(warehouse: Warehouse, statements: str, *, is_all: bool) -> None:
    """Bring core.heard_term up to date with statements (a query): all that count, or those that did not before."""
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE heard AS SELECT verb_iri, activity_type_iri, source_name, count(*) AS rows, "
        f"min(happened_at) AS first_at, max(happened_at) AS last_at FROM ({statements}) GROUP BY ALL"
    )
    fresh = " UNION ALL ".join(
        f"SELECT '{kind}' AS term_kind, {column} AS term_iri, source_name, sum(rows) AS statements_count, "
        "CAST(min(first_at) AS DATE) AS first_seen_on, CAST(max(last_at) AS DATE) AS last_seen_on "
        f"FROM heard WHERE {column} IS NOT NULL GROUP BY ALL"
        for kind, column in _TERMS
    )
    before = "" if is_all else f" UNION ALL BY NAME FROM {HEARD_TERM.qualified_name}"
    warehouse.replace(
        HEARD_TERM,
        "SELECT term_kind, term_iri, source_name, sum(statements_count) AS statements_count, "
        f"min(first_seen_on) AS first_seen_on, max(last_seen_on) AS last_seen_on FROM ({fresh}{before}) GROUP BY ALL",
    )
    warehouse.execute("DROP TABLE heard")


def name_kinds(warehouse: Warehouse) -> None:
    """Make the temporary look-up tables of verbs, types and strands, and `unknown`: terms that no vocabulary lists."""
    activity = RAW_INPUTS["activity"].qualified_name
    warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE heard_iri AS SELECT DISTINCT term_kind, term_iri AS iri "
        f"FROM {HEARD_TERM.qualified_name}"
    )
    heard = "SELECT iri FROM heard_iri WHERE term_kind ="
    _kinds(warehouse, "verb_kind_of", VERB_KIND_OF, f"{heard} 'verb'")
    types = f"{heard} 'activity_type' UNION SELECT activity_type_iri FROM {activity}"
    _kinds(warehouse, "activity_kind_of", ACTIVITY_KIND_OF, types)
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE unknown AS FROM heard_iri "
        "WHERE NOT (term_kind = 'verb' AND iri IN (SELECT iri FROM verb_kind_of)) "
        "AND NOT (term_kind = 'activity_type' AND iri IN (SELECT iri FROM activity_kind_of))"
    )
    _map(warehouse, "strand_of_kind", STRAND_OF_KIND)
    _map(warehouse, "strand_of_verb", STRAND_OF_VERB)


def build_meaning(warehouse: Warehouse) -> None:
    """Make the temporary table `meaning` of the statements in `once`, and `course_set`: what a course_key stands for."""
    columns = ", ".join(SAID)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE said AS SELECT DISTINCT {columns} FROM once")
    _activities(warehouse)
    _courses(warehouse)
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE meaning AS
        SELECT {", ".join(f"s.{name}" for name in SAID)}, coalesce(v.kind, 'other') AS verb_kind,
               CASE WHEN a.is_assessment THEN 'assessment' ELSE coalesce(k.kind, given.kind, 'other') END AS activity_kind,
               coalesce(a.strand, of_kind.kind, of_verb.kind, 'formal') AS strand,
               coalesce(a.activity_iri, s.object_iri) AS known_object_iri,
               v.kind IS NULL AS is_unknown_verb,
               s.activity_type_iri IS NOT NULL AND k.kind IS NULL AS is_unknown_type,
               p.course_key, coalesce(p.is_about_course, false) AS is_about_course
        FROM said AS s
        LEFT JOIN verb_kind_of AS v ON v.iri = s.verb_iri
        LEFT JOIN activity_kind_of AS k ON k.iri = s.activity_type_iri
        LEFT JOIN activity_of AS a ON a.form = {_place_form("s.object_iri")}
        LEFT JOIN activity_kind_of AS given ON given.iri = a.activity_type_iri
        LEFT JOIN strand_of_kind AS of_kind
          ON of_kind.iri = CASE WHEN a.is_assessment THEN 'assessment' ELSE coalesce(k.kind, given.kind) END
        LEFT JOIN strand_of_verb AS of_verb ON of_verb.iri = v.kind
        LEFT JOIN place AS p
          ON p.object_iri IS NOT DISTINCT FROM s.object_iri AND p.context_iris IS NOT DISTINCT FROM s.context_iris
        """
    )


def _map(warehouse: Warehouse, name: str, kinds: Mapping[str, str]) -> None:
    frame = pl.DataFrame({"iri": list(kinds), "kind": list(kinds.values())})
    warehouse.con.register("handrail_terms", frame)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM handrail_terms")
    warehouse.con.unregister("handrail_terms")


def _kinds(warehouse: Warehouse, name: str, kinds: Mapping[str, str], iris: str) -> None:
    """The kind of every IRI that a query yields, variants included."""
    _map(warehouse, f"{name}_form", {normal_form(iri): kind for iri, kind in kinds.items()})
    warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT h.iri, f.kind "
        f"FROM ({iris}) AS h JOIN {name}_form AS f ON f.iri = {normal_form_sql('h.iri')}"
    )


def _place_form(column: str) -> str:
    """An activity's IRI without scheme, fragment and slash at the end; of a Moodle course page only its id is kept."""
    bare = rf"regexp_replace(regexp_replace({column}, '^https?://', ''), '(#.*|/+)$', '')"
    return rf"regexp_replace({bare}, '(/course/view\.php)\?(?:.*&)?(id=[0-9]+)(?:&.*)?$', '\1?\2')"


def _forms(column: str) -> str:
    """Query part: the ways in which one activity may be written, the surest (level 0) first."""
    form = _place_form(column)
    run = rf"replace(regexp_extract({column}, '{_OPEN_EDX_RUN}', 1), '%2B', '+')"
    return (
        f"unnest([{{'level': 0, 'form': {column}}}, {{'level': 1, 'form': {form}}}, "
        f"{{'level': 2, 'form': split_part({form}, '?', 1)}}, {{'level': 3, 'form': nullif({run}, '')}}], recursive := true)"
    )


def _activities(warehouse: Warehouse) -> None:
    activity = current(RAW_INPUTS["activity"])
    warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE activity_of AS SELECT {_place_form('activity_iri')} AS form, "
        "min(activity_iri) AS activity_iri, min(activity_type_iri) AS activity_type_iri, min(strand) AS strand, "
        f"bool_or(is_assessment) AS is_assessment FROM {activity} GROUP BY 1"
    )


def _courses(warehouse: Warehouse) -> None:
    """Temporary table `place`: the courses of each object and context, from the first IRI that tells one.

    The object goes first, then the context's IRIs in their order (parents, groupings, others). An IRI of exactly one
    course is believed before one that several courses have; of that one all courses are kept for the attribution.
    """
    course, activity = current(RAW_INPUTS["course"]), current(RAW_INPUTS["activity"])
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE course_form AS
        SELECT DISTINCT level, form, course_id, is_course FROM (
            SELECT activity_iri AS iri, {_forms("activity_iri")}, course_id, true AS is_course FROM {course}
            UNION ALL SELECT course_id, {_forms("course_id")}, course_id, true FROM {course}
            UNION ALL SELECT activity_iri, {_forms("activity_iri")}, course_id, false FROM {activity}
        )
        -- A query is left out of what a statement says, never of what the operator says: view.php?id=5 is not view.php.
        WHERE form IS NOT NULL AND NOT (level = 2 AND contains(iri, '?')) AND NOT (level = 3 AND NOT is_course)
        """
    )
    warehouse.execute(
        """
        CREATE OR REPLACE TEMP TABLE candidate AS
        SELECT object_iri, context_iris, 0 AS position, object_iri AS iri
        FROM (SELECT DISTINCT object_iri, context_iris FROM said) WHERE object_iri IS NOT NULL
        UNION ALL
        SELECT object_iri, context_iris, generate_subscripts(iris, 1), unnest(iris) FROM (
            SELECT DISTINCT object_iri, context_iris, string_split(context_iris, ' ') AS iris FROM said
            WHERE context_iris IS NOT NULL
        )
        """
    )
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE course_of AS
        WITH written AS (SELECT iri, {_forms("iri")} FROM (SELECT DISTINCT iri FROM candidate)),
        found AS (
            SELECT w.iri, w.level, list_sort(list(DISTINCT f.course_id)) AS courses,
                   bool_or(f.is_course AND (w.level < 3 OR regexp_matches(w.iri, 'course-v1(:|%3A)[^/?#@]+/?$')))
                       AS is_course
            FROM written AS w JOIN course_form AS f ON f.level = w.level AND f.form = w.form
            GROUP BY w.iri, w.level
        )
        SELECT iri, courses, is_course FROM found QUALIFY row_number() OVER (PARTITION BY iri ORDER BY level) = 1
        """
    )
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE place AS
        SELECT object_iri, context_iris, array_to_string(o.courses, {_AND}) AS course_key, o.courses,
               c.position = 0 AND o.is_course AS is_about_course
        FROM candidate AS c JOIN course_of AS o USING (iri)
        QUALIFY row_number() OVER (
            PARTITION BY object_iri, context_iris ORDER BY len(o.courses) > 1, c.position) = 1
        """
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE course_set AS "
        "SELECT DISTINCT course_key, unnest(courses) AS course_id, len(courses) = 1 AS is_only FROM place"
    )


def list_unknown_terms(night: Night) -> int:
    """Fill core.unknown_term from the statements known before observed_at; returns its rows.

    A verb or type may be anybody's invention and name a person; what might is shown as its host alone.
    """
    before = night.observed_sql
    if not night.warehouse.scalar("SELECT count(*) FROM unknown"):
        return night.warehouse.replace(UNKNOWN_TERM, f"FROM {UNKNOWN_TERM.qualified_name} LIMIT 0")
    again = " UNION ALL ".join(
        f"SELECT '{kind}' AS term_kind, {column} AS iri, statement_id FROM noted "
        f"WHERE known_at < {before} AND happened_at < {before} "
        f"AND {column} IN (SELECT iri FROM unknown WHERE term_kind = '{kind}')"
        for kind, column in _TERMS
    )
    return night.warehouse.replace(
        UNKNOWN_TERM,
        f"""
        WITH heard AS (
            SELECT h.* FROM (SELECT * RENAME (term_iri AS iri) FROM core.heard_term) AS h
            SEMI JOIN unknown USING (term_kind, iri)
        ),
        again AS ({again}),
        persons AS (
            SELECT lower(unnest([identity_value, regexp_replace(identity_value, '^mailto:', ''),
                                 regexp_extract(identity_value, '^(?:mailto:)?(.*)@', 1),
                                 regexp_extract(identity_value, '::(.*)$', 1)])) AS name
            FROM identity.main.identifier
            UNION SELECT lower(person_key) FROM identity.main.person
        ),
        parts AS (
            SELECT iri, unnest(regexp_split_to_array(lower(iri), '[/:#?&=]+')) AS part
            FROM (SELECT DISTINCT iri FROM unknown)
        ),
        shown AS (
            SELECT DISTINCT iri, CASE WHEN regexp_matches(iri, '{_PLAIN}') AND NOT regexp_matches(iri, '{_TELLING}')
                    AND len(iri) <= 200 AND iri NOT IN (
                        SELECT iri FROM parts JOIN persons ON part = name AND part <> '') THEN iri
                WHEN regexp_matches(iri, '^[a-z][a-z0-9+.-]*://') THEN
                    regexp_extract(regexp_replace(iri, '//[^/]*@', '//'), '^[a-z][a-z0-9+.-]*://[A-Za-z0-9.-]*')
                ELSE regexp_extract(iri, '^[A-Za-z][A-Za-z0-9+.-]*:') END AS term
            FROM unknown
        ),
        -- Rows are cheap to count and ids are not; only noted ids may stand in several rows.
        surplus AS (
            SELECT term_kind, term, count(*) - count(DISTINCT statement_id) AS rows
            FROM again JOIN shown USING (iri) GROUP BY ALL
        )
        SELECT term_kind, term, CAST(sum(h.statements_count) AS BIGINT) - coalesce(any_value(s.rows), 0) AS statements_count,
               min(h.first_seen_on) AS first_seen_on, max(h.last_seen_on) AS last_seen_on,
               string_agg(DISTINCT source_name, ',' ORDER BY source_name) AS source_names
        FROM heard AS h JOIN shown USING (iri) LEFT JOIN surplus AS s USING (term_kind, term)
        GROUP BY term_kind, term ORDER BY term_kind, term
        """,
    )
