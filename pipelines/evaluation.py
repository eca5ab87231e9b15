"""The rows on which a model is judged on the Open University data, made by the pipeline's own stages.

Belongs here: the protocol (who is seen on which day, and what became of them) and the throw-away night that
computes the features. Does not belong here: training and figures (`models.evaluation`), printing and writing
(`pipelines.commands.evaluate`).

Protocol: an enrolment is seen at 24:00 of day 0, 7, 14 ... of its presentation where it was registered by then and
not unregistered by then, up to the last such day before the presentation's end. A target of H days asks for an
unregistration in (day, day + H] and stands only where day + H lies inside the presentation's length. Enrolments
without a date of registration, and withdrawn ones without a date of unregistration, are left out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import polars as pl

from data_contracts.errors import UsageError
from models.evaluation import TARGETS
from pipelines import feature_tables
from pipelines.archive import NoArchive
from pipelines.core.coverage import build_opened_activities
from pipelines.core.days import build_days, build_submissions
from pipelines.core.enrolments import build_enrolments
from pipelines.core.identities import link_identities
from pipelines.core.mentoring import build_mentoring_events
from pipelines.core.statements import attribute_statements
from pipelines.home import Home
from pipelines.publish import BUILD_NAME, PublicationBuild
from pipelines.resources import Night
from pipelines.settings import Settings
from pipelines.sources import oulad
from pipelines.sources.take_in import take_in
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

_STAGES: dict[str, tuple[Callable[[Night], object], ...]] = {
    "taking in": (lambda night: take_in(night, ("xapi",)),),
    "core": (
        link_identities,
        attribute_statements,
        build_days,
        build_opened_activities,
        build_submissions,
        build_enrolments,
        build_mentoring_events,
    ),
    "features": (feature_tables.build_all, feature_tables.build_labels),
}

# The data is public; a fixed key lets two evaluations sort their rows alike, so they train the same model.
_KEY = b"handrail evaluate"


def past_presentations(folder: Path, test_presentation: str) -> list[str]:
    """Presentations that start before the one to test on, earliest first.

    Raises:
        UsageError: the presentation is not in the files, or nothing starts before it.
        BadInputError: a file is missing.
    """
    if not folder.is_dir():
        message = f"there is no folder {folder}; --data names the one with the Open University's tables as Parquet"
        raise UsageError(message)
    oulad.check_folder(folder)
    found = oulad.presentations(folder)
    if test_presentation not in found:
        message = f"--test-presentation {test_presentation} is not in these files; they hold {', '.join(found)}"
        raise UsageError(message)
    past = found[: found.index(test_presentation)]
    if not past:
        later = f"; test on one of {', '.join(found[1:])}" if found[1:] else ""
        message = f"nothing in these files starts before {test_presentation}, so there is nothing to train on{later}"
        raise UsageError(message)
    return past


def protocol_rows(
    folder: Path,
    test_presentation: str,
    *,
    settings: Settings,
    on_stage: Callable[[str], None],
) -> pl.DataFrame:
    """Rows of the test presentation and all that start before it, with features and outcomes.

    Args:
        folder: the seven tables as Parquet.
        test_presentation: the last presentation to look at; later ones leave no trace.
        settings: threads and memory of the database.
        on_stage: told each stage's name when it ends.

    Columns: those of features.enrolment_week, code_module, code_presentation, id_student, day, rest_days, is_batch_end
    (whether the enrolment ended in an administrative batch), ended_epoch_day (of the unregistration, null without one),
    and each of `TARGETS` as 0, 1 or, where the row takes no part, null.
    Raises `UsageError` and `BadInputError` as `past_presentations` does.
    """
    wanted = [*past_presentations(folder, test_presentation), test_presentation]
    outcomes = _outcomes(folder).filter(pl.col("code_presentation").is_in(wanted))
    with _throw_away_night(folder, settings, _observed_at(outcomes)) as night:
        for name, steps in _STAGES.items():
            for step in steps:
                step(night)
            on_stage(name)
        seen = night.warehouse.frame(
            "SELECT w.*, l.is_batch_end, w.observed_epoch_day - e.course_start_epoch_day - 1 AS day, "
            "CAST(p.person_key AS BIGINT) AS id_student FROM features.enrolment_week AS w "
            "JOIN features.label AS l USING (enrolment_id, observed_epoch_day) "
            "JOIN core.enrolment AS e USING (enrolment_id) JOIN identity.main.person AS p ON p.person_id = e.learner_id "
            "WHERE NOT w.is_scoring"
        )
    rows = seen.join(outcomes, on=("course_id", "id_student")).sort("observed_epoch_day", "enrolment_id")
    start = pl.col("observed_epoch_day") - pl.col("day") - 1
    return rows.with_columns(
        **_targets(),
        rest_days=pl.col("length_days") - pl.col("day"),
        ended_epoch_day=start + pl.col("unregistered_day"),
    ).drop("length_days", "unregistered_day", "final_result")


def _outcomes(folder: Path) -> pl.DataFrame:
    """What became of each enrolment: day of unregistration (null where none) and final result."""
    run, learner = ["code_module", "code_presentation"], "id_student"
    read = {
        name: pl.read_parquet(folder / f"{name}.parquet") for name in ("courses", "studentInfo", "studentRegistration")
    }
    return (
        read["studentInfo"]
        .select(*run, learner, "final_result")
        .join(read["studentRegistration"].select(*run, learner, "date_unregistration"), on=[*run, learner])
        .join(read["courses"].select(*run, "module_presentation_length"), on=run)
        .select(
            *run,
            pl.concat_str(run, separator="-").alias("course_id"),
            pl.col(learner).cast(pl.Int64),
            pl.col("module_presentation_length").cast(pl.Int64).alias("length_days"),
            pl.col("date_unregistration").cast(pl.Int64).alias("unregistered_day"),
            "final_result",
        )
    )


def _targets() -> dict[str, pl.Expr]:
    """0, 1 or null; who is seen on a day has not left by then, so only the last day of a window needs a look."""
    day, left, length = pl.col("day"), pl.col("unregistered_day"), pl.col("length_days")

    def leaves_by(last: pl.Expr) -> pl.Expr:
        return (left <= last).fill_null(value=False).cast(pl.Int64)

    return {
        **{name: pl.when(day + days <= length).then(leaves_by(day + days)) for name, days in TARGETS.items() if days},
        "withdraw_end": leaves_by(length),
        "withdraw_or_fail": pl.col("final_result").is_in(["Withdrawn", "Fail"]).cast(pl.Int64),
    }


def _observed_at(outcomes: pl.DataFrame) -> datetime:
    """The midnight after the last of the presentations is over: all their landmarks are in the past."""
    ends = (
        oulad.presentation_start(presentation) + timedelta(days=int(length))
        for presentation, length in outcomes.select("code_presentation", "length_days").unique().iter_rows()
    )
    return datetime.combine(max(ends) + timedelta(days=1), time(), tzinfo=UTC)


@contextmanager
def _throw_away_night(folder: Path, settings: Settings, observed_at: datetime) -> Iterator[Night]:
    """A night in a temporary home, which is removed with all that was computed in it."""
    with tempfile.TemporaryDirectory(prefix="handrail-evaluate-") as name:
        home = Home(Path(name))
        home.create(oulad.SOURCE)
        with Warehouse.of(home, settings) as warehouse:
            warehouse.archive = NoArchive(home.path)
            yield Night(
                home=home,
                # Days of this data are days of the presentation, whatever zone the operator works in.
                settings=settings.model_copy(update={"source": oulad.SOURCE, "timezone": "UTC"}),
                data=folder,
                observed_at=observed_at,
                run_id="evaluate",
                warehouse=warehouse,
                pseudonyms=Pseudonyms(_KEY),
                build=PublicationBuild(warehouse.con, home.path / BUILD_NAME),
            )
