"""What later exports do: re-state with the history kept, add nothing where nothing changed, delete only when told to."""

from __future__ import annotations

from datetime import date, datetime
from itertools import permutations

import pytest

from data_contracts.tables.inputs import RAW_INPUTS, RAW_TABLES
from pipelines.warehouse import current


def lines(header, *rows):
    return "\n".join([header, *rows, ""])


def count(house, table):
    return house.warehouse.count(RAW_INPUTS[table])


def now(house, table, columns, before="TIMESTAMP '9999-01-01'"):
    return house.rows(f"SELECT {columns} FROM {current(RAW_INPUTS[table], before)} ORDER BY ALL")


def faults(house):
    return [(line, column, reason) for _, line, column, reason in house.faults()]


def released(house):
    return house.rows("SELECT count(*) FROM raw.released")[0][0]


def raw_rows(house):
    told = {table: ", ".join(f'"{name}"' for name in table.stable_names) for table in RAW_TABLES}
    return {
        table.name: house.rows(f"SELECT {names} FROM {table.qualified_name} ORDER BY rowid")
        for table, names in told.items()
    }


def at(*parts):
    return datetime(*parts)  # noqa: DTZ001 - instants are UTC without a zone


# --- nothing new, nothing added -----------------------------------------------------------------------------------

ENROLMENTS = "enrolment_id,learner_key,course_id,enrolled_on,status,status_on,recorded_at"
EXPORT = [f"e{number},k{number},c1,2024-01-08,active,," for number in range(200)]


def test_a_nightly_export_of_unchanged_rows_adds_none_and_a_changed_one_adds_itself(house):
    house.deliver("enrolment", "1.csv", lines(ENROLMENTS, *EXPORT))
    house.take("enrolment")
    changed = [*EXPORT[:-1], "e199,k199,c1,2024-01-08,completed,2024-02-01,"]
    house.deliver("enrolment", "2.csv", lines(ENROLMENTS, *changed))
    house.take("enrolment")
    assert count(house, "enrolment") == 201
    assert len(now(house, "enrolment", "1")) == 200
    assert house.rows("SELECT row_count FROM raw.file ORDER BY file_name") == [(200,), (200,)]


def test_an_export_that_only_says_again_when_it_was_made_adds_nothing(house):
    for day in (9, 10, 11):
        row = f"e1,ana,c1,2024-01-08,active,,2024-01-{day:02}T00:00:00Z"
        house.deliver("enrolment", f"{day}.csv", lines(ENROLMENTS, row))
        house.take("enrolment")
    assert house.rows("SELECT known_at FROM raw.enrolment") == [(at(2024, 1, 9),)]


def test_a_row_that_goes_back_to_what_it_was_is_a_new_version(house):
    for night, status in enumerate(("active", "completed", "active")):
        house.deliver(
            "enrolment", f"{night}.csv", lines(ENROLMENTS, f"e1,ana,c1,2024-01-08,{status},,", EXPORT[night + 5])
        )
        house.take("enrolment")
    assert [
        row[0] for row in house.rows("SELECT status FROM raw.enrolment WHERE enrolment_id = 'e1' ORDER BY rowid")
    ] == [
        "active",
        "completed",
        "active",
    ]
    assert ("e1", "active") in now(house, "enrolment", "enrolment_id, status")


def test_rows_that_stand_twice_in_a_file_are_one(house):
    house.deliver("enrolment", "a.csv", lines(ENROLMENTS, EXPORT[0], EXPORT[1], EXPORT[0]))
    house.take("enrolment")
    assert (count(house, "enrolment"), house.faults()) == (2, [])


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_whatever_order_recorded_versions_come_each_past_night_sees_the_same(house, order):
    told = [
        "e1,ana,c1,2024-01-08,active,,2024-01-09T00:00:00Z",
        "e1,ana,c1,2024-01-08,completed,2024-02-01,2024-02-02T00:00:00Z",
        "e1,ana,c1,2024-01-08,completed,2024-02-01,2024-02-09T00:00:00Z",
    ]
    for place in order:
        house.deliver("enrolment", f"{place}.csv", lines(ENROLMENTS, told[place]))
        house.take("enrolment")
    seen = [
        now(house, "enrolment", "status", f"TIMESTAMP '2024-{day}'") for day in ("01-08", "01-10", "02-03", "03-01")
    ]
    assert seen == [[], [("active",)], [("completed",)], [("completed",)]]


COSTS = "programme_id,course_id,period_on,cost_kind,strand,delivery,amount,currency,recorded_at"


def test_two_costs_of_one_kind_and_month_in_one_file_are_not_taken_for_one(house):
    rows = [f"p1,,2024-01-01,travel,formal,face_to_face,{amount},EUR," for amount in (100, 250, 100)]
    house.deliver("programme_cost", "a.csv", lines(COSTS, *rows))
    house.take("programme_cost")
    assert faults(house) == [(3, "programme_id", "repeated_key")]
    assert now(house, "programme_cost", "amount") == [(100,)]


def test_of_two_versions_in_one_file_the_one_recorded_later_stands(house):
    rows = [
        "p1,,2024-01-01,travel,formal,face_to_face,250,EUR,2024-02-02T00:00:00Z",
        "p1,,2024-01-01,travel,formal,face_to_face,100,EUR,2024-02-01T00:00:00Z",
    ]
    house.deliver("programme_cost", "a.csv", lines(COSTS, *rows))
    house.take("programme_cost")
    assert (house.faults(), now(house, "programme_cost", "amount")) == ([], [(250,)])


# --- history stays readable ---------------------------------------------------------------------------------------


def test_when_a_session_moved_a_goal_was_rebaselined_and_a_match_ended_can_be_read_afterwards(house):
    exports = {
        "mentoring_match": (
            "match_id,mentor_key,learner_key,programme_id,matched_on,ended_on,recorded_at",
            [
                "m1,meg,ana,p1,2024-01-01,,2024-01-02T00:00:00Z",
                "m1,meg,ana,p1,2024-01-01,2024-03-01,2024-03-02T00:00:00Z",
            ],
        ),
        "mentoring_session": (
            "session_id,match_id,scheduled_at,held_at,channel,outcome,recorded_at",
            [
                "s1,m1,2024-02-01T10:00:00Z,,video,planned,2024-01-20T00:00:00Z",
                "s1,m1,2024-02-08T10:00:00Z,,video,rescheduled,2024-01-31T00:00:00Z",
                "s1,m1,2024-02-08T10:00:00Z,2024-02-08T10:05:00Z,video,held,2024-02-08T11:00:00Z",
            ],
        ),
        "goal": (
            "goal_id,match_id,agreed_on,kind,baseline_value,target_value,recorded_at",
            ["g1,m1,2024-01-10,calls,2,10,2024-01-10T12:00:00Z", "g1,m1,2024-01-10,calls,4,8,2024-02-15T12:00:00Z"],
        ),
    }
    for table, (header, rows) in exports.items():
        for night, row in enumerate(rows):
            house.deliver(table, f"{night}.csv", lines(header, row))
            house.take(table)
    history = "SELECT known_at, {} FROM raw.{} ORDER BY known_at"
    assert house.rows(history.format("ended_on", "mentoring_match")) == [
        (at(2024, 1, 2), None),
        (at(2024, 3, 2), date(2024, 3, 1)),
    ]
    assert house.rows(history.format("scheduled_at, outcome", "mentoring_session")) == [
        (at(2024, 1, 20), at(2024, 2, 1, 10), "planned"),
        (at(2024, 1, 31), at(2024, 2, 8, 10), "rescheduled"),
        (at(2024, 2, 8, 11), at(2024, 2, 8, 10), "held"),
    ]
    assert house.rows(history.format("baseline_value, target_value", "goal")) == [
        (at(2024, 1, 10, 12), 2, 10),
        (at(2024, 2, 15, 12), 4, 8),
    ]
    assert now(house, "mentoring_session", "outcome", "TIMESTAMP '2024-02-01'") == [("rescheduled",)]


# --- deletion by absence ------------------------------------------------------------------------------------------

MATCHES = "match_id,mentor_key,learner_key,programme_id,matched_on,recorded_at"


def match(number, recorded="", matched="2024-01-01"):
    return f"m{number},meg,k{number},p1,{matched},{recorded}"


def snapshots(house, *files, rule="full_snapshot: true", folder="mentoring_match"):
    (house.inbox / "mapping.yaml").write_text(f"mentoring_match: {{files: {folder}/*.csv, {rule}}}\n", "utf-8")
    for night, rows in enumerate(files):
        house.deliver(folder, f"{night}.csv", lines(MATCHES, *rows))
        house.take("mentoring_match")


def matches(house, *before):
    return [row[0] for row in now(house, "mentoring_match", "match_id", *before)]


def test_a_row_that_a_full_snapshot_no_longer_has_is_deleted_and_comes_back_when_it_does(house):
    house.inbox.mkdir(parents=True, exist_ok=True)
    snapshots(house, [match(1), match(2)], [match(1)])
    assert matches(house) == ["m1"]
    assert house.rows("SELECT match_id, is_deleted FROM raw.mentoring_match ORDER BY rowid") == [
        ("m1", False),
        ("m2", False),
        ("m2", True),
    ]
    house.deliver("mentoring_match", "3.csv", lines(MATCHES, match(1), match(2), match(3)))
    house.take("mentoring_match")
    assert matches(house) == ["m1", "m2", "m3"]


def test_absence_means_nothing_where_no_one_says_that_the_file_is_whole(house):
    house.inbox.mkdir(parents=True, exist_ok=True)
    snapshots(house, [match(1), match(2)], [match(1)], rule="full_snapshot: false")
    assert matches(house) == ["m1", "m2"]


def test_a_deletion_was_known_when_the_snapshot_was_recorded_and_not_before(house):
    house.inbox.mkdir(parents=True, exist_ok=True)
    first, second = "2024-01-02T00:00:00Z", "2024-02-02T00:00:00Z"
    snapshots(house, [match(1, first), match(2, first)], [match(1, second)])
    assert matches(house, "TIMESTAMP '2024-02-01'") == ["m1", "m2"]
    assert matches(house, "TIMESTAMP '2024-02-03'") == ["m1"]
    assert house.rows("SELECT known_at, is_known_at_assumed FROM raw.mentoring_match WHERE is_deleted") == [
        (at(2024, 2, 2), False)
    ]


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        pytest.param([], ["m1", "m2"], id="a snapshot of no rows deletes nothing"),
        pytest.param([match(1), match(2, matched="soon")], ["m1", "m2"], id="a refused row is there"),
        pytest.param([match(1), ",meg,k2,p1,2024-01-01,"], ["m1", "m2"], id="nor where a key cannot be read"),
        pytest.param([match(1), "m2,meg"], ["m1", "m2"], id="nor where a line cannot be read"),
        pytest.param([match(1), "Total,1,,,,"], ["m1"], id="a line of totals is no row"),
    ],
)
def test_a_doubtful_snapshot_deletes_nothing_that_may_be_there(house, rows, left):
    house.inbox.mkdir(parents=True, exist_ok=True)
    snapshots(house, [match(1), match(2)], rows)
    assert matches(house) == left


def test_a_snapshot_deletes_only_what_files_of_its_own_kind_brought(house):
    house.inbox.mkdir(parents=True, exist_ok=True)
    house.deliver("mentoring_match", "by hand.csv", lines(MATCHES, match(9)))
    snapshots(house, [match(1), match(2)], [match(1)], folder="product")
    assert matches(house) == ["m1", "m9"]


# --- rows that wait -----------------------------------------------------------------------------------------------

COURSES = "course_id,activity_iri,title"


def course(number):
    return f"c{number},https://lms.test/c{number},Course {number}"


def test_an_enrolment_of_an_unknown_course_waits_and_is_taken_when_the_course_comes(house):
    house.deliver("course", "1.csv", lines(COURSES, course(1)))
    house.deliver(
        "enrolment", "1.csv", lines(ENROLMENTS, "e1,ana,c1,2024-01-08,active,,", "e2,bo,c2,2024-01-08,active,,")
    )
    house.take("course", "enrolment")
    assert faults(house) == [(3, "course_id", "unknown_course")]
    assert now(house, "enrolment", "enrolment_id") == [("e1",)]
    assert house.take("course", "enrolment")["new_files"] == 0
    assert released(house) == 0

    house.deliver("course", "2.csv", lines(COURSES, course(2)))
    house.take("course", "enrolment")
    assert now(house, "enrolment", "enrolment_id") == [("e1",), ("e2",)]
    assert house.rows("SELECT learner_id, file_name FROM raw.enrolment WHERE enrolment_id = 'e2'") == [
        (house.night.pseudonyms.person("bo"), "1.csv")
    ]
    assert house.rows("SELECT fault_id FROM raw.quarantine") == house.rows("SELECT fault_id FROM raw.released")
    house.take("course", "enrolment")
    assert (count(house, "enrolment"), released(house)) == (2, 1)


def test_a_row_that_waited_does_not_overrule_what_was_said_of_it_later(house):
    house.deliver("course", "1.csv", lines(COURSES, course(1)))
    house.deliver("enrolment", "1.csv", lines(ENROLMENTS, "e2,bo,c2,2024-01-08,active,,"))
    house.take("course", "enrolment")
    house.deliver("enrolment", "2.csv", lines(ENROLMENTS, "e2,bo,c2,2024-01-08,completed,2024-02-01,"))
    house.take("course", "enrolment")
    house.deliver("course", "2.csv", lines(COURSES, course(2)))
    house.deliver("enrolment", "3.csv", lines(ENROLMENTS, "e2,bo,c2,2024-01-08,failed,2024-02-02,"))
    house.take("course", "enrolment")
    assert [row[0] for row in house.rows("SELECT status FROM raw.enrolment ORDER BY rowid")] == [
        "active",
        "completed",
        "failed",
    ]
    assert now(house, "enrolment", "status") == [("failed",)]
    assert released(house) == 2


def test_a_row_that_waits_in_every_nightly_export_is_taken_once(house):
    house.deliver("course", "1.csv", lines(COURSES, course(1)))
    for night in range(3):
        house.deliver(
            "enrolment", f"{night}.csv", lines(ENROLMENTS, "e2,bo,c2,2024-01-08,active,,", EXPORT[night + 10])
        )
        house.take("course", "enrolment")
    house.deliver("course", "2.csv", lines(COURSES, course(2)))
    house.take("course", "enrolment")
    assert house.rows("SELECT count(*) FROM raw.enrolment WHERE enrolment_id = 'e2'") == [(1,)]
    assert released(house) == 3


SESSIONS = "session_id,match_id,held_at,channel"
MESSAGES = "message_id,match_id,sent_at,sender,channel"


def test_what_names_an_unknown_match_goal_or_session_waits_and_nothing_of_it_vanishes(house):
    tables = ("mentoring_match", "mentoring_session", "mentoring_message", "goal", "goal_update", "commitment")
    house.deliver("mentoring_match", "1.csv", lines(MATCHES, match(1)))
    rows = {
        "mentoring_session": (SESSIONS, "s{0},m{0},2024-02-01T10:00:00Z,video"),
        "mentoring_message": (MESSAGES, "x{0},m{0},2024-02-01T10:00:00Z,mentor,chat"),
        "goal": ("goal_id,match_id,agreed_on,kind", "g{0},m{0},2024-02-01,calls"),
        "goal_update": ("goal_id,recorded_on,value", "g{0},2024-02-08,1"),
        "commitment": ("commitment_id,session_id,made_on,status", "k{0},s{0},2024-02-01,open"),
    }
    for table, (header, row) in rows.items():
        house.deliver(table, "1.csv", lines(header, row.format(1), row.format(2)))
    house.take(*tables)
    assert sorted(reason for _, _, reason in faults(house)) == [
        "unknown_goal",
        "unknown_match",
        "unknown_match",
        "unknown_match",
        "unknown_session",
    ]
    house.deliver("mentoring_match", "2.csv", lines(MATCHES, match(2)))
    house.take(*tables)
    assert [count(house, table) for table in tables] == [2] * 6
    assert released(house) == 5


def test_a_row_whose_text_is_no_longer_kept_waits_in_vain_and_stops_nobody(house):
    house.deliver("course", "1.csv", lines(COURSES, course(1)))
    house.deliver(
        "enrolment", "1.csv", lines(ENROLMENTS, "e2,bo,c2,2024-01-08,active,,", "e3,cy,c2,2024-01-08,active,,")
    )
    house.take("course", "enrolment")
    house.warehouse.execute("UPDATE identity.sealed.quarantine SET raw_text = '' WHERE raw_text LIKE '%\"e2\"%'")
    house.deliver("course", "2.csv", lines(COURSES, course(2)))
    house.take("course", "enrolment")
    assert now(house, "enrolment", "enrolment_id") == [("e3",)]


def test_the_archive_gives_back_every_version_deletion_and_release(house):
    house.inbox.mkdir(parents=True, exist_ok=True)
    snapshots(house, [match(1), match(2)], [match(1)])
    house.deliver("course", "1.csv", lines(COURSES, course(1)))
    house.deliver("enrolment", "1.csv", lines(ENROLMENTS, "e2,bo,c2,2024-01-08,active,,", *EXPORT[:3]))
    house.take("course", "enrolment")
    house.deliver("course", "2.csv", lines(COURSES, course(2)))
    house.take("course", "enrolment")
    before = raw_rows(house)
    assert before["released"]
    house.warehouse.replay()
    assert raw_rows(house) == before
