"""Whom to alert about tonight, why, and which alert of an earlier night goes on.

Belongs here: the floor, the rules, the level, the channel, one open alert a participation, cooldown.
Does not belong here: whose minutes an alert takes (`models.routing`), delivery, names.
An alert claims that abandonment is likely or that something agreed did not happen; never that a change would
lower the risk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from types import MappingProxyType

import polars as pl

from data_contracts.errors import PermanentError
from data_contracts.tables.alerts import ALERT, CANDIDATE
from models.contract import conform, schema_of

OPEN_STATES = ("new", "reviewed", "acted")
# In order of precedence: where several hold, the first one is told.
RULES = ("never_started", "ticket_open", "first_meeting_not_held", "mentor_silent", "commitment_overdue")
RULE_LEVEL: Mapping[str, str] = MappingProxyType(
    {
        "never_started": "technical",
        "ticket_open": "technical",
        "first_meeting_not_held": "social",
        "mentor_silent": "social",
        "commitment_overdue": "educational",
    }
)
_RULE_FAMILY: Mapping[str, str] = MappingProxyType(
    {
        "never_started": "recency",
        "ticket_open": "support",
        "first_meeting_not_held": "mentoring",
        "mentor_silent": "mentoring",
        "commitment_overdue": "commitments",
    }
)
# Without a reason to go by, pace and regularity are the first thing to talk about.
_LEVEL_WITHOUT_REASON = "methodological"
_ROUTING = ("mentor_id", "is_served", "unserved_reason", "route_kind")
_LIFE = ("alert_id", "state", "opened_at", "state_at")


class AlertInputError(PermanentError):
    """Scores and facts do not fit together."""


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """When there is an alert and how long it takes; the defaults are the design's, section 10."""

    floor_probability: float = 0.10
    floor_over_base: float = 2.0
    synchronous_from_probability: float = 0.30
    cooldown_days: int = 14
    never_started_days: int = 7
    first_meeting_days: int = 10
    silence_days: int = 14
    silence_over_agreed_interval: float = 1.5
    minutes_by_level: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType(
            {"methodological": 20, "educational": 30, "social": 15, "technical": 10}
        )
    )


DEFAULTS = AlertSettings()


def candidates(
    scores: pl.DataFrame,
    reasons: pl.DataFrame,
    facts: pl.DataFrame,
    *,
    observed_at: datetime,
    settings: AlertSettings = DEFAULTS,
) -> pl.DataFrame:
    """Participations that call for an alert tonight, in the columns of `alerts.candidate`, by participation_id.

    Args:
        scores: `risk.score`; rows of other nights than `observed_at` are left aside. Probabilities may be null
            (no model): then only rules alert.
        reasons: `risk.reason`; likewise.
        facts: one row per active participation, of at least:
            participation_id, learner_id, programme_id (text);
            is_opted_out, is_on_leave (boolean): nobody is alerted about these learners;
            has_never_started (boolean): no activity in any of its enrolments in a course, ended ones included;
            false where it has none in a course (mentoring only);
            days_since_open (whole days, null without a course): since the earliest of its courses could be worked
            on, that is the later of enrolment and course start;
            days_since_match (days, null without an active match);
            has_met (boolean): a session of this match was held;
            days_since_contact (days, null for never): since a held session or the mentor's last message;
            agreed_interval_days (days, null where no cadence is agreed);
            open_tickets_count: open tickets of kind technical, access or documentation (content goes to the
            course's owner); overdue_commitments_count: open commitments past their due day;
            next_step (text, null): the next agreed step, passed through.
        observed_at: tonight, UTC without a zone.
        settings: floors, days, minutes.

    A risk candidate has an enrolment whose 28-day probability is at least max(floor, floor_over_base x the course's
    base share) and whose history is not too short; the participation takes its highest such enrolment. Risk wins
    over rules but for never_started, which says more than a score on too short a history.

    Raises:
        AlertInputError: a scored participation has no row in facts, or one has several.
    """
    tonight = scores.filter(pl.col("observed_at") == observed_at)
    _check(tonight, facts)
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
    joined = eligible.join(ranked, on="participation_id", how="left").filter(
        pl.col("is_risk").fill_null(value=False) | pl.col("rule").is_not_null()
    )
    rule = (
        pl.when(pl.col("is_risk").fill_null(value=False) & (pl.col("rule") != "never_started").fill_null(value=True))
        .then(None)
        .otherwise(pl.col("rule"))
    )
    chosen = _with_words(joined.with_columns(rule=rule))
    level = pl.coalesce(
        pl.col("rule").replace_strict(RULE_LEVEL, default=None, return_dtype=pl.String),
        pl.col("level"),
        pl.lit(_LEVEL_WITHOUT_REASON),
    )
    return conform(
        chosen.with_columns(level=level).with_columns(
            kind=pl.when(pl.col("rule").is_null()).then(pl.lit("risk")).otherwise(pl.lit("rule")),
            observed_at=pl.lit(observed_at, pl.Datetime("us")),
            is_too_early=pl.col("is_too_early").fill_null(value=False),
            channel=pl.when(
                (pl.col("level") == "social")
                | (highest >= settings.synchronous_from_probability).fill_null(value=False)
            )
            .then(pl.lit("synchronous"))
            .otherwise(pl.lit("asynchronous")),
            expected_minutes=pl.col("level").replace_strict(settings.minutes_by_level, return_dtype=pl.Int64),
        ),
        CANDIDATE,
    ).sort("participation_id")


def open_or_continue(
    candidates: pl.DataFrame,
    previous_alerts: pl.DataFrame,
    *,
    observed_at: datetime,
    settings: AlertSettings = DEFAULTS,
) -> pl.DataFrame:
    """Tonight's alerts in the columns of `alerts.alert`: opened, continued and resolved ones, by participation_id.

    Args:
        candidates: what `candidates` returned for this night.
        previous_alerts: the whole history `alerts.alert`; rows of this night or later are left aside, so that a
            night run again gives the same.
        observed_at: tonight, UTC without a zone.
        settings: the cooldown.

    An open alert whose participation is a candidate still keeps its alert_id, state and opening, takes tonight's
    content, and carries last night's route for `models.routing` to confirm. One that is no candidate any more is
    resolved with its last content and route. A participation whose alert was resolved or dismissed under
    cooldown_days ago is not alerted; never_started alone breaks the cooldown, unless a mentor dismissed an alert.
    Of open alerts `is_served` is null until they are routed.
    """
    latest = (
        previous_alerts.filter(pl.col("observed_at") < observed_at)
        .sort("observed_at", "alert_id")
        .unique("participation_id", keep="last", maintain_order=True)
    )
    is_open = pl.col("state").is_in(OPEN_STATES)
    going_on = latest.filter(is_open)
    cooling = latest.filter(~is_open & (pl.col("state_at") > observed_at - timedelta(days=settings.cooldown_days)))
    continued = candidates.join(
        going_on.select("participation_id", *_LIFE, *_ROUTING), on="participation_id", how="inner"
    )
    opened = (
        candidates.join(going_on, on="participation_id", how="anti")
        .join(cooling.select("participation_id", ended_as="state"), on="participation_id", how="left")
        .filter(
            pl.col("ended_as").is_null()
            | ((pl.col("ended_as") == "resolved") & (pl.col("rule") == "never_started").fill_null(value=False))
        )
    )
    opened = opened.with_columns(
        alert_id=pl.Series(
            [
                alert_id(participation_id, kind, rule, observed_at)
                for participation_id, kind, rule in opened.select("participation_id", "kind", "rule").iter_rows()
            ],
            dtype=pl.String,
        ),
        state=pl.lit("new"),
        opened_at=pl.lit(observed_at, pl.Datetime("us")),
        state_at=pl.lit(observed_at, pl.Datetime("us")),
        **{name: pl.lit(None, schema_of(ALERT)[name]) for name in _ROUTING},
    )
    resolved = going_on.join(candidates, on="participation_id", how="anti").with_columns(
        state=pl.lit("resolved"),
        state_at=pl.lit(observed_at, pl.Datetime("us")),
        observed_at=pl.lit(observed_at, pl.Datetime("us")),
    )
    return pl.concat([conform(part, ALERT) for part in (continued, opened, resolved)]).sort("participation_id")


def alert_id(participation_id: str, kind: str, rule: str | None, opened_at: datetime) -> str:
    """First 32 hexadecimal digits of the SHA-256 of what the alert was when it opened; it stays for life."""
    words = f"{participation_id}|{kind}|{rule or ''}|{opened_at.isoformat()}"
    return sha256(words.encode()).hexdigest()[:32]


def _check(scores: pl.DataFrame, facts: pl.DataFrame) -> None:
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
    """Facts with the first rule that holds, null where none does; a null fact never makes a rule hold."""
    silence = pl.max_horizontal(
        pl.lit(settings.silence_days), settings.silence_over_agreed_interval * pl.col("agreed_interval_days")
    )
    holds = {
        "never_started": pl.col("has_never_started") & (pl.col("days_since_open") >= settings.never_started_days),
        "ticket_open": pl.col("open_tickets_count") > 0,
        "first_meeting_not_held": ~pl.col("has_met") & (pl.col("days_since_match") >= settings.first_meeting_days),
        # Before the first meeting its own rule speaks.
        "mentor_silent": pl.col("has_met")
        & pl.col("days_since_match").is_not_null()
        & (pl.col("days_since_contact") >= silence),
        "commitment_overdue": pl.col("overdue_commitments_count") > 0,
    }
    return facts.with_columns(rule=pl.coalesce(pl.when(holds[rule]).then(pl.lit(rule)) for rule in RULES))


def _with_words(chosen: pl.DataFrame) -> pl.DataFrame:
    """A rule is its alert's first reason, before the model's first two of other families; each rule in words."""
    words = {
        "never_started": pl.format("has not started yet, {} days after opening", "days_since_open"),
        "ticket_open": _counted("open_tickets_count", "support ticket", "open"),
        "first_meeting_not_held": pl.format("no first meeting {} days after the match", "days_since_match"),
        "mentor_silent": pl.format("no session or message from the mentor for {} days", "days_since_contact"),
        "commitment_overdue": _counted("overdue_commitments_count", "commitment", "overdue"),
    }
    is_rule = pl.col("rule").is_not_null()
    family = pl.col("rule").replace_strict(_RULE_FAMILY, default=None, return_dtype=pl.String)
    text = pl.coalesce(pl.when(pl.col("rule") == rule).then(words[rule]) for rule in RULES)
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
