import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.tables.risk import REFERENCE
from models.drift import lateness_verdict, reference, sample, stability, stability_index, verdict


def test_the_index_by_hand():
    # (.3 - .5) ln(.3 / .5) + (.7 - .5) ln(.7 / .5) = .2 x .5108 + .2 x .3365
    expected, actual = np.array([0.5, 0.5]), np.array([0.3, 0.7])
    assert stability_index(expected, actual) == pytest.approx(0.16946, abs=1e-5)
    assert stability_index(actual, expected) == stability_index(expected, actual)
    assert stability_index(expected, expected) == 0


def test_an_empty_bin_is_finite():
    # (1 - .5) ln(1 / .5) + (.0001 - .5) ln(.0001 / .5)
    assert stability_index(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == pytest.approx(0.34657 + 4.25775, abs=1e-4)


@pytest.mark.parametrize(
    ("index", "word"), [(0.0999, "stable"), (0.1, "moderate"), (0.2499, "moderate"), (0.25, "large")]
)
def test_siddiqi_s_thresholds_bear_his_words(index, word):
    assert verdict(index) == word


def test_bins_are_tenths_of_the_training_with_the_unknown_apart():
    frame = pl.DataFrame({"x": [None, *range(100)]})
    bins = reference(frame, ["x"])
    assert bins.columns == [name for name in REFERENCE.column_names if name != "model_id"]
    assert bins["bin_index"].to_list() == [-1, *range(10)]
    assert bins["expected_share"].sum() == pytest.approx(1)
    assert bins["expected_share"][0] == pytest.approx(1 / 101)
    assert bins["upper_edge"].null_count() == 2


@given(st.lists(st.one_of(st.none(), st.integers(-3, 3)), min_size=200, max_size=300), st.randoms())
def test_rows_against_themselves_are_stable_whatever_they_are_and_in_any_order(values, shuffler):
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})
    shuffled = list(values)
    shuffler.shuffle(shuffled)
    bins = reference(frame, ["x"])
    found = stability(pl.DataFrame({"x": pl.Series(shuffled, dtype=pl.Float64)}), bins)
    assert found["metric_value"].to_list() == [pytest.approx(0)]
    assert bins.equals(reference(pl.DataFrame({"x": pl.Series(shuffled, dtype=pl.Float64)}), ["x"]))


def test_a_feature_that_moved_and_one_that_went_missing_are_seen_and_come_first():
    generator = np.random.default_rng(1)
    before = pl.DataFrame({name: generator.normal(size=2000) for name in ("same", "moved", "missing", "flag")})
    before = before.with_columns(flag=(pl.col("flag") > 1).cast(pl.Float64))
    after = before.with_columns(moved=pl.col("moved") + 1, missing=pl.when(pl.col("same") > 0).then("missing"))
    found = stability(after, reference(before, before.columns))
    assert set(found["subject"][:2]) == {"moved", "missing"}
    assert dict(zip(found["subject"], found["drift_verdict"], strict=True)) == {
        "same": "stable",
        "moved": "large",
        "missing": "large",
        "flag": "stable",
    }


def test_too_few_rows_are_not_audited_and_never_stable():
    bins = reference(pl.DataFrame({"x": range(1000)}), ["x"])
    found = stability(pl.DataFrame({"x": range(199)}), bins)
    assert found.select("metric_value", "drift_verdict").rows() == [(None, "not audited")]


def test_a_sample_takes_every_nth_row():
    frame = pl.DataFrame({"x": range(10)})
    assert sample(frame, 10).height == 10
    assert sample(frame, 4)["x"].to_list() == [0, 3, 6, 9]


@pytest.mark.parametrize(
    ("before", "recent", "word"),
    [
        (1, 24, "stable"),
        (1, 25, "large"),
        (20, 24.5, "stable"),
        (20, 30, "moderate"),
        (20, 41, "large"),
        (None, 30, "not audited"),
        (20, None, "not audited"),
    ],
)
def test_data_is_late_where_it_comes_after_a_day_and_later_than_before(before, recent, word):
    assert lateness_verdict(before, recent) == word
