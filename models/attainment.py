"""Whether programmes reached what they are for: goal attainment first, then what surveys tell, or that nothing does.

Belongs here: attainment of goals by programme, and the mart `programme_outcome` put together. Does not belong here: how
far a single goal is (`pipelines.marts.goals`), paired answers (`models.surveys`), comparison (`models.comparison`).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from data_contracts.aims import GOAL_ATTAINMENT, LEVEL_OF, PRIMARY_OF_LEARNERS, PRIMARY_OF_MENTORS
from data_contracts.fields.comparison import GOALS
from data_contracts.tables.marts import MARTS
from models import surveys
from models.contract import conform
from models.suppression import SMALL_CELL, suppress
from models.surveys import t_reach

NO_MEASURE = "no goal with a measure"
_FIGURES = (
    "subjects_count",
    "response_share",
    "start_share",
    "reached_share",
    "reached_low_share",
    "reached_high_share",
    "change_points",
    "change_low_points",
    "change_high_points",
    "standardised_change",
    "goals_count",
    "goals_measured_share",
    "goals_attained_share",
    "goals_expected_share",
    "goals_rebaselined_count",
    "goals_dropped_count",
)
_KEY = ("programme_id", "subject_type", "construct", "measured_by")


def programme_outcome(
    programmes: pl.DataFrame, goals: pl.DataFrame, answers: pl.DataFrame, asked: pl.DataFrame
) -> pl.DataFrame:
    """The mart `programme_outcome` without publication_id, sorted by its key.

    Args:
        programmes: programme_id, aim (null: judged as `other`).
        goals: rows of the mart `goal_progress`, with is_due.
        answers: see `models.surveys.pairs`.
        asked: see `models.surveys.outcomes`.

    Every programme has its row of goals, one for each primary outcome of its aim and one for each of its mentors', though
    nothing is known of them: what a programme is for and does not measure is a finding. Answers add all else that was
    asked. A row behind which fewer than `SMALL_CELL` persons stand is withheld and not measurable.
    """
    table = MARTS["programme_outcome"]
    named = programmes.with_columns(pl.col("aim").fill_null("other")).select("programme_id", named_aim="aim")
    measured = surveys.outcomes(answers, asked).join(programmes, on="programme_id", how="semi")
    primary = _primary(named)
    unasked = (
        primary.join(measured, on=["programme_id", "subject_type", "construct"], how="anti")
        .filter(pl.col("construct") != GOAL_ATTAINMENT)
        .select(
            "programme_id",
            "subject_type",
            "construct",
            measured_by=pl.lit("end"),
            outcome_level=pl.col("construct").replace_strict(LEVEL_OF, return_dtype=pl.Int64),
            subjects_count=pl.lit(0, pl.UInt32),
            outcome_reason=pl.lit(surveys.NO_ANSWER),
            is_measurable=pl.lit(value=False),
        )
    )
    rows = (
        pl.concat([goal_attainment(programmes, goals, asked), measured, unasked], how="diagonal_relaxed")
        .join(primary, on=["programme_id", "subject_type", "construct"], how="left")
        .join(programmes, on="programme_id", how="left")
        .sort(_KEY)
    )
    rows = rows.with_columns(
        verdict=pl.when("is_measurable").then(pl.lit("measurable")).otherwise(pl.lit("not_measurable")),
        reason=pl.col("outcome_reason"),
        asked_count=pl.when(pl.col("asked_count") >= SMALL_CELL).then(pl.col("asked_count")),
        _persons=pl.col("subjects_count"),
    )
    withheld = suppress(rows, count="_persons", measures=_FIGURES, groups=())
    return conform(withheld, table, without=("publication_id",)).sort(table.key)


def _primary(programmes: pl.DataFrame) -> pl.DataFrame:
    """programme_id, subject_type, construct, primary_rank of every primary outcome."""
    rows: list[dict[str, Any]] = []
    for programme_id, aim in programmes.select("programme_id", "named_aim").iter_rows():
        for subject, constructs in (("learner", PRIMARY_OF_LEARNERS[aim]), ("mentor", PRIMARY_OF_MENTORS)):
            rows += [
                {"programme_id": programme_id, "subject_type": subject, "construct": name, "primary_rank": rank}
                for rank, name in enumerate(constructs, 1)
            ]
    return pl.DataFrame(
        rows,
        schema={
            "programme_id": pl.String,
            "subject_type": pl.String,
            "construct": pl.String,
            "primary_rank": pl.Int64,
        },
    )


def goal_attainment(programmes: pl.DataFrame, goals: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """A row per programme: how far its learners' goals are, of goals that are due or were measured.

    reached_share: sum of weight x attained share over sum of weight, of the measured goals, each by the agreement now in
    force, dropped ones with what had been attained. 95 % interval by learner: with e = sum of w (a - mean) of a learner,
    error = sqrt(n / (n - 1) x sum of e^2) / sum of w (linearised ratio, Cochran 1977, section 6.3), t with n - 1 degrees. A
    goal that is due and was never measured counts as not attained, never as 0 of the mean: no data, no improvement.
    """
    counted = goals.filter(pl.col("is_due") | pl.col("attained_share").is_not_null()).with_columns(
        pl.col("weight").fill_null(1.0)
    )
    weight, is_measured = pl.col("weight"), pl.col("attained_share").is_not_null()
    is_attained = (pl.col("status") == "attained").fill_null(value=False) | (pl.col("attained_share") >= 1).fill_null(
        value=False
    )
    expected = pl.col("expected_attained_share")
    of_goals = counted.group_by("programme_id").agg(
        goals_count=pl.len(),
        goals_measured_share=is_measured.mean(),
        goals_attained_share=(weight * is_attained).sum() / weight.sum(),
        goals_expected_share=(weight * expected).filter(is_measured & expected.is_not_null()).sum()
        / weight.filter(is_measured & expected.is_not_null()).sum(),
        goals_rebaselined_count=(pl.col("rebaselined_count") > 0).sum(),
        goals_dropped_count=(pl.col("status") == "dropped").sum(),
    )
    reached = _mean_reached(counted.filter(is_measured))
    learners = asked.filter(pl.col("subject_type") == "learner").group_by("programme_id").agg(asked_count=pl.len())
    return (
        programmes.select("programme_id")
        .join(of_goals, on="programme_id", how="left")
        .join(reached, on="programme_id", how="left")
        .join(learners, on="programme_id", how="left")
        .with_columns(
            pl.col("goals_count", "subjects_count").fill_null(0),
            pl.col("^goals_(measured|attained|expected)_share$").fill_nan(None).round(9),
            subject_type=pl.lit("learner"),
            construct=pl.lit(GOAL_ATTAINMENT),
            measured_by=pl.lit(GOALS),
            outcome_level=pl.lit(LEVEL_OF[GOAL_ATTAINMENT], pl.Int64),
            response_share=(pl.col("subjects_count") / pl.col("asked_count")).clip(0, 1),
        )
        .with_columns(
            outcome_reason=pl.when(pl.col("subjects_count") == 0)
            .then(pl.lit(NO_MEASURE))
            .when(pl.col("subjects_count") < SMALL_CELL)
            .then(pl.lit(f"fewer than {SMALL_CELL} learners with a measured goal")),
        )
        .with_columns(is_measurable=pl.col("outcome_reason").is_null())
    )


def by_learner(goals: pl.DataFrame) -> pl.DataFrame:
    """programme_id, learner_id, weight, attained: the weighted mean attained share of each learner's measured goals."""
    return (
        goals.filter(pl.col("attained_share").is_not_null())
        .with_columns(pl.col("weight").fill_null(1.0))
        .group_by("programme_id", "learner_id")
        .agg(pl.col("weight").sum(), total=(pl.col("weight") * pl.col("attained_share")).sum())
        .filter(pl.col("weight") > 0)
        .select("programme_id", "learner_id", "weight", attained=(pl.col("total") / pl.col("weight")).round(9))
        .sort("programme_id", "learner_id")
    )


def _mean_reached(measured: pl.DataFrame) -> pl.DataFrame:
    weight = pl.col("weight")
    # e of a learner is the learner's weight times the distance of the learner's own mean.
    distance = weight * (pl.col("attained") - pl.col("mean"))
    rows = (
        by_learner(measured)
        .with_columns(mean=((weight * pl.col("attained")).sum() / weight.sum()).over("programme_id"))
        .group_by("programme_id")
        .agg(
            subjects_count=pl.len(),
            reached_share=pl.col("mean").first(),
            error=((distance**2).sum() * pl.len() / (pl.len() - 1)).sqrt() / weight.sum(),
        )
    )
    reach = t_reach(rows["subjects_count"])
    return rows.select(
        "programme_id",
        "subjects_count",
        "reached_share",
        reached_low_share=(pl.col("reached_share") - pl.col("error") * reach).clip(0, 1),
        reached_high_share=(pl.col("reached_share") + pl.col("error") * reach).clip(0, 1),
    )
