"""How reports say money, intervals, verdicts and names of the contracts.

Belongs here: words and figures that several reports share. Does not belong here: what is told (`report_*`), the model
card's figures (`card_figures`), which reports use too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from models.card_figures import UNKNOWN, on_day

STRANDS: Mapping[str, str] = MappingProxyType(
    {"formal": "formal (the 10)", "social": "social (the 20)", "experiential": "experiential (the 70)"}
)
ISOLATIONS: Mapping[str, str] = MappingProxyType(
    {
        "holdout": "a lottery: a chance decided who was served",
        "effect": "the estimated effect of mentoring",
        "attribution": "what people attribute to the programme, less what they are not sure of",
        "none": "nothing",
    }
)
VERDICTS: Mapping[str, str] = MappingProxyType(
    {
        "usable": "usable",
        "weak": "weak",
        "cannot_say": "cannot be said",
        "measurable": "measured",
        "not_measurable": "not measurable",
    }
)
CONTRASTS: Mapping[str, str] = MappingProxyType(
    {
        "first_contact": "a first contact by the mentor",
        "matched": "being matched with a mentor",
        "routed": "an alert that reached its mentor",
    }
)
SUPPRESSED = "withheld: few people"


def label(name: str | None) -> str:
    """A name of the contracts as words."""
    return name.replace("_", " ") if name else UNKNOWN


def money(amount: float | None, currency: str | None) -> str:
    """An amount to the unit, its currency behind it, on one line."""
    return UNKNOWN if amount is None else f"{amount:,.0f} {currency or ''}".rstrip().replace(" ", "\u00a0")


def ratio(value: float | None) -> str:
    """A ratio with two decimals."""
    return UNKNOWN if value is None else f"{value:z.2f}".replace("-", "\u2212")


def points(value: float | None) -> str:
    """Percentage points with their sign."""
    return UNKNOWN if value is None else f"{value:+z.1f}".replace("-", "\u2212")


def between(low: float | None, high: float | None, unit: str, decimals: int = 0) -> str:
    """An interval in words, which no line breaks."""
    if low is None or high is None:
        return UNKNOWN
    ends = [f"{end:z.{decimals}f}".replace("-", "\u2212") for end in (low, high)]
    return f"{ends[0]}\u00a0to\u00a0{ends[1]}\u00a0{unit}"


def chance(probability: float | None) -> str:
    """A probability; one that rounds to certainty is no certainty."""
    if probability is None:
        return UNKNOWN
    return "over 99%" if probability > 0.99 else "under 1%" if probability < 0.01 else f"{probability:.0%}"


def whole_percent(value: float | None) -> str:
    """A return in whole percent; what rounds to zero has no sign."""
    return UNKNOWN if value is None else f"{value:z.0f}\u00a0%".replace("-", "\u2212")


def share(value: float | None) -> str:
    """A share in whole percent."""
    return UNKNOWN if value is None else f"{value:.0%}"


def count(value: float | None) -> str:
    """A published count: what is withheld is null, and said."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def period(row: Mapping[str, Any]) -> str:
    """From when to when a row of programme_roi counts, as the beginning of a sentence."""
    first, last = row["period_starts_on"], row["period_ends_on"]
    return f"From {on_day(first)} to {on_day(last)}" if first and last else "In a period that is not on record"


def sentence(text: str) -> str:
    """A text as a sentence of its own."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}"
