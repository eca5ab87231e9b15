from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from data_contracts.errors import UsageError
from data_contracts.schema import Kind
from data_contracts.tables.inputs import INPUTS
from pipelines.sources.simulated import SimulationSettings, SimulationSummary, simulate
from pipelines.sources.simulated.hazard import contact_path, weekly_hazard

SMALL = SimulationSettings(seed=3, learners=60, weeks=10)
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
# Columns that speak of what is agreed or foreseen, which may lie after the snapshot.
FORESEEN = {"due_on", "ends_on", "to_on", "available_on", "closed_on"}


@dataclass
class Whole:
    out: Path
    summary: SimulationSummary
    tables: dict[str, list[dict[str, str]]]
    later: dict[str, list[dict[str, str]]]
    statements: list[dict]
    truth: dict


def read_statements(out: Path) -> list[dict]:
    statements = []
    for path in sorted((out / "inbox" / "xapi").iterdir()):
        with gzip.open(path) as lines:
            statements += [json.loads(line) for line in lines]
    return statements


def read_tables(out: Path, ending: str = "") -> dict[str, list[dict[str, str]]]:
    tables = {}
    for name in INPUTS:
        path = out / "inbox" / name / f"{name}{ending}.csv"
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                tables[name] = list(csv.DictReader(file))
    return tables


def read(out: Path, summary: SimulationSummary) -> Whole:
    truth = json.loads((out / "truth.json").read_bytes())
    return Whole(out, summary, read_tables(out), read_tables(out, "-later"), read_statements(out), truth)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    out = tmp_path_factory.mktemp("whole") / "world"
    return read(out, simulate(out, SimulationSettings()))


@pytest.fixture(scope="module", params=[SMALL, SimulationSettings(seed=0, learners=30, weeks=8)])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    out = tmp_path_factory.mktemp("small") / "world"
    return read(out, simulate(out, request.param))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def latest(world: Whole, name: str) -> list[dict[str, str]]:
    """A table's rows as they stand after the later export."""
    key = INPUTS[name].key[0]
    again = {row[key]: row for row in world.later[name]}
    return [again.get(row[key], row) if row[key] else row for row in world.tables[name]]


def contacts(world: Whole) -> list[tuple[str, str, dt.datetime]]:
    """Mentor, learner and instant of every held session and mentor-sent message."""
    pairs = {row["match_id"]: (row["mentor_key"], row["learner_key"]) for row in world.tables["mentoring_match"]}
    sessions = [row | {"at": row["held_at"]} for row in latest(world, "mentoring_session") if row["outcome"] == "held"]
    messages = [row | {"at": row["sent_at"]} for row in world.tables["mentoring_message"] if row["sender"] == "mentor"]
    return [
        (*(pairs[row["match_id"]] if row["match_id"] else (row["mentor_key"], row["learner_key"])), instant(row["at"]))
        for row in sessions + messages
    ]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(tmp_path: Path) -> None:
    simulate(tmp_path / "one", SMALL)
    simulate(tmp_path / "two", SMALL)
    simulate(tmp_path / "other", SimulationSettings(seed=4, learners=60, weeks=10))

    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert files(tmp_path / "one")["truth.parquet"] != files(tmp_path / "other")["truth.parquet"]


def test_compressed_files_bear_no_time_and_no_name(small: Whole) -> None:
    for path in (small.out / "inbox" / "xapi").iterdir():
        header = path.read_bytes()[:8]
        assert header[3] == 0
        assert header[4:8] == b"\0\0\0\0"


def test_every_input_table_has_rows_with_the_columns_of_its_contract(small: Whole) -> None:
    for name, contract in INPUTS.items():
        assert small.tables[name], name
        assert tuple(small.tables[name][0]) == contract.column_names


def test_every_value_is_within_its_contract(whole: Whole) -> None:
    for name, contract in INPUTS.items():
        for column in contract.columns:
            values = [row[column.name] for row in [*whole.tables[name], *whole.later.get(name, [])]]
            given = [value for value in values if value]
            assert not column.is_required or len(given) == len(values), (name, column.name)
            if column.field.values:
                assert set(given) <= set(column.field.values), (name, column.name)
            if column.field.kind in {Kind.INTEGER, Kind.NUMBER} and given:
                numbers = np.array(given, dtype=float)
                assert column.field.minimum is None or numbers.min() >= column.field.minimum, (name, column.name)
                assert column.field.maximum is None or numbers.max() <= column.field.maximum, (name, column.name)
            if column.field.kind is Kind.DATE:
                assert all(dt.date.fromisoformat(value) for value in given)
            if column.field.kind is Kind.INSTANT:
                assert all(value.endswith("Z") for value in given)
            if column.field.kind is Kind.BOOLEAN:
                assert set(given) <= {"true", "false"}


def test_keys_are_unique(whole: Whole) -> None:
    for name, contract in INPUTS.items():
        for rows in (whole.tables[name], whole.later.get(name, [])):
            # A session that nobody numbered is known by its pair and time.
            known = [row for row in rows if name != "mentoring_session" or row["session_id"]]
            also = ("recorded_at",) if rows is not whole.tables[name] else ()
            counts = Counter(tuple(row[column] for column in (*contract.key, *also)) for row in known)
            assert max(counts.values(), default=1) == 1, name


def test_every_reference_finds_its_row(whole: Whole) -> None:
    tables = whole.tables
    references = {
        ("enrolment", "learner_key"): ("learner", "learner_key"),
        ("enrolment", "course_id"): ("course", "course_id"),
        ("enrolment", "programme_id"): ("programme", "programme_id"),
        ("mentoring_match", "learner_key"): ("learner", "learner_key"),
        ("mentoring_match", "mentor_key"): ("mentor", "mentor_key"),
        ("mentoring_session", "match_id"): ("mentoring_match", "match_id"),
        ("mentoring_message", "match_id"): ("mentoring_match", "match_id"),
        ("mentoring_message", "in_reply_to"): ("mentoring_message", "message_id"),
        ("commitment", "session_id"): ("mentoring_session", "session_id"),
        ("goal", "match_id"): ("mentoring_match", "match_id"),
        ("goal_update", "goal_id"): ("goal", "goal_id"),
        ("learner_identity", "learner_key"): ("learner", "learner_key"),
        ("activity", "course_id"): ("course", "course_id"),
    }
    for (name, column), (target, key) in references.items():
        found = {row[column] for row in tables[name]} - {""}
        assert found <= {row[key] for row in tables[target]}, (name, column)


def test_nothing_is_dated_at_or_after_the_snapshot(whole: Whole, small: Whole) -> None:
    for world in (whole, small):
        observed_at = world.summary.observed_at
        today = observed_at.date()
        for name, contract in INPUTS.items():
            for column in contract.columns:
                if column.name in FORESEEN:
                    continue
                given = [
                    row[column.name]
                    for row in [*world.tables[name], *world.later.get(name, [])]
                    if row[column.name] and not (column.name == "scheduled_at" and row["outcome"] == "planned")
                ]
                if column.field.kind is Kind.INSTANT:
                    assert all(instant(value) < observed_at for value in given), (name, column.name)
                elif column.field.kind is Kind.DATE:
                    assert all(dt.date.fromisoformat(value) < today for value in given), (name, column.name)
        for statement in world.statements:
            assert instant(statement["timestamp"]) <= instant(statement["stored"]) < observed_at


def test_sessions_planned_after_the_snapshot_are_there(small: Whole) -> None:
    planned = [row for row in latest(small, "mentoring_session") if row["outcome"] == "planned"]

    assert planned
    assert all(instant(row["scheduled_at"]) >= small.summary.observed_at for row in planned)
    assert all(instant(row["recorded_at"]) < small.summary.observed_at for row in planned)


def test_the_snapshot_is_the_middle_of_the_running_run(whole: Whole) -> None:
    snapshot = json.loads((whole.out / "snapshot.json").read_bytes())

    assert snapshot == {"observed_at": "2026-03-02T00:00:00Z"}
    assert whole.summary.observed_at == instant(snapshot["observed_at"])
    running = [row for row in whole.tables["course"] if row["course_id"].startswith("lead-")][-1]
    assert whole.summary.observed_at.date() - dt.date.fromisoformat(running["starts_on"]) == dt.timedelta(weeks=8)


def test_history_is_long_enough_to_learn_from(whole: Whole) -> None:
    snapshot = whole.summary.observed_at.date().isoformat()
    past = {row["course_id"] for row in whole.tables["course"] if row["ends_on"] < snapshot}
    enrolments = [row for row in whole.tables["enrolment"] if row["course_id"] in past]

    assert len([course for course in past if course.startswith("lead-")]) == 2
    assert sum(row["status"] == "abandoned" for row in enrolments) > 400
    assert all(row["status"] != "active" for row in enrolments)
    assert {"completed", "failed", "abandoned", "left_organisation", "withdrawn_administratively"} <= {
        row["status"] for row in enrolments
    }
    assert 0.6 <= len(whole.tables["mentoring_match"]) / (3 * 1200) <= 0.7


def test_one_course_serves_two_programmes_and_one_enrolment_has_no_course(small: Whole) -> None:
    users = Counter(row["course_id"] for row in small.tables["programme_course"])

    assert max(users.values()) == 2
    assert any(not row["course_id"] for row in small.tables["enrolment"])


def test_some_learners_never_started(whole: Whole) -> None:
    with_registration = {
        statement["context"].get("registration") for statement in whole.statements if "context" in statement
    }
    lives = pl.read_parquet(whole.out / "truth.parquet").group_by("enrolment_id").agg(pl.col("is_present").sum())
    long = set(lives.filter(pl.col("is_present") >= 6)["enrolment_id"])

    assert 20 < len(long - with_registration) < 200


def test_statements_have_what_a_statement_needs(whole: Whole) -> None:
    inverse_functional = {"account", "mbox", "mbox_sha1sum", "openid"}
    assert 150_000 < len(whole.statements) < 300_000
    for statement in whole.statements:
        assert UUID(statement["id"]).version == 4
        assert statement["version"] == "1.0.3"
        assert len(inverse_functional & statement["actor"].keys()) == 1


def test_voids_and_exact_duplicates_are_there_and_no_conflict(small: Whole) -> None:
    by_id: dict[str, set[str]] = {}
    for statement in small.statements:
        by_id.setdefault(statement["id"], set()).add(json.dumps(statement, sort_keys=True))
    voids = [statement for statement in small.statements if statement["verb"]["id"] == VOIDED]

    told = small.truth["statements"]
    assert len(small.statements) == told["distinct"] + told["repeated"] > told["distinct"]
    assert len(by_id) == small.summary.statements == told["distinct"]
    assert all(len(contents) == 1 for contents in by_id.values())
    assert len({void["id"] for void in voids}) == told["voiding"]
    assert all(void["object"]["id"] in by_id for void in voids)
    # One voids another that voids, and what that one voided stays void.
    voiders = {void["id"] for void in voids}
    targets = {void["object"]["id"] for void in voids}
    assert len(voiders & targets) == 1
    assert len(targets - voiders) == told["voided"]
    assert told["counted"] == told["distinct"] - told["voiding"] - told["voided"]


def test_identifiers_have_one_length_a_kind(whole: Whole) -> None:
    actors = [statement["actor"] for statement in whole.statements]
    for kind in ("mbox", "mbox_sha1sum", "openid"):
        assert len({len(actor[kind]) for actor in actors if kind in actor}) == 1
    assert {len(actor["account"]["name"]) for actor in actors if "account" in actor} == {8}
    assert len({len(actor["name"]) for actor in actors if "name" in actor}) == 1
    assert len({len(row["contact_address"]) for row in whole.tables["learner"]}) == 1


def test_every_actor_is_linked_or_is_a_learner_key_or_is_staff(whole: Whole) -> None:
    linked = {row["identity_value"] for row in whole.tables["learner_identity"]}
    keys = {row["learner_key"] for row in whole.tables["learner"]}
    unlinked = set()
    for statement in whole.statements:
        actor = statement["actor"]
        account = actor.get("account")
        value = f"{account['homePage']}::{account['name']}" if account else None
        names = {value, actor.get("mbox"), actor.get("openid"), actor.get("mbox_sha1sum")} - {None}
        if not names & linked and not (account and account["name"] in keys) and "mbox_sha1sum" not in actor:
            unlinked.add(account["name"])

    assert {name[0] for name in unlinked} == {"s"}
    both = Counter(row["learner_key"] for row in whole.tables["learner_identity"])
    assert sum(count == 2 for count in both.values()) > 100
    assert sum(count == 3 for count in both.values()) > 50
    homes = {actor["account"]["homePage"] for actor in (s["actor"] for s in whole.statements) if "account" in actor}
    assert len(homes) == 2


def test_no_one_does_anything_after_the_end(whole: Whole) -> None:
    learner_of = {row["enrolment_id"]: row for row in whole.tables["enrolment"]}
    for statement in whole.statements:
        row = learner_of.get(statement.get("context", {}).get("registration", ""))
        if row and row["status"] == "abandoned":
            assert instant(statement["timestamp"]).date() <= dt.date.fromisoformat(row["status_on"]) + dt.timedelta(1)
            assert instant(statement["timestamp"]).date() >= dt.date.fromisoformat(row["enrolled_on"])


def test_contact_in_the_tables_is_contact_in_the_truth(whole: Whole) -> None:
    zone_of_programme = {row["programme_id"]: row["timezone"] for row in whole.tables["programme"]}
    zone = {row["learner_key"]: row["timezone"] for row in whole.tables["learner"]}
    programme = {row["learner_key"]: row["programme_id"] for row in whole.tables["enrolment"]}
    learner_of = {row["enrolment_id"]: row["learner_key"] for row in whole.tables["enrolment"]}
    in_course = {row["learner_key"] for row in whole.tables["enrolment"] if row["course_id"]}
    logged = set()
    for _, learner, at in contacts(whole):
        if learner not in in_course:
            continue
        day = at.astimezone(ZoneInfo(zone[learner] or zone_of_programme[programme[learner]])).date()
        logged.add((learner, day - dt.timedelta(days=day.weekday())))
    weeks = pl.read_parquet(whole.out / "truth.parquet").filter(pl.col("is_contacted"))
    true = {
        (learner_of[enrolment], monday)
        for enrolment, monday in weeks.select("enrolment_id", "week_starts_on").iter_rows()
    }
    # In the last weeks before the snapshot some of it is not logged yet.
    settled = whole.summary.observed_at.date() - dt.timedelta(days=7)

    assert len(logged) > 1000
    assert {one for one in logged if one[1] < settled} == {one for one in true if one[1] < settled}


def test_contact_follows_the_match(whole: Whole) -> None:
    matched_on: dict[tuple[str, str], dt.date] = {}
    for row in whole.tables["mentoring_match"]:
        pair = row["mentor_key"], row["learner_key"]
        matched_on[pair] = min(matched_on.get(pair, dt.date.max), dt.date.fromisoformat(row["matched_on"]))

    assert all(at.date() > matched_on[mentor, learner] for mentor, learner, at in contacts(whole))


def test_sessions_keep_within_the_minutes_of_their_mentor(whole: Whole) -> None:
    mentor_of = {row["match_id"]: row["mentor_key"] for row in whole.tables["mentoring_match"]}
    used: Counter[tuple[str, str]] = Counter()
    groups = set()
    for row in latest(whole, "mentoring_session"):
        if row["outcome"] == "held" and row["group_id"] not in groups and "alone" not in row["session_id"]:
            week = instant(row["held_at"]).strftime("%G-%V")
            used[mentor_of.get(row["match_id"], row["mentor_key"]), week] += 30
            groups |= {row["group_id"]} - {""}

    # It binds: somebody's week is full.
    assert max(used.values()) == 90


def test_capacity_is_far_below_the_need_at_the_snapshot(whole: Whole) -> None:
    minutes = sum(int(row["capacity_minutes_per_week"] or 60) for row in whole.tables["mentor"])
    active = sum(row["status"] == "active" for row in whole.tables["enrolment"])

    assert 20 * 0.25 * active > minutes


def test_the_true_effect_of_first_contact_is_about_one_point_and_a_half(whole: Whole) -> None:
    effect = whole.truth["effects"]["first_contact"]["all"]
    never = whole.truth["effects"]["contact_against_never"]["all"]

    assert -1.7 < effect["effect_points"] < -1.0
    assert effect["treated_count"] > 500
    assert never["effect_points"] < effect["effect_points"]
    assert effect["abandonment_with_percent"] == pytest.approx(21, abs=3)


def test_truth_holds_every_learner_week_and_contact_never_raises_the_hazard(whole: Whole) -> None:
    frame = pl.read_parquet(whole.out / "truth.parquet")

    assert frame.height == 3 * 1200 * 16
    assert (frame["hazard_probability"] <= frame["hazard_blocked_probability"]).all()
    assert frame["hazard_probability"].is_between(0, 1).all()


def test_outcomes_follow_the_true_hazard(whole: Whole) -> None:
    frame = pl.read_parquet(whole.out / "truth.parquet").filter(pl.col("run") < 3, pl.col("is_present"))
    main = set(frame["enrolment_id"])
    abandoned = sum(row["status"] == "abandoned" for row in whole.tables["enrolment"] if row["enrolment_id"] in main)
    expected = frame["hazard_probability"].sum()

    assert abandoned == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_hazard_by_hand() -> None:
    log_hazard = np.full((1, 6), np.log(0.03))
    contact = np.zeros((1, 6), dtype=bool)
    contact[0, 0] = True

    hazard = weekly_hazard(log_hazard, contact, -0.15)[0]

    without = 1 - np.exp(-0.03)
    with_contact = 1 - np.exp(-0.03 * np.exp(-0.15))
    np.testing.assert_allclose(hazard, [without, *[with_contact] * 4, without])


def test_blocked_contact_leaves_the_draws_of_other_weeks_alone() -> None:
    logit, uniform = np.zeros((1, 4)), np.array([[0.4, 0.6, 0.9, 0.7]])
    everywhere = np.ones((1, 4), dtype=bool)
    later = everywhere.copy()
    later[0, 0] = False

    # sigmoid(0) = .5 before any contact, sigmoid(1) = .731 after one.
    assert contact_path(logit, uniform, everywhere).tolist() == [[True, True, False, True]]
    assert contact_path(logit, uniform, later).tolist() == [[False, False, False, False]]


def test_a_killed_simulation_is_never_taken_for_a_whole_one(tmp_path: Path) -> None:
    out = tmp_path / "world"

    def die(step: str) -> None:
        if "truth" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(out, SMALL, on_progress=die)
    assert not out.exists()

    simulate(out, SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["world"]
    assert sorted(path.name for path in out.iterdir()) == ["inbox", "snapshot.json", "truth.json", "truth.parquet"]


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep me")

    with pytest.raises(UsageError, match="new or empty folder"):
        simulate(tmp_path, SMALL)
    assert (tmp_path / "notes.txt").read_text() == "keep me"


@pytest.mark.parametrize(
    "given",
    [
        *({"learners": 29}, {"learners": 10**8}, {"weeks": 7}, {"seed": -1}, {"dirt": -0.1}, {"dirt": 0.9}),
        *({"effect": 5.0}, {"effect": float("nan")}, {"hidden": float("inf")}, {"propensity": "quadratic"}),
    ],
)
def test_a_world_that_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SimulationSettings(**given)


def test_progress_is_told_in_steps(tmp_path: Path) -> None:
    heard: list[str] = []

    simulate(tmp_path / "world", SMALL, on_progress=heard.append)

    assert len(heard) >= 3
    assert all(one != other for one, other in pairwise(heard))
