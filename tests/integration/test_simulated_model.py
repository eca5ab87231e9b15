"""On a simulated world the model is as good as the truth allows, says what it means, and finds nothing in noise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
import pytest

from data_contracts.tables.inputs import INPUTS
from models.metrics import arrays, calibration_slope, roc_auc
from models.paired import paired_differences
from models.train import TrainingSettings, train
from pipelines import feature_tables
from pipelines.archive import NoArchive
from pipelines.commands.console import show
from pipelines.core.agreements import build_commitments, build_goal_updates, build_goals
from pipelines.core.coverage import build_opened_activities
from pipelines.core.days import build_days, build_submissions
from pipelines.core.enrolments import build_enrolments, build_participations
from pipelines.core.identities import link_identities
from pipelines.core.mentoring import build_matches, build_mentoring_events
from pipelines.core.presence import build_away_days, build_mentor_weeks
from pipelines.core.registrations import build_registrations
from pipelines.core.statements import attribute_statements
from pipelines.home import Home
from pipelines.publish import BUILD_NAME, PublicationBuild
from pipelines.resources import Night
from pipelines.settings import Settings
from pipelines.sources.simulated import SimulationSettings, simulate
from pipelines.sources.simulated.cohort import draw_cohort
from pipelines.sources.simulated.hazard import play
from pipelines.sources.take_in import take_in
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse
from tests.oracle.abandonment import along_the_path, from_the_logs

# One block, so that its learners can be played again; with fewer the slope's interval says nothing.
WORLD = SimulationSettings(seed=7, learners=2400, weeks=16)
MOST_SHORT = 0.02
KEY = ("enrolment_id", "observed_epoch_day")
DAYS = {"7d": 7, "28d": 28}
STAGES = (
    link_identities,
    attribute_statements,
    build_days,
    build_opened_activities,
    build_submissions,
    build_enrolments,
    build_matches,
    build_registrations,
    build_participations,
    build_mentoring_events,
    build_mentor_weeks,
    build_goals,
    build_goal_updates,
    build_commitments,
    build_away_days,
    feature_tables.build_all,
    feature_tables.build_labels,
)


@dataclass(frozen=True)
class Judged:
    """Landmarks with labels, the model's out-of-sample predictions of them, and the truth about each."""

    landmarks: pl.DataFrame
    tonight: int
    predictions: pl.DataFrame
    truth: pl.DataFrame

    def beside_the_truth(self, horizon):
        """Rows of the latest closed fold whose truth is known: of the participations' required enrolments."""
        is_model = (pl.col("estimator") == "model") & (pl.col("horizon") == horizon)
        return self.predictions.filter(is_model).join(self.truth, on=KEY, how="inner")


def landmarks_of(world, home):
    """Landmarks with labels, by the stages of a night, and the local day of that night."""
    home.create("inbox")
    settings = Settings(source="inbox", timezone="UTC", threads=2, memory_limit="2GB")
    told = json.loads((world / "snapshot.json").read_bytes())
    with Warehouse.of(home, settings) as warehouse:
        warehouse.archive = NoArchive(home.path)
        night = Night(
            home=home,
            settings=settings,
            data=world / "inbox",
            observed_at=datetime.fromisoformat(told["observed_at"]),
            run_id="simulated",
            warehouse=warehouse,
            pseudonyms=Pseudonyms(b"k" * 32),
            build=PublicationBuild(warehouse.con, home.path / BUILD_NAME),
        )
        take_in(night, (*INPUTS, "xapi"))
        for step in STAGES:
            step(night)
        frame = warehouse.frame(
            "FROM features.enrolment_week JOIN features.label USING (enrolment_id, observed_epoch_day)"
        )
        return frame, night.tonight_epoch_day


def truth_of(world):
    """By enrolment and landmark: the chance of abandonment along the true path, and the best said from the logs."""
    told = pl.read_parquet(world / "truth.parquet")
    (block,) = WORLD.blocks()
    cohort = draw_cohort(block)
    played = play(block, cohort)
    np.testing.assert_array_equal(told["engagement"].to_numpy().reshape(-1, WORLD.weeks), played.engagement)
    path = along_the_path(told["hazard_probability"].to_numpy().reshape(-1, WORLD.weeks))
    said = from_the_logs(cohort, played)
    # An enrolment is seen at the end of the first day of each course week.
    return told.select(
        "enrolment_id",
        (pl.col("week_starts_on").cast(pl.Int32).cast(pl.Int64) + 1).alias("observed_epoch_day"),
        *(pl.Series(f"path_{name}", path[days].ravel()) for name, days in DAYS.items()),
        *(pl.Series(f"logs_{name}", said[days].ravel()) for name, days in DAYS.items()),
    )


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    simulate(folder / "world", WORLD)
    landmarks, tonight = landmarks_of(folder / "world", Home(folder / "home"))
    trained = train(landmarks, tonight_epoch_day=tonight, settings=TrainingSettings())
    truth = truth_of(folder / "world").with_columns(
        pl.col("observed_epoch_day").cast(trained.predictions["observed_epoch_day"].dtype)
    )
    return Judged(landmarks, tonight, trained.predictions, truth)


@pytest.mark.parametrize("horizon", DAYS)
def test_the_model_ranks_as_well_as_the_true_law_does_from_what_logs_show(judged, horizon):
    rows = judged.beside_the_truth(horizon)
    outcome, model, cluster = arrays(rows)
    said, path = (rows[f"{name}_{horizon}"].to_numpy() for name in ("logs", "path"))
    short = paired_differences(outcome, said, model, cluster).auc
    areas = [roc_auc(outcome, one, cluster).value for one in (model, said, path)]
    show(
        f"\n{horizon}, {outcome.size:,} landmarks, {outcome.sum():,.0f} abandoned: AUC of the model {areas[0]:.3f}, of the "
        f"true law from the logs {areas[1]:.3f} (more by {short.value:.3f}, {short.low:.3f} to {short.high:.3f}), of the "
        f"true hazard with latent engagement of now and later {areas[2]:.3f}"
    )
    assert short.low <= MOST_SHORT
    assert short.value <= MOST_SHORT + (short.high - short.low) / 2
    # The bound is one: nobody who sees the logs knows as much as the path, and the path explains what happened.
    assert max(areas[:2]) < areas[2] - 0.05
    slope = calibration_slope(outcome, path, cluster)
    assert slope.low <= 1.05
    assert slope.high >= 0.95


@pytest.mark.parametrize("horizon", DAYS)
def test_the_calibration_slope_is_one_within_its_interval(judged, horizon):
    is_model = (pl.col("estimator") == "model") & (pl.col("horizon") == horizon)
    slope = calibration_slope(*arrays(judged.predictions.filter(is_model)))
    show(f"\n{horizon}: calibration slope {slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f})")
    assert slope.low <= 1 <= slope.high


def test_shuffled_labels_leave_the_toss_of_a_coin(judged):
    chance = np.random.default_rng(20)
    known = pl.col("abandons_28d").is_not_null() & ~pl.col("is_scoring")
    rows = judged.landmarks.filter(known).sort(KEY)
    mixed = rows.with_columns(
        rows.select("abandons_7d", "abandons_28d", "is_batch_end")[chance.permutation(rows.height)]
    )
    predictions = train(
        mixed, tonight_epoch_day=judged.tonight, settings=TrainingSettings(rounds=20, leaves=(4,))
    ).predictions
    part = predictions.filter((pl.col("estimator") == "model") & (pl.col("horizon") == "28d"))
    auc = roc_auc(*arrays(part))
    show(f"\nshuffled labels: AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})")
    assert auc.low <= 0.5 <= auc.high
