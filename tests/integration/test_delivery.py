"""What the command says and does about delivery: told before a night what cannot work, and after it what did not."""

from __future__ import annotations

import contextlib

import duckdb
import pytest

from tests.hook_server import SECRET, Receiver

NIGHT = ("--source", "inbox", "--as-of", "2026-02-02")


@pytest.fixture
def settings(environment, monkeypatch):
    """Put settings into the environment of the commands that follow."""

    def put(**given):
        for name, value in given.items():
            monkeypatch.setitem(environment, f"HANDRAIL_{name.upper()}", value)

    return put


def full(*_):
    """A disk with no room left."""
    message = "disk full"
    raise OSError(message)


def rows(home, sql):
    with contextlib.closing(duckdb.connect(str(home / "warehouse.duckdb"), read_only=True)) as con:
        return con.execute(sql).fetchall()


def test_what_could_not_be_delivered_is_told_by_the_exit_code_and_made_up_for_by_the_next_run(
    home, small_world, handrail, settings, monkeypatch
):
    command = ("run", *NIGHT, "--data", small_world, "--home", home)
    with Receiver() as receiver:
        settings(webhook_url=receiver.url, webhook_attempts="1")
        told = handrail(*command)
        assert told.code == 2
        assert "HANDRAIL_WEBHOOK_SECRET" in told.err
        assert not (home / "warehouse.duckdb").exists()
        settings(webhook_secret=SECRET)
        with monkeypatch.context() as broken:
            broken.setattr("pipelines.sinks.outbox.digest_files.write", full)
            told = handrail(*command)
        assert told.code == 1
        assert "disk full" in told.err
        assert (home / "marts.duckdb").exists()
        assert receiver.requests == []
        receiver.then(401)
        told = handrail(*command)
        assert told.code == 3
        assert "webhook failed" in told.err
        assert "answers 401" in told.err
        assert list((home / "outbox").glob("2026-02-02/*.html"))
        waiting = rows(home, "SELECT count(*) FROM alerts.delivery WHERE delivery_state = 'pending'")[0][0]
        assert waiting > 0
        receiver.requests.clear()
        again = handrail(*command)
        assert again.code == 0, again.err
        assert len({request.key for request in receiver.requests}) == len(receiver.requests) == waiting
        assert "Nothing new" in handrail(*command).err
    for text in (told.err, told.out, again.err, again.out):
        assert SECRET not in text
        assert "in-the-address" not in text
    everything = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert SECRET.encode() not in everything
    assert b"in-the-address" not in everything
