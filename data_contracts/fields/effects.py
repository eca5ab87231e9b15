"""Fields about what mentoring changed: contrasts, estimates, diagnostics, verdicts.

Belongs here: the effect and everything stored with it. Does not belong here: what it is worth (`marts`, `outcomes`).
"""

from __future__ import annotations

from data_contracts.schema import count, flag, number, share, text

VERDICTS = ("usable", "weak", "cannot_say")
CONTRASTS = ("first_contact", "matched", "routed")
ROLES = ("primary", "secondary", "exploratory")
SUBGROUP_KINDS = ("all", "risk", "dose", "channel", "level", "mentor_load", "mentor_kind")
CHECK_KINDS = ("nuisance_learner", "clock", "unadjusted", "negative_control")
ALL = "all"

FIELDS = (
    text("effect_programme", "Identifier of the programme, or 'all' for all programmes together"),
    text("contrast", "What is compared: first contact, being matched, or an alert routed by lot", *CONTRASTS),
    text("effect_role", "Named in advance as the one or the second question of a programme, or exploratory", *ROLES),
    text("subgroup_kind", "By what the treated are told apart", *SUBGROUP_KINDS),
    text("subgroup", "Which of the treated: 'all', or a value of the kind"),
    text("estimand", "The effect estimated, in words"),
    number("effect_points", "Difference in abandonment over 8 weeks", "percentage points"),
    number("effect_low_points", "Lower end of the 95 % interval", "percentage points"),
    number("effect_high_points", "Upper end of the 95 % interval", "percentage points"),
    number("standard_error_points", "Standard error of the effect, by learner", "percentage points", 0),
    number("p_value", "Two-sided p-value of no effect", "probability", 0, 1),
    number("p_adjusted", "The same after Holm over the exploratory contrasts of the programme", "probability", 0, 1),
    number("untreated_percent", "Abandonment of the treated as expected without treatment", "percent", 0, 100),
    number("risk_ratio", "Abandonment with treatment over that expected without it", "ratio", 0),
    count("treated_count", "Treated participations", "participations"),
    count("treated_events_count", "Treated participations abandoned within the outcome weeks", "participations"),
    count("controls_count", "Control trials: participations and weeks without treatment", "trials"),
    count("controls_events_count", "Control trials abandoned within the outcome weeks", "trials"),
    share("overlap_share", "Share of the treated with comparable controls"),
    share("trimmed_share", "Share of the treated whose weight had to be cut"),
    number("effective_sample_count", "Effective number of control trials, (sum w)^2 / sum w^2", "trials", 0),
    number("largest_difference", "Largest weighted standardised difference of a covariate", "standard deviations", 0),
    number("learners_spread_points", "Range of the estimate over nuisance learners", "percentage points", 0),
    number("negative_control_points", "Effect on what mentoring cannot change", "percentage points"),
    number("negative_control_p_value", "Two-sided p-value of it", "probability", 0, 1),
    number("e_value", "How strong a hidden confounder would have to be", "risk ratio", 1),
    number(
        "e_value_limit",
        "The same for the end of the interval nearer to no effect; 1 where it holds no effect",
        "risk ratio",
        1,
    ),
    number("minimum_detectable_points", "Least effect found with 80 % power at 5 %", "percentage points", 0),
    text("effect_verdict", "What can be said of the effect", *VERDICTS),
    text("verdict_rule", "The rule that decided the verdict"),
    # diagnostics
    text("covariate", "Covariate, as of the week's beginning"),
    number("difference_before", "Standardised difference of treated and controls as they are", "standard deviations"),
    number("difference_after", "The same with the controls weighted", "standard deviations"),
    share("propensity_low_share", "Lower end of the bin of propensity, a twentieth wide"),
    share("treated_share", "Share of the treated in the bin"),
    share("controls_share", "Share of the controls in the bin"),
    share("weighted_controls_share", "Share of the controls' weight in the bin"),
    text("effect_check_kind", "What the estimate is held against", *CHECK_KINDS),
    text("effect_check", "Which of the kind"),
    flag("is_effect_check_passed", "Whether it agrees with the estimate; null where it decides nothing"),
    text("trials_digest", "Hash of the trials and settings that the estimate was made from"),
)
