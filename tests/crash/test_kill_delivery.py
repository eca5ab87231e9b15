"""kill -9 while a night is delivered, then again: every digest and every post once; a request under way may come twice.

A night of the small world is published and dies before it tells anybody. From there delivery alone is killed at its
sharpest moments, and by the receiver itself while it holds the request; once the whole command goes on where it was.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from data_contracts.tables.alerts import DELIVERY
from tests.hook_server import SECRET, Receiver, documented

ROOT = Path(__file__).resolve().parents[2]
NIGHT = ("--source", "inbox", "--as-of", "2026-02-02")

# Runs a function, and kills the process where another of ours would be called for the n-th time or has returned from it.
KILLING = """
import importlib, os, signal, sys

def at(path):
    module, _, name = path.partition(":")
    *outer, last = name.split(".")
    owner = importlib.import_module(module)
    for part in outer:
        owner = getattr(owner, part)
    return owner, last

def kill_at(when, count, path):
    owner, name = at(path)
    original, calls = getattr(owner, name), 0

    def killing(*arguments, **named):
        nonlocal calls
        calls += 1
        if calls < count:
            return original(*arguments, **named)
        if when == "after":
            original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killing)
"""

RUN = (
    "from pipelines.cli import main\nkill_at(sys.argv[1], int(sys.argv[2]), sys.argv[3])\nsys.exit(main(sys.argv[4:]))"
)

# Delivers what the latest run of a home published.
DELIVER = """
from datetime import UTC
from pathlib import Path
from pipelines.home import Home
from pipelines.publish import BUILD_NAME, PublicationBuild
from pipelines.resources import Night
from pipelines.settings import load_settings
from pipelines.sinks import outbox
from pipelines.statements.identity import Pseudonyms, load_key
from pipelines.warehouse import Warehouse

if len(sys.argv) > 2:
    kill_at(sys.argv[2], int(sys.argv[3]), sys.argv[4])
home = Home(Path(sys.argv[1]))
settings = load_settings(home.settings_file)
with Warehouse.of(home, settings) as warehouse:
    run_id, at = warehouse.rows("SELECT run_id, observed_at FROM ops.run ORDER BY started_at DESC LIMIT 1")[0]
    night = Night(home, settings, home.inbox, at.replace(tzinfo=UTC), run_id, warehouse, Pseudonyms(load_key(
        home.key_file, has_identities=True)), PublicationBuild(warehouse.con, home.path / BUILD_NAME))
    outbox.write_down(night)
    outbox.deliver(night)
"""


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def posting(environment, receiver):
    """The environment of a home that posts."""
    return {
        **environment,
        "PYTHONPATH": str(ROOT),
        "HANDRAIL_WEBHOOK_URL": receiver.url,
        "HANDRAIL_WEBHOOK_SECRET": SECRET,
    }


def python(environment, code, *words):
    command = [sys.executable, "-c", KILLING + code, *(str(word) for word in words)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process):
    out, _ = process.communicate(timeout=300)
    return process.returncode, out


@pytest.fixture(scope="module")
def published(small_world, environment, tmp_path_factory):
    """A home whose night was published and killed before it was delivered."""
    home = tmp_path_factory.mktemp("published") / "home"
    words = ("before", 1, "pipelines.sinks.outbox:write_down", "run", *NIGHT, "--data", small_world, "--home", home)
    code, out = ended(python({**environment, "PYTHONPATH": str(ROOT)}, RUN, *words))
    assert code == -signal.SIGKILL, out
    assert (home / "marts.duckdb").exists()
    assert not list((home / "outbox").iterdir())
    return home


@pytest.fixture
def home(published, tmp_path, receiver):
    receiver.requests.clear()
    receiver.on_request = None
    return shutil.copytree(published, tmp_path / "home", symlinks=True)


def told(home):
    """Each file of the outbox, and what alerts.delivery says, but clock and attempts."""
    files = {str(path.relative_to(home)): path.read_bytes() for path in (home / "outbox").rglob("*") if path.is_file()}
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute(
            f"SELECT {', '.join(DELIVERY.stable_names)} FROM alerts.delivery ORDER BY delivery_id"
        ).fetchall()
    return files, rows


def requests(receiver):
    """How often each key came with each body."""
    return Counter((request.key, request.body) for request in receiver.requests)


@pytest.fixture(scope="module")
def undisturbed(published, posting, receiver, tmp_path_factory):
    """What was told by a delivery that nobody disturbed: files, rows, requests."""
    home = shutil.copytree(published, tmp_path_factory.mktemp("undisturbed") / "home", symlinks=True)
    receiver.requests.clear()
    code, out = ended(python(posting, DELIVER, home))
    assert code == 0, out
    files, rows = told(home)
    found = requests(receiver)
    assert len(files) >= 4
    assert len(found) >= 4
    assert set(found.values()) == {1}
    assert {row[DELIVERY.stable_names.index("delivery_state")] for row in rows} == {"sent"}
    return files, rows, found


def assert_told_once(home, undisturbed, receiver, repeated):
    """As undisturbed, but that at most so many requests came twice, the same to the byte."""
    files, rows, found = undisturbed
    assert told(home) == (files, rows)
    came = requests(receiver)
    assert came.keys() == found.keys()
    assert sum(came.values()) - len(came) == repeated
    assert max(came.values()) <= 2


@pytest.mark.parametrize(
    ("when", "count", "function", "repeated"),
    [
        ("before", 1, "pipelines.sinks.outbox:deliver", 0),
        ("after", 1, "pipelines.sinks.outbox:_merge", 0),
        ("before", 2, "pipelines.sinks.digest_files:sync", 0),
        ("after", 2, "pipelines.sinks.digest_files:write", 0),
        ("before", 2, "pipelines.sinks.webhook:Webhook.post", 0),
        ("after", 2, "pipelines.sinks.webhook:Webhook.post", 1),
        ("before", 1, "pipelines.runs:delivered", 0),
    ],
    ids=[
        "written down, nothing sent",
        "not even committed",
        "a digest in its place, its folder not synced",
        "a digest written, not marked",
        "one posted, the next not",
        "posted and answered, not marked",
        "all sent, the run not marked",
    ],
)
def test_killed_while_delivering_the_rest_is_told_and_nothing_twice_but_the_request_under_way(
    when, count, function, repeated, home, posting, receiver, undisturbed
):
    code, out = ended(python(posting, DELIVER, home, when, count, function))
    assert code == -signal.SIGKILL, out
    code, out = ended(python(posting, DELIVER, home))
    assert code == 0, out
    assert_told_once(home, undisturbed, receiver, repeated)


def test_killed_while_a_receiver_holds_the_request_it_comes_again_the_same_and_is_dropped_there(
    home, posting, receiver, undisturbed, tmp_path
):
    process = python(posting, DELIVER, home)
    receiver.on_request = lambda number: os.kill(process.pid, signal.SIGKILL) if number == 3 else None
    code, out = ended(process)
    assert code == -signal.SIGKILL, out
    receiver.on_request = None
    code, out = ended(python(posting, DELIVER, home))
    assert code == 0, out
    assert_told_once(home, undisturbed, receiver, 1)
    # The one that the receiver held, and no other.
    assert max(requests(receiver), key=requests(receiver).get)[0] == receiver.requests[2].key
    is_new = documented()["is_new"]
    kept = [request for request in receiver.requests if is_new(tmp_path / "seen.sqlite", request.key)]
    assert Counter((request.key, request.body) for request in kept) == undisturbed[2]


def test_the_same_command_delivers_what_a_killed_run_published_and_then_has_nothing_to_do(
    home, small_world, posting, receiver, undisturbed
):
    command = ["run", *NIGHT, "--data", small_world, "--home", home]
    code, out = ended(python(posting, "from pipelines.cli import main\nsys.exit(main(sys.argv[1:]))", *command))
    assert code in {0, 3}, out
    assert_told_once(home, undisturbed, receiver, 0)
    code, out = ended(python(posting, "from pipelines.cli import main\nsys.exit(main(sys.argv[1:]))", *command))
    assert code == 0, out
    assert "Nothing new" in out
    assert_told_once(home, undisturbed, receiver, 0)
