"""Surveys paired: what each person answered at the start, and what the same person answered later.

Belongs here: pairs of answers, their change with its interval, which pairs cannot be made and why. Does not belong here:
which answers are primary (`data_contracts.aims`), goals (`models.attainment`), comparison of groups
(`models.comparison`).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.stats import t

from data_contracts.aims import LEVEL_OF, WITHOUT_START
from models.suppression import SMALL_CELL

START, LATER = "start", ("during", "end", "after")
LOW_RESPONSE_SHARE = 0.5
NO_ANSWER = "no survey asks it"
NO_START = "no start survey"
NOT_YET = "asked at the start, not yet at the end"

_PERSON = ("programme_id", "subject_type", "subject_id", "construct")
_ROW = ("programme_id", "subject_type", "construct", "measured_by")
_ANSWER = (*_PERSON, "respondent_id", "question_id")


def pairs(answers: pl.DataFrame) -> pl.DataFrame:
    """Each person's mean at the start and later, over the questions answered both times by the same respondent.

    Args:
        answers: programme_id, subject_type, subject_id, respondent_id (null: the subject), survey, construct,
            question_id, outcome_level, answered_on, score_share.

    Of several answers to one question the first start counts and the last later one, which must not be earlier than the
    start; questions weigh the same. Columns: programme_id, subject_type, subject_id, construct, measured_by (the later
    survey), start, reached (shares 0..1); sorted by all but the last two.
    """
    told = answers.with_columns(pl.col("respondent_id").fill_null(pl.col("subject_id")))
    order = ["answered_on", "score_share"]
    start = (
        told.filter(pl.col("survey") == START)
        .sort(order)
        .unique(_ANSWER, keep="first", maintain_order=True)
        .select(*_ANSWER, start="score_share", started_on="answered_on")
    )
    later = (
        told.filter(pl.col("survey").is_in(LATER))
        .sort(order)
        .unique([*_ANSWER, "survey"], keep="last", maintain_order=True)
        .select(*_ANSWER, "answered_on", measured_by="survey", reached="score_share")
    )
    return _by_person(later.join(start, on=_ANSWER).filter(pl.col("answered_on") >= pl.col("started_on")))


def _by_person(rows: pl.DataFrame) -> pl.DataFrame:
    person = [*_PERSON, "measured_by"]
    return rows.group_by(person).agg(pl.col("start").mean().round(9), pl.col("reached").mean().round(9)).sort(person)


def outcomes(answers: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Rows of the mart `programme_outcome` that surveys give: per programme, subject, construct and later survey.

    Args:
        answers: see `pairs`.
        asked: programme_id, subject_type, subject_id, is_over: learners that take part, mentors and matches; who is in
            answers alone counts as measured, not as asked.

    Change: mean over persons of (later - start), 95 % by t over persons; standardised by the deviation of
    the start (Becker 1988). A construct of `WITHOUT_START` is told as it was reached. Anything else without a start is not
    measurable, and neither is what fewer than `SMALL_CELL` persons answered both times: a change among others is no
    change of anybody.
    """
    levels = pl.col("construct").is_in(WITHOUT_START)
    later = answers.filter(pl.col("survey").is_in(LATER)).with_columns(
        measured_by="survey", start=pl.lit(None, pl.Float64), reached="score_share"
    )
    measured = pl.concat([pairs(answers).filter(~levels), _by_person(later.filter(levels))])
    figures = _figures(measured)
    return (
        _cells(answers)
        .join(figures, on=_ROW, how="left")
        .join(_responses(measured, asked), on=_ROW, how="left")
        .with_columns(pl.col("subjects_count").fill_null(0))
        .with_columns(
            outcome_reason=pl.when(~pl.col("is_asked_later"))
            .then(pl.lit(NOT_YET))
            .when(~pl.col("is_asked_at_start") & ~levels)
            .then(pl.lit(NO_START))
            .when(pl.col("subjects_count") < SMALL_CELL)
            .then(
                pl.format(
                    "fewer than {} {}",
                    pl.lit(SMALL_CELL),
                    pl.when(levels).then(pl.lit("answers")).otherwise(pl.lit("paired answers")),
                )
            ),
        )
        .with_columns(is_measurable=pl.col("outcome_reason").is_null())
        .with_columns(
            outcome_reason=pl.when(pl.col("is_measurable") & (pl.col("response_share") < LOW_RESPONSE_SHARE))
            .then(pl.lit("less than half of those who could have answered did: the others may differ"))
            .otherwise(pl.col("outcome_reason"))
        )
        .drop("is_asked_at_start", "is_asked_later")
        .sort(_ROW)
    )


def _cells(answers: pl.DataFrame) -> pl.DataFrame:
    """The rows that surveys call for: each later survey of a construct; the end where only its start was asked."""
    construct = list(_ROW[:3])
    surveys = answers.group_by([*construct, "survey"]).agg(pl.col("outcome_level").min())
    start = surveys.filter(pl.col("survey") == START).select(*construct, start_level="outcome_level")
    later = surveys.filter(pl.col("survey").is_in(LATER)).rename({"survey": "measured_by"})
    alone = start.join(later, on=construct, how="anti").with_columns(
        measured_by=pl.lit("end"), is_asked_later=pl.lit(False)
    )
    asked = later.with_columns(is_asked_later=pl.lit(True)).join(start, on=construct, how="left")
    return (
        pl.concat([asked, alone], how="diagonal")
        .with_columns(
            is_asked_at_start=pl.col("start_level").is_not_null(),
            outcome_level=pl.coalesce(
                "outcome_level", "start_level", pl.col("construct").replace_strict(LEVEL_OF, return_dtype=pl.Int64)
            ),
        )
        .drop("start_level")
    )


def _figures(measured: pl.DataFrame) -> pl.DataFrame:
    change = pl.col("reached") - pl.col("start")
    rows = measured.group_by(_ROW).agg(
        subjects_count=pl.len(),
        start_share=pl.col("start").mean(),
        start_deviation=pl.col("start").std(),
        reached_share=pl.col("reached").mean(),
        reached_error=pl.col("reached").std() / pl.len().sqrt(),
        change=change.mean(),
        change_error=change.std() / pl.len().sqrt(),
    )
    reach = t_reach(rows["subjects_count"])
    wide, change_wide = pl.col("reached_error") * reach, pl.col("change_error") * reach
    return rows.select(
        *_ROW,
        "subjects_count",
        "start_share",
        "reached_share",
        reached_low_share=(pl.col("reached_share") - wide).clip(0, 1),
        reached_high_share=(pl.col("reached_share") + wide).clip(0, 1),
        change_points=100 * pl.col("change"),
        change_low_points=100 * (pl.col("change") - change_wide),
        change_high_points=100 * (pl.col("change") + change_wide),
        standardised_change=pl.when(pl.col("start_deviation") > 0).then(pl.col("change") / pl.col("start_deviation")),
    )


def t_reach(counts: pl.Series) -> pl.Series:
    """Standard errors to either side of a mean of so many that hold it 95 times of 100: t with n - 1 degrees."""
    degrees = np.maximum(counts.to_numpy().astype(np.int64) - 1, 1)
    return pl.Series(np.asarray(t.ppf(0.975, degrees)), dtype=pl.Float64)


def _responses(measured: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Of those who could have been measured, how many were; `end` and `after` are for those who are through."""
    surveys = measured.select(_ROW).unique()
    could = surveys.join(asked, on=["programme_id", "subject_type"]).filter(
        pl.col("is_over") | (pl.col("measured_by") == "during")
    )
    did = measured.select(*_ROW, "subject_id").with_columns(did=pl.lit(1))
    return (
        could.join(did, on=[*_ROW, "subject_id"], how="left")
        .group_by(_ROW)
        .agg(asked_count=pl.len(), response_share=pl.col("did").fill_null(0).mean())
    )
