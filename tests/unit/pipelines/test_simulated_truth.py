"""What is true in a simulated world follows its parameters; faults are planted beside the good rows and all are told."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pytest

from data_contracts.tables.inputs import INPUTS
from pipelines.sources.simulated import PRESETS, SimulationSettings, settings, simulate
from pipelines.sources.simulated.cohort import draw_cohort
from pipelines.sources.simulated.faults import BROKEN_LINES, BROKEN_STATEMENTS, faults_of
from pipelines.sources.simulated.hazard import play
from pipelines.sources.simulated.truth import OUTCOME_WEEKS, Contrasts, HazardTable, arms, first_contact_week
from pipelines.statements.identity import Pseudonyms
from pipelines.statements.take import take

MIDDLE = SimulationSettings(seed=11, learners=2000, weeks=12)
SMALL = SimulationSettings(seed=3, learners=60, weeks=10)
DIRTY = replace(SMALL, dirt=0.03)

BY_COMMAND = """
import sys
from pathlib import Path
from pipelines.sources.simulated import SimulationSettings, simulate
simulate(Path(sys.argv[1]), SimulationSettings(seed=3, learners=60, weeks=10, dirt=.03))
"""


def effects(world: SimulationSettings) -> dict[str, dict[str, Any]]:
    cohort = draw_cohort(world)
    contrasts = Contrasts()
    contrasts.add(cohort, play(world, cohort))
    return {name: of["all"] for name, of in contrasts.told().items()}


def weeks_of(world: SimulationSettings, folder: Path) -> pl.DataFrame:
    """Truth of the weeks in which contact was possible and none had been before, in the middle of courses."""
    cohort = draw_cohort(world)
    with HazardTable(folder / "truth.parquet") as table:
        table.write(cohort, play(world, cohort), [str(number) for number in range(cohort.size)])
    before = pl.col("is_contacted").cast(pl.Int64).cum_sum().over("enrolment_id", order_by="week")
    return (
        pl.read_parquet(folder / "truth.parquet")
        .with_columns(before=before - pl.col("is_contacted"))
        .filter(pl.col("is_matched"), pl.col("is_present"), pl.col("before") == 0, pl.col("week") >= 2)
    )


def correlation(weeks: pl.DataFrame, one: str, other: str) -> float:
    logit = (pl.col("contact_probability") / (1 - pl.col("contact_probability"))).log()
    return float(weeks.with_columns(contact_logit=logit).select(pl.corr(one, other)).item())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "inbox" / name / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lines(folder: Path) -> list[bytes]:
    found: list[bytes] = []
    for path in sorted((folder / "inbox" / "xapi").iterdir()):
        with gzip.open(path) as file:
            found += file
    return found


def truth(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "truth.json").read_bytes())
    return told


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dirty") / "world"
    simulate(out, DIRTY)
    return out


# --- parameters do what they say


def test_no_effect_is_exactly_none() -> None:
    for told in effects(replace(MIDDLE, effect=0.0)).values():
        assert told["effect_points"] == 0
        assert told["treated_count"] > 100


def test_a_stronger_effect_is_stronger_under_every_estimand() -> None:
    weak, strong = effects(MIDDLE), effects(replace(MIDDLE, effect=-0.45))

    for name in ("first_contact", "contact_against_never", "matched", "mentoring"):
        assert strong[name]["effect_points"] < weak[name]["effect_points"] < 0
    assert 2 < strong["first_contact"]["effect_points"] / weak["first_contact"]["effect_points"] < 3.5


def test_a_harmful_effect_raises_abandonment() -> None:
    assert effects(replace(MIDDLE, effect=0.2))["first_contact"]["effect_points"] > 0


def test_confounding_scales_how_much_contact_follows_risk(tmp_path: Path) -> None:
    found = [
        correlation(weeks_of(replace(MIDDLE, confounding=c), tmp_path), "contact_logit", "hazard_blocked_probability")
        for c in (0.0, 0.4, 0.8, 1.6)
    ]

    assert abs(found[0]) < 0.05
    assert found == sorted(found)
    assert found[2] > 0.15


def test_contact_without_confounding_meets_everybody_alike_but_for_what_the_mentor_is_like(tmp_path: Path) -> None:
    weeks = weeks_of(replace(MIDDLE, confounding=0.0), tmp_path)

    assert abs(correlation(weeks, "contact_logit", "engagement")) < 0.05


def test_a_hidden_hunch_is_in_the_contact_and_in_no_log(tmp_path: Path) -> None:
    without = replace(MIDDLE, confounding=0.0)
    found = [
        correlation(weeks_of(replace(without, hidden=h), tmp_path), "contact_logit", "engagement") for h in (0.3, 1)
    ]

    assert found[1] < found[0] < -0.3


def test_a_linear_propensity_falls_with_activity_and_a_nonlinear_one_turns() -> None:
    def by_events_of_last_week(form: settings.Propensity) -> list[float]:
        world = replace(MIDDLE, propensity=form)
        played = play(world, draw_cohort(world))
        last = np.digitize(played.events[:, 2:-1], [1, 4, 9, 25])
        return [float(played.contact_logit[:, 3:][last == group].mean()) for group in range(5)]

    linear, nonlinear = by_events_of_last_week("linear"), by_events_of_last_week("nonlinear")

    assert linear == sorted(linear, reverse=True)
    assert nonlinear[0] > min(nonlinear) < nonlinear[-1] - 0.1


def test_mentors_differ_in_what_their_contact_does() -> None:
    cohort = draw_cohort(MIDDLE)
    strength = play(MIDDLE, cohort).strength[cohort.mentor >= 0, 0]

    assert strength.mean() == pytest.approx(MIDDLE.effect, abs=0.04)
    assert strength.std() > 0.02
    assert strength.max() <= 0


def test_the_truth_with_contact_is_what_happens_on_average_within_eight_weeks() -> None:
    cohort = draw_cohort(MIDDLE)
    played = play(MIDDLE, cohort)
    abandons = np.where(np.array(played.end_kind) == "abandoned", played.end_week, 1000)
    begins = {"first_contact": first_contact_week(played), "matched": (cohort.match_day - cohort.start_day) // 7}

    for name, week in begins.items():
        who, chance, _ = arms(cohort, played)[name]
        happened = (abandons > week) & (abandons <= week + OUTCOME_WEEKS)
        error = np.sqrt((chance * (1 - chance))[who].sum())
        assert who.sum() > 1000
        assert happened[who].sum() == pytest.approx(chance[who].sum(), abs=3 * error)


def test_nobody_abandons_after_the_week_of_a_competing_end_in_either_arm() -> None:
    cohort = draw_cohort(MIDDLE)
    played = play(MIDDLE, cohort)
    is_competing = ~np.isin(played.end_kind, ["abandoned"])
    assert (played.competing_week[is_competing] == played.end_week[is_competing]).all()
    assert (played.competing_week >= played.end_week).all()

    week = first_contact_week(played)
    ended = arms(cohort, replace(played, competing_week=week))["first_contact"]
    a_week_later = arms(cohort, replace(played, competing_week=week + 1))["first_contact"]
    who = ended.is_treated
    assert (ended.with_contact[who] == 0).all()
    assert (ended.without[who] == 0).all()
    assert (a_week_later.without[who] > 0).all()


def test_presets_are_worlds_and_the_demo_is_the_default() -> None:
    assert PRESETS["demo"] == SimulationSettings()
    assert PRESETS["demo"].dirt == 0
    assert 3 * PRESETS["scale"].learners > 10**6


# --- bytes


def test_neither_hash_seed_nor_threads_change_a_byte(tmp_path: Path, dirty: Path) -> None:
    for number, (seed, threads) in enumerate([("1", "1"), ("2", "4")]):
        environment = os.environ | {"PYTHONHASHSEED": seed, "POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads}
        out = tmp_path / str(number)
        subprocess.run([sys.executable, "-c", BY_COMMAND, out], env=environment, check=True, timeout=120)
        assert files(out) == files(dirty)


# --- blocks


@pytest.fixture
def in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "BLOCK_LEARNERS", 40)
    simulate(tmp_path / "world", replace(SMALL, learners=110))
    return tmp_path / "world"


def test_a_world_of_several_blocks_is_one_world(in_blocks: Path) -> None:
    people = table(in_blocks, "learner")
    names = [path.name for path in (in_blocks / "inbox" / "xapi").iterdir()]

    assert {name.rsplit("-")[-1] for name in names} == {f"{block:03d}.ndjson.gz" for block in range(3)}
    assert len({row["learner_key"] for row in people}) == len(people) > 300
    ids = [json.loads(line)["id"] for line in lines(in_blocks)]
    told = truth(in_blocks)["statements"]
    assert (len(ids), len(set(ids))) == (told["distinct"] + told["repeated"], told["distinct"])
    assert pl.read_parquet(in_blocks / "truth.parquet").height == 3 * 110 * 10


def test_keys_are_unique_over_blocks_and_references_stay_whole(in_blocks: Path) -> None:
    for name, contract in INPUTS.items():
        rows = [row for row in table(in_blocks, name) if all(row[key] for key in contract.key[:1])]
        counts = Counter(tuple(row[key] for key in contract.key) for row in rows)
        assert max(counts.values(), default=1) == 1, name
    for name, column, target in (
        ("enrolment", "learner_key", "learner"),
        ("mentoring_match", "mentor_key", "mentor"),
        ("mentoring_session", "match_id", "mentoring_match"),
        ("commitment", "session_id", "mentoring_session"),
        ("goal_update", "goal_id", "goal"),
    ):
        there = {row[column] for row in table(in_blocks, target)}
        assert {row[column] for row in table(in_blocks, name)} - {""} <= there


# --- faults


def test_a_clean_world_has_no_fault(tmp_path: Path) -> None:
    told = simulate(tmp_path / "world", SMALL)

    assert told.faults == 0
    assert truth(tmp_path / "world")["faults"] == []


def test_a_dirty_world_has_the_truth_of_the_clean_one(tmp_path: Path, dirty: Path) -> None:
    simulate(tmp_path / "clean", SMALL)
    clean, other = truth(tmp_path / "clean"), truth(dirty)
    asides = {"settings", "faults", "statements"}

    assert {name: told for name, told in clean.items() if name not in asides} == {
        name: told for name, told in other.items() if name not in asides
    }
    assert clean["statements"].keys() == other["statements"].keys()


def test_every_kind_of_fault_is_planted_and_its_share_is_about_the_dirt(dirty: Path) -> None:
    told = truth(dirty)
    found = {(fault["table"], fault["reason"]): fault["count"] for fault in told["faults"]}

    kinds = {("statement", reason) for reason in (*BROKEN_STATEMENTS, *BROKEN_LINES)}
    kinds |= {
        (name, fault.reason) for name in INPUTS if name != "learner_identity" for fault in faults_of(INPUTS[name])
    }
    assert kinds <= found.keys()
    assert min(found.values()) >= 1
    of_statements = sum(count for (name, _), count in found.items() if name == "statement")
    assert of_statements == pytest.approx(0.03 * told["statements"]["distinct"], rel=0.15)


def test_each_broken_statement_is_refused_for_its_own_reason(dirty: Path) -> None:
    found: Counter[str] = Counter()
    for batch in take(enumerate(lines(dirty), start=1), Pseudonyms(b"0" * 64)):
        found.update(fault.reason for fault in batch.faults)

    told = {fault["reason"]: fault["count"] for fault in truth(dirty)["faults"] if fault["table"] == "statement"}
    assert found == {reason: told[reason] for reason in (*BROKEN_STATEMENTS, *BROKEN_LINES)}


def test_conflicts_say_something_else_under_an_id_and_say_it_later(dirty: Path) -> None:
    contents: dict[str, dict[str, str]] = {}
    for line in set(lines(dirty)):
        try:
            given = json.loads(line)
            UUID(given["id"])
            contents.setdefault(given["id"], {})[json.dumps(given, sort_keys=True)] = given["stored"]
        except (ValueError, KeyError, TypeError):
            continue
    conflicts = [list(versions.values()) for versions in contents.values() if len(versions) > 1]

    told = {fault["reason"]: fault["count"] for fault in truth(dirty)["faults"] if fault["table"] == "statement"}
    assert len(conflicts) == told["conflicting_content"]
    assert all(one != other for one, other in conflicts)


def test_faulty_rows_stand_among_good_ones(dirty: Path) -> None:
    places = [
        number for number, row in enumerate(table(dirty, "enrolment")) if row["enrolment_id"].startswith("fault-")
    ]

    assert places
    assert np.ptp(places) > 20
