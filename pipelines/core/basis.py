"""ops.basis: by what a table was made, so that the next night knows whether it may go on from it.

Belongs here: reading and writing a table's basis. Does not belong here: what a basis consists of.
"""

from __future__ import annotations

from pipelines.warehouse import Warehouse


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
