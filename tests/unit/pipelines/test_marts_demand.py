"""How many were invited to a programme, registered and were matched."""

from __future__ import annotations

from tests.unit.pipelines.marts_rows import add, epoch, rows


def registered(warehouse, learner_id, invited=None, registered=None, matched=None, decision=None, programme_id="P"):
    add(
        warehouse,
        "core.registration",
        learner_id=learner_id,
        programme_id=programme_id,
        route="nominated",
        invited_epoch_day=invited,
        registered_epoch_day=registered,
        first_matched_epoch_day=matched,
        decision=decision,
    )


def test_demand_is_registered_over_invited_and_matches_are_of_the_registered(warehouse):
    add(warehouse, "raw.programme", programme_id="P", name="Pilots", selection="hipo")
    registered(warehouse, "ana", epoch(2, 1), epoch(2, 3), epoch(2, 10), "matched")
    registered(warehouse, "ben", epoch(2, 1), epoch(2, 3), epoch(3, 3), "matched")
    registered(warehouse, "cleo", None, epoch(2, 5), None, "waiting")
    registered(warehouse, "dan", epoch(2, 1), epoch(2, 5), None, "declined")
    registered(warehouse, "eve", epoch(2, 1))
    registered(warehouse, "matched without registering", epoch(2, 1), None, epoch(2, 20), "matched")
    assert rows(warehouse, "programme_demand") == [("P", "hipo", 5, 4, 0.8, 0.6, 2, 0.5, 1, 1, 18.0)]


def test_demand_may_be_above_one(warehouse):
    registered(warehouse, "ana", epoch(2, 1), epoch(2, 3))
    registered(warehouse, "ben", None, epoch(2, 3))
    assert rows(warehouse, "programme_demand", "demand_ratio", "invited_registered_share") == [(2.0, 1.0)]


def test_nothing_is_said_over_nobody(warehouse):
    registered(warehouse, "ana", epoch(2, 1), programme_id="invited only")
    registered(warehouse, "ben", None, epoch(2, 3), programme_id="registered only")
    registered(warehouse, "cleo", programme_id="neither yet")
    names = (
        "programme_id",
        "selection",
        "demand_ratio",
        "invited_registered_share",
        "match_rate",
        "days_to_match_median",
    )
    assert rows(warehouse, "programme_demand", *names) == [
        ("invited only", None, 0.0, 0.0, None, None),
        ("registered only", None, None, None, 0.0, None),
    ]


def test_a_match_before_the_registration_took_no_days(warehouse):
    registered(warehouse, "ana", None, epoch(2, 10), epoch(2, 1), "matched")
    assert rows(warehouse, "programme_demand", "days_to_match_median") == [0.0]
