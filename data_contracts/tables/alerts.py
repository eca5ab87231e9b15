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
    spec="mentor_id observed_at week_starts_on available_minutes planned_minutes used_minutes alert_minutes "
    "is_capacity_assumed",
)
ALERT = table(
    "alerts.alert",
    "Alerts as routed, one history row a night while open",
    grain="one row per alert and observed_at",
    key="alert_id observed_at",
    level="learner",
    spec="alert_id participation_id observed_at learner_id programme_id course_id* enrolment_id* mentor_id* "
    "kind:alert_kind rule* state:alert_state opened_at state_at resolution* escalated_at* last_contact_at* "
    "abandonment_probability_28d* risk_band* probability_change_7d* is_too_early reason_1_family* reason_1_text* "
    "reason_2_family* reason_2_text* reason_3_family* reason_3_text* level channel:alert_channel expected_minutes "
    "due_minutes next_step* is_served unserved_reason* route_kind* ranked_by* routing_value* model_id*",
)
EVENT = table(
    "alerts.event",
    "What happened to each alert, appended and never changed; the view alerts.current is how they stand now",
    grain="one row per alert and event",
    key="alert_id event_number",
    level="learner",
    spec="alert_id event_number participation_id learner_id event_kind:alert_event_kind happened_at observed_at "
    "kind:alert_kind rule* by_id* verdict* contacted_at* resolution*",
)
ROUTING = table(
    "alerts.routing",
    "How each night was routed, beside what greedy routing would have served and what nobody could exceed",
    grain="one row per observed_at",
    key="observed_at",
    spec="observed_at ranked_by routing_method alerts_count own_mentor_count spill_over_count coordinator_count "
    "unserved_alerts_count served_value greedy_served_value served_value_bound",
)
LOTTERY = table(
    "alerts.lottery",
    "The optional hold-out: pairs of alerts at the cut, between which a lot decided; it stands in no mart",
    grain="one row per alert",
    key="alert_id",
    level="learner",
    spec="alert_id pair_id observed_at participation_id learner_id programme_id is_routed routed_probability routing_value "
    "held_until_on",
)
DELIVERY = table(
    "alerts.delivery",
    "What is to be delivered to whom, written down before it is sent, and what became of it",
    grain="one row per delivery",
    key="delivery_id",
    level="learner",
    spec="delivery_id sink recipient_id* alert_id learner_id observed_at due_at delivery_state attempts_count delivered_at* "
    "payload*",
)
UNSERVED = table(
    "alerts.unserved",
    "What nobody has minutes for, and what one more hour would serve",
    grain="one row per programme and observed_at",
    key="programme_id observed_at",
    spec="programme_id observed_at week_starts_on unserved_alerts_count served_alerts_count expected_loss "
    "served_by_one_more_hour_count loss_served_by_one_more_hour",
)

ALERT_TABLES: tuple[Table, ...] = (CANDIDATE, CAPACITY, ALERT, EVENT, ROUTING, LOTTERY, DELIVERY, UNSERVED)
