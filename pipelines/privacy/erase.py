"""An erasure from beginning to end: written down first, done store by store, taken off the list last.

Belongs here: the order, and finishing what a kill interrupted. Does not belong here: how a store is cleaned (`files`).

Tombstones and what to look for are written into the identity store before anything goes, so from then on the doors keep
the person out and a killed erasure can be finished: every step finds what is left, and each file is replaced in one
step. The identity store is rewritten last, without the entry, and only when a search of all the others finds nothing:
its replacement is the end of the erasure.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

from data_contracts.errors import PermanentError, UsageError
from data_contracts.tables.inputs import RAW_FILE
from pipelines.access import log_access
from pipelines.home import Home
from pipelines.privacy.deliveries import links_in
from pipelines.privacy.files import Sweep
from pipelines.privacy.person import IDENTITY_TYPES, Finder, Person, find_person, is_disputed, is_held
from pipelines.privacy.rows import quoted
from pipelines.settings import Settings
from pipelines.sources.inbox import InboxFile
from pipelines.sources.mapping import InboxMapping, Rule
from pipelines.sources.record import Recorder, file_hash
from pipelines.sources.sealed import forget_file, read_sealed, seal
from pipelines.statements.identity import Pseudonyms, ensure_fits, load_key
from pipelines.warehouse import Warehouse


@dataclass(slots=True)
class Erased:
    """What an erasure did: rows, lines or texts by place, and places where the person is still found."""

    removed: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    was_known: bool = True


def parse_identity(text: str) -> tuple[str, str]:
    """Read TYPE=VALUE; an account is written homePage::name.

    Raises:
        UsageError: the type is none, or there is no value.
    """
    kind, equals, value = text.partition("=")
    if kind not in IDENTITY_TYPES or not equals or not value.strip():
        message = f"--identity is TYPE=VALUE with TYPE one of {', '.join(IDENTITY_TYPES)}"
        raise UsageError(message)
    if kind == "account" and "::" not in value:
        message = "--identity account=HOMEPAGE::NAME: an account is told by its home page and its name"
        raise UsageError(message)
    return kind, value.strip()


def open_pseudonyms(home: Home, warehouse: Warehouse) -> Pseudonyms:
    """The pseudonyms of a home's key.

    Raises:
        PermanentError: it is missing, damaged, or not the key of this home.
    """
    pseudonyms = Pseudonyms(load_key(home.key_file, has_identities=warehouse.has_identities()))
    ensure_fits(home.key_file, pseudonyms, warehouse.witnesses())
    return pseudonyms


def find(home: Home, warehouse: Warehouse, pseudonyms: Pseudonyms, given: tuple[str, str]) -> Person:
    """Find a person in the stores, by links in files still waiting too.

    Raises:
        UsageError: several learners claim the identity, so it is not told whose it is.
    """
    if given[0] != "learner_key" and is_disputed(warehouse, pseudonyms.identity(*given)):
        message = "several learners claim this identity; name the learner meant with --identity learner_key=KEY"
        raise UsageError(message)
    waiting = [home.inbox / "learner_identity", home.simulated / "inbox" / "learner_identity"]
    told = [link for folder in waiting for path in sorted(folder.glob("*")) for link in links_in(path)]
    return find_person(warehouse, pseudonyms, given, told)


def erase(
    home: Home, settings: Settings, given: tuple[str, str], *, is_dry_run: bool = False, even_if_unknown: bool = False
) -> Erased:
    """Erase a person everywhere; call under the home's lock.

    Raises:
        UsageError: nothing is held of the identity and nobody asked for a tombstone all the same.
    """
    with Warehouse.of(home, settings) as warehouse:
        pseudonyms = open_pseudonyms(home, warehouse)
        person = find(home, warehouse, pseudonyms, given)
        is_known = is_held(warehouse, person) or _is_tombstoned(warehouse, person, pseudonyms)
        if not is_known and not even_if_unknown:
            message = (
                "nothing is held of this identity under this spelling; to keep it out of what is taken in later, "
                "run again with --even-if-unknown"
            )
            raise UsageError(message)
        if not is_dry_run:
            _write_down(warehouse, given, person, pseudonyms)
    if is_dry_run:
        return _dry_run(home, settings, person, pseudonyms)
    done = finish(home, settings)
    done.was_known = is_known
    return done


def finish(home: Home, settings: Settings) -> Erased:
    """Finish every erasure that is written down; nothing where none is. Call under the home's lock."""
    if not is_pending(home):
        return Erased()
    with Warehouse.of(home, settings) as warehouse:
        pseudonyms = open_pseudonyms(home, warehouse)
        person = _pending(home, warehouse, pseudonyms)
        sweep = Sweep(home, settings, Finder(person, pseudonyms))
        with sweep.working():
            _clean_deliveries(warehouse, sweep)
            _clean_sealed(warehouse, sweep)
            _clean_outbox(warehouse, sweep)
        log_access(warehouse, "erase", sum(sweep.removed.values()))
        warehouse.execute("CHECKPOINT")
        warehouse.execute("CHECKPOINT identity")
    with sweep.working():
        for path in sweep.databases():
            _replace(sweep, path)
        sweep.clean_others()
        sweep.left = sweep.search()
        aside = None if sweep.left else sweep.rewrite_database(home.identity_file)
        if aside is not None and sweep.is_found_in(aside):
            sweep.left.append(home.identity_file.name)
        if aside is None or sweep.left:
            aside = sweep.rewrite_database(home.identity_file, keeps_journal=True)
        if aside is not None:
            sweep.put(aside, home.identity_file)
    return Erased(sweep.removed, sweep.left)


def is_pending(home: Home) -> bool:
    """Whether an erasure was begun and not finished."""
    if not home.identity_file.exists():
        return False
    with duckdb.connect(str(home.identity_file), read_only=True) as con:
        tables = con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'erasure'").fetchall()
        return bool(tables[0][0]) and bool(con.execute("SELECT count(*) FROM erasure").fetchall()[0][0])


def _is_tombstoned(warehouse: Warehouse, person: Person, pseudonyms: Pseudonyms) -> bool:
    stones = person.tombstones(pseudonyms)
    return bool(
        warehouse.scalar("SELECT count(*) FROM identity.main.tombstone WHERE tombstone IN (SELECT unnest(?))", [stones])
    )


def _write_down(warehouse: Warehouse, given: tuple[str, str], person: Person, pseudonyms: Pseudonyms) -> None:
    """Tombstones and what to look for, in one transaction."""
    entry = pl.DataFrame(
        {"identity_type": [given[0]], "identity_value": [given[1]], "person": [person.to_json()]},
        schema=dict.fromkeys(("identity_type", "identity_value", "person"), pl.String),
    ).with_columns(stones=pl.lit(person.tombstones(pseudonyms), dtype=pl.List(pl.String)))
    warehouse.write_identities(
        "BEGIN; INSERT INTO identity.main.erasure SELECT identity_type, identity_value, person FROM incoming; "
        "INSERT INTO identity.main.tombstone SELECT stone FROM (SELECT unnest(stones) AS stone FROM incoming) "
        "WHERE stone NOT IN (SELECT tombstone FROM identity.main.tombstone); COMMIT",
        entry,
    )


def _pending(home: Home, warehouse: Warehouse, pseudonyms: Pseudonyms) -> Person:
    """Everybody who is to be erased, as one; entries of the doors name an identity alone."""
    person = Person()
    for kind, value, told in warehouse.rows("SELECT identity_type, identity_value, person FROM identity.main.erasure"):
        if told is not None:
            person = person.merged(Person.from_json(str(told)))
        else:
            person = person.merged(find(home, warehouse, pseudonyms, (str(kind), str(value))))
    return person


def _dry_run(home: Home, settings: Settings, person: Person, pseudonyms: Pseudonyms) -> Erased:
    sweep = Sweep(home, settings, Finder(person, pseudonyms), is_dry_run=True)
    with sweep.working():
        for path, table in sweep.delivered():
            sweep.clean_delivery(path, table, _folder(home, path))
        with Warehouse.of(home, settings) as warehouse:
            _clean_sealed(warehouse, sweep)
            _clean_outbox(warehouse, sweep)
            warehouse.execute("CHECKPOINT")
            warehouse.execute("CHECKPOINT identity")
        for path in (*sweep.databases(), home.identity_file):
            sweep.rewrite_database(path)
        sweep.clean_others()
    return Erased(sweep.removed)


def _folder(home: Home, path: Path) -> str:
    return str(path.relative_to(home.path).parent)


def _replace(sweep: Sweep, path: Path, *, keeps_journal: bool = False) -> None:
    aside = sweep.rewrite_database(path, keeps_journal=keeps_journal)
    if aside is not None:
        sweep.put(aside, path)


def _clean_deliveries(warehouse: Warehouse, sweep: Sweep) -> None:
    """Files still lying in an inbox; one that was taken stays known as taken under its new content too."""
    record = Recorder(warehouse)
    for path, table in sweep.delivered():
        aside = sweep.clean_delivery(path, table, _folder(sweep.home, path))
        if aside is not None:
            _know_as_taken(record, sweep.mapping, file_hash(path), file_hash(aside))
            sweep.put(aside, path)


def _clean_sealed(warehouse: Warehouse, sweep: Sweep) -> None:
    """Files as received: unpacked, cleaned, sealed again under the hash of what is left."""
    record = Recorder(warehouse)
    for content_hash, table, name, sealed_at in sealed_files(warehouse):
        folder = sweep.scratch / "sealed"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / Path(name).name
        with path.open("wb") as stream:
            stream.writelines(read_sealed(warehouse, content_hash, table))
        aside = sweep.clean_delivery(path, table, "sealed files")
        if aside is not None:
            new_hash = file_hash(aside)
            _know_as_taken(record, sweep.mapping, content_hash, new_hash)
            seal(warehouse, InboxFile(table, aside, new_hash))
            warehouse.write_identities(
                "UPDATE identity.sealed.file SET sealed_at = incoming.sealed_at FROM incoming "
                "WHERE file.file_hash = incoming.file_hash AND file.table_name = incoming.table_name",
                pl.DataFrame({"file_hash": [new_hash], "table_name": [table], "sealed_at": [sealed_at]}),
            )
            forget_file(warehouse, content_hash, table)
            aside.unlink()
        elif sweep.is_named_in_workbook(path):
            # Its rows were taken; only the workbook as received goes, for nothing here can write one.
            sweep.removed["sealed files"] += 1
            if not sweep.is_dry_run:
                forget_file(warehouse, content_hash, table)
        shutil.rmtree(folder)


def _clean_outbox(warehouse: Warehouse, sweep: Sweep) -> None:
    """Digests that named the person, as alerts.delivery tells: a short name alone could not be looked for in them.

    It comes before that table loses its rows, so a killed erasure finds what is left.
    """
    ids = sorted(sweep.finder.person.ids)
    rows = warehouse.rows(
        "SELECT DISTINCT json_extract_string(payload, '$.digest_on') AS day, recipient_id FROM alerts.delivery "
        "WHERE sink = 'digest' AND (learner_id IN (SELECT unnest($1)) OR recipient_id IN (SELECT unnest($1)) "
        "OR json_extract_string(payload, '$.mentor_id') IN (SELECT unnest($1))) "
        "AND day IS NOT NULL AND recipient_id IS NOT NULL ORDER BY ALL",
        [ids],
    )
    for day, recipient in rows:
        for path in sorted((sweep.home.outbox / str(day)).glob(f"*{recipient}*")):
            sweep.remove(path)


def sealed_files(warehouse: Warehouse) -> list[tuple[str, str, str, datetime]]:
    """Files in sealed storage: (hash, table, name, when sealed)."""
    return [
        (str(content_hash), str(table), str(name), sealed_at)
        for content_hash, table, name, sealed_at in warehouse.rows(
            "SELECT file_hash, table_name, any_value(file_name), min(sealed_at) FROM identity.sealed.file "
            "GROUP BY file_hash, table_name ORDER BY ALL"
        )
    ]


def _know_as_taken(record: Recorder, mapping: InboxMapping, old_hash: str, new_hash: str) -> None:
    """A taken file's rows in raw.file once more under its new hash: neither version is taken again.

    Under a rule of the mapping a content is remembered by its hash and that rule.
    """
    rules = [Rule(rule) for rules in mapping.tables.values() for rule in rules]
    marks = {old_hash: new_hash, **{rule.marked(old_hash): rule.marked(new_hash) for rule in rules}}
    known = record.warehouse.rows(
        "SELECT DISTINCT file_hash, table_name FROM raw.file WHERE file_hash IN (SELECT unnest(?))", [list(marks)]
    )
    for old, table in sorted(known):
        if not record.is_taken(marks[old], table):
            with record.unit():
                row = record.warehouse.frame(
                    f"SELECT * REPLACE ({quoted(marks[old])} AS file_hash) FROM raw.file "
                    f"WHERE file_hash = {quoted(old)} AND table_name = {quoted(table)} LIMIT 1"
                )
                record.append(RAW_FILE, row)


def ensure_finished(home: Home, settings: Settings) -> None:
    """Finish what a killed erasure left, before a run begins; call under the home's lock.

    Raises:
        PermanentError: something of the person is left where it cannot be removed; the message says where.
    """
    done = finish(home, settings)
    if done.left:
        raise PermanentError(what_is_left(done.left))


def what_is_left(places: list[str]) -> str:
    """The message for places that an erasure could not clean."""
    return (
        f"the erasure is not finished: the person is still found in {', '.join(places)}; remove these or what they say, "
        "then run `handrail erase` again; the tombstone stands and keeps them out meanwhile"
    )
