"""The assets, a module a layer: wiring only. Functions compute; assets say what depends on what.

Belongs here: the decorator that gives every table's asset the same face. Does not belong here: any computation.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from inspect import unwrap
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import dagster as dg

from data_contracts.schema import Table
from pipelines.checks import table_metadata
from pipelines.logs import event
from pipelines.preview import preview
from pipelines.resources import Night, NightResource

OWNERS = {
    "1_raw": "team:data-engineering",
    "2_core": "team:data-engineering",
    "2_programme": "team:data-engineering",
    "3_features": "team:data-science",
    "4_risk": "team:data-science",
    "5_alerts": "team:mentoring",
    "6_marts": "team:analytics",
    "6_mentoring": "team:mentoring",
    "6_programmes": "team:analytics",
    "6_evidence": "team:data-science",
    "7_delivery": "team:mentoring",
}

Outcome = int | tuple[int, Mapping[str, Any]]

_ROOT = Path(__file__).resolve().parents[2]

# Pages by table, else by schema; a page's heading is the table's name where it has one.
_PAGES = {
    "raw.statement": "statements",
    "raw": "inputs",
    "core.statement": "meaning",
    "core.identity_link": "meaning",
    "core.enrolment_day": "architecture",
    "core.submission": "architecture",
    "core.enrolment": "meaning",
    "core.participation": "glossary",
    "core": "mentoring",
    "features.enrolment_week": "features",
    "features.landmark": "features",
    "features.label": "model",
    "features": "features/{name}",
    "risk.effect": "effect",
    "risk": "model",
    "alerts.capacity": "routing",
    "alerts.unserved": "routing",
    "alerts.delivery": "delivery",
    "alerts": "alerts",
    "main": "marts",
}


def table_asset(
    table: Table,
    *,
    group: str,
    key: str,
    deps: Iterable[str] = (),
    kinds: Iterable[str] = ("duckdb",),
    about: str = "",
) -> Callable[[Callable[[Night], Outcome]], dg.AssetsDefinition]:
    """Turn `f(night) -> rows` (or rows and further metadata) into the asset of a table.

    `faced` says what it looks like; each run adds the count of rows, a preview, and what `f` tells.
    """

    def wrap(function: Callable[[Night], Outcome]) -> dg.AssetsDefinition:
        @faced(table, function, group=group, key=key, deps=deps, kinds=kinds, about=about)
        def asset(night: NightResource) -> dg.MaterializeResult[Any]:
            return materialised(night.night, table, function(night.night))

        return asset

    return wrap


def faced(  # noqa: PLR0913 - as many as an asset's face has
    table: Table,
    function: Callable[..., Any],
    *,
    group: str,
    key: str,
    deps: Iterable[str] = (),
    kinds: Iterable[str] = ("duckdb",),
    about: str = "",
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` with all that a table's asset shows before any run.

    The description is the contract's sentence, then `about`, else what `function` says of itself; the columns come from the
    contract; the references lead to the code that fills the table and to the page that explains it.
    """
    return dg.asset(
        key=key,
        deps=list(deps),
        group_name=group,
        owners=[OWNERS[group]],
        kinds=set(kinds),
        tags={"rows": table.level, "schema": table.schema},
        description=f"{table.description}.\n\n{about or (function.__doc__ or '').strip()}",
        metadata={**table_metadata(table), "dagster/code_references": _references(table, function)},
    )


def materialised(night: Night, table: Table, outcome: Outcome) -> dg.MaterializeResult[Any]:
    """What a run tells of a table: drawings first, a preview of its rows, then the rest, in the order in which the UI shows it.

    Numbers are rounded, since the UI plots them.
    """
    rows, more = outcome if isinstance(outcome, tuple) else (outcome, {})
    told = {name: round(value, 3) if isinstance(value, float) else value for name, value in more.items()}
    if "preview" not in told:
        relation = f"building.{table.qualified_name}" if table.schema == "main" else table.qualified_name
        told["preview"] = preview(night.warehouse, table, relation, tonight=night.observed_sql)
    drawn = [name for name, value in told.items() if isinstance(value, dg.MarkdownMetadataValue)]
    ordered = {name: told[name] for name in dict.fromkeys((*drawn, "preview", *told))}
    event("table_made", table=table.qualified_name, rows=rows)
    return dg.MaterializeResult(metadata={"dagster/row_count": rows, **ordered})


def report_url(night: Night, page: str) -> dg.UrlMetadataValue:
    """A link to a page of `<home>/reports/`, as `handrail ui` serves it."""
    return dg.MetadataValue.url(f"{night.settings.reports_url}/{page}")


def _references(table: Table, function: Callable[..., Any]) -> dg.CodeReferencesMetadataValue:
    """The function (unwrapped) and the page; both are files of the checkout, which the UI offers to open in an editor."""
    code = unwrap(function).__code__
    page = _PAGES.get(table.qualified_name, _PAGES[table.schema]).format(name=table.name)
    with catch_warnings():
        simplefilter("ignore", dg.BetaWarning)  # theirs, for each of the references
        return dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=code.co_filename, line_number=code.co_firstlineno),
                dg.LocalFileCodeReference(
                    file_path=str(_ROOT / "docs" / f"{page}.md"),
                    line_number=_headings(page).get(f"### {table.name}", 1),
                    label=f"docs/{page}.md",
                ),
            ]
        )


@cache
def _headings(page: str) -> Mapping[str, int]:
    """Line numbers of a page's headings; none where the page is not there, as in an installation without docs."""
    path = _ROOT / "docs" / f"{page}.md"
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return {line: number for number, line in enumerate(lines, 1) if line.startswith("#")}
