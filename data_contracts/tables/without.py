"""What is switched off where an input table is not given.

Belongs here: one line for each optional table, in words for whoever sends the data. Does not belong here: what the
tables hold (`inputs`).
"""

from __future__ import annotations

from collections.abc import Mapping

WITHOUT: Mapping[tuple[str, ...], str] = {
    (
        "course",
    ): "a course starts with each enrolment and ends a year later; statements are attributed by registration or "
    "to the latest enrolment",
    (
        "activity",
    ): "no assessed work: the features of family assessment are empty; no due dates and dead resources in course_issues",
    ("programme", "programme_course"): "each course is a programme of its own; no targets of the learning mix",
    ("learner",): "the organisation's time zone for all; no unit, nobody opted out, no fairness audit",
    ("learner_identity",): "identities are linked by learner_key alone",
    ("absence",): "learners on leave are alerted too",
    ("mentor", "mentor_availability"): "mentors of matches have the default minutes, flagged as assumed",
    ("mentoring_match",): "no mentors: the coordinators take alerts, up to a tenth of the active participations a week",
    ("mentoring_session", "mentoring_message"): "no contact: features, health of matches and response times are empty",
    ("goal", "goal_update"): "no goal progress",
    ("commitment",): "no commitments in alerts and in the learning mix",
    ("support_ticket",): "no technical alerts; course_issues says nothing of content and documentation",
    ("work_activity",): "learning by doing is not seen in the learning mix",
    ("programme_cost",): "ROI says that there is no cost data",
    ("programme_benefit",): "ROI says that the benefit is not isolated",
    ("calendar",): "dim_date knows no closed days",
    ("registration",): "programme_demand is empty",
    (
        "alert_feedback",
    ): "nobody is seen to review or act: alerts end by themselves or are escalated, alert_quality has no verdicts",
    ("survey_response",): "programme_outcome has goals alone, and programmes are compared by completion alone",
}
"""Optional input tables -> what is off, or less, where none of them is given; docs/inputs.md says the same."""
