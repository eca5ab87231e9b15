"""Tables of schema `features`: landmarks, feature families, the joined feature table, labels.

Belongs here: the tables a model reads; those of families follow from their entries. Does not belong here: each
feature's meaning (`data_contracts.features`).
"""

from __future__ import annotations

from data_contracts.features import FAMILY, feature_columns
from data_contracts.schema import Table
from data_contracts.tables import table

_KEY = "enrolment_id observed_epoch_day"

LANDMARK = table(
    "features.landmark",
    "Observation times: course weeks of the past to train, tonight to score; active enrolments only",
    grain="one row per enrolment and observation day",
    key=_KEY,
    level="learner",
    spec="enrolment_id course_id* learner_id programme_id observed_epoch_day week_index is_scoring",
)
ENROLMENT_WEEK = table(
    "features.enrolment_week",
    "All features of each landmark; computed anew where late or corrected data touched what it could know",
    grain="one row per landmark",
    key=_KEY,
    level="learner",
    spec="enrolment_id course_id* observed_epoch_day week_index is_scoring",
    extra=feature_columns(),
)
LABEL = table(
    "features.label",
    "What became of each landmark, as far as it is known at observed_at",
    grain="one row per landmark",
    key=_KEY,
    level="learner",
    spec=f"{_KEY} abandons_7d* abandons_28d* abandons_end* fails_or_abandons_end* is_batch_end",
)


def _family_table(name: str) -> Table:
    families = [family.name for family in FAMILY.values() if family.table_name == name]
    return table(
        f"features.{name}",
        f"{', '.join(families).capitalize()} before each landmark",
        grain="one row per landmark",
        key=_KEY,
        level="learner",
        spec=_KEY,
        extra=feature_columns(*families),
    )


FAMILY_TABLES: dict[str, Table] = {
    name: _family_table(name)
    for name in dict.fromkeys(family.table_name for family in FAMILY.values())
    if name != ENROLMENT_WEEK.name
}
"""Tables of families by name; a family that is computed where all are joined has none of its own."""

FEATURE_TABLES: tuple[Table, ...] = (LANDMARK, *FAMILY_TABLES.values(), ENROLMENT_WEEK, LABEL)

FACT_STATE = table(
    "features.fact_state",
    "What the last night's features were computed from, as numbers that change with it",
    grain="one row per frame, whom it is about and day from which it counts",
    key="frame_name fact_of fact_key fact_epoch_day",
    level="learner",
    spec="frame_name fact_of fact_key fact_epoch_day facts_count facts_digest",
)
LANDMARK_ANEW = table(
    "features.landmark_anew",
    "Landmarks that feature tables still have to compute: new ones, and those touched by what came since",
    grain="one row per feature table and landmark",
    key=f"table_name {_KEY}",
    level="learner",
    spec=f"table_name {_KEY}",
)

# What one night remembers for the next; it says how tables were made, not what is in them.
FEATURE_STATE: tuple[Table, ...] = (FACT_STATE, LANDMARK_ANEW)
