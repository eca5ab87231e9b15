"""Events as xAPI statements in gzipped lines, one file a month of `stored`.

Belongs here: the JSON of a statement, late storing, voids, exact duplicates. Does not belong here: what happened
(`activity`). Every statement is valid; nothing happened or was stored at or after the snapshot.
"""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from pipelines.sources.simulated.activity import NOTHING, VERB_NAMES, VERBS, Events
from pipelines.sources.simulated.catalogue import PARENT_TYPES, Catalogue, LearningObject
from pipelines.sources.simulated.clock import iso_milliseconds
from pipelines.sources.simulated.courses import COURSE_TYPE
from pipelines.sources.simulated.people import account
from pipelines.sources.simulated.settings import Ints, stream, uuids
from pipelines.sources.simulated.world import World

VOIDED_IRI = "http://adlnet.gov/expapi/verbs/voided"
VERSION = "1.0.3"
_VOIDED_SHARE = 0.002
_DUPLICATED_SHARE = 0.003
_MILLISECONDS = 1000
_HOUR = 3600 * _MILLISECONDS
_DAY = 24 * _HOUR
_COMPRESSION = 6
_AUTHORITY = {"objectType": "Agent", "account": account("lrs-client")}


@dataclass(frozen=True)
class Written:
    """Lines written to the inbox: distinct statements (voiding ones included), voiding ones, repeated lines."""

    statements: int
    voiding: int
    duplicates: int


def write_statements(world: World, events: Events, catalogue: Catalogue, folder: Path) -> Written:
    """Write the events into `folder`, ordered as they were delivered; the same world gives the same bytes."""
    rng = stream(world.settings, "statements")
    snapshot = world.settings.snapshot_second * _MILLISECONDS
    happened = events.utc * _MILLISECONDS + rng.integers(0, _MILLISECONDS, len(events))
    stored = happened + _lag(rng, len(events))
    is_kept = stored < snapshot
    events, happened, stored = events.keep(is_kept), happened[is_kept], stored[is_kept]
    size = len(events)
    renderer = _Renderer(world, events, catalogue, happened, stored)

    voided = np.flatnonzero(rng.random(size) < _VOIDED_SHARE)
    if not len(voided):
        voided = np.arange(1)
    voided_at = stored[voided] + rng.integers(_HOUR, 3 * _DAY, len(voided))
    voided, voided_at = voided[voided_at < snapshot - _HOUR], voided_at[voided_at < snapshot - _HOUR]
    voiding = _voiding_lines(world, rng, [renderer.ids[index] for index in voided.tolist()], voided_at)

    repeated = np.flatnonzero(rng.random(size) < _DUPLICATED_SHARE)
    if not len(repeated):
        repeated = np.arange(1)
    repeated_at = np.minimum(stored[repeated] + rng.integers(_HOUR, 20 * _DAY, len(repeated)), snapshot - 1)

    # A number below `size` is an event, from there on a voiding statement.
    numbers = np.concatenate([np.arange(size), size + np.arange(len(voided)), repeated])
    delivered = np.concatenate([stored, voided_at, repeated_at])
    order = np.lexsort((numbers, delivered))
    numbers, months = numbers[order], delivered[order].astype("datetime64[ms]").astype("datetime64[M]")
    folder.mkdir(parents=True)
    for month in np.unique(months):
        chosen = numbers[months == month].tolist()
        lines = (renderer.line(number) if number < size else voiding[number - size] for number in chosen)
        _write_lines(folder / f"statements-{month}.ndjson.gz", b"".join(lines))
    return Written(size + len(voided), len(voided), len(repeated))


def _lag(rng: np.random.Generator, size: int) -> Ints:
    """Milliseconds from happening to being stored: mostly seconds, sometimes hours, rarely days."""
    drawn = rng.random(size)
    seconds = rng.integers(200, 30_000, size)
    hours = (rng.exponential(1.5 * _HOUR, size) + 60_000).astype(np.int64)
    days = rng.integers(_DAY, 6 * _DAY, size)
    return np.where(drawn < 0.92, seconds, np.where(drawn < 0.99, hours, days))


class _Renderer:
    """Turns one event after the other into a line of JSON."""

    def __init__(self, world: World, events: Events, catalogue: Catalogue, happened: Ints, stored: Ints) -> None:
        rng = stream(world.settings, "statement details")
        size = len(events)
        self.ids = uuids(rng, size)
        self._actors = world.people.actors
        self._objects = [_activity(thing) for thing in catalogue.things]
        self._parents = [_parents(thing) for thing in catalogue.things]
        self._verbs = [{"id": VERBS[name], "display": {"en": name}} for name in VERB_NAMES]
        self._enrolment_ids = world.enrolments.ids
        self._happened, self._stored = iso_milliseconds(happened), iso_milliseconds(stored)
        self._actor, self._thing = events.actor.tolist(), events.thing.tolist()
        self._verb, self._has_parent = events.verb.tolist(), events.has_parent.tolist()
        self._success, self._duration = events.success.tolist(), events.duration.tolist()
        self._score = events.score.tolist()
        has_registration = rng.random(size) < 0.5
        self._registration = np.where(has_registration, events.enrolment, NOTHING).tolist()
        self._has_response = (rng.random(size) < 0.3).tolist()

    def line(self, number: int) -> bytes:
        """One statement and its line end."""
        verb = VERB_NAMES[self._verb[number]]
        statement: dict[str, object] = {
            "id": self.ids[number],
            "actor": self._actors[self._actor[number]],
            "verb": self._verbs[self._verb[number]],
            "object": self._objects[self._thing[number]],
            "context": self._context(number),
            "timestamp": self._happened[number],
            "stored": self._stored[number],
            "authority": _AUTHORITY,
            "version": VERSION,
        }
        result = self._result(number, verb)
        if result:
            statement["result"] = result
        return orjson.dumps(statement, option=orjson.OPT_APPEND_NEWLINE)

    def _context(self, number: int) -> dict[str, object]:
        context: dict[str, object] = {"platform": "Example LMS", "language": "en"}
        if self._registration[number] != NOTHING:
            context["registration"] = self._enrolment_ids[self._registration[number]]
        if self._has_parent[number]:
            context["contextActivities"] = {"parent": self._parents[self._thing[number]]}
        return context

    def _result(self, number: int, verb: str) -> dict[str, object]:
        result: dict[str, object] = {}
        score = self._score[number]
        if not math.isnan(score):
            result["score"] = {"scaled": score}
        if self._success[number] != NOTHING:
            result["success"] = bool(self._success[number])
        if verb == "completed":
            result["completion"] = True
        if self._duration[number] != NOTHING:
            result["duration"] = f"PT{self._duration[number]}S"
        if verb == "answered" and self._has_response[number]:
            result["response"] = "b"
        return result


def _activity(thing: LearningObject) -> dict[str, object]:
    return {
        "objectType": "Activity",
        "id": thing.iri,
        "definition": {"type": thing.type_iri, "name": {"en": thing.title}},
    }


def _parents(thing: LearningObject) -> list[dict[str, object]]:
    parent_type = PARENT_TYPES.get(thing.parent_iri, COURSE_TYPE)
    return [{"objectType": "Activity", "id": thing.parent_iri, "definition": {"type": parent_type}}]


def _voiding_lines(world: World, rng: np.random.Generator, targets: list[str], stored: Ints) -> list[bytes]:
    """Statements by which a member of staff voids others."""
    texts, happened = iso_milliseconds(stored), iso_milliseconds(stored - 2 * _MILLISECONDS)
    return [
        orjson.dumps(
            {
                "id": void_id,
                "actor": world.people.actors[world.people.first_staff_actor],
                "verb": {"id": VOIDED_IRI, "display": {"en": "voided"}},
                "object": {"objectType": "StatementRef", "id": target},
                "timestamp": happened[index],
                "stored": texts[index],
                "authority": _AUTHORITY,
                "version": VERSION,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for index, (void_id, target) in enumerate(zip(uuids(rng, len(targets)), targets, strict=True))
    ]


def _write_lines(path: Path, content: bytes) -> None:
    with path.open("wb") as file, gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as zipped:
        zipped.write(content)
