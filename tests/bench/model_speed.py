"""How fast a risk model is trained, scores and explains, beside a bare prediction of its own trees.

    python tests/bench/model_speed.py --landmarks 400000 --enrolments 1000000 --explained 20000 --folder DIR

Landmarks are made up (tests/unit/models/conftest.py) with all features that a model reads. Training, scoring and
explaining run in processes of their own, so that each has a peak of memory of its own; scoring and the bare prediction
share one.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from models import store  # noqa: E402
from models.explain import contributions, reasons  # noqa: E402
from models.score import score  # noqa: E402
from models.train import LONGEST, RiskModel, TrainedModel, feature_matrix, train  # noqa: E402
from tests.unit.models.conftest import TONIGHT, make_landmarks  # noqa: E402

WEEKS = 20
TURNS = 2
GIBI = 1024**2


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def peak() -> float:
    """Resident memory of this process at most, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIBI


def stored(folder: Path) -> RiskModel:
    """The one model in the folder."""
    (path,) = (one for one in (folder / "models").iterdir() if one.is_dir())
    return store.load(folder / "models", path.name)


def training(folder: Path, rows: int) -> None:
    """Train and store a model, and print what it took."""
    landmarks = make_landmarks(enrolments=rows // WEEKS, weeks=WEEKS)
    held, kept = peak(), []
    clock, processor = timed(lambda: kept.append(train(landmarks, tonight_epoch_day=TONIGHT)))
    (trained,) = kept
    if not isinstance(trained, TrainedModel):
        message = f"{trained.sentence} Give more --landmarks."
        raise SystemExit(message)
    store.save(trained.model, folder / "models")
    say("train", rows, clock, processor, held, f"{trained.model.estimator.booster.num_trees()} trees")


def scoring(folder: Path, rows: int) -> None:
    """Score enrolments and predict by the bare trees in turn, and print the best of each."""
    model = stored(folder)
    frame = make_landmarks(enrolments=-(-rows // WEEKS), weeks=WEEKS).head(rows)
    inputs = np.column_stack([feature_matrix(frame), np.full(rows, 28, dtype=np.float32)])
    booster, threads = model.estimator.booster, model.settings.threads
    bare = [timed(lambda: booster.predict(inputs, num_threads=threads)) for _ in range(TURNS)]
    held = peak()
    say("bare LightGBM predict, one horizon", rows, *min(bare), held, f"{booster.num_trees()} trees")
    whole = [timed(lambda: score(model, frame)) for _ in range(TURNS)]
    say("score, both horizons", rows, *min(whole), held, f"{min(whole)[0] / min(bare)[0]:.1f} times the bare one")


def explaining(folder: Path, rows: int) -> None:
    """Take scores apart and say reasons, and print what it took."""
    model = stored(folder)
    frame = make_landmarks(enrolments=-(-rows // WEEKS), weeks=WEEKS).head(rows)
    held = peak()
    say("contributions", rows, *timed(lambda: contributions(model, frame, horizon=LONGEST)), held, "")
    tonight = frame.unique("enrolment_id", keep="last", maintain_order=True)
    say("reasons in words", tonight.height, *timed(lambda: reasons(model, tonight, cohort=tonight)), held, "")


def say(what: str, rows: int, clock: float, processor: float, held: float, note: str) -> None:
    """Print a line: what, rows, seconds, rows a second, memory before and at most."""
    speed = f"{rows:>9,} rows {clock:7.2f} s {processor:7.2f} core s {rows / clock:>9,.0f} rows/s"
    sys.stdout.write(f"{what:<35} {speed}   {held:.2f} GiB before, {peak():.2f} at most   {note}\n")


PARTS = {"train": training, "score": scoring, "explain": explaining}


def main() -> None:
    """Run each part in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landmarks", type=int, default=400_000)
    parser.add_argument("--enrolments", type=int, default=1_000_000)
    parser.add_argument("--explained", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--part", choices=PARTS)
    given = parser.parse_args()
    sizes = {"train": given.landmarks, "score": given.enrolments, "explain": given.explained}
    if given.part:
        PARTS[given.part](given.folder, sizes[given.part])
        return
    for part in PARTS:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--part", part], check=True)


if __name__ == "__main__":
    main()
