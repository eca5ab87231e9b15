"""Pulls from a real Learning Record Store that others wrote: ralph, on loopback, in an environment of its own.

The environment is made once, in $HANDRAIL_TEST_CACHE (else ~/.cache/handrail-tests), from the package registry; where
that cannot be had the test is skipped and says why. What ralph 5.1 does in its own way on its file backend: each page
comes in reverse, `since` looks at `timestamp`, there is no Consistent-Through, voided statements are still returned.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import venv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from data_contracts.errors import PermanentError
from pipelines.home import Home
from pipelines.settings import LrsSettings
from pipelines.sources.lrs.pull import pull
from pipelines.sources.record import Recorder
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse
from tests.lrs_server import statement

RALPH = "ralph-malph[full]==5.1.0"
STATEMENTS, BATCH = 50_000, 5_000
USERNAME, PASSWORD = "reader", "correct-horse"

# A POST after the first one fails unless the file backend appends.
SERVE = """
import sys
import uvicorn
from ralph.backends.data.base import BaseOperationType
from ralph.backends.data.fs import FSDataBackend
FSDataBackend.default_operation_type = BaseOperationType.APPEND
from ralph.api import app
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""

pytestmark = pytest.mark.real_lrs


@pytest.fixture(scope="module")
def ralph_python():
    """Python of an environment that has ralph."""
    cache = Path(os.environ.get("HANDRAIL_TEST_CACHE") or Path.home() / ".cache" / "handrail-tests")
    folder = cache / f"ralph-5.1.0-python{sys.version_info.major}.{sys.version_info.minor}"
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        told = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", RALPH],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if told.returncode != 0:
            pytest.skip(f"{RALPH} cannot be installed: {told.stderr[-300:]}")
        done.touch()
    return python


@pytest.fixture(scope="module")
def ralph(ralph_python, tmp_path_factory):
    """The address of a running ralph that knows one reader."""
    folder = tmp_path_factory.mktemp("ralph")
    hashed = subprocess.run(
        [
            ralph_python,
            "-c",
            "import bcrypt, sys; print(bcrypt.hashpw(sys.argv[1].encode(), bcrypt.gensalt(4)).decode())",
            PASSWORD,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()
    reader = {
        "username": USERNAME,
        "hash": hashed,
        "scopes": ["all"],
        "agent": {"mbox": "mailto:reader@example.org"},
    }
    (folder / "auth.json").write_text(json.dumps([reader]), "utf-8")
    (folder / "serve.py").write_text(SERVE, "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RALPH_", "PYTHON"))}
    environment |= {
        "RALPH_APP_DIR": str(folder),
        "RALPH_AUTH_FILE": str(folder / "auth.json"),
        "RALPH_RUNSERVER_BACKEND": "fs",
        "RALPH_RUNSERVER_MAX_SEARCH_HITS_COUNT": str(BATCH),
        "RALPH_BACKENDS__LRS__FS__DEFAULT_DIRECTORY_PATH": str(folder),
        "RALPH_BACKENDS__LRS__FS__DEFAULT_LRS_FILE": "statements.jsonl",
    }
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [ralph_python, folder / "serve.py", str(port)], env=environment, cwd=folder, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield _awaited(f"http://127.0.0.1:{port}/xAPI", process, log)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _awaited(endpoint, process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(f"{endpoint.removesuffix('/xAPI')}/__lbheartbeat__", timeout=2)
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return endpoint
    pytest.fail(f"ralph does not answer: {log.read_text('utf-8', 'replace')[-2000:]}")


def post(endpoint, numbers):
    """Store statements, which happen now, since ralph's `since` looks at that."""
    numbers = list(numbers)
    for start in range(0, len(numbers), BATCH):
        at = datetime.now(UTC)
        batch = [
            statement(number, timestamp=(at + timedelta(microseconds=place)).isoformat())
            for place, number in enumerate(numbers[start : start + BATCH])
        ]
        told = requests.post(
            f"{endpoint}/statements",
            json=batch,
            auth=(USERNAME, PASSWORD),
            headers={"X-Experience-API-Version": "1.0.3"},
            timeout=60,
        )
        assert told.status_code == 200, told.text[:500]


def test_fifty_thousand_statements_are_pulled_once_and_then_only_what_is_new(ralph, tmp_path, monkeypatch):
    monkeypatch.setenv("HANDRAIL_LRS_RALPH_USERNAME", USERNAME)
    monkeypatch.setenv("HANDRAIL_LRS_RALPH_PASSWORD", "wrong")
    lrs = LrsSettings(name="ralph", endpoint=ralph, page_limit=BATCH, overlap_minutes=0)
    post(ralph, range(STATEMENTS))
    # The watermark is at most the store's clock in whole seconds.
    time.sleep(1.1)
    home = Home(tmp_path / "home")
    home.create()
    with Warehouse(home.warehouse_file, home.identity_file, threads=2, memory_limit="2GB") as warehouse:

        def pulled():
            (outcome,) = pull([lrs], Recorder(warehouse), Pseudonyms(b"k" * 32))
            return outcome

        refused = pulled()
        assert isinstance(refused.error, PermanentError)
        assert "LRS 'ralph' answers 401: it refuses our credentials" in str(refused.error)
        assert "HANDRAIL_LRS_RALPH_PASSWORD" in str(refused.error)

        monkeypatch.setenv("HANDRAIL_LRS_RALPH_PASSWORD", PASSWORD)
        first = pulled()
        assert (first.error, first.is_complete, first.rows, first.refused) == (None, True, STATEMENTS, 0)
        assert (first.statements, first.repeated) == (STATEMENTS, 0)

        post(ralph, range(STATEMENTS, STATEMENTS + 100))
        second = pulled()
        assert (second.error, second.is_complete, second.rows) == (None, True, 100)
        # ralph's `since` is of one second, ours of a thousandth: one statement may come twice, the 50,000 never.
        assert second.statements <= 100 + BATCH
        found = warehouse.rows(
            "SELECT count(*), count(DISTINCT statement_id), min(statement_id), max(statement_id) FROM raw.statement"
        )
        assert found == [(STATEMENTS + 100, STATEMENTS + 100, statement(0)["id"], statement(STATEMENTS + 99)["id"])]
