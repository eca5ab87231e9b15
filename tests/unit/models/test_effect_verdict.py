"""Every rule of the verdict decides on its own, and in its order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.effect_verdict import Evidence, judge, usable

GOOD = Evidence(
    treated=2000,
    treated_events=300,
    controls_events=900,
    effective=4000,
    trimmed_share=0.0,
    effect_points=-2.0,
    low_points=-3.5,
    high_points=-0.5,
    error_points=0.8,
    largest_difference=0.05,
    difference_error=0.02,
    spread_points=0.3,
    negative_control_p=0.4,
)


def test_an_estimate_against_which_nothing_speaks_is_usable():
    assert judge(GOOD).verdict == "usable"
    assert judge(GOOD).reason == "fewer abandon with it"
    assert judge(replace(GOOD, low_points=0.5, high_points=3.0)).reason == "more abandon with it"


def test_an_interval_across_zero_is_never_called_no_effect():
    said = judge(replace(GOOD, high_points=1.0))
    assert said.verdict == "usable"
    assert said.reason == "not distinguishable from zero, which does not mean no effect"


@pytest.mark.parametrize(
    ("change", "verdict", "rule"),
    [
        ({"treated": 99}, "cannot_say", "treated_too_few"),
        ({"treated_events": 9}, "cannot_say", "events_too_few"),
        ({"controls_events": 9}, "cannot_say", "events_too_few"),
        ({"effective": 99.0}, "cannot_say", "controls_too_few"),
        ({"trimmed_share": 0.06}, "cannot_say", "trimmed_too_often"),
        ({"largest_difference": 0.26}, "cannot_say", "not_comparable"),
        ({"largest_difference": 0.11}, "weak", "not_balanced"),
        ({"spread_points": 0.81}, "weak", "learners_disagree"),
        ({"negative_control_p": 0.009}, "weak", "negative_control"),
        ({"effect_points": -8.1, "low_points": -10.0}, "weak", "suspect_size"),
    ],
)
def test_each_rule_decides(change, verdict, rule):
    said = judge(replace(GOOD, **change))
    assert (said.verdict, said.rule) == (verdict, rule)
    assert said.reason


def test_an_interval_wider_than_what_pays_mentoring_back_is_weak():
    assert usable(-3.5, -0.5, 3.1).verdict == "usable"
    said = usable(-3.5, -0.5, 2.9)
    assert (said.verdict, said.rule) == ("weak", "wider_than_break_even")
    assert said.reason == "the interval is 3.0 points wide, the effect that pays back is 2.9"


def test_a_difference_that_chance_explains_is_no_doubt():
    assert judge(replace(GOOD, largest_difference=0.2, difference_error=0.07)).verdict == "usable"


def test_what_cannot_be_said_goes_before_what_is_weak():
    both = replace(GOOD, treated=50, negative_control_p=0.0001)
    assert judge(both).verdict == "cannot_say"
