"""build_defs(): assets, checks, jobs, schedules and resources put together, anew at each call.

Belongs here: the composition. Does not belong here: any definition of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import dagster as dg

from data_contracts.schema import Table
from data_contracts.tables import alerts, core, features, risk
from data_contracts.tables.inputs import RAW_INPUTS, RAW_STATEMENT
from data_contracts.tables.marts import MARTS
from pipelines.assets.alerts import ASSETS as ALERT_ASSETS
from pipelines.assets.core import ASSETS as CORE_ASSETS
from pipelines.assets.delivery import ASSETS as DELIVERY_ASSETS
from pipelines.assets.effect import ASSETS as EFFECT_ASSETS
from pipelines.assets.features import ASSETS as FEATURE_ASSETS
from pipelines.assets.learning import ASSETS as LEARNING_ASSETS
from pipelines.assets.marts import ASSETS as MART_ASSETS
from pipelines.assets.outcomes import ASSETS as OUTCOME_ASSETS
from pipelines.assets.outcomes import CHECKS as OUTCOME_CHECKS
from pipelines.assets.programme import ASSETS as PROGRAMME_ASSETS
from pipelines.assets.raw import ASSETS as RAW_ASSETS
from pipelines.assets.reports import ASSETS as REPORT_ASSETS
from pipelines.assets.returns import ASSETS as RETURN_ASSETS
from pipelines.assets.risk import ASSETS as RISK_ASSETS
from pipelines.assets.risk import CHECKS as RISK_CHECKS
from pipelines.checks import contract_check
from pipelines.launch import NIGHTLY, PUBLISH, REBUILD, TRAINING
from pipelines.resources import NightResource
from pipelines.sensors import ending_sensors, inbox_sensor, orphan_sensor

_CHECKED: Mapping[str, Table] = {
    "raw_statement": RAW_STATEMENT,
    "raw_enrolment": RAW_INPUTS["enrolment"],
    "core_statement": core.STATEMENT,
    "core_enrolment": core.ENROLMENT,
    "core_mentoring_event": core.MENTORING_EVENT,
    "core_goal": core.GOAL,
    "feat_enrolment_week": features.ENROLMENT_WEEK,
    "risk_score": risk.SCORE,
    "alert_current": alerts.ALERT,
}

# A night starts every 24 hours and may be late by two; a whole night that is missing is red.
_NIGHTLY_FRESH = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=50))
_FRESH = {"raw_statement", "risk_score", "alert_current", "publication"}

_TAKES_NOTHING_IN = {"resources": {"night": {"config": {"takes_in": False}}}}


def build_defs(*, resources: Mapping[str, object] | None = None, timezone: str = "UTC") -> dg.Definitions:
    """Fresh definitions; `resources` replaces the default ones (tests give a night of their own).

    `timezone` is the organisation's, in which the schedules tick.
    """
    in_process = dg.in_process_executor
    nightly = dg.define_asset_job(
        NIGHTLY,
        selection=dg.AssetSelection.all(),
        description="Takes in what is new, scores, alerts and publishes. 03:30 organisation time.",
        executor_def=in_process,
    )
    training = dg.define_asset_job(
        TRAINING,
        selection=dg.AssetSelection.assets("risk_quality").upstream(),
        description="Trains the risk model anew on every label whose window has closed.",
        executor_def=in_process,
        config={"ops": {"risk_model": {"config": {"retrain": True}}}},
    )
    rebuild = dg.define_asset_job(
        REBUILD,
        selection=dg.AssetSelection.groups("2_core", "2_programme", "3_features"),
        description="Computes core and features anew from schema raw; `handrail rebuild` fills that from the archive.",
        executor_def=in_process,
        config=_TAKES_NOTHING_IN,
    )
    # From core on, not from the marts on: what is published bears the name of all that was taken in.
    publication = dg.define_asset_job(
        PUBLISH,
        selection=dg.AssetSelection.all() - dg.AssetSelection.groups("1_raw"),
        description="Publishes what stands in schema raw, as of the last run's observation time; takes nothing in.",
        executor_def=in_process,
        config=_TAKES_NOTHING_IN,
    )
    checks = [contract_check(key, table) for key, table in _CHECKED.items()]
    checks += [
        contract_check(name, table, f"building.main.{name}") for name, table in MARTS.items() if name != "publication"
    ]
    return dg.Definitions(
        assets=dg.map_asset_specs(
            _with_freshness,
            [
                *RAW_ASSETS,
                *CORE_ASSETS,
                *PROGRAMME_ASSETS,
                *FEATURE_ASSETS,
                *RISK_ASSETS,
                *ALERT_ASSETS,
                *MART_ASSETS,
                *LEARNING_ASSETS,
                *EFFECT_ASSETS,
                *OUTCOME_ASSETS,
                *RETURN_ASSETS,
                *DELIVERY_ASSETS,
                *REPORT_ASSETS,
            ],
        ),
        asset_checks=[*checks, *RISK_CHECKS, *OUTCOME_CHECKS],
        jobs=[nightly, training, rebuild, publication],
        sensors=[inbox_sensor(nightly), *ending_sensors([nightly, training, publication]), orphan_sensor()],
        schedules=[
            dg.ScheduleDefinition(
                name="nightly_schedule",
                job=nightly,
                cron_schedule="30 3 * * *",
                execution_timezone=timezone,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Every night at 03:30 organisation time.",
            ),
            dg.ScheduleDefinition(
                name="training_schedule",
                job=training,
                cron_schedule="0 2 * * 0",
                execution_timezone=timezone,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Every Sunday at 02:00 organisation time, before the night.",
            ),
        ],
        resources={"night": NightResource(), **(resources or {})},
        executor=in_process,
    )


def _with_freshness(spec: dg.AssetSpec) -> dg.AssetSpec:
    is_watched = spec.key.to_user_string() in _FRESH
    return spec.replace_attributes(freshness_policy=_NIGHTLY_FRESH) if is_watched else spec
