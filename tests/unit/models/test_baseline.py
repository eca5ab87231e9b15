import polars as pl

from models.baseline import inactive_7d_rule


def test_no_activity_for_seven_days_is_a_flag_and_six_or_unknown_is_none():
    frame = pl.DataFrame({"days_since_activity": [6, 7, 30, None]})
    assert inactive_7d_rule(frame).tolist() == [0, 1, 1, 0]
