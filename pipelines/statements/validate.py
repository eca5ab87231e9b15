"""Is this a valid xAPI statement? The structure of xAPI 1.0.3 and 2.0, with reason codes and requirement ids.

Belongs here: which part of a statement must keep which rule. Does not belong here: the rules of single values
(`rules`), what is kept of a statement (`take`), what verbs mean (`data_contracts.xapi.vocabulary`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from pipelines.statements.rules import (
    as_object,
    boolean,
    check_timestamp,
    extensions,
    iri,
    is_language_tag,
    is_number,
    language_map,
    only_known,
    refuse,
    string,
    uuid,
)

VOIDED = "http://adlnet.gov/expapi/verbs/voided"
_MBOX = re.compile(r"mailto:[^@\s]+@[^@\s]+")
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_SHA2 = re.compile(r"[0-9a-fA-F]+")
_VERSION = re.compile(r"(?:1\.0(?:\.\d+)?|2\.0(?:\.\d+)?)", re.ASCII)
_MEDIA = re.compile(r"[\w!#$&^.+\-]+/[\w!#$&^.+\-]+(?:\s*;.*)?")
_NUMBER = r"\d+(?:[.,]\d+)?"
_DURATION = re.compile(
    rf"P(?:{_NUMBER}W|(?=\d|T\d)(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}D)?"
    rf"(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)",
    re.ASCII,
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

_AGENT = frozenset(("objectType", "name", *_IDENTIFIERS))
_GROUP = _AGENT | {"member"}
_ACCOUNT = frozenset(("homePage", "name"))


def _identifier(actor: dict[str, Any]) -> int:
    found = [key for key in _IDENTIFIERS if key in actor]
    if len(found) > 1:
        refuse("actor_several_identifiers", "XAPI-00037" if actor.get("objectType") != "Group" else "XAPI-00034")
    if "mbox" in actor and not (isinstance(actor["mbox"], str) and _MBOX.fullmatch(actor["mbox"])):
        refuse("mbox_not_mailto", "XAPI-00038")
    if "mbox_sha1sum" in actor and not (
        isinstance(actor["mbox_sha1sum"], str) and _SHA1.fullmatch(actor["mbox_sha1sum"])
    ):
        refuse("mbox_sha1sum_not_sha1", "XAPI-00039")
    if "openid" in actor:
        iri(actor["openid"], "openid", "XAPI-00040")
    if "account" in actor:
        account = as_object(actor["account"], "account", "XAPI-00043")
        only_known(account, _ACCOUNT, "account")
        if "homePage" not in account:
            refuse("account_without_home_page", "XAPI-00042")
        if "name" not in account:
            refuse("account_without_name", "XAPI-00042")
        iri(account["homePage"], "account_home_page", "XAPI-00043")
        string(account["name"], "account_name", "XAPI-00041")
    return len(found)


def _agent(value: object, what: str) -> None:
    agent = as_object(value, what, "XAPI-00030")
    only_known(agent, _AGENT, what)
    if agent.get("objectType", "Agent") != "Agent":
        refuse(f"{what}_object_type", "XAPI-00027")
    if "name" in agent:
        string(agent["name"], f"{what}_name", "XAPI-00031")
    if _identifier(agent) != 1:
        refuse(f"{what}_without_identifier", "XAPI-00036")


def _group(value: dict[str, Any], what: str) -> None:
    only_known(value, _GROUP, what)
    if "name" in value:
        string(value["name"], f"{what}_name", "XAPI-00031")
    identifiers = _identifier(value)
    if not identifiers and "member" not in value:
        refuse(f"{what}_anonymous_without_member", "XAPI-00033")
    if "member" in value:
        members = value["member"]
        if not isinstance(members, list) or (not identifiers and not members):
            refuse(f"{what}_member_not_agents", "XAPI-00033")
        for member in members:
            _agent(member, f"{what}_member")


def _actor(value: object, what: str = "actor") -> None:
    actor = as_object(value, what, "XAPI-00030")
    if actor.get("objectType") == "Group":
        _group(actor, what)
    else:
        _agent(actor, what)


def _authority(value: object) -> None:
    authority = as_object(value, "authority", "XAPI-00098")
    _actor(authority, "authority")
    if authority.get("objectType") == "Group":
        is_pair = len(authority.get("member", ())) == 2
        if not is_pair or any(key in authority for key in _IDENTIFIERS):
            refuse("authority_group_not_anonymous_pair", "XAPI-00098")


_VERB = frozenset(("id", "display"))


def _verb(value: object) -> str:
    verb = as_object(value, "verb", "XAPI-00022")
    only_known(verb, _VERB, "verb")
    if "id" not in verb:
        refuse("verb_without_id", "XAPI-00024")
    iri(verb["id"], "verb_id", "XAPI-00024")
    if "display" in verb:
        language_map(verb["display"], "verb_display", "XAPI-00022")
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
    definition = as_object(value, "definition", "XAPI-00047")
    only_known(definition, _DEFINITION, "definition")
    for key in ("name", "description"):
        if key in definition:
            language_map(definition[key], f"definition_{key}", "XAPI-00046")
    if "type" in definition:
        iri(definition["type"], "definition_type", "XAPI-00048")
    if "moreInfo" in definition:
        iri(definition["moreInfo"], "definition_more_info", "XAPI-00049")
    if "extensions" in definition:
        extensions(definition["extensions"], "definition")
    interaction = definition.get("interactionType")
    if "interactionType" in definition and not (isinstance(interaction, str) and interaction in _INTERACTION_TYPES):
        refuse("interaction_type_unknown", "XAPI-00049")
    if "correctResponsesPattern" in definition:
        pattern = definition["correctResponsesPattern"]
        if not isinstance(pattern, list) or not all(isinstance(item, str) for item in pattern):
            refuse("correct_responses_not_strings", "XAPI-00049")
    for key, wanted in _COMPONENT_LISTS.items():
        if key not in definition:
            continue
        if interaction not in list(wanted):
            refuse(f"{key}_without_its_interaction_type", "XAPI-00049")
        _components(definition[key], key)
    if interaction is None and "correctResponsesPattern" in definition:
        refuse("correct_responses_without_interaction_type", "XAPI-00049")


def _components(value: object, what: str) -> None:
    if not isinstance(value, list):
        refuse(f"{what}_not_list", "XAPI-00049")
    seen = set()
    for item in cast("list[object]", value):
        component = as_object(item, what, "XAPI-00049")
        only_known(component, _COMPONENT, what)
        name = string(component.get("id"), f"{what}_id", "XAPI-00049")
        if name in seen:
            refuse(f"{what}_id_twice", "XAPI-00049")
        seen.add(name)
        if "description" in component:
            language_map(component["description"], f"{what}_description", "XAPI-00049")


def _activity(value: object, what: str = "object") -> None:
    activity = as_object(value, what, "XAPI-00044")
    only_known(activity, _ACTIVITY, what)
    if activity.get("objectType", "Activity") != "Activity":
        refuse(f"{what}_object_type", "XAPI-00044")
    if "id" not in activity:
        refuse(f"{what}_without_id", "XAPI-00045")
    iri(activity["id"], f"{what}_id", "XAPI-00045")
    if "definition" in activity:
        _definition(activity["definition"])


_REFERENCE = frozenset(("objectType", "id"))


def _reference(value: object, what: str) -> None:
    reference = as_object(value, what, "XAPI-00073")
    only_known(reference, _REFERENCE, what)
    if reference.get("objectType") != "StatementRef":
        refuse(f"{what}_object_type", "XAPI-00073")
    if "id" not in reference:
        refuse(f"{what}_without_id", "XAPI-00074")
    uuid(reference["id"], f"{what}_id", "XAPI-00074")


_SUB = frozenset(("objectType", "actor", "verb", "object", "result", "context", "timestamp", "attachments"))


def _sub_statement(value: dict[str, Any]) -> None:
    for key in ("id", "stored", "version", "authority"):
        if key in value:
            refuse(f"sub_statement_has_{key}", "XAPI-00071")
    only_known(value, _SUB, "sub_statement")
    inner = value.get("object")
    if isinstance(inner, dict) and inner.get("objectType") == "SubStatement":
        refuse("sub_statement_nested", "XAPI-00072")
    _body(value)


def _is_activity(value: object) -> bool:
    return isinstance(value, dict) and value.get("objectType", "Activity") == "Activity"


def _any_object(value: object, *, is_sub: bool) -> None:
    found = as_object(value, "object", "XAPI-00003")
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
        refuse("object_type_unknown", "XAPI-00009")


_RESULT = frozenset(("score", "success", "completion", "response", "duration", "extensions"))
_SCORE = frozenset(("scaled", "raw", "min", "max"))


def _score(value: object) -> None:
    score = as_object(value, "score", "XAPI-00079")
    only_known(score, _SCORE, "score")
    for key, item in score.items():
        if not is_number(item):
            refuse(f"score_{key}_not_number", "XAPI-00079")
    if "scaled" in score and not -1 <= score["scaled"] <= 1:
        refuse("score_scaled_out_of_range", "XAPI-00080")
    low, raw, high = score.get("min"), score.get("raw"), score.get("max")
    if low is not None and high is not None and low >= high:
        refuse("score_min_not_below_max", "XAPI-00082")
    if raw is not None and ((low is not None and raw < low) or (high is not None and raw > high)):
        refuse("score_raw_out_of_range", "XAPI-00081")


def _result(value: object) -> None:
    result = as_object(value, "result", "XAPI-00066")
    only_known(result, _RESULT, "result")
    if "score" in result:
        _score(result["score"])
    for key in ("success", "completion"):
        if key in result:
            boolean(result[key], f"result_{key}", "XAPI-00066")
    if "response" in result:
        string(result["response"], "result_response", "XAPI-00066")
    if "duration" in result and not (isinstance(result["duration"], str) and _DURATION.fullmatch(result["duration"])):
        refuse("result_duration_not_iso", "XAPI-00124")
    if "extensions" in result:
        extensions(result["extensions"], "result")


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
    context = as_object(value, "context", "XAPI-00083")
    only_known(context, _CONTEXT, "context")
    if "registration" in context:
        uuid(context["registration"], "registration", "XAPI-00087")
    if "instructor" in context:
        _actor(context["instructor"], "instructor")
    if "team" in context:
        team = as_object(context["team"], "team", "XAPI-00088")
        if team.get("objectType") != "Group":
            refuse("team_not_group", "XAPI-00088")
        _group(team, "team")
    for key, requirement in (("revision", "XAPI-00084"), ("platform", "XAPI-00085")):
        if key in context:
            string(context[key], key, requirement)
            if not _is_activity(statement_object):
                refuse(f"{key}_without_activity", requirement)
    if "language" in context and not (isinstance(context["language"], str) and is_language_tag(context["language"])):
        refuse("context_language_bad_tag", "XAPI-00013")
    if "statement" in context:
        _reference(context["statement"], "context_statement")
    if "extensions" in context:
        extensions(context["extensions"], "context")
    if "contextActivities" in context:
        _context_activities(context["contextActivities"])
    for key, member, check in (("contextAgents", "agent", _agent), ("contextGroups", "group", _actor)):
        if key in context:
            _context_persons(context[key], key, member, check)


def _context_activities(value: object) -> None:
    found = as_object(value, "context_activities", "XAPI-00091")
    only_known(found, _CONTEXT_ACTIVITIES, "context_activities")
    for item in found.values():
        for activity in item if isinstance(item, list) else [item]:
            _activity(activity, "context_activity")


def _context_persons(value: object, what: str, member: str, check: Callable[[object, str], None]) -> None:
    if not isinstance(value, list):
        refuse(f"{what}_not_list")
    for item in cast("list[object]", value):
        found = as_object(item, what)
        only_known(found, frozenset(("objectType", member, "relevantTypes")), what)
        if found.get("objectType") != what[:-1]:
            refuse(f"{what}_object_type")
        if member not in found:
            refuse(f"{what}_without_{member}")
        check(found[member], what)
        if "relevantTypes" in found:
            types = found["relevantTypes"]
            if not isinstance(types, list) or not types:
                refuse(f"{what}_relevant_types_empty")
            for kind in types:
                iri(kind, f"{what}_relevant_type")


_ATTACHMENT = frozenset(("usageType", "display", "description", "contentType", "length", "sha2", "fileUrl"))


def _attachments(value: object) -> None:
    if not isinstance(value, list):
        refuse("attachments_not_list", "XAPI-00002")
    for item in cast("list[object]", value):
        attachment = as_object(item, "attachment", "XAPI-00002")
        only_known(attachment, _ATTACHMENT, "attachment")
        for key in ("usageType", "display", "contentType", "length", "sha2"):
            if key not in attachment:
                refuse(f"attachment_without_{key}", "XAPI-00002")
        iri(attachment["usageType"], "attachment_usage_type")
        language_map(attachment["display"], "attachment_display")
        if "description" in attachment:
            language_map(attachment["description"], "attachment_description")
        if not (isinstance(attachment["contentType"], str) and _MEDIA.fullmatch(attachment["contentType"])):
            refuse("attachment_content_type")
        if not isinstance(attachment["length"], int) or isinstance(attachment["length"], bool):
            refuse("attachment_length_not_integer")
        if not (isinstance(attachment["sha2"], str) and _SHA2.fullmatch(attachment["sha2"])):
            refuse("attachment_sha2")
        if "fileUrl" in attachment:
            iri(attachment["fileUrl"], "attachment_file_url")


_STATEMENT = frozenset(
    ("id", "actor", "verb", "object", "result", "context", "timestamp", "stored", "authority", "version", "attachments")
)


def _body(value: dict[str, Any], *, is_sub: bool = True) -> None:
    for key in ("actor", "verb", "object"):
        if key not in value:
            refuse(f"{key}_missing", "XAPI-00003")
    _actor(value["actor"])
    verb = _verb(value["verb"])
    _any_object(value["object"], is_sub=is_sub)
    if verb == VOIDED and value["object"].get("objectType") != "StatementRef":
        refuse("voided_without_statement_ref", "XAPI-00020")
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
    statement = as_object(value, "statement")
    only_known(statement, _STATEMENT, "statement")
    if "id" in statement:
        uuid(statement["id"], "id", "XAPI-00027")
    _body(statement, is_sub=False)
    if "stored" in statement:
        check_timestamp(statement["stored"], "stored")
    if "authority" in statement:
        _authority(statement["authority"])
    if "version" in statement and not (
        isinstance(statement["version"], str) and _VERSION.fullmatch(statement["version"])
    ):
        refuse("version_unknown", "XAPI-00101")
