"""Readers of the marts: without pause through many publications, and with clients of DuckDB of long ago.

Each reader is a process of its own that knows nothing of this repository but where the marts lie. Old clients stand in
environments of their own, made once in $HANDRAIL_TEST_CACHE (else ~/.cache/handrail-tests) from the package registry;
where one cannot be had its test is skipped and says why.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import venv
from datetime import date, datetime
from pathlib import Path
from queue import Empty, Queue

import duckdb
import pytest

from data_contracts.schema import Kind
from data_contracts.tables.marts import MARTS
from data_contracts.views import VIEWS
from pipelines.publish import BUILD_NAME, PublicationBuild, sweep

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dashboards.md"
PUBLICATIONS = 20
CLIENTS = ("1.0.0", "1.1.3", "1.4.4")
ROWS = 3

# Each prints, for each whole reading, the publication_ids it met. Nothing is caught: an error ends the reader.
READ_FILE = """
import duckdb, sys
while True:
    with duckdb.connect(sys.argv[1] + "/marts.duckdb", read_only=True) as con:
        names = [row[0] for row in con.execute(
            "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall()]
        found = {row[0] for name in names for row in con.execute(f"SELECT publication_id FROM {name}").fetchall()}
    print(len(names), *sorted(found), flush=True)
"""
READ_PARQUET = """
import duckdb, os, sys
while True:
    folder = os.path.realpath(sys.argv[1] + "/marts/current")
    names = os.listdir(folder)
    with duckdb.connect() as con:
        found = {row[0] for name in names for row in con.execute(
            "SELECT publication_id FROM read_parquet(?)", [os.path.join(folder, name)]
        ).fetchall()}
    print(len(names), *sorted(found), flush=True)
"""
READ_ALL = """
import duckdb, json, sys
with duckdb.connect(sys.argv[1] + "/marts.duckdb", read_only=True) as con:
    names = json.loads(sys.argv[2])
    rows = {name: con.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in names}
    columns = {name: [d[0] for d in con.execute(f"SELECT * FROM {name}").description] for name in names}
print(json.dumps({"version": duckdb.__version__, "columns": columns, "rows": rows}, default=str))
"""


class Publisher:
    """Publishes small marts, every one with rows, into a home's folders."""

    def __init__(self, home):
        self.home, self.parquet = home, home / "marts"
        self.parquet.mkdir(parents=True)

    def publish(self, publication_id):
        sweep(self.home, self.parquet)
        with duckdb.connect() as con:
            build = PublicationBuild(con, self.home / BUILD_NAME)
            for table in MARTS.values():
                columns = ", ".join(f"{literal(column)} AS {column.name}" for column in table.columns)
                rows = 1 if table.name == "publication" else ROWS
                build.write(table, f"SELECT {columns} FROM range({rows}) AS r(i)", publication_id)
            build.swap(self.home / "marts.duckdb", self.parquet, publication_id)


def literal(column):
    """A value of the column's type that differs from row to row, as SQL over `i`; every third is null where it may be."""
    value = {
        Kind.TEXT: f"'é € {column.name} ' || i",
        Kind.INTEGER: "i + 5_000_000_000",
        Kind.NUMBER: "i + 0.1",
        Kind.BOOLEAN: "i % 2 = 0",
        Kind.INSTANT: "TIMESTAMP '2026-03-02 04:05:06.789012' + to_days(i::INTEGER)",
        Kind.DATE: "DATE '2026-03-02' + i::INTEGER",
    }[column.field.kind]
    if column.name.endswith("_id"):
        value = f"'{column.name}-' || i"
    if column.field.values:
        value = f"'{column.field.values[0]}'"
    return value if column.is_required else f"CASE WHEN i < 2 THEN {value} END"


@contextlib.contextmanager
def reader(python, program, home):
    """A reader that polls without pause; yields a queue of its lines, whose last one is what it died of."""
    lines: Queue[str] = Queue()
    with subprocess.Popen(
        [python, "-c", program, str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:

        def pump():
            for line in process.stdout:
                lines.put(line.strip())

        thread = threading.Thread(target=pump, daemon=True)
        thread.start()
        try:
            yield lines
        finally:
            process.kill()
            thread.join()


def told_until(lines, publication_id):
    """The reader's lines up to the first that has met the publication."""
    told = []
    while not told or told[-1].split()[-1] != publication_id:
        try:
            told.append(lines.get(timeout=60))
        except Empty:
            pytest.fail(f"the reader said nothing more; at last: {told[-5:]}")
        assert "Error" not in told[-1], told[-5:]
    return told


@pytest.fixture
def publisher(tmp_path):
    return Publisher(tmp_path / "home")


@pytest.mark.parametrize(
    ("program", "relations"),
    [(READ_FILE, len(MARTS) + len(VIEWS)), (READ_PARQUET, len(MARTS))],
    ids=["file", "parquet"],
)
def test_a_reader_that_never_rests_sees_twenty_publications_without_an_error_or_a_mixture(
    publisher, program, relations
):
    publisher.publish("p100")
    told = []
    with reader(sys.executable, program, publisher.home) as lines:
        told += told_until(lines, "p100")
        for number in range(101, 100 + PUBLICATIONS):
            publisher.publish(f"p{number}")
            # The pointer keeps three folders, so that a reading has two more publications' time to end.
            told += told_until(lines, f"p{number}")
    readings = [line.split() for line in told]
    assert {len(words) for words in readings} == {2}, "a reading met more than one publication"
    assert {words[0] for words in readings} == {str(relations)}, "a reading missed a table"
    seen = [words[1] for words in readings]
    assert seen == sorted(seen), "a reader went back to an older publication"
    assert sorted(set(seen)) == [f"p{number}" for number in range(100, 100 + PUBLICATIONS)]


def test_a_reading_that_began_before_a_publication_ends_on_what_it_began_with(publisher):
    publisher.publish("p1")
    folder = os.path.realpath(publisher.parquet / "current")
    with duckdb.connect(str(publisher.home / "marts.duckdb"), read_only=True) as con:
        publisher.publish("p2")
        publisher.publish("p3")
        in_file = {row[0] for name in MARTS for row in con.execute(f"SELECT publication_id FROM {name}").fetchall()}
    with duckdb.connect() as con:
        in_folder = con.execute(f"SELECT DISTINCT publication_id FROM read_parquet('{folder}/*.parquet')").fetchall()
    assert in_file == {"p1"}
    assert in_folder == [("p1",)]


def client(version):
    """Python of an environment that has this DuckDB and nothing else."""
    cache = Path(os.environ.get("HANDRAIL_TEST_CACHE") or Path.home() / ".cache" / "handrail-tests")
    folder = cache / f"duckdb-{version}-python{sys.version_info.major}.{sys.version_info.minor}"
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
        told = subprocess.run(
            [*install, f"duckdb=={version}"], capture_output=True, text=True, check=False, timeout=300
        )
        if told.returncode != 0:
            pytest.skip(f"duckdb {version} cannot be installed: {told.stderr[-300:]}")
        done.touch()
    return python


@pytest.mark.real_clients
@pytest.mark.parametrize("version", CLIENTS)
def test_clients_of_long_ago_read_the_same_rows_of_every_mart_and_view(publisher, version):
    python = client(version)
    publisher.publish("p1")
    names = [*MARTS, *VIEWS]
    told = subprocess.run(
        [python, "-c", READ_ALL, str(publisher.home), json.dumps(names)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["version"] == version
    with duckdb.connect(str(publisher.home / "marts.duckdb"), read_only=True) as con:
        for name in names:
            contract = MARTS[name] if name in MARTS else VIEWS[name].table
            assert tuple(found["columns"][name]) == contract.column_names
            rows = con.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()
            assert found["rows"][name] == json.loads(json.dumps(rows, default=str)), name
        written = [row for name in MARTS for row in con.execute(f"SELECT * FROM {name}").fetchall()]
    assert len(written) == ROWS * len(MARTS) - (ROWS - 1)
    assert {type(value) for row in written for value in row} == {str, int, float, bool, datetime, date, type(None)}


@pytest.mark.real_clients
@pytest.mark.parametrize("version", CLIENTS)
def test_a_client_of_long_ago_polls_through_publications(publisher, version):
    python = client(version)
    publisher.publish("p1")
    with reader(python, READ_FILE, publisher.home) as lines:
        told = told_until(lines, "p1")
        for number in range(2, 6):
            publisher.publish(f"p{number}")
            told += told_until(lines, f"p{number}")
    assert {len(line.split()) for line in told} == {2}


def test_the_examples_of_the_page_on_dashboards_run_as_they_stand(publisher, tmp_path, monkeypatch, capfd):
    publisher.publish("p1")
    (tmp_path / "var").symlink_to(publisher.home)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(example, {})  # noqa: S102 - the page's own example
    told = capfd.readouterr().out
    assert "é € name" in told
    assert "roi_percent" in told


def test_the_copy_for_a_file_share_is_one_publication(publisher, tmp_path):
    command = re.search(r"^ +(folder=.*\n.*mv .*)$", PAGE.read_text("utf-8"), re.MULTILINE)[1]
    share = tmp_path / "share"
    share.mkdir()
    (tmp_path / "var").symlink_to(publisher.home)
    for publication_id in ("p1", "p2"):
        publisher.publish(publication_id)
        subprocess.run(["sh", "-ec", command.replace("/srv/share", str(share))], cwd=tmp_path, check=True)
        assert sorted(path.stem for path in (share / "marts").iterdir()) == sorted(MARTS)
        with duckdb.connect() as con:
            found = con.execute(
                f"SELECT DISTINCT publication_id FROM read_parquet('{share}/marts/*.parquet')"
            ).fetchall()
        assert found == [(publication_id,)]
        assert [path.name for path in share.iterdir()] == ["marts"]
