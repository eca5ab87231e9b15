"""Commitments before each landmark."""

from __future__ import annotations

import polars as pl
import pytest

from features.commitments import commitments_features

COMMITMENTS = {
    "commitment_id": pl.String,
    "match_id": pl.String,
    "learner_id": pl.String,
    "programme_id": pl.String,
    "made_epoch_day": pl.Int64,
    "made_known_epoch_day": pl.Int64,
    "due_epoch_day": pl.Int64,
    "reviewed_known_epoch_day": pl.Int64,
    "status": pl.String,
}
EVENTS = {"match_id": pl.String, "event_kind": pl.String, "epoch_day": pl.Int64, "known_epoch_day": pl.Int64}
MATCHES = {"match_id": pl.String, "match_ended_known_epoch_day": pl.Int64}


def promise(made, due=None, reviewed=None, status="open", **other):
    usual = {"match_id": "m", "learner_id": "ana", "programme_id": "p", "made_known_epoch_day": made}
    told = {"made_epoch_day": made, "due_epoch_day": due, "reviewed_known_epoch_day": reviewed, "status": status}
    return usual | told | other


@pytest.fixture
def at(on_polars):
    """A feature of learner ana in programme p on the days observed; held sessions are (day, day known)."""

    def values(name, observed, promises=(), held=(), ended=None):
        landmarks = pl.DataFrame(
            {"enrolment_id": "e", "learner_id": "ana", "programme_id": "p", "observed_epoch_day": observed}
        )
        named = [{"commitment_id": f"c{number}"} | one for number, one in enumerate(promises)]
        events = [("m", "held", *days) for days in held]
        frames = (
            pl.DataFrame(named, COMMITMENTS),
            pl.DataFrame(events or None, EVENTS, orient="row"),
            pl.DataFrame({"match_id": ["m"], "match_ended_known_epoch_day": [ended]}, MATCHES),
        )
        found = on_polars(commitments_features, landmarks, *frames)
        return found.to_dicts() if name is None else found[name].to_list()

    return values


def test_without_a_commitment_there_is_a_row(at):
    (row,) = at(None, [100])
    assert (row["commitments_made_to_date"], row["overdue_commitments_count"]) == (0, 0)
    assert (row["commitments_kept_share"], row["commitments_reviewed_share"]) == (None, None)


def test_a_commitment_is_made_from_the_day_after_it_is_known(at):
    promises = [promise(100), promise(100, made_known_epoch_day=103), promise(100, programme_id=None)]
    assert at("commitments_made_to_date", [100, 101, 104], promises) == [0, 2, 3]
    assert at("commitments_made_to_date", [101], [promise(100, programme_id="q")]) == [0]


def test_kept_in_part_is_not_kept_and_open_is_not_reviewed(at):
    promises = [promise(100, reviewed=107, status="kept"), promise(100, reviewed=110, status="partly"), promise(100)]
    assert at("commitments_kept_share", [107, 108, 111], promises) == [None, 1.0, 0.5]


def test_a_review_is_asked_for_once_the_commitment_is_due_or_the_two_met_again(at):
    due = [promise(100, 105), promise(100, 120), promise(101, 105, reviewed=108, status="kept")]
    assert at("commitments_reviewed_share", [105, 106, 109], due) == [None, 0.0, 0.5]
    open_end = [promise(100), promise(104, reviewed=106, status="dropped")]
    met = [(100, 100), (104, 107)]
    assert at("commitments_reviewed_share", [107, 108], open_end, met) == [None, 0.0]
    assert at("commitments_reviewed_share", [110], open_end, [*met, (108, 108)]) == [0.5]


def test_a_commitment_is_overdue_until_it_is_reviewed_or_its_match_ends(at):
    promises = [promise(100, 105, reviewed=112, status="dropped"), promise(100, 108), promise(100)]
    assert at("overdue_commitments_count", [105, 106, 109, 113], promises) == [0, 1, 2, 1]
    assert at("overdue_commitments_count", [106, 111], promises, ended=110) == [1, 0]
    assert at("commitments_made_to_date", [111], promises, ended=110) == [3]
