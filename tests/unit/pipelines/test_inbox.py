"""The inbox's doors: what comes in, what is refused and why, and that no person's key gets past them."""

from __future__ import annotations

import gzip
import io
import json
import random
from datetime import UTC, date, datetime

import polars as pl
import pyarrow as pa
import pytest

from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.sources import inbox
from pipelines.warehouse import current

HEADER = "enrolment_id,learner_key,course_id,enrolled_on,status,studied_credits,previous_attempts_count,recorded_at"
GOOD = "e1,ana,c1,2024-01-08,active,60,0,"


def csv(*rows, header=HEADER):
    return "\n".join([header, *rows, ""])


def enrolments(house):
    return [row[0] for row in house.rows("SELECT enrolment_id FROM raw.enrolment ORDER BY rowid")]


def reasons(house):
    return [row[0] for row in house.rows("SELECT reason FROM raw.quarantine ORDER BY line_number")]


def sealed(house):
    return [row[0] for row in house.rows("SELECT raw_text FROM identity.sealed.quarantine ORDER BY ALL")]


# --- tables: what is refused --------------------------------------------------------------------------------------


def test_a_broken_line_is_refused_with_its_text_and_the_others_come_in(house):
    house.deliver("enrolment", "a.csv", csv(GOOD, "e2,bo,c1", GOOD.replace("e1", "e3")))
    assert house.take("enrolment")["refused_rows"] == 1
    assert enrolments(house) == ["e1", "e3"]
    assert house.faults() == [("enrolment", 3, None, "broken_line")]
    assert sealed(house) == ["e2,bo,c1"]


def test_lines_keep_their_number_after_broken_ones(house):
    bad = GOOD.replace("active", "gone")
    house.deliver("enrolment", "a.csv", csv(bad, "x", GOOD, "y", "z", bad, GOOD, "w", bad))
    house.take("enrolment")
    assert [(line, reason) for _, line, _, reason in house.faults()] == [
        (2, "unknown_value"),
        (3, "broken_line"),
        (5, "broken_line"),
        (6, "broken_line"),
        (7, "unknown_value"),
        (9, "broken_line"),
        (10, "unknown_value"),
    ]


def test_a_line_of_too_many_columns_is_one_fault(house):
    house.deliver("enrolment", "a.csv", csv(GOOD, GOOD + ",x,y,z"))
    house.take("enrolment")
    assert house.faults() == [("enrolment", 3, None, "broken_line")]


def test_a_missing_column_refuses_the_whole_file_and_says_what_it_has(house):
    house.deliver("enrolment", "a.csv", csv("e1,ana,c1,active", header="enrolment_id,learner_key,course_id,status"))
    house.take("enrolment")
    assert house.faults() == [("enrolment", None, "enrolled_on", "missing_column")]
    detail = house.rows("SELECT detail FROM raw.quarantine")[0][0]
    assert (
        detail == "enrolment: the file has no column 'enrolled_on'; it has enrolment_id, learner_key, course_id, status"
    )
    assert enrolments(house) == []


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        ("active", "gone", "status", "unknown_value"),
        ("active", "Active", "status", "unknown_value"),
        ("active", "", "status", "missing_value"),
        ("ana", "  ", "learner_key", "missing_value"),
        ("2024-01-08", "2024-02-30", "enrolled_on", "not_date"),
        ("2024-01-08", "08/01/2024", "enrolled_on", "not_date"),
        ("2024-01-08", "infinity", "enrolled_on", "out_of_range"),
        ("2024-01-08", "20240-01-08", "enrolled_on", "out_of_range"),
        (",60,", ",sixty,", "studied_credits", "not_number"),
        (",60,", ",-1,", "studied_credits", "out_of_range"),
        (",60,", ",nan,", "studied_credits", "out_of_range"),
        (",60,", ",1e999,", "studied_credits", "out_of_range"),
        (",0,", ",0.5,", "previous_attempts_count", "not_integer"),
        (",0,", "," + "9" * 30 + ",", "previous_attempts_count", "not_integer"),
        (",c1,", ",,", "course_id", "no_course"),
    ],
)
def test_a_bad_value_refuses_its_row_and_names_its_column(house, old, new, column, reason):
    house.deliver("enrolment", "a.csv", csv(GOOD.replace(old, new), GOOD))
    house.take("enrolment")
    assert house.faults() == [("enrolment", 2, column, reason)]
    assert enrolments(house) == ["e1"]


@pytest.mark.parametrize(
    ("reason", "old", "new", "wanted"),
    [
        ("unknown_value", "active", "gone", "one of active, completed"),
        ("out_of_range", ",60,", ",-1,", "a number from 0"),
        ("out_of_range", "2024-01-08", "infinity", "a date from 1900-01-01 to 9999-12-31"),
    ],
)
def test_the_detail_says_what_is_wanted_and_not_what_was_given(house, reason, old, new, wanted):
    house.deliver("enrolment", "a.csv", csv(GOOD.replace(old, new)))
    house.take("enrolment")
    detail = house.rows("SELECT detail FROM raw.quarantine")[0][0]
    assert wanted in detail
    assert "ana" not in detail


def test_an_enrolment_of_an_unknown_course_is_refused_once_courses_are_given_at_all(house):
    house.deliver("enrolment", "a.csv", csv(GOOD.replace("c1", "c9")))
    house.take("enrolment")
    assert enrolments(house) == ["e1"]
    house.deliver("course", "a.csv", "course_id,activity_iri,title\nc1,https://lms.test/c1,One\n")
    house.deliver("enrolment", "b.csv", csv(GOOD.replace("c1", "c9"), GOOD))
    house.take("course", "enrolment")
    assert house.faults() == [("enrolment", 2, "course_id", "unknown_course")]


def test_an_unknown_timezone_is_refused(house):
    house.deliver("learner", "a.csv", "learner_key,timezone\nana,Europe/Lisbon\nbo,Lisbon\ncy,\n")
    house.take("learner")
    assert house.faults() == [("learner", 3, "timezone", "unknown_timezone")]
    assert house.warehouse.scalar("SELECT count(*) FROM raw.learner") == 2


def test_a_session_needs_a_pair_and_a_time(house):
    header = "match_id,mentor_key,learner_key,scheduled_at,held_at,channel"
    rows = [
        "m1,,,2024-03-01T10:00:00Z,,video",
        ",meg,ana,,2024-03-01T10:00:00Z,video",
        ",meg,,2024-03-01T10:00:00Z,,video",
        "m1,,,,,video",
    ]
    house.deliver("mentoring_session", "a.csv", csv(*rows, header=header))
    house.take("mentoring_session")
    assert [fault[1:] for fault in house.faults()] == [(4, "match_id", "no_pair"), (5, "held_at", "no_time")]


def test_unknown_columns_are_reported_and_not_taken(house):
    house.deliver("enrolment", "a.csv", csv(GOOD + ",blue", header=HEADER + ",favourite"))
    assert house.take("enrolment") == {"new_files": 1, "refused_rows": 0, "unknown_columns": 1}
    assert enrolments(house) == ["e1"]


# --- tables: what comes in ----------------------------------------------------------------------------------------


def test_values_are_trimmed_and_typed_and_instants_are_utc(house):
    row = " e1 , ana ,c1,2024-01-08,active,60.5,2.0,2024-01-09T09:00:00+02:00"
    house.deliver("enrolment", "a.csv", csv(row))
    house.take("enrolment")
    assert house.rows(
        "SELECT enrolment_id, learner_id, enrolled_on, studied_credits, previous_attempts_count, recorded_at, known_at, "
        "is_known_at_assumed FROM raw.enrolment"
    ) == [
        (
            "e1",
            house.night.pseudonyms.person("ana"),
            date(2024, 1, 8),
            60.5,
            2,
            datetime(2024, 1, 9, 7),  # noqa: DTZ001 - instants are UTC without a zone
            datetime(2024, 1, 9, 7),  # noqa: DTZ001
            False,
        )
    ]


def test_a_learner_of_several_rows_in_one_file_does_not_multiply_them(house):
    house.deliver("enrolment", "a.csv", csv(*[GOOD.replace("e1", f"e{number}") for number in range(1, 6)]))
    house.take("enrolment")
    assert enrolments(house) == ["e1", "e2", "e3", "e4", "e5"]
    assert house.rows("SELECT row_count, quarantined_count FROM raw.file") == [(5, 0)]


@pytest.mark.parametrize(
    "change",
    [lambda text: text.replace(",", ";"), lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text],
)
def test_semicolons_windows_lines_and_a_byte_order_mark_are_read(house, change):
    house.deliver("enrolment", "a.csv", change(csv(GOOD, GOOD.replace("e1", "e2"))))
    house.take("enrolment")
    assert enrolments(house) == ["e1", "e2"]
    assert house.faults() == []


def test_two_deliveries_of_one_content_are_taken_once_in_one_night_or_over_nights(house):
    house.deliver("enrolment", "a.csv", csv(GOOD))
    house.deliver("enrolment", "b.csv", csv(GOOD))
    assert house.take("enrolment")["new_files"] == 1
    house.deliver("enrolment", "c.csv", csv(GOOD))
    assert house.take("enrolment")["new_files"] == 0
    assert enrolments(house) == ["e1"]
    assert house.rows("SELECT file_name FROM raw.file") == [("a.csv",)]


def test_a_refused_row_of_a_content_delivered_twice_is_one_fault(house):
    bad = csv(GOOD.replace("active", "gone"))
    house.deliver("enrolment", "a.csv", bad)
    house.deliver("enrolment", "b.csv", bad)
    house.take("enrolment")
    house.take("enrolment")
    assert house.rows("SELECT count(*), count(DISTINCT fault_id) FROM raw.quarantine") == [(1, 1)]


def test_restated_rows_are_kept_as_versions_and_the_latest_is_current(house):
    later = GOOD.replace("active", "completed") + "2024-03-01T00:00:00Z"
    for name, content in (("b.csv", csv(later)), ("c.csv", csv(GOOD))):
        house.deliver("enrolment", name, content)
        house.take("enrolment")
    table = RAW_INPUTS["enrolment"]
    assert house.warehouse.count(table) == 2
    assert house.rows(f"SELECT status FROM {current(table)}") == [("completed",)]


def test_without_recorded_at_a_row_was_known_at_its_own_time(house):
    house.deliver("enrolment", "a.csv", csv(GOOD))
    house.deliver("learner", "a.csv", "learner_key\nana\n")
    house.take("enrolment", "learner")
    told = "SELECT known_at, is_known_at_assumed FROM raw."
    assert house.rows(told + "enrolment") == [(datetime(2024, 1, 8), True)]  # noqa: DTZ001
    assert house.rows(told + "learner") == [(datetime(1970, 1, 1), True)]  # noqa: DTZ001


def test_a_missing_session_or_message_id_is_a_hash_that_a_second_export_finds_again(house):
    sessions = "mentor_key,learner_key,scheduled_at,held_at,channel,learner_rating"
    first = "meg,ana,2024-03-01T10:00:00Z,,video,"
    held = "meg,ana,2024-03-01T10:00:00Z,2024-03-01T10:05:00Z,video,4"
    other = "meg,bo,2024-03-01T10:00:00Z,,video,"
    house.deliver("mentoring_session", "a.csv", csv(first, other, header=sessions))
    house.deliver("mentoring_session", "b.csv", csv(held, header=sessions))
    messages = "match_id,sent_at,sender,channel"
    house.deliver(
        "mentoring_message",
        "a.csv",
        csv("m1,2024-03-01T10:00:00Z,mentor,email", "m1,2024-03-01T10:00:00Z,learner,email", header=messages),
    )
    house.take("mentoring_session", "mentoring_message")
    ids = house.rows("SELECT session_id, count(*) FROM raw.mentoring_session GROUP BY ALL ORDER BY 2")
    assert [count for _, count in ids] == [1, 2]
    assert all(session_id for session_id, _ in ids)
    assert house.warehouse.scalar("SELECT count(DISTINCT message_id) FROM raw.mentoring_message") == 2


NDJSON = {
    "enrolment_id": "001",
    "learner_key": "ana",
    "course_id": "c1",
    "enrolled_on": "2024-01-08",
    "status": "active",
}


def test_ndjson_keeps_texts_as_they_are_and_refuses_lines_one_by_one(house):
    rows = [
        json.dumps(NDJSON | {"studied_credits": 60.5, "recorded_at": "2024-01-09T09:00:00+02:00", "note": {"a": 1}}),
        "broken",
        json.dumps(NDJSON | {"enrolment_id": 2, "previous_attempts_count": 3}),
        "",
        "[1]",
        json.dumps(NDJSON | {"status": None}),
        '{"enrolment_id": "cut off',
    ]
    house.deliver("enrolment", "a.ndjson", "\n".join(rows))
    assert house.take("enrolment") == {"new_files": 1, "refused_rows": 4, "unknown_columns": 1}
    assert house.rows(
        "SELECT enrolment_id, studied_credits, previous_attempts_count, recorded_at FROM raw.enrolment"
    ) == [
        ("001", 60.5, None, datetime(2024, 1, 9, 7)),  # noqa: DTZ001
        ("2", None, 3, None),
    ]
    assert [(line, reason) for _, line, _, reason in house.faults()] == [
        (2, "broken_line"),
        (5, "broken_line"),
        (6, "missing_value"),
        (7, "broken_line"),
    ]
    assert '{"enrolment_id": "cut off' in sealed(house)


def parquet(frame):
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


def typed_enrolments(rows):
    return pl.DataFrame(
        {
            "enrolment_id": [f"e{number}" for number in range(rows)],
            "learner_key": ["ana"] * rows,
            "course_id": ["c1"] * rows,
            "enrolled_on": [date(2024, 1, 8)] * rows,
            "status": ["active"] * rows,
            "recorded_at": [datetime(2024, 1, 9, 7, tzinfo=UTC)] * rows,
        }
    )


def test_parquet_comes_in_with_its_types(house):
    house.deliver("enrolment", "a.parquet", parquet(typed_enrolments(2)))
    house.take("enrolment")
    assert house.rows("SELECT enrolment_id, enrolled_on, recorded_at FROM raw.enrolment") == [
        (f"e{number}", date(2024, 1, 8), datetime(2024, 1, 9, 7))  # noqa: DTZ001
        for number in range(2)
    ]


def test_a_damaged_file_of_any_format_is_refused_whole_and_the_next_file_comes_in(house):
    whole = parquet(typed_enrolments(5000))
    damaged = bytearray(whole)
    damaged[200:400] = bytes(byte ^ 0xFF for byte in whole[200:400])
    house.deliver("enrolment", "a.parquet", bytes(damaged))
    house.deliver("enrolment", "b.parquet", whole[:500])
    house.deliver("enrolment", "c.parquet", b"")
    house.deliver("enrolment", "d.csv", csv(GOOD).encode("utf-16")[:-1] + b"\xd8")
    house.deliver("enrolment", "e.csv", csv(GOOD))
    house.take("enrolment")
    assert enrolments(house) == ["e1"]
    assert reasons(house) == ["file_unreadable"] * 4


@pytest.mark.parametrize("content", ["", "\n\n\n"])
@pytest.mark.parametrize(("name", "refused"), [("a.csv", ["missing_column"]), ("a.ndjson", [])])
def test_a_file_of_nothing_or_blank_lines_gives_no_row_and_is_not_asked_again(house, content, name, refused):
    house.deliver("enrolment", name, content)
    house.take("enrolment")
    assert enrolments(house) == []
    assert reasons(house) == refused
    assert house.take("enrolment")["new_files"] == 0


def test_a_header_alone_is_a_table_of_no_rows(house):
    house.deliver("enrolment", "a.csv", csv())
    house.take("enrolment")
    assert (enrolments(house), house.faults()) == ([], [])


# --- statements ---------------------------------------------------------------------------------------------------


@pytest.fixture
def many(statement, lines):
    """Two thousand statements that compress badly, as NDJSON."""
    dice = random.Random(4)  # noqa: S311 - no secret
    return lines([statement(actor={"mbox": f"mailto:{dice.randbytes(12).hex()}@x.org"}) for _ in range(2000)])


def taken(house):
    return house.warehouse.scalar("SELECT count(*) FROM raw.statement")


def zstd(content):
    return pa.compress(content, codec="zstd", asbytes=True)


@pytest.mark.parametrize(("suffix", "pack"), [("ndjson", bytes), ("ndjson.gz", gzip.compress), ("ndjson.zst", zstd)])
def test_statements_come_in_plain_and_compressed(house, many, suffix, pack):
    house.deliver("xapi", f"a.{suffix}", pack(many))
    house.take("xapi")
    assert taken(house) == 2000
    assert house.faults() == []


@pytest.mark.parametrize(("suffix", "pack"), [("ndjson.gz", gzip.compress), ("ndjson.zst", zstd)])
def test_of_a_file_cut_off_the_rows_before_the_damage_stay_and_the_file_is_named(house, many, suffix, pack):
    packed = pack(many)
    house.deliver("xapi", f"a.{suffix}", packed[: len(packed) * 3 // 4])
    house.take("xapi")
    assert 0 < taken(house) < 2000
    assert house.faults() == [("statement", None, None, "file_damaged")]
    assert house.rows("SELECT row_count, quarantined_count FROM raw.file") == [(taken(house), 1)]

    house.deliver("xapi", f"b.{suffix}", packed)
    house.take("xapi")
    assert house.warehouse.scalar("SELECT count(DISTINCT statement_id) FROM raw.statement") == 2000


@pytest.mark.parametrize("seed", range(5))
def test_a_file_flipped_in_the_middle_never_stops_the_next_one(house, many, statement, lines, seed):
    packed = bytearray(gzip.compress(many))
    dice = random.Random(seed)  # noqa: S311
    for place in dice.sample(range(20, len(packed)), 30):
        packed[place] ^= 0xFF
    house.deliver("xapi", "a.ndjson.gz", bytes(packed))
    house.deliver("xapi", "b.ndjson", lines([statement(object={"id": "https://lms.test/next"})]))
    house.take("xapi")
    assert house.faults()
    assert house.warehouse.scalar("SELECT count(*) FROM raw.statement WHERE object_iri = 'https://lms.test/next'") == 1


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda one: json.dumps([one]), id="an array"),
        pytest.param(lambda one: json.dumps([one], indent=2), id="an array over lines"),
        pytest.param(lambda one: "\n \n" + json.dumps([one], indent=2), id="an array after blank lines"),
        pytest.param(json.dumps, id="one statement"),
        pytest.param(lambda one: json.dumps(one, indent=2), id="one statement over lines"),
        pytest.param(lambda one: "\ufeff" + json.dumps(one, indent=2), id="one after a byte order mark"),
        pytest.param(lambda one: "\n\n" + json.dumps(one) + "\r\n\n", id="one between blank lines"),
    ],
)
def test_an_array_a_single_statement_and_lines_are_told_by_content(house, statement, write):
    house.deliver("xapi", "a.json", write(statement()))
    house.take("xapi")
    assert house.faults() == []
    assert taken(house) == 1


def test_items_of_an_array_are_refused_one_by_one(house, statement):
    house.deliver("xapi", "a.json", json.dumps([statement(), 5, statement(timestamp="2024-03-02T00:00:00Z")]))
    house.take("xapi")
    assert taken(house) == 2
    assert house.faults() == [("statement", 2, None, "statement_not_object")]


def test_of_an_array_that_breaks_what_came_before_stays_and_the_file_is_named(house, statement):
    good = json.dumps(statement())
    house.deliver("xapi", "a.json", f"[{good},{{]")
    house.deliver("xapi", "b.json", f"[{good.replace('page', 'other')},{good[:50]}")
    house.take("xapi")
    assert taken(house) == 2
    assert house.faults() == [("statement", None, None, "file_damaged")] * 2
    assert {row[0] for row in house.rows("SELECT detail FROM raw.quarantine")} == {
        "the file is no JSON after statement 1; deliver it again, whole",
        "the file ends after statement 1; deliver it again, whole",
    }


def test_an_item_nested_too_deep_is_refused_and_the_others_come_in(house, statement):
    deep = '{"a":' + "[" * 5000 + "]" * 5000 + "}"
    house.deliver("xapi", "a.json", f"[{deep},{json.dumps(statement())}]")
    house.take("xapi")
    assert taken(house) == 1
    assert house.faults() == [("statement", 1, None, "nested_too_deep")]


def test_statements_come_in_from_parquet_and_a_file_without_them_says_what_it_has(house, statement):
    rows = [json.dumps(statement()), None, "5", json.dumps(statement(object={"id": "https://lms.test/next"}))]
    house.deliver("xapi", "a.parquet", parquet(pl.DataFrame({"event_id": ["1", "2", "3", "4"], "event": rows})))
    house.deliver("xapi", "b.parquet", parquet(pl.DataFrame({"verb": ["v"], "actor": ["a"], "n": [1]})))
    house.take("xapi")
    assert taken(house) == 2
    assert house.faults() == [
        ("statement", 3, None, "statement_not_object"),
        ("statement", None, None, "file_unreadable"),
    ]
    (detail,) = house.rows("SELECT detail FROM raw.quarantine WHERE reason = 'file_unreadable'")[0]
    assert "found are verb (large_string), actor (large_string), n (int64)" in detail
    assert "write each statement's JSON into a column `statement`" in detail


def test_a_first_line_that_is_broken_does_not_take_the_others_with_it(house, statement, lines):
    house.deliver("xapi", "a.ndjson", b'{"actor": {\n' + lines([statement()]) + b"nope\n")
    house.take("xapi")
    assert taken(house) == 1
    assert [(line, reason) for _, line, _, reason in house.faults()] == [(1, "not_json"), (3, "not_json")]


@pytest.mark.parametrize("content", [b"", b"\n  \n\t\n"])
@pytest.mark.parametrize(("suffix", "pack"), [("ndjson", bytes), ("json.gz", gzip.compress), ("json.zst", zstd)])
def test_a_statement_file_of_nothing_or_blank_lines_gives_no_row_and_no_fault(house, content, suffix, pack):
    house.deliver("xapi", f"a.{suffix}", pack(content))
    house.take("xapi")
    assert (taken(house), house.faults()) == (0, [])
    assert house.rows("SELECT row_count, quarantined_count FROM raw.file") == [(0, 0)]


def test_a_refused_statement_names_its_rule_and_its_text_is_sealed(house, statement, lines):
    house.deliver("xapi", "a.ndjson", lines([statement(version="1.1.0")]))
    house.take("xapi")
    assert house.rows("SELECT line_number, reason, requirement_id FROM raw.quarantine") == [
        (1, "version_unknown", "XAPI-00101")
    ]
    assert "mailto:ana@example.org" in sealed(house)[0]


def test_a_statement_is_known_when_stored_but_never_before_it_happened(house, statement, lines):
    told = [statement(stored="2024-03-01T12:00:30Z"), statement(stored="2024-03-01T11:00:00Z"), statement()]
    house.deliver("xapi", "a.ndjson", lines(told))
    house.take("xapi")
    assert house.rows("SELECT known_at, is_known_at_assumed FROM raw.statement ORDER BY rowid") == [
        (datetime(2024, 3, 1, 12, 0, 30), False),  # noqa: DTZ001
        (datetime(2024, 3, 1, 12), False),  # noqa: DTZ001
        (datetime(2024, 3, 1, 12), True),  # noqa: DTZ001
    ]


# --- persons ------------------------------------------------------------------------------------------------------


def deliver_people(house, statement, lines):
    """Every way in which a person can be named, each text with 'secret' in it; good rows and refused ones."""
    house.deliver(
        "learner",
        "a.csv",
        "learner_key,display_name,contact_address,manager_key,gender,age_band\n"
        "secret-ana,Ana Secret,secret@ana.org,secret-boss,female-secret,30-secret\n",
    )
    house.deliver(
        "learner_identity", "a.csv", "learner_key,identity_type,identity_value\nsecret-ana,mbox,secret@ana.org\n"
    )
    house.deliver(
        "enrolment",
        "a.csv",
        csv(GOOD.replace("ana", "secret-ana"), GOOD.replace("ana", "secret-bo").replace("active", "secret"), "secret"),
    )
    house.deliver(
        "mentor", "a.csv", "mentor_key,display_name,contact_address,kind\nsecret-meg,Meg Secret,secret@meg.org,peer\n"
    )
    house.deliver(
        "mentoring_session",
        "a.csv",
        "mentor_key,learner_key,held_at,channel\nsecret-meg,secret-ana,2024-03-01T10:00:00Z,video\n",
    )
    house.deliver(
        "survey_response",
        "a.csv",
        "response_id,survey,subject_type,subject_key,respondent_key,programme_id,answered_on,construct,question_id,"
        "score_share,outcome_level\nr1,end,learner,secret-ana,secret-meg,p1,2024-03-01,confidence,q1,0.5,1\n",
    )
    actors = [
        {"mbox": "mailto:secret@ana.org", "name": "Ana Secret"},
        {"account": {"homePage": "https://secret.org", "name": "secret"}},
        {"openid": "https://secret.org/ana"},
        {"objectType": "Group", "name": "Secrets", "member": [{"mbox": "mailto:secret@x.org"}]},
    ]
    house.deliver(
        "xapi",
        "a.ndjson",
        lines([statement(actor=actor, result={"response": "secret"}) for actor in actors]) + b'{"secret": 1}\n',
    )


def test_no_persons_key_name_address_or_attribute_stands_anywhere_in_the_warehouse(house, statement, lines):
    deliver_people(house, statement, lines)
    house.take()
    assert taken(house) == 4
    tables = house.rows(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = 'warehouse' AND NOT temporary"
    )
    assert len(tables) > 30
    told = [(table, row) for (table,) in tables for row in house.rows(f"FROM {table}") if "secret" in str(row).lower()]
    assert told == []


def test_what_was_given_stands_in_the_identity_store_alone(house, statement, lines):
    deliver_people(house, statement, lines)
    house.take()
    person = house.night.pseudonyms.person
    assert set(house.rows("SELECT person_id, person_key, display_name FROM identity.main.person")) == {
        (person("secret-ana"), "secret-ana", "Ana Secret"),
        (person("secret-meg"), "secret-meg", "Meg Secret"),
    }
    assert house.rows("SELECT gender, age_band FROM identity.main.audit") == [("female-secret", "30-secret")]
    identity = house.night.pseudonyms.identity("mbox", "secret@ana.org")
    assert (identity, person("secret-ana")) in house.rows("FROM identity.main.identifier_link")
    assert house.warehouse.scalar("SELECT count(*) FROM identity.main.identifier") == 4


def test_without_a_learner_table_the_enrolments_keys_are_remembered_for_linking(house):
    house.deliver("enrolment", "a.csv", csv(GOOD, GOOD.replace("e1", "e2")))
    house.take("enrolment")
    assert house.rows("SELECT person_key FROM identity.main.person") == [("ana",)]


def test_a_learner_delivered_again_replaces_what_is_known_of_the_person(house):
    for name, shown in (("a.csv", "Ana"), ("b.csv", "Ana Maria")):
        house.deliver("learner", name, f"learner_key,display_name\nana,{shown}\n")
        house.take("learner")
    assert house.rows("SELECT display_name FROM identity.main.person") == [("Ana Maria",)]


# --- the folder ---------------------------------------------------------------------------------------------------


def test_files_are_found_by_table_then_name_and_others_left_alone(house):
    for table, name in (
        ("xapi", "b.ndjson"),
        ("xapi", "a.json.gz"),
        ("xapi", "notes.txt"),
        ("course", "a.csv"),
        ("enrolment", "a.pdf"),
        ("odd", "a.csv"),
    ):
        house.deliver(table, name, f"{table}/{name}")
    found = [(file.table, file.path.name) for file in inbox.scan(house.inbox)]
    assert found == [("xapi", "a.json.gz"), ("xapi", "b.ndjson"), ("course", "a.csv")]
    assert inbox.unknown_folders(house.inbox) == ["odd"]


def test_the_fingerprint_follows_content(house):
    house.deliver("course", "a.csv", "one")
    first = inbox.fingerprint(house.inbox)
    assert inbox.fingerprint(house.inbox) == first
    house.deliver("course", "a.csv", "two")
    assert inbox.fingerprint(house.inbox) != first


def test_an_inbox_that_is_empty_is_no_error(house):
    assert house.take() == {"new_files": 0, "refused_rows": 0, "unknown_columns": 0}
