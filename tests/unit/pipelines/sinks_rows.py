"""A small night with alerts to deliver; tonight is Wednesday 2024-03-13, and in the organisation's zone (UTC).

ana, ben, cleo and dan learn in programme P; meg (a peer), max (a manager), eva (external) and noa (of whom nothing is
known) mentor; col coordinates P. What a test does not name is ordinary: a risk alert of ana, served by meg.

Belongs here: short ways to write alerts and people, and a night of another day. Does not belong here: tests.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from data_contracts.tables.marts import MARTS
from pipelines import runs
from pipelines.marts import MART_QUERIES, MartContext
from pipelines.sinks import outbox
from pipelines.statements.identity import Pseudonyms
from tests.unit.pipelines.marts_rows import OBSERVED, add, agreed, enrol, matched, measured, promised

REASON = "no activity for 9 days"
KEY = b"k" * 32
_WHO = ("ana", "ben", "cleo", "dan", "meg", "max", "eva", "noa", "col")
KEYS = {Pseudonyms(KEY).person(f"key-{name}"): f"key-{name}" for name in _WHO}
ANA, BEN, CLEO, DAN, MEG, MAX, EVA, NOA, COL = KEYS
NAMES = {
    ANA: "Ana Alba",
    BEN: "Ben Borg",
    CLEO: "Cleo Cruz",
    DAN: "Dan Diaz",
    MEG: "Meg Moss",
    MAX: "Max Mann",
    EVA: "Eva Ende",
    COL: "Col Cole",
}


def people(warehouse):
    """Who there is, what they agreed, and their names in the identity store."""
    add(warehouse, "raw.programme", programme_id="P", name="Pilots", coordinator_id=COL)
    add(warehouse, "raw.course", course_id="C", activity_iri="https://lms.example/c", title="Knots")
    for mentor_id, kind, is_external in ((MEG, "peer", False), (MAX, "manager", False), (EVA, "expert", True)):
        add(warehouse, "raw.mentor", mentor_id=mentor_id, kind=kind, is_external=is_external)
    for number, (learner_id, mentor_id) in enumerate(((ANA, MEG), (BEN, MAX), (CLEO, EVA), (DAN, NOA))):
        add(warehouse, "raw.learner", learner_id=learner_id)
        matched(warehouse, f"M{number}", learner_id=learner_id, mentor_id=mentor_id)
        enrol(warehouse, f"e{number}", learner_id)
        who = {"match_id": f"M{number}", "learner_id": learner_id, "mentor_id": mentor_id}
        agreed(warehouse, f"g{number}", 19780, 19804, **who)
        measured(warehouse, f"g{number}", 19790, 0.5, match_id=f"M{number}", learner_id=learner_id)
        promised(warehouse, f"c{number}", 19780, due_epoch_day=19799, **who)
    for person_id, name in NAMES.items():
        named(warehouse, person_id, name)


def named(warehouse, person_id, name, address=None):
    """Put a name into the identity store, or another one."""
    warehouse.execute("DELETE FROM identity.main.person WHERE person_id = ?", [person_id])
    told = [person_id, KEYS[person_id], name, address or f"{name.split()[0].lower()}@example.org"]
    warehouse.execute("INSERT INTO identity.main.person VALUES (?, ?, ?, ?)", told)


def alert(warehouse, alert_id="al", observed_at=OBSERVED, *, opened=True, **values):
    """An alert's content of a night, and the event of its opening."""
    given = {
        "alert_id": alert_id,
        "participation_id": f"P:{values.get('learner_id', ANA)}",
        "observed_at": observed_at,
        "learner_id": ANA,
        "programme_id": "P",
        "course_id": "C",
        "mentor_id": MEG,
        "kind": "risk",
        "state": "new",
        "opened_at": observed_at,
        "state_at": observed_at,
        "abandonment_probability_28d": 0.283,
        "risk_band": "middle",
        "probability_change_7d": 0.121,
        "is_too_early": False,
        "reason_1_family": "recency",
        "reason_1_text": REASON,
        "level": "methodological",
        "channel": "asynchronous",
        "expected_minutes": 20,
        "due_minutes": 20,
        "next_step": "work due on 20 March",
        "is_served": True,
        "route_kind": "own_mentor",
        "ranked_by": "probability",
        "routing_value": 0.283,
        "model_id": "v",
    } | values
    add(warehouse, "alerts.alert", **given)
    if opened:
        happened(warehouse, alert_id, 1, "opened", observed_at, learner_id=given["learner_id"])


def happened(warehouse, alert_id, number, kind, at=OBSERVED, **values):
    """An event in an alert's life."""
    given = {
        "alert_id": alert_id,
        "event_number": number,
        "participation_id": f"P:{values.get('learner_id', ANA)}",
        "learner_id": ANA,
        "event_kind": kind,
        "happened_at": at,
        "observed_at": at,
        "kind": "risk",
    }
    add(warehouse, "alerts.event", **(given | values))


def published(night):
    """What a digest reads of the publication."""
    for name in ("dim_programme", "dim_course", "course_issues"):
        night.build.write(MARTS[name], MART_QUERIES[name](MartContext.of(night)), "p")
    night.warehouse.execute("CHECKPOINT building")
    night.warehouse.execute("DETACH building")
    night.build.file.replace(night.home.marts_file)


def tonight(night, observed_at=OBSERVED, run_id=None, **settings):
    """The night as of another day, with other settings, its run begun and published."""
    moved = replace(
        night,
        observed_at=observed_at.replace(tzinfo=UTC),
        settings=night.settings.model_copy(update=settings),
        run_id=run_id or f"run-{observed_at:%m%d%H}",
    )
    if not moved.warehouse.rows("FROM ops.run WHERE run_id = ?", [moved.run_id]):
        runs.begin(moved.warehouse, moved.run_id, "inbox", moved.observed_at)
        moved.warehouse.execute("UPDATE ops.run SET state = 'published' WHERE run_id = ?", [moved.run_id])
    published(moved)
    return moved


def delivered(night, **patience):
    """Write down and deliver; returns how many were new."""
    new = outbox.write_down(night)
    outbox.deliver(night, **patience)
    return new


def days(number):
    """Tonight, so many days later."""
    return OBSERVED + timedelta(days=number)


def deliveries(night, *names):
    """Rows of alerts.delivery, by columns named."""
    return night.warehouse.rows(f"SELECT {', '.join(names)} FROM alerts.delivery ORDER BY ALL")


def day_folder(night, day=None):
    """Tonight's folder of the outbox."""
    return night.home.outbox / f"{day or datetime(2024, 3, 13, tzinfo=UTC).date()}"
