"""Families about what the learner did: activity, recency, trend, regularity.

Belongs here: their entries. Does not belong here: the course and its work (`course`), mentoring (`mentoring`).
"""

from __future__ import annotations

from math import inf, log2

from data_contracts.features.entry import WINDOWS_DAYS, Family, Feature
from data_contracts.fields.learning import STRANDS
from data_contracts.schema import count, number, share

_WORDS = {"formal": "course material", "social": "exchange with others", "experiential": "learning by doing"}
_LEVELS = {"formal": "methodological", "social": "social", "experiential": "educational"}


def _windows() -> list[Feature]:
    found = []
    for days in WINDOWS_DAYS:
        found += [
            Feature(
                count(f"active_days_{days}d", f"Days with activity in the last {days} days", "days"),
                "methodological",
                f"active on {{value}} of the last {days} days",
                "low",
            ),
            Feature(
                count(f"events_{days}d", f"Events in the last {days} days", "events"),
                "methodological",
                f"{{value}} learning events in the last {days} days",
                "low",
            ),
            Feature(
                number(f"minutes_{days}d", f"Minutes on task in the last {days} days", "minutes", 0),
                "methodological",
                f"{{value}} minutes on task in the last {days} days",
                "low",
            ),
        ]
    return found


def _of_strand(strand: str) -> list[Feature]:
    of, said = f"of the {strand} strand in the last 28 days", f"of {_WORDS[strand]} in the last 28 days"
    fields = {
        "events": count(f"{strand}_events_28d", f"Events {of}", "events"),
        "days": count(f"{strand}_active_days_28d", f"Days with activity {of}", "days"),
        "minutes": number(f"{strand}_minutes_28d", f"Minutes on task {of}", "minutes", 0),
    }
    return [
        Feature(field, _LEVELS[strand], f"{{value}} {unit} {said}", "low", is_modelled=unit == "events")
        for unit, field in fields.items()
    ]


_ACTIVITY = (
    *_windows(),
    Feature(
        count("active_days_to_date", "Days with activity so far", "days"),
        "methodological",
        "active on {value} days so far",
        "low",
    ),
    Feature(
        count("events_to_date", "Events so far", "events"), "methodological", "{value} learning events so far", "low"
    ),
    Feature(
        number("minutes_to_date", "Minutes on task so far", "minutes", 0),
        "methodological",
        "{value} minutes on task so far",
        "low",
        is_modelled=False,
    ),
    Feature(
        count("distinct_activities_28d", "Distinct activities a day, summed over the last 28 days", "activities"),
        "methodological",
        "{value} activities taken up in the last 28 days, each once a day",
        "low",
    ),
    Feature(
        count("forum_events_28d", "Forum events in the last 28 days", "events"),
        "social",
        "{value} forum events in the last 28 days",
        "low",
    ),
    Feature(
        count("quiz_events_28d", "Quiz and assessment events in the last 28 days", "events"),
        "educational",
        "{value} quiz events in the last 28 days",
        "low",
    ),
    *(feature for strand in STRANDS for feature in _of_strand(strand)),
)
_RECENCY = (
    Feature(
        count("days_since_activity", "Days since the last activity; since enrolment where there is none", "days"),
        "methodological",
        "no activity for {value} days",
        "high",
        (1, inf),
    ),
    Feature(
        count(
            "available_days_since_activity",
            "Days since the last activity less the learner's leave and the organisation's closed days among them",
            "days",
        ),
        "methodological",
        "no activity on {value} days, leave and closed days left out",
        "high",
        (1, inf),
        is_modelled=False,
    ),
    Feature(
        count("has_never_started", "1 where there is no activity at all yet, else 0", "0 or 1"),
        "technical",
        "has not started yet",
        "high",
        (1, 1),
    ),
    Feature(
        number(
            "gap_to_own_mean_ratio", "Days since the last activity over the mean gap between active days", "ratio", 0
        ),
        "methodological",
        "silent for {value} times this learner's usual gap",
        "high",
        (1.5, inf),
        is_compared=False,
    ),
)
_TREND = (
    Feature(
        number("events_slope_4w", "Least-squares slope of log(1 + weekly events) over the last four weeks", "per week"),
        "methodological",
        "less activity from week to week over the last four weeks",
        reads_within=(-inf, -0.1),
        is_compared=False,
    ),
    Feature(
        number(
            "events_last_week_ratio", "(1 + events of the last week) / (1 + mean of the three weeks before)", "ratio", 0
        ),
        "methodological",
        "much less activity in the last week than in the three before",
        reads_within=(0, 0.67),
        is_compared=False,
    ),
)
_REGULARITY = (
    Feature(
        number(
            "hour_peak_28d",
            "How much the hours at which kinds of activity began on the last 28 days' active days gather on one hour; "
            "null where only days are known, or fewer than four were active",
            "bits",
            0,
            round(log2(24), 6),
        ),
        "methodological",
        "no steady hour for learning in the last 28 days",
        "low",
        (0, 0.25),
    ),
    Feature(
        number(
            "weekday_peak_28d",
            "How much the active days of the last 28 gather on one weekday; null under four active days",
            "bits",
            0,
            round(log2(7), 6),
        ),
        "methodological",
        "no steady weekday for learning in the last 28 days",
        "low",
        (0, 0.1),
    ),
    Feature(
        share(
            "weekday_overlap_28d_share",
            "Mean share of active weekdays that two of the last four weeks have in common; null under four active days",
        ),
        "methodological",
        "{value} of active weekdays the same from week to week",
        "low",
        (0, 0.5),
    ),
)

FAMILIES = (
    Family("activity", "How much the learner does, and of what kind", "activity", _ACTIVITY),
    Family("recency", "How long the learner has been silent", "activity", _RECENCY, table="activity"),
    Family("trend", "Whether the learner does more or less than before", "activity", _TREND, table="activity"),
    Family("regularity", "Whether the learner keeps to hours and weekdays", "activity", _REGULARITY, is_modelled=False),
)
