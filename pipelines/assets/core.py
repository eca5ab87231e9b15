"""Group 2_core: cleaned, joined, attributed, compact. The programme side has a group of its own (`programme`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_contracts.tables import core
from pipelines.assets import table_asset
from pipelines.core.coverage import build_opened_activities
from pipelines.core.days import build_days, build_submissions
from pipelines.core.enrolments import build_enrolments
from pipelines.core.findings import findings
from pipelines.core.identities import link_identities
from pipelines.core.statements import attribute_statements
from pipelines.resources import Night

GROUP = "2_core"


@table_asset(
    core.IDENTITY_LINK, group=GROUP, key="core_identity_link", deps=("raw_statement", "raw_learner", "raw_enrolment")
)
def core_identity_link(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Several accounts of one person are one learner; a conflict stands in core.identity_conflict, merged with none."""
    return link_identities(night), {"conflicts": night.warehouse.count(core.IDENTITY_CONFLICT)}


@table_asset(core.STATEMENT, group=GROUP, key="core_statement", deps=("core_identity_link", "raw_programme"))
def core_statement(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Deduplicated by id, voids applied in any order, placed on local days, attributed to enrolments by rule.

    Verbs and types that no vocabulary lists stand in core.unknown_term, everything counted in core.statement_finding.
    """
    rows = attribute_statements(night)
    return rows, {"unknown_terms": night.warehouse.count(core.UNKNOWN_TERM), **findings(night.warehouse)}


@table_asset(core.ENROLMENT_DAY, group=GROUP, key="core_enrolment_day", deps=("core_statement",))
def core_enrolment_day(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Events, minutes and distinct activities of each enrolment's day: what features are made from."""
    rows, told = build_days(night)
    return rows, {**told, "rows_opened_activity": build_opened_activities(night)}


@table_asset(core.SUBMISSION, group=GROUP, key="core_submission", deps=("core_statement",))
def core_submission(night: Night) -> int:
    """When assessed work was due, when it came in, and what it scored."""
    return build_submissions(night)


@table_asset(core.ENROLMENT, group=GROUP, key="core_enrolment", deps=("core_enrolment_day",))
def core_enrolment(night: Night) -> int:
    """Ends by precedence: recorded status, then a completing statement, then silence where nobody records ends."""
    return build_enrolments(night)


ASSETS = [
    core_identity_link,
    core_statement,
    core_enrolment_day,
    core_submission,
    core_enrolment,
]
