"""How a contract entry finds its function."""

from __future__ import annotations

import narwhals as nw
import pytest

from data_contracts.features import FAMILY, FEATURE_NAMES
from data_contracts.tables.features import FAMILY_TABLES
from features.cohort import cohort_features
from features.registry import REGISTRY


def test_every_family_has_its_function_or_is_computed_where_all_are_joined():
    assert list(REGISTRY) == list(FAMILY_TABLES)
    assert {name for name, family in FAMILY.items() if family.table_name not in REGISTRY} == {"cohort"}
    assert cohort_features.__module__ == "features.cohort"


def test_every_feature_stands_in_one_table_of_families_or_is_a_percentile():
    named = [name for family in REGISTRY.values() for name in family.table.column_names[2:]]
    assert sorted([*named, *(feature.name for feature in FAMILY["cohort"].features)]) == sorted(FEATURE_NAMES)


@pytest.mark.parametrize("name", REGISTRY)
def test_a_family_returns_its_table_from_the_frames_its_parameters_name(world, on_both, keeps_contract, name):
    family = REGISTRY[name]

    def on_frames(*frames: nw.LazyFrame) -> nw.LazyFrame:
        return family.rows(dict(zip(family.reads, frames, strict=True)))

    found = on_both(on_frames, *(world[frame] for frame in family.reads))
    keeps_contract(found, family.table)
    assert len(found) == len(world["landmarks"])
    assert [column for column in found.columns if found[column].n_unique() == 1] == []


def test_a_frame_that_is_missing_is_named(world):
    with pytest.raises(KeyError, match="enrolments"):
        REGISTRY["context"].rows({"landmarks": nw.from_native(world["landmarks"].lazy())})
