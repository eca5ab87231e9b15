from __future__ import annotations

import hashlib

import pytest

from data_contracts.errors import PermanentError
from pipelines.statements.identity import Pseudonyms, actor_identity, ensure_fits, load_key

SHA1 = hashlib.sha1(b"mailto:ana@example.org", usedforsecurity=False).hexdigest()
PSEUDONYMS = Pseudonyms(b"k" * 32)


def test_an_mbox_with_or_without_mailto_and_its_sha1sum_are_one_identity():
    given = [
        ("mbox", "mailto:ana@example.org"),
        ("mbox", "ana@example.org"),
        ("mbox", " MAILTO:ana@example.org "),
        ("mbox_sha1sum", SHA1),
        ("mbox_sha1sum", SHA1.upper()),
    ]
    assert len({PSEUDONYMS.identity(kind, value) for kind, value in given}) == 1


def test_identifiers_of_different_kinds_or_homes_are_different_identities():
    given = [
        ("mbox", "ana@example.org"),
        ("openid", "ana@example.org"),
        ("account", "https://a.test::ana"),
        ("account", "https://b.test::ana"),
    ]
    assert len({PSEUDONYMS.identity(kind, value) for kind, value in given}) == 4


def test_a_person_and_an_identity_of_the_same_text_never_share_a_pseudonym():
    assert PSEUDONYMS.person("ana@example.org") != PSEUDONYMS.identity("mbox", "ana@example.org")


def test_a_pseudonym_is_128_bits_and_another_key_gives_another():
    one, other = PSEUDONYMS.person("ana"), Pseudonyms(b"x" * 32).person("ana")
    assert len(one) == 32
    assert int(one, 16)
    assert one != other
    assert "ana" not in one


def test_a_name_is_never_identity():
    assert actor_identity({"objectType": "Group", "name": "Ana", "member": []}) is None


def test_the_first_run_makes_a_key_that_only_its_owner_may_read(tmp_path):
    file = tmp_path / "key"
    key = load_key(file, has_identities=False)
    assert len(key) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_key(file, has_identities=False) == key


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "00" * 31, "00" * 33])
def test_a_file_that_is_no_key_stops_the_run_rather_than_starting_new_pseudonyms(tmp_path, content):
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(PermanentError, match="restore it from its backup"):
        load_key(file, has_identities=False)
    assert file.read_text() == content


def test_a_key_that_is_gone_beside_its_identities_is_not_made_anew(tmp_path):
    file = tmp_path / "key"
    with pytest.raises(PermanentError, match="restore its backup"):
        load_key(file, has_identities=True)
    assert not file.exists()


@pytest.mark.parametrize("witness", [("mbox", "mailto:ana@example.org"), (None, "emp-1")])
def test_another_whole_key_than_the_homes_is_refused_by_what_the_store_remembers(tmp_path, witness):
    kind, value = witness
    known = PSEUDONYMS.person(value) if kind is None else PSEUDONYMS.identity(kind, value)
    ensure_fits(tmp_path / "key", PSEUDONYMS, [(kind, value, known)])
    with pytest.raises(PermanentError, match=r"another key than the one this home was made with.*restore"):
        ensure_fits(tmp_path / "key", Pseudonyms(b"x" * 32), [(kind, value, known)])


def test_a_home_that_holds_nobody_yet_takes_any_key(tmp_path):
    ensure_fits(tmp_path / "key", PSEUDONYMS, [])
