"""Shares, ratios and means of how learning becomes practice, by programme."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from data_contracts.fields.practice import TRANSFER_MEASURES
from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.practice import learning_transfer, wilson

LEARNERS: dict[str, Any] = {
    "programme_id": pl.String,
    "learner_id": pl.String,
    "formal_epoch_day": pl.Int64,
    "practice_epoch_day": pl.Int64,
    "formal_events_count": pl.Int64,
    "applied_events_count": pl.Int64,
    "formal_minutes": pl.Float64,
    "applied_minutes": pl.Float64,
    "has_applied": pl.Boolean,
    "sources_count": pl.Int64,
    "partners_count": pl.Int64,
    "units_reached_count": pl.Int64,
}
AFTER: dict[str, Any] = {
    "programme_id": pl.String,
    "learner_id": pl.String,
    "window_days": pl.Int64,
    "is_mentored": pl.Boolean,
    "has_practised": pl.Boolean,
    "has_worked": pl.Boolean,
}
MATCHES: dict[str, Any] = {"programme_id": pl.String, "learner_id": pl.String, "is_across_org_units": pl.Boolean}


def frame(schema: dict[str, Any], *rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


FOUR = frame(
    LEARNERS,
    ("p", "ana", 10, 10, 6, 2, 60.0, 30.0, True, 4, 2, 1),
    ("p", "ben", 12, 11, 4, 1, 40.0, 20.0, True, 2, 0, 0),
    ("p", "meg", 12, None, 9, 0, None, 0.0, False, 1, 1, None),
    ("p", "tom", None, 5, 0, 1, 0.0, None, True, 1, 1, 0),
    ("q", "ana", 10, None, 5, 0, None, 0.0, False, 1, None, None),
)
NONE_AFTER, NO_MATCHES = frame(AFTER), frame(MATCHES)


def told(rows: pl.DataFrame, programme: str = "p") -> dict[str, Any]:
    """Value by measure, or by measure and group where it is not of all."""
    return {
        row["measure"] if row["mentoring_group"] == "all" else (row["measure"], row["mentoring_group"]): row[
            "metric_value"
        ]
        for row in rows.filter(programme_id=programme).to_dicts()
    }


def test_order_application_breadth_and_reach_by_hand() -> None:
    matches = frame(MATCHES, ("p", "ana", True), ("p", "ana", False), ("p", "ben", False), ("p", "meg", None))
    assert told(learning_transfer(FOUR, NONE_AFTER, matches, k=1)) == pytest.approx(
        {
            "formal_before_practice_share": 0.5,
            "never_applied_share": 0.333333,
            "consume_to_apply_events_ratio": 19 / 4,
            "consume_to_apply_minutes_ratio": 2.0,
            "sources_per_learner": 2.0,
            "partners_per_learner": 1.0,
            "units_reached_per_learner": 0.333333,
            "mentor_of_other_unit_share": 0.5,
        }
    )


def test_where_nobody_s_practice_is_logged_nobody_is_said_never_to_have_applied_anything() -> None:
    assert told(learning_transfer(FOUR, NONE_AFTER, NO_MATCHES, k=1), "q") == {"sources_per_learner": 1.0}


def test_practice_after_training_stands_for_all_and_with_and_without_a_mentor() -> None:
    after = frame(
        AFTER,
        ("p", "ana", 28, True, True, False),
        ("p", "ben", 28, True, True, True),
        ("p", "meg", 28, False, False, False),
        ("p", "ana", 56, True, True, False),
    )
    found = told(learning_transfer(frame(LEARNERS), after, NO_MATCHES, k=1))
    assert found == pytest.approx(
        {
            "practice_after_training_28d_share": 2 / 3,
            ("practice_after_training_28d_share", "with"): 1.0,
            ("practice_after_training_28d_share", "without"): 0.0,
            "work_after_training_28d_share": 1 / 3,
            ("work_after_training_28d_share", "with"): 0.5,
            ("work_after_training_28d_share", "without"): 0.0,
            "practice_after_training_56d_share": 1.0,
            ("practice_after_training_56d_share", "with"): 1.0,
            "work_after_training_56d_share": 0.0,
            ("work_after_training_56d_share", "with"): 0.0,
        },
        abs=1e-6,
    )


def test_where_nobody_s_practice_after_training_was_logged_no_share_of_it_is_told() -> None:
    after = frame(AFTER, *(("p", f"l{number}", 28, number < 5, False, False) for number in range(40)))
    assert learning_transfer(frame(LEARNERS), after, NO_MATCHES).is_empty()


def test_a_small_group_is_withheld_and_the_other_with_it_since_all_less_one_is_the_other() -> None:
    after = frame(AFTER, *(("p", f"l{number}", 28, number < 9, True, True) for number in range(40)))
    rows = learning_transfer(frame(LEARNERS), after, NO_MATCHES)
    shares = rows.filter(measure="practice_after_training_28d_share")
    assert dict(shares.select("mentoring_group", "is_suppressed").iter_rows()) == {
        "all": False,
        "with": True,
        "without": True,
    }
    hidden = shares.filter("is_suppressed").drop("programme_id", "measure", "mentoring_group", "is_suppressed")
    assert hidden.null_count().row(0) == (2,) * hidden.width


def test_a_programme_of_few_learners_is_withheld() -> None:
    rows = learning_transfer(FOUR, NONE_AFTER, NO_MATCHES)
    assert rows["is_suppressed"].all()
    assert rows["metric_value"].null_count() == rows.height


def test_the_rows_are_the_contract_s_whatever_is_given() -> None:
    for rows in (
        learning_transfer(frame(LEARNERS), NONE_AFTER, NO_MATCHES),
        learning_transfer(FOUR, NONE_AFTER, NO_MATCHES),
    ):
        assert dict(rows.schema) == schema_of(MARTS["learning_transfer"], without=("publication_id",))
        assert rows.select(MARTS["learning_transfer"].key[:3]).is_duplicated().sum() == 0
        assert set(rows["measure"]) <= set(TRANSFER_MEASURES)


@given(n=st.integers(1, 400), part=st.floats(0, 1))
def test_the_interval_is_wilson_s(n: int, part: float) -> None:
    events = round(n * part)
    counted = pl.DataFrame({"events": [events], "n": [n]})
    low, high = counted.select(**dict(zip(("low", "high"), wilson(pl.col("events"), pl.col("n")), strict=True))).row(0)
    expected = binomtest(events, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=2e-6)
