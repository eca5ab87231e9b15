from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from data_contracts.errors import UsageError
from data_contracts.features import contract_hash
from pipelines.champions import (
    GATE,
    OPERATOR,
    ROLLBACK,
    Change,
    champion_as_of,
    change_champion,
    current_champion,
    hand_promotions,
    is_set_aside,
    is_training_due,
    previous_champion,
    promote_by_hand,
    settle_states,
)


def at(day):
    return datetime(2024, 3, 1) + timedelta(days=day)  # noqa: DTZ001


def trained(house, model_id, day, *, contract=None, state="refused"):
    house.add(
        "risk.model",
        model_id=model_id,
        trained_at=at(day),
        state=state,
        feature_contract_hash=contract or contract_hash(),
    )


def by_gate(house, model_id, day):
    trained(house, model_id, day)
    change_champion(house.warehouse, Change(model_id, at(day), GATE, "passed"))


def states(house):
    return dict(house.rows("SELECT model_id, state FROM risk.model"))


@pytest.fixture
def three(house):
    """Models a, b and c, champions from day 0, 7 and 14, and r, which was refused on day 10."""
    for model_id, day in (("a", 0), ("b", 7), ("c", 14)):
        by_gate(house, model_id, day)
    trained(house, "r", 10)
    settle_states(house.warehouse)
    return house


def test_each_night_has_the_champion_that_it_had(three):
    assert [champion_as_of(three.warehouse, at(day)) for day in (-1, 0, 6, 7, 13, 14, 99)] == [
        *(None, "a", "a", "b", "b", "c", "c")
    ]
    assert current_champion(three.warehouse) == "c"
    assert states(three) == {"a": "former", "b": "former", "c": "champion", "r": "refused"}


def test_a_champion_of_other_features_is_none_but_still_is_on_record(house):
    trained(house, "x", 0, contract="of old")
    change_champion(house.warehouse, Change("x", at(0), GATE, "passed"))
    assert champion_as_of(house.warehouse, at(1)) is None
    assert current_champion(house.warehouse) == "x"


def test_a_model_promoted_by_hand_is_champion_from_the_latest_night_on(three):
    three.add("ops.run", observed_at=at(20), run_id="r")
    promote_by_hand(three.warehouse, "r", reason="I know why")
    assert champion_as_of(three.warehouse, at(19)) == "c"
    assert champion_as_of(three.warehouse, at(20)) == "r"
    assert states(three)["r"] == "champion"
    assert three.rows(
        "SELECT promoted_by, promotion_reason, previous_model_id FROM risk.promotion ORDER BY promotion_number"
    )[-1] == (*("operator", "I know why", "c"),)
    assert hand_promotions(three.warehouse) == 1


def test_rolling_back_goes_further_back_each_time_and_never_to_and_fro(three):
    for wanted in ("b", "a"):
        now = current_champion(three.warehouse)
        assert previous_champion(three.warehouse, now) == wanted
        promote_by_hand(three.warehouse, wanted, reason="back", kind=ROLLBACK)
        assert current_champion(three.warehouse) == wanted
    assert previous_champion(three.warehouse, "a") is None
    assert three.rows("SELECT count(*) FROM risk.promotion") == [(5,)]


def test_a_model_that_a_person_replaced_is_set_aside_until_a_person_takes_it_back(three):
    assert not is_set_aside(three.warehouse, "b")  # the gate replaced it
    promote_by_hand(three.warehouse, "b", reason="better", kind=ROLLBACK)
    assert is_set_aside(three.warehouse, "c")
    assert not is_set_aside(three.warehouse, "b")
    promote_by_hand(three.warehouse, "c", reason="was right after all")
    assert not is_set_aside(three.warehouse, "c")
    assert is_set_aside(three.warehouse, "b")


def test_a_champion_is_challenged_after_a_week_and_a_refused_challenger_counts(three):
    def due(day):
        return is_training_due(three.warehouse, at(day), after_days=7)

    assert due(-1)  # no champion yet
    assert [due(day) for day in (0, 6, 7)] == [False, False, False]  # b was trained on day 7
    three.warehouse.execute("DELETE FROM risk.model WHERE model_id = 'b'")
    three.warehouse.execute("DELETE FROM risk.promotion WHERE model_id = 'b'")
    assert [due(day) for day in (6, 7, 10, 13)] == [False, True, False, False]  # r was refused on day 10
    assert [due(day) for day in (20, 21)] == [False, True]


def test_a_model_chosen_by_hand_has_its_week(three):
    three.add("ops.run", observed_at=at(20), run_id="r")
    promote_by_hand(three.warehouse, "a", reason="back", kind=ROLLBACK)
    assert [is_training_due(three.warehouse, at(day), after_days=7) for day in (21, 26, 27)] == [False, False, True]


def test_a_change_of_a_night_long_past_does_not_replace_today_s_champion(three):
    trained(three, "late", 3)
    change_champion(three.warehouse, Change("late", at(3), GATE, "a night run again"))
    assert current_champion(three.warehouse) == "c"
    assert champion_as_of(three.warehouse, at(5)) == "late"
    assert states(three)["late"] == "former"


def test_the_champion_and_a_model_of_other_features_are_not_promoted(three):
    with pytest.raises(UsageError, match="model c is champion already"):
        promote_by_hand(three.warehouse, "c", reason="again")
    trained(three, "x", 1, contract="of old")
    with pytest.raises(UsageError, match=r"x was trained on another feature contract.*train a new one"):
        promote_by_hand(three.warehouse, "x", reason="because")
    assert three.rows(f"SELECT count(*) FROM risk.promotion WHERE promoted_by = '{OPERATOR}'") == [(0,)]
