"""Groups 6_*: what dashboards read, built aside, checked, and published in one swap.

Every mart is an asset of its own, under its bare name, since that is the name a dashboard's author looks for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import cleandoc
from typing import Any

import dagster as dg
import polars as pl

from data_contracts.errors import GateError
from data_contracts.tables.marts import MARTS, MARTS_CONTRACT_VERSION
from models.alert_quality import alert_quality
from pipelines import __version__, charts, runs
from pipelines.assets import Outcome, report_url, table_asset
from pipelines.assets.risk import champion
from pipelines.home import now, told_instant
from pipelines.marts import MART_QUERIES, MartContext
from pipelines.marts import alert_quality as judged
from pipelines.preview import largest
from pipelines.resources import Night

GROUP, MENTORING, PROGRAMMES, EVIDENCE = "6_marts", "6_mentoring", "6_programmes", "6_evidence"
_GROUPS: Mapping[str, str] = {
    "alert_cards": MENTORING,
    "unserved_risk": MENTORING,
    "mentoring_health": MENTORING,
    "mentor_load": MENTORING,
    "goal_progress": MENTORING,
    "community_weekly": MENTORING,
    "programme_demand": PROGRAMMES,
    "course_issues": EVIDENCE,
    "model_quality": EVIDENCE,
    "model_fairness": EVIDENCE,
    "data_quality": EVIDENCE,
}

_DEPS: Mapping[str, tuple[str, ...]] = {
    "dim_programme": ("core_participation",),
    "dim_course": ("core_enrolment",),
    "dim_mentor": ("core_participation",),
    "dim_learner": ("core_enrolment",),
    "dim_date": ("core_enrolment",),
    "learner_alerts": ("alert_current",),
    "alert_cards": ("alert_current", "core_goal"),
    "alert_quality": ("alert_current",),
    "learner_risk": ("risk_score",),
    "unserved_risk": ("alert_unserved",),
    "engagement_weekly": ("core_enrolment_day", "core_submission", "core_enrolment"),
    "mentoring_health": ("core_goal", "core_away_day", "core_enrolment"),
    "mentor_load": ("core_mentor_week", "alert_current"),
    "goal_progress": ("core_goal",),
    "programme_demand": ("core_registration",),
    "community_weekly": ("core_enrolment_day", "core_enrolment"),
    "course_issues": ("core_submission", "core_enrolment"),
    "model_quality": ("risk_quality", "risk_drift"),
    "model_fairness": ("risk_model",),
    "data_quality": (
        "alert_unserved",
        "core_submission",
        "core_participation",
        "core_goal",
        "core_registration",
        "core_away_day",
        "core_mentor_week",
        "feat_enrolment_week",
        "risk_quality",
    ),
}


def write(night: Night, name: str, select: str) -> int:
    """Build a mart from a query; returns its rows."""
    return night.build.write(MARTS[name], select, night.publication_id)


def write_frame(night: Night, name: str, rows: pl.DataFrame) -> int:
    """Build a mart from a frame; returns its rows."""
    night.warehouse.con.register("handrail_mart", rows)
    written = write(night, name, "FROM handrail_mart")
    night.warehouse.con.unregister("handrail_mart")
    return written


def _about(name: str) -> str:
    """The mart's grain, and what its query says of it."""
    return f"{MARTS[name].grain.capitalize()}. {cleandoc(MART_QUERIES[name].__doc__ or '')}"


_DRAWN: Mapping[str, tuple[str, Callable[[Night], dg.MetadataValue]]] = {
    "engagement_weekly": ("by_week", charts.engagement),
    "mentor_load": ("by_mentor_load", charts.minutes_by_load),
    "learner_alerts": ("by_level", charts.alerts_by_level),
    "data_quality": ("quarantine", charts.quarantine),
}


def _query_mart(name: str) -> dg.AssetsDefinition:
    drawn = _DRAWN.get(name)

    @wraps(MART_QUERIES[name])  # the reference to the code leads to the query
    def build(night: Night) -> Outcome:
        written = write(night, name, MART_QUERIES[name](MartContext.of(night)))
        return written, {drawn[0]: drawn[1](night)} if drawn else {}

    face = table_asset(MARTS[name], group=_GROUPS.get(name, GROUP), key=name, deps=_DEPS[name], about=_about(name))
    return face(build)


@table_asset(
    MARTS["alert_quality"],
    group=MENTORING,
    key="alert_quality",
    deps=_DEPS["alert_quality"],
    kinds=("polars", "duckdb"),
)
def alert_quality_mart(night: Night) -> Outcome:
    """No figure about a single mentor. A low precision may be a good mentor: who is contacted in time stays."""
    context, days = MartContext.of(night), night.settings.abandon_after_days
    alerts = night.warehouse.frame(judged.judged_alerts(context, abandon_after_days=days))
    weeks = int(night.warehouse.scalar(judged.mentor_weeks(context, abandon_after_days=days)))
    return write_frame(night, "alert_quality", alert_quality(alerts, mentor_weeks=weeks))


@table_asset(
    MARTS["publication"], group=GROUP, key="publication", deps=tuple(name for name in MARTS if name != "publication")
)
def publication(night: Night) -> tuple[int, Mapping[str, Any]]:
    """The swap: every mart holds its contract, then the new file takes the old one's place, and the pointer follows."""
    _gate(night)
    warehouse, file = night.warehouse, night.home.marts_file
    row_counts = {
        name: int(warehouse.scalar(f"SELECT count(*) FROM building.main.{name}"))
        for name in MARTS
        if name != "publication"
    }
    published_at = now()
    row = pl.DataFrame(
        {
            "run_id": [night.run_id],
            "published_at": [published_at.replace(tzinfo=None)],
            "observed_at": [night.observed_naive],
            "contract_version": [MARTS_CONTRACT_VERSION],
            "model_id": pl.Series([champion(night)], dtype=pl.String),
            "code_version": [__version__],
            "settings": [night.settings.public_json()],
            "row_counts": [json.dumps(row_counts, sort_keys=True)],
            "failed_sources": [runs.row_of(night.warehouse, night.run_id).failed_sources],
        }
    )
    written = write_frame(night, "publication", row)
    night.build.swap(file, night.home.marts, night.publication_id)
    warehouse.execute(
        "UPDATE ops.run SET state = 'published', publication_id = ?, ended_at = ? WHERE run_id = ?",
        [night.publication_id, published_at.replace(tzinfo=None), night.run_id],
    )
    return written, {
        "publication_id": night.publication_id,
        "observed_at": told_instant(night.observed_at),
        "rows_in_all_marts": sum(row_counts.values()),
        "dagster/size_bytes": file.stat().st_size,
        "preview": largest(row_counts),
        "reports": report_url(night, "index.html"),
        "last_night": report_url(night, "nightly.html"),
    }


def _gate(night: Night) -> None:
    """Refuse to publish unless every mart's contract was judged in this run and held.

    Raises:
        GateError: a mart broke its contract or was not judged; yesterday's marts stay.
    """
    passed = {
        str(row[0])
        for row in night.warehouse.rows(
            "SELECT table_name FROM ops.check_result WHERE run_id = ? GROUP BY table_name HAVING bool_and(is_passed)",
            [night.run_id],
        )
    }
    failing = sorted(
        name for name, table in MARTS.items() if name != "publication" and table.qualified_name not in passed
    )
    if failing:
        message = (
            f"not published: {', '.join(failing)} did not hold its contract; the marts of the last publication stay"
        )
        raise GateError(message)


ASSETS = [
    *(_query_mart(name) for name in MART_QUERIES),
    alert_quality_mart,
    publication,
]
