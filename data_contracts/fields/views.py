"""Fields that only views have: counts and means over the rows of a mart."""

from __future__ import annotations

from data_contracts.schema import Field, count, number, share

FIELDS: tuple[Field, ...] = (
    # alerts and risk
    count("open_days", "Days from the alert's opening to observed_at", "days"),
    count("enrolments_count", "Enrolments", "enrolments"),
    count("scored_enrolments_count", "Enrolments with a probability", "enrolments"),
    count("high_risk_count", "Enrolments in the band high", "enrolments"),
    count("middle_risk_count", "Enrolments in the band middle", "enrolments"),
    count("rising_count", "Enrolments whose 28-day probability rose by .05 or more in a week", "enrolments"),
    share("mean_probability_28d", "Mean 28-day probability of the enrolments that have one"),
    # mentors and matches
    number("free_minutes", "Available minutes of the week, less used and planned ones, at least 0", "minutes", 0),
    count("matches_count", "Matches", "matches"),
    share("cadence_broken_share", "Share of the matches whose cadence is broken"),
    share("mentor_silent_share", "Share of the matches whose mentor is silent"),
    share("stuck_share", "Share of the matches that are stuck"),
    count("agreed_goals_count", "Goals agreed", "goals"),
    count("measured_goals_count", "Goals measured at least once", "goals"),
    count("behind_goals_count", "Goals behind their timeline", "goals"),
    share("attained_mean_share", "Mean attained share of the measured goals, not weighted"),
    # engagement, mix, courses
    count("active_enrolments_count", "Enrolments with any event in the week", "enrolments"),
    share("active_share", "Share of the enrolments with any event in the week"),
    number("active_minutes_mean", "Mean minutes of the enrolments with any event in the week", "minutes", 0),
    number(
        "target_gap_points", "Measured less target share; negative is under the target", "percentage points", -100, 100
    ),
    count("weeks_count", "Weeks in which it was seen", "weeks"),
    # the model
    number("logistic_regression_value", "Value of the metric for logistic regression on the same rows"),
    number("inactive_7d_rule_value", "Value of the metric for the rule 'no activity for 7 days' on the same rows"),
)
