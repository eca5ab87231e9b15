"""Marts of risk and alerts: tonight's scores and alerts, what nobody serves, how good the model is.

Belongs here: what the records of `risk` and `alerts` say as of one night. Does not belong here: scoring, routing.
"""

from __future__ import annotations

from data_contracts.schema import Table
from data_contracts.tables.marts import MARTS
from pipelines.marts.as_of import MartContext


def _columns(mart: str) -> str:
    return ", ".join(name for name in MARTS[mart].column_names if name != "publication_id")


def learner_alerts(context: MartContext) -> str:
    """Tonight's alerts, in every state; earlier nights stay in the warehouse."""
    return f"""
    SELECT {_columns("learner_alerts")} FROM alerts.alert
    WHERE observed_at = {context.observed}
    ORDER BY alert_id
    """


def learner_risk(context: MartContext) -> str:
    """Tonight's scores; earlier nights stay in the warehouse."""
    return f"""
    SELECT {_columns("learner_risk")} FROM risk.score
    WHERE observed_at = {context.observed}
    ORDER BY enrolment_id
    """


def unserved_risk(context: MartContext) -> str:
    """What nobody has minutes for, week by week, as the latest night of each week saw it."""
    return f"""
    SELECT {_columns("unserved_risk")} FROM alerts.unserved
    WHERE observed_at <= {context.observed}
    QUALIFY row_number() OVER (PARTITION BY programme_id, week_starts_on ORDER BY observed_at DESC) = 1
    ORDER BY programme_id, week_starts_on
    """


def model_quality(context: MartContext) -> str:
    """The champion's quality and both baselines'; no row while there is no model."""
    return _of_champion(context, MARTS["model_quality"], "risk.quality")


def model_fairness(context: MartContext) -> str:
    """The champion's figures by audit group; no row while there is no model."""
    return _of_champion(context, MARTS["model_fairness"], "risk.fairness")


def _of_champion(context: MartContext, mart: Table, source: str) -> str:
    return f"""
    SELECT {_columns(mart.name)} FROM {source}
    WHERE model_id IN (SELECT model_id FROM risk.model WHERE state = 'champion' AND trained_at <= {context.observed})
    ORDER BY {", ".join(mart.key)}
    """
