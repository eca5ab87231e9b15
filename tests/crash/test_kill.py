"""kill -9 during a night, then the night again: the marts are those of an undisturbed run.

Some moments are drawn from a seed, one in each part of the run: by how many of its steps have ended, then a fraction of
a second into the next one, so that a slow machine is killed at the same places as a fast one. Others are the sharpest
ones there are: rows written but their file not marked, marts swapped but the pointer not, a model saved but not known.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("handrail")
YESTERDAY, TONIGHT = "2026-01-26", "2026-02-02"
STEP = re.compile(r"\[ *(\d+)/(\d+)\]")
PARTS = 3


def moments():
    """(share of the steps that have ended, seconds into the next one), one in each part of the run."""
    generator = random.Random(20)  # noqa: S311 - moments, no secrets
    return [((part + generator.uniform(0.01, 0.97)) / PARTS, generator.uniform(0, 0.2)) for part in range(PARTS)]


# Runs the command, and kills the process where a function of it would be called or has returned.
KILLING = """
import importlib, os, signal, sys
from pipelines.cli import main

when, module, _, path = sys.argv[1], *sys.argv[2].partition(":")
*outer, name = path.split(".")
owner = importlib.import_module(module)
for part in outer:
    owner = getattr(owner, part)
original = getattr(owner, name)

def killing(*arguments, **named):
    if when == "after":
        original(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, killing)
sys.exit(main(sys.argv[3:]))
"""


def killed(environment, when, function, *words):
    """Run a night that dies by kill -9 before or after a function of ours is called."""
    command = [sys.executable, "-c", KILLING, when, function, "run", *(str(word) for word in words)]
    told = subprocess.run(
        command, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=300
    )
    assert told.returncode == -signal.SIGKILL, told.stderr


@contextmanager
def started(environment, *words):
    """A night in a process of its own, which is killed at the latest when the block ends."""
    command = [COMMAND, "run", *(str(word) for word in words)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def await_line(process, is_it):
    """Read progress until a line that is awaited."""
    told = []
    for line in process.stderr:
        told.append(line)
        if is_it(line):
            return
    pytest.fail("the awaited moment never came:\n" + "".join(told))


def has_begun(line):
    return line.startswith("Night of")


def has_ended(share):
    """Whether a line says that this share of the steps has ended."""

    def told(line):
        step = STEP.search(line)
        return bool(step) and int(step[1]) / int(step[2]) >= share

    return told


def observed_on(home):
    """What a reader of the published file learns, and whether the Parquet folder can be read too."""
    current = home / "marts" / "current"
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        (told,) = marts.execute("SELECT CAST(CAST(observed_at AS DATE) AS VARCHAR) FROM publication").fetchall()[0]
        (copy,) = marts.execute(f"SELECT count(*) FROM read_parquet('{current}/publication.parquet')").fetchall()[0]
    assert copy == 1
    return told


@pytest.fixture(scope="module")
def inboxes(small_world, tmp_path_factory):
    """Yesterday's inbox without the newest statements; tonight's with them, a broken line among them."""
    folder = tmp_path_factory.mktemp("inboxes")
    yesterday, tonight = folder / "yesterday", folder / "tonight"
    for inbox in (yesterday, tonight):
        shutil.copytree(small_world, inbox)
    for name in ("2026-01", "2026-02"):
        (yesterday / "xapi" / f"statements-{name}-000.ndjson.gz").unlink()
    with gzip.open(tonight / "xapi" / "statements-2026-01-000.ndjson.gz", "ab") as file:
        file.write(b'{"id": "broken\n')
    return yesterday, tonight


@pytest.fixture(scope="module")
def yesterday_home(handrail, inboxes, tmp_path_factory):
    """A home that published yesterday."""
    folder = tmp_path_factory.mktemp("yesterday") / "home"
    told = handrail("run", "--source", "inbox", "--data", inboxes[0], "--home", folder, "--as-of", YESTERDAY)
    assert told.code == 0, told.err
    return folder


@pytest.fixture
def home(yesterday_home, tmp_path):
    return shutil.copytree(yesterday_home, tmp_path / "home", symlinks=True)


@pytest.fixture(scope="module")
def undisturbed(handrail, inboxes, yesterday_home, tmp_path_factory, stable_rows):
    """The marts of a night that nobody disturbed."""
    folder = shutil.copytree(yesterday_home, tmp_path_factory.mktemp("undisturbed") / "home", symlinks=True)
    told = handrail("run", "--source", "inbox", "--data", inboxes[1], "--home", folder, "--as-of", TONIGHT)
    assert told.code == 3, told.err
    return stable_rows(folder / "marts.duckdb")


def assert_same(found, wanted):
    assert sorted(found) == sorted(wanted)
    for name, rows in wanted.items():
        assert found[name] == rows, name


@pytest.fixture
def night(home, inboxes):
    """The words of tonight's command."""
    return ("--source", "inbox", "--data", inboxes[1], "--home", home, "--as-of", TONIGHT)


@pytest.fixture
def assert_mended(home, night, handrail, undisturbed, stable_rows):
    """Run the night again and hold what it publishes against the undisturbed one."""

    def check():
        seen = observed_on(home)
        again = handrail("run", *night)
        # What the killed run refused was told to nobody, so the run that publishes tells it.
        assert again.code == 3 or (seen == TONIGHT and "Nothing new" in again.err), again.err
        assert observed_on(home) == TONIGHT
        assert_same(stable_rows(home / "marts.duckdb"), undisturbed)
        names = [path.name for path in home.rglob("*")]
        assert not [name for name in names if "building" in name or name.endswith(".wal")]
        with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
            states = warehouse.execute("SELECT state FROM ops.run ORDER BY started_at").fetchall()
            files = warehouse.execute(
                "SELECT count(*), count(DISTINCT (file_hash, table_name)) FROM raw.file"
            ).fetchall()
        assert {state for (state,) in states} <= {"published", "killed"}
        assert states[-1] == ("published",)
        assert files[0][0] == files[0][1]
        with closing(sqlite3.connect(home / "dagster" / "history" / "runs.db")) as history:
            shown = [status for (status,) in history.execute("SELECT status FROM runs ORDER BY id")]
        assert set(shown) <= {"SUCCESS", "FAILURE"}

    return check


@pytest.mark.parametrize(("share", "seconds"), moments())
def test_killed_at_any_moment_a_night_run_again_gives_the_undisturbed_marts(
    share, seconds, home, night, environment, assert_mended
):
    with started(environment, *night) as process:
        await_line(process, has_ended(share))
        assert observed_on(home) == YESTERDAY
        time.sleep(seconds)
    assert process.returncode == -signal.SIGKILL
    assert_mended()


@pytest.mark.parametrize(
    ("function", "seen"),
    [("pipelines.sources.record:Recorder.file", YESTERDAY), ("pipelines.publish:_point", TONIGHT)],
    ids=["rows written, their file not marked", "marts swapped, the pointer not"],
)
def test_killed_between_two_writes_a_night_run_again_gives_the_undisturbed_marts(
    function, seen, home, night, environment, assert_mended
):
    killed(environment, "before", function, *night)
    assert observed_on(home) == seen
    assert_mended()


def test_killed_when_a_model_is_saved_but_not_yet_known_the_marts_are_the_same(
    demo, tmp_path, environment, handrail, stable_rows
):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("key", "handrail.toml"):
        shutil.copyfile(demo.home / name, home / name)
    shutil.copytree(demo.home / "simulated", home / "simulated")
    killed(environment, "after", "models.store:save", "--home", home)
    assert not (home / "marts.duckdb").exists()
    assert [path.name for path in (home / "models").iterdir()] != []
    assert handrail("run", "--home", home).code == 0
    assert_same(stable_rows(home / "marts.duckdb"), stable_rows(demo.marts))


def test_a_second_run_meets_the_lock_and_is_told_who_holds_it(home, night, environment, handrail):
    with started(environment, *night) as process:
        await_line(process, has_begun)
        told = handrail("run", *night)
        assert told.code == 75
        assert f"pid {process.pid}, handrail run, since 20" in told.err
        assert process.poll() is None
        assert json.loads((home / "lock").read_text("utf-8"))["pid"] == process.pid
    assert observed_on(home) == YESTERDAY
