"""Group 6_marts: what dashboards read, built aside, checked, and published in one swap.

Every mart is an asset of its own, under its bare name, since that is the name a dashboard's author looks for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

import dagster as dg
import polars as pl

from data_contracts.errors import GateError
from data_contracts.tables.inputs import RAW_INPUTS
from data_contracts.tables.marts import MARTS, MARTS_CONTRACT_VERSION
from models.alert_quality import alert_quality
from models.effect import not_estimated
from models.learning_mix import Allocation, allocate_costs, learning_mix, with_currency
from models.roi import ROISettings, programme_roi, with_time_costs
from pipelines import __version__, runs
from pipelines.assets import Outcome, table_asset
from pipelines.assets.risk import champion
from pipelines.home import now
from pipelines.marts import MART_QUERIES, MartContext, money
from pipelines.marts import alert_quality as judged
from pipelines.resources import Night
from pipelines.warehouse import current

GROUP = "6_marts"

NOT_ESTIMATED = "the effect of mentoring is not estimated yet"

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
    "learning_mix": ("core_enrolment_day", "core_submission", "core_mentoring_event", "core_participation"),
    "mentoring_effect": ("core_participation", "core_mentoring_event"),
    "programme_roi": ("learning_mix", "mentoring_effect"),
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


def _write(night: Night, name: str, select: str) -> int:
    return night.build.write(MARTS[name], select, night.publication_id)


def _write_frame(night: Night, name: str, rows: pl.DataFrame) -> int:
    night.warehouse.con.register("handrail_mart", rows)
    written = _write(night, name, "FROM handrail_mart")
    night.warehouse.con.unregister("handrail_mart")
    return written


def _about(name: str) -> str:
    """The mart's grain, and what its query says of it."""
    return f"{MARTS[name].grain.capitalize()}. {cleandoc(MART_QUERIES[name].__doc__ or '')}"


def _query_mart(name: str) -> dg.AssetsDefinition:
    @table_asset(MARTS[name], group=GROUP, key=name, deps=_DEPS[name], about=_about(name))
    def asset(night: Night) -> Outcome:
        return _write(night, name, MART_QUERIES[name](MartContext.of(night)))

    return asset


def _money(night: Night) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Allocation]:
    """Programmes with their currency, evidence, active participations, and costs brought to programmes."""
    warehouse, before, tonight = night.warehouse, night.observed_sql, night.tonight_epoch_day
    costs = warehouse.frame(f"FROM {current(RAW_INPUTS['programme_cost'], before)}")
    benefits = warehouse.frame(f"FROM {current(RAW_INPUTS['programme_benefit'], before)}")
    programmes = with_currency(warehouse.frame(money.programmes(before)), costs, benefits)
    evidence = warehouse.frame(money.evidence(before, tonight))
    active = warehouse.frame(money.active(tonight))
    allocation = allocate_costs(costs, active, programmes)
    minutes = warehouse.frame(money.mentor_minutes(tonight))
    loaded = with_time_costs(allocation.costs, evidence, minutes, programmes)
    return programmes, evidence, active, Allocation(loaded, allocation.withheld)


@table_asset(
    MARTS["alert_quality"],
    group=GROUP,
    key="alert_quality",
    deps=_DEPS["alert_quality"],
    kinds=("polars", "duckdb"),
)
def alert_quality_mart(night: Night) -> Outcome:
    """No figure about a single mentor. A low precision may be a good mentor: who is contacted in time stays."""
    context, days = MartContext.of(night), night.settings.abandon_after_days
    alerts = night.warehouse.frame(judged.judged_alerts(context, abandon_after_days=days))
    weeks = int(night.warehouse.scalar(judged.mentor_weeks(context, abandon_after_days=days)))
    return _write_frame(night, "alert_quality", alert_quality(alerts, mentor_weeks=weeks))


@table_asset(
    MARTS["learning_mix"], group=GROUP, key="learning_mix", deps=_DEPS["learning_mix"], kinds=("polars", "duckdb")
)
def learning_mix_mart(night: Night) -> Outcome:
    """Beside the programme's own target. The split describes; most of the 70 is unobserved, so read coverage first."""
    programmes, evidence, active, allocation = _money(night)
    return _write_frame(night, "learning_mix", learning_mix(evidence, allocation.costs, active, programmes))


@table_asset(MARTS["mentoring_effect"], group=GROUP, key="mentoring_effect", deps=_DEPS["mentoring_effect"])
def mentoring_effect_mart(night: Night) -> Outcome:
    """A causal difference or nothing: until it is estimated, each row says that it cannot be said, and why."""
    return _write_frame(night, "mentoring_effect", _effects(night))


def _effects(night: Night) -> pl.DataFrame:
    return not_estimated(
        night.warehouse.frame(money.programmes(night.observed_sql)),
        night.warehouse.frame(money.effect_counts(night.tonight_epoch_day)),
        reason=NOT_ESTIMATED,
    )


@table_asset(
    MARTS["programme_roi"], group=GROUP, key="programme_roi", deps=_DEPS["programme_roi"], kinds=("polars", "duckdb")
)
def programme_roi_mart(night: Night) -> Outcome:
    """Phillips: fully loaded cost, benefit by isolation, intervals by Monte Carlo; withheld where it cannot be said."""
    before, tonight = night.observed_sql, night.tonight_epoch_day
    programmes, _, _, allocation = _money(night)
    rows = programme_roi(
        programmes,
        allocation.costs,
        night.warehouse.frame(f"FROM {current(RAW_INPUTS['programme_benefit'], before)}"),
        night.warehouse.frame(money.counts(tonight)),
        withheld=allocation.withheld,
        effects=_effects(night),
        observed_on=night.observed_naive.date(),
        settings=ROISettings(seed=night.settings.seed),
    )
    return _write_frame(night, "programme_roi", rows)


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
    written = _write_frame(night, "publication", row)
    night.build.swap(file, night.home.marts, night.publication_id)
    warehouse.execute(
        "UPDATE ops.run SET state = 'published', publication_id = ?, ended_at = ? WHERE run_id = ?",
        [night.publication_id, published_at.replace(tzinfo=None), night.run_id],
    )
    return written, {"publication_id": night.publication_id, "dagster/size_bytes": file.stat().st_size}


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
    learning_mix_mart,
    mentoring_effect_mart,
    programme_roi_mart,
    publication,
]
