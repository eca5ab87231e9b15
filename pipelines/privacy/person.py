"""A person as all stores know them: pseudonyms, identifiers, names, and the things that are theirs alone.

Belongs here: finding all linked identities, what of them can be searched for, writing it down until an erasure is
done. Does not belong here: what is done with it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from data_contracts.tables.inputs import PSEUDONYM_OF
from pipelines.sources.tombstones import (
    THING_OF,
    accounts_in,
    cells_of,
    identities_of,
    keys_of,
    thing_mark,
    unescaped,
)
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

IDENTITY_TYPES = ("mbox", "mbox_sha1sum", "openid", "account", "learner_key")

# A shorter text, or one of letters alone, is also an ordinary word: it is compared with whole cells, never searched.
_SHORTEST, _SHORTEST_NUMBER = 5, 8

# The things of a person, in the order in which one hangs on another: (its column, its table, what makes it theirs).
_THINGS = (
    ("enrolment_id", "raw.enrolment", "learner_id IN (SELECT id FROM handrail_ids)"),
    (
        "match_id",
        "raw.mentoring_match",
        "learner_id IN (SELECT id FROM handrail_ids) OR mentor_id IN (SELECT id FROM handrail_ids)",
    ),
    ("goal_id", "raw.goal", "match_id IN (SELECT id FROM handrail_things)"),
    (
        "session_id",
        "raw.mentoring_session",
        (
            "learner_id IN (SELECT id FROM handrail_ids) OR mentor_id IN (SELECT id FROM handrail_ids) "
            "OR match_id IN (SELECT id FROM handrail_things)"
        ),
    ),
    ("alert_id", "alerts.alert", "learner_id IN (SELECT id FROM handrail_ids)"),
)


@dataclass(slots=True)
class Person:
    """What is looked for in every store.

    `ids` are pseudonyms; `identifiers` are as given; `texts` are in lower case and theirs alone; `things` are ids by
    column. `marks` says what a line that mentions them must contain.
    """

    ids: set[str] = field(default_factory=set)
    identifiers: set[tuple[str, str]] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    things: dict[str, set[str]] = field(default_factory=dict)

    def merged(self, other: Person) -> Person:
        """Both as one, for erasures that are pending together."""
        columns = self.things.keys() | other.things.keys()
        return Person(
            self.ids | other.ids,
            self.identifiers | other.identifiers,
            self.keys | other.keys,
            self.texts | other.texts,
            {column: self.things.get(column, set()) | other.things.get(column, set()) for column in columns},
        )

    def to_json(self) -> str:
        """As the identity store keeps it until the erasure is done."""
        return json.dumps(
            {
                "ids": sorted(self.ids),
                "identifiers": sorted(self.identifiers),
                "keys": sorted(self.keys),
                "texts": sorted(self.texts),
                "things": {column: sorted(values) for column, values in self.things.items()},
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Person:
        """Read what `to_json` wrote."""
        told: Mapping[str, Any] = json.loads(text)
        return cls(
            set(told["ids"]),
            {(kind, value) for kind, value in told["identifiers"]},
            set(told["keys"]),
            set(told["texts"]),
            {column: set(values) for column, values in told["things"].items()},
        )

    def tombstones(self, pseudonyms: Pseudonyms) -> list[str]:
        """What stays of them."""
        things = (thing_mark(column, value) for column, values in self.things.items() for value in values)
        return sorted({pseudonyms.tombstone(text) for text in (*self.ids, *things)})

    @property
    def marks(self) -> set[str]:
        """Texts of which a line that mentions the person contains at least one, in lower case."""
        accounts = {value.partition("::")[2] for kind, value in self.identifiers if kind == "account"}
        return self.ids | self.texts | {text.lower() for text in accounts | self.keys if text}


class Finder:
    """Finds a person in text: pseudonyms anywhere, other texts where they stand for themselves."""

    def __init__(self, person: Person, pseudonyms: Pseudonyms) -> None:
        self.person = person
        self._pseudonyms = pseudonyms.forgetful()
        words = sorted(person.texts, key=lambda text: (-len(text), text))
        ids = sorted(person.ids)
        # `j.ana@x.org` and `ana@x.org.uk` are not `ana@x.org`; a full stop behind it is.
        alone = r"(?<![^\W_])(?<![^\W_][._%+\-])(?:{})(?![^\W_])(?![._%+\-][^\W_])"
        parts = ["|".join(ids)] if ids else []
        if words:
            parts.append(alone.format("|".join(map(re.escape, words))))
        pattern = "|".join(parts) or r"(?!)"
        self._text = re.compile(pattern, re.IGNORECASE)
        self._bytes = re.compile(pattern.encode(), re.IGNORECASE)
        # DuckDB's expressions look neither ahead nor behind: it finds what might be, Python judges.
        self.rough = "|".join(_escaped(mark) for mark in (*ids, *words))
        self._marks = re.compile("|".join(_escaped(mark) for mark in sorted(person.marks)).encode() or rb"(?!)", re.I)

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.rough)

    def is_in(self, text: str) -> bool:
        """Whether a text names the person, JSON's escapes undone."""
        return self._text.search(text) is not None or ("\\" in text and self._text.search(unescaped(text)) is not None)

    def has_id(self, text: str) -> bool:
        """Whether a text holds a pseudonym of the person."""
        return any(pseudonym in text for pseudonym in self.person.ids)

    def is_in_bytes(self, content: Any) -> bool:  # noqa: ANN401 - whatever has a buffer, a mapped file too
        """Whether bytes name the person."""
        return self._bytes.search(content) is not None

    def may_be_in(self, line: bytes) -> bool:
        """Whether a line must be looked at more closely: quick, and never false where the person is named."""
        return b"\\" in line or self._marks.search(line) is not None

    def hides_identifier(self, identity_type: str, value: str) -> bool:
        """Whether an identifier is the person's, or equals their key."""
        if self._pseudonyms.identity(identity_type, value) in self.person.ids:
            return True
        return any(self._pseudonyms.person(key) in self.person.ids for key in keys_of(identity_type, value))

    def hides_value(self, column: str, value: str) -> bool:
        """Whether a cell of an input names the person, or a thing that is theirs."""
        if column in THING_OF and value in self.person.things.get(THING_OF[column], ()):
            return True
        if column not in PSEUDONYM_OF:
            return False
        told = (self._pseudonyms.person(value), *(self._pseudonyms.identity(*pair) for pair in identities_of(value)))
        return not self.person.ids.isdisjoint(told)

    def hides_text(self, text: str) -> bool:
        """Whether a refused row or line mentions the person, were it only by a short key in a cell of its own."""
        meant = unescaped(text)
        if self.is_in(text) or not self.person.identifiers.isdisjoint(accounts_in(meant)):
            return True
        return not cells_of(meant).isdisjoint(self.person.keys)

    def without(self, text: str) -> str:
        """The text with every mention replaced; one that hides behind JSON's escapes leaves nothing of it."""
        cleaned = self._text.sub(ERASED, text)
        return ERASED if self.is_in(cleaned) else cleaned

    def without_bytes(self, content: bytes) -> bytes:
        """The same for bytes."""
        return self._bytes.sub(ERASED.encode(), content)


ERASED = "erased"


def _escaped(text: str) -> str:
    return re.sub(r"([^\w\s@\-])", r"\\\1", text)


def find_person(
    warehouse: Warehouse, pseudonyms: Pseudonyms, given: tuple[str, str], told: Iterable[tuple[str, str, str]] = ()
) -> Person:
    """Find everybody that an identifier stands for: itself, its learner, and all identities linked to that learner.

    An identity that several learners claim goes with each of them, but leads from none to another.

    Args:
        warehouse: the open stores.
        pseudonyms: of the home's key.
        given: (type, value); the type `learner_key` is a person's key as the operator gives it.
        told: (learner_key, type, value) of links in files that were not taken in yet.
    """
    person = Person()
    _links(warehouse, pseudonyms, told)
    if given[0] == "learner_key":
        person.keys.add(given[1])
        person.ids.add(pseudonyms.person(given[1]))
    else:
        person.identifiers.add(given)
        person.ids.add(pseudonyms.identity(*given))
    before = -1
    while before != len(person.ids):
        before = len(person.ids)
        _remembered(warehouse, pseudonyms, person)
        _linked(warehouse, person)
    _theirs(warehouse, person)
    person.texts = _texts(warehouse, person)
    return person


def is_held(warehouse: Warehouse, person: Person) -> bool:
    """Whether the identity store or schema raw knows the person at all."""
    _load_ids(warehouse, person)
    return bool(
        warehouse.scalar(
            "SELECT (SELECT count(*) FROM identity.main.identifier WHERE identity_id IN (FROM handrail_ids)) "
            "+ (SELECT count(*) FROM identity.main.identifier_link WHERE identity_id IN (FROM handrail_ids) "
            "OR learner_id IN (FROM handrail_ids)) "
            "+ (SELECT count(*) FROM identity.main.person WHERE person_id IN (FROM handrail_ids)) "
            "+ (SELECT count(*) FROM raw.statement WHERE identity_id IN (FROM handrail_ids)) "
            "+ (SELECT count(*) FROM raw.enrolment WHERE learner_id IN (FROM handrail_ids))"
        )
    )


def is_disputed(warehouse: Warehouse, identity_id: str) -> bool:
    """Whether several learners claim an identity."""
    claims = "SELECT count(DISTINCT learner_id) FROM identity.main.identifier_link WHERE identity_id = ?"
    return int(warehouse.scalar(claims, [identity_id])) > 1


def _links(warehouse: Warehouse, pseudonyms: Pseudonyms, told: Iterable[tuple[str, str, str]]) -> None:
    rows = [(pseudonyms.identity(kind, value), pseudonyms.person(key)) for key, kind, value in told]
    frame = pl.DataFrame(rows, schema={"identity_id": pl.String, "learner_id": pl.String}, orient="row")
    warehouse.con.register("handrail_told", frame)
    warehouse.execute(
        "CREATE OR REPLACE TEMP TABLE handrail_link AS "
        "SELECT identity_id, learner_id FROM identity.main.identifier_link "
        "UNION SELECT identity_id, learner_id FROM core.identity_link WHERE learner_id <> identity_id "
        "UNION FROM handrail_told"
    )
    warehouse.con.unregister("handrail_told")


def _load_ids(warehouse: Warehouse, person: Person) -> None:
    warehouse.con.register("handrail_found", pl.DataFrame({"id": sorted(person.ids)}, schema={"id": pl.String}))
    warehouse.execute("CREATE OR REPLACE TEMP TABLE handrail_ids AS FROM handrail_found")
    warehouse.con.unregister("handrail_found")


def _linked(warehouse: Warehouse, person: Person) -> None:
    """Follow the links one step in each direction."""
    _load_ids(warehouse, person)
    disputed = "(SELECT identity_id FROM handrail_link GROUP BY 1 HAVING count(DISTINCT learner_id) > 1)"
    found = warehouse.rows(
        "SELECT identity_id FROM handrail_link WHERE learner_id IN (FROM handrail_ids) UNION "
        "SELECT learner_id FROM handrail_link WHERE identity_id IN (FROM handrail_ids) "
        f"AND identity_id NOT IN {disputed}"
    )
    person.ids.update(str(row[0]) for row in found)


def _remembered(warehouse: Warehouse, pseudonyms: Pseudonyms, person: Person) -> None:
    """Identifiers and keys of the ids found so far, and what equals them: a learner_key may be an identifier."""
    _load_ids(warehouse, person)
    person.identifiers.update(
        (str(kind), str(value))
        for kind, value in warehouse.rows(
            "SELECT identity_type, identity_value FROM identity.main.identifier WHERE identity_id IN (FROM handrail_ids)"
        )
    )
    person.keys.update(
        str(row[0])
        for row in warehouse.rows(
            "SELECT person_key FROM identity.main.person WHERE person_id IN (FROM handrail_ids) "
            "AND person_key IS NOT NULL"
        )
    )
    for key in person.keys:
        found = {pseudonyms.identity(*pair) for pair in identities_of(key)}
        found.update(
            str(row[0])
            for row in warehouse.rows(
                "SELECT identity_id FROM identity.main.identifier WHERE identity_type = 'account' "
                "AND ends_with(identity_value, ?)",
                [f"::{key}"],
            )
        )
        person.ids.update(_unlinked(warehouse, found))
    for kind, value in person.identifiers:
        keyed = {pseudonyms.person(key) for key in keys_of(kind, value)} - person.ids
        if keyed and pseudonyms.identity(kind, value) in _unlinked(warehouse, {pseudonyms.identity(kind, value)}):
            person.ids.update(
                str(row[0])
                for row in warehouse.rows(
                    "SELECT person_id FROM identity.main.person WHERE person_id IN (SELECT unnest(?)) "
                    "AND person_id IN (SELECT learner_id FROM raw.enrolment)",
                    [sorted(keyed)],
                )
            )


def _unlinked(warehouse: Warehouse, identity_ids: set[str]) -> set[str]:
    """Those that no row of learner_identity gives to a learner: only they are linked by equality."""
    given = warehouse.rows(
        "SELECT DISTINCT identity_id FROM identity.main.identifier_link WHERE identity_id IN (SELECT unnest(?))",
        [sorted(identity_ids)],
    )
    return identity_ids - {str(row[0]) for row in given}


def _theirs(warehouse: Warehouse, person: Person) -> None:
    """Things of the person that no row of another person shares."""
    _load_ids(warehouse, person)
    warehouse.execute("CREATE OR REPLACE TEMP TABLE handrail_things (id VARCHAR)")
    for column, table, condition in _THINGS:
        hit = f"coalesce({condition}, false)"
        found = warehouse.rows(
            f"SELECT {column} FROM {table} WHERE {hit} AND {column} IS NOT NULL "
            f"EXCEPT SELECT {column} FROM {table} WHERE NOT ({hit})"
        )
        values = {str(row[0]) for row in found}
        if not values:
            continue
        person.things[column] = values
        if column == "match_id":
            warehouse.execute("INSERT INTO handrail_things SELECT unnest(?)", [sorted(values)])


def _texts(warehouse: Warehouse, person: Person) -> set[str]:
    """Identifiers, keys, names and addresses that can be searched for and are nobody else's."""
    found = set(person.keys)
    for kind, value in person.identifiers:
        found.add(value)
        if kind == "account":
            found.add(value.partition("::")[2])
    for row in warehouse.rows(
        "SELECT display_name, contact_address FROM identity.main.person WHERE person_id IN (FROM handrail_ids)"
    ):
        found.update(str(value) for value in row if value)
    for text in list(found):
        address = text[7:] if text.lower().startswith("mailto:") else text
        if "@" in address and "://" not in address:
            found.add(address)
            found.add(hashlib.sha1(f"mailto:{address}".encode(), usedforsecurity=False).hexdigest())
    texts = {text.strip().lower() for text in found if is_distinct(text)}
    others = warehouse.rows(
        "SELECT lower(unnest([person_key, display_name, contact_address])) FROM identity.main.person "
        "WHERE person_id NOT IN (FROM handrail_ids) UNION "
        "SELECT lower(unnest([identity_value, regexp_replace(identity_value, '^(mailto:|.*::)', '')])) "
        "FROM identity.main.identifier WHERE identity_id NOT IN (FROM handrail_ids)"
    )
    return texts - {str(row[0]).strip() for row in others}


def is_distinct(text: str) -> bool:
    """Whether a text is so particular that it can be searched for: no short word, no small number."""
    bare = text.strip()
    if bare.isdigit():
        return len(bare) >= _SHORTEST_NUMBER
    return len(bare) >= _SHORTEST and not bare.isalpha()


def things_named(column: str, person: Person) -> set[str]:
    """The values of a column that name the person or a thing of theirs."""
    thing = THING_OF.get(column)
    return person.ids | (person.things.get(thing, set()) if thing else set())
