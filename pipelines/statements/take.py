"""Takes lines of statements in: parse, judge, replace identities, keep typed columns only.

Belongs here: one statement's way from bytes to a row of raw.statement, or to a fault. Does not belong here:
reading files (`pipelines.sources.inbox`), the rules themselves (`validate`), deduplication (`pipelines.core`).
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
import polars as pl

from pipelines.statements.identity import Pseudonyms, actor_identity
from pipelines.statements.rules import InvalidStatementError, Verdict
from pipelines.statements.validate import VOIDED, check_statement

BATCH_ROWS = 100_000

_ID_NAMESPACE = uuid.UUID("6f1d0c4e-3f4b-5a57-9a43-0b7c2f1f6a10")
_NOT_COMPARED = frozenset(("id", "stored", "version", "authority", "attachments"))
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
_SCHEMA: dict[str, Any] = {
    "statement_id": pl.String,
    "identity_id": pl.String,
    "verb_iri": pl.String,
    "object_iri": pl.String,
    "activity_type_iri": pl.String,
    "parent_iri": pl.String,
    "registration": pl.String,
    "scaled_score": pl.Float64,
    "is_success": pl.Boolean,
    "is_completion": pl.Boolean,
    "duration_seconds": pl.Float64,
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


@dataclass(slots=True)
class Batch:
    """Rows taken from a run of lines, the identities that appear in them, and what was refused."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    identities: dict[str, tuple[str, str]] = field(default_factory=dict)
    faults: list[StatementFault] = field(default_factory=list)

    def frame(self) -> pl.DataFrame:
        """The rows as a frame in raw.statement's types, without what the source adds."""
        return pl.DataFrame(self.rows, schema=_SCHEMA, orient="row")


def statements_of(content: Iterable[bytes], *, start: int = 1) -> Iterator[tuple[int, bytes]]:
    """Number the lines and leave blank ones out."""
    for number, line in enumerate(content, start=start):
        if line.strip():
            yield number, line


def _parsed(line: bytes) -> dict[str, Any]:
    """Parse and check one line; raises `InvalidStatementError` for whatever is wrong with it."""
    try:
        statement = orjson.loads(line)
        check_statement(statement)
    except (orjson.JSONDecodeError, RecursionError):
        reason = "not_json"
        raise InvalidStatementError(reason) from None
    return cast("dict[str, Any]", statement)


def verdict(line: bytes) -> Verdict:
    """The verdict on one line of a file of statements."""
    try:
        _parsed(line)
    except InvalidStatementError as fault:
        return Verdict(is_valid=False, reason=fault.reason, requirement=fault.requirement)
    return Verdict(is_valid=True)


def take(lines: Iterable[tuple[int, bytes]], pseudonyms: Pseudonyms) -> Iterator[Batch]:
    """Turn numbered lines into batches of at most `BATCH_ROWS` rows; a bad line becomes a fault, never an error."""
    batch = Batch()
    for number, line in lines:
        try:
            batch.rows.append(_row(_parsed(line), pseudonyms, batch.identities))
        except InvalidStatementError as refused:
            batch.faults.append(_fault(number, refused.reason, refused.requirement, line))
        if len(batch.rows) >= BATCH_ROWS:
            yield batch
            batch = Batch()
    if batch.rows or batch.faults:
        yield batch


def _fault(number: int, reason: str, requirement: str | None, line: bytes) -> StatementFault:
    return StatementFault(number, reason, requirement, line.decode("utf-8", "replace").rstrip("\n"))


def _row(statement: dict[str, Any], pseudonyms: Pseudonyms, identities: dict[str, tuple[str, str]]) -> tuple[Any, ...]:
    happened_at, stored_at = _instant(statement.get("timestamp")), _instant(statement.get("stored"))
    if happened_at is None and stored_at is None:
        reason = "no_time"
        raise InvalidStatementError(reason)
    given = actor_identity(statement["actor"])
    identity_id = None
    if given is not None and statement["actor"].get("objectType") != "Group":
        identity_id = pseudonyms.identity(*given)
        identities.setdefault(identity_id, given)
    content = {key: value for key, value in statement.items() if key not in _NOT_COMPARED}
    content_hash = pseudonyms.content(_canonical(content))
    given_id = statement.get("id")
    statement_id = str(uuid.UUID(given_id)) if given_id else str(uuid.uuid5(_ID_NAMESPACE, content_hash))
    verb_iri, target = statement["verb"]["id"], statement["object"]
    is_activity = target.get("objectType", "Activity") == "Activity"
    result, context = statement.get("result", {}), statement.get("context", {})
    return (
        statement_id,
        identity_id,
        verb_iri,
        target["id"] if is_activity else None,
        target.get("definition", {}).get("type") if is_activity else None,
        _parent(context),
        context.get("registration"),
        result.get("score", {}).get("scaled"),
        result.get("success"),
        result.get("completion"),
        _duration_seconds(result.get("duration")),
        1,
        target["id"].removeprefix("urn:uuid:").lower() if verb_iri == VOIDED else None,
        happened_at or stored_at,
        stored_at,
        content_hash,
    )


def _canonical(content: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        # The parser goes deeper than the writer: valid, but it cannot be compared with another of its id.
        reason = "nested_too_deep"
        raise InvalidStatementError(reason) from None


def _parent(context: dict[str, Any]) -> str | None:
    activities = context.get("contextActivities", {})
    for kind in ("parent", "grouping"):
        found = activities.get(kind)
        if isinstance(found, dict):
            return str(found["id"])
        if found:
            return str(found[0]["id"])
    return None


def _instant(text: str | None) -> datetime | None:
    """Read a checked timestamp as naive UTC; without an offset it is UTC, as the standard asks of an LRS.

    A leap second is the first second of the next minute; an instant outside years 1 to 9999 is refused with a reason.
    """
    if text is None:
        return None
    iso = text.replace(",", ".").upper()
    is_leap = iso[16:19] == ":60"
    try:
        read = datetime.fromisoformat(f"{iso[:16]}:59{iso[19:]}" if is_leap else iso)
        utc = (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
        return utc + timedelta(seconds=is_leap)
    except (ValueError, OverflowError):
        reason = "time_out_of_range"
        raise InvalidStatementError(reason) from None


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
