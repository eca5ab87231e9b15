"""`handrail validate FILE`: one verdict a line on xAPI statements."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

from data_contracts.errors import BadInputError, HandrailError, UsageError
from pipelines.commands.console import say
from pipelines.sources.lines import lines_of
from pipelines.statements.parse import verdict
from pipelines.statements.rules import Spec

DONE, SOME_INVALID = 0, 3
_LINES_BETWEEN_PROGRESS = 500_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", type=Path, help="statements, one a line or one array; .gz and .zst are read too")
    parser.add_argument("--out", type=Path, required=True, help="verdicts, one JSON object a line")
    parser.add_argument(
        "--spec",
        choices=[spec.value for spec in Spec],
        help="hold them to this edition of xAPI alone (default: to either)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Judge every line; exit 0 when all are valid, 3 when some are not."""
    file, out = arguments.file, arguments.out
    if not file.is_file():
        message = f"there is no file {file}"
        raise UsageError(message)
    if out.is_dir() or (out.exists() and out.samefile(file)):
        message = f"--out {out} must be a file of its own for the verdicts"
        raise UsageError(message)
    spec = Spec(arguments.spec) if arguments.spec else None
    with _written_whole(out) as written:
        judged, invalid = _judge(file, spec, written)
    say(f"{judged:,} statements judged, {invalid:,} not valid; verdicts in {out}")
    return SOME_INVALID if invalid else DONE


def _judge(file: Path, spec: Spec | None, out: BinaryIO) -> tuple[int, int]:
    judged = invalid = 0
    for number, line in _lines(file):
        told = verdict(line, spec)
        judged, invalid = judged + 1, invalid + (not told.is_valid)
        row = {"line": number, "valid": told.is_valid, "reason": told.reason, "requirement": told.requirement}
        out.write(orjson.dumps(row) + b"\n")
        if not judged % _LINES_BETWEEN_PROGRESS:
            say(f"{judged:,} statements judged, {invalid:,} not valid so far")
    return judged, invalid


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    try:
        yield from lines_of(file)
    except HandrailError as error:
        message = f"{file}: {error}"
        raise BadInputError(message) from error


@contextmanager
def _written_whole(out: Path) -> Iterator[BinaryIO]:
    """A file that has its name only when it is complete: a run that breaks off leaves the old one, or none.

    What is no plain file (a pipe, a terminal) is written as it comes.
    """
    is_stream = out.is_symlink() or (out.exists() and not out.is_file())
    part = out if is_stream else out.with_name(f".{out.name}.part")
    try:
        stream = part.open("wb")
    except OSError as error:
        message = f"--out {out} cannot be written: {error.strerror}"
        raise UsageError(message) from None
    try:
        with stream:
            yield stream
        if not is_stream:
            part.replace(out)
    except BaseException:
        if not is_stream:
            part.unlink(missing_ok=True)
        raise
