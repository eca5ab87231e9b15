"""The assets, a module a layer: wiring only. Functions compute; assets say what depends on what.

Belongs here: the decorator that gives every table's asset the same face. Does not belong here: any computation.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import dagster as dg

from data_contracts.schema import Table
from pipelines.checks import table_metadata
from pipelines.resources import Night, NightResource

OWNERS = {
    "1_raw": "team:data-engineering",
    "2_core": "team:data-engineering",
    "2_programme": "team:data-engineering",
    "3_features": "team:data-science",
    "4_risk": "team:data-science",
    "5_alerts": "team:mentoring",
    "6_marts": "team:analytics",
    "7_delivery": "team:mentoring",
}

Outcome = int | tuple[int, Mapping[str, Any]]


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

    The description is the contract's sentence, then `about`; the column schema and row count come with it.
    """

    def wrap(function: Callable[[Night], Outcome]) -> dg.AssetsDefinition:
        @dg.asset(
            key=key,
            deps=list(deps),
            group_name=group,
            owners=[OWNERS[group]],
            kinds=set(kinds),
            description=f"{table.description}.\n\n{about or (function.__doc__ or '').strip()}",
            metadata=table_metadata(table),
        )
        def asset(night: NightResource) -> dg.MaterializeResult[Any]:
            outcome = function(night.night)
            rows, more = outcome if isinstance(outcome, tuple) else (outcome, {})
            return dg.MaterializeResult(metadata={"dagster/row_count": rows, **more})

        return asset

    return wrap
