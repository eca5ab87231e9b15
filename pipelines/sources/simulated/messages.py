"""Messages between mentors and learners: who wrote when, and to which message it answers; no content.

Belongs here: the table mentoring_message. Does not belong here: sessions (`mentoring`).
"""

from __future__ import annotations

import numpy as np

from pipelines.sources.simulated.clock import iso_instant
from pipelines.sources.simulated.mentors import mentor_traits
from pipelines.sources.simulated.settings import DAY_SECONDS, WEEK_SECONDS, Flags, Ints, Row, stream
from pipelines.sources.simulated.world import World

_HOUR = 3600


class _Log:
    """Messages in the order of writing; an answer names the place of the message it answers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.rows: list[tuple[int, int, str, str, int | None]] = []

    def add(self, entry: int, at: int, sender: str, channel: str, answers: int | None = None) -> int:
        """Log one message and return its place."""
        self.rows.append((at, entry, sender, channel, answers))
        return len(self.rows) - 1


def draw_messages(world: World, matched: Ints, is_message: Flags, contact_utc: Ints) -> list[Row]:
    """Write the messages: mentors write in contact weeks alone, learners when they like."""
    rng = stream(world.settings, "messages")
    cohort = world.cohort
    last = np.minimum(world.ends.utc, world.settings.snapshot_second)
    starts = _learner_starts(world, rng, matched, last)
    log = _Log(rng)
    traits = mentor_traits(world.settings)
    is_matched = np.zeros((cohort.size, 1), dtype=bool)
    is_matched[matched] = True
    for entry, week in np.argwhere(is_matched & ((starts >= 0) | is_message)).tolist():
        channel = ("email", "chat", "forum")[int(np.searchsorted((0.55, 0.95), rng.random()))]
        started = None
        if starts[entry, week] >= 0:
            started = log.add(entry, int(starts[entry, week]), "learner", channel)
        if not is_message[entry, week]:
            continue
        at = int(contact_utc[entry, week])
        is_silent = bool(traits.is_silent[cohort.mentor[entry]])
        is_answer = started is not None and starts[entry, week] < at and not is_silent
        sent = log.add(entry, at, "mentor", channel, started if is_answer else None)
        answered = at + int(rng.exponential(10 * _HOUR)) + 300
        if rng.random() < 0.55 and answered < last[entry]:
            sent = log.add(entry, answered, "learner", channel, sent)
            # A mentor's answer stays inside the local week, whatever the zone, since contact is by the week: those
            # who take long often do not answer at all.
            again = answered + int(rng.exponential(traits.answer_hours[cohort.mentor[entry]] * _HOUR)) + 300
            week_ends = (int(cohort.start_day[entry]) + 7 * (week + 1)) * DAY_SECONDS
            if rng.random() < 0.6 and again < min(int(last[entry]), week_ends - 6 * _HOUR) and not is_silent:
                log.add(entry, again, "mentor", channel, sent)
    return _rows(world, rng, log)


def _learner_starts(world: World, rng: np.random.Generator, matched: Ints, last: Ints) -> Ints:
    """UTC second at which the learner writes unasked in a week, or -1."""
    trajectory, cohort = world.trajectory, world.cohort
    shape = trajectory.engagement.shape
    weeks = np.arange(shape[1])
    local = (cohort.start_day[:, None] + 7 * weeks) * DAY_SECONDS + rng.integers(0, WEEK_SECONDS, shape)
    utc = world.clock.utc(local, np.broadcast_to(cohort.zone[:, None], shape))
    writes = rng.random(shape) < 0.1 * np.exp(0.4 * np.minimum(trajectory.engagement, 2))
    writes &= trajectory.is_matched & trajectory.is_present & (utc < last[:, None]) & (weeks != world.away[:, None])
    writes &= np.isin(np.arange(shape[0]), matched)[:, None]
    return np.where(writes, utc, -1)


def _rows(world: World, rng: np.random.Generator, log: _Log) -> list[Row]:
    order = sorted(range(len(log.rows)), key=lambda place: (*log.rows[place][:2], place))
    ids = {place: world.settings.tag("message", number) for number, place in enumerate(order)}
    lengths = np.clip(rng.lognormal(5.3, 0.8, len(order)), 5, 6000).astype(np.int64)
    is_by_match = rng.random(len(order)) < 0.95
    rows: list[Row] = []
    for number, place in enumerate(order):
        at, entry, sender, channel, answers = log.rows[place]
        row: Row = {
            "message_id": ids[place],
            "sent_at": iso_instant(at),
            "sender": sender,
            "channel": channel,
            "in_reply_to": ids[answers] if answers is not None else None,
            "length_chars": int(lengths[number]),
        }
        if is_by_match[number]:
            row["match_id"] = world.settings.tag("match", entry)
        else:
            row["mentor_key"] = world.people.mentor_keys[world.cohort.mentor[entry]]
            row["learner_key"] = world.people.learner_keys[world.cohort.person[entry]]
        rows.append(row)
    return rows
