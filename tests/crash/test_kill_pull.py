"""kill -9 during a pull, fifty times, then the pull again: every statement once, as an undisturbed pull has them.

The moments are drawn from a seed: after so many requests have reached the store, and a fraction of a commit later. A
process that was killed is started again and killed further on, so fifty kills are a handful of whole pulls.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from tests.lrs_server import PASSWORD, USERNAME, Lrs, statement, void

ROOT = Path(__file__).resolve().parents[2]
KEY = "0123456789abcdef" * 4
KILLS, STATEMENTS, PAGE = 50, 3000, 20

# Small commits, so that a kill finds each of their steps.
SETTINGS = """
[[lrs]]
name = "main"
endpoint = "{endpoint}"
page_limit = 20
commit_statements = 60
overlap_minutes = 0
"""

# Imports what a pull needs once, and pulls in a child for each home it is told; nothing is open when it forks.
PULLS = """
import os, sys, traceback
from pipelines.home import Home
from pipelines.settings import load_settings
from pipelines.sources.lrs.pull import pull
from pipelines.sources.record import Recorder
from pipelines.statements.identity import Pseudonyms, load_key
from pipelines.warehouse import Warehouse

def pull_into(home):
    home.create()
    settings = load_settings(home.settings_file)
    with Warehouse.of(home, settings) as warehouse:
        key = load_key(home.key_file, has_identities=warehouse.has_identities())
        (outcome,) = pull(settings.lrs, Recorder(warehouse), Pseudonyms(key))
    if outcome.error:
        raise outcome.error

for line in sys.stdin:
    child = os.fork()
    if not child:
        code = 1
        try:
            pull_into(Home.find(line.strip()))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Pulls:
    """Pulls into homes, each in a process that can be killed."""

    def __init__(self, server):
        self._server = server
        self._pid = 0

    def start(self, home):
        self._server.stdin.write(f"{home}\n".encode())
        self._pid = int(self._server.stdout.readline())

    def has_ended(self):
        return bool(select.select([self._server.stdout], [], [], 0)[0])

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def code(self):
        """How it ended, waited for."""
        assert select.select([self._server.stdout], [], [], 120)[0], "the pull does not come to an end"
        return int(self._server.stdout.readline())


@pytest.fixture(scope="module")
def lrs():
    """Statements, voids before and after their targets, one that no rule allows."""
    with Lrs(page=PAGE) as server:
        for number in range(STATEMENTS):
            if number % 100 == 50:
                server.add(void(10_000 + number, statement(number + 7 if number % 200 == 50 else number - 7)))
            server.add(statement(number) if number != 1234 else b'{"id": "no uuid"}')
        # A voided statement is not told any more; here each is, as to one who asks before it is voided.
        server._voided = set
        yield server


@pytest.fixture
def pulls(environment, tmp_path):
    ours = {"HANDRAIL_LRS_MAIN_USERNAME": USERNAME, "HANDRAIL_LRS_MAIN_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT)}
    with (
        (tmp_path / "errors").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", PULLS],
            env={**environment, **ours},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
        ) as server,
    ):
        ours = Pulls(server)
        try:
            yield ours
        finally:
            ours.kill()
            server.kill()


@pytest.fixture
def new_home(lrs, tmp_path):
    def make(name):
        home = tmp_path / name
        home.mkdir()
        (home / "key").write_text(KEY, "ascii")
        (home / "handrail.toml").write_text(SETTINGS.format(endpoint=lrs.endpoint), "utf-8")
        return home

    return make


def found(home):
    """Statements, faults and the watermark; which commit a row came in differs, and says nothing of it."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        rows = warehouse.execute("SELECT * EXCLUDE (file_hash) FROM raw.statement ORDER BY ALL").fetchall()
        reasons = warehouse.execute("SELECT reason, count(*) FROM raw.quarantine GROUP BY ALL").fetchall()
        pull = warehouse.execute("SELECT watermark_at, is_open, continuation FROM ops.lrs_pull").fetchall()
    with duckdb.connect(str(home / "identity.duckdb"), read_only=True) as identity:
        identities = identity.execute("SELECT * FROM identifier ORDER BY ALL").fetchall()
    parts = (home / "archive" / "statement").rglob("*.parquet")
    archived = sorted(
        one for part in parts for one in pq.read_table(part, columns=["statement_id"])["statement_id"].to_pylist()
    )
    return {"rows": rows, "reasons": reasons, "pull": pull, "identities": identities, "archived": archived}


def test_killed_fifty_times_a_pull_has_every_statement_once(lrs, pulls, new_home, tmp_path):
    undisturbed = new_home("undisturbed")
    pulls.start(undisturbed)
    assert pulls.code() == 0, (tmp_path / "errors").read_text()
    wanted = found(undisturbed)
    assert len(wanted["rows"]) == len(wanted["archived"]) == STATEMENTS - 1 + STATEMENTS // 100
    moments = random.Random(20)  # noqa: S311 - moments, no secrets
    kills = homes = 0
    while kills < KILLS:
        homes += 1
        home = new_home(f"killed-{homes}")
        code = -signal.SIGKILL
        while code != 0:
            reached = len(lrs.requests) + moments.randint(1, 40)
            pause = moments.uniform(0, 0.15)
            pulls.start(home)
            # What is killed no more comes to its end.
            while kills < KILLS and len(lrs.requests) < reached and not pulls.has_ended():
                time.sleep(0.001)
            if kills < KILLS:
                time.sleep(pause)
                pulls.kill()
            code = pulls.code()
            assert code in {0, -signal.SIGKILL}, (tmp_path / "errors").read_text()
            kills += code != 0
        assert found(home) == wanted
        assert not list((home / "archive" / ".pending").glob("*"))
    assert homes > 1
