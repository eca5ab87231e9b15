"""A simulated world looks like life where it matters to a reader: calendar, people, logs, and signal."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from data_contracts.tables.inputs import INPUTS
from pipelines.sources.simulated import SimulationSettings, simulate

Rows = list[dict[str, str]]


@dataclass
class Life:
    out: Path
    first: dict[str, Rows]
    later: dict[str, Rows]
    truth: dict[str, Any]
    weeks: pl.DataFrame


def rows_of(out: Path, name: str, ending: str = "") -> Rows:
    path = out / "inbox" / name / f"{name}{ending}.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    out = tmp_path_factory.mktemp("life") / "world"
    simulate(out, SimulationSettings(learners=600))
    return Life(
        out,
        {name: rows_of(out, name) for name in INPUTS},
        {name: rows_of(out, name, "-later") for name in INPUTS},
        json.loads((out / "truth.json").read_bytes()),
        pl.read_parquet(out / "truth.parquet"),
    )


@pytest.fixture(scope="module")
def happened(life: Life) -> pl.DataFrame:
    """When learners did what: actor, UTC instants of happening and storing, id and what it voids."""
    lines = []
    for path in sorted((life.out / "inbox" / "xapi").iterdir()):
        with gzip.open(path) as file:
            lines += [json.loads(line) for line in file]
    return pl.DataFrame(
        {
            "statement_id": [line["id"] for line in lines],
            "actor": [json.dumps(line["actor"], sort_keys=True) for line in lines],
            "voids": [line["object"]["id"] if line["verb"]["id"].endswith("/voided") else None for line in lines],
            "happened_at": [line["timestamp"] for line in lines],
            "stored_at": [line["stored"] for line in lines],
        }
    ).with_columns(pl.col("happened_at", "stored_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ"))


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


# --- the calendar


def test_weekends_and_closed_days_are_quieter(life: Life, happened: pl.DataFrame) -> None:
    by_day = happened.group_by(pl.col("happened_at").dt.date().alias("day")).len().sort("day")
    closed = {day(row["closed_on"]) for row in life.first["calendar"] if not row["org_unit"]}
    usual = by_day.filter(~pl.col("day").is_in(list(closed)))
    weekday = usual.filter(pl.col("day").dt.weekday() <= 5)["len"].mean()
    saturday = usual.filter(pl.col("day").dt.weekday() == 6)["len"].mean()
    on_closed = by_day.filter(pl.col("day").is_in(list(closed)))["len"].mean()

    assert saturday < 0.75 * weekday
    assert on_closed < 0.6 * weekday


def test_people_sleep(happened: pl.DataFrame) -> None:
    by_hour = happened.group_by(pl.col("happened_at").dt.hour().alias("hour")).len()
    night = by_hour.filter(pl.col("hour").is_between(4, 5))["len"].sum()
    evening = by_hour.filter(pl.col("hour").is_between(18, 20))["len"].sum()

    assert night < 0.1 * evening


def test_some_programme_takes_people_in_every_week(life: Life) -> None:
    onboarding = [row for row in life.first["enrolment"] if row["programme_id"] == "first-weeks"]
    starts = Counter(day(row["enrolled_on"]).isocalendar()[:2] for row in onboarding)

    assert sum(count >= 5 for count in starts.values()) >= 12
    # Each has the whole course before them, whenever they began.
    assert {day(row["due_on"]).weekday() for row in onboarding} == {6}
    assert len({row["due_on"] for row in onboarding}) >= 12


# --- people


def test_administrative_withdrawals_come_in_batches_and_are_recorded_late(life: Life) -> None:
    withdrawn = [row for row in life.first["enrolment"] if row["status"] == "withdrawn_administratively"]
    days = Counter(row["status_on"] for row in withdrawn)

    assert len(withdrawn) > 20
    assert days.most_common(1)[0][1] >= 4
    assert {day(row["status_on"]).weekday() for row in withdrawn} == {4}
    assert all(row["recorded_at"] > row["status_on"] + "T23:59:59Z" for row in withdrawn)


def test_some_withdrawals_are_recorded_weeks_late_and_some_without_a_time(life: Life) -> None:
    ended = [row for row in life.first["enrolment"] if row["status"] == "abandoned"]
    lags = [
        (dt.datetime.fromisoformat(row["recorded_at"]).date() - day(row["status_on"])).days
        for row in ended
        if row["recorded_at"]
    ]

    assert sum(lag >= 7 for lag in lags) > 20
    assert len(lags) < len(ended)


def test_leavers_leave_every_programme_and_have_a_last_day(life: Life) -> None:
    left = {row["learner_key"]: row["left_on"] for row in life.first["learner"] if row["left_on"]}
    told = {
        row["learner_key"]: row["status_on"] for row in life.first["enrolment"] if row["status"] == "left_organisation"
    }

    assert left
    assert left == told


def test_abandonment_and_contact_stand_at_a_second_inside_the_week(life: Life) -> None:
    seconds = [
        dt.datetime.fromisoformat(row["held_at"]).minute * 60 + dt.datetime.fromisoformat(row["held_at"]).second
        for row in life.first["mentoring_session"]
        if row["held_at"]
    ]
    weekdays = {day(row["status_on"]).weekday() for row in life.first["enrolment"] if row["status"] == "abandoned"}

    assert len(set(seconds)) > 500
    assert weekdays == set(range(7))


# --- logs


def test_voids_come_after_their_targets_and_before_them(happened: pl.DataFrame, life: Life) -> None:
    stored = happened.unique("statement_id", keep="first", maintain_order=True).select("statement_id", "stored_at")
    voids = happened.filter(pl.col("voids").is_not_null()).join(
        stored, left_on="voids", right_on="statement_id", suffix="_target"
    )
    early = voids.filter(pl.col("stored_at") < pl.col("stored_at_target")).height

    assert early == life.truth["statements"]["voided_early"] > 5
    assert voids.height - early > 50


def test_statements_come_late(happened: pl.DataFrame, life: Life) -> None:
    once = happened.unique("statement_id")
    late = once.filter(pl.col("stored_at") - pl.col("happened_at") >= pl.duration(days=1)).height

    assert late == life.truth["statements"]["late"] > 500


def test_some_mentors_log_little(life: Life) -> None:
    held = [row for row in life.first["mentoring_session"] if row["outcome"] == "held"]

    for column in ("session_id", "duration_minutes", "level", "learner_rating"):
        share = sum(not row[column] for row in held) / len(held)
        assert 0.02 < share < 0.6, column


def test_enough_learners_rate_a_mentor_s_week_for_a_mean_to_be_shown(life: Life) -> None:
    mentor_of = {row["match_id"]: row["mentor_key"] for row in life.first["mentoring_match"]}
    ratings: Counter[tuple[str, Any]] = Counter()
    for row in life.first["mentoring_session"]:
        if row["learner_rating"]:
            week = dt.datetime.fromisoformat(row["held_at"]).isocalendar()[:2]
            ratings[mentor_of.get(row["match_id"], row["mentor_key"]), week] += 1

    assert sum(count >= 5 for count in ratings.values()) >= 3


def test_a_group_has_one_time_one_length_and_several_learners(life: Life) -> None:
    groups = defaultdict(list)
    for row in life.first["mentoring_session"]:
        if row["group_id"]:
            groups[row["group_id"]].append(row)

    assert len(groups) > 20
    assert max(map(len, groups.values())) > 3
    for rows in groups.values():
        assert len({row["held_at"] for row in rows}) == 1
        assert len({row["duration_minutes"] for row in rows} - {""}) <= 1


def test_some_mentors_take_days_to_answer(life: Life) -> None:
    sent = {row["message_id"]: row for row in life.first["mentoring_message"]}
    hours = [
        (dt.datetime.fromisoformat(row["sent_at"]) - dt.datetime.fromisoformat(sent[row["in_reply_to"]]["sent_at"]))
        / dt.timedelta(hours=1)
        for row in sent.values()
        if row["sender"] == "mentor" and row["in_reply_to"]
    ]

    assert np.median(hours) < 24
    assert np.quantile(hours, 0.95) > 48


def test_a_later_export_states_rows_again_and_is_told_later(life: Life) -> None:
    for name, moved in (("mentoring_session", "scheduled_at"), ("mentoring_match", "ended_on"), ("goal", "due_on")):
        key = INPUTS[name].key[0]
        first = {row[key]: row for row in life.first[name]}
        assert len(life.later[name]) == life.truth["restated_rows"][name] > 20
        for row in life.later[name]:
            before = first[row[key]]
            assert row["recorded_at"] > before["recorded_at"]
            assert row[moved] != before[moved] or not row[moved]


def test_goals_are_set_anew_by_an_update_by_a_later_export_or_by_both(life: Life) -> None:
    updated = {
        (row["goal_id"], row["recorded_on"]) for row in life.first["goal_update"] if row["status"] == "rebaselined"
    }
    restated = {(row["goal_id"], row["recorded_at"][:10]) for row in life.later["goal"]}

    assert min(len(updated & restated), len(updated - restated), len(restated - updated)) > 5
    due = {row["goal_id"]: row["due_on"] for row in life.first["goal"]}
    for row in sorted(life.later["goal"], key=lambda row: row["recorded_at"]):
        assert row["due_on"] > due[row["goal_id"]] > ""
        due[row["goal_id"]] = row["due_on"]


def test_every_kind_of_every_side_table_is_there(life: Life) -> None:
    def values(table: str, column: str) -> set[str]:
        return {row[column] for row in life.first[table]}

    assert {"technical", "access", "documentation", "content"} == values("support_ticket", "kind")
    assert {"task", "project", "shadowing", "application"} == values("work_activity", "kind")
    assert {"start", "during", "end", "after"} == values("survey_response", "survey")
    assert {"learner", "mentor", "match"} == values("survey_response", "subject_type")
    assert "ALL" in values("programme_cost", "programme_id")
    assert {"hipo", "democratised", "mandatory"} == values("programme", "selection")
    assert {"tacit_transfer", "personal_development", "onboarding"} == values("programme", "aim")
    assert {"held", "missed_by_learner", "missed_by_mentor", "cancelled", "rescheduled", "planned"} == values(
        "mentoring_session", "outcome"
    )


# --- signal


def test_the_true_hazard_tells_as_much_as_the_best_model_of_life_does(life: Life) -> None:
    status = {row["enrolment_id"]: row["status"] for row in life.first["enrolment"]}
    lives = (
        life.weeks.filter(pl.col("run") < 3)
        .group_by("enrolment_id")
        .agg(pl.col("is_present").sum().alias("weeks"), pl.col("hazard_probability"))
    )
    hazards, outcomes = [], []
    for enrolment, weeks, hazard in lives.iter_rows():
        abandoned_in = weeks - 1 if status[enrolment] == "abandoned" else 10**6
        for week in range(1, min(weeks, 12)):
            hazards.append(hazard[week])
            outcomes.append(abandoned_in < week + 4)
    auc = roc_auc_score(outcomes, hazards)

    assert 0.74 <= auc <= 0.81
    assert 0.05 < np.mean(outcomes) < 0.15
