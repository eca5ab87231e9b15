"""One factory: a table's contract becomes its blocking asset check and its metadata.

Belongs here: what the UI and the gate learn from a contract. Does not belong here: the expectations themselves
(`data_contracts.expectations`).
"""

from collections.abc import Mapping

import dagster as dg

from data_contracts.expectations import SUMMARY_ABOVE_ROWS, Judgement, judge_rows, judge_summary, summary_sql
from data_contracts.schema import Column, Table
from pipelines.resources import Night, NightResource


def table_metadata(table: Table) -> dict[str, object]:
    """What stands on an asset's definition: columns with types, meaning and constraints, and the table's name."""
    return {
        "dagster/column_schema": dg.TableSchema([_column(column, table) for column in table.columns]),
        "dagster/table_name": table.qualified_name,
        "grain": table.grain,
    }


def _column(column: Column, table: Table) -> dg.TableColumn:
    field = column.field
    limits = [f"at least {field.minimum:g}"] if field.minimum is not None else []
    limits += [f"at most {field.maximum:g}"] if field.maximum is not None else []
    limits += [f"one of {', '.join(field.values)}"] if field.values else []
    unit = f" [{field.unit}]" if field.unit else ""
    return dg.TableColumn(
        column.name,
        column.sql_type,
        description=f"{field.description}{unit}",
        constraints=dg.TableColumnConstraints(
            nullable=not column.is_required, unique=table.unique_key == (column.name,), other=limits
        ),
    )


def judge(night: Night, table: Table, relation: str) -> Judgement:
    """Judge a table as it stands in the warehouse (or in the build) and write the verdict into ops.check_result."""
    warehouse = night.warehouse
    rows = int(warehouse.scalar(f"SELECT count(*) FROM {relation}"))
    if rows <= SUMMARY_ABOVE_ROWS:
        told = judge_rows(table, warehouse.con.sql(f"FROM {relation}").df())
    else:
        counts = warehouse.con.sql(summary_sql(table, relation)).df()
        told = judge_summary(table, counts, warehouse.con.sql(f"FROM {relation} LIMIT 0").columns)
    warehouse.execute(
        "DELETE FROM ops.check_result WHERE run_id = ? AND table_name = ?", [night.run_id, table.qualified_name]
    )
    for name, violations in (told.violations or {"contract": 0}).items():
        warehouse.execute(
            "INSERT INTO ops.check_result VALUES (?, ?, ?, ?, ?, ?)",
            [night.run_id, table.qualified_name, name, told.is_passed, float(violations), rows],
        )
    return told


def contract_check(asset_key: str, table: Table, relation: str | None = None) -> dg.AssetChecksDefinition:
    """The blocking check that a table holds its contract; `relation` is where it stands, if not under its name."""

    @dg.asset_check(
        asset=asset_key,
        name=f"{asset_key}_contract",
        blocking=True,
        description=f"Holds the contract of {table.qualified_name}: columns, values, limits, key.",
    )
    def check(night: NightResource) -> dg.AssetCheckResult:
        told = judge(night.night, table, relation or table.qualified_name)
        return dg.AssetCheckResult(
            passed=told.is_passed,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"expectations": told.expectations_count, **_violations_table(told.violations)},
        )

    return check


def _violations_table(violations: Mapping[str, int]) -> dict[str, dg.TableMetadataValue]:
    if not violations:
        return {}
    records = [dg.TableRecord({"expectation": name, "rows": rows}) for name, rows in list(violations.items())[:15]]
    return {"violations": dg.MetadataValue.table(records)}
