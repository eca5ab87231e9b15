"""Marts: what dashboards read. Every one has publication_id; types and names are a promise.

Belongs here: the published tables, what changed in them from version to version. Does not belong here: how they are
computed (`pipelines.assets.marts`), views of them (`data_contracts.views`).
"""

from __future__ import annotations

from data_contracts.schema import Level, Table
from data_contracts.tables import table
from data_contracts.tables.effects import BALANCE_SPEC, EFFECT_CHECK_SPEC, EFFECT_SPEC, OVERLAP_SPEC

# What changed, newest first. A change that a dashboard could notice is a new version.
MARTS_VERSIONS: dict[str, str] = {
    "1.5": "New: views, beside the marts in `marts.duckdb`. The marts are as they were.",
    "1.4": (
        "New: `learning_transfer`, `programme_outcome`, `programme_comparison`, `roi_driver`, `roi_principle`, "
        "`cost_per_result`, `effect_balance`, `effect_overlap`, `effect_check`; `is_suppressed` in `learning_mix` and "
        "`programme_roi`, whose figures are null in suppressed rows; `is_headline` and the parts of the cost in "
        "`programme_roi`. Meaning: `mentoring_effect` has a row a subgroup, its key grew by `subgroup_kind` and `subgroup`, "
        "and it tells treated from controls. Gone from it: `n_count`, `n_events_count`."
    ),
    "1.3": ("New: `alert_cards`, `alert_quality`; `resolution` and `escalated_at` in `learner_alerts`."),
    "1.2": (
        "New columns of `model_quality`: `limit_low`, `limit_high`, `is_passed`, `reason`; its slices `gate` and `drift` "
        "are checks, with a value, its limits and whether it passed (null: could not be judged), of the champion and of "
        "the challenger trained last. `model_fairness` also has each group's gaps to all others, ABROCA and its null."
    ),
    "1.1": (
        "New: `programme_demand`; columns of `mentoring_health`, `mentor_load`, `goal_progress`, `community_weekly`, "
        "`course_issues`. Meaning: `cadence_kept_share` looks at the last four agreed intervals instead of the week; "
        "`response_hours_median` at 28 days and `learner_rating_mean` at 84 instead of the week; `planned_minutes` of a "
        "past week are 0; after the course counts only where no course of the programme is running. Gone: "
        "`cross_class_interactions_count`, in whose place `cross_class_exchanges_count` counts answers."
    ),
    "1.0": "The first one.",
}
MARTS_CONTRACT_VERSION = next(iter(MARTS_VERSIONS))


def _mart(name: str, description: str, grain: str, key: str, spec: str, level: Level = "aggregate") -> Table:
    return table(
        f"main.{name}", description, grain=f"one row per {grain}", key=key, spec=f"{spec} publication_id", level=level
    )


MARTS: dict[str, Table] = {
    item.name: item
    for item in (
        _mart(
            "publication",
            "This publication: when, from what, with which settings",
            "publication",
            "publication_id",
            "run_id published_at observed_at contract_version model_id* code_version settings row_counts "
            "failed_sources",
        ),
        _mart(
            "dim_programme",
            "Programmes",
            "programme",
            "programme_id",
            "programme_id name aim* selection* starts_on* ends_on* timezone* currency* target_formal_share* "
            "target_social_share* target_experiential_share*",
        ),
        _mart(
            "dim_course",
            "Course runs",
            "course run",
            "course_id",
            "course_id activity_iri title delivery* starts_on* ends_on* expected_hours*",
        ),
        _mart(
            "dim_mentor",
            "Mentors, as pseudonyms",
            "mentor",
            "mentor_id",
            "mentor_id kind:mentor_kind* is_external* capacity_minutes_per_week* max_learners* trained_on*",
            "mentor",
        ),
        _mart("dim_learner", "Learners, as pseudonyms", "learner", "learner_id", "learner_id org_unit*", "learner"),
        _mart(
            "dim_date",
            "Calendar dates",
            "date",
            "calendar_on",
            "calendar_on week_starts_on month_starts_on iso_year iso_week iso_weekday is_closed_day",
        ),
        _mart(
            "learner_alerts",
            "Alerts: who, why, for which mentor, and whether somebody has the minutes",
            "alert",
            "alert_id",
            "alert_id learner_id programme_id course_id* enrolment_id* mentor_id* kind:alert_kind rule* "
            "state:alert_state opened_at state_at resolution* escalated_at* observed_at abandonment_probability_28d* "
            "risk_band* probability_change_7d* is_too_early reason_1_family* reason_1_text* reason_2_family* reason_2_text* "
            "reason_3_family* reason_3_text* level channel:alert_channel expected_minutes next_step* is_served "
            "unserved_reason* model_id*",
            "learner",
        ),
        _mart(
            "alert_cards",
            "Served alerts as the mentor they are routed to may see them: for dashboards that mentors read",
            "alert with a mentor",
            "alert_id",
            "alert_id mentor_id learner_id programme_id audience state:alert_state kind:alert_kind* "
            "abandonment_probability_28d* risk_band* probability_change_7d* reason_1_text* reason_2_text* reason_3_text* "
            "level* channel:alert_channel* expected_minutes* next_step* agreed_goals* open_commitments*",
            "learner",
        ),
        _mart(
            "alert_quality",
            "How good alerts were and what became of them, on alerts whose 28 days are over",
            "slice and metric",
            "slice_kind slice_value metric_name",
            "slice_kind:alert_slice_kind slice_value metric_name metric_value* metric_low* metric_high* n_count "
            "n_events_count",
        ),
        _mart(
            "learner_risk",
            "Risk of abandonment of each active enrolment",
            "enrolment and observed_at",
            "enrolment_id observed_at",
            "enrolment_id learner_id programme_id course_id* observed_at abandonment_probability_7d* "
            "abandonment_probability_28d* risk_band* risk_rank* probability_change_7d* is_too_early model_id*",
            "learner",
        ),
        _mart(
            "unserved_risk",
            "Risk that nobody has the minutes for, and what one more hour would serve",
            "programme and week",
            "programme_id week_starts_on",
            "programme_id week_starts_on unserved_alerts_count served_alerts_count expected_loss "
            "served_by_one_more_hour_count loss_served_by_one_more_hour",
        ),
        _mart(
            "engagement_weekly",
            "What each enrolment did in each ISO week",
            "enrolment and week",
            "enrolment_id week_starts_on",
            "enrolment_id learner_id programme_id course_id* week_starts_on active_days_count events_count minutes "
            "distinct_activities_count submissions_count",
            "learner",
        ),
        _mart(
            "mentoring_health",
            "How each match goes, week by week",
            "match and week",
            "match_id week_starts_on",
            "match_id programme_id mentor_id learner_id week_starts_on sessions_held_count agreed_sessions_count* "
            "sessions_missed_count messages_by_mentor_count messages_by_learner_count cadence_promised_count* "
            "cadence_kept_share* is_cadence_broken silence_days silence_available_days is_mentor_silent first_met_on* "
            "is_first_meeting_overdue is_stuck response_hours_median* unanswered_messages_count "
            "started_by_learner_share* rating_divergence_points* commitments_made_count commitments_kept_count "
            "commitments_reviewed_at_next_share* has_goal has_timeline has_cadence is_unset goal_attained_share* "
            "goal_expected_share* is_purpose_fit* is_mentor_trained is_across_org_units* is_formal_before_practice*",
            "learner",
        ),
        _mart(
            "mentor_load",
            "What each mentor has minutes for, and is asked to do",
            "mentor and week",
            "mentor_id week_starts_on",
            "mentor_id week_starts_on available_minutes planned_minutes used_minutes load_ratio* is_capacity_assumed "
            "meetings_held_count learners_count programmes_count max_learners* is_over_max_learners* "
            "org_units_reached_count alerts_count response_hours_median* unanswered_messages_count learner_rating_mean* "
            "is_mentor_trained",
            "mentor",
        ),
        _mart(
            "goal_progress",
            "How far each goal is, against its agreed timeline",
            "goal",
            "goal_id",
            "goal_id match_id programme_id mentor_id learner_id kind:goal_kind agreed_on first_due_on* due_on* weight* "
            "last_measured_on* attained_share* expected_attained_share* timeline_gap_points* is_behind* "
            "rebaselined_count status:goal_status*",
            "learner",
        ),
        _mart(
            "programme_demand",
            "How many were invited to each programme, registered and were matched",
            "programme that anybody was invited to or registered for",
            "programme_id",
            "programme_id selection* invited_count registered_count demand_ratio* invited_registered_share* matched_count "
            "match_rate* waiting_count declined_count days_to_match_median*",
        ),
        _mart(
            "community_weekly",
            "Life of the community, in and after courses",
            "programme and week",
            "programme_id week_starts_on",
            "programme_id week_starts_on interactions_count exchanges_count cross_class_exchanges_count "
            "participants_count org_units_count ended_learners_count active_after_course_count "
            "active_after_course_share* interactions_after_course_count",
        ),
        _mart(
            "course_issues",
            "Weak content, evaluation and design: for the course's owner, never a mentor",
            "course, cause and week",
            "course_id cause week_starts_on",
            "course_id cause week_starts_on issues_count learners_count evidence",
        ),
        _mart(
            "learning_mix",
            "Minutes, cost and outcome by strand of the 70:20:10 mix",
            "programme, course (or all), strand and month",
            "programme_id course_id strand month_starts_on",
            "programme_id course_id:roi_course strand month_starts_on minutes* events_count* participants_count* "
            "cost_amount* currency* outcome_share* coverage_share* target_share* measured_share* events_share* "
            "minutes_known_share* is_suppressed",
        ),
        _mart(
            "learning_transfer",
            "How learning becomes practice: order, transfer after training, breadth and reach",
            "programme, measure and group of learners",
            "programme_id measure mentoring_group",
            "programme_id measure:transfer_measure mentoring_group metric_value* metric_low* metric_high* "
            "learners_count* learners_with_count* is_suppressed",
        ),
        _mart(
            "programme_outcome",
            "What programmes are for, measured: goals first, then surveys paired from the start, or why it cannot be told",
            "programme, subject, construct and measure",
            "programme_id subject_type construct measured_by",
            "programme_id aim* subject_type construct measured_by primary_rank* outcome_level asked_count* subjects_count* "
            "response_share* start_share* reached_share* reached_low_share* reached_high_share* change_points* "
            "change_low_points* change_high_points* standardised_change* goals_count* goals_measured_share* "
            "goals_attained_share* goals_expected_share* goals_rebaselined_count* goals_dropped_count* is_suppressed "
            "verdict:outcome_verdict reason:outcome_reason*",
        ),
        _mart(
            "programme_comparison",
            "Programmes compared at the same baseline, with regression to the mean shown, or why they cannot be",
            "pair of groups and outcome",
            "comparison_kind compared_group other_group compared_outcome",
            "comparison_kind compared_group other_group:compared_group compared_outcome selection other_selection:selection "
            "learners_count:compared_learners_count* other_learners_count:compared_learners_count* baseline_name "
            "baseline_difference* baseline_overlap_share* start_share* other_start_share:start_share* reached_share* "
            "other_reached_share:reached_share* mean_change_points* other_mean_change_points:mean_change_points* "
            "raw_difference_points* test_retest_correlation* regression_to_mean_points* adjusted_difference_points* "
            "adjusted_low_points* adjusted_high_points* demand_ratio* other_demand_ratio:demand_ratio* match_rate* "
            "other_match_rate:match_rate* is_suppressed verdict:comparison_verdict reason:comparison_reason",
        ),
        _mart(
            "programme_roi",
            "What each programme cost and returned, with intervals",
            "programme, course, strand, component, method and isolation",
            "programme_id course_id strand component method isolation",
            "programme_id course_id:roi_course strand:roi_strand component method:roi_method isolation is_headline "
            "is_suppressed period_starts_on* period_ends_on* learners_count* completions_count* cost_amount* "
            "cost_allocated_amount* cost_of_time_amount* cost_priced_amount* value_source* benefit_amount* "
            "benefit_low_amount* benefit_high_amount* completions_value_amount* abandonments_avoided_count* roi_percent* "
            "roi_low_percent* roi_high_percent* benefit_cost_ratio* payback_days* roi_positive_probability* "
            "roi_positive_prior_probability* break_even_effect_points* currency* verdict:roi_verdict withheld_reason*",
        ),
        _mart(
            "roi_driver",
            "What moves each ROI that can be said: one input at a time to its lower and upper end",
            "programme, component, isolation and factor",
            "programme_id component isolation factor",
            "programme_id component isolation factor:roi_factor input_unit low_input high_input roi_percent "
            "roi_at_low_percent roi_at_high_percent swing_points driver_rank input_basis",
        ),
        _mart(
            "roi_principle",
            "Which of the twelve Phillips principles each programme's figures keep, and what shows it",
            "programme and principle",
            "programme_id principle_number",
            "programme_id principle_number principle is_principle_kept* evidence",
        ),
        _mart(
            "cost_per_result",
            "What a learner, a completion and a retained learner cost, by how the programme is delivered",
            "programme and delivery (or all)",
            "programme_id delivery",
            "programme_id delivery:cost_delivery is_suppressed cost_amount* cost_allocated_share* currency* "
            "learners_count* completions_count* retained_count* cost_per_learner_amount* cost_per_completion_amount* "
            "cost_per_retained_amount* withheld_reason*",
        ),
        _mart(
            "mentoring_effect",
            "What mentoring changed in abandonment, or why it cannot be said",
            "programme (or all), contrast and subgroup",
            "programme_id contrast subgroup_kind subgroup",
            EFFECT_SPEC,
        ),
        _mart(
            "effect_balance",
            "How alike treated and controls are, before and after weighting",
            "programme (or all), contrast and covariate",
            "programme_id contrast covariate",
            BALANCE_SPEC,
        ),
        _mart(
            "effect_overlap",
            "How likely treatment was, of the treated and of the controls",
            "programme (or all), contrast and bin of propensity",
            "programme_id contrast propensity_low_share",
            OVERLAP_SPEC,
        ),
        _mart(
            "effect_check",
            "What each effect was held against: other estimators, other clocks, no adjustment, a negative control",
            "programme (or all), contrast and check",
            "programme_id contrast check_kind check_name",
            EFFECT_CHECK_SPEC,
        ),
        _mart(
            "model_quality",
            "How good the predictions were on the latest closed fold, beside both baselines; what the gate and drift say",
            "model, estimator, horizon, slice and metric",
            "model_id estimator horizon slice_kind slice_value metric_name",
            "model_id estimator horizon slice_kind slice_value metric_name metric_value* metric_low* metric_high* "
            "n_count n_events_count fold_starts_on* fold_ends_on* limit_low* limit_high* is_passed* reason:check_reason*",
        ),
        _mart(
            "model_fairness",
            "How the predictions treat groups; 'not audited' where it cannot be said",
            "model, attribute, group and metric",
            "model_id attribute_name group_name metric_name",
            "model_id attribute_name group_name metric_name metric_value* metric_low* metric_high* n_count "
            "n_events_count audit_verdict audit_reason*",
        ),
        _mart(
            "data_quality",
            "Checks, quarantine and lateness of this run",
            "table, check and reason",
            "table_name check_name reason",
            "table_name check_name reason* is_passed check_value* row_count quarantined_count "
            "lateness_hours_median* lateness_hours_p95*",
        ),
    )
}
