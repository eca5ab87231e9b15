"""Group 3_features: what the model reads, before each landmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from data_contracts.features import FAMILY
from data_contracts.tables import features as tables
from features.registry import REGISTRY
from pipelines import feature_tables
from pipelines.assets import table_asset
from pipelines.resources import Night

GROUP = "3_features"
_KINDS = ("polars", "duckdb")
_ASKED = {family.subject for family in FAMILY.values()} - {tables.ENROLMENT_WEEK.name}
SUBJECTS = tuple(name for name in REGISTRY if name in _ASKED)


@table_asset(tables.LANDMARK, group=GROUP, key="feat_landmark", deps=("core_enrolment",), kinds=_KINDS)
def feat_landmark(night: Night) -> int:
    """Day 0, 7, 14 ... of each course while the enrolment is active; tonight for those active now."""
    return feature_tables.build_landmarks(night)


def _subject(subject: str) -> dg.AssetsDefinition:
    """The asset of families on one subject; it bears the name of the principal one's table."""
    families = [family for family in FAMILY.values() if family.subject == subject]
    made = [REGISTRY[name] for name in dict.fromkeys(family.table_name for family in families)]

    @table_asset(
        tables.FAMILY_TABLES[subject],
        group=GROUP,
        key=f"feat_{subject}",
        deps=sorted({feature_tables.FRAMES[name].asset for table in made for name in table.reads}),
        kinds=_KINDS,
        about="\n".join(f"- {family.name}: {family.about}" for family in families),
    )
    def asset(night: Night) -> tuple[int, Mapping[str, Any]]:
        rows = {f"rows_{table.table.name}": feature_tables.build_family(night, table) for table in made}
        return rows[f"rows_{subject}"], rows

    return asset


_BY_SUBJECT = [_subject(subject) for subject in SUBJECTS]


@table_asset(
    tables.ENROLMENT_WEEK,
    group=GROUP,
    key="feat_enrolment_week",
    deps=tuple(f"feat_{subject}" for subject in SUBJECTS),
    kinds=_KINDS,
)
def feat_enrolment_week(night: Night) -> tuple[int, Mapping[str, Any]]:
    """All families joined, with percentiles among those active in the same course at the same time.

    Computed are new landmarks and those that late or corrected data touched; `restated_landmarks` counts those that stood
    here before and say something else now.
    """
    return feature_tables.build_enrolment_weeks(night)


@table_asset(tables.LABEL, group=GROUP, key="feat_label", deps=("feat_landmark",), kinds=_KINDS)
def feat_label(night: Night) -> int:
    """Abandoned within 7 and 28 days and by the end; null where the window is not closed yet."""
    return feature_tables.build_labels(night)


ASSETS = [feat_landmark, *_BY_SUBJECT, feat_enrolment_week, feat_label]
