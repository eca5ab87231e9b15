"""Contacts that mentors say they made because of an alert, as days of the learner's enrolments.

Belongs here: reading them from feedback. Does not belong here: which landmarks they mark (`models.contacted`), contacts
that are logged as sessions and messages: those would have been made without an alert too.
"""

from __future__ import annotations

import polars as pl

from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import epoch_day, local
from pipelines.resources import Night
from pipelines.warehouse import current


def contacts_by_alert(night: Night) -> pl.DataFrame:
    """`enrolment_id` and `contact_epoch_day` (the enrolment's local day) of each contact known before observed_at.

    Feedback tells a contact by contacted_at, or by the state acted at its own time. It counts for every enrolment of the
    participation that was active that day. An alert that the lot held out calls for no contact as long as the lot binds, so
    what its feedback tells then is none because of it (docs/decisions/0022).
    """
    return night.warehouse.frame(
        f"""
        WITH contact AS (
            SELECT alert_id, coalesce(contacted_at, "at") AS contacted_at
            FROM {current(RAW_INPUTS["alert_feedback"], night.observed_sql)}
            WHERE state = 'acted' OR contacted_at IS NOT NULL
        ),
        opened AS (
            SELECT alert_id, participation_id, happened_at AS opened_at FROM alerts.event WHERE event_kind = 'opened'
        ),
        held AS (
            SELECT alert_id, observed_at AS held_at, held_until_on FROM alerts.lottery WHERE NOT is_routed
        )
        SELECT DISTINCT e.enrolment_id, {epoch_day("c.contacted_at", "e.timezone")} AS contact_epoch_day
        FROM contact AS c JOIN opened AS o USING (alert_id) LEFT JOIN held AS h USING (alert_id)
        JOIN core.enrolment AS e USING (participation_id)
        WHERE c.contacted_at >= o.opened_at
          AND (h.alert_id IS NULL OR c.contacted_at < h.held_at
               OR CAST({local("c.contacted_at", f"'{night.settings.timezone}'")} AS DATE) >= h.held_until_on)
          AND {epoch_day("c.contacted_at", "e.timezone")}
              BETWEEN e.enrolled_epoch_day AND coalesce(e.ended_epoch_day, e.course_end_epoch_day)
        ORDER BY ALL
        """
    )
