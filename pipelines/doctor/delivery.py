"""What goes out: digests, the webhook, reports.

Belongs here: whether what nights wrote reaches its readers, as far as files and settings tell. Does not belong here:
sending anything (`pipelines.sinks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from data_contracts.errors import HandrailError
from pipelines.doctor.finding import Finding, Patient
from pipelines.doctor.stores import published
from pipelines.sinks import alarm, heartbeat
from pipelines.sinks.webhook import Webhook


def outbox(patient: Patient) -> Iterator[Finding]:
    """Which digests lie in the outbox; carrying them to their readers is the operator's."""
    if patient.settings is not None and not patient.settings.digests:
        yield Finding.ok("outbox", "digests are off")
        return
    folder = patient.home.outbox
    days = sorted(path for path in folder.iterdir() if path.is_dir() and _is_day(path.name)) if folder.exists() else []
    if not days:
        yield Finding.ok("outbox", "no digests yet")
        return
    count = sum(1 for _ in days[-1].glob("*.html"))
    kept = "1 day is" if len(days) == 1 else f"{len(days)} days are"
    yield Finding.ok("outbox", f"{count} digests of {days[-1].name}; {kept} kept")


def _is_day(name: str) -> bool:
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True


def alarms(patient: Patient) -> Iterator[Finding]:
    """Whether the webhook and the alarm could be posted to, and the monitor asked; nothing is posted or asked."""
    settings = patient.settings
    if settings is None:
        return
    for name, receiver in (("webhook", Webhook.of), ("alarm", alarm.receiver)):
        try:
            found = receiver(settings)
        except HandrailError as error:
            yield Finding.fail(name, str(error), "docs/delivery.md says what it takes")
            continue
        if found is not None:
            yield Finding.ok(name, f"{found.receiver}, signed; it was not asked")
    try:
        heartbeat.ensure_usable(settings)
    except HandrailError as error:
        yield Finding.fail("heartbeat", str(error), "docs/operation.md says what it takes")
    if settings.source == "inbox" and not (settings.alarm_url or settings.heartbeat_url):
        told = "nobody is told when a night fails"
        yield Finding.warn(
            "alarm", told, "set alarm_url or heartbeat_url, or watch log/heartbeat.json: docs/operation.md"
        )


def reports(patient: Patient) -> Iterator[Finding]:
    """Whether the pages are there that the UI links to."""
    home, row = patient.home, published(patient)
    if row is None:
        return
    pages = sorted(path for path in home.reports.rglob("*.html") if path.is_file())
    model_id = row["model_id"]
    if model_id and not home.model_card(model_id).exists():
        told = f"no card of model {model_id}, which scores"
        yield Finding.warn("reports", told, "the next night writes it")
    else:
        yield Finding.ok("reports", f"{len(pages)} pages in {home.reports}")
