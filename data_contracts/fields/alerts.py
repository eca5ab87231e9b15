"""Fields about alerts, routing and mentors' capacity.

Belongs here: what is told to a mentor and what the mentor has minutes for. Does not belong here: the risk behind it.
"""

from __future__ import annotations

from data_contracts.schema import count, date, flag, instant, number, share, text

FIELDS = (
    text("alert_id", "Content hash of participation, kind, rule and opening"),
    text("alert_kind", "Why there is an alert: the model, a rule, or good news", "risk", "rule", "good_news"),
    text(
        "rule",
        "Rule behind the alert, where it is one",
        "never_started",
        "first_meeting_not_held",
        "cadence_broken",
        "commitment_overdue",
        "goal_behind",
        "mentor_silent",
        "ticket_open",
        "back_on_track",
    ),
    text("alert_state", "How the alert stands", "new", "reviewed", "acted", "dismissed", "resolved"),
    instant("state_at", "When it came to its state"),
    text("alert_channel", "How to reach the learner", "synchronous", "asynchronous"),
    count("expected_minutes", "Minutes the mentor is expected to need", "minutes"),
    text("next_step", "Next agreed step: due work, a session, a commitment"),
    flag("is_served", "Whether somebody has the minutes for it"),
    text("unserved_reason", "Why nobody serves it", "mentor_full", "no_mentor_budget", "mentor_absent"),
    number("expected_loss", "Sum of the probabilities of abandonment", "expected abandonments", 0),
    count("unserved_alerts_count", "Alerts nobody has minutes for", "alerts"),
    count("served_alerts_count", "Alerts that are served", "alerts"),
    count("served_by_one_more_hour_count", "Alerts that one more mentor hour would serve", "alerts"),
    number(
        "loss_served_by_one_more_hour",
        "Expected loss that one more mentor hour would reach",
        "expected abandonments",
        0,
    ),
    number("available_minutes", "Minutes available in the week over all programmes", "minutes", 0),
    number("planned_minutes", "Minutes of planned sessions", "minutes", 0),
    number("used_minutes", "Minutes charged by alerts and held sessions", "minutes", 0),
    flag("is_capacity_assumed", "Whether the capacity is the default for want of a stated one"),
    count("learners_count", "Learners", "learners"),
    count("alerts_count", "Alerts", "alerts"),
    number(
        "response_hours_median", "Median time to the mentor's answer to a learner's message, over 28 days", "hours", 0
    ),
    number("learner_rating_mean", "Mean of learners' ratings of 84 days; null under 5 ratings", "1..5", 1, 5),
    text("verdict", "What the mentor said of the alert", "useful", "not_applicable", "wrong"),
    text("feedback_state", "State the feedback sets", "reviewed", "acted", "dismissed"),
    instant("at", "When the feedback was given"),
    instant("contacted_at", "When the learner was contacted because of the alert"),
    text("route_kind", "Through whom the alert is served", "own_mentor", "spill_over", "coordinator"),
    text("participation_id", "One learner in one programme, as programme_id and learner_id"),
    text("participation_status", "How the participation stands", "active", "completed", "abandoned", "ended"),
    date("participation_ended_on", "Day on which the participation ended"),
    share("course_base_share", "Share of the course's active enrolments expected to be abandoned within 28 days"),
)
