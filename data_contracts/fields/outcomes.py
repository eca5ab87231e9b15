"""Fields about surveys, tickets, work activity, cost and benefit.

Belongs here: what a programme led to and what it cost, as recorded. Does not belong here: anything estimated.
"""

from __future__ import annotations

from data_contracts.schema import date, instant, integer, number, share, text

FIELDS = (
    text("response_id", "Identifier of the survey answer"),
    text("survey", "Which survey", "start", "during", "end", "after"),
    text("subject_type", "Whom the answer is about", "learner", "mentor", "match"),
    date("answered_on", "Day of the answer"),
    text(
        "construct",
        "What the question measures",
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
    text("question_id", "Identifier of the question"),
    integer("outcome_level", "Outcome level: 1 reaction, 2 learning, 3 application, 4 impact"),
    text("ticket_id", "Identifier of the support ticket"),
    instant("opened_at", "When it was opened"),
    text("ticket_kind", "What the ticket is about", "technical", "access", "documentation", "content"),
    instant("resolved_at", "When it was resolved"),
    date("happened_on", "Day on which it happened"),
    text("work_kind", "Kind of work activity", "task", "project", "shadowing", "application"),
    text("confirmed_by", "Who confirmed it", "self", "mentor", "manager"),
    date("period_on", "First day of the month or period the amount belongs to"),
    text(
        "cost_kind",
        "Kind of cost",
        "design",
        "content",
        "platform",
        "coordination",
        "facilitation",
        "mentor_training",
        "travel",
        "venue",
        "learner_time",
        "mentor_time",
    ),
    number("amount", "Amount in the row's currency", "currency", 0),
    text("metric", "What was gained"),
    number("quantity", "How much was gained", "metric's own unit"),
    number("unit_value_amount", "Value of one unit", "currency"),
    share("attribution_share", "Share attributed to the programme"),
    share("confidence_share", "Confidence of the estimate"),
    text("benefit_source", "Where the figure comes from"),
    number("value_per_completion_amount", "Value of one completion", "currency", 0),
    number("learner_hour_amount", "Cost of one learner hour", "currency per hour", 0),
    number("mentor_hour_amount", "Cost of one mentor hour", "currency per hour", 0),
    share("target_formal_share", "Target share of formal learning"),
    share("target_social_share", "Target share of social learning"),
    share("target_experiential_share", "Target share of experiential learning"),
)
