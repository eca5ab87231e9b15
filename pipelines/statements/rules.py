"""The rules that many parts of a statement share: types, IRIs, UUIDs, languages, times; and how a rule refuses.

Belongs here: a rule of one value. Does not belong here: which part of a statement must keep it (`validate`).
Each function returns or raises `InvalidStatementError` with a reason code and, where there is one, the id of the
requirement in the ADL LRS conformance suite.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from data_contracts.errors import PermanentError

_UUID = re.compile(r"(?:urn:uuid:)?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+")
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?(Z|z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?",
    re.ASCII,
)
_LANGUAGE = re.compile(
    r"(?:(?P<language>[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|\d{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|\d[A-Za-z0-9]{3}))*(?P<extensions>(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*)"
    r"(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?|[xX](?:-[A-Za-z0-9]{1,8})+|i-[A-Za-z]+)",
    re.ASCII,
)


class InvalidStatementError(PermanentError):
    """The statement breaks a rule; `reason` is its code, `requirement` its id in the conformance suite, if any."""

    def __init__(self, reason: str, requirement: str | None = None) -> None:
        super().__init__(f"{reason} ({requirement})" if requirement else reason)
        self.reason = reason
        self.requirement = requirement


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a statement is valid, and if not, why."""

    is_valid: bool
    reason: str | None = None
    requirement: str | None = None


def refuse(reason: str, requirement: str | None = None) -> None:
    """Refuse the statement."""
    raise InvalidStatementError(reason, requirement)


def as_object(value: object, what: str, requirement: str | None = None) -> dict[str, Any]:
    """The value as a JSON object."""
    if not isinstance(value, dict):
        refuse(f"{what}_not_object", requirement)
    return cast("dict[str, Any]", value)


def only_known(value: dict[str, Any], allowed: frozenset[str], what: str, requirement: str = "XAPI-00010") -> None:
    """Refuse properties the standard does not know, and nulls (they may stand in extensions alone)."""
    for key, item in value.items():
        if key not in allowed:
            refuse(f"{what}_unknown_property", requirement)
        if item is None:
            refuse(f"{what}_null_value", "XAPI-00001")


def string(value: object, what: str, requirement: str | None = None) -> str:
    """The value as a string."""
    if not isinstance(value, str):
        refuse(f"{what}_not_string", requirement)
    return cast("str", value)


def boolean(value: object, what: str, requirement: str | None = None) -> None:
    """Refuse what is no boolean."""
    if not isinstance(value, bool):
        refuse(f"{what}_not_boolean", requirement)


def is_number(value: object) -> bool:
    """Whether the value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def iri(value: object, what: str, requirement: str | None = None) -> None:
    """Refuse what is no IRI with a scheme."""
    if not isinstance(value, str) or not _IRI.fullmatch(value):
        refuse(f"{what}_not_iri", requirement)


def uuid(value: object, what: str, requirement: str | None = None) -> None:
    """Refuse what is no UUID, with or without `urn:uuid:`."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        refuse(f"{what}_not_uuid", requirement)


def is_language_tag(tag: str) -> bool:
    """Whether a tag is well-formed by RFC 5646; a repeated singleton is not."""
    found = _LANGUAGE.fullmatch(tag)
    if not found:
        return False
    singletons = [part.lower() for part in (found["extensions"] or "").split("-") if len(part) == 1]
    return len(singletons) == len(set(singletons))


def language_map(value: object, what: str, requirement: str | None = None) -> None:
    """Refuse what is no object of texts by language tag."""
    for tag, words in as_object(value, what, requirement).items():
        if not is_language_tag(tag):
            refuse(f"{what}_bad_language_tag", "XAPI-00013")
        string(words, what, requirement)


def extensions(value: object, what: str) -> None:
    """Refuse what is no object whose keys are IRIs."""
    for key in as_object(value, f"{what}_extensions", "XAPI-00118"):
        iri(key, f"{what}_extension_key", "XAPI-00118")


def check_timestamp(value: object, what: str, requirement: str = "XAPI-00122") -> None:
    """Refuse what is no ISO 8601 instant; the offsets -00, -0000 and -00:00 are refused by XAPI-00123."""
    found = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        refuse(f"{what}_not_timestamp", requirement)
        return
    year, month, day, hour, minute, second, offset = found.groups()
    if offset and offset[0] == "-" and not int(offset[1:].replace(":", "")):
        refuse(f"{what}_negative_zero_offset", "XAPI-00123")
    try:
        # A leap second is a valid instant that datetime cannot say.
        datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second or 0), 59))  # noqa: DTZ001
    except ValueError:
        refuse(f"{what}_not_timestamp", requirement)
    if second and int(second) > 60:
        refuse(f"{what}_not_timestamp", requirement)
