"""Families about mentoring: the mentor, goals, commitments, support, peers.

Belongs here: their entries. Does not belong here: activity (`activity`), the course (`course`).
"""

from __future__ import annotations

from math import inf

from data_contracts.features.entry import Family, Feature
from data_contracts.schema import count, number, share

_MENTORING = (
    Feature(
        count("is_matched", "1 where the learner has a mentor, else 0", "0 or 1"),
        "social",
        "no mentor yet",
        "low",
        (0, 0),
        is_actionable=False,
    ),
    Feature(
        count("has_met", "1 where learner and mentor have met, else 0; null without a mentor", "0 or 1"),
        "social",
        "no meeting with the mentor yet",
        "low",
        (0, 0),
    ),
    Feature(
        count(
            "days_until_first_meeting",
            "Days from the match to the first session held, or waited so far; null without a mentor",
            "days",
        ),
        "social",
        "no meeting in the first {value} days after the match",
        "high",
        (1, inf),
    ),
    Feature(
        number("days_since_contact", "Days since a held session or the mentor's last message", "days", 0),
        "social",
        "no session or message from the mentor for {value} days",
        "high",
        (1, inf),
    ),
    Feature(
        share(
            "held_over_agreed_4i_share",
            "Sessions held over sessions agreed, at most 1, in the last four intervals between agreed sessions, or as "
            "many as are over; null before the first is and where no cadence is agreed",
        ),
        "social",
        "{value} of the sessions agreed of late held",
        "low",
        (0, 0.99),
    ),
    Feature(
        count("sessions_held_28d", "Sessions held in the last 28 days", "sessions"),
        "social",
        "{value} mentoring sessions in the last 28 days",
        "low",
    ),
    Feature(
        count("sessions_missed_by_learner_28d", "Sessions the learner missed in the last 28 days", "sessions"),
        "social",
        "{value} sessions missed by the learner in the last 28 days",
        "high",
        (1, inf),
    ),
    Feature(
        count("sessions_missed_by_mentor_28d", "Sessions the mentor missed in the last 28 days", "sessions"),
        "social",
        "{value} sessions missed by the mentor in the last 28 days",
        "high",
        (1, inf),
    ),
    Feature(
        count("messages_by_mentor_28d", "Messages of the mentor in the last 28 days", "messages"),
        "social",
        "{value} messages from the mentor in the last 28 days",
        "low",
    ),
    Feature(
        count("messages_by_learner_28d", "Messages of the learner in the last 28 days", "messages"),
        "social",
        "{value} messages to the mentor in the last 28 days",
        "low",
    ),
    Feature(
        share(
            "started_by_learner_28d_share",
            "Conversations of the last 28 days that a message of the learner began, over all that a message began; null "
            "without one",
        ),
        "social",
        "{value} of the last 28 days' conversations begun by the learner",
        "low",
        (0, 0.99),
    ),
    Feature(
        number(
            "response_hours_median_28d",
            "Median hours from the learner's messages of the last 28 days to the mentor's answers; null without an answer",
            "hours",
            0,
        ),
        "social",
        "half of the mentor's answers take {value} hours or more",
        "high",
        (1.5, inf),
    ),
    Feature(
        count(
            "unanswered_messages_28d",
            "Conversations that the learner began in the last 28 days, more than 3 days ago, without an answer yet",
            "messages",
        ),
        "social",
        "{value} messages to the mentor without an answer for more than 3 days",
        "high",
        (1, inf),
    ),
    Feature(
        share(
            "synchronous_28d_share",
            "Sessions held and chat messages over all sessions held and messages of the last 28 days; null without any",
        ),
        "social",
        "{value} of the exchange with the mentor live, the rest by mail",
        "low",
        (0, 0.99),
    ),
    Feature(
        count(
            "mentor_learners_count",
            "Learners whom the mentor has at observed_at in all programmes, this one included; null without a mentor",
            "learners",
        ),
        "social",
        "",
        is_actionable=False,
    ),
    Feature(
        count(
            "is_mentor_trained",
            "1 where the mentor was trained by observed_at, else 0; null where nothing is told of the mentor",
            "0 or 1",
        ),
        "social",
        "",
        is_actionable=False,
    ),
)
_GOALS = (
    Feature(
        count("goals_count", "Goals agreed with the mentor that stand at observed_at; 0 where none does", "goals"),
        "educational",
        "no goal agreed with the mentor",
        "low",
        (0, 0),
        is_compared=False,
    ),
    Feature(
        share(
            "goal_attained_share", "Attained share of the goals by their last measure; null before the first measure"
        ),
        "educational",
        "{value} of the way to the agreed goals",
        "low",
        (0, 0.99),
    ),
    Feature(
        share(
            "goal_expected_share", "Share of the goals to be attained by now, in even steps from agreement to due day"
        ),
        "educational",
        "",
        is_actionable=False,
    ),
    Feature(
        number(
            "goal_gap_share",
            "Attained less expected share of goals that have both; negative where they are behind",
            "share",
            -1,
            1,
        ),
        "educational",
        "goals behind their timeline by {value} of the way",
        reads_within=(-1, -0.1),
        is_compared=False,
    ),
    Feature(
        count("days_since_goal_update", "Days since a standing goal was agreed or measured", "days"),
        "educational",
        "goals not looked at for {value} days",
        "high",
        (1, inf),
    ),
)
_COMMITMENTS = (
    Feature(
        count("commitments_made_to_date", "Commitments that ended sessions so far", "commitments"),
        "educational",
        "{value} commitments made so far",
        "low",
    ),
    Feature(
        share("commitments_kept_share", "Commitments kept over commitments reviewed; null before the first review"),
        "educational",
        "{value} of the reviewed commitments kept",
        "low",
        (0, 0.99),
    ),
    Feature(
        share(
            "commitments_reviewed_share",
            "Commitments reviewed over those made that were due or followed by another session; null without one",
        ),
        "educational",
        "{value} of the commitments made were reviewed",
        "low",
        (0, 0.99),
    ),
    Feature(
        count("overdue_commitments_count", "Commitments past their due day and not reviewed", "commitments"),
        "educational",
        "{value} commitments overdue",
        "high",
        (1, inf),
    ),
)
_SUPPORT = (
    Feature(
        count("open_tickets_count", "Support tickets open at observed_at", "tickets"),
        "technical",
        "{value} support tickets open",
        "high",
        (1, inf),
    ),
    Feature(
        count("days_since_ticket", "Days since the oldest open ticket was opened; null without an open one", "days"),
        "technical",
        "a support ticket open for {value} days",
        "high",
        (1, inf),
    ),
)
_PEERS = (
    Feature(
        share(
            "social_days_28d_share",
            "Days with exchange with others over all active days of the last 28 days; null without any",
        ),
        "social",
        "exchange with others on {value} of the active days",
        "low",
        (0, 0.99),
    ),
    Feature(
        number(
            "peers_social_events_28d_mean",
            "Mean social events in the last 28 days of the others active in the course; null without others",
            "events",
            0,
        ),
        "social",
        "",
        is_actionable=False,
    ),
)

FAMILIES = (
    Family(
        "mentoring", "What happened between the mentor and the learner, and who the mentor is", "mentoring", _MENTORING
    ),
    Family("goals", "What the learner agreed to reach with the mentor, and how far it is", "mentoring", _GOALS),
    Family("commitments", "What was promised in sessions, kept, and looked at again", "mentoring", _COMMITMENTS),
    Family("support", "Technical and access problems that wait", "mentoring", _SUPPORT),
    Family(
        "peers",
        "Exchange with others, the learner's own and that of the course",
        "mentoring",
        _PEERS,
        is_modelled=False,
    ),
)
