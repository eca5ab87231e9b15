"""The filter of seen statements: never falsely sure, and of no influence on what is kept."""

from __future__ import annotations

from datetime import datetime

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources import record
from pipelines.sources.record import Recorder
from pipelines.sources.seen import Seen
from pipelines.statements.take import ROW, frame_of


@given(st.lists(st.text(), max_size=50), st.lists(st.text(), max_size=50))
def test_what_was_added_is_always_known(added, others):
    seen = Seen(10)
    seen.add(pl.Series(added, dtype=pl.String))
    assert seen.perhaps(pl.Series(added, dtype=pl.String)).all()
    assert len(seen.perhaps(pl.Series(others, dtype=pl.String))) == len(others)


def test_few_strangers_are_taken_for_known():
    seen = Seen(1_000_000)
    seen.add(pl.Series([f"id {number}" for number in range(500_000)]))
    strangers = pl.Series([f"stranger {number}" for number in range(200_000)])
    assert seen.perhaps(strangers).sum() <= 5
    assert not seen.is_full


def rows(*numbers, content="c"):
    moment = datetime(2024, 3, 1)  # noqa: DTZ001 - instants are UTC without a zone
    known = {
        "actor_kind": "agent",
        "verb_iri": "https://x.test/v",
        "object_kind": "activity",
        "event_count": 1,
        "happened_at": moment,
        "content_hash": content,
    }
    made = [{"statement_id": f"s{number}", **known} for number in numbers]
    return frame_of([tuple(row.get(name) for name in ROW) for row in made])


@pytest.fixture
def many(monkeypatch, house):
    """A recorder that looks into the filter from the first statement on."""
    monkeypatch.setattr(record, "_MANY_STATEMENTS", 0)
    return Recorder(house.warehouse)


def kept(house):
    return [row[0] for row in house.rows("SELECT statement_id FROM raw.statement ORDER BY ALL")]


def taken(recorder, frame):
    with recorder.unit():
        return recorder.statements(frame, source_name="inbox", content_hash="f")


def taken_and_then(recorder, *frames):
    for frame in frames:
        recorder.statements(frame, source_name="inbox", content_hash="f")


def test_repeated_statements_are_left_out_with_the_filter_too(house, many):
    assert taken(many, rows(1, 2, 2, 3)) == 3
    assert taken(many, rows(3, 4, 1)) == 1
    assert taken(many, rows(3, content="other")) == 1
    assert kept(house) == ["s1", "s2", "s3", "s3", "s4"]


def test_rows_that_came_another_way_are_known(house, many):
    assert taken(many, rows(1)) == 1
    assert taken(Recorder(house.warehouse), rows(2)) == 1
    assert taken(many, rows(1, 2, 3)) == 1
    assert kept(house) == ["s1", "s2", "s3"]


def test_rows_that_were_rolled_back_are_not_known(house, many):
    taken(many, rows(1))
    broken = rows(3).drop("content_hash")
    with pytest.raises(duckdb.BinderException), many.unit():
        taken_and_then(many, rows(2), broken)
    assert taken(many, rows(2)) == 1
    assert kept(house) == ["s1", "s2"]
