"""Who an identifier stands for, and by what texts that person can be searched for."""

from __future__ import annotations

import hashlib

import pytest

from pipelines.privacy.person import Finder, Person, find_person, is_distinct
from pipelines.statements.identity import Pseudonyms

PSEUDONYMS = Pseudonyms(b"k" * 32)
MBOX = "mailto:ana@example.org"


def identity(kind, value):
    return PSEUDONYMS.identity(kind, value)


@pytest.fixture
def know(house):
    """Put identifiers, links and persons into the house."""

    def put(*, identifiers=(), links=(), persons=()):
        execute = house.warehouse._identity.execute
        for kind, value in identifiers:
            execute("INSERT INTO identity.main.identifier VALUES (?, ?, ?)", [identity(kind, value), kind, value])
        for key, kind, value in links:
            execute(
                "INSERT INTO identity.main.identifier_link VALUES (?, ?)",
                [identity(kind, value), PSEUDONYMS.person(key)],
            )
        for key, name, address in persons:
            execute(
                "INSERT INTO identity.main.person VALUES (?, ?, ?, ?)", [PSEUDONYMS.person(key), key, name, address]
            )

    return put


def find(house, kind, value, told=()):
    return find_person(house.warehouse, PSEUDONYMS, (kind, value), told)


def test_any_of_the_linked_identities_leads_to_the_learner_and_to_all_the_others(house, know):
    given = [("mbox", MBOX), ("openid", "https://id.test/ana"), ("account", "https://lms.test::a1")]
    know(identifiers=given, links=[("ana", *pair) for pair in given], persons=[("ana", "Ana Silva", None)])
    wanted = {PSEUDONYMS.person("ana"), *(identity(*pair) for pair in given)}
    for pair in (*given, ("learner_key", "ana"), ("mbox", "ana@example.org")):
        assert find(house, *pair).ids == wanted
    assert find(house, *given[0]).identifiers == set(given)


def test_a_mbox_and_its_hash_are_one(house, know):
    know(links=[("ana", "mbox", MBOX)])
    by_hash = find(house, "mbox_sha1sum", "f9a1f1ec2a8f7fc1f1d43c6d8e2e0b4fa0b0c0de")
    assert PSEUDONYMS.person("ana") not in by_hash.ids
    digest = hashlib.sha1(MBOX.encode(), usedforsecurity=False).hexdigest()
    assert PSEUDONYMS.person("ana") in find(house, "mbox_sha1sum", digest.upper()).ids


def test_links_in_files_still_waiting_are_followed_too(house):
    told = [("ana", "mbox", MBOX), ("ana", "openid", "https://id.test/ana")]
    assert identity("openid", "https://id.test/ana") in find(house, "mbox", MBOX, told).ids


def test_an_identity_that_two_learners_claim_leads_from_neither_to_the_other(house, know):
    know(links=[("ana", "mbox", MBOX), ("ben", "mbox", MBOX), ("ben", "openid", "https://id.test/ben")])
    found = find(house, "learner_key", "ana").ids
    assert found == {PSEUDONYMS.person("ana"), identity("mbox", MBOX)}


def test_a_learner_key_that_equals_an_identifier_is_one_person_with_it(house, know):
    know(
        identifiers=[("account", "https://lms.test::s-1"), ("mbox", MBOX)],
        persons=[("s-1", None, None), ("ana@example.org", None, None)],
    )
    house.add("raw.enrolment", enrolment_id="e1", learner_id=PSEUDONYMS.person("s-1"))
    house.add("raw.enrolment", enrolment_id="e2", learner_id=PSEUDONYMS.person("ana@example.org"))
    wanted = {PSEUDONYMS.person("s-1"), identity("account", "https://lms.test::s-1")}
    assert find(house, "learner_key", "s-1").ids == wanted
    assert find(house, "account", "https://lms.test::s-1").ids == wanted
    assert PSEUDONYMS.person("ana@example.org") in find(house, "mbox", MBOX).ids


def test_a_link_that_is_given_beats_an_equal_key(house, know):
    know(identifiers=[("account", "https://lms.test::s-1")], links=[("ben", "account", "https://lms.test::s-1")])
    house.add("raw.enrolment", enrolment_id="e1", learner_id=PSEUDONYMS.person("s-1"))
    assert identity("account", "https://lms.test::s-1") not in find(house, "learner_key", "s-1").ids


def test_things_are_a_persons_only_where_no_other_row_has_them(house):
    ana, ben = PSEUDONYMS.person("ana"), PSEUDONYMS.person("ben")
    house.add("raw.enrolment", enrolment_id="e1", learner_id=ana)
    house.add("raw.enrolment", enrolment_id="corrected", learner_id=ana)
    house.add("raw.enrolment", enrolment_id="corrected", learner_id=ben)
    house.add("raw.mentoring_match", match_id="m1", learner_id=ben, mentor_id=ana)
    house.add("raw.mentoring_match", match_id="m2", learner_id=ben, mentor_id=ben)
    house.add("raw.goal", goal_id="g1", match_id="m1")
    house.add("raw.mentoring_session", session_id="s1", match_id="m1")
    house.add("raw.mentoring_session", session_id="s2", match_id="m2")
    assert find(house, "learner_key", "ana").things == {
        "enrolment_id": {"e1"},
        "match_id": {"m1"},
        "goal_id": {"g1"},
        "session_id": {"s1"},
    }


def test_a_name_or_address_that_another_bears_too_is_not_searched_for(house, know):
    know(
        identifiers=[("mbox", "mailto:office@example.org"), ("account", "https://lms.test::j_silva9")],
        persons=[
            ("ana-01", "Ana Silva", "office@example.org"),
            ("ben-02", "Ana Silva", None),
        ],
    )
    texts = find(house, "learner_key", "ana-01").texts
    assert "ana-01" in texts
    assert not texts & {"ana silva", "office@example.org"}


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        ("ana", False),
        ("student", False),
        ("17", False),
        ("1234567", False),
        ("12345678", True),
        ("emp-07", True),
        ("Ana Silva", True),
    ],
)
def test_only_particular_texts_are_searched_for(text, is_it):
    assert is_distinct(text) is is_it


@pytest.fixture
def finder():
    person = Person(
        ids={"0123456789abcdef0123456789abcdef"},
        identifiers={("mbox", MBOX), ("account", "https://lms.test::17")},
        keys={"17"},
        texts={"ana@example.org", "ana silva", "emp-07"},
    )
    return Finder(person, PSEUDONYMS)


@pytest.mark.parametrize(
    "text",
    [
        "mailto:ana@example.org",
        "write to Ana@Example.org.",
        '"ana@example.org"',
        "by ANA SILVA, yesterday",
        "p:0123456789abcdef0123456789abcdef",
        "\\u0061na@example.org",
        "https:\\/\\/lms.test\\/emp-07\\/x",
    ],
)
def test_a_mention_is_found_however_it_is_written(finder, text):
    assert finder.is_in(text)
    assert finder.may_be_in(text.encode())
    assert not finder.is_in(finder.without(text))


@pytest.mark.parametrize(
    "text", ["joana@example.org", "j.ana@example.org", "ana@example.org.uk", "Joana Silva", "emp-071", "temp-07", "17"]
)
def test_another_persons_text_is_not_taken_for_a_mention(finder, text):
    assert not finder.is_in(text)
    assert finder.without(text) == text


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        ('{"account": {"homePage": "https:\\/\\/lms.test", "name": "17"}, "verb": ', True),
        ('{"account": {"homePage": "https://lms.test", "name": "18"}, "verb": ', False),
        ("{'line_number': 3, 'learner_key': 17, 'from_on': soon}", True),
        ("{'line_number': 3, 'learner_key': 18, 'from_on': soon}", False),
    ],
)
def test_a_short_key_or_account_is_found_in_refused_rows_by_its_place(finder, text, is_it):
    assert finder.hides_text(text) is is_it


def test_a_person_written_down_is_read_back_the_same(finder):
    person = finder.person
    person.things = {"match_id": {"m1"}}
    assert Person.from_json(person.to_json()) == person
    assert person.merged(Person(ids={"x"}, things={"match_id": {"m2"}})).things == {"match_id": {"m1", "m2"}}
