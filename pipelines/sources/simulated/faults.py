"""What is wrong in a dirty world: faulty statements and rows beside the good ones, each of a kind that is told.

Belongs here: kinds of faults, the reason under which a reader must find each, how many are planted. Does not belong
here: what ordinary worlds have too (late, repeated and voided statements: `statements`).

Faulty rows are added and take no good row's place, so that a dirty world has the same truth as a clean one. They are
made of copies of good rows under new ids, so that one taken by mistake shows in counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import orjson

from data_contracts.schema import Kind, Table
from data_contracts.tables.inputs import INPUTS
from pipelines.sources.simulated.lines import Renderer, instant_texts, uuid_texts, voiding_line
from pipelines.sources.simulated.people import account
from pipelines.sources.simulated.settings import Flags, Ints, Row, SimulationSettings, Tables, stream, uuid_bytes
from pipelines.sources.simulated.world import World
from pipelines.sources.simulated.write import ONE_CELL_TOO_MANY

QUARANTINE, DATA_QUALITY = "quarantine", "data_quality"
STATEMENT = "statement"
# Where a fault is to be found, in which table, under which reason or finding.
Place = tuple[str, str, str]
Given = dict[str, Any]

_HOUR = 3_600_000
_UNKNOWN_VERB = "https://example.net/verbs/pondered"
_STRANGER_NUMBERS = 7_000_000


def _put(*path_and_value: object) -> Callable[[Given], Given]:
    """A fault that sets one value, at a path of keys."""
    *path, last, value = path_and_value

    def spoil(given: Given) -> Given:
        place = given
        for key in path:
            place = place.setdefault(str(key), {})
        place[str(last)] = value
        return given

    return spoil


def _drop(*keys: str) -> Callable[[Given], Given]:
    """A fault that leaves keys of the statement out."""
    return lambda given: {key: value for key, value in given.items() if key not in keys}


def _actor(**parts: object) -> Callable[[Given], Given]:
    return _put("actor", {"objectType": "Agent", **parts})


def _renamed(old: str, new: str) -> Callable[[Given], Given]:
    return lambda given: {new if key == old else key: value for key, value in given.items()}


_NO_AGENT = {"objectType": "Agent", "name": "Nobody"}
# By reason: what is done to a good statement.
BROKEN_STATEMENTS: Mapping[str, Callable[[Given], Given]] = MappingProxyType(
    {
        "actor_missing": _drop("actor"),
        "verb_missing": _drop("verb"),
        "object_missing": _drop("object"),
        "no_time": _drop("timestamp", "stored"),
        "id_not_uuid": _put("id", "statement-1"),
        "actor_without_identifier": _put("actor", _NO_AGENT),
        "actor_several_identifiers": _actor(mbox="mailto:a@example.org", openid="https://id.example.org/a"),
        "mbox_not_mailto": _actor(mbox="a@example.org"),
        "mbox_sha1sum_not_sha1": _actor(mbox_sha1sum="abc123"),
        "account_without_home_page": _actor(account={"name": "x0000001"}),
        "account_without_name": _actor(account={"homePage": "https://lms.example.org"}),
        "verb_id_not_iri": _put("verb", "id", "completed"),
        "object_without_id": _put("object", {"objectType": "Activity"}),
        "timestamp_not_timestamp": _put("timestamp", "yesterday at noon"),
        "timestamp_negative_zero_offset": _put("timestamp", "2026-01-15T10:00:00-00:00"),
        "score_scaled_out_of_range": _put("result", {"score": {"scaled": 87.5}}),
        "score_raw_out_of_range": _put("result", {"score": {"raw": 12, "min": 0, "max": 10}}),
        "result_success_not_boolean": _put("result", {"success": "yes"}),
        "result_duration_not_iso": _put("result", {"duration": "00:12:30"}),
        "result_null_value": _put("result", None),
        "registration_not_uuid": _put("context", "registration", "enrolment-7"),
        "context_bad_language_tag": _put("context", "language", "english (UK)"),
        "version_unknown": _put("version", "0.95"),
        "statement_unknown_property": _put("course", "lead"),
        "statement_property_case": _renamed("verb", "Verb"),
        "voided_without_statement_ref": _put("verb", {"id": "http://adlnet.gov/expapi/verbs/voided"}),
    }
)
# By reason: what is done to a good line.
BROKEN_LINES: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "not_json": lambda line: line[: len(line) // 2],
        "duplicate_key": lambda line: '{"version":"1.0.3",' + line[1:],
        "statement_not_object": lambda line: f"[{line}]",
        "lone_surrogate": lambda line: line.replace("Example LMS", "Example \\ud800 LMS"),
    }
)
_CONFLICT, _UNKNOWN_TERM = "conflicting_content", "unknown_verb"
_NO_MEMBERS, _NO_TARGET = "group_without_members", "void_without_target"


@dataclass(frozen=True)
class Planted:
    """Special lines with the millisecond of their delivery; `valid_count` of them are valid, of these some void."""

    lines: list[tuple[int, str]]
    valid_count: int
    voiding_count: int
    faults: Counter[Place]


def _count(rng: np.random.Generator, settings: SimulationSettings, rows: int, kinds: int) -> Ints:
    """How many faults of each kind: together `dirt` of the rows, and one of each at least in the first block."""
    if settings.dirt == 0:
        return np.zeros(kinds, dtype=np.int64)
    drawn = np.floor(settings.dirt * rows / kinds + rng.random(kinds)).astype(np.int64)
    return np.maximum(drawn, 1 if settings.block == 0 else 0)


def plant_in_statements(world: World, renderer: Renderer, happened: Ints, stored: Ints, is_model: Flags) -> Planted:
    """Make the faulty statements of a block; each stands where the good statement it was made of was delivered."""
    rng = stream(world.settings, "faults of statements")
    kinds = [*BROKEN_STATEMENTS, *BROKEN_LINES, _CONFLICT, _UNKNOWN_TERM, _NO_MEMBERS, _NO_TARGET]
    counts = dict(zip(kinds, _count(rng, world.settings, len(happened), len(kinds)).tolist(), strict=True))
    kind_of = np.repeat(np.arange(len(kinds)), list(counts.values()))
    snapshot = world.settings.snapshot_second * 1000
    # No event twice, so that no statement has two contents but one.
    early = np.flatnonzero(is_model & (stored < snapshot - 2 * _HOUR))
    models = rng.permutation(early)[: len(kind_of)]
    kind_of = kind_of[: len(models)]
    ids = uuid_texts(uuid_bytes(rng, len(models))).to_list()
    lines = renderer.lines(models, happened[models], stored[models]).to_list()
    specials: list[tuple[int, str]] = []
    for number, (kind, line, at) in enumerate(zip(kind_of.tolist(), lines, stored[models].tolist(), strict=True)):
        reason, new_id = kinds[kind], ids[number]
        if reason == _CONFLICT:
            later = instant_texts(np.array([at + _HOUR]))[0]
            given = orjson.loads(line) | {"stored": later, "result": {"duration": "PT9999S"}}
            specials.append((at + _HOUR, _dumped(given)))
        elif reason == _NO_TARGET:
            staff = world.people.actors[world.people.first_staff_actor]
            text = instant_texts(np.array([at]))[0]
            missing = str(UUID(int=UUID(new_id).int ^ 1))
            specials.append((at, voiding_line(new_id, missing, staff, (text, text)).decode()))
        else:
            specials.append(
                (at, _spoilt(reason, line, new_id, _STRANGER_NUMBERS + world.settings.first_person + number))
            )
    told = Counter(kinds[kind] for kind in kind_of.tolist())
    is_valid = (_UNKNOWN_TERM, _NO_MEMBERS, _NO_TARGET)
    return Planted(
        lines=specials,
        valid_count=sum(told[reason] for reason in is_valid),
        voiding_count=told[_NO_TARGET],
        faults=Counter(
            {
                (DATA_QUALITY if reason in is_valid else QUARANTINE, STATEMENT, reason): count
                for reason, count in told.items()
            }
        ),
    )


def _spoilt(reason: str, line: str, new_id: str, stranger: int) -> str:
    """The line of a copy of a good statement, done by a stranger of no enrolment, with what is wrong with it."""
    given: Given = orjson.loads(line) | {"id": new_id}
    given["actor"] = {"objectType": "Agent", "account": account(f"x{stranger:07d}")}
    given["context"].pop("registration", None)
    given.pop("result", None)
    if reason == _UNKNOWN_TERM:
        given["verb"] = {"id": _UNKNOWN_VERB}
    elif reason == _NO_MEMBERS:
        given["actor"]["objectType"] = "Group"
    elif reason in BROKEN_STATEMENTS:
        given = BROKEN_STATEMENTS[reason](given)
    if reason in BROKEN_LINES:
        return BROKEN_LINES[reason](_dumped(given).rstrip("\n")) + "\n"
    return _dumped(given)


def _dumped(given: Given) -> str:
    return orjson.dumps(given, option=orjson.OPT_APPEND_NEWLINE).decode()


# --- tables


class _Fault(NamedTuple):
    """A faulty row: the reason it is refused for, and the values that differ from a good one."""

    reason: str
    values: Row


# What no column of a kind can be; the date is one that no calendar has.
_UNREADABLE: Mapping[Kind, str] = MappingProxyType(
    {Kind.INTEGER: "3.7", Kind.NUMBER: "a lot", Kind.BOOLEAN: "perhaps", Kind.INSTANT: "soon", Kind.DATE: "2026-02-30"}
)
_NO_PAIR: Row = {"match_id": None, "mentor_key": None, "learner_key": None}
_OF_TABLE: Mapping[str, tuple[_Fault, ...]] = MappingProxyType(
    {
        "enrolment": (
            _Fault("unknown_course", {"course_id": "no-such-course"}),
            _Fault("unknown_programme", {"programme_id": "no-such-programme"}),
            _Fault("no_course", {"course_id": None, "programme_id": None}),
        ),
        "programme_course": (_Fault("unknown_course", {"course_id": "no-such-course"}),),
        "activity": (_Fault("unknown_course", {"course_id": "no-such-course"}),),
        "learner": (_Fault("unknown_timezone", {"timezone": "Mars/Olympus"}),),
        "mentoring_match": (_Fault("unknown_programme", {"programme_id": "no-such-programme"}),),
        "mentoring_session": (
            _Fault("no_time", {"held_at": None, "scheduled_at": None}),
            _Fault("no_pair", _NO_PAIR),
            _Fault("unknown_match", {"match_id": "no-such-match"}),
        ),
        "mentoring_message": (_Fault("no_pair", _NO_PAIR), _Fault("unknown_match", {"match_id": "no-such-match"})),
        "goal": (_Fault("unknown_match", {"match_id": "no-such-match"}),),
        "goal_update": (_Fault("unknown_goal", {"goal_id": "no-such-goal"}),),
        "commitment": (_Fault("unknown_session", {"session_id": "no-such-session"}),),
    }
)
# A row told twice by one file, at one time, with other words: what the second one says.
_REPEATED_KEY = "repeated_key"
_OTHER_WORDS: Mapping[str, Row] = MappingProxyType(
    {
        "enrolment": {"studied_credits": 77.5},
        "mentor": {"max_learners": 99},
        "mentoring_session": {"duration_minutes": 181},
        "mentoring_message": {"length_chars": 4},
        "goal": {"weight": 0.25},
        "survey_response": {"score_share": 0.011},
        "work_activity": {"minutes": 7},
    }
)
_KEPT: Mapping[str, Row] = MappingProxyType({"calendar": {"org_unit": "operations"}})
_BROKEN_LINE = "broken_line"
_IDENTITY_CONFLICT = "identity_conflict"


def faults_of(contract: Table) -> Iterator[_Fault]:
    """One fault of every kind that rows of a table can have."""
    seen: set[str] = set()

    def new(reason: str) -> bool:
        is_new = reason not in seen
        seen.add(reason)
        return is_new

    for column in reversed(contract.columns):
        field = column.field
        if column.is_required and new("missing_value"):
            # A row in which nothing is left would be an empty line.
            yield _Fault("missing_value", {column.name: None} | _KEPT.get(contract.name, {}))
        if field.values and new("unknown_value"):
            yield _Fault("unknown_value", {column.name: "something else"})
        if field.kind in _UNREADABLE and not field.values and new(f"not_{field.kind}"):
            yield _Fault(f"not_{field.kind}", {column.name: _UNREADABLE[field.kind]})
        if field.kind is Kind.INSTANT and new("naive_time"):
            yield _Fault("naive_time", {column.name: "2026-01-20 09:30:00"})
        limit = field.maximum + 1 if field.maximum is not None else field.minimum
        if limit is not None and field.kind in {Kind.INTEGER, Kind.NUMBER} and new("out_of_range"):
            beyond = limit if field.maximum is not None else limit - 1
            yield _Fault("out_of_range", {column.name: int(beyond)})
    yield from _OF_TABLE.get(contract.name, ())
    if contract.name in _OTHER_WORDS:
        yield _Fault(_REPEATED_KEY, _OTHER_WORDS[contract.name])
    yield _Fault(_BROKEN_LINE, {ONE_CELL_TOO_MANY: "?"})


def plant_in_tables(settings: SimulationSettings, tables: Tables) -> Counter[Place]:
    """Add faulty rows to the tables, at random places; return what was planted."""
    rng = stream(settings, f"faults of {', '.join(sorted(tables))}")
    planted: Counter[Place] = Counter()
    if settings.dirt == 0:
        return planted
    # Before there are learners that are none.
    if "learner_identity" in tables:
        planted.update(_claimed_twice(rng, settings, tables))
    for name, rows in sorted(tables.items()):
        if name == "learner_identity" or not rows:
            continue
        contract = INPUTS[name]
        faults = list(faults_of(contract))
        counts = _count(rng, settings, len(rows), len(faults))
        models = np.resize(rng.permutation(len(rows)), int(counts.sum())).tolist()
        chosen = np.repeat(np.arange(len(faults)), counts).tolist()
        bad_before: dict[int, list[Row]] = defaultdict(list)
        for number, (model, fault) in enumerate(zip(models, chosen, strict=True)):
            reason, values = faults[fault]
            is_repeated = reason == _REPEATED_KEY
            own_id = {contract.key[0]: f"fault-{settings.block:03d}-{number:06d}"}
            row = rows[model] | (own_id if len(contract.key) == 1 and not is_repeated else {}) | values
            bad_before[int(rng.integers(model + 1 if is_repeated else 0, len(rows) + 1))].append(row)
            planted[QUARANTINE, name, reason] += 1
        rows[:] = [
            row for place, good in enumerate([*rows, None]) for row in (*bad_before[place], good) if row is not None
        ]
    return planted


def _claimed_twice(rng: np.random.Generator, settings: SimulationSettings, tables: Tables) -> Counter[Place]:
    """Let pairs of learners claim one identifier that nobody uses."""
    keys = [str(row["learner_key"]) for row in tables["learner"]]
    count = int(_count(rng, settings, len(tables["learner_identity"]), 1)[0])
    for number in range(count):
        one, other = (keys[place] for place in rng.choice(len(keys), 2, replace=False).tolist())
        value = f"https://id.example.org/shared-{settings.block:03d}-{number:06d}"
        tables["learner_identity"] += [
            {"learner_key": key, "identity_type": "openid", "identity_value": value} for key in (one, other)
        ]
    return Counter({(QUARANTINE, "learner_identity", _IDENTITY_CONFLICT): count})
