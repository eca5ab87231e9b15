"""The true ROI inside its interval as often as stated; see `roi_worlds`, and docs/roi.md for figures.

The short version is 200 worlds a kind; `BENCH=long make bench` holds 2,000 to their Clopper-Pearson limits.
"""

from __future__ import annotations

import os

import pytest

from pipelines.commands.console import show
from tests.bench.roi_worlds import worlds

KINDS = ("effect", "attribution", "prior")
WORLDS = 2000 if os.environ.get("BENCH") == "long" else 200


@pytest.mark.parametrize("kind", KINDS)
def test_the_true_roi_is_inside_its_interval_as_often_as_stated(kind):
    found = worlds(kind, WORLDS)
    show(f"\n{found.line()}\n")
    low, high = found.limits()
    assert low <= 0.95 <= high


def test_errors_twice_as_large_as_assumed_are_found_out():
    found = worlds("attribution", 200, times=2.0)
    assert found.limits()[1] < 0.9


def test_what_is_said_with_the_prior_is_right_on_average_where_the_prior_is():
    found = worlds("prior", WORLDS)
    spread = 2.6 * (found.positive * (1 - found.positive / WORLDS)) ** 0.5
    assert abs(found.said_with_prior - found.positive) < spread
    assert found.said > found.said_with_prior
