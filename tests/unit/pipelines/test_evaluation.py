"""The protocol of `handrail evaluate oulad` on hand-made files: who is seen when, and what became of them.

The files have the dataset's names and its types: identifiers and days are floating point.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from data_contracts.errors import BadInputError, UsageError
from models.evaluation import ASKED, figures, forward
from models.train import TrainingSettings
from pipelines.evaluation import past_presentations, protocol_rows
from pipelines.settings import Settings

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "oulad"
RUN = ("code_module", "code_presentation")
LENGTH = 60

# id: (registered, unregistered, final result) in AAA 2013J, sixty days long; seen on days 0, 7 ... 56.
STUDENTS: dict[int, tuple[float | None, float | None, str]] = {
    1: (-10, None, "Pass"),
    2: (-5, 14, "Withdrawn"),
    3: (8, None, "Distinction"),
    4: (None, None, "Pass"),
    5: (-5, None, "Withdrawn"),
    6: (-20, -3, "Withdrawn"),
    7: (-5, 30, "Fail"),
    8: (-5, None, "Fail"),
    9: (7, None, "Pass"),
    10: (-5, 70, "Pass"),
    11: (-5, 60, "Withdrawn"),
}

Rows = Iterable[tuple[Any, ...]]


def write_folder(
    folder: Path,
    *,
    runs: Rows,
    students: Rows,
    clicks: Rows = (),
    assessments: Rows = (),
    submissions: Rows = (),
) -> Path:
    """Write the seven tables. Students: module, presentation, id, registered, unregistered, result."""
    folder.mkdir(parents=True, exist_ok=True)
    runs, students, number, text = list(runs), list(students), pl.Float64, pl.String

    def write(name: str, rows: Rows, **schema: Any) -> None:
        pl.DataFrame(list(rows), schema=schema, orient="row").write_parquet(folder / f"{name}.parquet")

    run: dict[str, Any] = dict.fromkeys(RUN, text)
    write("courses", runs, **run, module_presentation_length=number)
    write(
        "vle",
        [(1.0, *pair[:2], "oucontent", None, None) for pair in runs],
        id_site=number,
        **run,
        activity_type=text,
        week_from=number,
        week_to=number,
    )
    write("assessments", assessments, **run, id_assessment=number, assessment_type=text, date=number, weight=number)
    write(
        "studentInfo",
        [(*s[:3], "F", "Wales", "A Level", "50-60%", "0-35", 0, 60, "N", s[5]) for s in students],
        **run,
        id_student=number,
        **dict.fromkeys(("gender", "region", "highest_education", "imd_band", "age_band"), text),
        num_of_prev_attempts=number,
        studied_credits=number,
        disability=text,
        final_result=text,
    )
    write(
        "studentRegistration",
        [s[:5] for s in students],
        **run,
        id_student=number,
        date_registration=number,
        date_unregistration=number,
    )
    write(
        "studentAssessment",
        submissions,
        id_assessment=number,
        id_student=number,
        date_submitted=number,
        is_banked=number,
        score=number,
    )
    write("studentVle", clicks, **run, id_student=number, id_site=number, date=number, sum_click=number)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three presentations of AAA: the hand-made one, one before it and one after it."""
    enrolled = [("AAA", "2013J", float(student), *told) for student, told in STUDENTS.items()]
    others = [("AAA", other, 20.0, -5.0, None, "Pass") for other in ("2013B", "2014B")]
    return write_folder(
        tmp_path_factory.mktemp("oulad"),
        runs=[("AAA", name, float(LENGTH)) for name in ("2013J", "2013B", "2014B")],
        students=[*enrolled, *others],
        clicks=[("AAA", "2013J", 1, 1, 7, 3), ("AAA", "2013J", 1, 1, 7, 3), ("AAA", "2013J", 1, 1, 8, 5)],
    )


@pytest.fixture(scope="module")
def evaluated() -> Callable[[Path, str], pl.DataFrame]:
    """Compute the rows of a folder and a presentation."""

    def rows(folder: Path, presentation: str) -> pl.DataFrame:
        settings = Settings(threads=1, memory_limit="1GB", timezone="Asia/Tokyo")
        return protocol_rows(folder, presentation, settings=settings, on_stage=lambda _: None)

    return rows


@pytest.fixture(scope="module")
def rows(folder: Path, evaluated: Callable[[Path, str], pl.DataFrame]) -> pl.DataFrame:
    return evaluated(folder, "2013J")


def told(rows: pl.DataFrame, student: int, target: str = "day") -> dict[int, Any]:
    """The target of each day a student is seen on in 2013J."""
    part = rows.filter((pl.col("code_presentation") == "2013J") & (pl.col("id_student") == student)).sort("day")
    return dict(zip(part["day"], part[target], strict=True))


def test_rows_are_every_seventh_day_up_to_the_last_before_the_end(rows):
    assert list(told(rows, 1)) == list(range(0, LENGTH, 7))


def test_an_enrolment_is_seen_from_the_day_it_registers_on(rows):
    assert min(told(rows, 9)) == 7
    assert min(told(rows, 3)) == 14


def test_who_unregistered_by_the_day_is_gone(rows):
    assert list(told(rows, 2)) == [0, 7]
    assert list(told(rows, 7)) == [0, 7, 14, 21, 28]
    assert told(rows, 6) == {}


def test_undated_registrations_and_undated_withdrawals_are_left_out(rows):
    assert told(rows, 4) == {}
    assert told(rows, 5) == {}


def test_a_withdrawal_counts_within_the_days_after_the_day_itself(rows):
    assert told(rows, 2, "withdraw_7d") == {0: 0, 7: 1}
    assert told(rows, 2, "withdraw_28d") == {0: 1, 7: 1}
    assert told(rows, 7, "withdraw_28d") == {0: 0, 7: 1, 14: 1, 21: 1, 28: 1}
    assert told(rows, 11, "withdraw_7d")[49] == 0


def test_a_window_must_lie_inside_the_length(rows):
    seven, twenty_eight = told(rows, 1, "withdraw_7d"), told(rows, 1, "withdraw_28d")
    assert [day for day, value in seven.items() if value is None] == [56]
    assert [day for day, value in twenty_eight.items() if value is None] == [35, 42, 49, 56]


def test_a_window_may_end_on_the_last_day(tmp_path, evaluated):
    folder = write_folder(
        tmp_path / "even",
        runs=[("AAA", "2013B", 56.0), ("AAA", "2013J", 56.0)],
        students=[("AAA", name, 1.0, -5.0, 56.0, "Withdrawn") for name in ("2013B", "2013J")],
    )
    found = evaluated(folder, "2013J")
    assert told(found, 1, "withdraw_7d") == dict.fromkeys(range(0, 49, 7), 0) | {49: 1}
    assert [day for day, value in told(found, 1, "withdraw_28d").items() if value == 1] == [28]


def test_withdrawn_by_the_end_asks_for_a_date_up_to_the_end(rows):
    assert set(told(rows, 11, "withdraw_end").values()) == {1}
    assert set(told(rows, 10, "withdraw_end").values()) == {0}
    assert set(told(rows, 8, "withdraw_end").values()) == {0}


def test_withdrawn_or_failed_asks_for_the_final_result(rows):
    results = {student: set(told(rows, student, "withdraw_or_fail").values()) for student in (1, 2, 3, 7, 8, 10)}
    assert results == {1: {0}, 2: {1}, 3: {0}, 7: {1}, 8: {1}, 10: {0}}


def test_what_is_dated_on_the_day_is_known_and_the_next_day_is_not(rows):
    """Equal click rows are two records; the organisation's zone does not move the presentation's days."""
    assert told(rows, 1, "events_to_date") | {56: 0} == {0: 0, 7: 6} | dict.fromkeys(range(14, 56, 7), 11) | {56: 0}


def test_what_is_left_of_the_presentation_and_the_day_of_unregistration_stand_beside(rows):
    assert told(rows, 7, "rest_days") == {day: LENGTH - day for day in (0, 7, 14, 21, 28)}
    part = rows.filter((pl.col("code_presentation") == "2013J") & (pl.col("id_student") == 7))
    assert set(part["ended_epoch_day"] - part["observed_epoch_day"] + part["day"]) == {30 - 1}
    assert told(rows, 1, "ended_epoch_day")[0] is None
    assert not rows["is_batch_end"].any()


def test_later_presentations_leave_no_trace(folder, rows, tmp_path, evaluated):
    for file in folder.iterdir():
        table = pl.read_parquet(file)
        if "code_presentation" in table.columns:
            table = table.filter(pl.col("code_presentation") != "2014B")
        table.write_parquet(tmp_path / file.name)
    assert_frame_equal(evaluated(tmp_path, "2013J"), rows)
    assert set(rows["code_presentation"]) == {"2013B", "2013J"}


def test_presentations_before_are_trained_on_in_the_order_they_start(folder):
    assert past_presentations(folder, "2014B") == ["2013B", "2013J"]


@pytest.mark.parametrize(
    ("presentation", "words"),
    [("2014J", "not in these files; they hold 2013B, 2013J, 2014B"), ("2013B", "test on one of 2013J, 2014B")],
)
def test_a_presentation_that_cannot_be_tested_on_is_refused(folder, presentation, words):
    with pytest.raises(UsageError, match=words):
        past_presentations(folder, presentation)


def test_a_missing_folder_and_a_missing_file_are_named(tmp_path, folder):
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere; --data"):
        past_presentations(tmp_path / "nowhere", "2013J")
    (tmp_path / "courses.parquet").write_bytes((folder / "courses.parquet").read_bytes())
    with pytest.raises(BadInputError, match=r"assessments\.parquet is not in the folder"):
        past_presentations(tmp_path, "2013J")


def write_random_folder(folder: Path, learners: int = 250, length: int = 98) -> Path:
    """Three presentations where those who click less leave: enough to train on."""
    random = np.random.default_rng(4)
    students, clicks = [], []
    for presentation in ("2013B", "2013J", "2014B"):
        for learner in range(learners):
            effort = random.normal()
            left = int(random.exponential(120 * np.exp(effort)))
            is_gone = left < length
            students.append(
                ("AAA", presentation, learner, -9.0, left if is_gone else None, "Withdrawn" if is_gone else "Pass")
            )
            last = min(left, length)
            days = np.flatnonzero(random.random(last) < 1 / (1 + np.exp(-effort)))
            clicks += [("AAA", presentation, learner, 1, int(day), 1) for day in days]
    runs = [("AAA", name, length) for name in ("2013B", "2013J", "2014B")]
    return write_folder(folder, runs=runs, students=students, clicks=clicks)


@pytest.mark.parametrize("mode", ["forward", "prequential"])
def test_the_command_writes_figures_and_predictions_and_repeats_itself(tmp_path, handrail, mode):
    folder = write_random_folder(tmp_path / "data")
    words = ["evaluate", "oulad", "--data", folder, "--test-presentation", "2014B", "--home", tmp_path / "home"]
    files = []
    for turn in ("one", "two"):
        out, predictions = tmp_path / turn / "metrics.json", tmp_path / turn / "preds.parquet"
        ended = handrail(*words, "--mode", mode, "--out", out, "--predictions", predictions)
        assert ended.code == 0, ended.err
        assert "withdraw_28d, days_28_to_168" in ended.out
        files.append((out.read_bytes(), predictions.read_bytes()))
    assert files[0] == files[1]
    assert not (tmp_path / "home").exists()

    rows = pl.read_parquet(tmp_path / "one" / "preds.parquet")
    assert dict(rows.schema) == {
        "code_module": pl.String,
        "code_presentation": pl.String,
        "id_student": pl.Int64,
        "day": pl.Int64,
        "target": pl.String,
        "probability": pl.Float64,
        "mode": pl.String,
    }
    assert rows.select("code_presentation", "mode").unique().rows() == [("2014B", mode)]
    assert rows["probability"].is_between(0, 1).all()
    assert not rows.select("id_student", "day", "target").is_duplicated().any()
    days = dict(rows.group_by("target").agg(pl.col("day").max()).iter_rows())
    assert days == {"withdraw_7d": 91, "withdraw_28d": 70, "withdraw_end": 91, "withdraw_or_fail": 91}

    report = json.loads(files[0][0])
    assert report["trained_on"] == ["2013B", "2013J"]
    for target, judged in report["targets"].items():
        assert set(judged["estimators"]) == {"model", "logistic_regression", "inactive_7d_rule"}
        model = judged["estimators"]["model"]
        assert model["pooled"]["n_count"] == rows.filter(pl.col("target") == target).height
        assert set(model["by_module"]) == {"AAA"}
        assert list(model["by_day"]) == [str(day) for day in range(0, days[target] + 1, 7)]
    found = report["targets"]["withdraw_28d"]["estimators"]["model"]["days_28_to_168"]["roc_auc"]
    assert 0.6 < found["low"] < found["value"] < found["high"] < 0.95


def test_a_wrong_call_is_one_line_and_exit_code_2(tmp_path, handrail, folder):
    words = ["evaluate", "oulad", "--data", folder, "--out", tmp_path / "m", "--predictions", tmp_path / "p"]
    ended = handrail(*words, "--test-presentation", "2013B")
    assert ended.code == 2
    assert ended.err == (
        "handrail evaluate: nothing in these files starts before 2013B, so there is nothing to train on; "
        "test on one of 2013J, 2014B\n"
    )
    assert handrail(*words, "--test-presentation", "2014B", "--mode", "random").code == 2


PROTOCOL_SQL = """
SELECT code_presentation, count(*), count(seven), sum(seven), count(month), sum(month), sum(by_end), sum(bad) FROM (
    SELECT code_presentation,
           CASE WHEN d + 7 <= n THEN CAST(coalesce(u > d AND u <= d + 7, false) AS INTEGER) END AS seven,
           CASE WHEN d + 28 <= n THEN CAST(coalesce(u > d AND u <= d + 28, false) AS INTEGER) END AS month,
           CAST(coalesce(u > d AND u <= n, false) AS INTEGER) AS by_end,
           CAST(final_result IN ('Withdrawn', 'Fail') AS INTEGER) AS bad
    FROM (
        SELECT *, date_unregistration AS u, module_presentation_length AS n, unnest(range(0, 400, 7)) AS d
        FROM '{0}/studentInfo.parquet'
        JOIN '{0}/studentRegistration.parquet' USING (code_module, code_presentation, id_student)
        JOIN '{0}/courses.parquet' USING (code_module, code_presentation)
        WHERE date_registration IS NOT NULL AND NOT (final_result = 'Withdrawn' AND date_unregistration IS NULL)
    )
    WHERE date_registration <= d AND (u IS NULL OR u > d) AND d < n
) GROUP BY 1 ORDER BY 1
"""


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/oulad is not here")
def test_one_real_module_has_the_protocols_rows_and_the_model_beats_both_baselines(tmp_path, handrail, evaluated):
    folder = tmp_path / "module"
    folder.mkdir()
    for file in REAL.glob("*.parquet"):
        table = pl.scan_parquet(file)
        if "code_module" in table.collect_schema():
            table = table.filter(pl.col("code_module") == "BBB")
        table.sink_parquet(folder / file.name)
    rows = evaluated(folder, "2014B")
    counted = rows.group_by("code_presentation").agg(
        pl.len(),
        *(aggregate for days in (7, 28) for aggregate in _counted(f"withdraw_{days}d")),
        pl.col("withdraw_end", "withdraw_or_fail").sum(),
    )
    with duckdb.connect() as con:
        assert counted.sort("code_presentation").rows() == con.execute(PROTOCOL_SQL.format(folder)).fetchall()
    judged = forward(rows, ASKED[0], test_presentation="2014B", settings=TrainingSettings(rounds=100))
    found = {
        name: one["days_28_to_168"]["roc_auc"] for name, one in figures(judged.predictions, "withdraw_28d").items()
    }
    assert found["model"]["value"] > found["logistic_regression"]["value"]
    assert found["model"]["low"] > found["inactive_7d_rule"]["high"]


def _counted(name: str) -> tuple[pl.Expr, pl.Expr]:
    return pl.col(name).count().alias(f"{name}_count"), pl.col(name).sum()
