"""From the bytes of one line to a checked statement, or to the reason why it is none.

Belongs here: encoding, JSON, duplicate keys, numbers and nesting without bounds. Does not belong here: the rules of
xAPI (`validate`), reading files (`pipelines.sources.inbox`).

orjson reads a line and writes it again. Where the writing has as many quotation marks as the line, no key came twice;
every line about which the two disagree, and every line that orjson refuses, is read once more by the standard
library, which is slow but tells what is wrong, and knows numbers of any length. A number that no double holds is
valid JSON and becomes infinite; nothing that Handrail keeps of a statement may be.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from pipelines.statements.rules import InvalidStatementError, Spec, Verdict, refuse
from pipelines.statements.validate import check_statement

_VALID = Verdict(is_valid=True)


def parsed(line: bytes, spec: Spec | None = None) -> dict[str, Any]:
    """Parse and check one line by xAPI 1.0.3 and 2.0 together, or by one of them.

    A byte order mark before the statement is passed over. Deeper than 254 levels nothing is taken: two contents that
    deep cannot be compared.

    Raises:
        InvalidStatementError: with whatever is wrong first: encoding, JSON, duplicate keys, then the rules of xAPI.
    """
    return check_statement(_statement(line), spec)


def verdict(line: bytes, spec: Spec | None = None) -> Verdict:
    """The verdict on one line of a file of statements; see `parsed`."""
    try:
        parsed(line, spec)
    except InvalidStatementError as fault:
        return Verdict(is_valid=False, reason=fault.reason, requirement=fault.requirement)
    return _VALID


def _statement(line: bytes) -> object:
    try:
        statement: object = orjson.loads(line)
        written = orjson.dumps(statement)
        if written == line or (
            written.count(b'"') == line.count(b'"') and (b"\\" not in line or b"\\u0022" not in line)
        ):
            return statement
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass
    return _slowly(line)


def _slowly(line: bytes) -> object:
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        refuse("not_utf8", "XAPI-00015")
    try:
        statement: object = json.loads(
            text, object_pairs_hook=_without_duplicates, parse_int=_number, parse_float=_number, parse_constant=_refuse
        )
        _check_writable(statement)
    except RecursionError:
        refuse("nested_too_deep")
    except json.JSONDecodeError:
        refuse("not_json", "XAPI-00014")
    return statement


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        refuse("duplicate_key", "XAPI-00021")
    return found


def _number(text: str) -> float:
    """The number as orjson has it: an int within 64 bits, else the nearest double; infinite where there is none."""
    try:
        number: float = orjson.loads(text)
    except orjson.JSONDecodeError:
        return float(text)
    return number


def _refuse(_name: str) -> None:
    """NaN, Infinity and -Infinity are no JSON."""
    refuse("not_json", "XAPI-00014")


def _check_writable(statement: object) -> None:
    try:
        orjson.dumps(statement)
    except orjson.JSONEncodeError as fault:
        if "recursion" in str(fault).lower():
            refuse("nested_too_deep")
        # The standard library takes half of a surrogate pair, which no UTF-8 can say.
        refuse("lone_surrogate", "XAPI-00015")
