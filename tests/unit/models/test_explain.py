import re

import polars as pl
import pytest

from data_contracts.features import BY_NAME, FEATURE_NAMES, MODELLED_NAMES, family_names
from data_contracts.tables.risk import REASON
from models import explain
from models.explain import contributions, reasons, said_of
from models.score import score


@pytest.fixture(scope="module")
def alerted(trained, landmarks):
    rows = landmarks.filter(pl.col("is_scoring"))
    ranked = rows.with_columns(score(trained.model, rows)["risk_score_28d"]).sort("risk_score_28d", descending=True)
    return ranked.head(40).drop("risk_score_28d")


def _explained(monkeypatch, model, shares, values, *, cohort=None):
    """Reasons for one row with given contributions and values, the rest 0 and null."""
    row = {"enrolment_id": "e", "course_id": "c", "observed_epoch_day": 1, **dict.fromkeys(FEATURE_NAMES), **values}
    frame = pl.DataFrame([row], schema_overrides=dict.fromkeys(FEATURE_NAMES, pl.Float64))
    given = pl.DataFrame([{**dict.fromkeys(FEATURE_NAMES, 0.0), **shares, "baseline": -3.0}])

    def stand_in(model, features_frame, *, horizon):
        return given

    monkeypatch.setattr(explain, "contributions", stand_in)
    if cohort is not None:
        cohort = frame.with_columns(pl.lit(cohort.get(name), dtype=pl.Float64).alias(name) for name in FEATURE_NAMES)
    return reasons(model, frame, cohort=cohort).row(0, named=True)


@pytest.mark.parametrize("horizon", ["7d", "28d"])
def test_contributions_and_baseline_add_up_to_the_raw_score(trained, landmarks, horizon):
    rows = landmarks.sample(200, seed=2)
    total = contributions(trained.model, rows, horizon=horizon).sum_horizontal().to_numpy()
    raw = score(trained.model, rows)[f"risk_score_{horizon}"].to_numpy()
    assert total == pytest.approx(raw, abs=1e-9)


def test_a_feature_that_no_tree_uses_contributes_nothing_and_what_drives_the_risk_the_most(trained, landmarks):
    shares = contributions(trained.model, landmarks.head(300))
    booster = trained.model.horizons["28d"].booster
    unused = [n for n, splits in zip(MODELLED_NAMES, booster.feature_importance(), strict=True) if splits == 0]
    assert {"is_matched", "open_tickets_count"} <= set(unused)
    assert shares.select(pl.col(unused).abs().max()).row(0) == (0.0,) * len(unused)
    main = shares.select(pl.col(MODELLED_NAMES).abs().mean()).row(0, named=True)
    assert set(sorted(main, key=main.get)[-2:]) == {"days_since_activity", "events_28d"}


def test_reasons_have_the_contracts_columns_and_name_what_drives_the_risk(trained, landmarks, alerted):
    found = reasons(trained.model, alerted, cohort=landmarks.filter(pl.col("is_scoring")))
    assert found.columns == [
        "enrolment_id",
        "observed_epoch_day",
        *(name for name in REASON.column_names if name.startswith("reason_")),
        "level",
    ]
    assert found["enrolment_id"].equals(alerted["enrolment_id"])
    said = pl.concat([found["reason_1_text"], found["reason_2_text"]])
    assert said.str.contains("no activity for").sum() > 20
    assert said.str.contains("course median").sum() > 20


def test_a_reason_is_a_family_that_raises_the_risk(trained, alerted):
    found = reasons(trained.model, alerted)
    shares = contributions(trained.model, alerted)
    for reason, share in zip(found.iter_rows(named=True), shares.iter_rows(named=True), strict=True):
        families = [reason[f"reason_{number}_family"] for number in (1, 2, 3)]
        named = [family for family in families if family]
        assert len(set(named)) == len(named)
        for family in named:
            assert sum(share.get(name, 0.0) for name in family_names(family)) > 0


def test_a_reason_speaks_through_its_largest_feature_with_the_courses_median(monkeypatch, trained):
    found = _explained(
        monkeypatch,
        trained.model,
        {"days_since_activity": 0.6, "gap_to_own_mean_ratio": 0.2},
        {"days_since_activity": 12, "gap_to_own_mean_ratio": 4.0},
        cohort={"days_since_activity": 2},
    )
    assert found["reason_1_text"] == "no activity for 12 days (course median 2)"
    assert (found["reason_1_family"], found["reason_2_family"], found["level"]) == ("recency", None, "methodological")


def test_what_lowers_the_risk_is_no_reason_nor_is_next_to_nothing(monkeypatch, trained):
    found = _explained(
        monkeypatch,
        trained.model,
        {"overdue_count": -0.4, "score_mean_share": 0.3, "days_since_activity": 0.04, "open_tickets_count": 0.1},
        {"overdue_count": 2, "score_mean_share": 0.3, "days_since_activity": 9, "open_tickets_count": 1},
    )
    assert (found["reason_1_text"], found["reason_2_text"]) == ("1 support ticket open", None)
    assert found["level"] == "technical"


def test_actionable_reasons_come_first_and_then_the_larger(monkeypatch, trained):
    found = _explained(
        monkeypatch,
        trained.model,
        {"course_week": 0.9, "overdue_count": 0.2, "active_days_14d": 0.5},
        {"course_week": 3, "overdue_count": 2, "active_days_14d": 1},
    )
    assert [found[f"reason_{number}_text"] for number in (1, 2, 3)] == [
        "active on 1 of the last 14 days",
        "2 pieces of work overdue",
        "week 3 of the course",
    ]


def test_only_the_first_three_are_said(monkeypatch, trained):
    found = _explained(
        monkeypatch,
        trained.model,
        {"course_week": 0.9, "overdue_count": 0.2, "active_days_14d": 0.5, "days_since_activity": 0.3},
        {"course_week": 3, "overdue_count": 2, "active_days_14d": 1, "days_since_activity": 9},
    )
    assert [found[f"reason_{number}_family"] for number in (1, 2, 3)] == ["activity", "recency", "assessment"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("is_matched", 1),
        ("has_never_started", 0),
        ("days_since_activity", 0),
        ("overdue_count", 0),
        ("events_28d_percentile", 0.9),
        ("events_slope_4w", 0.4),
        ("events_last_week_ratio", 1.8),
        ("enrolled_before_start_days", -3),
        ("days_early_mean", -2),
        ("open_tickets_count", 0),
        ("submitted_due_share", 1.0),
        ("has_met", 1),
        ("goals_count", 2),
        ("goal_gap_share", 0.1),
        ("active_days_7d", None),
    ],
)
def test_a_phrase_that_would_read_wrongly_is_not_said(monkeypatch, trained, name, value):
    assert _explained(monkeypatch, trained.model, {name: 1.0}, {name: value})["reason_1_text"] is None


def test_the_next_feature_of_the_family_speaks_where_the_largest_cannot(monkeypatch, trained):
    found = _explained(
        monkeypatch,
        trained.model,
        {"has_never_started": 0.5, "days_since_activity": 0.2},
        {"has_never_started": 0, "days_since_activity": 8},
    )
    assert found["reason_1_text"] == "no activity for 8 days"


def test_more_activity_than_the_course_has_or_about_as_much_is_never_said_as_a_risk(monkeypatch, trained):
    shares, values = {"active_days_14d": 0.5}, {"active_days_14d": 9}
    busy = _explained(monkeypatch, trained.model, shares, values, cohort={"active_days_14d": 4})
    like_others = _explained(monkeypatch, trained.model, shares, values, cohort={"active_days_14d": 10})
    quiet = _explained(monkeypatch, trained.model, shares, values, cohort={"active_days_14d": 12})
    assert (busy["reason_1_text"], like_others["reason_1_text"]) == (None, None)
    assert quiet["reason_1_text"] == "active on 9 of the last 14 days (course median 12)"


@pytest.mark.parametrize(
    ("name", "value", "median", "text"),
    [
        ("submitted_due_share", 0.333, 0.9, "33% of due work handed in (course median 90%)"),
        ("events_28d_percentile", 0.12, 0.5, "activity at the 12th percentile of the course"),
        ("events_28d_percentile", 0.218, None, "activity at the 22nd percentile of the course"),
        ("course_elapsed_share", 0.5, 0.5, "50% of the course gone"),
        ("minutes_7d", 12.5, 90.2, "13 minutes on task in the last 7 days (course median 90)"),
        (
            "gap_to_own_mean_ratio",
            3.04,
            1.0,
            "a silence 3.0 times as long as this learner's usual gap (course median 1.0)",
        ),
        ("events_slope_4w", -0.456, -0.1, "activity changing by -0.46 a week on the log scale over four weeks"),
        ("days_since_activity", 1, 0, "no activity for 1 day (course median 0)"),
        ("active_days_7d", 1, 3, "active on 1 of the last 7 days (course median 3)"),
        ("events_7d", 1, 1, "1 learning event in the last 7 days"),
        ("overdue_count", 1, 0, "1 piece of work overdue (course median 0)"),
        ("goal_gap_share", -0.2, 0.05, "goals at -20% against their timeline (course median 5%)"),
        ("unanswered_messages_28d", 1, None, "1 message to the mentor without an answer for more than 3 days"),
        ("has_never_started", 1, 0, "has not started yet"),
    ],
)
def test_values_are_written_as_people_write_them(name, value, median, text):
    assert said_of(BY_NAME[name], value, median) == text


def test_no_phrase_is_left_with_a_gap_or_a_float():
    for name in FEATURE_NAMES:
        feature = BY_NAME[name]
        text = said_of(feature, 0.25 if feature.field.maximum == 1 else 3.0, None)
        assert "{" not in text
        assert not re.search(r"\d\.0\b", text) or feature.field.unit == "ratio", text


def test_without_a_cohort_nothing_is_compared(trained, alerted):
    said = reasons(trained.model, alerted)["reason_1_text"]
    assert said.len() == 40
    assert not said.str.contains("median").any()


def test_nobody_to_explain_gives_no_rows(trained, landmarks):
    found = reasons(trained.model, landmarks.clear(), cohort=landmarks)
    assert found.height == 0
    assert "reason_3_text" in found.columns


def test_learners_without_a_course_are_compared_with_each_other(trained, alerted):
    rows = alerted.with_columns(pl.lit(None, dtype=pl.String).alias("course_id"))
    found = reasons(trained.model, rows, cohort=rows)
    assert found.height == rows.height
    assert found["reason_1_text"].str.contains("course median").any()
