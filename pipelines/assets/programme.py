"""Group 2_programme: the programme side of core: participations, demand, mentoring and what was agreed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_contracts.tables import core
from pipelines import charts
from pipelines.assets import table_asset
from pipelines.core.agreements import build_commitments, build_goal_updates, build_goals
from pipelines.core.enrolments import build_participations
from pipelines.core.mentoring import build_matches, build_mentoring_events, find_gaps
from pipelines.core.presence import build_away_days, build_mentor_weeks
from pipelines.core.registrations import build_registrations
from pipelines.resources import Night

GROUP = "2_programme"


@table_asset(
    core.MENTORING_MATCH, group=GROUP, key="core_mentoring_match", deps=("raw_mentoring_match", "raw_programme")
)
def core_mentoring_match(night: Night) -> int:
    """Who is matched with whom, since when it is known, and whether purpose and mentor fit."""
    return build_matches(night)


@table_asset(core.REGISTRATION, group=GROUP, key="core_registration", deps=("core_mentoring_match",))
def core_registration(night: Night) -> int:
    """Demand, learner by learner: invited, registered, matched, waiting or declined."""
    return build_registrations(night)


@table_asset(core.PARTICIPATION, group=GROUP, key="core_participation", deps=("core_enrolment", "core_mentoring_match"))
def core_participation(night: Night) -> tuple[int, Mapping[str, Any]]:
    """The unit of alerts, effect and ROI: completed when its required courses are, abandoned with its last one."""
    return build_participations(night), {"survival": charts.survival(night)}


@table_asset(core.MENTORING_EVENT, group=GROUP, key="core_mentoring_event", deps=("core_mentoring_match",))
def core_mentoring_event(night: Night) -> int:
    """What was planned, held, missed or written; a group's session is one meeting; who answered whom, and when."""
    return build_mentoring_events(night)


@table_asset(core.MENTOR_WEEK, group=GROUP, key="core_mentor_week", deps=("core_mentoring_event",))
def core_mentor_week(night: Night) -> int:
    """One capacity serves all of a mentor's programmes, by the mentor's own week."""
    return build_mentor_weeks(night)


@table_asset(core.GOAL, group=GROUP, key="core_goal", deps=("core_mentoring_event", "core_enrolment"))
def core_goal(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Goals with their history, measures by the agreement then in force, commitments and their review.

    How much of the logs could not be joined stands in core.mentoring_finding.
    """
    goals, updates, commitments = build_goals(night), build_goal_updates(night), build_commitments(night)
    find_gaps(night)
    return goals, {"rows_goal_update": updates, "rows_commitment": commitments, **_gaps(night)}


@table_asset(core.AWAY_DAY, group=GROUP, key="core_away_day", deps=("core_mentoring_match", "core_enrolment"))
def core_away_day(night: Night) -> int:
    """Silence on these days is no sign of anything."""
    return build_away_days(night)


def _gaps(night: Night) -> dict[str, int]:
    found = night.warehouse.rows(
        "SELECT finding, CAST(sum(found_count) AS BIGINT) FROM core.mentoring_finding GROUP BY finding ORDER BY finding"
    )
    return {f"{finding}_count": count for finding, count in found}


ASSETS = [
    core_mentoring_match,
    core_registration,
    core_participation,
    core_mentoring_event,
    core_mentor_week,
    core_goal,
    core_away_day,
]
