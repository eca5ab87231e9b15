"""Fields that stand in marts alone: weekly engagement, mentoring health, learning mix, effect, ROI.

Belongs here: aggregates and estimates that are published. Does not belong here: what other areas define.
"""

from __future__ import annotations

from data_contracts.schema import count, date, flag, number, share, text

VERDICTS = ("usable", "weak", "cannot_say")

FIELDS = (
    count("active_days_count", "Days with activity", "days"),
    count("submissions_count", "Submissions", "submissions"),
    count("sessions_held_count", "Mentoring sessions held", "sessions"),
    number("agreed_sessions_count", "Mentoring sessions agreed for the week", "sessions", 0),
    count("sessions_missed_count", "Sessions missed by either side", "sessions"),
    count("messages_by_mentor_count", "Messages the mentor sent", "messages"),
    count("messages_by_learner_count", "Messages the learner sent", "messages"),
    share("cadence_kept_share", "Sessions held over sessions agreed, at most 1"),
    count("silence_days", "Days since the last contact of either side at the week's end", "days"),
    count("commitments_made_count", "Commitments made", "commitments"),
    count("commitments_kept_count", "Commitments kept", "commitments"),
    flag("is_unset", "Whether goal, timeline or cadence is not agreed"),
    flag("is_purpose_fit", "Whether the mentor's kind fits the purpose (career: independent; performance: manager)"),
    flag("is_mentor_trained", "Whether the mentor was trained by the week's end"),
    share("expected_attained_share", "Share that the agreed timeline expects by observed_at"),
    count("rebaselined_count", "Times the goal was set anew", "times"),
    count("interactions_count", "Social interactions", "interactions"),
    count(
        "cross_class_interactions_count", "Social interactions in courses shared by several org units", "interactions"
    ),
    count("participants_count", "Participants", "participants"),
    count("active_after_course_count", "Learners active after their course ended", "learners"),
    text("cause", "What is wrong with the course", "content", "evaluation", "design", "documentation", "dead_resource"),
    count("issues_count", "Reports of the issue", "reports"),
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
    text("contrast", "What is compared", "first_contact", "matched"),
    text("estimand", "The effect estimated, in words"),
    number("effect_points", "Difference in abandonment over 8 weeks", "percentage points"),
    number("effect_low_points", "Lower end of the 95 % interval", "percentage points"),
    number("effect_high_points", "Upper end of the 95 % interval", "percentage points"),
    share("overlap_share", "Share of the treated with comparable controls"),
    number("effective_sample_count", "Effective number of controls", "rows", 0),
    number("e_value", "How strong a hidden confounder would have to be", "risk ratio", 1),
    text("effect_verdict", "What can be said of the effect", *VERDICTS),
)
