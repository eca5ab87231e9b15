"""What commands print: lines on standard error for progress, standard output for results.

Belongs here: the two ways to print. Does not belong here: logs (`<home>/log`).
"""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Progress, for people; standard error, so that results can be piped."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def show(text: str) -> None:
    """A result; standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
