"""Every column of the project, defined once, by area.

Belongs here: the merged registry `FIELDS`. Does not belong here: tables, which only refer to fields by name.
"""

from __future__ import annotations

from data_contracts.fields import (
    alerts,
    comparison,
    effects,
    learning,
    marts,
    mentoring,
    outcomes,
    people,
    practice,
    returns,
    risk,
    run,
    views,
)
from data_contracts.schema import Field, index_fields

FIELDS: dict[str, Field] = index_fields(
    area.FIELDS
    for area in (
        people,
        learning,
        mentoring,
        outcomes,
        run,
        risk,
        alerts,
        marts,
        effects,
        practice,
        returns,
        comparison,
        views,
    )
)
