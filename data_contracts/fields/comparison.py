"""Fields about what programmes are for: goals, paired surveys, fair comparison.

Belongs here: what marts on this say. Does not belong here: money.
"""

from __future__ import annotations

from data_contracts.schema import count, number, share, text

GOALS, COMPLETION = "goals", "completion"

FIELDS = (
    # programme_outcome
    text(
        "measured_by",
        "Goals as measured, or the survey whose answers are held against those at the start",
        GOALS,
        "during",
        "end",
        "after",
    ),
    count(
        "primary_rank", "1 for the first primary outcome of the programme's aim, then 2 ...; null: not primary", "rank"
    ),
    count(
        "asked_count", "Who could have been measured: for end and after those whose participation is over", "persons"
    ),
    count("subjects_count", "Learners, mentors or matches measured; for a change those with both answers", "persons"),
    share("response_share", "Share of those who could have been measured that were"),
    share("start_share", "Mean at the start, of the same persons and questions"),
    share("reached_share", "Mean reached: score of the later survey, attained share of goals, or rate of completion"),
    share("reached_low_share", "Lower end of the 95 % interval of the mean reached"),
    share("reached_high_share", "Upper end of the 95 % interval of the mean reached"),
    number("change_points", "Mean change from the start of each person, paired", "percentage points", -100, 100),
    number("change_low_points", "Lower end of the 95 % interval of the change", "percentage points"),
    number("change_high_points", "Upper end of the 95 % interval of the change", "percentage points"),
    number("standardised_change", "Change over the standard deviation at the start", "standard deviations"),
    count("goals_count", "Goals due or measured", "goals"),
    share("goals_measured_share", "Share of these that were measured"),
    share("goals_attained_share", "Share of these that were attained, by weight; not measured is not attained"),
    share("goals_expected_share", "Mean share that the timelines of the measured goals expect, by weight"),
    count("goals_rebaselined_count", "Goals set anew, of those due or measured", "goals"),
    count("goals_dropped_count", "Goals dropped, of those due or measured", "goals"),
    text("outcome_verdict", "Whether the programme's outcome can be told", "measurable", "not_measurable"),
    text("outcome_reason", "Why it cannot be told, or what to keep in mind"),
    # programme_comparison
    text("comparison_kind", "Programmes one by one, or all of a way to come in together", "programme", "selection"),
    text("compared_group", "Identifier of the programme, or the way to come in"),
    text(
        "compared_outcome",
        "What is compared: a construct asked at start and end, attained share of goals, or completion",
        COMPLETION,
        GOALS,
        "confidence",
        "perceived_value",
        "knowledge",
        "application",
        "goal_attainment",
        "leadership",
        "listening",
        "belonging",
        "other",
    ),
    count("compared_learners_count", "Learners of the group with outcome and baseline", "learners"),
    text(
        "baseline_name",
        "What the comparison is adjusted for",
        "start_survey",
        "registration",
        "start_survey_and_registration",
        "none",
    ),
    number(
        "baseline_difference",
        "Baseline of the group less that of the other, over the other's standard deviation; of several the largest",
        "standard deviations",
    ),
    share("baseline_overlap_share", "Share of the group whose baselines lie among those of the other group"),
    number("mean_change_points", "Mean change of the group from the start, as it is", "percentage points", -100, 100),
    number(
        "raw_difference_points", "Group less other group as they are: of changes, else of means", "percentage points"
    ),
    number("test_retest_correlation", "Correlation of start and end answers in the other group", "correlation", -1, 1),
    number(
        "regression_to_mean_points",
        "Difference of changes expected from the baselines alone, without any difference of the programmes",
        "percentage points",
    ),
    number("adjusted_difference_points", "Difference at the group's own baselines", "percentage points"),
    number("adjusted_low_points", "Lower end of its 95 % interval", "percentage points"),
    number("adjusted_high_points", "Upper end of its 95 % interval", "percentage points"),
    text("comparison_verdict", "What can be said of the comparison", "usable", "weak", "cannot_say"),
    text("comparison_reason", "Why it cannot be said, or what to keep in mind"),
)
