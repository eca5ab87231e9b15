"""The outbox: what is to be delivered is written down in one transaction, then sent, then marked.

Belongs here: what became of each delivery, and the order of things that survives a kill. Does not belong here: what is
news for whom (`news`), how a digest reads (`digest`), HTTP (`webhook`).

A delivery's id is a hash of what is delivered, to whom and why. Each night works out all that should have been told by
now; what is not known yet is inserted, what is known is left as it is. So a night run again adds nothing, and a night
killed anywhere goes on where it was. What is no news any more before it was sent is withdrawn: an alert that ended before
anybody was told of it is told to nobody, and neither is its end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import polars as pl

from data_contracts.tables.alerts import DELIVERY
from models.contract import schema_of
from pipelines import runs
from pipelines.home import now
from pipelines.resources import Night
from pipelines.sinks import digest, digest_files
from pipelines.sinks.news import Calendar, Delivery, digests, opted_out, posts, readers
from pipelines.sinks.webhook import AwayError, Patience, Reply, Webhook
from pipelines.warehouse import Warehouse

# So many deliveries that nobody takes, one after the other, and the rest waits for the next run.
_GIVE_UP_AFTER = 3


def has_news(night: Night) -> bool:
    """Whether a night may tell anybody anything.

    Not for source `oulad`, nor where there is no mentor, nor for a night before one that was delivered already.
    """
    has_mentors = "SELECT (SELECT count(*) FROM raw.mentor) + (SELECT count(*) FROM core.mentoring_match)"
    return (
        night.settings.source != "oulad"
        and not runs.last_delivered(night.warehouse, night.observed_naive)[1]
        and bool(night.warehouse.scalar(has_mentors))
    )


def write_down(night: Night) -> int:
    """Write down what is to be delivered of this night, once; returns how many deliveries are new."""
    if not has_news(night):
        return 0
    warehouse = night.warehouse
    known = warehouse.frame(f"FROM {DELIVERY.qualified_name} ORDER BY observed_at, delivery_id")
    wanted = [
        *(digests(night, known) if night.settings.digests else ()),
        *(posts(night, known) if night.settings.webhook_url else ()),
    ]
    by_id = {delivery.delivery_id: delivery for delivery in wanted}
    rows = [_row(night, delivery_id, by_id[delivery_id]) for delivery_id in sorted(by_id)]
    incoming = pl.DataFrame(rows, schema=schema_of(DELIVERY), orient="row")
    with warehouse.transaction():
        return _merge(warehouse, incoming)


def _merge(warehouse: Warehouse, incoming: pl.DataFrame) -> int:
    """Bring the table to what is wanted; returns how many rows are new.

    What was tried already stays as it is, so that a repeat is the same to the byte; what was not takes tonight's content.
    """
    name = DELIVERY.qualified_name
    with warehouse.lent("handrail_wanted", incoming):
        warehouse.execute("CREATE OR REPLACE TEMP TABLE handrail_wanted_delivery AS FROM handrail_wanted")
    warehouse.execute(
        f"UPDATE {name} SET delivery_state = 'withdrawn' WHERE delivery_state = 'pending' "
        "AND delivery_id NOT IN (SELECT delivery_id FROM handrail_wanted_delivery)"
    )
    warehouse.execute(
        f"UPDATE {name} AS known SET delivery_state = 'pending', "
        "payload = CASE WHEN known.attempts_count = 0 THEN wanted.payload ELSE known.payload END "
        "FROM handrail_wanted_delivery AS wanted WHERE wanted.delivery_id = known.delivery_id "
        "AND known.delivery_state IN ('pending', 'withdrawn')"
    )
    new = incoming.filter(
        ~pl.col("delivery_id").is_in([str(row[0]) for row in warehouse.rows(f"SELECT delivery_id FROM {name}")])
    )
    warehouse.append(DELIVERY, new)
    return new.height


def _row(night: Night, delivery_id: str, delivery: Delivery) -> tuple[object, ...]:
    given: dict[str, object] = {
        "delivery_id": delivery_id,
        "sink": delivery.sink,
        "recipient_id": delivery.recipient_id,
        "alert_id": delivery.alert_id,
        "learner_id": delivery.learner_id,
        "observed_at": night.observed_naive,
        "due_at": delivery.due_at,
        "delivery_state": "pending",
        "attempts_count": 0,
        "delivered_at": None,
        "payload": json.dumps(delivery.payload, sort_keys=True),
    }
    return tuple(given[name] for name in DELIVERY.column_names)


def deliver(night: Night, patience: Patience | None = None) -> Mapping[str, int]:
    """Send what is pending and mark each as sent; what was sent is not sent again. Returns how many by way.

    Call it only once the night is published. Digests are files and are written whole each time. A post that nobody takes
    stays pending, is noted at the run and fails nothing.

    Raises:
        UsageError: a webhook is set that cannot be used; digests are written before.
    """
    sent = {"digest": 0, "webhook": 0}
    if has_news(night):
        warehouse = night.warehouse
        gone = f"learner_id IN ({opted_out()}) OR payload IS NULL OR recipient_id IS NULL AND sink = 'digest'"
        warehouse.execute(
            f"UPDATE {DELIVERY.qualified_name} SET delivery_state = 'withdrawn' WHERE delivery_state = 'pending' AND ({gone})"
        )
        if night.settings.digests:
            sent["digest"] = _write_digests(night)
        webhook = Webhook.of(night.settings, patience)
        if webhook is not None:
            sent["webhook"] = _post_all(night, webhook)
    runs.delivered(night.warehouse, night.run_id)
    return sent


def _write_digests(night: Night) -> int:
    """Each recipient's file of the day, from what is written down for it; returns how many."""
    warehouse = night.warehouse
    cards, calendar = readers(night), Calendar(night)
    by_card = {(card["reader_id"], card["alert_id"]): card for card in cards}
    rows = warehouse.rows(
        f"SELECT delivery_id, recipient_id, alert_id, payload FROM {DELIVERY.qualified_name} "
        "WHERE sink = 'digest' AND delivery_state IN ('pending', 'sent') AND payload IS NOT NULL "
        "AND recipient_id IS NOT NULL ORDER BY delivery_id"
    )
    due: dict[str, dict[str, Mapping[str, Any]]] = {}
    for delivery_id, recipient, alert_id, payload in rows:
        if json.loads(payload)["digest_on"] == f"{calendar.day(recipient)}" and (recipient, alert_id) in by_card:
            due.setdefault(recipient, {})[delivery_id] = by_card[recipient, alert_id]
    builder, written = digest.Builder(night, cards), []
    for recipient in sorted(due.keys() | builder.unserved.keys()):
        given = due.get(recipient, {})
        made = builder.digest(
            recipient, calendar.day(recipient), list(given.values()), is_for_week=calendar.is_for_week(recipient)
        )
        if made.sections or made.good_news or made.unserved:
            written.append(digest_files.write(night.home.outbox, made))
            _mark(warehouse, list(given))
    oldest = night.observed_naive.date() - timedelta(days=night.settings.outbox_days)
    digest_files.tidy(night.home.outbox, written, calendar.days(), oldest)
    return len(written)


def _post_all(night: Night, webhook: Webhook) -> int:
    """Post what is pending, what was tried least first; of one alert in the order in which it happened."""
    warehouse = night.warehouse
    pending = warehouse.rows(
        "SELECT delivery_id, alert_id, payload "
        f"FROM {DELIVERY.qualified_name} WHERE sink = 'webhook' AND delivery_state = 'pending' "
        "ORDER BY max(attempts_count) OVER (PARTITION BY alert_id), alert_id, "
        "json_extract_string(payload, '$.happened') = 'escalated', observed_at, delivery_id"
    )
    keys = _keys(night) if night.settings.webhook_identifiers else {}
    posted, away, waiting = 0, [], set[str]()
    for delivery_id, alert_id, payload in pending:
        if alert_id in waiting:
            continue
        try:
            reply = webhook.post(delivery_id, _body(payload, keys), partial(_tried, warehouse, delivery_id))
        except AwayError as error:
            away.append(str(error))
            waiting.add(alert_id)
            if error.is_final or len(away) >= _GIVE_UP_AFTER:
                break
            continue
        away = []
        _mark(warehouse, [delivery_id], reply.value)
        posted += reply is Reply.TAKEN
        if reply is Reply.REFUSED:
            message = f"{webhook.receiver} refused the delivery {delivery_id}; it is not sent again"
            runs.note(warehouse, night.run_id, message)
    if waiting:
        runs.source_failed(warehouse, night.run_id, "webhook", away[-1] if away else "some deliveries were not taken")
    return posted


def _body(payload: str, keys: Mapping[str, str]) -> bytes:
    """What is posted: the payload as written down, with keys in place of nobody's where they are asked for."""
    told = json.loads(payload)
    for pseudonym, key in (("learner_id", "learner_key"), ("mentor_id", "mentor_key")):
        if told.get(pseudonym) in keys:
            told[key] = keys[told[pseudonym]]
    return json.dumps(told, sort_keys=True, ensure_ascii=False).encode()


def _keys(night: Night) -> dict[str, str]:
    return dict(
        night.warehouse.rows("SELECT person_id, person_key FROM identity.main.person WHERE person_key IS NOT NULL")
    )


def _tried(warehouse: Warehouse, delivery_id: str) -> None:
    warehouse.execute(
        f"UPDATE {DELIVERY.qualified_name} SET attempts_count = attempts_count + 1 WHERE delivery_id = ?", [delivery_id]
    )


def _mark(warehouse: Warehouse, delivery_ids: Sequence[str], state: str = "sent") -> None:
    """Write down what became of pending deliveries; a digest is one attempt, a post counts its own."""
    warehouse.execute(
        f"UPDATE {DELIVERY.qualified_name} SET delivery_state = ?, delivered_at = ?, "
        "attempts_count = attempts_count + CAST(sink = 'digest' AS BIGINT) "
        "WHERE delivery_id IN (SELECT unnest(?)) AND delivery_state = 'pending'",
        [state, now().replace(tzinfo=None) if state == "sent" else None, list(delivery_ids)],
    )
