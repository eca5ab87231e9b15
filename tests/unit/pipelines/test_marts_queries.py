"""Hand-computed marts over a small warehouse; tonight is Wednesday 2024-03-13, so its ISO week began on the 11th."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import PermanentError
from data_contracts.schema import Kind, Table
from data_contracts.tables.alerts import ALERT_TABLES
from data_contracts.tables.core import CORE_TABLES
from data_contracts.tables.inputs import RAW_INPUTS, RAW_TABLES
from data_contracts.tables.marts import MARTS
from data_contracts.tables.risk import RISK_TABLES
from pipelines.marts import MART_QUERIES, MartContext
from pipelines.marts.as_of import rounded
from pipelines.warehouse import Warehouse

OBSERVED = datetime(2024, 3, 13)  # noqa: DTZ001 - as the warehouse stores it, UTC without a zone
TONIGHT = (OBSERVED.date() - date(1970, 1, 1)).days
KNOWN = OBSERVED - timedelta(days=40)
CONTEXT = MartContext(OBSERVED.replace(tzinfo=UTC), TONIGHT, "run-2")

WEEK_9, WEEK_10, WEEK_11 = date(2024, 2, 26), date(2024, 3, 4), date(2024, 3, 11)


def on(month: int, day: int) -> date:
    return date(2024, month, day)


def epoch(month: int, day: int) -> int:
    return (date(2024, month, day) - date(1970, 1, 1)).days


def at(month: int, day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2024, month, day, hour, minute)  # noqa: DTZ001 - as the warehouse stores it


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse(Path(":memory:"), Path(":memory:"), threads=1, memory_limit="1GB") as opened:
        yield opened


def add(warehouse: Warehouse, table: str, **values: object) -> None:
    """Insert one row; what is not given is null, but raw rows are known 40 days ago and enrolments are ordinary."""
    if table.startswith("raw.") and table not in ("raw.file", "raw.quarantine"):
        values = {"known_at": KNOWN, "is_known_at_assumed": False, **values}
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join("?" for _ in values)
    warehouse.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values.values())


def enrol(warehouse: Warehouse, enrolment_id: str, learner_id: str, **values: object) -> None:
    given = {
        "programme_id": "P",
        "course_id": "C",
        "enrolled_epoch_day": epoch(2, 20),
        "course_start_epoch_day": epoch(2, 26),
        "course_end_epoch_day": epoch(6, 1),
        "timezone": "UTC",
        "org_unit": "north",
        **values,
    }
    add(
        warehouse,
        "core.enrolment",
        enrolment_id=enrolment_id,
        learner_id=learner_id,
        participation_id=f"{given['programme_id']}:{learner_id}",
        **given,
    )


def acted(warehouse: Warehouse, enrolment_id: str, epoch_day: int, **values: object) -> None:
    add(
        warehouse,
        "core.enrolment_day",
        **{
            "enrolment_id": enrolment_id,
            "epoch_day": epoch_day,
            "known_epoch_day": epoch_day,
            "strand": "formal",
            "activity_kind": "content",
            "events_count": 1,
            "minutes": 1.0,
            "distinct_activities_count": 1,
            "scored_count": 0,
            "first_second": 0,
            "last_second": 0,
            **values,
        },
    )


def stated(warehouse: Warehouse, enrolment_id: str, epoch_day: int, object_iri: str) -> None:
    add(
        warehouse,
        "core.statement",
        statement_id=f"{enrolment_id}{epoch_day}{object_iri}",
        enrolment_id=enrolment_id,
        object_iri=object_iri,
        epoch_day=epoch_day,
        known_epoch_day=epoch_day,
        known_at=KNOWN,
    )


def met(warehouse: Warehouse, event_id: str, kind: str, when: datetime, **values: object) -> None:
    day = (when.date() - date(1970, 1, 1)).days
    group = values.pop("group_id", None)
    add(
        warehouse,
        "core.mentoring_event",
        **{
            "event_id": event_id,
            "match_id": "M",
            "mentor_id": "m1",
            "learner_id": "l1",
            "event_kind": kind,
            "happened_at": when,
            "epoch_day": day,
            "known_epoch_day": day,
            "minutes": 0.0,
            "meeting_id": f"{group} {day}" if group else event_id,
            **values,
        },
    )


def matched(warehouse: Warehouse, match_id: str = "M", **values: object) -> None:
    add(
        warehouse,
        "raw.mentoring_match",
        **{
            "match_id": match_id,
            "mentor_id": "m1",
            "learner_id": "l1",
            "programme_id": "P",
            "matched_on": on(2, 28),
            **values,
        },
    )


def rows(warehouse: Warehouse, mart: str, *names: str) -> list[Any]:
    """The mart's rows as tuples of the named columns, in its order; plain values where one column is named."""
    found = warehouse.rows(f"SELECT {', '.join(names) or '*'} FROM ({MART_QUERIES[mart](CONTEXT)})")
    return [row[0] for row in found] if len(names) == 1 else found


def as_published(warehouse: Warehouse, mart: str) -> list[tuple[Any, ...]]:
    columns = ", ".join(
        f'CAST("{column.name}" AS {column.sql_type}) AS "{column.name}"'
        for column in MARTS[mart].columns
        if column.name != "publication_id"
    )
    query = MART_QUERIES[mart](CONTEXT)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE published AS SELECT {columns} FROM ({query})")
    return warehouse.rows("FROM published")


def test_every_mart_but_the_four_built_elsewhere_has_a_query() -> None:
    elsewhere = {"publication", "learning_mix", "programme_roi", "mentoring_effect"}
    assert list(MART_QUERIES) == [name for name in MARTS if name not in elsewhere]


@pytest.mark.parametrize("mart", MART_QUERIES)
def test_a_mart_of_an_empty_warehouse_has_the_contracts_columns(warehouse: Warehouse, mart: str) -> None:
    described = warehouse.rows(f"DESCRIBE {MART_QUERIES[mart](CONTEXT)}")
    assert [row[0] for row in described] == [name for name in MARTS[mart].column_names if name != "publication_id"]
    found = as_published(warehouse, mart)
    assert not found or mart == "data_quality"


def test_an_observation_time_without_a_zone_is_refused() -> None:
    with pytest.raises(PermanentError, match="no time zone"):
        MartContext(OBSERVED, TONIGHT, "run")


def test_a_run_id_that_is_no_identifier_is_refused() -> None:
    with pytest.raises(PermanentError, match="run_id"):
        MartContext(OBSERVED.replace(tzinfo=UTC), TONIGHT, "run'; --")


def test_an_observation_time_of_another_zone_is_read_in_utc() -> None:
    east = MartContext(datetime.fromisoformat("2024-03-13T00:00:00+02:00"), TONIGHT, "run")
    assert east.observed == "TIMESTAMP '2024-03-12 22:00:00.000000'"


def test_floats_are_rounded_half_up_to_six_places(warehouse: Warehouse) -> None:
    found = warehouse.rows(f"SELECT {rounded('1.0 / 3')}, {rounded('2.0 / 3')}, {rounded('0.1 + 0.2')}")
    assert found == [(0.333333, 0.666667, 0.3)]


# dimensions


def test_programmes_that_only_an_enrolment_or_a_match_names_have_a_row(warehouse: Warehouse) -> None:
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


def test_the_latest_version_known_before_the_observation_time_is_shown(warehouse: Warehouse) -> None:
    for name, known_at in (("old", KNOWN), ("new", OBSERVED - timedelta(seconds=1)), ("later", OBSERVED)):
        add(warehouse, "raw.programme", programme_id="P", name=name, known_at=known_at)
    assert rows(warehouse, "dim_programme", "name") == ["new"]


def test_the_learner_tables_unit_wins_over_the_enrolments(warehouse: Warehouse) -> None:
    enrol(warehouse, "e1", "l1")
    enrol(warehouse, "e2", "l2")
    add(warehouse, "raw.learner", learner_id="l1", org_unit="south")
    add(warehouse, "raw.learner", learner_id="l3")
    matched(warehouse, learner_id="l4")
    assert rows(warehouse, "dim_learner") == [("l1", "south"), ("l2", "north"), ("l3", None), ("l4", None)]


def test_mentors_stand_as_described(warehouse: Warehouse) -> None:
    add(warehouse, "raw.mentor", mentor_id="m2", kind="manager", max_learners=3)
    add(warehouse, "raw.mentor", mentor_id="m1", kind="peer", trained_on=on(1, 5))
    assert rows(warehouse, "dim_mentor", "mentor_id", "kind", "max_learners", "trained_on") == [
        ("m1", "peer", None, on(1, 5)),
        ("m2", "manager", 3, None),
    ]


def test_dates_run_from_the_first_enrolments_week_to_ninety_days_ahead(warehouse: Warehouse) -> None:
    enrol(warehouse, "e1", "l1", enrolled_epoch_day=(date(2022, 12, 29) - date(1970, 1, 1)).days)
    found = rows(warehouse, "dim_date")
    assert found[0][0] == date(2022, 12, 26)
    assert found[-1][0] == OBSERVED.date() + timedelta(days=90)
    assert len(found) == (found[-1][0] - found[0][0]).days + 1
    for day, week, month, iso_year, iso_week, iso_weekday, _ in found:
        assert (iso_year, iso_week, iso_weekday) == tuple(day.isocalendar())
        assert week == day - timedelta(days=iso_weekday - 1)
        assert month == day.replace(day=1)


def test_the_organisation_is_closed_when_no_unit_is_named_or_all_are(warehouse: Warehouse) -> None:
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


def test_another_units_closed_day_closes_nothing_where_no_learner_has_a_unit(warehouse: Warehouse) -> None:
    enrol(warehouse, "e1", "l1", org_unit=None)
    add(warehouse, "raw.calendar", org_unit="north", closed_on=on(3, 1))
    assert not any(rows(warehouse, "dim_date", "is_closed_day"))


# risk and alerts


def test_alerts_and_scores_are_those_of_tonight_alone(warehouse: Warehouse) -> None:
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


def test_unserved_risk_shows_the_latest_night_of_each_week(warehouse: Warehouse) -> None:
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


def test_quality_is_the_champions(warehouse: Warehouse) -> None:
    add(warehouse, "risk.model", model_id="old", trained_at=at(1, 1), state="former")
    add(warehouse, "risk.model", model_id="new", trained_at=at(3, 1), state="champion")
    for model_id in ("old", "new"):
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


# engagement


def test_a_week_adds_days_events_and_minutes_but_counts_each_activity_once(warehouse: Warehouse) -> None:
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


def test_a_learner_who_never_started_has_silent_weeks_until_the_end(warehouse: Warehouse) -> None:
    enrol(warehouse, "never", "l1")
    enrol(warehouse, "gone", "l2", ended_epoch_day=epoch(3, 10), ended_known_epoch_day=epoch(3, 12))
    enrol(warehouse, "not_yet_known", "l3", ended_epoch_day=epoch(3, 3), ended_known_epoch_day=TONIGHT)
    enrol(warehouse, "over", "l4", course_end_epoch_day=epoch(3, 3))
    enrol(warehouse, "mentoring_only", "l5", course_id=None)
    enrol(warehouse, "before_start", "l6", ended_epoch_day=epoch(2, 25), ended_known_epoch_day=epoch(2, 25))
    weeks: dict[str, list[date]] = {}
    for enrolment_id, week in rows(warehouse, "engagement_weekly", "enrolment_id", "week_starts_on"):
        weeks.setdefault(enrolment_id, []).append(week)
    assert weeks == {
        "never": [WEEK_9, WEEK_10, WEEK_11],
        "gone": [WEEK_9, WEEK_10],
        "not_yet_known": [WEEK_9, WEEK_10, WEEK_11],
        "over": [WEEK_9],
    }


def test_activity_outside_the_courses_weeks_is_shown_too(warehouse: Warehouse) -> None:
    enrol(warehouse, "e1", "l1", course_start_epoch_day=epoch(3, 4), course_end_epoch_day=epoch(3, 5))
    acted(warehouse, "e1", epoch(2, 27))
    acted(warehouse, "e1", epoch(3, 12))
    assert rows(warehouse, "engagement_weekly", "week_starts_on", "active_days_count") == [
        (WEEK_9, 1),
        (WEEK_10, 0),
        (WEEK_11, 1),
    ]


def test_issues_go_to_the_course_begun_last_of_those_the_learner_was_in(warehouse: Warehouse) -> None:
    enrol(warehouse, "e1", "l1", course_id="early", course_start_epoch_day=epoch(2, 20))
    enrol(warehouse, "e2", "l1", course_id="late")
    enrol(
        warehouse,
        "e3",
        "l1",
        course_id="left",
        course_start_epoch_day=epoch(3, 1),
        ended_epoch_day=epoch(3, 2),
        ended_known_epoch_day=epoch(3, 2),
    )
    enrol(warehouse, "e4", "l2", course_id="late")
    for ticket_id, learner_id, kind, day in (
        ("t1", "l1", "content", 5),
        ("t2", "l1", "content", 10),
        ("t3", "l2", "content", 6),
        ("t4", "l1", "documentation", 5),
        ("t5", "l1", "technical", 5),
        ("t6", "nobody", "content", 5),
        ("t7", "l1", "content", 1),
    ):
        add(
            warehouse, "raw.support_ticket", ticket_id=ticket_id, learner_id=learner_id, kind=kind, opened_at=at(3, day)
        )
    assert rows(warehouse, "course_issues") == [
        ("late", "content", WEEK_10, 3, 2),
        ("late", "documentation", WEEK_10, 1, 1),
        ("left", "content", WEEK_9, 1, 1),
    ]


def test_a_tickets_week_is_the_learners_local_one(warehouse: Warehouse) -> None:
    enrol(warehouse, "e1", "l1", timezone="Europe/Athens")
    add(warehouse, "raw.support_ticket", ticket_id="t", learner_id="l1", kind="content", opened_at=at(3, 10, 22, 30))
    assert rows(warehouse, "course_issues", "week_starts_on") == [WEEK_11]


# community


def test_interactions_are_cross_class_where_several_units_met_in_a_course(warehouse: Warehouse) -> None:
    enrol(warehouse, "e1", "l1", org_unit="north")
    enrol(warehouse, "e2", "l2", org_unit="south", programme_id="Q")
    enrol(warehouse, "e3", "l3", org_unit="north", course_id="D")
    for enrolment_id, day, count in (("e1", 5, 3), ("e2", 6, 4), ("e3", 6, 5), ("e1", 11, 7)):
        acted(warehouse, enrolment_id, epoch(3, day), strand="social", events_count=count)
    acted(warehouse, "e2", epoch(3, 11), strand="formal", events_count=9)
    enrol(warehouse, "e4", "l4", org_unit="north")
    acted(warehouse, "e4", epoch(3, 11), strand="social", events_count=1)
    acted(warehouse, "e4", epoch(3, 12), strand="social", events_count=1)
    week_8 = WEEK_9 - timedelta(days=7)
    assert rows(warehouse, "community_weekly") == [
        ("P", week_8, 0, 0, 0, 0),
        ("P", WEEK_9, 0, 0, 0, 0),
        ("P", WEEK_10, 8, 3, 2, 0),
        ("P", WEEK_11, 9, 0, 2, 0),
        ("Q", week_8, 0, 0, 0, 0),
        ("Q", WEEK_9, 0, 0, 0, 0),
        ("Q", WEEK_10, 4, 4, 1, 0),
        ("Q", WEEK_11, 0, 0, 0, 0),
    ]


def test_a_learner_active_after_the_course_counts_once_a_week(warehouse: Warehouse) -> None:
    enrol(warehouse, "e1", "l1", course_end_epoch_day=epoch(3, 5))
    enrol(warehouse, "e2", "l2", course_end_epoch_day=epoch(3, 5))
    enrol(warehouse, "e3", "l3")
    acted(warehouse, "e1", epoch(3, 6))
    acted(warehouse, "e2", epoch(3, 5))
    for learner_id, day in (("l1", 7), ("l1", 11), ("l2", 12), ("l3", 12)):
        add(
            warehouse,
            "core.learner_activity",
            learner_id=learner_id,
            epoch_day=epoch(3, day),
            strand="formal",
            events_count=1,
        )
    found = rows(warehouse, "community_weekly", "week_starts_on", "active_after_course_count")
    assert found[-2:] == [(WEEK_10, 1), (WEEK_11, 2)]
    assert not any(count for _, count in found[:-2])


# mentoring


def test_a_matchs_weeks_show_cadence_silence_and_commitments(warehouse: Warehouse) -> None:
    matched(warehouse, agreed_sessions_per_week=2, purpose="career")
    add(warehouse, "raw.mentor", mentor_id="m1", kind="independent", trained_on=on(3, 10))
    add(warehouse, "raw.goal", goal_id="g", match_id="M", agreed_on=on(3, 6), due_on=on(6, 1))
    met(warehouse, "s1", "held", at(3, 5))
    met(warehouse, "s2", "missed_by_learner", at(3, 9))
    met(warehouse, "x1", "message_by_learner", at(3, 8))
    met(warehouse, "x2", "message_by_mentor", at(3, 8))
    for session_id in ("s3", "s4", "s5"):
        met(warehouse, session_id, "held", at(3, 11))
    add(
        warehouse,
        "raw.commitment",
        commitment_id="c1",
        session_id="s1",
        made_on=on(3, 5),
        reviewed_on=on(3, 11),
        status="kept",
    )
    add(warehouse, "raw.commitment", commitment_id="c2", session_id="s1", made_on=on(3, 5), status="open")
    matched(warehouse, "other", ended_on=on(2, 28))
    met(warehouse, "o", "held", at(2, 28), match_id="other")
    assert rows(warehouse, "mentoring_health")[:3] == [
        ("M", "P", "m1", "l1", WEEK_9, 0, 2.0, 0, 0, 0, 0.0, 4, 0, 0, True, True, False),
        ("M", "P", "m1", "l1", WEEK_10, 1, 2.0, 1, 1, 1, 0.5, 2, 2, 0, False, True, True),
        ("M", "P", "m1", "l1", WEEK_11, 3, 2.0, 0, 0, 0, 1.0, 1, 0, 1, False, True, True),
    ]
    assert rows(warehouse, "mentoring_health", "match_id", "silence_days")[3:] == [("other", 0)]


def test_silence_is_each_matchs_own(warehouse: Warehouse) -> None:
    for match_id in ("M1", "M2"):
        matched(warehouse, match_id, matched_on=on(3, 11))
    met(warehouse, "x", "message_by_learner", at(3, 12), match_id="M1")
    assert rows(warehouse, "mentoring_health", "match_id", "silence_days") == [("M1", 0), ("M2", 1)]


def test_a_match_without_agreement_or_purpose_says_so(warehouse: Warehouse) -> None:
    matched(warehouse, "no_cadence", matched_on=on(3, 11))
    matched(warehouse, "no_due_date", matched_on=on(3, 11), agreed_sessions_per_week=1, purpose="performance")
    add(warehouse, "raw.goal", goal_id="g1", match_id="no_cadence", agreed_on=on(3, 11), due_on=on(6, 1))
    add(warehouse, "raw.goal", goal_id="g2", match_id="no_due_date", agreed_on=on(3, 11))
    add(warehouse, "raw.mentor", mentor_id="m1", kind="peer")
    names = ("match_id", "cadence_kept_share", "is_unset", "is_purpose_fit", "is_mentor_trained")
    assert rows(warehouse, "mentoring_health", *names) == [
        ("no_cadence", None, True, None, False),
        ("no_due_date", 0.0, True, False, False),
    ]


def test_a_group_that_meets_counts_once_a_match_and_once_for_the_mentor(warehouse: Warehouse) -> None:
    for number in (1, 2):
        matched(warehouse, f"M{number}", learner_id=f"l{number}", matched_on=on(3, 11))
        met(warehouse, f"s{number}", "held", at(3, 11), match_id=f"M{number}", group_id="g", minutes=45.0)
        met(warehouse, f"r{number}", "held", at(3, 12), match_id=f"M{number}", group_id="g", minutes=30.0)
    met(warehouse, "s1_again", "held", at(3, 11), match_id="M1", group_id="g", minutes=45.0)
    for session_id in ("n1", "n2"):
        met(warehouse, session_id, "missed_by_mentor", at(3, 12), match_id="M2", group_id="h")
    assert rows(warehouse, "mentoring_health", "match_id", "sessions_held_count", "sessions_missed_count") == [
        ("M1", 2, 0),
        ("M2", 2, 1),
    ]
    assert rows(warehouse, "mentor_load", "used_minutes", "learners_count") == [(75.0, 2)]


def test_a_match_that_ended_has_no_later_week(warehouse: Warehouse) -> None:
    matched(warehouse, "ended", ended_on=on(3, 6))
    matched(warehouse, "ends_later", ended_on=on(3, 20))
    met(warehouse, "s", "held", at(3, 7), match_id="ended")
    found = rows(warehouse, "mentoring_health", "match_id", "week_starts_on", "silence_days", "sessions_held_count")
    assert found == [
        ("ended", WEEK_9, 4, 0),
        ("ended", WEEK_10, 7, 0),
        ("ends_later", WEEK_9, 4, 0),
        ("ends_later", WEEK_10, 11, 0),
        ("ends_later", WEEK_11, 13, 0),
    ]


def test_minutes_of_tonights_week_are_routings_and_of_past_weeks_the_logs(warehouse: Warehouse) -> None:
    matched(warehouse)
    add(warehouse, "raw.mentor", mentor_id="m1", kind="peer", capacity_minutes_per_week=90)
    matched(warehouse, "same learner", programme_id="Q")
    for from_on, to_on, minutes in ((on(3, 1), on(3, 31), 10), (on(3, 4), on(3, 10), 120), (on(3, 5), on(3, 9), 20)):
        add(
            warehouse, "raw.mentor_availability", mentor_id="m1", from_on=from_on, to_on=to_on, minutes_per_week=minutes
        )
    met(warehouse, "s", "held", at(3, 5), minutes=30.0)
    met(warehouse, "p", "planned", at(3, 6), minutes=25.0)
    for night, week in ((at(3, 5, 0), WEEK_10), (at(3, 6, 0), WEEK_10), (OBSERVED, WEEK_11)):
        add(
            warehouse,
            "alerts.capacity",
            mentor_id="m1",
            observed_at=night,
            week_starts_on=week,
            available_minutes=100.0,
            planned_minutes=40.0,
            used_minutes=50.0,
            is_capacity_assumed=False,
        )
        for alert_id, learner_id, minutes in (("a", "l1", 20), ("a2", "l1", 15), ("b", "l2", 10)):
            add(
                warehouse,
                "alerts.alert",
                alert_id=alert_id,
                learner_id=learner_id,
                mentor_id="m1",
                observed_at=night,
                is_served=True,
                expected_minutes=minutes,
            )
    for night in (at(3, 6, 0), OBSERVED):
        add(
            warehouse,
            "alerts.alert",
            alert_id="c",
            learner_id="l3",
            mentor_id="m1",
            observed_at=night,
            is_served=False,
            expected_minutes=20,
        )
    names = (
        "week_starts_on",
        "available_minutes",
        "planned_minutes",
        "used_minutes",
        "is_capacity_assumed",
        "learners_count",
        "alerts_count",
    )
    assert rows(warehouse, "mentor_load", *names) == [
        (WEEK_9, 90.0, 0.0, 0.0, False, 1, 0),
        (WEEK_10, 120.0, 25.0, 60.0, False, 1, 3),
        (WEEK_11, 100.0, 40.0, 50.0, False, 1, 0),
    ]


def test_a_capacity_that_nobody_stated_is_flagged_as_assumed(warehouse: Warehouse) -> None:
    matched(warehouse, matched_on=on(3, 11))
    assert rows(warehouse, "mentor_load", "available_minutes", "is_capacity_assumed") == [(60.0, True)]


def test_a_response_is_the_mentors_next_message_in_the_same_match(warehouse: Warehouse) -> None:
    matched(warehouse)
    met(warehouse, "q1", "message_by_learner", at(3, 10, 10))
    met(warehouse, "q2", "message_by_learner", at(3, 10, 14))
    met(warehouse, "other", "message_by_mentor", at(3, 10, 15), match_id="N", learner_id="l2")
    met(warehouse, "a1", "message_by_mentor", at(3, 11, 10))
    met(warehouse, "a2", "message_by_mentor", at(3, 11, 11))
    met(warehouse, "q3", "message_by_learner", at(3, 12))
    assert rows(warehouse, "mentor_load", "week_starts_on", "response_hours_median") == [
        (WEEK_9, None),
        (WEEK_10, 22.0),
        (WEEK_11, None),
    ]


def test_ratings_show_as_means_of_at_least_five(warehouse: Warehouse) -> None:
    for week, ratings in ((4, (1, 2, 3, 4, 4.5)), (11, (5, 5, 5, 5))):
        for number, rating in enumerate(ratings):
            session_id = f"s{week}-{number}"
            met(warehouse, session_id, "held", at(3, week))
            add(warehouse, "raw.mentoring_session", session_id=session_id, learner_rating=rating)
    assert rows(warehouse, "mentor_load", "week_starts_on", "learner_rating_mean") == [(WEEK_10, 2.9), (WEEK_11, None)]


def test_a_goal_is_measured_against_its_timeline(warehouse: Warehouse) -> None:
    matched(warehouse)
    for goal_id, agreed_on, due_on in (
        ("given", on(3, 2), on(3, 22)),
        ("late", on(2, 1), on(3, 1)),
        ("computed", on(3, 12), None),
        ("due", on(3, 2), on(3, 12)),
        ("same_day", on(3, 12), on(3, 12)),
        ("unmeasured", on(3, 12), on(3, 13)),
    ):
        add(
            warehouse,
            "raw.goal",
            goal_id=goal_id,
            match_id="M",
            agreed_on=agreed_on,
            due_on=due_on,
            kind="skill",
            baseline_value=10.0,
            target_value=30.0,
        )
    for goal_id, recorded_on, value, share, status in (
        ("given", on(3, 5), None, 0.2, "rebaselined"),
        ("given", on(3, 9), None, 0.4, "open"),
        ("given", on(3, 10), None, None, "rebaselined"),
        ("given", on(3, 13), None, 0.9, "attained"),
        ("late", on(3, 1), 50.0, None, "attained"),
        ("computed", on(3, 12), 15.0, None, None),
        ("same_day", on(3, 12), 5.0, None, "dropped"),
    ):
        add(
            warehouse,
            "raw.goal_update",
            goal_id=goal_id,
            recorded_on=recorded_on,
            value=value,
            attained_share=share,
            status=status,
        )
    names = ("goal_id", "attained_share", "expected_attained_share", "rebaselined_count", "status")
    assert rows(warehouse, "goal_progress", *names) == [
        ("computed", 0.25, None, 0, None),
        ("due", None, 1.0, 0, None),
        ("given", 0.4, 0.5, 2, "rebaselined"),
        ("late", 1.0, 1.0, 0, "attained"),
        ("same_day", 0.0, 1.0, 0, "dropped"),
        ("unmeasured", None, 0.0, 0, None),
    ]


# data quality


def test_refused_rows_are_counted_by_table_and_reason(warehouse: Warehouse) -> None:
    for number, row_count in ((1, 100), (2, 11)):
        add(warehouse, "raw.file", file_hash=str(number), table_name="enrolment", row_count=row_count)
    for fault_id, reason in (("1", "no_time"), ("2", "bad_date"), ("3", "bad_date")):
        add(warehouse, "raw.quarantine", fault_id=fault_id, table_name="enrolment", reason=reason)
    add(warehouse, "raw.quarantine", fault_id="4", table_name="goal", reason="unreadable")
    names = ("table_name", "reason", "is_passed", "row_count", "quarantined_count")
    assert [row for row in rows(warehouse, "data_quality", "check_name", *names) if row[0] == "quarantine"] == [
        ("quarantine", "enrolment", "bad_date", False, 111, 2),
        ("quarantine", "enrolment", "no_time", False, 111, 1),
        ("quarantine", "goal", "unreadable", False, 0, 1),
    ]


def test_every_raw_and_core_table_has_its_row_count(warehouse: Warehouse) -> None:
    enrol(warehouse, "e1", "l1")
    add(warehouse, "raw.goal", goal_id="g")
    found = {
        table: row_count
        for table, check, row_count in rows(warehouse, "data_quality", "table_name", "check_name", "row_count")
        if check == "row_count"
    }
    assert set(found) == {table.qualified_name for table in (*RAW_TABLES, *CORE_TABLES)}
    assert {table for table, row_count in found.items() if row_count} == {"core.enrolment", "raw.goal"}


def test_what_was_found_in_statements_stands_with_what_it_is_out_of_and_the_most_frequent_unknown_terms(
    warehouse: Warehouse,
) -> None:
    for finding, value, found_count in (
        ("attribution", "ambiguous", 3),
        ("unknown_term", "verb", 40),
        ("voided", None, 2),
    ):
        told = {"finding": finding, "finding_value": value, "found_count": found_count, "out_of_count": 50}
        add(warehouse, "core.statement_finding", **told)
    for number in range(30):
        term = f"https://x.test/verbs/v{number:02d}"
        add(warehouse, "core.unknown_term", term_kind="verb", term=term, statements_count=100 - number)
    found = rows(warehouse, "data_quality", "check_name", "reason", "check_value", "row_count")
    assert {row for row in found if row[0] in {"attribution", "unknown_term", "voided"}} == {
        ("attribution", "ambiguous", 3, 50),
        ("unknown_term", "verb", 40, 50),
        ("voided", None, 2, 50),
    }
    terms = [row for row in found if row[0] == "unknown_verb"]
    assert (len(terms), terms[0], terms[-1]) == (
        25,
        ("unknown_verb", "https://x.test/verbs/v00", 100, 50),
        ("unknown_verb", "https://x.test/verbs/v24", 76, 50),
    )


def test_lateness_is_measured_where_it_is_known_and_once_an_event(warehouse: Warehouse) -> None:
    for number, hours in enumerate((0, 1, 2, 3, 100)):
        add(
            warehouse,
            "raw.statement",
            statement_id=str(number),
            happened_at=at(3, 1),
            known_at=at(3, 1) + timedelta(hours=hours),
        )
    add(
        warehouse,
        "raw.statement",
        statement_id="assumed",
        happened_at=at(3, 1),
        known_at=at(3, 1),
        is_known_at_assumed=True,
    )
    add(warehouse, "raw.mentoring_message", message_id="x", sent_at=at(3, 1), known_at=at(3, 1, 18))
    add(warehouse, "raw.mentoring_message", message_id="x", sent_at=at(3, 1), known_at=at(3, 9))
    add(warehouse, "raw.mentoring_session", session_id="clock ahead", held_at=at(3, 2), known_at=at(3, 1))
    found = rows(
        warehouse,
        "data_quality",
        "check_name",
        "table_name",
        "row_count",
        "lateness_hours_median",
        "lateness_hours_p95",
    )
    assert [row[1:] for row in found if row[0] == "lateness"] == [
        ("raw.mentoring_message", 1, 6.0, 6.0),
        ("raw.mentoring_session", 1, 0.0, 0.0),
        ("raw.statement", 5, 2.0, pytest.approx(80.6)),
    ]


def test_the_checks_shown_are_this_runs(warehouse: Warehouse) -> None:
    for run_id, check_value in (("run-1", 1.0), ("run-2", 2.0)):
        add(
            warehouse,
            "ops.check_result",
            run_id=run_id,
            table_name="core.enrolment",
            check_name="unique_key",
            is_passed=False,
            check_value=check_value,
            row_count=7,
        )
    add(
        warehouse,
        "ops.check_result",
        run_id="run-2",
        table_name="main.dim_date",
        check_name="unique_key",
        is_passed=True,
        check_value=0.0,
        row_count=1,
    )
    found = rows(warehouse, "data_quality", "check_name", "is_passed", "check_value", "row_count")
    assert [row for row in found if row[0] == "unique_key"] == [("unique_key", False, 2.0, 7)]


# all marts together


def test_what_is_known_already_but_lies_ahead_has_not_happened(warehouse: Warehouse) -> None:
    matched(warehouse)
    matched(warehouse, "ahead", learner_id="l2", programme_id="Q", matched_on=OBSERVED.date())
    for goal_id, agreed_on in (("g", on(3, 12)), ("ahead", OBSERVED.date())):
        add(warehouse, "raw.goal", goal_id=goal_id, match_id="M", agreed_on=agreed_on, due_on=on(4, 1))
    met(warehouse, "s", "held", at(3, 12))
    add(warehouse, "raw.commitment", commitment_id="c1", session_id="s", made_on=OBSERVED.date(), status="open")
    add(
        warehouse,
        "raw.commitment",
        commitment_id="c2",
        session_id="s",
        made_on=on(3, 12),
        reviewed_on=OBSERVED.date(),
        status="kept",
    )
    assert rows(warehouse, "dim_programme", "programme_id") == ["P"]
    assert rows(warehouse, "dim_learner", "learner_id") == ["l1"]
    assert rows(warehouse, "goal_progress", "goal_id") == ["g"]
    assert rows(warehouse, "mentoring_health", "commitments_made_count", "commitments_kept_count")[-1] == (1, 0)


def small_world(warehouse: Warehouse) -> None:
    """Every table that a mart reads has rows, so that every mart has rows too."""
    add(warehouse, "raw.programme", programme_id="P", name="Pilots")
    add(warehouse, "raw.course", course_id="C", activity_iri="https://lms.example/c", title="Knots")
    add(warehouse, "raw.learner", learner_id="l1", org_unit="north")
    add(warehouse, "raw.calendar", org_unit="north", closed_on=on(3, 1))
    add(warehouse, "raw.mentor", mentor_id="m1", kind="peer", capacity_minutes_per_week=90)
    add(warehouse, "raw.mentor_availability", mentor_id="m1", from_on=on(3, 4), to_on=on(3, 10), minutes_per_week=120)
    add(warehouse, "raw.support_ticket", ticket_id="t", learner_id="l1", kind="content", opened_at=at(3, 5))
    add(
        warehouse,
        "raw.goal",
        goal_id="g",
        match_id="M",
        agreed_on=on(3, 2),
        due_on=on(3, 22),
        kind="skill",
        baseline_value=0.0,
        target_value=1.0,
    )
    add(warehouse, "raw.goal_update", goal_id="g", recorded_on=on(3, 9), value=0.5, status="open")
    add(
        warehouse,
        "raw.commitment",
        commitment_id="c",
        session_id="s",
        made_on=on(3, 5),
        reviewed_on=on(3, 7),
        status="kept",
    )
    add(warehouse, "raw.mentoring_session", session_id="s", held_at=KNOWN, learner_rating=4.0)
    add(warehouse, "raw.mentoring_message", message_id="q", sent_at=KNOWN)
    add(warehouse, "raw.statement", statement_id="x", happened_at=KNOWN)
    matched(warehouse, agreed_sessions_per_week=1.0, purpose="career")
    met(warehouse, "s", "held", at(3, 5), minutes=30.0)
    met(warehouse, "q", "message_by_learner", at(3, 6))
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
    add(warehouse, "risk.quality", model_id="v", metric_name="roc_auc", metric_value=0.7)
    add(warehouse, "risk.fairness", model_id="v", metric_name="roc_auc", audit_verdict="not audited")
    add(warehouse, "risk.score", enrolment_id="e1", learner_id="l1", programme_id="P", observed_at=OBSERVED)
    add(
        warehouse,
        "alerts.alert",
        alert_id="al",
        mentor_id="m1",
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


def copy_rows(warehouse: Warehouse, table: Table, changes: dict[str, str], *, keep: tuple[str, ...] = ()) -> None:
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


def test_nothing_that_happened_or_was_known_after_the_observation_time_shows(warehouse: Warehouse) -> None:
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
    )
    tonight, observed = str(TONIGHT), f"TIMESTAMP '{OBSERVED}'"
    for table in (*RAW_INPUTS.values(), next(table for table in RAW_TABLES if table.name == "statement")):
        copy_rows(warehouse, table, {"known_at": observed, "file_name": "'b.csv'"}, keep=table.key)  # re-stated
        copy_rows(warehouse, table, {"known_at": observed}, keep=links)  # new
    for table in CORE_TABLES:
        names = set(table.column_names)
        if "known_epoch_day" in names:
            copy_rows(warehouse, table, {"known_epoch_day": tonight}, keep=(*links, "epoch_day", "submitted_epoch_day"))
        for name in names & {"epoch_day", "submitted_epoch_day", "enrolled_epoch_day"}:
            late = {name: tonight, "known_epoch_day": tonight} if "known_epoch_day" in names else {name: tonight}
            keep = () if name == "enrolled_epoch_day" else links
            copy_rows(warehouse, table, late, keep=keep)
    for table in (*RISK_TABLES, *ALERT_TABLES):
        if "observed_at" in table.column_names:
            copy_rows(warehouse, table, {"observed_at": f"{observed} + INTERVAL 1 DAY"}, keep=links)
        elif "trained_at" in table.column_names:
            copy_rows(warehouse, table, {"trained_at": f"{observed} + INTERVAL 1 DAY"}, keep=("state",))
        elif table.name in ("quality", "fairness"):
            copy_rows(warehouse, table, {})
    for mart in MART_QUERIES:
        assert as_published(warehouse, mart) == before[mart], mart


@pytest.mark.parametrize("mart", MART_QUERIES)
def test_rows_come_in_the_order_of_the_marts_key(warehouse: Warehouse, mart: str) -> None:
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
