"""The worlds on which effects are held to the truth (tests/bench/effect_core.py) have the trials that a night would have."""

from __future__ import annotations

import shutil
from datetime import timedelta

import polars as pl
import pytest

from pipelines.effect_trials import trials
from pipelines.home import EPOCH, Home
from pipelines.sources.simulated import SimulationSettings, simulate
from pipelines.warehouse import Warehouse
from tests.bench.effect_core import core_world
from tests.nights import assets, opened, run_night

WORLD = SimulationSettings(seed=5, learners=240)
KEY = ["enrolment_id", "week_epoch_day"]
# What a night drops or attributes elsewhere (repeats, voided statements, those that name no course) moves these a little.
FROM_STATEMENTS = ("events", "active", "silence", "submitted", "score")
NOT_IN_SHORT = ("x_log_own_messages_4w", "x_missed_sessions", "x_away_days", "x_mentor_learners")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Trials by a night, and by the short way, with an id in place of participations, which a night gives pseudonyms."""
    folder = tmp_path_factory.mktemp("effect")
    home = Home(folder / "home")
    home.path.mkdir(parents=True)
    home.settings_file.write_text('source = "inbox"\ninbox_settle_seconds = 0\nthreads = 1\ndigests = false\n', "utf-8")
    home.create("inbox")
    home.inbox.rmdir()
    simulate(folder / "world", WORLD)
    shutil.move(folder / "world" / "inbox", home.inbox)
    made = core_world(WORLD)
    run_night(home, assets(), (EPOCH + timedelta(days=made.tonight_epoch_day)).date())

    def told(warehouse, contrast):
        found = trials(warehouse, contrast, tonight_epoch_day=made.tonight_epoch_day, before=made.before)
        enrolment = warehouse.frame(
            "SELECT participation_id, min(enrolment_id) AS enrolment_id FROM core.enrolment GROUP BY 1"
        )
        return found.join(enrolment, on="participation_id").drop("participation_id", "learner_id")

    file = folder / "short" / "warehouse.duckdb"
    file.parent.mkdir()
    with opened(home) as full, Warehouse(file, file.with_name("i.duckdb"), threads=1, memory_limit="500MB") as short:
        made.fill(short)
        return {contrast: (told(full, contrast), told(short, contrast)) for contrast in ("first_contact", "matched")}


@pytest.mark.parametrize("contrast", ["first_contact", "matched"])
def test_who_is_in_a_trial_treated_and_abandons_is_as_a_night_has_it(both, contrast):
    full, short = (
        one.select(
            *KEY, "programme_id", "is_treated", "is_closed", "abandoned_week", "censored_week", "opens_ticket"
        ).sort(KEY)
        for one in both[contrast]
    )
    assert full.height > 500
    assert full["is_treated"].sum() > 100
    assert full.equals(short)


@pytest.mark.parametrize("contrast", ["first_contact", "matched"])
def test_covariates_of_the_short_way_are_those_of_a_night_but_for_single_statements(both, contrast):
    full, short = both[contrast]
    rows = full.join(short, on=KEY, suffix="_short")
    for name in (name for name in full.columns if name.startswith(("x_", "c_")) and name not in NOT_IN_SHORT):
        if any(word in name for word in FROM_STATEMENTS):
            one, other = (rows[column].cast(pl.Float64) for column in (name, f"{name}_short"))
            # How much of what tells rows apart in a night is other in the short way.
            assert (one - other).std() <= 0.2 * one.std(), name
        else:
            apart = rows.filter(pl.col(name).ne_missing(pl.col(f"{name}_short")))
            assert apart.height <= 0.01 * rows.height, name
