"""The audit finds what it is for: each check is shown a tree that it must refuse."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[2] / ".ci" / "audit.py"


@pytest.fixture
def audit(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("audit", AUDIT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, file in (("RUN_LOCK", "requirements.lock"), ("DEV_LOCK", "requirements-dev.lock")):
        monkeypatch.setattr(module, name, tmp_path / file)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["duckdb>=2"]\n', "utf-8")
    lock(tmp_path, "requirements.lock")
    lock(tmp_path, "requirements-dev.lock")
    return module


def lock(folder, name, *, version="2.0.0", more="", hashed="    --hash=sha256:ab\n"):
    (folder / name).write_text(f"duckdb=={version} \\\n{hashed}{more}", "utf-8")


def test_locks_that_agree_and_have_hashes_pass(audit):
    assert list(audit.locks()) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"hashed": ""}, "has no hash"),
        ({"version": "1.9.9"}, "is pinned otherwise"),
        ({"more": "# from https" + "://index.example.org\n"}, "names an address"),
    ],
)
def test_a_lock_without_a_hash_with_an_address_or_of_another_version_is_found(audit, tmp_path, changes, found):
    lock(tmp_path, "requirements-dev.lock", **changes)
    assert any(found in line for line in audit.locks())


def test_a_dependency_that_no_lock_has_is_found(audit, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["duckdb>=2", "polars"]\n', "utf-8")
    assert any("lacks polars" in line for line in audit.locks())


@pytest.mark.parametrize(
    "licence",
    ["MIT", "MIT License", "MPL-2.0 AND (Apache-2.0 OR MIT)", "BSD License; Apache Software License", "GPL-3.0 OR MIT"],
)
def test_licences_that_ask_for_their_notice_alone_pass(audit, licence):
    assert audit.is_allowed(licence)


@pytest.mark.parametrize("licence", ["GPL-3.0", "MIT AND AGPL-3.0", "not told", "SSPL-1.0", "MIT; GPLv3"])
def test_other_and_unknown_licences_do_not(audit, licence):
    assert not audit.is_allowed(licence)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("private key", "-----BEGIN RSA PRIVATE" + " KEY-----\n" + "A" * 64),
        ("access key", "AK" + "IA" + "B" * 16),
        ("token of a code host", "gh" + "p_" + "a" * 36),
        ("password in an address", "https://lrs:hunter22" + "@lrs.university.edu/xapi"),
    ],
)
def test_what_looks_like_a_credential_is_found_in_a_tracked_file(audit, tmp_path, kind, text):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "notes.md").write_text(f"see {text} here\n", "utf-8")
    assert list(audit.secrets()) == []
    subprocess.run(["git", "add", "notes.md"], cwd=tmp_path, check=True)
    (found,) = audit.secrets()
    assert found.startswith("notes.md: looks like")
    assert kind in found
