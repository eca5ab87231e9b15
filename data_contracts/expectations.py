"""From a contract to a Great Expectations suite, and to the one SQL statement that counts the same violations.

Belongs here: what is expected of a table, once; the only place that imports Great Expectations, and lazily, since
importing it takes seconds. Does not belong here: Dagster checks (`pipelines.checks`), reading tables.

Small tables are judged row by row as a pandas frame. Above `SUMMARY_ABOVE_ROWS` one SQL statement counts the
violations of each expectation, and the suite judges those counts; both come to the same verdict.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from string import Template
from typing import TYPE_CHECKING, Any

from data_contracts.schema import Kind, Table

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_ABOVE_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Expectation:
    """One rule of a contract: its name, an SQL condition that a violating row fulfils, and its GX counterpart."""

    name: str
    column: str
    violation_sql: str
    gx_type: str
    gx_arguments: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation in Great Expectations' own words, the column it is about, and how many rows violate it."""

    name: str
    column: str
    sentence: str
    violations_count: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a suite said of a table: passed or not, how many rows violate each broken expectation, and of each what it said."""

    is_passed: bool
    expectations_count: int
    violations: Mapping[str, int]
    verdicts: tuple[Verdict, ...] = ()


def expectations_of(table: Table) -> list[Expectation]:
    """Every rule a contract makes for single rows; the key's uniqueness and the columns are judged beside them."""
    found = []
    for column in table.columns:
        name, field = column.name, column.field
        # In a pandas frame a missing number is NaN, so NaN is a number that was not given here too.
        is_nan = f'isnan("{name}")' if field.kind is Kind.NUMBER else "false"
        if column.is_required:
            found.append(
                Expectation(
                    f"{name} is given",
                    name,
                    f'"{name}" IS NULL OR {is_nan}',
                    "ExpectColumnValuesToNotBeNull",
                    (("column", name),),
                )
            )
        if field.values:
            values = ", ".join("'{}'".format(value.replace("'", "''")) for value in field.values)
            found.append(
                Expectation(
                    f"{name} is one of its values",
                    name,
                    f'"{name}" NOT IN ({values})',
                    "ExpectColumnValuesToBeInSet",
                    (("column", name), ("value_set", list(field.values))),
                )
            )
        if field.kind in {Kind.INTEGER, Kind.NUMBER} and (field.minimum, field.maximum) != (None, None):
            limits = [
                f'"{name}" {sign} {limit}'
                for sign, limit in (("<", field.minimum), (">", field.maximum))
                if limit is not None
            ]
            found.append(
                Expectation(
                    f"{name} lies within its limits",
                    name,
                    f"NOT {is_nan} AND ({' OR '.join(limits)})",
                    "ExpectColumnValuesToBeBetween",
                    (("column", name), ("min_value", field.minimum), ("max_value", field.maximum)),
                )
            )
    return found


def summary_sql(table: Table, relation: str) -> str:
    """One SELECT over `relation` that returns a row of violation counts, named by position: v0, v1 ..., v_key."""
    counts = [
        f"count(*) FILTER ({item.violation_sql}) AS v{number}" for number, item in enumerate(expectations_of(table))
    ]
    if table.unique_key:
        keys = ", ".join(f'"{name}"' for name in table.unique_key)
        repeated = f"SELECT count(*) AS times FROM {relation} GROUP BY {keys} HAVING count(*) > 1"
        counts.append(f"(SELECT coalesce(sum(times), 0) FROM ({repeated})) AS v_key")
    return f"SELECT {', '.join(counts) or '0 AS v0'} FROM {relation}"


@cache
def _great_expectations() -> Any:  # noqa: ANN401 - the module itself, imported on first use
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings(), _without("pyspark.sql.connect"):
        warnings.simplefilter("ignore")
        import great_expectations as gx  # noqa: PLC0415 - seconds to import
        import great_expectations.expectations  # noqa: PLC0415
        from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return gx, context


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Let imports of an optional module fail meanwhile, as where it is not installed."""
    # Great Expectations tries it wherever pyspark is installed, and its own import may end the process (PySpark 4.3).
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def _made(expectations: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Expectations of Great Expectations, numbered."""
    gx, _ = _great_expectations()
    return [
        getattr(gx.expectations, kind)(**arguments, meta={"number": number})
        for number, (kind, arguments) in enumerate(expectations)
    ]


def _sentences(made: Sequence[Any]) -> list[str]:
    """What each expectation says, as Great Expectations' Data Docs word it."""
    from great_expectations.expectations.registry import get_renderer_impl  # noqa: PLC0415 - seconds to import

    told = []
    for item in made:
        configuration = item.configuration
        found: Any = get_renderer_impl(configuration.type, "renderer.prescriptive")
        words = found[1](configuration=configuration, runtime_configuration={"include_column_name": True})[
            0
        ].string_template
        given = {name: str(value) for name, value in words["params"].items()}
        told.append(Template(words["template"]).safe_substitute(given))
    return told


def _validate(frame: pd.DataFrame, made: Sequence[Any]) -> list[dict[str, Any]]:
    """Run expectations on a frame; returns each result as JSON, in their order."""
    gx, context = _great_expectations()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = context.data_sources.add_or_update_pandas("handrail")
        batch = (
            source.add_dataframe_asset("table")
            .add_batch_definition_whole_dataframe("whole")
            .get_batch({"dataframe": frame})
        )
        suite = gx.ExpectationSuite("contract", expectations=list(made))
        # Results come grouped by column; the number brings them back into order.
        told = [item.to_json_dict() for item in batch.validate(suite, result_format="BASIC").results]
    return sorted(told, key=lambda item: int(item["expectation_config"]["meta"]["number"]))


COLUMNS_MATCH, KEY_IS_UNIQUE = "the columns are the contract's", "the key is unique"


def _suite(table: Table) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(name, column, expectation, arguments) of all that is expected of a table."""
    matching = ("ExpectTableColumnsToMatchOrderedList", {"column_list": list(table.column_names)})
    suite: list[tuple[str, str, str, dict[str, Any]]] = [(COLUMNS_MATCH, "", *matching)]
    suite += [(item.name, item.column, item.gx_type, dict(item.gx_arguments)) for item in expectations_of(table)]
    if len(table.unique_key) == 1:
        key = table.unique_key[0]
        suite.append((KEY_IS_UNIQUE, key, "ExpectColumnValuesToBeUnique", {"column": key}))
    elif table.unique_key:
        columns = {"column_list": list(table.unique_key), "ignore_row_if": "never"}
        suite.append((KEY_IS_UNIQUE, "", "ExpectCompoundColumnsToBeUnique", columns))
    return suite


def _judgement(
    suite: Sequence[tuple[str, str, str, dict[str, Any]]], made: Sequence[Any], violations: Mapping[str, int]
) -> Judgement:
    verdicts = tuple(
        Verdict(name, column, sentence, violations.get(name, 0))
        for (name, column, *_), sentence in zip(suite, _sentences(made), strict=True)
    )
    return Judgement(not violations, len(suite), violations, verdicts)


def judge_rows(table: Table, frame: pd.DataFrame) -> Judgement:
    """Judge a table's rows themselves."""
    suite = _suite(table)
    made = _made([(kind, arguments) for _, _, kind, arguments in suite])
    violations = {
        name: int(result.get("result", {}).get("unexpected_count") or 1)
        for (name, *_), result in zip(suite, _validate(frame, made), strict=True)
        if not result["success"]
    }
    return _judgement(suite, made, violations)


def judge_summary(table: Table, counts: pd.DataFrame, columns: Sequence[str]) -> Judgement:
    """Judge the one row of violation counts that `summary_sql` returns, and the relation's column names."""
    suite = _suite(table)
    results = _validate(
        counts, _made([("ExpectColumnMaxToBeBetween", {"column": column, "max_value": 0}) for column in counts.columns])
    )
    # The columns are judged by their names; every other expectation has its count, in the suite's order.
    violations = {
        name: int(counts[column].iloc[0])
        for (name, *_), column, result in zip(suite[1:], counts.columns, results, strict=False)
        if not result["success"]
    }
    if tuple(columns) != table.column_names:
        violations[COLUMNS_MATCH] = 1
    return _judgement(suite, _made([(kind, arguments) for _, _, kind, arguments in suite]), violations)
