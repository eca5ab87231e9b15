"""What may be said of an effect: usable, weak or cannot say, and the rule that decided it.

Belongs here: the rules and their limits, in the order in which they are asked. Does not belong here: estimates
(`models.effect`). The limits were set on simulated worlds whose effect is known (docs/effect.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LEAST_TREATED = 100
LEAST_EVENTS = 10
LEAST_EFFECTIVE = 100.0
MOST_TRIMMED = 0.05
LARGEST_DIFFERENCE = 0.1
HOPELESS_DIFFERENCE = 0.25
# A difference of weighted means has an error of its own; beyond this many of them it is no chance.
DIFFERENCE_ERRORS = 3.0
# Estimates of one quantity from one sample, by other means: they differ by less than their standard error.
MOST_SPREAD_ERRORS = 1.0
NEGATIVE_CONTROL_LEVEL = 0.01
SUSPECT_POINTS = 8.0
ALL_HELD, WIDER_THAN_BREAK_EVEN = "all_held", "wider_than_break_even"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The figures that the rules look at; points are percentage points, None where there is nothing to look at."""

    treated: int
    treated_events: int
    controls_events: int
    effective: float
    trimmed_share: float
    effect_points: float
    low_points: float
    high_points: float
    error_points: float
    largest_difference: float
    difference_error: float
    spread_points: float | None = None
    negative_control_p: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """usable, weak or cannot_say; the rule that decided; why, as a sentence."""

    verdict: str
    rule: str
    reason: str


def too_few(*, treated: int, treated_events: int, controls_events: int) -> Verdict | None:
    """Whether there is too little to estimate from."""
    if treated < LEAST_TREATED:
        return Verdict("cannot_say", "treated_too_few", f"fewer than {LEAST_TREATED} treated")
    if min(treated_events, controls_events) < LEAST_EVENTS:
        reason = f"fewer than {LEAST_EVENTS} of the treated, or of the control trials, abandoned"
        return Verdict("cannot_say", "events_too_few", reason)
    return None


def judge(found: Evidence) -> Verdict:
    """The first rule that holds decides: those of `cannot_say` go before those of `weak`; without any it is usable."""
    return next(_refusals(found), None) or next(_doubts(found), None) or usable(found.low_points, found.high_points)


def _refusals(found: Evidence) -> Iterator[Verdict]:
    few = too_few(treated=found.treated, treated_events=found.treated_events, controls_events=found.controls_events)
    if few is not None:
        yield few
    if found.effective < LEAST_EFFECTIVE:
        reason = (
            f"the controls that are like the treated count for {found.effective:.0f}; {LEAST_EFFECTIVE:.0f} are needed"
        )
        yield Verdict("cannot_say", "controls_too_few", reason)
    if found.trimmed_share > MOST_TRIMMED:
        reason = f"{found.trimmed_share:.0%} of the treated have no controls like them"
        yield Verdict("cannot_say", "trimmed_too_often", reason)
    if found.largest_difference > max(HOPELESS_DIFFERENCE, DIFFERENCE_ERRORS * found.difference_error):
        reason = f"a covariate differs by {found.largest_difference:.2f} standard deviations even after weighting"
        yield Verdict("cannot_say", "not_comparable", reason)


def _doubts(found: Evidence) -> Iterator[Verdict]:
    limit = max(LARGEST_DIFFERENCE, DIFFERENCE_ERRORS * found.difference_error)
    if found.largest_difference > limit:
        reason = f"a covariate differs by {found.largest_difference:.2f} standard deviations after weighting"
        yield Verdict("weak", "not_balanced", reason)
    if found.spread_points is not None and found.spread_points > MOST_SPREAD_ERRORS * found.error_points:
        reason = f"estimates by other models of the same data lie {found.spread_points:.1f} points apart"
        yield Verdict("weak", "learners_disagree", reason)
    if found.negative_control_p is not None and found.negative_control_p < NEGATIVE_CONTROL_LEVEL:
        reason = "technical tickets, which mentoring cannot change, differ too"
        yield Verdict("weak", "negative_control", reason)
    if abs(found.effect_points) > SUSPECT_POINTS:
        reason = f"more than {SUSPECT_POINTS:.0f} points: look for selection first"
        yield Verdict("weak", "suspect_size", reason)


def usable(low_points: float, high_points: float, break_even_points: float | None = None) -> Verdict:
    """What is said of an estimate against which no other rule speaks; weak where wider than what pays mentoring back."""
    width = high_points - low_points
    if break_even_points is not None and width > break_even_points:
        reason = f"the interval is {width:.1f} points wide, the effect that pays back is {break_even_points:.1f}"
        return Verdict("weak", WIDER_THAN_BREAK_EVEN, reason)
    if low_points <= 0 <= high_points:
        return Verdict("usable", ALL_HELD, "not distinguishable from zero, which does not mean no effect")
    return Verdict("usable", ALL_HELD, "fewer abandon with it" if high_points < 0 else "more abandon with it")
