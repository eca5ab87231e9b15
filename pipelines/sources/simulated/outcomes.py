"""What a programme is for: goals and their updates, and the surveys of both sides.

Belongs here: the tables goal, goal_update, survey_response. Does not belong here: money (`money`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.sources.simulated.clock import iso_date, iso_instant
from pipelines.sources.simulated.courses import PROGRAMMES
from pipelines.sources.simulated.hazard import COMPLETED
from pipelines.sources.simulated.mentoring import match_id, matched_entries
from pipelines.sources.simulated.settings import DAY_SECONDS, RUNNING, Ints, Row, SimulationSettings, Tables, stream
from pipelines.sources.simulated.world import World

_GOAL_KINDS = ("project", "skill", "role", "network")
_UPDATE_EVERY_DAYS = 21
_AFTER_DAYS = 45
_NO_TIMELINE_SHARE = 0.12
_BY_BOTH, _BY_EXPORT, _BY_STATUS = range(3)
_REBASELINED_SHARES = (0.5, 0.25, 0.25)
# What each survey asks about each kind of subject: construct and outcome level.
_GROWTH = (("confidence", 2), ("knowledge", 2), ("goal_attainment", 2))
_MENTORS_GAIN = (("listening", 2), ("leadership", 2))
_QUESTIONS = {
    ("learner", "start"): _GROWTH,
    ("learner", "during"): (("belonging", 1),),
    ("learner", "end"): _GROWTH,
    ("learner", "after"): (("application", 3),),
    ("match", "during"): (("perceived_value", 1),),
    ("mentor", "start"): _MENTORS_GAIN,
    ("mentor", "end"): _MENTORS_GAIN,
}


def draw_outcomes(world: World) -> tuple[Tables, Tables]:
    """Write goals, their updates and the answers to surveys; the second tables state goals again, re-baselined."""
    matched = matched_entries(world)
    # A day is known when it has ended everywhere: the day before the snapshot has not.
    last_day = np.minimum(world.ends.day, world.settings.snapshot_day - 2)
    goals, updates, later = _goals(world, matched, last_day)
    answers = _surveys(world, matched, last_day)
    return {"goal": goals, "goal_update": updates, "survey_response": answers}, {"goal": later}


def _goals(world: World, matched: Ints, last_day: Ints) -> tuple[list[Row], list[Row], list[Row]]:
    """Goals agreed soon after the match, some without a due date; one in twenty updates of the others sets a new baseline.

    A new baseline is a later due date, often a lower target, told the evening of that day. It is told by a later export,
    by the update's status, or by both, the first of all by both.
    """
    rng, timelines = stream(world.settings, "goals"), stream(world.settings, "timelines of goals")
    goals: list[Row] = []
    updates: list[Row] = []
    later: list[Row] = []
    for entry in matched.tolist():
        end = int(world.runs[world.cohort.run[entry]][0].end_day)
        pace = 0.12 + 0.06 * float(world.trajectory.engagement[entry].mean())
        for _ in range(int(rng.choice(3, p=[0.3, 0.5, 0.2]))):
            agreed = int(world.cohort.match_day[entry] + rng.integers(3, 15))
            if agreed > last_day[entry]:
                continue
            goal_id = world.settings.tag("goal", len(goals))
            is_valued, reached = rng.random() < 0.5, 0.0
            baseline, target = float(rng.integers(1, 3)), float(rng.integers(4, 6))
            due = end if timelines.random() >= _NO_TIMELINE_SHARE else None
            goals.append(
                {
                    "goal_id": goal_id,
                    "match_id": match_id(world.settings, entry),
                    "agreed_on": iso_date(agreed),
                    "due_on": iso_date(due) if due is not None else None,
                    "kind": _GOAL_KINDS[rng.integers(0, 4)],
                    "baseline_value": baseline,
                    "target_value": target,
                    "weight": (0.5, 1.0)[rng.integers(0, 2)],
                }
            )
            for day in range(agreed + _UPDATE_EVERY_DAYS, int(last_day[entry]) + 1, _UPDATE_EVERY_DAYS):
                reached = round(min(1.0, reached + max(0.0, float(rng.normal(pace, 0.08)))), 3)
                status = "attained" if reached >= 1 else "open"
                if (rng.random() < 0.05 or not later) and due is not None:
                    way = int(timelines.choice(3, p=_REBASELINED_SHARES)) if later else _BY_BOTH
                    reached, status = round(0.6 * reached, 3), "open" if way == _BY_EXPORT else "rebaselined"
                    lower = max(baseline + 1, target - int(rng.integers(0, 2)))
                    if way != _BY_STATUS:
                        due = max(due, day) + 28
                        told = {"recorded_at": iso_instant(day * DAY_SECONDS + 18 * 3600)}
                        later.append(goals[-1] | told | {"due_on": iso_date(due), "target_value": lower})
                stands = {"value": round(baseline + reached * (target - baseline), 3)}
                updates.append(
                    {
                        "goal_id": goal_id,
                        "recorded_on": iso_date(day),
                        "status": status,
                        **(stands if is_valued else {"attained_share": reached}),
                    }
                )
    return goals, updates, later


@dataclass(frozen=True)
class _Subject:
    """Whom answers are about, in which programme, and around which score they lie."""

    kind: str
    key: str
    programme_id: str
    centre: float


class _Answers:
    """Collects answers, numbers them and keeps scores between 0 and 1."""

    def __init__(self, settings: SimulationSettings, rng: np.random.Generator) -> None:
        self._settings, self._rng = settings, rng
        self.rows: list[Row] = []

    def add(self, subject: _Subject, respondent: str, survey: str, day: int, gain: float = 0.0) -> None:
        """Answer every question that this survey asks about such a subject; `gain` is what the score has risen by."""
        for construct, level in _QUESTIONS[subject.kind, survey]:
            score = float(np.clip(self._rng.normal(subject.centre + gain, 0.15), 0, 1))
            self.rows.append(
                {
                    "response_id": self._settings.tag("response", len(self.rows)),
                    "survey": survey,
                    "subject_type": subject.kind,
                    "subject_key": subject.key,
                    "respondent_key": respondent,
                    "programme_id": subject.programme_id,
                    "answered_on": iso_date(day),
                    "construct": construct,
                    "question_id": f"{construct}-1",
                    "score_share": round(score, 2),
                    "outcome_level": level,
                }
            )


def _surveys(world: World, matched: Ints, last_day: Ints) -> list[Row]:
    """Start, middle, end and after, by learners; by both sides of the match; by mentors of themselves."""
    rng = stream(world.settings, "surveys")
    answers = _Answers(world.settings, rng)
    cohort, people = world.cohort, world.people
    middle = 7 * (world.settings.weeks // 2) - 7
    for entry in matched.tolist():
        programme_id = PROGRAMMES[cohort.programme[entry]].programme_id
        key, start, last = people.learner_keys[cohort.person[entry]], int(cohort.start_day[entry]), int(last_day[entry])
        learner = _Subject("learner", key, programme_id, 0.5 + 0.06 * float(cohort.ability[entry]))
        match = _Subject("match", match_id(world.settings, entry), programme_id, 0.65)
        answers_start, answers_later, delay = rng.random() < 0.6, rng.random() < 0.5, int(rng.integers(0, 5))
        if answers_start and start + delay <= last:
            answers.add(learner, key, "start", start + delay)
        if answers_later and start + middle + delay <= last:
            answers.add(learner, key, "during", start + middle + delay, 0.1)
            for respondent in (key, people.mentor_keys[cohort.mentor[entry]]):
                answers.add(match, respondent, "during", start + middle + delay)
        if cohort.run[entry] == RUNNING or world.trajectory.end_kind[entry] != COMPLETED or not answers_start:
            continue
        answers.add(learner, key, "end", last, 0.15)
        if answers_later and last + _AFTER_DAYS < world.settings.snapshot_day - 1:
            answers.add(learner, key, "after", last + _AFTER_DAYS, 0.1)
    for number, key in enumerate(people.mentor_keys):
        mentor = _Subject("mentor", key, PROGRAMMES[number % len(PROGRAMMES)].programme_id, 0.55)
        for start in world.settings.start_days.tolist():
            answers.add(mentor, key, "start", start + 2)
            end = start + 7 * world.settings.weeks
            if end < world.settings.snapshot_day - 1:
                answers.add(mentor, key, "end", end, 0.1)
    return answers.rows
