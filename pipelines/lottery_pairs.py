"""What became of the pairs between which a lot decided, as `models.holdout` is told.

Belongs here: outcome and contact of each alert of `alerts.lottery`, once its 8 weeks are over. Does not belong here: the
lot (`models.lottery`), any estimate.
"""

from __future__ import annotations

from pipelines.core.local_time import date_day, epoch_day
from pipelines.effect_trials import OUTCOME_DAYS, recording_days
from pipelines.resources import Night


def pairs(night: Night, *, allowance_days: int | None = None) -> str:
    """SQL of both alerts of each pair drawn at least 8 weeks and the allowance ago, sorted by pair.

    Columns: programme_id, pair_id, learner_id, observed_at, is_routed, routed_probability, is_abandoned, is_contacted.

    is_abandoned: the participation is known to be abandoned on a day before the end of the 56 days that begin with the
    local day of the lot; other ends count as no. A day before the lot counts too: silence is dated to the last activity,
    and whom nobody brought back was still in when the lot was drawn; to leave them out would leave out those
    whom contact keeps. is_contacted: a session was held, or the mentor wrote, in the programme while the lot bound.

    Args:
        night: the night whose core and lots are read.
        allowance_days: days that a window must have been over, so that late records are in; None: until 99 % of
            abandonments were known (`recording_days`). Where silence tells ends they include the days of silence.
    """
    allowance = recording_days(night.warehouse) if allowance_days is None else allowance_days
    lot_day = epoch_day("l.observed_at", f"'{night.settings.timezone}'")
    return f"""
    SELECT l.programme_id, l.pair_id, l.learner_id, l.observed_at, l.is_routed, l.routed_probability,
           coalesce(p.status = 'abandoned' AND {date_day("p.ended_on")} < {lot_day} + {OUTCOME_DAYS}, false)
               AS is_abandoned,
           EXISTS (FROM core.mentoring_event AS e
                   WHERE e.programme_id = l.programme_id AND e.learner_id = l.learner_id
                     AND e.event_kind IN ('held', 'message_by_mentor') AND e.epoch_day >= {lot_day}
                     AND e.epoch_day < {date_day("l.held_until_on")}) AS is_contacted
    FROM alerts.lottery AS l LEFT JOIN core.participation AS p USING (participation_id)
    WHERE l.observed_at < {night.observed_sql}
      AND {lot_day} + {OUTCOME_DAYS} + {allowance} <= {night.tonight_epoch_day}
    ORDER BY l.pair_id, l.is_routed
    """
