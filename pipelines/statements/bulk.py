"""The fast way in for lines that resemble each other: the same rows, identities and faults as `take`, sooner.

Belongs here: the proof that a line is valid because its parts are. Does not belong here: rules (`validate`), what is
kept of a part (`take`), processes (`workers`).

A line is cut at its shape, the text between its values, which is learned from a line that the exact path has taken.
Left are the values' bytes, and the line is nothing but its shape and these: no key comes twice and nothing hides
between. Bytes of a part (actor, verb, object, result, context ...) that were judged before are known with what they
bring to the row; others are read by themselves and judged by the exact rules, in a statement whose other parts are
good. So a rule that looks at two parts must be kept out: the verb voided and any object but an Activity go the exact
way, and a version belongs to the shape. Ids and times are each line's own and have patterns of their own. Whatever is
in doubt goes the exact way, so that a refusal and its reason are always the exact path's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple, cast

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.statements.content import actor_of, context_of, object_of, written
from pipelines.statements.identity import Pseudonyms
from pipelines.statements.rules import InvalidStatementError
from pipelines.statements.take import (
    BATCH_ROWS,
    ROW,
    Batch,
    StatementFault,
    actor_columns,
    context_columns,
    frame_of,
    object_columns,
    progress_of,
    result_columns,
    taken_line,
)
from pipelines.statements.validate import VOIDED, check_statement

_GOOD: dict[str, Any] = {
    "actor": {"mbox": "mailto:somebody@example.org"},
    "verb": {"id": "https://example.org/did"},
    "object": {"id": "https://example.org/something"},
}
# Of a result and a context, the properties that fill a column each, in the order of `take`'s columns.
_RESULT_COLUMNS = ("score", "success", "completion", "duration", "extensions")
_CONTEXT_COLUMNS = ("contextActivities", "registration")
_TEXTS = ("id", "timestamp", "stored")
_PARTS = ("actor", "verb", "object", "result", "context", "authority", "attachments")
_ID_BYTES = 36

# What is longer or deeper goes the exact way.
_MOST_BYTES, _MOST_LEVELS = 16_384, 100
_MOST_SHAPES, _MOST_KEYS = 24, 10_000
# Results and contexts put together of known pieces are kept while there are fewer than this.
_MOST_COMPOSED = 40_000
# What is known may take so many bytes before all is forgotten; a known part costs about so many besides its text.
_ROOM, _PART_COST = 96 << 20, 1_000
# Lines after which is asked whether the fast way is worth it, and lines that go the exact way where it is not.
_PROBE, _REST, _LONGEST_REST = 1_000, 5_000, 80_000
# New parts a line of which judging one by one costs as much as judging the line.
_WORTH = 2.5
# Lines of which shapes are learned: so many of those given, and one in so many.
_LEARNED = 100

_NO_BRACKETS = bytes(set(range(256)) - set(b"}]"))
_read = json.JSONDecoder().raw_decode
_SORTED = orjson.OPT_SORT_KEYS


class _DoubtError(Exception):
    """These bytes must go the exact way."""


_DOUBTS = (_DoubtError, InvalidStatementError, orjson.JSONDecodeError, orjson.JSONEncodeError)


class _Span(NamedTuple):
    """Where a property's value stands in an object's bytes."""

    key: str
    start: int
    end: int


def _spans(raw: bytes) -> list[_Span]:
    """Where the values of an object stand, whose bytes are JSON and which has some."""
    # Latin-1 gives every byte one character, and JSON's own signs are ASCII.
    text = raw.decode("latin-1")
    found, at = [], text.index("{") + 1
    while True:
        key, at = _read(text, _after_space(text, at))
        start = _after_space(text, _after_space(text, at) + 1)
        _, end = _read(text, start)
        found.append(_Span(key, start, end))
        at = _after_space(text, end) + 1
        if text[at - 1] == "}":
            return found


def _after_space(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


class _Shape:
    """What stands between the values of objects that have the same keys in the same order and spelling."""

    def __init__(self, raw: bytes, spans: Sequence[_Span]) -> None:
        self.keys = tuple(span.key for span in spans)
        between = [raw[one.end : following.start] for one, following in pairwise(spans)]
        self._text = (raw[: spans[0].start], *between, raw[spans[-1].end :])
        # An object or a list ends with its bracket, which is rarer inside than what may follow it.
        self._brackets = [raw[span.end - 1 : span.end].strip(_NO_BRACKETS) for span in spans]
        self._fit([span.end - span.start for span in spans])

    def _fit(self, shortest: list[int]) -> None:
        self._shortest = shortest
        values = [
            _value_before(following, bracket, length - length // 8)
            for following, bracket, length in zip(self._text[1:-1], self._brackets[:-1], shortest[:-1], strict=True)
        ]
        values.append(b"(.+)")
        pattern = b"".join(
            value + re.escape(following) for value, following in zip(values, self._text[1:], strict=True)
        )
        self._match = re.compile(re.escape(self._text[0]) + pattern, re.DOTALL).fullmatch

    def learn(self, other: _Shape) -> bool:
        """Whether the other is the same; its values may be shorter."""
        if (other._text, other._brackets) != (self._text, self._brackets):
            return False
        shortest = [min(pair) for pair in zip(self._shortest, other._shortest, strict=True)]
        if shortest != self._shortest:
            self._fit(shortest)
        return True

    def cut(self, raw: bytes) -> tuple[bytes, ...] | None:
        """The values' bytes, if the shape and they make up the whole; whether they are values must be asked of each."""
        found = self._match(raw)
        return found.groups() if found else None


def _value_before(following: bytes, bracket: bytes, shortest: int) -> bytes:
    """Pattern of a value up to the first place where the following text begins; it never goes back."""
    end, rest = (bracket, following) if bracket else (following[:1], following[1:])
    end, rest, closing = re.escape(end), re.escape(rest), re.escape(bracket)
    return b"(.{%d}[^%b]*+(?:%b(?!%b)[^%b]*+)*+%b)" % (max(shortest - 1, 0), end, end, rest, end, closing)


def _add(shape: _Shape, shapes: list[_Shape]) -> bool:
    """Put a shape with the others, if it is new and there is room; whether it was put there."""
    if any(other.learn(shape) for other in shapes) or len(shapes) >= _MOST_SHAPES:
        return False
    shapes.append(shape)
    # The text of a shape of fewer keys may stand in a line of more, whose values it would cut wrongly.
    shapes.sort(key=lambda one: -len(one.keys))
    return True


class _Known(dict[bytes, Any]):
    """What is known of parts by their bytes; of others it is found out. None where that must be left to the exact path."""

    def __init__(self, find_out: Callable[[bytes], Any], bulk: Bulk, most: int | None = None) -> None:
        super().__init__()
        self._find_out = find_out
        self._bulk = bulk
        self._most = most

    def __missing__(self, raw: bytes) -> Any:  # noqa: ANN401 - each kind of part brings its own
        try:
            found = self._find_out(raw)
        except _DOUBTS:
            return None
        if self._most is None or len(self) < self._most:
            self._bulk.room -= len(raw) + _PART_COST
            self[raw] = found
        return found


class _Plan(NamedTuple):
    """How the pieces of a shape become a whole: their order in the content, their columns, what tells of each."""

    order: list[int]
    places: list[int | None]
    pieces: list[Callable[[bytes], Any]]


class _Whole:
    """A result or a context: known pieces put together, where the whole is new."""

    def __init__(self, bulk: Bulk, name: str, columns: tuple[str, ...]) -> None:
        self._bulk, self._name, self._columns = bulk, name, columns
        self._shapes: list[_Shape] = []
        self._plans: dict[_Shape, _Plan] = {}
        self._pieces: dict[str, Callable[[bytes], Any]] = {}
        self._extension_keys: set[str] = set()
        self._all_columns = result_columns if name == "result" else context_columns

    def find_out(self, raw: bytes) -> tuple[Any, ...]:
        """Digest and columns of a whole; raises where that cannot be told."""
        for shape in self._shapes:
            cut = shape.cut(raw)
            if cut is None:
                continue
            order, places, pieces = self._plans[shape]
            found = [piece(one) for piece, one in zip(pieces, cut, strict=True)]
            if None in found:
                # It may be a shape of fewer keys that cut it wrongly.
                continue
            columns: list[Any] = [None] * len(self._columns)
            for place, (_, column) in zip(places, found, strict=True):
                if place is not None:
                    columns[place] = column
            content = b"{" + b",".join([found[place][0] for place in order]) + b"}"
            return (self._bulk.digest(content), *columns)
        value = self._bulk.judged(self._name, raw)
        if value:
            self._learn(raw)
        return (self._bulk.digest(written(self._kept(value))), *self._all_columns(value))

    def _kept(self, value: dict[str, Any]) -> dict[str, Any] | None:
        return value if self._name == "result" else context_of(value)

    def _learn(self, raw: bytes) -> None:
        shape = _Shape(raw, _spans(raw))
        if not _add(shape, self._shapes):
            return
        order = sorted(range(len(shape.keys)), key=shape.keys.__getitem__)
        places = [self._columns.index(key) if key in self._columns else None for key in shape.keys]
        pieces = [self._piece(key) for key in shape.keys]
        self._plans[shape] = _Plan(order, places, pieces)

    def _piece(self, key: str) -> Callable[[bytes], Any]:
        """What tells of a property's bytes what they bring: content and column; None where that cannot be told."""
        if key not in self._pieces:
            if key == "extensions":
                self._pieces[key] = self._extensions
            else:
                self._pieces[key] = _Known(lambda raw: self._property(key, raw), self._bulk).__getitem__
        return self._pieces[key]

    def _property(self, key: str, raw: bytes) -> tuple[bytes, Any]:
        value = {key: self._bulk.novel(raw)}
        check_statement({**_GOOD, self._name: value})
        column = self._all_columns(value)[self._columns.index(key)] if key in self._columns else None
        return written(self._kept(value))[1:-1], column

    def _extensions(self, raw: bytes) -> tuple[bytes, Any] | None:
        """Extensions may say anything under keys that are IRIs, and mostly say something new: they are not kept."""
        try:
            value, content = self._bulk.value(raw)
            if type(value) is not dict or not value.keys() <= self._extension_keys:
                check_statement({**_GOOD, self._name: {"extensions": value}})
                if len(self._extension_keys) < _MOST_KEYS:
                    self._extension_keys |= value.keys()
        except _DOUBTS:
            return None
        return b'"extensions":' + content, progress_of(value) if self._name == "result" else None


class _Cut(NamedTuple):
    """Lines of one shape: their places among the lines given, and each line's values."""

    shape: _Shape
    places: list[int]
    values: list[tuple[bytes, ...]]


class _Found(NamedTuple):
    """What lines brought besides rows."""

    identities: dict[str, tuple[str, str]]
    faults: list[StatementFault]


class Bulk:
    """Takes lines as `take` does; what it has seen makes it faster, and nothing else."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self.digest = pseudonyms.digest
        self.room = 0
        self._rest, self._next_rest, self._is_trusted = 0, _REST, False
        self._forget()

    def _forget(self) -> None:
        self.room = _ROOM
        self._shapes: list[_Shape] = []
        self._judged, self._learning = 0, 0
        absent = self.digest(written(None))
        self._absent = {"result": (absent, *[None] * len(_RESULT_COLUMNS)), "context": (absent, None, None)}
        find_out = {
            "actor": self._actor,
            "verb": self._verb,
            "object": self._object,
            "authority": lambda raw: self.judged("authority", raw) and (),
            "attachments": lambda raw: self.judged("attachments", raw) and (),
        }
        self._known = {name: _Known(how, self) for name, how in find_out.items()}
        for name, columns in (("result", _RESULT_COLUMNS), ("context", _CONTEXT_COLUMNS)):
            self._known[name] = _Known(_Whole(self, name, columns).find_out, self, _MOST_COMPOSED)

    # --- parts ----------------------------------------------------------------------------------------------------

    def value(self, raw: bytes) -> tuple[Any, bytes]:
        """What the bytes say, and the same in sorted JSON; raises where the exact path might see more in them."""
        length = len(raw)
        if length > _MOST_BYTES or b"\\u0022" in raw:
            raise _DoubtError
        if length > _MOST_LEVELS and raw.count(b"{") + raw.count(b"[") > _MOST_LEVELS:
            raise _DoubtError
        value = orjson.loads(raw)
        content = orjson.dumps(value, option=_SORTED)
        # As in `parse`: a key that comes twice is written once.
        if content.count(b'"') != raw.count(b'"'):
            raise _DoubtError
        return value, content

    def novel(self, raw: bytes) -> Any:  # noqa: ANN401 - JSON
        """The same of bytes that must be judged, which is counted."""
        self._judged += 1
        return self.value(raw)[0]

    def judged(self, name: str, raw: bytes) -> Any:  # noqa: ANN401 - JSON
        """A part's value, after the exact rules found nothing wrong with it in an otherwise good statement."""
        value = self.novel(raw)
        check_statement({**_GOOD, name: value})
        return value

    def _actor(self, raw: bytes) -> tuple[Any, ...]:
        actor = self.judged("actor", raw)
        return (self.digest(written(actor_of(actor))), *actor_columns(actor, self._pseudonyms))

    def _verb(self, raw: bytes) -> tuple[Any, ...]:
        iri = self.judged("verb", raw)["id"]
        if iri == VOIDED:
            raise _DoubtError
        return self.digest(iri.encode()), iri

    def _object(self, raw: bytes) -> tuple[Any, ...]:
        target = self.judged("object", raw)
        if target.get("objectType", "Activity") != "Activity":
            raise _DoubtError
        return (self.digest(written(object_of(target))), *object_columns(target))

    # --- lines ----------------------------------------------------------------------------------------------------

    def take_block(self, content: bytes) -> tuple[Batch, int]:
        """Rows of whole lines, numbered from 1 (blank ones count and are left out); and how many line ends there are."""
        lines = content.split(b"\n")
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line and not line.isspace()]
        return self.take(numbered), len(lines) - 1

    def take(self, numbered: Sequence[tuple[int, bytes]]) -> Batch:
        """Rows of numbered lines, none of them blank, in the order given."""
        frames: list[pl.DataFrame] = []
        found = _Found({}, [])
        start = 0
        while start < len(numbered):
            if self._rest:
                some = numbered[start : start + self._rest]
                self._rest -= len(some)
                frames.append(frame_of([row for line in some if (row := self._exactly(line, found))]))
            else:
                some = numbered[start:] if self._is_trusted else numbered[start : start + _PROBE]
                frames.append(self._fast(some, found))
            start += len(some)
        return Batch(pl.concat(frames) if frames else frame_of([]), found.identities, found.faults)

    def _exactly(self, numbered: tuple[int, bytes], found: _Found) -> tuple[Any, ...] | None:
        """A line's row by the exact path; None where it is a fault."""
        taken = taken_line(*numbered, self._pseudonyms, found.identities)
        if isinstance(taken, StatementFault):
            found.faults.append(taken)
            return None
        return taken

    def _fast(self, numbered: Sequence[tuple[int, bytes]], found: _Found) -> pl.DataFrame:
        if self.room < 0:
            self._forget()
        self._judged, first_fault = 0, len(found.faults)
        self._learning = max(_LEARNED, len(numbered) // _LEARNED)
        cuts, exact, others = self._cut(numbered, found)
        places: list[NDArray[np.int64]] = []
        frames = []
        for cut in cuts.values():
            taken, frame = self._rows(cut, found.identities, others)
            places.append(taken)
            frames.append(frame)
        for place in others:
            if row := self._exactly(numbered[place], found):
                exact[place] = row
                self._learn(numbered[place][1])
        self._reconsider(len(numbered), len(others))
        found.faults[first_fault:] = sorted(found.faults[first_fault:], key=lambda fault: fault.line_number)
        if exact or not frames:
            places.append(np.fromiter(exact, np.int64, len(exact)))
            frames.append(frame_of(list(exact.values())))
        if len(frames) == 1 and not exact:
            return frames[0]
        return pl.concat(frames)[np.argsort(np.concatenate(places))]

    def _reconsider(self, lines: int, others: int) -> None:
        """Whether what comes next is worth trying: a file without repetition is judged line by line for a while."""
        self._is_trusted = self._judged < _WORTH * lines and others * 2 < lines
        if self._is_trusted:
            self._next_rest = _REST
        else:
            self._shapes.clear()
            self._rest, self._next_rest = self._next_rest, min(2 * self._next_rest, _LONGEST_REST)

    def _cut(
        self, numbered: Sequence[tuple[int, bytes]], found: _Found
    ) -> tuple[dict[_Shape, _Cut], dict[int, tuple[Any, ...]], list[int]]:
        """Lines by their shapes; rows of those from which a shape was learned; places of those that have none."""
        cuts: dict[_Shape, _Cut] = {}
        exact: dict[int, tuple[Any, ...]] = {}
        others: list[int] = []
        shapes = self._shapes
        for place, (_, line) in enumerate(numbered):
            for shape in shapes:
                values = shape.cut(line)
                if values is not None:
                    cut = cuts.get(shape)
                    if cut is None:
                        cut = cuts[shape] = _Cut(shape, [], [])
                    cut.places.append(place)
                    cut.values.append(values)
                    break
            else:
                if self._learning <= 0:
                    others.append(place)
                elif row := self._exactly(numbered[place], found):
                    exact[place] = row
                    self._learn(line)
        return cuts, exact, others

    def _learn(self, line: bytes) -> None:
        """Learn the shape of a line that the exact path took, if it has an id and a time; of so many lines at most."""
        self._learning -= 1
        if self._learning < 0:
            return
        spans = [
            # The quotation marks of a text belong to the shape.
            _Span(span.key, span.start + 1, span.end - 1) if span.key in _TEXTS else span
            for span in _spans(line)
            if span.key != "version"
        ]
        keys = {span.key for span in spans}
        if {"id", "timestamp"} <= keys and len(line) < _MOST_BYTES:
            _add(_Shape(line, spans), self._shapes)

    def _rows(
        self, cut: _Cut, identities: dict[str, tuple[str, str]], others: list[int]
    ) -> tuple[NDArray[np.int64], pl.DataFrame]:
        """Rows of lines of one shape, and their places; places of lines in doubt are put with the others."""
        count = len(cut.places)
        values = dict(zip(cut.shape.keys, zip(*cut.values, strict=True), strict=True))
        is_good = np.ones(count, np.bool_)
        parts: dict[str, Any] = {}
        for name in _PARTS:
            if name in values:
                parts[name] = list(map(self._known[name].__getitem__, values[name]))
                if None in parts[name]:
                    is_good &= np.fromiter((part is not None for part in parts[name]), np.bool_, count)
            elif name in self._absent:
                parts[name] = [self._absent[name]] * count
        ids, is_right = _uuids(values["id"])
        is_good &= is_right
        moments = {}
        for name in ("timestamp", "stored"):
            if name in values:
                moments[name], is_right = _microseconds(values[name])
                is_good &= is_right
        places = np.array(cut.places, dtype=np.int64)
        if not is_good.all():
            others += places[~is_good].tolist()
            places, ids = places[is_good], ids[is_good]
            moments = {name: told[is_good] for name, told in moments.items()}
            parts = {
                name: [part for part, good in zip(told, is_good, strict=True) if good] for name, told in parts.items()
            }
        if not len(places):
            return places, frame_of([])
        return places, self._frame(ids, moments, parts, identities)

    def _frame(
        self,
        ids: NDArray[np.uint8],
        moments: dict[str, NDArray[np.int64]],
        parts: dict[str, list[Any]],
        identities: dict[str, tuple[str, str]],
    ) -> pl.DataFrame:
        count = len(ids)
        actors, identity_ids, actor_kinds, members, met = zip(*parts["actor"], strict=True)
        verbs, verb_iris = zip(*parts["verb"], strict=True)
        objects, object_kinds, object_iris, types = zip(*parts["object"], strict=True)
        results, *result = zip(*parts["result"], strict=True)
        contexts, *context = zip(*parts["context"], strict=True)
        for one in set(met):
            for key, given in one:
                identities.setdefault(key, given)
        happened = moments["timestamp"].astype("<i8").view("V8").tolist()
        whole = map(b"".join, zip(actors, verbs, objects, results, contexts, happened, strict=True))
        digest = self.digest
        hashes = np.frombuffer(b"".join([digest(one) for one in whole]), np.uint8)
        nothing = [None] * count
        stored = moments.get("stored")
        columns = (
            _strings(ids),
            identity_ids,
            actor_kinds,
            members,
            verb_iris,
            object_kinds,
            object_iris,
            types,
            *context,
            *result,
            np.ones(count, np.int64),
            nothing,
            moments["timestamp"],
            nothing if stored is None else stored,
            _strings(_HEXADECIMAL[hashes].view(np.uint8).reshape(count, 32)),
        )
        return pl.DataFrame(
            [
                column.alias(name) if isinstance(column, pl.Series) else _series(name, column, kind)
                for (name, kind), column in zip(ROW.items(), columns, strict=True)
            ]
        )


def _series(name: str, column: Any, kind: Any) -> pl.Series:  # noqa: ANN401 - whatever a column may be made of
    if isinstance(column, np.ndarray) and kind == pl.Datetime("us"):
        return pl.Series(name, column).cast(kind)
    return pl.Series(name, column, dtype=kind)


def take(lines: Iterable[tuple[int, bytes]], pseudonyms: Pseudonyms) -> Generator[Batch, None, None]:
    """The same as `take.take`, for lines of which many resemble each other."""
    bulk, lines = Bulk(pseudonyms), iter(lines)
    while some := list(islice(lines, BATCH_ROWS)):
        yield bulk.take(some)


# --- ids, times and hashes, a column at a time ------------------------------------------------------------------------

_HEXADECIMAL = np.array([f"{byte:02x}" for byte in range(256)], dtype="S2")
_DASHES = np.isin(np.arange(_ID_BYTES), (8, 13, 18, 23))
_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("F") + 1] += 32
_IS_HEXADECIMAL = np.isin(np.arange(256), np.frombuffer(b"0123456789abcdefABCDEF", np.uint8))
_IS_DIGIT = np.isin(np.arange(256), np.frombuffer(b"0123456789", np.uint8))
_ZERO = ord("0")
_MOST_FRACTION = 9


def _uuids(texts: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """UUIDs in small letters, a row each, and which of them are some."""
    joined = b"".join(texts)
    is_right = np.ones(len(texts), np.bool_)
    if len(joined) != _ID_BYTES * len(texts) or len(set(map(len, texts))) > 1:
        is_right = np.fromiter((len(text) == _ID_BYTES for text in texts), np.bool_, len(texts))
        joined = b"".join(text if len(text) == _ID_BYTES else bytes(_ID_BYTES) for text in texts)
    signs = np.frombuffer(joined, np.uint8).reshape(len(texts), _ID_BYTES)
    is_right &= _IS_HEXADECIMAL[signs[:, ~_DASHES]].all(axis=1) & (signs[:, _DASHES] == ord("-")).all(axis=1)
    return _LOWER[signs], is_right


def _microseconds(texts: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since 1970 of the commonest timestamps, and which of the texts are such."""
    count = len(texts)
    found, is_right = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    lengths = np.fromiter(map(len, texts), np.int64, count)
    for length in set(lengths.tolist()):
        places = np.flatnonzero(lengths == length)
        same = texts if len(places) == count else [texts[place] for place in places.tolist()]
        signs = np.frombuffer(b"".join(same), np.uint8).reshape(len(places), length)
        for ending in (b"Z", b"+00:00"):
            wanted = np.frombuffer(ending, np.uint8)
            body = length - len(ending)
            if body == 19 or 21 <= body <= 20 + _MOST_FRACTION:
                has_ending = (signs[:, body:] == wanted).all(axis=1)
                told, is_time = _moments(signs[:, :body])
                is_time &= has_ending
                found[places[is_time]] = told[is_time]
                is_right[places] |= is_time
    return found, is_right


def _moments(signs: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds of `YYYY-MM-DDThh:mm:ss` with or without a fraction, and which rows are such a time."""
    width = signs.shape[1]
    is_right = np.ones(len(signs), np.bool_)
    for place, sign in ((4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, ".")):
        if place < width:
            is_right &= signs[:, place] == ord(sign)

    def number(start: int, stop: int) -> NDArray[np.int64]:
        nonlocal is_right
        told = np.zeros(len(signs), np.int64)
        for place in range(start, stop):
            is_right &= _IS_DIGIT[signs[:, place]]
            told = told * 10 + signs[:, place] - _ZERO
        return told

    year, month, day = number(0, 4), number(5, 7), number(8, 10)
    hour, minute, second = number(11, 13), number(14, 16), number(17, 19)
    fraction = number(20, min(width, 26)) * 10 ** (26 - max(20, min(width, 26))) if width > 20 else np.zeros_like(year)
    number(26, width)
    is_right &= (year > 0) & (month > 0) & (month < 13) & (day > 0) & (hour < 24) & (minute < 60) & (second < 60)
    months = (np.where(is_right, year, 1970) - 1970) * 12 + np.where(is_right, month, 1) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    next_first = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    is_right &= day <= next_first - first
    seconds = (first + day - 1) * 86_400 + hour * 3600 + minute * 60 + second
    return seconds * 1_000_000 + fraction, is_right


def _strings(signs: NDArray[np.uint8]) -> pl.Series:
    """Rows of ASCII signs as texts."""
    count, width = signs.shape
    ends = pa.py_buffer(np.arange(0, (count + 1) * width, width, dtype=np.int64))
    texts = pa.LargeStringArray.from_buffers(count, ends, pa.py_buffer(np.ascontiguousarray(signs)))
    series = pl.from_arrow(texts)
    return cast("pl.Series", series)
