from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys

import pytest

from data_contracts.errors import LockedError, TransientError
from pipelines.lock import run_lock

TRY = """
import sys
from pathlib import Path
from data_contracts.errors import LockedError
from pipelines.lock import run_lock
try:
    with run_lock(Path(sys.argv[1]), run="second", since="now"):
        print("taken")
except LockedError as error:
    print(error)
"""


def try_from_another_process(file):
    told = subprocess.run([sys.executable, "-c", TRY, str(file)], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def test_a_second_process_is_refused_and_told_who_holds_the_lock(tmp_path):
    file = tmp_path / "lock"
    with run_lock(file, run="run first", since="2024-03-13T00:00:00Z"):
        told = try_from_another_process(file)
    assert f"pid {os.getpid()}, run first, since 2024-03-13T00:00:00Z" in told
    assert "another run holds" in told


def test_the_lock_is_free_again_after_its_run_and_after_a_run_that_failed(tmp_path):
    file = tmp_path / "lock"
    with contextlib.suppress(ZeroDivisionError), run_lock(file, run="run first", since="now"):
        _ = 1 / 0
    assert try_from_another_process(file) == "taken"


def test_the_run_that_a_command_starts_shares_its_lock(tmp_path):
    file = tmp_path / "lock"
    with run_lock(file, run="command", since="now"):
        with run_lock(file, run="run", since="now"):
            assert json.loads(file.read_text())["run"] == "command"
        assert "another run holds" in try_from_another_process(file)


@pytest.mark.parametrize("content", [b"", b"null", b"{", b"[1, 2]", b"\xff"])
def test_a_lock_file_that_names_nobody_still_refuses(tmp_path, content):
    file = tmp_path / "lock"
    with run_lock(file, run="first", since="now"):
        file.write_bytes(content)
        assert "has not written its name yet" in try_from_another_process(file)


def test_only_the_owner_may_read_the_lock(tmp_path):
    file = tmp_path / "lock"
    with run_lock(file, run="first", since="now"):
        assert file.stat().st_mode & 0o777 == 0o600


def test_handrail_run_exits_75_while_another_run_holds_the_lock(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HANDRAIL_", "DAGSTER_"))}
    with run_lock(home / "lock", run="run abc", since="2024-03-13T00:00:00Z"):
        told = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", "run", "--source", "simulated", "--home", str(home)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
    assert told.returncode == 75
    assert re.search(rf"handrail run: another run holds .*lock: pid {os.getpid()}, run abc, since 2024", told.stderr)
    assert told.stdout == ""
    assert not (home / "simulated").exists()
    assert not (home / "warehouse.duckdb").exists()


def test_a_refusal_is_worth_a_retry():
    assert issubclass(LockedError, TransientError)
