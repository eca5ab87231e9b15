"""Fields about mentoring: matches, sessions, messages, goals, commitments.

Belongs here: what mentors and learners agree and do together. Does not belong here: alerts and effects.
"""

from __future__ import annotations

from data_contracts.schema import count, date, instant, number, share, text

LEVELS = ("methodological", "educational", "social", "technical")

FIELDS = (
    text("match_id", "Identifier of the match of one mentor and one learner in one programme"),
    date("matched_on", "Day of the match"),
    date("ended_on", "Day on which the match ended"),
    text("end_reason", "Why the match ended"),
    number("agreed_sessions_per_week", "Agreed cadence", "sessions per week", 0),
    number("agreed_minutes", "Agreed length of a session", "minutes", 0),
    text("agreed_channel", "Agreed channel", "in_person", "video", "chat", "phone", "email"),
    text("purpose", "What the match is for", "career", "performance"),
    text("session_id", "Identifier of the session; a hash of pair and time where none is given"),
    text("group_id", "Group session to which it belongs"),
    instant("scheduled_at", "When the session was to take place"),
    instant("held_at", "When the session took place"),
    number("duration_minutes", "Length of the session", "minutes", 0),
    text("session_channel", "Channel of the session", "in_person", "video", "chat", "phone"),
    text(
        "outcome",
        "What became of the session",
        "held",
        "missed_by_learner",
        "missed_by_mentor",
        "cancelled",
        "rescheduled",
        "planned",
    ),
    text("level", "Level of support", *LEVELS),
    number("learner_rating", "The learner's rating of the session", "1..5", 1, 5),
    number("mentor_rating", "The mentor's rating of the session", "1..5", 1, 5),
    text("message_id", "Identifier of the message; a hash of pair and time where none is given"),
    instant("sent_at", "When the message was sent"),
    text("sender", "Who sent it", "mentor", "learner"),
    text("message_channel", "Channel of the message", "email", "chat", "forum"),
    text("in_reply_to", "Message that this one answers"),
    count("length_chars", "Length of the message", "characters"),
    text("goal_id", "Identifier of the goal"),
    date("agreed_on", "Day on which the goal was agreed"),
    text("goal_kind", "Kind of goal, in the programme's own words"),
    number("baseline_value", "Value at the start, on the goal's own scale"),
    number("target_value", "Value aimed at, on the goal's own scale"),
    date("recorded_on", "Day on which it was recorded"),
    number("value", "Value reached, on the goal's own scale"),
    share("attained_share", "Share of the way from baseline to target"),
    text("goal_status", "How the goal stands", "open", "attained", "dropped", "rebaselined"),
    text("commitment_id", "Identifier of the commitment"),
    date("made_on", "Day on which the commitment was made"),
    date("reviewed_on", "Day on which it was reviewed"),
    text("commitment_status", "How the commitment stands", "open", "kept", "partly", "dropped"),
    # core.mentoring_event
    text("event_id", "Identifier of the mentoring event"),
    text(
        "event_kind",
        "What happened between mentor and learner",
        "held",
        "missed_by_learner",
        "missed_by_mentor",
        "cancelled",
        "rescheduled",
        "planned",
        "message_by_mentor",
        "message_by_learner",
    ),
)
