"""What a simulated world's mentoring logs leave for an analyst to find is there, and the truth counts it."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from data_contracts.tables.inputs import INPUTS
from pipelines.sources.simulated import SimulationSettings, simulate

Row = dict[str, str]


class Logs:
    """The tables as they stand after the later export, as a stranger reads them, and the truth."""

    def __init__(self, out: Path) -> None:
        self.truth: dict[str, Any] = json.loads((out / "truth.json").read_bytes())["mentoring"]
        self._tables: dict[str, list[Row]] = {}
        for name, contract in INPUTS.items():
            rows, key = _rows(out / "inbox" / name / f"{name}.csv"), contract.key[0]
            again = {row[key]: row for row in _rows(out / "inbox" / name / f"{name}-later.csv")}
            self._tables[name] = [again.get(row[key], row) if row[key] else row for row in rows]
        self.goals_told_later = _rows(out / "inbox" / "goal" / "goal-later.csv")

    def __getitem__(self, name: str) -> list[Row]:
        return self._tables[name]

    def match_of(self, row: Row) -> str:
        if row["match_id"]:
            return row["match_id"]
        at = row.get("sent_at") or row["held_at"] or row["scheduled_at"]
        pair = [
            (match["matched_on"], match["match_id"])
            for match in self["mentoring_match"]
            if (match["mentor_key"], match["learner_key"]) == (row["mentor_key"], row["learner_key"])
        ]
        return max(one for one in pair if one[0] < at)[1]

    def held(self) -> dict[str, list[Row]]:
        """Held sessions by match, in time."""
        found = defaultdict(list)
        for row in sorted(self["mentoring_session"], key=lambda row: row["held_at"]):
            if row["outcome"] == "held":
                found[self.match_of(row)].append(row)
        return found


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    out = tmp_path_factory.mktemp("logs") / "world"
    simulate(out, SimulationSettings(seed=5, learners=400, weeks=12))
    return Logs(out)


def test_all_that_a_match_can_lack_is_lacking_somewhere(logs: Logs) -> None:
    told = logs.truth["matches"]
    goals = defaultdict(list)
    for row in logs["goal"]:
        goals[row["match_id"]].append(row["due_on"])
    matches = {row["match_id"]: row for row in logs["mentoring_match"]}

    assert told["without_goal"] == sum(not goals[name] for name in matches) > 20
    assert told["without_timeline"] == sum(bool(goals[name]) and not any(goals[name]) for name in matches) > 5
    assert told["without_cadence"] == sum(not row["agreed_sessions_per_week"] for row in matches.values()) > 20
    assert told["unset"] == sum(
        not any(goals[name]) or not row["agreed_sessions_per_week"] for name, row in matches.items()
    )
    assert {row["agreed_sessions_per_week"] for row in matches.values()} == {"", "0.25", "0.5", "1.0", "2.0"}


def test_mentors_are_untrained_or_trained_late_and_serve_purposes_that_fit_and_do_not(logs: Logs) -> None:
    told, mentors = logs.truth["matches"], {row["mentor_key"]: row for row in logs["mentor"]}
    fits = {"career": "independent", "performance": "manager"}
    of_match = [(mentors[row["mentor_key"]], row) for row in logs["mentoring_match"]]

    assert told["mentor_untrained"] == sum(not mentor["trained_on"] for mentor, _ in of_match) > 0
    late = sum(mentor["trained_on"] > row["matched_on"] for mentor, row in of_match)
    assert told["begun_before_training"] == late > 0
    fitting = sum(fits[row["purpose"]] == mentor["kind"] for mentor, row in of_match)
    assert told["purpose_fits"] == fitting > 20
    assert told["purpose_does_not_fit"] == len(of_match) - fitting > 20


def test_some_mentors_are_told_of_as_learners_so_that_reach_across_units_shows(logs: Logs) -> None:
    unit = {row["learner_key"]: row["org_unit"] for row in logs["learner"]}
    reach = [
        unit[row["mentor_key"]] != unit[row["learner_key"]]
        for row in logs["mentoring_match"]
        if row["mentor_key"] in unit
    ]

    told = logs.truth
    assert 0 < told["mentors"]["with_org_unit"] < told["mentors"]["mentors"] == len(logs["mentor"])
    assert told["matches"]["across_org_units"] == sum(reach) > 0
    assert told["matches"]["within_org_unit"] == len(reach) - sum(reach) > 0


def test_goals_set_anew_are_counted_by_the_way_they_are_told(logs: Logs) -> None:
    told = logs.truth["goals"]
    by_status = {(row["goal_id"], row["recorded_on"]) for row in logs["goal_update"] if row["status"] == "rebaselined"}
    by_export = {(row["goal_id"], row["recorded_at"][:10]) for row in logs.goals_told_later}

    assert told["rebaselined_times"] == len(by_status | by_export)
    assert told["rebaselined_by_status_alone"] == len(by_status - by_export) > 0
    assert told["rebaselined_by_export_alone"] == len(by_export - by_status) > 0
    assert told["rebaselined_goals"] == len({goal for goal, _ in by_status | by_export})


def test_commitments_are_reviewed_at_the_next_session_or_the_one_after_or_never(logs: Logs) -> None:
    after: dict[str, list[dt.date]] = {}
    for rows in logs.held().values():
        for place, row in enumerate(rows):
            after[row["session_id"]] = [dt.datetime.fromisoformat(one["held_at"]).date() for one in rows[place + 1 :]]
    one_day = dt.timedelta(days=1)
    with_next = [row for row in logs["commitment"] if after[row["session_id"]]]
    # Sessions of one match lie more than a day apart but for a few; a local day is at most one off the day in UTC.
    at_next = [
        row
        for row in with_next
        if row["reviewed_on"]
        and abs(dt.date.fromisoformat(row["reviewed_on"]) - after[row["session_id"]][0]) <= one_day
    ]

    told = logs.truth["commitments"]
    assert told["made"] == len(logs["commitment"])
    assert told["with_next_session"] == len(with_next)
    assert told["reviewed_at_next_session"] == pytest.approx(len(at_next), abs=2)
    assert told["reviewed_at_next_session"] < told["reviewed"] < told["with_next_session"] < told["made"]


def test_both_sides_mostly_agree_on_their_sessions_and_a_few_pairs_do_not(logs: Logs) -> None:
    gaps = defaultdict(list)
    for name, rows in logs.held().items():
        for row in rows:
            if row["learner_rating"] and row["mentor_rating"]:
                gaps[name].append(int(row["mentor_rating"]) - int(row["learner_rating"]))

    told = logs.truth["matches"]
    assert told["rated_by_both"] == len(gaps) > 50
    apart = sum(abs(fmean(gap)) >= 2 for gap in gaps.values())
    assert told["rated_2_points_apart"] == apart
    assert 0.02 < apart / len(gaps) < 0.2


def test_mentors_reply_within_hours_and_one_never_does_and_learners_start_too(logs: Logs) -> None:
    sent = {row["message_id"]: row for row in logs["mentoring_message"]}
    mentor_of = {row["match_id"]: row["mentor_key"] for row in logs["mentoring_match"]}
    written, hours = defaultdict(int), defaultdict(list)
    for row in logs["mentoring_message"]:
        if row["sender"] == "mentor":
            mentor = mentor_of[logs.match_of(row)]
            written[mentor] += 1
            if row["in_reply_to"]:
                began = dt.datetime.fromisoformat(sent[row["in_reply_to"]]["sent_at"])
                hours[mentor].append((dt.datetime.fromisoformat(row["sent_at"]) - began) / dt.timedelta(hours=1))
    waits = [wait for of_mentor in hours.values() for wait in of_mentor]

    told = logs.truth["messages"]
    assert told["replies_by_mentor"] == len(waits)
    assert told["median_reply_hours_by_mentor"] == pytest.approx(median(waits), abs=1e-3)
    assert any(count > 10 and not hours[mentor] for mentor, count in written.items())
    starts = [row for row in logs["mentoring_message"] if row["sender"] == "learner" and not row["in_reply_to"]]
    assert told["starting_by_learner"] == len(starts) > 100


def test_first_meetings_silence_and_leave_are_as_told(logs: Logs) -> None:
    held = logs.held()
    matches = {row["match_id"]: row for row in logs["mentoring_match"]}
    told = logs.truth["matches"]

    assert told["never_met"] == sum(name not in held for name in matches) > 50
    still_open = [name for name, row in matches.items() if not row["ended_on"]]
    assert told["open"] == len(still_open)
    assert told["open_and_never_met"] == sum(name not in held for name in still_open)
    assert 10 < told["open_and_silent_over_21_days"] < len(still_open)
    assert told["with_leave"] > 0


def test_registrations_are_invited_only_waiting_declined_and_matched(logs: Logs) -> None:
    told = logs.truth["by_programme"]
    decisions = defaultdict(int)
    for row in logs["registration"]:
        decisions[row["programme_id"], row["decision"] or "none"] += 1
        assert bool(row["registered_at"]) == bool(row["decision"])

    assert {(name, kind): counts[f"decision_{kind}"] for name, counts in told.items() for kind in _kinds(counts)} == (
        decisions
    )
    for name, counts in told.items():
        assert counts["invited"] - counts["registered"] == decisions[name, "none"]
    assert {"none", "waiting", "declined", "matched"} == set(_kinds(told["growth"]))


def _kinds(counts: dict[str, int]) -> list[str]:
    return [name.removeprefix("decision_") for name in counts if name.startswith("decision_")]


def test_meetings_held_are_told_by_mentor_a_group_s_once(logs: Logs) -> None:
    mentor_of = {row["match_id"]: row["mentor_key"] for row in logs["mentoring_match"]}
    meetings = defaultdict(set)
    for name, rows in logs.held().items():
        for number, row in enumerate(rows):
            meetings[mentor_of[name]].add(row["group_id"] or (name, number))

    assert logs.truth["meetings_held_by_mentor"] == {mentor: len(of) for mentor, of in meetings.items()}
