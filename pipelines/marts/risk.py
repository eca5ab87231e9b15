"""Marts of risk and alerts: tonight's scores and alerts, what nobody serves, how good the model is.

Belongs here: what the records of `risk` and `alerts` say as of one night. Does not belong here: scoring, routing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from data_contracts.schema import Table
from data_contracts.tables.marts import MARTS
from data_contracts.tables.risk import DRIFT, GATE, QUALITY
from pipelines.marts.as_of import MartContext


def _columns(mart: str) -> str:
    return ", ".join(name for name in MARTS[mart].column_names if name != "publication_id")


def learner_alerts(context: MartContext) -> str:
    """Tonight's alerts, in every state; earlier nights stay in the warehouse.

    Of a night that is earlier than those on record, alerts as they last stood before it.
    """
    return f"""
    SELECT {_columns("learner_alerts")} FROM alerts.alert
    WHERE observed_at = (SELECT max(observed_at) FROM alerts.alert WHERE observed_at <= {context.observed})
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
    """The champion's quality and both baselines'; what the gate said of it and of the latest challenger; tonight's drift.

    The slices `gate` and `drift` have a value with its limits, whether it passed (null: could not be judged) and why. A
    refused challenger stands beside the champion by its own model_id. No row while no model has been trained.
    """
    champion, latest = _champion(context), _latest(context)
    return f"""
    SELECT {_quality_columns(QUALITY)} FROM risk.quality WHERE model_id IN ({champion})
    UNION ALL
    SELECT {_quality_columns(GATE, _GATE_AS)} FROM risk.gate WHERE model_id IN ({champion}) OR model_id IN ({latest})
    UNION ALL
    SELECT {_quality_columns(DRIFT, _DRIFT_AS)} FROM risk.drift
    WHERE observed_at = {context.observed} AND model_id IN ({champion})
    ORDER BY {", ".join(MARTS["model_quality"].key)}
    """


def model_fairness(context: MartContext) -> str:
    """The champion's figures by audit group, and its gaps to all others; no row while there is no model."""
    return f"""
    SELECT {_columns("model_fairness")} FROM risk.fairness WHERE model_id IN ({_champion(context)})
    ORDER BY {", ".join(MARTS["model_fairness"].key)}
    """


_GATE_AS = {"estimator": "'model'", "slice_kind": "'gate'", "slice_value": "subject", "metric_name": "check_name"}
_DRIFT_AS = {
    "estimator": "'model'",
    "horizon": "CASE WHEN drift_kind = 'score' AND ends_with(subject, '_7d') THEN '7d' ELSE '28d' END",
    "slice_kind": "'drift'",
    "slice_value": "subject",
    "n_events_count": "0",
    "is_passed": "CASE drift_verdict WHEN 'not audited' THEN NULL ELSE drift_verdict <> 'large' END",
    "reason": "drift_verdict",
}


def _quality_columns(source: Table, expressions: Mapping[str, str] = MappingProxyType({})) -> str:
    """The mart's columns: as an expression where one is given, by name where the source has them, else null."""
    told = []
    for column in MARTS["model_quality"].columns:
        by_name = column.name if column.name in source.column_names else "NULL"
        told.append(f"CAST({expressions.get(column.name, by_name)} AS {column.sql_type}) AS {column.name}")
    return ", ".join(part for part in told if not part.endswith(" AS publication_id"))


def _champion(context: MartContext) -> str:
    """Query: the champion as of the night."""
    return (
        f"SELECT model_id FROM risk.promotion WHERE promoted_at <= {context.observed} "
        "ORDER BY promoted_at DESC, promotion_number DESC LIMIT 1"
    )


def _latest(context: MartContext) -> str:
    """Query: the model that was trained last, of one night the one that was judged last, whatever became of it."""
    return (
        f"SELECT model_id FROM risk.model WHERE trained_at <= {context.observed} "
        "ORDER BY trained_at DESC, rowid DESC LIMIT 1"
    )
