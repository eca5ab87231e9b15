"""Marts of group 6_programmes about how people learn: the mix of strands, and how learning becomes practice."""

from __future__ import annotations

import dagster as dg

from data_contracts.tables.marts import MARTS
from models.learning_mix import learning_mix
from models.practice import learning_transfer
from pipelines.accounts import accounts
from pipelines.assets import Outcome, table_asset
from pipelines.assets.marts import PROGRAMMES, write_frame
from pipelines.marts import MartContext, practice
from pipelines.plots import mix_bars
from pipelines.resources import Night


@table_asset(
    MARTS["learning_mix"],
    group=PROGRAMMES,
    key="learning_mix",
    deps=("core_enrolment_day", "core_submission", "core_mentoring_event", "core_goal", "core_participation"),
    kinds=("polars", "duckdb"),
)
def learning_mix_mart(night: Night) -> Outcome:
    """Beside the programme's own target. The split describes; most of the 70 is unobserved, so read coverage first."""
    books = accounts(night)
    rows = learning_mix(books.evidence, books.allocation.costs, books.active, books.programmes)
    told = {"mix": dg.MetadataValue.md(mix_bars(rows)), "rows_suppressed": int(rows["is_suppressed"].sum())}
    return write_frame(night, "learning_mix", rows), told


@table_asset(
    MARTS["learning_transfer"],
    group=PROGRAMMES,
    key="learning_transfer",
    deps=("core_enrolment_day", "core_enrolment", "core_mentoring_event", "core_goal", "core_participation"),
    kinds=("polars", "duckdb"),
)
def learning_transfer_mart(night: Night) -> Outcome:
    """With and without mentoring is a comparison of those who had it with those who had not, and no effect."""
    context, warehouse = MartContext.of(night), night.warehouse
    rows = learning_transfer(
        warehouse.frame(practice.learners(context)),
        warehouse.frame(practice.after_training(context)),
        warehouse.frame(practice.matches(context)),
    )
    return write_frame(night, "learning_transfer", rows), {"rows_suppressed": int(rows["is_suppressed"].sum())}


ASSETS = [learning_mix_mart, learning_transfer_mart]
