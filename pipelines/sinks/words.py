"""Standing words of what is delivered, and text from data made safe to show.

Belongs here: how a level, a chance or a trend reads; what is taken out of names. Does not belong here: any digest.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

PROHIBITED_USES = "Not for appraisal, pay, selection or discipline, of learners or of mentors."

LEVELS: Mapping[str, str] = MappingProxyType(
    {
        "methodological": "Help with how they study: pace, planning, regularity",
        "educational": "Help with the subject itself: what is not understood yet",
        "social": "Help with contact and belonging: talk to them, bring them together with others",
        "technical": "Help with access and tools: get them in and started",
    }
)
CHANNELS: Mapping[str, str] = MappingProxyType(
    {"synchronous": "Talk: meet, call or video", "asynchronous": "Write: a message will do"}
)

_LONGEST = 300
# Joiners belong to the spelling of names in some scripts; every other invisible character only hides something.
_JOINERS = "\u200c\u200d"
FORMULA = r"^[\s\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]"
"""How a text begins that spreadsheets read as a formula."""
_FORMULA = re.compile(FORMULA)
# What moves a terminal's cursor, colours it, turns the direction of text or hides: controls but tab and line feed, marks of
# direction, invisible characters, halves of surrogate pairs.
_MOVING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def plain(text: object) -> str:
    """A text from data on one line, without control characters, marks of direction and invisible ones."""
    shown = "".join(
        " " if character.isspace() else character
        for character in str(text)
        if character.isspace() or character in _JOINERS or unicodedata.category(character)[0] != "C"
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."


def cell(text: object) -> str:
    """A text as a cell that no spreadsheet reads as a formula: one that begins like it gets an apostrophe."""
    # Tabs and line breaks make formulas too; `plain` has taken them out.
    return unread_as_formula(plain(text))


def unread_as_formula(text: str) -> str:
    """The text as it is, with an apostrophe before it where a spreadsheet would read it as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def inert(text: str) -> str:
    """Lines for a terminal: a character that would move, colour, turn or hide something stands as U+FFFD."""
    return _MOVING.sub("\ufffd", text)


def chance(probability: float) -> str:
    """A probability as people count it, with the number: `about 3 in 10 (28 %)`."""
    if probability < 0.05:
        words = f"about {max(1, round(100 * probability))} in 100"
    elif probability >= 0.95:
        words = "more than 9 in 10"
    else:
        words = f"about {max(1, round(10 * probability))} in 10"
    return f"{words} ({round(100 * probability)} %)"


def trend(change: float | None) -> str:
    """How a probability changed in 7 days, in percentage points; empty where nobody knows."""
    if change is None:
        return ""
    points = round(100 * change)
    if points == 0:
        return "unchanged in 7 days"
    return f"{'up' if points > 0 else 'down'} {abs(points)} point{'' if abs(points) == 1 else 's'} in 7 days"
