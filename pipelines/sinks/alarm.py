"""Posts that a run failed or was gated, to one address, signed as alerts are; off where no address is set.

Belongs here: the alarm's own patience, since somebody waits. Does not belong here: what it tells (`pipelines.ending`),
HTTP and the signature (`webhook`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipelines.settings import Settings
from pipelines.sinks.webhook import AwayError, Patience, Reply, Webhook, check_address, secret_for

_PATIENCE = Patience(backoff_seconds=1.0, longest_wait_seconds=5.0, night_seconds=30.0)
_ATTEMPTS, _SECONDS = 3, 10.0


def receiver(settings: Settings) -> Webhook | None:
    """Who hears alarms; None where nobody is named.

    Raises:
        UsageError: the address cannot be used, or there is no secret that can.
    """
    if not settings.alarm_url:
        return None
    check_address(settings.alarm_url, "alarm_url")
    secret = secret_for("alarm_url")
    seconds = min(settings.webhook_timeout_seconds, _SECONDS)
    return Webhook(settings.alarm_url, secret, seconds, _ATTEMPTS, _PATIENCE)


def post(settings: Settings, key: str, told: Mapping[str, Any]) -> None:
    """Post one alarm, under the idempotency key `alarm-KEY`; within a minute it is taken or given up.

    Raises:
        AwayError: the receiver did not take it.
        UsageError: as `receiver`.
    """
    hook = receiver(settings)
    if hook is None:
        return
    body = json.dumps({"kind": "alarm", **told}).encode()
    failure = ""
    try:
        if hook.post(f"alarm-{key}", body, lambda: None) is Reply.REFUSED:
            failure = f"{hook.receiver} refused it"
    except AwayError as away:
        # The rest speaks of alerts, which wait; an alarm does not.
        failure = str(away).partition(";")[0].partition(": ")[0]
    if failure:
        message = f"the alarm was not delivered: {failure}"
        raise AwayError(message, is_final=True)
