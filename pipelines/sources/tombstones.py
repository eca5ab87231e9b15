"""Who was erased, as the doors see it: told by keyed hashes alone, so that nothing delivered later resurrects anybody.

Belongs here: which rows, members and raw texts stay out; which column takes its row along. Does not belong here:
erasing what is there already (`pipelines.privacy`).

A tombstone is a keyed hash of a pseudonym (or of the id of something that was one person's alone, such as a match):
neither the identifier nor the pseudonym can be read from it. Without tombstones nothing here costs anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson
import polars as pl

from data_contracts.schema import Table
from data_contracts.tables.inputs import PSEUDONYM_OF
from pipelines.statements.identity import Pseudonyms, actor_identity
from pipelines.warehouse import Warehouse

# Whom a row is about: it goes with that person, whatever the contract says.
OWNERS = frozenset({"learner_id", "identity_id", "person_id", "subject_id", "learner_key", "subject_key"})
# Things that are one person's; a row that hangs on one of them says something about that person.
THING_OF = {
    "enrolment_id": "enrolment_id",
    "registration": "enrolment_id",
    "match_id": "match_id",
    "subject_id": "match_id",
    "subject_key": "match_id",
    "goal_id": "goal_id",
    "session_id": "session_id",
    "alert_id": "alert_id",
}
# A session or message names its pair by the match or by both persons: without either it says nothing.
_PAIRED = {"mentoring_session", "mentoring_message"}
_PAIR = {"match_id", "mentor_id", "mentor_key"}

_IDENTITY_TYPES = ("mbox", "mbox_sha1sum", "openid", "account")
_MAIL = re.compile(r"[^\s\"'<>(){}\[\],;:=|]+@[^\s\"'<>(){}\[\],;:=|]+")
_HASH = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{40}(?![0-9a-fA-F])")
_ADDRESS = re.compile(r"https?://[^\s\"'<>{}\[\],;]+")
_PAGE = re.compile(r"\"homePage\"\s*:\s*\"([^\"]*)\"")
_NAME = re.compile(r"\"name\"\s*:\s*\"([^\"]*)\"")
_CELLS = re.compile(r"[,;\t|\"'{}\[\]\n]+|: ")
_IDENTIFYING = re.compile(rb'"(?:mbox|mbox_sha1sum|openid)"\s*:\s*"[^"]*"|"account"\s*:\s*\{[^{}]*\}')
# Identifiers whose verdict is remembered; then it starts anew, so that memory stays bounded.
_MOST_PARTS = 1_000_000
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def takes_the_row(table: Table | None, column: str) -> bool:
    """Whether a row goes where this column names an erased person or thing; else the cell alone is emptied.

    A row about the person goes; where the person stands in another role (mentor, manager, coordinator, owner,
    respondent) the cell is emptied if the contract lets it be empty, else the row says nothing without it and goes.
    Where no contract tells, a row that bears the id of a thing of theirs goes.
    """
    if column in OWNERS:
        return True
    if table is None or column not in table.column_names:
        return column in THING_OF
    return table.column(column).is_required or (table.name in _PAIRED and column in _PAIR)


def keys_of(identity_type: str, value: str) -> list[str]:
    """The learner_keys that would be linked to an identifier because they equal it."""
    if identity_type == "mbox":
        return [value, value[7:]] if value.lower().startswith("mailto:") else [value]
    if identity_type == "mbox_sha1sum":
        return list(dict.fromkeys((value, value.lower())))
    if identity_type == "account":
        return list(dict.fromkeys((value, value.partition("::")[2])))
    return [value]


def identities_of(key: str) -> list[tuple[str, str]]:
    """The identifiers that a key or another text is by its form; an account is told only with its home page."""
    if "://" in key:
        return [("account", key)] if "::" in key else [("openid", key)]
    if "@" in key:
        return [("mbox", key)]
    return [("mbox_sha1sum", key)] if _HASH.fullmatch(key) else []


def unescaped(text: str) -> str:
    """JSON's escapes of slashes and characters undone, so that a broken line can be searched as it was meant."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text.replace("\\/", "/"))


def agents_of(value: object) -> Iterator[dict[str, object]]:
    """Every object inside a parsed statement that identifies somebody, at any depth."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if identified(found):
                yield found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def identified(found: dict[str, object]) -> tuple[str, str] | None:
    """The (type, value) of an object that identifies somebody, None where it does not or is broken."""
    try:
        return actor_identity(found)
    except (KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The erased, as a set of hashes; false where nobody was."""

    hashes: frozenset[str]
    pseudonyms: Pseudonyms
    _parts: dict[bytes, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, warehouse: Warehouse, pseudonyms: Pseudonyms) -> Tombstones:
        """Read them from the identity store."""
        rows = warehouse.rows("SELECT tombstone FROM identity.main.tombstone")
        return cls(frozenset(str(row[0]) for row in rows), pseudonyms.forgetful())

    def __bool__(self) -> bool:
        """Whether anybody was erased."""
        return bool(self.hashes)

    def hides(self, pseudonym: str) -> bool:
        """Whether a pseudonym is an erased person's."""
        return self.pseudonyms.tombstone(pseudonym) in self.hashes

    def hides_identifier(self, identity_type: str, value: str) -> bool:
        """Whether an identifier is an erased person's, or equals an erased learner's key."""
        return self.hides(self.pseudonyms.identity(identity_type, value)) or any(
            self.hides(self.pseudonyms.person(key)) for key in keys_of(identity_type, value)
        )

    def hides_value(self, column: str, value: str) -> bool:
        """Whether a cell of an input names an erased person, or a thing that was theirs."""
        thing = THING_OF.get(column)
        if thing is not None and self.hides(thing_mark(thing, value)):
            return True
        return column in PSEUDONYM_OF and (
            self.hides(self.pseudonyms.person(value))
            or any(self.hides(self.pseudonyms.identity(*found)) for found in identities_of(value))
        )

    def may_be_in(self, line: bytes) -> bool:
        """Whether a statement's line names an erased person; told by its identifiers alone, each judged once."""
        return b"\\" in line or any(self._hides_part(part) for part in _IDENTIFYING.findall(line))

    def _hides_part(self, part: bytes) -> bool:
        found = self._parts.get(part)
        if found is None:
            if len(self._parts) >= _MOST_PARTS:
                self._parts.clear()
            try:
                given = identified(orjson.loads(b"{" + part + b"}"))
                found = given is not None and self.hides_identifier(*given)
            except orjson.JSONDecodeError:
                found = True
            self._parts[part] = found
        return found

    def without(self, text: str) -> str:
        """The text with the identifiers of erased persons replaced."""
        for mark in sorted(_marks(text), key=len, reverse=True):
            if any(self.hides_identifier(*pair) for pair in identities_of(mark)):
                text = text.replace(mark, "erased")
        return text

    def hides_text(self, text: str) -> bool:
        """Whether a refused row or line mentions an identifier or key of an erased person."""
        for found in _agents_in(text):
            if self.hides_identifier(*found):
                return True
        meant = unescaped(text)
        told = (pair for mark in _marks(meant) for pair in identities_of(mark))
        if any(self.hides_identifier(*pair) for pair in (*accounts_in(meant), *told)):
            return True
        return any(self.hides(self.pseudonyms.person(cell)) for cell in cells_of(meant))

    def others(
        self, frame: pl.DataFrame, identities: Mapping[str, tuple[str, str]]
    ) -> tuple[pl.DataFrame, dict[str, tuple[str, str]]]:
        """Statements of everybody else, and their identities; a group loses its erased members.

        A statement whose group has nobody left goes too.
        """
        hidden = [identity_id for identity_id, given in identities.items() if self.hides_identifier(*given)]
        if not hidden:
            return frame, dict(identities)
        left = pl.col("member_identity_ids").str.split(" ").list.set_difference(hidden).list.sort().list.join(" ")
        kept = frame.filter(~pl.col("identity_id").is_in(hidden).fill_null(value=False)).with_columns(left)
        kept = kept.filter(pl.col("member_identity_ids").fill_null("-") != "")
        return kept, {name: given for name, given in identities.items() if name not in set(hidden)}


def thing_mark(column: str, value: str) -> str:
    """What is hashed of a thing's id; with its column, so that a match's id hides no goal."""
    return f"{column}:{value}"


def accounts_in(text: str) -> list[tuple[str, str]]:
    """Every account that a text, broken or not, could mean."""
    names = _NAME.findall(text)
    return [("account", f"{page}::{name}") for page in dict.fromkeys(_PAGE.findall(text)) for name in names]


def cells_of(text: str) -> set[str]:
    """The cells of a refused row, however it was written."""
    return {cell.strip() for cell in _CELLS.split(text)} - {""}


def _agents_in(text: str) -> Iterator[tuple[str, str]]:
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    for agent in agents_of(parsed):
        found = identified(agent)
        if found is not None:
            yield found


def _marks(text: str) -> Iterable[str]:
    return {mark.rstrip(".") for pattern in (_MAIL, _HASH, _ADDRESS) for mark in pattern.findall(text)}


def drop_erased(table: Table, warehouse: Warehouse, erased: Tombstones) -> int:
    """Take the erased out of the rows just read (temporary table `incoming`); returns how many rows went."""
    before = warehouse.scalar("SELECT count(*) FROM incoming")
    for column in table.column_names:
        if column not in PSEUDONYM_OF and column not in THING_OF:
            continue
        values = [str(row[0]) for row in warehouse.rows(f'SELECT DISTINCT "{column}" FROM incoming') if row[0]]
        hidden = [value for value in values if erased.hides_value(column, value)]
        if hidden:
            _forget(table, column, hidden, warehouse)
    if table.name == "learner_identity":
        given = warehouse.rows("SELECT DISTINCT identity_type, identity_value FROM incoming")
        for kind, value in given:
            if kind and value and erased.hides_identifier(str(kind), str(value)):
                warehouse.execute("DELETE FROM incoming WHERE identity_type = ? AND identity_value = ?", [kind, value])
    return int(before) - int(warehouse.scalar("SELECT count(*) FROM incoming"))


def follow_incoming(table: Table, warehouse: Warehouse, erased: Tombstones) -> bool:
    """Follow the links among the rows just read (temporary table `incoming`), if they are links."""
    if table.name != "learner_identity":
        return False
    rows = warehouse.rows(
        "SELECT DISTINCT learner_key, identity_type, identity_value FROM incoming "
        "WHERE learner_key IS NOT NULL AND identity_value IS NOT NULL"
    )
    return follow_links(((str(key), str(kind), str(value)) for key, kind, value in rows), warehouse, erased)


def follow_links(links: Iterable[tuple[str, str, str]], warehouse: Warehouse, erased: Tombstones) -> bool:
    """Keep out identities that (learner_key, type, value) link to an erased learner; whether there were any.

    One under which statements came in before is entered for erasure, which the next run begins with. An identity that
    is linked to somebody else is left alone: a wrong row must not erase another.
    """
    pseudonyms = erased.pseudonyms
    found = {
        pseudonyms.identity(kind, value): (kind, value)
        for key, kind, value in links
        if kind in _IDENTITY_TYPES
        and erased.hides(pseudonyms.person(key))
        and not erased.hides(pseudonyms.identity(kind, value))
    }
    linked = warehouse.rows(
        "SELECT DISTINCT identity_id FROM identity.main.identifier_link WHERE identity_id IN (SELECT unnest(?))",
        [sorted(found)],
    )
    new = [
        (identity_id, pseudonyms.tombstone(identity_id), *given)
        for identity_id, given in found.items()
        if (identity_id,) not in linked
    ]
    if new:
        warehouse.write_identities(
            "INSERT INTO identity.main.erasure SELECT identity_type, identity_value, NULL FROM incoming "
            "WHERE identity_id IN (SELECT identity_id FROM identity.main.identifier); "
            "INSERT INTO identity.main.tombstone SELECT tombstone FROM incoming",
            pl.DataFrame(
                new,
                schema=dict.fromkeys(("identity_id", "tombstone", "identity_type", "identity_value"), pl.String),
                orient="row",
            ),
        )
    return bool(new)


def _forget(table: Table, column: str, hidden: list[str], warehouse: Warehouse) -> None:
    if takes_the_row(table, column):
        warehouse.execute(f'DELETE FROM incoming WHERE "{column}" IN (SELECT unnest(?))', [hidden])
    else:
        warehouse.execute(f'UPDATE incoming SET "{column}" = NULL WHERE "{column}" IN (SELECT unnest(?))', [hidden])
