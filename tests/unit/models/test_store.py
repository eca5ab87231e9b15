import json
from dataclasses import replace
from hashlib import sha256

import pytest

from models.score import score
from models.store import OutdatedModelError, StoredModelError, libraries, load, model_id, save
from models.train import train


@pytest.fixture
def stored(trained, tmp_path):
    return tmp_path, save(trained.model, tmp_path)


def test_a_model_read_back_is_the_model_written_and_scores_alike(trained, landmarks, stored):
    folder, name = stored
    found = load(folder, name)
    assert found == trained.model
    assert model_id(found) == name == model_id(trained.model)
    assert score(found, landmarks).equals(score(trained.model, landmarks))


def test_a_model_is_stored_as_text_under_its_content_hash(stored):
    folder, name = stored
    assert len(name) == 16
    assert [path.name for path in folder.iterdir()] == [name]
    assert sorted(path.name for path in (folder / name).iterdir()) == [
        "manifest.json",
        "model.json",
        "trees.txt",
    ]
    for path in (folder / name).iterdir():
        path.read_text()
    about = json.loads((folder / name / "model.json").read_text())
    assert set(about["libraries"]) == {"lightgbm", "numpy"}
    assert 0 < about["horizons"]["7d"]["base_rate"] < about["horizons"]["28d"]["base_rate"] < 1


def test_saving_twice_leaves_the_first_copy_alone(trained, stored):
    folder, name = stored
    before = (folder / name / "trees.txt").stat().st_mtime_ns
    assert save(trained.model, folder) == name
    assert (folder / name / "trees.txt").stat().st_mtime_ns == before


def test_what_a_killed_writer_left_behind_is_replaced(trained, tmp_path):
    name = model_id(trained.model)
    aside = tmp_path / f".{name}.partial"
    aside.mkdir()
    (aside / "trees.txt").write_text("half")
    assert save(trained.model, tmp_path) == name
    assert not aside.exists()
    load(tmp_path, name)


@pytest.mark.parametrize("file_name", ["trees.txt", "model.json", "manifest.json"])
def test_a_changed_byte_is_refused_and_saving_again_mends_it(trained, stored, file_name):
    folder, name = stored
    path = folder / name / file_name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoredModelError, match=rf"{name}: .*{file_name}.* train again"):
        load(folder, name)
    save(trained.model, folder)
    load(folder, name)


def test_a_model_swapped_together_with_its_manifest_is_refused(trained, stored):
    folder, name = stored
    other = save(replace(trained.model, trained_epoch_day=1), folder)
    for path in (folder / other).iterdir():
        path.replace(folder / name / path.name)
    with pytest.raises(StoredModelError, match="not the one that gave the model its name"):
        load(folder, name)


def test_a_missing_file_an_added_one_and_a_missing_model_are_refused(stored):
    folder, name = stored
    (folder / name / "trees.txt").rename(folder / name / "trees.pkl")
    with pytest.raises(StoredModelError, match=r"missing trees\.txt, unknown trees\.pkl"):
        load(folder, name)
    with pytest.raises(StoredModelError, match=r"missing manifest\.json"):
        load(folder, "0" * 16)


def test_a_model_of_another_feature_contract_is_refused(trained, tmp_path):
    name = save(replace(trained.model, feature_contract_hash="0" * 64), tmp_path)
    with pytest.raises(OutdatedModelError, match="another feature contract; train it again"):
        load(tmp_path, name)


@pytest.mark.parametrize(("trained_with", "is_read"), [("4.7.9", True), ("4.8.0", False), ("5.7.0", False)])
def test_a_model_is_read_by_the_lightgbm_of_its_training_and_by_no_other(
    trained, tmp_path, monkeypatch, trained_with, is_read
):
    here = {"lightgbm": "4.7.0", "numpy": "9.9.9"}
    with monkeypatch.context() as then:
        then.setattr("models.store.version", lambda name: {**here, "lightgbm": trained_with}[name])
        name = save(trained.model, tmp_path)
    monkeypatch.setattr("models.store.version", here.__getitem__)
    assert libraries(tmp_path, name) == {"lightgbm": trained_with, "numpy": "9.9.9"}
    if is_read:
        assert load(tmp_path, name) == trained.model
    else:
        with pytest.raises(OutdatedModelError, match=rf"with lightgbm {trained_with}, here is 4\.7\.0; train it again"):
            load(tmp_path, name)


def test_training_twice_gives_the_same_bytes(trained, landmarks, tonight, settings, tmp_path):
    again = train(landmarks.sample(fraction=1, shuffle=True, seed=1), tonight_epoch_day=tonight, settings=settings)
    names = [save(one.model, tmp_path / folder) for one, folder in ((trained, "a"), (again, "b"))]
    assert names[0] == names[1]
    for path in (tmp_path / "a" / names[0]).iterdir():
        assert path.read_bytes() == (tmp_path / "b" / names[0] / path.name).read_bytes()


def test_a_whole_folder_of_code_that_wrote_other_files_is_no_damage_but_of_another_version(tmp_path):
    content = {"model_7d.txt": b"tree", "model.json": b"{}"}
    manifest = json.dumps({name: sha256(text).hexdigest() for name, text in content.items()}).encode()
    name = sha256(manifest).hexdigest()[:16]
    (tmp_path / name).mkdir()
    for file_name, text in {**content, "manifest.json": manifest}.items():
        (tmp_path / name / file_name).write_bytes(text)
    with pytest.raises(OutdatedModelError, match="written by another version of the code; train it again"):
        load(tmp_path, name)
    (tmp_path / name / "model.json").write_bytes(b"{ }")
    with pytest.raises(StoredModelError, match="missing trees") as damage:
        load(tmp_path, name)
    assert not isinstance(damage.value, OutdatedModelError)
