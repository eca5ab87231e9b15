"""`handrail evaluate oulad`: trains on the presentations before one, and judges the model on that one."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from data_contracts.features import contract_hash
from pipelines import __version__
from pipelines.commands.console import say, show
from pipelines.home import Home
from pipelines.settings import load_settings

_ESTIMATORS = ("model", "logistic_regression", "inactive_7d_rule")
_WEEKS_BETWEEN_LINES = 8
_SHOWN = ("roc_auc", "pr_auc", "recall_at_10_percent", "recall_at_20_percent", "brier_skill", "calibration_slope")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", choices=["oulad"], help="the data whose outcomes are known")
    parser.add_argument("--data", required=True, type=Path, help="folder with the seven tables as Parquet")
    parser.add_argument(
        "--test-presentation", required=True, metavar="P", help="presentation to test on, such as 2014B"
    )
    parser.add_argument(
        "--mode",
        choices=["forward", "prequential"],
        default="forward",
        help="forward: one model of all that starts before P; prequential: as the nightly lives it, trained anew each week "
        "on every window that has closed by then, P's own included",
    )
    parser.add_argument("--out", required=True, type=Path, help="figures, as JSON")
    parser.add_argument("--predictions", required=True, type=Path, help="the model's predictions, as Parquet")


def main(arguments: argparse.Namespace) -> int:
    """Evaluate, write both files and show the pooled figures."""
    from models.evaluation import ASKED, figures, forward, prequential  # noqa: PLC0415 - they take seconds to load
    from models.train import TrainingSettings  # noqa: PLC0415
    from pipelines.evaluation import past_presentations, protocol_rows  # noqa: PLC0415

    settings = load_settings(Home.find(arguments.home).settings_file)
    folder, tested = arguments.data.expanduser().resolve(), arguments.test_presentation
    past = past_presentations(folder, tested)
    for file in (arguments.out, arguments.predictions):
        file.parent.mkdir(parents=True, exist_ok=True)
    say(f"Training on {', '.join(past)}, testing on {tested}")
    on_stage = _progress()
    rows = protocol_rows(folder, tested, settings=settings, on_stage=on_stage)
    report: dict[str, Any] = {
        "test_presentation": tested,
        "mode": arguments.mode,
        "trained_on": past,
        "code_version": __version__,
        "feature_contract_hash": contract_hash(),
        "seed": settings.seed,
        "targets": {},
    }
    predictions = []
    training = TrainingSettings(seed=settings.seed, threads=settings.threads)
    for labels in ASKED:
        if arguments.mode == "forward":
            judged = forward(rows, labels, test_presentation=tested, settings=training)
        else:
            judged = prequential(rows, labels, test_presentation=tested, settings=training, on_day=_on_day)
        for target in labels:
            report["targets"][target] = {
                "training": dict(judged.training),
                "estimators": figures(judged.predictions, target),
            }
        predictions.append(
            judged.predictions.filter(pl.col("estimator") == "model").select(
                "code_module",
                "code_presentation",
                "id_student",
                "day",
                "target",
                "probability",
                mode=pl.lit(arguments.mode),
            )
        )
        on_stage(", ".join(labels))
    pl.concat(predictions).write_parquet(arguments.predictions)
    arguments.out.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", "utf-8")
    show(_table(report))
    say(f"Figures in {arguments.out}, predictions in {arguments.predictions}")
    return 0


def _on_day(done: int, of: int) -> None:
    """Say now and then how far the weeks are."""
    if done % _WEEKS_BETWEEN_LINES == 0 or done == of:
        say(f"    {done} of {of} weeks")


def _progress() -> Callable[[str], None]:
    """Say how long each stage took and the most memory this process has held so far."""
    last = time.monotonic()

    def on_stage(name: str) -> None:
        nonlocal last
        moment = time.monotonic()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
        say(f"  {name:<18} {moment - last:6.1f} s, at most {peak:.1f} GiB")
        last = moment

    return on_stage


def _table(report: Mapping[str, Any]) -> str:
    """The pooled figures and those of each target's span, a line an estimator."""
    lines = [f"{'':<36}" + "".join(f"{name.replace('_percent', '%').replace('_', ' '):>19}" for name in _SHOWN)]
    for target, told in report["targets"].items():
        spans = [name for name in told["estimators"]["model"] if not name.startswith("by_")]
        for span in spans:
            first = told["estimators"]["model"][span]
            lines.append(f"{target}, {span}: {first['n_count']:,} rows, {first['n_events_count']:,} events")
            for estimator in _ESTIMATORS:
                figures = told["estimators"][estimator][span]
                values = (figures[name]["value"] for name in _SHOWN)
                lines.append(f"  {estimator:<34}" + "".join(f"{'-' if v is None else f'{v:.3f}':>19}" for v in values))
    return "\n".join(lines)
