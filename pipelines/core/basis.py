"""ops.basis: by what a table was made, so that the next night knows whether it may go on from it.

Belongs here: reading and writing a table's basis, the mark of the code, ids as numbers. Does not belong here: what else
a basis consists of.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

import data_contracts
import features
from pipelines.warehouse import Warehouse

_HERE = Path(__file__).parent


@cache
def code_mark() -> str:
    """A mark of the code that makes core and features; tables made by other code are made anew as a whole.

    The version alone would not do: it stays the same from one commit to the next.
    """
    packages = (Path(package.__path__[0]) for package in (data_contracts, features))
    return mark_of((_HERE, *packages, *_HERE.parent.glob("feature_*.py")))


def mark_of(places: Iterable[Path]) -> str:
    """First 16 hexadecimal digits of the SHA-256 over files, and over what folders hold of code and vocabularies."""
    digest = sha256()
    for place in places:
        held = (file for file in sorted(place.rglob("*")) if file.suffix in {".py", ".toml"})
        for file in held if place.is_dir() else (place,):
            digest.update(b"%s %d\n" % (file.name.encode(), file.stat().st_size))
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def basis_of(warehouse: Warehouse, area: str) -> str | None:
    """By what the area's tables were made; None where that is not known."""
    basis = warehouse.scalar("SELECT basis FROM ops.basis WHERE area = ?", [area])
    return None if basis is None else str(basis)


def set_basis(warehouse: Warehouse, area: str, basis: str) -> None:
    """Remember by what the area's tables are made; call in the transaction that makes them."""
    forget_basis(warehouse, area)
    warehouse.execute("INSERT INTO ops.basis VALUES (?, ?)", [area, basis])


def forget_basis(warehouse: Warehouse, *areas: str) -> None:
    """Let the tables of these areas be made anew as a whole."""
    warehouse.execute("DELETE FROM ops.basis WHERE area IN (SELECT unnest(?))", [list(areas)])


def id_number(column: str) -> str:
    """Query part: an identifier as a number, by which what is remembered knows it; no identifier stands there itself."""
    return f"CAST(hash({column}) >> 1 AS BIGINT)"
