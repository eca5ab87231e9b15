"""The marts' contract is a promise: it changes with its version, and the page's examples are of it.

After a change that is meant: raise the version in `data_contracts/tables/marts.py`, say what changed, and run
`pytest tests/unit/data_contracts/test_marts_contract.py --write-golden`.
"""

from __future__ import annotations

import json
from pathlib import Path

from data_contracts.schema import Kind
from data_contracts.tables.marts import MARTS, MARTS_CONTRACT_VERSION, MARTS_VERSIONS
from data_contracts.views import VIEWS

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "marts_contract.json"
EXAMPLES = ROOT / "docs" / "mart_examples.json"


def promised():
    """What a dashboard relies on: tables, keys, names, types, what may be null, units and closed sets of values."""
    tables = MARTS | {name: view.table for name, view in VIEWS.items()}
    return {
        name: {
            "key": " ".join(table.key),
            **{
                column.name: " ".join(
                    [
                        column.sql_type,
                        "required" if column.is_required else "nullable",
                        *([f"[{column.field.unit}]"] if column.field.unit else []),
                        *column.field.values,
                    ]
                )
                for column in table.columns
            },
        }
        for name, table in tables.items()
    }


def test_the_contract_changes_only_with_its_version(request):
    now = {"version": MARTS_CONTRACT_VERSION, "tables": promised()}
    before = json.loads(GOLDEN.read_text("utf-8")) if GOLDEN.exists() else {"version": None}
    if now != before and request.config.getoption("--write-golden"):
        assert now["version"] != before["version"], "the contract changed: raise MARTS_CONTRACT_VERSION first"
        GOLDEN.write_text(json.dumps(now, indent=1) + "\n", "utf-8")
        before = now
    assert now == before


def test_versions_go_down_one_by_one_and_each_says_what_changed():
    numbers = [tuple(int(part) for part in version.split(".")) for version in MARTS_VERSIONS]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] == (1, 0)
    assert [version for version, changed in MARTS_VERSIONS.items() if not changed.endswith(".")] == []


def test_the_page_s_examples_are_of_columns_that_stand_in_the_contract_and_of_their_kind():
    told = json.loads(EXAMPLES.read_text("utf-8"))
    assert set(told) <= set(MARTS)
    shown = 0
    for name, examples in told.items():
        for column_name, example in examples.items():
            column = MARTS[name].column(column_name)
            shown += 1
            if column.field.values:
                assert example in column.field.values, (name, column_name)
            if column.field.kind in (Kind.INTEGER, Kind.NUMBER):
                float(example)
            if column.field.kind is Kind.BOOLEAN:
                assert example in ("true", "false"), (name, column_name)
    assert shown > 0.8 * sum(len(table.columns) for table in MARTS.values())
