"""`handrail doctor` on whole homes: after a night, while one holds everything, and where something is broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import duckdb
import pytest

from pipelines.home import Home, now
from pipelines.lock import run_lock
from tests.conftest import COMMAND


@pytest.fixture
def copied(demo, tmp_path):
    """The demo's home, to break."""
    shutil.copytree(demo.home, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


def test_a_home_after_a_night_is_well_and_says_so_in_words_and_as_json(demo, handrail):
    told = handrail("doctor", "--home", demo.home)
    assert told.code == 0, told.out
    assert " 0 to mend" in told.out
    read = json.loads(handrail("doctor", "--json", "--home", demo.home).out)
    assert read["home"] == str(demo.home)
    found = {one["name"]: one for one in read["findings"]}
    assert [found[name]["state"] for name in ("key", "lock", "last night", "tables", "publication", "marts")] == [
        "ok"
    ] * 6
    assert (demo.home / "key").read_text() not in told.out + json.dumps(read)


def test_a_doctor_looks_while_a_night_holds_lock_and_warehouse(copied, environment):
    home = Home(copied)
    with (
        run_lock(home.lock_file, run="handrail run", since=f"{now():%Y-%m-%dT%H:%M:%SZ}"),
        duckdb.connect(str(home.warehouse_file)),
    ):
        told = subprocess.run(
            [COMMAND, "doctor", "--home", copied],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert told.returncode == 0, told.stdout
    assert f"held by pid {os.getpid()}, handrail run" in told.stdout


def test_what_fails_is_named_with_its_way_out_and_exits_1(copied, handrail):
    home = copied
    (home / "key").unlink()
    (home / "handrail.toml").write_text('source = "inbox"\ndata = "/nowhere"\n', "utf-8")
    told = handrail("doctor", "--home", home)
    assert told.code == 1
    assert "restore `key` from its backup" in told.out
    assert "there is no folder /nowhere" in told.out
