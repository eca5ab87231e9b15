"""Persons in the rows just judged: keys become pseudonyms; names, addresses and attributes go to the identity store.

Belongs here: the temporary table `person_map`, and what identity.duckdb is told of a table's rows. Does not belong
here: hashing (`pipelines.statements.identity`), linking (`pipelines.core.identities`).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from data_contracts.schema import Kind, Table
from data_contracts.tables.inputs import AUDIT_ATTRIBUTES, PSEUDONYM_OF
from pipelines.sources.tables.plan import Plan
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

_LINK_COLUMNS = ("identity_id", "learner_id", "identity_type", "identity_value")

# A column that names what another column is the id of.
_SAME_THING = {"in_reply_to": "message_id"}


def hide_names_in_ids(plan: Plan, warehouse: Warehouse, pseudonyms: Pseudonyms) -> None:
    """Replace ids that the mapping makes from what identifies a person by keyed hashes, in `incoming`.

    One made of a mentor's and a learner's name is the same wherever the same two are joined.
    """
    rules = plan.rule.file.columns
    persons = {source for name in PSEUDONYM_OF if name in rules for source in rules[name].sources}
    for name, rule in rules.items():
        field = plan.table.column(name).field
        is_id = field.kind is Kind.TEXT and not field.is_personal and not field.values
        if is_id and (rule.pseudonym or rule.normalise or persons & set(rule.sources)):
            found = [str(row[0]) for row in warehouse.rows(f'SELECT DISTINCT "{name}" FROM incoming') if row[0]]
            space = _SAME_THING.get(name, name)
            pairs = [(value, pseudonyms.content(f"{space}:{value}".encode())) for value in found]
            _load_map(warehouse, "id_map", pairs)
            warehouse.execute(
                f'UPDATE incoming SET "{name}" = (SELECT person_id FROM id_map WHERE key = incoming."{name}") '
                f'WHERE "{name}" IS NOT NULL'
            )


def pseudonymise(table: Table, warehouse: Warehouse, pseudonyms: Pseudonyms) -> None:
    """Fill `person_map` for the keys of `judged`; tell the identity store of its good rows."""
    keys = [name for name in PSEUDONYM_OF if name in table.column_names]
    if not keys:
        warehouse.execute("CREATE OR REPLACE TEMP TABLE person_map (key VARCHAR, person_id VARCHAR, is_good BOOLEAN)")
        return
    union = " UNION ALL ".join(
        f'SELECT "{name}" AS key, fault IS NULL AS is_good FROM judged WHERE "{name}" IS NOT NULL' for name in keys
    )
    found = warehouse.rows(f"SELECT key, bool_or(is_good) FROM ({union}) GROUP BY key ORDER BY key")
    _load_map(warehouse, "person_map", [(str(key), pseudonyms.person(str(key)), good) for key, good in found])
    if table.name in {"learner", "mentor"}:
        _remember_persons(table.name, warehouse)
    if table.name == "enrolment":
        _remember_keys(warehouse)
    if table.name == "learner_identity":
        _link_identities(warehouse, pseudonyms)


def _remember_keys(warehouse: Warehouse) -> None:
    """Without a learner table the enrolment's keys are all that statements can be linked by."""
    warehouse.write_identities(
        "INSERT INTO identity.main.person SELECT person_id, key, NULL, NULL FROM incoming "
        "WHERE person_id NOT IN (SELECT person_id FROM identity.main.person)",
        warehouse.frame("FROM person_map WHERE is_good"),
    )


def _remember_persons(table: str, warehouse: Warehouse) -> None:
    persons = warehouse.frame(
        f"SELECT DISTINCT ON (m.person_id) m.person_id, {table}_key AS person_key, j.* FROM judged j "
        f"JOIN person_map m ON m.key = j.{table}_key WHERE fault IS NULL ORDER BY line_number DESC"
    )
    warehouse.write_identities(
        "DELETE FROM identity.main.person WHERE person_id IN (SELECT person_id FROM incoming); "
        "INSERT INTO identity.main.person SELECT person_id, person_key, display_name, contact_address FROM incoming",
        persons,
    )
    if table == "learner":
        warehouse.write_identities(
            "DELETE FROM identity.main.audit WHERE learner_id IN (SELECT person_id FROM incoming); "
            f"INSERT INTO identity.main.audit SELECT person_id, {', '.join(AUDIT_ATTRIBUTES)} FROM incoming",
            persons,
        )


def _link_identities(warehouse: Warehouse, pseudonyms: Pseudonyms) -> None:
    rows = warehouse.rows("SELECT DISTINCT learner_key, identity_type, identity_value FROM judged WHERE fault IS NULL")
    linked = [(pseudonyms.identity(kind, value), pseudonyms.person(key), kind, value) for key, kind, value in rows]
    warehouse.write_identities(
        "INSERT INTO identity.main.identifier_link SELECT DISTINCT identity_id, learner_id FROM incoming "
        "WHERE (identity_id, learner_id) NOT IN (SELECT (identity_id, learner_id) FROM identity.main.identifier_link); "
        "INSERT INTO identity.main.identifier SELECT DISTINCT ON (identity_id) identity_id, identity_type, "
        "identity_value FROM incoming WHERE identity_id NOT IN (SELECT identity_id FROM identity.main.identifier)",
        pl.DataFrame(linked, schema=dict.fromkeys(_LINK_COLUMNS, pl.String), orient="row"),
    )


def _load_map(warehouse: Warehouse, name: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Make a temporary table of (key, person_id) and, of persons, whether a good row has the key."""
    schema = {"key": pl.String, "person_id": pl.String, "is_good": pl.Boolean}
    width = {key: kind for key, kind in schema.items() if key != "is_good" or name == "person_map"}
    warehouse.con.register("mapping", pl.DataFrame(rows, schema=width, orient="row"))
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM mapping")
    warehouse.con.unregister("mapping")
