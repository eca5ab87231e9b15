"""Identities: one normalised identifier, one keyed hash; the key lies outside every database.

Belongs here: normalising identifiers, the key file, pseudonyms. Does not belong here: linking identities to
learners (`pipelines.core.identities`), storing identifiers (`pipelines.sources`).

An identity_id or learner_id is the first 128 bits of HMAC-SHA-256, as 32 hexadecimal digits.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data_contracts.errors import PermanentError

_KEY_BYTES, _HASH_BYTES = 32, 16
# Some 60 MB of memory.
_REMEMBERED = 200_000


def load_key(file: Path, *, has_identities: bool) -> bytes:
    """Read the pseudonym key, making one (0600) on the first run.

    Raises:
        PermanentError: the file is there but is no key, or is gone although identities were pseudonymised with it:
            nobody goes on under other pseudonyms.
    """
    if not file.exists():
        if has_identities:
            message = f"{file.name} is gone, but the identity store holds identities made with it; restore its backup"
            raise PermanentError(message)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(_KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
    try:
        key = bytes.fromhex(file.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        message = f"{file.name} holds no key of {_KEY_BYTES} bytes in hexadecimal; restore it from its backup"
        raise PermanentError(message)
    return key


def ensure_fits(file: Path, pseudonyms: Pseudonyms, witnesses: Iterable[tuple[str | None, str, str]]) -> None:
    """Make sure that a key is the one with which a home's pseudonyms were made.

    Args:
        file: where the key was read from.
        pseudonyms: under that key.
        witnesses: (identity type, value, pseudonym) that the identity store holds; without a type it is a person's key.

    Raises:
        PermanentError: none of them comes out as it stands there.
    """
    told = [
        (pseudonyms.person(value) if kind is None else pseudonyms.identity(kind, value)) == known
        for kind, value, known in witnesses
    ]
    if told and not any(told):
        message = (
            f"{file.name} is another key than the one this home was made with: under it everybody would become somebody "
            "else; restore the right one from its backup"
        )
        raise PermanentError(message)


def normalise(identity_type: str, value: str) -> str:
    """Reduce an identifier to the one form that is hashed.

    A mbox (with or without `mailto:`) becomes its sha1sum (xAPI: of the mailto IRI), so both are one identity.
    """
    text = value.strip()
    if identity_type == "mbox":
        address = text[7:] if text.lower().startswith("mailto:") else text
        return "sha1:" + hashlib.sha1(f"mailto:{address}".encode(), usedforsecurity=False).hexdigest()
    if identity_type == "mbox_sha1sum":
        return "sha1:" + text.lower()
    return f"{identity_type}:{text}"


def actor_identity(actor: dict[str, Any]) -> tuple[str, str] | None:
    """The (type, value) of an Agent or identified Group; None for an anonymous Group. `name` is never identity."""
    for key in ("mbox", "mbox_sha1sum", "openid"):
        if key in actor:
            return key, str(actor[key])
    account = actor.get("account")
    if isinstance(account, dict):
        return "account", f"{account['homePage']}::{account['name']}"
    return None


class Pseudonyms:
    """Keyed hashes of identifiers and of persons' keys; remembers what it has hashed."""

    def __init__(self, key: bytes, *, remembers: bool = True) -> None:
        self._key = key
        self._remembers = remembers
        self._content = hashlib.blake2b(key=key, digest_size=_HASH_BYTES, person=b"content")
        self._known: dict[str, str] = {}

    def _hash(self, text: str) -> str:
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[: 2 * _HASH_BYTES]
            if self._remembers:
                self._known[text] = found
        return found

    def forgetful(self) -> Pseudonyms:
        """The same, remembering nothing: for texts of which most are nobody's."""
        return Pseudonyms(self._key, remembers=False)

    @property
    def key(self) -> bytes:
        """The key, for the memory of another process of this run and for nothing else."""
        return self._key

    def content(self, content: bytes) -> str:
        """Keyed hash of a content: a bare one would give away an identifier to whoever guesses it."""
        return self.digest(content).hex()

    def digest(self, content: bytes) -> bytes:
        """The same as 16 bytes: BLAKE2b with the key, which was made for that and takes a third of HMAC's time."""
        hashed = self._content.copy()
        hashed.update(content)
        return hashed.digest()

    def identity(self, identity_type: str, value: str) -> str:
        """identity_id of one identifier."""
        return self._hash("identity:" + normalise(identity_type, value))

    def person(self, key: str) -> str:
        """learner_id, mentor_id or another person's id from the operator's key; one namespace for persons."""
        return self._hash("person:" + key.strip())

    def tombstone(self, text: str) -> str:
        """What stays of an erased pseudonym: enough to know it again, nothing to read it from."""
        return self._hash("tombstone:" + text)
