"""Two nights of a small world, with feedback between them: seen at once, published by the next, replayed as it was."""

from __future__ import annotations

import csv
import json

import duckdb
import pytest

FIRST, SECOND = "2026-01-20", "2026-01-21"
SAID, LATER = "2026-01-20T09:00:00.000000Z", "2026-01-20T11:00:00+01:00"


def ask(home, sql, *values, store="warehouse"):
    with duckdb.connect(str(home / f"{store}.duckdb"), read_only=True) as con:
        return con.execute(sql, values).fetchall()


def published(home):
    """What the latest publication shows of alerts, by id."""
    names = "alert_id, state, state_at, kind, rule, level, mentor_id, is_served, reason_1_text, next_step, resolution"
    return {row[0]: row for row in ask(home, f"SELECT {names} FROM learner_alerts", store="marts")}


@pytest.fixture(scope="module")
def told(handrail, small_world, tmp_path_factory):
    """The home after both nights; what each published, and what every command said."""
    home = tmp_path_factory.mktemp("feedback") / "home"
    said = {}

    def run(name, *words):
        said[name] = handrail(*words, "--home", home)
        assert said[name].code in {0, 3}, said[name].err

    world = ("run", "--source", "inbox", "--data", small_world, "--as-of")
    run("first night", *world, FIRST)
    first = published(home)
    mentors = next(csv.DictReader((small_world / "mentor" / "mentor.csv").read_text("utf-8").splitlines()))
    acted, dismissed, *_ = sorted(first)
    by = ("--by", mentors["mentor_key"])
    run(
        "acted",
        "feedback",
        acted[:12],
        "acted",
        *by,
        "--at",
        SAID,
        "--contacted-at",
        "2026-01-20T08:30:00Z",
        "--verdict",
        "useful",
    )
    run(
        "again",
        "feedback",
        acted,
        "acted",
        *by,
        "--at",
        SAID,
        "--contacted-at",
        "2026-01-20T08:30:00Z",
        "--verdict",
        "useful",
    )
    rows = home.parent / "rows.csv"
    rows.write_text(
        f"alert_id,state,by,at,verdict\n{dismissed},dismissed,{mentors['mentor_key']},{LATER},wrong\n"
        f"{dismissed},liked,{mentors['mentor_key']},{LATER},\n"
    )
    run("file", "feedback", "--file", rows)
    run("at once", "alerts", "--all", "--format", "json")
    run("second night", *world, SECOND)
    return home, said, (first, published(home)), (acted, dismissed), mentors


def replayed(handrail, home, *words):
    shown = handrail("alerts", "--all", "--format", "json", "--home", home, *words)
    assert shown.code == 0, shown.err
    return {row["alert_id"]: row for row in json.loads(shown.out)}


def test_feedback_is_seen_at_once_and_said_twice_it_is_one_event(told):
    home, said, _, (acted, dismissed), _ = told
    now = {row["alert_id"]: row["state"] for row in json.loads(said["at once"].out)}
    assert (now[acted], now[dismissed]) == ("acted", "dismissed")
    assert set(now.values()) == {"new", "acted", "dismissed"}
    assert "Known already" in said["again"].out
    events = ask(home, "SELECT count(*) FROM alerts.event WHERE alert_id = ? AND event_kind = 'acted'", acted)
    assert events == [(1,)]


def test_a_bad_row_goes_to_quarantine_and_the_others_count(told):
    home, said, *_ = told
    assert said["file"].code == 3
    assert "1 rows were refused" in said["file"].err
    assert ask(
        home, "SELECT table_name, column_name, reason FROM raw.quarantine WHERE table_name = 'alert_feedback'"
    ) == [("alert_feedback", "state", "unknown_value")]


def test_the_next_night_publishes_what_was_said(told):
    home, _, (_, second), (acted, dismissed), _ = told
    assert second[acted][1] == "acted"
    assert dismissed not in second
    cooling = (
        "SELECT count(*) FROM alerts.alert WHERE observed_at > '2026-01-20' AND participation_id IN ("
        "SELECT participation_id FROM alerts.event WHERE alert_id = ?)"
    )
    assert ask(home, cooling, dismissed) == [(0,)]


@pytest.mark.parametrize(("night", "place"), [(FIRST, 0), (SECOND, 1)])
def test_the_replay_of_a_night_is_what_that_night_published(told, handrail, night, place):
    home, _, nights, *_ = told
    shown, then = replayed(handrail, home, "--as-of", night), nights[place]
    assert set(then) <= set(shown)
    assert {name for name, row in shown.items() if row["state"] in {"new", "reviewed", "acted"}} <= set(then)
    names = (
        "alert_id",
        "state",
        "state_at",
        "kind",
        "rule",
        "level",
        "mentor_id",
        "is_served",
        "reason_1_text",
        "next_step",
        "resolution",
    )
    for alert_id, row in then.items():
        told_then = [f"{value.isoformat()}Z" if hasattr(value, "isoformat") else value for value in row]
        assert [shown[alert_id][name] for name in names] == told_then


def test_between_two_nights_the_content_is_the_first_ones_and_the_state_what_had_been_said_by_then(told, handrail):
    home, _, (first, _), (acted, dismissed), _ = told
    between = replayed(handrail, home, "--as-of", "2026-01-20T09:30:00Z")
    assert set(between) == set(first)
    assert (between[acted]["state"], between[dismissed]["state"]) == ("acted", "new")
    assert {row["observed_at"] for row in between.values()} == {"2026-01-20T00:00:00Z"}


def test_nobody_is_named_and_every_look_is_written_down(told, handrail):
    home, said, _, (acted, _), mentors = told
    life = handrail("alerts", "--events", acted[:8], "--home", home)
    assert [line.split()[2] for line in life.out.splitlines()[1:]] == ["opened", "acted"]
    persons = ask(home, "SELECT person_key, display_name FROM person", store="identity")
    out = said["at once"].out + life.out
    assert not [word for person in persons for word in person if word and word in out]
    assert ask(home, "SELECT count(*) > 1 FROM ops.access_log WHERE command = 'alerts'") == [(True,)]
    assert mentors["mentor_key"] in {key for key, _ in persons}
    assert list((home / "inbox" / "alert_feedback").iterdir()) == []


def test_what_cannot_be_is_a_usage_error_with_the_way_out(told, handrail):
    home, _, _, (acted, _), _ = told
    for words, why in (
        ((acted, "acted"), "--by KEY"),
        (("feedfeed", "acted", "--by", "m"), "there is no alert"),
        ((acted, "acted", "--by", "m", "--at", "2020-01-01"), "before the alert opened"),
        ((acted, "acted", "--by", "m", "--at", "2100-01-01"), "lies in the future"),
        ((), "say which alert"),
    ):
        shown = handrail("feedback", *words, "--home", home)
        assert (shown.code, why in shown.err) == (2, True), shown.err
    assert handrail("alerts", "--as-of", "2026-01-01", "--home", home).code == 2
