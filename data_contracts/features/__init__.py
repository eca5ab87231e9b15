"""The feature contract: every feature's name, meaning, family, level and words.

Belongs here: the families put together, and look-ups over them. Does not belong here: formulas' code: `features/`
computes these columns, `models/` reads them; neither imports the other.

Windows stand in the name and look back from observed_at over whole local days: `_7d`, `_14d`, `_28d`.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from data_contracts.features import activity, course, mentoring
from data_contracts.features.entry import Family as Family
from data_contracts.features.entry import Feature as Feature
from data_contracts.schema import Column

FAMILY: dict[str, Family] = {
    family.name: family for family in (*activity.FAMILIES, *course.FAMILIES, *mentoring.FAMILIES)
}
FAMILIES: tuple[str, ...] = tuple(FAMILY)
FEATURES: tuple[Feature, ...] = tuple(
    replace(feature, family=family.name, is_modelled=feature.is_modelled and family.is_modelled)
    for family in FAMILY.values()
    for feature in family.features
)
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
MODELLED_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES if feature.is_modelled)
"""What models read, in the contract's order."""
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}


def family_names(family: str) -> tuple[str, ...]:
    """Names of a family's features, in the contract's order."""
    return tuple(feature.name for feature in FEATURES if feature.family == family)


def feature_columns(*families: str) -> tuple[Column, ...]:
    """Columns of the given families (all when none is named); every feature may be null."""
    return tuple(
        Column(feature.name, feature.field, is_required=False)
        for feature in FEATURES
        if not families or feature.family in families
    )


def contract_hash() -> str:
    """SHA-256 over names, types and meanings of what models read: one trained on another contract is refused."""
    read = [feature for feature in FEATURES if feature.is_modelled]
    lines = [f"{feature.name}|{feature.field.kind}|{feature.field.description}" for feature in read]
    return sha256("\n".join(lines).encode()).hexdigest()
