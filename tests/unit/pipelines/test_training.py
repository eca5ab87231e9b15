import numpy as np
import polars as pl
import pytest

from data_contracts.features import MODELLED_NAMES
from models.contacted import with_contacts
from pipelines.training import data_mark, past_landmarks


@pytest.fixture
def landmarks():
    chance = np.random.default_rng(1)
    return pl.DataFrame(
        {"enrolment_id": ["e1", "e2"], "observed_epoch_day": [100, 107]}
        | {name: chance.random(2) for name in MODELLED_NAMES}
        | {"abandons_7d": [0, 1], "abandons_28d": [0, 1]}
    )


def contacted(landmarks, *days):
    told = {"enrolment_id": ["e1"] * len(days), "contact_epoch_day": list(days)}
    schema = {"enrolment_id": pl.String, "contact_epoch_day": pl.Int64}
    return with_contacts(landmarks, pl.DataFrame(told, schema=schema))


def test_the_mark_of_the_data_is_the_same_where_no_contact_meets_a_landmark_and_another_where_one_does(landmarks):
    unmarked = data_mark(landmarks)
    assert data_mark(contacted(landmarks)) == data_mark(contacted(landmarks, 300)) == unmarked
    assert len({unmarked, data_mark(contacted(landmarks, 120)), data_mark(contacted(landmarks, 101))}) == 3


def test_the_mark_of_the_data_does_not_hang_on_the_order_of_rows(landmarks):
    assert data_mark(contacted(landmarks, 101).reverse()) == data_mark(contacted(landmarks, 101))


@pytest.fixture
def many(house):
    """Forty enrolments with five landmarks each, one of them tonight's."""
    for number in range(40):
        for week in range(5):
            key = {"enrolment_id": f"e{number}", "observed_epoch_day": 100 + 7 * week}
            house.add("features.enrolment_week", **key, is_scoring=week == 4)
            house.add("features.label", **key)
    return house.warehouse


def test_a_short_history_is_read_whole_but_for_tonights_landmarks(many):
    assert past_landmarks(many).height == 160


def test_of_a_long_history_enrolments_are_drawn_whole_and_always_the_same(many):
    drawn = past_landmarks(many, 80)
    assert 40 <= drawn.height <= 120
    assert set(drawn.group_by("enrolment_id").len()["len"]) == {4}
    assert set(past_landmarks(many, 40)["enrolment_id"]) < set(drawn["enrolment_id"])
    assert (
        past_landmarks(many, 80)
        .sort("enrolment_id", "observed_epoch_day")
        .equals(drawn.sort("enrolment_id", "observed_epoch_day"))
    )
