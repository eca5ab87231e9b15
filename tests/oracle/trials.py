"""What a weekly target trial is, by its definition alone, in loops over the rows of the core tables.

Written from the docstring of `pipelines.effect_trials.trials` and not from its queries: for each participation and each of
its weeks everything is looked up again in plain lists. Nothing from `pipelines.effect_trials` is imported here.

Belongs here: who is in a trial, whether treated, what came of it, what was known before it. Does not belong here: averages
that fill gaps, categories, random worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

Row = Mapping[str, Any]
Tables = Mapping[str, list[dict[str, Any]]]

WEEK, OUTCOME = 7, 56
CONTACT = ("held", "message_by_mentor")
LONGEST_SILENCE = 56


def monday(day: int) -> int:
    """First day of a day's ISO week; day 0 was a Thursday."""
    while day % 7 != 4:
        day -= 1
    return day


def trials(tables: Tables, contrast: str, *, tonight: int, allowance: int) -> dict[tuple[str, int], Row]:
    """Trials by participation and Monday.

    Args:
        tables: rows of core.participation, enrolment, mentoring_match, mentoring_event, enrolment_day, submission, away_day
            and of support_ticket (with local days `opened`, `resolved`), under these names.
        contrast: `first_contact` or `matched`.
        tonight: the first day of which nothing is known.
        allowance: days for which a window must have been over.
    """
    found = {}
    first = monday(min((row["enrolled_epoch_day"] for row in tables["enrolment"]), default=tonight))
    for participation in tables["participation"]:
        for week in range(first, tonight, WEEK):
            trial = _trial(tables, participation, contrast, week, tonight, allowance)
            if trial is not None:
                found[participation["participation_id"], week] = trial
    compared = {(row["programme_id"], week) for (_, week), row in found.items() if row["is_treated"]}
    return {key: row for key, row in found.items() if (row["programme_id"], key[1]) in compared}


def _trial(tables: Tables, participation: Row, contrast: str, week: int, tonight: int, allowance: int) -> Row | None:
    mine = {name: _of(tables, name, participation) for name in ("enrolment", "mentoring_match", "mentoring_event")}
    courses = [row for row in mine["enrolment"] if row["course_id"] is not None]
    end = week + WEEK
    is_closed = end + OUTCOME + allowance <= tonight
    if not courses or min(row["enrolled_epoch_day"] for row in courses) >= end or end > tonight:
        return None
    if participation["ended_day"] is not None and participation["ended_day"] < end:
        return None
    contacts = [row for row in mine["mentoring_event"] if row["event_kind"] in CONTACT]
    matched = min((row["matched_epoch_day"] for row in mine["mentoring_match"]), default=None)
    in_force = max(
        (row for row in mine["mentoring_match"] if row["matched_epoch_day"] < end),
        key=lambda row: row["matched_epoch_day"],
        default=None,
    )
    if contrast == "first_contact":
        first = min((row["epoch_day"] for row in contacts), default=None)
        if in_force is None or not is_closed:
            return None
        if in_force["match_ended_epoch_day"] is not None and in_force["match_ended_epoch_day"] < week:
            return None
    else:
        first = matched
    if first is not None and first < week:
        return None
    is_treated = first is not None and first < end
    is_cut = contrast == "matched" and not is_treated and first is not None and first < end + OUTCOME
    ended = participation["ended_day"]
    abandons = participation["status"] == "abandoned" and ended is not None and ended < end + OUTCOME
    tickets = [row for row in tables["support_ticket"] if row["learner_id"] == participation["learner_id"]]
    return {
        "programme_id": participation["programme_id"],
        "is_treated": is_treated,
        "is_closed": is_closed,
        "abandoned_week": _week_after(end, ended) if abandons else None,
        "censored_week": _week_after(end, first) if is_cut else None,
        "opens_ticket": any(row["kind"] == "technical" and end <= row["opened"] < end + OUTCOME for row in tickets),
        "contacts_count": len([row for row in contacts if week <= row["epoch_day"] < end]) or None
        if is_treated
        else None,
        "x_open_tickets": min(sum((row["opened"] < week) - (_before(row["resolved"], week)) for row in tickets), 3),
        "x_days_since_match": max(min(week - in_force["matched_epoch_day"], 56), -6)
        if in_force and contrast == "first_contact"
        else 0,
        "x_away_days": len(
            [
                row
                for row in tables["away_day"]
                if row["learner_id"] == participation["learner_id"]
                and week <= row["epoch_day"] < end
                and row["known_epoch_day"] < week
            ]
        ),
        "x_enrolments": len([row for row in courses if row["enrolled_epoch_day"] < week]),
        **_talk(mine["mentoring_event"], week),
        **_activity(tables, mine["enrolment"], week),
        **_work(tables, mine["enrolment"], week),
    }


def _of(tables: Tables, name: str, participation: Row) -> list[dict[str, Any]]:
    """Rows of a table that are the participation's; events by their match, else by programme and learner."""
    match_of = {row["match_id"]: row["participation_id"] for row in tables["mentoring_match"]}
    key = participation["participation_id"]
    if name != "mentoring_event":
        return [row for row in tables[name] if row["participation_id"] == key]
    return [
        row
        for row in tables[name]
        if match_of.get(row["match_id"], f"{row['programme_id']}:{row['learner_id']}") == key
    ]


def _week_after(end: int, day: int | None) -> int | None:
    """Week of the window in which a day lies, counted from 1."""
    return None if day is None else (day - end) // WEEK + 1


def _before(day: int | None, week: int) -> bool:
    return day is not None and day < week


def _in_time(row: Row) -> bool:
    """Whether what happened was known in the week in which it happened."""
    return bool(row["known_epoch_day"] < monday(row["epoch_day"]) + WEEK)


def _talk(events: list[dict[str, Any]], week: int) -> Row:
    known = [row for row in events if row["epoch_day"] < week and _in_time(row)]
    wrote = [row for row in known if row["event_kind"] == "message_by_learner" and row["epoch_day"] >= week - 28]
    return {
        "x_log_own_messages_4w": log(1 + len(wrote)),
        "x_missed_sessions": min(len([row for row in known if row["event_kind"] == "missed_by_learner"]), 5),
    }


def _activity(tables: Tables, enrolments: list[dict[str, Any]], week: int) -> Row:
    ids = {row["enrolment_id"] for row in enrolments}
    days = [row for row in tables["enrolment_day"] if row["enrolment_id"] in ids and row["epoch_day"] < week]
    days = [row for row in days if _in_time(row)]

    def counted(first_back: int, last_back: int, *, strand: str | None = None) -> int:
        inside = [row for row in days if week - 7 * first_back <= row["epoch_day"] < week - 7 * last_back]
        return sum(row["events_count"] for row in inside if strand in (None, row["strand"]))

    def active(weeks: int) -> int:
        return len({row["epoch_day"] for row in days if row["epoch_day"] >= week - 7 * weeks})

    last = max((row["epoch_day"] for row in days), default=None)
    return {
        "x_log_events_1w": log(1 + counted(1, 0)),
        "x_log_events_2w": log(1 + counted(2, 1)),
        "x_log_events_4w": log(1 + counted(4, 0)),
        "x_log_social_events_4w": log(1 + counted(4, 0, strand="social")),
        "x_active_days_1w": active(1),
        "x_active_days_4w": active(4),
        "x_silence_days": LONGEST_SILENCE if last is None else min(week - last, LONGEST_SILENCE),
        "x_never_active": int(last is None),
    }


def _work(tables: Tables, enrolments: list[dict[str, Any]], week: int) -> Row:
    ids = {row["enrolment_id"] for row in enrolments}
    works = [row for row in tables["submission"] if row["enrolment_id"] in ids and row["due_epoch_day"] is not None]
    due = [row for row in works if row["due_epoch_day"] < week]
    # Handed in counts when it was known, and not before it was due.
    done = [
        row
        for row in works
        if row["submitted_epoch_day"] is not None
        and max(row["due_epoch_day"], row["submitted_epoch_day"], row["known_epoch_day"]) < week
    ]
    return {"x_due_count": len(due), "x_submitted_share": min(len(done) / len(due), 1) if due else 1.0}
