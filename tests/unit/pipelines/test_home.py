from __future__ import annotations

from datetime import UTC, datetime

import pytest

from data_contracts.errors import UsageError
from pipelines import home as home_module
from pipelines.home import Home, observation_time, parse_instant
from pipelines.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _no_home_of_this_machine(monkeypatch):
    monkeypatch.delenv("HANDRAIL_HOME", raising=False)


def test_the_home_is_what_is_given_else_the_environments_else_var(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Home.find().path == tmp_path / "var"
    monkeypatch.setenv("HANDRAIL_HOME", str(tmp_path / "theirs"))
    assert Home.find().path == tmp_path / "theirs"
    assert Home.find(tmp_path / "given").path == tmp_path / "given"


def test_the_first_run_makes_the_folders_for_the_owner_alone_and_settings_that_can_be_read(tmp_path):
    home = Home(tmp_path / "home")
    home.create("simulated", "")
    folders = [path for path in home.path.iterdir() if path.is_dir()]
    assert {path.stat().st_mode & 0o777 for path in (home.path, *folders)} == {0o700}
    assert load_settings(home.settings_file).source == "simulated"


def test_a_later_run_leaves_the_operators_settings_alone(tmp_path):
    home = Home(tmp_path / "home")
    home.create("simulated")
    home.settings_file.write_text("first_meeting_days = 5\n")
    home.create("oulad")
    assert home.settings_file.read_text() == "first_meeting_days = 5\n"


def test_a_folder_with_quotes_and_backslashes_survives_in_the_first_settings(tmp_path):
    home, data = Home(tmp_path / "home"), tmp_path / 'it\'s "odd" \\ data'
    home.create("inbox", str(data))
    assert load_settings(home.settings_file).data == str(data)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T06:30:00Z", datetime(2026, 3, 1, 6, 30, tzinfo=UTC)),
        ("2026-03-01T00:00:00+02:00", datetime(2026, 2, 28, 22, tzinfo=UTC)),
        ("2026-03-01T06:30", datetime(2026, 3, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_as_of_is_a_date_or_an_instant(text, instant):
    assert parse_instant(text) == instant
    assert parse_instant(text).tzinfo == UTC


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "01/03/2026", " ", "0001-01-01T00:00:00+05:00"])
def test_an_as_of_that_is_neither_is_a_usage_error_that_shows_both(text):
    with pytest.raises(UsageError, match=r"neither a date such as 2026-03-01 nor an instant such as"):
        parse_instant(text)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "world" / "inbox"
    folder.mkdir(parents=True)
    return folder


def snapshot(data, content):
    (data.parent / "snapshot.json").write_text(content, "utf-8")


def test_as_of_goes_before_the_snapshot_and_the_snapshot_before_the_clock(data, monkeypatch):
    monkeypatch.setattr(home_module, "now", lambda: datetime(2026, 5, 1, 9, tzinfo=UTC))
    settings = Settings(timezone="UTC")
    assert observation_time(data, settings) == datetime(2026, 5, 1, tzinfo=UTC)
    snapshot(data, '{"observed_at": "2026-03-02T00:00:00Z"}')
    assert observation_time(data, settings) == datetime(2026, 3, 2, tzinfo=UTC)
    assert observation_time(data, settings, "2026-01-05") == datetime(2026, 1, 5, tzinfo=UTC)


def test_the_clock_gives_the_first_instant_of_the_organisations_day(data, monkeypatch):
    # 23:30 UTC on 1 May is 08:30 on 2 May in Tokyo, which began at 15:00 UTC.
    monkeypatch.setattr(home_module, "now", lambda: datetime(2026, 5, 1, 23, 30, tzinfo=UTC))
    assert observation_time(data, Settings(timezone="Asia/Tokyo")) == datetime(2026, 5, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize("content", ["", "{", "null", "{}", "[]", '{"observed_at": "soon"}', '{"observed_at": null}'])
def test_a_snapshot_that_says_no_time_is_a_usage_error(data, content):
    snapshot(data, content)
    with pytest.raises(UsageError):
        observation_time(data, Settings(timezone="UTC"))
