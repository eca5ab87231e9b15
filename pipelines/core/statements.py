"""core.statement: one row a statement and learner, voided ones gone, each attributed to an enrolment or to none.

Belongs here: deduplication, voiding, whose a statement is, local days, attribution, and what was found on the way.
Does not belong here: validity (`pipelines.statements`), meaning of verbs and types (`meaning`), days and sessions
(`pipelines.core.days`).

Every rule looks at all of raw.statement, never at the order in which it came.
"""

from __future__ import annotations

from collections.abc import Mapping

from data_contracts.tables.core import STATEMENT, STATEMENT_FINDING
from data_contracts.tables.inputs import RAW_INPUTS
from data_contracts.xapi.vocabulary import NO_ACT_KINDS
from pipelines.core.local_time import date_day, epoch_day, local, zone
from pipelines.core.meaning import SAID, build_meaning, list_unknown_terms
from pipelines.resources import Night
from pipelines.warehouse import Warehouse, current

# A source most of whose `stored` lie this long after `timestamp` was migrated: they say nothing of knowing.
MIGRATED_AFTER_DAYS = 30

_CONFLICTING = "conflicting_content"
_CONFLICT_DETAIL = "the id stands again with other content, known later; the content known first is kept"


def attribute_statements(night: Night) -> int:
    """Fill core.statement, core.unknown_term and core.statement_finding as known before observed_at.

    Returns the rows of core.statement.
    """
    warehouse = night.warehouse
    build_meaning(night)
    _versions(warehouse)
    _maps(night)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE void AS {_voids(night)}")
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE placed AS {_placed(night)}")
    _enrolments_of_places(warehouse)
    _registrations(warehouse)
    rows = warehouse.replace(STATEMENT, _attributed())
    list_unknown_terms(night)
    _findings(night)
    for name in ("placed", "meaning", "said", "candidate", "place"):
        warehouse.execute(f"DROP TABLE {name}")
    return rows


def _versions(warehouse: Warehouse) -> None:
    """Choose the content known first under each id (of equals the smaller hash); other contents go to quarantine."""
    migrated = [
        f"'{name}'"
        for (name,) in warehouse.rows(
            "SELECT replace(source_name, '''', '''''') FROM raw.statement WHERE stored_at IS NOT NULL GROUP BY source_name "
            f"HAVING count(*) FILTER (stored_at > happened_at + INTERVAL {MIGRATED_AFTER_DAYS} DAY) * 2 > count(*)"
        )
    ]
    told = f"REPLACE (CASE WHEN source_name IN ({', '.join(migrated)}) THEN happened_at ELSE known_at END AS known_at)"
    warehouse.execute(
        f"CREATE OR REPLACE TEMP VIEW told AS SELECT * {told if migrated else ''} FROM raw.statement",
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE repeated AS SELECT statement_id FROM raw.statement GROUP BY 1 HAVING count(*) > 1"
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE first_of_repeated AS FROM told SEMI JOIN repeated USING (statement_id) "
        "QUALIFY row_number() OVER (PARTITION BY statement_id ORDER BY known_at, content_hash, stored_at, source_name, "
        "file_hash) = 1"
    )
    warehouse.execute(
        "CREATE OR REPLACE TEMP VIEW once AS "
        "FROM told ANTI JOIN repeated USING (statement_id) UNION ALL BY NAME FROM first_of_repeated"
    )
    _refuse_conflicts(warehouse)


def _refuse_conflicts(warehouse: Warehouse) -> None:
    """Put each content that is not kept into quarantine, once; one that a later delivery put right leaves it."""
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE conflict AS
        SELECT left(sha256(statement_id || '|' || o.content_hash || '|{_CONFLICTING}'), 32) AS fault_id,
               'statement' AS table_name, min_by(o.source_name, (o.known_at, o.source_name)) AS source_name,
               'raw.statement' AS file_name, min_by(o.file_hash, (o.known_at, o.source_name, o.file_hash)) AS file_hash,
               'id' AS column_name, '{_CONFLICTING}' AS reason, '{_CONFLICT_DETAIL}' AS detail
        FROM told AS o JOIN first_of_repeated AS f USING (statement_id)
        WHERE o.content_hash <> f.content_hash
        GROUP BY statement_id, o.content_hash
        """
    )
    place = "(fault_id, source_name, file_hash)"
    ours = f"reason = '{_CONFLICTING}' AND file_name = 'raw.statement'"
    warehouse.execute(f"DELETE FROM raw.quarantine WHERE {ours} AND {place} NOT IN (SELECT {place} FROM conflict)")
    warehouse.execute(
        "INSERT INTO raw.quarantine BY NAME FROM conflict "
        f"WHERE fault_id NOT IN (SELECT fault_id FROM raw.quarantine WHERE {ours}) ORDER BY fault_id"
    )


def _maps(night: Night) -> None:
    """Small look-up tables: zones by learner, enrolments by learner."""
    warehouse, settings = night.warehouse, night.settings
    course, enrolment = current(RAW_INPUTS["course"]), current(RAW_INPUTS["enrolment"])
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


def _voids(night: Night) -> str:
    """Targets of the voiding statements known by now; a voiding statement stays in force whatever targets it."""
    return (
        "SELECT DISTINCT voids_statement_id AS statement_id FROM once "
        f"WHERE voids_statement_id IS NOT NULL AND known_at < {night.observed_sql}"
    )


def _known(night: Night) -> str:
    """Statements that count: known, happened, neither voiding nor voided."""
    before = night.observed_sql
    return (
        f"(FROM once ANTI JOIN void USING (statement_id) WHERE known_at < {before} AND happened_at < {before} "
        "AND voids_statement_id IS NULL)"
    )


def _placed(night: Night) -> str:
    """Statements with learner, meaning, local day and courses: a row for each member of a group that acted.

    Only the actor is a learner, never instructor, team or authority. A group's own identifier names nobody: its
    members do, and without members the statement belongs to nobody.
    """
    zoned, known = f"coalesce(z.zone, '{night.settings.timezone}')", _known(night)
    # What did not succeed is no pass, what did not complete is no completion, whatever the verb says.
    kind = (
        "CASE WHEN m.verb_kind = 'completed' AND s.is_completion IS NOT DISTINCT FROM false THEN 'engaged' "
        "WHEN m.verb_kind = 'passed' AND s.is_success IS NOT DISTINCT FROM false THEN 'submitted' ELSE m.verb_kind END"
    )
    same = " AND ".join(f"m.{name} IS NOT DISTINCT FROM s.{name}" for name in SAID)
    no_act = ", ".join(f"'{name}'" for name in sorted(NO_ACT_KINDS))
    return f"""
        WITH agents AS (
            SELECT s.*, l.learner_id FROM {known} AS s LEFT JOIN core.identity_link AS l USING (identity_id)
            WHERE actor_kind = 'agent'
        ),
        members AS (
            SELECT s.* REPLACE (unnest(coalesce(string_split(member_identity_ids, ' '), [NULL])) AS identity_id)
            FROM {known} AS s WHERE actor_kind <> 'agent'
        ),
        -- Two identities of one learner in a group are one learner.
        grouped AS (
            SELECT DISTINCT ON (statement_id, learner_id) m.*, l.learner_id
            FROM members AS m LEFT JOIN core.identity_link AS l USING (identity_id)
            ORDER BY statement_id, learner_id, identity_id
        ),
        acted AS (FROM agents UNION ALL BY NAME FROM grouped)
        SELECT s.statement_id, s.identity_id, s.learner_id, m.course_key, s.registration, {kind} AS verb_kind,
               m.verb_kind NOT IN ({no_act}) AS is_act, m.activity_kind, m.strand, m.known_object_iri AS object_iri,
               m.is_about_course, m.is_unknown_verb, m.is_unknown_type, s.scaled_score, s.event_count,
               s.duration_seconds, s.happened_at, s.known_at,
               {epoch_day("s.happened_at", zoned)} AS epoch_day,
               {epoch_day("greatest(s.known_at, s.happened_at)", zoned)} AS known_epoch_day,
               CAST(epoch({local("s.happened_at", zoned)}) % 86400 AS BIGINT) AS first_second
        FROM acted AS s
        LEFT JOIN zone_of AS z USING (learner_id)
        JOIN meaning AS m ON {same}
    """


def _enrolments_of_places(warehouse: Warehouse) -> None:
    """Temporary table `enrolled_in`: a learner's enrolments in the courses that their statements name."""
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE enrolled_in AS SELECT p.course_key, e.*, "
        "count(*) OVER (PARTITION BY e.learner_id, p.course_key) = 1 AS is_only "
        "FROM (SELECT DISTINCT learner_id, course_key FROM placed WHERE course_key IS NOT NULL) AS p "
        "JOIN course_set AS c USING (course_key) JOIN enrolled AS e USING (learner_id, course_id)"
    )


def _registrations(warehouse: Warehouse) -> None:
    """Temporary table `registered`: what each registration was seen with, where learner and course are certain.

    An LMS gives a registration to one learner's enrolment (cmi5 asks for it), so one that was seen with one learner
    and one enrolment stands for that enrolment; one seen with several stands for none.
    """
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE registered AS
        SELECT registration, min(learner_id) AS learner_id, min(enrolment_id) AS enrolment_id,
               count(DISTINCT learner_id) = 1 AND count(DISTINCT enrolment_id) <= 1 AS is_clear
        FROM ({_sure("placed WHERE registration IS NOT NULL AND learner_id IS NOT NULL")})
        GROUP BY registration
        """
    )


def _sure(rows: str) -> str:
    """Statements with the enrolment that their registration names or that is the learner's only one in the course."""
    return f"""
        SELECT p.*, coalesce(r.enrolment_id, o.enrolment_id) AS enrolment_id,
               CASE WHEN r.enrolment_id IS NOT NULL THEN 'registration' ELSE 'parent_course' END AS attribution
        FROM (FROM {rows}) AS p
        LEFT JOIN enrolled AS r ON r.enrolment_id = p.registration AND r.learner_id = p.learner_id
        LEFT JOIN enrolled_in AS o ON o.learner_id = p.learner_id AND o.course_key = p.course_key AND o.is_only
    """


def _attributed() -> str:
    """Registration, else the course's one enrolment, else the most recently started that fits, else none.

    `ambiguous`: several enrolments fitted and the most recently started of them was taken.
    """
    placed = {"enrolment_id", "attribution", "course_id"}
    names = ", ".join(f"s.{name}" for name in STATEMENT.column_names if name not in placed)
    return f"""
        WITH certain AS ({_sure("placed")}),
        -- A registration learned elsewhere may not contradict the course that the statement itself names.
        learned AS (
            SELECT c.* REPLACE (
                       coalesce(c.enrolment_id, k.enrolment_id) AS enrolment_id,
                       CASE WHEN c.enrolment_id IS NULL AND k.enrolment_id IS NOT NULL THEN 'registration'
                            ELSE c.attribution END AS attribution)
            FROM certain AS c
            LEFT JOIN (
                SELECT r.registration, r.learner_id, e.enrolment_id, e.course_id
                FROM registered AS r JOIN enrolled AS e USING (enrolment_id) WHERE r.is_clear
            ) AS k
              ON c.enrolment_id IS NULL AND k.registration = c.registration AND k.learner_id = c.learner_id
             AND (c.course_key IS NULL OR contains(
                    chr(31) || c.course_key || chr(31), chr(31) || k.course_id || chr(31)))
        ),
        -- Days are few where statements are many, so what fits is looked for once a learner's day.
        asked AS (SELECT DISTINCT learner_id, course_key, epoch_day FROM learned WHERE enrolment_id IS NULL),
        fits AS (
            SELECT d.learner_id, d.course_key, d.epoch_day, e.enrolment_id, e.enrolled_day
            FROM asked AS d JOIN enrolled AS e ON e.learner_id = d.learner_id
            WHERE d.course_key IS NULL AND d.epoch_day BETWEEN e.enrolled_day AND e.last_day
            UNION ALL
            SELECT d.learner_id, d.course_key, d.epoch_day, e.enrolment_id, e.enrolled_day
            FROM asked AS d JOIN enrolled_in AS e ON e.learner_id = d.learner_id AND e.course_key = d.course_key
            WHERE e.enrolled_day <= d.epoch_day
        ),
        fitting AS (
            SELECT learner_id, course_key, epoch_day, count(*) AS times,
                   max_by(enrolment_id, struct_pack(day := enrolled_day, id := enrolment_id)) AS enrolment_id
            FROM fits GROUP BY ALL
        ),
        found AS (
            FROM learned WHERE enrolment_id IS NOT NULL
            UNION ALL BY NAME
            SELECT s.* REPLACE (
                f.enrolment_id AS enrolment_id,
                CASE WHEN f.times IS NULL THEN 'outside' WHEN f.times > 1 THEN 'ambiguous'
                     WHEN s.course_key IS NULL THEN 'most_recent' ELSE 'parent_course' END AS attribution)
            FROM (FROM learned WHERE enrolment_id IS NULL) AS s
            LEFT JOIN fitting AS f
              ON f.learner_id = s.learner_id AND f.epoch_day = s.epoch_day
             AND f.course_key IS NOT DISTINCT FROM s.course_key
        )
        SELECT {names}, s.enrolment_id, s.attribution, coalesce(c.course_id, e.course_id) AS course_id
        FROM found AS s
        LEFT JOIN course_set AS c ON c.course_key = s.course_key AND c.is_only
        LEFT JOIN enrolled AS e ON e.enrolment_id = s.enrolment_id
    """


def _findings(night: Night) -> None:
    """Fill core.statement_finding: what an analyst must know before trusting what is made of the statements."""
    before = night.observed_sql
    night.warehouse.replace(
        STATEMENT_FINDING,
        f"""
        WITH total AS (SELECT count(*) AS rows FROM core.statement),
        taken AS (FROM told WHERE known_at < {before}),
        kept AS (FROM once WHERE known_at < {before}),
        voiding AS (SELECT voids_statement_id AS target FROM kept WHERE voids_statement_id IS NOT NULL)
        SELECT 'attribution' AS finding, attribution AS finding_value, count(*) AS found_count,
               (SELECT rows FROM total) AS out_of_count
        FROM core.statement GROUP BY attribution
        UNION ALL
        SELECT 'no_act', verb_kind, count(*), (SELECT rows FROM total)
        FROM core.statement WHERE NOT is_act GROUP BY verb_kind
        UNION ALL
        SELECT 'ambiguous_registration', NULL, count(*) FILTER (NOT is_clear), count(*) FROM registered
        UNION ALL
        SELECT 'unknown_term', 'verb', count(*) FILTER (is_unknown_verb), count(*) FROM placed
        UNION ALL
        SELECT 'unknown_term', 'activity_type', count(*) FILTER (is_unknown_type), count(*) FROM placed
        UNION ALL
        SELECT 'repeated', NULL, count(*) - count(DISTINCT (statement_id, content_hash)), (SELECT count(*) FROM taken)
        FROM taken SEMI JOIN repeated USING (statement_id)
        UNION ALL
        SELECT '{_CONFLICTING}', NULL, count(DISTINCT (statement_id, content_hash)) - count(DISTINCT statement_id),
               (SELECT count(*) FROM kept)
        FROM taken SEMI JOIN repeated USING (statement_id)
        UNION ALL
        SELECT 'voided', NULL, count(*) FILTER (voids_statement_id IS NULL), (SELECT count(*) FROM kept)
        FROM kept SEMI JOIN void USING (statement_id)
        UNION ALL
        SELECT 'void_without_target', NULL,
               count(*) FILTER (target NOT IN (SELECT statement_id FROM kept)), count(*) FROM voiding
        UNION ALL
        SELECT 'group_without_members', NULL, count(*) FILTER (member_identity_ids IS NULL), count(*)
        FROM kept WHERE actor_kind <> 'agent'
        UNION ALL
        SELECT 'identity_conflict', NULL, (SELECT count(*) FROM core.identity_conflict), count(*)
        FROM core.identity_link
        ORDER BY ALL
        """,
    )


def findings(warehouse: Warehouse) -> Mapping[str, int]:
    """What core.statement_finding counted, by finding and value."""
    told = warehouse.rows("SELECT finding, finding_value, found_count FROM core.statement_finding ORDER BY ALL")
    return {finding if value is None else f"{finding}_{value}": count for finding, value, count in told}
