"""What the programmes cost and what was gained, month by month.

Belongs here: the tables programme_cost and programme_benefit. Does not belong here: time that is costed by the hour
(only onboarding gives its time as cost rows; the others leave it to minutes and hourly amounts).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from pipelines.sources.simulated.clock import iso_date
from pipelines.sources.simulated.cohort import Cohort
from pipelines.sources.simulated.courses import GROWTH, HIPO, ONBOARDING, PROGRAMMES, CourseRun, course_runs
from pipelines.sources.simulated.hazard import COMPLETED, Trajectory
from pipelines.sources.simulated.settings import RUNS, Row, SimulationSettings, Tables, stream

SHARED = "ALL"
_SHARED_CURRENCY = "EUR"

# Per learner and run: kind, strand, delivery, amount.
_PER_LEARNER = (
    ("facilitation", "formal", "online_synchronous", 60),
    ("content", "formal", "online_asynchronous", 35),
    ("coordination", "experiential", "face_to_face", 25),
)
_DESIGN_AMOUNT = 9000
_TRAINING_AMOUNT = 4000
# Hours a month that onboarding gives as cost rows.
_LEARNER_HOURS = 4.0
_MENTOR_HOURS = 0.4


class Headcount:
    """Learners and completions by programme and run, over all blocks."""

    def __init__(self) -> None:
        self.learners = np.zeros((len(PROGRAMMES), RUNS), dtype=np.int64)
        self.completed = np.zeros((len(PROGRAMMES), RUNS), dtype=np.int64)

    def add(self, cohort: Cohort, trajectory: Trajectory) -> None:
        """Count a block in."""
        np.add.at(self.learners, (cohort.programme, cohort.run), 1)
        is_completed = np.array(trajectory.end_kind) == COMPLETED
        np.add.at(self.completed, (cohort.programme[is_completed], cohort.run[is_completed]), 1)


def draw_money(settings: SimulationSettings, heads: Headcount) -> Tables:
    """Write costs and benefits of the months before the snapshot."""
    runs = course_runs(settings)
    return {
        "programme_cost": list(_costs(settings, runs, heads)),
        "programme_benefit": list(_benefits(settings, runs, heads)),
    }


def cost_totals(costs: list[Row]) -> dict[str, dict[str, int]]:
    """Sum the costs by programme and currency."""
    totals: dict[str, dict[str, int]] = {}
    for row in costs:
        by_currency = totals.setdefault(str(row["programme_id"]), Counter())
        by_currency[str(row["currency"])] += int(str(row["amount"]))
    return totals


def _months(settings: SimulationSettings, start: int, end: int) -> list[str]:
    """First days of the months that begin from `start` to `end` and before the snapshot."""
    days = range(start, min(end, settings.snapshot_day - 1))
    return [text for text in map(iso_date, days) if text.endswith("-01")]


def _costs(settings: SimulationSettings, runs: list[list[CourseRun]], heads: Headcount) -> Iterator[Row]:
    rng = stream(settings, "costs")
    starts = settings.start_days.tolist()

    for index, item in enumerate(PROGRAMMES):
        whole: Row = {"programme_id": item.programme_id, "currency": item.currency}
        first = _months(settings, starts[0] - 31, starts[0] + 1)[0]
        begun = {"course_id": runs[0][item.course].course_id, "period_on": first}
        yield {**whole, **begun, **_kind("design", "formal", "online_asynchronous", _DESIGN_AMOUNT)}
        yield {**whole, "period_on": first, **_kind("mentor_training", "social", "face_to_face", _TRAINING_AMOUNT)}
        for run, start in enumerate(starts):
            learners = int(heads.learners[index, run])
            for period in _months(settings, start, start + 7 * settings.weeks):
                dated = {**whole, "period_on": period}
                for kind, strand, delivery, amount in _PER_LEARNER:
                    spent = amount * learners / (settings.weeks / 4) * float(rng.uniform(0.9, 1.1))
                    yield {
                        **dated,
                        "course_id": runs[run][item.course].course_id,
                        **_kind(kind, strand, delivery, spent),
                    }
                if index == ONBOARDING:
                    own, mentors = item.learner_hour_amount * learners, item.mentor_hour_amount * learners
                    yield {**dated, **_kind("learner_time", "formal", "online_synchronous", _LEARNER_HOURS * own)}
                    yield {**dated, **_kind("mentor_time", "social", "online_synchronous", _MENTOR_HOURS * mentors)}
    for period in _months(settings, starts[0], settings.snapshot_day):
        dated = {"programme_id": SHARED, "currency": _SHARED_CURRENCY, "period_on": period}
        shared = (1200 + int(rng.integers(0, 300))) * max(1.0, settings.learners / 1200)
        yield {**dated, **_kind("platform", "formal", "online_asynchronous", shared)}
        yield {**dated, **_kind("coordination", "social", "online_asynchronous", shared / 2)}


def _kind(kind: str, strand: str, delivery: str, amount: float) -> Row:
    return {"cost_kind": kind, "strand": strand, "delivery": delivery, "amount": round(amount)}


def _benefits(settings: SimulationSettings, runs: list[list[CourseRun]], heads: Headcount) -> Iterator[Row]:
    """Gains of the past runs, some months after their end, as estimated by those who saw them."""
    rng = stream(settings, "benefits")
    metrics = {
        HIPO: ("vacancy_weeks_saved", 1.7, 3200.0, 0.5, 0.7, "succession plan"),
        GROWTH: ("hours_saved", 40.0, 45.0, 0.4, 0.6, "survey of participants and managers"),
        ONBOARDING: ("days_to_full_work_saved", 14.0, 260.0, 0.5, 0.6, "line managers' estimate"),
    }
    for index, (metric, per_learner, value, attribution, confidence, source) in metrics.items():
        item = PROGRAMMES[index]
        for run in range(RUNS - 1):
            end = int(settings.start_days[run]) + 7 * settings.weeks
            for period in _months(settings, end - 31, end + 62)[:2]:
                yield {
                    "programme_id": item.programme_id,
                    "course_id": runs[run][item.course].course_id,
                    "period_on": period,
                    "metric": metric,
                    "quantity": round(
                        per_learner / 2 * int(heads.completed[index, run]) * float(rng.uniform(0.9, 1.1)), 1
                    ),
                    "unit_value_amount": value,
                    "attribution_share": attribution,
                    "confidence_share": confidence,
                    "currency": item.currency,
                    "source": source,
                }
