"""The feature contract: entries of families."""

from __future__ import annotations

import pytest

from data_contracts.features import BY_NAME, FAMILY, FEATURES, family_names, feature_columns
from data_contracts.fields.mentoring import LEVELS
from data_contracts.schema import Kind
from data_contracts.tables.features import ENROLMENT_WEEK, FAMILY_TABLES


def test_no_two_features_share_a_name():
    assert len(BY_NAME) == len(FEATURES)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_feature_speaks_to_a_level_and_reads_as_part_of_a_sentence(name):
    feature = BY_NAME[name]
    assert feature.level in LEVELS
    assert not feature.phrase or feature.phrase[0].islower() or feature.phrase.startswith("{value}")
    assert not feature.phrase.endswith(".")
    assert feature.reason_family in FAMILY
    assert feature.field.description
    assert feature.field.unit
    assert feature.field.kind in (Kind.INTEGER, Kind.NUMBER)
    low, high = feature.reads_within
    assert low <= high


@pytest.mark.parametrize("name", FAMILY)
def test_a_family_says_what_it_is_about_and_which_asset_makes_it(name):
    family = FAMILY[name]
    assert family.about[0].isupper()
    assert not family.about.endswith(".")
    assert family.subject in {*FAMILY_TABLES, ENROLMENT_WEEK.name}
    assert family_names(name)


def test_columns_of_families_come_in_the_contracts_order():
    both = feature_columns("trend", "recency")
    assert [column.name for column in both] == [*family_names("recency"), *family_names("trend")]
    assert [column.name for column in feature_columns()] == list(BY_NAME)
