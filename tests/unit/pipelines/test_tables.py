"""Awkward files: each gives the right rows or a clear error; none gives wrong rows silently."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from pipelines.sources import inbox
from pipelines.sources.tables.read import SUFFIXES
from tests.unit.pipelines.workbook import Failed, Formula, ods, xls, xlsx

HEADER = ("learner_key", "display_name", "org_unit", "left_on")
ROWS = (("a-1", "Ana", "North", "2026-03-01"), ("b-2", "Bo", "South", ""))
RIGHT = [("North", date(2026, 3, 1)), ("South", None)]


def text(delimiter=",", rows=ROWS, header=HEADER, end="\n"):
    return "".join(delimiter.join(map(str, row)) + end for row in (header, *rows))


def learners(house):
    return house.rows("SELECT org_unit, left_on FROM raw.learner ORDER BY rowid")


def names(house):
    return house.rows("SELECT person_key, display_name FROM identity.main.person ORDER BY 1")


def faults(house):
    return [(line, column, reason) for _, line, column, reason in house.faults()]


def detail(house):
    return house.rows("SELECT detail FROM raw.quarantine")[0][0]


def notes(house):
    """What the night is told; a run's row is there to write it to."""
    house.warehouse.execute("INSERT INTO ops.run (run_id, state) VALUES ('run-1', 'running')")
    house.take()
    return house.warehouse.scalar("SELECT message FROM ops.run") or ""


def parquet(frame):
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


# --- the same two rows in every dress -----------------------------------------------------------------------------

TYPED_ROWS = [list(HEADER), ["a-1", "Ana", "North", date(2026, 3, 1)], ["b-2", "Bo", "South", None]]
FRAME = pl.DataFrame(
    {"learner_key": ["a-1", "b-2"], "org_unit": ["North", "South"], "left_on": [date(2026, 3, 1), None]}
)
DRESSES = {
    "comma.csv": text().encode(),
    "semicolon.csv": text(";").encode(),
    "tab.tsv": text("\t").encode(),
    "tab called csv.csv": text("\t").encode(),
    "pipe.csv": text("|").encode(),
    "byte order mark.csv": text().encode("utf-8-sig"),
    "utf-16.csv": text("\t").encode("utf-16"),
    "utf-16 big.csv": b"\xfe\xff" + text(";").encode("utf-16-be"),
    "utf-16 without mark.csv": text().encode("utf-16-le"),
    "utf-16 big without mark.csv": text().encode("utf-16-be"),
    "windows lines.csv": text(end="\r\n").encode(),
    "old lines.csv": text(end="\r").encode(),
    "no last line end.csv": text().rstrip("\n").encode(),
    "packed.csv.gz": gzip.compress(text(";").encode()),
    "packed without saying so.csv": gzip.compress(text().encode()),
    "quoted.csv": "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in (HEADER, *ROWS)).encode(),
    "other case and spaces.csv": text(header=(" Learner Key ", "DISPLAY_NAME", "Org-Unit", "left on\u00a0")).encode(),
    "blank lines.csv": text().replace("\n", "\n\n ,,, \n").encode(),
    "empty columns at the end.csv": text().replace("\n", ",,,\n").encode(),
    "title above.csv": ("Export of all learners\n\n" + text()).encode(),
    "excel's separator line.csv": ("sep=;\n" + text(";")).encode(),
    "columns in another order.csv": text(rows=[row[::-1] for row in ROWS], header=HEADER[::-1]).encode(),
    "one a line.ndjson": "".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in ROWS).encode(),
    "packed.ndjson.gz": gzip.compress(
        "".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in ROWS).encode()
    ),
    "typed.parquet": parquet(FRAME),
    "book.xlsx": xlsx({"One": TYPED_ROWS}),
    "book called csv.csv": xlsx({"One": TYPED_ROWS}),
    "book with title.xlsx": xlsx({"One": [["All learners"], [], *TYPED_ROWS]}, merged="A1:D1"),
    "book with notes.xlsx": xlsx({"Read me": [["Made on Monday"]], "Data": TYPED_ROWS}),
    "book with an old sheet hidden.xlsx": xlsx({"Old": TYPED_ROWS, "Data": TYPED_ROWS}, hidden=("Old",)),
    "book with computed cells.xlsx": xlsx(
        {"One": [list(HEADER), ["a-1", "Ana", Formula('"No"&"rth"', "North"), Formula("B1", 46082)], TYPED_ROWS[2]]}
    ),
    "open.ods": ods([HEADER, *ROWS]),
    "old.xls": xls([HEADER, *ROWS]),
}


@pytest.mark.parametrize("name", DRESSES)
def test_the_same_rows_come_of_every_dress(house, name):
    house.deliver("learner", name, DRESSES[name])
    house.take("learner")
    assert house.faults() == []
    assert learners(house) == RIGHT
    assert [key for key, _ in names(house)] == ["a-1", "b-2"]


def test_what_a_table_may_be_called_is_what_can_be_read():
    assert set(inbox.TABLE_SUFFIXES) == set(SUFFIXES)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "windows-1252", "latin-1"])
def test_letters_of_other_languages_survive_every_encoding(house, encoding):
    rows = [("é-1", "Zoë Müller", "Größe", ""), ("ñ-2", "François", "Århus", "")]
    house.deliver("learner", "a.csv", text(rows=rows).encode(encoding))
    house.take("learner")
    assert names(house) == [("é-1", "Zoë Müller"), ("ñ-2", "François")]
    assert [unit for unit, _ in learners(house)] == ["Größe", "Århus"]


def test_a_file_that_is_not_utf8_says_how_it_was_read(house):
    house.deliver("learner", "a.csv", text(rows=[("é-1", "Zoë", "", "")]).encode("windows-1252"))
    assert "was read as windows-1252" in notes(house)


def test_emoji_and_letters_of_any_script_are_kept(house):
    rows = [("ana", "Ana \U0001f9d1\u200d\U0001f393", "日本", ""), ("bo", "محمد", "Δ", "")]
    for name, encoding in (("a.csv", "utf-8"), ("b.csv", "utf-16")):
        house.deliver("learner", name, text("\t", rows).encode(encoding))
    house.take("learner")
    assert names(house) == [("ana", "Ana \U0001f9d1\u200d\U0001f393"), ("bo", "محمد")]
    assert [unit for unit, _ in learners(house)] == ["日本", "Δ"]


def test_a_byte_that_is_broken_refuses_its_line_and_not_the_encoding_of_all_others(house):
    content = text(rows=[("é-1", "Zoë", "Köln", ""), ("b-2", "B\ufffd", "", ""), ("ü-3", "Ünal", "Ö", "")])
    house.deliver("learner", "a.csv", content.encode().replace("\ufffd".encode(), b"\xff"))
    house.take("learner")
    assert names(house) == [("é-1", "Zoë"), ("ü-3", "Ünal")]
    assert faults(house) == [(3, None, "broken_line")]


# --- lines --------------------------------------------------------------------------------------------------------


def test_a_quoted_cell_may_hold_delimiters_quotes_and_line_ends_and_lines_keep_their_number(house):
    rows = ['a-1,"Ana\nMaria, ""M.""",North,', 'b-2,Bo,"South\r\nWest",', "c-3,Cy,,99/99/9999"]
    house.deliver("learner", "a.csv", "\n".join([",".join(HEADER), *rows]) + "\n")
    house.take("learner")
    assert names(house)[0] == ("a-1", 'Ana\nMaria, "M."')
    assert [unit for unit, _ in learners(house)] == ["North", "South\nWest"]
    assert faults(house) == [(6, "left_on", "not_date")]


def test_a_quote_that_never_closes_refuses_its_own_line_alone(house):
    rows = ["a-1,Ana,North,", 'b-2,"Bo,South,', "c-3,Cy,East,", 'd-4,"De",West,']
    house.deliver("learner", "a.csv", "\n".join([",".join(HEADER), *rows]) + "\n")
    house.take("learner")
    assert [unit for unit, _ in learners(house)] == ["North", "East", "West"]
    assert faults(house) == [(3, None, "broken_line")]


@pytest.mark.parametrize("bad", ["b-2,Bo", "b-2,Bo,South,,x", "b-2", 'b-2,"Bo"x,South,'])
def test_a_ragged_line_is_refused_whether_others_are_quoted_or_not(house, bad):
    for name, quote in (("a.csv", ""), ("b.csv", '"')):
        house.deliver("learner", name, f"{','.join(HEADER)}\n{quote}a-1{quote},Ana,North,2026-03-01\n{bad}\nc-3,Cy,,\n")
    house.take("learner")
    assert {unit for unit, _ in learners(house)} == {"North", None}
    assert faults(house) == [(3, None, "broken_line")] * 2


def test_a_line_without_end_is_refused_and_memory_stays_bounded(house):
    content = text().encode() + b"x" * (100 << 20) + b"\n" + b"c-3,Cy,East,\n"
    house.deliver("learner", "a.csv", content)
    house.take("learner")
    assert [unit for unit, _ in learners(house)] == ["North", "South", "East"]
    assert faults(house) == [(4, None, "broken_line")]
    assert house.warehouse.scalar("SELECT max(length(raw_text)) FROM identity.sealed.quarantine") <= 10_001


def test_a_nul_byte_refuses_its_line(house):
    house.deliver("learner", "a.csv", text(rows=[("a-1", "An\0a", "North", ""), ("b-2", "Bo", "South", "")]))
    house.take("learner")
    assert [unit for unit, _ in learners(house)] == ["South"]
    assert faults(house) == [(2, None, "broken_line")]


def test_a_formula_in_a_csv_is_a_text_like_any_other(house):
    evil = "=HYPERLINK(A1;1)+cmd|' /C calc'!A0"
    house.deliver("course", "a.csv", f'course_id;activity_iri;title\nc1;https://lms.test/1;"{evil}"\n')
    house.take("course")
    assert house.rows("SELECT title FROM raw.course") == [(evil,)]


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("last", ["Total,2,,", "Gesamt: 2,,,", "Sum,,,", "Grand Total,,,2"])
def test_a_line_of_totals_at_the_end_is_left_out_and_told(house, last, quote):
    header = "mentor_key,from_on,to_on,minutes_per_week"
    rows = ["m-1,2026-01-01,2026-02-01,60", f"{quote}m-2{quote},2026-01-01,2026-02-01,90"]
    house.deliver("mentor_availability", "a.csv", "\n".join([header, *rows, "", last]) + "\n")
    told = notes(house)
    assert house.rows("SELECT sum(minutes_per_week) FROM raw.mentor_availability") == [(150,)]
    assert house.faults() == []
    assert "ends with a line of totals" in told


def test_a_ragged_line_of_totals_is_left_out_too_but_one_in_the_middle_is_refused(house):
    house.deliver("learner", "a.csv", text() + "Total;2\n")
    house.deliver("learner", "b.csv", text(rows=[("c-3", "Cy", "", "")]) + "Total\nd-4,De,,\n")
    house.take("learner")
    assert [key for key, _ in names(house)] == ["a-1", "b-2", "c-3", "d-4"]
    assert faults(house) == [(3, None, "broken_line")]


def test_a_row_that_is_whole_is_taken_whatever_its_key_is_called(house):
    house.deliver("learner", "a.csv", text(rows=[("Total", "Ms Total", "North", "")]))
    house.take("learner")
    assert names(house) == [("Total", "Ms Total")]


# --- headers ------------------------------------------------------------------------------------------------------


def test_a_column_that_stands_twice_refuses_the_file(house):
    house.deliver("learner", "a.csv", "learner_key,org_unit,Org Unit\na-1,North,South\n")
    house.take("learner")
    assert faults(house) == [(None, "org_unit", "repeated_column")]
    assert "rename or remove" in detail(house)
    assert learners(house) == []


def test_a_column_that_nobody_reads_may_stand_twice(house):
    house.deliver("learner", "a.csv", "learner_key,x,x,,\na-1,1,2,,\n")
    house.take("learner")
    assert (house.faults(), len(learners(house))) == ([], 1)


def test_a_header_that_comes_again_is_no_learner(house):
    house.deliver("learner", "a.csv", text() + text(rows=[("c-3", "Cy", "", "")]))
    house.take("learner")
    assert [key for key, _ in names(house)] == ["a-1", "b-2", "c-3"]
    assert faults(house) == [(4, None, "broken_line")]
    assert "repeats the header" in detail(house)


def test_a_file_without_a_header_is_refused_and_its_first_line_is_not_told(house):
    house.deliver("learner", "a.csv", "secret-ana,Secret\nsecret-bo,Secret\n")
    house.take("learner")
    assert faults(house) == [(None, "learner_key", "missing_column")]
    assert "secret" not in detail(house).lower()


def test_a_delimiter_of_its_own_is_a_missing_header_and_no_row(house):
    house.deliver("learner", "a.csv", text("~"))
    house.take("learner")
    assert [reason for _, _, reason in faults(house)] == ["missing_column"]
    assert learners(house) == []


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_refused_whole(house, content):
    house.deliver("learner", "a.csv", content)
    house.take("learner")
    assert [reason for _, _, reason in faults(house)] == ["missing_column"]


def test_a_header_alone_is_a_table_of_no_rows_in_every_format(house):
    house.deliver("learner", "a.csv", ",".join(HEADER) + "\n")
    house.deliver("learner", "b.xlsx", xlsx({"One": [list(HEADER)]}))
    house.deliver("learner", "c.parquet", parquet(FRAME.head(0)))
    house.take("learner")
    assert (learners(house), house.faults()) == ([], [])


# --- days, instants, numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("03/04/2026", "order of day and month is not said"),
        ("3.4.2026", "order of day and month is not said"),
        ("03-04-26", "order of day and month is not said"),
        ("45292", "a whole number of 5 digits"),
        ("yesterday", "text of 9 characters"),
        ("2026-13-01", "of no calendar"),
    ],
)
def test_a_day_that_could_mean_another_is_refused_and_never_guessed(house, value, words):
    house.deliver("learner", "a.csv", text(rows=[("a-1", "Ana", "", value)]))
    house.take("learner")
    assert faults(house) == [(2, "left_on", "not_date")]
    assert words in detail(house)
    assert "date_format" in detail(house)
    assert value not in detail(house)


@pytest.mark.parametrize("value", ["0001-01-01", "1899-12-30", "0026-03-04"])
def test_a_day_of_no_living_memory_is_refused(house, value):
    house.deliver("learner", "a.csv", text(rows=[("a-1", "Ana", "", value)]))
    house.take("learner")
    assert faults(house) == [(2, "left_on", "out_of_range")]
    assert "a date before 1900" in detail(house)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-03-01 00:00:00", date(2026, 3, 1)),
        ("2026-03-01T23:59:59", date(2026, 3, 1)),
        ("2026-3-1", date(2026, 3, 1)),
    ],
)
def test_a_local_time_where_a_day_is_wanted_is_that_day(house, value, day):
    house.deliver("learner", "a.csv", text(rows=[("a-1", "Ana", "North", value)]))
    house.take("learner")
    assert learners(house) == [("North", day)]


MESSAGES = "match_id,sent_at,sender,channel"


def sent(house):
    return [row[0] for row in house.rows("SELECT sent_at FROM raw.mentoring_message ORDER BY match_id")]


def test_times_with_different_offsets_in_one_column_are_one_instant(house):
    times = [
        "2026-03-01T09:00:00Z",
        "2026-03-01 10:00+01:00",
        "2026-03-01T04:00:00.000-0500",
        "2026-03-01T09:00:00 UTC",
    ]
    rows = [f"m{number},{moment},mentor,email" for number, moment in enumerate(times)]
    house.deliver("mentoring_message", "a.csv", "\n".join([MESSAGES, *rows]) + "\n")
    house.take("mentoring_message")
    assert set(sent(house)) == {datetime(2026, 3, 1, 9)}  # noqa: DTZ001 - instants are UTC without a zone
    assert len(sent(house)) == 4


@pytest.mark.parametrize("moment", ["2026-03-01 09:00", "2026-03-01T09:00:00", "2026-03-01", "2026-03-01T09:00:00.250"])
def test_a_time_without_a_zone_is_refused_with_the_way_out(house, moment):
    house.deliver("mentoring_message", "a.csv", f"{MESSAGES}\nm1,{moment},mentor,email\n")
    house.take("mentoring_message")
    assert faults(house) == [(2, "sent_at", "naive_time")]
    assert "timezone of the file in mapping.yaml" in detail(house)
    assert sent(house) == []


@pytest.mark.parametrize(
    "moment", ["2026-03-01 09:00 CET", "2026-03-01T09:00+25:00", "2026-03-01 09:00 EST", "09:00", "1772355600"]
)
def test_a_time_whose_zone_has_only_a_nickname_is_refused(house, moment):
    house.deliver("mentoring_message", "a.csv", f"{MESSAGES}\nm1,{moment},mentor,email\n")
    house.take("mentoring_message")
    assert faults(house) == [(2, "sent_at", "not_instant")]


COSTS = "programme_id,period_on,cost_kind,strand,delivery,amount,currency"


def cost(amount):
    return f"{COSTS.replace(',', ';')}\np1;2026-03-01;travel;formal;face_to_face;{amount};EUR\n"


@pytest.mark.parametrize(
    "amount", ["1,234.50", "1.234,50", "1.234", "-1.234.567", "1 234.50", "1'234.50", "1,5", "85%", "€ 12", "12 EUR"]
)
def test_a_number_with_separators_or_signs_is_refused_unless_they_are_declared(house, amount):
    house.deliver("programme_cost", "a.csv", cost(amount))
    house.take("programme_cost")
    assert faults(house) == [(2, "amount", "not_number")]
    assert amount not in detail(house)
    assert "mapping.yaml" in detail(house)


@pytest.mark.parametrize(
    ("amount", "number"), [("1234.5", 1234.5), ("1234.567", 1234.567), ("0.125", 0.125), ("12", 12)]
)
def test_an_amount_that_can_mean_one_thing_only_is_taken(house, amount, number):
    house.deliver("programme_cost", "a.csv", cost(amount))
    house.take("programme_cost")
    assert house.rows("SELECT amount FROM raw.programme_cost") == [(number,)]


# --- workbooks ----------------------------------------------------------------------------------------------------


def test_two_sheets_with_the_columns_refuse_the_file_and_name_them(house):
    house.deliver("learner", "a.xlsx", xlsx({"2025": TYPED_ROWS, "2026": TYPED_ROWS}))
    house.take("learner")
    assert [reason for _, _, reason in faults(house)] == ["several_sheets"]
    assert "2025, 2026" in detail(house)
    assert learners(house) == []


def test_a_day_of_excel_without_its_format_is_the_day_and_a_year_is_not(house):
    rows = [list(HEADER), ["a-1", "Ana", "North", 46082], ["b-2", "Bo", "South", 2026], ["c-3", "Cy", "", 20260301]]
    house.deliver("learner", "a.xlsx", xlsx({"One": rows}))
    house.take("learner")
    assert learners(house) == [("North", date(2026, 3, 1))]
    assert faults(house) == [(3, "left_on", "not_date"), (4, "left_on", "not_date")]


def test_numbers_stored_as_text_texts_stored_as_numbers_and_booleans_are_what_their_column_wants(house):
    rows = [
        ["course_id", "activity_iri", "title", "expected_hours"],
        [101, "https://lms.test/1", 2026, "2.5"],
        ["102", "https://lms.test/2", "Two", 3],
    ]
    house.deliver("course", "a.xlsx", xlsx({"One": rows}))
    house.deliver("programme", "a.csv", "programme_id,name\np1,One\n")
    required = [["programme_id", "course_id", "is_required"], ["p1", 101, True], ["p1", "102", "false"]]
    house.deliver("programme_course", "a.xlsx", xlsx({"One": required}))
    house.take("programme", "course", "programme_course")
    assert house.faults() == []
    assert house.rows("SELECT course_id, title, expected_hours FROM raw.course ORDER BY 1") == [
        ("101", "2026", 2.5),
        ("102", "Two", 3.0),
    ]
    assert house.rows("SELECT course_id, is_required FROM raw.programme_course ORDER BY 1") == [
        ("101", True),
        ("102", False),
    ]


def test_a_formula_without_its_value_and_an_error_are_faults_and_no_empty_cells(house):
    rows = [
        list(HEADER),
        ["a-1", "Ana", "North", Formula("TODAY()")],
        ["b-2", "Bo", Failed("#N/A"), None],
        ["c-3", "Cy", "East", None],
    ]
    house.deliver("learner", "a.xlsx", xlsx({"One": rows}))
    house.take("learner")
    assert learners(house) == [("East", None)]
    assert faults(house) == [(2, "left_on", "no_formula_value"), (3, "org_unit", "error_value")]


def test_a_workbook_ends_with_totals_like_any_file(house):
    house.deliver("learner", "a.xlsx", xlsx({"One": [*TYPED_ROWS, [], [None, "Total", 2]]}))
    told = notes(house)
    assert learners(house) == RIGHT
    assert house.faults() == []
    assert "line 5" in told


@pytest.mark.parametrize(
    "content",
    [b"<html><table><tr><td>learner_key</td></tr></table></html>", b"PK\x03\x04 no book", b"\xd0\xcf\x11\xe0"],
)
def test_a_workbook_that_is_none_is_refused(house, content):
    house.deliver("learner", "a.xls", content)
    house.take("learner")
    assert faults(house) == [(None, None, "file_unreadable")]


# --- content and unknown columns ----------------------------------------------------------------------------------

CONTENT = {
    "mentoring_message": ("match_id,sent_at,sender,channel", "m1,2026-03-01T09:00:00Z,mentor,email"),
    "mentoring_session": ("match_id,held_at,channel", "m1,2026-03-01T09:00:00Z,video"),
    "absence": ("learner_key,from_on,to_on", "ana,2026-03-01,2026-03-08"),
}


@pytest.mark.parametrize("table", CONTENT)
@pytest.mark.parametrize(
    "column", ["Body", "text", "Message", "message content", "Subject", "notes", "Comment", "reason"]
)
def test_what_looks_like_content_is_never_read_and_is_told(house, table, column):
    header, row = CONTENT[table]
    lines = [f"{header},{column}", f"{row},divorce", f"{row.replace('2026-03-01', 'never')},divorce", "divorce,x"]
    house.deliver(table, "a.csv", "\n".join(lines) + "\n")
    good = dict(zip(header.split(","), row.split(","), strict=True))
    house.deliver(table, "b.ndjson", json.dumps({**good, column: "divorce"}) + "\n")
    house.warehouse.execute("INSERT INTO ops.run (run_id, state) VALUES ('run-1', 'running')")
    told = house.take(table)
    assert told["unknown_columns"] == 2
    assert told["refused_rows"] == 2
    stores = house.rows(
        "SELECT database_name || '.' || schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name <> 'system'"
    )
    holding = [name for (name,) in stores if "divorce" in str(house.rows(f"FROM {name}"))]
    assert holding == []
    assert f"content, which is refused and was not read: {column}" in house.warehouse.scalar(
        "SELECT message FROM ops.run"
    )


def test_unknown_columns_are_told_by_name_and_read_into_no_store(house):
    house.deliver("learner", "a.csv", "learner_key,Salary,left_on\na-1,12345,never\n")
    assert "no input knows, which are not taken: Salary" in notes(house)
    assert "12345" not in str(house.rows("FROM identity.sealed.quarantine"))


def test_a_refused_row_is_sealed_with_the_texts_that_its_file_gave(house):
    house.deliver("learner", "a.csv", text(rows=[("a-1", "Ana", "", "3/4/26")]))
    house.take("learner")
    sealed = json.loads(house.rows("SELECT raw_text FROM identity.sealed.quarantine")[0][0])
    assert sealed["left_on"] == "3/4/26"
    assert "3/4/26" not in detail(house)


# --- both ways of reading give the same ---------------------------------------------------------------------------


def test_a_file_with_a_quote_gives_the_rows_that_it_gives_without(house):
    rows = [
        (f"k-{number}", f"Name {number}", f"Unit {number % 7}", "2026-03-01" if number % 3 else "")
        for number in range(999)
    ]
    plain = text(rows=rows)
    house.deliver("learner", "a.csv", plain)
    house.take("learner")
    first = house.rows("SELECT * EXCLUDE (file_name) FROM raw.learner ORDER BY rowid")
    house.warehouse.execute("DELETE FROM raw.learner")
    house.deliver("learner", "b.csv", plain.replace("Name 500", '"Name 500"'))
    house.take("learner")
    assert len(first) == 999
    assert house.rows("SELECT * EXCLUDE (file_name) FROM raw.learner ORDER BY rowid") == first


def test_instants_of_parquet_need_their_zone_like_all_others(house):
    base = {"match_id": ["m1"], "sender": ["mentor"], "channel": ["email"]}
    naive = pl.DataFrame({**base, "sent_at": [datetime(2026, 3, 1, 9)]})  # noqa: DTZ001 - what is tested
    zoned = pl.DataFrame({**base, "sent_at": [datetime(2026, 3, 1, 9, tzinfo=UTC)]})
    house.deliver("mentoring_message", "a.parquet", parquet(naive))
    house.deliver("mentoring_message", "b.parquet", parquet(zoned))
    house.take("mentoring_message")
    assert faults(house) == [(1, "sent_at", "naive_time")]
    assert sent(house) == [datetime(2026, 3, 1, 9)]  # noqa: DTZ001
