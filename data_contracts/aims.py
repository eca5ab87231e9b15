"""What programmes are for, and by what each aim is judged: data, not code.

Belongs here: the primary outcomes of each aim, in order, of learners and of mentors, and which outcomes need no start.
Does not belong here: how any of them is measured (`models.attainment`, `models.surveys`).

An outcome is a construct of surveys (`construct`). Goal attainment goes first everywhere: the outcome of mentoring is its
goals; how often people meet is secondary. Knowledge passed on shows in being applied; a person's development in
confidence and belonging. Mentors gain as well: leadership and listening, and confidence where it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

GOAL_ATTAINMENT = "goal_attainment"

_ANY = (GOAL_ATTAINMENT, "confidence", "knowledge")

PRIMARY_OF_LEARNERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tacit_transfer": (GOAL_ATTAINMENT, "application", "knowledge"),
        "personal_development": (GOAL_ATTAINMENT, "confidence", "belonging"),
        "onboarding": (GOAL_ATTAINMENT, "belonging", "knowledge"),
        "compliance": (GOAL_ATTAINMENT, "knowledge", "application"),
        "other": _ANY,
    }
)
"""Aim of a programme to its primary outcomes of learners, the first first; an aim that is not told is `other`."""

PRIMARY_OF_MENTORS: tuple[str, ...] = ("leadership", "listening")
"""Primary outcomes of mentors, whatever the programme's aim."""

WITHOUT_START: tuple[str, ...] = ("perceived_value", "application")
"""What cannot be asked before a programme: its value, and what is applied of it. A level is the outcome, not a change."""

LEVEL_OF: Mapping[str, int] = MappingProxyType(
    {
        "perceived_value": 1,
        "belonging": 1,
        "confidence": 2,
        "knowledge": 2,
        "leadership": 2,
        "listening": 2,
        "goal_attainment": 3,
        "application": 3,
        "other": 1,
    }
)
"""Outcome level where no answer tells one: 1 reaction, 2 learning, 3 application, 4 impact."""
