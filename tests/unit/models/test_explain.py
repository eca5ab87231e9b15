import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.features import BY_NAME, FEATURE_NAMES, FEATURES, MODELLED_NAMES
from data_contracts.tables.risk import REASON
from models import explain
from models.explain import by_fact, contributions, reasons, said_of
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
    total = contributions(trained.model, landmarks, horizon=horizon).sum_horizontal().to_numpy()
    raw = score(trained.model, landmarks)[f"risk_score_{horizon}"].to_numpy()
    assert total == pytest.approx(raw, abs=1e-9)


def test_facts_add_up_to_the_raw_score_of_every_alerted_learner_too(trained, alerted):
    shares, values = contributions(trained.model, alerted), alerted.select(MODELLED_NAMES)
    told = zip(shares.iter_rows(named=True), values.iter_rows(named=True), strict=True)
    total = [sum(by_fact(share, value).values()) for share, value in told]
    assert total == pytest.approx(score(trained.model, alerted)["risk_score_28d"].to_list(), abs=1e-9)


def test_a_feature_that_neither_half_uses_contributes_nothing_and_what_drives_the_risk_the_most(trained, landmarks):
    shares = contributions(trained.model, landmarks.head(300))
    estimator = trained.model.estimator
    used = zip(
        estimator.booster.feature_importance(), estimator.line.weight, estimator.line.weight_of_unknown, strict=True
    )
    *by_feature, _ = [any(one) for one in used]
    unused = [name for name, is_used in zip(MODELLED_NAMES, by_feature, strict=True) if not is_used]
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
    values = {row["enrolment_id"]: row for row in alerted.iter_rows(named=True)}
    for reason, share in zip(found.iter_rows(named=True), shares.iter_rows(named=True), strict=True):
        families = [reason[f"reason_{number}_family"] for number in (1, 2, 3)]
        named = [family for family in families if family]
        assert len(set(named)) == len(named)
        facts = by_fact(share, values[reason["enrolment_id"]])
        for family in named:
            assert sum(facts[name] for name in MODELLED_NAMES if BY_NAME[name].reason_family == family) >= 0.1


def test_what_is_said_is_true_of_the_learner_s_own_data_and_sets_the_learner_apart(trained, landmarks, alerted):
    cohort = landmarks.filter(pl.col("is_scoring"))
    rows = {row["enrolment_id"]: row for row in alerted.iter_rows(named=True)}
    medians = {
        course: part.select(pl.col(MODELLED_NAMES).cast(pl.Float64).median()).row(0, named=True)
        for (course,), part in cohort.group_by("course_id")
    }
    told = 0
    for reason in reasons(trained.model, alerted, cohort=cohort).iter_rows(named=True):
        row = rows[reason["enrolment_id"]]
        for place in (1, 2, 3):
            text, family = reason[f"reason_{place}_text"], reason[f"reason_{place}_family"]
            if text is None:
                continue
            features = [one for one in FEATURES if one.is_modelled and one.reason_family == family and one.phrase]
            known = [one for one in features if row[one.name] is not None]
            (said,) = {
                one.name
                for one in known
                if said_of(one, row[one.name], medians[row["course_id"]][one.name]) == text
                and one.reads_within[0] <= row[one.name] <= one.reads_within[1]
            }
            if BY_NAME[said].worse == "low":
                assert row[said] < medians[row["course_id"]][said]
            if BY_NAME[said].worse == "high":
                assert row[said] > medians[row["course_id"]][said]
            told += 1
    assert told > 40


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
        {"overdue_count": -0.4, "score_mean_share": 0.3, "days_since_activity": 0.09, "open_tickets_count": 0.11},
        {"overdue_count": 2, "score_mean_share": 0.3, "days_since_activity": 9, "open_tickets_count": 1},
    )
    assert (found["reason_1_text"], found["reason_2_text"]) == ("1 support ticket open", None)
    assert found["level"] == "technical"


def test_actionable_reasons_come_first_and_then_the_larger(monkeypatch, trained):
    found = _explained(
        monkeypatch,
        trained.model,
        {"studied_credits": 0.9, "overdue_count": 0.2, "active_days_14d": 0.5},
        {"studied_credits": 60, "overdue_count": 2, "active_days_14d": 1},
    )
    assert [found[f"reason_{number}_text"] for number in (1, 2, 3)] == [
        "active on 1 of the last 14 days",
        "2 pieces of work overdue",
        "60 credits studied at the same time",
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
        ("enrolled_before_start_days", 3),
        ("days_early_mean", 2),
        ("course_week", 3),
        ("is_mentor_trained", 0),
        ("mentor_learners_count", 24),
        ("next_due_days", 3),
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
        ("submitted_due_share", 0.333, 0.9, "33% of the work due so far handed in (course median 90%)"),
        (
            "events_28d_percentile",
            0.12,
            0.5,
            "less activity in the last 28 days than about 85% of the course's learners",
        ),
        (
            "events_28d_percentile",
            0.01,
            None,
            "less activity in the last 28 days than about 95% of the course's learners",
        ),
        (
            "score_mean_percentile",
            0.22,
            None,
            "a lower mean score than about 75% of the course's learners with a score",
        ),
        ("submitted_due_share", 0, 1, "none of the work due so far handed in (course median 100%)"),
        ("minutes_7d", 0.2, 60, "0 minutes on task in the last 7 days (course median 60)"),
        ("events_14d", 0, 3, "no learning events in the last 14 days (course median 3)"),
        ("enrolled_before_start_days", -3, 20, "enrolled 3 days after the start"),
        ("days_early_mean", -1.6, 2, "work handed in 2 days late on average"),
        ("minutes_7d", 12.5, 90.2, "13 minutes on task in the last 7 days (course median 90)"),
        ("gap_to_own_mean_ratio", 3.04, 1.0, "silent for 3.0 times this learner's usual gap"),
        ("events_slope_4w", -0.456, -0.1, "less activity from week to week over the last four weeks"),
        ("overdue_commitments_count", 1, 0, "1 commitment overdue (course median 0)"),
        ("days_since_activity", 1, 0, "no activity for 1 day (course median 0)"),
        ("active_days_7d", 1, 3, "active on 1 of the last 7 days (course median 3)"),
        ("events_7d", 1, 1, "1 learning event in the last 7 days"),
        ("overdue_count", 1, 0, "1 piece of work overdue (course median 0)"),
        ("goal_gap_share", -0.2, 0.05, "goals behind their timeline by 20% of the way"),
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


def test_a_silence_is_one_fact_however_many_windows_it_empties(monkeypatch, trained):
    shares = {"events_28d": 0.5, "active_days_14d": 0.2, "events_28d_percentile": 0.3, "events_slope_4w": 0.2}
    values = {"events_28d": 0, "active_days_14d": 0, "events_28d_percentile": 0.02, "events_slope_4w": -1.0}
    quiet = _explained(
        monkeypatch, trained.model, shares, {"days_since_activity": 40, "has_never_started": 0, **values}
    )
    assert [quiet[f"reason_{place}_text"] for place in (1, 2, 3)] == ["no activity for 40 days", None, None]
    absent = _explained(
        monkeypatch, trained.model, shares, {"days_since_activity": 40, "has_never_started": 1, **values}
    )
    assert [absent[f"reason_{place}_text"] for place in (1, 2, 3)] == ["has not started yet", None, None]


def test_what_was_done_before_a_silence_stays_a_fact_of_its_own(monkeypatch, trained):
    shares = {"events_7d": 0.3, "events_28d": 0.5}
    values = {"days_since_activity": 10, "has_never_started": 0, "events_7d": 0, "events_28d": 4}
    found = _explained(monkeypatch, trained.model, shares, values)
    assert found["reason_1_text"] == "4 learning events in the last 28 days"
    assert found["reason_2_text"] == "no activity for 10 days"


def test_standing_among_others_is_told_with_what_it_ranks_and_not_beside_it(monkeypatch, trained):
    shares = {"active_days_28d": 0.4, "active_days_28d_percentile": 0.3, "score_mean_percentile": 0.2}
    values = {"active_days_28d": 2, "active_days_28d_percentile": 0.1, "score_mean_percentile": 0.3}
    found = _explained(monkeypatch, trained.model, shares, values)
    assert [found[f"reason_{place}_family"] for place in (1, 2, 3)] == ["activity", "assessment", None]


def test_a_feature_that_hardly_adds_to_its_family_does_not_speak_for_it(monkeypatch, trained):
    shares = {"course_week": 0.9, "previous_attempts_count": 0.02}
    assert (
        _explained(monkeypatch, trained.model, shares, {"course_week": 3, "previous_attempts_count": 1})[
            "reason_1_text"
        ]
        is None
    )


def test_what_most_of_the_course_share_is_no_reason(monkeypatch, trained):
    shares, values = (
        {"overdue_count": 0.5, "goal_attained_share": 0.5},
        {"overdue_count": 2, "goal_attained_share": 0.1},
    )
    alike = _explained(
        monkeypatch, trained.model, shares, values, cohort={"overdue_count": 2, "goal_attained_share": 0.14}
    )
    apart = _explained(
        monkeypatch, trained.model, shares, values, cohort={"overdue_count": 1, "goal_attained_share": 0.5}
    )
    assert alike["reason_1_text"] is None
    assert apart["reason_1_text"] == "2 pieces of work overdue (course median 1)"
    assert apart["reason_2_text"] == "10% of the way to the agreed goals (course median 50%)"


@given(
    share=st.lists(st.floats(-2, 2), min_size=len(MODELLED_NAMES), max_size=len(MODELLED_NAMES)),
    silent=st.none() | st.integers(0, 90),
    never=st.sampled_from([None, 0, 1]),
)
def test_telling_by_fact_moves_contributions_and_loses_none(share, silent, never):
    shares = dict(zip(MODELLED_NAMES, share, strict=True))
    facts = by_fact(shares, {"days_since_activity": silent, "has_never_started": never})
    assert sum(facts.values()) == pytest.approx(sum(share), abs=1e-9)
    untouched = [name for name in MODELLED_NAMES if BY_NAME[name].family in {"assessment", "mentoring", "goals"}]
    assert [facts[name] for name in untouched] == [shares[name] for name in untouched]


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
