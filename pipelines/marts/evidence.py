"""What was learned, as `models.learning_mix` and `models.costs` are told: evidence by strand, and who was active.

Belongs here: the queries of these frames. Does not belong here: which kind is of which strand (`data_contracts.strands`),
money, any formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from data_contracts.strands import OUTCOME_RULES, STRAND_RULES, OutcomeRule, StrandRule
from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.warehouse import current

OUTSIDE = "outside programmes"

DAY = "DATE '1970-01-01' + CAST({} AS INTEGER)"
MONTH = "CAST(date_trunc('month', {}) AS DATE)"


def moments(
    before: str,
    tonight: int,
    *,
    rules: Sequence[StrandRule] = STRAND_RULES,
    outcomes: Sequence[OutcomeRule] = OUTCOME_RULES,
) -> str:
    """Subquery: evidence by learner and local day, happened and known before `before` and the day `tonight`.

    Statements have their own strand, what was logged that of its rule. `source_kind` says what kind of thing it was.
    `timed_events_count` are the events of logs that tell minutes: of statements those of courses (of all that is outside)
    in which any minutes were measured, since a log of days alone measures none anywhere. What names no programme belongs
    to the learner's only one, else to `OUTSIDE`.
    """
    then = f"epoch_day < {tonight} AND known_epoch_day < {tonight}"
    work_day = "date_diff('day', DATE '1970-01-01', w.happened_on)"
    return f"""(
        WITH rule(source, kind, strand, is_event, has_minutes) AS ({_values(rules)}),
        outcome(source, word, outcome_share) AS ({_values(outcomes)}),
        part AS (SELECT learner_id, programme_id FROM core.participation),
        only_part AS (SELECT learner_id, min(programme_id) AS programme_id FROM part GROUP BY 1 HAVING count(*) = 1),
        day AS (
            SELECT e.programme_id, e.course_id, d.strand, d.epoch_day, e.learner_id, d.activity_kind, d.minutes,
                   d.events_count
            FROM (FROM core.enrolment_day WHERE {then}) AS d JOIN core.enrolment AS e USING (enrolment_id)
        ),
        timed AS (SELECT DISTINCT coalesce(course_id, '') AS course_id FROM day WHERE minutes > 0),
        outside AS (FROM core.learner_activity WHERE epoch_day < {tonight}),
        logged AS (
            SELECT 'mentoring_event' AS source, event_kind AS kind, programme_id, learner_id, epoch_day,
                   minutes, NULL AS word
            FROM core.mentoring_event WHERE {then}
            UNION ALL
            SELECT 'commitment', status, programme_id, learner_id, reviewed_epoch_day, 0, status
            FROM core.commitment WHERE reviewed_epoch_day < {tonight} AND reviewed_known_epoch_day < {tonight}
            UNION ALL
            SELECT 'work_activity', w.kind, w.programme_id, w.learner_id, {work_day}, coalesce(w.minutes, 0),
                   w.confirmed_by
            FROM {current(RAW_INPUTS["work_activity"], before)} AS w WHERE {work_day} < {tonight}
        )
        SELECT programme_id, course_id, strand, epoch_day, learner_id, activity_kind AS source_kind,
               'statement' AS source, minutes, events_count,
               CASE WHEN coalesce(course_id, '') IN (FROM timed) THEN events_count ELSE 0 END AS timed_events_count,
               0.0 AS outcome_sum, 0 AS outcomes_count
        FROM day
        UNION ALL
        SELECT e.programme_id, e.course_id, 'formal', s.submitted_epoch_day, e.learner_id, 'assessment', 'submission',
               0, 0, 0, s.score_share, 1
        FROM core.submission AS s JOIN core.enrolment AS e USING (enrolment_id)
        WHERE s.score_share IS NOT NULL AND s.submitted_epoch_day < {tonight} AND s.score_known_epoch_day < {tonight}
        UNION ALL
        SELECT '{OUTSIDE}', NULL, strand, epoch_day, learner_id, activity_kind, 'statement', minutes, events_count,
               CASE WHEN (SELECT bool_or(minutes > 0) FROM outside) THEN events_count ELSE 0 END, 0, 0
        FROM outside
        UNION ALL
        SELECT coalesce(l.programme_id, o.programme_id, '{OUTSIDE}'), NULL, rule.strand, l.epoch_day, l.learner_id,
               l.source || ' ' || l.kind, l.source, l.minutes, CAST(rule.is_event AS INTEGER),
               CAST(rule.is_event AND rule.has_minutes AND l.minutes > 0 AS INTEGER),
               coalesce(outcome.outcome_share, 0), CAST(outcome.outcome_share IS NOT NULL AS INTEGER)
        FROM logged AS l JOIN rule USING (source, kind)
        LEFT JOIN outcome ON outcome.source = l.source AND outcome.word = l.word
        LEFT JOIN only_part AS o ON o.learner_id = l.learner_id
        WHERE rule.strand IS NOT NULL
    )"""


def evidence(before: str, tonight: int) -> str:
    """Minutes, events and outcomes by programme, course, strand, month and learner: `moments` added up."""
    return f"""
        SELECT programme_id, course_id, strand, {MONTH.format(DAY.format("epoch_day"))} AS month_starts_on, learner_id,
               CAST(sum(minutes) AS DOUBLE) AS minutes, CAST(sum(events_count) AS BIGINT) AS events_count,
               CAST(sum(timed_events_count) AS BIGINT) AS timed_events_count,
               CAST(sum(outcome_sum) AS DOUBLE) AS outcome_sum, CAST(sum(outcomes_count) AS BIGINT) AS outcomes_count
        FROM {moments(before, tonight)} GROUP BY ALL ORDER BY ALL
    """


def active(tonight: int) -> str:
    """Enrolments active on some day of each month, as programme, course, month and learner.

    Until its end is known an enrolment counts as going on, to the course's end or yesterday.
    """
    ended = f"CASE WHEN coalesce(ended_known_epoch_day, ended_epoch_day) < {tonight} THEN ended_epoch_day END"
    last_day = f"least(coalesce({ended}, course_end_epoch_day), {tonight - 1})"
    return f"""
        SELECT DISTINCT programme_id, course_id, learner_id, CAST(unnest(generate_series(
                   date_trunc('month', {DAY.format("enrolled_epoch_day")}),
                   date_trunc('month', {DAY.format(f"greatest({last_day}, enrolled_epoch_day)")}),
                   INTERVAL 1 MONTH)) AS DATE) AS month_starts_on
        FROM core.enrolment ORDER BY ALL
    """


def _values(rules: Iterable[tuple[object, ...]]) -> str:
    """Rules as a table, without their last part, which is for people."""
    return "VALUES " + ", ".join(f"({', '.join(map(_literal, rule[:-1]))})" for rule in rules)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return f"'{value}'" if isinstance(value, str) else str(value)
