"""Fields that stand in marts alone: weekly engagement, mentoring health, learning mix, effect, ROI.

Belongs here: aggregates and estimates that are published. Does not belong here: what other areas define.
"""

from __future__ import annotations

from data_contracts.fields.effects import VERDICTS
from data_contracts.schema import count, date, flag, number, share, text

FIELDS = (
    count("active_days_count", "Days with activity", "days"),
    count("submissions_count", "Submissions", "submissions"),
    count("sessions_held_count", "Mentoring sessions held", "sessions"),
    number("agreed_sessions_count", "Mentoring sessions agreed for the week", "sessions", 0),
    count("sessions_missed_count", "Sessions missed by either side", "sessions"),
    count("messages_by_mentor_count", "Messages the mentor sent", "messages"),
    count("messages_by_learner_count", "Messages the learner sent", "messages"),
    number(
        "cadence_promised_count",
        "Meetings promised for the last four agreed intervals, days away left out",
        "meetings",
        0,
    ),
    share("cadence_kept_share", "Meetings held over meetings promised in these intervals, at most 1"),
    flag("is_cadence_broken", "Whether four agreed intervals are over and under half of the promise was kept"),
    count("silence_days", "Days since the last contact of either side at the week's end", "days"),
    count("silence_available_days", "The same without the learner's days away", "days"),
    flag("is_mentor_silent", "Whether the mentor has neither met nor written for too many available days"),
    date("first_met_on", "Day of the first meeting held, by the week's end"),
    flag("is_first_meeting_overdue", "Whether no meeting was held in the days after the match in which one was due"),
    flag("is_stuck", "Whether no meeting, goal measure or commitment came for too many available days"),
    count(
        "unanswered_messages_count", "Learners' messages of 28 days, three days old or more, without answer", "messages"
    ),
    share("started_by_learner_share", "Conversations that the learner started, of all started in 28 days"),
    number(
        "rating_divergence_points",
        "Mean of the learner's less the mentor's rating, of meetings rated by both; null under 5",
        "points",
        -4,
        4,
    ),
    count("commitments_made_count", "Commitments made", "commitments"),
    count("commitments_kept_count", "Commitments kept", "commitments"),
    share(
        "commitments_reviewed_at_next_share", "Commitments reviewed by the next meeting, of those with a next meeting"
    ),
    flag("has_goal", "Whether a goal is agreed"),
    flag("has_timeline", "Whether a goal with a due date is agreed"),
    flag("has_cadence", "Whether a cadence is agreed"),
    flag("is_unset", "Whether goal, timeline or cadence is not agreed"),
    share("goal_attained_share", "Mean attained share of the match's measured goals, by weight"),
    share("goal_expected_share", "Mean share that the timelines of the match's goals expect, by weight"),
    flag("is_purpose_fit", "Whether the mentor's kind fits the purpose (career: independent; performance: manager)"),
    flag("is_mentor_trained", "Whether the mentor was trained by the week's end"),
    flag(
        "is_formal_before_practice", "Whether formal learning came first, or on the day of, practice; null before any"
    ),
    # mentor_load
    number("load_ratio", "(planned + used) / available minutes; null where none are available", "ratio", 0),
    flag("is_over_max_learners", "Whether the mentor has more learners than agreed at most"),
    count("org_units_reached_count", "Organisational units of the mentor's learners", "units"),
    # goal_progress
    share("expected_attained_share", "Share that the agreed timeline expects by observed_at"),
    count("rebaselined_count", "Times the goal was set anew", "times"),
    date("first_due_on", "Due date as first agreed"),
    date("last_measured_on", "Day of the latest measure"),
    number("timeline_gap_points", "Attained less expected share; negative is behind", "percentage points", -100, 100),
    flag("is_behind", "Whether more than a tenth under what is expected, and neither attained nor dropped"),
    # programme_demand
    count("invited_count", "Learners invited", "learners"),
    count("registered_count", "Learners registered", "learners"),
    number("demand_ratio", "Registered over invited", "ratio", 0),
    share("invited_registered_share", "Invited who registered, of all invited"),
    count("matched_count", "Registered learners with a match in the programme", "learners"),
    share("match_rate", "Matched over registered"),
    count("waiting_count", "Learners who wait for a match", "learners"),
    count("declined_count", "Learners declined", "learners"),
    number("days_to_match_median", "Median time from registration to the first match", "days", 0),
    # community_weekly
    count("interactions_count", "Social interactions", "interactions"),
    count(
        "exchanges_count",
        "Social statements after another learner's about the same, at most 7 days before",
        "exchanges",
    ),
    count("cross_class_exchanges_count", "Exchanges with a learner of another course run or org unit", "exchanges"),
    count("participants_count", "Participants", "participants"),
    count("org_units_count", "Organisational units of the participants", "units"),
    count("ended_learners_count", "Learners whose courses in the programme are over or ended", "learners"),
    count("active_after_course_count", "Learners active after their courses ended", "learners"),
    share("active_after_course_share", "These over all learners whose courses ended"),
    count("interactions_after_course_count", "Social interactions of these learners", "interactions"),
    # course_issues
    text("cause", "What is wrong with the course", "content", "evaluation", "design", "documentation", "dead_resource"),
    count("issues_count", "Reports, works or activities", "issues"),
    text("evidence", "What shows it, as a sentence"),
    # money and effect
    number("cost_amount", "Cost", "currency", 0),
    number("benefit_amount", "Benefit; null with a reason where it cannot be said", "currency"),
    number("benefit_low_amount", "Lower end of the 95 % interval of the benefit", "currency"),
    number("benefit_high_amount", "Upper end of the 95 % interval of the benefit", "currency"),
    number("roi_percent", "(benefit - cost) / cost x 100", "percent"),
    number("roi_low_percent", "Lower end of the 95 % interval of the ROI", "percent"),
    number("roi_high_percent", "Upper end of the 95 % interval of the ROI", "percent"),
    number("benefit_cost_ratio", "Benefit / cost", "ratio"),
    number("payback_days", "Days until the benefit pays the cost back", "days", 0),
    share("roi_positive_probability", "Probability that the ROI is above zero"),
    number("break_even_effect_points", "Effect on abandonment that would pay the cost back", "points"),
    text("roi_verdict", "What can be said of the row", *VERDICTS),
    text("withheld_reason", "Why a figure is withheld"),
    text("component", "Whole programme, or mentoring alone", "programme", "mentoring"),
    text("roi_method", "full: best estimates; conservative: every doubt against the programme", "full", "conservative"),
    text("isolation", "How the benefit was isolated", "holdout", "effect", "attribution", "none"),
    date("period_starts_on", "First day of the period"),
    date("period_ends_on", "Last day of the period"),
    count("completions_count", "Completions", "completions"),
    text("roi_course", "Course run, or 'all'"),
    text("roi_strand", "Strand, or 'all'", "formal", "social", "experiential", "all"),
    share("coverage_share", "Share of active participations with any evidence of the strand"),
    share("target_share", "The programme's own target for the strand"),
    share("measured_share", "Share of the measured minutes"),
    number(
        "outcome_share",
        "Mean outcome tied to the strand (scores, kept commitments, confirmed work)",
        "share 0..1",
        0,
        1,
    ),
)
