"""Types and rounding that engines agree on."""

from __future__ import annotations

import narwhals as nw
import polars as pl

from data_contracts.tables.features import LANDMARK
from features.contract import conform, rounded

ROW = {
    "is_scoring": False,
    "week_index": 3.0,
    "observed_epoch_day": 22,
    "programme_id": "p",
    "learner_id": "l",
    "course_id": None,
    "enrolment_id": "e",
    "stray": 1,
}


def test_a_rounded_number_is_the_decimal_and_nothing_beside_it(on_both):
    values = [0.05, 0.8, 98.666667, 1 / 3, 2 / 3, 1e-7, 0.0, 12345.6789014, None]
    found = on_both(
        lambda frame: frame.select("row", value=rounded(nw.col("value"))),
        pl.DataFrame(
            {
                "row": range(len(values)),
                "value": values,
            }
        ),
    )
    assert found["value"].to_list() == [0.05, 0.8, 98.666667, 0.333333, 0.666667, 0.0, 0.0, 12345.678901, None]


def test_halves_go_up_on_both_sides_of_zero(on_both):
    values = pl.DataFrame({"value": [-1.5 / 1e6, 0.5 / 1e6, 1.5 / 1e6, -0.5 / 1e6]})
    found = on_both(lambda frame: frame.select(value=rounded(nw.col("value"))), values)
    assert found["value"].to_list() == [-0.000001, 0.0, 0.000001, 0.000002]


def test_a_frame_gets_its_contracts_columns_order_and_types(on_both, keeps_contract):
    frame = pl.DataFrame([ROW], schema_overrides={"course_id": pl.String, "observed_epoch_day": pl.Int32})
    found = on_both(lambda given: conform(given, LANDMARK.columns), frame)
    keeps_contract(found, LANDMARK)
    assert found.row(0) == ("e", None, "l", "p", 22, 3, False)
