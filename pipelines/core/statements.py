"""core.statement: one row a statement and learner, voided ones gone, each attributed to an enrolment or to none.

Belongs here: whose a statement is, local days, attribution, and bringing the table up to date. Does not belong here:
validity (`pipelines.statements`), which content counts (`versions`), meaning of verbs and types (`meaning`), what changed
since the last night (`changes`), days and sessions (`pipelines.core.days`).
"""

from __future__ import annotations

from data_contracts.tables.core import REGISTRATION_USE, STATEMENT
from data_contracts.tables.inputs import RAW_INPUTS
from data_contracts.xapi.vocabulary import NO_ACT_KINDS
from pipelines.core import changes
from pipelines.core.basis import forget_basis
from pipelines.core.changes import Reading
from pipelines.core.findings import count_findings, tally
from pipelines.core.local_time import date_day, epoch_day, local, zone
from pipelines.core.meaning import SAID, build_meaning, hear, list_unknown_terms, name_kinds
from pipelines.core.versions import choose_versions, look_at, newly_counting
from pipelines.resources import Night
from pipelines.warehouse import Warehouse, current

_USED = "registration IS NOT NULL AND learner_id IS NOT NULL"
# What a statement names; by it and its day it is attributed.
_NAMED = ("learner_id", "course_key", "registration")
# With the enrolment that the registration names or that is the learner's only one in the course.
_CERTAIN = """
    SELECT n.*, coalesce(r.enrolment_id, o.enrolment_id) AS enrolment_id,
           CASE WHEN r.enrolment_id IS NOT NULL THEN 'registration' ELSE 'parent_course' END AS attribution
    FROM named AS n
    LEFT JOIN enrolled AS r ON r.enrolment_id = n.registration AND r.learner_id = n.learner_id
    LEFT JOIN enrolled_in AS o ON o.learner_id = n.learner_id AND o.course_key = n.course_key AND o.is_only
"""
_MADE_ANEW = ("days", "submissions")
"""Areas of ops.basis whose tables are made of core.statement."""


def attribute_statements(night: Night) -> int:
    """Bring core.statement up to date with what was known before observed_at; returns its rows.

    Only statements are made anew that came or became known since the last night, that these void or repeat, whose
    identity or learner changed, or whose registration says something else now. core.unknown_term and
    core.statement_finding are counted by what went and came. One transaction: a killed night leaves the last one's.
    """
    warehouse = night.warehouse
    with warehouse.transaction():
        reading = changes.read_on(night)
        _maps(night)
        changes.look_at_people(warehouse)
        touched = 0
        if not reading.is_all:
            touched = changes.find_touched(night, reading)
            reading = reading.limited(touched, warehouse.scalar("SELECT count(*) FROM core.statement_key"))
        choose_versions(night, reading)
        hear(warehouse, newly_counting(night, reading), is_all=reading.is_all)
        name_kinds(warehouse)
        if reading.is_all:
            _make_all(night, reading)
        elif touched:
            _make_touched(night, reading)
        _registered(warehouse, "core.registration_use")
        list_unknown_terms(night)
        count_findings(night)
        changes.remember(night, reading)
    for name in ("placed", "named", "certain", "meaning", "said", "candidate", "place", "looked", "made", "gone"):
        warehouse.execute(f"DROP TABLE IF EXISTS temp.{name}")
    return warehouse.count(STATEMENT)


def _make_all(night: Night, reading: Reading) -> None:
    """Fill core.statement and core.registration_use; what is made of them is made anew as a whole."""
    warehouse = night.warehouse
    _place(night, reading)
    warehouse.replace(REGISTRATION_USE, _uses())
    _registered(warehouse, "core.registration_use")
    warehouse.replace(STATEMENT, _attributed())
    tally(warehouse, STATEMENT.qualified_name)
    warehouse.execute("DELETE FROM core.restated")
    forget_basis(warehouse, *_MADE_ANEW)


def _make_touched(night: Night, reading: Reading) -> None:
    """Replace the rows of the touched statements, and note what that changes for days and submissions."""
    warehouse = night.warehouse
    _place(night, reading)
    _take_out(warehouse, reading)
    if _touch_by_registration(warehouse):
        _place(night, reading)
        _take_out(warehouse, reading)
    warehouse.execute("DELETE FROM core.registration_use WHERE registration IN (SELECT registration FROM used)")
    warehouse.execute("INSERT INTO core.registration_use BY NAME FROM used WHERE statements_count > 0")
    _registered(warehouse, "core.registration_use SEMI JOIN placed USING (registration)")
    names = ", ".join(f"CAST({column.name} AS {column.sql_type}) AS {column.name}" for column in STATEMENT.columns)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE made AS SELECT {names} FROM ({_attributed()})")
    warehouse.execute(f"DELETE FROM core.statement WHERE {_spoken(warehouse)}")
    warehouse.execute("INSERT INTO core.statement BY NAME FROM made")
    tally(warehouse, "made", "gone")
    # What came out as it was before changes nothing.
    warehouse.execute(
        """
        INSERT INTO core.restated BY NAME
        WITH changed AS (
            (SELECT * FROM gone EXCEPT ALL SELECT * FROM made) UNION ALL (SELECT * FROM made EXCEPT ALL SELECT * FROM gone)
        )
        SELECT DISTINCT 'day' AS restated_kind, learner_id, enrolment_id, epoch_day
        FROM changed WHERE is_act AND learner_id IS NOT NULL
        UNION ALL
        SELECT DISTINCT 'submission', NULL, enrolment_id, NULL
        FROM changed WHERE enrolment_id IS NOT NULL AND activity_kind = 'assessment'
        """
    )


def _take_out(warehouse: Warehouse, reading: Reading) -> None:
    """Temporary `gone`: rows of core.statement of touched ids; `used`: what registrations were then seen with."""
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE spoken AS SELECT statement_id, happened_at FROM looked WHERE statement_id IN "
        f"(SELECT statement_id FROM looked WHERE row_number < {reading.first_new_row})"
    )
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE gone AS FROM core.statement WHERE {_spoken(warehouse)}")
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE used AS
        WITH changed AS (
            SELECT registration, learner_id, CASE WHEN is_certain THEN enrolment_id END AS enrolment_id,
                   -count(*) AS statements_count
            FROM gone WHERE {_USED} GROUP BY ALL
            UNION ALL {_uses()}
        )
        SELECT registration, learner_id, enrolment_id, CAST(sum(statements_count) AS BIGINT) AS statements_count
        FROM (FROM changed UNION ALL BY NAME FROM core.registration_use SEMI JOIN changed USING (registration))
        GROUP BY ALL
        """
    )


def _spoken(warehouse: Warehouse) -> str:
    """Condition of the rows that go; of them it is known when they happened, so that few row groups are read."""
    first, last = warehouse.rows("SELECT min(happened_at), max(happened_at) FROM spoken")[0]
    if first is None:
        return "false"
    when = f"happened_at BETWEEN TIMESTAMP '{first}' AND TIMESTAMP '{last}'"
    return f"{when} AND statement_id IN (SELECT statement_id FROM spoken)"


def _touch_by_registration(warehouse: Warehouse) -> bool:
    """Add to `touched` the other statements of registrations that stand for another enrolment now; whether any do."""
    _registered(warehouse, "core.registration_use SEMI JOIN used USING (registration)")
    warehouse.execute("CREATE OR REPLACE TEMP TABLE registered_before AS FROM registered")
    _registered(warehouse, "used WHERE statements_count > 0")
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE turned AS SELECT b.registration FROM registered_before AS b "
        "LEFT JOIN registered AS r USING (registration) WHERE (b.learner_id, b.enrolment_id, b.is_clear) "
        "IS DISTINCT FROM (r.learner_id, r.enrolment_id, r.is_clear)"
    )
    if not warehouse.scalar("SELECT count(*) FROM turned"):
        return False
    changes.touch(warehouse, "SELECT statement_id FROM core.statement SEMI JOIN turned USING (registration)")
    return True


def _place(night: Night, reading: Reading) -> None:
    """Temporary `placed`, `enrolled_in` and `certain` of the statements to be looked at."""
    look_at(night, reading)
    build_meaning(night.warehouse)
    night.warehouse.execute(f"CREATE OR REPLACE TEMP TABLE placed AS {_placed(night)}")
    # What statements name are few combinations, so enrolments are looked up once for each.
    night.warehouse.execute(
        f"CREATE OR REPLACE TEMP TABLE named AS SELECT {', '.join(_NAMED)}, count(*) AS statements_count "
        "FROM placed GROUP BY ALL"
    )
    _enrolments_of_places(night.warehouse)
    night.warehouse.execute(f"CREATE OR REPLACE TEMP TABLE certain AS {_CERTAIN}")


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
        "FROM (SELECT DISTINCT learner_id, course_key FROM named WHERE course_key IS NOT NULL) AS p "
        "JOIN course_set AS c USING (course_key) JOIN enrolled AS e USING (learner_id, course_id)"
    )


def _uses() -> str:
    """Query: core.registration_use of the placed statements."""
    return (
        "SELECT registration, learner_id, enrolment_id, sum(statements_count) AS statements_count "
        f"FROM certain WHERE {_USED} GROUP BY ALL"
    )


def _registered(warehouse: Warehouse, uses: str) -> None:
    """Temporary table `registered`: what each registration was seen with, where learner and course are certain.

    An LMS gives a registration to one learner's enrolment (cmi5 asks for it), so one that was seen with one learner
    and one enrolment stands for that enrolment; one seen with several stands for none.
    """
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE registered AS SELECT registration, min(learner_id) AS learner_id, "
        "min(enrolment_id) AS enrolment_id, "
        "count(DISTINCT learner_id) = 1 AND count(DISTINCT enrolment_id) <= 1 AS is_clear "
        f"FROM {uses} GROUP BY registration"
    )


def _attributed() -> str:
    """Registration, else the course's one enrolment, else the most recently started that fits, else none.

    `ambiguous`: several enrolments fitted and the most recently started of them was taken.
    """
    found = {"enrolment_id", "attribution", "course_id", "is_certain"}
    names = ", ".join(f"s.{name}" for name in STATEMENT.column_names if name not in found)
    same = " AND ".join(f"l.{name} IS NOT DISTINCT FROM s.{name}" for name in _NAMED)
    return f"""
        -- A registration learned elsewhere may not contradict the course that the statement itself names.
        WITH learned AS (
            SELECT c.* REPLACE (
                       coalesce(c.enrolment_id, k.enrolment_id) AS enrolment_id,
                       CASE WHEN c.enrolment_id IS NULL AND k.enrolment_id IS NOT NULL THEN 'registration'
                            ELSE c.attribution END AS attribution),
                   c.enrolment_id IS NOT NULL AS is_certain
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
        asked AS (
            SELECT DISTINCT s.learner_id, s.course_key, s.epoch_day
            FROM placed AS s JOIN learned AS l ON {same} WHERE l.enrolment_id IS NULL
        ),
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
        )
        SELECT {names}, l.is_certain, coalesce(l.enrolment_id, f.enrolment_id) AS enrolment_id,
               CASE WHEN l.enrolment_id IS NOT NULL THEN l.attribution WHEN f.times IS NULL THEN 'outside'
                    WHEN f.times > 1 THEN 'ambiguous' WHEN s.course_key IS NULL THEN 'most_recent'
                    ELSE 'parent_course' END AS attribution,
               coalesce(c.course_id, e.course_id) AS course_id
        FROM placed AS s
        JOIN learned AS l ON {same}
        LEFT JOIN fitting AS f
          ON f.learner_id = s.learner_id AND f.epoch_day = s.epoch_day
         AND f.course_key IS NOT DISTINCT FROM s.course_key
        LEFT JOIN course_set AS c ON c.course_key = s.course_key AND c.is_only
        LEFT JOIN enrolled AS e ON e.enrolment_id = coalesce(l.enrolment_id, f.enrolment_id)
    """
