"""What `models.practice` is told: when each learner learned and practised, what followed training, whom they met.

Belongs here: the queries of these frames. Does not belong here: shares, means and intervals.
"""

from __future__ import annotations

from data_contracts.fields.practice import WINDOWS_DAYS
from pipelines.marts.as_of import MartContext
from pipelines.marts.community import IS_EXCHANGE, social_acts
from pipelines.marts.evidence import OUTSIDE, moments

_IS_EVIDENCE = "(events_count > 0 OR minutes > 0 OR outcome_sum > 0)"


def learners(context: MartContext) -> str:
    """A row for each learner and programme with evidence or a mentor.

    formal_epoch_day is the first day of formal learning, practice_epoch_day of practice: a held meeting or experiential
    evidence, as in mentoring_health. Minutes are null where the learner's events of the strand are of logs that tell none.
    sources_count: different kinds of things the evidence is of. partners_count: mentors met or written with, and learners
    after whose social statement about the same theirs came within seven days; null where no log could tell, as in a
    programme without mentoring whose logs tell days alone. units_reached_count: their org units but the learner's own;
    null where the learner's is not known.
    """
    minutes = (
        "CASE WHEN coalesce(sum(timed_events_count) FILTER ({of}), 0) > 0 OR sum(minutes) FILTER ({of}) > 0 "
        "OR coalesce(sum(events_count) FILTER ({of}), 0) = 0 THEN coalesce(sum(minutes) FILTER ({of}), 0) END"
    )
    formal, applied = "strand = 'formal'", "strand = 'experiential'"
    return f"""
    WITH moment AS (FROM {moments(context.observed, context.tonight_epoch_day)} WHERE {_IS_EVIDENCE}),
    learned AS (
        SELECT programme_id, learner_id,
            min(epoch_day) FILTER ({formal}) AS formal_epoch_day,
            min(epoch_day) FILTER ({applied} OR source_kind = 'mentoring_event held') AS practice_epoch_day,
            coalesce(sum(events_count) FILTER ({formal}), 0) AS formal_events_count,
            coalesce(sum(events_count) FILTER ({applied}), 0) AS applied_events_count,
            {minutes.format(of=formal)} AS formal_minutes, {minutes.format(of=applied)} AS applied_minutes,
            coalesce(bool_or({applied}), false) AS has_applied,
            count(DISTINCT source_kind) AS sources_count,
            bool_or(timed_events_count > 0 AND course_id IS NOT NULL) AS is_timed
        FROM moment WHERE programme_id <> '{OUTSIDE}' GROUP BY ALL
    ),
    met AS (
        SELECT event.programme_id, event.learner_id, 'mentor ' || event.mentor_id AS partner, match.mentor_org_unit AS unit,
            match.org_unit AS own_unit
        FROM {context.happened("mentoring_event")} AS event LEFT JOIN {context.matches()} AS match USING (match_id)
        WHERE event.event_kind IN ('held', 'message_by_mentor', 'message_by_learner') AND event.programme_id IS NOT NULL
    ),
    partner AS (
        SELECT programme_id, learner_id, count(DISTINCT partner) AS partners_count,
            count(DISTINCT unit) FILTER (unit <> own_unit) AS units_reached_count
        FROM (
            FROM met UNION ALL
            SELECT programme_id, learner_id, before_learner_id, before_org_unit, org_unit
            FROM {social_acts(context)} WHERE {IS_EXCHANGE}
        ) GROUP BY ALL
    ),
    told AS (
        SELECT programme_id FROM met UNION SELECT programme_id FROM learned WHERE is_timed
    ),
    home AS (
        SELECT programme_id, learner_id, any_value(org_unit) AS org_unit FROM (
            SELECT programme_id, learner_id, org_unit FROM {context.enrolments()} UNION ALL
            SELECT programme_id, learner_id, org_unit FROM {context.matches()}
        ) GROUP BY ALL
    ),
    known AS (FROM (SELECT programme_id, learner_id FROM learned UNION SELECT programme_id, learner_id FROM met))
    SELECT known.programme_id, known.learner_id, formal_epoch_day, practice_epoch_day,
        CAST(coalesce(formal_events_count, 0) AS BIGINT) AS formal_events_count,
        CAST(coalesce(applied_events_count, 0) AS BIGINT) AS applied_events_count,
        CAST(formal_minutes AS DOUBLE) AS formal_minutes, CAST(applied_minutes AS DOUBLE) AS applied_minutes,
        coalesce(has_applied, false) AS has_applied, coalesce(sources_count, 0) AS sources_count,
        CASE WHEN told.programme_id IS NOT NULL THEN coalesce(partners_count, 0) END AS partners_count,
        CASE WHEN told.programme_id IS NOT NULL AND home.org_unit IS NOT NULL THEN coalesce(units_reached_count, 0) END
            AS units_reached_count
    FROM known LEFT JOIN learned USING (programme_id, learner_id) LEFT JOIN partner USING (programme_id, learner_id)
    LEFT JOIN home USING (programme_id, learner_id) LEFT JOIN told USING (programme_id)
    ORDER BY ALL
    """


def after_training(context: MartContext) -> str:
    """A row for each learner, programme and window whose days after the learner's training have all passed.

    Training ended with the last course that the learner stayed in to its end (completed or failed it, or no end is
    known and the course is over) and whose window is over; whoever abandoned it was not trained. In the window, whose
    first day follows the training's last: is_mentored, a meeting was held or the mentor wrote; has_practised, any
    experiential evidence of the programme or outside of programmes; has_worked, the same without commitments, which
    only those with a mentor make.
    """
    tonight = context.tonight
    ended = f"coalesce(ended_known_epoch_day, ended_epoch_day) < {tonight}"
    windows = ", ".join(f"({days})" for days in WINDOWS_DAYS)
    return f"""
    WITH trained AS (
        SELECT programme_id, learner_id, window_days, max(trained_epoch_day) AS trained_epoch_day
        FROM (
            SELECT programme_id, learner_id, last_epoch_day AS trained_epoch_day FROM {context.enrolments()}
            WHERE course_id IS NOT NULL AND CASE WHEN {ended} THEN ended_kind IN ('completed', 'failed')
                ELSE course_end_epoch_day < {tonight} END
        ), (VALUES {windows}) AS offered(window_days)
        WHERE trained_epoch_day + window_days < {tonight}
        GROUP BY ALL
    ),
    practice AS (
        SELECT programme_id, learner_id, epoch_day, source
        FROM {moments(context.observed, context.tonight_epoch_day)}
        WHERE strand = 'experiential' AND {_IS_EVIDENCE}
    ),
    practised AS (
        SELECT t.programme_id, t.learner_id, t.window_days, true AS has_practised,
            bool_or(practice.source <> 'commitment') AS has_worked
        FROM trained AS t JOIN practice
            ON practice.learner_id = t.learner_id AND practice.programme_id IN (t.programme_id, '{OUTSIDE}')
            AND practice.epoch_day BETWEEN trained_epoch_day + 1 AND trained_epoch_day + window_days
        GROUP BY ALL
    ),
    mentored AS (
        SELECT DISTINCT t.programme_id, t.learner_id, window_days, true AS is_mentored
        FROM trained AS t JOIN {context.happened("mentoring_event")} AS event
            ON event.learner_id = t.learner_id AND coalesce(event.programme_id, t.programme_id) = t.programme_id
            AND event.epoch_day BETWEEN trained_epoch_day + 1 AND trained_epoch_day + window_days
        WHERE event_kind IN ('held', 'message_by_mentor')
    )
    SELECT programme_id, learner_id, CAST(window_days AS BIGINT) AS window_days,
        coalesce(is_mentored, false) AS is_mentored, coalesce(has_practised, false) AS has_practised,
        coalesce(has_worked, false) AS has_worked
    FROM trained LEFT JOIN practised USING (programme_id, learner_id, window_days)
    LEFT JOIN mentored USING (programme_id, learner_id, window_days)
    ORDER BY ALL
    """


def matches(context: MartContext) -> str:
    """A row for each match with whether it is across org units; null where a unit is not known."""
    return f"SELECT programme_id, learner_id, is_across_org_units FROM {context.matches()} ORDER BY ALL"
