"""An open night over a real, empty warehouse, and short ways to put rows and files into it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data_contracts.tables.inputs import INPUTS
from pipelines.home import Home
from pipelines.publish import BUILD_NAME, PublicationBuild
from pipelines.resources import Night
from pipelines.settings import Settings
from pipelines.sources.record import Recorder
from pipelines.sources.take_in import take_in
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

OBSERVED = datetime(2024, 3, 13, tzinfo=UTC)
EXPERIENCED = "http://adlnet.gov/expapi/verbs/experienced"


@dataclass(frozen=True)
class House:
    """A night with its inbox: deliver files, take them in, read what came of it."""

    night: Night
    inbox: Path

    @property
    def warehouse(self) -> Warehouse:
        return self.night.warehouse

    def observed(self, text: str) -> House:
        """The same house as seen at another instant."""
        return replace(self, night=replace(self.night, observed_at=datetime.fromisoformat(text).replace(tzinfo=UTC)))

    def deliver(self, table: str, name: str, content: str | bytes) -> Path:
        """Put a file into the inbox's folder of a table (`xapi` for statements)."""
        folder = self.inbox / table
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def take(self, *tables: str) -> Mapping[str, int]:
        """Take the tables in that a test names; all by default, in the order of a run."""
        return take_in(self.night, tables or (*INPUTS, "xapi"))

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self.warehouse.rows(sql, values)

    def faults(self) -> list[tuple[Any, ...]]:
        """(table, line, column, reason) of everything in quarantine, by line."""
        return self.rows("SELECT table_name, line_number, column_name, reason FROM raw.quarantine ORDER BY ALL")

    def add(self, table: str, **values: object) -> None:
        """Insert one row; what is not given is null, and a row of an input was always known."""
        schema, _, name = table.partition(".")
        if schema == "raw" and name not in {"file", "quarantine", "statement"}:
            values = {"known_at": datetime(1970, 1, 1), "is_known_at_assumed": True, **values}  # noqa: DTZ001
        if table == "raw.statement":
            values = _statement_row(values)
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" for _ in values)
        self.warehouse.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values.values())


def _statement_row(values: dict[str, Any]) -> dict[str, Any]:
    happened = values.get("happened_at", "2024-03-01 12:00:00")
    row = {
        "identity_id": "i-ana",
        "actor_kind": "agent",
        "verb_iri": EXPERIENCED,
        "object_kind": "activity",
        "object_iri": "https://lms.test/page",
        "event_count": 1,
        "happened_at": happened,
        "known_at": happened,
        "is_known_at_assumed": False,
        "content_hash": f"content of {values['statement_id']}",
        "source_name": "inbox",
        "file_hash": "file",
    }
    return row | values


@pytest.fixture(scope="session")
def empty_stores(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Stores with every table and no row; copied, since making the tables costs more than most tests."""
    home = Home(tmp_path_factory.mktemp("empty"))
    with Warehouse(home.warehouse_file, home.identity_file, threads=1, memory_limit="1GB"):
        return home


@pytest.fixture
def house(tmp_path: Path, empty_stores: Home) -> Iterator[House]:
    """An empty house, observed at the first instant of 2024-03-13 (UTC)."""
    home = Home(tmp_path / "home")
    home.create()
    shutil.copy(empty_stores.warehouse_file, home.warehouse_file)
    shutil.copy(empty_stores.identity_file, home.identity_file)
    settings = Settings(timezone="UTC", threads=1, memory_limit="1GB", inbox_settle_seconds=0)
    with ExitStack() as stack:
        warehouse = stack.enter_context(
            Warehouse(home.warehouse_file, home.identity_file, threads=1, memory_limit="1GB")
        )
        night = Night(
            home=home,
            settings=settings,
            data=home.inbox,
            observed_at=OBSERVED,
            run_id="run-1",
            warehouse=warehouse,
            pseudonyms=Pseudonyms(b"k" * 32),
            build=PublicationBuild(warehouse.con, home.path / BUILD_NAME),
        )
        yield House(night, home.inbox)


@pytest.fixture
def recorder(house: House) -> Recorder:
    """A recorder into the house's warehouse."""
    return Recorder(house.warehouse)


@pytest.fixture
def statement() -> Callable[..., dict[str, Any]]:
    """A valid statement with the given parts replaced; a part given as None is left out."""

    def make(**parts: Any) -> dict[str, Any]:
        made = {
            "actor": {"mbox": "mailto:ana@example.org"},
            "verb": {"id": EXPERIENCED},
            "object": {"id": "https://lms.test/page"},
            "timestamp": "2024-03-01T12:00:00Z",
        } | parts
        return {name: part for name, part in made.items() if part is not None}

    return make


@pytest.fixture
def lines() -> Callable[[Sequence[Mapping[str, Any]]], bytes]:
    """Statements as NDJSON."""

    def write(statements: Sequence[Mapping[str, Any]]) -> bytes:
        return b"".join(json.dumps(one).encode() + b"\n" for one in statements)

    return write


@pytest.fixture
def warehouse(house: House) -> Warehouse:
    """An empty warehouse alone."""
    return house.warehouse
