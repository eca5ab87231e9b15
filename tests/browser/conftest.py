"""What tests in a real browser share: Debian's Chromium, a page that tells which hosts it asked, the UI of a finished night.

Belongs here: starting and stopping. Does not belong here: what a page must show.
Screenshots are kept where HANDRAIL_SCREENSHOTS names a folder.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("handrail")
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPEN_SECONDS = 90


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [
        what
        for what, is_there in (
            ("playwright (`make dev` brings it)", importlib.util.find_spec("playwright")),
            ("Chromium (on Debian: apt-get install chromium)", any(map(shutil.which, _NAMES))),
        )
        if not is_there
    ]
    if missing and os.environ.get("HANDRAIL_REQUIRE_BROWSER") != "1":
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=f"needs {' and '.join(missing)}"))


@dataclass
class Look:
    """A page of the browser, and the hosts and errors that it has met."""

    page: Any
    folder: Path | None
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def at(self, address: str, name: str, *, wait: str = "main, body") -> str:
        """Open an address, keep a screenshot, and return the page's text."""
        self.page.goto(address)
        self.page.wait_for_selector(wait, timeout=1000 * _OPEN_SECONDS)
        self.page.wait_for_load_state("networkidle", timeout=1000 * _OPEN_SECONDS)
        self.shoot(name)
        return str(self.page.inner_text("body"))

    def shoot(self, name: str) -> None:
        if self.folder:
            self.page.screenshot(path=self.folder / f"{name}.png", full_page=True)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - an extra

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, _NAMES))), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def look(chromium: Any) -> Iterator[Callable[..., Look]]:
    """Open a page of a width, in light or dark; at the test's end no page may have asked another machine."""
    kept = os.environ.get("HANDRAIL_SCREENSHOTS")
    folder = Path(kept) if kept else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    opened: list[Look] = []

    def open_(*, width: int = 1500, scheme: str = "light") -> Look:
        context = chromium.new_context(viewport={"width": width, "height": 950}, color_scheme=scheme)
        seen = Look(context.new_page(), folder)
        seen.page.on("request", lambda request: seen.hosts.add(urlsplit(request.url).hostname or ""))
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        opened.append(seen)
        return seen

    yield open_
    for seen in opened:
        seen.page.context.close()
    # No host: what a page carries in itself (data:, blob:) or a file.
    assert {host for seen in opened for host in seen.hosts} <= {"127.0.0.1", ""}
    assert [error for seen in opened for error in seen.errors] == []


def free_port(*, neighbours: int = 1) -> int:
    """A port whose next ones are free as well."""
    while True:
        with contextlib.ExitStack() as held:
            first = held.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                for more in range(1, neighbours):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port + more))
            except OSError:
                continue
            return port


@contextlib.contextmanager
def served(words: list[object], address: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run a server as a process group of its own until the block ends."""
    with log.open("wb") as told:
        process = subprocess.Popen(
            [str(word) for word in words],
            env=environment,
            cwd=ROOT,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + _OPEN_SECONDS
        while not _answers(address):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < until, f"{address} does not answer: {log.read_text('utf-8')}"
            time.sleep(0.3)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except OSError:
        return False


@dataclass(frozen=True)
class Ui:
    """The address of Dagster's webserver, that of the reports, and the home that both show."""

    address: str
    reports: str
    home: Path


@pytest.fixture(scope="session")
def ui(demo: Any, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Ui]:
    """`handrail ui` on a copy of the demo's home."""
    home = tmp_path_factory.mktemp("ui") / "home"
    shutil.copytree(demo.home, home)
    port = free_port(neighbours=2)
    address = f"http://127.0.0.1:{port}"
    words = [COMMAND, "ui", "--home", home, "--port", port]
    with served(words, f"{address}/server_info", environment, home / "log" / "ui.txt"):
        yield Ui(address, f"http://127.0.0.1:{port + 1}", home)


def words_of(text: str) -> str:
    """Text in one line, as a person reads it."""
    return re.sub(r"\s+", " ", text)
