"""`handrail validate FILE`: one verdict a line on xAPI statements."""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson

from data_contracts.errors import UsageError
from pipelines.commands.console import say
from pipelines.sources.inbox import lines_of
from pipelines.statements.take import verdict

DONE, SOME_INVALID = 0, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", type=Path, help="statements, one a line or one array; .gz and .zst are read too")
    parser.add_argument("--out", type=Path, required=True, help="verdicts, one JSON object a line")


def main(arguments: argparse.Namespace) -> int:
    """Judge every line; exit 0 when all are valid, 3 when some are not."""
    if not arguments.file.is_file():
        message = f"there is no file {arguments.file}"
        raise UsageError(message)
    judged = invalid = 0
    with arguments.out.open("wb") as out:
        for number, line in lines_of(arguments.file):
            told = verdict(line)
            judged, invalid = judged + 1, invalid + (not told.is_valid)
            row = {"line": number, "valid": told.is_valid, "reason": told.reason, "requirement": told.requirement}
            out.write(orjson.dumps(row) + b"\n")
    say(f"{judged:,} statements judged, {invalid:,} not valid; verdicts in {arguments.out}")
    return SOME_INVALID if invalid else DONE
