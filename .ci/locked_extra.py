"""Prints the part of requirements-dev.lock that one extra needs, so that its hashes hold without the other extras.

Usage: python .ci/locked_extra.py test
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(extra: str) -> None:
    """Follow the lock's own `# via` notes from the extra's packages to all that they bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {re.split(r"[^\w.-]", spec, maxsplit=1)[0].lower() for spec in project["optional-dependencies"][extra]}
    lock = (ROOT / "requirements-dev.lock").read_text("utf-8")
    blocks: dict[str, list[str]] = {}
    for block in re.split(r"^(?=\S)", lock, flags=re.MULTILINE):
        if "==" in block:
            blocks.setdefault(block.split("==")[0].strip().lower(), []).append(block)
    via = {
        name: set(re.findall(r"#(?: via)? +([\w.-]+)$", "".join(parts), re.MULTILINE)) for name, parts in blocks.items()
    }
    while grown := {name for name, users in via.items() if name not in wanted and users & wanted}:
        wanted |= grown
    sys.stdout.write("".join("".join(blocks[name]) for name in sorted(wanted)))


main(sys.argv[1])
