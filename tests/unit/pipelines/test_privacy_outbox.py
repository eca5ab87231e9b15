"""An erased person is in no digest and no delivery any more, however short or odd the name."""

from __future__ import annotations

import shutil

import duckdb
import pytest

from pipelines.home import Home
from pipelines.privacy import erase as module
from pipelines.privacy.erase import erase, finish
from pipelines.settings import Settings
from pipelines.sinks import outbox
from tests.scan import places_of
from tests.unit.pipelines.marts_rows import OBSERVED
from tests.unit.pipelines.sinks_rows import (
    ANA,
    BEN,
    COL,
    EVA,
    KEY,
    KEYS,
    MAX,
    MEG,
    NOA,
    alert,
    days,
    delivered,
    named,
    people,
    tonight,
)

SETTINGS = Settings(threads=1, memory_limit="1GB")
WEBHOOK = "https://hook.example.org/"


@pytest.fixture
def home(house, tmp_path):
    """Two nights' digests: meg's names ana and ben, eva's ben alone, col's ana and her mentor; a post waits of each."""
    warehouse = house.warehouse
    people(warehouse)
    # Too short to be looked for in texts; and one that is written otherwise in HTML.
    named(warehouse, ANA, "Ana", address="ana.o'brien@example.org")
    named(warehouse, MEG, "Meg", address="m&m@example.org")
    for number in (0, 5):
        alert(warehouse, "of ana", days(number), opened=not number, escalated_at=OBSERVED)
        alert(warehouse, "of ben", days(number), opened=not number, learner_id=BEN)
        alert(warehouse, "of ben too", days(number), opened=not number, learner_id=BEN, mentor_id=EVA)
        night = tonight(house.night, days(number))
        delivered(night)
    outbox.write_down(tonight(house.night, days(5), "posting", webhook_url=WEBHOOK))
    warehouse.execute("CHECKPOINT; CHECKPOINT identity")
    copy = Home(shutil.copytree(night.home.path, tmp_path / "copy"))
    copy.key_file.write_text(KEY.hex(), "ascii")
    return copy


def readers(home):
    return sorted(f"{path.parent.name} {path.stem}" for path in home.outbox.rglob("*.html"))


def left_of(home, person_id, *texts):
    return places_of(home.path, [person_id, KEYS[person_id], *texts])


def deliveries(home):
    with duckdb.connect(str(home.warehouse_file), read_only=True) as con:
        return con.execute("SELECT alert_id, recipient_id, payload FROM alerts.delivery").fetchall()


def test_an_erased_learner_is_in_no_digest_and_no_delivery_and_the_others_stay(home):
    both = ("2024-03-13", "2024-03-18")
    assert readers(home) == sorted(f"{day} {who}" for day in both for who in (MEG, EVA, COL))
    assert left_of(home, ANA, "ana.o&#39;brien@example.org")
    done = erase(home, SETTINGS, ("learner_key", "key-ana"))
    assert done.left == []
    assert done.removed["outbox"] == 8
    assert readers(home) == sorted(f"{day} {EVA}" for day in both)
    assert left_of(home, ANA, "ana.o'brien@example.org", "ana.o&#39;brien@example.org") == {}
    assert not [path for path in home.outbox.rglob("*") if path.is_file() and b"Ana" in path.read_bytes()]
    assert {row[0] for row in deliveries(home)} == {"of ben", "of ben too"}


def test_an_erased_mentor_is_in_no_digest_and_their_learners_deliveries_name_nobody(home):
    done = erase(home, SETTINGS, ("learner_key", "key-meg"))
    assert done.left == []
    # Col's said that there was no answer from Meg.
    assert {line.partition(" ")[2] for line in readers(home)} == {EVA}
    assert left_of(home, MEG, "m&m@example.org", "m&amp;m@example.org") == {}
    assert MEG not in str(deliveries(home))


def test_a_dry_run_says_how_many_files_would_go_and_leaves_them(home):
    before = readers(home)
    done = erase(home, SETTINGS, ("learner_key", "key-ana"), is_dry_run=True)
    assert done.removed["outbox"] == 8
    assert readers(home) == before


def test_a_killed_erase_is_finished_for_the_outbox_too(home, monkeypatch):
    class KilledError(BaseException):
        """Stands for kill -9."""

    def killed(*_arguments, **_named):
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(module, "_clean_outbox", killed)
        with pytest.raises(KilledError):
            erase(home, SETTINGS, ("learner_key", "key-ana"))
    assert len(readers(home)) == 6
    assert finish(home, SETTINGS).left == []
    assert left_of(home, ANA, "ana.o&#39;brien@example.org") == {}


def test_a_digest_that_no_delivery_tells_of_is_found_by_what_it_says(home):
    stray = home.outbox / "2024-03-13" / f"{NOA}.html"
    stray.write_text("<p>ana.o&#39;brien@example.org</p>", "utf-8")
    other = home.outbox / "2024-03-13" / f"{MAX}.csv"
    other.write_text('"somebody else"', "utf-8")
    assert erase(home, SETTINGS, ("learner_key", "key-ana")).left == []
    assert not stray.exists()
    assert other.exists()
