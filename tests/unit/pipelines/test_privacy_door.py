"""Whoever was erased stays out, whatever is delivered later."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.privacy.door import clean_inbox
from pipelines.sources import inbox
from pipelines.sources.tombstones import Tombstones, thing_mark
from pipelines.statements.identity import Pseudonyms

ANA, BEN = "mailto:ana@example.org", "mailto:ben@example.org"
LEARNERS = "learner_key,display_name,contact_address,manager_key\n"


@pytest.fixture(params=["own inbox", "read in place"])
def house(request, house):
    """The house, its files in the home's own inbox (which are cleaned first) or elsewhere (which are left alone)."""
    if request.param == "own inbox":
        return house
    data = house.inbox.with_name("elsewhere")
    data.mkdir()
    return replace(house, night=replace(house.night, data=data), inbox=data)


@pytest.fixture
def bury(house):
    """Put the tombstones of pseudonyms, or of things' ids, into the house."""

    def put(*texts):
        frame = pl.DataFrame({"stone": [house.night.pseudonyms.tombstone(text) for text in texts]})
        house.warehouse.write_identities("INSERT INTO identity.main.tombstone SELECT stone FROM incoming", frame)

    return put


@pytest.fixture
def ana(house):
    """The pseudonyms of one learner: her address, and her key."""
    pseudonyms = house.night.pseudonyms
    return pseudonyms.identity("mbox", ANA), pseudonyms.person("ana")


def test_a_tombstone_tells_neither_the_identifier_nor_the_pseudonym(house, bury, ana):
    bury(*ana)
    stones = {row[0] for row in house.rows("FROM identity.main.tombstone")}
    assert len(stones) == 2
    assert not stones & set(ana)


def test_an_erased_actors_statements_stay_out_and_nobody_elses(house, bury, ana, statement, lines):
    bury(*ana)
    house.deliver("xapi", "a.ndjson", lines([statement(), statement(actor={"mbox": BEN})]))
    assert house.take("xapi")["erased_rows"] == 1
    assert house.rows("SELECT identity_id FROM raw.statement") == [(house.night.pseudonyms.identity("mbox", BEN),)]
    assert house.rows("SELECT identity_value FROM identity.main.identifier") == [(BEN,)]


def test_without_tombstones_nothing_is_counted_as_erased(house, statement, lines):
    house.deliver("xapi", "a.ndjson", lines([statement()]))
    assert "erased_rows" not in house.take("xapi")


@pytest.mark.parametrize(
    "actor",
    [
        {"mbox_sha1sum": "a9ae8fbfd7dbd2a8b2b4f4eb8e1f0f2b6f3c0000"},
        {"account": {"homePage": "https://lms.test", "name": "ana"}},
        {"account": {"homePage": "https://other.test", "name": "ana"}},
    ],
    ids=["another identity", "account named like the key", "the same at another home page"],
)
def test_a_new_identity_that_equals_an_erased_key_stays_out(house, bury, ana, statement, lines, actor):
    bury(*ana)
    house.deliver("xapi", "a.ndjson", lines([statement(actor=actor)]))
    house.take("xapi")
    assert house.rows("SELECT count(*) FROM raw.statement") == [(int("mbox_sha1sum" in actor),)]


def test_a_group_loses_its_erased_member_and_goes_when_nobody_is_left(house, bury, ana, statement, lines):
    bury(*ana)
    both = {"objectType": "Group", "member": [{"mbox": ANA}, {"mbox": BEN}]}
    alone = {"objectType": "Group", "member": [{"mbox": ANA}]}
    house.deliver("xapi", "a.ndjson", lines([statement(actor=both), statement(actor=alone)]))
    assert house.take("xapi")["erased_rows"] == 1
    ben = house.night.pseudonyms.identity("mbox", BEN)
    assert house.rows("SELECT member_identity_ids FROM raw.statement") == [(ben,)]


@pytest.mark.parametrize(
    "broken",
    [
        '{"actor": {"mbox": "mailto:ana@example.org"}, "verb": ',
        '{"actor":{"mbox":"mailto:\\u0061na@example.org"},"verb":{}}',
        '{"actor": {"mbox": "mailto:ben@example.org"}, "verb": {}, "authority": {"mbox": "mailto:ana@example.org"}}',
        "ana@example.org was here",
    ],
)
def test_a_refused_text_that_mentions_an_erased_person_is_kept_nowhere(house, bury, ana, broken):
    bury(*ana)
    house.deliver("xapi", "a.ndjson", broken + "\n" + "neither of them\n")
    house.take("xapi")
    texts = {row[0] for row in house.rows("SELECT raw_text FROM identity.sealed.quarantine")}
    assert "neither of them" in texts
    assert not [text for text in texts if "ana@" in text or "u0061na@" in text]


def test_rows_of_an_erased_person_stay_out_without_a_trace_in_quarantine(house, bury, ana):
    bury(*ana)
    house.deliver("learner", "l.csv", LEARNERS + "ana,Ana Silva,ana@example.org,\nben,Ben Costa,ben@example.org,ana\n")
    house.deliver("absence", "a.csv", "learner_key,from_on,to_on\nana,no date,2024-03-02\nben,2024-03-01,2024-03-02\n")
    assert house.take("learner", "absence")["erased_rows"] == 2
    ben = house.night.pseudonyms.person("ben")
    assert house.rows("SELECT learner_id, manager_id FROM raw.learner") == [(ben, None)]
    assert house.rows("SELECT learner_id FROM raw.absence") == [(ben,)]
    assert house.rows("SELECT person_key FROM identity.main.person") == [("ben",)]
    assert house.faults() == []


def test_rows_that_hang_on_a_thing_of_an_erased_person_stay_out(house, bury):
    bury(thing_mark("match_id", "m1"), thing_mark("session_id", "s1"))
    house.deliver("goal", "g.csv", "goal_id,match_id,agreed_on,kind\ng1,m1,2024-03-01,role\ng2,m2,2024-03-01,role\n")
    house.deliver(
        "commitment", "c.csv", "commitment_id,session_id,made_on,status\nc1,s1,2024-03-01,open\nc2,s2,2024-03-01,open\n"
    )
    house.deliver(
        "survey_response",
        "s.csv",
        "response_id,survey,subject_type,subject_key,programme_id,answered_on,construct,question_id,score_share,"
        "outcome_level\nr1,start,match,m1,p,2024-03-01,confidence,q,0.5,2\n",
    )
    assert house.take("goal", "commitment", "survey_response")["erased_rows"] == 3
    assert house.rows("SELECT goal_id FROM raw.goal") == [("g2",)]
    assert house.rows("SELECT commitment_id FROM raw.commitment") == [("c2",)]


def test_an_identity_linked_later_to_an_erased_learner_is_kept_out_and_what_came_before_is_entered(
    house, bury, ana, statement, lines
):
    house.deliver("xapi", "a.ndjson", lines([statement(actor={"openid": "https://id.test/ana"})]))
    house.take("xapi")
    bury(*ana)
    house.deliver(
        "learner_identity",
        "i.csv",
        "learner_key,identity_type,identity_value\nana,openid,https://id.test/ana\nben,mbox,mailto:ben@example.org\n",
    )
    house.take("learner_identity")
    house.deliver("xapi", "b.ndjson", lines([statement(id=None, actor={"openid": "https://id.test/ana"}, result={})]))
    house.take("xapi")
    assert house.rows("SELECT count(*) FROM raw.statement") == [(1,)]
    assert house.rows("FROM identity.main.erasure") == [("openid", "https://id.test/ana", None)]
    assert house.rows("SELECT learner_id FROM identity.main.identifier_link") == [
        (house.night.pseudonyms.person("ben"),)
    ]


def test_a_wrong_link_to_an_erased_learner_erases_nobody_else(house, bury, ana):
    house.deliver("learner_identity", "a.csv", f"learner_key,identity_type,identity_value\nben,mbox,{BEN}\n")
    house.take("learner_identity")
    bury(*ana)
    house.deliver("learner_identity", "b.csv", f"learner_key,identity_type,identity_value\nana,mbox,{BEN}\n")
    house.take("learner_identity")
    assert house.rows("SELECT count(*) FROM identity.main.erasure") == [(0,)]
    assert house.rows("SELECT count(*) FROM identity.main.tombstone") == [(2,)]


def test_files_in_the_homes_inbox_are_cleaned_before_they_are_taken_and_sealed(house, bury, ana, statement, lines):
    bury(*ana)
    own, other = statement(), statement(actor={"mbox": BEN}, context={"instructor": {"mbox": ANA}})
    house = replace(house, inbox=house.night.home.inbox)
    file = house.deliver("xapi", "a.ndjson.gz", gzip.compress(lines([own, other])))
    table = house.deliver("learner", "l.csv", LEARNERS + "ana,Ana Silva,,\nben,Ben Costa,,ana\n")
    erased = Tombstones.of(house.warehouse, house.night.pseudonyms)
    assert clean_inbox(inbox.scan(house.inbox), house.inbox, house.warehouse, erased, on_gone=print) == 2
    (left,) = gzip.decompress(file.read_bytes()).splitlines()
    assert json.loads(left)["actor"] == {"mbox": BEN}
    assert b"ana@" not in left
    assert table.read_text() == LEARNERS + "ben,Ben Costa,,\n"
    assert clean_inbox(inbox.scan(house.inbox), house.inbox, house.warehouse, erased, on_gone=print) == 0
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_without_tombstones_no_file_is_read(house, tmp_path):
    erased = Tombstones.of(house.warehouse, house.night.pseudonyms)
    missing = inbox.InboxFile("xapi", tmp_path / "gone.ndjson", "hash")
    assert clean_inbox([missing], tmp_path, house.warehouse, erased, on_gone=print) == 0


@given(st.lists(st.sampled_from(["ana", "ben", "cem"]), min_size=1), st.sets(st.sampled_from(["ana", "ben", "cem"])))
def test_exactly_the_erased_are_left_out_of_any_batch(actors, erased_names):
    pseudonyms = Pseudonyms(b"k" * 32)
    given_as = {name: ("mbox", f"mailto:{name}@example.org") for name in ("ana", "ben", "cem")}
    ids = {name: pseudonyms.identity(*pair) for name, pair in given_as.items()}
    erased = Tombstones(frozenset(pseudonyms.tombstone(ids[name]) for name in erased_names), pseudonyms)
    frame = pl.DataFrame(
        {"identity_id": [ids[name] for name in actors], "member_identity_ids": [None] * len(actors)},
        schema={"identity_id": pl.String, "member_identity_ids": pl.String},
    )
    kept, identities = erased.others(frame, {ids[name]: given_as[name] for name in set(actors)})
    assert kept["identity_id"].to_list() == [ids[name] for name in actors if name not in erased_names]
    assert set(identities) == {ids[name] for name in set(actors) - erased_names}
