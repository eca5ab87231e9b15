"""Fields about how learning becomes practice: transfer, order, reach; and what is suppressed.

Belongs here: what marts on this say. Does not belong here: the mix of strands (`marts`).
"""

from __future__ import annotations

from data_contracts.schema import Field, count, flag, share, text

FORMAL_BEFORE_PRACTICE = "formal_before_practice_share"
NEVER_APPLIED = "never_applied_share"
MINUTES_RATIO = "consume_to_apply_minutes_ratio"
EVENTS_RATIO = "consume_to_apply_events_ratio"
SOURCES = "sources_per_learner"
PARTNERS = "partners_per_learner"
UNITS_REACHED = "units_reached_per_learner"
OTHER_UNIT = "mentor_of_other_unit_share"
WINDOWS_DAYS = (28, 56)
PRACTICE_AFTER = "practice_after_training_{}d_share"
WORK_AFTER = "work_after_training_{}d_share"

TRANSFER_MEASURES = (
    FORMAL_BEFORE_PRACTICE,
    NEVER_APPLIED,
    MINUTES_RATIO,
    EVENTS_RATIO,
    *(name.format(days) for name in (PRACTICE_AFTER, WORK_AFTER) for days in WINDOWS_DAYS),
    SOURCES,
    PARTNERS,
    UNITS_REACHED,
    OTHER_UNIT,
)

FIELDS: tuple[Field, ...] = (
    text("transfer_measure", "What is measured; the unit ends its name", *TRANSFER_MEASURES),
    text(
        "mentoring_group",
        "Whether a mentor met or wrote to the learner in the days looked at; a comparison, no effect",
        "all",
        "with",
        "without",
    ),
    count("learners_with_count", "Of them those of whom it holds; null where the measure is no share", "learners"),
    share("events_share", "Share of the events; it stands where minutes are unknown, and compares unlike things"),
    share("minutes_known_share", "Share of the events that come from logs which tell minutes"),
    flag(
        "is_suppressed", "Whether figures are withheld because few people are behind them, or behind their complement"
    ),
)
