"""What an analyst can count of the mentoring side after a night, counted here from the rows as they were written.

Belongs here: section `mentoring` of truth.json, over all blocks. Does not belong here: what mentoring changed (`truth`).

Everything is as of the snapshot and as last told: a match that a later export ended has ended, a session that it moved
took place. Minutes of a group's meeting count for each learner; the meeting counts once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from statistics import fmean

import numpy as np

from pipelines.sources.simulated.clock import iso_date
from pipelines.sources.simulated.mentoring import match_id
from pipelines.sources.simulated.settings import Floats, Row, Tables
from pipelines.sources.simulated.world import World

SILENT_DAYS = 21
_APART_POINTS = 2
_FITS = {"career": "independent", "performance": "manager"}
_SENDERS = ("mentor", "learner")
_HOUR = np.timedelta64(3600, "s")


class MentoringTruth:
    """Counts of matches, mentors, goals, commitments, messages, registrations and sessions, summed over blocks."""

    def __init__(self) -> None:
        self._by_programme: dict[str, Counter[str]] = defaultdict(Counter)
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._held_by_mentor: Counter[str] = Counter()
        self._reply_hours: dict[str, list[Floats]] = {sender: [] for sender in _SENDERS}

    def add(self, world: World, tables: Tables, later: Tables) -> None:
        """Count a block's good rows."""
        matches = {_text(row, "match_id"): row for row in _as_last_told(tables, later, "mentoring_match", "match_id")}
        sessions = list(_paired(_as_last_told(tables, later, "mentoring_session", "session_id"), matches.values()))
        held = sorted((row for row in sessions if row["outcome"] == "held"), key=lambda row: _text(row, "held_at"))
        messages = list(_paired(tables["mentoring_message"], matches.values()))
        held_days, message_days = _local_days(world, held, "held_at"), _local_days(world, messages, "sent_at")
        self._add_sessions(sessions, matches)
        self._add_messages(messages)
        self._add_agreements(world, tables, matches)
        self._add_contact(world, matches, held, [*held_days, *message_days], messages)
        self._add_goals(tables, later)
        self._add_commitments(tables["commitment"], held, held_days)
        for row in tables["registration"]:
            counts = self._by_programme[_text(row, "programme_id")]
            counts["invited"] += 1
            counts["registered"] += row.get("registered_at") is not None
            counts[f"decision_{row.get('decision') or 'none'}"] += 1

    def _add_sessions(self, sessions: list[Row], matches: dict[str, Row]) -> None:
        groups: set[object] = set()
        for row in sessions:
            match, outcome = matches[_text(row, "match_id")], row["outcome"]
            counts = self._by_programme[_text(match, "programme_id")]
            counts[f"sessions_{outcome}"] += 1
            if outcome != "held":
                continue
            minutes, group = _number(row, "duration_minutes"), row.get("group_id")
            is_new = group is None or group not in groups
            counts["learner_minutes"] += minutes
            counts["sessions_without_minutes"] += not minutes
            counts["meetings_held"] += is_new
            self._held_by_mentor[_text(match, "mentor_key")] += is_new
            groups |= {group} - {None}

    def _add_messages(self, messages: list[Row]) -> None:
        """Messages by who started and who replied; only a message that names another replies to it."""
        sent_at = {row["message_id"]: np.datetime64(_text(row, "sent_at")[:-1]) for row in messages}
        counts = self._counts["messages"]
        hours: dict[str, list[float]] = {sender: [] for sender in _SENDERS}
        for row in messages:
            sender, named = _text(row, "sender"), row["in_reply_to"]
            if named is None:
                counts[f"starting_by_{sender}"] += 1
            else:
                hours[sender].append(float((sent_at[row["message_id"]] - sent_at[named]) / _HOUR))
        for sender, waits in hours.items():
            counts[f"replies_by_{sender}"] += len(waits)
            self._reply_hours[sender].append(np.array(waits))

    def _add_agreements(self, world: World, tables: Tables, matches: dict[str, Row]) -> None:
        """What is agreed, who mentors, leave, and reach across units where the mentor has a row of `learner` too."""
        mentors = {_text(row, "mentor_key"): row for row in tables["mentor"]}
        units = {_text(row, "learner_key"): row["org_unit"] for row in tables["learner"]}
        leave = defaultdict(list)
        for row in tables["absence"]:
            leave[row["learner_key"]].append((_text(row, "from_on"), _text(row, "to_on")))
        has_due_date: dict[object, list[bool]] = defaultdict(list)
        for row in tables["goal"]:
            has_due_date[row["match_id"]].append(row["due_on"] is not None)
        of_mentors, counts = self._counts["mentors"], self._counts["matches"]
        of_mentors["mentors"] += len(mentors)
        of_mentors["untrained"] += sum(row["trained_on"] is None for row in mentors.values())
        of_mentors["with_org_unit"] += len(mentors.keys() & units.keys())
        yesterday = iso_date(world.settings.snapshot_day - 1)
        for name, row in matches.items():
            mentor, matched_on = mentors[_text(row, "mentor_key")], _text(row, "matched_on")
            last, trained_on, goals = row.get("ended_on") or yesterday, mentor["trained_on"], has_due_date[name]
            unset = {
                "without_goal": not goals,
                "without_timeline": bool(goals) and not any(goals),
                "without_cadence": row["agreed_sessions_per_week"] is None,
            }
            unit, own = units.get(_text(row, "mentor_key")), units[_text(row, "learner_key")]
            counts.update(
                {
                    "matches": 1,
                    "open": not row.get("ended_on"),
                    **unset,
                    "unset": any(unset.values()),
                    "mentor_untrained": trained_on is None,
                    "begun_before_training": trained_on is not None and str(trained_on) > matched_on,
                    "purpose_fits": _FITS[_text(row, "purpose")] == mentor["kind"],
                    "purpose_does_not_fit": _FITS[_text(row, "purpose")] != mentor["kind"],
                    "with_leave": any(
                        begin <= str(last) and end >= matched_on for begin, end in leave[row["learner_key"]]
                    ),
                    "across_org_units": unit is not None and unit != own,
                    "within_org_unit": unit == own,
                }
            )

    def _add_contact(
        self, world: World, matches: dict[str, Row], held: list[Row], days: list[int], messages: list[Row]
    ) -> None:
        """First meetings, silence of both sides, and ratings of both sides that lie apart."""
        last: Counter[str] = Counter()
        for row, day in zip([*held, *messages], days, strict=True):
            last[_text(row, "match_id")] = max(last[_text(row, "match_id")], day)
        gaps: dict[str, list[int]] = defaultdict(list)
        for row in held:
            if row.get("learner_rating") and row.get("mentor_rating"):
                gaps[_text(row, "match_id")].append(_number(row, "mentor_rating") - _number(row, "learner_rating"))
        met = {row["match_id"] for row in held}
        counts = self._counts["matches"]
        for name, row in matches.items():
            is_open = not row.get("ended_on")
            silence = world.settings.snapshot_day - 1 - max(_day(row["matched_on"]), last[name])
            counts["never_met"] += name not in met
            counts["open_and_never_met"] += is_open and name not in met
            counts[f"open_and_silent_over_{SILENT_DAYS}_days"] += is_open and silence > SILENT_DAYS
            counts["rated_by_both"] += name in gaps
            counts[f"rated_{_APART_POINTS}_points_apart"] += name in gaps and abs(fmean(gaps[name])) >= _APART_POINTS

    def _add_goals(self, tables: Tables, later: Tables) -> None:
        """Goals, and the days on which each was set anew, by whichever way it was told."""
        updates = (row for row in tables["goal_update"] if row["status"] == "rebaselined")
        by_status = {(row["goal_id"], row["recorded_on"]) for row in updates}
        by_export = {(row["goal_id"], _text(row, "recorded_at")[:10]) for row in later["goal"]}
        self._counts["goals"].update(
            {
                "goals": len(tables["goal"]),
                "without_due_date": sum(row["due_on"] is None for row in tables["goal"]),
                "rebaselined_goals": len({goal for goal, _ in by_status | by_export}),
                "rebaselined_times": len(by_status | by_export),
                "rebaselined_by_status_alone": len(by_status - by_export),
                "rebaselined_by_export_alone": len(by_export - by_status),
            }
        )

    def _add_commitments(self, commitments: list[Row], held: list[Row], days: list[int]) -> None:
        """Commitments, and whether the match's next held session asked after them."""
        before: dict[object, object] = {}
        next_day: dict[object, int] = {}
        for row, day in zip(held, days, strict=True):
            next_day[before.get(row["match_id"])] = day
            before[row["match_id"]] = row["session_id"]
        counts = self._counts["commitments"]
        for row in commitments:
            met = next_day.get(row["session_id"])
            reviewed = _day(row["reviewed_on"]) if row["reviewed_on"] else None
            counts["made"] += 1
            counts[f"status_{row['status']}"] += 1
            counts["reviewed"] += reviewed is not None
            counts["with_next_session"] += met is not None
            counts["reviewed_at_next_session"] += met is not None and reviewed is not None and reviewed <= met

    def told(self) -> dict[str, object]:
        """Section `mentoring` of truth.json."""
        medians = {
            f"median_reply_hours_by_{sender}": round(float(np.median(np.concatenate(hours))), 4)
            for sender, hours in self._reply_hours.items()
            if sum(map(len, hours))
        }
        return {
            "by_programme": {name: dict(counts) for name, counts in self._by_programme.items()},
            **{name: dict(counts) for name, counts in self._counts.items()},
            "messages": {**self._counts["messages"], **medians},
            "meetings_held_by_mentor": dict(self._held_by_mentor),
        }


def _as_last_told(tables: Tables, later: Tables, name: str, key: str) -> list[Row]:
    again = {row[key]: row for row in later[name]}
    return [again.get(row[key], row) if row[key] else row for row in tables[name]]


def _paired(rows: Iterable[Row], matches: Iterable[Row]) -> Iterator[Row]:
    """Rows with their match: the one they name, else that of the two persons which began last before."""
    by_pair: dict[tuple[object, object], list[tuple[str, object]]] = defaultdict(list)
    for match in matches:
        by_pair[match["mentor_key"], match["learner_key"]].append((_text(match, "matched_on"), match["match_id"]))
    for row in rows:
        if row.get("match_id"):
            yield row
            continue
        at = str(row.get("held_at") or row.get("scheduled_at") or row.get("sent_at"))
        begun = [one for one in by_pair[row["mentor_key"], row["learner_key"]] if one[0] < at]
        yield row | {"match_id": max(begun, key=lambda one: one[0])[1]}


def _local_days(world: World, rows: list[Row], column: str) -> list[int]:
    """Local days of instants, by the learner's zone; those without a course meet in the middle of the day."""
    zone_of = {match_id(world.settings, entry): zone for entry, zone in enumerate(world.cohort.zone.tolist())}
    zones = np.array([zone_of.get(_text(row, "match_id"), 0) for row in rows], dtype=np.int64)
    seconds = np.array([_text(row, column)[:-1] for row in rows], dtype="datetime64[s]").astype(np.int64)
    return [int(day) for day in world.clock.local_day(seconds, zones)]


def _day(date: object) -> int:
    return int(np.datetime64(str(date), "D").astype(np.int64))


def _number(row: Row, column: str) -> int:
    return int(str(row.get(column) or 0))


def _text(row: Row, column: str) -> str:
    return str(row[column])
