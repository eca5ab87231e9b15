"""Is this a valid xAPI statement? The rules of xAPI 1.0.3, with reason codes and requirement ids.

Belongs here: the verdict on one statement. Does not belong here: what is kept of it (`take`), what verbs mean
(`data_contracts.xapi.vocabulary`). Requirement ids are those of the ADL LRS conformance suite.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from data_contracts.errors import PermanentError

VOIDED = "http://adlnet.gov/expapi/verbs/voided"

_UUID = re.compile(r"(?:urn:uuid:)?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+")
_MBOX = re.compile(r"mailto:[^@\s]+@[^@\s]+")
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_SHA2 = re.compile(r"[0-9a-fA-F]+")
_VERSION = re.compile(r"(?:1\.0(?:\.\d+)?|2\.0(?:\.\d+)?)")
_MEDIA = re.compile(r"[\w!#$&^.+\-]+/[\w!#$&^.+\-]+(?:\s*;.*)?")
_NUMBER = r"\d+(?:[.,]\d+)?"
_DURATION = re.compile(
    rf"P(?:{_NUMBER}W|(?=\d|T\d)(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}D)?"
    rf"(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)"
)
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?(Z|z|[+-]\d{2}(?::?\d{2})?)?"
)
_LANGUAGE = re.compile(
    r"(?:(?P<language>[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|\d{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|\d[A-Za-z0-9]{3}))*(?P<extensions>(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*)"
    r"(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?|[xX](?:-[A-Za-z0-9]{1,8})+|i-[A-Za-z]+)"
)

_IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")
_INTERACTION_TYPES = frozenset(
    (
        "true-false",
        "choice",
        "fill-in",
        "long-fill-in",
        "matching",
        "performance",
        "sequencing",
        "likert",
        "numeric",
        "other",
    )
)
_COMPONENT_LISTS = {
    "choices": ("choice", "sequencing"),
    "scale": ("likert",),
    "source": ("matching",),
    "target": ("matching",),
    "steps": ("performance",),
}


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


def _refuse(reason: str, requirement: str | None = None) -> None:
    raise InvalidStatementError(reason, requirement)


def _object(value: object, what: str, requirement: str | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(f"{what}_not_object", requirement)
    return cast("dict[str, Any]", value)


def _known(value: dict[str, Any], allowed: frozenset[str], what: str, requirement: str = "XAPI-00010") -> None:
    for key, item in value.items():
        if key not in allowed:
            _refuse(f"{what}_unknown_property", requirement)
        if item is None:
            _refuse(f"{what}_null_value", "XAPI-00001")


def _string(value: object, what: str, requirement: str | None = None) -> str:
    if not isinstance(value, str):
        _refuse(f"{what}_not_string", requirement)
    return cast("str", value)


def _boolean(value: object, what: str, requirement: str | None = None) -> None:
    if not isinstance(value, bool):
        _refuse(f"{what}_not_boolean", requirement)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _iri(value: object, what: str, requirement: str | None = None) -> None:
    if not isinstance(value, str) or not _IRI.fullmatch(value):
        _refuse(f"{what}_not_iri", requirement)


def _uuid(value: object, what: str, requirement: str | None = None) -> None:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        _refuse(f"{what}_not_uuid", requirement)


def _language_tag(tag: str) -> bool:
    found = _LANGUAGE.fullmatch(tag)
    if not found:
        return False
    singletons = [part.lower() for part in (found["extensions"] or "").split("-") if len(part) == 1]
    return len(singletons) == len(set(singletons))


def _language_map(value: object, what: str, requirement: str | None = None) -> None:
    for tag, words in _object(value, what, requirement).items():
        if not _language_tag(tag):
            _refuse(f"{what}_bad_language_tag", "XAPI-00013")
        _string(words, what, requirement)


def _extensions(value: object, what: str) -> None:
    for key in _object(value, f"{what}_extensions", "XAPI-00118"):
        _iri(key, f"{what}_extension_key", "XAPI-00118")


def check_timestamp(value: object, what: str, requirement: str = "XAPI-00122") -> None:
    """Refuse what is no ISO 8601 instant; the offsets -00, -0000 and -00:00 are refused by XAPI-00123."""
    found = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        _refuse(f"{what}_not_timestamp", requirement)
        return
    year, month, day, hour, minute, second, offset = found.groups()
    if offset and offset[0] == "-" and not int(offset[1:].replace(":", "")):
        _refuse(f"{what}_negative_zero_offset", "XAPI-00123")
    try:
        # A leap second is a valid instant that datetime cannot say.
        datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second or 0), 59))  # noqa: DTZ001
    except ValueError:
        _refuse(f"{what}_not_timestamp", requirement)
    if second and int(second) > 60:
        _refuse(f"{what}_not_timestamp", requirement)


_AGENT = frozenset(("objectType", "name", *_IDENTIFIERS))
_GROUP = _AGENT | {"member"}
_ACCOUNT = frozenset(("homePage", "name"))


def _identifier(actor: dict[str, Any]) -> int:
    found = [key for key in _IDENTIFIERS if key in actor]
    if len(found) > 1:
        _refuse("actor_several_identifiers", "XAPI-00037" if actor.get("objectType") != "Group" else "XAPI-00034")
    if "mbox" in actor and not (isinstance(actor["mbox"], str) and _MBOX.fullmatch(actor["mbox"])):
        _refuse("mbox_not_mailto", "XAPI-00038")
    if "mbox_sha1sum" in actor and not (
        isinstance(actor["mbox_sha1sum"], str) and _SHA1.fullmatch(actor["mbox_sha1sum"])
    ):
        _refuse("mbox_sha1sum_not_sha1", "XAPI-00039")
    if "openid" in actor:
        _iri(actor["openid"], "openid", "XAPI-00040")
    if "account" in actor:
        account = _object(actor["account"], "account", "XAPI-00043")
        _known(account, _ACCOUNT, "account")
        if "homePage" not in account:
            _refuse("account_without_home_page", "XAPI-00042")
        if "name" not in account:
            _refuse("account_without_name", "XAPI-00042")
        _iri(account["homePage"], "account_home_page", "XAPI-00043")
        _string(account["name"], "account_name", "XAPI-00041")
    return len(found)


def _agent(value: object, what: str) -> None:
    agent = _object(value, what, "XAPI-00030")
    _known(agent, _AGENT, what)
    if agent.get("objectType", "Agent") != "Agent":
        _refuse(f"{what}_object_type", "XAPI-00027")
    if "name" in agent:
        _string(agent["name"], f"{what}_name", "XAPI-00031")
    if _identifier(agent) != 1:
        _refuse(f"{what}_without_identifier", "XAPI-00036")


def _group(value: dict[str, Any], what: str) -> None:
    _known(value, _GROUP, what)
    if "name" in value:
        _string(value["name"], f"{what}_name", "XAPI-00031")
    identifiers = _identifier(value)
    if not identifiers and "member" not in value:
        _refuse(f"{what}_anonymous_without_member", "XAPI-00033")
    if "member" in value:
        members = value["member"]
        if not isinstance(members, list) or (not identifiers and not members):
            _refuse(f"{what}_member_not_agents", "XAPI-00033")
        for member in members:
            _agent(member, f"{what}_member")


def _actor(value: object, what: str = "actor") -> None:
    actor = _object(value, what, "XAPI-00030")
    if actor.get("objectType") == "Group":
        _group(actor, what)
    else:
        _agent(actor, what)


def _authority(value: object) -> None:
    authority = _object(value, "authority", "XAPI-00098")
    _actor(authority, "authority")
    if authority.get("objectType") == "Group":
        is_pair = len(authority.get("member", ())) == 2
        if not is_pair or any(key in authority for key in _IDENTIFIERS):
            _refuse("authority_group_not_anonymous_pair", "XAPI-00098")


_VERB = frozenset(("id", "display"))


def _verb(value: object) -> str:
    verb = _object(value, "verb", "XAPI-00022")
    _known(verb, _VERB, "verb")
    if "id" not in verb:
        _refuse("verb_without_id", "XAPI-00024")
    _iri(verb["id"], "verb_id", "XAPI-00024")
    if "display" in verb:
        _language_map(verb["display"], "verb_display", "XAPI-00022")
    return cast("str", verb["id"])


_DEFINITION = frozenset(
    (
        "name",
        "description",
        "type",
        "moreInfo",
        "extensions",
        "interactionType",
        "correctResponsesPattern",
        *_COMPONENT_LISTS,
    )
)
_COMPONENT = frozenset(("id", "description"))
_ACTIVITY = frozenset(("objectType", "id", "definition"))


def _definition(value: object) -> None:
    definition = _object(value, "definition", "XAPI-00047")
    _known(definition, _DEFINITION, "definition")
    for key in ("name", "description"):
        if key in definition:
            _language_map(definition[key], f"definition_{key}", "XAPI-00046")
    if "type" in definition:
        _iri(definition["type"], "definition_type", "XAPI-00048")
    if "moreInfo" in definition:
        _iri(definition["moreInfo"], "definition_more_info", "XAPI-00049")
    if "extensions" in definition:
        _extensions(definition["extensions"], "definition")
    interaction = definition.get("interactionType")
    if "interactionType" in definition and not (isinstance(interaction, str) and interaction in _INTERACTION_TYPES):
        _refuse("interaction_type_unknown", "XAPI-00049")
    if "correctResponsesPattern" in definition:
        pattern = definition["correctResponsesPattern"]
        if not isinstance(pattern, list) or not all(isinstance(item, str) for item in pattern):
            _refuse("correct_responses_not_strings", "XAPI-00049")
    for key, wanted in _COMPONENT_LISTS.items():
        if key not in definition:
            continue
        if interaction not in list(wanted):
            _refuse(f"{key}_without_its_interaction_type", "XAPI-00049")
        _components(definition[key], key)
    if interaction is None and "correctResponsesPattern" in definition:
        _refuse("correct_responses_without_interaction_type", "XAPI-00049")


def _components(value: object, what: str) -> None:
    if not isinstance(value, list):
        _refuse(f"{what}_not_list", "XAPI-00049")
    seen = set()
    for item in cast("list[object]", value):
        component = _object(item, what, "XAPI-00049")
        _known(component, _COMPONENT, what)
        name = _string(component.get("id"), f"{what}_id", "XAPI-00049")
        if name in seen:
            _refuse(f"{what}_id_twice", "XAPI-00049")
        seen.add(name)
        if "description" in component:
            _language_map(component["description"], f"{what}_description", "XAPI-00049")


def _activity(value: object, what: str = "object") -> None:
    activity = _object(value, what, "XAPI-00044")
    _known(activity, _ACTIVITY, what)
    if activity.get("objectType", "Activity") != "Activity":
        _refuse(f"{what}_object_type", "XAPI-00044")
    if "id" not in activity:
        _refuse(f"{what}_without_id", "XAPI-00045")
    _iri(activity["id"], f"{what}_id", "XAPI-00045")
    if "definition" in activity:
        _definition(activity["definition"])


_REFERENCE = frozenset(("objectType", "id"))


def _reference(value: object, what: str) -> None:
    reference = _object(value, what, "XAPI-00073")
    _known(reference, _REFERENCE, what)
    if reference.get("objectType") != "StatementRef":
        _refuse(f"{what}_object_type", "XAPI-00073")
    if "id" not in reference:
        _refuse(f"{what}_without_id", "XAPI-00074")
    _uuid(reference["id"], f"{what}_id", "XAPI-00074")


_SUB = frozenset(("objectType", "actor", "verb", "object", "result", "context", "timestamp", "attachments"))


def _sub_statement(value: dict[str, Any]) -> None:
    for key in ("id", "stored", "version", "authority"):
        if key in value:
            _refuse(f"sub_statement_has_{key}", "XAPI-00071")
    _known(value, _SUB, "sub_statement")
    inner = value.get("object")
    if isinstance(inner, dict) and inner.get("objectType") == "SubStatement":
        _refuse("sub_statement_nested", "XAPI-00072")
    _body(value)


def _is_activity(value: object) -> bool:
    return isinstance(value, dict) and value.get("objectType", "Activity") == "Activity"


def _any_object(value: object, *, is_sub: bool) -> None:
    found = _object(value, "object", "XAPI-00003")
    kind = found.get("objectType", "Activity")
    if kind == "Activity":
        _activity(found)
    elif kind in ("Agent", "Group"):
        _actor(found, "object")
    elif kind == "StatementRef":
        _reference(found, "object")
    elif kind == "SubStatement" and not is_sub:
        _sub_statement(found)
    else:
        _refuse("object_type_unknown", "XAPI-00009")


_RESULT = frozenset(("score", "success", "completion", "response", "duration", "extensions"))
_SCORE = frozenset(("scaled", "raw", "min", "max"))


def _score(value: object) -> None:
    score = _object(value, "score", "XAPI-00079")
    _known(score, _SCORE, "score")
    for key, item in score.items():
        if not _is_number(item):
            _refuse(f"score_{key}_not_number", "XAPI-00079")
    if "scaled" in score and not -1 <= score["scaled"] <= 1:
        _refuse("score_scaled_out_of_range", "XAPI-00080")
    low, raw, high = score.get("min"), score.get("raw"), score.get("max")
    if low is not None and high is not None and low >= high:
        _refuse("score_min_not_below_max", "XAPI-00082")
    if raw is not None and ((low is not None and raw < low) or (high is not None and raw > high)):
        _refuse("score_raw_out_of_range", "XAPI-00081")


def _result(value: object) -> None:
    result = _object(value, "result", "XAPI-00066")
    _known(result, _RESULT, "result")
    if "score" in result:
        _score(result["score"])
    for key in ("success", "completion"):
        if key in result:
            _boolean(result[key], f"result_{key}", "XAPI-00066")
    if "response" in result:
        _string(result["response"], "result_response", "XAPI-00066")
    if "duration" in result and not (isinstance(result["duration"], str) and _DURATION.fullmatch(result["duration"])):
        _refuse("result_duration_not_iso", "XAPI-00124")
    if "extensions" in result:
        _extensions(result["extensions"], "result")


_CONTEXT = frozenset(
    (
        "registration",
        "instructor",
        "team",
        "contextActivities",
        "revision",
        "platform",
        "language",
        "statement",
        "extensions",
        "contextAgents",
        "contextGroups",
    )
)
_CONTEXT_ACTIVITIES = frozenset(("parent", "grouping", "category", "other"))


def _context(value: object, statement_object: object) -> None:
    context = _object(value, "context", "XAPI-00083")
    _known(context, _CONTEXT, "context")
    if "registration" in context:
        _uuid(context["registration"], "registration", "XAPI-00087")
    if "instructor" in context:
        _actor(context["instructor"], "instructor")
    if "team" in context:
        team = _object(context["team"], "team", "XAPI-00088")
        if team.get("objectType") != "Group":
            _refuse("team_not_group", "XAPI-00088")
        _group(team, "team")
    for key, requirement in (("revision", "XAPI-00084"), ("platform", "XAPI-00085")):
        if key in context:
            _string(context[key], key, requirement)
            if not _is_activity(statement_object):
                _refuse(f"{key}_without_activity", requirement)
    if "language" in context and not (isinstance(context["language"], str) and _language_tag(context["language"])):
        _refuse("context_language_bad_tag", "XAPI-00013")
    if "statement" in context:
        _reference(context["statement"], "context_statement")
    if "extensions" in context:
        _extensions(context["extensions"], "context")
    if "contextActivities" in context:
        _context_activities(context["contextActivities"])
    for key, member, check in (("contextAgents", "agent", _agent), ("contextGroups", "group", _actor)):
        if key in context:
            _context_persons(context[key], key, member, check)


def _context_activities(value: object) -> None:
    found = _object(value, "context_activities", "XAPI-00091")
    _known(found, _CONTEXT_ACTIVITIES, "context_activities")
    for item in found.values():
        for activity in item if isinstance(item, list) else [item]:
            _activity(activity, "context_activity")


def _context_persons(value: object, what: str, member: str, check: Callable[[object, str], None]) -> None:
    if not isinstance(value, list):
        _refuse(f"{what}_not_list")
    for item in cast("list[object]", value):
        found = _object(item, what)
        _known(found, frozenset(("objectType", member, "relevantTypes")), what)
        if found.get("objectType") != what[:-1]:
            _refuse(f"{what}_object_type")
        if member not in found:
            _refuse(f"{what}_without_{member}")
        check(found[member], what)
        if "relevantTypes" in found:
            types = found["relevantTypes"]
            if not isinstance(types, list) or not types:
                _refuse(f"{what}_relevant_types_empty")
            for kind in types:
                _iri(kind, f"{what}_relevant_type")


_ATTACHMENT = frozenset(("usageType", "display", "description", "contentType", "length", "sha2", "fileUrl"))


def _attachments(value: object) -> None:
    if not isinstance(value, list):
        _refuse("attachments_not_list", "XAPI-00002")
    for item in cast("list[object]", value):
        attachment = _object(item, "attachment", "XAPI-00002")
        _known(attachment, _ATTACHMENT, "attachment")
        for key in ("usageType", "display", "contentType", "length", "sha2"):
            if key not in attachment:
                _refuse(f"attachment_without_{key}", "XAPI-00002")
        _iri(attachment["usageType"], "attachment_usage_type")
        _language_map(attachment["display"], "attachment_display")
        if "description" in attachment:
            _language_map(attachment["description"], "attachment_description")
        if not (isinstance(attachment["contentType"], str) and _MEDIA.fullmatch(attachment["contentType"])):
            _refuse("attachment_content_type")
        if not isinstance(attachment["length"], int) or isinstance(attachment["length"], bool):
            _refuse("attachment_length_not_integer")
        if not (isinstance(attachment["sha2"], str) and _SHA2.fullmatch(attachment["sha2"])):
            _refuse("attachment_sha2")
        if "fileUrl" in attachment:
            _iri(attachment["fileUrl"], "attachment_file_url")


_STATEMENT = frozenset(
    ("id", "actor", "verb", "object", "result", "context", "timestamp", "stored", "authority", "version", "attachments")
)


def _body(value: dict[str, Any], *, is_sub: bool = True) -> None:
    for key in ("actor", "verb", "object"):
        if key not in value:
            _refuse(f"{key}_missing", "XAPI-00003")
    _actor(value["actor"])
    verb = _verb(value["verb"])
    _any_object(value["object"], is_sub=is_sub)
    if verb == VOIDED and value["object"].get("objectType") != "StatementRef":
        _refuse("voided_without_statement_ref", "XAPI-00020")
    if "result" in value:
        _result(value["result"])
    if "context" in value:
        _context(value["context"], value["object"])
    if "timestamp" in value:
        check_timestamp(value["timestamp"], "timestamp")
    if "attachments" in value:
        _attachments(value["attachments"])


def check_statement(value: object) -> None:
    """Check one statement; raises `InvalidStatementError` with the first rule it breaks."""
    statement = _object(value, "statement")
    _known(statement, _STATEMENT, "statement")
    if "id" in statement:
        _uuid(statement["id"], "id", "XAPI-00027")
    _body(statement, is_sub=False)
    if "stored" in statement:
        check_timestamp(statement["stored"], "stored")
    if "authority" in statement:
        _authority(statement["authority"])
    if "version" in statement and not (
        isinstance(statement["version"], str) and _VERSION.fullmatch(statement["version"])
    ):
        _refuse("version_unknown", "XAPI-00101")
