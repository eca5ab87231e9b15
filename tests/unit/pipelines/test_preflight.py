from types import SimpleNamespace

import pytest

from data_contracts.errors import TransientError
from pipelines import preflight
from pipelines.home import Home


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.create()
    made.warehouse_file.write_bytes(b"x" * 2_000_000)
    return made


@pytest.fixture
def free(monkeypatch):
    def has(count):
        monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: SimpleNamespace(free=count))

    return has


def test_a_night_needs_its_databases_once_more_and_several_times_what_waits(home):
    assert preflight.needed_bytes(home) == 2_000_000
    assert preflight.needed_bytes(home, 1_000_000) == 2_000_000 + 1_000_000 * preflight.FACTOR


def test_with_one_byte_less_than_needed_the_night_is_refused_and_told_how_much(home, free):
    needed = 2_000_000 + 3_000_000
    free(needed)
    preflight.ensure_room(home, waiting=0, floor_megabytes=3)
    free(needed - 1)
    with pytest.raises(
        TransientError, match=r"5 MB are free, the night may need 5 MB .*free_disk_megabytes.*make room"
    ):
        preflight.ensure_room(home, waiting=0, floor_megabytes=3)


def test_files_count_that_were_not_taken_under_their_name(house):
    house.deliver("learner", "a.csv", b"x" * 100)
    house.deliver("xapi", "b.ndjson", b"x" * 1000)
    assert preflight.waiting_bytes(house.inbox, house.warehouse) == 1100
    house.add("raw.file", file_hash="h", file_name="a.csv", table_name="learner")
    assert preflight.waiting_bytes(house.inbox, house.warehouse) == 1000
