"""Which strand of the 70:20:10 mix logged learning belongs to, and what of it counts as an outcome: data, not code.

Belongs here: one row for every kind that a log of mentoring, commitments or work may have, with the reason. Does not
belong here: statements, which have the strand of their vocabulary (`data_contracts.xapi.vocabulary`), or any query.
"""

from __future__ import annotations

from typing import NamedTuple


class StrandRule(NamedTuple):
    """What one kind of a source is: `strand` None counts nowhere; `is_event` False gives an outcome alone.

    `has_minutes` says whether the source can tell minutes; a row without them is an event of unknown length.
    """

    source: str
    kind: str
    strand: str | None
    is_event: bool
    has_minutes: bool
    why: str


class OutcomeRule(NamedTuple):
    """What one word of a source is worth as an outcome from 0 to 1; a word that is not listed is no outcome."""

    source: str
    word: str
    outcome_share: float
    why: str


_NOTHING_YET = "nothing happened between the two"

STRAND_RULES: tuple[StrandRule, ...] = (
    StrandRule("mentoring_event", "held", "social", True, True, "learning from another person"),
    StrandRule("mentoring_event", "message_by_learner", "social", True, False, "the learner turns to another person"),
    StrandRule(
        "mentoring_event", "message_by_mentor", None, False, False, "tells what the mentor did, not that it was read"
    ),
    StrandRule("mentoring_event", "missed_by_learner", None, False, False, _NOTHING_YET),
    StrandRule("mentoring_event", "missed_by_mentor", None, False, False, _NOTHING_YET),
    StrandRule("mentoring_event", "cancelled", None, False, False, _NOTHING_YET),
    StrandRule("mentoring_event", "rescheduled", None, False, False, _NOTHING_YET),
    StrandRule("mentoring_event", "planned", None, False, False, _NOTHING_YET),
    StrandRule("commitment", "kept", "experiential", True, False, "what was agreed was tried out"),
    StrandRule("commitment", "partly", "experiential", True, False, "what was agreed was tried out in part"),
    StrandRule("commitment", "dropped", "experiential", False, False, "nothing was done, which is an outcome of 0"),
    StrandRule("commitment", "open", None, False, False, "nobody has looked yet whether it was kept"),
    StrandRule("work_activity", "task", "experiential", True, True, "learning by doing"),
    StrandRule("work_activity", "project", "experiential", True, True, "learning by doing"),
    StrandRule("work_activity", "application", "experiential", True, True, "what was learned is applied at work"),
    StrandRule("work_activity", "shadowing", "social", True, True, "observing a colleague is learning from another"),
)

OUTCOME_RULES: tuple[OutcomeRule, ...] = (
    OutcomeRule("commitment", "kept", 1.0, "kept"),
    OutcomeRule("commitment", "partly", 0.5, "half kept"),
    OutcomeRule("commitment", "dropped", 0.0, "not kept"),
    OutcomeRule("work_activity", "manager", 1.0, "somebody else confirms it"),
    OutcomeRule("work_activity", "mentor", 1.0, "somebody else confirms it"),
    OutcomeRule("work_activity", "self", 0.0, "nobody else confirms it: no data, no improvement"),
)


def kinds_of(source: str, strand: str) -> list[str]:
    """The kinds of a source that belong to a strand."""
    return [rule.kind for rule in STRAND_RULES if (rule.source, rule.strand) == (source, strand)]
