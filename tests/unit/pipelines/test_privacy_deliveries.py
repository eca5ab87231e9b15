"""Files as delivered lose one person and nothing else."""

from __future__ import annotations

import gzip
import json

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.tables.inputs import INPUTS
from pipelines.privacy.deliveries import clean_file, clean_row, links_in
from pipelines.privacy.person import Finder, Person
from pipelines.sources.lines import lines_of
from pipelines.statements.identity import Pseudonyms

PSEUDONYMS = Pseudonyms(b"k" * 32)
ANA, BEN = {"mbox": "mailto:ana@example.org"}, {"mbox": "mailto:ben@example.org"}
ACCOUNT = {"account": {"homePage": "https://lms.test", "name": "17"}}
FINDER = Finder(
    Person(
        ids={
            PSEUDONYMS.identity("mbox", "mailto:ana@example.org"),
            PSEUDONYMS.identity("account", "https://lms.test::17"),
            PSEUDONYMS.person("17"),
        },
        identifiers={("mbox", "mailto:ana@example.org"), ("account", "https://lms.test::17")},
        keys={"17"},
        texts={"ana@example.org", "ana silva"},
        things={"match_id": {"m1"}},
    ),
    PSEUDONYMS,
)


def clean(tmp_path, name, content, table="xapi"):
    """The file's new content, None where it stays; and what was told to have gone."""
    path, aside, gone = tmp_path / name, tmp_path / ".aside", []
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if not clean_file(path, table, FINDER, aside, on_gone=gone.append):
        assert not aside.exists()
        return None, gone
    assert aside.stat().st_mode & 0o777 == 0o600
    return aside, gone


def of(actor, **parts):
    return {"actor": actor, "verb": {"id": "http://v.test"}, "object": {"id": "http://o.test"}} | parts


def written(*statements):
    return b"".join(json.dumps(each).encode() + b"\n" for each in statements)


def statements_in(path):
    return [json.loads(line) for _, line in lines_of(path)]


@pytest.mark.parametrize("own", [ANA, ACCOUNT], ids=["mbox", "a short account"])
def test_a_persons_statements_go_and_others_stay_byte_for_byte(tmp_path, own):
    other = (
        b'{"actor" : {"mbox":"mailto:ben@example.org"},"verb":{"id":"http://v.test"},"object":{"id":"http://o.test"}}\n'
    )
    aside, gone = clean(tmp_path, "a.ndjson", written(of(own)) + other)
    assert aside.read_bytes() == other
    assert [json.loads(text)["actor"] for text in gone] == [own]


@pytest.mark.parametrize(
    ("name", "pack", "unpack"),
    [
        ("a.ndjson.gz", gzip.compress, gzip.decompress),
        (
            "a.ndjson.zst",
            lambda content: pa.Codec("zstd").compress(content, asbytes=True),
            lambda content: pa.CompressedInputStream(pa.BufferReader(content), "zstd").read(),
        ),
    ],
)
def test_a_packed_file_stays_packed(tmp_path, name, pack, unpack):
    aside, _ = clean(tmp_path, name, pack(written(of(ANA), of(BEN))))
    assert unpack(aside.read_bytes()) == written(of(BEN))
    first = aside.read_bytes()
    again, _ = clean(tmp_path, name, pack(written(of(ANA), of(BEN))))
    assert again.read_bytes() == first


def test_an_array_over_several_lines_and_an_answer_of_an_lrs_lose_one_statement(tmp_path):
    for content in (
        json.dumps([of(ANA), of(BEN)], indent=2),
        json.dumps({"statements": [of(ANA), of(BEN)], "more": ""}),
    ):
        aside, _ = clean(tmp_path, "a.json", content)
        assert statements_in(aside) == [of(BEN)]


def test_parquet_loses_the_persons_rows(tmp_path):
    frame = pl.DataFrame({"statement": [json.dumps(of(ANA)), json.dumps(of(BEN))], "n": [1, 2]})
    frame.write_parquet(tmp_path / "made.parquet")
    aside, gone = clean(tmp_path, "a.parquet", (tmp_path / "made.parquet").read_bytes())
    assert pl.read_parquet(aside).to_dicts() == [{"statement": json.dumps(of(BEN)), "n": 2}]
    assert len(gone) == 1


@pytest.mark.parametrize(
    "mention",
    [
        {"context": {"instructor": ANA}},
        {"authority": ACCOUNT},
        {"object": {"objectType": "Agent", **ANA}},
        {"context": {"team": {"objectType": "Group", "member": [ANA]}}},
        {"object": {"objectType": "SubStatement", **of(ANA)}},
        {"result": {"response": "thanks to Ana Silva"}},
        {"object": {"id": "https://lms.test/profile/ana@example.org"}},
    ],
)
def test_a_mention_in_anothers_statement_becomes_nobody_and_the_statement_stays(tmp_path, mention):
    aside, gone = clean(tmp_path, "a.ndjson", written(of(BEN, **mention)))
    (left,) = statements_in(aside)
    assert left["actor"] == BEN
    assert not FINDER.is_in(aside.read_text())
    assert '"17"' not in aside.read_text()
    assert gone == []


def test_a_group_loses_the_member_and_goes_when_nobody_is_left(tmp_path):
    both = {"objectType": "Group", "member": [ANA, BEN]}
    aside, _ = clean(tmp_path, "a.ndjson", written(of(both), of({"objectType": "Group", "member": [ANA]})))
    (left,) = statements_in(aside)
    assert left["actor"]["member"] == [BEN]


def test_a_broken_line_that_names_the_person_goes_and_another_stays(tmp_path):
    broken = b'{"actor": {"mbox": "mailto:ben@example.org"\n'
    aside, _ = clean(tmp_path, "a.ndjson", b'{"actor": {"mbox": "mailto:\\u0061na@example.org"\n' + broken)
    assert aside.read_bytes() == broken


def test_a_damaged_file_stays_one_so_that_somebody_delivers_it_again(tmp_path):
    packed = gzip.compress(b"".join(written(of(ANA if n % 2 else BEN, n=n)) for n in range(3000)))
    aside, _ = clean(tmp_path, "a.ndjson.gz", packed[:-2000])
    lines = gzip.decompress(aside.read_bytes()).splitlines()
    assert json.loads(lines[0])["actor"] == BEN
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[-1])


def test_a_file_that_never_named_the_person_is_left_alone(tmp_path):
    assert clean(tmp_path, "a.ndjson", b'\n{"actor": {}}\nnonsense \\u0061\n') == (None, [])
    assert clean(tmp_path, "b.csv", "learner_key,from_on,to_on\n18,2026-01-01,2026-01-02\n", "absence") == (None, [])
    assert clean(tmp_path, "c.parquet", b"PAR1 but no more than that") == (None, [])


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_loses_the_persons_rows_and_keeps_others_as_they_were_written(tmp_path, delimiter, ending):
    rows = [
        ["learner_key", "display_name", "manager_key"],
        ["17", "Ana Silva", ""],
        ["18", '"two\nlines"', "19"],
        [" 19 ", "José", "17"],
        ["20", "Ana Silva", ""],
    ]
    lines = [delimiter.join(row) + ending for row in rows]
    aside, gone = clean(tmp_path, "l.csv", "\ufeff" + "".join(lines), "learner")
    kept = delimiter.join([" 19 ", "José", ""]) + ending
    renamed = delimiter.join(["20", "erased", ""]) + ending
    assert aside.read_bytes().decode() == "".join(("\ufeff" + lines[0], lines[2], kept, renamed))
    assert gone == [lines[1]]


def test_bytes_that_are_no_utf8_stay_as_they_were(tmp_path):
    content = b"learner_key,display_name\n17,Ana\n18,Jos\xe9\n"
    aside, _ = clean(tmp_path, "l.csv", content, "learner")
    assert aside.read_bytes() == b"learner_key,display_name\n18,Jos\xe9\n"


def test_ndjson_and_parquet_tables_follow_the_same_rule(tmp_path):
    rows = [{"learner_key": "17", "from_on": "x"}, {"learner_key": 18, "from_on": "y"}]
    aside, _ = clean(tmp_path, "a.ndjson", written(*rows), "absence")
    assert aside.read_bytes() == written(rows[1])
    pl.DataFrame({"learner_key": ["17", "18"], "n": [1.5, None]}).write_parquet(tmp_path / "made.parquet")
    aside, _ = clean(tmp_path, "b.parquet", (tmp_path / "made.parquet").read_bytes(), "absence")
    assert pl.read_parquet(aside).to_dicts() == [{"learner_key": "18", "n": None}]


@pytest.mark.parametrize(
    ("table", "row", "left"),
    [
        ("mentoring_match", {"match_id": "m9", "mentor_key": "17", "learner_key": "18"}, None),
        ("mentoring_session", {"session_id": "s", "mentor_key": "17", "learner_key": "18"}, None),
        ("mentoring_session", {"session_id": "s", "match_id": "m1"}, None),
        ("goal", {"goal_id": "g", "match_id": "m1"}, None),
        ("alert_feedback", {"alert_id": "a", "by": "17"}, None),
        ("survey_response", {"subject_key": "m1", "respondent_key": "18"}, None),
        (
            "survey_response",
            {"subject_key": "18", "respondent_key": "17"},
            {"subject_key": "18", "respondent_key": None},
        ),
        ("course", {"course_id": "17", "owner_key": "17"}, {"course_id": "17", "owner_key": None}),
        ("learner_identity", {"learner_key": "18", "identity_type": "mbox", "identity_value": "ana@example.org"}, None),
        ("support_ticket", {"ticket_id": "t", "learner_key": "18", "StaffNo": "Ana Silva"}, {"StaffNo": "erased"}),
    ],
)
def test_each_role_follows_the_contract(table, row, left):
    found = clean_row(INPUTS[table], row, FINDER)
    assert found == (None if left is None else row | left)


@given(st.permutations([of(ANA), of(BEN), of(ACCOUNT), of(BEN, n=1)]), st.integers(0, 3))
def test_in_any_order_and_number_exactly_the_persons_statements_go(tmp_path_factory, statements, repeats):
    folder = tmp_path_factory.mktemp("order")
    aside, gone = clean(folder, "a.ndjson", written(*statements * (repeats + 1)))
    assert statements_in(aside) == [each for each in statements * (repeats + 1) if each["actor"] == BEN]
    assert len(gone) == 2 * (repeats + 1)


def test_links_are_read_from_files_still_waiting(tmp_path):
    wanted = [("ana", "mbox", "mailto:ana@example.org")]
    csv_file, json_file, broken = tmp_path / "a.csv", tmp_path / "b.ndjson", tmp_path / "c.ndjson"
    csv_file.write_text("learner_key,identity_type,identity_value\nana,mbox,mailto:ana@example.org\n")
    json_file.write_text('{"learner_key":"ana","identity_type":"mbox","identity_value":"mailto:ana@example.org"}\n')
    broken.write_text("[")
    assert links_in(csv_file) == links_in(json_file) == wanted
    assert links_in(broken) == []
