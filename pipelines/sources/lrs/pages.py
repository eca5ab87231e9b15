"""Cuts an LRS's answer into statements, byte for byte as delivered.

Belongs here: the shape of a StatementResult. Does not belong here: what a statement must be (`pipelines.statements`
judges each, as delivered: parsing and writing it again would mend duplicate keys and odd numbers), and HTTP (`client`).
No recursion and no numbers are made, so that one statement nested too deep spoils only itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

# A string, whole; then everything up to and with the next bracket that stands outside of strings.
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|' + _STRING + rb")*+([{}\[\]])", re.DOTALL)
_SCALAR = re.compile(_STRING + rb'|[^\s,:"{}\[\]]++', re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*+")
_OPENS = {b"{": b"}", b"[": b"]"}

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class NoPageError(ValueError):
    """The answer is no StatementResult, or not a whole one; the message says where it goes wrong."""


@dataclass(frozen=True, slots=True)
class Page:
    """The statements of one answer, as delivered, and the reference to the next page, if any."""

    statements: list[bytes]
    more: str | None


def split_page(body: bytes) -> Page:
    """Cut a StatementResult into its statements.

    Raises:
        NoPageError: the body is no JSON object with a list of statements, is cut off, or says a thing twice.
    """
    statements: list[bytes] | None = None
    parts: dict[str, bytes] = {}
    start = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    at = _expect(body, _skip(body, start), b"{")
    while body[at : at + 1] != b"}":
        if parts:
            at = _expect(body, at, b",")
        key_end = _value_end(body, at)
        key = _text(body[at:key_end], at)
        if key in parts:
            message = f"{key!r} is there twice"
            raise NoPageError(message)
        at = _expect(body, _skip(body, key_end), b":")
        if key == "statements":
            parts[key] = b""
            statements, at = _elements(body, at)
        else:
            end = _value_end(body, at)
            parts[key], at = body[at:end], _skip(body, end)
    if _skip(body, at + 1) != len(body):
        message = f"something follows its end, from byte {at + 1}"
        raise NoPageError(message)
    if statements is None:
        message = "it has no list of statements"
        raise NoPageError(message)
    more = parts.get("more", b"null")
    return Page(statements, None if more == b"null" else _text(more, start) or None)


def _elements(body: bytes, at: int) -> tuple[list[bytes], int]:
    """The elements of the list that begins here, and where what follows it begins."""
    found: list[bytes] = []
    at = _expect(body, at, b"[")
    while body[at : at + 1] != b"]":
        if found:
            at = _expect(body, at, b",")
        end = _value_end(body, at)
        found.append(body[at:end])
        at = _skip(body, end)
    return found, _skip(body, at + 1)


def _value_end(body: bytes, at: int) -> int:
    """Where the value that begins here ends."""
    if body[at : at + 1] not in _OPENS:
        scalar = _SCALAR.match(body, at)
        if scalar is None:
            message = f"a value is missing at byte {at}" if at < len(body) else "it is cut off"
            raise NoPageError(message)
        return scalar.end()
    awaited: list[bytes] = []
    for end, bracket in _brackets(body, at):
        if bracket in _OPENS:
            awaited.append(_OPENS[bracket])
        elif awaited.pop() != bracket:
            message = f"a bracket closes another at byte {end - 1}"
            raise NoPageError(message)
        if not awaited:
            return end
    message = "it is cut off"
    raise NoPageError(message)


def _brackets(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while found := _TO_BRACKET.match(body, at):
        at = found.end()
        yield at, found[1]


def _skip(body: bytes, at: int) -> int:
    space = _SPACE.match(body, at)
    return space.end() if space else at


def _expect(body: bytes, at: int, mark: bytes) -> int:
    """Where the value after a mark begins."""
    if body[at : at + 1] != mark:
        message = f"{mark.decode()!r} is missing at byte {at}" if at < len(body) else "it is cut off"
        raise NoPageError(message)
    return _skip(body, at + 1)


def _text(raw: bytes, at: int) -> str:
    try:
        read = json.loads(raw)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, str):
        message = f"a text is missing at byte {at}"
        raise NoPageError(message)
    return read
