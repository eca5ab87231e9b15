"""What `handrail doctor` looks at: one finding a line, each with its way out.

Belongs here: what a finding is, and going through all probes so that one that breaks does not stop the others. Does not
belong here: any probe (`machine`, `stores`, `schedules`, `intake`, `delivery`), printing (`pipelines.commands.doctor`).

Nothing here makes a folder, opens the warehouse or keeps the home's lock from a run, so a doctor may look at an empty
home and while a night is at work. No finding tells a secret, a person's data or what an address has behind its host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from data_contracts.errors import HandrailError
from pipelines.doctor.delivery import alarms, outbox, reports
from pipelines.doctor.finding import Finding, Patient
from pipelines.doctor.intake import data_folder, record_stores, tables
from pipelines.doctor.machine import disk, packages, permissions, python
from pipelines.doctor.schedules import daemon, history
from pipelines.doctor.stores import freshness, key, lock, marts, schema
from pipelines.home import Home
from pipelines.settings import load_settings

Probe = Callable[[Patient], Iterable[Finding]]

PROBES: tuple[Probe, ...] = (
    python,
    packages,
    disk,
    permissions,
    key,
    schema,
    lock,
    daemon,
    history,
    data_folder,
    tables,
    record_stores,
    freshness,
    marts,
    outbox,
    alarms,
    reports,
)


def examine(home: Home, probes: Iterable[Probe] = PROBES) -> Iterator[Finding]:
    """Look at a home from all sides; a probe that breaks is a finding itself."""
    settings = None
    try:
        settings = load_settings(home.settings_file)
    except (HandrailError, OSError) as error:
        yield Finding.fail("settings", _told(error), "mend it; what the settings decide was not looked at")
    else:
        name = home.settings_file.name
        yield Finding.ok("settings", f"{name} is valid" if home.settings_file.exists() else f"no {name}: defaults")
    for probe in probes:
        try:
            yield from probe(Patient(home, settings))
        except Exception as error:  # noqa: BLE001 - whatever ails one part, the others are looked at
            yield Finding.fail(probe.__name__, f"could not be looked at: {_told(error)}", "mend that, and look again")


def _told(error: Exception) -> str:
    """What may be told of an error: our own words in full, of others the kind alone, since they may hold anything."""
    if isinstance(error, HandrailError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}: {error.filename}" if error.filename else error.strerror.lower()
    return type(error).__name__
