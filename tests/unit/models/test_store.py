import json
from dataclasses import replace

import pytest

from models.score import score
from models.store import StoredModelError, load, model_id, save


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
        "model_28d.txt",
        "model_7d.txt",
    ]
    for path in (folder / name).iterdir():
        path.read_text()
    about = json.loads((folder / name / "model.json").read_text())
    assert set(about["libraries"]) == {"lightgbm", "numpy"}
    assert 0 < about["horizons"]["7d"]["base_rate"] < about["horizons"]["28d"]["base_rate"] < 1


def test_saving_twice_leaves_the_first_copy_alone(trained, stored):
    folder, name = stored
    before = (folder / name / "model_7d.txt").stat().st_mtime_ns
    assert save(trained.model, folder) == name
    assert (folder / name / "model_7d.txt").stat().st_mtime_ns == before


def test_what_a_killed_writer_left_behind_is_replaced(trained, tmp_path):
    name = model_id(trained.model)
    aside = tmp_path / f".{name}.partial"
    aside.mkdir()
    (aside / "model_7d.txt").write_text("half")
    assert save(trained.model, tmp_path) == name
    assert not aside.exists()
    load(tmp_path, name)


@pytest.mark.parametrize("file_name", ["model_7d.txt", "model_28d.txt", "model.json", "manifest.json"])
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
    (folder / name / "model_7d.txt").rename(folder / name / "model_7d.pkl")
    with pytest.raises(StoredModelError, match=r"missing model_7d\.txt, unknown model_7d\.pkl"):
        load(folder, name)
    with pytest.raises(StoredModelError, match=r"missing manifest\.json"):
        load(folder, "0" * 16)


def test_a_model_of_another_feature_contract_is_refused(trained, tmp_path):
    name = save(replace(trained.model, feature_contract_hash="0" * 64), tmp_path)
    with pytest.raises(StoredModelError, match="another feature contract; train it again"):
        load(tmp_path, name)
