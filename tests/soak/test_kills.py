"""kill -9 at many random moments of a night, then the night again; `tests/crash` has a few of them for every change.

`HANDRAIL_KILLS` says how many (200), `HANDRAIL_SEED` which: the same seed draws the same moments. The first steps of a
night are shorter than a process takes to start, so a kill lands by its share of the steps, not of the time.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest

from tests.crash.test_kill import (
    TONIGHT,
    YESTERDAY,
    assert_mended,
    await_line,
    has_ended,
    home,
    inboxes,
    night,
    observed_on,
    started,
    undisturbed,
    yesterday_home,
)

__all__ = ["assert_mended", "home", "inboxes", "night", "undisturbed", "yesterday_home"]

KILLS = int(os.environ.get("HANDRAIL_KILLS", "200"))
SEED = int(os.environ.get("HANDRAIL_SEED", "2026"))
HIT = Counter()


def moments():
    """(number, share of the steps that have ended, seconds into the next one); the end of the run is drawn too."""
    generator = random.Random(SEED)  # noqa: S311 - moments, no secrets
    return [(number, generator.random(), generator.uniform(0, 0.3)) for number in range(KILLS)]


@pytest.mark.parametrize(("number", "share", "seconds"), moments())
def test_killed_at_any_of_many_moments_a_night_run_again_gives_the_undisturbed_marts(
    number, share, seconds, home, night, environment, assert_mended
):
    before = time.monotonic()
    with started(environment, *night) as process:
        await_line(process, has_ended(share))
        time.sleep(seconds)
        # The reader sees yesterday's marts or tonight's, whole.
        assert observed_on(home) in {YESTERDAY, TONIGHT}
    ended_itself = process.returncode != -signal.SIGKILL
    seen = observed_on(home)
    assert_mended()
    HIT["had ended before" if ended_itself else "published already" if seen == TONIGHT else "not yet published"] += 1
    print(
        f"kill {number + 1} of {KILLS} at {share:.2f} + {seconds:.2f} s, {time.monotonic() - before:.0f} s; {dict(HIT)}"
    )
