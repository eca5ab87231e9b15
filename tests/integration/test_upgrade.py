"""A home that the release before wrote, with that release's own code, is taken over; one of newer code is refused.

The release's code comes from this repository's history; where a clone has none of it (a shallow one, an archive), the tests
that need it are skipped and say so.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import duckdb
import pytest

from pipelines.migrations import AREA, migrations

ROOT = Path(__file__).resolve().parents[2]
RELEASE, COMMIT = "0.1.0", "c854c9c"
FIRST, SECOND = "2026-01-26", "2026-02-02"
RUN = "import sys; from pipelines.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The release's own code, from this repository's history."""
    told = subprocess.run(["git", "-C", ROOT, "archive", COMMIT], capture_output=True, check=False)
    if told.returncode:
        pytest.skip(f"the code of {RELEASE} ({COMMIT}) is not in this clone's history")
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(fileobj=io.BytesIO(told.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def old_home(release, small_world, environment, tmp_path_factory):
    """A home in which the release has published a night."""
    home = tmp_path_factory.mktemp("old") / "home"
    words = ("run", "--source", "inbox", "--data", small_world, "--home", home, "--as-of", FIRST)
    told = subprocess.run(
        [sys.executable, "-c", RUN, *(str(word) for word in words)],
        env={**environment, "PYTHONPATH": str(release)},
        cwd=release,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert told.returncode in {0, 3}, told.stderr
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        (version,) = marts.execute("SELECT code_version FROM publication").fetchall()[0]
    assert version.startswith(RELEASE), version
    return home


def test_a_home_of_the_release_before_is_taken_over_and_publishes_what_a_home_of_today_does(
    old_home, small_world, tmp_path, handrail, stable_rows
):
    home = shutil.copytree(old_home, tmp_path / "home", symlinks=True)
    today = tmp_path / "today"
    shutil.copytree(old_home, today, symlinks=True, ignore=lambda _, names: [n for n in names if n != "key"])
    night = ("--source", "inbox", "--data", small_world)
    assert handrail("run", *night, "--home", today, "--as-of", FIRST).code in {0, 3}
    for folder in (home, today):
        told = handrail("run", *night, "--home", folder, "--as-of", SECOND)
        assert told.code in {0, 3}, told.err
    taken_over, of_today = stable_rows(home / "marts.duckdb"), stable_rows(today / "marts.duckdb")
    assert [name for name in of_today if taken_over[name] != of_today[name]] == []
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        assert warehouse.execute("SELECT state FROM ops.run ORDER BY rowid").fetchall() == [("published",)] * 2


def test_the_marts_of_the_release_before_stay_readable_until_the_first_night_of_today(old_home, tmp_path, handrail):
    home = shutil.copytree(old_home, tmp_path / "home", symlinks=True)
    told = handrail("doctor", "--home", home)
    assert "newer" not in told.out + told.err
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        assert marts.execute("SELECT count(*) FROM publication").fetchall() == [(1,)]


COMMANDS = {
    "run": ("run",),
    "rebuild": ("rebuild",),
    "alerts": ("alerts",),
    "export-learner": ("export-learner", "--identity", "learner_key=1", "--out", "{tmp}/export.zip"),
    "erase": ("erase", "--identity", "learner_key=1"),
    "models": ("models", "list"),
    "doctor": ("doctor",),
}


@pytest.fixture(scope="module")
def newer_home(demo, tmp_path_factory):
    """The demo's home as if newer code had migrated its records."""
    home = shutil.copytree(demo.home, tmp_path_factory.mktemp("newer") / "home", symlinks=True)
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute("UPDATE ops.schema_version SET version = ? WHERE area = ?", [len(migrations()) + 1, AREA])
    return home


@pytest.mark.parametrize("name", COMMANDS)
def test_a_home_of_newer_code_is_refused_in_plain_words_and_left_as_it_is(name, newer_home, tmp_path, handrail):
    before = (newer_home / "warehouse.duckdb").read_bytes()
    words = [word.format(tmp=tmp_path) for word in COMMANDS[name]]
    told = handrail(*words, "--home", newer_home)
    assert told.code not in {0, 3}, told.out
    assert "newer" in told.out + told.err
    assert "Traceback" not in told.out + told.err
    assert (newer_home / "warehouse.duckdb").read_bytes() == before
    assert os.listdir(tmp_path) == []
