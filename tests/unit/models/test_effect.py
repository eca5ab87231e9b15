"""The effect of mentoring, while nothing is estimated."""

from __future__ import annotations

import polars as pl

from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.effect import not_estimated


def test_both_contrasts_of_every_programme_say_that_they_cannot_say() -> None:
    counts = pl.DataFrame(
        [("p", "first_contact", 40, 3), ("p", "matched", 55, 7)],
        schema=["programme_id", "contrast", "n_count", "n_events_count"],
        orient="row",
    )
    found = not_estimated(pl.DataFrame({"programme_id": ["q", "p"]}), counts, reason="not estimated yet")
    assert dict(found.schema) == schema_of(MARTS["mentoring_effect"], without=("publication_id",))
    assert found.select("programme_id", "contrast", "n_count", "n_events_count").rows() == [
        ("p", "first_contact", 40, 3),
        ("p", "matched", 55, 7),
        ("q", "first_contact", 0, 0),
        ("q", "matched", 0, 0),
    ]
    assert found["verdict"].unique().to_list() == ["cannot_say"]
    assert found["reason"].unique().to_list() == ["not estimated yet"]
    for name in ("effect_points", "effect_low_points", "effect_high_points", "e_value"):
        assert found[name].is_null().all()
    assert found["estimand"][0] == (
        "effect of first contact (held session or mentor-sent message) on abandonment within 8 weeks, "
        "on the contacted (ATT)"
    )
