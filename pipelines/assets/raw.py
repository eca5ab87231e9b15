"""Group 1_raw: what came in through the doors, identities replaced, bad rows in quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from data_contracts.tables.inputs import RAW_INPUTS, RAW_STATEMENT
from pipelines import charts
from pipelines.assets import table_asset
from pipelines.resources import Night
from pipelines.sources.take_in import take_in

# One asset for each subject of the inputs; it takes these tables in and bears the name of its principal one.
SUBJECTS = {
    "programme": (
        "programme",
        "course",
        "programme_course",
        "activity",
        "calendar",
        "programme_cost",
        "programme_benefit",
    ),
    "learner": ("learner", "learner_identity", "registration", "absence"),
    "enrolment": ("enrolment",),
    "mentoring_match": (
        "mentor",
        "mentor_availability",
        "mentoring_match",
        "mentoring_session",
        "mentoring_message",
        "goal",
        "goal_update",
        "commitment",
    ),
    "survey_response": ("survey_response", "support_ticket", "work_activity", "alert_feedback"),
}
_AFTER = {"enrolment": ("raw_programme",), "mentoring_match": ("raw_programme",)}


def _rows(night: Night, tables: tuple[str, ...]) -> Mapping[str, Any]:
    return {f"rows_{name}": night.warehouse.count(RAW_INPUTS[name]) for name in tables if name in RAW_INPUTS}


def _subject(name: str, tables: tuple[str, ...]) -> dg.AssetsDefinition:
    @table_asset(
        RAW_INPUTS[name],
        group="1_raw",
        key=f"raw_{name}",
        deps=_AFTER.get(name, ()),
        kinds=("duckdb", "csv"),
        about=f"Takes in {', '.join(f'`{table}`' for table in tables)}, once by content; bad rows go to quarantine.",
    )
    def asset(night: Night) -> tuple[int, Mapping[str, Any]]:
        taken = take_in(night, tables)
        refused = {"quarantine": charts.quarantine(night, tables)}
        return night.warehouse.count(RAW_INPUTS[name]), {**_rows(night, tables), **taken, **refused}

    return asset


@table_asset(RAW_STATEMENT, group="1_raw", key="raw_statement", kinds=("duckdb", "json"))
def raw_statement(night: Night) -> tuple[int, Mapping[str, Any]]:
    """XAPI statements, judged by the standard's rules; every identifier is replaced before anything is stored."""
    taken = take_in(night, ("xapi",))
    drawn = {"lateness": charts.lateness(night), "quarantine": charts.quarantine(night, ("statement",))}
    archived = sum(file.stat().st_size for file in (night.home.archive / "statement").rglob("*.parquet"))
    return night.warehouse.count(RAW_STATEMENT), {**taken, **drawn, "dagster/size_bytes": archived}


ASSETS = [*(_subject(name, tables) for name, tables in SUBJECTS.items()), raw_statement]
