"""The feature contract: every feature's name, meaning, family, level and words.

Belongs here: what a feature is and how a mentor hears of it. `features/` computes these columns, `models/`
reads them; neither imports the other. Does not belong here: formulas' code.

Windows stand in the name and look back from observed_at over whole local days: `_7d`, `_14d`, `_28d`.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from data_contracts.fields.learning import STRANDS
from data_contracts.schema import Column, Field, count, number, share

WINDOWS_DAYS = (7, 14, 28)


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of features.enrolment_week and how to speak of it.

    `level` is the level of support it speaks to. `phrase` is a sentence part with `{value}` in it, said when
    the feature raises the risk. `is_actionable` says whether a mentor can take it up with the learner.
    """

    field: Field
    family: str
    level: str
    phrase: str
    is_actionable: bool = True

    @property
    def name(self) -> str:
        """The column's name."""
        return self.field.name


def _activity() -> list[Feature]:
    found = []
    for days in WINDOWS_DAYS:
        found += [
            Feature(
                count(f"active_days_{days}d", f"Days with activity in the last {days} days", "days"),
                "activity",
                "methodological",
                f"active on {{value}} of the last {days} days",
            ),
            Feature(
                count(f"events_{days}d", f"Events in the last {days} days", "events"),
                "activity",
                "methodological",
                f"{{value}} learning events in the last {days} days",
            ),
            Feature(
                number(f"minutes_{days}d", f"Minutes on task in the last {days} days", "minutes", 0),
                "activity",
                "methodological",
                f"{{value}} minutes on task in the last {days} days",
            ),
        ]
    found += [
        Feature(
            count("active_days_to_date", "Days with activity so far", "days"),
            "activity",
            "methodological",
            "active on {value} days so far",
        ),
        Feature(
            count("events_to_date", "Events so far", "events"),
            "activity",
            "methodological",
            "{value} learning events so far",
        ),
        Feature(
            count("distinct_activities_28d", "Distinct activities a day, summed over the last 28 days", "activities"),
            "activity",
            "methodological",
            "{value} different activities opened in the last 28 days",
        ),
        Feature(
            count("forum_events_28d", "Forum events in the last 28 days", "events"),
            "activity",
            "social",
            "{value} forum events in the last 28 days",
        ),
        Feature(
            count("quiz_events_28d", "Quiz and assessment events in the last 28 days", "events"),
            "activity",
            "educational",
            "{value} quiz events in the last 28 days",
        ),
    ]
    words = {"formal": "course material", "social": "exchange with others", "experiential": "learning by doing"}
    levels = {"formal": "methodological", "social": "social", "experiential": "educational"}
    found += [
        Feature(
            count(f"{strand}_events_28d", f"Events of the {strand} strand in the last 28 days", "events"),
            "activity",
            levels[strand],
            f"{{value}} events of {words[strand]} in the last 28 days",
        )
        for strand in STRANDS
    ]
    return found


_RECENCY = [
    Feature(
        count("days_since_activity", "Days since the last activity; since enrolment where there is none", "days"),
        "recency",
        "methodological",
        "no activity for {value} days",
    ),
    Feature(
        count("has_never_started", "1 where there is no activity at all yet, else 0", "0 or 1"),
        "recency",
        "technical",
        "has not started yet",
    ),
    Feature(
        number(
            "gap_to_own_mean_ratio", "Days since the last activity over the mean gap between active days", "ratio", 0
        ),
        "recency",
        "methodological",
        "a silence {value} times as long as this learner's usual gap",
    ),
]
_TREND = [
    Feature(
        number("events_slope_4w", "Least-squares slope of log(1 + weekly events) over the last four weeks", "per week"),
        "trend",
        "methodological",
        "activity changing by {value} a week on the log scale over four weeks",
    ),
    Feature(
        number(
            "events_last_week_ratio", "(1 + events of the last week) / (1 + mean of the three weeks before)", "ratio", 0
        ),
        "trend",
        "methodological",
        "last week at {value} times the weeks before",
    ),
]
_CONTEXT = [
    Feature(
        number("course_week", "Weeks since the course started, negative before", "weeks"),
        "context",
        "methodological",
        "week {value} of the course",
        is_actionable=False,
    ),
    Feature(
        number("course_elapsed_share", "Elapsed share of the course", "share"),
        "context",
        "methodological",
        "{value} of the course gone",
        is_actionable=False,
    ),
    Feature(
        number("enrolled_before_start_days", "Days from enrolment to the start; negative for late joiners", "days"),
        "context",
        "methodological",
        "enrolled {value} days before the start",
        is_actionable=False,
    ),
    Feature(
        number("studied_credits", "Credits studied at the same time", "credits", 0),
        "context",
        "methodological",
        "{value} credits studied at the same time",
        is_actionable=False,
    ),
    Feature(
        number("previous_attempts_count", "Earlier attempts at the course", "count", 0),
        "context",
        "educational",
        "{value} earlier attempts at this course",
        is_actionable=False,
    ),
]
_ASSESSMENT = [
    Feature(
        count("due_count", "Assessed work due so far", "works"),
        "assessment",
        "educational",
        "{value} pieces of work were due so far",
        is_actionable=False,
    ),
    Feature(
        count("overdue_count", "Work due and not handed in", "works"),
        "assessment",
        "educational",
        "{value} pieces of work overdue",
    ),
    Feature(
        share("submitted_due_share", "Share of due work handed in; null where nothing was due"),
        "assessment",
        "educational",
        "{value} of due work handed in",
    ),
    Feature(
        number("days_early_mean", "Mean days between handing in and the due day; negative when late", "days"),
        "assessment",
        "methodological",
        "work handed in {value} days before it is due, on average",
    ),
    Feature(
        share("score_mean_share", "Mean score of assessed work known by then"),
        "assessment",
        "educational",
        "a mean score of {value}",
    ),
    Feature(
        share("score_last_share", "Score of the work last handed in"),
        "assessment",
        "educational",
        "a last score of {value}",
    ),
    Feature(
        count("days_since_submission", "Days since work was last handed in", "days"),
        "assessment",
        "educational",
        "no work handed in for {value} days",
    ),
    Feature(
        count("next_due_days", "Days until the next work is due", "days"),
        "assessment",
        "educational",
        "work due in {value} days",
    ),
    Feature(
        number("next_due_weight", "Weight of the next work due", "weight", 0),
        "assessment",
        "educational",
        "the next work due has weight {value}",
        is_actionable=False,
    ),
]
_COHORT = [
    Feature(
        share("events_28d_percentile", "Percentile of events_28d among the active of the course"),
        "cohort",
        "methodological",
        "activity at the {value} percentile of the course",
    ),
    Feature(
        share("active_days_28d_percentile", "Percentile of active_days_28d among the active of the course"),
        "cohort",
        "methodological",
        "active days at the {value} percentile of the course",
    ),
    Feature(
        share("events_7d_percentile", "Percentile of events_7d among the active of the course"),
        "cohort",
        "methodological",
        "last week at the {value} percentile of the course",
    ),
    Feature(
        share("score_mean_percentile", "Percentile of score_mean_share among the active of the course"),
        "cohort",
        "educational",
        "scores at the {value} percentile of the course",
    ),
]
_MENTORING = [
    Feature(
        count("is_matched", "1 where the learner has a mentor, else 0", "0 or 1"),
        "mentoring",
        "social",
        "no mentor yet",
        is_actionable=False,
    ),
    Feature(
        number("days_since_contact", "Days since a held session or the mentor's last message", "days", 0),
        "mentoring",
        "social",
        "no session or message from the mentor for {value} days",
    ),
    Feature(
        share("held_over_agreed_28d_share", "Sessions held over sessions agreed in the last 28 days, at most 1"),
        "mentoring",
        "social",
        "{value} of the agreed sessions held in the last 28 days",
    ),
    Feature(
        count("sessions_held_28d", "Sessions held in the last 28 days", "sessions"),
        "mentoring",
        "social",
        "{value} mentoring sessions in the last 28 days",
    ),
    Feature(
        count("sessions_missed_by_learner_28d", "Sessions the learner missed in the last 28 days", "sessions"),
        "mentoring",
        "social",
        "{value} sessions missed in the last 28 days",
    ),
    Feature(
        count("sessions_missed_by_mentor_28d", "Sessions the mentor missed in the last 28 days", "sessions"),
        "mentoring",
        "social",
        "{value} sessions missed by the mentor in the last 28 days",
    ),
    Feature(
        count("messages_by_mentor_28d", "Messages of the mentor in the last 28 days", "messages"),
        "mentoring",
        "social",
        "{value} messages from the mentor in the last 28 days",
    ),
    Feature(
        count("messages_by_learner_28d", "Messages of the learner in the last 28 days", "messages"),
        "mentoring",
        "social",
        "{value} messages to the mentor in the last 28 days",
    ),
]
_SUPPORT = [
    Feature(
        count("open_tickets_count", "Support tickets open at observed_at", "tickets"),
        "support",
        "technical",
        "{value} support tickets open",
    ),
]

FEATURES: tuple[Feature, ...] = (
    *_activity(),
    *_RECENCY,
    *_TREND,
    *_CONTEXT,
    *_ASSESSMENT,
    *_COHORT,
    *_MENTORING,
    *_SUPPORT,
)
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(feature.family for feature in FEATURES))


def family_names(family: str) -> tuple[str, ...]:
    """Names of a family's features, in the contract's order."""
    return tuple(feature.name for feature in FEATURES if feature.family == family)


def feature_columns(*families: str) -> tuple[Column, ...]:
    """Columns of the given families (all when none is named); every feature may be null."""
    return tuple(
        Column(feature.name, feature.field, is_required=False)
        for feature in FEATURES
        if not families or feature.family in families
    )


def contract_hash() -> str:
    """SHA-256 over names, types and meanings: a model trained on another contract is refused."""
    lines = [f"{feature.name}|{feature.field.kind}|{feature.field.description}" for feature in FEATURES]
    return sha256("\n".join(lines).encode()).hexdigest()
