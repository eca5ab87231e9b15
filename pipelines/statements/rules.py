"""The rules that many parts of a statement share: types, IRIs, UUIDs, languages, times; and how a rule refuses.

Belongs here: a rule of one value. Does not belong here: which part of a statement must keep it (`validate`), bytes and
JSON (`parse`). A rule returns, or raises `InvalidStatementError` with a reason code and the id of the requirement in
the ADL LRS conformance suite, where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, NoReturn

from data_contracts.errors import PermanentError
from pipelines.statements.times import has_unknown_offset, is_timestamp

_uuid = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}").fullmatch
_iri = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`\x00-\x20\x7f-\x9f]+").fullmatch
_language = re.compile(
    r"(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*)"
    r"(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?|[xX](?:-[A-Za-z0-9]{1,8})+"
).fullmatch
_only_lengths_are_wrong = re.compile(r"[A-Za-z]+(?:-[A-Za-z0-9]+)*").fullmatch
# RFC 5646 keeps these although its grammar has no place for them; the other tags of old fit the grammar.
_GRANDFATHERED = frozenset(
    (
        "en-gb-oed",
        *("i-ami", "i-bnn", "i-default", "i-enochian", "i-hak", "i-klingon", "i-lux", "i-mingo", "i-navajo", "i-pwn"),
        *("i-tao", "i-tay", "i-tsu", "sgn-be-fr", "sgn-be-nl", "sgn-ch-de"),
    )
)
_REMEMBERED = 8192
_REMEMBERED_LENGTH = 200


class Spec(StrEnum):
    """The edition of the standard that a statement is held to."""

    V1_0_3 = "1.0.3"
    V2_0 = "2.0"


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


def refuse(reason: str, requirement: str | None = None) -> NoReturn:
    """Refuse the statement."""
    raise InvalidStatementError(reason, requirement)


def refuse_value(value: object, what: str, wrong: str, requirement: str | None = None) -> NoReturn:
    """Refuse a value: a null breaks XAPI-00001, wherever it stands; anything else the rule of its place."""
    if value is None:
        refuse(f"{what}_null_value", "XAPI-00001")
    refuse(f"{what}_{wrong}", requirement)


def as_object(value: object, what: str, requirement: str | None = None) -> dict[str, Any]:
    """The value as a JSON object."""
    if not isinstance(value, dict):
        refuse_value(value, what, "not_object", requirement)
    return value


def as_list(value: object, what: str, requirement: str | None = None) -> list[Any]:
    """The value as a JSON array."""
    if not isinstance(value, list):
        refuse_value(value, what, "not_list", requirement)
    return value


def only_known(value: dict[str, Any], allowed: frozenset[str], what: str, requirement: str = "XAPI-00010") -> None:
    """Refuse properties the standard does not know; a known name in other letters breaks XAPI-00008."""
    if not allowed.issuperset(value):
        for key in value.keys() - allowed:
            if key.lower() in {name.lower() for name in allowed}:
                refuse(f"{what}_property_case", "XAPI-00008")
        refuse(f"{what}_unknown_property", requirement)


def string(value: object, what: str, requirement: str | None = None) -> str:
    """The value as a string."""
    if not isinstance(value, str):
        refuse_value(value, what, "not_string", requirement)
    return value


def boolean(value: object, what: str, requirement: str | None = None) -> None:
    """Refuse what is no boolean."""
    if not isinstance(value, bool):
        refuse_value(value, what, "not_boolean", requirement)


def is_number(value: object) -> bool:
    """Whether the value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _remembering(match: Callable[[str], object]) -> Callable[[str], bool]:
    """The test with a memory of the texts that come again and again: verbs, types, language tags."""

    @lru_cache(_REMEMBERED)
    def remembered(text: str) -> bool:
        return match(text) is not None

    def is_well_formed(text: str) -> bool:
        return remembered(text) if len(text) <= _REMEMBERED_LENGTH else match(text) is not None

    return is_well_formed


def _as_language(tag: str) -> object | None:
    found = _language(tag)
    if found is None:
        return tag if tag.lower() in _GRANDFATHERED else None
    variants = (found["variants"] or "").lower().split("-")[1:]
    singletons = [part for part in (found["extensions"] or "").lower().split("-") if len(part) == 1]
    return found if len({*variants, *singletons}) == len(variants) + len(singletons) else None


is_common_iri = _remembering(_iri)
is_language_tag = _remembering(_as_language)


def iri(value: object, what: str, requirement: str | None = None) -> None:
    """Refuse what is no IRI with a scheme."""
    if not isinstance(value, str) or not _iri(value):
        refuse_value(value, what, "not_iri", requirement)


def common_iri(value: object, what: str, requirement: str | None = None) -> None:
    """The same for IRIs of which few are many times used: verbs, types, keys of extensions."""
    if not isinstance(value, str) or not is_common_iri(value):
        refuse_value(value, what, "not_iri", requirement)


def uuid(value: object, what: str, requirement: str | None = None) -> None:
    """Refuse what is no UUID in the standard string form: neither braces nor `urn:uuid:` (XAPI-00029)."""
    if not isinstance(value, str) or not _uuid(value):
        if isinstance(value, str) and _uuid(value.lower().removeprefix("urn:uuid:")):
            refuse(f"{what}_not_standard_uuid", "XAPI-00029")
        refuse_value(value, what, "not_uuid", requirement)


def language_tag(value: object, what: str, requirement: str) -> None:
    """Refuse what is no well-formed tag of RFC 5646; neither a variant nor a singleton may come twice.

    Where only the lengths or the sequence of subtags are wrong it is XAPI-00013 that is broken.
    """
    if not isinstance(value, str) or not is_language_tag(value):
        is_sequence = isinstance(value, str) and _only_lengths_are_wrong(value)
        refuse_value(value, what, "bad_language_tag", "XAPI-00013" if is_sequence else requirement)


def language_map(value: object, what: str, requirement: str | None = None) -> None:
    """Refuse what is no object of texts by language tag; it may be empty."""
    for tag, words in as_object(value, what, requirement).items():
        if not is_language_tag(tag):
            language_tag(tag, what, "XAPI-00121")
        if not isinstance(words, str):
            string(words, what, requirement)


def extensions(value: object, what: str, requirement: str) -> None:
    """Refuse what is no object whose keys are IRIs; the values may be anything, null included."""
    for key in as_object(value, f"{what}_extensions", requirement):
        if not is_common_iri(key):
            refuse(f"{what}_extension_key_not_iri", "XAPI-00118")


def timestamp(value: object, what: str, requirement: str) -> None:
    """Refuse what is no ISO 8601 date-time; the offsets -00, -0000 and -00:00 are refused by XAPI-00123."""
    if not isinstance(value, str) or not is_timestamp(value):
        refuse_value(value, what, "not_timestamp", requirement)
    if has_unknown_offset(value):
        refuse(f"{what}_negative_zero_offset", "XAPI-00123")
