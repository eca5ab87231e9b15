"""Which model scores, as of when, and who decided: risk.promotion and the states in risk.model.

Belongs here: reading and changing the champion. Does not belong here: whether a challenger deserves it (`models.gate`),
training (`training`), the files of a model (`models.store`).

Changes of champion are written down and never taken back: a rollback is a further one. The champion of a night is that
of the latest change with `promoted_at` no later than the night's observed_at, so that a night run again has the model
it had.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from data_contracts.errors import UsageError
from data_contracts.features import contract_hash
from pipelines.home import now
from pipelines.warehouse import Warehouse

GATE, OPERATOR = "gate", "operator"
PROMOTION, ROLLBACK = "promotion", "rollback"

_LATEST = "ORDER BY promoted_at DESC, promotion_number DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of champion as it is to be written down."""

    model_id: str
    promoted_at: datetime
    by: str
    reason: str
    kind: str = PROMOTION


def champion_as_of(warehouse: Warehouse, observed_at: datetime) -> str | None:
    """model_id of the champion that a night may use; None where there is none, or none of today's feature contract.

    `observed_at` is in UTC without a zone.
    """
    found = warehouse.rows(
        "SELECT model_id, feature_contract_hash FROM risk.model "
        f"SEMI JOIN (SELECT model_id FROM risk.promotion WHERE promoted_at <= ? {_LATEST}) USING (model_id)",
        [observed_at],
    )
    return str(found[0][0]) if found and found[0][1] == contract_hash() else None


def current_champion(warehouse: Warehouse) -> str | None:
    """model_id of the champion after all changes, whatever its feature contract."""
    found = warehouse.scalar(f"SELECT model_id FROM risk.promotion {_LATEST}")
    return None if found is None else str(found)


def previous_champion(warehouse: Warehouse, model_id: str) -> str | None:
    """The model that was champion before the given one was last promoted; rollbacks to it do not count."""
    found = warehouse.scalar(
        f"SELECT previous_model_id FROM risk.promotion WHERE model_id = ? AND promotion_kind = '{PROMOTION}' {_LATEST}",
        [model_id],
    )
    return None if found is None else str(found)


def is_set_aside(warehouse: Warehouse, model_id: str) -> bool:
    """Whether a person's last word on the model was to replace it; no night promotes it then."""
    last = warehouse.scalar(
        "SELECT CASE WHEN model_id = ? THEN 'promoted' ELSE promoted_by END FROM risk.promotion "
        "WHERE model_id = ? OR previous_model_id = ? ORDER BY promotion_number DESC LIMIT 1",
        [model_id, model_id, model_id],
    )
    return bool(last == OPERATOR)


def is_training_due(warehouse: Warehouse, observed_at: datetime, *, after_days: int) -> bool:
    """Whether the champion is to be challenged: there is none, or a week is over since it was last challenged or chosen.

    A model chosen by hand so has its week, and a refused challenger is not trained again every night.
    """
    if champion_as_of(warehouse, observed_at) is None:
        return True
    return bool(
        warehouse.scalar(
            "SELECT max(moment) <= CAST(? AS TIMESTAMP) - to_days(CAST(? AS INTEGER)) FROM ("
            "SELECT trained_at AS moment FROM risk.model WHERE feature_contract_hash = ? UNION ALL "
            "SELECT promoted_at FROM risk.promotion) WHERE moment <= ?",
            [observed_at, after_days, contract_hash(), observed_at],
        )
    )


def change_champion(warehouse: Warehouse, change: Change) -> None:
    """Write a change down and set the states; call inside a transaction."""
    warehouse.execute(
        "INSERT INTO risk.promotion BY NAME SELECT "
        "(SELECT coalesce(max(promotion_number), 0) + 1 FROM risk.promotion) AS promotion_number, ? AS promotion_kind, "
        f"? AS model_id, (SELECT model_id FROM risk.promotion WHERE promoted_at <= ? {_LATEST}) AS previous_model_id, "
        "? AS promoted_at, ? AS promoted_by, ? AS promotion_reason, ? AS decided_at",
        [
            change.kind,
            change.model_id,
            change.promoted_at,
            change.promoted_at,
            change.by,
            change.reason,
            now().replace(tzinfo=None),
        ],
    )
    warehouse.execute(
        "UPDATE risk.model SET promoted_by = ?, promoted_at = ? WHERE model_id = ?",
        [change.by, change.promoted_at, change.model_id],
    )
    settle_states(warehouse)


def settle_states(warehouse: Warehouse) -> None:
    """Say in risk.model who is champion and who was."""
    warehouse.execute(
        "UPDATE risk.model SET state = CASE WHEN model_id = ? THEN 'champion' "
        "WHEN model_id IN (SELECT model_id FROM risk.promotion) THEN 'former' ELSE state END",
        [current_champion(warehouse)],
    )


def hand_promotions(warehouse: Warehouse) -> int:
    """How often a person has changed the champion: such a change is new to a publication as data would be."""
    return int(warehouse.scalar(f"SELECT count(*) FROM risk.promotion WHERE promoted_by = '{OPERATOR}'"))


def promote_by_hand(warehouse: Warehouse, model_id: str, *, reason: str, kind: str = PROMOTION) -> None:
    """Make a model champion from the latest night on.

    Raises:
        UsageError: it is champion already, or speaks of other features than today's code.
    """
    ensure_can_score(warehouse, model_id)
    with warehouse.transaction():
        change_champion(warehouse, Change(model_id, _latest_night(warehouse), OPERATOR, reason, kind))


def ensure_can_score(warehouse: Warehouse, model_id: str) -> None:
    """Do nothing where a model may become champion by hand.

    Raises:
        UsageError: it is champion already, or speaks of other features than today's code.
    """
    if current_champion(warehouse) == model_id:
        message = f"model {model_id} is champion already"
        raise UsageError(message)
    trained_on = warehouse.scalar("SELECT feature_contract_hash FROM risk.model WHERE model_id = ?", [model_id])
    if trained_on != contract_hash():
        message = (
            f"model {model_id} was trained on another feature contract than this code has, so it cannot score; "
            "train a new one (`handrail run`, or the job weekly_training), or go back to the code it was trained with"
        )
        raise UsageError(message)


def _latest_night(warehouse: Warehouse) -> datetime:
    """Observation time of the latest night, training or change: whatever is decided now holds from then on."""
    found: datetime = warehouse.scalar(
        "SELECT max(moment) FROM (SELECT observed_at AS moment FROM ops.run UNION ALL SELECT trained_at FROM risk.model "
        "UNION ALL SELECT promoted_at FROM risk.promotion)"
    )
    return found
