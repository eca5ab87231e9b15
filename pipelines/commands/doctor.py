"""`handrail doctor`: what is well with this installation, what is not, and the way out of each."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from pipelines import doctor
from pipelines.commands.console import say, show
from pipelines.doctor.finding import Finding
from pipelines.home import Home

WELL, FAILED = 0, 1
_WIDTH = 118
_INDENT = " " * 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="all findings as one JSON object")


def main(arguments: argparse.Namespace) -> int:
    """Look at everything; returns 0, or 1 where something fails. Warnings do not fail."""
    home = Home.find(arguments.home)
    findings = []
    if not arguments.json:
        say(f"Looking at {home.path} ...")
    for finding in doctor.examine(home):
        findings.append(finding)
        if not arguments.json:
            show(_lines(finding))
    counts = Counter(finding.state for finding in findings)
    if arguments.json:
        show(_json(home, findings))
    else:
        show(f"{counts['ok']} ok, {counts['warn']} to know, {counts['fail']} to mend")
    return FAILED if counts["fail"] else WELL


def _lines(finding: Finding) -> str:
    head = f"{finding.state:<4}  {finding.name:<12}  "
    lines = textwrap.wrap(head + finding.told, _WIDTH, subsequent_indent=_INDENT, break_long_words=False)
    if finding.way_out:
        lines += textwrap.wrap(
            f"-> {finding.way_out}",
            _WIDTH,
            initial_indent=_INDENT,
            subsequent_indent=f"{_INDENT}   ",
            break_long_words=False,
        )
    return "\n".join(lines)


def _json(home: Home, findings: Sequence[Finding]) -> str:
    states = {finding.state for finding in findings}
    worst = next(state for state in ("fail", "warn", "ok") if state in states)
    return json.dumps({"home": str(home.path), "state": worst, "findings": [asdict(one) for one in findings]}, indent=1)
