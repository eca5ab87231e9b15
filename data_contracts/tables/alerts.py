"""Tables of schema `alerts`: candidates, capacity, routed alerts, what nobody serves.

Belongs here: what routing reads and writes; these are records and outlive a rebuild. Does not belong here: marts.
"""

from __future__ import annotations

from data_contracts.schema import Table
from data_contracts.tables import table

CANDIDATE = table(
    "alerts.candidate",
    "Participations that call for an alert tonight, before anybody's minutes are counted",
    grain="one row per participation",
    key="participation_id observed_at",
    level="learner",
    spec="participation_id observed_at learner_id programme_id course_id* enrolment_id* kind:alert_kind rule* "
    "abandonment_probability_28d* risk_band* probability_change_7d* is_too_early reason_1_family* reason_1_text* "
    "reason_2_family* reason_2_text* reason_3_family* reason_3_text* level channel:alert_channel expected_minutes "
    "next_step* model_id*",
)
CAPACITY = table(
    "alerts.capacity",
    "Each mentor's minutes of the local week",
    grain="one row per mentor and observed_at",
    key="mentor_id observed_at",
    level="mentor",
    spec="mentor_id observed_at week_starts_on available_minutes planned_minutes used_minutes is_capacity_assumed",
)
ALERT = table(
    "alerts.alert",
    "Alerts as routed, one history row a night while open",
    grain="one row per alert and observed_at",
    key="alert_id observed_at",
    level="learner",
    spec="alert_id participation_id observed_at learner_id programme_id course_id* enrolment_id* mentor_id* "
    "kind:alert_kind rule* state:alert_state opened_at state_at abandonment_probability_28d* risk_band* "
    "probability_change_7d* is_too_early reason_1_family* reason_1_text* reason_2_family* reason_2_text* "
    "reason_3_family* reason_3_text* level channel:alert_channel expected_minutes next_step* is_served "
    "unserved_reason* route_kind* model_id*",
)
UNSERVED = table(
    "alerts.unserved",
    "What nobody has minutes for, and what one more hour would serve",
    grain="one row per programme and observed_at",
    key="programme_id observed_at",
    spec="programme_id observed_at week_starts_on unserved_alerts_count served_alerts_count expected_loss "
    "served_by_one_more_hour_count loss_served_by_one_more_hour",
)

ALERT_TABLES: tuple[Table, ...] = (CANDIDATE, CAPACITY, ALERT, UNSERVED)
