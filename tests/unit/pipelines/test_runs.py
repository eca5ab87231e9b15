from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipelines import runs
from pipelines.runs import RunRow

OBSERVED = datetime(2024, 3, 13, 2, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture
def begin(house, monkeypatch):
    """Begin a run an hour after the one before."""
    clock = iter(datetime(2024, 3, 13, hour, tzinfo=timezone.utc) for hour in range(24))  # noqa: UP017
    monkeypatch.setattr(runs, "now", lambda: next(clock))

    def start(run_id):
        runs.begin(house.warehouse, run_id, "inbox", OBSERVED)

    return start


@pytest.fixture
def refuse(house):
    """Put rows into quarantine."""

    def rows(*fault_ids):
        for fault_id in fault_ids:
            house.warehouse.execute("INSERT INTO raw.quarantine BY NAME SELECT ? AS fault_id", [fault_id])

    return rows


def publish(house, run_id, publication_id):
    house.warehouse.execute(
        "UPDATE ops.run SET state = 'published', publication_id = ? WHERE run_id = ?", [publication_id, run_id]
    )


def states(house):
    return dict(house.rows("SELECT run_id, state FROM ops.run"))


def test_a_run_is_written_down_with_its_time_in_utc(house, begin):
    begin("r1")
    assert house.rows("SELECT source, observed_at, state, ended_at FROM ops.run") == [
        ("inbox", datetime(2024, 3, 13), "running", None)  # noqa: DTZ001 - as the warehouse stores it
    ]


def test_a_run_that_still_stands_as_running_was_killed(house, begin):
    begin("r1")
    begin("r2")
    runs.end(house.warehouse, "r2")
    begin("r3")
    assert states(house) == {"r1": "killed", "r2": "ended", "r3": "running"}


def test_a_run_that_published_keeps_that_state_when_it_ends_and_is_concluded(house, begin):
    begin("r1")
    publish(house, "r1", "p1")
    runs.end(house.warehouse, "r1")
    runs.conclude(house.warehouse, "r1", 3, "")
    assert runs.row_of(house.warehouse, "r1") == RunRow("published", "p1", 0, "")
    assert house.rows("SELECT exit_code, ended_at IS NOT NULL FROM ops.run") == [(3, True)]


def test_a_run_that_ended_without_publishing_failed_if_its_exit_code_says_so(house, begin):
    for run_id, code in (("r1", 4), ("r2", 0)):
        begin(run_id)
        runs.end(house.warehouse, run_id)
        runs.conclude(house.warehouse, run_id, code, "why")
    assert states(house) == {"r1": "failed", "r2": "ended"}


def test_what_a_run_newly_refused_is_counted_since_the_last_publication(house, begin, refuse):
    begin("r1")
    refuse("a", "b")
    publish(house, "r1", "p1")
    runs.end(house.warehouse, "r1")
    assert runs.row_of(house.warehouse, "r1").new_quarantined_count == 2

    begin("r2")
    publish(house, "r2", "p2")
    runs.end(house.warehouse, "r2")
    assert runs.row_of(house.warehouse, "r2").new_quarantined_count == 0


def test_rows_that_leave_quarantine_are_no_news(house, begin, refuse):
    begin("r1")
    refuse("a", "b")
    publish(house, "r1", "p1")
    runs.end(house.warehouse, "r1")
    begin("r2")
    house.warehouse.execute("DELETE FROM raw.quarantine WHERE fault_id = 'a'")
    publish(house, "r2", "p2")
    runs.end(house.warehouse, "r2")
    assert runs.row_of(house.warehouse, "r2").new_quarantined_count == 0


def test_what_a_killed_run_refused_is_told_by_the_run_that_publishes(house, begin, refuse):
    begin("r1")
    refuse("a")
    begin("r2")
    refuse("b")
    publish(house, "r2", "p2")
    runs.end(house.warehouse, "r2")
    assert runs.row_of(house.warehouse, "r2").new_quarantined_count == 2


def test_a_run_that_was_never_begun_is_unknown(house):
    assert runs.row_of(house.warehouse, "nobody") == RunRow("unknown", None, 0, "")


def test_the_last_publication_is_that_of_the_latest_run_that_published(house, begin):
    assert runs.last_published(house.warehouse) is None
    for run_id, publication_id in (("r1", "p9"), ("r2", "p1")):
        begin(run_id)
        publish(house, run_id, publication_id)
    begin("r3")
    assert runs.last_published(house.warehouse) == "p1"


def test_with_the_clock_set_back_the_latest_run_is_still_the_one_that_ran_last(house, monkeypatch):
    nights = {"r1": ("A", datetime(2026, 3, 2, tzinfo=UTC)), "r2": ("B", datetime(2025, 3, 1, tzinfo=UTC))}
    for number, (run_id, (publication_id, clock)) in enumerate(nights.items(), 1):
        monkeypatch.setattr(runs, "now", lambda clock=clock: clock)
        runs.begin(house.warehouse, run_id, "inbox", OBSERVED + timedelta(days=number))
        publish(house, run_id, publication_id)
        house.warehouse.execute("UPDATE ops.run SET quarantined_after = ? WHERE run_id = ?", [number, run_id])
    runs.delivered(house.warehouse, "r1")
    assert runs.last_published(house.warehouse) == "B"
    assert not runs.is_settled(house.warehouse, is_posting=False)
    assert runs.last_observed_at(house.warehouse).startswith("2024-03-15")
    runs.begin(house.warehouse, "r3", "inbox", OBSERVED)
    assert house.rows("SELECT quarantined_before FROM ops.run WHERE run_id = 'r3'") == [(2,)]
