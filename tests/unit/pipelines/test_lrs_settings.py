"""`[[lrs]]` tables of handrail.toml: no credential in them, no plain address without a word, no unknown key."""

from __future__ import annotations

import json

import pytest

from data_contracts.errors import UsageError
from pipelines.settings import load_settings

MAIN = '[[lrs]]\nname = "main"\nendpoint = "https://lrs.example.org/xapi/"\n'


@pytest.fixture
def load(tmp_path):
    def write(content):
        file = tmp_path / "handrail.toml"
        file.write_text(content, "utf-8")
        return load_settings(file)

    return write


def test_several_stores_are_tables_with_defaults(load):
    stores = load(MAIN + '[[lrs]]\nname = "other"\nendpoint = "http://127.0.0.1:8100/xAPI"\nversion = "2.0.0"\n').lrs
    assert [(lrs.name, lrs.endpoint, lrs.version, lrs.auth, lrs.overlap_minutes) for lrs in stores] == [
        ("main", "https://lrs.example.org/xapi", "1.0.3", "basic", 15),
        ("other", "http://127.0.0.1:8100/xAPI", "2.0.0", "basic", 15),
    ]


@pytest.mark.parametrize("key", ["password", "username", "user", "token", "api_key", "client_secret"])
def test_a_credential_in_the_file_is_refused_with_the_way_out_and_not_shown(key, load):
    with pytest.raises(UsageError) as raised:
        load(MAIN + f'{key} = "s3cret"\n')
    assert f"lrs 'main': '{key}' does not stand in handrail.toml" in str(raised.value)
    assert "HANDRAIL_LRS_<NAME>_USERNAME and _PASSWORD (or _TOKEN), or name a credentials_file" in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_an_unknown_key_names_the_nearest(load):
    with pytest.raises(UsageError, match="lrs 'main': unknown key 'overlap_minute'; did you mean 'overlap_minutes'"):
        load(MAIN + "overlap_minute = 3\n")


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("https://user:s3cret@lrs.example.org/xapi", "user and password do not stand in an address"),
        ("https://lrs.example.org/xapi?token=s3cret", "an address without '?' and '#' is needed"),
        ("https://lrs.example.org/xapi/statements", "write the address before '/statements'"),
        ("http://lrs.example.org/xapi", "endpoint is without TLS"),
        ("http://127.0.0.1.example.org/xapi", "endpoint is without TLS"),
        ("lrs.example.org/xapi", "an address such as"),
        ("ftp://lrs.example.org/xapi", "an address such as"),
        ("https:///xapi", "an address such as"),
        ("https://lrs.example.org:99999/", "an address such as"),
        ("https://lrs.example.org\\\\@evil.example.org/", "an address such as"),
        ("https://lrs.example.org/x api", "an address such as"),
        ("https://lrs.münchen.example/xapi", "a host as xn--..."),
    ],
)
def test_an_endpoint_that_cannot_be_one_is_refused(endpoint, said, load):
    with pytest.raises(UsageError) as raised:
        load(f'[[lrs]]\nname = "main"\nendpoint = "{endpoint}"\n')
    assert said in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("endpoint", ["http://localhost:81/xapi", "http://127.0.0.1/x", "http://[::1]:8100/x"])
def test_without_tls_only_this_machine_is_asked(endpoint, load):
    assert load(f'[[lrs]]\nname = "main"\nendpoint = "{endpoint}"\n').lrs[0].is_loopback


def test_without_tls_another_machine_is_asked_where_the_operator_says_so(load):
    (lrs,) = load('[[lrs]]\nname = "main"\nendpoint = "http://lrs.intranet/xapi"\nallow_http = true\n').lrs
    assert not lrs.is_loopback


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('name = "Main"', "lrs.0.name"),
        ('name = "m"\nversion = "0.95"', "lrs.0.version"),
        ('name = "m"\nauth = "digest"', "lrs.0.auth"),
        ('name = "m"\nsince = "2026-01-01T00:00:00"', "lrs.0.since"),
        ('name = "m"\nmax_pages = 0', "lrs.0.max_pages"),
        ("", "lrs.0.name"),
    ],
)
def test_a_value_out_of_its_limits_is_named_by_its_place(more, said, load):
    with pytest.raises(UsageError, match=said):
        load(f'[[lrs]]\nendpoint = "https://lrs.example.org/xapi"\n{more}\n')


def test_two_stores_of_one_name_are_refused(load):
    with pytest.raises(UsageError, match=r"two have the name 'a-b' \('-' and '_' count as one\)"):
        load(MAIN.replace("main", "a-b") + MAIN.replace("main", "a_b"))


def test_a_store_that_is_no_table_of_its_own_is_refused(load):
    with pytest.raises(UsageError, match=r"write each Learning Record Store as a table of its own, \[\[lrs\]\]"):
        load('[lrs]\nname = "main"\n')


def test_credentials_in_the_environment_are_no_settings(load, monkeypatch):
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.setenv(f"HANDRAIL_LRS_MAIN_{name}", "s3cret")
    settings = load(MAIN)
    assert "s3cret" not in repr(settings) + settings.public_json()


@pytest.mark.parametrize("name", ["HANDRAIL_LRS_MAIN_PASSWRD", "HANDRAIL_LRS"])
def test_another_variable_of_that_beginning_is_an_unknown_key(name, load, monkeypatch):
    monkeypatch.setenv(name, "[]")
    with pytest.raises(UsageError, match="environment: unknown key"):
        load(MAIN)


def test_the_file_of_credentials_lies_beside_handrail_toml_and_is_not_published(load, tmp_path):
    settings = load(MAIN + 'credentials_file = "lrs.toml"\nsince = 2026-01-01T00:00:00Z\n')
    assert settings.lrs[0].credentials_file == str(tmp_path / "lrs.toml")
    (told,) = json.loads(settings.public_json())["lrs"]
    assert "credentials_file" not in told
    assert (told["endpoint"], told["since"]) == ("https://lrs.example.org/xapi", "2026-01-01T00:00:00Z")
