"""What commands print: lines on standard error for progress, standard output for results.

Names and titles come from data, so nothing reaches the terminal that would move its cursor or hide something.

Belongs here: the ways to print. Does not belong here: logs (`<home>/log`).
"""

from __future__ import annotations

import logging
import sys

from pipelines.logs import JOURNAL
from pipelines.sinks.words import inert


def say(line: str) -> None:
    """Progress, for people; standard error, so that results can be piped."""
    sys.stderr.write(f"{inert(line)}\n")
    sys.stderr.flush()


def show(text: str) -> None:
    """A result; standard output."""
    sys.stdout.write(f"{inert(text)}\n")
    sys.stdout.flush()


def show_log() -> None:
    """Let what our own modules log of long work be seen, as progress."""
    logger = logging.getLogger("pipelines")
    if not any(type(handler) is logging.StreamHandler for handler in logger.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("  %(message)s"))
        # Of steps the command tells in its own words.
        handler.addFilter(lambda record: record.name != JOURNAL.name)
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
