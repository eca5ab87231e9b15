"""The joined feature table."""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw

from data_contracts.features import FEATURE_NAMES
from data_contracts.tables.features import ENROLMENT_WEEK
from features.registry import REGISTRY
from features.table import enrolment_week

READ = sorted({name for family in REGISTRY.values() for name in family.reads})


def feature_table(frames: Mapping[str, nw.LazyFrame]) -> nw.LazyFrame:
    return enrolment_week(frames["landmarks"], *(family.rows(frames) for family in REGISTRY.values()))


def test_the_table_has_one_row_a_landmark_and_keeps_the_contract(world, on_both, keeps_contract):
    def on_frames(*frames: nw.LazyFrame) -> nw.LazyFrame:
        return feature_table(dict(zip(READ, frames, strict=True)))

    found = on_both(on_frames, *(world[name] for name in READ))
    keeps_contract(found, ENROLMENT_WEEK)
    assert len(found) == len(world["landmarks"])
    assert [name for name in FEATURE_NAMES if found[name].null_count() == len(found)] == []
