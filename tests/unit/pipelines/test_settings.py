from __future__ import annotations

import json

import pytest

from data_contracts.errors import UsageError
from pipelines.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HANDRAIL_{name.upper()}", raising=False)


@pytest.fixture
def toml(tmp_path):
    def write(content):
        file = tmp_path / "handrail.toml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def test_without_a_file_the_defaults_of_the_design_hold(tmp_path):
    settings = load_settings(tmp_path / "handrail.toml")
    assert (settings.abandon_after_days, settings.alert_cooldown_days, settings.first_meeting_days) == (28, 14, 10)
    assert (settings.alert_floor_probability, settings.band_high_probability) == (0.10, 0.30)


def test_the_file_overrides_the_defaults_and_the_environment_overrides_the_file(toml, monkeypatch):
    file = toml('first_meeting_days = 5\nalert_cooldown_days = 3\ntimezone = "Europe/Lisbon"\n')
    monkeypatch.setenv("HANDRAIL_FIRST_MEETING_DAYS", "7")
    settings = load_settings(file)
    assert (settings.first_meeting_days, settings.alert_cooldown_days, settings.timezone) == (7, 3, "Europe/Lisbon")


def test_an_unknown_key_is_an_error_that_names_the_nearest(toml):
    with pytest.raises(UsageError, match="unknown key 'first_meeting_day'; did you mean 'first_meeting_days'"):
        load_settings(toml("first_meeting_day = 5\n"))


def test_an_unknown_key_that_resembles_none_lists_what_is_known(toml):
    with pytest.raises(UsageError, match=r"unknown key 'zzz'; known are .*first_meeting_days"):
        load_settings(toml("zzz = 5\n"))


def test_a_section_is_an_unknown_key_too(toml):
    with pytest.raises(UsageError, match="unknown key 'alerts'"):
        load_settings(toml("[alerts]\nfirst_meeting_days = 5\n"))


@pytest.mark.parametrize(
    "content", ["first_meeting_days = ", "= 3", b"\xff\xfe", "first_meeting_days = 1\nfirst_meeting_days = 2"]
)
def test_a_file_that_is_no_toml_is_a_usage_error(toml, content):
    with pytest.raises(UsageError, match=r"handrail\.toml is no valid TOML"):
        load_settings(toml(content))


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("first_meeting_days = 0", "first_meeting_days"),
        ('first_meeting_days = "many"', "first_meeting_days"),
        ("midweek_share = 1.5", "midweek_share"),
        ('source = "lrs"', "source"),
        ('memory_limit = "4 GB"', "memory_limit"),
        ('timezone = "Lisbon"', "'Lisbon' is no IANA time zone"),
        ('timezone = "../etc/passwd"', "no IANA time zone"),
        ('timezone = "UTC\' OR true --"', "no IANA time zone"),
    ],
)
def test_a_value_out_of_its_limits_is_named(toml, content, where):
    with pytest.raises(UsageError, match=where):
        load_settings(toml(content))


def test_a_value_out_of_its_limits_in_the_environment_is_named_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDRAIL_THREADS", "0")
    with pytest.raises(UsageError, match="threads"):
        load_settings(tmp_path / "handrail.toml")


def test_the_published_settings_leave_out_the_folder_that_tells_of_the_machine():
    told = json.loads(Settings(data="/somewhere/secret").public_json())
    assert "data" not in told
    assert told["first_meeting_days"] == 10


def test_an_unknown_key_in_the_environment_is_an_error_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDRAIL_ABANDON_AFTER_DAY", "14")
    with pytest.raises(UsageError, match="did you mean 'abandon_after_days'"):
        load_settings(tmp_path / "handrail.toml")
