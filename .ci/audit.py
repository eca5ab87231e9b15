"""What the supply chain of a change can be held to on this machine: `make audit`.

Usage: python .ci/audit.py [--write]      (--write makes docs/licences.md anew)

Locks, licences, secrets in the tree, a wheel that comes out the same twice, and known vulnerabilities where a service that
knows them answers. What could not be asked is said and fails nothing; whatever was asked and is wrong ends with 1.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN_LOCK, DEV_LOCK, LICENCES = ROOT / "requirements.lock", ROOT / "requirements-dev.lock", ROOT / "docs" / "licences.md"

# Licences that put no condition on what is built with a package; MPL-2.0 asks only that its own files stay open.
ALLOWED = ("MIT", "MIT-0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "3-Clause BSD", "0BSD", "Apache-2.0", "ISC", "Zlib")
ALLOWED += ("Apache Software", "Python Software Foundation", "PSF-2.0", "CC0-1.0", "MPL-2.0", "Unlicense")
ALLOWED += ("Mozilla Public License 2.0 (MPL 2.0)",)

# Nothing of these stands in a tree by accident. Passwords of tests are made when they run.
SECRETS = {
    "private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}"),
    "access key of a cloud": re.compile(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "token of a code host": re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20})"),
    "token of a chat": re.compile(rb"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "JSON web token": re.compile(rb"\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"),
    "password in an address": re.compile(
        rb"://[A-Za-z0-9._-]+:[^\s/@\"'<>{}]{6,}@(?![A-Za-z0-9.-]*(?:example|\.test))[A-Za-z0-9.-]+\.[a-z]{2,}"
    ),
}


def pins(lock: str) -> dict[str, list[str]]:
    """Each package of a lock with its blocks."""
    found: dict[str, list[str]] = {}
    for block in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        if name := re.match(r"([\w.-]+)==", block):
            found.setdefault(name[1].lower(), []).append(block)
    return found


def locks() -> Iterator[str]:
    """Every package pinned with hashes, no address, and the run's pins are the developers' too."""
    texts = {file.name: file.read_text("utf-8") for file in (RUN_LOCK, DEV_LOCK)}
    for name, text in texts.items():
        if "://" in text or "--index-url" in text or "--find-links" in text:
            yield f"{name} names an address"
        for package, blocks in pins(text).items():
            if not all("--hash=sha256:" in block for block in blocks):
                yield f"{name}: {package} has no hash"
    run, dev = pins(texts[RUN_LOCK.name]), pins(texts[DEV_LOCK.name])
    versions = {name: {block.split()[0] for block in blocks} for name, blocks in dev.items()}
    for package, blocks in run.items():
        if {block.split()[0] for block in blocks} != versions.get(package):
            yield f"{package} is pinned otherwise in {DEV_LOCK.name}: run `make lock`"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = {re.split(r"[^\w.-]", spec, maxsplit=1)[0].lower() for spec in project["dependencies"]}
    for package in sorted(asked - set(run)):
        yield f"{RUN_LOCK.name} lacks {package} of pyproject.toml: run `make lock`"


def licence_of(package: str) -> str:
    """What a package says of its licence; empty where it is not installed (for another system alone)."""
    try:
        told = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return ""
    classified = [
        line.rpartition(" :: ")[2] for line in told.get_all("Classifier", []) if line.startswith("License ::")
    ]
    first = (told.get("License") or "").strip().split("\n")[0][:60]
    return str(told.get("License-Expression") or "; ".join(classified) or first or "not told")


def is_allowed(licence: str) -> bool:
    """Whether every part of an expression is on the list; of alternatives one will do."""

    def plain(part: str) -> str:
        return part.strip().strip("()").removesuffix(" License").strip()

    def holds(part: str) -> bool:
        return part in ALLOWED or plain(part) in ALLOWED

    return holds(licence.strip()) or all(
        any(holds(one) for one in part.strip().strip("()").split(" OR ")) for part in re.split(r" AND |; ", licence)
    )


def licence_page() -> str:
    """The page of all packages that `make run` installs, with their versions and licences."""
    lines = [
        "# Licences of what `make run` installs",
        "",
        "As each package says itself; made by `make audit ARGS=--write`, which refuses a licence that is not on its list.",
        "Handrail's own is in [LICENSE](../LICENSE).",
        "",
        "| package | version | licence |",
        "|---|---|---|",
    ]
    for package, blocks in sorted(pins(RUN_LOCK.read_text("utf-8")).items()):
        if licence := licence_of(package):
            lines.append(
                f"| {package} | {', '.join(block.split()[0].split('==')[1] for block in blocks)} | {licence} |"
            )
        else:
            lines.append(f"| {package} | {blocks[0].split()[0].split('==')[1]} | on other systems only |")
    return "\n".join(lines) + "\n"


def licences() -> Iterator[str]:
    """No licence that is unknown or asks for more than its notice, and the page is of today's lock."""
    for package in pins(RUN_LOCK.read_text("utf-8")):
        licence = licence_of(package)
        if licence and not is_allowed(licence):
            yield f"{package}: licence {licence!r} is not on the list; read it, then add it to .ci/audit.py or drop the package"
    if not LICENCES.exists() or LICENCES.read_text("utf-8") != licence_page():
        yield "docs/licences.md is of another lock: run `make audit ARGS=--write`"


def tracked() -> list[str]:
    """Names of the tracked files that are there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def secrets() -> Iterator[str]:
    """Nothing in any tracked file that looks like a credential."""
    for name in tracked():
        content = (ROOT / name).read_bytes()
        yield from (f"{name}: looks like a {kind}" for kind, pattern in SECRETS.items() if pattern.search(content))


def wheel() -> Iterator[str]:
    """Built twice, in folders, times and under masks of their own, wheel and source archive are the same to the byte."""
    marks = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, mask in enumerate((0o022, 0o077)):
            tree = Path(scratch) / f"tree-{'x' * (number * 20)}{number}"
            for name in tracked():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, tree / name)
                os.utime(tree / name, (10**9 * (number + 1), 10**9 * (number + 1)))
            old = os.umask(mask)
            try:
                built = subprocess.run(
                    [sys.executable, "-m", "hatchling", "build"],
                    cwd=tree,
                    env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
                    capture_output=True,
                    text=True,
                    check=False,
                )
            finally:
                os.umask(old)
            if built.returncode:
                yield f"does not build: {built.stderr[-300:]}"
                return
            files = sorted((tree / "dist").iterdir())
            marks.append({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files})
            strange = [
                inside
                for file in files
                if file.suffix == ".whl"
                for inside in zipfile.ZipFile(file).namelist()
                if not inside.startswith(("pipelines/", "models/", "features/", "data_contracts/", "handrail-"))
            ]
            yield from (f"the wheel holds {name}" for name in strange[:5])
    if marks[0] != marks[1]:
        yield f"not the same twice: {marks}"


def vulnerabilities() -> Iterator[str]:
    """What pip-audit knows of the pinned versions, where it is installed and its service answers."""
    tool = shutil.which("pip-audit") or shutil.which("pip-audit", path=str(Path(sys.executable).parent))
    if tool is None:
        print("    not checked: pip-audit is not installed (pipx install pip-audit)")
        return
    words = [tool, "-r", str(RUN_LOCK), "--disable-pip", "--no-deps", "--progress-spinner", "off"]
    try:
        told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired:
        print("    not checked: no service that knows vulnerabilities answered within five minutes")
        return
    unknown = told.stdout.count("could not be audited")
    if "ConnectionError" in told.stderr or unknown > len(pins(RUN_LOCK.read_text("utf-8"))) // 2:
        print("    not checked: no service that knows vulnerabilities answers from this machine")
    elif told.returncode:
        yield from told.stdout.splitlines()


CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    "locks": locks,
    "licences": licences,
    "secrets": secrets,
    "wheel": wheel,
    "vulnerabilities": vulnerabilities,
}


def main() -> int:
    """Run all checks; 1 where one found something."""
    if "--write" in sys.argv:
        LICENCES.write_text(licence_page(), "utf-8")
    is_well = True
    for name, check in CHECKS.items():
        found = list(check())
        print(f"{'FAIL' if found else 'ok  '} {name}")
        for line in found:
            print(f"    {line}")
        is_well = is_well and not found
    return 0 if is_well else 1


if __name__ == "__main__":
    raise SystemExit(main())
