"""A night as an operator has it: files in the home's own inbox, two Learning Record Stores, one of them failing."""

from __future__ import annotations

import shutil

import duckdb
import pytest

from tests.lrs_server import PASSWORD, USERNAME, Lrs, statement

AS_OF = "2026-02-02"
PULLED = 30


def store(name, lrs, file):
    return f'[[lrs]]\nname = "{name}"\nendpoint = "{lrs.endpoint}"\ncredentials_file = "{file}"\n'


@pytest.fixture(scope="module")
def lrs():
    with Lrs(page=7) as server:
        server.add(*(statement(number) for number in range(PULLED)))
        yield server


@pytest.fixture(scope="module")
def nights(handrail, small_world, lrs, tmp_path_factory):
    """A home after its first night, and what the command printed."""
    home = tmp_path_factory.mktemp("operator") / "home"
    shutil.copytree(small_world, home / "inbox")
    for file, password in (("right", PASSWORD), ("wrong", "not this one")):
        (home / file).write_text(f'username = "{USERNAME}"\npassword = "{password}"\n', "utf-8")
        (home / file).chmod(0o600)
    settings = 'source = "inbox"\n' + store("campus", lrs, "right") + store("closed", lrs, "wrong")
    (home / "handrail.toml").write_text(settings, "utf-8")
    return home, handrail("run", "--home", home, "--as-of", AS_OF)


def ask(file, sql):
    with duckdb.connect(str(file), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_a_store_that_fails_is_named_and_stops_neither_the_other_nor_the_files(nights):
    home, told = nights
    assert told.code == 3, told.err
    assert "lrs:closed failed" in told.err
    assert "HANDRAIL_LRS_CLOSED" in told.err
    assert ask(home / "marts.duckdb", "SELECT failed_sources FROM publication") == [("lrs:closed",)]
    counts = dict(ask(home / "warehouse.duckdb", "SELECT source_name, count(*) FROM raw.statement GROUP BY ALL"))
    assert counts["lrs:campus"] == PULLED
    assert counts["inbox"] > PULLED


def test_no_credential_stands_in_the_home_but_where_the_operator_put_it(nights):
    home, told = nights
    assert PASSWORD not in told.err + told.out
    files = [path for path in home.rglob("*") if path.is_file() and path.name not in {"right", "wrong"}]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


def test_what_was_taken_lies_in_sealed_storage_and_no_longer_in_the_inbox(nights, small_world):
    home, _ = nights
    given = {path.name for path in small_world.rglob("*") if path.is_file()}
    assert [path for path in (home / "inbox").rglob("*") if path.is_file()] == []
    assert {name for (name,) in ask(home / "identity.duckdb", "SELECT file_name FROM sealed.file")} == given


def test_the_next_night_pulls_what_is_new_and_takes_no_file_twice(nights, lrs, handrail, stable_rows):
    home, _ = nights
    before = stable_rows(home / "marts.duckdb")
    again = handrail("run", "--home", home, "--as-of", AS_OF)
    assert again.code == 3, again.err
    assert stable_rows(home / "marts.duckdb") == before
    lrs.add(statement(PULLED))
    assert handrail("run", "--home", home, "--as-of", AS_OF).code == 3
    counts = dict(ask(home / "warehouse.duckdb", "SELECT source_name, count(*) FROM raw.statement GROUP BY ALL"))
    assert counts["lrs:campus"] == PULLED + 1


def test_without_stores_a_second_night_finds_nothing_new_though_the_inbox_was_emptied(handrail, small_world, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(small_world, home / "inbox")
    (home / "handrail.toml").write_text('source = "inbox"\n', "utf-8")
    assert handrail("run", "--home", home, "--as-of", AS_OF).code == 0
    again = handrail("run", "--home", home, "--as-of", AS_OF)
    assert (again.code, "Nothing new" in again.err) == (0, True)
