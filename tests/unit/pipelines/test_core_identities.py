"""Which learner each identity belongs to: by learner_identity, by a key that equals an identifier, or not at all."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest

from pipelines.core.identities import link_identities
from pipelines.statements.identity import normalise

SHA1 = hashlib.sha1(b"mailto:ana@example.org", usedforsecurity=False).hexdigest()


def identify(house, kind, value):
    """An identity as the door writes it; returns its id."""
    identity_id = house.night.pseudonyms.identity(kind, value)
    house.warehouse.execute("INSERT INTO identity.main.identifier VALUES (?, ?, ?)", [identity_id, kind, value])
    return identity_id


def enrol(house, key):
    """A learner known by the key of an enrolment; returns learner_id."""
    learner_id = house.night.pseudonyms.person(key)
    house.warehouse.execute("INSERT INTO identity.main.person VALUES (?, ?, NULL, NULL)", [learner_id, key])
    house.add(
        "raw.enrolment", enrolment_id=f"e-{key}", learner_id=learner_id, enrolled_on="2024-01-01", status="active"
    )
    return learner_id


def claim(house, identity_id, learner_id):
    house.warehouse.execute("INSERT INTO identity.main.identifier_link VALUES (?, ?)", [identity_id, learner_id])


def links(house):
    link_identities(house.night)
    told = house.rows("SELECT identity_id, learner_id, is_linked, link_source FROM core.identity_link")
    return {identity_id: rest for identity_id, *rest in told}


@pytest.mark.parametrize(
    ("kind", "value", "key"),
    [
        ("account", "https://lms.test::ana", "ana"),
        ("account", "https://lms.test::de::ana", "de::ana"),
        ("account", "https://lms.test::ana", "https://lms.test::ana"),
        ("mbox", "mailto:ana@example.org", "ana@example.org"),
        ("mbox", "mailto:ana@example.org", "mailto:ana@example.org"),
        ("mbox", "mailto:ana@example.org", SHA1),
        ("mbox_sha1sum", SHA1, SHA1),
        ("mbox_sha1sum", SHA1.upper(), SHA1),
        ("mbox_sha1sum", SHA1, "ana@example.org"),
        ("mbox_sha1sum", SHA1, "mailto:ana@example.org"),
    ],
)
def test_a_key_that_equals_an_identifier_is_linked_to_it(house, kind, value, key):
    identity_id, learner_id = identify(house, kind, value), enrol(house, key)
    assert links(house) == {identity_id: [learner_id, True, "learner_key"]}


@pytest.mark.parametrize(
    ("kind", "value", "key"),
    [
        ("account", "https://lms.test::anabel", "ana"),
        ("account", "https://lms.test::ana::bo", "ana"),
        ("openid", "https://ana.org/", "ana"),
    ],
)
def test_a_key_that_is_only_a_part_of_an_identifier_is_not_linked(house, kind, value, key):
    identify(house, kind, value)
    enrol(house, key)
    assert links(house) == {}


def test_a_statements_identity_that_nobody_claims_is_a_learner_of_its_own(house):
    house.add("raw.statement", statement_id="s1", identity_id="i-unknown")
    assert links(house) == {"i-unknown": ["i-unknown", False, "identity"]}


def test_a_given_link_goes_before_a_key_that_would_match(house):
    identity_id = identify(house, "account", "https://lms.test::ana")
    enrol(house, "ana")
    claim(house, identity_id, enrol(house, "ana-maria"))
    assert links(house)[identity_id] == [house.night.pseudonyms.person("ana-maria"), True, "learner_identity"]


def test_a_person_of_no_enrolment_is_not_linked_by_their_key(house):
    identify(house, "account", "https://lms.test::meg")
    house.warehouse.execute("INSERT INTO identity.main.person VALUES ('p-meg', 'meg', NULL, NULL)")
    assert links(house) == {}


def test_several_identities_of_one_person_are_one_learner(house):
    learner_id = enrol(house, "ana")
    identities = [identify(house, "mbox", "mailto:ana@example.org"), identify(house, "openid", "https://ana.org/")]
    for identity_id in identities:
        claim(house, identity_id, learner_id)
    assert {learner for learner, *_ in links(house).values()} == {learner_id}


def test_an_identity_that_two_learners_claim_is_linked_to_neither_and_told_once_each(house):
    for kind, value in (("mbox", "mailto:ana@example.org"), ("account", "https://lms.test::ana")):
        identity_id = identify(house, kind, value)
        for key in ("one", "two"):
            claim(house, identity_id, house.night.pseudonyms.person(key))
    first = links(house)
    assert all(rest == [identity_id, False, "identity"] for identity_id, rest in first.items())
    assert house.rows("SELECT reason, count(*), count(DISTINCT fault_id) FROM raw.quarantine GROUP BY ALL") == [
        ("identity_conflict", 2, 2)
    ]
    assert links(house) == first
    assert house.warehouse.scalar("SELECT count(*) FROM raw.quarantine") == 2


def test_a_conflict_of_keys_is_a_conflict_too_and_names_no_identifier(house):
    identity_id = identify(house, "account", "https://lms.test::ana")
    enrol(house, "ana")
    enrol(house, "https://lms.test::ana")
    assert links(house) == {identity_id: [identity_id, False, "identity"]}
    detail = house.rows("SELECT detail FROM raw.quarantine")[0][0]
    assert identity_id in detail
    assert "ana" not in detail


def test_a_conflict_stands_in_a_table_with_what_hangs_on_it(house):
    disputed, quiet = identify(house, "mbox", "mailto:ana@example.org"), identify(house, "openid", "https://ana.org/")
    for key in ("one", "two"):
        for identity_id in (disputed, quiet):
            claim(house, identity_id, house.night.pseudonyms.person(key))
    for number, day in enumerate(("2024-03-02", "2024-02-27", "2024-03-01")):
        house.add("raw.statement", statement_id=f"s{number}", identity_id=disputed, happened_at=f"{day} 10:00:00")
    house.add("raw.statement", statement_id="later", identity_id=disputed, known_at="2024-03-13")
    group = {"identity_id": None, "actor_kind": "group", "member_identity_ids": f"{disputed} i-x"}
    house.add("raw.statement", statement_id="g1", happened_at="2024-03-05 10:00:00", **group)
    links(house)
    assert {row[0]: row[1:] for row in house.rows("FROM core.identity_conflict")} == {
        disputed: (2, 4, date(2024, 2, 27), date(2024, 3, 5)),
        quiet: (2, 0, None, None),
    }


def test_a_conflict_that_is_settled_leaves_the_table(house):
    identity_id = identify(house, "mbox", "mailto:ana@example.org")
    for key in ("one", "two"):
        claim(house, identity_id, house.night.pseudonyms.person(key))
    links(house)
    house.warehouse.execute(
        "DELETE FROM identity.main.identifier_link WHERE learner_id = ?", [house.night.pseudonyms.person("two")]
    )
    assert links(house) == {identity_id: [house.night.pseudonyms.person("one"), True, "learner_identity"]}
    assert house.warehouse.scalar("SELECT count(*) FROM core.identity_conflict") == 0


def test_members_of_a_group_are_identities_and_the_group_is_none(house):
    group = {"identity_id": "i-team", "actor_kind": "group", "member_identity_ids": "i-a i-b"}
    house.add("raw.statement", statement_id="g1", **group)
    assert set(links(house)) == {"i-a", "i-b"}


def test_identities_linked_later_join_the_learner_who_was_there_before(house):
    learner_id = enrol(house, "ana")
    first, second = identify(house, "account", "https://lms.test::ana"), identify(house, "mbox", "mailto:a@example.org")
    assert links(house) == {first: [learner_id, True, "learner_key"]}
    for identity_id in (first, second):
        claim(house, identity_id, learner_id)
    assert {learner for learner, *_ in links(house).values()} == {learner_id}


def test_an_address_and_its_sha1sum_are_one_identity(house):
    pseudonyms = house.night.pseudonyms
    assert pseudonyms.identity("mbox", "mailto:ana@example.org") == pseudonyms.identity("mbox_sha1sum", SHA1)


def test_the_link_by_sha1sum_is_the_identity_of_the_address():
    assert normalise("mbox", "ana@example.org") == f"sha1:{SHA1}"
