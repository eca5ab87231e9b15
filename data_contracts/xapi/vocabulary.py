"""What verbs and activity types mean: verb kinds, activity kinds and strands.

Belongs here: the closed sets of kinds, and reading the vocabularies beside this module (`vocabularies/*.toml`, a file
each: IRIs by kind, with their source). Does not belong here: rules of validity, IRIs (they are data).
An IRI that no vocabulary lists is `other`; it is kept, counted and shown (core.unknown_term), never dropped.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_contracts.fields.learning import ACTIVITY_KINDS, VERB_KINDS
from data_contracts.schema import ContractError

FOLDER = Path(__file__).parent / "vocabularies"

# Verbs that tell of no act of the learner: scores and awards that became known, what an LMS concludes by itself,
# enrolling, assigning, logging out. Their statements stay in core.statement and make no active day.
NO_ACT_KINDS = frozenset(("graded", "satisfied", "administrative", "voided"))

# What an activity is says more than what was done to it, so a type's strand goes before a verb's; the rest is formal.
STRAND_OF_KIND: Mapping[str, str] = {"forum": "social", "collaboration": "social", "work": "experiential"}
STRAND_OF_VERB: Mapping[str, str] = {"interacted": "social", "created": "experiential"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One file: IRIs of verbs and activity types by kind, and where they come from."""

    name: str
    source: str
    verbs: Mapping[str, str]
    types: Mapping[str, str]


def normal_form(iri: str) -> str:
    """Reduce an IRI to what its variants share: no http or https, no `www.`, no slash at the end, lower case.

    The vocabularies themselves vary so: brindlewaye.com is registered with a slash and used without one, Activity
    Streams and ADL are met with both schemes, www.risc-inc.com with and without www.
    """
    return re.sub("/+$", "", re.sub(r"^https?://(www\.)?", "", iri.lower()))


def normal_form_sql(column: str) -> str:
    """`normal_form` as SQL."""
    return rf"regexp_replace(regexp_replace(lower({column}), '^https?://(www\.)?', ''), '/+$', '')"


def read_vocabulary(text: str, name: str) -> Vocabulary:
    """Read one file's text; raises `ContractError` for an unknown kind or an IRI that stands twice."""
    given = tomllib.loads(text)
    return Vocabulary(
        given["name"],
        given["source"],
        _terms(given.get("verbs", []), VERB_KINDS, name),
        _terms(given.get("types", []), ACTIVITY_KINDS, name),
    )


def _terms(blocks: list[dict[str, Any]], kinds: tuple[str, ...], name: str) -> dict[str, str]:
    terms: dict[str, str] = {}
    for block in blocks:
        prefixes = block.pop("prefixes")
        for kind, words in block.items():
            if kind not in kinds:
                message = f"vocabularies/{name}: {kind!r} is no kind; there are {', '.join(kinds)}"
                raise ContractError(message)
            for iri in (prefix + word for prefix in prefixes for word in words.split()):
                if iri in terms:
                    message = f"vocabularies/{name}: {iri} stands twice"
                    raise ContractError(message)
                terms[iri] = kind
    return terms


def merged(parts: list[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
    """IRIs of several vocabularies by kind; raises `ContractError` where two disagree on variants of one IRI."""
    terms: dict[str, str] = {}
    seen: dict[str, str] = {}
    for name, part in parts:
        for iri, kind in part.items():
            if seen.setdefault(normal_form(iri), kind) != kind:
                message = f"{name}: {iri} is {kind} here and {seen[normal_form(iri)]} elsewhere; give it one kind"
                raise ContractError(message)
            terms[iri] = kind
    return terms


VOCABULARIES: tuple[Vocabulary, ...] = tuple(
    read_vocabulary(file.read_text("utf-8"), file.name) for file in sorted(FOLDER.glob("*.toml"))
)
VERB_KIND_OF: Mapping[str, str] = merged([(one.name, one.verbs) for one in VOCABULARIES])
ACTIVITY_KIND_OF: Mapping[str, str] = merged([(one.name, one.types) for one in VOCABULARIES])

# What the Open University's tables become.
OULAD_TYPE_PREFIX = "https://analyse.kmi.open.ac.uk/open_dataset/activity-type/"
VIEWED = "http://id.tincanapi.com/verb/viewed"
SUBMITTED = "http://activitystrea.ms/schema/1.0/submit"
