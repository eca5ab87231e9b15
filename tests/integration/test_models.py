"""Champions and challengers on the demo world: the gate in a run, and `handrail models` around it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import dagster as dg
import duckdb
import polars as pl
import pytest

from data_contracts.features import MODELLED_NAMES
from models.train import train
from pipelines.assets import risk
from pipelines.resources import NightResource

HOLD = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()"


@pytest.fixture
def home(demo, tmp_path):
    return shutil.copytree(demo.home, tmp_path / "home", symlinks=True)


def ask(home, sql, store="warehouse"):
    with duckdb.connect(str(home / f"{store}.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def champion(home):
    return ask(home, "SELECT model_id FROM risk.model WHERE state = 'champion'")[0][0]


def as_of(home):
    return str(ask(home, "SELECT max(observed_at) FROM ops.run")[0][0])


def trained_again(home, *, seed=20, retrain=True):
    """The asset of the model and its check alone, on an ephemeral instance; another seed gives another model."""
    file = home / "handrail.toml"
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("seed")]
    file.write_text("\n".join([*lines, f"seed = {seed}", ""]), "utf-8")
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [risk.risk_model, risk.risk_model_gate],
            instance=instance,
            resources={"night": NightResource(home=str(home), as_of=as_of(home), takes_in=False)},
            run_config={"ops": {"risk_model": {"config": {"retrain": retrain}}}},
            raise_on_error=False,
        )


def on_shuffled_features(landmarks, **given):
    """A model that has learned nothing: every learner has another's features."""
    others = landmarks.select(MODELLED_NAMES).sample(fraction=1, shuffle=True, seed=1)
    return train(pl.concat([landmarks.drop(MODELLED_NAMES), others], how="horizontal"), **given)


@pytest.fixture
def refused(home, monkeypatch):
    """A home to whose gate a model has come that is worse on purpose: (home, champion, refused model, run)."""
    before = champion(home)
    with monkeypatch.context() as once:
        once.setattr(risk, "train", on_shuffled_features)
        run = trained_again(home)
    ((model_id,),) = ask(home, "SELECT model_id FROM risk.model WHERE state = 'refused'")
    return home, before, model_id, run


def test_a_challenger_that_is_worse_on_purpose_is_refused_and_the_champion_stays(refused):
    home, before, model_id, run = refused
    assert run.success
    assert champion(home) == before != model_id
    (evaluation,) = run.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed, evaluation.blocking) == ("risk_model_gate", False, False)
    assert evaluation.metadata["verdict"].value.startswith("Refused: ")
    why = ask(home, f"SELECT reason FROM risk.gate WHERE model_id = '{model_id}' AND is_blocking AND NOT is_passed")
    assert any("must lie above .5" in reason for (reason,) in why)
    assert f"champion {before} stays" in ask(home, "SELECT message FROM ops.run ORDER BY started_at DESC LIMIT 1")[0][0]
    assert ask(home, "SELECT count(*), max(model_id) FROM risk.promotion") == [(1, before)]


def test_a_first_model_that_is_no_better_than_chance_leaves_rules_alone(home, monkeypatch):
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("DELETE FROM risk.model; DELETE FROM risk.promotion")
    monkeypatch.setattr(risk, "train", on_shuffled_features)
    assert trained_again(home, retrain=False).success
    assert ask(home, "SELECT state, promoted_by FROM risk.model") == [("refused", None)]
    assert ask(home, "SELECT count(*) FROM risk.promotion") == [(0,)]
    told = ask(home, "SELECT message FROM ops.run ORDER BY started_at DESC LIMIT 1")[0][0]
    assert told.endswith("So there is no model yet, alerts come from rules alone.")


def test_a_refused_model_is_promoted_by_hand_only_with_a_reason_and_replaced_by_a_better_one_through_the_gate(
    refused, handrail
):
    home, before, model_id, _ = refused
    told = handrail("models", "--home", home, "promote", model_id)
    assert told.code == 2
    assert f"the gate did not let {model_id} pass" in told.err
    assert champion(home) == before
    assert handrail("models", "promote", model_id[:6], "--home", home, "--reason", "to see it lose").code == 0
    assert champion(home) == model_id
    run = trained_again(home, seed=21)
    assert run.success
    assert champion(home) not in {before, model_id}
    ((sentence, by),) = ask(home, "SELECT gate_verdict, promoted_by FROM risk.model WHERE state = 'champion'")
    assert sentence.startswith(f"Passed, compared with champion {model_id}")
    assert by == "gate"
    shown = handrail("models", "show", model_id, "--home", home).out
    assert "by hand: to see it lose" in shown
    assert f"replaced by {champion(home)}" in shown


def test_a_rollback_holds_through_the_next_night_and_what_it_publishes(home, handrail):
    first = champion(home)
    assert trained_again(home, seed=21).success
    second = champion(home)
    assert second != first
    listed = handrail("models", "list", "--home", home).out
    assert [line.split()[:2] for line in listed.splitlines() if line.startswith((first, second))] == [
        *sorted([[first, "former"], [second, "champion"]]),
    ]
    told = handrail("models", "rollback", "--home", home, "--reason", "learners told us")
    assert (told.code, told.out) == (0, f"{first} is champion; before it was {second}.\n")
    assert handrail("run", "--home", home).code == 0
    assert champion(home) == first
    assert ask(home, "SELECT model_id FROM publication", "marts") == [(first,)]
    assert ask(home, "SELECT DISTINCT model_id FROM learner_risk", "marts") == [(first,)]
    kinds = dict(ask(home, "SELECT slice_kind, count(*) FROM model_quality WHERE is_passed GROUP BY ALL", "marts"))
    assert set(kinds) == {"gate", "drift"}
    assert "Nothing new since the last publication" in handrail("run", "--home", home).err
    # The same model comes to the gate again and passes, but a person has set it aside.
    assert trained_again(home, seed=20).success
    assert champion(home) == first
    compared = handrail("models", "compare", first, second, "--home", home).out
    assert (
        "landmarks that neither was trained on, 0 abandoned: too few to compare; the first window of such a landmark is over on"
        in compared
    )
    assert f"  {first}  AUC 0." in compared


def test_every_score_can_be_traced_to_model_data_code_and_time(demo):
    ((traced, scores),) = ask(
        demo.home,
        "SELECT count(*) FILTER (m.data_mark IS NOT NULL AND m.trained_through_on < s.observed_at AND r.publication_id = "
        "s.publication_id), count(*) FROM risk.score AS s LEFT JOIN risk.model AS m USING (model_id) LEFT JOIN ops.run AS r "
        "ON r.publication_id = s.publication_id WHERE s.code_version IS NOT NULL AND s.observed_at IS NOT NULL",
    )
    assert traced == scores > 0


def test_a_damaged_folder_is_never_promoted_and_stops_the_night_until_there_is_another_champion(refused, handrail):
    home, first, other, _ = refused
    for model_id in (first, other):
        path = home / "models" / model_id / "trees.txt"
        path.write_text(path.read_text("utf-8").replace("leaf_value", "leaf_valve", 1), "utf-8")
    told = handrail("models", "promote", other, "--home", home, "--reason", "let us see")
    assert told.code == 1
    assert f"model {other}: trees.txt changed since it was written" in told.err
    assert champion(home) == first
    assert "trees.txt changed" in handrail("models", "show", first, "--home", home).out
    assert not trained_again(home, retrain=False).success
    # Training anew on purpose is the way out.
    assert trained_again(home, seed=21).success
    assert champion(home) not in {first, other}
    assert trained_again(home, seed=21, retrain=False).success


def test_an_unknown_id_names_the_nearest_and_a_model_of_other_features_says_what_to_do(home, handrail):
    model_id = champion(home)
    told = handrail("models", "show", "0" + model_id[1:], "--home", home)
    assert told.code == 2
    assert f"the nearest is {model_id}" in told.err
    assert handrail("models", "compare", model_id, model_id, "--home", home).code == 2
    assert "no champion before" in handrail("models", "rollback", "--home", home).err
    assert "is champion already" in handrail("models", "promote", model_id, "--home", home).err
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute(
            "INSERT INTO risk.model BY NAME SELECT 'feedfeedfeedfeed' AS model_id, 'former' AS state, TIMESTAMP '2026-01-01' AS "
            "trained_at, 'other' AS feature_contract_hash, 1 AS n_count, 1 AS n_events_count"
        )
    told = handrail("models", "promote", "feedfeed", "--home", home)
    assert told.code == 2
    assert "was trained on another feature contract" in told.err


def test_a_home_without_models_or_under_another_run_s_lock_is_told_so(home, tmp_path, handrail):
    assert handrail("models", "list", "--home", tmp_path / "nowhere").code == 2
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"1\n"
        assert handrail("models", "list", "--home", home).code == 75
        process.stdin.close()
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("DELETE FROM risk.model")
    told = handrail("models", "list", "--home", home)
    assert (told.code, "no model has been trained yet" in told.err) == (2, True)
