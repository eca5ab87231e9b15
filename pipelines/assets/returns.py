"""Marts of group 6_programmes about money: what programmes cost and returned."""

from __future__ import annotations

import dagster as dg
import polars as pl

from data_contracts.tables.marts import MARTS
from models import cost_per_result, principles, roi_drivers
from models.roi import programme_roi
from pipelines.accounts import ledger
from pipelines.assets import Outcome, table_asset
from pipelines.assets.marts import PROGRAMMES, write_frame
from pipelines.marts import money
from pipelines.plots import roi_intervals
from pipelines.resources import Night

_KINDS = ("polars", "duckdb")


def _built(night: Night) -> pl.DataFrame:
    """The mart `programme_roi` of tonight."""
    return night.warehouse.frame("FROM building.main.programme_roi ORDER BY ALL")


@table_asset(
    MARTS["programme_roi"],
    group=PROGRAMMES,
    key="programme_roi",
    deps=("learning_mix", "mentoring_effect"),
    kinds=_KINDS,
)
def programme_roi_mart(night: Night) -> Outcome:
    """Phillips: fully loaded cost, benefit by isolation, intervals by Monte Carlo; withheld where it cannot be said."""
    rows = programme_roi(ledger(night))
    told = {
        "roi": dg.MetadataValue.md(roi_intervals(rows)),
        "programmes_with_roi": rows.filter("is_headline", pl.col("roi_percent").is_not_null())[
            "programme_id"
        ].n_unique(),
        "rows_suppressed": int(rows["is_suppressed"].sum()),
    }
    return write_frame(night, "programme_roi", rows), told


@table_asset(MARTS["roi_driver"], group=PROGRAMMES, key="roi_driver", deps=("programme_roi",), kinds=_KINDS)
def roi_driver_mart(night: Night) -> Outcome:
    """One input at a time; what moves an ROI most is what is worth knowing better."""
    return write_frame(night, "roi_driver", roi_drivers.roi_driver(ledger(night), _built(night)))


@table_asset(MARTS["roi_principle"], group=PROGRAMMES, key="roi_principle", deps=("programme_roi",), kinds=_KINDS)
def roi_principle_mart(night: Night) -> Outcome:
    """Null where no data can tell, or where nothing is claimed that could break it."""
    surveys = night.warehouse.frame(money.survey_levels(night.observed_sql))
    rows = principles.roi_principle(ledger(night), _built(night), surveys)
    broken = rows.filter(~pl.col("is_principle_kept"))
    told = {"principles_broken": broken.height}
    return write_frame(night, "roi_principle", rows), told


@table_asset(MARTS["cost_per_result"], group=PROGRAMMES, key="cost_per_result", deps=("learning_mix",), kinds=_KINDS)
def cost_per_result_mart(night: Night) -> Outcome:
    """Each delivery's part of what a result of the whole programme cost; no comparison of deliveries."""
    return write_frame(night, "cost_per_result", cost_per_result.cost_per_result(ledger(night)))


ASSETS = [programme_roi_mart, roi_driver_mart, roi_principle_mart, cost_per_result_mart]
