"""core.mentoring_match and core.mentoring_event: who is matched, and what happened between them, on one time line.

Belongs here: bringing matches, sessions and messages into one shape, in local days, each with the day it was first
told. Does not belong here: goals and commitments (`agreements`), minutes of mentors (`presence`), cadence and health
(`pipelines.marts`).
"""

from __future__ import annotations

from data_contracts.tables.core import MENTORING_EVENT, MENTORING_FINDING, MENTORING_MATCH
from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import date_day, epoch_day, zone
from pipelines.resources import Night
from pipelines.warehouse import current

# A message after so long a silence starts a conversation; an answer later than that, where the log does not name
# what is answered, answers nothing.
_CONVERSATION_DAYS = 3
_ANSWER_DAYS = 14

_MET_OR_WROTE = "('held', 'message_by_mentor', 'message_by_learner')"


def build_matches(night: Night) -> int:
    """Fill core.mentoring_match with the matches told before observed_at that began before it.

    A fact is known from the first version that told it, never before its own day. The purpose fits where the mentor's
    kind is independent for a career and manager for performance; null without a purpose or a kind.
    """
    before, settings = night.observed_sql, night.settings
    return night.warehouse.replace(
        MENTORING_MATCH,
        f"""
        WITH told AS (
            SELECT match_id, ended_on, min(known_at) AS told_at, min(min(known_at)) OVER (PARTITION BY match_id) AS first_at
            FROM raw.mentoring_match WHERE known_at < {before} GROUP BY match_id, ended_on
        ),
        match AS (
            SELECT m.*, {zone(settings, "l.timezone", "p.timezone")} AS zone, {zone(settings, "g.timezone")} AS mentor_zone,
                   {date_day("m.matched_on")} AS matched_day, {date_day("m.ended_on")} AS ended_day,
                   told.told_at, told.first_at, g.kind AS mentor_kind, g.trained_on, l.org_unit,
                   o.org_unit AS mentor_org_unit
            FROM {current(RAW_INPUTS["mentoring_match"], before)} AS m
            JOIN told ON told.match_id = m.match_id AND told.ended_on IS NOT DISTINCT FROM m.ended_on
            LEFT JOIN {current(RAW_INPUTS["learner"], before)} AS l ON l.learner_id = m.learner_id
            LEFT JOIN {current(RAW_INPUTS["learner"], before)} AS o ON o.learner_id = m.mentor_id
            LEFT JOIN {current(RAW_INPUTS["mentor"], before)} AS g ON g.mentor_id = m.mentor_id
            LEFT JOIN {current(RAW_INPUTS["programme"], before)} AS p ON p.programme_id = m.programme_id
        )
        SELECT match_id, mentor_id, learner_id, programme_id, programme_id || ':' || learner_id AS participation_id,
               zone AS timezone, mentor_zone AS mentor_timezone, matched_day AS matched_epoch_day,
               greatest(matched_day, {epoch_day("first_at", "zone")}) AS known_epoch_day,
               ended_day AS match_ended_epoch_day,
               CASE WHEN ended_day IS NOT NULL THEN greatest(ended_day, {epoch_day("told_at", "zone")}) END
                   AS match_ended_known_epoch_day,
               agreed_sessions_per_week, agreed_minutes, agreed_channel, purpose, mentor_kind,
               CASE purpose WHEN 'career' THEN mentor_kind = 'independent' WHEN 'performance' THEN mentor_kind = 'manager'
               END AS is_purpose_fit,
               {date_day("trained_on")} AS trained_epoch_day, org_unit, mentor_org_unit,
               org_unit <> mentor_org_unit AS is_across_org_units
        FROM match WHERE matched_day < {night.tonight_epoch_day}
        ORDER BY match_id
        """,
    )


def build_mentoring_events(night: Night) -> int:
    """Fill core.mentoring_event with what was known before observed_at, planned sessions included.

    A meeting is a group's session on a day of the mentor, or a session of its own. An answer is the message that names
    the one it answers; in a programme whose log names none, the other side's next message within fourteen days. A
    message starts a conversation where it answers nothing and the pair was silent for three days.
    """
    _gather(night)
    return night.warehouse.replace(
        MENTORING_EVENT,
        f"""
        WITH placed AS (
            SELECT *, epoch_ms(happened_at) AS at_ms, coalesce(match_id, mentor_id || '|' || learner_id) AS pair,
                   {epoch_day("happened_at", "zone")} AS day, {epoch_day("happened_at", "mentor_zone")} AS mentor_day,
                   greatest({epoch_day("happened_at", "zone")}, {epoch_day("told_at", "zone")}) AS known_day
            FROM mentoring_placed
        ),
        names AS (
            SELECT programme_id, count(in_reply_to) > 0 AS names_replies FROM placed
            WHERE sender IS NOT NULL GROUP BY programme_id
        ),
        message AS (
            SELECT p.*, coalesce(n.names_replies, false) AS names_replies
            FROM placed AS p LEFT JOIN names AS n ON n.programme_id IS NOT DISTINCT FROM p.programme_id
            WHERE p.sender IS NOT NULL
        ),
        named AS (
            SELECT q.event_id, min(a.happened_at) AS answered_at, arg_min(a.known_day, a.happened_at) AS answered_known_day
            FROM message AS q JOIN message AS a ON a.in_reply_to = q.event_id AND a.pair = q.pair AND a.sender <> q.sender
            GROUP BY q.event_id
        ),
        -- Of what the other side wrote later the nearest: within a pair, one sender's next is the other's last.
        next AS (
            SELECT event_id, min(happened_at) FILTER (sender = 'mentor') OVER later AS by_mentor,
                   arg_min(known_day, at_ms) FILTER (sender = 'mentor') OVER later AS mentor_known,
                   min(happened_at) FILTER (sender = 'learner') OVER later AS by_learner,
                   arg_min(known_day, at_ms) FILTER (sender = 'learner') OVER later AS learner_known
            FROM message WHERE NOT names_replies
            WINDOW later AS (PARTITION BY pair ORDER BY at_ms RANGE BETWEEN 1 FOLLOWING
                             AND {_ANSWER_DAYS * 86_400_000} FOLLOWING)
        ),
        spoken AS (
            SELECT event_id, at_ms - lag(at_ms) OVER (PARTITION BY pair ORDER BY at_ms, event_id) AS silence_ms
            FROM placed WHERE event_kind IN {_MET_OR_WROTE}
        )
        SELECT p.event_id, p.match_id, p.mentor_id, p.learner_id, p.programme_id, p.event_kind, p.happened_at,
               p.day AS epoch_day, p.known_day AS known_epoch_day, p.mentor_day AS mentor_epoch_day, p.minutes,
               CASE WHEN p.sender IS NULL THEN coalesce(p.group_id || ' ' || p.mentor_day, p.event_id) END AS meeting_id,
               p.channel, p.level, p.learner_rating, p.mentor_rating,
               p.sender IS NOT NULL AND p.in_reply_to IS NULL
                   AND coalesce(s.silence_ms > {_CONVERSATION_DAYS * 86_400_000}, true) AS is_start,
               coalesce(a.answered_at, CASE p.sender WHEN 'learner' THEN n.by_mentor ELSE n.by_learner END) AS answered_at,
               coalesce(a.answered_known_day, CASE p.sender WHEN 'learner' THEN n.mentor_known ELSE n.learner_known END)
                   AS answered_known_epoch_day
        FROM placed AS p LEFT JOIN named AS a USING (event_id) LEFT JOIN next AS n USING (event_id)
        LEFT JOIN spoken AS s USING (event_id)
        ORDER BY p.event_id
        """,
    )


def _gather(night: Night) -> None:
    """Sessions and messages with their match and zones as `mentoring_placed`, those of no known match in `mentoring_lost`."""
    before, settings = night.observed_sql, night.settings
    kind = "coalesce(outcome, CASE WHEN held_at IS NULL THEN 'planned' ELSE 'held' END)"
    at = "coalesce(held_at, scheduled_at)"
    night.warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE mentoring_told AS
        WITH told AS (
            SELECT session_id, {kind} AS kind, {at} AS at, min(known_at) AS told_at
            FROM raw.mentoring_session WHERE known_at < {before} GROUP BY ALL
        ),
        session AS (
            SELECT *, {kind} AS kind, {at} AS at FROM {current(RAW_INPUTS["mentoring_session"], before)}
        )
        SELECT s.session_id AS event_id, s.match_id, s.mentor_id, s.learner_id, s.kind AS event_kind,
               s.at AS happened_at, told.told_at, coalesce(s.duration_minutes, 0) AS minutes, s.group_id, s.channel,
               s.level, s.learner_rating, s.mentor_rating, NULL AS sender, NULL AS in_reply_to
        FROM session AS s JOIN told ON told.session_id = s.session_id AND told.kind = s.kind AND told.at = s.at
        UNION ALL
        SELECT message_id, match_id, mentor_id, learner_id, 'message_by_' || sender, sent_at, known_at, 0, NULL, channel,
               NULL, NULL, NULL, sender, in_reply_to
        FROM {current(RAW_INPUTS["mentoring_message"], before)}
        """
    )
    night.warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE mentoring_placed AS
        WITH pair AS (
            SELECT match_id, mentor_id, learner_id, programme_id, CAST(matched_on AS TIMESTAMP) AS matched_at
            FROM {current(RAW_INPUTS["mentoring_match"], before)}
        ),
        named AS (
            SELECT e.* EXCLUDE (mentor_id, learner_id), p.mentor_id, p.learner_id, p.programme_id
            FROM mentoring_told AS e JOIN pair AS p USING (match_id)
        ),
        -- A log may name the two persons only: theirs is the match that began last before the event.
        paired AS (
            SELECT e.* EXCLUDE (match_id), p.match_id, p.programme_id
            FROM (FROM mentoring_told ANTI JOIN pair USING (match_id)) AS e
            ASOF LEFT JOIN pair AS p
              ON p.mentor_id = e.mentor_id AND p.learner_id = e.learner_id AND e.happened_at >= p.matched_at
            WHERE e.mentor_id IS NOT NULL AND e.learner_id IS NOT NULL
        )
        SELECT e.*, {zone(settings, "l.timezone", "r.timezone")} AS zone, {zone(settings, "g.timezone")} AS mentor_zone
        FROM (FROM named UNION ALL BY NAME FROM paired) AS e
        LEFT JOIN {current(RAW_INPUTS["learner"], before)} AS l ON l.learner_id = e.learner_id
        LEFT JOIN {current(RAW_INPUTS["mentor"], before)} AS g ON g.mentor_id = e.mentor_id
        LEFT JOIN {current(RAW_INPUTS["programme"], before)} AS r ON r.programme_id = e.programme_id
        """
    )


def find_gaps(night: Night) -> int:
    """Fill core.mentoring_finding: how much of the logs could not be joined, or says less than it could.

    Needs core.mentoring_match, core.mentoring_event, core.commitment and core.enrolment of this night.
    """
    before = night.observed_sql
    session, message, match = "raw.mentoring_session", "raw.mentoring_message", "raw.mentoring_match"
    table = f"CASE WHEN e.sender IS NULL THEN '{session}' ELSE '{message}' END"
    lost = (
        "SELECT '{finding}' AS finding, t.table_name, count(*) FILTER ({holds}) AS found_count, count(*) AS out_of_count "
        "FROM events AS t GROUP BY t.table_name"
    )
    by_event = {
        "unknown_match": "t.is_lost",
        "never_matched": "NOT t.is_lost AND t.match_id IS NULL",
        "before_match": "t.epoch_day < t.matched_epoch_day",
        "after_match": "t.epoch_day > t.match_ended_epoch_day",
    }
    findings = " UNION ALL ".join(lost.format(finding=name, holds=holds) for name, holds in by_event.items())
    return night.warehouse.replace(
        MENTORING_FINDING,
        f"""
        WITH events AS (
            SELECT {table} AS table_name, p.event_id IS NULL AS is_lost, p.match_id, c.epoch_day, m.matched_epoch_day,
                   m.match_ended_epoch_day
            FROM mentoring_told AS e LEFT JOIN mentoring_placed AS p USING (event_id)
            LEFT JOIN core.mentoring_event AS c USING (event_id)
            LEFT JOIN core.mentoring_match AS m ON m.match_id = p.match_id
        )
        {findings}
        UNION ALL
        SELECT 'no_duration', '{session}', count(*) FILTER (minutes = 0), count(*)
        FROM core.mentoring_event WHERE event_kind = 'held'
        UNION ALL
        SELECT 'unknown_reply', '{message}',
               count(*) FILTER (in_reply_to NOT IN (SELECT event_id FROM mentoring_told)), count(in_reply_to)
        FROM mentoring_told WHERE sender IS NOT NULL
        UNION ALL
        SELECT 'unknown_session', 'raw.commitment', count(*) FILTER (k.commitment_id IS NULL), count(*)
        FROM {current(RAW_INPUTS["commitment"], before)} AS c LEFT JOIN core.commitment AS k USING (commitment_id)
        UNION ALL
        SELECT 'untold_mentor', '{match}', count(*) FILTER (mentor_kind IS NULL), count(*) FROM core.mentoring_match
        UNION ALL
        SELECT 'matched_without_enrolment', '{match}',
               count(*) FILTER (participation_id NOT IN (SELECT participation_id FROM core.enrolment)), count(*)
        FROM core.mentoring_match
        ORDER BY ALL
        """,
    )
