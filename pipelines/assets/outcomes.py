"""Marts of group 6_programmes about what programmes are for: goals, surveys, fair comparison."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from data_contracts.tables.marts import MARTS
from models import surveys
from models.attainment import by_learner, programme_outcome
from models.comparison import known_outcomes, programme_comparison
from pipelines.assets import table_asset
from pipelines.assets.marts import PROGRAMMES, write_frame
from pipelines.marts import MartContext, comparison, outcomes
from pipelines.marts.demand import programme_demand
from pipelines.resources import Night, NightResource

WAY_OUT = (
    "measure goals at least once (goal_update), or ask the same questions at the start and at the end (survey_response); "
    "which outcomes an aim is judged by stands in docs/outcomes.md"
)


@table_asset(
    MARTS["programme_outcome"],
    group=PROGRAMMES,
    key="programme_outcome",
    deps=("core_goal", "core_participation", "raw_survey_response"),
    kinds=("polars", "duckdb"),
)
def programme_outcome_mart(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Without a start nothing has changed that could be told: such an outcome says that it is not measurable."""
    context, read = MartContext.of(night), night.warehouse.frame
    rows = programme_outcome(
        read(outcomes.programmes(context)),
        read(outcomes.goals(context)),
        read(outcomes.answers(context)),
        outcomes.as_subjects(read(outcomes.asked(context)), night.pseudonyms),
    )
    is_measurable = pl.col("verdict") == "measurable"
    return write_frame(night, "programme_outcome", rows), {"measurable": rows.filter(is_measurable).height}


@table_asset(
    MARTS["programme_comparison"],
    group=PROGRAMMES,
    key="programme_comparison",
    deps=("programme_outcome", "programme_demand", "core_registration"),
    kinds=("polars", "duckdb"),
)
def programme_comparison_mart(night: Night) -> int:
    """Who was chosen for a high score was partly lucky; read the adjusted difference, not the gain as it is."""
    context, read = MartContext.of(night), night.warehouse.frame
    known = known_outcomes(
        read(comparison.participants(context)),
        by_learner(read(outcomes.goals(context))),
        surveys.pairs(read(outcomes.answers(context))),
    )
    rows = programme_comparison(known, read(comparison.programmes(context)), read(programme_demand(context)))
    return write_frame(night, "programme_comparison", rows)


@dg.asset_check(
    asset="programme_outcome",
    name="programme_outcome_measurable",
    description="Each programme has a primary outcome of its learners that can be told; one that has none is named.",
)
def programme_outcome_measurable(night: NightResource) -> dg.AssetCheckResult:
    """Which programmes cannot tell what they are for; it stops nothing."""
    judged = night.night.warehouse.rows(
        "SELECT programme_id, bool_or(verdict = 'measurable'), string_agg(DISTINCT construct || ': ' || reason, '; ' "
        "ORDER BY construct || ': ' || reason) FROM building.main.programme_outcome "
        "WHERE subject_type = 'learner' AND primary_rank IS NOT NULL GROUP BY programme_id ORDER BY programme_id"
    )
    without = [(programme_id, reasons or "") for programme_id, is_told, reasons in judged if not is_told]
    records = [
        dg.TableRecord({"programme_id": programme_id, "reasons": reasons}) for programme_id, reasons in without[:15]
    ]
    return dg.AssetCheckResult(
        passed=not without,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"programmes": len(judged), "not_measurable": len(without)}
        | ({"way_out": WAY_OUT, "not_measurable_programmes": dg.MetadataValue.table(records)} if without else {}),
    )


ASSETS = [programme_outcome_mart, programme_comparison_mart]
CHECKS = [programme_outcome_measurable]
