"""Weekly target trials: who could have been contacted (or matched) in a week, who was, and what became of them.

Belongs here: eligibility, treatment, outcome and covariates of each trial, read from the warehouse. Does not belong here:
any estimate (`models.effect`).

A trial is a participation in an ISO week of the learner. What makes a covariate happened and was known before the week's
Monday; what was known later than the week in which it happened is left out of all of them. Treatment is looked at in the
week; the outcome clock starts at the week's end, for both arms, among those who are active then. A clock that starts with
the week, or that waits for contact, finds effects where there are none: who is contacted late has stayed until then.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import epoch_day, monday
from pipelines.warehouse import Warehouse, current

Contrast = Literal["first_contact", "matched"]

WEEK_DAYS = 7
OUTCOME_DAYS = 56
# A window counts when this share of abandonments, by the days they took so far, would be recorded.
_RECORDED_SHARE = 0.99
_LONGEST_SILENCE_DAYS = 56
_WEEKS_TOLD_APART = 8
_MOST_DAILY = 3_000
_DIGITS = 9
# Whose an event is: of its match, else of the programme it names; in queries of core.mentoring_event e and its match m.
_OF_EVENT = "coalesce(m.participation_id, e.programme_id || ':' || e.learner_id)"
_MATCH_WEEKS_TOLD_APART = 4


def recording_days(warehouse: Warehouse) -> int:
    """Days after which 99 % of abandonments were known: until then a closed window may still fill. 0 without any."""
    return int(
        warehouse.scalar(
            f"SELECT coalesce(quantile_disc(greatest(ended_known_epoch_day - ended_epoch_day, 0), {_RECORDED_SHARE}), 0) "
            "FROM core.enrolment WHERE ended_kind = 'abandoned'"
        )
    )


def trials(
    warehouse: Warehouse,
    contrast: Contrast,
    *,
    tonight_epoch_day: int,
    before: str,
    allowance_days: int | None = None,
    length_days: Literal[7, 1] = 7,
) -> pl.DataFrame:
    """Trials of a contrast, one row per participation and week, sorted by these.

    Args:
        warehouse: with schema core as of the night.
        contrast: `first_contact`: of those matched and never contacted, contacted for the first time in the week;
            `matched`: of those never matched, matched for the first time in the week.
        tonight_epoch_day: the first local day of which nothing is known.
        before: observed_at as an SQL literal, for what is read from schema raw.
        allowance_days: days for which a window must have been over; None: `recording_days`.
        length_days: of a trial. 1: daily trials of first contact, each from a day on, with the covariates of its week; a
            check of weekly ones, of some `_MOST_DAILY` participations.

    Columns: participation_id, programme_id, learner_id, week_epoch_day (its Monday); is_treated; is_closed (its outcome window
    is over; rows of contrast `matched` whose window is not tell who could be matched later); abandoned_week (1 to 8,
    counted from the end of the trial's week; null: not abandoned in it, competing ends included); censored_week (contrast
    `matched`: week of the window in which a control was matched after all; null: not); opens_ticket (opened a technical
    ticket in the window: the negative control); contacts_count, channel, level (of the treated's first contact),
    mentor_kind, mentor_learners_count; covariates: numbers as `x_*`, categories as `c_*`.

    Weeks in which nobody of a programme was treated are left out: they have nothing to compare.
    """
    allowance = recording_days(warehouse) if allowance_days is None else allowance_days
    last_closed = tonight_epoch_day - allowance - OUTCOME_DAYS - length_days
    # Controls that could be matched later are followed until now.
    _grid(warehouse, last_closed if contrast == "first_contact" else tonight_epoch_day - length_days, length_days)
    _facts(warehouse, before)
    found = warehouse.frame(_select(contrast, before, last_closed, length_days))
    for name in ("trial_part", "trial_grid", "trial_fact", "trial_week"):
        warehouse.execute(f"DROP TABLE {name}")
    # The last digits of sums follow the threads, and a tree may split on them.
    return found.with_columns(pl.selectors.float().round(_DIGITS))


def _grid(warehouse: Warehouse, last_begin: int, length_days: int) -> None:
    """`trial_part`: a row per participation; `trial_grid`: when its trials begin, from enrolment to its end or the last one."""
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE trial_part AS
        WITH enrolled AS (
            SELECT participation_id, min(enrolled_epoch_day) AS enrolled_day,
                   min(greatest(enrolled_epoch_day, course_start_epoch_day)) AS start_day,
                   arg_min(studied_credits, (enrolled_epoch_day, enrolment_id)) AS credits,
                   arg_min(previous_attempts_count, (enrolled_epoch_day, enrolment_id)) AS attempts,
                   min(org_unit) AS org_unit, min(timezone) AS timezone
            -- Who takes part in mentoring alone has no course to abandon.
            FROM core.enrolment WHERE course_id IS NOT NULL GROUP BY participation_id
        ),
        matched AS (
            SELECT participation_id, min(matched_epoch_day) AS matched_day FROM core.mentoring_match GROUP BY participation_id
        ),
        contacted AS (
            SELECT {_OF_EVENT} AS participation_id,
                   min(e.epoch_day) AS contact_day
            FROM core.mentoring_event AS e LEFT JOIN core.mentoring_match AS m USING (match_id)
            WHERE e.event_kind IN ('held', 'message_by_mentor') GROUP BY 1
        )
        SELECT p.participation_id, p.programme_id, p.learner_id, p.status = 'abandoned' AS is_abandoned,
               date_diff('day', DATE '1970-01-01', p.ended_on) AS ended_day, e.* EXCLUDE participation_id, m.matched_day,
               c.contact_day, r.is_hipo, r.baseline_score
        FROM core.participation AS p JOIN enrolled AS e USING (participation_id)
        LEFT JOIN matched AS m USING (participation_id) LEFT JOIN contacted AS c USING (participation_id)
        LEFT JOIN core.registration AS r USING (participation_id)
        """
    )
    first, chosen = (
        (monday("enrolled_day"), "true")
        if length_days == WEEK_DAYS
        else (
            "enrolled_day",
            f"hash(participation_id) % ((SELECT count(*) FROM trial_part) // {_MOST_DAILY} + 1) = 0",
        )
    )
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE trial_grid AS
        SELECT participation_id, begin, {monday("begin")} AS week FROM (
            SELECT participation_id, unnest(range({first},
                       least({last_begin}, coalesce(ended_day - {length_days}, {last_begin})) + 1, {length_days})) AS begin
            FROM trial_part WHERE {chosen}
        )
        """
    )


def _facts(warehouse: Warehouse, before: str) -> None:
    """`trial_week`: what happened in each week of the grid, as increments, and from them what was known before each."""
    week = monday("epoch_day")
    in_time = f"known_epoch_day < {monday('epoch_day')} + {WEEK_DAYS}"
    # A ticket is open from when it was told until its end was told.
    told = f"""
        SELECT p.participation_id, p.timezone, t.ticket_id, greatest(min(t.opened_at), min(t.known_at)) AS opened_told_at,
               greatest(min(t.resolved_at), min(t.known_at) FILTER (t.resolved_at IS NOT NULL)) AS resolved_told_at
        FROM raw.support_ticket AS t JOIN trial_part AS p USING (learner_id)
        WHERE t.known_at < {before} AND t.is_deleted IS NOT TRUE GROUP BY ALL
    """
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE trial_fact AS
        SELECT e.participation_id, {week} AS week, sum(d.events_count) AS events,
               sum(d.events_count) FILTER (d.strand = 'social') AS social_events,
               count(DISTINCT d.epoch_day) AS active_days, max(d.epoch_day) AS last_day, NULL AS due, NULL AS done,
               NULL AS scores, NULL AS score, NULL AS wrote, NULL AS missed, NULL AS enrolments, NULL AS tickets
        FROM core.enrolment_day AS d JOIN core.enrolment AS e USING (enrolment_id) WHERE {in_time} GROUP BY ALL
        UNION ALL BY NAME
        SELECT e.participation_id, {monday("s.due_epoch_day")} AS week, count(*) AS due
        FROM core.submission AS s JOIN core.enrolment AS e USING (enrolment_id)
        WHERE s.due_epoch_day IS NOT NULL GROUP BY ALL
        UNION ALL BY NAME
        SELECT e.participation_id,
               {monday("greatest(s.due_epoch_day, s.submitted_epoch_day, s.known_epoch_day)")} AS week, count(*) AS done
        FROM core.submission AS s JOIN core.enrolment AS e USING (enrolment_id)
        WHERE s.due_epoch_day IS NOT NULL AND s.submitted_epoch_day IS NOT NULL GROUP BY ALL
        UNION ALL BY NAME
        SELECT e.participation_id, {monday("s.score_known_epoch_day")} AS week, count(*) AS scores,
               sum(s.score_share) AS score
        FROM core.submission AS s JOIN core.enrolment AS e USING (enrolment_id)
        WHERE s.score_share IS NOT NULL AND s.score_known_epoch_day IS NOT NULL GROUP BY ALL
        UNION ALL BY NAME
        SELECT {_OF_EVENT} AS participation_id, {monday("e.epoch_day")} AS week,
               count(*) FILTER (e.event_kind = 'message_by_learner') AS wrote,
               count(*) FILTER (e.event_kind = 'missed_by_learner') AS missed
        FROM core.mentoring_event AS e LEFT JOIN core.mentoring_match AS m USING (match_id)
        WHERE e.event_kind IN ('message_by_learner', 'missed_by_learner')
          AND e.known_epoch_day < {monday("e.epoch_day")} + {WEEK_DAYS} GROUP BY ALL
        UNION ALL BY NAME
        SELECT participation_id, {monday("enrolled_epoch_day")} AS week, count(*) AS enrolments
        FROM core.enrolment WHERE course_id IS NOT NULL GROUP BY ALL
        UNION ALL BY NAME
        SELECT participation_id, {monday(epoch_day("opened_told_at", "timezone"))} AS week, count(*) AS tickets
        FROM ({told}) GROUP BY ALL
        UNION ALL BY NAME
        SELECT participation_id, {monday(epoch_day("resolved_told_at", "timezone"))} AS week, -count(*) AS tickets
        FROM ({told}) WHERE resolved_told_at IS NOT NULL GROUP BY ALL
        """
    )
    warehouse.execute(
        """
        CREATE OR REPLACE TEMP TABLE trial_week AS
        WITH summed AS (
            SELECT participation_id, week, sum(COLUMNS(* EXCLUDE (participation_id, week, last_day))), max(last_day) AS last_day
            FROM trial_fact SEMI JOIN trial_part USING (participation_id) GROUP BY participation_id, week
        ),
        -- Facts of weeks outside the grid stay, since later weeks look back on them.
        dense AS (
            FROM (SELECT DISTINCT participation_id, week FROM trial_grid) FULL JOIN summed USING (participation_id, week)
        )
        SELECT participation_id, week,
               sum(events) OVER last_1 AS events_1w, sum(events) OVER last_2 AS events_2w, sum(events) OVER last_4 AS events_4w,
               sum(events) OVER ever AS events_ever, sum(social_events) OVER last_4 AS social_4w,
               sum(active_days) OVER last_1 AS active_days_1w, sum(active_days) OVER last_4 AS active_days_4w,
               max(last_day) OVER ever AS last_day, sum(due) OVER ever AS due, sum(done) OVER ever AS done,
               sum(scores) OVER ever AS scores, sum(score) OVER ever AS score, sum(wrote) OVER last_4 AS wrote_4w,
               sum(missed) OVER ever AS missed, sum(enrolments) OVER ever AS enrolments,
               sum(tickets) OVER ever AS tickets
        FROM dense
        WINDOW last_1 AS (PARTITION BY participation_id ORDER BY week RANGE BETWEEN 7 PRECEDING AND 7 PRECEDING),
               last_2 AS (PARTITION BY participation_id ORDER BY week RANGE BETWEEN 14 PRECEDING AND 14 PRECEDING),
               last_4 AS (PARTITION BY participation_id ORDER BY week RANGE BETWEEN 28 PRECEDING AND 7 PRECEDING),
               ever AS (PARTITION BY participation_id ORDER BY week RANGE BETWEEN UNBOUNDED PRECEDING AND 7 PRECEDING)
        """
    )


def _select(contrast: Contrast, before: str, last_closed: int, length_days: int) -> str:
    """The trials of a contrast from `trial_part`, `trial_grid` and `trial_week`."""
    is_contact = contrast == "first_contact"
    treated_day = "p.contact_day" if is_contact else "p.matched_day"
    end = f"g.begin + {length_days}"
    # Matched before the trial's end; the match in force is the latest then.
    eligible = (
        f"m.matched_epoch_day < {end} AND coalesce(m.match_ended_epoch_day >= g.begin, true)" if is_contact else "true"
    )
    clock = f"(p.begin + {length_days})"
    is_later = "false" if is_contact else f"p.matched_day >= {clock} AND p.matched_day < {clock} + {OUTCOME_DAYS}"
    mentor = f"""
        ASOF LEFT JOIN core.mentoring_match AS m
          ON m.participation_id = g.participation_id AND {end} > m.matched_epoch_day
        LEFT JOIN raw_mentor AS r ON r.mentor_id = m.mentor_id
        LEFT JOIN core.mentor_week AS w ON w.mentor_id = m.mentor_id
          AND w.week_starts_on = DATE '1970-01-01' + CAST(g.week AS INTEGER)
    """
    begin = "e.epoch_day" if length_days == 1 else monday("e.epoch_day")
    opened = epoch_day("t.opened_at", "p.timezone")
    start = monday("p.start_day")
    course_week = f"CAST(least(greatest((p.week - {start}) // {WEEK_DAYS}, -1), {_WEEKS_TOLD_APART}) AS VARCHAR)"
    # In the week of the match itself, and soon after it, contact is made at another pace than later.
    match_week = (
        f"CAST(least((p.week - {monday('p.matched_epoch_day')}) // {WEEK_DAYS}, {_MATCH_WEEKS_TOLD_APART}) AS VARCHAR)"
    )
    return f"""
    WITH raw_mentor AS (SELECT mentor_id, kind, trained_on FROM {current(RAW_INPUTS["mentor"], before)}),
    ticket AS (
        SELECT p.participation_id, {opened} AS day FROM {current(RAW_INPUTS["support_ticket"], before)} AS t
        JOIN trial_part AS p USING (learner_id) WHERE t.kind = 'technical'
    ),
    contact AS (
        SELECT {_OF_EVENT} AS participation_id,
               {begin} AS begin, count(*) AS contacts, arg_min(e.channel, (e.happened_at, e.event_id)) AS channel,
               arg_min(e.level, (e.happened_at, e.event_id)) AS level
        FROM core.mentoring_event AS e LEFT JOIN core.mentoring_match AS m USING (match_id)
        WHERE e.event_kind IN ('held', 'message_by_mentor') GROUP BY ALL
    ),
    eligible AS (
        SELECT g.participation_id, g.week, g.begin, p.* EXCLUDE participation_id, m.matched_epoch_day, r.kind AS mentor_kind,
               w.learners_count AS mentor_learners, coalesce(r.trained_on <= DATE '1970-01-01' + CAST(g.week AS INTEGER), false)
                   AS is_mentor_trained,
               coalesce({treated_day} >= g.begin AND {treated_day} < {end}, false) AS is_treated
        FROM trial_grid AS g JOIN trial_part AS p USING (participation_id) {mentor}
        WHERE {eligible} AND coalesce({treated_day} >= g.begin, true) AND p.enrolled_day < {end}
        QUALIFY bool_or(coalesce({treated_day} >= g.begin AND {treated_day} < {end}, false))
                    OVER (PARTITION BY p.programme_id, g.begin)
    ),
    unit AS (
        SELECT org_unit, row_number() OVER (ORDER BY count(*) DESC, org_unit) <= {_WEEKS_TOLD_APART} AS is_told_apart
        FROM trial_part WHERE org_unit IS NOT NULL GROUP BY org_unit
    )
    SELECT p.participation_id, p.programme_id, p.learner_id, p.begin AS week_epoch_day, p.is_treated,
           p.begin <= {last_closed} AS is_closed,
           CASE WHEN p.is_abandoned AND p.ended_day < {clock} + {OUTCOME_DAYS}
                THEN (p.ended_day - {clock}) // {WEEK_DAYS} + 1 END AS abandoned_week,
           CASE WHEN NOT p.is_treated AND {is_later}
                THEN (p.matched_day - {clock}) // {WEEK_DAYS} + 1 END AS censored_week,
           EXISTS (FROM ticket AS t WHERE t.participation_id = p.participation_id
                   AND t.day >= {clock} AND t.day < {clock} + {OUTCOME_DAYS}) AS opens_ticket,
           CASE WHEN p.is_treated THEN c.contacts END AS contacts_count, CASE WHEN p.is_treated THEN c.channel END AS channel,
           CASE WHEN p.is_treated THEN c.level END AS level, p.mentor_kind, p.mentor_learners AS mentor_learners_count,
           ln(1 + coalesce(k.events_1w, 0)) AS x_log_events_1w, ln(1 + coalesce(k.events_2w, 0)) AS x_log_events_2w,
           ln(1 + coalesce(k.events_4w, 0)) AS x_log_events_4w,
           ln(1 + coalesce(k.events_ever, 0) / (1 + greatest(p.week - {start}, 0) / 7)) AS x_log_events_a_week,
           ln(1 + coalesce(k.social_4w, 0)) AS x_log_social_events_4w, coalesce(k.active_days_1w, 0) AS x_active_days_1w,
           coalesce(k.active_days_4w, 0) AS x_active_days_4w,
           least(p.week - coalesce(k.last_day, p.week - {_LONGEST_SILENCE_DAYS}), {_LONGEST_SILENCE_DAYS}) AS x_silence_days,
           CAST(k.last_day IS NULL AS INTEGER) AS x_never_active, coalesce(k.due, 0) AS x_due_count,
           coalesce(least(coalesce(k.done, 0) / nullif(k.due, 0), 1), 1) AS x_submitted_share,
           coalesce(k.score / nullif(k.scores, 0), avg(k.score / nullif(k.scores, 0)) OVER (), 0) AS x_score_share,
           CAST(coalesce(k.scores, 0) = 0 AS INTEGER) AS x_no_score, ln(1 + coalesce(k.wrote_4w, 0)) AS x_log_own_messages_4w,
           least(coalesce(k.missed, 0), 5) AS x_missed_sessions, least(greatest(coalesce(k.tickets, 0), 0), 3) AS x_open_tickets,
           (SELECT count(*) FROM core.away_day AS a WHERE a.learner_id = p.learner_id
               AND a.epoch_day >= p.week AND a.epoch_day < p.week + {WEEK_DAYS} AND a.known_epoch_day < p.week) AS x_away_days,
           coalesce(p.credits, avg(p.credits) OVER (), 0) AS x_studied_credits, CAST(p.credits IS NULL AS INTEGER)
               AS x_no_credits, least(coalesce(p.attempts, 0), 3) AS x_previous_attempts,
           coalesce(k.enrolments, 0) AS x_enrolments,
           CAST(coalesce(p.is_hipo, false) AS INTEGER) AS x_is_hipo,
           coalesce(p.baseline_score, avg(p.baseline_score) OVER (PARTITION BY p.programme_id), 0) AS x_baseline_score,
           CAST(p.baseline_score IS NULL AS INTEGER) AS x_no_baseline,
           {"least(greatest(p.week - p.matched_epoch_day, -6), 56)" if is_contact else "0"} AS x_days_since_match,
           {"coalesce(p.mentor_learners, avg(p.mentor_learners) OVER (), 0)" if is_contact else "0"} AS x_mentor_learners,
           {"CAST(p.is_mentor_trained AS INTEGER)" if is_contact else "0"} AS x_is_mentor_trained,
           p.programme_id AS c_programme, CASE WHEN u.is_told_apart THEN p.org_unit ELSE 'other' END AS c_org_unit,
           {"coalesce(p.mentor_kind, 'unknown')" if is_contact else "'none'"} AS c_mentor_kind,
           {course_week} AS c_course_week, p.programme_id || ':' || {course_week} AS c_programme_week,
           {match_week if is_contact else "'none'"} AS c_match_week,
           strftime(DATE '1970-01-01' + CAST(p.begin AS INTEGER), '%Y-%m') AS c_month
    FROM eligible AS p LEFT JOIN trial_week AS k ON k.participation_id = p.participation_id AND k.week = p.week
    LEFT JOIN contact AS c ON c.participation_id = p.participation_id AND c.begin = p.begin
    LEFT JOIN unit AS u ON u.org_unit = p.org_unit
    ORDER BY p.participation_id, p.begin
    """
