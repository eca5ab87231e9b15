"""What commands print: lines on standard error for progress, standard output for results.

Belongs here: the ways to print. Does not belong here: logs (`<home>/log`).
"""

from __future__ import annotations

import logging
import sys


def say(line: str) -> None:
    """Progress, for people; standard error, so that results can be piped."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def show(text: str) -> None:
    """A result; standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def show_log() -> None:
    """Let what our own modules log of long work be seen, as progress."""
    logger = logging.getLogger("pipelines")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("  %(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
