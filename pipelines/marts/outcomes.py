"""What `models.attainment` and `models.surveys` are told: programmes and aims, goals, answers, who could have answered.

Belongs here: queries that make the frames those modules describe. Does not belong here: any formula; how far a goal is
(`pipelines.marts.goals`).
"""

from __future__ import annotations

import polars as pl

from pipelines.core.local_time import date_day
from pipelines.marts.as_of import MartContext, to_date
from pipelines.marts.goals import goal_progress
from pipelines.statements.identity import Pseudonyms


def programmes(context: MartContext) -> str:
    """Programmes with a row of their own, and others in which somebody is mentored, agreed goals or was asked."""
    return f"""
    WITH told AS (SELECT programme_id, aim FROM {context.current("programme")})
    FROM told
    UNION ALL BY NAME
    SELECT programme_id FROM (
        SELECT programme_id FROM {context.matches()} UNION SELECT programme_id FROM core.goal
        UNION SELECT programme_id FROM {context.current("survey_response")}
    ) ANTI JOIN told USING (programme_id)
    ORDER BY programme_id
    """


def goals(context: MartContext) -> str:
    """Rows of the mart `goal_progress`, with is_due: whether its due date in force is over."""
    return f"""
    SELECT *, coalesce(due_on < {to_date(context.tonight)}, false) AS is_due FROM ({goal_progress(context)}) ORDER BY goal_id
    """


def answers(context: MartContext) -> str:
    """Answers to surveys that were given and known before observed_at."""
    return f"""
    SELECT programme_id, subject_type, subject_id, respondent_id, survey, construct, question_id, outcome_level,
        answered_on, score_share
    FROM {context.current("survey_response")} WHERE {date_day("answered_on")} < {context.tonight}
    ORDER BY response_id
    """


def asked(context: MartContext) -> str:
    """Who could have answered: matched learners, or all where a programme has no match; mentors; matches.

    Through are learners whose participation is, matches that ended or whose learner is through, and mentors with any such
    match.
    """
    return f"""
    WITH match AS (
        SELECT m.programme_id, m.match_id, m.mentor_id, m.learner_id,
            coalesce(p.status <> 'active', false) OR m.ended_epoch_day IS NOT NULL AS is_over
        FROM {context.matches()} AS m LEFT JOIN core.participation AS p USING (participation_id)
    )
    SELECT programme_id, 'learner' AS subject_type, learner_id AS subject_id, status <> 'active' AS is_over
    FROM core.participation AS p
    WHERE programme_id NOT IN (SELECT programme_id FROM match)
        OR EXISTS (FROM match AS m WHERE m.programme_id = p.programme_id AND m.learner_id = p.learner_id)
    UNION ALL
    SELECT programme_id, 'mentor', mentor_id, bool_or(is_over) FROM match GROUP BY programme_id, mentor_id
    UNION ALL
    SELECT programme_id, 'match', match_id, is_over FROM match
    ORDER BY ALL
    """


def as_subjects(asked: pl.DataFrame, pseudonyms: Pseudonyms) -> pl.DataFrame:
    """The same with the match ids as answers have them: whom an answer is about is a pseudonym, a match as well."""
    of_match = pl.col("subject_type") == "match"
    hidden = asked.filter(of_match)["subject_id"].unique().sort()
    by_id = pl.DataFrame(
        {"subject_id": hidden, "pseudonym": [pseudonyms.person(match_id) for match_id in hidden]},
        schema={"subject_id": pl.String, "pseudonym": pl.String},
    )
    return asked.join(by_id, on="subject_id", how="left").select(
        "programme_id",
        "subject_type",
        pl.when(of_match).then(pl.col("pseudonym")).otherwise(pl.col("subject_id")).alias("subject_id"),
        "is_over",
    )
