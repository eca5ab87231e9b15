"""What integration and crash tests share: the real command in this process, a small world, one way to compare marts.

Belongs here: fixtures that more than one folder of tests needs. Does not belong here: anything a unit test needs.
Dagster and DuckDB are imported where they are used, so that unit tests of pure modules stay light.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import settings

from data_contracts.tables.marts import MARTS

# A night on this world takes seconds; it has every input table, but too little history for a model.
SMALL_LEARNERS, SMALL_WEEKS = 50, 8

# Enough history for a model, and a row in every mart; a third of the time of the demo of `make run`.
DEMO_SETTINGS = 'source = "simulated"\nsimulated_learners = 300\nsimulated_weeks = 12\n'

COMMAND = Path(sys.executable).with_name("handrail")
KEY = "0123456789abcdef" * 4

# How long an example takes says how busy the machine is; benchmarks measure, tests do not.
settings.register_profile("handrail", deadline=None)
settings.load_profile("handrail")

# Hours of them, collected where their folder is named: `make soak`. Each has a quick version among the others.
collect_ignore = ["soak"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-golden", action="store_true", help="replace committed snapshots by what the code says now"
    )


@dataclass(frozen=True)
class Told:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment without settings of the machine the tests run on."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HANDRAIL_", "DAGSTER_"))}


@pytest.fixture(scope="session")
def handrail(environment: dict[str, str]) -> Callable[..., Told]:
    """Run `handrail WORD ...` in this process, as the console script does."""
    from pipelines.cli import main  # noqa: PLC0415 - see the module's docstring

    def run(*words: object) -> Told:
        # Settings and the Dagster home are the call's own, and so is what it sets.
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                code = main([str(word) for word in words])
            except SystemExit as usage:
                code = int(usage.code or 0)
        return Told(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home with a key of its own, so that two homes give the same pseudonyms."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    (folder / "key").write_text(KEY, "ascii")
    return folder


@dataclass(frozen=True)
class Demo:
    """A home after its first night on the simulated world, and what the command printed."""

    home: Path
    out: str
    err: str

    @property
    def marts(self) -> Path:
        return self.home / "marts.duckdb"

    @property
    def inbox(self) -> Path:
        return self.home / "simulated" / "inbox"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Demo:
    """The demo's first night, by the console script in a process and folder of its own; do not write into it."""
    home = tmp_path_factory.mktemp("demo") / "home"
    home.mkdir()
    (home / "handrail.toml").write_text(DEMO_SETTINGS, "utf-8")
    told = subprocess.run(
        [COMMAND, "run", "--source", "simulated", "--home", home],
        env=environment,
        cwd=tmp_path_factory.mktemp("elsewhere"),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert told.returncode == 0, told.stderr
    return Demo(home, told.stdout, told.stderr)


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated inbox, its snapshot beside it; do not write into it."""
    from pipelines.sources.simulated import SimulationSettings, simulate  # noqa: PLC0415 - see the module's docstring

    out = tmp_path_factory.mktemp("small") / "world"
    simulate(out, SimulationSettings(seed=3, learners=SMALL_LEARNERS, weeks=SMALL_WEEKS), on_progress=lambda _: None)
    return out / "inbox"


@pytest.fixture(scope="session")
def stable_rows() -> Callable[[Path], dict[str, list[tuple[Any, ...]]]]:
    """Read a marts file: each mart's rows in order, without the columns that two equal runs may differ in."""
    import duckdb  # noqa: PLC0415 - see the module's docstring

    def read(file: Path) -> dict[str, list[tuple[Any, ...]]]:
        with duckdb.connect(str(file), read_only=True) as marts:
            return {
                name: marts.execute(
                    f"SELECT {', '.join(chr(34) + column + chr(34) for column in table.stable_names)} FROM {name} ORDER BY ALL"
                ).fetchall()
                for name, table in MARTS.items()
            }

    return read
