"""One statement's way from bytes to a row or a fault; whatever the bytes are, nothing raises."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.inputs import RAW_STATEMENT
from pipelines.statements import take as take_module
from pipelines.statements.identity import Pseudonyms
from pipelines.statements.parse import verdict
from pipelines.statements.take import statements_of, take

PSEUDONYMS = Pseudonyms(b"k" * 32)
VOIDED = {"id": "http://adlnet.gov/expapi/verbs/voided"}
UUID = "8f87ccde-bb56-4c2e-ab83-44982ef22df0"
VALID = (
    b'{"actor":{"mbox":"mailto:ana@example.org"},"verb":{"id":"https://lms.test/verb"},'
    b'"object":{"id":"https://lms.test/page"},"timestamp":"2024-03-01T12:00:00Z"}'
)


def taken(*lines):
    """Rows as dictionaries, and the faults, of lines given as statements or bytes."""
    content = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    batches = list(take(enumerate(content, start=1), PSEUDONYMS))
    rows = [row for batch in batches for row in batch.frame().to_dicts()]
    return rows, [fault for batch in batches for fault in batch.faults]


def only_row(line):
    rows, faults = taken(line)
    assert faults == []
    return rows[0]


def only_reason(line):
    rows, faults = taken(line)
    assert rows == []
    return faults[0].reason


def with_extra(extra):
    """A valid statement's bytes with further properties written in by hand."""
    return VALID[:-1] + b"," + extra + b"}"


# --- identities ---------------------------------------------------------------------------------------------------


def test_no_identifier_or_name_stands_in_any_row(statement):
    people = [
        {"name": "Ana Secret", "mbox": "mailto:secret1@example.org"},
        {"name": "Ana Secret", "mbox_sha1sum": "a1" * 20},
        {"name": "Ana Secret", "openid": "https://secret3.example.org/"},
        {"name": "Ana Secret", "account": {"homePage": "https://secret4.example.org", "name": "secret5"}},
    ]
    parts = {
        "authority": people[0],
        "context": {
            "instructor": people[2],
            "team": {"objectType": "Group", "member": people},
            "extensions": {"https://x.test/e": "secret6"},
        },
        "result": {"response": "secret7", "extensions": {"https://x.test/e": "secret8"}},
    }
    statements = [statement(actor=person, **parts) for person in people]
    statements += [statement(object={"objectType": "Agent", **person}, **parts) for person in people]
    rows, faults = taken(*statements)
    assert (len(rows), faults) == (8, [])
    told = json.dumps(rows, default=str).lower()
    assert "secret" not in told
    assert "a1" * 20 not in told


def test_identifiers_are_kept_beside_the_rows_for_the_identity_store_alone(statement):
    batch = next(take([(1, json.dumps(statement()).encode())], PSEUDONYMS))
    identity_id = PSEUDONYMS.identity("mbox", "ana@example.org")
    assert batch.identities == {identity_id: ("mbox", "mailto:ana@example.org")}
    assert batch.frame()["identity_id"].to_list() == [identity_id]


def test_an_mbox_and_its_sha1sum_are_one_identity(statement):
    sha1 = hashlib.sha1(b"mailto:ana@example.org", usedforsecurity=False).hexdigest()
    rows, _ = taken(statement(), statement(actor={"mbox_sha1sum": sha1}))
    assert rows[0]["identity_id"] == rows[1]["identity_id"]


@pytest.mark.parametrize(
    ("identified", "kind"), [({}, "anonymous_group"), ({"mbox": "mailto:team@example.org"}, "group")]
)
def test_of_a_group_the_members_are_kept_and_never_the_group_itself(statement, identified, kind):
    members = [{"mbox": "mailto:ben@example.org"}, {"mbox": "mailto:ana@example.org"}]
    group = {"objectType": "Group", "member": members, **identified}
    batch = next(take([(1, json.dumps(statement(actor=group)).encode())], PSEUDONYMS))
    row = batch.frame().to_dicts()[0]
    ids = [PSEUDONYMS.identity("mbox", member["mbox"]) for member in members]
    assert (row["identity_id"], row["actor_kind"]) == (None, kind)
    assert row["member_identity_ids"] == " ".join(sorted(ids))
    assert batch.identities == {key: ("mbox", member["mbox"]) for key, member in zip(ids, members, strict=True)}


def test_a_group_of_nobody_has_no_members(statement):
    group = {"objectType": "Group", "mbox": "mailto:team@example.org"}
    row = only_row(statement(actor=group))
    assert (row["actor_kind"], row["member_identity_ids"]) == ("group", None)


# --- what is kept -------------------------------------------------------------------------------------------------


def test_a_row_has_what_the_statement_says(statement):
    row = only_row(
        statement(
            id=UUID.upper(),
            object={
                "id": "https://lms.test/quiz",
                "definition": {"type": "http://adlnet.gov/expapi/activities/assessment"},
            },
            context={"registration": UUID, "contextActivities": {"parent": [{"id": "https://lms.test/course"}]}},
            result={"score": {"scaled": 0.75, "raw": 3}, "success": True, "completion": False, "duration": "PT1M30S"},
            timestamp="2024-03-01T14:00:00+02:00",
            stored="2024-03-01T12:00:05Z",
        )
    )
    assert row["statement_id"] == UUID
    assert row["object_iri"] == "https://lms.test/quiz"
    assert row["activity_type_iri"] == "http://adlnet.gov/expapi/activities/assessment"
    assert (row["context_iris"], row["registration"]) == ("https://lms.test/course", UUID)
    assert (row["actor_kind"], row["object_kind"], row["progress_share"]) == ("agent", "activity", None)
    assert (row["scaled_score"], row["is_success"], row["is_completion"]) == (0.75, True, False)
    assert (row["duration_seconds"], row["event_count"]) == (90.0, 1)
    assert row["happened_at"] == datetime(2024, 3, 1, 12)  # noqa: DTZ001 - instants are UTC without a zone
    assert row["stored_at"] == datetime(2024, 3, 1, 12, 0, 5)  # noqa: DTZ001


def test_the_frame_has_the_contracts_columns_but_for_those_that_the_source_adds(statement):
    added = {"known_at", "is_known_at_assumed", "source_name", "file_hash"}
    assert set(only_row(statement())) == set(RAW_STATEMENT.column_names) - added


def test_activities_of_a_context_stand_parents_first_each_once(statement):
    def activities(**kinds):
        return only_row(statement(context={"contextActivities": kinds}))["context_iris"]

    parent, grouping, other = ({"id": f"https://lms.test/{name}"} for name in ("parent", "grouping", "other"))
    assert activities(
        other=[other], grouping=[grouping, parent], parent=[parent], category=[{"id": "https://x.test/c"}]
    ) == ("https://lms.test/parent https://lms.test/grouping https://lms.test/other")
    assert activities(grouping=grouping) == grouping["id"]
    assert activities(parent=[]) is None


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("agent", {"objectType": "Agent", "mbox": "mailto:ben@example.org"}),
        ("group", {"objectType": "Group", "mbox": "mailto:team@example.org"}),
        ("statement_ref", {"objectType": "StatementRef", "id": UUID}),
        (
            "sub_statement",
            {
                "objectType": "SubStatement",
                "actor": {"mbox": "mailto:ben@example.org"},
                "verb": {"id": "https://x.test/v"},
                "object": {"id": "https://x.test/o"},
            },
        ),
    ],
)
def test_an_object_that_is_no_activity_has_its_kind_and_no_iri(kind, target, statement):
    row = only_row(statement(object=target))
    assert (row["object_kind"], row["object_iri"], row["activity_type_iri"]) == (kind, None, None)


@pytest.mark.parametrize(
    ("iri", "told", "share"),
    [
        ("https://w3id.org/xapi/video/extensions/progress", 0.25, 0.25),
        ("https://w3id.org/xapi/cmi5/result/extensions/progress", 25, 0.25),
        ("https://w3id.org/xapi/cmi5/result/extensions/progress", 101, None),
        ("https://w3id.org/xapi/video/extensions/progress", "0.25", None),
        ("https://w3id.org/xapi/video/extensions/progress", True, None),
        ("https://x.test/progress", 0.25, None),
    ],
)
def test_progress_is_a_share_where_a_known_extension_tells_it(iri, told, share, statement):
    assert only_row(statement(result={"extensions": {iri: told}}))["progress_share"] == share


@pytest.mark.parametrize(
    ("score", "scaled"),
    [
        ({"scaled": -0.5, "raw": 3, "max": 4}, -0.5),
        ({"raw": 3, "max": 4}, 0.75),
        ({"raw": 3, "min": 2, "max": 4}, 0.5),
        ({"raw": 3}, None),
        ({}, None),
    ],
)
def test_a_score_is_scaled_or_raw_between_its_bounds(score, scaled, statement):
    assert only_row(statement(result={"score": score}))["scaled_score"] == scaled


def test_a_voiding_statement_names_its_target_in_one_form(statement):
    target = {"objectType": "StatementRef", "id": UUID.upper()}
    row = only_row(statement(verb=VOIDED, object=target))
    assert (row["voids_statement_id"], row["object_iri"]) == (UUID, None)
    assert only_row(statement(object=target))["voids_statement_id"] is None


def test_a_statement_without_id_gets_one_from_its_content(statement):
    rows, _ = taken(statement(), statement(), statement(timestamp="2024-03-01T12:00:01Z"))
    assert rows[0]["statement_id"] == rows[1]["statement_id"] != rows[2]["statement_id"]


def test_what_a_record_store_adds_does_not_change_the_content(statement):
    plain = only_row(statement(id=UUID))
    stored = only_row(
        statement(id=UUID, stored="2024-03-01T12:00:05Z", version="1.0.0", authority={"mbox": "mailto:lrs@x.org"})
    )
    changed = only_row(statement(id=UUID, result={"success": True}))
    assert plain["content_hash"] == stored["content_hash"] != changed["content_hash"]


def test_the_order_of_properties_does_not_change_the_content(statement):
    reordered = dict(reversed(statement().items()))
    assert only_row(statement())["content_hash"] == only_row(reordered)["content_hash"]


# --- times --------------------------------------------------------------------------------------------------------


def test_a_statement_of_no_time_is_valid_but_refused_as_no_time(statement):
    assert verdict(json.dumps(statement(timestamp=None)).encode()).is_valid
    assert only_reason(statement(timestamp=None)) == "no_time"


def test_stored_stands_in_for_a_missing_timestamp(statement):
    row = only_row(statement(timestamp=None, stored="2024-03-01T12:00:05Z"))
    assert row["happened_at"] == row["stored_at"] == datetime(2024, 3, 1, 12, 0, 5)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00"),
        ("2016-12-31T18:59:60.5-05:00", "2017-01-01T00:00:00.500000"),
        ("2024-03-01T12:00", "2024-03-01T12:00:00"),
        ("2024-03-01t12:00:00,25z", "2024-03-01T12:00:00.250000"),
        ("2024-03-01 12:00:00+0530", "2024-03-01T06:30:00"),
        ("2024-03-01T12:00:00+05", "2024-03-01T07:00:00"),
        ("2024-03-01T12:00:00.1234567890123Z", "2024-03-01T12:00:00.123456"),
    ],
)
def test_times_are_read_as_utc(text, utc, statement):
    assert only_row(statement(timestamp=text))["happened_at"].isoformat() == utc


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "9999-12-31T23:59:60Z"])
def test_a_time_that_leaves_the_calendar_on_its_way_to_utc_is_out_of_range(text, statement):
    assert only_reason(statement(timestamp=text)) == "time_out_of_range"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0S", 0.0),
        ("PT1.5S", 1.5),
        ("PT1,5M", 90.0),
        ("PT36H", 129_600.0),
        ("P4W", 2_419_200.0),
        ("P1DT1H", 90_000.0),
        ("P1M", 2_629_800.0),
        ("PT1M", 60.0),
        ("P1Y", 31_557_600.0),
    ],
)
def test_durations_are_seconds(text, seconds, statement):
    assert only_row(statement(result={"duration": text}))["duration_seconds"] == seconds


def test_a_duration_beyond_all_numbers_is_no_duration(statement):
    assert only_row(statement(result={"duration": f"P{'9' * 400}Y"}))["duration_seconds"] is None


# --- bytes that are no statement ----------------------------------------------------------------------------------

DEEP = b'"result":{"extensions":{"https://x.test/e":' + b"[" * 300 + b"]" * 300 + b"}}"
DEEPER = b'"result":{"extensions":{"https://x.test/e":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(with_extra(b'"timestamp":"never"'), id="a duplicate key"),
        pytest.param(with_extra(b'"result":{"score":{"raw":NaN}}'), id="NaN"),
        pytest.param(with_extra(b'"result":{"score":{"raw":-Infinity}}'), id="infinity"),
        pytest.param(with_extra(rb'"result":{"response":"\ud800"}'), id="a lone surrogate"),
        pytest.param(VALID + b"\x00", id="NUL after"),
        pytest.param(b"\x00" * 20, id="NUL alone"),
        pytest.param(with_extra(DEEP), id="300 levels"),
        pytest.param(with_extra(DEEPER), id="100,000 levels"),
        pytest.param(VALID.replace(b"ana", b"\xff\xfe"), id="invalid UTF-8"),
        pytest.param(VALID.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(VALID[:-1], id="cut off"),
        pytest.param(VALID + VALID, id="two on one line"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(b'{"actor":[],"verb":[],"object":[]}', id="lists for objects"),
    ],
)
def test_a_line_that_cannot_be_kept_is_a_fault_with_its_text_and_stops_nobody(line):
    rows, faults = taken(VALID, line, VALID)
    assert len(rows) == 2
    assert [fault.line_number for fault in faults] == [2]
    assert faults[0].reason
    assert faults[0].raw_text == line.decode("utf-8", "replace")
    assert isinstance(verdict(line).is_valid, bool)


def test_a_nul_inside_a_text_is_a_character_like_others(statement):
    actor = {"account": {"homePage": "https://lms.test", "name": "a\0b"}}
    assert only_row(statement(actor=actor))["identity_id"] == PSEUDONYMS.identity("account", "https://lms.test::a\0b")


def test_a_key_that_comes_twice_is_refused():
    assert only_reason(VALID[:-1] + b',"timestamp":"2024-03-02T12:00:00Z"}') == "duplicate_key"


@pytest.mark.parametrize("number", [b"1e999", b"9" * 5000])
def test_a_number_without_bounds_is_valid_and_nothing_that_is_kept(number):
    line = with_extra(b'"result":{"score":{"raw":1,"min":0,"max":' + number + b"}}")
    assert only_row(line)["scaled_score"] is None


def test_a_byte_order_mark_before_a_statement_is_passed_over():
    assert only_row(b"\xef\xbb\xbf" + VALID) == only_row(VALID)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise(line):
    rows, faults = taken(line)
    assert len(rows) + len(faults) == 1
    assert verdict(line).is_valid or faults


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PARTS = st.sampled_from(
    ["id", "actor", "verb", "object", "result", "context", "timestamp", "stored", "version", "authority", "attachments"]
)
INNER = st.sampled_from(
    [
        "objectType",
        "id",
        "mbox",
        "account",
        "member",
        "definition",
        "display",
        "score",
        "duration",
        "registration",
        "contextActivities",
        "parent",
        "extensions",
        "homePage",
        "name",
        "type",
        "interactionType",
        "contextAgents",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        PARTS, JSON | st.dictionaries(INNER, JSON | st.dictionaries(INNER, JSON, max_size=2), max_size=3), max_size=3
    )
)
def test_no_value_in_any_part_raises(parts):
    rows, faults = taken(json.dumps(json.loads(VALID) | parts).encode())
    assert len(rows) + len(faults) == 1


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?([.,][0-9]+)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?",
        fullmatch=True,
    )
)
def test_no_timestamp_raises(text):
    rows, faults = taken(json.loads(VALID) | {"timestamp": text})
    assert len(rows) + len(faults) == 1


# --- batches ------------------------------------------------------------------------------------------------------


def test_rows_come_in_batches_and_none_is_lost_between_them(monkeypatch):
    monkeypatch.setattr(take_module, "BATCH_ROWS", 2)
    lines = [VALID, b"broken", VALID, VALID, b"broken"]
    batches = list(take(enumerate(lines, start=1), PSEUDONYMS))
    assert [batch.frame().height for batch in batches] == [1, 2, 0]
    assert [fault.line_number for batch in batches for fault in batch.faults] == [2, 5]


def test_nothing_gives_no_batch():
    assert list(take([], PSEUDONYMS)) == []


def test_lines_are_numbered_as_in_the_file_and_blank_ones_left_out():
    assert list(statements_of([b"a\n", b"\n", b"  \t\n", b"b"])) == [(1, b"a\n"), (4, b"b")]
