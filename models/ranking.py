"""What serving an alert counts for: the one order by which minutes are given.

Belongs here: the value of an alert, by risk or by what contact is expected to take away, and what rules count for.
Does not belong here: how an effect is estimated, who has minutes (`models.routing`), money, which has no say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from data_contracts.errors import PermanentError
from models.alerts import OPEN_STATES

# What a rule alert counts for where no probability is known (docs/decisions/0009, 0023): never started as much as the
# lower end of the high band, the others down to the alert floor.
RULE_VALUE: Mapping[str, float] = MappingProxyType(
    {
        "never_started": 0.30,
        "ticket_open": 0.20,
        "first_meeting_not_held": 0.15,
        "mentor_silent": 0.12,
        "cadence_broken": 0.12,
        "commitment_overdue": 0.10,
        "goal_behind": 0.10,
    }
)
RISK_REDUCTION, PROBABILITY = "risk_reduction", "probability"


class RankingInputError(PermanentError):
    """An effect that cannot be one."""


@dataclass(frozen=True, slots=True)
class EffectEstimate:
    """How contact changes risk.

    Attributes:
        source: where the estimate comes from, in words.
        risk_ratios: risk with contact over risk without it, by thirds of risk: low, middle, high.
        edges: probabilities at which the middle and the high third begin; None: the terciles of the risk alerts
            that are ranked.

    Raises:
        RankingInputError: not three positive risk ratios, or edges out of order.
    """

    source: str
    risk_ratios: tuple[float, float, float]
    edges: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if len(self.risk_ratios) != 3 or not all(ratio > 0 for ratio in self.risk_ratios):
            message = "contact_risk_ratios: give three positive risk ratios, for low, middle and high risk, or none"
            raise RankingInputError(message)
        if self.edges is not None and not 0 <= self.edges[0] <= self.edges[1] <= 1:
            message = "edges of the thirds of risk: give two probabilities, the lower one first"
            raise RankingInputError(message)


def ranked(alerts: pl.DataFrame, effect: EffectEstimate | None = None) -> pl.DataFrame:
    """Alerts with `routing_value` (expected abandonments) and `ranked_by`; rows and their order stay as they are.

    Args:
        alerts: `alerts.alert` of a night; reads kind, rule, state, abandonment_probability_28d.
        effect: what contact changes; None: nobody has estimated it.

    Value = p28, also of a rule's alert; where there is none, the rule's `RULE_VALUE`, else 0. With an effect it is that times
    (1 - risk ratio of the third in which it lies), not below 0: what contact is expected to prevent. Good news counts 0.
    """
    risk = pl.col("abandonment_probability_28d")
    rule_value = pl.col("rule").replace_strict(RULE_VALUE, default=None, return_dtype=pl.Float64)
    is_news = pl.col("kind") == "good_news"
    value = pl.when(is_news).then(0.0).otherwise(pl.coalesce(risk, rule_value, 0.0))
    if effect is not None:
        low, high = effect.edges or _terciles(alerts)
        ratio = (
            pl.when(value < low)
            .then(effect.risk_ratios[0])
            .when(value < high)
            .then(effect.risk_ratios[1])
            .otherwise(effect.risk_ratios[2])
        )
        value = value * (1.0 - ratio).clip(lower_bound=0.0)
    return alerts.with_columns(
        routing_value=value.cast(pl.Float64), ranked_by=pl.lit(PROBABILITY if effect is None else RISK_REDUCTION)
    )


def _terciles(alerts: pl.DataFrame) -> tuple[float, float]:
    """Where the middle and the high third of open risk alerts begin; 1 where there is none."""
    found = alerts.filter((pl.col("kind") == "risk") & pl.col("state").is_in(OPEN_STATES))[
        "abandonment_probability_28d"
    ]
    low, high = (found.quantile(share, interpolation="linear") for share in (1 / 3, 2 / 3))
    return (1.0, 1.0) if low is None or high is None else (low, high)
