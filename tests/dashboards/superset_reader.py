"""A real dashboard product in front of the marts, in one long-lived process, while publications change.

    python3.11 -m venv ENV
    ENV/bin/pip install 'apache-superset[duckdb]==6.1.0' flask-caching==2.3.1 rich cachetools gunicorn
    .venv/bin/python tests/dashboards/superset_reader.py ENV --home HOME [--publications N] [--nights N] [--look]

HOME is a home after a night; it is copied, never written. What is printed is the table of docs/dashboards.md. Superset
is served on 127.0.0.1 by one gunicorn process; three clients ask for the saved chart without pause, each time forced,
so that no answer comes from a cache. `--nights` runs whole nights of the command meanwhile, a day later each; `--look`
keeps a picture of the dashboard before and after, by Chromium.

Belongs here: how Superset is set up, asked and judged. Does not belong here: the readers that need no product
(`tests/integration/test_readers.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data_contracts.tables.marts import MARTS
from pipelines.publish import BUILD_NAME, PublicationBuild, sweep

CLIENTS, PATIENCE_SECONDS = 3, 180
VIEW = "view_alerts_by_programme"

CONFIG = """
import os
SECRET_KEY = os.environ["DASHBOARD_SECRET"]
SQLALCHEMY_DATABASE_URI = "sqlite:///" + os.environ["DASHBOARD_FOLDER"] + "/superset.db"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
FEATURE_FLAGS = {"EMBEDDED_SUPERSET": False}
"""

ALERTS = {"expressionType": "SQL", "sqlExpression": "SUM(alerts_count)", "label": "alerts"}
SERVED = {"expressionType": "SQL", "sqlExpression": "SUM(served_alerts_count)", "label": "served"}


@dataclass
class Answer:
    """What a client was told: when, from which publications, and how many alerts."""

    at: float
    seconds: float
    publications: frozenset[str]
    alerts: int


@dataclass
class Asked:
    """All that the clients were told, and what went wrong."""

    answers: list[Answer] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Superset:
    """A running Superset and its administrator's session."""

    def __init__(self, address: str, password: str) -> None:
        self.address, self.password = address, password
        self.session = requests.Session()
        self.session.trust_env = False
        told = self._call(
            "POST",
            "security/login",
            {"username": "admin", "password": password, "provider": "db", "refresh": True},
        )
        self.session.headers["Authorization"] = f"Bearer {told['access_token']}"

    def _call(self, method: str, path: str, sent: object = None) -> Any:
        answer = self.session.request(method, f"{self.address}/api/v1/{path}", json=sent, timeout=60)
        if not answer.ok:
            message = f"{path}: {answer.status_code} {answer.text[:400]}"
            raise RuntimeError(message)
        return answer.json()

    def make_dashboard(self, marts: Path) -> tuple[int, int]:
        """Connect the marts, make a chart of a view and a dashboard with it; returns their ids."""
        database = self._call(
            "POST",
            "database/",
            {"database_name": "marts", "sqlalchemy_uri": f"duckdb:///{marts}?access_mode=read_only"},
        )["id"]
        dataset = self._call("POST", "dataset/", {"database": database, "schema": "main", "table_name": VIEW})["id"]
        source = f"{dataset}__table"
        context = {
            "datasource": {"id": dataset, "type": "table"},
            "force": True,
            "queries": [
                {"columns": ["programme_name", "publication_id"], "metrics": [ALERTS, SERVED], "row_limit": 1000}
            ],
            "result_format": "json",
            "result_type": "full",
        }
        shown = {
            "datasource": source,
            "viz_type": "table",
            "query_mode": "aggregate",
            "groupby": ["programme_name", "publication_id"],
            "metrics": [ALERTS, SERVED],
            "row_limit": 1000,
        }
        chart = self._call(
            "POST",
            "chart/",
            {
                "slice_name": "Open alerts by programme",
                "viz_type": "table",
                "datasource_id": dataset,
                "datasource_type": "table",
                "params": json.dumps(shown),
                "query_context": json.dumps(context | {"form_data": shown}),
            },
        )["id"]
        position = {
            "DASHBOARD_VERSION_KEY": "v2",
            "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
            "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": ["ROW-1"], "parents": ["ROOT_ID"]},
            "ROW-1": {
                "type": "ROW",
                "id": "ROW-1",
                "children": ["CHART-1"],
                "parents": ["ROOT_ID", "GRID_ID"],
                "meta": {"background": "BACKGROUND_TRANSPARENT"},
            },
            "CHART-1": {
                "type": "CHART",
                "id": "CHART-1",
                "children": [],
                "parents": ["ROOT_ID", "GRID_ID", "ROW-1"],
                "meta": {"chartId": chart, "width": 8, "height": 50, "sliceName": "Open alerts by programme"},
            },
        }
        dashboard = self._call(
            "POST",
            "dashboard/",
            {"dashboard_title": "Tonight", "published": True, "position_json": json.dumps(position)},
        )["id"]
        self._call("PUT", f"chart/{chart}", {"dashboards": [dashboard]})
        return chart, dashboard

    def ask(self, chart: int) -> Answer:
        """Ask for the saved chart, past any cache."""
        started = time.monotonic()
        rows = self._call("GET", f"chart/{chart}/data/?force=true")["result"][0]["data"]
        ended = time.monotonic()
        return Answer(
            ended,
            ended - started,
            frozenset(str(row["publication_id"]) for row in rows),
            sum(int(row["alerts"]) for row in rows),
        )


@contextlib.contextmanager
def superset(environment: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Set Superset up in the folder and serve it; yields its address and the administrator's password."""
    (folder / "superset_config.py").write_text(CONFIG, "utf-8")
    password = secrets.token_urlsafe(12)
    given = {name: value for name, value in os.environ.items() if not name.startswith(("HANDRAIL_", "PYTHON"))} | {
        "SUPERSET_CONFIG_PATH": str(folder / "superset_config.py"),
        "SUPERSET_HOME": str(folder),
        "FLASK_APP": "superset.app:create_app()",
        "DASHBOARD_SECRET": secrets.token_urlsafe(32),
        "DASHBOARD_FOLDER": str(folder),
    }
    log = folder / "log"
    bin_ = environment / "bin"
    person = ["--username", "admin", "--firstname", "a", "--lastname", "b", "--email", "admin@example.org"]
    with log.open("wb") as output:
        for words in (["db", "upgrade"], ["fab", "create-admin", *person, "--password", password], ["init"]):
            subprocess.run([bin_ / "superset", *words], env=given, cwd=folder, stdout=output, stderr=output, check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        serve = ["-w", "1", "-k", "gthread", "--threads", "4", "--timeout", "120", "-b", f"127.0.0.1:{port}"]
        with subprocess.Popen(
            [bin_ / "gunicorn", *serve, "superset.app:create_app()"],
            env=given,
            cwd=folder,
            stdout=output,
            stderr=output,
        ) as process:
            try:
                address = f"http://127.0.0.1:{port}"
                _await(f"{address}/health", process, log)
                yield address, password
            finally:
                process.terminate()
                process.wait(30)


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(address, timeout=5).ok:
                return
        time.sleep(0.3)
    message = f"Superset did not start; see {log}"
    raise RuntimeError(message)


def publish(source: Path, home: Path, number: int) -> str:
    """Publish the source's marts anew under another id, with so many alerts; returns the id."""
    publication_id = f"p{number}"
    sweep(home, home / "marts")
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{source}' AS source (READ_ONLY)")
        build = PublicationBuild(con, home / BUILD_NAME)
        for name, table in MARTS.items():
            some = f" ORDER BY alert_id LIMIT {number}" if name == "learner_alerts" else ""
            build.write(table, f"SELECT * FROM source.main.{name}{some}", publication_id)
        build.swap(home / "marts.duckdb", home / "marts", publication_id)
    return publication_id


def night(home: Path, observed_on: date) -> str:
    """Run a whole night; returns its publication_id."""
    command = [Path(sys.executable).with_name("handrail"), "run", "--home", home, "--as-of", str(observed_on)]
    told = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if told.returncode not in (0, 3):
        raise RuntimeError(told.stderr[-800:])
    return expected(home)[0]


def expected(home: Path) -> tuple[str, int]:
    """publication_id and open alerts of what is published, as another process reads them."""
    code = (
        "import duckdb, sys; con = duckdb.connect(sys.argv[1], read_only=True); "
        f"print(*con.execute('SELECT min(publication_id), sum(alerts_count) FROM {VIEW}').fetchall()[0])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(home / "marts.duckdb")], capture_output=True, text=True, check=True
    ).stdout.split()
    return told[0], int(told[1])


def look(at: Superset, dashboard: int, picture: Path) -> None:
    """Take a picture of the dashboard as its reader sees it."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only with --look

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1200, "height": 700})
        page.goto(f"{at.address}/login/")
        page.fill("input[name=username], #username", "admin")
        page.fill("input[name=password], #password", at.password)
        page.press("input[name=password], #password", "Enter")
        page.wait_for_url("**/superset/welcome/**", timeout=60_000)
        page.goto(f"{at.address}/superset/dashboard/{dashboard}/")
        page.wait_for_selector("text=Open alerts by programme", timeout=60_000)
        page.wait_for_selector("table tbody tr", timeout=60_000)
        page.screenshot(path=str(picture))
        browser.close()


def main() -> int:
    """Run all of it and print the figures; 1 where an answer was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("environment", type=Path, help="environment that has Superset")
    parser.add_argument("--home", type=Path, required=True, help="home after a night; copied")
    parser.add_argument("--publications", type=int, default=6, help="publications of the same marts with fewer alerts")
    parser.add_argument("--nights", type=int, default=0, help="whole nights after them")
    parser.add_argument("--look", action="store_true", help="keep pictures of the dashboard")
    parser.add_argument("--folder", type=Path, help="where Superset's files, the copy and the pictures go")
    given = parser.parse_args()
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="superset-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    home, source = folder / "home", folder / "source.duckdb"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(given.home, home, symlinks=True)
    shutil.copyfile(home / "marts.duckdb", source)
    with superset(given.environment.resolve(), folder) as (address, password):
        return _watch(Superset(address, password), given, folder, home, source)


def _watch(reader: Superset, given: argparse.Namespace, folder: Path, home: Path, source: Path) -> int:
    publish(source, home, 400)
    chart, dashboard = reader.make_dashboard(home / "marts.duckdb")
    truth = dict([expected(home)])
    swapped: dict[str, float] = {}
    asked, over = Asked(), threading.Event()

    def poll() -> None:
        while not over.is_set():
            try:
                asked.answers.append(reader.ask(chart))
            except (RuntimeError, requests.RequestException) as fault:
                asked.errors.append(str(fault))

    if given.look:
        look(reader, dashboard, folder / "before.png")
    threads = [threading.Thread(target=poll) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    with duckdb.connect(str(source), read_only=True) as con:
        observed_on = con.execute("SELECT observed_at FROM publication").fetchall()[0][0].date()
    try:
        for number in range(given.publications + given.nights):
            time.sleep(2)
            if number < given.publications:
                publication_id = publish(source, home, 300 - number)
            else:
                publication_id = night(home, observed_on + timedelta(days=number - given.publications + 1))
            swapped[publication_id] = time.monotonic()
            truth |= dict([expected(home)])
        time.sleep(3)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if given.look:
        look(reader, dashboard, folder / "after.png")
    return _judge(asked, truth, swapped)


def _judge(asked: Asked, truth: dict[str, int], swapped: dict[str, float]) -> int:
    mixed = [one for one in asked.answers if len(one.publications) != 1]
    wrong = [one for one in asked.answers if len(one.publications) == 1 and one.alerts != truth[min(one.publications)]]
    fresh = [
        min((one.at for one in asked.answers if publication_id in one.publications), default=float("inf")) - at
        for publication_id, at in swapped.items()
    ]
    order = list(truth)
    late = [
        one
        for one in asked.answers
        for publication_id, at in swapped.items()
        if one.at - one.seconds > at and order.index(min(one.publications)) < order.index(publication_id)
    ]
    rows = [
        ("answers", len(asked.answers)),
        ("errors", len(asked.errors)),
        ("mixed", len(mixed)),
        ("wrong counts", len(wrong)),
        ("answers from an older file, asked after the swap", len(late)),
        ("publications seen", f"{sum(one < float('inf') for one in fresh)} of {len(swapped)}"),
        ("seconds until first seen, median and most", f"{median(fresh):.2f} and {max(fresh):.2f}"),
        ("seconds an answer took, median", f"{median(one.seconds for one in asked.answers):.2f}"),
    ]
    sys.stdout.writelines(f"{name:50} {value}\n" for name, value in rows)
    sys.stdout.writelines(f"error: {fault}\n" for fault in asked.errors[:3])
    return int(bool(asked.errors or mixed or wrong or max(fresh) == float("inf")))


if __name__ == "__main__":
    raise SystemExit(main())
