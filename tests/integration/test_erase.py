"""One person out of a whole home: found everywhere before, nowhere after, and not back with the next delivery.

The person is a learner with four linked identities, a mentor of somebody else, named in refused rows, in other people's
statements, in files waiting, files sealed, the simulated world, logs, reports and the run history.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from data_contracts.views import VIEWS
from pipelines.home import Home
from pipelines.sources.inbox import scan
from pipelines.statements.identity import Pseudonyms, normalise
from tests.scan import places_of

ROOT = Path(__file__).resolve().parents[2]
KEY = "emp-0000007"
SITE = "https://lms.example.org"
MBOX, OPENID, ACCOUNT = "mailto:elsa.d@example.org", "https://id.example.org/elsa-77", f"{SITE}::elsa_77"
NAME, ADDRESS = "Elsa Prova", "elsa.prova@example.org"
# As which the mbox would stand in a sha1sum; nobody delivers it so.
DIGEST = normalise("mbox", MBOX).removeprefix("sha1:")
NIGHT = ("--source", "inbox", "--as-of", "2026-02-02")

# Runs the command, and kills the process where a function would be called for the n-th time or has returned from it.
KILLING = """
import importlib, os, signal, sys
from pipelines.cli import main

when, count, module, _, path = sys.argv[1], int(sys.argv[2]), *sys.argv[3].partition(":")
*outer, name = path.split(".")
owner = importlib.import_module(module)
for part in outer:
    owner = getattr(owner, part)
original = getattr(owner, name)
calls = 0

def killing(*arguments, **named):
    global calls
    calls += 1
    if calls < count:
        return original(*arguments, **named)
    if when == "after":
        original(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, killing)
sys.exit(main(sys.argv[4:]))
"""


def statement(number, actor, **parts):
    return {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "actor": actor,
        "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
        "object": {"id": f"{SITE}/page/{number}"},
        "timestamp": f"2026-01-{1 + number % 28:02}T12:00:00Z",
        "stored": f"2026-01-{1 + number % 28:02}T12:00:01Z",
    } | parts


def deliver_statements(folder):
    """Files of every packing in which the person acts, stands in a group, is mentioned, or makes a line invalid."""
    mbox, openid, account = {"mbox": MBOX}, {"openid": OPENID}, {"account": {"homePage": SITE, "name": "elsa_77"}}
    other = {"mbox": "mailto:ben.other@example.org", "name": "Ben Other"}
    group = {"objectType": "Group", "member": [mbox, other]}
    ndjson = "\n".join(json.dumps(each) for each in (statement(1, mbox), statement(2, other))).encode()
    (folder / "a.ndjson.gz").write_bytes(gzip.compress(ndjson))
    array = [statement(3, openid), statement(4, other, context={"instructor": {**mbox, "name": NAME}})]
    (folder / "b.json.zst").write_bytes(pa.Codec("zstd").compress(json.dumps(array, indent=1).encode(), asbytes=True))
    (folder / "c.ndjson").write_bytes(
        b"\n".join(
            (
                json.dumps(statement(5, account)).encode(),
                json.dumps(statement(6, group)).encode(),
                json.dumps(statement(7, mbox) | {"verb": {}}).encode(),
                b'{"actor": {"mbox": "mailto:elsa.d@example.org", "verb"',
                b'{"actor": {"mbox": "mailto:ben.other@example.org", "verb"',
                json.dumps(statement(8, other, object={"objectType": "Agent", **account})).encode(),
                json.dumps(statement(9, other, object={"id": f"{SITE}/profile/elsa_77"})).encode(),
            )
        )
    )


def append(file, **values):
    """Add a row to a table's file, by the names in its header."""
    with file.open(encoding="utf-8") as stream:
        names = next(csv.reader(stream))
    with file.open("a", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerow([values.get(name, "") for name in names])


def rename(file, key, **values):
    """Change cells of a learner's row."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, **values} if row["learner_key"] == key else row for row in rows)


@pytest.fixture(scope="module")
def people(small_world, tmp_path_factory):
    """An inbox in which the person stands in every way there is."""
    inbox = shutil.copytree(small_world, tmp_path_factory.mktemp("people") / "inbox")
    deliver_statements(inbox / "xapi")
    for kind, value in (("mbox", MBOX), ("openid", OPENID), ("account", ACCOUNT)):
        append(
            inbox / "learner_identity/learner_identity.csv", learner_key=KEY, identity_type=kind, identity_value=value
        )
    rename(inbox / "learner/learner.csv", KEY, display_name=NAME, contact_address=ADDRESS)
    append(inbox / "mentor/mentor.csv", mentor_key=KEY, display_name=NAME, contact_address=ADDRESS, kind="peer")
    append(
        inbox / "mentoring_match/mentoring_match.csv",
        match_id="match-of-elsa",
        mentor_key=KEY,
        learner_key="emp-0000003",
        programme_id="growth",
        matched_on="2025-09-01",
    )
    append(inbox / "absence/absence.csv", learner_key=KEY, from_on="next week", to_on="2026-01-02")
    append(inbox / "learner/learner.csv", learner_key="emp-boss", display_name="Somebody Below", manager_key=KEY)
    return inbox


@pytest.fixture(scope="module")
def first_night(people, handrail, tmp_path_factory):
    """A home after a real night: files waiting, files sealed, an older publication, logs and history with names."""
    path = tmp_path_factory.mktemp("first") / "home"
    home = Home(path)
    home.create()
    shutil.copytree(people, home.inbox, dirs_exist_ok=True)
    told = handrail("run", *NIGHT, "--home", path)
    assert told.code == 3, told.err
    with duckdb.connect(str(home.identity_file), read_only=True) as con:
        assert con.execute("SELECT count(DISTINCT table_name) > 20 FROM sealed.file").fetchall() == [(True,)]
    # The night put its files away; the same are delivered again, and wait.
    shutil.copytree(people, home.inbox, dirs_exist_ok=True)
    (published,) = [folder for folder in home.marts.iterdir() if not folder.is_symlink()]
    shutil.copytree(published, home.marts / "0lder")
    shutil.copytree(people, home.simulated / "inbox")
    pl.DataFrame({"enrolment_id": [things(path)[0], "other"], "week": [1, 2]}).write_parquet(
        home.simulated / "truth.parquet"
    )
    home.log.joinpath("handrail.log").write_text('{"message": "taken from elsa.d@example.org"}\n{"message": "ok"}\n')
    home.log.joinpath("old.log.gz").write_bytes(gzip.compress(b"Elsa Prova was here\nand went\n"))
    home.reports.joinpath("night.html").write_text(f"<p>learner {pseudonyms(path).person(KEY)}</p>")
    with closing(sqlite3.connect(home.dagster / "history" / "notes.db")) as history:
        history.execute("CREATE TABLE note (body TEXT)")
        history.execute("INSERT INTO note VALUES (?)", [f"looked at {pseudonyms(path).identity('mbox', MBOX)}"])
        history.commit()
    return path


def pseudonyms(home):
    return Pseudonyms(bytes.fromhex((home / "key").read_text("ascii")))


def things(home):
    """Ids of what is the person's alone."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        found = con.execute(
            "WITH own AS (SELECT match_id FROM raw.mentoring_match WHERE learner_id = $id OR mentor_id = $id) "
            "FROM own UNION SELECT enrolment_id FROM raw.enrolment WHERE learner_id = $id "
            "UNION SELECT goal_id FROM raw.goal WHERE match_id IN (FROM own) "
            "UNION SELECT session_id FROM raw.mentoring_session WHERE match_id IN (FROM own) ORDER BY 1",
            {"id": pseudonyms(home).person(KEY)},
        ).fetchall()
    return [row[0] for row in found]


def identities(home):
    """The person's linked identities: (identity_id, type, value)."""
    with duckdb.connect(str(home / "identity.duckdb"), read_only=True) as con:
        return con.execute(
            "SELECT identity_id, identity_type, identity_value FROM identifier WHERE identity_id IN "
            "(SELECT identity_id FROM identifier_link WHERE learner_id = ?)",
            [pseudonyms(home).person(KEY)],
        ).fetchall()


def texts(home):
    """Every identifier, key, name, address and id of the person; an account stands in two parts in statements."""
    known = identities(home)
    assert {(kind, value) for _, kind, value in known} >= {("mbox", MBOX), ("openid", OPENID), ("account", ACCOUNT)}
    values = {
        value.removeprefix("mailto:").partition("::")[2] or value.removeprefix("mailto:") for _, _, value in known
    }
    ids = {identity_id for identity_id, _, _ in known}
    return {KEY, NAME, ADDRESS, DIGEST, pseudonyms(home).person(KEY), *values, *ids, *things(home)}


@pytest.fixture(scope="module")
def sought(first_night):
    return texts(first_night)


@pytest.fixture
def home(first_night, tmp_path):
    return shutil.copytree(first_night, tmp_path / "home", symlinks=True)


def rows_of(home):
    """Each table of the warehouse: its rows as text, in their order."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        tables = con.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE schema_name <> 'ops' ORDER BY 1"
        ).fetchall()
        return {
            name: [str(row[0]) for row in con.execute(f"SELECT CAST(t AS VARCHAR) FROM {name} AS t").fetchall()]
            for (name,) in tables
        }


def erase(handrail, home, *words, identity=f"mbox={MBOX}"):
    return handrail("erase", "--identity", identity, "--home", home, *words)


def test_before_an_erase_everything_of_the_person_is_found_after_it_nothing(home, sought, handrail):
    before = places_of(home, sought)
    assert sought - set(before) == {DIGEST}
    kinds = {place.partition("/")[0].partition(":")[0] for places in before.values() for place in places}
    assert kinds >= {
        *("archive", "dagster", "identity.duckdb", "inbox", "log", "marts", "marts.duckdb", "reports", "simulated"),
        "warehouse.duckdb",
    }
    told = erase(handrail, home)
    assert told.code == 0, told.err
    assert places_of(home, sought) == {}
    assert not [text for text in sought if text in told.out + told.err]
    assert "warehouse.duckdb" in told.out
    assert not [path.name for path in home.rglob("*") if ".erasing" in path.name or path.name.endswith(".wal")]
    assert stat.S_IMODE((home / "identity.duckdb").stat().st_mode) == 0o600


def test_everybody_elses_rows_are_untouched_and_in_their_order(home, sought, handrail):
    before = rows_of(home)
    assert erase(handrail, home).code == 0
    after = rows_of(home)
    for name, rows in before.items():
        others = [row for row in rows if not any(text in row for text in sought)]
        # A file that was rewritten has one more row in raw.file; who was named in passing stays, without the name.
        left = iter(after[name])
        assert all(row in left for row in others), name
        assert len(after[name]) <= len(rows) or name == "raw.file"
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        known = pseudonyms(home)
        boss = con.execute("SELECT manager_id FROM raw.learner WHERE learner_id = ?", [known.person("emp-boss")])
        assert boss.fetchall() == [(None,)]
        (members,) = con.execute(
            "SELECT member_identity_ids FROM raw.statement WHERE statement_id LIKE '%000000000006'"
        ).fetchall()[0]
        assert members == known.identity("mbox", "mailto:ben.other@example.org")
        profile = con.execute("SELECT object_iri FROM raw.statement WHERE statement_id LIKE '%000000000009'")
        assert profile.fetchall() == [(f"{SITE}/profile/erased",)]


def test_files_waiting_keep_everybody_else_byte_for_byte_and_are_not_taken_again(home, sought, handrail):
    before = (home / "inbox/enrolment/enrolment.csv").read_text("utf-8").splitlines()
    assert erase(handrail, home).code == 0
    after = (home / "inbox/enrolment/enrolment.csv").read_text("utf-8").splitlines()
    assert after == [line for line in before if not any(text in line for text in sought)]
    left = gzip.decompress((home / "inbox/xapi/a.ndjson.gz").read_bytes()).splitlines()
    assert [json.loads(line)["actor"]["name"] for line in left] == ["Ben Other"]
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        known = {row[0] for row in con.execute("SELECT file_hash FROM raw.file").fetchall()}
    assert {file.content_hash for file in scan(home / "inbox")} <= known


def test_neither_the_next_run_nor_a_delivery_of_the_same_files_brings_the_person_back(
    home, people, sought, handrail, tmp_path
):
    assert erase(handrail, home).code == 0
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        (before,) = marts.execute("SELECT publication_id FROM publication").fetchall()[0]
    again = shutil.copytree(people, tmp_path / "again")
    # A name inside another's IRI is nobody's identifier, and no hash can tell it: inputs must not have such.
    lines = (again / "xapi/c.ndjson").read_bytes().splitlines()
    (again / "xapi/c.ndjson").write_bytes(b"\n".join(line for line in lines if b"profile" not in line))
    shutil.rmtree(home / "inbox")
    shutil.copytree(again, home / "inbox")
    shutil.copy(home / "inbox/xapi/a.ndjson.gz", home / "inbox/xapi/again.ndjson.gz")
    told = handrail("run", *NIGHT, "--home", home)
    assert told.code in {0, 3}, told.err
    assert places_of(home, sought) == {}
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        (after,) = marts.execute("SELECT publication_id FROM publication").fetchall()[0]
    assert after != before
    elsewhere = handrail("run", *NIGHT, "--data", again, "--home", home)
    assert elsewhere.code in {0, 3}, elsewhere.err
    assert places_of(home, sought) == {}


@pytest.mark.parametrize(
    ("when", "count", "function"),
    [
        ("after", 1, "pipelines.privacy.erase:_write_down"),
        ("after", 2, "pipelines.privacy.erase:_know_as_taken"),
        ("before", 1, "pipelines.privacy.files:Sweep.rewrite_database"),
        ("after", 1, "pipelines.privacy.erase:_replace"),
        ("before", 1, "pipelines.privacy.files:Sweep.search"),
    ],
)
def test_killed_at_any_step_the_same_erase_completes(when, count, function, home, sought, handrail, environment):
    command = [sys.executable, "-c", KILLING, when, str(count), function]
    told = subprocess.run(
        [*command, "erase", "--identity", f"mbox={MBOX}", "--home", home],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert told.returncode == -signal.SIGKILL, told.stderr
    again = erase(handrail, home)
    assert again.code == 0, again.err
    assert places_of(home, sought) == {}
    with duckdb.connect(str(home / "identity.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM erasure").fetchall() == [(0,)]


def test_a_run_finishes_what_a_killed_erase_left(home, sought, handrail, environment):
    command = [sys.executable, "-c", KILLING, "before", "2", "pipelines.privacy.erase:_replace", "erase"]
    subprocess.run(
        [*command, "--identity", f"mbox={MBOX}", "--home", home],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert places_of(home, sought) != {}
    told = handrail("run", *NIGHT, "--home", home)
    assert told.code in {0, 3}, told.err
    assert places_of(home, sought) == {}


def test_what_cannot_be_rewritten_is_named_and_keeps_the_erase_open(home, handrail):
    odd = home / "reports" / "odd.bin"
    odd.write_bytes(b"\xff\xfe\x00 elsa.d@example.org \xff")
    told = erase(handrail, home)
    assert told.code == 1
    assert "reports/odd.bin" in told.err
    odd.unlink()
    assert erase(handrail, home).code == 0


def test_a_dry_run_says_what_would_go_and_changes_nothing(home, sought, handrail):
    def delivered():
        folders = ("inbox", "marts", "archive", "reports", "outbox", "log", "simulated")
        files = {path: path.read_bytes() for name in folders for path in (home / name).rglob("*") if path.is_file()}
        # That the command was given stands in the journal.
        return {path: content for path, content in files.items() if path != Home(home).journal_file}

    rows, files = rows_of(home), delivered()
    told = erase(handrail, home, "--dry-run")
    assert told.code == 0
    assert told.out.startswith("Would remove")
    assert not [text for text in sought if text in told.out + told.err]
    assert rows_of(home) == rows
    assert delivered() == files
    with duckdb.connect(str(home / "identity.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM tombstone").fetchall() == [(0,)]


def test_an_unknown_identity_is_told_and_kept_out_only_where_that_is_asked(home, handrail):
    unknown = "mbox=mailto:nobody.yet@example.org"
    told = erase(handrail, home, identity=unknown)
    assert told.code == 2
    assert "--even-if-unknown" in told.err
    assert "nobody.yet" not in told.err
    assert erase(handrail, home, "--even-if-unknown", identity=unknown).code == 0
    assert erase(handrail, home, identity=unknown).code == 0
    with duckdb.connect(str(home / "identity.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM tombstone").fetchall() == [(1,)]


@pytest.mark.parametrize("given", ["mbox", "mbox=", "name=Elsa", "account=elsa_77"])
def test_an_identity_that_is_written_wrongly_is_a_usage_error(home, handrail, given):
    assert erase(handrail, home, identity=given).code == 2


def test_an_erase_meets_the_lock(home, handrail, environment):
    holding = (
        "import sys, time; from pathlib import Path; from pipelines.lock import run_lock\n"
        "with run_lock(Path(sys.argv[1]), run='test', since='now'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, home / "lock"],
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "held\n"
            assert erase(handrail, home).code == 75
        finally:
            process.kill()


def test_an_export_holds_everything_of_the_person_and_nothing_of_anybody_else(home, handrail, tmp_path):
    out = tmp_path / "elsa.zip"
    told = handrail("export-learner", "--identity", f"account={ACCOUNT}", "--out", out, "--home", home)
    assert told.code == 0, told.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with zipfile.ZipFile(out) as packed:
        files = {name: packed.read(name).decode() for name in packed.namelist()}
    assert {
        *("README.txt", "identity/identifier.csv", "identity/person.csv", "identity/audit.csv", "refused.ndjson"),
        *("warehouse/raw.statement.csv", "warehouse/raw.learner.csv", "warehouse/core.enrolment.csv"),
        *("warehouse/raw.mentoring_match.csv", "marts/engagement_weekly.csv", "statements_as_received.ndjson"),
    } <= set(files)
    for name in files:
        assert name in files["README.txt"] or name == "README.txt"
    everything = "\n".join(files.values())
    for text in (KEY, MBOX, OPENID, ACCOUNT, ADDRESS):
        assert text in everything
    known = pseudonyms(home)
    with duckdb.connect(str(home / "identity.duckdb"), read_only=True) as con:
        others = con.execute("SELECT person_key, display_name, contact_address FROM person").fetchall()
        mentors = con.execute("SELECT identity_value FROM identifier").fetchall()
    own = {KEY, NAME, ADDRESS, *(value for _, _, value in identities(home))}
    foreign = {str(value) for row in (*others, *mentors) for value in row if value and str(value) not in own}
    assert not [value for value in foreign if value in everything]
    assert known.person("emp-0000003") not in everything
    rows = list(csv.DictReader(io.StringIO(files["warehouse/raw.statement.csv"])))
    assert {row["identity_id"] for row in rows} - {""} <= {identity_id for identity_id, _, _ in identities(home)}
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        (logged,) = con.execute("SELECT command, row_count FROM ops.access_log").fetchall()
    assert logged[0] == "export-learner"
    assert logged[1] > len(rows)
    assert handrail("export-learner", "--identity", f"mbox={MBOX}", "--out", out, "--home", home).code == 2


def test_a_scored_and_alerted_learner_of_the_demo_world_is_found_nowhere_after_an_erase(demo, handrail, tmp_path):
    home = shutil.copytree(demo.home, tmp_path / "home", symlinks=True)
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        learner = con.execute(
            "SELECT min(learner_id) FROM alerts.alert WHERE enrolment_id IN (SELECT enrolment_id FROM risk.score) "
            "AND enrolment_id IN (SELECT enrolment_id FROM risk.reason)"
        ).fetchall()[0][0]
        ids = [
            str(row[0])
            for row in con.execute(
                "SELECT enrolment_id FROM raw.enrolment WHERE learner_id = $id UNION SELECT match_id FROM "
                "raw.mentoring_match WHERE learner_id = $id UNION SELECT alert_id FROM alerts.alert WHERE learner_id = $id",
                {"id": learner},
            ).fetchall()
        ]
        scored = con.execute("SELECT count(*) FROM risk.score WHERE learner_id <> ?", [learner]).fetchall()
    with duckdb.connect(str(home / "identity.duckdb"), read_only=True) as con:
        person = con.execute(
            "SELECT person_key, display_name, contact_address FROM person WHERE person_id = ?", [learner]
        ).fetchall()[0]
        identities = con.execute(
            "SELECT identity_id, identity_value FROM identifier WHERE identity_id IN "
            "(SELECT identity_id FROM identifier_link WHERE learner_id = ?)",
            [learner],
        ).fetchall()
    sought = {learner, *person, *ids, *(text for pair in identities for text in pair)}
    # In statements an account stands in two parts.
    sought = {text.partition("::")[2] or text for text in sought}
    assert set(places_of(home, sought)) == sought
    assert erase(handrail, home, identity=f"learner_key={person[0]}").code == 0
    assert places_of(home, sought) == {}
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM risk.score").fetchall() == scored


def test_marts_stay_readable_in_the_storage_version_of_old_clients_and_keep_their_views(home, handrail):
    assert erase(handrail, home).code == 0
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{home / 'marts.duckdb'}' AS marts (READ_ONLY)")
        left = {row[0] for row in con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
        assert left == set(VIEWS)
        assert all(con.execute(f"SELECT count(*) FROM marts.{name}").fetchall()[0][0] >= 0 for name in VIEWS)
        (tags,) = con.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'marts'").fetchall()[0]
    assert tags["storage_version"].startswith("v1.0.0")
    assert os.path.realpath(home / "marts" / "current") != str(home / "marts" / "0lder")
