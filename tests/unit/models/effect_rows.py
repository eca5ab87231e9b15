"""Trials as `models.effect` takes them, with an effect that is known.

Belongs here: made-up trials for the tests of estimates. Does not belong here: simulated worlds (`tests.bench`).
"""

from __future__ import annotations

import numpy as np
import polars as pl


def trials(
    size: int = 2000, *, seed: int = 1, effect: float = 0.0, confounding: float = 1.0, programmes: int = 1
) -> pl.DataFrame:
    """Two weeks a participation: struggle makes both contact and abandonment likelier, contact adds `effect` to the chance."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for number in range(size):
        struggle, load = rng.normal(size=2)
        contacted = False
        for week in (0, 7):
            if contacted:
                break
            contacted = bool(rng.random() < 1 / (1 + np.exp(1.2 - confounding * struggle + 0.3 * load)))
            chance = min(max(0.2 + 0.08 * struggle + effect * contacted, 0.0), 1.0)
            rows.append(
                {
                    "participation_id": f"p{number:05d}",
                    "programme_id": f"programme {number % programmes}",
                    "learner_id": f"l{number // 2:05d}",
                    "week_epoch_day": week,
                    "is_treated": contacted,
                    "is_closed": True,
                    "abandoned_week": int(rng.integers(1, 9)) if rng.random() < chance else None,
                    "censored_week": None,
                    "opens_ticket": bool(rng.random() < 0.1),
                    "contacts_count": int(rng.integers(1, 3)) if contacted else None,
                    "channel": str(rng.choice(["chat", "video"])) if contacted else None,
                    "level": "social" if contacted else None,
                    "mentor_kind": "peer" if number % 3 else "expert",
                    "mentor_learners_count": 5 + number % 4,
                    "x_log_events_1w": -struggle + rng.normal(0, 0.01),
                    "x_mentor_learners": load,
                    "x_constant": 1,
                    "c_course_week": str(week // 7),
                }
            )
    kinds = {"abandoned_week": pl.Int64, "censored_week": pl.Int64, "contacts_count": pl.Int64}
    return pl.DataFrame(rows, schema_overrides=kinds)
