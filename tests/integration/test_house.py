"""The house as a whole: where its packages come from, what its command offers, what its locks may hold."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from pipelines.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipelines", "models", "features", "data_contracts")
LOCKS = ("requirements.lock", "requirements-dev.lock")


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_the_checkout_s_own(package):
    found = importlib.import_module(package).__file__
    assert found is not None
    assert Path(found).resolve() == ROOT / package / "__init__.py"


def test_help_lists_every_command_and_only_modules_that_exist(handrail):
    told = handrail("--help")
    assert told.code == 0
    listed = re.findall(r"^    (\w[\w-]*)(?: |$)", told.out, flags=re.MULTILINE)
    assert listed == list(COMMANDS)
    modules = {path.stem for path in (ROOT / "pipelines" / "commands").glob("*.py")}
    assert {name.replace("-", "_") for name in listed} <= modules


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(handrail, command):
    told = handrail(command, "--help")
    assert told.code == 0
    assert f"usage: handrail {command}" in told.out
    assert "--home" in told.out


def test_an_unknown_command_is_a_usage_error(handrail):
    told = handrail("fly")
    assert told.code == 2
    assert "invalid choice" in told.err


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_by_hash_and_names_no_registry(lock):
    text = (ROOT / lock).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(--(extra-)?index-url|--find-links|-i|-f)\b", text, flags=re.MULTILINE)
    requirements = re.split(r"^(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    for requirement in filter(None, requirements):
        assert re.match(r"[\w.\[\]-]+==\S+", requirement), requirement.splitlines()[0]
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


def test_both_locks_agree_on_what_they_share():
    pins = [
        dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text("utf-8"), flags=re.MULTILINE)) for lock in LOCKS
    ]
    run, dev = pins
    assert run
    assert {name: dev.get(name) for name in run} == run
