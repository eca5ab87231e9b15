"""What an asset's page shows of a table: rows of what is about nobody, counts of what is about persons."""

from __future__ import annotations

from data_contracts.tables import alerts, core, features, inputs, marts, risk
from models.suppression import SMALL_CELL
from pipelines import preview as shown
from pipelines.preview import COLUMNS, HIDDEN, ROWS, By, largest, preview
from tests.unit.pipelines.marts_rows import add, at, enrol, on

TABLES = [
    *inputs.RAW_TABLES,
    *core.CORE_TABLES,
    *features.FEATURE_TABLES,
    *risk.RISK_TABLES,
    *alerts.ALERT_TABLES,
    *marts.MARTS.values(),
]
ABOUT_PERSONS = {
    "learner_id",
    "mentor_id",
    "enrolment_id",
    "participation_id",
    "identity_id",
    "match_id",
    "respondent_id",
}


def told(warehouse, table, relation=None, **more):
    value = preview(warehouse, table, relation or table.qualified_name, **more)
    return [tuple(record.data.values()) for record in value.records]


def participate(warehouse, status, count, *, programme="P", first=0):
    for number in range(first, first + count):
        add(
            warehouse,
            "core.participation",
            participation_id=f"{programme}:l{number}",
            learner_id=f"l{number}",
            programme_id=programme,
            status=status,
            starts_on=on(1, 1),
        )


def test_every_contract_that_names_persons_or_is_about_nobody_has_a_preview_without_an_identifier_of_a_person(
    warehouse,
):
    for table in TABLES:
        if table.level != "aggregate" and not ABOUT_PERSONS & set(table.column_names):
            continue  # raw.course and the like are taken in with another table and have no page
        warehouse.execute(f"CREATE OR REPLACE TEMP TABLE looked ({table.ddl()})")
        value = preview(warehouse, table, "looked", tonight="TIMESTAMP '2024-03-13'")
        assert value.records == []
        assert 1 <= len(value.schema.columns) <= COLUMNS, table.qualified_name
        asked = shown.SHOWN.get(table.qualified_name) or shown._ordinary(table)
        assert isinstance(asked, By) or table.level == "aggregate", table.qualified_name
        assert not ABOUT_PERSONS & {column.partition(":")[0] for column in asked.columns}, table.qualified_name


def test_of_programmes_the_coordinator_is_not_shown(warehouse):
    assert preview(warehouse, inputs.RAW_INPUTS["programme"], "raw.programme").records == []
    asked = shown.SHOWN["raw.programme"].columns
    assert not any("coordinator" in column for column in asked)


def test_every_table_that_is_named_there_is_one():
    assert set(shown.SHOWN) <= {table.qualified_name for table in TABLES}


def test_rows_about_learners_are_counted_by_kind_and_nobody_is_named(warehouse):
    participate(warehouse, "active", 12)
    participate(warehouse, "completed", 11, first=20)
    assert told(warehouse, core.PARTICIPATION) == [("P", "active", "12", "12"), ("P", "completed", "11", "11")]


def test_a_small_kind_is_withheld_and_with_it_the_one_from_which_it_could_be_worked_out(warehouse):
    participate(warehouse, "active", 30)
    participate(warehouse, "completed", SMALL_CELL, first=40)
    participate(warehouse, "abandoned", SMALL_CELL - 1, first=60)
    assert told(warehouse, core.PARTICIPATION) == [
        ("P", "active", "30", "30"),
        ("P", "completed", HIDDEN, HIDDEN),
        ("P", "abandoned", HIDDEN, HIDDEN),
    ]


def test_a_small_kind_of_a_programme_cannot_be_worked_out_from_the_programme_s_total(warehouse):
    for number, programme in enumerate("PQ"):
        first = 100 * number
        participate(warehouse, "active", 30, first=first, programme=programme)
        participate(warehouse, "completed", 20, first=first + 40, programme=programme)
        participate(warehouse, "abandoned", SMALL_CELL - 1, first=first + 70, programme=programme)
    withheld = {row[:2] for row in told(warehouse, core.PARTICIPATION) if row[2] == HIDDEN}
    assert withheld == {(programme, status) for programme in "PQ" for status in ("completed", "abandoned")}


def test_many_rows_of_few_persons_are_few(warehouse):
    for number in range(40):
        enrol(warehouse, f"e{number}", f"l{number % 4}")
    assert told(warehouse, core.ENROLMENT) == [("P", "none", HIDDEN, HIDDEN)]


def test_enrolments_of_few_learners_are_few_where_only_the_enrolment_is_known(warehouse):
    for number in range(40):
        enrol(warehouse, f"e{number}", f"l{number % 4}")
        add(
            warehouse,
            "core.submission",
            enrolment_id=f"e{number}",
            activity_iri="a",
            due_epoch_day=19000,
            score_share=0.5,
        )
    assert told(warehouse, core.SUBMISSION) == [("2022-01", HIDDEN, HIDDEN, None)]


def test_a_mean_of_few_known_values_is_withheld_though_the_rows_are_many(warehouse):
    for number in range(20):
        enrol(warehouse, f"e{number}", f"l{number}")
        score = 0.25 if number < SMALL_CELL - 1 else None
        add(
            warehouse,
            "core.submission",
            enrolment_id=f"e{number}",
            activity_iri="a",
            due_epoch_day=19000,
            score_share=score,
        )
    assert told(warehouse, core.SUBMISSION) == [("2022-01", "20", "20", None)]
    warehouse.execute("UPDATE core.submission SET score_share = 0.25 WHERE enrolment_id = 'e19'")
    assert told(warehouse, core.SUBMISSION) == [("2022-01", "20", "20", 0.25)]


def test_kinds_that_find_no_place_are_one_more_row_and_count_a_person_once(warehouse):
    for programme in range(ROWS + 5):
        participate(warehouse, "active", 20 if programme < ROWS - 1 else 10, programme=f"P{programme:02d}")
    rows = told(warehouse, core.PARTICIPATION)
    assert len(rows) == ROWS
    assert rows[-1] == ("others", "", "60", "10")
    assert sum(int(row[2]) for row in rows) == 20 * (ROWS - 1) + 60


def test_months_are_told_newest_first_and_rows_without_one_last(warehouse):
    for number in range(30):
        day = (None, 19000, 19040)[number % 3]
        add(warehouse, "core.submission", enrolment_id=f"e{number}", activity_iri="a", due_epoch_day=day)
    assert [row[0] for row in told(warehouse, core.SUBMISSION)] == ["2022-02", "2022-01", "none"]


def test_of_a_history_only_tonight_is_shown(warehouse):
    for night in (at(3, 12, 0), at(3, 13, 0)):
        add(warehouse, "alerts.unserved", programme_id=f"P{night.day}", observed_at=night, week_starts_on=on(3, 11))
    rows = told(warehouse, alerts.UNSERVED, tonight="TIMESTAMP '2024-03-13'")
    assert [row[0] for row in rows] == ["P13"]


def test_rows_about_nobody_leave_out_those_that_too_few_people_are_behind(warehouse):
    table = marts.MARTS["course_issues"]
    warehouse.execute(f"CREATE TEMP TABLE looked ({table.ddl()})")
    for course, learners in (("few", 3), ("none", 0), ("unknown", None), ("many", 10)):
        add(
            warehouse,
            "looked",
            course_id=course,
            cause="design",
            week_starts_on=on(3, 4),
            issues_count=1,
            learners_count=learners,
        )
    assert {row[0] for row in told(warehouse, table, "looked")} == {"many", "none", "unknown"}


def test_columns_that_have_no_room_beside_the_others_are_left_out(warehouse):
    table = marts.MARTS["dim_programme"]
    warehouse.execute(f"CREATE TEMP TABLE looked ({table.ddl()})")
    names = {"programme_id": "P", "name": "N", "aim": "other", "selection": "hipo", "starts_on": on(1, 1)}
    add(warehouse, "looked", **names)
    narrow = preview(warehouse, table, "looked")
    warehouse.execute("UPDATE looked SET programme_id = repeat('p', 30)")
    wide = preview(warehouse, table, "looked")
    assert len(wide.schema.columns) < len(narrow.schema.columns)
    assert all(len(record.data) == len(wide.schema.columns) for record in wide.records)


def test_long_texts_are_cut_joined_words_are_parted_and_identifiers_stay():
    assert shown._cell("reason", "x" * 100) == "x" * 38 + ".."
    assert shown._cell("metric_name", "recall_at_10_percent") == "recall at 10 percent"
    assert shown._cell("programme_id", "first_weeks") == "first_weeks"
    assert [shown._cell("value", number) for number in (0.123456, 12345.6, float("nan"), 7, True, None)] == [
        0.123,
        12346,
        None,
        7,
        True,
        None,
    ]


def test_of_a_publication_the_largest_marts_are_told():
    value = largest({f"mart_{number}": number for number in range(40)})
    assert value.records[0].data["mart"] == "mart_39"
    assert [record.data["rows"] for record in value.records] == list(range(39, 39 - ROWS, -1))
