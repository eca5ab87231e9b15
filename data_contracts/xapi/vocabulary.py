"""What verbs and activity types mean: verb kinds, activity kinds and strands, as data.

Belongs here: IRIs of known vocabularies and their meaning. Does not belong here: rules of validity.
An IRI that is not listed is `other` and formal; it is counted and shown, never dropped.
"""

from __future__ import annotations

_ADL_VERB = "http://adlnet.gov/expapi/verbs/"
_ADL_TYPE = "http://adlnet.gov/expapi/activities/"
_TINCAN_VERB = "http://id.tincanapi.com/verb/"
_TINCAN_TYPE = "http://id.tincanapi.com/activitytype/"
_VIDEO = "https://w3id.org/xapi/video/"
_STREAMS = "http://activitystrea.ms/schema/1.0/"

VERB_KINDS: dict[str, str] = {
    **{
        f"{_ADL_VERB}{name}": "engaged"
        for name in (
            "initialized",
            "experienced",
            "launched",
            "attempted",
            "progressed",
            "resumed",
            "suspended",
            "terminated",
            "attended",
            "interacted",
            "registered",
            "imported",
            "exited",
        )
    },
    **{f"{_ADL_VERB}{name}": "submitted" for name in ("answered", "scored", "passed", "failed", "mastered")},
    f"{_ADL_VERB}completed": "completed",
    f"{_ADL_VERB}satisfied": "completed",
    "https://w3id.org/xapi/adl/verbs/satisfied": "completed",
    f"{_ADL_VERB}voided": "voided",
    f"{_ADL_VERB}commented": "interacted",
    f"{_ADL_VERB}asked": "interacted",
    f"{_ADL_VERB}responded": "interacted",
    f"{_ADL_VERB}shared": "interacted",
    f"{_TINCAN_VERB}viewed": "engaged",
    f"{_TINCAN_VERB}read": "engaged",
    f"{_TINCAN_VERB}replied": "interacted",
    f"{_TINCAN_VERB}rated": "interacted",
    f"{_VIDEO}verbs/played": "engaged",
    f"{_VIDEO}verbs/paused": "engaged",
    f"{_VIDEO}verbs/seeked": "engaged",
    f"{_STREAMS}create": "created",
    f"{_STREAMS}submit": "submitted",
}

ACTIVITY_KINDS_OF: dict[str, str] = {
    **{
        f"{_ADL_TYPE}{name}": kind
        for name, kind in (
            ("assessment", "assessment"),
            ("question", "quiz"),
            ("interaction", "quiz"),
            ("cmi.interaction", "quiz"),
            ("course", "page"),
            ("module", "page"),
            ("lesson", "content"),
            ("objective", "page"),
            ("media", "video"),
            ("link", "link"),
            ("file", "resource"),
            ("meeting", "collaboration"),
            ("performance", "other"),
            ("simulation", "content"),
        )
    },
    f"{_TINCAN_TYPE}discussion": "forum",
    f"{_TINCAN_TYPE}forum-topic": "forum",
    f"{_TINCAN_TYPE}forum-reply": "forum",
    f"{_TINCAN_TYPE}chat-message": "collaboration",
    f"{_TINCAN_TYPE}school-assignment": "assessment",
    f"{_TINCAN_TYPE}resource": "resource",
    f"{_TINCAN_TYPE}document": "resource",
    f"{_VIDEO}activity-type/video": "video",
    f"{_STREAMS}video": "video",
    f"{_STREAMS}page": "page",
    f"{_STREAMS}file": "resource",
}

STRAND_OF_KIND: dict[str, str] = {
    "content": "formal",
    "video": "formal",
    "assessment": "formal",
    "quiz": "formal",
    "page": "formal",
    "resource": "formal",
    "link": "formal",
    "other": "formal",
    "forum": "social",
    "collaboration": "social",
}
STRAND_OF_VERB: dict[str, str] = {"interacted": "social", "created": "experiential"}

# The Open University's activity types (vle.activity_type).
OULAD_KINDS: dict[str, str] = {
    "resource": "resource",
    "oucontent": "content",
    "url": "link",
    "homepage": "page",
    "subpage": "page",
    "glossary": "resource",
    "forumng": "forum",
    "oucollaborate": "collaboration",
    "dataplus": "other",
    "quiz": "quiz",
    "ouelluminate": "collaboration",
    "sharedsubpage": "page",
    "questionnaire": "other",
    "page": "page",
    "externalquiz": "quiz",
    "ouwiki": "collaboration",
    "dualpane": "content",
    "repeatactivity": "other",
    "folder": "resource",
    "htmlactivity": "content",
}
OULAD_TYPE_PREFIX = "https://analyse.kmi.open.ac.uk/open_dataset/activity-type/"
ACTIVITY_KINDS_OF.update({f"{OULAD_TYPE_PREFIX}{name}": kind for name, kind in OULAD_KINDS.items()})
ACTIVITY_KINDS_OF[f"{OULAD_TYPE_PREFIX}assessment"] = "assessment"

VIEWED = f"{_TINCAN_VERB}viewed"
SCORED = f"{_ADL_VERB}scored"
