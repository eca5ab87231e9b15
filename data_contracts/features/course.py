"""Families about the course: where it stands, what it offers, its assessed work, and the others who take it.

Belongs here: entries of context, coverage, assessment, cohort. Does not belong here: activity (`activity`), mentoring
(`mentoring`).
"""

from __future__ import annotations

from math import inf

from data_contracts.features.entry import Family, Feature
from data_contracts.schema import count, number, share

_CONTEXT = (
    Feature(
        number("course_week", "Weeks since the course started, negative before", "weeks"),
        "methodological",
        "",
        is_actionable=False,
    ),
    Feature(
        number("course_elapsed_share", "Elapsed share of the course", "share"),
        "methodological",
        "",
        is_actionable=False,
    ),
    Feature(
        number("enrolled_before_start_days", "Days from enrolment to the start; negative for late joiners", "days"),
        "methodological",
        "enrolled {value} days after the start",
        reads_within=(-inf, -1),
        is_actionable=False,
        is_compared=False,
    ),
    Feature(
        number(
            "weeks_since_enrolment", "Whole weeks since the enrolment: where a self-paced learner stands", "weeks", 0
        ),
        "methodological",
        "",
        is_actionable=False,
        is_modelled=False,
    ),
    Feature(
        number("studied_credits", "Credits studied at the same time", "credits", 0),
        "methodological",
        "{value} credits studied at the same time",
        "high",
        (1, inf),
        is_actionable=False,
    ),
    Feature(
        number("previous_attempts_count", "Earlier attempts at the course", "count", 0),
        "educational",
        "{value} earlier attempts at this course",
        "high",
        (1, inf),
        is_actionable=False,
        is_compared=False,
    ),
)
_COVERAGE = (
    Feature(
        count("opened_activities_to_date", "Different activities of the course opened so far", "activities"),
        "methodological",
        "{value} different activities of the course opened so far",
        "low",
    ),
    Feature(
        count(
            "newly_opened_activities_28d",
            "Activities of the course opened for the first time in the last 28 days",
            "activities",
        ),
        "methodological",
        "{value} new activities of the course opened in the last 28 days",
        "low",
    ),
    Feature(
        share("opened_released_share", "Share of the activities released so far that were opened; null where none was"),
        "methodological",
        "{value} of what the course has released opened",
        "low",
        (0, 0.9),
    ),
)
_ASSESSMENT = (
    Feature(
        count("due_count", "Assessed work due so far", "works"),
        "educational",
        "",
        is_actionable=False,
    ),
    Feature(
        count("overdue_count", "Work due and not handed in", "works"),
        "educational",
        "{value} pieces of work overdue",
        "high",
        (1, inf),
    ),
    Feature(
        share("submitted_due_share", "Share of due work handed in; null where nothing was due"),
        "educational",
        "{value} of the work due so far handed in",
        "low",
        (0, 0.99),
    ),
    Feature(
        number("days_early_mean", "Mean days between handing in and the due day; negative when late", "days"),
        "methodological",
        "work handed in {value} days late on average",
        reads_within=(-inf, -0.5),
        is_compared=False,
    ),
    Feature(
        share("score_mean_share", "Mean score of assessed work known by then"),
        "educational",
        "a mean score of {value}",
        "low",
    ),
    Feature(
        share("score_last_share", "Score of the work last handed in"),
        "educational",
        "a score of {value} for the last work",
        "low",
    ),
    Feature(
        count("days_since_submission", "Days since work was last handed in", "days"),
        "educational",
        "no work handed in for {value} days",
        "high",
        (1, inf),
    ),
    Feature(count("next_due_days", "Days until the next work is due", "days"), "educational", "", is_actionable=False),
    Feature(
        number("next_due_weight", "Weight of the next work due", "weight", 0),
        "educational",
        "",
        is_actionable=False,
    ),
)
_COHORT = tuple(
    Feature(
        share(f"{name}_percentile", f"Percentile of {of} among the active of the course"),
        level,
        said and said.format(others="than about {value} of the course's learners"),
        "low",
        (0, 0.4),
        is_compared=False,
        told_with=family,
    )
    for name, of, family, level, said in (
        ("events_28d", "events_28d", "activity", "methodological", "less activity in the last 28 days {others}"),
        (
            "active_days_28d",
            "active_days_28d",
            "activity",
            "methodological",
            "active on fewer of the last 28 days {others}",
        ),
        ("events_7d", "events_7d", "activity", "methodological", "less activity in the last 7 days {others}"),
        ("events_to_date", "events_to_date", "activity", "methodological", "less activity so far {others}"),
        (
            "active_days_to_date",
            "active_days_to_date",
            "activity",
            "methodological",
            "active on fewer days so far {others}",
        ),
        (
            *("distinct_activities_28d", "distinct_activities_28d", "activity", "methodological"),
            "fewer different activities in the last 28 days {others}",
        ),
        # More is worse, or of the whole course at once: these are said through the features that they rank.
        ("days_since_activity", "days_since_activity", "activity", "methodological", ""),
        ("submitted_due", "submitted_due_share", "assessment", "educational", ""),
        ("overdue", "overdue_count", "assessment", "educational", ""),
        ("days_early", "days_early_mean", "assessment", "educational", ""),
        (
            "score_last",
            "score_last_share",
            "assessment",
            "educational",
            "a lower score for the last work {others} with a score",
        ),
        ("score_mean", "score_mean_share", "assessment", "educational", "a lower mean score {others} with a score"),
    )
)

FAMILIES = (
    Family("context", "Where the course and the learner in it stand", "context", _CONTEXT),
    Family(
        "coverage", "How much of what the course offers the learner has opened", "context", _COVERAGE, is_modelled=False
    ),
    Family("assessment", "What was due, handed in and scored, and what is due next", "assessment", _ASSESSMENT),
    Family(
        "cohort",
        "How the learner stands among the active of the same course on the same day",
        "enrolment_week",
        _COHORT,
        table="enrolment_week",
    ),
)
