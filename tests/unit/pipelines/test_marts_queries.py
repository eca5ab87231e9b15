"""Marts over a small warehouse: dimensions, risk, engagement, and what holds of every mart.

Tonight is Wednesday 2024-03-13, so its ISO week began on the 11th.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from data_contracts.errors import PermanentError
from data_contracts.schema import Kind
from data_contracts.tables.alerts import ALERT_TABLES
from data_contracts.tables.core import CORE_TABLES
from data_contracts.tables.inputs import RAW_INPUTS, RAW_TABLES
from data_contracts.tables.marts import MARTS
from data_contracts.tables.risk import RISK_TABLES
from pipelines.marts import MART_QUERIES, MartContext
from pipelines.marts.as_of import rounded
from tests.unit.pipelines.marts_rows import (
    CONTEXT,
    KNOWN,
    OBSERVED,
    TONIGHT,
    WEEK_9,
    WEEK_10,
    WEEK_11,
    acted,
    add,
    agreed,
    as_published,
    asked,
    at,
    away,
    enrol,
    epoch,
    matched,
    measured,
    met,
    on,
    promised,
    rows,
    stated,
    worked,
)


def test_every_mart_but_those_built_elsewhere_has_a_query():
    elsewhere = {
        "publication",
        "alert_quality",
        "learning_mix",
        "learning_transfer",
        "programme_outcome",
        "programme_comparison",
        "programme_roi",
        "roi_driver",
        "roi_principle",
        "cost_per_result",
        "mentoring_effect",
        "effect_balance",
        "effect_overlap",
        "effect_check",
    }
    assert list(MART_QUERIES) == [name for name in MARTS if name not in elsewhere]


@pytest.mark.parametrize("mart", MART_QUERIES)
def test_a_mart_of_an_empty_warehouse_has_the_contracts_columns(warehouse, mart):
    described = warehouse.rows(f"DESCRIBE {MART_QUERIES[mart](CONTEXT)}")
    assert [row[0] for row in described] == [name for name in MARTS[mart].column_names if name != "publication_id"]
    found = as_published(warehouse, mart)
    assert not found or mart == "data_quality"


def test_an_observation_time_without_a_zone_is_refused():
    with pytest.raises(PermanentError, match="no time zone"):
        MartContext(OBSERVED, TONIGHT, "run")


def test_a_run_id_that_is_no_identifier_is_refused():
    with pytest.raises(PermanentError, match="run_id"):
        MartContext(OBSERVED.replace(tzinfo=UTC), TONIGHT, "run'; --")


def test_an_observation_time_of_another_zone_is_read_in_utc():
    east = MartContext(datetime.fromisoformat("2024-03-13T00:00:00+02:00"), TONIGHT, "run")
    assert east.observed == "TIMESTAMP '2024-03-12 22:00:00.000000'"


def test_floats_are_rounded_half_up_to_six_places(warehouse):
    found = warehouse.rows(f"SELECT {rounded('1.0 / 3')}, {rounded('2.0 / 3')}, {rounded('0.1 + 0.2')}")
    assert found == [(0.333333, 0.666667, 0.3)]


# dimensions


def test_programmes_that_only_an_enrolment_or_a_match_names_have_a_row(warehouse):
    add(warehouse, "raw.programme", programme_id="P", name="Pilots")
    add(warehouse, "raw.course", course_id="C1", activity_iri="https://lms.example/c1", title="Knots")
    enrol(warehouse, "e1", "l1")
    enrol(warehouse, "e2", "l1", programme_id="course:C1", course_id="C1")
    enrol(warehouse, "e3", "l1", programme_id="course:C2", course_id="C2")
    matched(warehouse, programme_id="Q")
    assert rows(warehouse, "dim_programme", "programme_id", "name") == [
        ("P", "Pilots"),
        ("Q", "Q"),
        ("course:C1", "Knots"),
        ("course:C2", "course:C2"),
    ]
    assert rows(warehouse, "dim_course", "course_id", "activity_iri", "title") == [
        ("C", "C", "C"),
        ("C1", "https://lms.example/c1", "Knots"),
        ("C2", "C2", "C2"),
    ]


def test_the_latest_version_known_before_the_observation_time_is_shown(warehouse):
    for name, known_at in (("old", KNOWN), ("new", OBSERVED - timedelta(seconds=1)), ("later", OBSERVED)):
        add(warehouse, "raw.programme", programme_id="P", name=name, known_at=known_at)
    assert rows(warehouse, "dim_programme", "name") == ["new"]


def test_the_learner_tables_unit_wins_over_the_enrolments(warehouse):
    enrol(warehouse, "e1", "l1")
    enrol(warehouse, "e2", "l2")
    add(warehouse, "raw.learner", learner_id="l1", org_unit="south")
    add(warehouse, "raw.learner", learner_id="l3")
    matched(warehouse, learner_id="l4")
    assert rows(warehouse, "dim_learner") == [("l1", "south"), ("l2", "north"), ("l3", None), ("l4", None)]


def test_mentors_stand_as_described(warehouse):
    add(warehouse, "raw.mentor", mentor_id="m2", kind="manager", max_learners=3)
    add(warehouse, "raw.mentor", mentor_id="m1", kind="peer", trained_on=on(1, 5))
    assert rows(warehouse, "dim_mentor", "mentor_id", "kind", "max_learners", "trained_on") == [
        ("m1", "peer", None, on(1, 5)),
        ("m2", "manager", 3, None),
    ]


def test_dates_run_from_the_first_enrolments_week_to_ninety_days_ahead(warehouse):
    enrol(warehouse, "e1", "l1", enrolled_epoch_day=(date(2022, 12, 29) - date(1970, 1, 1)).days)
    found = rows(warehouse, "dim_date")
    assert found[0][0] == date(2022, 12, 26)
    assert found[-1][0] == OBSERVED.date() + timedelta(days=90)
    assert len(found) == (found[-1][0] - found[0][0]).days + 1
    for day, week, month, iso_year, iso_week, iso_weekday, _ in found:
        assert (iso_year, iso_week, iso_weekday) == tuple(day.isocalendar())
        assert week == day - timedelta(days=iso_weekday - 1)
        assert month == day.replace(day=1)


def test_the_organisation_is_closed_when_no_unit_is_named_or_all_are(warehouse):
    enrol(warehouse, "e1", "l1", org_unit="north")
    enrol(warehouse, "e2", "l2", org_unit="south")
    enrol(warehouse, "e3", "l3", org_unit="south")
    add(warehouse, "raw.calendar", org_unit=None, closed_on=on(3, 1))
    add(warehouse, "raw.calendar", org_unit="north", closed_on=on(3, 4))
    add(warehouse, "raw.calendar", org_unit="north", closed_on=on(3, 5))
    add(warehouse, "raw.calendar", org_unit="south", closed_on=on(3, 5))
    add(warehouse, "raw.calendar", org_unit="elsewhere", closed_on=on(3, 4))
    closed = [day for day, is_closed in rows(warehouse, "dim_date", "calendar_on", "is_closed_day") if is_closed]
    assert closed == [on(3, 1), on(3, 5)]


def test_another_units_closed_day_closes_nothing_where_no_learner_has_a_unit(warehouse):
    enrol(warehouse, "e1", "l1", org_unit=None)
    add(warehouse, "raw.calendar", org_unit="north", closed_on=on(3, 1))
    assert not any(rows(warehouse, "dim_date", "is_closed_day"))


# risk and alerts


def test_alerts_and_scores_are_those_of_tonight_alone(warehouse):
    for night in (-1, 0, 1):
        observed_at = OBSERVED + timedelta(days=night)
        add(
            warehouse,
            "risk.score",
            enrolment_id="e1",
            learner_id="l1",
            programme_id="P",
            observed_at=observed_at,
            abandonment_probability_28d=0.5 + night / 10,
            is_too_early=False,
        )
        for alert_id, state in (("b", "resolved"), ("a", "new")):
            add(warehouse, "alerts.alert", alert_id=alert_id, state=state, observed_at=observed_at, is_served=True)
    assert rows(warehouse, "learner_risk", "enrolment_id", "abandonment_probability_28d", "observed_at") == [
        ("e1", 0.5, OBSERVED)
    ]
    assert rows(warehouse, "learner_alerts", "alert_id", "state", "observed_at") == [
        ("a", "new", OBSERVED),
        ("b", "resolved", OBSERVED),
    ]


def test_unserved_risk_shows_the_latest_night_of_each_week(warehouse):
    for week, nights in ((WEEK_10, (at(3, 5, 0), at(3, 7, 0))), (WEEK_11, (at(3, 12, 0), OBSERVED, at(3, 14, 0)))):
        for night in nights:
            add(
                warehouse,
                "alerts.unserved",
                programme_id="P",
                observed_at=night,
                week_starts_on=week,
                unserved_alerts_count=night.day,
                served_alerts_count=1,
                expected_loss=0.5,
            )
    assert rows(warehouse, "unserved_risk", "week_starts_on", "unserved_alerts_count") == [(WEEK_10, 7), (WEEK_11, 13)]


def test_quality_is_the_champions(warehouse):
    for number, (model_id, trained_at) in enumerate((("old", at(1, 1)), ("new", at(3, 1))), start=1):
        add(warehouse, "risk.model", model_id=model_id, trained_at=trained_at)
        add(warehouse, "risk.promotion", promotion_number=number, model_id=model_id, promoted_at=trained_at)
        for estimator in ("model", "inactive_7d_rule"):
            add(
                warehouse,
                "risk.quality",
                model_id=model_id,
                estimator=estimator,
                horizon="28d",
                slice_kind="all",
                slice_value="all",
                metric_name="roc_auc",
                metric_value=0.7,
            )
        add(
            warehouse,
            "risk.fairness",
            model_id=model_id,
            attribute_name="gender",
            group_name="a",
            metric_name="auc",
            audit_verdict="not audited",
        )
    assert rows(warehouse, "model_quality", "model_id", "estimator") == [("new", "inactive_7d_rule"), ("new", "model")]
    assert rows(warehouse, "model_fairness", "model_id", "audit_verdict") == [("new", "not audited")]


def test_the_gate_of_a_refused_challenger_stands_beside_the_champion_s_and_tonight_s_drift(warehouse):
    for model_id, day in (("champion", 1), ("refused long ago", 2), ("refused", 3)):
        add(warehouse, "risk.model", model_id=model_id, trained_at=at(3, day))
        add(
            warehouse,
            "risk.gate",
            model_id=model_id,
            check_kind="chance",
            check_name="roc_auc",
            horizon="28d",
            subject="all",
            metric_value=0.7,
            limit_low=0.5,
            is_passed=model_id == "champion",
            is_blocking=True,
            reason=f"as {model_id}",
        )
    add(warehouse, "risk.promotion", promotion_number=1, model_id="champion", promoted_at=at(3, 1))
    for observed_at, kind, subject, value, verdict in (
        (OBSERVED, "feature", "minutes_7d", 0.3, "large"),
        (OBSERVED, "score", "abandonment_probability_7d", 0.01, "stable"),
        (OBSERVED, "lateness", "raw.statement", None, "not audited"),
        (at(3, 1), "feature", "minutes_28d", 0.4, "large"),
    ):
        add(
            warehouse,
            "risk.drift",
            observed_at=observed_at,
            model_id="champion",
            drift_kind=kind,
            subject=subject,
            metric_name="psi",
            metric_value=value,
            drift_verdict=verdict,
        )
    told = ("model_id", "horizon", "slice_kind", "slice_value", "metric_value", "limit_low", "is_passed", "reason")
    assert rows(warehouse, "model_quality", *told) == [
        ("champion", "28d", "drift", "minutes_7d", 0.3, None, False, "large"),
        ("champion", "28d", "drift", "raw.statement", None, None, None, "not audited"),
        ("champion", "28d", "gate", "all", 0.7, 0.5, True, "as champion"),
        ("champion", "7d", "drift", "abandonment_probability_7d", 0.01, None, True, "stable"),
        ("refused", "28d", "gate", "all", 0.7, 0.5, False, "as refused"),
    ]


# engagement


def test_a_week_adds_days_events_and_minutes_but_counts_each_activity_once(warehouse):
    enrol(warehouse, "e1", "l1")
    acted(warehouse, "e1", epoch(3, 4), events_count=3, minutes=10.5)
    acted(warehouse, "e1", epoch(3, 4), strand="social", activity_kind="forum", events_count=2, minutes=4.5)
    acted(warehouse, "e1", epoch(3, 10), events_count=1, minutes=2.0)
    acted(warehouse, "e1", epoch(3, 11), events_count=5, minutes=1.0)
    for epoch_day, activity in ((epoch(3, 4), "a"), (epoch(3, 10), "a"), (epoch(3, 4), "forum"), (epoch(3, 11), "a")):
        stated(warehouse, "e1", epoch_day, activity)
    add(
        warehouse,
        "core.submission",
        enrolment_id="e1",
        activity_iri="x",
        submitted_epoch_day=epoch(3, 8),
        known_epoch_day=epoch(3, 9),
    )
    add(warehouse, "core.submission", enrolment_id="e1", activity_iri="y")
    assert rows(warehouse, "engagement_weekly") == [
        ("e1", "l1", "P", "C", WEEK_9, 0, 0, 0.0, 0, 0),
        ("e1", "l1", "P", "C", WEEK_10, 2, 6, 17.0, 2, 1),
        ("e1", "l1", "P", "C", WEEK_11, 1, 5, 1.0, 1, 0),
    ]


def test_a_learner_who_never_started_has_silent_weeks_until_the_end(warehouse):
    enrol(warehouse, "never", "l1")
    enrol(warehouse, "gone", "l2", ended_epoch_day=epoch(3, 10), ended_known_epoch_day=epoch(3, 12))
    enrol(warehouse, "not_yet_known", "l3", ended_epoch_day=epoch(3, 3), ended_known_epoch_day=TONIGHT)
    enrol(warehouse, "over", "l4", course_end_epoch_day=epoch(3, 3))
    enrol(warehouse, "mentoring_only", "l5", course_id=None)
    enrol(warehouse, "before_start", "l6", ended_epoch_day=epoch(2, 25), ended_known_epoch_day=epoch(2, 25))
    weeks = {}
    for enrolment_id, week in rows(warehouse, "engagement_weekly", "enrolment_id", "week_starts_on"):
        weeks.setdefault(enrolment_id, []).append(week)
    assert weeks == {
        "never": [WEEK_9, WEEK_10, WEEK_11],
        "gone": [WEEK_9, WEEK_10],
        "not_yet_known": [WEEK_9, WEEK_10, WEEK_11],
        "over": [WEEK_9],
    }


def test_activity_outside_the_courses_weeks_is_shown_too(warehouse):
    enrol(warehouse, "e1", "l1", course_start_epoch_day=epoch(3, 4), course_end_epoch_day=epoch(3, 5))
    acted(warehouse, "e1", epoch(2, 27))
    acted(warehouse, "e1", epoch(3, 12))
    assert rows(warehouse, "engagement_weekly", "week_starts_on", "active_days_count") == [
        (WEEK_9, 1),
        (WEEK_10, 0),
        (WEEK_11, 1),
    ]


# all marts together


def test_what_is_known_already_but_lies_ahead_has_not_happened(warehouse):
    matched(warehouse)
    ahead = {"known_epoch_day": epoch(3, 1)}
    matched(warehouse, "ahead", learner_id="l2", programme_id="Q", matched_epoch_day=TONIGHT, **ahead)
    agreed(warehouse, "g", epoch(3, 12), epoch(4, 1))
    agreed(warehouse, "ahead", TONIGHT, epoch(4, 1), **ahead)
    promised(warehouse, "c1", epoch(3, 12))
    promised(warehouse, "c2", TONIGHT, made_known_epoch_day=epoch(3, 12))
    met(warehouse, "planned", "planned", at(3, 14), **ahead)
    assert rows(warehouse, "dim_programme", "programme_id") == ["P"]
    assert rows(warehouse, "dim_learner", "learner_id") == ["l1"]
    assert rows(warehouse, "goal_progress", "goal_id") == ["g"]
    assert rows(warehouse, "mentoring_health", "commitments_made_count")[-1] == 1


def small_world(warehouse):
    """Every table that a mart reads has rows, so that every mart has rows too."""
    add(warehouse, "raw.programme", programme_id="P", name="Pilots")
    add(warehouse, "raw.course", course_id="C", activity_iri="https://lms.example/c", title="Knots")
    add(warehouse, "raw.learner", learner_id="l1", org_unit="north")
    add(warehouse, "raw.calendar", org_unit="north", closed_on=on(3, 1))
    add(warehouse, "raw.mentor", mentor_id="m1", kind="peer", capacity_minutes_per_week=90)
    add(warehouse, "raw.mentor_availability", mentor_id="m1", from_on=on(3, 4), to_on=on(3, 10), minutes_per_week=120)
    add(warehouse, "raw.support_ticket", ticket_id="t", learner_id="l1", kind="content", opened_at=at(3, 5))
    add(warehouse, "raw.activity", activity_iri="y", course_id="C", is_assessment=True, due_on=on(3, 5))
    agreed(warehouse, "g", epoch(3, 2), epoch(3, 22), weight=1.0)
    measured(warehouse, "g", epoch(3, 9), 0.5)
    promised(warehouse, "c", epoch(3, 5), epoch(3, 7), "kept", next_met_epoch_day=epoch(3, 7), is_reviewed_at_next=True)
    away(warehouse, epoch(3, 8))
    worked(warehouse, WEEK_10, held_minutes=30.0)
    worked(warehouse, WEEK_11)
    add(
        warehouse,
        "core.registration",
        learner_id="l1",
        programme_id="P",
        route="nominated",
        registered_epoch_day=epoch(2, 20),
    )
    add(warehouse, "core.mentoring_finding", finding="unknown_match", table_name="raw.goal", found_count=1)
    add(warehouse, "raw.mentoring_session", session_id="s", held_at=KNOWN, learner_rating=4.0)
    add(warehouse, "raw.mentoring_message", message_id="q", sent_at=KNOWN)
    add(warehouse, "raw.statement", statement_id="x", happened_at=KNOWN)
    matched(warehouse, agreed_sessions_per_week=1.0, matched_epoch_day=epoch(2, 5))
    met(warehouse, "s", "held", at(3, 5), minutes=30.0, learner_rating=4.0, mentor_rating=3.0)
    asked(warehouse, "q", at(3, 6), at(3, 7))
    met(warehouse, "a", "message_by_mentor", at(3, 7))
    enrol(warehouse, "e1", "l1")
    enrol(warehouse, "e0", "l1", course_end_epoch_day=epoch(3, 1))
    acted(warehouse, "e1", epoch(3, 5), strand="social")
    stated(warehouse, "e1", epoch(3, 5), "forum")
    add(
        warehouse,
        "core.submission",
        enrolment_id="e1",
        activity_iri="y",
        submitted_epoch_day=epoch(3, 6),
        known_epoch_day=epoch(3, 6),
    )
    add(warehouse, "core.learner_activity", learner_id="l1", epoch_day=epoch(3, 6), strand="formal", events_count=1)
    add(warehouse, "risk.model", model_id="v", trained_at=at(3, 1), state="champion")
    add(warehouse, "risk.promotion", promotion_number=1, model_id="v", promoted_at=at(3, 1))
    for name in ("roc_auc", "pr_auc", "brier_skill", "base_rate"):
        add(warehouse, "risk.quality", model_id="v", metric_name=name, metric_value=0.7)
        add(warehouse, "risk.fairness", model_id="v", metric_name=name, audit_verdict="not audited")
    add(warehouse, "risk.gate", model_id="v", horizon="28d", check_name="roc_auc", subject="all", is_passed=True)
    add(warehouse, "risk.drift", model_id="v", observed_at=OBSERVED, subject="minutes_7d", drift_verdict="large")
    add(warehouse, "risk.score", enrolment_id="e1", learner_id="l1", programme_id="P", observed_at=OBSERVED)
    add(
        warehouse,
        "alerts.alert",
        alert_id="al",
        mentor_id="m1",
        learner_id="l1",
        programme_id="P",
        kind="risk",
        state="new",
        observed_at=OBSERVED,
        is_served=True,
        expected_minutes=20,
    )
    add(
        warehouse,
        "alerts.capacity",
        mentor_id="m1",
        observed_at=OBSERVED,
        week_starts_on=WEEK_11,
        available_minutes=90.0,
        planned_minutes=0.0,
        used_minutes=20.0,
        is_capacity_assumed=False,
    )
    add(
        warehouse,
        "alerts.unserved",
        programme_id="P",
        observed_at=OBSERVED,
        week_starts_on=WEEK_11,
        unserved_alerts_count=1,
        served_alerts_count=1,
    )


def copy_rows(warehouse, table, changes, *, keep=()):
    """Add a copy of each row with `changes` (SQL by column) and every other column but those kept made different."""
    other = {
        Kind.TEXT: "{} || ' other'",
        Kind.INTEGER: "{} + 1",
        Kind.NUMBER: "{} + 1",
        Kind.BOOLEAN: "NOT {}",
        Kind.INSTANT: "{}",
        Kind.DATE: "{}",
    }
    values = ", ".join(
        changes.get(column.name, ("{}" if column.name in keep else other[column.field.kind]).format(f'"{column.name}"'))
        for column in table.columns
    )
    warehouse.execute(f"INSERT INTO {table.qualified_name} SELECT {values} FROM {table.qualified_name}")


def test_nothing_that_happened_or_was_known_after_the_observation_time_shows(warehouse):
    small_world(warehouse)
    before = {mart: as_published(warehouse, mart) for mart in MART_QUERIES}
    assert all(before.values())
    links = (
        "learner_id",
        "mentor_id",
        "match_id",
        "programme_id",
        "course_id",
        "session_id",
        "enrolment_id",
        "kind",
        "status",
        "strand",
        "event_kind",
        "minutes",
        "is_served",
        "timezone",
        "mentor_timezone",
    )
    tonight, observed = str(TONIGHT), f"TIMESTAMP '{OBSERVED}'"
    for table in (*RAW_INPUTS.values(), next(table for table in RAW_TABLES if table.name == "statement")):
        copy_rows(warehouse, table, {"known_at": observed, "file_name": "'b.csv'"}, keep=table.key)  # re-stated
        copy_rows(warehouse, table, {"known_at": observed}, keep=links)  # new
    for table in CORE_TABLES:
        names = set(table.column_names)
        for name in names & {"known_epoch_day", "made_known_epoch_day"}:
            copy_rows(warehouse, table, {name: tonight}, keep=(*links, "epoch_day", "submitted_epoch_day"))
        for name in names & {"epoch_day", "submitted_epoch_day", "enrolled_epoch_day"}:
            late = {name: tonight, "known_epoch_day": tonight} if "known_epoch_day" in names else {name: tonight}
            keep = () if name == "enrolled_epoch_day" else links
            copy_rows(warehouse, table, late, keep=keep)
    for table in (*RISK_TABLES, *ALERT_TABLES):
        if "observed_at" in table.column_names:
            copy_rows(warehouse, table, {"observed_at": f"{observed} + INTERVAL 1 DAY"}, keep=links)
        elif "trained_at" in table.column_names:
            copy_rows(warehouse, table, {"trained_at": f"{observed} + INTERVAL 1 DAY"}, keep=("state",))
        elif "promoted_at" in table.column_names:
            copy_rows(warehouse, table, {"promoted_at": f"{observed} + INTERVAL 1 DAY"})
        elif table.name in ("quality", "fairness", "gate"):
            copy_rows(warehouse, table, {})
    for mart in MART_QUERIES:
        assert as_published(warehouse, mart) == before[mart], mart


@pytest.mark.parametrize("mart", MART_QUERIES)
def test_rows_come_in_the_order_of_the_marts_key(warehouse, mart):
    small_world(warehouse)
    for table in (*RAW_INPUTS.values(), *CORE_TABLES, *RISK_TABLES, *ALERT_TABLES):
        for letter in "zbm":
            changes = {
                name: f"'{letter}' || {name}"
                for name in table.column_names
                if name in {*table.key, "learner_id", "mentor_id", "match_id", "programme_id", "course_id", "model_id"}
                and table.column(name).field.kind is Kind.TEXT
            }
            same = tuple(name for name in table.column_names if name not in changes)
            copy_rows(warehouse, table, changes, keep=same)
    names = MARTS[mart].column_names
    found = [
        tuple((row[names.index(name)] is None, row[names.index(name)]) for name in MARTS[mart].key)
        for row in as_published(warehouse, mart)
    ]
    assert len(found) > 3
    assert found == sorted(found, key=lambda key: [(is_null, str(value)) for is_null, value in key])
    assert len(set(found)) == len(found)
