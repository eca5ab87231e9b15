"""Learners of a simulated world talk to each other, in class and across, and its courses have what an owner must mend."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from hashlib import sha1
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipelines.sources.simulated import SimulationSettings, settings, simulate

DISCUSSION = "http://id.tincanapi.com/activitytype/discussion"
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class Said:
    """One statement on a thread: by whom, of which org unit and course (empty outside of courses)."""

    at: dt.datetime
    statement_id: str
    learner: str
    unit: str
    course: str


class World:
    """A world as a stranger reads it: statements that stand, whose they are, and the truth beside them."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.truth: dict[str, Any] = json.loads((out / "truth.json").read_bytes())
        lines: dict[str, dict[str, Any]] = {}
        for path in sorted((out / "inbox" / "xapi").iterdir()):
            with gzip.open(path) as file:
                lines.update((line["id"], line) for line in map(json.loads, file))
        voided = {line["object"]["id"] for line in lines.values() if line["verb"]["id"] == VOIDED}
        self.statements = [line for name, line in lines.items() if name not in voided and line["verb"]["id"] != VOIDED]
        self._learner_of = {row["identity_value"]: row["learner_key"] for row in self.rows("learner_identity")}
        for value, learner in list(self._learner_of.items()):
            self._learner_of[sha1(value.encode(), usedforsecurity=False).hexdigest()] = learner
        self.learners = {row["learner_key"]: row for row in self.rows("learner")}
        self.course_of = {row["activity_iri"]: row["course_id"] for row in self.rows("course")}

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self._out / "inbox" / name / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def learner(self, actor: dict[str, Any]) -> str | None:
        account = actor.get("account")
        if account:
            known = self._learner_of.get(f"{account['homePage']}::{account['name']}", account["name"])
            return known if known in self.learners else None
        mbox = actor.get("mbox")
        digest = actor.get("mbox_sha1sum") or (mbox and sha1(mbox.encode(), usedforsecurity=False).hexdigest())
        return self._learner_of.get(digest or actor["openid"]) or self._learner_of[mbox]

    def threads(self) -> dict[str, list[Said]]:
        """What was said on each thread, in time."""
        found = defaultdict(list)
        for line in self.statements:
            if line["object"].get("definition", {}).get("type") != DISCUSSION:
                continue
            learner = self.learner(line["actor"])
            assert learner
            parent = line["context"]["contextActivities"]["parent"][0]["id"]
            unit, course = self.learners[learner]["org_unit"], self.course_of.get(parent, "")
            at = dt.datetime.fromisoformat(line["timestamp"])
            found[line["object"]["id"]].append(Said(at, line["id"], learner, unit, course))
        return {iri: sorted(said, key=lambda one: (one.at, one.statement_id)) for iri, said in found.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    out = tmp_path_factory.mktemp("talk") / "world"
    simulate(out, SimulationSettings(seed=5, learners=300, weeks=12))
    return World(out)


def is_across(one: Said, other: Said) -> bool:
    return one.unit != other.unit or bool(one.course and other.course and one.course != other.course)


def exchanges(threads: dict[str, list[Said]]) -> Counter[str]:
    return Counter(
        "across" if is_across(one, other) else "within"
        for said in threads.values()
        for one, other in pairwise(said)
        if one.learner != other.learner and other.at - one.at <= WEEK
    )


# --- the community


def test_exchanges_within_and_across_classes_are_as_told(world: World) -> None:
    found = exchanges(world.threads())

    assert found == world.truth["community"]["exchanges"]
    assert min(found.values()) > 0.2 * found.total()


def test_exchanges_by_programme_add_up(world: World) -> None:
    totals: Counter[str] = Counter()
    for counts in world.truth["community"]["exchanges_by_programme"].values():
        totals.update(counts)

    assert totals == world.truth["community"]["exchanges"]


def test_a_thread_is_of_an_org_unit_or_of_a_run_or_of_all_runs_of_a_course(world: World) -> None:
    threads = world.threads().values()
    units = [len({one.unit for one in said}) for said in threads if len(said) > 20]
    runs = [len({one.course for one in said if one.course}) for said in threads if len(said) > 20]

    assert units.count(1) > 5
    assert max(units) == 6
    assert set(runs) >= {1, 3}
    between_runs = [
        (one, other)
        for said in threads
        for one, other in pairwise(said)
        if one.course and other.course and one.course != other.course and other.at - one.at <= WEEK
    ]
    assert len(between_runs) > 5


def test_some_talk_goes_on_after_a_course(world: World) -> None:
    ends = {row["course_id"]: dt.date.fromisoformat(row["ends_on"]) for row in world.rows("course")}
    first_end: dict[str, dt.date] = {}
    for row in world.rows("enrolment"):
        if row["course_id"]:
            end = ends[row["course_id"]]
            first_end[row["learner_key"]] = min(first_end.get(row["learner_key"], end), end)
    zone_of = {row["programme_id"]: row["timezone"] for row in world.rows("programme")}
    default = {row["learner_key"]: zone_of[row["programme_id"]] for row in world.rows("enrolment")}
    after = [
        one.learner
        for said in world.threads().values()
        for one in said
        if one.at.astimezone(ZoneInfo(world.learners[one.learner]["timezone"] or default[one.learner])).date()
        > first_end[one.learner]
    ]

    assert world.truth["community"]["after_course"] == {"events": len(after), "learners": len(set(after))}
    assert len(after) > 50


def test_blocks_have_threads_of_their_own_so_that_exchanges_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "BLOCK_LEARNERS", 40)
    simulate(tmp_path / "world", SimulationSettings(seed=3, learners=110, weeks=10))
    in_blocks = World(tmp_path / "world")

    assert exchanges(in_blocks.threads()) == in_blocks.truth["community"]["exchanges"]


# --- what is wrong with courses


def test_one_handbook_dies_while_its_course_goes_on_and_the_others_do_not(world: World) -> None:
    (told,) = world.truth["course_issues"]["dead_resources"]
    opened = defaultdict(list)
    for line in world.statements:
        if line["object"]["id"].endswith("/library/handbook"):
            opened[line["object"]["id"]].append(line["timestamp"][:10])
    end_of = {row["activity_iri"]: row["ends_on"] for row in world.rows("course")}
    listed = {row["activity_iri"] for row in world.rows("activity")}

    assert len(opened[told["activity_iri"]]) == told["opened_count"] > 30
    last = dt.date.fromisoformat(told["last_opened_on"])
    assert abs(dt.date.fromisoformat(max(opened[told["activity_iri"]])) - last) <= dt.timedelta(days=1)
    snapshot = dt.datetime.fromisoformat(world.truth["observed_at"]).date()
    assert last < snapshot - dt.timedelta(days=10)
    assert opened.keys() <= listed
    for iri, days in opened.items():
        end = min(dt.date.fromisoformat(end_of[iri.removesuffix("/library/handbook")]), snapshot)
        if iri != told["activity_iri"] and len(days) > 50:
            assert end - dt.date.fromisoformat(max(days)) < dt.timedelta(days=14), iri


def test_most_fail_one_work_and_few_any_other(world: World) -> None:
    (told,) = world.truth["course_issues"]["hard_assessments"]
    passed = defaultdict(list)
    for line in world.statements:
        if "/assessment/" in line["object"]["id"] and "success" in line.get("result", {}):
            passed[line["object"]["id"]].append(line["result"]["success"])

    judged = passed.pop(told["activity_iri"])
    assert (told["handed_in_count"], told["not_passed_count"]) == (len(judged), judged.count(False))
    assert judged.count(False) > 0.5 * len(judged)
    assert all(of.count(False) < 0.25 * len(of) for of in passed.values() if len(of) > 20)


def test_three_works_are_due_in_one_week_of_one_course(world: World) -> None:
    (told,) = world.truth["course_issues"]["crowded_weeks"]
    due: Counter[tuple[str, str]] = Counter()
    for row in world.rows("activity"):
        if row["due_on"]:
            day = dt.date.fromisoformat(row["due_on"])
            due[row["course_id"], (day - dt.timedelta(days=day.weekday())).isoformat()] += 1

    assert due.pop((told["course_id"], told["week_starts_on"])) == told["works_count"] == 3
    assert set(due.values()) == {1}


def test_tickets_are_told_by_kind(world: World) -> None:
    found = Counter(row["kind"] for row in world.rows("support_ticket"))

    assert found == world.truth["course_issues"]["tickets_by_kind"]
    assert {"content", "documentation", "access"} <= found.keys()
