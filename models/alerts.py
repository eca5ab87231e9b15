"""Whom to alert about tonight, and why.

Belongs here: the floor, the rules, the level, the channel, what good news there is. Does not belong here: which alert of
an earlier night goes on (`models.lifecycle`), whose minutes it takes (`models.routing`), delivery, names.
An alert claims that abandonment is likely or that something agreed did not happen; never that a change would
lower the risk.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from data_contracts.errors import PermanentError
from data_contracts.tables.alerts import CANDIDATE
from models.contract import conform

OPEN_STATES = ("new", "reviewed", "acted")


class Rule(NamedTuple):
    """What a rule's alert is about: the level of support, and the feature family that its reason belongs to."""

    level: str
    family: str


# In order of precedence: where several hold, the first one is told.
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "never_started": Rule("technical", "recency"),
        "ticket_open": Rule("technical", "support"),
        "first_meeting_not_held": Rule("social", "mentoring"),
        "mentor_silent": Rule("social", "mentoring"),
        "cadence_broken": Rule("social", "mentoring"),
        "commitment_overdue": Rule("educational", "commitments"),
        "goal_behind": Rule("educational", "goals"),
    }
)
GOOD_NEWS: Mapping[str, Rule] = MappingProxyType(
    {"goal_attained": Rule("educational", "goals"), "back_on_track": Rule("social", "activity")}
)
# What was agreed and is outstanding is the next step, before whatever else is due.
_OUTSTANDING = MappingProxyType(
    {"first_meeting_not_held": "first meeting", "commitment_overdue": "review of the overdue commitment"}
)
# Without a reason to go by, pace and regularity are the first thing to talk about.
_LEVEL_WITHOUT_REASON = "methodological"
# What a learner has answered is told by a share that begins at a half of so many attempts, and counts from so many on.
_ANSWERED_BEFORE = 2.0
_LEAST_ATTEMPTS = 4


class AlertInputError(PermanentError):
    """Scores and facts do not fit together."""


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """When there is an alert, when it ends and how long it takes; the defaults are the design's, section 10."""

    floor_probability: float = 0.10
    floor_over_base: float = 2.0
    synchronous_from_probability: float = 0.30
    cooldown_days: int = 14
    never_started_days: int = 7
    goal_behind_points: float = 10.0
    rules: Collection[str] = tuple(RULES)
    has_good_news: bool = True
    resolve_active_days: int = 2
    escalate_after_days: int = 5
    minutes_by_level: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType(
            {"methodological": 20, "educational": 30, "social": 15, "technical": 10}
        )
    )
    # Of meetings as they were logged; what has no entry, and what is written, takes `minutes_by_level`.
    meeting_minutes_by_level: Mapping[str, int] = field(default_factory=dict)


DEFAULTS = AlertSettings()


def candidates(
    scores: pl.DataFrame,
    reasons: pl.DataFrame,
    facts: pl.DataFrame,
    *,
    at_risk: Collection[str] = (),
    observed_at: datetime,
    settings: AlertSettings = DEFAULTS,
) -> pl.DataFrame:
    """Participations that call for an alert tonight, in the columns of `alerts.candidate`, by participation_id.

    Args:
        scores: `risk.score` with `course_title` (text, null); rows of other nights than `observed_at` are left aside.
            Probabilities may be null (no model): then only rules alert.
        reasons: `risk.reason`; likewise.
        facts: one row per active participation, of at least:
            participation_id, learner_id, programme_id (text);
            is_opted_out, is_on_leave (boolean): nobody is alerted about these learners;
            has_never_started (boolean): no activity in any of its enrolments in a course, ended ones included;
            false where it has none in a course (mentoring only);
            days_since_open (days, null without a course): since the earliest of its courses could be worked on, that
            is the later of enrolment and course start, without the learner's days away;
            days_since_match (days, null without an active match), silent_days (days without a meeting or message of
            the mentor, without days away), held_count, promised_count (meetings of the last four agreed intervals);
            is_first_meeting_overdue, is_mentor_silent, is_cadence_broken (boolean), as `mentoring_health` has them;
            open_tickets_count: open tickets of kind technical, access or documentation (content goes to the
            course's owner); overdue_commitments_count: open commitments past their due day;
            goal_gap_points (percentage points, null): how far the goal that is most behind stands under its timeline;
            attained_goals_count: goals attained in the last seven days; has_mentor (boolean): has an active match;
            active_days_7d: days with activity in the last seven;
            synchronous_tried_count, synchronous_answered_count, and the same asynchronous: how often the mentors
            sought the learner by either way, and how often that was answered;
            next_step (text, null): the next agreed step; an overdue commitment and a first meeting that was not held
            come before it;
            courses_count: its enrolments in courses; where there are several, a risk names its course.
        at_risk: participations with an open alert that began with a risk: they are told of until the learner is back,
            active on `resolve_active_days` of seven days with every probability under its floor.
        observed_at: tonight, UTC without a zone.
        settings: floors, days, minutes, and which rules alert.

    A risk candidate has an enrolment whose 28-day probability is at least max(floor, floor_over_base x the course's
    base share) and whose history is not too short; the participation takes its highest such enrolment. Risk wins
    over rules but for never_started, which says more than a score on too short a history; good news comes last.

    Raises:
        AlertInputError: a scored participation has no row in facts, or one has several; a rule has an unknown name.
    """
    tonight = scores.filter(pl.col("observed_at") == observed_at)
    _check(tonight, facts, settings)
    eligible = _with_rule(facts.filter(~pl.col("is_opted_out") & ~pl.col("is_on_leave")), settings)
    highest = pl.col("abandonment_probability_28d")
    ranked = (
        tonight.with_columns(
            is_risk=(
                ~pl.col("is_too_early")
                & (highest >= settings.floor_probability)
                & (highest >= settings.floor_over_base * pl.col("course_base_share").fill_null(0.0))
            ).fill_null(value=False)
        )
        .sort(
            "participation_id",
            "is_risk",
            "abandonment_probability_28d",
            "enrolment_id",
            descending=[False, True, True, False],
            nulls_last=True,
        )
        .unique("participation_id", keep="first", maintain_order=True)
        .drop("learner_id", "programme_id", "observed_at")
        .join(reasons.filter(pl.col("observed_at") == observed_at).drop("observed_at"), on="enrolment_id", how="left")
    )
    is_away = pl.col("active_days_7d").fill_null(0) < settings.resolve_active_days
    joined = (
        eligible.join(ranked, on="participation_id", how="left")
        .with_columns(
            is_risk=pl.col("is_risk").fill_null(value=False)
            | (pl.col("participation_id").is_in(list(at_risk)) & highest.is_not_null() & is_away)
        )
        .filter(pl.col("is_risk") | pl.col("rule").is_not_null())
    )
    is_told_as_risk = pl.col("is_risk") & (pl.col("rule") != "never_started").fill_null(value=True)
    chosen = _with_words(joined.with_columns(rule=pl.when(~is_told_as_risk).then("rule")))
    level = pl.coalesce(
        pl.col("rule").replace_strict(_levels(), default=None, return_dtype=pl.String),
        pl.col("level"),
        pl.lit(_LEVEL_WITHOUT_REASON),
    )
    is_good = pl.col("rule").is_in(list(GOOD_NEWS)).fill_null(value=False)
    return conform(
        chosen.with_columns(level=level)
        .with_columns(
            kind=pl.when(pl.col("rule").is_null())
            .then(pl.lit("risk"))
            .when(is_good)
            .then(pl.lit("good_news"))
            .otherwise(pl.lit("rule")),
            observed_at=pl.lit(observed_at, pl.Datetime("us")),
            is_too_early=pl.col("is_too_early").fill_null(value=False),
            channel=_channel(settings),
            next_step=pl.coalesce(
                pl.col("rule").replace_strict(_OUTSTANDING, default=None, return_dtype=pl.String), "next_step"
            ),
        )
        .with_columns(expected_minutes=pl.when(is_good).then(0).otherwise(_minutes(settings))),
        CANDIDATE,
    ).sort("participation_id")


def _levels() -> dict[str, str]:
    return {name: rule.level for name, rule in ({**RULES, **GOOD_NEWS}).items()}


def _minutes(settings: AlertSettings) -> pl.Expr:
    """A meeting takes what meetings of its level have taken; a message what the settings say."""
    usual = pl.col("level").replace_strict(settings.minutes_by_level, return_dtype=pl.Int64)
    meetings = pl.col("level").replace_strict(settings.meeting_minutes_by_level, default=None, return_dtype=pl.Int64)
    return pl.when(pl.col("channel") == "synchronous").then(pl.coalesce(meetings, usual)).otherwise(usual)


def _channel(settings: AlertSettings) -> pl.Expr:
    """What this learner has answered more of; for want of attempts, at once for social matters and high risk."""
    share = {
        mode: (pl.col(f"{mode}_answered_count").fill_null(0) + _ANSWERED_BEFORE / 2)
        / (pl.col(f"{mode}_tried_count").fill_null(0) + _ANSWERED_BEFORE)
        for mode in ("synchronous", "asynchronous")
    }
    tried = pl.sum_horizontal("synchronous_tried_count", "asynchronous_tried_count")
    by_answers = (tried >= _LEAST_ATTEMPTS) & (share["synchronous"] != share["asynchronous"])
    is_pressing = (pl.col("level") == "social") | (
        pl.col("abandonment_probability_28d") >= settings.synchronous_from_probability
    ).fill_null(value=False)
    is_synchronous = pl.when(by_answers).then(share["synchronous"] > share["asynchronous"]).otherwise(is_pressing)
    return pl.when(is_synchronous).then(pl.lit("synchronous")).otherwise(pl.lit("asynchronous"))


def _check(scores: pl.DataFrame, facts: pl.DataFrame, settings: AlertSettings) -> None:
    unknown = sorted(set(settings.rules) - set(RULES))
    if unknown:
        message = f"alert_rules: no rule is called {', '.join(unknown)}; there are {', '.join(RULES)}"
        raise AlertInputError(message)
    if facts["participation_id"].is_duplicated().any():
        message = "alert facts: participation_id stands more than once; give one row per active participation"
        raise AlertInputError(message)
    missing = scores.join(facts, on="participation_id", how="anti").height
    if missing:
        message = (
            f"alert facts: {missing} rows of risk.score have a participation_id without facts; "
            "give one row per active participation"
        )
        raise AlertInputError(message)


def _with_rule(facts: pl.DataFrame, settings: AlertSettings) -> pl.DataFrame:
    """Facts with the first rule that holds, good news last, null where none does; a null fact makes none hold."""
    holds = {
        "never_started": pl.col("has_never_started") & (pl.col("days_since_open") >= settings.never_started_days),
        "ticket_open": pl.col("open_tickets_count") > 0,
        "first_meeting_not_held": pl.col("is_first_meeting_overdue"),
        # Before the first meeting its own rule speaks.
        "mentor_silent": pl.col("is_mentor_silent") & ~pl.col("is_first_meeting_overdue"),
        "cadence_broken": pl.col("is_cadence_broken"),
        "commitment_overdue": pl.col("overdue_commitments_count") > 0,
        "goal_behind": pl.col("goal_gap_points") < -settings.goal_behind_points,
    }
    told = [name for name in RULES if name in settings.rules]
    if settings.has_good_news:
        holds["goal_attained"] = pl.col("has_mentor") & (pl.col("attained_goals_count") > 0)
        told.append("goal_attained")
    return facts.with_columns(
        rule=pl.coalesce(*(pl.when(holds[name]).then(pl.lit(name)) for name in told), pl.lit(None, pl.String))
    )


def _with_words(chosen: pl.DataFrame) -> pl.DataFrame:
    """A rule is its alert's first reason, before the model's first two of other families; each rule in words."""
    words = {
        "never_started": pl.format("has not started yet, {} days after opening", "days_since_open"),
        "ticket_open": _counted("open_tickets_count", "support ticket", "open"),
        "first_meeting_not_held": pl.format("no first meeting {} days after the match", "days_since_match"),
        "mentor_silent": pl.format("no session or message from the mentor for {} days", "silent_days"),
        "cadence_broken": pl.format(
            "{} of the last {} agreed meetings held", "held_count", pl.col("promised_count").round().cast(pl.Int64)
        ),
        "commitment_overdue": _counted("overdue_commitments_count", "commitment", "overdue"),
        "goal_behind": pl.format(
            "a goal is {} percentage points behind its timeline", (-pl.col("goal_gap_points")).round().cast(pl.Int64)
        ),
        "goal_attained": _counted("attained_goals_count", "goal", "attained this week"),
    }
    is_rule = pl.col("rule").is_not_null()
    is_of_several = (pl.col("courses_count") > 1).fill_null(value=False) & pl.col("course_title").is_not_null()
    chosen = chosen.with_columns(
        reason_1_text=pl.when(is_of_several & pl.col("reason_1_text").is_not_null())
        .then(pl.format("in {}: {}", "course_title", "reason_1_text"))
        .otherwise("reason_1_text")
    )
    family = pl.col("rule").replace_strict(
        {name: rule.family for name, rule in ({**RULES, **GOOD_NEWS}).items()}, default=None, return_dtype=pl.String
    )
    text = pl.coalesce(pl.when(pl.col("rule") == rule).then(said) for rule, said in words.items())
    # Where the model's own reason tells what the rule tells, the next one moves up.
    is_first, is_second = ((pl.col(f"reason_{place}_family") == family).fill_null(value=False) for place in (1, 2))
    is_told = {2: is_first, 3: is_first | is_second}
    return chosen.with_columns(
        reason_1_family=pl.when(is_rule).then(family).otherwise(pl.col("reason_1_family")),
        reason_1_text=pl.when(is_rule).then(text).otherwise(pl.col("reason_1_text")),
        **{
            f"reason_{place}_{part}": pl.when(is_rule & is_told[place])
            .then(pl.col(f"reason_{place}_{part}"))
            .when(is_rule)
            .then(pl.col(f"reason_{place - 1}_{part}"))
            .otherwise(pl.col(f"reason_{place}_{part}"))
            for place in (2, 3)
            for part in ("family", "text")
        },
    )


def _counted(count: str, thing: str, state: str) -> pl.Expr:
    """A number of things in a state, in words."""
    plural = pl.when(pl.col(count) == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    return pl.format("{} {}{} {}", pl.col(count), pl.lit(thing), plural, pl.lit(state))
