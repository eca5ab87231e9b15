"""The books of a night: programmes with their currency, evidence, active participations, costs brought to programmes.

Belongs here: reading them once in the shape that the models take. Does not belong here: any formula (`models.costs`).
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from data_contracts.tables.effects import EFFECT
from data_contracts.tables.inputs import RAW_INPUTS
from models.costs import Allocation, allocate_costs, with_currency, with_time_costs
from models.roi_book import Ledger
from models.roi_draws import ROISettings
from pipelines.marts import evidence, money
from pipelines.resources import Night
from pipelines.warehouse import current


class Accounts(NamedTuple):
    """Frames as `models.costs` describes them; `allocation.costs` has the time costs added."""

    programmes: pl.DataFrame
    evidence: pl.DataFrame
    active: pl.DataFrame
    benefits: pl.DataFrame
    allocation: Allocation


def accounts(night: Night) -> Accounts:
    """The books as known before observed_at."""
    warehouse, before, tonight = night.warehouse, night.observed_sql, night.tonight_epoch_day
    costs = warehouse.frame(f"FROM {current(RAW_INPUTS['programme_cost'], before)}")
    benefits = warehouse.frame(f"FROM {current(RAW_INPUTS['programme_benefit'], before)}")
    programmes = with_currency(warehouse.frame(money.programmes(before)), costs, benefits)
    learned = warehouse.frame(evidence.evidence(before, tonight))
    active = warehouse.frame(evidence.active(tonight))
    allocation = allocate_costs(costs, active, programmes)
    minutes = warehouse.frame(money.mentor_minutes(tonight))
    courses = warehouse.frame(f"SELECT course_id, delivery FROM {current(RAW_INPUTS['course'], before)}")
    loaded = with_time_costs(allocation.costs, learned, minutes, programmes, courses)
    return Accounts(programmes, learned, active, benefits, Allocation(loaded, allocation.withheld))


def ledger(night: Night) -> Ledger:
    """The books as `models.roi` and its like take them, with the effects on record."""
    books = accounts(night)
    return Ledger(
        programmes=books.programmes,
        costs=books.allocation.costs,
        withheld=books.allocation.withheld,
        benefits=books.benefits,
        counts=night.warehouse.frame(money.counts(night.tonight_epoch_day)),
        effects=night.warehouse.frame(f"FROM {EFFECT.qualified_name}"),
        observed_on=night.observed_naive.date(),
        settings=ROISettings(seed=night.settings.seed),
    )
