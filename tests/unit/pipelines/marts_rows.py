"""Rows for tests of marts, put straight into a small warehouse; tonight is Wednesday 2024-03-13.

Its ISO week began on the 11th. What a test does not name is ordinary: l1 is mentored by m1 in match M of programme P
since Wednesday 28 February, and everything is known on the day on which it happens.

Belongs here: short ways to write rows and to read a mart. Does not belong here: tests.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from data_contracts.tables.marts import MARTS
from pipelines.marts import MART_QUERIES, MartContext

OBSERVED = datetime(2024, 3, 13)  # noqa: DTZ001 - as the warehouse stores it, UTC without a zone
TONIGHT = (OBSERVED.date() - date(1970, 1, 1)).days
KNOWN = OBSERVED - timedelta(days=40)
CONTEXT = MartContext(OBSERVED.replace(tzinfo=UTC), TONIGHT, "run-2")

WEEK_8, WEEK_9, WEEK_10, WEEK_11 = date(2024, 2, 19), date(2024, 2, 26), date(2024, 3, 4), date(2024, 3, 11)


def on(month, day):
    return date(2024, month, day)


def epoch(month, day):
    return (date(2024, month, day) - date(1970, 1, 1)).days


def at(month, day, hour=12, minute=0):
    return datetime(2024, month, day, hour, minute)  # noqa: DTZ001 - as the warehouse stores it


def add(warehouse, table, **values):
    """Insert one row; what is not given is null, but raw rows are known 40 days ago."""
    if table.startswith("raw.") and table not in ("raw.file", "raw.quarantine"):
        values = {"known_at": KNOWN, "is_known_at_assumed": False} | values
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join("?" for _ in values)
    warehouse.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values.values())


def enrol(warehouse, enrolment_id, learner_id, **values):
    given = {
        "programme_id": "P",
        "course_id": "C",
        "enrolled_epoch_day": epoch(2, 20),
        "course_start_epoch_day": epoch(2, 26),
        "course_end_epoch_day": epoch(6, 1),
        "timezone": "UTC",
        "org_unit": "north",
    } | values
    participation_id = f"{given['programme_id']}:{learner_id}"
    names = {"enrolment_id": enrolment_id, "learner_id": learner_id, "participation_id": participation_id}
    add(warehouse, "core.enrolment", **(names | given))


def acted(warehouse, enrolment_id, epoch_day, **values):
    given = {
        "enrolment_id": enrolment_id,
        "epoch_day": epoch_day,
        "known_epoch_day": epoch_day,
        "strand": "formal",
        "activity_kind": "content",
        "events_count": 1,
        "minutes": 1.0,
        "distinct_activities_count": 1,
        "scored_count": 0,
        "first_second": 0,
        "last_second": 0,
    }
    add(warehouse, "core.enrolment_day", **(given | values))


def stated(warehouse, enrolment_id, epoch_day, object_iri, **values):
    """A statement of l1 in course C at the day's noon."""
    given = {
        "statement_id": f"{enrolment_id}{epoch_day}{object_iri}",
        "enrolment_id": enrolment_id,
        "learner_id": "l1",
        "course_id": "C",
        "object_iri": object_iri,
        "strand": "formal",
        "is_act": True,
        "is_about_course": False,
        "event_count": 1,
        "happened_at": datetime(1970, 1, 1, 12) + timedelta(days=epoch_day),  # noqa: DTZ001 - as the warehouse stores it
        "epoch_day": epoch_day,
        "known_epoch_day": epoch_day,
        "known_at": KNOWN,
    }
    add(warehouse, "core.statement", **(given | values))


def met(warehouse, event_id, kind, when, **values):
    """A session or message; each session is a meeting of its own, each message no conversation's start."""
    day = (when.date() - date(1970, 1, 1)).days
    given = {
        "event_id": event_id,
        "match_id": "M",
        "mentor_id": "m1",
        "learner_id": "l1",
        "programme_id": "P",
        "event_kind": kind,
        "happened_at": when,
        "epoch_day": day,
        "known_epoch_day": day,
        "mentor_epoch_day": day,
        "minutes": 0.0,
        "meeting_id": None if kind.startswith("message") else event_id,
        "is_start": False,
    }
    add(warehouse, "core.mentoring_event", **(given | values))


def asked(warehouse, event_id, when, answered_at=None, **values):
    """A learner's message, and when the mentor answered it."""
    known = (answered_at.date() - date(1970, 1, 1)).days if answered_at else None
    given = {"answered_at": answered_at, "answered_known_epoch_day": known}
    met(warehouse, event_id, "message_by_learner", when, **(given | values))


def matched(warehouse, match_id="M", **values):
    given = {
        "match_id": match_id,
        "mentor_id": "m1",
        "learner_id": "l1",
        "programme_id": "P",
        "timezone": "UTC",
        "mentor_timezone": "UTC",
        "matched_epoch_day": epoch(2, 28),
    } | values
    known = {"known_epoch_day": given["matched_epoch_day"]}
    if "match_ended_epoch_day" in given:
        known["match_ended_known_epoch_day"] = given["match_ended_epoch_day"]
    add(warehouse, "core.mentoring_match", **(known | given))


def agreed(warehouse, goal_id, agreed_epoch_day, due_epoch_day=None, version_number=1, **values):
    """A version of a goal, from 10 to 30."""
    given = {
        "goal_id": goal_id,
        "version_number": version_number,
        "match_id": "M",
        "mentor_id": "m1",
        "learner_id": "l1",
        "programme_id": "P",
        "kind": "skill",
        "agreed_epoch_day": agreed_epoch_day,
        "due_epoch_day": due_epoch_day,
        "baseline_value": 10.0,
        "target_value": 30.0,
        "known_epoch_day": agreed_epoch_day,
    }
    add(warehouse, "core.goal", **(given | values))


def measured(warehouse, goal_id, epoch_day, attained_share, status="open", **values):
    given = {"match_id": "M", "learner_id": "l1", "programme_id": "P", "known_epoch_day": epoch_day}
    told = {"goal_id": goal_id, "epoch_day": epoch_day, "attained_share": attained_share, "status": status}
    add(warehouse, "core.goal_update", **(told | given | values))


def promised(warehouse, commitment_id, made_epoch_day, reviewed_epoch_day=None, status="open", **values):
    given = {
        "commitment_id": commitment_id,
        "match_id": "M",
        "mentor_id": "m1",
        "learner_id": "l1",
        "programme_id": "P",
        "made_epoch_day": made_epoch_day,
        "made_known_epoch_day": made_epoch_day,
        "reviewed_epoch_day": reviewed_epoch_day,
        "reviewed_known_epoch_day": reviewed_epoch_day,
        "status": status,
    }
    add(warehouse, "core.commitment", **(given | values))


def away(warehouse, *days, learner_id="l1"):
    for day in days:
        add(warehouse, "core.away_day", learner_id=learner_id, epoch_day=day, known_epoch_day=day, away_kind="leave")


def worked(warehouse, week_starts_on, **values):
    """A week of mentor m1."""
    given = {
        "mentor_id": "m1",
        "week_starts_on": week_starts_on,
        "available_minutes": 60.0,
        "is_capacity_assumed": False,
        "planned_minutes": 0.0,
        "held_minutes": 0.0,
        "meetings_held_count": 0,
        "learners_count": 1,
        "programmes_count": 1,
    }
    add(warehouse, "core.mentor_week", **(given | values))


def rows(warehouse, mart, *names, context=CONTEXT):
    """The mart's rows as tuples of the named columns, in its order; plain values where one column is named."""
    found = warehouse.rows(f"SELECT {', '.join(names) or '*'} FROM ({MART_QUERIES[mart](context)})")
    return [row[0] for row in found] if len(names) == 1 else found


def as_published(warehouse, mart):
    """The mart's rows as they would be written, in the contract's types."""
    columns = ", ".join(
        f'CAST("{column.name}" AS {column.sql_type}) AS "{column.name}"'
        for column in MARTS[mart].columns
        if column.name != "publication_id"
    )
    query = MART_QUERIES[mart](CONTEXT)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE published AS SELECT {columns} FROM ({query})")
    return warehouse.rows("FROM published")
