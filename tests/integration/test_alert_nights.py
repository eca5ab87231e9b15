"""Two weeks of nights on a simulated world: what holds of alerts after each of them, and what repeats.

Most nights are the assets alone (`tests.nights`), some days have none; the last one, its rerun and an earlier one are the
command's. Mentors act on half of what they are served.
"""

from __future__ import annotations

import os
import shutil
from datetime import date, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import polars as pl
import pytest

from data_contracts.tables.alerts import ALERT_TABLES
from pipelines.home import Home
from pipelines.sources.simulated import SimulationSettings, simulate
from tests.conftest import KEY
from tests.nights import act, assets, opened, run_night
from tests.oracle import alert_life

# The labels that a model needs close on the second or third of the nights: rules alone come first, then both.
WORLD = SimulationSettings(seed=3, learners=300, weeks=12)
LAST = date(2026, 2, 15)
NIGHTS = [LAST - timedelta(days=back) for back in (13, 12, 11, 9, 7, 5, 3, 1, 0)]
SETTINGS = 'source = "inbox"\ninbox_settle_seconds = 0\n'


def on(rows, day):
    """The rows of one night."""
    return rows.filter(pl.col("observed_at") == datetime.combine(day, datetime.min.time()))


def frames(home):
    """Every table of alerts in a stable order, without the columns that two equal nights may differ in."""
    with opened(home) as warehouse:
        return {
            table.qualified_name: warehouse.frame(
                f"SELECT {', '.join(table.stable_names)} FROM {table.qualified_name} ORDER BY ALL"
            )
            for table in ALERT_TABLES
        }


@pytest.fixture(scope="module")
def replayed(tmp_path_factory, handrail):
    """The home after all nights, and the tables of alerts after each of them."""
    folder = tmp_path_factory.mktemp("nights")
    simulate(folder / "world", WORLD)
    home = Home(folder / "home")
    home.path.mkdir(mode=0o700)
    (home.path / "key").write_text(KEY, "ascii")
    home.settings_file.write_text(SETTINGS, "utf-8")
    home.create("inbox")
    home.inbox.rmdir()
    shutil.move(folder / "world" / "inbox", home.inbox)
    os.environ.pop("DAGSTER_HOME", None)
    functions, after = assets(), {}
    for day in NIGHTS:
        if day < LAST:
            run_night(home, functions, day)
        else:
            told = handrail("run", "--home", home.path, "--as-of", day)
            assert told.code == 0, told.err
        after[day] = frames(home)
        if day < LAST:
            act(home, on(after[day]["alerts.alert"], day), day, share=0.5)
    return SimpleNamespace(home=home, after=after, last=after[LAST])


@pytest.fixture
def home(replayed, tmp_path):
    """The home after all nights, to be changed."""
    shutil.copytree(replayed.home.path, tmp_path / "home", symlinks=True)
    return Home(tmp_path / "home")


def test_the_nights_have_what_is_to_be_judged(replayed):
    events, alerts = replayed.last["alerts.event"], replayed.last["alerts.alert"]
    assert alerts["observed_at"].n_unique() == len(NIGHTS)
    assert set(events["kind"]) >= {"risk", "rule"}
    assert set(events["event_kind"]) >= {"opened", "acted", "contacted", "resolved"}
    is_open = alerts.filter(pl.col("state").is_in(alert_life.OPEN))
    assert set(is_open["route_kind"].drop_nulls()) == {"own_mentor", "spill_over", "coordinator"}
    assert is_open["unserved_reason"].drop_nulls().len() > 0


def test_no_night_asks_for_minutes_that_a_week_does_not_leave(replayed):
    for day in replayed.after:
        capacity, alerts = (on(replayed.after[day][name], day) for name in ("alerts.capacity", "alerts.alert"))
        assert alert_life.promised(alerts), day
        assert alert_life.overdrawn(capacity, alerts) == [], day


def test_no_participation_has_two_open_alerts_at_any_instant(replayed):
    assert alert_life.open_twice(replayed.last["alerts.event"]) == []
    assert alert_life.shown_twice(replayed.last["alerts.alert"]) == []


def test_every_alert_has_a_state_with_its_reason_and_is_served_or_says_why_not(replayed):
    assert alert_life.without_reason(replayed.last["alerts.alert"], replayed.last["alerts.event"]) == []


def test_each_night_s_states_are_what_the_events_until_then_add_up_to(replayed):
    for day, tables in replayed.after.items():
        lives = alert_life.lives(tables["alerts.event"])
        for alert_id, state in on(tables["alerts.alert"], day).select("alert_id", "state").iter_rows():
            assert lives[alert_id].state == state, (day, alert_id)


def test_what_a_night_wrote_down_later_nights_leave_byte_for_byte(replayed):
    days = list(replayed.after)
    for earlier, later in pairwise(days):
        until = pl.col("observed_at") <= datetime.combine(earlier, datetime.min.time())
        for name in ("alerts.event", "alerts.alert", "alerts.candidate", "alerts.routing"):
            before, now = (replayed.after[day][name].filter(until) for day in (earlier, later))
            assert alert_life.digest_of(before) == alert_life.digest_of(now), (name, later)


def test_the_last_night_again_changes_nothing(replayed, home, handrail, stable_rows):
    before = stable_rows(home.marts_file)
    # Without marts there is something to publish, although nothing is new.
    home.marts_file.unlink()
    told = handrail("run", "--home", home.path, "--as-of", LAST)
    assert told.code == 0, told.err
    for name, rows in frames(home).items():
        assert rows.equals(replayed.last[name]), name
    again = stable_rows(home.marts_file)
    for name, rows in before.items():
        assert again[name] == rows, name


def test_a_night_before_the_latest_shows_alerts_as_they_stood_and_writes_none(replayed, home, handrail, stable_rows):
    earlier = LAST - timedelta(days=3)
    told = handrail("run", "--home", home.path, "--as-of", earlier)
    assert told.code == 0, told.err
    for name, rows in frames(home).items():
        assert rows.equals(replayed.last[name]), name
    then = on(replayed.after[earlier]["alerts.alert"], earlier)
    shown = stable_rows(home.marts_file)["learner_alerts"]
    assert {row[0] for row in shown} == set(then["alert_id"])
