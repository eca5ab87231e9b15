"""Where the frames of feature functions come from."""

from __future__ import annotations

import pytest

from features.registry import REGISTRY
from pipelines.assets.features import ASSETS, SUBJECTS
from pipelines.build import build_defs
from pipelines.feature_tables import FRAMES


@pytest.mark.parametrize("name", REGISTRY)
def test_every_frame_that_a_family_reads_has_a_source(name):
    assert set(REGISTRY[name].reads) <= set(FRAMES)


def test_every_frame_is_read_and_comes_from_an_asset_there_is():
    keys = {spec.key.to_user_string() for spec in build_defs().resolve_all_asset_specs()}
    assert {source.asset for source in FRAMES.values()} <= keys
    assert {name for family in REGISTRY.values() for name in family.reads} == set(FRAMES)


def test_the_assets_of_subjects_are_few_and_each_waits_for_what_its_families_read():
    assert len(ASSETS) <= 7
    waits = {asset.key.to_user_string(): {key.to_user_string() for key in asset.dependency_keys} for asset in ASSETS}
    assert waits["feat_activity"] >= {"feat_landmark", "core_enrolment", "core_enrolment_day"}
    assert waits["feat_enrolment_week"] == {f"feat_{subject}" for subject in SUBJECTS}
