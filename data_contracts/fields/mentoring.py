"""Fields about mentoring: matches, sessions, messages, goals, commitments.

Belongs here: what mentors and learners agree and do together. Does not belong here: alerts and effects.
"""

from __future__ import annotations

from data_contracts.schema import count, date, flag, instant, integer, number, share, text

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
    text("event_channel", "Channel of the session or message", "in_person", "video", "chat", "phone", "email", "forum"),
    text("meeting_id", "Identifier of the meeting: a group's session is one, however many learners' rows it has"),
    integer("mentor_epoch_day", "Day of the event in the mentor's zone, in days since 1970-01-01", "days"),
    flag("is_start", "Whether the event is a message that starts a conversation"),
    instant("answered_at", "When the other side's first answer to the message was sent"),
    integer("answered_known_epoch_day", "Local day on which the answer was known, in days since 1970-01-01", "days"),
    # core.mentoring_match
    text("mentor_timezone", "IANA time zone of the mentor"),
    integer("matched_epoch_day", "Local day of the match, in days since 1970-01-01", "days"),
    integer("match_ended_epoch_day", "Local day on which the match ended, in days since 1970-01-01", "days"),
    integer("match_ended_known_epoch_day", "Local day on which its end was known, in days since 1970-01-01", "days"),
    integer("trained_epoch_day", "Day on which the mentor was trained, in days since 1970-01-01", "days"),
    text("mentor_org_unit", "Organisational unit of the mentor, where the mentor is also told of as a learner"),
    flag("is_across_org_units", "Whether mentor and learner are of different organisational units"),
    # core.mentor_week
    count("meetings_held_count", "Meetings held, a group's once", "meetings"),
    number("held_minutes", "Minutes of meetings held, a group's once", "minutes", 0),
    count("programmes_count", "Programmes in which the mentor has a match", "programmes"),
    # core.goal, core.goal_update, core.commitment
    integer("agreed_epoch_day", "Local day on which the goal was agreed, in days since 1970-01-01", "days"),
    integer("superseded_epoch_day", "Local day on which the next version was known; null for the latest", "days"),
    count("version_number", "1 for the goal as first agreed, then one more for each new agreement", "versions"),
    integer("made_epoch_day", "Local day on which the commitment was made, in days since 1970-01-01", "days"),
    integer("made_known_epoch_day", "Local day on which it was known, in days since 1970-01-01", "days"),
    integer("reviewed_epoch_day", "Local day on which the commitment was reviewed, in days since 1970-01-01", "days"),
    integer("reviewed_known_epoch_day", "Local day on which the review was known, in days since 1970-01-01", "days"),
    integer("next_met_epoch_day", "Local day of the match's next held session, in days since 1970-01-01", "days"),
    flag("is_reviewed_at_next", "Whether it was reviewed by the match's next held session; null before there is one"),
    # core.away_day
    text("away_kind", "Why the learner is away: own leave, or a closed day of the organisation", "leave", "closed"),
    # core.registration
    integer("invited_epoch_day", "Local day of the invitation, in days since 1970-01-01", "days"),
    integer("registered_epoch_day", "Local day of the registration, in days since 1970-01-01", "days"),
    integer("decided_epoch_day", "Local day of the decision, in days since 1970-01-01", "days"),
    integer(
        "first_matched_epoch_day", "Local day of the first match in the programme, in days since 1970-01-01", "days"
    ),
    # core.mentoring_finding
    text(
        "mentoring_finding",
        "What was found while mentoring logs were joined",
        "unknown_match",
        "never_matched",
        "before_match",
        "after_match",
        "no_duration",
        "unknown_reply",
        "unknown_session",
        "untold_mentor",
        "matched_without_enrolment",
    ),
)
