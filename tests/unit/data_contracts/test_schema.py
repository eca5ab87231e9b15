"""Contracts refuse to contradict themselves, and those of the project keep the house's rules."""

from __future__ import annotations

import re

import duckdb
import pytest

from data_contracts.fields import FIELDS
from data_contracts.schema import (
    DUCKDB_TYPE,
    Column,
    ContractError,
    Field,
    Kind,
    Table,
    count,
    flag,
    index_fields,
    number,
    share,
    text,
)
from data_contracts.tables import columns, table
from data_contracts.tables.alerts import ALERT_TABLES
from data_contracts.tables.core import CORE_TABLES
from data_contracts.tables.features import FEATURE_TABLES
from data_contracts.tables.inputs import INPUTS, PSEUDONYM_OF, RAW_INPUTS, RAW_TABLES, raw_table
from data_contracts.tables.marts import MARTS
from data_contracts.tables.risk import RISK_TABLES

KEPT = (*RAW_TABLES, *CORE_TABLES, *FEATURE_TABLES, *RISK_TABLES, *ALERT_TABLES, *MARTS.values())
ALL = (*INPUTS.values(), *KEPT)

NAME = Column("name", text("name", "A name"), is_required=True)


def made(*cols, key=("name",)):
    return Table("core", "thing", "A thing", "one row per thing", key, cols)


# --- refusals -----------------------------------------------------------------------------------------------------


def test_a_column_that_stands_twice_is_refused():
    with pytest.raises(ContractError, match=r"core\.thing: column 'name' stands twice"):
        made(NAME, NAME)


def test_a_key_that_is_no_column_is_refused():
    with pytest.raises(ContractError, match=r"core\.thing: key column 'id' is not a column"):
        made(NAME, key=("name", "id"))


def test_a_field_that_nobody_defined_is_refused():
    with pytest.raises(ContractError, match="no field 'favourite_colour'; define it once"):
        columns("programme_id favourite_colour*")
    with pytest.raises(ContractError, match="no field 'nothing'"):
        columns("programme_id:nothing")


def test_a_field_that_is_defined_twice_is_refused():
    with pytest.raises(ContractError, match="field 'a' is defined twice"):
        index_fields([[flag("a", "One")], [flag("a", "Another")]])


def test_an_unknown_column_is_named_with_those_there_are():
    with pytest.raises(ContractError, match=r"core\.thing has no column 'nmae'; it has name"):
        made(NAME).column("nmae")


# --- the notation -------------------------------------------------------------------------------------------------


def test_a_column_list_says_what_is_required_and_which_field_a_name_means():
    required, optional, renamed = columns("programme_id ends_on* status:enrolment_status*")
    assert (required.name, required.is_required) == ("programme_id", True)
    assert (optional.name, optional.is_required) == ("ends_on", False)
    assert (renamed.name, renamed.field, renamed.is_required) == ("status", FIELDS["enrolment_status"], False)


def test_a_table_tells_its_names_in_its_own_order():
    told = table(
        "core.thing", "A thing", grain="one row per thing", key="programme_id", spec="programme_id ends_on* name"
    )
    assert told.qualified_name == "core.thing"
    assert told.column_names == ("programme_id", "ends_on", "name")
    assert told.required_names == ("programme_id", "name")
    assert told.unique_key == ("programme_id",)
    assert told.ddl() == '"programme_id" VARCHAR, "ends_on" DATE, "name" VARCHAR'


def test_where_versions_are_kept_no_key_is_unique():
    versions = raw_table(INPUTS["enrolment"])
    assert versions.key == ("enrolment_id",)
    assert versions.unique_key == ()


def test_volatile_columns_are_left_out_of_what_equal_runs_agree_on():
    moment = Column("run_id", text("run_id", "The run", is_volatile=True), is_required=True)
    assert made(NAME, moment).stable_names == ("name",)


def test_the_short_ways_to_write_a_field_set_its_limits():
    assert (count("a", "A").minimum, count("a", "A").maximum) == (0, None)
    assert (share("a", "A").minimum, share("a", "A").maximum) == (0, 1)
    assert (number("a", "A", None, -1, 1).minimum, number("a", "A", None, -1, 1).maximum) == (-1, 1)
    assert text("a", "A", "x", "y").values == ("x", "y")


# --- the project's own contracts ----------------------------------------------------------------------------------


def test_every_kind_has_a_type_that_the_database_knows():
    assert set(DUCKDB_TYPE) == set(Kind)
    with duckdb.connect() as con:
        for contract in KEPT:
            con.execute(f"CREATE OR REPLACE TABLE made ({contract.ddl()})")


def test_no_two_tables_share_a_name():
    names = [contract.qualified_name for contract in ALL]
    assert len(names) == len(set(names))


def test_every_mart_is_a_base_table_of_main_and_bears_its_publication():
    for name, mart in MARTS.items():
        assert mart.qualified_name == f"main.{name}"
        assert "publication_id" in mart.required_names, name
        assert mart.key, name


def test_asset_keys_have_at_most_20_characters():
    # An asset may fill further tables; these bear no key of their own.
    names = ("learner_activity", "identity_conflict", "unknown_term", "statement_finding", "mentoring_finding")
    beside = {f"core.{name}" for name in names}
    core = [f"core_{contract.name}" for contract in CORE_TABLES if contract.qualified_name not in beside]
    assert [key for key in (*core, *MARTS) if len(key) > 20] == []


def test_no_table_but_an_input_has_a_personal_column():
    assert [
        (contract.qualified_name, column.name)
        for contract in KEPT
        for column in contract.columns
        if column.field.is_personal
    ] == []


@pytest.mark.parametrize("key", PSEUDONYM_OF)
def test_every_persons_key_of_an_input_becomes_a_pseudonym(key):
    owners = [name for name, source in INPUTS.items() if key in source.column_names and name != "learner_identity"]
    assert owners
    for name in owners:
        assert key not in RAW_INPUTS[name].column_names
        assert PSEUDONYM_OF[key] in RAW_INPUTS[name].column_names


def test_names_tell_their_unit_and_kind():
    for field in FIELDS.values():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", field.name), field.name
        wanted = {"_on": Kind.DATE, "_at": Kind.INSTANT, "_share": Kind.NUMBER, "_probability": Kind.NUMBER}
        for suffix, kind in wanted.items():
            assert not field.name.endswith(suffix) or field.kind is kind, field.name
        if field.name.startswith(("is_", "has_")):
            assert field.kind is Kind.BOOLEAN, field.name


@pytest.mark.parametrize(
    "field",
    [field for field in FIELDS.values() if field.name.endswith(("_share", "_probability"))],
    ids=lambda field: field.name,
)
def test_a_share_or_probability_lies_between_zero_and_one(field: Field):
    assert (field.minimum, field.maximum) == (0, 1)


def test_every_amount_stands_beside_its_currency():
    for contract in MARTS.values():
        if any(name.endswith("_amount") for name in contract.column_names):
            assert "currency" in contract.column_names, contract.name


def test_every_table_and_field_is_described():
    assert [contract.qualified_name for contract in ALL if not contract.description or not contract.grain] == []
    assert [field.name for field in FIELDS.values() if not field.description] == []
