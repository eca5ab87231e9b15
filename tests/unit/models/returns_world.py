"""A programme by hand for the tests of what was returned: its money, its people, an effect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl
from scipy.stats import norm

from data_contracts.tables.effects import EFFECT
from models.contract import schema_of
from models.costs import with_time_costs
from models.roi import programme_roi
from models.roi_book import Ledger

KEY = ["course_id", "strand", "component", "method", "isolation"]
STRONG = (-30.0, -31.0, -29.0)
Z = norm.ppf(0.975)
JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
TONIGHT = date(2026, 6, 30)
COSTS: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "period_on": pl.Date,
    "cost_kind": pl.String,
    "strand": pl.String,
    "delivery": pl.String,
    "amount": pl.Float64,
    "currency": pl.String,
    "is_allocated": pl.Boolean,
    "is_priced": pl.Boolean,
}
BENEFITS: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "period_on": pl.Date,
    "metric": pl.String,
    "quantity": pl.Float64,
    "unit_value_amount": pl.Float64,
    "attribution_share": pl.Float64,
    "confidence_share": pl.Float64,
    "currency": pl.String,
    "source": pl.String,
}
PROGRAMMES: Mapping[str, Any] = {
    "programme_id": pl.String,
    "currency": pl.String,
    "starts_on": pl.Date,
    "ends_on": pl.Date,
    "value_per_completion_amount": pl.Float64,
    "learner_hour_amount": pl.Float64,
    "mentor_hour_amount": pl.Float64,
}
COUNTS: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "learners_count": pl.Int64,
    "completions_count": pl.Int64,
    "retained_count": pl.Int64,
    "mentored_count": pl.Int64,
    "past_active_count": pl.Int64,
    "past_completed_count": pl.Int64,
}
EVIDENCE: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "month_starts_on": pl.Date,
    "minutes": pl.Float64,
    "strand": pl.String,
}
MINUTES: Mapping[str, Any] = {
    "programme_id": pl.String,
    "course_id": pl.String,
    "month_starts_on": pl.Date,
    "delivery": pl.String,
    "minutes": pl.Float64,
}
COURSES: Mapping[str, Any] = {"course_id": pl.String, "delivery": pl.String}
SURVEYS: Mapping[str, Any] = {"programme_id": pl.String, "outcome_level": pl.Int64, "answers_count": pl.Int64}


def frame(schema: Mapping[str, Any], *rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


ONLINE, IN_PERSON = "online_asynchronous", "face_to_face"
PROGRAMME = frame(PROGRAMMES, ("p", "EUR", JANUARY, date(2026, 3, 31), 5000.0, 20.0, 40.0))
COUNT = frame(COUNTS, ("p", None, 40, 25, 28, 20, 60, 30), ("p", "c", 30, 20, 20, 15, None, None))
BOOKED = frame(
    COSTS,
    ("p", "c", JANUARY, "content", "formal", ONLINE, 1000.0, "EUR", False, False),
    ("p", None, FEBRUARY, "mentor_training", "social", IN_PERSON, 300.0, "EUR", False, False),
    ("p", None, MARCH, "coordination", "social", ONLINE, 200.0, "EUR", True, False),
)
# 600 and 300 learner minutes at 20 an hour, 90 mentor minutes at 40: 200 + 100 + 60 beside 1,500 booked = 1,860.
TIMED = with_time_costs(
    BOOKED,
    frame(EVIDENCE, ("p", "c", JANUARY, 600.0, "formal"), ("p", None, FEBRUARY, 300.0, "social")),
    frame(MINUTES, ("p", None, FEBRUARY, "online_synchronous", 60.0), ("p", None, FEBRUARY, IN_PERSON, 30.0)),
    PROGRAMME,
    frame(COURSES, ("c", ONLINE)),
)
BENEFIT = frame(
    BENEFITS,
    ("p", None, MARCH, "faster onboarding", 10.0, 500.0, 0.5, 0.8, "EUR", "line managers"),
    ("p", "c", MARCH, "fewer errors", 4.0, 250.0, 0.9, 0.6, "EUR", "quality records"),
)
NO_WITHHELD = frame({**COSTS, "withheld_reason": pl.String})
NOT_YET = "too few treated"


def effect(
    points: tuple[float, float, float] | None = None,
    verdict: str = "usable",
    *,
    contrast: str = "matched",
    treated: int = 20,
    untreated: float = 20.0,
    programme: str = "p",
) -> pl.DataFrame:
    """One row of the mart `mentoring_effect`; without points it cannot say."""
    schema = schema_of(EFFECT)
    estimate, low, high = points or (None, None, None)
    row = dict.fromkeys(schema) | {
        "programme_id": programme,
        "contrast": contrast,
        "subgroup_kind": "all",
        "subgroup": "all",
        "effect_points": estimate,
        "effect_low_points": low,
        "effect_high_points": high,
        "untreated_percent": untreated,
        "treated_count": treated,
        "verdict": verdict if points else "cannot_say",
        "reason": None if points else NOT_YET,
    }
    return pl.DataFrame([row], schema=schema)


def ledger(**given: Any) -> Ledger:
    frames = {
        "programmes": PROGRAMME,
        "costs": TIMED,
        "benefits": BENEFIT,
        "counts": COUNT,
        "withheld": NO_WITHHELD,
        "effects": effect(),
        "observed_on": TONIGHT,
    } | given
    return Ledger(**frames)


def roi(**given: Any) -> pl.DataFrame:
    return programme_roi(ledger(**given))


def one(found: pl.DataFrame, **key: str) -> dict[str, Any]:
    """The one row of these values; of all courses and strands, the programme's, by the method full where not said."""
    wanted = {"course_id": "all", "strand": "all", "component": "programme", "method": "full"} | key
    rows = found.filter(**wanted)
    assert rows.height == 1
    return rows.row(0, named=True)


def mentoring(found: pl.DataFrame, isolation: str = "effect", method: str = "full") -> dict[str, Any]:
    """The row of all courses and strands of mentoring."""
    return one(found, component="mentoring", isolation=isolation, method=method)
