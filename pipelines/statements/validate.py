"""Is this a valid xAPI statement? The structure of xAPI 1.0.3 and 2.0, with reason codes and requirement ids.

Belongs here: which part of a statement must keep which rule. Does not belong here: the rules of single values
(`rules`), bytes and JSON (`parse`), what is kept of a statement (`take`), what verbs mean
(`data_contracts.xapi.vocabulary`).

Requirement ids are those of "The Experience API (xAPI) Conformance Requirements for Learning Record Stores, 1.0.3",
which the suite's tests name. The rules of xAPI 2.0 alone (contextAgents, contextGroups) have none.
"""

from __future__ import annotations

import re
from typing import Any

from pipelines.statements.rules import (
    Spec,
    as_list,
    as_object,
    boolean,
    common_iri,
    extensions,
    iri,
    is_number,
    language_map,
    language_tag,
    only_known,
    refuse,
    refuse_value,
    string,
    timestamp,
    uuid,
)
from pipelines.statements.times import is_rfc_3339

VOIDED = "http://adlnet.gov/expapi/verbs/voided"
SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"

_is_mbox = re.compile(r"mailto:[^@\s\x00-\x20\x7f-\x9f]+@[^@\s\x00-\x20\x7f-\x9f]+").fullmatch
_is_sha1 = re.compile(r"[0-9a-fA-F]{40}").fullmatch
_is_sha2 = re.compile(r"(?:[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})").fullmatch
_is_version_1 = re.compile(r"1\.0(?:\.(?:0|[1-9]\d*))?", re.ASCII).fullmatch
_is_version_2 = re.compile(r"2\.0(?:\.(?:0|[1-9]\d*))?", re.ASCII).fullmatch
_is_media_type = re.compile(r"[\w!#$&^.+\-]+/[\w!#$&^.+\-]+(?:\s*;.*)?", re.ASCII).fullmatch
# Only the last component may have a decimal fraction; weeks stand alone.
_COMPONENT = r"(?:\d+{0}|\d+[.,]\d+{0}\Z)"
_YEAR, _MONTH, _WEEK, _DAY, _HOUR, _SECOND = (_COMPONENT.format(unit) for unit in "YMWDHS")
_is_duration = re.compile(
    rf"P(?:{_WEEK}|(?=\d|T\d){_YEAR}?{_MONTH}?{_DAY}?(?:T(?=\d){_HOUR}?{_MONTH}?{_SECOND}?)?)", re.ASCII
).fullmatch

_IDENTIFIERS = frozenset(("mbox", "mbox_sha1sum", "openid", "account"))
_ONLY_OF_ACTORS = _IDENTIFIERS | {"member"}
_AGENT = _IDENTIFIERS | {"objectType", "name"}
_GROUP = _AGENT | {"member"}
_ACCOUNT = frozenset(("homePage", "name"))


def _identifiers(actor: dict[str, Any], requirement: str) -> int:
    """Check the one identifier of an Agent or a Group; how many it has, nought or one."""
    found = actor.keys() & _IDENTIFIERS
    if len(found) > 1:
        refuse("actor_several_identifiers", requirement)
    if not found:
        return 0
    (kind,) = found
    value = actor[kind]
    if kind == "account":
        _account(value)
    elif kind == "mbox":
        if not isinstance(value, str) or not _is_mbox(value):
            refuse_value(value, "mbox", "not_mailto", "XAPI-00038")
    elif kind == "openid":
        iri(value, "openid", "XAPI-00040")
    elif not isinstance(value, str) or not _is_sha1(value):
        refuse_value(value, "mbox_sha1sum", "not_sha1", "XAPI-00039")
    return 1


def _account(value: object) -> None:
    account = as_object(value, "account", "XAPI-00041")
    only_known(account, _ACCOUNT, "account")
    if "homePage" not in account:
        refuse("account_without_home_page", "XAPI-00042")
    common_iri(account["homePage"], "account_home_page", "XAPI-00042")
    if "name" not in account:
        refuse("account_without_name", "XAPI-00043")
    string(account["name"], "account_name", "XAPI-00043")


def _agent(agent: dict[str, Any], what: str, place: str) -> None:
    if "objectType" in agent and agent["objectType"] != "Agent":
        _refuse_actor_type(agent, what)
    if "member" in agent:
        refuse(f"{what}_agent_with_member", "XAPI-00035")
    only_known(agent, _AGENT, what, place)
    if "name" in agent:
        string(agent["name"], f"{what}_name", "XAPI-00033")
    if not _identifiers(agent, "XAPI-00034"):
        refuse(f"{what}_without_identifier", "XAPI-00034")


def _group(group: dict[str, Any], what: str, place: str) -> None:
    only_known(group, _GROUP, what, place)
    if "name" in group:
        string(group["name"], f"{what}_name", "XAPI-00033")
    is_identified = _identifiers(group, "XAPI-00037")
    if "member" in group:
        members = as_list(group["member"], f"{what}_member", "XAPI-00036")
        if not members and not is_identified:
            refuse(f"{what}_anonymous_without_member", "XAPI-00037")
        for member in members:
            found = as_object(member, f"{what}_member", "XAPI-00036")
            if found.get("objectType") == "Group":
                refuse(f"{what}_member_is_group", "XAPI-00036")
            _agent(found, f"{what}_member", "XAPI-00036")
    elif not is_identified:
        refuse(f"{what}_anonymous_without_member", "XAPI-00035")


def _actor(value: object, what: str, place: str) -> None:
    """An Agent or a Group; `place` is the requirement that asks for one here."""
    actor = as_object(value, what, place)
    if actor.get("objectType") == "Group":
        _group(actor, what, place)
    else:
        _agent(actor, what, place)


def _refuse_actor_type(actor: dict[str, Any], what: str) -> None:
    kind = actor["objectType"]
    refuse_value(kind, what, "object_type", "XAPI-00031" if isinstance(kind, str) else "XAPI-00032")


def _authority(value: object) -> None:
    authority = as_object(value, "authority", "XAPI-00024")
    is_group = authority.get("objectType") == "Group"
    is_identified = not _IDENTIFIERS.isdisjoint(authority)
    if is_group and not is_identified and "member" not in authority:
        refuse("authority_group_not_pair", "XAPI-00098")
    _actor(authority, "authority", "XAPI-00024")
    if is_group and is_identified:
        refuse("authority_group_identified", "XAPI-00024")
    if is_group and len(authority["member"]) != 2:
        refuse("authority_group_not_pair", "XAPI-00098")


_VERB = frozenset(("id", "display"))


def _verb(value: object) -> None:
    verb = as_object(value, "verb", "XAPI-00044")
    only_known(verb, _VERB, "verb")
    if "id" not in verb:
        refuse("verb_without_id", "XAPI-00044")
    common_iri(verb["id"], "verb_id", "XAPI-00044")
    if "display" in verb:
        language_map(verb["display"], "verb_display", "XAPI-00045")


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
# Each list of components: the interactions that have it, and its requirement.
_COMPONENT_LISTS = {
    "choices": (("choice", "sequencing"), "XAPI-00055"),
    "scale": (("likert",), "XAPI-00054"),
    "source": (("matching",), "XAPI-00053"),
    "target": (("matching",), "XAPI-00052"),
    "steps": (("performance",), "XAPI-00051"),
}
_INTERACTION = frozenset(("interactionType", "correctResponsesPattern", *_COMPONENT_LISTS))
_DEFINITION = _INTERACTION | {"name", "description", "type", "moreInfo", "extensions"}
_COMPONENT_KEYS = frozenset(("id", "description"))
_ACTIVITY = frozenset(("objectType", "id", "definition"))


def _activity(activity: dict[str, Any], what: str, stranger: str) -> None:
    only_known(activity, _ACTIVITY, what, stranger)
    if "id" not in activity:
        refuse(f"{what}_without_id", "XAPI-00047")
    iri(activity["id"], f"{what}_id", "XAPI-00047")
    if activity.get("objectType", "Activity") != "Activity":
        refuse_value(activity["objectType"], what, "object_type", "XAPI-00094")
    if "definition" in activity:
        _definition(activity["definition"])


def _definition(value: object) -> None:
    definition = as_object(value, "definition", "XAPI-00048")
    only_known(definition, _DEFINITION, "definition")
    if "name" in definition:
        language_map(definition["name"], "definition_name", "XAPI-00056")
    if "description" in definition:
        language_map(definition["description"], "definition_description", "XAPI-00059")
    if "type" in definition:
        common_iri(definition["type"], "definition_type", "XAPI-00060")
    if "moreInfo" in definition:
        iri(definition["moreInfo"], "definition_more_info", "XAPI-00061")
    if "extensions" in definition:
        extensions(definition["extensions"], "definition", "XAPI-00057")
    if not _INTERACTION.isdisjoint(definition):
        _interaction(definition)


def _interaction(definition: dict[str, Any]) -> None:
    if "interactionType" not in definition:
        refuse("interaction_type_missing", "XAPI-00064")
    kind = definition["interactionType"]
    if not isinstance(kind, str) or kind not in _INTERACTION_TYPES:
        is_case = isinstance(kind, str) and kind.lower() in _INTERACTION_TYPES
        refuse_value(kind, "interaction_type", "unknown", "XAPI-00009" if is_case else "XAPI-00049")
    if "correctResponsesPattern" in definition:
        for pattern in as_list(definition["correctResponsesPattern"], "correct_responses", "XAPI-00050"):
            string(pattern, "correct_response", "XAPI-00050")
    for key, (kinds, requirement) in _COMPONENT_LISTS.items():
        if key in definition:
            if kind not in kinds:
                refuse(f"{key}_without_its_interaction_type", requirement)
            _components(definition[key], key, requirement)


def _components(value: object, what: str, requirement: str) -> None:
    seen = set()
    for item in as_list(value, what, requirement):
        component = as_object(item, what, "XAPI-00063")
        only_known(component, _COMPONENT_KEYS, what)
        name = component.get("id")
        if not isinstance(name, str):
            refuse_value(component.get("id", ""), f"{what}_id", "not_string", "XAPI-00058")
        if name in seen:
            refuse(f"{what}_id_twice", "XAPI-00058")
        seen.add(name)
        if "description" in component:
            language_map(component["description"], f"{what}_description", "XAPI-00062")


_REFERENCE = frozenset(("objectType", "id"))


def _reference(value: object, what: str, place: str) -> None:
    reference = as_object(value, what, place)
    only_known(reference, _REFERENCE, what)
    if reference.get("objectType") != "StatementRef":
        refuse_value(reference.get("objectType", ""), what, "object_type", place)
    if "id" not in reference:
        refuse(f"{what}_without_id", place)
    uuid(reference["id"], f"{what}_id", place)


_SUB = frozenset(("objectType", "actor", "verb", "object", "result", "context", "timestamp", "attachments"))
_NOT_IN_SUB = {"authority": "XAPI-00067", "version": "XAPI-00068", "stored": "XAPI-00069", "id": "XAPI-00070"}


def _sub_statement(value: dict[str, Any]) -> None:
    if not value.keys() <= _SUB:
        for key, requirement in _NOT_IN_SUB.items():
            if key in value:
                refuse(f"sub_statement_has_{key}", requirement)
    only_known(value, _SUB, "sub_statement")
    for key in ("actor", "verb", "object"):
        if key not in value:
            refuse(f"sub_statement_without_{key}", "XAPI-00066")
    inner = value["object"]
    if isinstance(inner, dict) and inner.get("objectType") == "SubStatement":
        refuse("sub_statement_nested", "XAPI-00071")
    _body(value)


def _object(value: object) -> bool:
    """Check the object of a statement, of whatever kind; whether it is an Activity."""
    found = as_object(value, "object", "XAPI-00005")
    kind = found.get("objectType", "Activity")
    if kind == "Activity":
        if not _ACTIVITY.issuperset(found) and "objectType" not in found:
            _refuse_untyped(found)
        _activity(found, "object", "XAPI-00010")
        return True
    if kind in ("Agent", "Group"):
        _actor(found, "object", "XAPI-00010")
    elif kind == "StatementRef":
        _reference(found, "object", "XAPI-00072")
    elif kind == "SubStatement":
        _sub_statement(found)
    else:
        refuse_value(kind, "object", "type_unknown", "XAPI-00046" if isinstance(kind, str) else "XAPI-00032")
    return False


def _refuse_untyped(found: dict[str, Any]) -> None:
    """Refuse an Agent, a Group or a SubStatement that does not say so and would be taken for an Activity."""
    if not _ONLY_OF_ACTORS.isdisjoint(found):
        refuse("object_without_object_type", "XAPI-00065")
    if "actor" in found and "verb" in found:
        refuse("object_without_object_type", "XAPI-00073")


_RESULT = frozenset(("score", "success", "completion", "response", "duration", "extensions"))
_SCORE = {"scaled": "XAPI-00083", "raw": "XAPI-00082", "min": "XAPI-00081", "max": "XAPI-00080"}
_SCORE_KEYS = frozenset(_SCORE)


def _result(value: object) -> None:
    result = as_object(value, "result", "XAPI-00006")
    only_known(result, _RESULT, "result")
    if "score" in result:
        _score(result["score"])
    if "success" in result:
        boolean(result["success"], "result_success", "XAPI-00074")
    if "completion" in result:
        boolean(result["completion"], "result_completion", "XAPI-00075")
    if "response" in result:
        string(result["response"], "result_response", "XAPI-00076")
    if "duration" in result:
        duration = result["duration"]
        if not isinstance(duration, str) or not _is_duration(duration):
            refuse_value(duration, "result_duration", "not_iso", "XAPI-00124")
    if "extensions" in result:
        extensions(result["extensions"], "result", "XAPI-00078")


def _score(value: object) -> None:
    score = as_object(value, "score", "XAPI-00079")
    only_known(score, _SCORE_KEYS, "score")
    for key, item in score.items():
        if not is_number(item):
            refuse_value(item, f"score_{key}", "not_number", "XAPI-00006" if isinstance(item, str) else _SCORE[key])
    if "scaled" in score and not -1 <= score["scaled"] <= 1:
        refuse("score_scaled_out_of_range", "XAPI-00083")
    low, raw, high = score.get("min"), score.get("raw"), score.get("max")
    if low is not None and high is not None and low >= high:
        refuse("score_min_not_below_max", "XAPI-00080")
    if raw is not None and ((low is not None and raw < low) or (high is not None and raw > high)):
        refuse("score_raw_out_of_range", "XAPI-00082")


_CONTEXT_2_0 = frozenset(("contextAgents", "contextGroups"))
_CONTEXT = _CONTEXT_2_0 | {
    "registration",
    "instructor",
    "team",
    "contextActivities",
    "revision",
    "platform",
    "language",
    "statement",
    "extensions",
}
_CONTEXT_ACTIVITIES = frozenset(("parent", "grouping", "category", "other"))


def _context(value: object, *, is_activity: bool) -> None:
    context = as_object(value, "context", "XAPI-00006")
    only_known(context, _CONTEXT, "context")
    if "registration" in context:
        uuid(context["registration"], "registration", "XAPI-00087")
    if "contextActivities" in context:
        _context_activities(context["contextActivities"])
    if "instructor" in context:
        _actor(context["instructor"], "instructor", "XAPI-00087")
    if "team" in context:
        _team(context["team"])
    if "language" in context:
        language_tag(context["language"], "context", "XAPI-00091")
    if "statement" in context:
        _reference(context["statement"], "context_statement", "XAPI-00092")
    if "extensions" in context:
        extensions(context["extensions"], "context", "XAPI-00118")
    if "revision" in context:
        string(context["revision"], "revision", "XAPI-00089")
        if not is_activity:
            refuse("revision_without_activity", "XAPI-00084")
    if "platform" in context:
        string(context["platform"], "platform", "XAPI-00090")
        if not is_activity:
            refuse("platform_without_activity", "XAPI-00085")
    if not _CONTEXT_2_0.isdisjoint(context):
        _context_persons(context)


def _team(value: object) -> None:
    team = as_object(value, "team", "XAPI-00088")
    if team.get("objectType") != "Group":
        refuse("team_not_group", "XAPI-00088")
    _group(team, "team", "XAPI-00088")


def _context_activities(value: object) -> None:
    found = as_object(value, "context_activities", "XAPI-00086")
    only_known(found, _CONTEXT_ACTIVITIES, "context_activities", "XAPI-00093")
    for item in found.values():
        for listed in item if isinstance(item, list) else (item,):
            activity = as_object(listed, "context_activity", "XAPI-00094")
            _activity(activity, "context_activity", "XAPI-00094")


def _context_persons(context: dict[str, Any]) -> None:
    for what, kind, member in (("contextAgents", "contextAgent", "agent"), ("contextGroups", "contextGroup", "group")):
        for item in as_list(context[what], what) if what in context else ():
            found = as_object(item, what)
            only_known(found, frozenset(("objectType", member, "relevantTypes")), what)
            if found.get("objectType") != kind:
                refuse(f"{what}_object_type")
            if member not in found:
                refuse(f"{what}_without_{member}")
            person = as_object(found[member], f"{what}_{member}")
            if member == "group" and person.get("objectType") != "Group":
                refuse(f"{what}_not_group")
            if member == "agent":
                _agent(person, what, "XAPI-00010")
            else:
                _group(person, what, "XAPI-00010")
            if "relevantTypes" in found:
                types = as_list(found["relevantTypes"], f"{what}_relevant_types")
                if not types:
                    refuse(f"{what}_relevant_types_empty")
                for kind_iri in types:
                    iri(kind_iri, f"{what}_relevant_type")


# What an attachment must have, and the requirement that says so.
_REQUIRED_OF_ATTACHMENT = {
    "usageType": "XAPI-00107",
    "display": "XAPI-00106",
    "contentType": "XAPI-00105",
    "length": "XAPI-00102",
    "sha2": "XAPI-00103",
}
_ATTACHMENT = frozenset((*_REQUIRED_OF_ATTACHMENT, "description", "fileUrl"))


def _attachments(value: object) -> None:
    for item in as_list(value, "attachments", "XAPI-00025"):
        attachment = as_object(item, "attachment", "XAPI-00025")
        only_known(attachment, _ATTACHMENT, "attachment")
        for key, requirement in _REQUIRED_OF_ATTACHMENT.items():
            if key not in attachment:
                refuse(f"attachment_without_{key}", requirement)
        common_iri(attachment["usageType"], "attachment_usage_type", "XAPI-00107")
        language_map(attachment["display"], "attachment_display", "XAPI-00106")
        if "description" in attachment:
            language_map(attachment["description"], "attachment_description", "XAPI-00106")
        media, length, digest = attachment["contentType"], attachment["length"], attachment["sha2"]
        if not isinstance(media, str) or not _is_media_type(media):
            refuse_value(media, "attachment", "content_type", "XAPI-00105")
        if attachment["usageType"] == SIGNATURE and media != "application/octet-stream":
            refuse("signature_content_type", "XAPI-00115")
        if not is_number(length) or length < 0 or (isinstance(length, float) and not length.is_integer()):
            refuse_value(length, "attachment_length", "not_integer", "XAPI-00102")
        if not isinstance(digest, str) or not _is_sha2(digest):
            refuse_value(digest, "attachment_sha2", "not_hash", "XAPI-00103")
        if "fileUrl" in attachment:
            iri(attachment["fileUrl"], "attachment_file_url", "XAPI-00104")


_STATEMENT = frozenset(
    ("id", "actor", "verb", "object", "result", "context", "timestamp", "stored", "authority", "version", "attachments")
)
_REQUIRED = {"actor": "XAPI-00003", "verb": "XAPI-00004", "object": "XAPI-00005"}


def _body(value: dict[str, Any]) -> None:
    """What a statement and a SubStatement have in common."""
    _actor(value["actor"], "actor", "XAPI-00010")
    _verb(value["verb"])
    is_activity = _object(value["object"])
    if value["verb"]["id"] == VOIDED and value["object"].get("objectType") != "StatementRef":
        refuse("voided_without_statement_ref", "XAPI-00020")
    if "result" in value:
        _result(value["result"])
    if "context" in value:
        _context(value["context"], is_activity=is_activity)
    if "timestamp" in value:
        timestamp(value["timestamp"], "timestamp", "XAPI-00022")
    if "attachments" in value:
        _attachments(value["attachments"])


def check_statement(value: object, spec: Spec | None = None) -> dict[str, Any]:
    """Check one statement by xAPI 1.0.3 and 2.0 together, or by one of them, and give it back.

    Raises:
        InvalidStatementError: with the first rule that it breaks.
    """
    if not isinstance(value, dict):
        refuse("statement_not_object", "XAPI-00014")
    statement: dict[str, Any] = value
    only_known(statement, _STATEMENT, "statement")
    for key, requirement in _REQUIRED.items():
        if key not in statement:
            refuse(f"{key}_missing", requirement)
    if "id" in statement:
        uuid(statement["id"], "id", "XAPI-00027")
    _body(statement)
    if "stored" in statement:
        timestamp(statement["stored"], "stored", "XAPI-00023")
    if "authority" in statement:
        _authority(statement["authority"])
    if "version" in statement:
        version = statement["version"]
        if not isinstance(version, str) or not (_is_version_1(version) or _is_version_2(version)):
            refuse_value(version, "version", "unknown", "XAPI-00101")
    if spec is not None:
        _only_of(spec, statement)
    return statement


def _only_of(spec: Spec, statement: dict[str, Any]) -> None:
    """Refuse in a valid statement what only the other edition of the standard allows.

    A 2.0 record store keeps and returns the version that a statement came with, so versions 1.0.x stay valid there.
    """
    target = statement["object"]
    for part in (statement, target) if target.get("objectType") == "SubStatement" else (statement,):
        if spec is Spec.V2_0:
            for key in ("timestamp", "stored"):
                if key in part and not is_rfc_3339(part[key]):
                    refuse(f"{key}_not_rfc_3339", "XAPI-00123")
        else:
            for key in _CONTEXT_2_0 & part.get("context", {}).keys():
                refuse(f"{key}_only_in_2_0", "XAPI-00010")
    if spec is Spec.V1_0_3 and _is_version_2(statement.get("version", "")):
        refuse("version_only_in_2_0", "XAPI-00101")
