"""The machine: Python, packages, room, who may read what.

Belongs here: what is wrong before any night begins. Does not belong here: what nights left behind (`stores`).
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pipelines import __version__
from pipelines.doctor.finding import Finding, Patient, listed, size
from pipelines.launch import REPOSITORY
from pipelines.preflight import needed_bytes

OLDEST_PYTHON = (3, 11)
LOCK = REPOSITORY / "requirements.lock"
LEAST_FREE_BYTES = 500_000_000
"""Under this a night is likely to fail."""


def python(patient: Patient) -> Iterator[Finding]:  # noqa: ARG001 - a probe's signature
    """Whether Python is new enough."""
    told = f"{platform.python_version()}; Handrail {__version__} in {REPOSITORY}"
    if sys.version_info >= OLDEST_PYTHON:
        yield Finding.ok("python", told)
    else:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        yield Finding.fail("python", told, f"install Python {oldest} or later, remove .venv, and `make install`")


def packages(patient: Patient, lock: Path = LOCK) -> Iterator[Finding]:  # noqa: ARG001 - a probe's signature
    """Whether the packages are those that the lock pins; only with those are results known to be the same."""
    if not lock.exists():
        yield Finding.warn("packages", f"{lock.name} is not there", "work from a whole checkout")
        return
    # A package may be pinned once for each Python, or for another system alone: then it may rightly be missing.
    pins: dict[str, set[str]] = {}
    elsewhere = set()
    for name, pinned, marker in re.findall(r"^([\w.-]+)==(\S+)( ;)?", lock.read_text("utf-8"), flags=re.MULTILINE):
        pins.setdefault(name, set()).add(pinned)
        elsewhere |= {name} if marker else set()
    installed = {name: _version(name) for name in pins}
    missing = [name for name, found in installed.items() if found is None and name not in elsewhere]
    other = [
        f"{name} {found} (pinned {' or '.join(sorted(pins[name]))})"
        for name, found in installed.items()
        if found is not None and found not in pins[name]
    ]
    way_out = "`make install` brings what the lock names"
    if missing:
        yield Finding.fail("packages", f"not installed: {listed(missing)}", way_out)
    if other:
        yield Finding.warn("packages", f"other than pinned: {listed(other)}", way_out)
    if not missing and not other:
        yield Finding.ok("packages", f"{len(pins)} as pinned")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def disk(patient: Patient) -> Iterator[Finding]:
    """Whether there is room for another night: copies of the marts, spilling, a backup before a migration."""
    place = patient.home.path
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    wanted = LEAST_FREE_BYTES + needed_bytes(patient.home)
    told = f"{size(free)} free"
    way_out = "make room, or move the home to a larger disk and set HANDRAIL_HOME"
    if free < LEAST_FREE_BYTES:
        yield Finding.fail("disk", told, way_out)
    elif free < wanted:
        yield Finding.warn(
            "disk", f"{told}; a night without new data needs {size(wanted - LEAST_FREE_BYTES)} aside", way_out
        )
    else:
        yield Finding.ok("disk", told)


def permissions(patient: Patient) -> Iterator[Finding]:
    """Whether the home is ours to write, and its private parts are closed to others."""
    home = patient.home
    if not home.path.exists():
        yield Finding.warn("home", f"{home.path} is not there yet", "the first `handrail run` makes it; check --home")
        return
    folders = (home.path, home.inbox, home.archive, home.marts, home.models, home.reports, home.outbox, home.log)
    closed = [path.name for path in folders if path.exists() and not os.access(path, os.R_OK | os.W_OK | os.X_OK)]
    if closed:
        yield Finding.fail(
            "permissions", f"cannot be written: {listed(closed)}", f"chown and chmod u+rwx in {home.path}"
        )
    private = (home.path, home.key_file, home.identity_file, home.warehouse_file, home.archive, home.outbox)
    open_to_others = [
        path.name
        for path in private
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077 and path != home.path
    ]
    # A closed home closes what lies in it.
    is_home_open = bool(stat.S_IMODE(home.path.stat().st_mode) & 0o077)
    if home.key_file.name in open_to_others or (is_home_open and open_to_others):
        yield Finding.fail("permissions", f"open to others: {listed(open_to_others)}", f"chmod -R go-rwx {home.path}")
    elif is_home_open:
        yield Finding.warn("permissions", "others of this machine may look into the home", f"chmod 700 {home.path}")
    elif not closed:
        yield Finding.ok("permissions", "the home is ours to write and closed to others")
