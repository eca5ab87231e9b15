"""Where models are kept: a folder each, named by the hash of its content.

Belongs here: writing a model so that a crash leaves none half written, and reading it back with every byte
checked. Does not belong here: which model is champion (risk.model), and any format that runs code when read.

`<folder>/<model_id>/` holds `trees.txt` (LightGBM's own text), `model.json` (the line, calibrators, features, settings,
versions) and `manifest.json` (SHA-256 of each of them). The model_id is the start of the
SHA-256 of the manifest, so it names the content, not the time.

A model is read only by the feature contract and the LightGBM (major.minor) that it was trained with: whether another
version reads the text to the same scores is nobody's promise, and training anew takes minutes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_contracts.errors import PermanentError
from data_contracts.features import contract_hash
from models.calibrate import Calibrator
from models.logistic import LogisticLine
from models.train import Estimator, HorizonModel, RiskModel, TrainingSettings

MANIFEST = "manifest.json"
METADATA = "model.json"
TREES = "trees.txt"
_ID_LENGTH = 16
_LIBRARIES = ("lightgbm", "numpy")
_MUST_AGREE = "lightgbm"


class StoredModelError(PermanentError):
    """A stored model is missing or damaged, or cannot be used by today's code."""


class OutdatedModelError(StoredModelError):
    """A sound model that speaks of other features, or was written by another LightGBM, than today's code has."""


def model_id(model: RiskModel) -> str:
    """Content hash of a model: 16 hexadecimal digits, equal for equal rows, settings and libraries."""
    return _id(_files(model)[MANIFEST])


def save(model: RiskModel, folder: Path) -> str:
    """Write the model to `<folder>/<model_id>/` and return the model_id.

    The folder is written aside and renamed when complete. A sound copy that is there already is left alone, a
    damaged one is replaced.
    """
    files = _files(model)
    name = _id(files[MANIFEST])
    target, aside = folder / name, folder / f".{name}.partial"
    if target.exists():
        try:
            _checked_files(target)
        except StoredModelError:
            shutil.rmtree(target)
        else:
            return name
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for file_name, content in files.items():
        with (aside / file_name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    _sync_folder(aside)
    aside.rename(target)
    _sync_folder(folder)
    return name


def load(folder: Path, model_id: str) -> RiskModel:
    """Read the model `<folder>/<model_id>/` after checking every byte of it.

    Raises `StoredModelError` where a file is missing, added or changed, and `OutdatedModelError` where the feature
    contract or LightGBM's major.minor version has changed since the training; the way out of each is to train again.
    """
    files = _checked_files(folder / model_id)
    about = json.loads(files[METADATA])
    if about["feature_contract_hash"] != contract_hash():
        message = f"model {model_id} was trained on another feature contract; train it again on today's features"
        raise OutdatedModelError(message)
    trained_with, here = about["libraries"][_MUST_AGREE], version(_MUST_AGREE)
    if trained_with.split(".")[:2] != here.split(".")[:2]:
        message = (
            f"model {model_id} was trained with {_MUST_AGREE} {trained_with}, here is {here}; train it again, or "
            f"install {_MUST_AGREE} {trained_with}"
        )
        raise OutdatedModelError(message)
    return _from_parts(about, files[TREES].decode())


def libraries(folder: Path, model_id: str) -> dict[str, str]:
    """Versions of the libraries a stored model was trained with; raises `StoredModelError` where it is damaged."""
    found: dict[str, str] = json.loads(_checked_files(folder / model_id)[METADATA])["libraries"]
    return found


def _about(model: RiskModel) -> dict[str, Any]:
    """All of a model but its trees, as JSON has it; `_from_parts` is its inverse."""
    return {
        "feature_contract_hash": model.feature_contract_hash,
        "feature_names": list(model.feature_names),
        "horizons": {
            horizon: {
                "calibrator": asdict(one.calibrator),
                "base_rate": one.base_rate,
                "n_count": one.n_count,
                "n_events_count": one.n_events_count,
            }
            for horizon, one in model.horizons.items()
        },
        "libraries": {name: version(name) for name in _LIBRARIES},
        "line": asdict(model.estimator.line),
        "settings": asdict(model.settings),
        "trained_epoch_day": model.trained_epoch_day,
    }


def _from_parts(about: Mapping[str, Any], trees: str) -> RiskModel:
    """A model from what `_about` says of it and its trees."""
    line: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in about["line"].items()
    }
    return RiskModel(
        estimator=Estimator(trees, LogisticLine(**line)),
        horizons={
            horizon: HorizonModel(
                calibrator=Calibrator(**one["calibrator"]),
                base_rate=one["base_rate"],
                n_count=one["n_count"],
                n_events_count=one["n_events_count"],
            )
            for horizon, one in about["horizons"].items()
        },
        settings=TrainingSettings(**about["settings"] | {"leaves": tuple(about["settings"]["leaves"])}),
        trained_epoch_day=about["trained_epoch_day"],
        feature_names=tuple(about["feature_names"]),
        feature_contract_hash=about["feature_contract_hash"],
    )


def _files(model: RiskModel) -> dict[str, bytes]:
    """Content of every file of the model, the manifest last."""
    files = {TREES: model.estimator.text.encode(), METADATA: _json(_about(model))}
    files[MANIFEST] = _json({name: sha256(content).hexdigest() for name, content in files.items()})
    return files


def _checked_files(target: Path) -> dict[str, bytes]:
    """Content of a stored model's files, after its name and all hashes have agreed."""
    way_out = "restore the folder from a backup, choose another (`handrail models promote`) or train again"
    expected = {MANIFEST, METADATA, TREES}
    present = {path.name for path in target.iterdir()} if target.is_dir() else set()
    if _is_of_other_code(target, present, expected):
        message = f"model {target.name} was written by another version of the code; train it again with today's"
        raise OutdatedModelError(message)
    if present != expected:
        message = (
            f"model {target.name}: missing {', '.join(sorted(expected - present)) or 'nothing'}, "
            f"unknown {', '.join(sorted(present - expected)) or 'nothing'}; {way_out}"
        )
        raise StoredModelError(message)
    files = {name: (target / name).read_bytes() for name in sorted(expected)}
    if _id(files[MANIFEST]) != target.name:
        message = f"model {target.name}: {MANIFEST} is not the one that gave the model its name; {way_out}"
        raise StoredModelError(message)
    hashes = json.loads(files[MANIFEST])
    changed = [name for name in sorted(expected - {MANIFEST}) if sha256(files[name]).hexdigest() != hashes.get(name)]
    if changed:
        message = f"model {target.name}: {', '.join(changed)} changed since it was written; {way_out}"
        raise StoredModelError(message)
    return files


def _is_of_other_code(target: Path, present: set[str], expected: set[str]) -> bool:
    """Whether a folder is whole by its own manifest, but has other files than today's code writes."""
    if present == expected or MANIFEST not in present or _id((target / MANIFEST).read_bytes()) != target.name:
        return False
    hashes = json.loads((target / MANIFEST).read_bytes())
    return present == {MANIFEST, *hashes} and all(
        sha256((target / name).read_bytes()).hexdigest() == told for name, told in hashes.items()
    )


def _id(manifest: bytes) -> str:
    return sha256(manifest).hexdigest()[:_ID_LENGTH]


def _json(content: Mapping[str, object]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _sync_folder(folder: Path) -> None:
    """Make a folder's entries survive a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
