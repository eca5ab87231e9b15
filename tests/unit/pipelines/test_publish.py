"""The swap: readers see yesterday's marts or today's, whole, at whatever step a run is killed."""

from __future__ import annotations

import os
import subprocess
import sys

import duckdb
import pytest

from data_contracts.errors import GateError, PermanentError
from data_contracts.tables.marts import MARTS
from data_contracts.views import VIEWS
from pipelines import publish
from pipelines.publish import BUILD_NAME, PublicationBuild, sweep

# Three marts are enough to see a mixture, and keep the many kills cheap.
FEW = {name: MARTS[name] for name in ("publication", "dim_programme", "dim_learner")}


class KilledError(BaseException):
    """Stands for kill -9: nothing may catch it."""


@pytest.fixture(autouse=True)
def _few_marts(monkeypatch):
    monkeypatch.setattr(publish, "MARTS", FEW)
    monkeypatch.setattr(publish, "VIEWS", {})


class Site:
    """A home's marts: publish into it, read from it."""

    def __init__(self, home):
        self.home, self.marts_file, self.parquet = home, home / "marts.duckdb", home / "marts"
        self.parquet.mkdir(parents=True)

    def publish(self, publication_id, *, marts=FEW):
        sweep(self.home, self.parquet)
        with duckdb.connect() as con:
            build = PublicationBuild(con, self.home / BUILD_NAME)
            for table in marts.values():
                row = ", ".join(f'NULL AS "{name}"' for name in table.column_names)
                build.write(table, f"SELECT {row}", publication_id)
            build.swap(self.marts_file, self.parquet, publication_id)

    def read_from_another_process(self):
        """publication_ids in marts.duckdb, over all its tables."""
        query = " UNION ".join(f"SELECT publication_id FROM {name}" for name in FEW)
        code = "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True).execute(sys.argv[2]).fetchall())"
        told = subprocess.run(
            [sys.executable, "-c", code, str(self.marts_file), query], capture_output=True, text=True, check=True
        )
        return told.stdout.strip()

    def in_file(self):
        with duckdb.connect(str(self.marts_file), read_only=True) as con:
            return {row[0] for name in FEW for row in con.execute(f"SELECT publication_id FROM {name}").fetchall()}

    def in_parquet(self):
        with duckdb.connect() as con:
            found = [
                con.execute(
                    "SELECT publication_id FROM read_parquet(?)", [str(self.parquet / "current" / f"{name}.parquet")]
                )
                for name in FEW
            ]
            return {row[0] for result in found for row in result.fetchall()}


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "home")


def test_what_is_built_is_published_in_both_forms(site):
    site.publish("p1")
    assert site.in_file() == {"p1"}
    assert site.in_parquet() == {"p1"}
    assert os.readlink(site.parquet / "current") == "p1"


def test_a_mart_has_its_contracts_columns_and_types_and_no_key_or_index(site):
    site.publish("p1")
    with duckdb.connect(str(site.marts_file), read_only=True) as con:
        for name, table in FEW.items():
            found = [(row[0], row[1]) for row in con.execute(f"DESCRIBE {name}").fetchall()]
            assert found == [(column.name, column.sql_type) for column in table.columns]
        assert con.execute("FROM duckdb_constraints()").fetchall() == []
        assert con.execute("FROM duckdb_indexes()").fetchall() == []


def test_views_are_published_by_names_without_the_database_and_the_connection_stays_where_it_was(site, monkeypatch):
    monkeypatch.setattr(publish, "MARTS", MARTS)
    monkeypatch.setattr(publish, "VIEWS", VIEWS)
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA risk; USE memory.risk")
        build = PublicationBuild(con, site.home / BUILD_NAME)
        for table in MARTS.values():
            build.write(table, f"SELECT {', '.join(f'NULL AS {name}' for name in table.column_names)}", "p1")
        build.swap(site.marts_file, site.parquet, "p1")
        assert con.execute("SELECT current_database(), current_schema()").fetchall() == [("memory", "risk")]
    with duckdb.connect(str(site.marts_file), read_only=True) as con:
        found = dict(con.execute("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal").fetchall())
        assert set(found) == set(VIEWS)
        assert [name for name, sql in found.items() if "building" in sql] == []
        for name, view in VIEWS.items():
            described = [(row[0], row[1]) for row in con.execute(f"DESCRIBE {name}").fetchall()]
            assert described == [(column.name, column.sql_type) for column in view.table.columns], name
    assert sorted(path.stem for path in (site.parquet / "p1").iterdir()) == sorted(MARTS)


def test_old_clients_can_read_the_file(site):
    site.publish("p1")
    with duckdb.connect(str(site.marts_file), read_only=True) as con:
        tags = con.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'marts'").fetchall()[0][0]
    assert tags["storage_version"].startswith("v1.0.0")


def test_an_old_reader_keeps_its_snapshot_and_a_new_one_sees_the_new_file(site):
    site.publish("p1")
    with duckdb.connect(str(site.marts_file), read_only=True) as old:
        site.publish("p2")
        assert old.execute("SELECT publication_id FROM dim_programme").fetchall() == [("p1",)]
        assert site.read_from_another_process() == "[('p2',)]"


def test_a_missing_mart_is_named_and_yesterdays_stay(site):
    site.publish("p1")
    without = {name: table for name, table in FEW.items() if name != "dim_learner"}
    with pytest.raises(GateError, match="dim_learner was not built; the marts of the last publication stay"):
        site.publish("p2", marts=without)
    assert site.in_file() == site.in_parquet() == {"p1"}


def test_a_leftover_wal_is_refused_since_it_would_corrupt_what_readers_see(site):
    site.publish("p1")
    wal = site.home / "marts.duckdb.wal"
    wal.write_bytes(b"left by another program")
    with pytest.raises(PermanentError, match=r"marts\.duckdb\.wal lies beside marts\.duckdb"):
        site.publish("p2")
    assert wal.exists()
    wal.unlink()
    assert site.in_file() == site.in_parquet() == {"p1"}


def test_three_publications_are_kept(site):
    for number in range(1, 6):
        site.publish(f"p{number}")
        written = 1_700_000_000 + number
        os.utime(site.parquet / f"p{number}", (written, written))
    assert sorted(path.name for path in site.parquet.iterdir()) == ["current", "p3", "p4", "p5"]


def test_a_publication_under_an_id_that_stands_replaces_it(site):
    site.publish("p1")
    (site.parquet / "p1" / "left.parquet").write_bytes(b"of before")
    site.publish("p1")
    assert sorted(path.name for path in (site.parquet / "p1").iterdir()) == sorted(f"{name}.parquet" for name in FEW)
    assert sorted(path.name for path in site.parquet.iterdir()) == ["current", "p1"]


def test_the_sweep_removes_what_is_half_built_and_nothing_else(site):
    site.publish("p1")
    (site.home / BUILD_NAME).write_bytes(b"half")
    (site.home / f"{BUILD_NAME}.wal").write_bytes(b"half")
    (site.parquet / ".p2.building").mkdir()
    (site.parquet / ".p2.building" / "course.parquet").write_bytes(b"half")
    (site.parquet / ".current.building").symlink_to("p1")
    assert sweep(site.home, site.parquet) == [".current.building", BUILD_NAME, f"{BUILD_NAME}.wal", ".p2.building"]
    assert sorted(path.name for path in site.home.iterdir()) == ["marts", "marts.duckdb"]
    assert site.in_file() == site.in_parquet() == {"p1"}
    assert sweep(site.home, site.parquet) == []


def kill_at(monkeypatch, step):
    """Let the step-th os.replace or os.fsync of the run kill it; returns the names of the steps taken."""
    taken = []

    def killing(name, function):
        def call(*arguments):
            taken.append(name)
            if len(taken) == step:
                raise KilledError
            return function(*arguments)

        return call

    for name in ("replace", "fsync"):
        monkeypatch.setattr(os, name, killing(name, getattr(os, name)))
    return taken


def steps_of_a_swap(site, monkeypatch, publication_id):
    with monkeypatch.context() as patch:
        taken = kill_at(patch, 0)
        site.publish(publication_id)
    return taken


def test_whenever_a_run_is_killed_readers_have_yesterdays_marts_or_todays_and_a_rerun_publishes(tmp_path, monkeypatch):
    rehearsal = Site(tmp_path / "rehearsal")
    rehearsal.publish("p1")
    steps = steps_of_a_swap(rehearsal, monkeypatch, "p2")
    assert steps.count("replace") == 3

    file_swap = [number for number, name in enumerate(steps, start=1) if name == "replace"][1]
    for step in range(1, len(steps) + 1):
        site = Site(tmp_path / f"killed at {step}")
        site.publish("p1")
        with monkeypatch.context() as patch:
            kill_at(patch, step)
            with pytest.raises(KilledError):
                site.publish("p2")
        assert site.in_file() == ({"p1"} if step <= file_swap else {"p2"}), step
        # The pointer is swapped last: until then the Parquet files are yesterday's.
        assert site.in_parquet() == ({"p1"} if step < len(steps) else {"p2"}), step
        site.publish("p2")
        assert site.in_file() == site.in_parquet() == {"p2"}, step
        assert sorted(path.name for path in site.home.iterdir()) == ["marts", "marts.duckdb"]
        assert sorted(path.name for path in site.parquet.iterdir()) == ["current", "p1", "p2"]


def test_a_run_killed_while_it_publishes_the_standing_id_again_loses_nothing(tmp_path, monkeypatch):
    rehearsal = Site(tmp_path / "rehearsal")
    rehearsal.publish("p1")
    steps = steps_of_a_swap(rehearsal, monkeypatch, "p1")
    for step in range(1, len(steps) + 1):
        site = Site(tmp_path / f"killed at {step}")
        site.publish("p1")
        with monkeypatch.context() as patch:
            kill_at(patch, step)
            with pytest.raises(KilledError):
                site.publish("p1")
        sweep(site.home, site.parquet)
        assert site.in_file() == site.in_parquet() == {"p1"}, step


@pytest.mark.parametrize(
    "left",
    [
        ".marts.building.duckdb",
        ".marts.building.duckdb.wal",
        "marts/.p1.building/publication.parquet",
        "models/.m1.partial/model.txt",
        "reports/.nightly.html.partial",
        "reports/programmes/.a.html.partial",
        "log/.heartbeat.json.building",
        "backup/.records-before-0003.duckdb.partial",
        "backup/.records-before-0003.duckdb.partial.wal",
    ],
)
def test_whatever_a_killed_run_left_half_written_is_swept_and_nothing_else(tmp_path, left):
    kept = [tmp_path / name for name in ("marts.duckdb", "models/m0/model.txt", "reports/nightly.html", "log/a.jsonl")]
    for file in (*kept, tmp_path / left):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    (tmp_path / "marts").mkdir(exist_ok=True)
    assert sweep(tmp_path, tmp_path / "marts")
    assert not (tmp_path / left).exists()
    assert all(file.exists() for file in kept)
