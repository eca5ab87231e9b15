"""What mentoring changed: estimated in group 4_risk before alerts are ranked, published in group 6_evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from data_contracts.tables import effects as tables
from data_contracts.tables.marts import MARTS
from models.effect import ESTIMANDS
from models.suppression import SMALL_CELL
from pipelines.assets import Outcome, table_asset
from pipelines.assets.marts import EVIDENCE, write
from pipelines.assets.risk import GROUP as RISK_GROUP
from pipelines.effect_record import bring_up_to_date
from pipelines.plots import effect_intervals, overlap_curves
from pipelines.resources import Night

_COUNTS = ("treated_count", "treated_events_count", "controls_count", "controls_events_count")


@table_asset(
    tables.EFFECT,
    group=RISK_GROUP,
    key="risk_effect",
    deps=("core_enrolment_day", "core_submission", "core_participation", "core_mentoring_event", "core_mentor_week"),
    kinds=("scikitlearn", "duckdb"),
)
def risk_effect(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Weekly target trials, weighted by the chance of contact; estimated anew when a trial changed, which is once a week.

    Balance, overlap and checks lie beside it in `risk.effect_balance`, `risk.effect_overlap` and `risk.effect_check`.
    """
    counts = bring_up_to_date(night)
    return night.warehouse.count(tables.EFFECT), counts


@table_asset(MARTS["mentoring_effect"], group=EVIDENCE, key="mentoring_effect", deps=("risk_effect",))
def mentoring_effect_mart(night: Night) -> Outcome:
    """A causal difference with its interval, or the reason why it cannot be said; read the verdict before the number."""
    counts = ", ".join(f"CASE WHEN {name} = 0 OR {name} >= {SMALL_CELL} THEN {name} END AS {name}" for name in _COUNTS)
    written = write(night, "mentoring_effect", f"SELECT * EXCLUDE trials_digest REPLACE ({counts}) FROM risk.effect")
    effects = night.warehouse.frame("FROM risk.effect")
    drawn = {name: dg.MetadataValue.md(effect_intervals(effects, name)) for name in ESTIMANDS}
    verdicts = effects.filter(subgroup_kind="all")["verdict"].value_counts(sort=True)
    return written, drawn | {f"contrasts_{verdict}": count for verdict, count in verdicts.iter_rows()}


@table_asset(MARTS["effect_overlap"], group=EVIDENCE, key="effect_overlap", deps=("risk_effect",))
def effect_overlap_mart(night: Night) -> Outcome:
    """Where the treated have no controls like them, nothing can be said of them."""
    written = write(night, "effect_overlap", "FROM risk.effect_overlap")
    first = "SELECT min(programme_id) FROM risk.effect_overlap"
    rows = night.warehouse.frame(f"FROM risk.effect_overlap WHERE programme_id = ({first})")
    drawn = {name: dg.MetadataValue.md(overlap_curves(rows.filter(contrast=name))) for name in ESTIMANDS}
    return written, drawn


def _copied(name: str, about: str) -> dg.AssetsDefinition:
    @table_asset(MARTS[name], group=EVIDENCE, key=name, deps=("risk_effect",), about=about)
    def asset(night: Night) -> Outcome:
        return write(night, name, f"FROM risk.{name}")

    return asset


ASSETS = [
    risk_effect,
    mentoring_effect_mart,
    effect_overlap_mart,
    _copied(
        "effect_balance", "Covariates as of the week's beginning; more than a tenth of a standard deviation is much."
    ),
    _copied("effect_check", "An estimate that other means contradict is weak; no check finds a hidden confounder."),
]
