"""What became of the pairs of the lot: windows that are over, abandonments in them, contact while the lot bound.

Tonight is Wednesday 2024-03-13; a lot of the night of 10 January has its 56 days over with 6 March.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from models.holdout import routed
from pipelines.lottery_pairs import pairs
from tests.unit.pipelines.marts_rows import add, at, epoch, met, on

LOT = at(1, 10, hour=3)


def drawn(house, number, *, observed_at=LOT, programme_id="P"):
    """A pair: r<number> routed, h<number> held out."""
    for is_routed in (True, False):
        learner_id = f"{'r' if is_routed else 'h'}{number}"
        add(
            house.warehouse,
            "alerts.lottery",
            alert_id=f"alert-{learner_id}",
            pair_id=f"pair-{number:03d}",
            observed_at=observed_at,
            participation_id=f"{programme_id}:{learner_id}",
            learner_id=learner_id,
            programme_id=programme_id,
            is_routed=is_routed,
            routed_probability=0.8 if is_routed else 0.2,
            routing_value=0.1,
            held_until_on=observed_at.date() + timedelta(days=28),
        )


def stands(house, learner_id, status, ended_on=None):
    add(
        house.warehouse,
        "core.participation",
        participation_id=f"P:{learner_id}",
        learner_id=learner_id,
        programme_id="P",
        status=status,
        starts_on=on(1, 1),
        ended_on=ended_on,
    )


def told(house, *names, allowance_days=None, night=None):
    found = house.warehouse.frame(pairs(night or house.night, allowance_days=allowance_days))
    return {row[0]: row[1:] if len(names) > 1 else row[1] for row in found.select("learner_id", *names).rows()}


@pytest.mark.parametrize(
    ("status", "ended_on", "is_abandoned"),
    [
        ("abandoned", on(3, 5), True),
        ("abandoned", on(3, 6), False),
        # Silence is dated to the last activity: who was in at the lot and never came back.
        ("abandoned", on(1, 4), True),
        ("ended", on(2, 1), False),
        ("completed", on(2, 1), False),
        ("active", None, False),
    ],
)
def test_abandoned_within_56_days_is_the_outcome_and_other_ends_are_none(house, status, ended_on, is_abandoned):
    drawn(house, 1)
    stands(house, "r1", status, ended_on)
    stands(house, "h1", "active")
    assert told(house, "is_abandoned") == {"r1": is_abandoned, "h1": False}


def test_a_pair_waits_until_its_window_and_the_allowance_are_over(house):
    drawn(house, 1, observed_at=at(1, 17, hour=3))
    assert set(told(house, "is_routed", allowance_days=0)) == {"r1", "h1"}
    assert not told(house, "is_routed", allowance_days=1)


def test_the_allowance_is_that_of_recorded_abandonments(house):
    drawn(house, 1, observed_at=at(1, 17, hour=3))
    assert told(house, "is_routed") != {}
    add(
        house.warehouse,
        "core.enrolment",
        enrolment_id="e1",
        ended_kind="abandoned",
        ended_epoch_day=epoch(2, 1),
        ended_known_epoch_day=epoch(2, 29),
    )
    assert told(house, "is_routed") == {}


def test_the_window_begins_with_the_organisations_day_of_the_lot(house):
    """23:30 UTC of the 9th is the 10th in Berlin: abandoned on 5 March, the 56th day, is within the window."""
    berlin = replace(house.night, settings=house.night.settings.model_copy(update={"timezone": "Europe/Berlin"}))
    drawn(house, 1, observed_at=at(1, 9, hour=23, minute=30))
    stands(house, "r1", "abandoned", on(3, 5))
    assert told(house, "is_abandoned") == {"r1": False, "h1": False}
    assert told(house, "is_abandoned", night=berlin) == {"r1": True, "h1": False}


@pytest.mark.parametrize(
    ("kind", "when", "is_contacted"),
    [
        ("held", at(1, 10), True),
        ("message_by_mentor", at(2, 6), True),
        ("message_by_mentor", at(2, 7), False),
        ("held", at(1, 9), False),
        ("message_by_learner", at(1, 12), False),
        ("planned", at(1, 12), False),
    ],
)
def test_contact_is_a_held_session_or_a_mentors_message_while_the_lot_binds(house, kind, when, is_contacted):
    drawn(house, 1)
    met(house.warehouse, "e1", kind, when, learner_id="h1")
    assert told(house, "is_contacted") == {"r1": False, "h1": is_contacted}


def test_contact_in_another_programme_is_none(house):
    drawn(house, 1)
    met(house.warehouse, "e1", "held", at(1, 12), learner_id="h1", programme_id="Q")
    assert told(house, "is_contacted") == {"r1": False, "h1": False}


def test_from_the_lots_to_the_row_of_the_effect(house):
    """60 pairs; 18 of the held out and 3 of the routed abandon: 15 / 60 fewer, each difference over 2 x .8."""
    for number in range(60):
        drawn(house, number)
        stands(house, f"h{number}", "abandoned" if number < 18 else "active", on(2, 1) if number < 18 else None)
        stands(house, f"r{number}", "abandoned" if number >= 57 else "active", on(2, 1) if number >= 57 else None)
        met(house.warehouse, f"e{number}", "held", at(1, 12), learner_id=f"r{number}")
    found = routed(house.warehouse.frame(pairs(house.night)), seed=1)
    assert found["programme_id"].to_list() == ["P", "all"]
    row = found.row(1, named=True)
    assert row["effect_points"] == pytest.approx(-100 * 15 / 60 / 1.6)
    assert (row["treated_count"], row["treated_events_count"], row["controls_events_count"]) == (60, 3, 18)
    assert (row["verdict"], row["contrast"]) == ("weak", "routed")
    assert row["verdict_rule"] == "events_few"


def test_without_lots_there_are_no_pairs(house):
    assert told(house, "is_routed") == {}
    assert date(1970, 1, 1) + timedelta(days=house.night.tonight_epoch_day) == date(2024, 3, 13)
