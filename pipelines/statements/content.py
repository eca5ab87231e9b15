"""What of a statement counts when two of one id are compared, and the words in which that is hashed.

Belongs here: xAPI's comparison of statements. Does not belong here: which of two stands (`pipelines.core.statements`).

Out of the comparison stand what a Learning Record Store may set (id, stored, authority, version), attachments, and what
only explains (definitions of activities, displays of verbs); instants are compared as instants, members of a Group in
any order, a single context activity as a list of one (xAPI 1.0.3, part 2, section 2.3.1).
"""

from __future__ import annotations

from typing import Any, cast

import orjson

from pipelines.statements.rules import InvalidStatementError

_LISTED = ("parent", "grouping", "category", "other")


def content_of(statement: dict[str, Any]) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """The compared content of a checked statement but for its instant: actor, verb, object, result, context.

    Each part in one form, so that what was made of a part can be kept and put together again (`bulk`).

    Raises:
        InvalidStatementError: the statement nests deeper than can be written, so that it cannot be compared.
    """
    return (
        written(actor_of(statement["actor"])),
        statement["verb"]["id"].encode(),
        written(object_of(statement["object"])),
        written(statement.get("result")),
        written(context_of(statement.get("context"))),
    )


def written(value: object) -> bytes:
    """A part of the content as JSON with sorted keys."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, RecursionError):
        # The parser goes deeper than the writer: valid, but it cannot be compared with another of its id.
        reason = "nested_too_deep"
        raise InvalidStatementError(reason) from None


def actor_of(actor: dict[str, Any]) -> dict[str, Any]:
    """An Agent or Group without its name, members in one order."""
    kept = {key: value for key, value in actor.items() if key not in {"name", "objectType"}}
    if "member" in kept:
        kept["member"] = sorted(written(actor_of(member)).decode() for member in actor["member"])
    return kept


def object_of(target: dict[str, Any]) -> object:
    """A statement's object: an Activity is its id."""
    kind = target.get("objectType", "Activity")
    if kind in {"Activity", "StatementRef"}:
        return [kind, target["id"].lower() if kind == "StatementRef" else target["id"]]
    if kind in {"Agent", "Group"}:
        return [kind, actor_of(target)]
    inner = dict(target)
    inner["actor"], inner["object"] = actor_of(target["actor"]), object_of(target["object"])
    inner["verb"], inner["context"] = target["verb"]["id"], context_of(target.get("context"))
    return inner


def context_of(context: dict[str, Any] | None) -> dict[str, Any] | None:
    """A context whose activities are lists of ids."""
    if context is None:
        return None
    kept = dict(context)
    if "contextActivities" in kept:
        kept["contextActivities"] = {
            kind: [activity["id"] for activity in listed(kept["contextActivities"], kind)]
            for kind in _LISTED
            if kept["contextActivities"].get(kind)
        }
    if "registration" in kept:
        kept["registration"] = kept["registration"].lower()
    for key in ("instructor", "team"):
        if key in kept:
            kept[key] = actor_of(kept[key])
    return kept


def listed(activities: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Context activities of a kind as a list: older statements give a single one without."""
    found = activities.get(kind, [])
    return [found] if isinstance(found, dict) else cast("list[dict[str, Any]]", found)
