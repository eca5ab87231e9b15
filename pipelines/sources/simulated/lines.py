"""Events as lines of JSON, many at once: text is put together by column, never by row.

Belongs here: what a statement looks like. Does not belong here: which statements are delivered, when and how often
(`statements`), what happened (`activity`).

Everything that many statements have in common (actors, verbs, objects, contexts) is written once; a line is then only
pieces laid side by side. The pieces' order is that of the standard's own examples, with the result at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import orjson
import polars as pl
import pyarrow as pa

from pipelines.sources.simulated.activity import NOTHING, VERB_NAMES, VERBS, Events
from pipelines.sources.simulated.catalogue import PARENT_TYPES, Catalogue, LearningObject
from pipelines.sources.simulated.courses import COURSE_TYPE
from pipelines.sources.simulated.people import account
from pipelines.sources.simulated.settings import Bytes, Ints, stream
from pipelines.sources.simulated.world import World

VOIDED_IRI = "http://adlnet.gov/expapi/verbs/voided"
VERSION = "1.0.3"
AUTHORITY = {"objectType": "Agent", "account": account("lrs-client")}

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DIGITS = np.frombuffer("".join(f"{number:02d}" for number in range(100)).encode(), dtype=np.uint8).reshape(100, 2)
_THOUSANDS = np.frombuffer("".join(f"{number:03d}" for number in range(1000)).encode(), dtype=np.uint8).reshape(1000, 3)
# Where the 32 digits of a UUID stand among its 36 characters.
_UUID_PLACES = np.array([place for place in range(36) if place not in {8, 13, 18, 23}])
_DAY_MILLISECONDS = 86_400_000


def uuid_texts(raw: Bytes) -> pl.Series:
    """Write UUIDs of 16 bytes each as texts."""
    text = np.full((len(raw), 36), ord("-"), dtype=np.uint8)
    digits = np.empty((len(raw), 32), dtype=np.uint8)
    digits[:, 0::2], digits[:, 1::2] = _HEX[raw >> 4], _HEX[raw & 0x0F]
    text[:, _UUID_PLACES] = digits
    return _fixed_width(text)


def instant_texts(milliseconds: Ints) -> pl.Series:
    """Write UTC milliseconds since 1970-01-01 as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    day, rest = np.divmod(milliseconds, _DAY_MILLISECONDS)
    days, place = np.unique(day, return_inverse=True)
    dates = np.datetime_as_string(days.astype("datetime64[D]"))
    table = np.frombuffer("".join(dates.tolist()).encode(), dtype=np.uint8).reshape(len(days), 10)
    text = np.empty((len(milliseconds), 24), dtype=np.uint8)
    text[:, :10] = table[place]
    text[:, (13, 16)], text[:, 10], text[:, 19], text[:, 23] = ord(":"), ord("T"), ord("."), ord("Z")
    text[:, 11:13] = _DIGITS[rest // 3_600_000]
    text[:, 14:16] = _DIGITS[rest // 60_000 % 60]
    text[:, 17:19] = _DIGITS[rest // 1000 % 60]
    text[:, 20:23] = _THOUSANDS[rest % 1000]
    return _fixed_width(text)


def _fixed_width(text: Bytes) -> pl.Series:
    count, width = text.shape
    offsets = pa.py_buffer(np.arange(0, (count + 1) * width, width, dtype=np.int64))
    return pl.Series(pl.from_arrow(pa.LargeStringArray.from_buffers(count, offsets, pa.py_buffer(text))))


class Renderer:
    """Writes a block's events as lines; `ids` are theirs, 16 bytes each."""

    def __init__(self, world: World, events: Events, catalogue: Catalogue, ids: Bytes) -> None:
        rng = stream(world.settings, "statement details")
        size = len(events)
        self._events, self._ids = events, ids
        has_registration = rng.random(size) < 0.5
        self._registration = np.where(has_registration, events.enrolment, NOTHING)
        self._has_response = rng.random(size) < 0.3
        self._actors = _fragments(',"actor":', world.people.actors)
        self._verbs = _fragments(',"verb":', [{"id": VERBS[name], "display": {"en": name}} for name in VERB_NAMES])
        self._objects = _fragments(',"object":', [_activity(thing) for thing in catalogue.things])
        parents = _fragments("", [_parents(thing) for thing in catalogue.things])
        self._parents = ',"contextActivities":{"parent":' + parents + "}}"
        self._registrations = ',"registration":"' + pl.Series(world.enrolments.ids) + '"'
        self._scores = pl.Series([f',"score":{{"scaled":{number / 100}}}' for number in range(101)])
        self._context = ',"context":{"platform":"Example LMS","language":"en"'
        self._tail = f',"authority":{orjson.dumps(AUTHORITY).decode()},"version":"{VERSION}"'

    def lines(self, chosen: Ints, happened: Ints, stored: Ints) -> pl.Series:
        """Lines of the chosen events, line ends included; `happened` and `stored` are theirs, in milliseconds."""
        events = self._events
        verb = events.verb[chosen]
        pieces = pl.DataFrame(
            {
                "id": uuid_texts(self._ids[chosen]),
                "actor": self._actors.gather(events.actor[chosen]),
                "verb": self._verbs.gather(verb),
                "object": self._objects.gather(events.thing[chosen]),
                "registration": _where(self._registrations, self._registration[chosen], ""),
                "parents": _where(
                    self._parents, np.where(events.has_parent[chosen], events.thing[chosen], NOTHING), "}"
                ),
                "happened": instant_texts(happened),
                "stored": instant_texts(stored),
                "result": self._results(chosen, verb),
            }
        )
        line = pl.concat_str(
            pl.lit('{"id":"'),
            "id",
            pl.lit('"'),
            "actor",
            "verb",
            "object",
            pl.lit(self._context),
            "registration",
            "parents",
            pl.lit(',"timestamp":"'),
            "happened",
            pl.lit('","stored":"'),
            "stored",
            pl.lit('"' + self._tail),
            "result",
            pl.lit("}\n"),
        )
        return pieces.select(line=line)["line"]

    def _results(self, chosen: Ints, verb: Ints) -> pl.Series:
        """Write `,"result":{...}` where an event has one, else nothing."""
        events = self._events
        score, duration, success = events.score[chosen], events.duration[chosen], events.success[chosen]
        is_completed = verb == VERB_NAMES.index("completed")
        has_response = self._has_response[chosen] & (verb == VERB_NAMES.index("answered"))
        hundredths = np.where(np.isnan(score), NOTHING, np.round(np.nan_to_num(score) * 100)).astype(np.int64)
        durations, place = np.unique(duration, return_inverse=True)
        texts = pl.Series(["" if value == NOTHING else f',"duration":"PT{value}S"' for value in durations.tolist()])
        parts = pl.DataFrame(
            {
                "score": _where(self._scores, hundredths, ""),
                "success": _where(pl.Series([',"success":false', ',"success":true']), success, ""),
                "completion": _where(pl.Series([',"completion":true']), np.where(is_completed, 0, NOTHING), ""),
                "duration": texts.gather(place),
                "response": _where(pl.Series([',"response":"b"']), np.where(has_response, 0, NOTHING), ""),
            }
        )
        joined = pl.concat_str(parts.columns)
        has_result = joined.str.len_bytes() > 0
        whole = pl.concat_str(pl.lit(',"result":{'), joined.str.slice(1), pl.lit("}"))
        return parts.select(result=pl.when(has_result).then(whole).otherwise(pl.lit("")))["result"]


def as_bytes(lines: pl.Series) -> memoryview:
    """All lines, one after the other, as bytes."""
    array = lines.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    return memoryview(array.buffers()[2])[int(offsets[0]) : int(offsets[-1])]


def _where(texts: pl.Series, place: Ints, otherwise: str) -> pl.Series:
    """Texts at the places; `otherwise` where the place is `NOTHING`."""
    return pl.concat([texts, pl.Series([otherwise])]).gather(np.where(place == NOTHING, len(texts), place))


def _fragments(before: str, values: Iterable[object]) -> pl.Series:
    return pl.Series([before + orjson.dumps(value).decode() for value in values])


def _activity(thing: LearningObject) -> dict[str, object]:
    return {
        "objectType": "Activity",
        "id": thing.iri,
        "definition": {"type": thing.type_iri, "name": {"en": thing.title}},
    }


def _parents(thing: LearningObject) -> list[dict[str, object]]:
    parent_type = PARENT_TYPES.get(thing.parent_iri, COURSE_TYPE)
    return [{"objectType": "Activity", "id": thing.parent_iri, "definition": {"type": parent_type}}]


def voiding_line(void_id: str, target: str, staff: object, instants: tuple[str, str]) -> bytes:
    """A statement by which a member of staff voids another; `instants` are when it happened and was stored."""
    return orjson.dumps(
        {
            "id": void_id,
            "actor": staff,
            "verb": {"id": VOIDED_IRI, "display": {"en": "voided"}},
            "object": {"objectType": "StatementRef", "id": target},
            "timestamp": instants[0],
            "stored": instants[1],
            "authority": AUTHORITY,
            "version": VERSION,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
