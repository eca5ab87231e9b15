"""The replay of `alert_replay.py` on a tiny world, and its checks on tables that break what they check.

docs/benchmarks.md has the figures of a quarter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.commands.console import show
from pipelines.sources.simulated import SimulationSettings
from pipelines.sources.simulated.hazard import contact_path, weekly_hazard
from pipelines.statements.identity import Pseudonyms
from tests.oracle import alert_life
from tests.oracle.preventable import Truth

SCRIPT = Path(__file__).with_name("alert_replay.py")
MONDAY, TUESDAY = (datetime(2026, 3, day) for day in (2, 3))  # noqa: DTZ001 - the warehouse has no zones
EVENT = pl.Schema(
    {
        "alert_id": pl.String,
        "event_number": pl.Int64,
        "participation_id": pl.String,
        "event_kind": pl.String,
        "happened_at": pl.Datetime("us"),
        "resolution": pl.String,
    }
)


def events(*rows):
    return pl.DataFrame(rows, schema=EVENT, orient="row")


def alert(alert_id="a", mentor_id="meg", learner_id="ana", minutes=20, **more):
    row = {
        "alert_id": alert_id,
        "participation_id": learner_id,
        "observed_at": MONDAY,
        "state": "new",
        "mentor_id": mentor_id,
        "learner_id": learner_id,
        "due_minutes": minutes,
        "is_served": True,
        "unserved_reason": None,
    }
    return row | more


def capacity(available, planned, used, of_alerts):
    return pl.DataFrame(
        {
            "mentor_id": ["meg"],
            "available_minutes": [available],
            "planned_minutes": [planned],
            "used_minutes": [used],
            "alert_minutes": [of_alerts],
        }
    )


def test_a_replay_of_a_tiny_world_keeps_every_promise_and_the_truth_prevents_most(tmp_path):
    words = ["--learners", "80", "--weeks", "8", "--nights", "4", "--first", "20", "--out", tmp_path / "out.json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HANDRAIL_", "DAGSTER_"))}
    done = subprocess.run([sys.executable, SCRIPT, *words], check=True, capture_output=True, text=True, env=environment)
    show(f"\n{done.stdout}")
    told = json.loads((tmp_path / "out.json").read_bytes())
    assert told["broken"] == {}
    assert len(told["nights"]) == 4
    choices = told["choices"]["all alerts"]
    assert choices["Handrail"]["cards"] > 0
    for name, row in choices.items():
        assert row["minutes"] <= choices["Handrail"]["minutes"], name
        assert row["preventable"][0] <= 1.02 * choices["truth known, best"]["preventable"][0], name


def test_what_contact_prevents_is_the_world_s_own_law_played_twice():
    settings = SimulationSettings(learners=120, weeks=10)
    truth = Truth(settings, Pseudonyms(b"k" * 32))
    cohort, played, weeks = truth._cohort, truth._played, np.arange(10)
    week = 4
    chosen = np.flatnonzero((cohort.mentor >= 0) & (cohort.run == 1) & (cohort.start_day == settings.start_days[1]))
    certain = np.where(weeks == week, np.inf, played.contact_logit)
    arms = [
        weekly_hazard(played.log_hazard, contact_path(logit, played.contact_uniform, allowed), played.strength)
        for logit, allowed in (
            (certain, played.is_matched | (weeks == week)),
            (played.contact_logit, played.is_matched & (weeks != week)),
        )
    ]
    stays = [np.prod(1 - hazard[chosen, week + 1 : week + 5], axis=1) for hazard in arms]
    day = date.fromordinal(date(1970, 1, 1).toordinal() + int(settings.start_days[1]) + 7 * week + 3)
    found = truth.preventable(chosen, day)
    assert found.max() > 0.01
    np.testing.assert_allclose(found, stays[0] - stays[1], atol=1e-12)
    assert (
        not Truth(SimulationSettings(learners=120, weeks=10, effect=0), Pseudonyms(b"k" * 32))
        .preventable(chosen, day)
        .any()
    )


def test_two_open_alerts_of_one_participation_are_found():
    first = ("a", 1, "ana", "opened", MONDAY, None)
    second = ("b", 1, "ana", "opened", TUESDAY, None)
    assert alert_life.open_twice(events(first, second)) == ["ana"]
    ended = ("a", 2, "ana", "resolved", TUESDAY, "back")
    assert alert_life.open_twice(events(first, ended, second)) == []
    again = ("a", 3, "ana", "reopened", TUESDAY, None)
    assert alert_life.open_twice(events(first, ended, again, second)) == ["ana"]
    assert alert_life.shown_twice(pl.DataFrame([alert("a"), alert("b")])) == [("ana", MONDAY, 2)]


def test_a_closed_alert_stays_closed_whatever_is_said_of_it_later():
    told = events(
        ("a", 1, "ana", "opened", MONDAY, None),
        ("a", 2, "ana", "acted", MONDAY, None),
        ("a", 3, "ana", "reviewed", MONDAY, None),
    )
    assert alert_life.lives(told)["a"].state == "acted"
    later = events(("a", 4, "ana", "resolved", TUESDAY, "back"), ("a", 5, "ana", "reviewed", TUESDAY, None))
    life = alert_life.lives(pl.concat([told, later]))["a"]
    assert (life.state, life.resolution) == ("resolved", "back")


def test_minutes_that_a_week_does_not_leave_are_found():
    tonight = pl.DataFrame([alert("a"), alert("b", learner_id="ben", minutes=15), alert("c", minutes=10)])
    assert alert_life.promised(tonight) == {"meg": 35.0}
    assert alert_life.overdrawn(capacity(60, 20, 40, 35), tonight) == []
    assert alert_life.overdrawn(capacity(60, 30, 40, 35), tonight) == [
        "meg: 35 minutes asked for, 10 more than there are"
    ]
    nothing = pl.DataFrame([alert("a", minutes=0)])
    assert alert_life.overdrawn(capacity(60, 30, 40, 0), nothing) == []
    assert alert_life.overdrawn(capacity(60, 0, 35, 35).clear(), tonight) == [
        "meg: asked for minutes and has no capacity"
    ]
    assert alert_life.minutes_untold(capacity(60, 0, 35, 35), tonight, tonight) == []
    for wrong in (20, 40):
        assert alert_life.minutes_untold(capacity(60, 0, wrong, wrong), tonight, tonight) != []


def test_an_alert_without_a_state_a_reason_or_a_route_is_found():
    rows = pl.DataFrame([alert("a"), alert("b", learner_id="ben", is_served=False, unserved_reason="mentor_full")])
    opened = [("a", 1, "ana", "opened", MONDAY, None), ("b", 1, "ben", "opened", MONDAY, None)]
    assert alert_life.without_reason(rows, events(*opened)) == []
    assert alert_life.without_reason(rows, events(*opened, ("a", 2, "ana", "resolved", TUESDAY, None))) == [
        "a: resolved, no resolution"
    ]
    assert alert_life.without_reason(rows, events(opened[0])) == ["b: stands in alerts.alert and has no event"]
    unsaid = rows.with_columns(unserved_reason=pl.lit(None, pl.String))
    assert alert_life.without_reason(unsaid, events(*opened)) == [
        "b on 2026-03-02: neither served nor unserved with a reason"
    ]


def test_a_row_that_changed_shows_in_the_digest():
    rows = events(("a", 1, "ana", "opened", MONDAY, None), ("b", 1, "ben", "opened", MONDAY, None))
    assert alert_life.digest_of(rows) == alert_life.digest_of(rows.reverse())
    assert alert_life.digest_of(rows) != alert_life.digest_of(rows.with_columns(event_kind=pl.lit("reopened")))
