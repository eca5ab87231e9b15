"""The mapping file: exports of other products become the input tables, and a mapping that errs is told before anything."""

from __future__ import annotations

import json
from datetime import date, datetime

import pytest

from data_contracts.errors import UsageError
from pipelines.sources import inbox
from pipelines.sources.mapping import load_mapping
from pipelines.sources.sealed import consume
from tests.unit.pipelines.workbook import xlsx


def write(house, text):
    house.inbox.mkdir(parents=True, exist_ok=True)
    (house.inbox / "mapping.yaml").write_text(text, "utf-8")


def rows(house, table, columns):
    return house.rows(f"SELECT {columns} FROM raw.{table} ORDER BY rowid")


def faults(house):
    return [(line, column, reason) for _, line, column, reason in house.faults()]


def at(*parts):
    return datetime(*parts)  # noqa: DTZ001 - instants are UTC without a zone


# --- what is wrong with a mapping is told before anything is taken ------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lerner: {files: hr/*.csv}", "unknown table 'lerner'; did you mean 'learner'?"),
        ("learner: {file: hr/*.csv}", "unknown key 'file'; did you mean 'files'?"),
        ("learner: {columns: {learner_key: id}}", "files is missing"),
        ("learner: {files: hr/*.csv, columns: {learner: id}}", "unknown column 'learner'; did you mean 'learner_key'?"),
        ("learner: {files: hr/*.csv, columns: {learner_key: {colum: id}}}", "did you mean 'column'?"),
        ("learner: {files: hr/*.csv, columns: {learner_key: {column: a, constant: b}}}", "exactly one of"),
        ("learner: {files: hr/*.csv, columns: {learner_key: {values: {a: b}}}}", "exactly one of"),
        ("learner: {files: hr/*.csv, timezone: Lisbon}", "write one such as Europe/Lisbon"),
        ("learner: {files: hr/*.csv, date_format: DD.MM.YYYY}", "no date format; write one such as"),
        ("learner: {files: hr/*.csv, date_format: '%d.%q'}", "no date format"),
        ("learner: {files: hr/*.csv, decimal: x}", "decimal"),
        ("learner: {files: hr/*.csv, decimal: ',', thousands: ','}", "decimal sign too"),
        ("learner: {files: hr/*.csv, encoding: utf-9}", "no encoding"),
        ("learner: {files: hr/*.csv, delimiter: ';;'}", "delimiter"),
        ("learner: {files: ../*.csv}", "as they lie in the inbox"),
        ("learner: {files: /etc/passwd}", "as they lie in the inbox"),
        ("learner: {files: a.csv}", "as they lie in the inbox"),
        ("learner: {files: xapi/*.csv}", "the folder xapi holds statements"),
        ("learner_identity: {files: hr/*.csv, full_snapshot: true}", "never deleted by absence"),
        ("mentor: {files: a/*, columns: {kind: {constant: boss}}}", "'boss' is none of peer, alumnus"),
        ("mentor: {files: a/*, columns: {kind: {column: k, default: peer}}}", "use empty where there is none"),
        ("mentor: {files: a/*, columns: {trained_on: {column: k, normalise: name}}}", "are for texts"),
        ("mentor: {files: a/*, columns: {mentor_key: {column: k, date_format: '%d'}}}", "are for days and instants"),
        ("mentor: {files: a/*, columns: {mentor_key: {column: k, unit: hours}}}", "minutes or hours"),
        ("mentor: {files: a/*, columns: {mentor_key: {column: k, unit: percent}}}", "percent is for numbers"),
        ("mentoring_session: {files: a/*, columns: {group_id: Session notes}}", "content, which is never read"),
        ("absence: {files: a/*, columns: {learner_key: Reason}}", "content, which is never read"),
        ("learner:\n  files: a/*\n  files: b/*", "line 3"),
        ("learner: [", "no valid YAML"),
        ("- learner", "write the name of a table"),
        ("learner: yes", "learner"),
    ],
)
def test_a_mapping_that_errs_is_refused_with_the_place_and_the_way_out(house, text, words):
    write(house, text)
    house.deliver("learner", "a.csv", "learner_key\nana\n")
    with pytest.raises(UsageError) as told:
        house.take("learner")
    assert str(told.value).startswith("mapping.yaml")
    assert words in str(told.value)
    assert house.rows("SELECT count(*) FROM raw.file") == [(0,)]


def test_a_mapping_under_another_ending_is_not_passed_over(house):
    write(house, "")
    (house.inbox / "mapping.yaml").rename(house.inbox / "mapping.yml")
    with pytest.raises(UsageError, match=r"call it mapping\.yaml"):
        house.take()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "\ufeff# nothing\n"])
def test_an_empty_mapping_says_nothing(house, text):
    write(house, text)
    assert load_mapping(house.inbox).tables == {}


# --- columns ------------------------------------------------------------------------------------------------------

PEOPLE = """
learner:
  files: hr/*.csv
  date_format: "%d/%m/%Y"
  ignore: [Salary]
  columns:
    learner_key: {column: E-Mail, normalise: email}
    display_name: {concat: [First Name, Last Name], separator: " "}
    org_unit: {coalesce: [Team, Department]}
    timezone: {constant: Europe/Lisbon}
    language: {column: Speaks, values: {Portuguese: pt, English: en}, default: other, empty: unknown}
    left_on: Leaving
"""
HR = (
    "E-Mail;First Name;Last Name;Team;Department;Speaks;Leaving;Salary\n"
    " Ana@X.org ;Ana;Sá;;North;PORTUGUESE;;1\n"
    "mailto:bo@x.org;Bo;;South;North;Klingon;31/12/2026;2\n"
    "cy@x.org;Cy;Lee;;;;;3\n"
)


def test_columns_are_renamed_joined_coalesced_constant_and_their_values_named(house):
    write(house, PEOPLE)
    house.deliver("hr", "extract.csv", HR)
    told = house.take("learner")
    assert (told["new_files"], told["refused_rows"], told["unknown_columns"]) == (1, 0, 0)
    assert rows(house, "learner", "org_unit, timezone, language, left_on, file_name") == [
        ("North", "Europe/Lisbon", "pt", None, "hr/extract.csv"),
        ("South", "Europe/Lisbon", "other", date(2026, 12, 31), "hr/extract.csv"),
        (None, "Europe/Lisbon", "unknown", None, "hr/extract.csv"),
    ]
    assert house.rows("SELECT person_key, display_name FROM identity.main.person ORDER BY 1") == [
        ("ana@x.org", "Ana Sá"),
        ("bo@x.org", None),
        ("cy@x.org", "Cy Lee"),
    ]
    assert inbox.unknown_folders(house.inbox) == []


def test_a_column_that_the_mapping_names_and_the_file_lacks_refuses_the_file(house):
    write(house, PEOPLE)
    house.deliver("hr", "a.csv", HR.replace("Team", "Teams"))
    house.take("learner")
    assert faults(house) == [(None, "team", "missing_column")]
    assert "'teams' comes nearest" in house.rows("SELECT detail FROM raw.quarantine")[0][0]


def test_a_word_that_no_value_names_is_refused_where_nothing_is_said_of_others(house):
    write(house, "mentor: {files: m/*, columns: {mentor_key: Name, kind: {column: Role, values: {Boss: manager}}}}")
    house.deliver("m", "a.csv", "Name,Role\nmeg,BOSS\njoe,peer\nsue,Friend\n")
    house.take("mentor")
    assert rows(house, "mentor", "kind") == [("manager",), ("peer",)]
    assert faults(house) == [(4, "kind", "unknown_value")]


def test_one_file_feeds_several_tables_and_none_reports_what_another_reads(house):
    write(
        house,
        """
learner: {files: hr/*.csv, columns: {learner_key: Staff no}}
learner_identity:
  - {files: hr/*.csv, columns: {learner_key: Staff no, identity_type: {constant: mbox}, identity_value: Mail}}
  - files: hr/*.csv
    columns:
      learner_key: Staff no
      identity_type: {constant: account}
      identity_value: {concat: [Site, Login], separator: "::"}
enrolment:
  files: hr/*.csv
  columns:
    enrolment_id: {concat: [Staff no, Course]}
    learner_key: Staff no
    course_id: Course
    enrolled_on: Since
    status: {constant: active}
""",
    )
    house.deliver(
        "hr", "a.csv", "Staff no,Mail,Site,Login,Course,Since\n7,ana@x.org,https://lms.test,ana,c1,2026-03-01\n"
    )
    told = house.take("learner", "learner_identity", "enrolment")
    assert (told["new_files"], told["refused_rows"], told["unknown_columns"]) == (4, 0, 0)
    person = house.night.pseudonyms.person("7")
    assert rows(house, "learner", "learner_id") == [(person,)]
    assert rows(house, "enrolment", "learner_id, course_id, enrolled_on") == [(person, "c1", date(2026, 3, 1))]
    assert house.rows("SELECT identity_type, identity_value FROM identity.main.identifier ORDER BY 1") == [
        ("account", "https://lms.test::ana"),
        ("mbox", "ana@x.org"),
    ]
    assert house.take("learner", "learner_identity", "enrolment")["new_files"] == 0


def test_an_id_made_of_persons_names_holds_no_name_and_meets_itself_in_another_export(house):
    write(
        house,
        """
mentoring_match:
  files: mentoring/matches.csv
  columns:
    match_id: {concat: [mentor, mentee], normalise: name}
    mentor_key: {column: mentor, normalise: name}
    learner_key: {column: mentee, normalise: name}
    programme_id: {constant: p1}
mentoring_session:
  files: mentoring/sessions.csv
  columns:
    match_id: {concat: [mentor_name, mentee_name], normalise: name}
    held_at: at
    channel: {constant: video}
""",
    )
    house.deliver("mentoring", "matches.csv", "mentor,mentee,matched_on\nMentor  One,Ána Secret,2026-01-01\n")
    house.deliver(
        "mentoring", "sessions.csv", "mentor_name,mentee_name,at\nmentor one, ÁNA SECRET,2026-02-01T09:00:00Z\n"
    )
    house.take("mentoring_match", "mentoring_session")
    assert house.faults() == []
    match = rows(house, "mentoring_match", "match_id, mentor_id, learner_id")[0]
    person = house.night.pseudonyms.person
    assert match[1:] == (person("mentor one"), person("ána secret"))
    assert rows(house, "mentoring_session", "match_id") == [(match[0],)]
    assert "one" not in match[0]


# --- values -------------------------------------------------------------------------------------------------------

SESSIONS = (
    "mentoring_session: {{files: s/*, {more}, columns: {{match_id: id, held_at: {at}, duration_minutes: {length}}}}}"
)


def session(house, moment, *, more="timezone: Europe/Lisbon", at_="at", length="length", minutes="30", name="a.csv"):
    write(house, SESSIONS.format(more=more, at=at_, length=length))
    house.deliver("s", name, f"id\tat\tlength\nm1\t{moment}\t{minutes}\n")
    house.take("mentoring_session")


@pytest.mark.parametrize(
    ("more", "moment", "instant"),
    [
        ("timezone: Europe/Lisbon", "2026-01-01 09:00", at(2026, 1, 1, 9)),
        ("timezone: Europe/Lisbon", "2026-07-01T09:00:00", at(2026, 7, 1, 8)),
        ("timezone: Europe/Lisbon", "2026-07-01T09:00:00Z", at(2026, 7, 1, 9)),
        ("timezone: Europe/Lisbon", "2026-07-01", at(2026, 7, 1, 22, 59, 59)),
        ("timezone: UTC, date_format: '%d/%m/%Y %H:%M'", "03/04/2026 09:30", at(2026, 4, 3, 9, 30)),
        ("timezone: UTC, date_format: '%m/%d/%Y %I:%M %p'", "03/04/2026 9:30 PM", at(2026, 3, 4, 21, 30)),
        ("timezone: UTC, date_format: ['%d.%m.%y', '%d.%m.%Y %H:%M']", "3.4.26", at(2026, 4, 3, 23, 59, 59)),
        ("timezone: UTC, date_format: ['%d.%m.%y', '%d.%m.%Y %H:%M']", "3.4.2026 07:05", at(2026, 4, 3, 7, 5)),
        ("timezone: UTC, date_format: '%d/%m/%Y'", "2026-04-03T09:00", at(2026, 4, 3, 9)),
        ("date_format: '%d/%m/%Y %H:%M %z'", "03/04/2026 09:30 +0200", at(2026, 4, 3, 7, 30)),
        ("timezone: UTC, date_format: '%Y-%d-%m'", "2026-03-04", at(2026, 4, 3, 23, 59, 59)),
        ("timezone: UTC, date_format: excel", "46082.5", at(2026, 3, 1, 12)),
    ],
)
def test_instants_follow_the_declared_format_and_zone(house, more, moment, instant):
    session(house, moment, more=more)
    assert (house.faults(), rows(house, "mentoring_session", "held_at")) == ([], [(instant,)])


@pytest.mark.parametrize(
    ("more", "moment", "reason"),
    [
        ("date_format: '%d/%m/%Y %H:%M'", "03/04/2026 09:30", "naive_time"),
        ("timezone: UTC, date_format: '%d/%m/%Y'", "31/31/2026", "not_instant"),
        ("timezone: UTC, date_format: '%d/%m/%Y'", "03/04/26", "out_of_range"),
        ("timezone: UTC, date_format: '%Y-%d-%m'", "2026-03-14", "naive_time"),
        ("timezone: UTC", "46082.5", "not_instant"),
    ],
)
def test_an_instant_that_the_declared_format_does_not_fit_is_refused(house, more, moment, reason):
    session(house, moment, more=more)
    assert faults(house) == [(2, "held_at", reason)]


def test_a_day_and_a_time_in_two_columns_are_one_instant_in_a_text_and_in_a_workbook(house):
    write(
        house,
        "mentoring_session: {files: s/*, timezone: UTC, columns: {match_id: id, held_at: {concat: [day, time], separator: ' '}}}",
    )
    house.deliver("s", "a.csv", "id,day,time\nm1,2026-03-01,10:15\n")
    moment = [["id", "day", "time"], ["m2", date(2026, 3, 1), "10:15"]]
    house.deliver("s", "b.xlsx", xlsx({"One": moment}))
    house.take("mentoring_session")
    assert house.faults() == []
    assert {row[0] for row in rows(house, "mentoring_session", "held_at")} == {at(2026, 3, 1, 10, 15)}


@pytest.mark.parametrize(
    ("unit", "given", "minutes"),
    [
        ("hours", "1.5", 90),
        ("seconds", "90", 1.5),
        ("minutes", "45", 45),
        *[
            ("duration", given, 90)
            for given in ("1h 30m", "1:30", "1:30:00", "90 min", "1.5 hours", "PT1H30M", "1 hr 30 mins")
        ],
        ("duration", "45 minutes", 45),
        ("duration", "90s", 1.5),
    ],
)
def test_durations_come_in_their_unit_and_stand_in_ours(house, unit, given, minutes):
    session(house, "2026-03-01", length=f"{{column: length, unit: {unit}}}", minutes=given)
    assert (house.faults(), rows(house, "mentoring_session", "duration_minutes")) == ([], [(minutes,)])


@pytest.mark.parametrize(
    ("unit", "given"), [("duration", "90"), ("duration", "soon"), ("duration", "1h 30"), ("hours", "1h")]
)
def test_a_duration_that_its_unit_does_not_fit_is_refused(house, unit, given):
    session(house, "2026-03-01", length=f"{{column: length, unit: {unit}}}", minutes=given)
    assert faults(house) == [(2, "duration_minutes", "not_number")]


@pytest.mark.parametrize(
    ("more", "given", "number"),
    [
        ('decimal: ",", thousands: "."', "1.234,50", 1234.5),
        ('decimal: ",", thousands: "."', "1234,5", 1234.5),
        ('decimal: ","', "12,5", 12.5),
        ('thousands: ","', "1,234.50", 1234.5),
        ("thousands: ' '", "1 234 567.5", 1234567.5),
    ],
)
def test_numbers_follow_the_declared_signs(house, more, given, number):
    session(house, "2026-03-01", more=f"timezone: UTC, {more}", minutes=given)
    assert (house.faults(), rows(house, "mentoring_session", "duration_minutes")) == ([], [(number,)])


@pytest.mark.parametrize(
    ("more", "given"),
    [
        ('decimal: ",", thousands: "."', "1,234.50"),
        ('decimal: ",", thousands: "."', "1.5"),
        ('decimal: ","', "12.5"),
        ('thousands: ","', "1,5"),
        ('thousands: ","', "12,34,567"),
    ],
)
def test_a_number_that_the_declared_signs_do_not_fit_is_refused(house, more, given):
    session(house, "2026-03-01", more=f"timezone: UTC, {more}", minutes=given)
    assert faults(house) == [(2, "duration_minutes", "not_number")]


def test_numbers_and_days_of_a_workbook_need_no_declared_signs(house):
    write(
        house,
        "mentoring_session: {files: s/*, timezone: UTC, decimal: ',', thousands: '.', date_format: '%d/%m/%Y', "
        "columns: {match_id: id, held_at: at, duration_minutes: length}}",
    )
    moments = [["id", "at", "length"], ["m1", at(2026, 3, 4, 10, 30), 1234.5], ["m2", "04/03/2026", "1.234,5"]]
    house.deliver("s", "a.xlsx", xlsx({"One": moments}))
    house.take("mentoring_session")
    assert house.faults() == []
    assert rows(house, "mentoring_session", "held_at, duration_minutes") == [
        (at(2026, 3, 4, 10, 30), 1234.5),
        (at(2026, 3, 4, 23, 59, 59), 1234.5),
    ]


def test_an_amount_with_a_point_is_what_the_declared_sign_says(house):
    header = "programme_id,period_on,cost_kind,strand,delivery,amount,currency"
    for folder, signs in (("a", "decimal: '.'"), ("b", "decimal: ',', thousands: '.'")):
        write(house, f"programme_cost: {{files: {folder}/*, {signs}}}")
        house.deliver(folder, "a.csv", f"{header}\n{folder},2026-03-01,travel,formal,face_to_face,1.234,EUR\n")
        house.take("programme_cost")
    assert (house.faults(), rows(house, "programme_cost", "amount")) == ([], [(1.234,), (1234,)])


@pytest.mark.parametrize("given", ["85%", "85 %", "85", "85.0"])
def test_percent_become_shares(house, given):
    write(house, "goal_update: {files: g/*, columns: {attained_share: {column: done, unit: percent}}}")
    house.deliver("g", "a.csv", f"goal_id,recorded_on,done\ng1,2026-03-01,{given}\n")
    house.take("goal_update")
    assert (house.faults(), rows(house, "goal_update", "attained_share")) == ([], [(0.85,)])


def test_a_sheet_that_is_named_is_read_and_one_that_is_not_there_is_told(house):
    people = [["learner_key", "org_unit"], ["ana", "North"]]
    book = xlsx({"Old": [["learner_key", "org_unit"], ["bo", "South"]], "New": people})
    house.deliver("learner", "a.xlsx", book)
    write(house, "learner: {files: learner/*.xlsx, sheet: New}")
    house.take("learner")
    assert rows(house, "learner", "org_unit") == [("North",)]
    write(house, "learner: {files: learner/*.xlsx, sheet: Newest}")
    house.take("learner")
    assert [reason for _, _, reason in faults(house)] == ["missing_sheet"]


def test_a_delimiter_and_an_encoding_can_be_named(house):
    write(house, "learner: {files: learner/*, delimiter: '~', encoding: cp1250}")
    house.deliver("learner", "a.csv", "learner_key~org_unit\nana~Łódź\n".encode("cp1250"))
    house.take("learner")
    assert (house.faults(), rows(house, "learner", "org_unit")) == ([], [("Łódź",)])


# --- the mapping belongs to what was taken ------------------------------------------------------------------------


def test_a_file_is_taken_again_when_what_is_said_of_it_changes_and_only_then(house):
    house.deliver("learner", "a.csv", "learner_key,unit\nana,North\n")
    house.take("learner")
    write(house, "learner: {files: learner/*, columns: {org_unit: unit}}")
    before = inbox.fingerprint(house.inbox)
    assert house.take("learner")["new_files"] == 1
    assert rows(house, "learner", "org_unit") == [(None,), ("North",)]
    write(house, "# a remark\nlearner: {files: [learner/*, other/*], ignore: [x], columns: {org_unit: unit}}")
    assert house.take("learner")["new_files"] == 0
    assert inbox.fingerprint(house.inbox) == before


def test_json_lines_are_mapped_like_any_file(house):
    write(
        house, "learner: {files: learner/*, columns: {learner_key: id, org_unit: {column: unit, values: {1: North}}}}"
    )
    lines = [{"id": 7, "unit": 1}, {"id": "8", "unit": "South"}]
    house.deliver("learner", "a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    house.take("learner")
    assert rows(house, "learner", "org_unit") == [("North",), ("South",)]
    assert house.rows("SELECT person_key FROM identity.main.person ORDER BY 1") == [("7",), ("8",)]


def test_a_file_that_feeds_two_tables_leaves_the_inbox_when_both_have_it(house):
    write(
        house,
        "learner: {files: hr/*.csv, columns: {learner_key: id}}\n"
        "mentor: {files: hr/*.csv, columns: {mentor_key: id, kind: {constant: peer}}}\n",
    )
    file = house.deliver("hr", "a.csv", "id\nana\n")
    house.take("learner")
    consume(house.warehouse, house.inbox, inbox.scan(house.inbox), settle_seconds=0)
    assert file.exists()
    house.take("mentor")
    consume(house.warehouse, house.inbox, inbox.scan(house.inbox), settle_seconds=0)
    assert not file.exists()
    assert house.rows("SELECT count(*) FROM raw.mentor") == [(1,)]
    assert house.rows("SELECT DISTINCT file_name FROM identity.sealed.file") == [("a.csv",)]
