"""One factory: a table's contract becomes its blocking asset check and its metadata.

Belongs here: what the UI and the gate learn from a contract. Does not belong here: the expectations themselves
(`data_contracts.expectations`).
"""

from collections.abc import Sequence

import dagster as dg

from data_contracts.expectations import SUMMARY_ABOVE_ROWS, Judgement, judge_rows, judge_summary, summary_sql
from data_contracts.schema import Column, Table
from pipelines.data_docs import write_page
from pipelines.faults import Fault, faults_of
from pipelines.resources import Night, NightResource

# As many rows of a table as the UI shows without a click.
_SHOWN_FAULTS = 15


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
        open_night, place = night.night, relation or table.qualified_name
        told = judge(open_night, table, place)
        rows = int(open_night.warehouse.scalar(f"SELECT count(*) FROM {place}"))
        faults = faults_of(open_night.warehouse, table, place, told)
        page = write_page(open_night, table, told, rows, faults)
        counts = {
            "expectations": told.expectations_count,
            "broken_expectations": len(faults),
            "rows": rows,
            "violations": sum(fault.rows_count for fault in faults),
        }
        return dg.AssetCheckResult(
            passed=told.is_passed,
            severity=dg.AssetCheckSeverity.ERROR,
            description=_in_words(told.expectations_count, rows, faults),
            metadata={
                **counts,
                **_faults_table(faults, rows),
                "data_docs": dg.MetadataValue.url(f"{open_night.settings.reports_url}/data-docs/{page.name}"),
            },
        )

    return check


def _in_words(expectations: int, rows: int, faults: Sequence[Fault]) -> str:
    if not faults:
        return f"{rows:,} rows hold all {expectations} expectations."
    named = "; ".join(f"{fault.expectation} ({fault.rows_count:,})" for fault in faults[:3])
    return f"{len(faults)} of {expectations} expectations do not hold for {rows:,} rows: {named}."


def _faults_table(faults: Sequence[Fault], rows: int) -> dict[str, dg.TableMetadataValue]:
    if not faults:
        return {}
    records = [
        dg.TableRecord(
            {
                "expectation": fault.expectation,
                "rows": fault.rows_count,
                "share_percent": round(100 * fault.rows_count / rows, 1) if rows else 0.0,
                "found": fault.found,
                "examples": fault.examples,
            }
        )
        for fault in faults[:_SHOWN_FAULTS]
    ]
    return {"faults": dg.MetadataValue.table(records)}
