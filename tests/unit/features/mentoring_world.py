"""The mentoring side of a small random world: matches, sessions and messages, goals, commitments, tickets.

Belongs here: frames as core hands them to feature functions. Does not belong here: enrolments and what learners do in
courses (`conftest`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

EVENT_KINDS = (
    "held",
    "missed_by_learner",
    "missed_by_mentor",
    "cancelled",
    "planned",
    "message_by_mentor",
    "message_by_learner",
)
_CHANNELS = ("in_person", "video", "chat", "email", "forum", None)
_FIRST_DAY = -45


def delays(random: np.random.Generator, count: int) -> np.ndarray:
    """After how many days each of so many facts is known: mostly at once."""
    return random.choice([0, 0, 0, 0, 1, 5, 9, 30], count)


def _some(random: np.random.Generator, values: np.ndarray, share: float) -> list[int | None]:
    return [int(value) if random.random() < share else None for value in values]


def _later(day: list[int | None], by: np.ndarray) -> list[int | None]:
    return [None if one is None else one + int(days) for one, days in zip(day, by, strict=True)]


def _matches(random: np.random.Generator, matched: list[str]) -> pl.DataFrame:
    """Two matches a learner; some end, some have no cadence, some mentors are untrained or nobody knows."""
    count = 2 * len(matched)
    starts = random.integers(_FIRST_DAY, 60, count)
    ends = [int(start) + 40 if number % 2 else None for number, start in enumerate(starts)]
    mentors = random.integers(0, 5, count)
    return pl.DataFrame(
        {
            "match_id": [f"m{number}" for number in range(count)],
            "mentor_id": [f"g{mentor}" for mentor in mentors],
            "learner_id": matched * 2,
            "programme_id": random.choice(["p1", "p2"], count),
            "matched_epoch_day": starts,
            "known_epoch_day": starts + delays(random, count),
            "match_ended_epoch_day": ends,
            "match_ended_known_epoch_day": _later(ends, delays(random, count)),
            "agreed_sessions_per_week": random.choice([None, 0.0, 0.25, 0.5, 1.0, 1.0, 3.0], count).tolist(),
            "mentor_kind": [(None, "peer", "expert", "peer", "peer")[mentor] for mentor in mentors],
            "trained_epoch_day": [(None, None, -60, 0, 30)[mentor] for mentor in mentors],
        },
        schema_overrides={"agreed_sessions_per_week": pl.Float64},
    )


def _events(random: np.random.Generator, matched: list[str], until: int) -> pl.DataFrame:
    """Sessions and messages, most in a match; of messages some are answered, some of those answers known late."""
    count = 30 * len(matched)
    day, learner = random.integers(_FIRST_DAY, until, count), random.integers(0, len(matched), count)
    match = learner + len(matched) * random.integers(0, 2, count)
    kind = random.choice(EVENT_KINDS, count)
    answered = [
        one if of.startswith("message") else None for one, of in zip(_some(random, day, 0.6), kind, strict=True)
    ]
    known = _later(answered, random.integers(0, 4, count) + delays(random, count))
    return pl.DataFrame(
        {
            "event_id": [f"v{number}" for number in range(count)],
            "match_id": [f"m{one}" if random.random() < 0.9 else None for one in match],
            "learner_id": [matched[one] for one in learner],
            "programme_id": random.choice(["p1", "p2", None], count).tolist(),
            "event_kind": kind,
            "epoch_day": day,
            "known_epoch_day": day + delays(random, count),
            "channel": random.choice(_CHANNELS, count).tolist(),
            "is_start": (random.random(count) < 0.6) & np.char.startswith(kind, "message"),
            "answered_known_epoch_day": known,
            "answer_seconds": [None if one is None else int(random.integers(60, 3 * 86_400)) for one in known],
        }
    )


def _goals(random: np.random.Generator, matches: pl.DataFrame, until: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Up to two goals a match, some agreed anew; measures with and without a share, some told late."""
    goals, updates = [], []
    for match in matches.iter_rows(named=True):
        for number in range(int(random.integers(0, 3))):
            goal_id, first = f"{match['match_id']}g{number}", match["matched_epoch_day"] + int(random.integers(0, 20))
            agreed, known = first, first + int(delays(random, 1)[0])
            for version in range(1, int(random.integers(2, 4))):
                is_last = version == 2 or random.random() < 0.5
                superseded = None if is_last else known + int(random.integers(1, 25))
                goals.append(
                    {
                        "goal_id": goal_id,
                        "version_number": version,
                        "match_id": match["match_id"],
                        "learner_id": match["learner_id"],
                        "programme_id": match["programme_id"],
                        "agreed_epoch_day": agreed,
                        "due_epoch_day": random.choice([None, agreed - 1, agreed + 10, agreed + 45]),
                        "weight": random.choice([None, 0.0, 0.5, 2.0]),
                        "known_epoch_day": known,
                        "superseded_epoch_day": superseded,
                    }
                )
                if superseded is None:
                    break
                agreed, known = superseded, superseded
            days = sorted(set(random.integers(first, until, 5).tolist()))
            updates += [
                {
                    "goal_id": goal_id,
                    "epoch_day": day,
                    "known_epoch_day": day + int(delays(random, 1)[0]),
                    "attained_share": float(random.random()) if random.random() < 0.7 else None,
                    "status": random.choice([None, "open", "open", "dropped", "attained"]),
                }
                for day in days
            ]
    return pl.DataFrame(goals, infer_schema_length=None), pl.DataFrame(updates, infer_schema_length=None)


def _commitments(random: np.random.Generator, events: pl.DataFrame) -> pl.DataFrame:
    """Half of the sessions held end in a commitment; most are reviewed, some without a due day."""
    held = events.filter(pl.col("event_kind") == "held").gather_every(2)
    count, made = len(held), held["epoch_day"].to_numpy()
    reviewed = _some(random, made + random.integers(0, 30, count), 0.7)
    return pl.DataFrame(
        {
            "commitment_id": [f"c{number}" for number in range(count)],
            "match_id": held["match_id"],
            "learner_id": held["learner_id"],
            "programme_id": held["programme_id"],
            "made_epoch_day": made,
            "made_known_epoch_day": made + delays(random, count),
            "due_epoch_day": _some(random, made + random.integers(0, 20, count), 0.8),
            "reviewed_epoch_day": reviewed,
            "reviewed_known_epoch_day": _later(reviewed, delays(random, count)),
            "status": [
                "open" if day is None else str(random.choice(["kept", "partly", "dropped"])) for day in reviewed
            ],
        }
    )


def _tickets(random: np.random.Generator, learners: list[str], until: int) -> pl.DataFrame:
    opened = random.integers(-30, until, 2 * len(learners))
    resolved = [int(day) + 12 if number % 3 else None for number, day in enumerate(opened)]
    return pl.DataFrame(
        {
            "learner_id": random.choice(learners, len(opened)),
            "opened_epoch_day": opened,
            "opened_known_epoch_day": opened + delays(random, len(opened)),
            "resolved_epoch_day": resolved,
            "resolved_known_epoch_day": _later(resolved, delays(random, len(opened))),
        }
    )


def made_mentoring(random: np.random.Generator, learners: list[str], *, tonight: int) -> dict[str, pl.DataFrame]:
    """Frames of learners of whom every third has no mentor, with rows on both sides of tonight."""
    matched, until = [learner for number, learner in enumerate(learners) if number % 3], tonight + 20
    matches, events = _matches(random, matched), _events(random, matched, until)
    goals, updates = _goals(random, matches, until)
    return {
        "matches": matches,
        "events": events,
        "goals": goals,
        "goal_updates": updates,
        "commitments": _commitments(random, events),
        "tickets": _tickets(random, learners, until),
    }
