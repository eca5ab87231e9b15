"""Takes lines of statements in: parse, judge, replace identities, keep typed columns only.

Belongs here: one statement's way from bytes to a row of raw.statement, or to a fault. Does not belong here:
reading files (`pipelines.sources.inbox`), the rules themselves (`validate`), deduplication (`pipelines.core`).
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import polars as pl

from data_contracts.xapi.extensions import PROGRESS_SCALES
from pipelines.statements.content import content_of, listed
from pipelines.statements.identity import Pseudonyms, actor_identity
from pipelines.statements.parse import parsed
from pipelines.statements.rules import InvalidStatementError, is_number
from pipelines.statements.times import instant
from pipelines.statements.validate import VOIDED

BATCH_ROWS = 100_000

_ID_NAMESPACE = uuid.UUID("6f1d0c4e-3f4b-5a57-9a43-0b7c2f1f6a10")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1), timedelta(microseconds=1)  # noqa: DTZ001 - instants are UTC without a zone
_is_common = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?Z", re.ASCII).fullmatch
_OBJECT_KINDS = {
    "Activity": "activity",
    "Agent": "agent",
    "Group": "group",
    "StatementRef": "statement_ref",
    "SubStatement": "sub_statement",
}
_DURATION_PARTS = re.compile(
    r"P(?:(?P<weeks>[\d.,]+)W)?(?:(?P<years>[\d.,]+)Y)?(?:(?P<months>[\d.,]+)M)?(?:(?P<days>[\d.,]+)D)?"
    r"(?:T(?:(?P<hours>[\d.,]+)H)?(?:(?P<minutes>[\d.,]+)M)?(?:(?P<seconds>[\d.,]+)S)?)?"
)
_SECONDS_OF = {
    "weeks": 604_800,
    "years": 31_557_600,
    "months": 2_629_800,
    "days": 86_400,
    "hours": 3600,
    "minutes": 60,
    "seconds": 1,
}
ROW: dict[str, Any] = {
    "statement_id": pl.String,
    "identity_id": pl.String,
    "actor_kind": pl.String,
    "member_identity_ids": pl.String,
    "verb_iri": pl.String,
    "object_kind": pl.String,
    "object_iri": pl.String,
    "activity_type_iri": pl.String,
    "context_iris": pl.String,
    "registration": pl.String,
    "scaled_score": pl.Float64,
    "is_success": pl.Boolean,
    "is_completion": pl.Boolean,
    "duration_seconds": pl.Float64,
    "progress_share": pl.Float64,
    "event_count": pl.Int64,
    "voids_statement_id": pl.String,
    "happened_at": pl.Datetime("us"),
    "stored_at": pl.Datetime("us"),
    "content_hash": pl.String,
}


@dataclass(frozen=True, slots=True)
class StatementFault:
    """A refused line: where it stood, why, and its text for the sealed store."""

    line_number: int
    reason: str
    requirement_id: str | None
    raw_text: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows taken from a run of lines in raw.statement's types, the identities in them, and what was refused.

    The rows lack what the source adds. Identities are identity_id -> (type, value as given).
    """

    rows: pl.DataFrame
    identities: dict[str, tuple[str, str]]
    faults: list[StatementFault]

    def frame(self) -> pl.DataFrame:
        """The rows."""
        return self.rows


def statements_of(content: Iterable[bytes], *, start: int = 1) -> Iterator[tuple[int, bytes]]:
    """Number the lines and leave blank ones out."""
    for number, line in enumerate(content, start=start):
        if line.strip():
            yield number, line


def take(lines: Iterable[tuple[int, bytes]], pseudonyms: Pseudonyms) -> Iterator[Batch]:
    """Turn numbered lines into batches of at most `BATCH_ROWS` lines; a bad line becomes a fault, never an error."""
    lines = iter(lines)
    while some := list(islice(lines, BATCH_ROWS)):
        identities: dict[str, tuple[str, str]] = {}
        rows, faults = [], []
        for number, line in some:
            taken = taken_line(number, line, pseudonyms, identities)
            if isinstance(taken, StatementFault):
                faults.append(taken)
            else:
                rows.append(taken)
        yield Batch(frame_of(rows), identities, faults)


def frame_of(rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    """Rows as `row_of` makes them, as a frame."""
    return pl.DataFrame(rows, schema=ROW, orient="row")


def taken_line(
    number: int, line: bytes, pseudonyms: Pseudonyms, identities: dict[str, tuple[str, str]]
) -> tuple[Any, ...] | StatementFault:
    """One line's row, its identities put with the others; or why it has none."""
    try:
        return row_of(parsed(line), pseudonyms, identities)
    except InvalidStatementError as refused:
        text = line.decode("utf-8", "replace").rstrip("\n")
        return StatementFault(number, refused.reason, refused.requirement, text)


def row_of(
    statement: dict[str, Any], pseudonyms: Pseudonyms, identities: dict[str, tuple[str, str]]
) -> tuple[Any, ...]:
    """The row of a checked statement, in the order of `ROW`; its identities are put with the others.

    Raises:
        InvalidStatementError: it is valid, but of no time, or of one that cannot be kept, or nests too deep.
    """
    happened_at, stored_at = instant_of(statement.get("timestamp")), instant_of(statement.get("stored"))
    if happened_at is None and stored_at is None:
        reason = "no_time"
        raise InvalidStatementError(reason)
    content = b"".join(pseudonyms.digest(part) for part in content_of(statement))
    content_hash = pseudonyms.content(content + microseconds_of(happened_at))
    given_id = statement.get("id")
    statement_id = given_id.lower() if given_id else str(uuid.uuid5(_ID_NAMESPACE, content_hash))
    verb_iri, target = statement["verb"]["id"], statement["object"]
    identity_id, actor_kind, members, found = actor_columns(statement["actor"], pseudonyms)
    identities.update((key, given) for key, given in found if key not in identities)
    return (
        statement_id,
        identity_id,
        actor_kind,
        members,
        verb_iri,
        *object_columns(target),
        *context_columns(statement.get("context", {})),
        *result_columns(statement.get("result", {})),
        1,
        target["id"].lower() if verb_iri == VOIDED else None,
        happened_at or stored_at,
        stored_at,
        content_hash,
    )


def actor_columns(
    actor: dict[str, Any], pseudonyms: Pseudonyms
) -> tuple[str | None, str, str | None, tuple[tuple[str, tuple[str, str]], ...]]:
    """identity_id, kind and members of an actor, and the identities met; of a Group its members are the learners."""
    given = actor_identity(actor)
    if actor.get("objectType") != "Group":
        mine = ((pseudonyms.identity(*given), given),) if given else ()
        return mine[0][0] if mine else None, "agent", None, mine
    members = [told for member in actor.get("member", ()) if (told := actor_identity(member))]
    found = tuple((pseudonyms.identity(*member), member) for member in members)
    return None, "group" if given else "anonymous_group", " ".join(sorted({key for key, _ in found})) or None, found


def object_columns(target: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """Kind of a statement's object; of an Activity its IRI and type."""
    kind = _OBJECT_KINDS[target.get("objectType", "Activity")]
    if kind != "activity":
        return kind, None, None
    return kind, target["id"], target.get("definition", {}).get("type")


def context_columns(context: dict[str, Any]) -> tuple[str | None, str | None]:
    """Activities of a context, and its registration."""
    registration = context.get("registration")
    return _context_iris(context), None if registration is None else registration.lower()


def result_columns(
    result: dict[str, Any],
) -> tuple[float | None, bool | None, bool | None, float | None, float | None]:
    """Scaled score, success, completion, seconds and progress of a result."""
    return (
        _scaled(result.get("score", {})),
        result.get("success"),
        result.get("completion"),
        _duration_seconds(result.get("duration")),
        progress_of(result.get("extensions", {})),
    )


def _context_iris(context: dict[str, Any]) -> str | None:
    activities = context.get("contextActivities")
    if not activities:
        return None
    found = (activity["id"] for kind in ("parent", "grouping", "other") for activity in listed(activities, kind))
    return " ".join(dict.fromkeys(found)) or None


def _scaled(score: dict[str, Any]) -> float | None:
    """The scaled score; where only raw and max are given, raw's place between min (else 0) and max."""
    if "scaled" in score:
        return float(score["scaled"])
    if "raw" not in score or "max" not in score:
        return None
    raw, low, high = float(score["raw"]), float(score.get("min", 0)), float(score["max"])
    # Numbers without bounds are valid, and nobody's place between them can be told.
    is_told = low <= raw <= high and low < high and math.isfinite(high - low)
    return (raw - low) / (high - low) if is_told else None


def progress_of(extensions: dict[str, Any]) -> float | None:
    """Share of the activity that the extensions of a result tell, if they do."""
    for iri, scale in PROGRESS_SCALES.items():
        told: Any = extensions.get(iri)
        if is_number(told) and 0 <= told * scale <= 1:
            return float(told * scale)
    return None


def instant_of(text: str | None) -> datetime | None:
    """Read a checked timestamp as naive UTC.

    Raises:
        InvalidStatementError: it lies outside the years 1 to 9999.
    """
    if text is None:
        return None
    try:
        # What nearly every platform writes; `instant` reads it too, at thirty times the cost.
        return datetime.fromisoformat(text[:-1]) if _is_common(text) else instant(text)
    except (ValueError, OverflowError):
        reason = "time_out_of_range"
        raise InvalidStatementError(reason) from None


def microseconds_of(moment: datetime | None) -> bytes:
    """An instant in the compared content: microseconds since 1970 in eight bytes, nothing where there is none."""
    return b"" if moment is None else ((moment - _EPOCH) // _MICROSECOND).to_bytes(8, "little", signed=True)


def _duration_seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = _DURATION_PARTS.fullmatch(text)
    if found is None:
        return None
    parts = ((unit, value) for unit, value in found.groupdict().items() if value)
    seconds = sum(float(value.replace(",", ".")) * _SECONDS_OF[unit] for unit, value in parts)
    # More digits than a float holds tell nothing of the time spent, and infinity would swallow every sum.
    return seconds if math.isfinite(seconds) else None
