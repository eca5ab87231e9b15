"""Fields about what programmes cost and returned beyond `marts`: cost per result, drivers, principles.

Belongs here: what marts on this say. Does not belong here: the effect (`effects`).
"""

from __future__ import annotations

from data_contracts.fields.learning import DELIVERIES
from data_contracts.schema import Field, count, flag, integer, number, share, text

NOT_STATED = "not_stated"
FACTORS = (
    "effect",
    "completing_share",
    "value",
    "attribution",
    "confidence",
    "allocated_cost",
    "priced_time",
    "time_counted",
)

FIELDS: tuple[Field, ...] = (
    number("cost_allocated_amount", "Of the cost, what is a share of costs of all programmes", "currency", 0),
    number("cost_of_time_amount", "Of the cost, learners' and mentors' time", "currency", 0),
    number(
        "cost_priced_amount", "Of the cost, time that no row gives: measured minutes at the hourly rate", "currency", 0
    ),
    text("value_source", "What the benefit is valued by", "benefit_rows", "completion_value"),
    number(
        "completions_value_amount",
        "Completions x value per completion: isolated from nothing, so part of no benefit",
        "currency",
    ),
    number("abandonments_avoided_count", "Abandonments avoided: -effect x participations treated", "participations"),
    share(
        "roi_positive_prior_probability",
        "The same with the prior N(-.10, .08) on the log hazard ratio; null where no effect isolates the benefit",
    ),
    flag("is_headline", "Whether it is the row to read for its programme and component"),
    # cost_per_result
    text("cost_delivery", "How what was paid for is delivered", "all", *DELIVERIES, NOT_STATED),
    share("cost_allocated_share", "Share of the cost that comes from costs of all programmes"),
    count("retained_count", "Participations active or completed", "participations"),
    number("cost_per_learner_amount", "Cost over all learners of the programme", "currency", 0),
    number("cost_per_completion_amount", "Cost over all completions of the programme", "currency", 0),
    number("cost_per_retained_amount", "Cost over all learners active or completed", "currency", 0),
    # roi_driver
    text("roi_factor", "What is moved while all else stays at its estimate", *FACTORS),
    text("input_unit", "Unit of the inputs"),
    number("low_input", "Lower input"),
    number("high_input", "Upper input"),
    number("roi_at_low_percent", "ROI at the lower input", "percent"),
    number("roi_at_high_percent", "ROI at the upper input", "percent"),
    number("swing_points", "Distance of the two", "percentage points", 0),
    count("driver_rank", "Place by swing, 1 the widest", "place"),
    text("input_basis", "Where the two inputs come from"),
    # roi_principle
    integer("principle_number", "Number of the principle, 1 to 12"),
    text("principle", "What it asks"),
    flag("is_principle_kept", "Whether it is kept; null where data cannot tell"),
)
