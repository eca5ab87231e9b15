"""Tables of what mentoring changed, in schema `risk`: estimates and all that is stored with them.

Belongs here: what estimation writes; the marts of the same names have the same columns. Does not belong here: worth.
"""

from __future__ import annotations

from data_contracts.tables import table

EFFECT_SPEC = (
    "programme_id:effect_programme contrast subgroup_kind subgroup role:effect_role estimand effect_points* "
    "effect_low_points* effect_high_points* standard_error_points* p_value* p_adjusted* untreated_percent* risk_ratio* "
    "treated_count* treated_events_count* controls_count* controls_events_count* overlap_share* trimmed_share* "
    "effective_sample_count* largest_difference* learners_spread_points* negative_control_points* "
    "negative_control_p_value* e_value* e_value_limit* minimum_detectable_points* verdict:effect_verdict verdict_rule "
    "reason*"
)
BALANCE_SPEC = "programme_id:effect_programme contrast covariate difference_before* difference_after*"
OVERLAP_SPEC = (
    "programme_id:effect_programme contrast propensity_low_share treated_share controls_share weighted_controls_share"
)
EFFECT_CHECK_SPEC = (
    "programme_id:effect_programme contrast check_kind:effect_check_kind check_name:effect_check effect_points* "
    "effect_low_points* effect_high_points* is_passed:is_effect_check_passed* reason*"
)

EFFECT = table(
    "risk.effect",
    "What contact and matching changed in abandonment, by programme, contrast and subgroup, or why it cannot be said",
    grain="one row per programme (or all), contrast and subgroup",
    key="programme_id contrast subgroup_kind subgroup",
    spec=f"{EFFECT_SPEC} trials_digest",
)
BALANCE = table(
    "risk.effect_balance",
    "Standardised differences of treated and controls before and after weighting",
    grain="one row per programme (or all), contrast and covariate",
    key="programme_id contrast covariate",
    spec=BALANCE_SPEC,
)
OVERLAP = table(
    "risk.effect_overlap",
    "How the propensity is distributed among treated and controls",
    grain="one row per programme (or all), contrast and bin of propensity",
    key="programme_id contrast propensity_low_share",
    spec=OVERLAP_SPEC,
)
EFFECT_CHECK = table(
    "risk.effect_check",
    "What each estimate was held against",
    grain="one row per programme (or all), contrast and check",
    key="programme_id contrast check_kind check_name",
    spec=EFFECT_CHECK_SPEC,
)

EFFECT_TABLES = (EFFECT, BALANCE, OVERLAP, EFFECT_CHECK)
