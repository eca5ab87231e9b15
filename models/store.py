"""Where models are kept: a folder each, named by the hash of its content.

Belongs here: writing a model so that a crash leaves none half written, and reading it back with every byte
checked. Does not belong here: which model is champion (risk.model), and any format that runs code when read.

`<folder>/<model_id>/` holds `model_7d.txt`, `model_28d.txt` (LightGBM's own text), `model.json` (calibrators,
features, settings, versions) and `manifest.json` (SHA-256 of each of them). The model_id is the start of the
SHA-256 of the manifest, so it names the content, not the time.
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

from data_contracts.errors import PermanentError
from data_contracts.features import contract_hash
from models.calibrate import Calibrator
from models.split import HORIZONS
from models.train import HorizonModel, RiskModel, TrainingSettings

MANIFEST = "manifest.json"
METADATA = "model.json"
_ID_LENGTH = 16
_LIBRARIES = ("lightgbm", "numpy")


class StoredModelError(PermanentError):
    """A stored model is missing, damaged, or speaks of other features than the code does."""


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

    Raises `StoredModelError` where a file is missing, added or changed, or the feature contract has changed
    since the training; the way out of each is to train again.
    """
    files = _checked_files(folder / model_id)
    found = json.loads(files[METADATA])
    if found["feature_contract_hash"] != contract_hash():
        message = f"model {model_id} was trained on another feature contract; train it again on today's features"
        raise StoredModelError(message)
    return RiskModel(
        horizons={
            horizon: HorizonModel(
                text=files[_text_name(horizon)].decode(),
                calibrator=Calibrator(**about["calibrator"]),
                base_rate=about["base_rate"],
                n_count=about["n_count"],
                n_events_count=about["n_events_count"],
            )
            for horizon, about in found["horizons"].items()
        },
        settings=TrainingSettings(**found["settings"] | {"leaves": tuple(found["settings"]["leaves"])}),
        trained_epoch_day=found["trained_epoch_day"],
        feature_names=tuple(found["feature_names"]),
        feature_contract_hash=found["feature_contract_hash"],
    )


def _files(model: RiskModel) -> dict[str, bytes]:
    """Content of every file of the model, the manifest last."""
    files = {_text_name(horizon): one.text.encode() for horizon, one in model.horizons.items()}
    files[METADATA] = _json(
        {
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
            "settings": asdict(model.settings),
            "trained_epoch_day": model.trained_epoch_day,
        }
    )
    files[MANIFEST] = _json({name: sha256(content).hexdigest() for name, content in files.items()})
    return files


def _checked_files(target: Path) -> dict[str, bytes]:
    """Content of a stored model's files, after its name and all hashes have agreed."""
    way_out = "restore the folder from a backup or train again"
    expected = {MANIFEST, METADATA, *(_text_name(horizon) for horizon in HORIZONS)}
    present = {path.name for path in target.iterdir()} if target.is_dir() else set()
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


def _text_name(horizon: str) -> str:
    return f"model_{horizon}.txt"


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
